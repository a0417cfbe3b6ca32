/* hub.h -- WebSub (W3C Recommendation) from the hub's side: who asks at `hub.path` is asked back at
 * its callback and becomes a subscription, which is an endpoint with a lease (subscription.h). What
 * is published is a message of the application HUB_APPLICATION whose event type is the topic's
 * name; planning, lanes, retries, dead letters and the outbound policy are those of every message.
 *
 * A request is answered 202 when its job (hub_job.h) is on disk; the job is done on a thread of the
 * hub's own, which starts with the first configuration that has a hub, or that has none any more
 * while there are subscriptions left to end. Of the nodes on a shared store any takes requests, and
 * one does the jobs: whoever has the duty of HUB_LANE (duty.h). When it dies another has it within
 * the lease, and does again what had no outcome yet. */
#ifndef GAFF_ENGINE_HUB_H
#define GAFF_ENGINE_HUB_H

#include "engine/engine.h"
#include "engine/hub_job.h"

#define HUB_LANE ":hub"
#define HUB_ENDED_BY_HAND "ended by the hub's operator" /* hub.reason */

struct hub;

struct hub *hub_new(struct engine_core *core);
/* At the start, and after each reload; what is in force is the engine's configuration. */
void hub_configure(struct hub *h);
/* Ends the thread; what was not concluded stays a job. No front loop may call any more. */
void hub_stop(struct hub *h);
/* After hub_stop, and when nobody tells it of anything any more. Accepts NULL. */
void hub_free(struct hub *h);

/* From the thread of a shared store: STORE_DUE and STORE_WANTED of HUB_LANE, and STORE_LOST. */
void hub_note(struct hub *h, enum store_note note);
/* Any thread: there may be a job of another node's. */
void hub_heard(struct hub *h);

/* Answers x, at once or when its job is stored; on the front loop it came to. c is the
 * configuration that the loop goes by, and has a hub. */
void hub_handle(struct hub *h, const struct config *c, struct http_exchange *x, struct loop *loop);

/* Fills the change that stores the job, for a commit that the caller makes. The slices lie in the
 * arena. False without memory. */
bool hub_job_change(const struct hub *h, const struct hub_job *j, struct arena *a,
                    struct object_change *out);
/* The change was committed: the job is begun, here or where the duty is. Any thread. */
void hub_told(struct hub *h, const struct object *job);

#endif
