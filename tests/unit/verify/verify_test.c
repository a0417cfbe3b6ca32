/* The rules that the engine owns, whatever a provider's data say; and hostile requests. */
#include "rig.h"

#include "verify/scheme.h"

static const struct {
    const char *id, *secret;
} signers[] = {
    {"github", "It's a secret"},
    {"gitlab", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    {"gitlab", "a plain token"},
    {"stripe", "whsec_test"},
    {"slack", "8f742231b10e8888abcd99yyyzzz85a5"},
    {"shopify", "hush"},
    {"standard-webhooks", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    {"hmac", "k"},
    {"token", "t0ken"},
    {"basic", "user:password"},
    {"bearer", "t0ken"},
};

void test_verify_accepts_what_sign_makes(void)
{
    struct rig r;
    rig_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(signers); i++) {
        rig_use(&r, signers[i].id, signers[i].secret);
        rig_request(&r, STR("{\"type\":\"x\"}"));
        rig_sign(&r, signers[i].id, signers[i].secret);
        EXPECT(r.req.fields.count > 0);
        EXPECT_VERDICT(&r, VERDICT_VERIFIED);
    }
    rig_release(&r);
}

static str repeat(struct rig *r, const char *text, size_t times)
{
    size_t n = strlen(text);
    char *out = arena_alloc(&r->arena, n * times + 1);
    for (size_t i = 0; i < times; i++)
        memcpy(out + i * n, text, n);
    return str_of(out, n * times);
}

static void use_any(struct rig *r, const struct provider *p)
{
    str secret = rig_secret(r, provider_id(p));
    struct rig_options options = rig_options(p);
    struct net everyone;
    EXPECT(net_parse(STR("::/0"), &everyone));
    rig_verifier(r, &(struct verifier_options){.provider = p,
                                               .secrets = &secret,
                                               .secret_count = provider_needs_secret(p),
                                               .public_url = STR("https://hooks.example.org"),
                                               .config_keys = options.keys,
                                               .config_values = options.values,
                                               .config_count = options.count,
                                               .allow_from = &everyone,
                                               .allow_count = 1});
}

/* CVE-2026-39969, GHSA-45hq-g76r-46wv, GHSA-x8gc-f8p4-frc2: a source with a secret that took
 * unsigned requests, or one without a secret that took everything. */
void test_verify_cve_2026_39969_unsigned_is_refused(void)
{
    struct rig r;
    rig_init(&r);
    str *ids;
    size_t count = provider_ids(r.table, &r.arena, &ids);
    for (size_t i = 0; i < count; i++) {
        const struct provider *p = provider_find(r.table, ids[i], NULL);
        if (!provider_needs_secret(p))
            continue;
        use_any(&r, p);
        rig_request(&r, STR("{}"));
        rig_field(&r, "Content-Type", STR("application/json"));
        if (p->recipe->alternatives[0].has_each) {
            EXPECT_VERDICT(&r, VERDICT_MISSING_INPUT); /* no item to prove itself */
            continue;
        }
        if (p->recipe->alternatives[0].signature.from[0].kind == REF_BODY) {
            EXPECT(rig_check(&r) != VERDICT_VERIFIED); /* what is sent is all signature */
            continue;
        }
        EXPECT_VERDICT(&r, VERDICT_NO_SIGNATURE);
        EXPECT_EQ_INT(verdict_status(r.verdict.code), 401);
        EXPECT_EQ_INT(r.verdict.secret_index, -1);
        EXPECT_HAS(r.verdict.text, "missing");
    }
    rig_release(&r);
}

void test_verify_ghsa_45hq_missing_secret_does_not_load(void)
{
    struct rig r;
    rig_init(&r);
    str empty[] = {STR(""), STR_NONE, {"good", 4}};
    str *ids;
    size_t count = provider_ids(r.table, &r.arena, &ids);
    for (size_t i = 0; i < count; i++) {
        const struct provider *p = provider_find(r.table, ids[i], NULL);
        struct rig_options options = rig_options(p);
        struct verifier_options o = {.provider = p,
                                     .config_keys = options.keys,
                                     .config_values = options.values,
                                     .config_count = options.count};
        if (!provider_needs_secret(p))
            continue;
        rig_refuses(&r, &o, "1 to 8 secrets are needed");
        o.secrets = empty;
        o.secret_count = 1;
        rig_refuses(&r, &o, "is empty");
        r.problems.count = 0; /* room for those that follow */
        o.secret_count = 3;
        EXPECT(verifier_new(&o, NULL, &r.problems) == NULL);
    }
    rig_release(&r);
}

/* CVE-2026-11430: a null token ended the check early, with success. */
void test_verify_cve_2026_11430_null_token_fails_closed(void)
{
    static const str sent[] = {{"", 0}, {"null", 4}, {"\0", 1}, {"false", 5}, {"0", 1}, {"[]", 2}};
    struct rig r;
    rig_init(&r);
    rig_use(&r, "token", "t0ken");
    for (size_t i = 0; i < ARRAY_LEN(sent); i++) {
        rig_request(&r, STR("{}"));
        rig_field(&r, "X-Webhook-Token", sent[i]);
        EXPECT_VERDICT(&r, i == 0 ? VERDICT_NO_SIGNATURE : VERDICT_BAD_CREDENTIALS);
    }
    rig_release(&r);
}

/* CVE-2025-59537: a payload with a missing field ended the server. */
void test_verify_cve_2025_59537_any_json_gets_a_verdict(void)
{
    static const char *const bodies[] = {
        "",
        " ",
        "null",
        "true",
        "0",
        "-1e999",
        "\"\"",
        "[]",
        "{}",
        "{",
        "[[[[[[",
        "\xff\xfe\x00",
        "{\"id\":null,\"type\":null,\"event\":null,\"event_id\":null,\"challenge\":null}",
        "{\"id\":[],\"type\":{},\"event\":[],\"event_id\":{},\"challenge\":[]}",
        "{\"id\":1.5e300,\"type\":true,\"event\":\"x\",\"event_id\":false,\"challenge\":7}",
        "{\"type\":\"url_verification\"}",
        "{\"type\":\"url_verification\",\"challenge\":null}",
        "{\"type\":\"url_verification\",\"challenge\":{\"a\":1}}",
        "{\"event\":{\"type\":{\"type\":[]}}}",
        "{\"id\":\"\",\"type\":\"\",\"event\":{\"type\":\"\"}}",
        "{\"id\":\"\\u0000\",\"type\":\"\\u0000\"}",
        "{\"id\":\"a\",\"id\":\"b\",\"type\":\"x\"}",
    };
    struct rig r;
    rig_init(&r);
    str *ids;
    size_t count = provider_ids(r.table, &r.arena, &ids);
    for (size_t i = 0; i < count; i++) {
        const struct provider *p = provider_find(r.table, ids[i], NULL);
        str secret = rig_secret(&r, ids[i]);
        use_any(&r, p);
        for (size_t j = 0; j < ARRAY_LEN(bodies); j++) {
            struct greeting greeting;
            rig_request(&r, str_from_cstr(bodies[j]));
            bool is_signed = !secret.p || rig_try_sign(&r, p, secret);
            rig_check(&r);
            bool accepted =
                r.verdict.code == VERDICT_VERIFIED || r.verdict.code == VERDICT_UNVERIFIED;
            /* What is verified with a public key cannot be signed with it, and nothing that is
             * signed can change the URL. */
            if (accepted != is_signed && !p->recipe->alternatives[0].ops->check &&
                !p->recipe->alternatives[0].assert_count)
                FAIL(STR_FMT ": %s: %s", STR_ARG(ids[i]), bodies[j], r.verdict.text);
            EXPECT(r.verdict.delivery_id.p == NULL || r.verdict.delivery_id.n > 0);
            EXPECT(r.verdict.event_type.p == NULL || r.verdict.event_type.n > 0);
            verifier_greet(r.v, &r.req, NULL, &greeting);
            verifier_greet(r.v, &r.req, &r.verdict, &greeting);
        }
    }
    rig_release(&r);
}

/* CVE-2026-21858: what the body says it is must not choose how it is read; the raw bytes count. */
void test_verify_cve_2026_21858_content_type_changes_nothing(void)
{
    static const char *const types[] = {"multipart/form-data; boundary=x", "text/plain",
                                        "application/x-www-form-urlencoded", "application/json",
                                        ""};
    struct rig r;
    rig_init(&r);
    rig_use(&r, "github", "k");
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        rig_request(&r, STR("{\"files\":{\"a\":{\"path\":\"/etc/passwd\"}}}"));
        rig_field(&r, "Content-Type", str_from_cstr(types[i]));
        rig_sign(&r, "github", "k");
        EXPECT_VERDICT(&r, VERDICT_VERIFIED);
    }
    rig_release(&r);
}

