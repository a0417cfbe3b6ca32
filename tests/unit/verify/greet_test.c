/* Handshakes: which requests are answered, with what, and which are left alone. */
#include "rig.h"

void test_greet_slack_url_verification_must_be_signed(void)
{
    struct rig r;
    struct greeting g;
    rig_init(&r);
    rig_use(&r, "slack", "k");
    rig_request(&r, STR("{\"type\":\"url_verification\",\"challenge\":\"3eZ<brw1>\"}"));
    rig_sign(&r, "slack", "k");
    EXPECT(!verifier_greet(r.v, &r.req, NULL, &g));
    EXPECT_VERDICT(&r, VERDICT_VERIFIED);
    EXPECT(verifier_greet(r.v, &r.req, &r.verdict, &g));
    EXPECT_EQ_INT(g.status, 200);
    EXPECT_STR(g.content_type, "text/plain");
    EXPECT_STR(g.body, "3eZ<brw1>");
    EXPECT_EQ_INT(g.field_count, 0);
    rig_set(&r, "X-Slack-Signature", STR("v0=00"));
    EXPECT_VERDICT(&r, VERDICT_MALFORMED);
    EXPECT(!verifier_greet(r.v, &r.req, &r.verdict, &g));
    rig_release(&r);
}

void test_greet_leaves_events_alone(void)
{
    static const char *const bodies[] = {"{\"type\":\"event_callback\",\"challenge\":\"x\"}",
                                         "{\"type\":\"url_verification\"}",
                                         "{\"type\":\"url_verification\",\"challenge\":\"\"}",
                                         "{\"type\":\"url_verification\",\"challenge\":[\"x\"]}",
                                         "[]",
                                         "type=url_verification"};
    struct rig r;
    struct greeting g;
    rig_init(&r);
    rig_use(&r, "slack", "k");
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        rig_request(&r, str_from_cstr(bodies[i]));
        rig_sign(&r, "slack", "k");
        EXPECT_VERDICT(&r, VERDICT_VERIFIED);
        EXPECT(!verifier_greet(r.v, &r.req, &r.verdict, &g));
    }
    rig_release(&r);
}

#define GREETER(handshake)                                                                         \
    "id: mine\ntitle: Mine\noptions: { token: { default: tok, about: x } }\n"                      \
    "verify: { scheme: hmac, hash: sha256, signature: { from: \"header:X-S\", encoding: hex }, "   \
    "signed: \"{{ body }}\" }\nhandshake: [ " handshake " ]\n"

static void use_greeter(struct rig *r, const char *text)
{
    struct provider *p = rig_add(r, text);
    if (!p)
        FAIL("%s", r->problems.v[0].text);
    str secret = STR("s3cr3t");
    rig_verifier(r,
                 &(struct verifier_options){.provider = p, .secrets = &secret, .secret_count = 1});
}

void test_greet_echoes_a_query_value_to_who_knows_the_token(void)
{
    struct rig r;
    struct greeting g;
    rig_init(&r);
    use_greeter(
        &r, GREETER("{ when: { method: GET, \"query:hub.verify_token\": \"{{ config:token }}\", "
                    "\"query:hub.challenge\": \"*\" }, needs-signature: false, "
                    "reply: { body: \"{{ query:hub.challenge }}\" } }"));
    rig_request(&r, STR(""));
    r.req.method = STR("GET");
    r.req.query = STR("hub.challenge=a%20b%3C&hub.verify_token=tok");
    EXPECT(verifier_greet(r.v, &r.req, NULL, &g));
    EXPECT_STR(g.body, "a b<");
    EXPECT_STR(g.content_type, "text/plain");
    r.req.query = STR("hub.challenge=x&hub.verify_token=tik");
    EXPECT(!verifier_greet(r.v, &r.req, NULL, &g));
    r.req.query = STR("hub.challenge=x&hub.verify_token=tok&hub.verify_token=tok");
    EXPECT(!verifier_greet(r.v, &r.req, NULL, &g));
    r.req.query = STR("hub.challenge=x&hub.verify_token=tok");
    r.req.method = STR("POST");
    EXPECT(!verifier_greet(r.v, &r.req, NULL, &g));
    rig_release(&r);
}

