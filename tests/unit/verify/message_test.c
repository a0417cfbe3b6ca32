/* HTTP message signatures: the vectors of RFC 9421 appendix B.2 and what their signatures must not
 * be good for; Content-Digest of RFC 9530. */
#include "rig.h"

#include "http/structured.h"
#include "verify/content_digest.h"
#include "verify/message_base.h"

#define RFC_NOW_MS (INT64_C(1618884473) * 1000)
#define RFC_BODY STR("{\"hello\": \"world\"}")
#define DIGEST_512                                                                                 \
    "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHW"    \
    "XvJwew==:"
#define RSA_PSS_KEY                                                                                \
    "-----BEGIN PUBLIC KEY-----\n"                                                                 \
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2\n"                           \
    "+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+\n"                           \
    "oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHq\n"                           \
    "gDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W\n"                           \
    "Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4\n"                           \
    "aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI\n"                           \
    "2wIDAQAB\n-----END PUBLIC KEY-----\n"
#define ED25519_KEY "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="
#define ED25519_SEED "n4Ni+HpISpVObnQMW0wOhCKROaIKqKtW/2ZYb2p9KcU="
#define HMAC_KEY                                                                                   \
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="

/* The request of appendix B.2, as it came to a daemon at http://example.com. */
static void rfc_request(struct rig *r, const char *input, const char *signature)
{
    rig_request(r, RFC_BODY);
    r->req.target = STR("/foo?param=Value&Pet=dog");
    r->req.path = STR("/foo");
    r->req.query = STR("param=Value&Pet=dog");
    r->req.host = STR("example.com");
    rig_field(r, "Host", STR("example.com"));
    rig_field(r, "Date", STR("Tue, 20 Apr 2021 02:07:55 GMT"));
    rig_field(r, "Content-Type", STR("application/json"));
    rig_field(r, "Content-Digest", STR(DIGEST_512));
    rig_field(r, "Content-Length", STR("18"));
    rig_field(r, "Signature-Input", str_from_cstr(input));
    rig_field(r, "Signature", str_from_cstr(signature));
}

static void use(struct rig *r, const char *verify, const char *secret)
{
    struct provider *p = rig_add(r, verify);
    if (!p)
        FAIL("%s", r->problems.v[0].text);
    str s = str_from_cstr(secret);
    rig_verifier(r, &(struct verifier_options){.provider = p, .secrets = &s, .secret_count = 1});
}

static void expect_at(struct rig *r, int64_t now_ms, enum verdict_code code, const char *part)
{
    enum verdict_code got = rig_check_at(r, now_ms);
    if (got != code)
        FAIL("%s, not %s: %s", verdict_word(got), verdict_word(code), r->verdict.text);
    EXPECT_HAS(r->verdict.text, part);
}

