/* retry.h -- when to try again: a pure decision from the policy, the attempt and chance. */
#ifndef GAFF_ENGINE_RETRY_H
#define GAFF_ENGINE_RETRY_H

#include "base/rand.h"
#include "action/action.h"
#include "engine/config.h"

struct retry_decision {
    enum delivery_state state; /* DELIVERED, PENDING, DEAD, SKIPPED or CANCELLED */
    int64_t next_ms;           /* for PENDING */
};

/* What follows attempt number `attempt` (1-based) that ended at now_ms with o. A Retry-After of
 * the destination (o->not_before_ms) is honoured when later than the schedule's own time. */
struct retry_decision retry_decide(const struct retry_policy *policy, uint32_t attempt,
                                   const struct outcome *o, int64_t now_ms, struct rng *rng);

#endif
