/* Public keys, tokens and detached signatures, against what Node's crypto made; and keys that lie
 * at a URL, from a source that the test is. */
#include "public_vectors.h"
#include "rig.h"

#include "verify/scheme.h"

#define BODY STR("{\"a\":1}")

/* Answers as the engine would, from memory. */
struct shelf {
    const char *url; /* NULL: whatever is asked for is being fetched */
    str doc;
    uint64_t version;
    unsigned asked, missed;
    bool refuse;
};

static enum key_state shelf_get(void *arg, const struct key_wish *wish, struct arena *a, str *doc,
                                uint64_t *version)
{
    struct shelf *s = arg;
    s->asked++;
    s->missed += wish->not_inside;
    if (s->refuse)
        return KEY_REFUSED;
    if (!s->url || wish->not_inside || !str_eq(wish->url, str_from_cstr(s->url)))
        return KEY_COMING;
    *version = s->version;
    if (wish->known != s->version)
        *doc = arena_str(a, s->doc);
    return KEY_HERE;
}

static void use_verify(struct rig *r, const char *verify, const char *secret, struct shelf *shelf)
{
    struct reason why;
    struct key_source source = {shelf_get, shelf};
    struct key_source *kept = arena_alloc(&r->arena, sizeof(source));
    *kept = source;
    const struct yaml *node = yaml_parse(&r->arena, STR("test.yaml"), str_from_cstr(verify), &why);
    if (!node)
        FAIL("%s", why.text);
    struct provider *p = provider_table_add(r->table, node, &r->problems);
    if (!p)
        FAIL("%s", r->problems.v[0].text);
    str s = str_from_cstr(secret);
    rig_verifier(r, &(struct verifier_options){.provider = p,
                                               .secrets = &s,
                                               .secret_count = secret != NULL,
                                               .keys = shelf ? kept : NULL});
    rig_request(r, BODY);
}

static const struct {
    const char *verify, *key, *signature, *other; /* other: right for another scheme */
} schemes[] = {
    {"scheme: rsa\nhash: sha256\nsignature: { from: \"header:S\", encoding: base64 }\n"
     "signed: \"{{ body }}\"\n",
     V_RSA_PUB, V_RSA_SIG, V_RSA_SHA1},
    {"scheme: rsa\nhash: sha1\nsignature: { from: \"header:S\", encoding: base64 }\n"
     "signed: \"{{ body }}\"\n",
     V_RSA_PUB, V_RSA_SHA1, V_RSA_SIG},
    {"scheme: rsa\nhash: sha256\nsignature: { from: \"header:S\", encoding: base64 }\n"
     "signed: \"{{ body }}\"\n",
     V_CERT, V_RSA_SIG, V_RSA_SHA1},
    {"scheme: rsa-pss\nhash: sha256\nsignature: { from: \"header:S\", encoding: base64 }\n"
     "signed: \"{{ body }}\"\n",
     V_RSA_PUB, V_PSS_SIG, V_RSA_SIG},
    {"scheme: ecdsa\nhash: sha256\nsignature: { from: \"header:S\", encoding: base64 }\n"
     "signed: \"{{ body }}\"\n",
     V_EC_PUB, V_EC_DER, V_EC_RAW},
    {"scheme: ecdsa\nhash: sha256\n"
     "signature: { from: \"header:S\", encoding: base64, form: raw }\n"
     "signed: \"{{ body }}\"\n",
     V_EC_PUB, V_EC_RAW, V_EC_DER},
    {"scheme: ecdsa\nhash: sha1\nsignature:\n  from: \"header:S\"\n  unwrap: base64\n"
     "  member: signature\n  encoding: base64\nsigned: \"{{ body }}\"\n",
     V_EC_PUB, V_EBAY, V_EC_SHA1},
    {"scheme: ed25519\nkey: { encoding: hex }\nprehash: [sha256, sha256]\n"
     "signature: { from: \"header:S\", encoding: hex }\nsigned: \"{{ body }}\"\n",
     V_ED_PUB, V_ED_SHA, V_ED_PUB V_ED_PUB},
    {"scheme: jwt\nalgorithms: [HS256]\nsignature: { from: \"header:S\" }\n"
     "claims: { iss: prov, aud: me, sha256: \"{{ body | sha256 | hex }}\", jti: \"*\" }\n",
     "jwt-secret-1", V_JWT_HS, V_JWT_NONE},
    {"scheme: jwt\nalgorithms: [RS256]\nsignature: { from: \"header:S\" }\n"
     "claims: { sha256: \"{{ body | sha256 | hex }}\" }\n",
     V_RSA_PUB, V_JWT_RS, V_JWT_CONFUSED},
    {"scheme: jwt\nalgorithms: [RS256]\nsignature: { from: \"header:S\" }\n", V_RSA_PUB, V_JWT_RS,
     V_JWT_OLD},
    {"scheme: jwt\nalgorithms: [ES256]\nmax-age: 300s\nsignature: { from: \"header:S\" }\n",
     V_EC_PUB, V_JWT_ES, V_JWT_RS},
    {"scheme: jws\nalgorithms: [ES256]\nsignature: { from: \"header:S\" }\n"
     "signed: \"{{ body }}\"\n",
     V_EC_PUB, V_JWS, V_JWS_TL},
    {"scheme: jws\nalgorithms: [RS256]\nsignature: { from: \"header:S\" }\n"
     "signed: \"{{ body }}\"\n",
     V_RSA_PUB, V_JWS_PLAIN, V_JWT_RS},
    {"scheme: jws\nalgorithms: [ES256]\nsignature: { from: \"header:S\" }\n"
     "signed: \"{{ method }} {{ target }}\\n{{ jose-headers:tl_headers }}{{ body }}\"\n",
     V_EC_PUB, V_JWS_TL, V_JWS},
};

