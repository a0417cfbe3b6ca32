/* jwk.c -- the members that count for a thumbprint, in the order that RFC 7638 wants, and beside
 * them what a receiver chooses by. */
#include "verify/jwk.h"

#include "base/codec.h"

static str coordinate(const uint8_t key[ED25519_KEY_BYTES], char room[BASE64_LEN(32)])
{
    return str_of(room, base64url_encode(key, ED25519_KEY_BYTES, room));
}

void jwk_thumbprint(const uint8_t key[ED25519_KEY_BYTES], char out[JWK_THUMBPRINT + 1])
{
    char x[BASE64_LEN(32)], text[128];
    char encoded[BASE64_LEN(32)];
    uint8_t digest[DIGEST_BYTES_MAX];
    int n =
        snprintf(text, sizeof(text), "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"" STR_FMT "\"}",
                 STR_ARG(coordinate(key, x)));
    digest_of(DIGEST_SHA256, str_of(text, (size_t)n), digest);
    size_t length = base64url_encode(digest, digest_bytes(DIGEST_SHA256), encoded);
    assert(length == JWK_THUMBPRINT);
    memcpy(out, encoded, length);
    out[length] = 0;
}

void jwk_write(struct json_writer *w, const uint8_t key[ED25519_KEY_BYTES])
{
    char x[BASE64_LEN(32)], kid[JWK_THUMBPRINT + 1];
    jwk_thumbprint(key, kid);
    json_open(w, '{');
    json_pair(w, "kty", STR("OKP"));
    json_pair(w, "crv", STR("Ed25519"));
    json_pair(w, "x", coordinate(key, x));
    json_pair(w, "kid", str_from_cstr(kid));
    json_pair(w, "use", STR("sig"));
    json_pair(w, "alg", STR("EdDSA"));
    json_close(w, '}');
}
