/* The schemes one by one, and where else than in a header a proof can be. */
#include "rig.h"
#include "verify/crypto.h"

void test_scheme_address_list_is_asked_first(void)
{
    struct rig r;
    struct net nets[2];
    rig_init(&r);
    EXPECT(net_parse(STR("203.0.113.0/24"), &nets[0]) && net_parse(STR("2001:db8::/32"), &nets[1]));
    struct verifier_options o = {
        .provider = rig_provider(&r, "ip"), .allow_from = nets, .allow_count = 2};
    static const struct {
        const char *peer;
        bool allowed;
    } cases[] = {{"203.0.113.9", true},  {"203.0.114.1", false},       {"2001:db8::1", true},
                 {"2001:db9::1", false}, {"::ffff:203.0.113.1", true}, {"", false},
                 {"unix", false}};
    for (int with_secret = 0; with_secret < 2; with_secret++) {
        str secret = STR("k");
        if (with_secret) {
            o.provider = rig_provider(&r, "github");
            o.secrets = &secret;
            o.secret_count = 1;
        }
        rig_verifier(&r, &o);
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            rig_request(&r, STR("{}"));
            if (with_secret)
                rig_sign(&r, "github", "k");
            r.req.peer = str_from_cstr(cases[i].peer);
            EXPECT_VERDICT(&r, cases[i].allowed ? VERDICT_VERIFIED : VERDICT_ADDRESS);
        }
    }
    EXPECT_EQ_INT(verdict_status(VERDICT_ADDRESS), 403);
    o = (struct verifier_options){.provider = rig_provider(&r, "ip")};
    rig_refuses(&r, &o, "needs the addresses");
    rig_release(&r);
}

void test_scheme_none_is_marked_unverified(void)
{
    struct rig r;
    rig_init(&r);
    rig_verifier(&r, &(struct verifier_options){.provider = rig_provider(&r, "none")});
    rig_request(&r, STR("anything"));
    EXPECT_VERDICT(&r, VERDICT_UNVERIFIED);
    EXPECT_CSTR(verdict_word(r.verdict.code), "unverified");
    str secret = STR("k");
    struct verifier_options o = {
        .provider = rig_provider(&r, "none"), .secrets = &secret, .secret_count = 1};
    rig_refuses(&r, &o, "uses no secret");
    rig_release(&r);
}

void test_scheme_secrets_of_a_wrong_form_do_not_load(void)
{
    static const struct {
        const char *id, *secret, *part;
    } cases[] = {
        {"standard-webhooks", "whsec_not!base64", "it is not base64"},
        {"standard-webhooks", "whsec_", "it is empty"},
        {"standard-webhooks", "whpk_AAAA", "it is not base64"},
        {"basic", "onlyauser", "user:password"},
        {"token", "line\nbreak", "control character"},
        {"token", " padded", "blank or a line end"},
        {"bearer", "token\n", "blank or a line end"},
    };
    struct rig r;
    rig_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        str secret = str_from_cstr(cases[i].secret);
        struct verifier_options o = {
            .provider = rig_provider(&r, cases[i].id), .secrets = &secret, .secret_count = 1};
        rig_refuses(&r, &o, cases[i].part);
        const char *said = r.problems.v[r.problems.count - 1].text;
        EXPECT(strstr(said, cases[i].secret) == NULL);
    }
    str nine[VERIFY_SECRETS_MAX + 1];
    for (size_t i = 0; i < ARRAY_LEN(nine); i++)
        nine[i] = STR("k");
    struct verifier_options o = {
        .provider = rig_provider(&r, "github"), .secrets = nine, .secret_count = ARRAY_LEN(nine)};
    rig_refuses(&r, &o, "1 to 8 secrets");
    /* One good and one bad: the bad one is named, and nothing is made. */
    str two[] = {{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 38}, {"whsec_!", 7}};
    o = (struct verifier_options){
        .provider = rig_provider(&r, "standard-webhooks"), .secrets = two, .secret_count = 2};
    rig_refuses(&r, &o, "secret 2 cannot be one of Standard Webhooks");
    /* The blank may be meant in a raw key: only a warning. */
    size_t errors = r.problems.errors;
    rig_use(&r, "github", "from a file\n");
    EXPECT_EQ_INT(r.problems.errors, errors);
    EXPECT_HAS(r.problems.v[r.problems.count - 1].text, "line end");
    rig_release(&r);
}

#define WHPK "whpk_PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw="
#define WHSK "whsk_TM0Imyj/ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U+4pvs="

