/* masking_test.c -- what is a secret, what stands in its place, and what a mask that comes back
 * stands for. */
#include "engine/masking.h"

#include "unit.h"

#define KEY STR("the token of the daemon")
#define OUT_MAX (1u << 20)

static struct masking plain = {.key = {"the token of the daemon", 23}};

static struct json_doc *read(const char *text)
{
    struct reason why = {0};
    struct json_doc *doc = json_parse(str_from_cstr(text), &why);
    if (!doc)
        FAIL("%s: %s", text, why.text);
    return doc;
}

/* The text as it is shown; static. */
static const char *shown(const struct masking *m, const char *text)
{
    static char out[8192];
    struct buf b = buf_over(out, sizeof(out));
    struct json_writer w;
    struct json_doc *doc = read(text);
    json_writer_init(&w, &b);
    mask_write(&w, m, json_root(doc));
    EXPECT(buf_ok(&b));
    out[b.len] = '\0';
    json_doc_free(doc);
    return out;
}

/* What is kept of `text` when `old` was there; or the reason, after "! ". Static. */
static const char *kept(const struct masking *m, const char *text, const char *old)
{
    static char out[8192];
    struct buf b = buf_over(out, sizeof(out));
    struct reason why = {0};
    struct json_writer w;
    struct json_doc *doc = read(text), *was = old ? read(old) : NULL;
    json_writer_init(&w, &b);
    if (mask_undo(&w, m, json_root(doc), json_root(was), &why) != ERR_OK) {
        b.len = 0;
        buf_printf(&b, "! %s", why.text);
    }
    EXPECT(buf_ok(&b));
    out[b.len] = '\0';
    json_doc_free(doc);
    json_doc_free(was);
    return out;
}

/* The mask of one secret; by turns in a few places. */
static const char *mask(const char *secret)
{
    static char texts[4][MASK_TEXT_MAX];
    static size_t turn;
    char doc[256];
    snprintf(doc, sizeof(doc), "{\"secret\":\"%s\"}", secret);
    struct json_doc *read_back = read(shown(&plain, doc));
    char *out = texts[turn++ % ARRAY_LEN(texts)];
    snprintf(out, MASK_TEXT_MAX, STR_FMT,
             STR_ARG(json_str(json_get(json_root(read_back), STR("secret")))));
    EXPECT(mask_is(str_from_cstr(out)));
    json_doc_free(read_back);
    return out;
}

/* printf with masks in the places of %s. */
#define TEXT(...) (snprintf(text, sizeof(text), __VA_ARGS__), text)

void test_masking_names_of_secrets(void)
{
    static const char *const secret[] = {
        "secret",        "secrets", "previous_secret", "Authorization", "X-Api-Key",  "password",
        "client_secret", "token",   "secret_key",      "Cookie",        "credential", "passwd"};
    static const char *const open[] = {"url",  "provider", "rate", "retry",
                                       "sign", "user",     "",     "ke y"};
    for (size_t i = 0; i < ARRAY_LEN(secret); i++)
        if (!mask_is_secret_key(str_from_cstr(secret[i]), NULL))
            FAIL("%s is shown", secret[i]);
    for (size_t i = 0; i < ARRAY_LEN(open); i++)
        if (mask_is_secret_key(str_from_cstr(open[i]), NULL))
            FAIL("%s is masked", open[i]);
}

void test_masking_fields_of_a_target_by_what_it_says_of_them(void)
{
    struct problems problems = {0};
    struct target_table *table = target_table_new(NULL);
    const struct target *slack = target_find(table, STR("slack"), &problems);
    EXPECT(slack != NULL);
    EXPECT(mask_is_secret_key(STR("webhook_url"), slack));
    EXPECT(!mask_is_secret_key(STR("webhook_url"), NULL));
    EXPECT(!mask_is_secret_key(STR("title"), slack));
    struct masking m = {.key = KEY, .target = slack};
    EXPECT(!strstr(shown(&m, "{\"slack\":{\"webhook_url\":\"https://hooks.slack.com/services/T0/B0/"
                             "x\",\"title\":\"t\"}}"),
                   "hooks.slack.com"));
    EXPECT(strstr(shown(&m, "{\"slack\":{\"title\":\"t\"}}"), "\"title\":\"t\""));
    target_table_free(table);
    problems_release(&problems);
}

void test_masking_a_mask_tells_two_secrets_apart_and_nothing_of_them(void)
{
    char first[MASK_TEXT_MAX];
    snprintf(first, sizeof(first), "%s", mask("whsec_one"));
    EXPECT_CSTR(mask("whsec_one"), first);
    EXPECT(strcmp(mask("whsec_two"), first) != 0);
    struct masking other = {.key = STR("another daemon's")};
    EXPECT(!strstr(shown(&other, "{\"secret\":\"whsec_one\"}"), first)); /* the key is in it */
    EXPECT(!mask_is(STR("****")) && !mask_is(STR("****0123456")) && !mask_is(STR("****012345678")));
    EXPECT(!mask_is(STR("****0123456g")) && !mask_is(STR("***00123456f")) && !mask_is(STR("")));
    EXPECT(mask_is(STR("****0123abCF")));
}

