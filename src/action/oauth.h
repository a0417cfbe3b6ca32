/* oauth.h -- access tokens by OAuth 2.0 client credentials (RFC 6749 section 4.4): fetched when
 * first needed, kept, renewed before they end while the old one still serves. Belongs to its loop.
 * The client proves itself by HTTP Basic (section 2.3.1). */
#ifndef GAFF_ACTION_OAUTH_H
#define GAFF_ACTION_OAUTH_H

#include "base/problem.h"
#include "http/client.h"

struct oauth_config { /* of an action's configuration, which outlives what is made of it */
    str token_url, client_id, client_secret;
    str scope, audience; /* empty: not asked for */
    enum outbound_policy policy;
    const struct http_route *route; /* NULL: the usual */
};

struct oauth;

struct oauth_wait { /* embed it */
    struct list link;
    /* authorization: "Bearer ..."; STR_NONE when there is none, problem says why. Valid during the
     * call. May run before oauth_ask returns. */
    void (*done)(struct oauth_wait *w, str authorization, str problem);
};

struct oauth *oauth_new(struct loop *l, struct http_client *c, const struct oauth_config *config);
void oauth_free(struct oauth *o); /* nobody waits any more; accepts NULL */
void oauth_ask(struct oauth *o, struct oauth_wait *w);
void oauth_forget(struct oauth_wait *w); /* done is not called */
/* The destination refused it (401): the next who asks gets another. */
void oauth_refused(struct oauth *o);

#endif
