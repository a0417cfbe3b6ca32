/* growth.h -- how the store grows: its size now and then, kept in the store itself, and what
 * follows for the disk. */
#ifndef GAFF_ENGINE_GROWTH_H
#define GAFF_ENGINE_GROWTH_H

#include "engine/engine.h"

#define GROWTH_SAMPLES 168 /* a week of hours */
#define GROWTH_STEP_MS (3600 * INT64_C(1000))
#define GROWTH_SPAN_MS (600 * INT64_C(1000)) /* less of history tells nothing */

struct growth { /* oldest first */
    struct growth_sample {
        int64_t at_ms, bytes;
    } v[GROWTH_SAMPLES];
    size_t count;
};

/* What was noted; empty when there is nothing yet. */
enum err growth_load(struct store_reader *r, struct growth *out, struct reason *why) MUST_USE;
/* Notes the present size, when the last note is an hour old. Blocks. */
enum err growth_note(struct engine_core *core, struct store_reader *r, struct reason *why) MUST_USE;

struct growth_outlook {
    bool is_known;
    int64_t per_day;      /* bytes; below 0 when it shrinks */
    int64_t levels_at;    /* bytes at which retention stops the growth; 0: it does not */
    int64_t full_in_days; /* -1: not in sight */
};
struct growth_now {
    int64_t at_ms, bytes, free; /* free on the disk; 0: not known */
    int64_t oldest_ms;          /* of the events stored; 0: none */
    int64_t age_ms, size;       /* retention; 0: no bound */
};
/* Pure. While the store is younger than retention.age nothing was deleted for it, so it goes on as
 * now until then and no further; an older one grows as its traffic grows. */
struct growth_outlook growth_look(const struct growth *g, const struct growth_now *now);

#endif
