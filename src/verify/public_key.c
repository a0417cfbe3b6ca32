/* public_key.c -- OpenSSL's keys, certificates and signature calls behind a few functions.
 *
 * What a sender or a key server gives is read here, so every call may fail for its input; errors
 * that OpenSSL queues are dropped at once, for the next user of the thread. */
#include "verify/public_key.h"

#include "base/codec.h"
#include "base/log.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#define RSA_BITS_MIN 1024 /* some services still sign with 1024 */
#define RSA_BITS_MAX 8192
#define JWK_NUMBER_MAX 1024

static EVP_PKEY *pkey(const struct public_key *k)
{
    return (EVP_PKEY *)(uintptr_t)k;
}

static bool kind_of(EVP_PKEY *key, enum public_kind *out)
{
    static const struct {
        const char *curve;
        enum public_kind kind;
    } curves[] = {
        {"prime256v1", PUBLIC_P256}, {"secp384r1", PUBLIC_P384}, {"secp521r1", PUBLIC_P521}};
    char curve[64];
    int bits = EVP_PKEY_get_bits(key);
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
        *out = PUBLIC_RSA;
        return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX;
    case EVP_PKEY_ED25519:
        *out = PUBLIC_ED25519;
        return true;
    case EVP_PKEY_EC:
        if (EVP_PKEY_get_group_name(key, curve, sizeof(curve), NULL) != 1)
            return false;
        for (size_t i = 0; i < ARRAY_LEN(curves); i++)
            if (strcmp(curve, curves[i].curve) == 0) {
                *out = curves[i].kind;
                return true;
            }
        return false;
    default:
        return false;
    }
}

/* Takes the key over. */
static struct public_key *accept(EVP_PKEY *key, struct reason *why)
{
    enum public_kind kind;
    ERR_clear_error();
    if (!key) {
        UNUSED(fail(why, ERR_INVALID, "it is no key of a kind that is known here"));
        return NULL;
    }
    if (kind_of(key, &kind))
        return (struct public_key *)(void *)key;
    EVP_PKEY_free(key);
    UNUSED(fail(why, ERR_INVALID,
                "it is neither RSA of %d to %d bits, nor P-256, P-384, P-521, nor Ed25519",
                RSA_BITS_MIN, RSA_BITS_MAX));
    return NULL;
}

/* OpenSSL asks the terminal for a password unless told not to. */
static int no_password(char *buf, int size, int writing, void *arg)
{
    UNUSED(buf);
    UNUSED(size);
    UNUSED(writing);
    UNUSED(arg);
    return 0;
}

static EVP_PKEY *key_of_certificate(BIO *in, int64_t now_ms, struct reason *why)
{
    X509 *cert = PEM_read_bio_X509(in, NULL, no_password, NULL);
    time_t now = (time_t)(now_ms / 1000);
    EVP_PKEY *key = NULL;
    if (!cert)
        return NULL;
    if (now_ms && (X509_cmp_time(X509_get0_notBefore(cert), &now) > 0 ||
                   X509_cmp_time(X509_get0_notAfter(cert), &now) <= 0))
        UNUSED(fail(why, ERR_INVALID, "the certificate is not valid today"));
    else
        key = X509_get_pubkey(cert);
    X509_free(cert);
    return key;
}

struct public_key *public_key_pem(str text, bool for_signing, int64_t now_ms, struct reason *why)
{
    struct reason own = {.text = ""};
    if (text.n > 64u << 10) {
        UNUSED(fail(why, ERR_LIMIT, "a key of over 64 KiB"));
        return NULL;
    }
    BIO *in = BIO_new_mem_buf(text.p, (int)text.n);
    if (!in)
        die_of_memory(0);
    EVP_PKEY *key = NULL;
    if (for_signing)
        key = PEM_read_bio_PrivateKey(in, NULL, no_password, NULL);
    else if (str_find_str(text, STR("-----BEGIN CERTIFICATE-----")) < text.n)
        key = key_of_certificate(in, now_ms, &own);
    else if (str_find_str(text, STR("-----BEGIN RSA PUBLIC KEY-----")) < text.n) {
        RSA *rsa = NULL;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
        rsa = PEM_read_bio_RSAPublicKey(in, NULL, no_password, NULL);
        key = rsa ? EVP_PKEY_new() : NULL;
        if (key && EVP_PKEY_assign_RSA(key, rsa) != 1)
            die_of_memory(0);
#pragma GCC diagnostic pop
    } else {
        key = PEM_read_bio_PUBKEY(in, NULL, no_password, NULL);
    }
    BIO_free(in);
    if (!key && own.text[0]) {
        ERR_clear_error();
        UNUSED(fail(why, ERR_INVALID, "%s", own.text));
        return NULL;
    }
    return accept(key, why);
}

