/* schedule.h -- sources of kind `cron:`: events that time makes. What was sent last is found in the
 * store, so that what a stopped daemon missed can be caught up with. */
#ifndef GAFF_ENGINE_SCHEDULE_H
#define GAFF_ENGINE_SCHEDULE_H

#include "engine/engine.h"

struct schedule;
struct schedule *schedule_new(struct engine_core *core);
void schedule_start(struct schedule *s); /* its thread */
void schedule_free(struct schedule *s);  /* accepts NULL */

#endif
