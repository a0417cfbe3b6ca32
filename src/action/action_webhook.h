/* action_webhook.h -- what an endpoint of the sending side is told: a message to a subscriber's
 * URL, signed with each of its live keys. Endpoints are made at run time, so this kind is not read
 * from the configuration; engine/endpoint.c fills the struct. */
#ifndef GAFF_ACTION_ACTION_WEBHOOK_H
#define GAFF_ACTION_ACTION_WEBHOOK_H

#include "action/action.h"
#include "action/http_access.h"
#include "action/ownership.h"
#include "http/client.h"

/* How the request is signed; all but `none` need a key. */
#define WEBHOOK_STYLES(X)                                                                          \
    X(STANDARD, "standard") /* webhook-id, webhook-timestamp, webhook-signature: v1, v1a */        \
    X(SVIX, "svix")         /* the same under svix-* */                                            \
    X(RFC9421, "rfc9421")   /* Signature-Input, Signature, Content-Digest */                       \
    X(GITHUB, "github")     /* X-Hub-Signature-256 */                                              \
    X(STRIPE, "stripe")     /* Stripe-Signature: t=,v1= */                                         \
    X(WEBSUB, "websub")     /* X-Hub-Signature: sha256=, when there is a key */                    \
    X(NONE, "none")
enum webhook_style {
#define X(name, word) WEBHOOK_##name,
    WEBHOOK_STYLES(X)
#undef X
        WEBHOOK_STYLE_COUNT
};
extern const char *const webhook_style_words[]; /* NULL-terminated */
/* Signs with a shared secret alone. */
bool webhook_style_is_shared(enum webhook_style style);
#define WEBHOOK_SHARED_ALONE "this signature is made with a shared secret, whsec_..., alone"

/* What the body is. */
#define WEBHOOK_FORMATS(X)                                                                         \
    X(PLAIN, "plain")                           /* the payload byte for byte */                    \
    X(CLOUDEVENTS, "cloudevents")               /* structured mode: one JSON object around it */   \
    X(CLOUDEVENTS_BINARY, "cloudevents-binary") /* the payload, the attributes in ce-* fields */
enum webhook_format {
#define X(name, word) WEBHOOK_##name,
    WEBHOOK_FORMATS(X)
#undef X
        WEBHOOK_FORMAT_COUNT
};
extern const char *const webhook_format_words[];

#define WEBHOOK_KEYS_MAX 11 /* the present one and ten that are being rotated out */
#define WEBHOOK_HEADERS_MAX 50

struct webhook_key {
    bool asymmetric;
    str bytes;        /* of HMAC: the secret; Ed25519: the 32 bytes of the seed */
    int64_t until_ms; /* 0: the present one; else signs until then */
};

struct webhook_config {
    struct action_config base;
    str id;  /* of the endpoint: by that name its shared secrets go in HTTP message signatures */
    str url; /* without userinfo */
    enum outbound_policy policy;
    enum webhook_style style;
    enum webhook_format format;
    struct http_field *headers;
    size_t header_count;
    struct webhook_key keys[WEBHOOK_KEYS_MAX];
    size_t key_count;
    struct http_access_config access;
    struct ownership_config ownership;
    str source; /* of CloudEvents: a URI reference of the application */
};

extern const struct action_kind action_webhook;

#endif