void test_masking_hides_everything_below_a_secret_name(void)
{
    char text[512];
    EXPECT_CSTR(
        shown(&plain, "{\"secrets\":[\"one\",{\"value\":\"two\",\"not_after\":7}],\"n\":1}"),
        TEXT("{\"secrets\":[\"%s\",{\"value\":\"%s\",\"not_after\":\"%s\"}],\"n\":1}", mask("one"),
             mask("two"), mask("7")));
    EXPECT_CSTR(shown(&plain, "{\"token\":true,\"auth\":null,\"password\":\"\"}"),
                "{\"token\":true,\"auth\":null,\"password\":\"\"}");
    EXPECT_CSTR(shown(&plain, "{\"password\":1234}"), TEXT("{\"password\":\"%s\"}", mask("1234")));
    EXPECT_CSTR(shown(&plain, "[]"), "[]");
}

void test_masking_hides_an_address_with_a_password_wherever_it_stands(void)
{
    char text[512];
    EXPECT_CSTR(shown(&plain, "{\"amqp\":{\"url\":\"amqp://joe:pw@host/v\"}}"),
                TEXT("{\"amqp\":{\"url\":\"%s\"}}", mask("amqp://joe:pw@host/v")));
    EXPECT_CSTR(shown(&plain, "{\"url\":\"https://host/a@b\",\"to\":\"joe@host\"}"),
                "{\"url\":\"https://host/a@b\",\"to\":\"joe@host\"}");
    EXPECT(!mask_is_credential(STR("://")) && !mask_is_credential(STR("")));
    EXPECT(mask_is_credential(STR("redis://:pw@h")));
}

void test_masking_what_nobody_knows_is_hidden_whole(void)
{
    struct masking all = {.key = KEY, .all = true};
    char text[512];
    EXPECT_CSTR(shown(&all, "{\"odd\":{\"hook\":\"https://h/x\",\"on\":true}}"),
                TEXT("{\"odd\":{\"hook\":\"%s\",\"on\":true}}", mask("https://h/x")));
}

void test_masking_a_mask_keeps_its_secret_in_any_place_of_one(void)
{
    const char *old = "{\"http\":{\"sign\":{\"secret\":\"one\"}},\"password\":1234}";
    char text[512];
    EXPECT_CSTR(kept(&plain, shown(&plain, old), old), old);
    EXPECT_CSTR(kept(&plain,
                     TEXT("{\"http\":{\"sign\":{\"secret\":\"new\",\"previous_secret\":\"%s\"}}}",
                          mask("one")),
                     old),
                "{\"http\":{\"sign\":{\"secret\":\"new\",\"previous_secret\":\"one\"}}}");
    EXPECT_CSTR(kept(&plain, TEXT("{\"secrets\":[\"%s\"]}", mask("two")),
                     "{\"secrets\":[\"one\",\"two\"]}"),
                "{\"secrets\":[\"two\"]}"); /* whichever place it had */
    EXPECT_CSTR(kept(&plain, "{\"secret\":\"****\",\"n\":[1,null]}", old),
                "{\"secret\":\"****\",\"n\":[1,null]}"); /* no mask, if a poor secret */
}

void test_masking_a_mask_is_read_back_nowhere_else(void)
{
    const char *old = "{\"http\":{\"url\":\"https://h/\",\"sign\":{\"secret\":\"one\"}}}";
    char text[512];
    const char *refusal = kept(&plain, TEXT("{\"http\":{\"url\":\"%s\"}}", mask("one")), old);
    EXPECT(strncmp(refusal, "! http.url: this is a mask", 26) == 0);
    refusal = kept(&plain, TEXT("{\"a\":[1,{\"b\":\"%s\"}]}", mask("one")), old);
    EXPECT(strncmp(refusal, "! a[1].b: ", 10) == 0);
    EXPECT(!strstr(refusal, "one"));
}

void test_masking_a_mask_of_nothing_is_refused(void)
{
    char text[512];
    EXPECT(strncmp(kept(&plain, TEXT("{\"secret\":\"%s\"}", mask("gone")), "{\"secret\":\"one\"}"),
                   "! secret: ", 10) == 0);
    EXPECT(strncmp(kept(&plain, TEXT("{\"secret\":\"%s\"}", mask("one")), NULL),
                   "! secret: ", 10) == 0);
    /* The first that is wrong is told. */
    EXPECT(strncmp(kept(&plain, "{\"token\":\"****00000000\",\"secret\":\"****11111111\"}", NULL),
                   "! token: ", 9) == 0);
}

void test_masking_an_address_goes_back_where_it_came_from(void)
{
    const char *old = "{\"amqp\":{\"url\":\"amqp://joe:pw@host/v\",\"exchange\":\"e\"}}";
    EXPECT_CSTR(kept(&plain, shown(&plain, old), old), old);
}

void test_masking_of_long_names_tells_a_part_of_the_place(void)
{
    struct buf text;
    buf_init(&text, OUT_MAX);
    buf_str_append(&text, STR("{\""));
    for (int i = 0; i < 150000; i++)
        buf_char(&text, 'n');
    buf_str_append(&text, STR("\":\"****00000000\",\"secret\":\"one\"}"));
    struct buf out;
    struct json_writer w;
    struct reason why = {0};
    struct json_doc *doc = read(buf_cstr(&text));
    buf_init(&out, OUT_MAX);
    json_writer_init(&w, &out);
    EXPECT(mask_undo(&w, &plain, json_root(doc), NULL, &why) == ERR_INVALID);
    EXPECT(why.text[0] != '\0');
    json_doc_free(doc);
    buf_release(&out);
    buf_release(&text);
}
