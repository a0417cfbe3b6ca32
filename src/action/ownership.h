/* ownership.h -- whether who has a URL wants to be sent to, asked before the first request goes
 * there: by the handshake of CloudEvents' HTTP webhooks (OPTIONS, section 4) or by a challenge that
 * is to be answered with itself. Asked once for an action, which is made anew when its endpoint
 * changes and at each start; asked again by the next attempt while the answer is no. Belongs to its
 * loop. */
#ifndef GAFF_ACTION_OWNERSHIP_H
#define GAFF_ACTION_OWNERSHIP_H

#include "action/http_access.h"

#define OWNERSHIP_KINDS(X)                                                                         \
    X(NONE, "none")               /* nothing is asked */                                           \
    X(CLOUDEVENTS, "cloudevents") /* OPTIONS; WebHook-Allowed-Origin names us, or is "*" */        \
    X(CHALLENGE, "challenge")     /* GET ?challenge=...; 2xx, and the body is the challenge */
enum ownership_kind {
#define X(name, word) OWNERSHIP_##name,
    OWNERSHIP_KINDS(X)
#undef X
        OWNERSHIP_KIND_COUNT
};
extern const char *const ownership_words[]; /* NULL-terminated */

struct ownership_config {
    enum ownership_kind kind;
    str url, origin; /* origin: how we call ourselves, as a DNS name */
    enum outbound_policy policy;
    int64_t timeout_ms;
};

struct ownership;

struct ownership_wait { /* embed it */
    struct list link;
    /* problem: empty when the URL may be sent to. Valid during the call. May run before
     * ownership_ask returns. */
    void (*done)(struct ownership_wait *w, str problem);
};

/* NULL when nothing is to be asked. access may be NULL. */
struct ownership *ownership_new(const struct ownership_config *c, const struct action_context *ctx,
                                struct http_access *access);
void ownership_free(struct ownership *o); /* nobody waits any more; accepts NULL */
void ownership_ask(struct ownership *o, struct ownership_wait *w);
void ownership_forget(struct ownership_wait *w); /* done is not called */

#endif
