/* websub.h -- WebSub (W3C Recommendation) from the subscriber's side: for each source with
 * `subscribe:` the hub is asked to send a topic to the source's public URL, the hub's question
 * whether that was meant is answered only while it was, and the lease is renewed before it ends.
 *
 * A topic that a reload takes from its source is given up at the hub, in the same way.
 *
 * Nothing of it is stored: after a start every subscription is asked for again, which replaces the
 * former one at the hub. Its thread starts with the first source that subscribes. */
#ifndef GAFF_ENGINE_WEBSUB_H
#define GAFF_ENGINE_WEBSUB_H

#include "engine/config.h"
#include "engine/websub_words.h"
#include "http/client.h"

struct websub;

/* Subscribes to nothing yet. What the options point to must outlive it. */
struct websub *websub_new(const struct clock *clock, const struct http_client_options *o);
/* Subscribes to what this configuration says; what stays the same is left alone when all does. */
void websub_configure(struct websub *s, const struct config *c);

/* What a hub asks or tells at a source's path. */
struct websub_word {
    str mode, topic;
    str reason;      /* of a denial */
    int64_t lease_s; /* what the hub grants; 0 or less: it does not say */
};
/* True when the hub is to be answered yes: it asks for what this source has asked it for and not
 * been asked before (the lease counts from now), or it denies what the source wants. Any thread. */
bool websub_told(struct websub *s, str source, const struct websub_word *word);

enum websub_state { WEBSUB_ASKED, WEBSUB_CONFIRMED, WEBSUB_DENIED };
const char *websub_state_word(enum websub_state state);
/* False when the source does not subscribe. The reason is a denial's, in printable ASCII. Any
 * thread. */
bool websub_look(struct websub *s, str source, enum websub_state *state,
                 char reason[WEBSUB_REASON_MAX + 1]);
void websub_free(struct websub *s); /* accepts NULL; leases run out by themselves */

#endif
