/* plan.h -- which deliveries come of an event: pure, (event facts, source's routes) -> plan, each
 * decision explained in words. */
#ifndef GAFF_ENGINE_PLAN_H
#define GAFF_ENGINE_PLAN_H

#include "engine/config.h"

#define PLAN_DELIVERIES_MAX 64
/* Stands in the trace of a route whose programs its deliveries must pass. */
#define ROUTE_FILTERED " [filtered]"

struct plan_item {
    const struct destination_config *to;
    const struct route_config *route;
    uint64_t order_key;
};

struct plan {
    struct plan_item items[PLAN_DELIVERIES_MAX];
    size_t count;
    str trace; /* one line a route; in the request's arena */
};

/* A destination that two routes name gets one delivery, from the first. `scratch` is a buffer of
 * the caller, reused from event to event. */
void plan_make(const struct config *c, const struct source_config *source, struct facts *facts,
               struct buf *scratch, struct plan *out);

/* The key that orders the event's delivery to d; 0 when d is not in order. */
uint64_t plan_order_key(const struct destination_config *d, struct facts *facts);

#endif
