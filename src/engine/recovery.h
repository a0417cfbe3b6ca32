/* recovery.h -- sending again what was missed: durable jobs on a thread of their own. A job is an
 * object of kind "task", parent: the application; its document:
 *
 *   task      "endpoint.recover"       dead deliveries of the endpoint are due again
 *             "endpoint.replay"        messages the endpoint was never told of are planned for it
 *             "endpoint.bulk-replay"   every message that fits is planned for it anew
 *             "application.purge_content"   the payload of every message is taken out
 *             "application.stats", "event-type.aggregate"   of an organisation, which is the
 *                                           parent: see tally.h
 *   status    "running", "finished", "failed"
 *   endpoint, since, until (ms), eventTypes, channel, tag, deliveryStatus
 *   cursor, moved, total             how far it is; exact
 *   reason                           of "failed": also "cancelled"
 *
 * Of nodes that share a store one at a time works on the jobs, by lease; when it dies another goes
 * on.
 *
 * A step handles a bounded number of rows and notes its progress; after a restart a job goes on
 * from there. What a step did twice because of a crash is one delivery more, never one less. */
#ifndef GAFF_ENGINE_RECOVERY_H
#define GAFF_ENGINE_RECOVERY_H

#include "engine/endpoint_health.h"

#define TASK_KIND "task"

struct recovery;
/* Starts its thread; looks for jobs that were running. */
struct recovery *recovery_new(struct engine_core *core);
void recovery_free(
    struct recovery *r); /* accepts NULL; a job under way goes on at the next start */
/* Any thread: news of an endpoint, worked off between the steps of jobs. Beyond what is kept in
 * memory at once it is dropped: the next attempt tells it again. */
void recovery_note(struct recovery *r, str endpoint, enum endpoint_news news);
/* Any thread: there may be a new job. */
void recovery_wake(struct recovery *r);

#endif
