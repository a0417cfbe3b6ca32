/* hub.h -- WebSub (W3C Recommendation) from the hub's side: who asks at `hub.path` is asked back at
 * its callback and becomes a subscription, which is an endpoint with a lease (subscription.h). What
 * is published is a message of the application HUB_APPLICATION whose event type is the topic's
 * name; planning, lanes, retries, dead letters and the outbound policy are those of every message.
 *
 * A request is answered 202 when its job (hub_job.h) is on disk; the job is done on a thread of the
 * hub's own, which starts with the first configuration that has a hub, or that has none any more
 * while there are subscriptions left to end. On a shared store a job belongs to the node that took
 * it, and to another when that one has not been heard of for a while. */
#ifndef GAFF_ENGINE_HUB_H
#define GAFF_ENGINE_HUB_H

#include "engine/engine.h"
#include "engine/hub_job.h"

struct hub;

struct hub *hub_new(struct engine_core *core);
/* At the start, and after each reload; what is in force is the engine's configuration. */
void hub_configure(struct hub *h);
/* No front loop may call any more. Accepts NULL. */
void hub_free(struct hub *h);

/* Answers x, at once or when its job is stored; on the front loop it came to. c is the
 * configuration that the loop goes by, and has a hub. */
void hub_handle(struct hub *h, const struct config *c, struct http_exchange *x, struct loop *loop);

/* Fills a change that makes the job this node's, to be begun in pause_ms, for a commit that the
 * caller makes. The slices lie in the arena. False without memory. */
bool hub_job_change(struct hub *h, struct hub_job *j, int64_t pause_ms, struct arena *a,
                    struct object_change *out);
/* The change was committed: the job is begun. Any thread. */
void hub_told(struct hub *h, const struct object *job);

#endif