/* Bytes that two texts decode to would let one signature pass as two. */
void test_verify_takes_one_spelling_of_base64(void)
{
    static const char *const others[] = {"plW8VGqq0nDMIEhDqaNNW99asdUCy7EIqLZVcQwtAZ1=",
                                         "plW8VGqq0nDMIEhDqaNNW99asdUCy7EIqLZVcQwtAZ0",
                                         "plW8VGqq0nDMIEhDqaNNW99asdUCy7EIqLZVcQwtAZ0==",
                                         "plW8VGqq0nDMIEhDqaNNW99asdUCy7EIqLZVcQwtAZ0=\n",
                                         "plW8VGqq0nDMIEhDqaNNW99asdUCy7EIqLZVcQwtAZ-=",
                                         "plW8VGqq0nDMIEhDqaNNW99asdUCy7EIqLZVcQwtAZ=0",
                                         "=plW8VGqq0nDMIEhDqaNNW99asdUCy7EIqLZVcQwtAZ0",
                                         "====",
                                         "=",
                                         "plW8"};
    struct rig r;
    rig_init(&r);
    rig_use(&r, "shopify", "shop-secret");
    rig_request(&r, STR("{\"id\":1}"));
    rig_field(&r, "X-Shopify-Hmac-SHA256", STR("plW8VGqq0nDMIEhDqaNNW99asdUCy7EIqLZVcQwtAZ0="));
    EXPECT_VERDICT(&r, VERDICT_VERIFIED);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        rig_set(&r, "X-Shopify-Hmac-SHA256", str_from_cstr(others[i]));
        EXPECT_VERDICT(&r, VERDICT_MALFORMED);
    }
    rig_release(&r);
}

