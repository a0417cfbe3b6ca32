/* jwk.h -- public keys as others read them: JSON Web Keys (RFC 7517) of Ed25519 (RFC 8037). */
#ifndef GAFF_VERIFY_JWK_H
#define GAFF_VERIFY_JWK_H

#include "base/json.h"
#include "verify/crypto.h"

/* The thumbprint of the key (RFC 7638, SHA-256) in base64url, NUL-terminated: its kid. */
#define JWK_THUMBPRINT 43
void jwk_thumbprint(const uint8_t key[ED25519_KEY_BYTES], char out[JWK_THUMBPRINT + 1]);
/* The key as one JSON object. */
void jwk_write(struct json_writer *w, const uint8_t key[ED25519_KEY_BYTES]);

#endif
