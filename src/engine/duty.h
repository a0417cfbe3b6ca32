/* duty.h -- work that one node at a time does of those that share a store: whoever owns the lane of
 * that name, by the lease of any lane. On a store of one process it is always here. A duty belongs
 * to one thread.
 *
 * What was begun under the lease must not go on when it was lost, for another node goes on with it:
 * ask duty_holds before each step that has an effect. */
#ifndef GAFF_ENGINE_DUTY_H
#define GAFF_ENGINE_DUTY_H

#include "engine/engine.h"

struct duty {
    struct engine_core *core;
    str lane;      /* no destination's name */
    bool owns;     /* the lane, as long as the lease holds that it was taken under */
    unsigned lost; /* store.lost then */
};

bool duty_holds(const struct duty *d);
/* Asks for the lane when it is not held; false: another node has it, or the store can't tell. */
bool duty_take(struct duty *d);
/* Nothing of the work is under way here. When the store can't be told it stays this node's. */
void duty_leave(struct duty *d);

#endif
