/* pause.h -- destinations held by hand: what runs finishes, what comes waits in the store, across
 * restarts too, until somebody lets them go on. */
#ifndef GAFF_ENGINE_PAUSE_H
#define GAFF_ENGINE_PAUSE_H

#include "engine/engine.h"

/* Durable on return. ERR_NOT_FOUND when no destination has that name. */
enum err pause_set(struct engine *e, struct store_reader *r, str destination, bool paused,
                   struct reason *why) MUST_USE;
/* Another node held it or let it go: so does this one. */
void pause_follow(struct engine_core *core, str destination, bool paused);
/* Closes the gates of what was paused when the daemon ended; before anything is delivered. */
enum err pause_restore(struct engine_core *core, struct reason *why) MUST_USE;

#endif