/* Standard Webhooks v1a; the key pair is that of RFC 8032 section 7.1, test 2. */
void test_scheme_standard_webhooks_asymmetric(void)
{
    struct rig r;
    rig_init(&r);
    rig_use(&r, "standard-webhooks", WHPK);
    rig_request(&r, STR("{\"type\":\"x\"}"));
    rig_sign(&r, "standard-webhooks", WHSK);
    EXPECT(str_starts(http_field_get(&r.req.fields, STR("webhook-signature")), STR("v1a,")));
    EXPECT_VERDICT(&r, VERDICT_VERIFIED);
    EXPECT_STR(r.verdict.event_type, "x");
    r.req.body = STR("{\"type\":\"y\"}");
    EXPECT_VERDICT(&r, VERDICT_MISMATCH);
    r.req.body = STR("{\"type\":\"x\"}");
    rig_set(&r, "webhook-id", STR("msg_2"));
    EXPECT_VERDICT(&r, VERDICT_MISMATCH);
    /* The public key must not be taken for the secret of the symmetric form. */
    rig_request(&r, STR("{}"));
    struct http_field out[SIGN_FIELDS_MAX];
    struct reason why;
    size_t count;
    struct signature_input in = {.id = STR("m"), .now_ms = RIG_NOW_MS, .body = r.req.body};
    EXPECT(sign_request(rig_provider(&r, "standard-webhooks"), STR(WHPK), &in, &r.arena, out,
                        &count, &why) == ERR_INVALID);
    rig_release(&r);
}

