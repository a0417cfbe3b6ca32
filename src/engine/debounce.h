/* debounce.h -- when a burst of events of one key is over: each event puts the moment off by
 * `wait`, and never beyond `max` after the first of the burst. One table a destination, shared by
 * all front loops; pure but for its lock: time comes in. */
#ifndef GAFF_ENGINE_DEBOUNCE_H
#define GAFF_ENGINE_DEBOUNCE_H

#include "base/str.h"

/* Keys under way at once; events of further keys are not held back. */
#define DEBOUNCE_KEYS_MAX 65536u

struct debounce;
struct debounce *debounce_new(void);
void debounce_free(struct debounce *d); /* accepts NULL */
/* When the delivery of this event is due, if nothing comes after it. */
int64_t debounce_due(struct debounce *d, uint64_t key, int64_t now_ms, int64_t wait_ms,
                     int64_t max_ms);

#endif