struct public_key *public_key_der(str der, bool for_signing, struct reason *why)
{
    const unsigned char *at = (const unsigned char *)der.p;
    EVP_PKEY *key = for_signing ? d2i_AutoPrivateKey(NULL, &at, (long)der.n)
                                : d2i_PUBKEY(NULL, &at, (long)der.n);
    return accept(key, why);
}

struct public_key *public_key_ed25519(str bytes, bool for_signing, struct reason *why)
{
    const unsigned char *p = (const unsigned char *)bytes.p;
    if (bytes.n != 32 && !(for_signing && bytes.n == 64)) {
        UNUSED(fail(why, ERR_INVALID, "an Ed25519 key has 32 bytes, this one %zu", bytes.n));
        return NULL;
    }
    return accept(for_signing ? EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, p, 32)
                              : EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, p, 32),
                  why);
}

/* --- JWK ------------------------------------------------------------------------------------- */

static BIGNUM *jwk_number(const struct json *jwk, const char *name)
{
    uint8_t bytes[JWK_NUMBER_MAX];
    size_t n;
    str text = json_str(json_get(jwk, str_from_cstr(name)));
    if (!text.n || !base64url_decode(text, bytes, sizeof(bytes), &n) || !n)
        return NULL;
    return BN_bin2bn(bytes, (int)n, NULL);
}

static EVP_PKEY *key_of_params(const char *type, OSSL_PARAM_BLD *builder)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return key;
}

static EVP_PKEY *rsa_of_jwk(const struct json *jwk)
{
    BIGNUM *n = jwk_number(jwk, "n"), *e = jwk_number(jwk, "e");
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY *key = NULL;
    if (n && e && builder && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1)
        key = key_of_params("RSA", builder);
    OSSL_PARAM_BLD_free(builder);
    BN_free(n);
    BN_free(e);
    return key;
}

static EVP_PKEY *ec_of_jwk(const struct json *jwk)
{
    static const struct {
        str name;
        const char *group;
        size_t bytes;
    } curves[] = {{{"P-256", 5}, "prime256v1", 32},
                  {{"P-384", 5}, "secp384r1", 48},
                  {{"P-521", 5}, "secp521r1", 66}};
    str name = json_str(json_get(jwk, STR("crv")));
    str x = json_str(json_get(jwk, STR("x"))), y = json_str(json_get(jwk, STR("y")));
    for (size_t i = 0; i < ARRAY_LEN(curves); i++) {
        uint8_t point[1 + 2 * 66] = {4};
        size_t size = curves[i].bytes, nx, ny;
        if (!str_eq(name, curves[i].name))
            continue;
        if (!base64url_decode(x, point + 1, size, &nx) || nx != size ||
            !base64url_decode(y, point + 1 + size, size, &ny) || ny != size)
            return NULL;
        OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
        EVP_PKEY *key = NULL;
        if (builder &&
            OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curves[i].group,
                                            0) == 1 &&
            OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point,
                                             1 + 2 * size) == 1)
            key = key_of_params("EC", builder);
        OSSL_PARAM_BLD_free(builder);
        return key;
    }
    return NULL;
}

struct public_key *public_key_jwk(const struct json *jwk, struct reason *why)
{
    uint8_t raw[32];
    size_t n;
    str type = json_str(json_get(jwk, STR("kty")));
    if (str_eq(type, STR("RSA")))
        return accept(rsa_of_jwk(jwk), why);
    if (str_eq(type, STR("EC")))
        return accept(ec_of_jwk(jwk), why);
    if (str_eq(type, STR("OKP")) && str_eq(json_str(json_get(jwk, STR("crv"))), STR("Ed25519")) &&
        base64url_decode(json_str(json_get(jwk, STR("x"))), raw, sizeof(raw), &n))
        return public_key_ed25519(str_of((const char *)raw, n), false, why);
    UNUSED(fail(why, ERR_INVALID, "it is no JWK of type RSA, EC or OKP with Ed25519"));
    return NULL;
}

/* --- signatures ------------------------------------------------------------------------------ */

void public_key_free(struct public_key *k)
{
    EVP_PKEY_free(pkey(k));
}

enum public_kind public_key_kind(const struct public_key *k)
{
    enum public_kind kind = PUBLIC_RSA;
    UNUSED(kind_of(pkey(k), &kind));
    return kind;
}

