/* hooks.json as it is read: types, keys, flow shorthand, mistakes with their places. */
#include "compat/hook.h"
#include "unit.h"

static struct hook_file *parse(const char *text, struct reason *why)
{
    return hook_file_parse(STR("hooks.json"), str_from_cstr(text), false, why);
}

void test_hook_file_reads_every_property(void)
{
    struct reason why = {0};
    struct hook_file *f = parse(
        "- ID: deploy\n"
        "  execute-command: /bin/x\n"
        "  Command-Working-Directory: /srv\n"
        "  response-message: 5\n"
        "  response-headers: [{name: X-A, value: yes}]\n"
        "  success-http-response-code: 201\n"
        "  include-command-output-in-response: on\n"
        "  http-methods: [' post ', 7]\n"
        "  pass-arguments-to-command: [{source: payload, name: a.b, base64decode: true}]\n"
        "  trigger-rule: {\"and\": [\"or\": [{match: {type: value, value: 1}}], {not: {}}]}\n",
        &why);
    EXPECT(f != NULL);
    const struct hook *h = hook_file_find(f, STR("deploy"));
    EXPECT(h != NULL && f->count == 1);
    EXPECT_STR(h->working_directory, "/srv");
    EXPECT_STR(h->response_message, "5");
    EXPECT_STR(h->response_headers[0].value, "true");
    EXPECT_EQ_INT(h->success_code, 201);
    EXPECT(h->capture_output && !h->capture_output_on_error);
    EXPECT_STR(h->methods[0], "POST");
    EXPECT_STR(h->methods[1], "7");
    EXPECT(h->arguments.v[0].base64decode);
    EXPECT_EQ_INT(h->rule->kind, HOOK_RULE_AND);
    EXPECT_EQ_UINT(h->rule->count, 2);
    EXPECT_EQ_INT(h->rule->rules[0].kind, HOOK_RULE_OR);
    EXPECT_STR(h->rule->rules[0].rules[0].value, "1");
    hook_file_unref(f);
}

void test_hook_file_names_the_place_of_a_wrong_type(void)
{
    struct reason why = {0};
    EXPECT(!parse("- id: a\n  include-command-output-in-response: \"yes\"\n", &why));
    EXPECT_HAS(why.text, "hooks.json:2:39: include-command-output-in-response takes true or false, "
                         "not a string");
    EXPECT(!parse("- id: a\n  trigger-rule: {and: {}}\n", &why));
    EXPECT_HAS(why.text, "hooks.json:2:23: and takes a list");
    EXPECT(!parse("{\"id\":\"a\"}", &why));
    EXPECT_HAS(why.text, "must hold a list of hooks");
}

void test_hook_file_keeps_a_pattern_that_does_not_compile(void)
{
    struct reason why = {0};
    struct hook_file *f = parse("- {id: a, trigger-rule: {match: {type: regex, regex: (}}}", &why);
    EXPECT(f != NULL);
    EXPECT(!f->hooks[0].rule->compiled);
    EXPECT_HAS(f->hooks[0].rule->bad_regex, "missing closing )");
    hook_file_unref(f);
}

void test_hook_file_of_nothing_has_no_hooks(void)
{
    struct reason why = {0};
    static const char *const texts[] = {"", "null", "[]", "# only a note\n"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct hook_file *f = parse(texts[i], &why);
        EXPECT(f != NULL && f->count == 0);
        hook_file_unref(f);
    }
}