void test_verify_caps_the_number_of_signatures(void)
{
    struct rig r;
    rig_init(&r);
    rig_use(&r, "stripe", "whsec_test");
    rig_request(&r, STR("{}"));
    rig_sign(&r, "stripe", "whsec_test");
    str good = http_field_get(&r.req.fields, STR("Stripe-Signature"));
    str wrong = arena_printf(&r.arena, ",v1=" STR_FMT, STR_ARG(repeat(&r, "0", 64)));
    str many = repeat(&r, arena_cstr(&r.arena, wrong), VERIFY_CANDIDATES_MAX - 1);
    rig_set(&r, "Stripe-Signature",
            arena_printf(&r.arena, STR_FMT STR_FMT, STR_ARG(good), STR_ARG(many)));
    EXPECT_VERDICT(&r, VERDICT_VERIFIED);
    rig_set(&r, "Stripe-Signature",
            arena_printf(&r.arena, STR_FMT STR_FMT STR_FMT, STR_ARG(good), STR_ARG(many),
                         STR_ARG(wrong)));
    EXPECT_VERDICT(&r, VERDICT_MALFORMED);
    EXPECT_HAS(r.verdict.text, "17 signatures");
    rig_set(&r, "Stripe-Signature", repeat(&r, ",v1=00", 100000));
    EXPECT(rig_check(&r) != VERDICT_VERIFIED);
    rig_release(&r);
}

void test_verify_refuses_a_doubled_field(void)
{
    struct rig r;
    rig_init(&r);
    rig_use(&r, "stripe", "whsec_test");
    rig_request(&r, STR("{}"));
    rig_sign(&r, "stripe", "whsec_test");
    str good = http_field_get(&r.req.fields, STR("Stripe-Signature"));
    rig_set(&r, "Stripe-Signature", arena_printf(&r.arena, "t=1," STR_FMT, STR_ARG(good)));
    EXPECT_VERDICT(&r, VERDICT_DOUBLE_SIGNATURE);
    EXPECT_HAS(r.verdict.text, "field t of the signature header");
    rig_release(&r);
}

