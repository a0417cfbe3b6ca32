/* done.h -- answers that wait for the work: a request at a source with `ack: done` is stored like
 * any other and then answered with what came of its first attempt, or with 202 when its deadline
 * passes first. Belongs to one front loop. */
#ifndef GAFF_ENGINE_DONE_H
#define GAFF_ENGINE_DONE_H

#include "engine/engine.h"

struct done_waits { /* of one front loop; zeroed and then done_init */
    struct engine_core *core;
    struct loop *loop;
    struct list open;
};

void done_init(struct done_waits *d, struct engine_core *core, struct loop *loop);
/* Answers x when the delivery is settled. The configuration is held meanwhile. */
void done_wait(struct done_waits *d, struct http_exchange *x, struct config *c,
               const struct source_config *source, uint64_t event_id, uint64_t delivery_id);
/* Answers all that wait: the daemon is stopping. */
void done_release(struct done_waits *d);

#endif
