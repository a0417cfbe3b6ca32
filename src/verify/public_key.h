/* public_key.h -- keys of public-key schemes: read from PEM, DER, JWK (RFC 7517) or X.509, and the
 * signatures made and checked with them. With crypto.h the door to OpenSSL. Keys are immutable
 * once read; a failure inside OpenSSL that no input can cause ends the process. */
#ifndef GAFF_VERIFY_PUBLIC_KEY_H
#define GAFF_VERIFY_PUBLIC_KEY_H

#include "base/err.h"
#include "base/json.h"
#include "verify/crypto.h"

enum public_kind { PUBLIC_RSA, PUBLIC_P256, PUBLIC_P384, PUBLIC_P521, PUBLIC_ED25519 };

/* How a signature is made and written. */
enum signing {
    SIGNING_RSA,              /* PKCS #1 v1.5 */
    SIGNING_RSA_PSS,          /* MGF1 with the same digest, salt as long as it */
    SIGNING_RSA_PSS_ANY_SALT, /* the same; verified with a salt of whatever length */
    SIGNING_ECDSA_DER,        /* SEQUENCE { r, s } */
    SIGNING_ECDSA_RAW,        /* r and s, one after the other (P1363, JWS) */
    SIGNING_ED25519
};

struct public_key;

/* NULL with *why: no such key, one of a kind or strength that is not used here (RSA under 1024
 * bits), or an encrypted one. PEM may be a public key, a certificate (its dates are judged at
 * now_ms unless that is 0) or, for_signing, a private key. */
struct public_key *public_key_pem(str text, bool for_signing, int64_t now_ms, struct reason *why);
/* SubjectPublicKeyInfo, or for_signing PKCS #8. */
struct public_key *public_key_der(str der, bool for_signing, struct reason *why);
struct public_key *public_key_jwk(const struct json *jwk, struct reason *why);
/* The raw 32 bytes of Ed25519. */
struct public_key *public_key_ed25519(str bytes, bool for_signing, struct reason *why);
void public_key_free(struct public_key *k); /* accepts NULL */
enum public_kind public_key_kind(const struct public_key *k);

/* False too when the key is of another kind than the way of signing. */
bool public_key_verify(const struct public_key *k, enum signing how, enum digest d, str text,
                       str signature);
#define PUBLIC_SIGNATURE_MAX 1024
/* The length, 0 when the key cannot sign so. */
size_t public_key_sign(const struct public_key *k, enum signing how, enum digest d, str text,
                       uint8_t out[PUBLIC_SIGNATURE_MAX]);

#endif
