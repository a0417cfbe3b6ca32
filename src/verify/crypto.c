/* crypto.c -- OpenSSL's EVP interface behind a few calls that cannot fail for any input.
 *
 * Algorithms are fetched once for the process: an implicit fetch at every use would cost more
 * than hashing a kilobyte. Contexts belong to their callers and are used by one thread. */
#include "verify/crypto.h"

#include "base/log.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <unistd.h>

const char *const digest_words[] = {"md5", "sha1", "sha256", "sha384", "sha512", NULL};
static_assert(ARRAY_LEN(digest_words) == DIGESTS + 1, "one word for each digest");

static pthread_once_t fetched = PTHREAD_ONCE_INIT;
static EVP_MD *digests[DIGESTS];
static EVP_MAC *hmac;

static _Noreturn void missing(const char *name)
{
    log_line(LOG_ERROR, "OpenSSL has no %s, or no memory for it", name);
    _exit(EXIT_NO_MEMORY);
}

static void fetch_all(void)
{
    static const char *const names[] = {"MD5", "SHA1", "SHA2-256", "SHA2-384", "SHA2-512"};
    static_assert(ARRAY_LEN(names) == DIGESTS, "one name for each digest");
    /* What it would do by itself, and then not look whether it could. */
    if (!OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL) || !OSSL_LIB_CTX_get0_global_default())
        die_of_memory(0);
    for (size_t i = 0; i < DIGESTS; i++) {
        digests[i] = EVP_MD_fetch(NULL, names[i], NULL);
        if (!digests[i])
            missing(names[i]);
    }
    hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (!hmac)
        missing("HMAC");
}

static const EVP_MD *digest_md(enum digest d)
{
    assert((unsigned)d < DIGESTS);
    pthread_once(&fetched, fetch_all);
    return digests[d];
}

/* For calls of which all but memory is known to be there: the algorithm, the key, its length. */
static void must(int ok, const char *call)
{
    if (ok == 1)
        return;
    log_line(LOG_ERROR, "%s failed inside OpenSSL", call);
    die_of_memory(0);
}

size_t digest_bytes(enum digest d)
{
    static const size_t bytes[DIGESTS] = {16, 20, 32, 48, 64};
    assert((unsigned)d < DIGESTS);
    return bytes[d];
}

/* A struct hasher is an EVP_MD_CTX, a struct mac an EVP_MAC_CTX, a struct ed25519 an EVP_PKEY:
 * the names exist only to keep OpenSSL's out of our headers. */
static EVP_MD_CTX *hasher_ctx(struct hasher *h)
{
    return (EVP_MD_CTX *)(void *)h;
}

struct hasher *hasher_new(enum digest d)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    must(ctx && EVP_DigestInit_ex2(ctx, digest_md(d), NULL), "EVP_DigestInit_ex2");
    return (struct hasher *)(void *)ctx;
}

void hasher_free(struct hasher *h)
{
    EVP_MD_CTX_free(hasher_ctx(h));
}

void hasher_begin(struct hasher *h)
{
    must(EVP_DigestInit_ex2(hasher_ctx(h), NULL, NULL), "EVP_DigestInit_ex2");
}

void hasher_add(struct hasher *h, str part)
{
    must(EVP_DigestUpdate(hasher_ctx(h), part.p, part.n), "EVP_DigestUpdate");
}

void hasher_end(struct hasher *h, uint8_t out[DIGEST_BYTES_MAX])
{
    must(EVP_DigestFinal_ex(hasher_ctx(h), out, NULL), "EVP_DigestFinal_ex");
}

void digest_of(enum digest d, str text, uint8_t out[DIGEST_BYTES_MAX])
{
    struct hasher *h = hasher_new(d);
    hasher_add(h, text);
    hasher_end(h, out);
    hasher_free(h);
}

static EVP_MAC_CTX *mac_ctx(struct mac *m)
{
    return (EVP_MAC_CTX *)(void *)m;
}

