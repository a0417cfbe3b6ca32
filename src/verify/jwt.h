/* jwt.h -- JSON Web Tokens (RFC 7519) in compact form, of one algorithm that is named beforehand:
 * HS256, HS384, HS512, RS256, EdDSA. What the token's own header says is checked against it and
 * decides nothing. */
#ifndef GAFF_VERIFY_JWT_H
#define GAFF_VERIFY_JWT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

#define JWT_BYTES_MAX 8192
#define JWT_LEEWAY_S 60 /* clocks that are not quite alike */

enum jwt_kind { JWT_KIND_HS256, JWT_KIND_HS384, JWT_KIND_HS512, JWT_KIND_RS256, JWT_KIND_EDDSA };
#define JWT_KINDS 5
extern const char *const jwt_words[]; /* "HS256", ..., NULL; by enum jwt_kind */

struct jwt_key;
/* HS*: the secret's bytes as they are. Others: a key in PEM, public to verify, private to sign.
 * NULL with a reason. One thread at a time. */
struct jwt_key *jwt_key_new(enum jwt_kind kind, str text, struct reason *why);
void jwt_key_free(struct jwt_key *k); /* wipes; accepts NULL */

struct jwt {              /* what a token says, once it is believed */
    str sub, org, jti;    /* in the arena; STR_NONE when absent */
    int64_t iat_s, exp_s; /* 0 when absent */
    str *flags;           /* feature_flags */
    size_t flag_count;
    bool is_limited; /* it has `capabilities`: what is not among them is not allowed */
    str *capabilities;
    size_t capability_count;
};
/* ERR_OK, or ERR_DENIED with the reason: malformed, another algorithm, a wrong signature, expired,
 * not valid yet. */
enum err jwt_verify(struct jwt_key *k, str token, int64_t now_s, struct arena *a, struct jwt *out,
                    struct reason *why) MUST_USE;
/* Appends the token for these claims (a JSON object). ERR_INVALID when the key can't sign. */
enum err jwt_sign(struct jwt_key *k, str claims, struct buf *out, struct reason *why) MUST_USE;

#endif