static const struct {
    const char *name, *verify, *key, *input, *signature;
} vectors[] = {
    {"B.2.1", "scheme: rfc9421\nalgorithms: [rsa-pss-sha512]\nbody-unsigned: true\n", RSA_PSS_KEY,
     "sig-b21=();created=1618884473;keyid=\"test-key-rsa-pss\";nonce=\"b3k2pp5k7z-50gnwp.yemd\"",
     "sig-b21=:d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it"
     "++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR"
     "72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb"
     "/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==:"},
    {"B.2.2",
     "scheme: rfc9421\nalgorithms: [rsa-pss-sha512, rsa-v1_5-sha256]\n"
     "components: [\"@authority\", '@query-param;name=\"Pet\"', content-digest]\n"
     "tag: header-example\n",
     RSA_PSS_KEY,
     "sig-b22=(\"@authority\" \"content-digest\" \"@query-param\";name=\"Pet\");created=1618884473"
     ";keyid=\"test-key-rsa-pss\";tag=\"header-example\"",
     "sig-b22=:LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDf"
     "KtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLE"
     "uEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99P"
     "ZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==:"},
    {"B.2.3", "scheme: rfc9421\nalgorithms: [rsa-pss-sha512]\n", RSA_PSS_KEY,
     "sig-b23=(\"date\" \"@method\" \"@path\" \"@query\" \"@authority\" \"content-type\" "
     "\"content-digest\" \"content-length\");created=1618884473;keyid=\"test-key-rsa-pss\"",
     "sig-b23=:bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeG"
     "t683+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLN"
     "mvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Ei"
     "m5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==:"},
    {"B.2.5",
     "scheme: rfc9421\nalgorithms: [hmac-sha256]\nkey: { encoding: base64 }\n"
     "components: [\"@authority\", date]\nbody-unsigned: true\n",
     HMAC_KEY,
     "sig-b25=(\"date\" \"@authority\" \"content-type\");created=1618884473;"
     "keyid=\"test-shared-secret\"",
     "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:"},
    {"B.2.6",
     "scheme: rfc9421\nalgorithms: [ed25519]\ncomponents: [\"@method\", \"@path\"]\n"
     "body-unsigned: true\n",
     ED25519_KEY,
     "sig-b26=(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\")"
     ";created=1618884473;keyid=\"test-key-ed25519\"",
     "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WP"
     "pBKRCw==:"},
};

/* B.2.1 covers nothing, which no configuration here accepts: its base is checked further down. */
void test_message_vectors_of_rfc_9421_are_accepted(void)
{
    struct rig r;
    rig_init(&r);
    for (size_t i = 1; i < ARRAY_LEN(vectors); i++) {
        use(&r, vectors[i].verify, vectors[i].key);
        rfc_request(&r, vectors[i].input, vectors[i].signature);
        if (rig_check_at(&r, RFC_NOW_MS) != VERDICT_VERIFIED)
            FAIL("%s: %s", vectors[i].name, r.verdict.text);
        EXPECT_EQ_INT(r.verdict.timestamp_ms, RFC_NOW_MS);
        r.req.host = STR("example.org");
        if (rig_check_at(&r, RFC_NOW_MS) == VERDICT_VERIFIED)
            FAIL("%s is accepted for another host", vectors[i].name);
    }
    rig_release(&r);
}

void test_message_that_covers_nothing_is_refused(void)
{
    struct rig r;
    rig_init(&r);
    use(&r, vectors[0].verify, vectors[0].key);
    rfc_request(&r, vectors[0].input, vectors[0].signature);
    expect_at(&r, RFC_NOW_MS, VERDICT_MISSING_INPUT, "does not cover \"@method\"");
    rig_release(&r);
}

void test_message_base_of_rfc_9421_is_written_as_there(void)
{
    struct rig r;
    struct buf out;
    struct sf_member *members;
    size_t count;
    bool doubled;
    struct reason why;
    rig_init(&r);
    rfc_request(&r, vectors[1].input, vectors[1].signature);
    struct view w = {.req = &r.req, .arena = &r.arena};
    EXPECT(!sf_dictionary(&r.arena, str_from_cstr(vectors[1].input), &members, &count, &doubled));
    buf_init(&out, MESSAGE_BASE_MAX);
    EXPECT_OK(message_base_write(&out, &w, &members[0].item, &why), why);
    EXPECT_EQ_STR(buf_str(&out),
                  STR("\"@authority\": example.com\n\"content-digest\": " DIGEST_512 "\n"
                      "\"@query-param\";name=\"Pet\": dog\n\"@signature-params\": "
                      "(\"@authority\" \"content-digest\" \"@query-param\";name=\"Pet\");"
                      "created=1618884473;keyid=\"test-key-rsa-pss\";tag=\"header-example\""));
    buf_release(&out);
    rig_release(&r);
}

