/* HTTP message signatures of requests of ours: made by keys worked in once, judged by the verifier
 * of arrivals; the names of keys (RFC 7638). */
#include "rig.h"

#include "base/codec.h"
#include "verify/jwk.h"
#include "verify/message_sign.h"

#define SEED "n4Ni+HpISpVObnQMW0wOhCKROaIKqKtW/2ZYb2p9KcU=" /* RFC 9421, B.1.4 */
#define PUBLIC "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="
#define SHARED "a shared secret"
#define URL STR("https://Hooks.Example.org:443/in/x?a=b%20c")
#define BODY STR("{\"n\": 1.50}")
#define ED                                                                                         \
    "scheme: rfc9421\nalgorithms: [ed25519]\ntag: webhook\ncomponents: [\"@method\", "             \
    "\"@target-uri\", content-type, webhook-id, webhook-timestamp, content-digest]\n"
#define HMAC "scheme: rfc9421\nalgorithms: [hmac-sha256]\ntag: webhook\n"

struct fixture {
    struct rig rig;
    struct ed25519 *pair;
    struct mac *mac;
    struct http_field fields[RIG_FIELDS_MAX];
    struct message_signer signers[2];
    struct message_to_sign m;
};

static void fixture_init(struct fixture *f)
{
    uint8_t seed[32];
    size_t n;
    rig_init(&f->rig);
    EXPECT(base64_decode(STR(SEED), seed, sizeof(seed), &n) && n == sizeof(seed));
    f->pair = ed25519_private(seed);
    f->mac = mac_new(DIGEST_SHA256, STR(SHARED));
    f->fields[0] = (struct http_field){STR("Content-Type"), STR("application/json")};
    f->fields[1] = (struct http_field){STR("webhook-id"), STR("msg_1")};
    f->fields[2] = (struct http_field){STR("webhook-timestamp"), STR("1795443390")};
    f->signers[0] = (struct message_signer){.pair = f->pair, .keyid = STR("new")};
    f->signers[1] = (struct message_signer){.mac = f->mac, .keyid = STR("old")};
    f->m = (struct message_to_sign){.method = STR("POST"),
                                    .url = URL,
                                    .body = BODY,
                                    .given = {f->fields, 3},
                                    .tag = STR("webhook"),
                                    .now_ms = RIG_NOW_MS,
                                    .signers = f->signers,
                                    .signer_count = 2};
}

static void fixture_release(struct fixture *f)
{
    ed25519_free(f->pair);
    mac_free(f->mac);
    rig_release(&f->rig);
}

/* What was signed, as it arrives behind a proxy that has the certificate. */
static void arrive(struct fixture *f, const char *verify, const char *secret)
{
    struct http_field made[MESSAGE_SIGN_FIELDS];
    struct reason why;
    struct rig *r = &f->rig;
    str key = str_from_cstr(secret);
    EXPECT_OK(message_sign(&f->m, &r->arena, made, &why), why);
    struct provider *p = rig_add(r, verify);
    if (!p)
        FAIL("%s", r->problems.v[0].text);
    rig_verifier(r, &(struct verifier_options){.provider = p,
                                               .secrets = &key,
                                               .secret_count = 1,
                                               .public_url = STR("https://hooks.example.org")});
    rig_request(r, BODY);
    r->req.target = STR("/in/x?a=b%20c");
    r->req.path = STR("/in/x");
    r->req.query = STR("a=b%20c");
    for (size_t i = 0; i < f->m.given.count; i++)
        rig_field(r, arena_cstr(&r->arena, f->fields[i].name), f->fields[i].value);
    for (size_t i = 0; i < MESSAGE_SIGN_FIELDS; i++)
        rig_field(r, arena_cstr(&r->arena, made[i].name), made[i].value);
}

static enum verdict_code judge(struct fixture *f)
{
    return rig_check_at(&f->rig, RIG_NOW_MS);
}

