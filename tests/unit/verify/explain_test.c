/* The causes that are named, and that no explanation shows a secret or a right signature. */
#include "rig.h"

#include "verify/explain.h"

#define SECRET "explain-secret-1"

static void signed_request_of(struct rig *r, const char *id, str body)
{
    rig_use(r, id, SECRET);
    rig_request(r, body);
    rig_sign(r, id, SECRET);
}

static const char *cause_of(struct rig *r)
{
    static char cause[EXPLAIN_CAUSE_MAX];
    rig_check(r);
    verifier_cause(r->v, &r->req, RIG_NOW_MS, &r->verdict, cause);
    return cause;
}

void test_explain_names_what_happened_to_a_body(void)
{
    static const struct {
        const char *sent, *arrived, *cause;
    } cases[] = {
        {"{\"a\":1,\"b\":[1,2]}", "{ \"a\": 1,\n  \"b\": [ 1, 2 ] }", "printed it anew"},
        {"{\"a\":1}\n", "{\"a\":1}", "took that off"},
        {"{\"a\":1}", "{\"a\":1}\n", "without"},
        {"{\n\"a\":1}", "{\r\n\"a\":1}", "line ends"},
        {"{\"a\":1}", "{\"a\":2}", "another secret"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rig r;
        rig_init(&r);
        signed_request_of(&r, "github", str_from_cstr(cases[i].sent));
        EXPECT_CSTR(cause_of(&r), "");
        r.req.body = str_from_cstr(cases[i].arrived);
        EXPECT_HAS(cause_of(&r), cases[i].cause);
        rig_release(&r);
    }
}

void test_explain_finds_the_url_behind_a_proxy(void)
{
    struct rig r;
    rig_init(&r);
    struct http_field type = {STR("Content-Type"), STR("application/x-www-form-urlencoded")};
    rig_use(&r, "twilio", SECRET);
    rig_request(&r, STR("A=1&B=2"));
    rig_field(&r, "Content-Type", type.value);
    rig_sign_with(&r, rig_provider(&r, "twilio"), SECRET,
                  &(struct signature_input){.url = STR("https://hooks.example.org/in/x"),
                                            .now_ms = RIG_NOW_MS,
                                            .fields = {&type, 1},
                                            .body = r.req.body});
    /* Signed for https; this request came over http. */
    EXPECT_HAS(cause_of(&r), "https://hooks.example.org");
    rig_release(&r);
}

void test_explain_shows_what_was_compared_and_no_secret(void)
{
    struct rig r;
    struct buf out;
    rig_init(&r);
    buf_init(&out, 65536);
    signed_request_of(&r, "slack", STR("{\"type\":\"x\"}"));
    verifier_explain(r.v, &r.req, RIG_NOW_MS + 61000, &out);
    EXPECT_HAS(buf_cstr(&out), "X-Slack-Signature: 67 characters");
    EXPECT_HAS(buf_cstr(&out), "\"v0:1795443390:{\"type\":\"x\"}\"");
    EXPECT_HAS(buf_cstr(&out), "ago; 300 s are allowed");
    EXPECT_HAS(buf_cstr(&out), "1 tried");
    EXPECT(!strstr(buf_cstr(&out), SECRET));
    str signature = http_field_get(&r.req.fields, STR("X-Slack-Signature"));
    EXPECT(str_find_str(buf_str(&out), str_slice(signature, 3, signature.n)) == out.len);
    buf_clear(&out);
    rig_use(&r, "hubspot-v1", SECRET);
    verifier_explain(r.v, &r.req, RIG_NOW_MS, &out);
    EXPECT_HAS(buf_cstr(&out), "[secret]");
    EXPECT(!strstr(buf_cstr(&out), SECRET));
    buf_release(&out);
    rig_release(&r);
}
