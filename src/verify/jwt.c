/* jwt.c -- tokens of the sending API. A token is believed only when its algorithm is ours, its
 * signature holds, and its time is now: in that order, so that nothing of an unsigned claim is
 * ever read for more than its shape. */
#include "verify/jwt.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/secret.h"
#include "verify/crypto.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#define SIGNATURE_MAX 1024
#define PART_MAX 6144

const char *const jwt_words[] = {"HS256", "HS384", "HS512", "RS256", "EdDSA", NULL};

struct jwt_key {
    enum jwt_kind kind;
    struct mac *mac; /* of HS* */
    EVP_PKEY *pair;
    bool can_sign;
};

static enum digest digest_of_kind(enum jwt_kind kind)
{
    return kind == JWT_KIND_HS384   ? DIGEST_SHA384
           : kind == JWT_KIND_HS512 ? DIGEST_SHA512
                                    : DIGEST_SHA256;
}

static bool is_mac(enum jwt_kind kind)
{
    return kind <= JWT_KIND_HS512;
}

/* --- keys ------------------------------------------------------------------------------------- */

static EVP_PKEY *read_pem(str text, bool *private)
{
    BIO *in = BIO_new_mem_buf(text.p, (int)text.n);
    EVP_PKEY *k = in ? PEM_read_bio_PrivateKey(in, NULL, NULL, NULL) : NULL;
    *private = k != NULL;
    BIO_free(in);
    if (k)
        return k;
    in = BIO_new_mem_buf(text.p, (int)text.n);
    k = in ? PEM_read_bio_PUBKEY(in, NULL, NULL, NULL) : NULL;
    BIO_free(in);
    return k;
}

struct jwt_key *jwt_key_new(enum jwt_kind kind, str text, struct reason *why)
{
    struct jwt_key *k = xcalloc(1, sizeof(*k));
    k->kind = kind;
    if (is_mac(kind)) {
        k->can_sign = true;
        k->mac = text.n ? mac_new(digest_of_kind(kind), text) : NULL;
        if (!k->mac)
            (void)fail(why, ERR_INVALID, "the secret is empty");
    } else if (text.n <= INT32_MAX) {
        int wanted = kind == JWT_KIND_RS256 ? EVP_PKEY_RSA : EVP_PKEY_ED25519;
        k->pair = read_pem(text, &k->can_sign);
        if (!k->pair || EVP_PKEY_get_base_id(k->pair) != wanted) {
            (void)fail(why, ERR_INVALID, "%s needs %s key in PEM", jwt_words[kind],
                       kind == JWT_KIND_RS256 ? "an RSA" : "an Ed25519");
            EVP_PKEY_free(k->pair);
            k->pair = NULL;
        }
    }
    if (k->mac || k->pair)
        return k;
    jwt_key_free(k);
    return NULL;
}

void jwt_key_free(struct jwt_key *k)
{
    if (!k)
        return;
    mac_free(k->mac);
    EVP_PKEY_free(k->pair);
    free(k);
}

/* --- signatures ------------------------------------------------------------------------------- */