void test_scheme_any_takes_one_of_several_and_says_the_most(void)
{
    struct rig r;
    rig_init(&r);
    /* The source has a plain token; a signature header beside it is not its business. */
    rig_use(&r, "gitlab", "glpat-plain");
    rig_request(&r, STR("{}"));
    rig_field(&r, "webhook-signature", STR("v1,AAAA"));
    rig_field(&r, "X-Gitlab-Token", STR("glpat-plain"));
    EXPECT_VERDICT(&r, VERDICT_VERIFIED);
    rig_set(&r, "X-Gitlab-Token", STR("glpat-other"));
    EXPECT_VERDICT(&r, VERDICT_BAD_CREDENTIALS);
    /* A wrong signature is told, though the token that could have been sent is missing too. */
    rig_use(&r, "gitlab", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    rig_request(&r, STR("{}"));
    rig_sign(&r, "gitlab", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx");
    EXPECT_VERDICT(&r, VERDICT_MISMATCH);
    EXPECT_HAS(r.verdict.text, "webhook-signature does not match");
    rig_release(&r);
}

void test_scheme_url_comes_from_public_url_before_host(void)
{
    struct rig r;
    rig_init(&r);
    str secret = STR("k"), key = STR("signed"), value = STR("{{ url }}{{ body }}");
    struct verifier_options o = {.provider = rig_provider(&r, "hmac"),
                                 .secrets = &secret,
                                 .secret_count = 1,
                                 .config_keys = &key,
                                 .config_values = &value,
                                 .config_count = 1};
    struct signature_input in = {.url = STR("https://hooks.example.org/in/x"),
                                 .body = STR("b"),
                                 .config_keys = &key,
                                 .config_values = &value,
                                 .config_count = 1};
    static const struct {
        const char *public_url, *host;
        bool tls;
        enum verdict_code expected;
    } cases[] = {{"https://hooks.example.org", "evil.example", false, VERDICT_VERIFIED},
                 {"https://hooks.example.org/", "evil.example", false, VERDICT_VERIFIED},
                 {"https://other.example.org", "hooks.example.org", true, VERDICT_MISMATCH},
                 {"", "hooks.example.org", true, VERDICT_VERIFIED},
                 {"", "hooks.example.org", false, VERDICT_MISMATCH},
                 {"", "", true, VERDICT_MISSING_INPUT}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        o.public_url = str_from_cstr(cases[i].public_url);
        rig_verifier(&r, &o);
        rig_request(&r, STR("b"));
        rig_sign_with(&r, o.provider, "k", &in);
        r.req.host = str_from_cstr(cases[i].host);
        r.req.tls = cases[i].tls;
        EXPECT_VERDICT(&r, cases[i].expected);
    }
    EXPECT_HAS(r.verdict.text, "url is part of what");
    rig_release(&r);
}

/* A header in the signed text: absent and doubled ones are refused, never read as empty. */
void test_scheme_signed_header_must_be_there_once(void)
{
    struct rig r;
    rig_init(&r);
    struct provider *p = rig_add(
        &r, "id: h\ntitle: H\nverify: { scheme: hmac, hash: sha256, signature: { from: "
            "\"header:X-S\", encoding: hex }, signed: \"{{ header:X-Part }}{{ body }}\" }\n");
    EXPECT(p != NULL);
    str secret = STR("k");
    rig_verifier(&r,
                 &(struct verifier_options){.provider = p, .secrets = &secret, .secret_count = 1});
    uint8_t digest[DIGEST_BYTES_MAX];
    sign_hmac_sha256(secret, STR("partbody"), digest);
    str hex = template_filter_builtin(STR("hex"), str_of((char *)digest, 32), &r.arena);
    rig_request(&r, STR("body"));
    rig_field(&r, "X-S", hex);
    EXPECT_VERDICT(&r, VERDICT_MISSING_INPUT);
    EXPECT_HAS(r.verdict.text, "X-Part is part of what H signs");
    rig_field(&r, "x-part", STR("part"));
    EXPECT_VERDICT(&r, VERDICT_VERIFIED);
    rig_field(&r, "X-Part", STR("part"));
    EXPECT_VERDICT(&r, VERDICT_DOUBLE_SIGNATURE);
    rig_release(&r);
}

/* Signatures in a query parameter, a form field and a JSON field. */
void test_scheme_signature_outside_headers(void)
{
    static const struct {
        const char *from, *query, *type, *body;
        enum verdict_code expected;
    } cases[] = {
        {"query:tok", "a=1&tok=t%30ken", "", "x", VERDICT_VERIFIED},
        {"query:tok", "tok=t0ken&tok=t0ken", "", "x", VERDICT_DOUBLE_SIGNATURE},
        {"query:tok", "tok=", "", "x", VERDICT_NO_SIGNATURE},
        {"query:tok", "tok=%zz", "", "x", VERDICT_NO_SIGNATURE},
        {"query:tok", "", "", "x", VERDICT_NO_SIGNATURE},
        {"form:tok", "", "application/x-www-form-urlencoded", "tok=t0ken", VERDICT_VERIFIED},
        {"form:tok", "", "application/x-www-form-urlencoded", "tok=t0ken&tok=x",
         VERDICT_DOUBLE_SIGNATURE},
        {"form:tok", "", "text/plain", "tok=t0ken", VERDICT_NO_SIGNATURE},
        {".auth.tok", "", "", "{\"auth\":{\"tok\":\"t0ken\"}}", VERDICT_VERIFIED},
        {".auth.tok", "", "", "{\"auth\":{\"tok\":[\"t0ken\"]}}", VERDICT_NO_SIGNATURE},
        {".auth.tok", "", "", "{\"auth\":{\"tok\":null}}", VERDICT_NO_SIGNATURE},
        {".auth.tok", "", "", "{\"auth\":null}", VERDICT_NO_SIGNATURE},
        {".auth.tok", "", "", "not json", VERDICT_NO_SIGNATURE},
        {".auth.tok", "", "", "{\"auth\":{\"tok\":\"t0ke\"}}", VERDICT_BAD_CREDENTIALS},
    };
    struct rig r;
    rig_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[200];
        snprintf(text, sizeof(text), "scheme: token\nsignature: { from: \"%s\" }\n", cases[i].from);
        struct provider *p = rig_add(&r, text);
        EXPECT(p != NULL);
        str secret = STR("t0ken");
        rig_verifier(
            &r, &(struct verifier_options){.provider = p, .secrets = &secret, .secret_count = 1});
        rig_request(&r, str_from_cstr(cases[i].body));
        r.req.query = str_from_cstr(cases[i].query);
        if (cases[i].type[0])
            rig_field(&r, "Content-Type", str_from_cstr(cases[i].type));
        EXPECT_VERDICT(&r, cases[i].expected);
    }
    rig_release(&r);
}

void test_scheme_plain_hash_with_the_secret(void)
{
    struct rig r;
    rig_init(&r);
    struct provider *p =
        rig_add(&r, "scheme: hash\nhash: sha256\nsigned: \"{{ secret }}{{ body }}\"\n"
                    "signature: { from: \"header:X-S\", encoding: hex }\n");
    EXPECT(p != NULL);
    str secrets[] = {{"other", 5}, {"s3", 2}};
    rig_verifier(&r,
                 &(struct verifier_options){.provider = p, .secrets = secrets, .secret_count = 2});
    uint8_t digest[DIGEST_BYTES_MAX];
    digest_of(DIGEST_SHA256, STR("s3body"), digest);
    rig_request(&r, STR("body"));
    rig_field(&r, "X-S", template_filter_builtin(STR("hex"), str_of((char *)digest, 32), &r.arena));
    EXPECT_VERDICT(&r, VERDICT_VERIFIED);
    EXPECT_EQ_INT(r.verdict.secret_index, 1);
    rig_set(&r, "X-S", STR("00"));
    EXPECT_VERDICT(&r, VERDICT_MALFORMED);
    rig_release(&r);
}