/* The base line of one component of a request; the reason in angle brackets when there is none. */
static const char *line_of(struct rig *r, const char *component)
{
    static char kept[1024];
    struct sf_member *members;
    size_t count;
    bool doubled;
    struct buf out;
    struct reason why = {.text = ""};
    struct view w = {.req = &r->req, .arena = &r->arena};
    str input = arena_printf(&r->arena, "s=(%s)", component);
    EXPECT(!sf_dictionary(&r->arena, input, &members, &count, &doubled));
    buf_init(&out, MESSAGE_BASE_MAX);
    if (message_base_write(&out, &w, &members[0].item, &why) == ERR_OK)
        snprintf(kept, sizeof(kept), STR_FMT,
                 STR_ARG(str_slice(buf_str(&out), 0, str_find(buf_str(&out), '\n'))));
    else
        snprintf(kept, sizeof(kept), "<%s>", why.text);
    buf_release(&out);
    return kept;
}

#define EXPECT_LINE(component, value)                                                              \
    EXPECT_EQ_STR(str_from_cstr(line_of(&r, component)), str_from_cstr(component ": " value))
#define EXPECT_NO_LINE(component, part) EXPECT_HAS(line_of(&r, component), part)

void test_message_components_are_derived_as_rfc_9421_says(void)
{
    struct rig r;
    rig_init(&r);
    rig_request(&r, STR(""));
    r.req.host = STR("WWW.Example.com:443");
    r.req.tls = true;
    r.req.target = STR("/parameters?var=this%20is%20a%20big%0Amultiline%20value&"
                       "bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something&qux=&x=1&x=2");
    r.req.path = STR("/parameters");
    rig_field(&r, "X-Lines", STR("a"));
    rig_field(&r, "X-Lines", STR("b, c"));
    rig_field(&r, "X-Empty", STR(""));
    rig_field(&r, "Example-Dict", STR("a=1,    b=2;x=1;y=2,  c=(a   b    c), d"));
    rig_field(&r, "Priority", STR("u=1,   i"));
    EXPECT_LINE("\"@method\"", "POST");
    EXPECT_LINE("\"@authority\"", "www.example.com");
    EXPECT_LINE("\"@scheme\"", "https");
    EXPECT_LINE("\"@path\"", "/parameters");
    EXPECT_LINE("\"@query-param\";name=\"var\"", "this%20is%20a%20big%0Amultiline%20value");
    EXPECT_LINE("\"@query-param\";name=\"bar\"", "with%20plus%20whitespace");
    EXPECT_LINE("\"@query-param\";name=\"fa%C3%A7ade%22%3A%20\"", "something");
    EXPECT_LINE("\"@query-param\";name=\"qux\"", "");
    EXPECT_NO_LINE("\"@query-param\";name=\"x\"", "more than once");
    EXPECT_NO_LINE("\"@query-param\";name=\"none\"", "is not in the query");
    EXPECT_NO_LINE("\"@query-param\"", "parameters that do not belong");
    EXPECT_NO_LINE("\"@method\";req", "parameters that do not belong");
    EXPECT_NO_LINE("\"@status\"", "not known for a request");
    EXPECT_LINE("\"x-lines\"", "a, b, c");
    EXPECT_LINE("\"x-lines\";bs", ":YQ==:, :YiwgYw==:");
    EXPECT_LINE("\"x-empty\"", "");
    EXPECT_NO_LINE("\"x-none\"", "is not in the request");
    EXPECT_NO_LINE("\"X-Lines\"", "no quoted name in small letters");
    EXPECT_NO_LINE("x-lines", "no quoted name");
    EXPECT_LINE("\"example-dict\";key=\"b\"", "2;x=1;y=2");
    EXPECT_LINE("\"example-dict\";key=\"c\"", "(a b c)");
    EXPECT_LINE("\"example-dict\";key=\"d\"", "?1");
    EXPECT_NO_LINE("\"example-dict\";key=\"e\"", "a member that the field does not have");
    EXPECT_NO_LINE("\"example-dict\";sf", "cannot be applied");
    EXPECT_LINE("\"priority\";sf", "u=1, i");
    EXPECT_NO_LINE("\"priority\";sf;bs", "exclude each other");
    EXPECT_NO_LINE("\"x-lines\";tr", "trailer");
    EXPECT_NO_LINE("\"x-lines\";req", "not for requests");
    EXPECT_NO_LINE("\"@method\" \"@method\"", "listed twice");
    EXPECT_NO_LINE("\"example-dict\";key=\"b\" \"example-dict\";key=\"b\"", "listed twice");
    r.req.target = r.req.path = STR("/x");
    EXPECT_LINE("\"@query\"", "?");
    EXPECT_LINE("\"@request-target\"", "/x");
    EXPECT_LINE("\"@target-uri\"", "https://www.example.com/x");
    r.req.tls = false;
    EXPECT_LINE("\"@authority\"", "www.example.com:443");
    rig_release(&r);
}

