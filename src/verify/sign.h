/* sign.h -- signing what we send (and what tests and `gaff send` send): the same provider data,
 * read the other way. */
#ifndef GAFF_VERIFY_SIGN_H
#define GAFF_VERIFY_SIGN_H

#include "base/arena.h"
#include "http/message.h"
#include "verify/provider.h"

#define SIGN_FIELDS_MAX 12

struct signature_input {
    str method, url; /* where it goes; some schemes sign them */
    str id;          /* message id: Standard Webhooks and providers with a delivery id header */
    str event_type;  /* for providers that send it as a header; may be STR_NONE */
    int64_t now_ms;
    str body;
    struct http_fields fields; /* sent beside: a form's Content-Type, fields that are signed too */
    const str *config_keys, *config_values; /* the provider's options; as verifier_options */
    size_t config_count;
};

/* The header fields the provider would send (signature, timestamp, id, event type) for secret,
 * in the arena. Of a provider with several schemes the first that the secret fits is used. For
 * an asymmetric scheme the secret is the private key. ERR_INVALID for a scheme that cannot be
 * produced, a malformed secret or a missing id, with a reason; ERR_LIMIT when the arena is full.
 * Schemes without a secret (none, ip) give no fields but those of id and event type. */
enum err sign_request(const struct provider *p, str secret, const struct signature_input *in,
                      struct arena *a, struct http_field out[SIGN_FIELDS_MAX], size_t *count,
                      struct reason *why) MUST_USE;

/* The same for providers that sign into the body, a form or the URL too: what was signed, whole.
 * body and url are those of the input unless something had to be written into them. Members of a
 * JSON body that the provider's values go into must be there. */
struct signed_request {
    struct http_field fields[SIGN_FIELDS_MAX];
    size_t count;
    str body, url;
};
enum err sign_whole(const struct provider *p, str secret, const struct signature_input *in,
                    struct arena *a, struct signed_request *out, struct reason *why) MUST_USE;

/* HMAC-SHA256, the plain way. */
void sign_hmac_sha256(str key, str text, uint8_t out[32]);

#endif
