/* reach.h -- how many attempts at a time an endpoint is trusted with: few at first, one more for
 * each that was answered in good time while all were in use, up to its concurrency. So endpoints
 * that hang hold few of the places that their application's other endpoints need, and one that
 * answers has what it was given after a few answers. Pure; belongs to its lane. */
#ifndef GAFF_ENGINE_REACH_H
#define GAFF_ENGINE_REACH_H

#include "engine/circuit.h"

#define REACH_FIRST 4
#define REACH_GOOD_US (5000 * INT64_C(1000)) /* an answer within this is in good time */
#define REACH_HELD_US (1000 * INT64_C(1000)) /* a failure after this held a place in vain */

struct reach { /* zeroed: as at first */
    int grown; /* above REACH_FIRST, or below it */
};

static inline int reach_of(const struct reach *r, int concurrency)
{
    int reach = REACH_FIRST + r->grown;
    return reach < concurrency ? reach : concurrency;
}

/* One of `running` attempts, itself among them, ended after so long. */
static inline void reach_ended(struct reach *r, int concurrency, int running,
                               enum circuit_verdict v, int64_t took_us)
{
    int reach = reach_of(r, concurrency);
    if (v == CIRCUIT_ANSWERED && took_us < REACH_GOOD_US && running >= reach && reach < concurrency)
        r->grown++;
    else if (v == CIRCUIT_FAILED && took_us >= REACH_HELD_US)
        r->grown = (reach > 1 ? reach / 2 : 1) - REACH_FIRST;
}

#endif