void test_public_schemes_accept_and_refuse(void)
{
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        struct rig r;
        rig_init(&r);
        use_verify(&r, schemes[i].verify, schemes[i].key, NULL);
        rig_field(&r, "S", str_from_cstr(schemes[i].signature));
        rig_field(&r, "X-A", STR("one"));
        rig_field(&r, "X-B", STR("two"));
        if (rig_check(&r) != VERDICT_VERIFIED)
            FAIL("case %zu: %s", i, r.verdict.text);
        rig_set(&r, "S", str_from_cstr(schemes[i].other));
        if (rig_check(&r) == VERDICT_VERIFIED)
            FAIL("case %zu: the other was accepted", i);
        bool claims_only =
            str_find_str(str_from_cstr(schemes[i].verify), STR("{{")) == strlen(schemes[i].verify);
        rig_set(&r, "S", str_from_cstr(schemes[i].signature));
        r.req.body = STR("{\"a\":2}");
        if (!claims_only && rig_check(&r) == VERDICT_VERIFIED)
            FAIL("case %zu: another body was accepted", i);
        r.req.body = BODY;
        for (size_t n = 0; n < 40; n++) {
            rig_set(&r, "S", str_slice(str_from_cstr(schemes[i].signature), 0, n));
            EXPECT(rig_check(&r) != VERDICT_VERIFIED);
        }
        rig_release(&r);
    }
}

/* One key of 256 begins with '{'. */
void test_public_raw_key_may_begin_with_any_byte(void)
{
    char text[65];
    for (unsigned first = 0; first < 256; first++) {
        struct rig r;
        rig_init(&r);
        snprintf(text, sizeof(text), "%02x%062d", first, 7);
        rig_use(&r, "discord", text);
        rig_release(&r);
    }
}

