/* endpoint.h -- an endpoint: a destination made at run time, with what it wants to hear. Built
 * from its object in the store, immutable, counted; a change makes another. The document's members
 * are those of the API (docs/reference/svix-compatibility.md), and beside them:
 *
 *   secrets      [{"key": "whsec_...", "until": ms}]  the present one first, without until
 *   headers      {"name": "value"}
 *   match        as in gaff.yaml, over the payload
 *   concurrency, orderBy, onBlocked ("wait", "deadLetter"), retry [seconds], timeout (seconds)
 *   circuit      {"failures", "waitSeconds", "maxSeconds"}; failures 0: never opens
 *   where, transform    jq programs, as of a destination in gaff.yaml
 *   delivery     "push", "poll"
 *   ownership    "none", "cloudevents", "challenge": asked before the first message
 *   basicAuth, oauth, clientCertificate, proxy   see engine/endpoint_access.c
 *   signature, format   words of action/action_webhook.h
 *   failSince, disabledReason   what the engine noted
 *   subscription {"topic", "until": ms, "secret": base64}: asked for by WebSub (engine/hub.h); told
 *                until then, and signed and linked as WebSub has it; no request of the API can set
 * it trusted      true: named by the program itself, so that it may lead to private addresses; no
 *                request of the API can set it */
#ifndef GAFF_ENGINE_ENDPOINT_H
#define GAFF_ENGINE_ENDPOINT_H

#include "action/action_webhook.h"
#include "engine/allowance.h"
#include "engine/config.h"
#include "engine/registry.h"
#include "store/store.h"

#define ENDPOINT_KIND "endpoint"
#define APPLICATION_KIND "app"

struct endpoint {
    _Atomic int refs;
    struct arena arena;
    str id, application, uid;
    uint64_t version;
    str url;
    bool disabled;
    bool polled;      /* its messages are fetched (api/send_poll.c): nothing is planned for it */
    str *event_types; /* NULL: all */
    size_t event_type_count;
    str *channels; /* NULL: all */
    size_t channel_count;
    const struct match *match; /* NULL: all */
    int64_t fail_since_ms;
    str topic;              /* URL; empty: it is no subscription of the hub's */
    int64_t lease_until_ms; /* of a subscription: then it is told no more */
    struct destination_config destination;
    struct webhook_config webhook;
    struct allowance *allowance; /* of its application; this and the gate: set by the directory */
    struct gate *gate;
};

/* The schedule of endpoints without one of their own, in seconds. */
#define ENDPOINT_WAITS_S                                                                           \
    {                                                                                              \
        5, 300, 1800, 7200, 18000, 36000, 36000                                                    \
    }
#define ENDPOINT_CONCURRENCY 16

/* NULL with a reason when the document is not an endpoint's. `source` is of CloudEvents. */
struct endpoint *endpoint_new(const struct object *o, const struct sending_config *s,
                              struct reason *why);
/* NULL when it is one; else the member of the document that is wrong. */
const char *endpoint_check(const struct object *o, const struct sending_config *s,
                           struct reason *why);
struct endpoint *endpoint_ref(struct endpoint *e);
void endpoint_unref(struct endpoint *e); /* wipes; accepts NULL */

/* "whsec_..." or "whsk_..." to bytes. False when it is neither, or of a wrong length. */
bool endpoint_key_parse(str text, struct arena *a, struct webhook_key *out);

/* True when a URL can be an endpoint's: well formed, userinfo allowed. Where it may lead is judged
 * when it is resolved. */
bool endpoint_url_check(str url, struct reason *why);

struct message_facts {
    str event_type;
    const str *channels;
    size_t channel_count;
    struct facts *facts; /* for match and order */
    int64_t now_ms;      /* wall clock: for leases */
};
/* True when the endpoint is to be told: enabled, its lease runs, and no filter says no. */
bool endpoint_wants(const struct endpoint *e, const struct message_facts *m);
/* The same by its filters alone. */
bool endpoint_fits(const struct endpoint *e, const struct message_facts *m);

#endif
