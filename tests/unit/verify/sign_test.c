/* What is signed, byte for byte, and why something cannot be. */
#include "base/codec.h"
#include "rig.h"

static void expect_fields(const char *id, const char *secret, const char *expected)
{
    struct rig r;
    struct buf text;
    rig_init(&r);
    rig_request(&r, STR("{}"));
    rig_sign(&r, id, secret);
    buf_init(&text, 4096);
    for (size_t i = 0; i < r.req.fields.count; i++)
        buf_printf(&text, STR_FMT ": " STR_FMT "\n", STR_ARG(r.fields[i].name),
                   STR_ARG(r.fields[i].value));
    EXPECT_EQ_STR(buf_str(&text), str_from_cstr(expected));
    buf_release(&text);
    rig_release(&r);
}

/* The signatures are those of tests/vectors/make.py's functions for the body {}. */
void test_sign_writes_the_headers_of_each_provider(void)
{
    expect_fields("github", "k",
                  "X-Hub-Signature-256: "
                  "sha256=add853b103fbcc936a194f9eb15e29c4ff08af6e47d5d1bca4f20218e31e4fff\n"
                  "X-GitHub-Delivery: msg_1\nX-GitHub-Event: push\n");
    expect_fields(
        "stripe", "k",
        "Stripe-Signature: "
        "t=1795443390,v1=940b68fda39f1cc310f6041d4318806ea0a3545d60539466e6ac050b55f0542f\n");
    expect_fields("slack", "k",
                  "X-Slack-Request-Timestamp: 1795443390\nX-Slack-Signature: "
                  "v0=6419fe6db4fce5b37fc274f0c9d34ed9c82edcf1e9f9e0623e3a7e9de5be5a23\n");
    expect_fields("shopify", "k",
                  "X-Shopify-Hmac-SHA256: rdhTsQP7zJNqGU+esV4pxP8Ir25H1dG8pPICGOMeT/8=\n"
                  "X-Shopify-Webhook-Id: msg_1\nX-Shopify-Topic: push\n");
    expect_fields("standard-webhooks", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
                  "webhook-id: msg_1\nwebhook-timestamp: 1795443390\n"
                  "webhook-signature: v1,gl8aV4v5MQjE/ODJkIqCWiiDo+rm5eicY0vF1SZXi3E=\n");
    expect_fields("gitlab", "token",
                  "X-Gitlab-Token: token\nIdempotency-Key: msg_1\n"
                  "X-Gitlab-Event: push\n");
    expect_fields("basic", "Aladdin:open sesame",
                  "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\n");
    expect_fields("bearer", "t0ken", "Authorization: Bearer t0ken\n");
    expect_fields("token", "t0ken", "X-Webhook-Token: t0ken\n");
    expect_fields("none", "", "");
}

static void expect_unsigned(const char *id, const char *secret, const char *message_id,
                            const char *part)
{
    struct rig r;
    struct http_field out[SIGN_FIELDS_MAX];
    struct reason why = {.text = ""};
    size_t count = 99;
    rig_init(&r);
    struct signature_input in = {
        .id = str_from_cstr(message_id), .now_ms = RIG_NOW_MS, .body = STR("{}")};
    EXPECT(sign_request(rig_provider(&r, id), str_from_cstr(secret), &in, &r.arena, out, &count,
                        &why) == ERR_INVALID);
    EXPECT_EQ_INT(count, 0);
    EXPECT_HAS(why.text, part);
    rig_release(&r);
}

void test_sign_says_why_it_cannot(void)
{
    const char *whsec = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    expect_unsigned("github", "", "m", "it is empty");
    expect_unsigned("standard-webhooks", "whsec_!", "m", "it is not base64");
    expect_unsigned("standard-webhooks", whsec, "", "message id");
    expect_unsigned("standard-webhooks", whsec, "a.b", "without a dot");
    expect_unsigned("basic", "nopassword", "m", "user:password");
}

void test_sign_takes_options(void)
{
    struct rig r;
    rig_init(&r);
    str keys[] = {STR("header"), STR("encoding"), STR("prefix")};
    str values[] = {STR("X-Sig"), STR("base64url"), STR("v=")};
    struct signature_input in = {.body = STR("what do ya want for nothing?"),
                                 .config_keys = keys,
                                 .config_values = values,
                                 .config_count = 3};
    rig_request(&r, in.body);
    rig_sign_with(&r, rig_provider(&r, "hmac"), "Jefe", &in);
    EXPECT_EQ_INT(r.req.fields.count, 1);
    EXPECT_STR(r.fields[0].name, "X-Sig");
    EXPECT_STR(r.fields[0].value, "v=W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM");
    rig_release(&r);
}

void test_sign_stops_at_the_arena_s_end(void)
{
    struct rig r;
    struct arena small;
    struct http_field out[SIGN_FIELDS_MAX];
    struct reason why = {.text = ""};
    size_t count;
    rig_init(&r);
    arena_init(&small, 48);
    struct signature_input in = {.body = STR("{}"), .now_ms = 1};
    EXPECT(sign_request(rig_provider(&r, "github"), STR("k"), &in, &small, out, &count, &why) ==
           ERR_LIMIT);
    arena_release(&small);
    rig_release(&r);
}

/* Bodies of 129 to some 230 bytes once went into the MAC before what stands in front of them. */
void test_sign_of_every_length_is_the_mac_of_the_whole_text(void)
{
    struct provider_table *t = provider_table_new();
    const char *nearest = NULL;
    const struct provider *p = provider_find(t, STR("standard-webhooks"), &nearest);
    char body[600], text[700];
    memset(body, 'x', sizeof(body));
    for (size_t n = 0; n <= sizeof(body); n++) {
        struct arena a;
        struct reason why = {0};
        struct http_field fields[SIGN_FIELDS_MAX];
        size_t count = 0;
        uint8_t mac[32];
        char want[64] = "v1,";
        arena_init(&a, 1u << 20);
        struct signature_input in = {.method = STR("POST"),
                                     .url = STR("/"),
                                     .id = STR("msg_1"),
                                     .now_ms = 1614265330000,
                                     .body = str_of(body, n)};
        EXPECT_OK(sign_request(p, STR("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="), &in,
                               &a, fields, &count, &why),
                  why);
        int size = snprintf(text, sizeof(text), "msg_1.1614265330.%.*s", (int)n, body);
        sign_hmac_sha256(STR("0123456789abcdef0123456789abcdef"), str_of(text, (size_t)size), mac);
        want[3 + base64_encode(mac, sizeof(mac), want + 3)] = 0;
        struct http_fields all = {fields, count};
        EXPECT(str_eq(http_field_get(&all, STR("webhook-signature")), str_from_cstr(want)));
        arena_release(&a);
    }
    provider_table_free(t);
}