void test_public_token_times_are_judged_both_ways(void)
{
    struct rig r;
    rig_init(&r);
    use_verify(&r,
               "scheme: jwt\nalgorithms: [RS256]\nleeway: 10s\nmax-age: 60s\n"
               "signature: { from: \"header:S\" }\n",
               V_RSA_PUB, NULL);
    rig_field(&r, "S", STR(V_JWT_RS)); /* iat now, exp now + 300 s */
    EXPECT(rig_check_at(&r, RIG_NOW_MS) == VERDICT_VERIFIED);
    EXPECT(rig_check_at(&r, RIG_NOW_MS - 10000) == VERDICT_VERIFIED);
    EXPECT(rig_check_at(&r, RIG_NOW_MS - 10001) == VERDICT_STALE);
    EXPECT(rig_check_at(&r, RIG_NOW_MS + 70000) == VERDICT_VERIFIED);
    EXPECT(rig_check_at(&r, RIG_NOW_MS + 70001) == VERDICT_STALE);
    EXPECT_HAS(r.verdict.text, "older than allowed");
    rig_release(&r);
}

#define JWKS_VERIFY                                                                                \
    "scheme: jwt\nalgorithms: [RS256, ES256, EdDSA]\nsignature: { from: \"header:S\" }\n"          \
    "key: { url: \"https://keys.example.org/jwks\" }\ndelivery-id: \"claim:jti\"\n"                \
    "event-type: \"claim:type\"\n"

void test_public_keys_at_a_url_are_waited_for_and_then_kept(void)
{
    struct rig r;
    struct shelf shelf = {.url = NULL, .doc = STR(V_JWKS), .version = 1};
    rig_init(&r);
    use_verify(&r, JWKS_VERIFY, NULL, &shelf);
    rig_field(&r, "S", STR(V_JWT_RS));
    EXPECT_VERDICT(&r, VERDICT_KEY_PENDING);
    EXPECT_EQ_INT(verdict_status(VERDICT_KEY_PENDING), 503);
    shelf.url = "https://keys.example.org/jwks";
    EXPECT_VERDICT(&r, VERDICT_VERIFIED);
    EXPECT_STR(r.verdict.delivery_id, "j1");
    EXPECT_STR(r.verdict.event_type, "paid");
    EXPECT_EQ_INT(r.verdict.secret_index, -1);
    rig_set(&r, "S", STR(V_JWT_ES));
    EXPECT_VERDICT(&r, VERDICT_VERIFIED);
    rig_set(&r, "S", STR(V_JWT_ED));
    EXPECT_VERDICT(&r, VERDICT_VERIFIED);
    rig_set(&r, "S", STR(V_JWT_CONFUSED));
    EXPECT(rig_check(&r) != VERDICT_VERIFIED);
    rig_set(&r, "S", STR(V_JWT_NONE));
    EXPECT(rig_check(&r) != VERDICT_VERIFIED);
    /* A key that the document lacks: asked for again, and not accepted meanwhile. */
    rig_set(&r, "S", STR(V_JWT_KID));
    EXPECT_VERDICT(&r, VERDICT_KEY_PENDING);
    EXPECT(shelf.missed == 1);
    /* The keys are changed at their place. */
    rig_set(&r, "S", STR(V_JWT_RS));
    EXPECT_VERDICT(&r, VERDICT_VERIFIED);
    shelf.version = 2;
    shelf.doc = STR("{\"keys\":[]}");
    EXPECT_VERDICT(&r, VERDICT_KEY_PENDING);
    shelf.refuse = true;
    EXPECT_VERDICT(&r, VERDICT_NO_KEY);
    rig_release(&r);
}

#define SNS_KEY                                                                                    \
    "  key: { url: \"{{ .SigningCertURL }}\", hosts: [\"sns.*.amazonaws.com\"] }\n"                \
    "  signature: { from: \".Signature\", encoding: base64 }\n"                                    \
    "  timestamp: { from: \".Timestamp\", unit: iso, tolerance: 4h }\n"