/* Behind a proxy the sender signed the public URL; Host says what the proxy called us. */
void test_message_url_is_the_configured_one(void)
{
    struct rig r;
    rig_init(&r);
    rig_request(&r, STR(""));
    struct view w = {.req = &r.req, .arena = &r.arena, .public_url = STR("https://Pub.org/base")};
    str covered = STR("s=(\"@target-uri\" \"@authority\" \"@path\" \"@request-target\")");
    struct sf_member *members;
    size_t count;
    bool doubled;
    struct buf out;
    struct reason why;
    EXPECT(!sf_dictionary(&r.arena, covered, &members, &count, &doubled));
    buf_init(&out, MESSAGE_BASE_MAX);
    EXPECT_OK(message_base_write(&out, &w, &members[0].item, &why), why);
    EXPECT_HAS(buf_cstr(&out), "\"@target-uri\": https://pub.org/base/in/x\n"
                               "\"@authority\": pub.org\n\"@path\": /base/in/x\n"
                               "\"@request-target\": /base/in/x\n");
    buf_release(&out);
    rig_release(&r);
}

/* --- what a right signature is still not enough for ------------------------------------------ */

#define ED "scheme: rfc9421\nalgorithms: [ed25519]\n"

/* Signed by our own signer with the key of B.2.6. */
static void sign_as(struct rig *r, const char *verify, str body, int64_t now_ms)
{
    use(r, verify, ED25519_KEY);
    rig_request(r, body);
    rig_field(r, "Content-Type", STR("application/json"));
    struct signature_input in = {.method = STR("POST"),
                                 .url = STR("http://hooks.example.org/in/x"),
                                 .now_ms = now_ms,
                                 .fields = r->req.fields,
                                 .body = body};
    rig_sign_with(r, rig_add(r, verify), ED25519_SEED, &in);
}

void test_message_signed_here_is_accepted_here(void)
{
    struct rig r;
    rig_init(&r);
    sign_as(&r, ED, STR("{}"), RIG_NOW_MS);
    expect_at(&r, RIG_NOW_MS, VERDICT_VERIFIED, "RFC 9421");
    EXPECT_HAS(arena_cstr(&r.arena, http_field_get(&r.req.fields, STR("Signature-Input"))),
               "(\"@method\" \"@target-uri\" \"content-type\" \"content-digest\");created=");
    sign_as(&r, ED, STR(""), RIG_NOW_MS);
    EXPECT(!http_field_get(&r.req.fields, STR("Content-Digest")).p);
    expect_at(&r, RIG_NOW_MS, VERDICT_VERIFIED, "RFC 9421");
    r.req.body = STR("{}");
    expect_at(&r, RIG_NOW_MS, VERDICT_MISSING_INPUT, "does not cover \"content-digest\"");
    rig_release(&r);
}