void test_verify_refuses_times_that_are_none(void)
{
    static const char *const times[] = {
        "x",   "-1",  "+1795443390",          " 1795443390",         "1795443390.0",
        "0x1", "1e9", "99999999999999999999", "9223372036854775807", "1795443390000"};
    struct rig r;
    rig_init(&r);
    rig_use(&r, "slack", "k");
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        rig_request(&r, STR("{}"));
        rig_sign(&r, "slack", "k");
        rig_set(&r, "X-Slack-Request-Timestamp", str_from_cstr(times[i]));
        EXPECT_VERDICT(&r, VERDICT_BAD_TIMESTAMP);
    }
    rig_release(&r);
}

void test_verify_takes_the_tolerance_of_the_source(void)
{
    struct rig r;
    rig_init(&r);
    str secret = STR("k");
    rig_verifier(&r, &(struct verifier_options){.provider = rig_provider(&r, "slack"),
                                                .secrets = &secret,
                                                .secret_count = 1,
                                                .tolerance_ms = 5000});
    rig_request(&r, STR("{}"));
    rig_sign(&r, "slack", "k");
    EXPECT_EQ_INT(rig_check_at(&r, RIG_NOW_MS + 5000), VERDICT_VERIFIED);
    EXPECT_EQ_INT(rig_check_at(&r, RIG_NOW_MS + 5001), VERDICT_STALE);
    EXPECT_HAS(r.verdict.text, "X-Slack-Request-Timestamp");
    EXPECT_HAS(r.verdict.text, "is 5.001 s behind this machine's clock (5 s are allowed)");
    EXPECT_EQ_INT(rig_check_at(&r, RIG_NOW_MS - 5001), VERDICT_STALE);
    EXPECT_HAS(r.verdict.text, "ahead of");
    rig_release(&r);
}

void test_verify_says_why_in_words(void)
{
    struct rig r;
    rig_init(&r);
    str secrets[] = {{"one", 3}, {"two", 3}};
    rig_verifier(&r, &(struct verifier_options){.provider = rig_provider(&r, "github"),
                                                .secrets = secrets,
                                                .secret_count = 2});
    rig_request(&r, STR("{}"));
    EXPECT_VERDICT(&r, VERDICT_NO_SIGNATURE);
    EXPECT_CSTR(r.verdict.text,
                "X-Hub-Signature-256 is missing; is a secret set for this webhook at GitHub?");
    rig_field(&r, "X-Hub-Signature-256", STR("sha1=2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"));
    EXPECT_VERDICT(&r, VERDICT_MALFORMED);
    EXPECT_CSTR(r.verdict.text,
                "X-Hub-Signature-256 is not written as \"sha256=\" and 64 hex digits "
                "(its value has 45 characters): was it cut?");
    rig_drop(&r, "X-Hub-Signature-256");
    rig_sign(&r, "github", "three");
    EXPECT_VERDICT(&r, VERDICT_MISMATCH);
    EXPECT_CSTR(r.verdict.text,
                "X-Hub-Signature-256 does not match hmac-sha256 of the body under any "
                "of 2 secrets; is the secret the one set at GitHub, and does a proxy "
                "change the body?");
    rig_use(&r, "standard-webhooks", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    EXPECT_VERDICT(&r, VERDICT_NO_SIGNATURE);
    EXPECT_HAS(r.verdict.text, "webhook-signature or svix-signature is missing");
    rig_release(&r);
}

void test_verify_ids_that_are_too_long_are_none(void)
{
    struct rig r;
    rig_init(&r);
    rig_use(&r, "github", "k");
    rig_request(&r, STR("{}"));
    rig_sign(&r, "github", "k");
    rig_set(&r, "X-GitHub-Delivery", repeat(&r, "x", 513));
    rig_set(&r, "X-GitHub-Event", repeat(&r, "x", 129));
    EXPECT_VERDICT(&r, VERDICT_VERIFIED);
    EXPECT_NONE(r.verdict.delivery_id);
    EXPECT_NONE(r.verdict.event_type);
    rig_release(&r);
}

/* What takes part in no request: the arena of a signed request stays as it was. */
void test_verify_hmac_uses_no_memory_of_the_request(void)
{
    static const char *const ids[] = {"github", "shopify", "hmac", "token", "bearer"};
    struct rig r;
    rig_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        rig_use(&r, ids[i], "k");
        rig_request(&r, STR("{\"id\":1}"));
        rig_sign(&r, ids[i], "k");
        size_t used = r.arena.used;
        EXPECT_VERDICT(&r, VERDICT_VERIFIED);
        EXPECT_EQ_INT(r.arena.used, used);
    }
    rig_release(&r);
}