#define SNS_VERIFY                                                                                 \
    "any:\n- scheme: rsa\n  hash: sha256\n"                                                        \
    "  when: { \".SignatureVersion\": \"2\", \".Subject\": \"*\" }\n" SNS_KEY                      \
    "  signed: \"Message\\n{{ .Message }}\\nMessageId\\n{{ .MessageId }}\\nSubject\\n"             \
    "{{ .Subject }}\\nTimestamp\\n{{ ts }}\\nTopicArn\\n{{ .TopicArn }}\\nType\\n{{ .Type "        \
    "}}\\n\"\n"                                                                                    \
    "- scheme: rsa\n  hash: sha1\n"                                                                \
    "  when: { \".SignatureVersion\": \"1\", \".Subject\": \"\" }\n" SNS_KEY                       \
    "  signed: \"Message\\n{{ .Message }}\\nMessageId\\n{{ .MessageId }}\\nTimestamp\\n{{ ts }}"   \
    "\\nTopicArn\\n{{ .TopicArn }}\\nType\\n{{ .Type }}\\n\"\n"

static str sns_body(struct rig *r, const char *version, const char *subject, const char *signature,
                    const char *url)
{
    return arena_printf(&r->arena,
                        "{\"Type\":\"Notification\",\"MessageId\":\"m-1\",\"TopicArn\":\"arn:t\","
                        "%s\"Message\":\"hello\",\"Timestamp\":\"2026-11-23T10:56:30.000Z\","
                        "\"SignatureVersion\":\"%s\",\"Signature\":\"%s\",\"SigningCertURL\":"
                        "\"%s\"}",
                        subject, version, signature, url);
}

void test_public_certificate_is_taken_from_pinned_hosts_alone(void)
{
    static const char *const elsewhere[] = {
        "http://sns.eu-west-1.amazonaws.com/c.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/c.pem",
        "https://sns.a.b.amazonaws.com/c.pem",
        "https://sns.evil.s3.amazonaws.com/c.pem",
        "https://evil.example/sns.eu-west-1.amazonaws.com",
        "https://evil.example#.sns.eu-west-1.amazonaws.com/",
        "https://sns.eu-west-1.amazonaws.com@evil.example/c.pem",
        "https://sns.eu-west-1.amazonaws.com\\\\@evil.example/c.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/c.pem",
        "https://sns..amazonaws.com/c.pem",
        "https://x/\\nhttps://sns.eu-west-1.amazonaws.com/",
        "",
    };
    static const char good[] = "https://sns.eu-west-1.amazonaws.com/c.pem";
    struct rig r;
    struct shelf shelf = {.url = good, .doc = STR(V_CERT), .version = 7};
    rig_init(&r);
    use_verify(&r, SNS_VERIFY, NULL, &shelf);
    rig_request(&r, sns_body(&r, "2", "\"Subject\":\"sub\",", V_SNS2, good));
    EXPECT_VERDICT(&r, VERDICT_VERIFIED);
    rig_request(&r, sns_body(&r, "1", "", V_SNS1, good));
    EXPECT_VERDICT(&r, VERDICT_VERIFIED);
    rig_request(&r, sns_body(&r, "1", "\"Subject\":\"sub\",", V_SNS1, good));
    EXPECT(rig_check(&r) != VERDICT_VERIFIED);
    rig_request(&r, sns_body(&r, "2", "\"Subject\":\"other\",", V_SNS2, good));
    EXPECT_VERDICT(&r, VERDICT_MISMATCH);
    unsigned asked = shelf.asked;
    for (size_t i = 0; i < ARRAY_LEN(elsewhere); i++) {
        rig_request(&r, sns_body(&r, "2", "\"Subject\":\"sub\",", V_SNS2, elsewhere[i]));
        if (rig_check(&r) != VERDICT_NO_KEY)
            FAIL("%s: %s", elsewhere[i], r.verdict.text);
    }
    EXPECT(shelf.asked == asked);
    rig_release(&r);
}