void test_message_times_are_judged_on_both_sides(void)
{
    struct rig r;
    rig_init(&r);
    sign_as(&r, ED, STR("{}"), RIG_NOW_MS);
    expect_at(&r, RIG_NOW_MS + 300000, VERDICT_VERIFIED, "");
    expect_at(&r, RIG_NOW_MS - 300000, VERDICT_VERIFIED, "");
    expect_at(&r, RIG_NOW_MS + 301000, VERDICT_STALE, "301 s behind");
    expect_at(&r, RIG_NOW_MS - 301000, VERDICT_STALE, "301 s ahead of");
    sign_as(&r, ED "tolerance: 10s\n", STR("{}"), RIG_NOW_MS);
    expect_at(&r, RIG_NOW_MS + 11000, VERDICT_STALE, "(10 s are allowed)");
    rig_release(&r);
}

/* With the parameters of a signature as a sender could write them, signed for by HMAC. */
static void sign_params(struct rig *r, const char *covered, const char *params)
{
    const char *verify = "scheme: rfc9421\nalgorithms: [hmac-sha256]\n";
    uint8_t mac[32];
    struct sf_member *members;
    struct reason why;
    size_t count;
    bool doubled;
    struct buf base;
    use(r, verify, "a shared secret");
    rig_request(r, STR("{}"));
    rig_field(r, "Content-Digest", content_digest_make(&r->arena, STR("{}")));
    struct view w = {.req = &r->req, .arena = &r->arena};
    str input = arena_printf(&r->arena, "s=(%s)%s", covered, params);
    EXPECT(!sf_dictionary(&r->arena, input, &members, &count, &doubled));
    buf_init(&base, MESSAGE_BASE_MAX);
    EXPECT_OK(message_base_write(&base, &w, &members[0].item, &why), why);
    sign_hmac_sha256(STR("a shared secret"), buf_str(&base), mac);
    buf_clear(&base);
    buf_str_append(&base, STR("s="));
    sf_write_bytes(&base, str_of((const char *)mac, sizeof(mac)));
    rig_field(r, "Signature-Input", input);
    rig_field(r, "Signature", arena_str(&r->arena, buf_str(&base)));
    buf_release(&base);
}

void test_message_parameters_are_judged(void)
{
    static const char usual[] = "\"@method\" \"@target-uri\" \"content-digest\"";
    struct rig r;
    rig_init(&r);
    sign_params(&r, usual, ";created=1795443390");
    expect_at(&r, RIG_NOW_MS, VERDICT_VERIFIED, "");
    sign_params(&r, usual, ";created=1795443390;expires=1795443391;alg=\"hmac-sha256\"");
    expect_at(&r, RIG_NOW_MS, VERDICT_VERIFIED, "");
    expect_at(&r, RIG_NOW_MS + 1000, VERDICT_STALE, "has expired");
    sign_params(&r, usual, ";created=1795443390;alg=\"ed25519\"");
    expect_at(&r, RIG_NOW_MS, VERDICT_MISMATCH, "signed with \"ed25519\"");
    sign_params(&r, usual, "");
    expect_at(&r, RIG_NOW_MS, VERDICT_MISSING_INPUT, "when it was made");
    sign_params(&r, usual, ";created=\"1795443390\"");
    expect_at(&r, RIG_NOW_MS, VERDICT_MALFORMED, "not of the right type");
    sign_params(&r, usual, ";created=-5");
    expect_at(&r, RIG_NOW_MS, VERDICT_MALFORMED, "not of the right type");
    sign_params(&r, usual, ";created=1795443390;keyid=k1");
    expect_at(&r, RIG_NOW_MS, VERDICT_MALFORMED, "not of the right type");
    rig_release(&r);
}