static bool fits(enum public_kind kind, enum signing how)
{
    switch (how) {
    case SIGNING_RSA:
    case SIGNING_RSA_PSS:
    case SIGNING_RSA_PSS_ANY_SALT:
        return kind == PUBLIC_RSA;
    case SIGNING_ECDSA_DER:
    case SIGNING_ECDSA_RAW:
        return kind == PUBLIC_P256 || kind == PUBLIC_P384 || kind == PUBLIC_P521;
    case SIGNING_ED25519:
        return kind == PUBLIC_ED25519;
    }
    return false;
}

static size_t half_bytes(const struct public_key *k)
{
    return (size_t)(EVP_PKEY_get_bits(pkey(k)) + 7) / 8;
}

/* r and s to DER; the length, 0 when they are none. */
static size_t raw_to_der(const struct public_key *k, str raw, uint8_t out[PUBLIC_SIGNATURE_MAX])
{
    size_t half = half_bytes(k), n = 0;
    if (raw.n != 2 * half)
        return 0;
    const unsigned char *p = (const unsigned char *)raw.p;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(p, (int)half, NULL), *s = BN_bin2bn(p + half, (int)half, NULL);
    unsigned char *at = out;
    if (!sig || !r || !s || ECDSA_SIG_set0(sig, r, s) != 1)
        die_of_memory(0);
    int length = i2d_ECDSA_SIG(sig, NULL);
    if (length > 0 && length <= PUBLIC_SIGNATURE_MAX)
        n = (size_t)i2d_ECDSA_SIG(sig, &at);
    ECDSA_SIG_free(sig);
    return n;
}

static size_t der_to_raw(const struct public_key *k, const uint8_t *der, size_t n,
                         uint8_t out[PUBLIC_SIGNATURE_MAX])
{
    const unsigned char *at = der;
    size_t half = half_bytes(k);
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)n);
    bool ok = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, (int)half) == (int)half &&
              BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + half, (int)half) == (int)half;
    ECDSA_SIG_free(sig);
    return ok ? 2 * half : 0;
}

static bool set_padding(EVP_PKEY_CTX *ctx, enum signing how, bool for_signing)
{
    if (how != SIGNING_RSA_PSS && how != SIGNING_RSA_PSS_ANY_SALT)
        return true;
    bool any = how == SIGNING_RSA_PSS_ANY_SALT && !for_signing;
    int length = any ? RSA_PSS_SALTLEN_AUTO : RSA_PSS_SALTLEN_DIGEST;
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, length) == 1;
}

static const char *const digest_names[] = {"MD5", "SHA1", "SHA2-256", "SHA2-384", "SHA2-512"};
static_assert(ARRAY_LEN(digest_names) == DIGESTS, "one name for each digest");

bool public_key_verify(const struct public_key *k, enum signing how, enum digest d, str text,
                       str signature)
{
    uint8_t der[PUBLIC_SIGNATURE_MAX];
    if (!fits(public_key_kind(k), how))
        return false;
    if (how == SIGNING_ECDSA_RAW) {
        signature = str_of((const char *)der, raw_to_der(k, signature, der));
        if (!signature.n)
            return false;
    }
    EVP_PKEY_CTX *key_ctx = NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const char *name = how == SIGNING_ED25519 ? NULL : digest_names[d];
    bool ok = ctx && EVP_DigestVerifyInit_ex(ctx, &key_ctx, name, NULL, NULL, pkey(k), NULL) == 1 &&
              set_padding(key_ctx, how, false) &&
              EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.n,
                               (const unsigned char *)text.p, text.n) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return ok;
}

size_t public_key_sign(const struct public_key *k, enum signing how, enum digest d, str text,
                       uint8_t out[PUBLIC_SIGNATURE_MAX])
{
    uint8_t der[PUBLIC_SIGNATURE_MAX];
    size_t n = sizeof(der);
    EVP_PKEY_CTX *key_ctx = NULL;
    if (!fits(public_key_kind(k), how))
        return 0;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const char *name = how == SIGNING_ED25519 ? NULL : digest_names[d];
    bool ok = ctx && EVP_DigestSignInit_ex(ctx, &key_ctx, name, NULL, NULL, pkey(k), NULL) == 1 &&
              set_padding(key_ctx, how, true) &&
              EVP_DigestSign(ctx, der, &n, (const unsigned char *)text.p, text.n) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    if (!ok)
        return 0;
    if (how == SIGNING_ECDSA_RAW)
        return der_to_raw(k, der, n, out);
    memcpy(out, der, n);
    return n;
}