static bool signature_holds(struct jwt_key *k, str text, const uint8_t *given, size_t n)
{
    if (is_mac(k->kind)) {
        uint8_t own[DIGEST_BYTES_MAX];
        mac_begin(k->mac);
        mac_add(k->mac, text);
        mac_end(k->mac, own);
        return secret_equal(given, n, own, digest_bytes(digest_of_kind(k->kind)));
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const EVP_MD *md = k->kind == JWT_KIND_RS256 ? EVP_sha256() : NULL;
    bool good = ctx && EVP_DigestVerifyInit(ctx, NULL, md, NULL, k->pair) == 1 &&
                EVP_DigestVerify(ctx, given, n, (const unsigned char *)text.p, text.n) == 1;
    EVP_MD_CTX_free(ctx);
    return good;
}

static bool make_signature(struct jwt_key *k, str text, uint8_t *out, size_t *n)
{
    if (is_mac(k->kind)) {
        mac_begin(k->mac);
        mac_add(k->mac, text);
        mac_end(k->mac, out);
        *n = digest_bytes(digest_of_kind(k->kind));
        return true;
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const EVP_MD *md = k->kind == JWT_KIND_RS256 ? EVP_sha256() : NULL;
    *n = SIGNATURE_MAX;
    bool good = ctx && EVP_DigestSignInit(ctx, NULL, md, NULL, k->pair) == 1 &&
                EVP_DigestSign(ctx, out, n, (const unsigned char *)text.p, text.n) == 1;
    EVP_MD_CTX_free(ctx);
    return good;
}

/* --- reading ---------------------------------------------------------------------------------- */

static struct json_doc *decode_part(str part)
{
    uint8_t bytes[PART_MAX];
    size_t n = 0;
    if (!base64url_decode(part, bytes, sizeof(bytes), &n) || n == 0)
        return NULL;
    struct json_doc *doc = json_parse(str_of((const char *)bytes, n), NULL);
    if (doc && json_kind_of(json_root(doc)) == JSON_OBJECT)
        return doc;
    json_doc_free(doc);
    return NULL;
}

static bool header_fits(const struct jwt_key *k, str part)
{
    struct json_doc *doc = decode_part(part);
    const struct json *root = json_root(doc);
    bool good = str_eq(json_str(json_get(root, STR("alg"))), str_from_cstr(jwt_words[k->kind])) &&
                !json_get(root, STR("crit"));
    json_doc_free(doc);
    return good;
}

/* Seconds, also with a fraction; false when it is there and no number. */
static bool seconds_of(const struct json *v, int64_t *out)
{
    double d;
    *out = 0;
    if (!v)
        return true;
    if (!json_f64(v, &d) || d < 0 || d > 1e15)
        return false;
    *out = (int64_t)d;
    return true;
}

static str claim_text(struct arena *a, const struct json *root, const char *name)
{
    str s = json_str(json_get(root, str_from_cstr(name)));
    return s.p ? arena_str(a, s) : STR_NONE;
}

/* What is no list of strings counts as an empty one. */
static str *claim_list(struct arena *a, const struct json *list, size_t *count)
{
    str *out = ARENA_ARRAY(a, str, json_len(list) + 1);
    struct json_iter it = {0};
    *count = 0;
    while (out && json_kind_of(list) == JSON_ARRAY && json_next(list, &it))
        out[(*count)++] = arena_str(a, json_str(it.value));
    return out;
}

static enum err read_claims(const struct json *root, int64_t now_s, struct arena *a,
                            struct jwt *out, struct reason *why)
{
    int64_t not_before_s;
    if (!seconds_of(json_get(root, STR("exp")), &out->exp_s) ||
        !seconds_of(json_get(root, STR("nbf")), &not_before_s) ||
        !seconds_of(json_get(root, STR("iat")), &out->iat_s))
        return fail(why, ERR_DENIED, "a time in the token is no number");
    if (json_get(root, STR("exp")) && now_s >= out->exp_s + JWT_LEEWAY_S)
        return fail(why, ERR_DENIED, "the token has expired");
    if (now_s < not_before_s - JWT_LEEWAY_S)
        return fail(why, ERR_DENIED, "the token is not valid yet");
    out->sub = claim_text(a, root, "sub");
    out->org = claim_text(a, root, "org");
    out->jti = claim_text(a, root, "jti");
    const struct json *capabilities = json_get(root, STR("capabilities"));
    out->flags = claim_list(a, json_get(root, STR("feature_flags")), &out->flag_count);
    out->is_limited = capabilities != NULL;
    out->capabilities = claim_list(a, capabilities, &out->capability_count);
    return arena_ok(a) ? ERR_OK : fail(why, ERR_LIMIT, "the token is too long");
}

enum err jwt_verify(struct jwt_key *k, str token, int64_t now_s, struct arena *a, struct jwt *out,
                    struct reason *why)
{
    uint8_t signature[SIGNATURE_MAX];
    size_t n = 0;
    str rest = token, header = str_cut(&rest, '.');
    str claims = rest.p ? str_cut(&rest, '.') : STR_NONE;
    *out = (struct jwt){0};
    if (!rest.p || str_find(rest, '.') < rest.n || token.n > JWT_BYTES_MAX)
        return fail(why, ERR_DENIED, "it is no token of three parts");
    if (!header_fits(k, header))
        return fail(why, ERR_DENIED, "the token is not of the algorithm %s", jwt_words[k->kind]);
    str text = str_slice(token, 0, header.n + 1 + claims.n);
    if (!base64url_decode(rest, signature, sizeof(signature), &n) ||
        !signature_holds(k, text, signature, n))
        return fail(why, ERR_DENIED, "the token's signature does not hold");
    struct json_doc *doc = decode_part(claims);
    if (!doc)
        return fail(why, ERR_DENIED, "the token's claims are no JSON object");
    enum err e = read_claims(json_root(doc), now_s, a, out, why);
    json_doc_free(doc);
    return e;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void encode_part(struct buf *out, const void *bytes, size_t n)
{
    char *room = buf_reserve(out, BASE64_LEN(n) + 1);
    if (room)
        buf_grew(out, base64url_encode(bytes, n, room));
}

enum err jwt_sign(struct jwt_key *k, str claims, struct buf *out, struct reason *why)
{
    char header[64];
    uint8_t signature[SIGNATURE_MAX];
    size_t from = out->len, n = 0;
    if (!k->can_sign)
        return fail(why, ERR_INVALID, "a public key can't sign; give the private one");
    int length =
        snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"typ\":\"JWT\"}", jwt_words[k->kind]);
    encode_part(out, header, (size_t)length);
    buf_char(out, '.');
    encode_part(out, claims.p, claims.n);
    if (!buf_ok(out) || !make_signature(k, str_slice(buf_str(out), from, out->len), signature, &n))
        return fail(why, ERR_INVALID, "the token could not be signed");
    buf_char(out, '.');
    encode_part(out, signature, n);
    return buf_ok(out) ? ERR_OK : fail(why, ERR_LIMIT, "the token is too long");
}
