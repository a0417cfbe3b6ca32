/* message_sign.h -- HTTP message signatures (RFC 9421) of a request of ours, with Content-Digest
 * (RFC 9530): one signature for each key, so that a receiver that knows any of them is served.
 * Pure.
 *
 * For requests whose every field is known and whose keys are worked in once; what a provider file
 * describes is signed by verify/sign.h. */
#ifndef GAFF_VERIFY_MESSAGE_SIGN_H
#define GAFF_VERIFY_MESSAGE_SIGN_H

#include "base/arena.h"
#include "base/err.h"
#include "http/message.h"
#include "verify/crypto.h"

#define MESSAGE_SIGNERS_MAX 16

struct message_signer {
    struct ed25519 *pair; /* alg ed25519; or NULL: */
    struct mac *mac;      /* of SHA-256; alg hmac-sha256 */
    str keyid;            /* printable ASCII */
};

struct message_to_sign {
    str method, url, body;    /* url as it is requested: with scheme, without userinfo */
    struct http_fields given; /* all of them are covered; at most 32, each name once */
    str tag;                  /* printable ASCII */
    int64_t now_ms;
    const struct message_signer *signers;
    size_t signer_count; /* 1 to MESSAGE_SIGNERS_MAX */
};

/* Content-Digest, Signature-Input and Signature in the arena: sig1 by the first signer, sig2 by the
 * second and so on, each over @method, @target-uri, the given fields and content-digest, with
 * created, keyid, alg and tag. ERR_INVALID, ERR_LIMIT with a reason: then nothing is to be sent. */
#define MESSAGE_SIGN_FIELDS 3
enum err message_sign(const struct message_to_sign *m, struct arena *a,
                      struct http_field out[MESSAGE_SIGN_FIELDS], struct reason *why) MUST_USE;

#endif