void test_message_must_cover_method_url_and_body(void)
{
    static const struct {
        const char *covered, *missing; /* NULL: enough */
    } cases[] = {
        {"\"@method\" \"@authority\" \"@path\" \"content-digest\"", NULL},
        {"\"@method\" \"@authority\" \"@request-target\" \"content-digest\"", NULL},
        {"\"@method\" \"@target-uri\" \"content-digest\";sf", NULL},
        {"\"@target-uri\" \"content-digest\"", "\"@method\""},
        {"\"@method\" \"@path\" \"content-digest\"", "the whole URL"},
        {"\"@method\" \"@authority\" \"content-digest\"", "the whole URL"},
        {"\"@method\" \"@target-uri\"", "\"content-digest\""},
        {"\"@method\" \"@target-uri\" \"content-digest\";key=\"sha-256\"", "\"content-digest\""},
    };
    struct rig r;
    rig_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        sign_params(&r, cases[i].covered, ";created=1795443390");
        expect_at(&r, RIG_NOW_MS, cases[i].missing ? VERDICT_MISSING_INPUT : VERDICT_VERIFIED,
                  cases[i].missing ? cases[i].missing : "");
    }
    sign_params(&r, cases[0].covered, ";created=1795443390");
    r.req.target = STR("/in/x?admin=1");
    r.req.query = STR("admin=1");
    expect_at(&r, RIG_NOW_MS, VERDICT_MISSING_INPUT, "the whole URL");
    rig_release(&r);
}

void test_message_body_is_held_to_its_digest(void)
{
    struct rig r;
    rig_init(&r);
    sign_as(&r, ED, STR("{}"), RIG_NOW_MS);
    r.req.body = STR("{ }");
    expect_at(&r, RIG_NOW_MS, VERDICT_MISMATCH, "Content-Digest is not that of the body");
    r.req.body = STR("");
    expect_at(&r, RIG_NOW_MS, VERDICT_MISMATCH, "Content-Digest is not that of the body");
    r.req.body = STR("{ }");
    rig_set(&r, "Content-Digest", content_digest_make(&r.arena, STR("{ }")));
    expect_at(&r, RIG_NOW_MS, VERDICT_MISMATCH, "does not match");
    rig_set(&r, "Content-Digest", STR("md5=:AAAA:"));
    expect_at(&r, RIG_NOW_MS, VERDICT_MISSING_INPUT, "neither sha-256 nor sha-512");
    rig_set(&r, "Content-Digest", STR("sha-256=AAAA"));
    expect_at(&r, RIG_NOW_MS, VERDICT_MALFORMED, "RFC 9530");
    rig_release(&r);
}

/* A proxy's own signature beside the sender's, on a line of its own. */
void test_message_signatures_stand_side_by_side(void)
{
    struct rig r;
    rig_init(&r);
    sign_as(&r, ED, STR("{}"), RIG_NOW_MS);
    rig_field(&r, "Signature-Input", STR("proxy=(\"@authority\");created=1;keyid=\"p\""));
    rig_field(&r, "Signature", STR("proxy=:AAAA:"));
    expect_at(&r, RIG_NOW_MS, VERDICT_VERIFIED, "");
    rig_field(&r, "Signature", STR("sig1=:AAAA:"));
    expect_at(&r, RIG_NOW_MS, VERDICT_DOUBLE_SIGNATURE, "there twice");
    sign_as(&r, ED, STR("{}"), RIG_NOW_MS);
    rig_field(&r, "Signature",
              STR("a=:AA==:,b=:AA==:,c=:AA==:,d=:AA==:,e=:AA==:,f=:AA==:,g=:AA==:,h=:AA==:"));
    expect_at(&r, RIG_NOW_MS, VERDICT_MALFORMED, "there are 9 signatures; at most 8");
    sign_as(&r, ED, STR("{}"), RIG_NOW_MS);
    rig_set(&r, "Signature-Input", STR("other=();created=1"));
    expect_at(&r, RIG_NOW_MS, VERDICT_MALFORMED, "is not described in Signature-Input");
    rig_drop(&r, "Signature-Input");
    expect_at(&r, RIG_NOW_MS, VERDICT_MALFORMED, "Signature-Input is missing");
    rig_release(&r);
}

