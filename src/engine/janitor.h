/* janitor.h -- all periodic work: retention now and then, on a thread of its own where it may
 * block. */
#ifndef GAFF_ENGINE_JANITOR_H
#define GAFF_ENGINE_JANITOR_H

#include "engine/engine.h"

struct janitor *janitor_new(struct engine_core *core);
void janitor_start(struct janitor *j);
void janitor_free(struct janitor *j); /* ends and joins */

#endif
