/* hub_metrics.h -- what became of what the hub was asked for, and what it has: for /metrics and the
 * API. */
#ifndef GAFF_ENGINE_HUB_METRICS_H
#define GAFF_ENGINE_HUB_METRICS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "engine/hub_job.h"

#include <stdatomic.h>

struct engine_core;
struct hub_config;
struct store_reader;

/* What was answered to a request: 202, 4xx, 503. */
#define HUB_ANSWERS(X) X(ACCEPTED, "accepted") X(REFUSED, "refused") X(BUSY, "busy")
enum hub_answer {
#define X(name, word) HUB_ANSWER_##name,
    HUB_ANSWERS(X)
#undef X
        HUB_ANSWER_COUNT
};

/* How a job ended: what was asked for is done; somebody said no; nobody answered, in all tries. */
#define HUB_OUTCOMES(X) X(DONE, "done") X(REFUSED, "refused") X(FAILED, "failed")
enum hub_outcome {
#define X(name, word) HUB_##name,
    HUB_OUTCOMES(X)
#undef X
        HUB_OUTCOME_COUNT
};

struct hub_counts { /* all zero to begin with; any thread */
    _Atomic uint64_t requests[HUB_ANSWER_COUNT];
    _Atomic uint64_t jobs[HUB_PUBLISH + 1][HUB_OUTCOME_COUNT]; /* by enum hub_mode */
    _Atomic uint64_t leases_ended;
};

void hub_metrics_write(struct engine_core *core, struct store_reader *r, struct buf *out);

/* Subscriptions by the topic's place in the configuration; behind the last, of those to a topic
 * that it has not. In the arena; NULL without memory. */
size_t *hub_subscriptions(struct engine_core *core, const struct hub_config *h, struct arena *a);

#define HUB_JOBS_SHOWN_MAX 1000
/* Jobs without an outcome, in the store; no more than HUB_JOBS_SHOWN_MAX are counted. */
enum err hub_jobs_waiting(struct store_reader *r, size_t *count, struct reason *why) MUST_USE;

#endif