void test_greet_answers_a_keyed_challenge(void)
{
    struct rig r;
    struct greeting g;
    rig_init(&r);
    use_greeter(
        &r,
        GREETER(
            "{ when: { method: GET, \"query:crc_token\": \"*\" }, needs-signature: false,"
            " reply: { content-type: application/json, body: "
            "'{\"response_token\":\"sha256={{ query:crc_token | hmac-sha256 | base64 }}\"}' } }"));
    rig_request(&r, STR(""));
    r.req.method = STR("GET");
    r.req.query = STR("crc_token=foo");
    EXPECT(verifier_greet(r.v, &r.req, NULL, &g));
    EXPECT_STR(g.content_type, "application/json");
    /* python3: base64(hmac(b"s3cr3t", b"foo", sha256)) */
    EXPECT_STR(g.body,
               "{\"response_token\":\"sha256=WW9oOMtbKKhKYr/2MAMmnkMmoPAOTkREs66BL7YvkcY=\"}");
    rig_release(&r);
}

/* Whoever can have any text signed by a handshake can have an event signed. */
void test_greet_signs_no_event_for_a_stranger(void)
{
    static const char *const asked[] = {"crc_token=%7B%22id%22%3A1%7D",
                                        "crc_token=", "crc_token=a%20b", "crc_token=a%26b"};
    static const char *const ids[] = {"twitter", "linkedin"};
    struct rig r;
    struct greeting g;
    rig_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        rig_use(&r, "twitter", "s3cr3t");
        rig_request(&r, STR(""));
        r.req.method = STR("GET");
        r.req.query = str_from_cstr(asked[i]);
        EXPECT(!verifier_greet(r.v, &r.req, NULL, &g));
    }
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        rig_use(&r, ids[i], "s3cr3t");
        rig_request(&r, STR(""));
        r.req.method = STR("GET");
        r.req.query = STR("challengeCode=hmacsha256%3D%7B%7D&crc_token=%5B1%5D");
        EXPECT(!verifier_greet(r.v, &r.req, NULL, &g));
        r.req.query = STR("challengeCode=0f8fad5b-d9cb-469f-a165&crc_token=NTQx%2Fa%2BYw%3D%3D");
        EXPECT(verifier_greet(r.v, &r.req, NULL, &g));
    }
    rig_release(&r);
}

void test_greet_returns_a_header(void)
{
    struct rig r;
    struct greeting g;
    rig_init(&r);
    use_greeter(
        &r, GREETER("{ when: { \"header:X-Hook-Secret\": \"*\" }, needs-signature: false, "
                    "reply: { status: 204, header: { X-Hook-Secret: \"{{ header:X-Hook-Secret }}\" "
                    "} } }"));
    rig_request(&r, STR(""));
    rig_field(&r, "x-hook-secret", STR("abc"));
    EXPECT(verifier_greet(r.v, &r.req, NULL, &g));
    EXPECT_EQ_INT(g.status, 204);
    EXPECT_STR(g.fields[0].name, "X-Hook-Secret");
    EXPECT_STR(g.fields[0].value, "abc");
    EXPECT_STR(g.body, "");
    /* No line end gets into a header, wherever it came from. */
    rig_set(&r, "x-hook-secret", STR("abc\r\nSet-Cookie: a=b"));
    EXPECT(!verifier_greet(r.v, &r.req, NULL, &g));
    rig_release(&r);
}

void test_greet_reply_is_bounded(void)
{
    static char query[20000] = "c=";
    struct rig r;
    struct greeting g;
    rig_init(&r);
    use_greeter(&r,
                GREETER("{ when: { \"query:c\": \"*\" }, needs-signature: false, reply: { body: "
                        "\"{{ query:c }}\" } }"));
    memset(query + 2, 'x', sizeof(query) - 3);
    rig_request(&r, STR(""));
    r.req.query = str_from_cstr(query);
    EXPECT(!verifier_greet(r.v, &r.req, NULL, &g));
    rig_release(&r);
}

void test_greet_answer_is_the_provider_s(void)
{
    struct rig r;
    struct greeting g;
    rig_init(&r);
    rig_use(&r, "github", "k");
    verifier_answer(r.v, &g);
    EXPECT_EQ_INT(g.status, 0);
    use_greeter(&r, GREETER("") "answer: { status: 202, body: \"[accepted]\" }\n");
    verifier_answer(r.v, &g);
    EXPECT_EQ_INT(g.status, 202);
    EXPECT_STR(g.body, "[accepted]");
    EXPECT_STR(g.content_type, "text/plain");
    rig_release(&r);
}
