/* dispatch.h -- one delivery loop: its lanes, the deliveries offered to it, its outcomes.
 *
 * Each destination has one lane on one loop (by the hash of its name), with its own concurrency,
 * rate and order: a destination that hangs slows nobody else. */
#ifndef GAFF_ENGINE_DISPATCH_H
#define GAFF_ENGINE_DISPATCH_H

#include "engine/engine.h"

/* --- offers: from front loops to lanes ------------------------------------------------------- */

struct offer { /* a delivery that was committed */
    struct gate *gate;
    uint64_t delivery_id, event_id, locator, order_key;
    int64_t created_ms;
    char route[64]; /* a copy: the configuration it is from may go meanwhile */
    bool overflow;  /* committed as PENDING: the lane must fetch it from the store in its turn */
};

static inline void offer_set_route(struct offer *o, str route)
{
    size_t n = route.n < sizeof(o->route) - 1 ? route.n : sizeof(o->route) - 1;
    memcpy(o->route, route.p, n);
    o->route[n] = 0;
}

struct offer_batch;
struct dispatch_offers {
    struct engine_core *core;
    struct offer_batch *batches[DELIVERY_LOOPS_MAX];
};
void dispatch_offers_init(struct dispatch_offers *o, struct engine_core *core);
void dispatch_offer(struct dispatch_offers *o, const struct offer *offer);
void dispatch_offers_send(struct dispatch_offers *o); /* one message a loop */

/* --- the loop -------------------------------------------------------------------------------- */

/* Takes the runner link over (NULL: commands cannot run). NULL with a reason. */
struct dispatcher *dispatcher_new(struct engine_core *core, size_t index,
                                  struct runner_link *runner, struct reason *why);
void dispatcher_start(struct dispatcher *d); /* its thread; looks into the store for what is due */
/* Any thread: the configuration changed; or by hand something may have become due. */
void dispatcher_reload(struct dispatcher *d);
void dispatcher_nudge(struct dispatcher *d);
/* Any thread: what a shared store tells of one lane, or of all. */
void dispatcher_note(struct dispatcher *d, enum store_note note, str destination);
/* Any thread: an endpoint was made, changed or deleted, or has deliveries that may be due. */
void dispatcher_endpoint_changed(struct dispatcher *d, struct gate *gate);
/* Any thread: start nothing more, give back what waits; *idle becomes true when nothing runs. */
void dispatcher_drain(struct dispatcher *d);
bool dispatcher_is_idle(const struct dispatcher *d);
/* Any thread: end what still runs; it is due again at the next start. */
void dispatcher_cancel(struct dispatcher *d);
void dispatcher_stop(struct dispatcher *d); /* ends and joins the thread */
void dispatcher_free(struct dispatcher *d);

#endif
