/* retry.c -- the schedule of waits, spread by jitter so that a destination that comes back is not
 * met by all its retries at once. */
#include "engine/retry.h"

static int64_t jittered(int64_t wait_ms, double jitter, struct rng *rng)
{
    int64_t spread = (int64_t)((double)wait_ms * jitter);
    if (spread <= 0)
        return wait_ms;
    return wait_ms - spread + (int64_t)rng_below(rng, (uint64_t)(2 * spread + 1));
}

struct retry_decision retry_decide(const struct retry_policy *policy, uint32_t attempt,
                                   const struct outcome *o, int64_t now_ms, struct rng *rng)
{
    assert(attempt >= 1);
    switch (o->result) {
    case ATTEMPT_SUCCESS:
        return (struct retry_decision){DELIVERY_DELIVERED, 0};
    case ATTEMPT_SKIPPED:
        return (struct retry_decision){DELIVERY_SKIPPED, 0};
    case ATTEMPT_CANCELLED: /* on our side, by a drain or a reload: due again at once */
        return (struct retry_decision){DELIVERY_PENDING, now_ms};
    case ATTEMPT_PERMANENT:
        return (struct retry_decision){DELIVERY_DEAD, 0};
    case ATTEMPT_RETRY:
    case ATTEMPT_LOST:
        break;
    }
    if (attempt > policy->wait_count)
        return (struct retry_decision){DELIVERY_DEAD, 0};
    int64_t next = now_ms + jittered(policy->waits_ms[attempt - 1], policy->jitter, rng);
    if (o->not_before_ms > next)
        next = o->not_before_ms;
    return (struct retry_decision){DELIVERY_PENDING, next};
}
