/* planned.h -- the deliveries of one event on their way from plan to lane: made before the commit,
 * each with its place in a lane's window or without; after it offered to the lanes, or undone. For
 * events from outside (ingest.c) and of the program itself (emit.c) alike. */
#ifndef GAFF_ENGINE_PLANNED_H
#define GAFF_ENGINE_PLANNED_H

#include "engine/dispatch.h"
#include "engine/plan.h"

/* Fills e's deliveries and *gates (one a delivery; both in the arena), and enters the gates.
 * gate_of has the gates by destination index. False, with nothing entered, without memory. */
bool planned_enter(struct engine_core *core, const struct plan *plan, struct gate *const *gate_of,
                   struct arena *a, struct new_event *e, struct gate ***gates);
/* The event is durable: lanes get their deliveries, or hear that there are more in the store. */
void planned_offer(struct dispatch_offers *offers, const struct new_event *e, struct gate **gates);
/* The event was not stored: its places are free again. */
void planned_leave(const struct new_event *e, struct gate **gates);

#endif
