/* hooks_fuzz.c -- hooks.json: any file, then a request at its first hook and the importer. What
 * loads must answer without breaking, the same twice, and what is imported must be valid UTF-8
 * that our own YAML reader takes. */
#include "base/codec.h"
#include "base/yaml.h"
#include "compat/hook_import.h"
#include "compat/hook_rule.h"

static void ask(const struct hook *h, struct arena *a)
{
    struct http_field fields[] = {{STR("Content-Type"), STR("application/json")},
                                  {STR("X-Sig"), STR("sha1=00,sha256=11")}};
    struct http_request r = {.method = STR("POST"),
                             .peer = STR("127.0.0.1"),
                             .peer_port = 1,
                             .query = STR("a=1&b.c=2"),
                             .body = STR("{\"a\":{\"b\":[1,null,\"x\"]},\"k\":\"v\"}"),
                             .fields = {fields, 2}};
    struct hook_request q;
    if (hook_request_decode(&q, a, STR(""), &r, h) != HOOK_DECODED || !h->rule)
        return;
    struct reason why = {0};
    struct rule_answer first = hook_rule_holds(h->rule, &q, h->soft_failures, 0, &why);
    struct rule_answer second = hook_rule_holds(h->rule, &q, h->soft_failures, 0, &why);
    assert(first.yes == second.yes && first.error == second.error);
    assert(first.error == RULE_FINE || first.error == RULE_PANIC || why.text[0]);
}

static void import(const struct hook_file *f)
{
    struct hook_import done;
    struct reason why = {0};
    struct arena a;
    struct buf out;
    arena_init(&a, 64u << 20);
    buf_init(&out, 16u << 20);
    hook_import_write(f, "/srv", &out, &done);
    if (buf_ok(&out)) {
        assert(utf8_valid(buf_str(&out)));
        struct yaml *tree = yaml_parse(&a, STR("gaff.yaml"), buf_str(&out), &why);
        assert(tree || why.code == ERR_LIMIT);
    }
    buf_release(&out);
    arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct reason why = {0};
    if (n > 65536)
        return 0;
    struct hook_file *f =
        hook_file_parse(STR("f"), str_of((const char *)data, n), n > 0 && data[0] == '{', &why);
    if (!f) {
        assert(why.text[0]);
        return 0;
    }
    for (size_t i = 0; i < f->count && i < 20; i++) {
        struct arena a;
        arena_init(&a, 16u << 20);
        ask(&f->hooks[i], &a);
        arena_release(&a);
    }
    import(f);
    hook_file_unref(f);
    return 0;
}