struct mac *mac_new(enum digest d, str key)
{
    /* An empty key is no key: the callers refuse it long before. */
    assert(key.n > 0);
    const EVP_MD *md = digest_md(d);
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(hmac);
    char name[32];
    snprintf(name, sizeof(name), "%s", EVP_MD_get0_name(md));
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", name, 0),
                           OSSL_PARAM_construct_end()};
    must(ctx && EVP_MAC_init(ctx, (const unsigned char *)key.p, key.n, params), "EVP_MAC_init");
    return (struct mac *)(void *)ctx;
}

void mac_free(struct mac *m)
{
    EVP_MAC_CTX_free(mac_ctx(m));
}

void mac_begin(struct mac *m)
{
    must(EVP_MAC_init(mac_ctx(m), NULL, 0, NULL), "EVP_MAC_init");
}

void mac_add(struct mac *m, str part)
{
    must(EVP_MAC_update(mac_ctx(m), (const unsigned char *)part.p, part.n), "EVP_MAC_update");
}

void mac_end(struct mac *m, uint8_t out[DIGEST_BYTES_MAX])
{
    size_t n;
    must(EVP_MAC_final(mac_ctx(m), out, &n, DIGEST_BYTES_MAX), "EVP_MAC_final");
}

bool aes128_cbc(bool encrypt, const uint8_t key[AES128_BYTES], const uint8_t iv[AES128_BYTES],
                str in, uint8_t *out, size_t *n)
{
    int head = 0, tail = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    must(ctx && EVP_CipherInit_ex(ctx, EVP_aes_128_cbc(), NULL, key, iv, encrypt),
         "EVP_CipherInit_ex");
    bool ok = in.n <= INT_MAX - AES128_BYTES &&
              EVP_CipherUpdate(ctx, out, &head, (const unsigned char *)in.p, (int)in.n) == 1 &&
              EVP_CipherFinal_ex(ctx, out + head, &tail) == 1;
    EVP_CIPHER_CTX_free(ctx);
    *n = ok ? (size_t)head + (size_t)tail : 0;
    return ok;
}

static EVP_PKEY *ed25519_key(struct ed25519 *k)
{
    return (EVP_PKEY *)(void *)k;
}

struct ed25519 *ed25519_public(const uint8_t key[ED25519_KEY_BYTES])
{
    return (struct ed25519 *)(void *)EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key,
                                                                 ED25519_KEY_BYTES);
}

struct ed25519 *ed25519_private(const uint8_t seed[ED25519_KEY_BYTES])
{
    return (struct ed25519 *)(void *)EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed,
                                                                  ED25519_KEY_BYTES);
}

void ed25519_free(struct ed25519 *k)
{
    EVP_PKEY_free(ed25519_key(k));
}

void ed25519_public_bytes(const struct ed25519 *k, uint8_t out[ED25519_KEY_BYTES])
{
    size_t n = ED25519_KEY_BYTES;
    must(EVP_PKEY_get_raw_public_key((const EVP_PKEY *)(const void *)k, out, &n),
         "EVP_PKEY_get_raw_public_key");
}

bool ed25519_verify(struct ed25519 *k, str text, str signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    must(ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, ed25519_key(k)),
         "EVP_DigestVerifyInit");
    int ok = EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.n,
                              (const unsigned char *)text.p, text.n);
    EVP_MD_CTX_free(ctx);
    return ok == 1;
}

void ed25519_sign(struct ed25519 *k, str text, uint8_t out[ED25519_SIGNATURE_BYTES])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t n = ED25519_SIGNATURE_BYTES;
    must(ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, ed25519_key(k)), "EVP_DigestSignInit");
    must(EVP_DigestSign(ctx, out, &n, (const unsigned char *)text.p, text.n), "EVP_DigestSign");
    EVP_MD_CTX_free(ctx);
}
