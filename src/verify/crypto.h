/* crypto.h -- the cryptographic primitives, and the only door to OpenSSL's: digests, keyed MACs
 * that are prepared once and used many times, Ed25519 (RFC 8032), AES-128. A failure inside OpenSSL
 * that no input can cause ends the process. */
#ifndef GAFF_VERIFY_CRYPTO_H
#define GAFF_VERIFY_CRYPTO_H

#include "base/str.h"

enum digest { DIGEST_MD5, DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA384, DIGEST_SHA512, DIGESTS };
#define DIGEST_BYTES_MAX 64

extern const char *const digest_words[]; /* "md5", "sha1", ...; NULL-terminated, by enum digest */
size_t digest_bytes(enum digest d);
void digest_of(enum digest d, str text, uint8_t out[DIGEST_BYTES_MAX]);

/* A digest over parts. One context, begun again for each text; one thread at a time. */
struct hasher;
struct hasher *hasher_new(enum digest d);
void hasher_free(struct hasher *h); /* wipes; accepts NULL */
void hasher_begin(struct hasher *h);
void hasher_add(struct hasher *h, str part);
void hasher_end(struct hasher *h, uint8_t out[DIGEST_BYTES_MAX]);

/* HMAC (RFC 2104) under one key: the key is worked in once, mac_begin only goes back to that
 * state. One thread at a time. */
struct mac;
struct mac *mac_new(enum digest d, str key);
void mac_free(struct mac *m); /* wipes; accepts NULL */
void mac_begin(struct mac *m);
void mac_add(struct mac *m, str part);
void mac_end(struct mac *m, uint8_t out[DIGEST_BYTES_MAX]);

/* AES-128 in CBC mode with PKCS #7 padding: what some services wrap a digest in. out has room for
 * 16 bytes more than in. False when in is no such text under this key. */
#define AES128_BYTES 16
bool aes128_cbc(bool encrypt, const uint8_t key[AES128_BYTES], const uint8_t iv[AES128_BYTES],
                str in, uint8_t *out, size_t *n);

#define ED25519_KEY_BYTES 32
#define ED25519_SIGNATURE_BYTES 64
struct ed25519;
struct ed25519 *ed25519_public(const uint8_t key[ED25519_KEY_BYTES]); /* NULL when it is none */
struct ed25519 *ed25519_private(const uint8_t seed[ED25519_KEY_BYTES]);
void ed25519_free(struct ed25519 *k); /* accepts NULL */
/* The public half, of a key of either sort. */
void ed25519_public_bytes(const struct ed25519 *k, uint8_t out[ED25519_KEY_BYTES]);
bool ed25519_verify(struct ed25519 *k, str text, str signature);
void ed25519_sign(struct ed25519 *k, str text, uint8_t out[ED25519_SIGNATURE_BYTES]);

#endif