void test_message_sign_serves_whoever_knows_one_of_the_keys(void)
{
    struct fixture f = {0};
    fixture_init(&f);
    arrive(&f, ED, PUBLIC);
    EXPECT_EQ_INT(judge(&f), VERDICT_VERIFIED);
    str input = http_field_get(&f.rig.req.fields, STR("Signature-Input"));
    EXPECT_HAS(arena_cstr(&f.rig.arena, input),
               "sig1=(\"@method\" \"@target-uri\" \"content-type\" \"webhook-id\" "
               "\"webhook-timestamp\" \"content-digest\");created=1795443390;keyid=\"new\";"
               "alg=\"ed25519\";tag=\"webhook\", sig2=(");
    EXPECT_HAS(arena_cstr(&f.rig.arena, input), ";keyid=\"old\";alg=\"hmac-sha256\"");
    arrive(&f, HMAC, SHARED);
    EXPECT_EQ_INT(judge(&f), VERDICT_VERIFIED);
    arrive(&f, HMAC, "another secret of somebody");
    EXPECT(judge(&f) != VERDICT_VERIFIED);
    fixture_release(&f);
}

void test_message_sign_covers_every_part_of_the_request(void)
{
    struct fixture f = {0};
    fixture_init(&f);
    for (size_t i = 0; i < f.m.given.count; i++) {
        arrive(&f, ED, PUBLIC);
        f.rig.fields[i].value = STR("application/xml");
        EXPECT(judge(&f) != VERDICT_VERIFIED);
    }
    arrive(&f, ED, PUBLIC);
    f.rig.req.method = STR("PUT");
    EXPECT(judge(&f) != VERDICT_VERIFIED);
    arrive(&f, ED, PUBLIC);
    f.rig.req.target = STR("/in/x?a=b");
    EXPECT(judge(&f) != VERDICT_VERIFIED);
    arrive(&f, ED, PUBLIC);
    f.rig.req.body = STR("{\"n\": 1.5}");
    EXPECT(judge(&f) != VERDICT_VERIFIED);
    fixture_release(&f);
}

void test_message_sign_refuses_what_it_cannot_write(void)
{
    struct fixture f = {0};
    struct http_field made[MESSAGE_SIGN_FIELDS];
    struct reason why;
    fixture_init(&f);
    f.fields[1].value = STR("msg_1\r\nx-more: 1");
    EXPECT(message_sign(&f.m, &f.rig.arena, made, &why) == ERR_INVALID);
    EXPECT_HAS(why.text, "line end");
    f.fields[1] = f.fields[0]; /* a field that is there twice has no one value */
    EXPECT(message_sign(&f.m, &f.rig.arena, made, &why) == ERR_INVALID);
    fixture_release(&f);
}

void test_jwk_thumbprint_is_that_of_rfc_8037(void)
{
    uint8_t key[ED25519_KEY_BYTES];
    char kid[JWK_THUMBPRINT + 1];
    size_t n;
    struct buf out;
    struct json_writer w;
    EXPECT(base64url_decode(STR("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"), key, sizeof(key),
                            &n) &&
           n == sizeof(key));
    jwk_thumbprint(key, kid);
    EXPECT_STR(str_from_cstr(kid), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    buf_init(&out, 1024);
    json_writer_init(&w, &out);
    jwk_write(&w, key);
    EXPECT_STR(buf_str(&out),
               "{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
               "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\","
               "\"kid\":\"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k\",\"use\":\"sig\","
               "\"alg\":\"EdDSA\"}");
    buf_release(&out);
}

void test_ed25519_public_bytes_are_those_of_rfc_8032(void)
{
    uint8_t seed[32], key[32], known[32];
    size_t n;
    EXPECT(base64_decode(STR(SEED), seed, sizeof(seed), &n));
    EXPECT(base64_decode(STR(PUBLIC), known, sizeof(known), &n));
    struct ed25519 *pair = ed25519_private(seed);
    ed25519_public_bytes(pair, key);
    EXPECT(memcmp(key, known, sizeof(key)) == 0);
    ed25519_free(pair);
}
