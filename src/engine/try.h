/* try.h -- a configuration against the events that are stored, without doing anything: which would
 * go elsewhere. Pure but for reading the store. */
#ifndef GAFF_ENGINE_TRY_H
#define GAFF_ENGINE_TRY_H

#include "engine/config.h"
#include "store/store.h"

#define TRY_STEP_MAX 1000u       /* events in one call */
#define TRY_DIFFERENCES_MAX 200u /* told one by one in one call; all are counted */

struct try_difference {
    uint64_t event_id;
    int64_t received_ms;
    str source, type;
    str *was, *would; /* names of destinations */
    size_t was_count, would_count;
    str why; /* the new plan's trace */
};

struct try_change { /* of one destination */
    str name;
    uint64_t less, more; /* events that it would no longer get, or newly */
};

struct try_result {
    uint64_t events, changed;
    struct try_difference *differences;
    size_t difference_count;
    struct try_change *changes;
    size_t change_count;
    uint64_t next; /* pass as `before` for the next step; 0 at the end */
};

/* Looks at up to `limit` events before that id (0: from the newest). `now`: the configuration to
 * compare with; NULL: what was planned when each event came, by its trace. All in the arena. */
enum err try_step(const struct config *now, const struct config *next, struct store_reader *r,
                  uint64_t before, size_t limit, struct arena *a, struct try_result *out,
                  struct reason *why) MUST_USE;

/* What the configuration would make of one event now: the names of its destinations and the trace
 * of the rules, in the arena. ERR_LIMIT when that is full. */
enum err try_one(const struct config *c, const struct event *e, struct arena *a, str **names,
                 size_t *count, str *trace, struct reason *why) MUST_USE;

#endif