void test_message_names_of_keys_choose_among_them(void)
{
    static const char other[] = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    const str keys[] = {{other, sizeof(other) - 1}, {ED25519_KEY, sizeof(ED25519_KEY) - 1}};
    const str ids[] = {{"k1", 2}, {"k2", 2}}, swapped[] = {{"k2", 2}, {"k1", 2}};
    struct rig r;
    rig_init(&r);
    sign_as(&r, ED "keyid: k2\n", STR("{}"), RIG_NOW_MS);
    struct verifier_options o = {
        .provider = rig_add(&r, ED), .secrets = keys, .secret_count = 2, .secret_ids = ids};
    rig_verifier(&r, &o);
    expect_at(&r, RIG_NOW_MS, VERDICT_VERIFIED, "secret 2 of 2");
    o.secret_ids = swapped;
    rig_verifier(&r, &o);
    expect_at(&r, RIG_NOW_MS, VERDICT_MISMATCH, "does not match");
    use(&r, ED "keyid: k3\n", ED25519_KEY);
    expect_at(&r, RIG_NOW_MS, VERDICT_MISMATCH, "asks for (k3)");
    use(&r, ED "tag: t\n", ED25519_KEY);
    expect_at(&r, RIG_NOW_MS, VERDICT_MISMATCH, "asks for (t)");
    rig_release(&r);
}

void test_message_files_that_would_prove_too_little_are_refused(void)
{
    static const struct {
        const char *verify, *part;
    } cases[] = {
        {"scheme: rfc9421\n", "\"algorithms\" is missing"},
        {"scheme: rfc9421\nalgorithms: []\n", "at least one"},
        {"scheme: rfc9421\nalgorithms: [none]\n", "unknown algorithm \"none\""},
        {"scheme: rfc9421\nalgorithms: [hmac-sha256, ed25519]\n", "cannot stand beside"},
        {"scheme: rfc9421\nalgorithms: [ed25519]\ncomponents: [X-Y]\n", "no component"},
        {"scheme: rfc9421\nalgorithms: [ed25519]\ncomponents: []\n", "1 to 32 components"},
        {"scheme: rfc9421\nalgorithms: [hmac-sha256]\nkey: { pinned: abc }\n", "public keys"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rig r;
        rig_init(&r);
        if (rig_add(&r, cases[i].verify))
            FAIL("this was taken: %s", cases[i].verify);
        EXPECT_HAS(r.problems.v[0].text, cases[i].part);
        rig_release(&r);
    }
}

void test_content_digest_of_rfc_9530(void)
{
    static const struct {
        const char *body, *value;
        enum digest_state state;
    } cases[] = {
        {"{\"hello\": \"world\"}",
         "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:", DIGEST_MATCHES},
        {"{\"hello\": \"world\"}", DIGEST_512, DIGEST_MATCHES},
        {"{\"hello\": \"world\"}\n",
         "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:", DIGEST_MATCHES},
        {"{\"hello\": \"world\"}",
         "md5=:AA==:, sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:", DIGEST_MATCHES},
        {"{\"hello\": \"world\"}",
         "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:, sha-512=:AA==:", DIGEST_DIFFERS},
        {"{}", "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:", DIGEST_DIFFERS},
        {"{}", "sha=:AA==:", DIGEST_MISSING},
        {"{}", "", DIGEST_MISSING},
        {"{}", "sha-256=X48E", DIGEST_MALFORMED},
        {"{}", "sha-256=:AA==:, sha-256=:AA==:", DIGEST_MALFORMED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena a;
        arena_init(&a, 1u << 16);
        struct http_field f = {STR("content-digest"), str_from_cstr(cases[i].value)};
        EXPECT_EQ_INT(
            content_digest_check(&a, &(struct http_fields){&f, 1}, str_from_cstr(cases[i].body)),
            cases[i].state);
        EXPECT_EQ_INT(content_digest_check(&a, &(struct http_fields){&f, 0}, STR("{}")),
                      DIGEST_MISSING);
        arena_release(&a);
    }
}
