/* follow.h -- keeps what a node has in memory of stored objects in step with the store that other
 * nodes write to as well: applications, endpoints, event types, pauses, definitions. The changes
 * are applied in the order of the store, whoever made them. */
#ifndef GAFF_ENGINE_FOLLOW_H
#define GAFF_ENGINE_FOLLOW_H

#include "engine/engine.h"

/* NULL for a store that is this process's alone: what it commits it applies itself. `from`: the
 * sequence up to which all is known. definitions_changed: from a thread of its own. */
struct follower *follower_new(struct engine_core *core, uint64_t from,
                              void (*definitions_changed)(void *arg), void *arg);
void follower_free(struct follower *f); /* accepts NULL */
void follower_wake(struct follower *f); /* something may have changed; any thread */

/* For who has just committed this change: applied when it returns. */
void follow_committed(struct engine_core *core, const struct object *o);

#endif
