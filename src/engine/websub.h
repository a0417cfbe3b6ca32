/* websub.h -- WebSub (W3C Recommendation) from the subscriber's side: for each source with
 * `subscribe:` the hub is asked to send a topic to the source's public URL, the hub's question
 * whether that was meant is answered only while it was, and the lease is renewed before it ends.
 *
 * Nothing of it is stored: after a start every subscription is asked for again, which replaces the
 * former one at the hub. Its thread starts with the first source that subscribes. */
#ifndef GAFF_ENGINE_WEBSUB_H
#define GAFF_ENGINE_WEBSUB_H

#include "engine/config.h"
#include "http/client.h"

struct websub;

/* Subscribes to nothing yet. What the options point to must outlive it. */
struct websub *websub_new(const struct clock *clock, const struct http_client_options *o);
/* Subscribes to what this configuration says; what stays the same is left alone when all does. */
void websub_configure(struct websub *s, const struct config *c);
/* True when the source has asked its hub for this and not been answered yet: then the lease counts
 * from now. Any thread. lease_s: what the hub grants; 0 or less: it does not say. */
bool websub_confirm(struct websub *s, str source, str topic, int64_t lease_s);
void websub_free(struct websub *s); /* accepts NULL; leases run out by themselves */

#endif
