/* trial.h -- one attempt at one destination, outside of every lane and stored nowhere: what
 * `gaff test` does. */
#ifndef GAFF_ENGINE_TRIAL_H
#define GAFF_ENGINE_TRIAL_H

#include "engine/config.h"

struct trial {
    const struct config *config;
    const struct destination_config *to;
    struct event event; /* trial_sample, or a stored one; slices live as long as the trial */
    const struct outbound_own *own; /* our listeners, as engine_core has them */
    struct arena arena;             /* the outcome's slices; init and release are the caller's */
    /* Filled by trial_run: */
    struct outcome outcome;
    int64_t duration_us;
};

#define TRIAL_ARENA_MAX (16u << 20)

/* An event that says that it is a test: type and body may be empty for the usual ones. */
void trial_sample(struct trial *t, str type, str body);
/* Makes the attempt on a loop of its own; blocks, at most for the destination's timeout. ERR_OK
 * when there was an attempt, whatever came of it. */
enum err trial_run(struct trial *t, struct reason *why) MUST_USE;

#endif