void test_public_files_that_would_let_the_request_choose_are_refused(void)
{
    static const struct {
        const char *verify, *part;
    } cases[] = {
        {"scheme: jwt\nalgorithms: [RS256, HS256]\nsignature: { from: \"header:S\" }\n",
         "cannot stand beside"},
        {"scheme: jwt\nalgorithms: [none]\nsignature: { from: \"header:S\" }\n",
         "unknown algorithm"},
        {"scheme: jwt\nalgorithms: [RS256]\nsignature: { from: \"header:S\" }\n"
         "key: { url: \"{{ header:U }}\" }\n",
         "could choose the host"},
        {"scheme: jwt\nalgorithms: [RS256]\nsignature: { from: \"header:S\" }\n"
         "key: { url: \"https://a.{{ header:U }}/\" }\n",
         "could choose the host"},
        {"scheme: jwt\nalgorithms: [RS256]\nsignature: { from: \"header:S\" }\n"
         "key: { url: \"{{ header:U }}\", hosts: [\"*\"] }\n",
         "names of hosts"},
        {"scheme: hmac\nhash: sha256\nkey: { pinned: abc }\n"
         "signature: { from: \"header:S\", encoding: hex }\nsigned: \"{{ body }}\"\n",
         "known to everybody"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rig r;
        struct reason why;
        rig_init(&r);
        const struct yaml *node =
            yaml_parse(&r.arena, STR("test.yaml"), str_from_cstr(cases[i].verify), &why);
        if (!node || provider_table_add(r.table, node, &r.problems))
            FAIL("case %zu was taken", i);
        EXPECT_HAS(r.problems.v[0].text, cases[i].part);
        rig_release(&r);
    }
}

void test_public_key_hosts_are_exact_with_their_port(void)
{
    static const str hosts[] = {{"sns.*.amazonaws.com", 19}, {"127.0.0.1:8443", 14}};
    static const struct {
        const char *url;
        bool allowed;
    } cases[] = {
        {"https://sns.eu-west-1.amazonaws.com/a.pem", true},
        {"https://sns.eu-west-1.amazonaws.com:443/a.pem", true},
        {"https://sns.eu-west-1.amazonaws.com:8443/a.pem", false},
        {"https://sns.a.b.amazonaws.com/a.pem", false},
        {"https://sns.eu-west-1.amazonaws.com.evil.example/a.pem", false},
        {"https://sns.eu-west-1.amazonaws.com@evil.example/a.pem", false},
        {"http://sns.eu-west-1.amazonaws.com/a.pem", false},
        {"https://127.0.0.1:8443/a", true},
        {"https://127.0.0.1/a", false},
        {"https://127.0.0.1:443/a", false},
        {"https://127.0.0.1:18443/a", false},
        {"https://127.0.0.1:8443:8443/a", false},
        {"https://evil.example:8443/a", false},
        {"https://:8443/a", false},
        {"https://", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (key_url_is_allowed(hosts, 2, str_from_cstr(cases[i].url)) != cases[i].allowed)
            FAIL("%s", cases[i].url);
    static const str open[] = {{"a.*:443", 7}, {"*", 1}, {"localhost:1.2", 13}};
    for (size_t i = 0; i < ARRAY_LEN(open); i++)
        EXPECT(!host_patterns_are_good(&open[i], 1));
    EXPECT(host_patterns_are_good(hosts, 2));
}

/* A file that asks for a time gets none from a JWS that has none. */
void test_public_jws_without_its_time_is_refused(void)
{
    struct rig r;
    rig_init(&r);
    use_verify(&r,
               "scheme: jws\nalgorithms: [ES256]\nsignature: { from: \"header:S\" }\n"
               "timestamp: { from: \"jose:ts\", unit: s }\nsigned: \"{{ body }}\"\n",
               V_EC_PUB, NULL);
    rig_field(&r, "S", STR(V_JWS));
    EXPECT_VERDICT(&r, VERDICT_MISMATCH);
    EXPECT_HAS(r.verdict.text, "has no time at ts");
    rig_release(&r);
}
