/* turns.h -- who starts the next attempt on a delivery loop, when all of them together would be too
 * many. A party is an application with all its endpoints, or one destination of the configuration.
 *
 * Two rules. No party may hold more places than are free (a half alone, a third of two ...), so
 * that those whose destinations hang never hold what a newcomer needs. And when parties wait, they
 * take turns by deficit round robin over what their attempts cost: one for each attempt and one for
 * each 64 KiB, so that large messages count for what they are. Belongs to its loop. */
#ifndef GAFF_ENGINE_TURNS_H
#define GAFF_ENGINE_TURNS_H

#include "base/list.h"
#include "base/map.h"

#define TURNS_COST_BYTES 65536
#define TURNS_QUANTUM 4

struct party;

struct turns {
    int budget, in_use;
    struct map parties;    /* by name */
    struct list waiting;   /* parties with a turn that waits, whose turn is next first */
    struct party *granted; /* whose turn it is, inside turns_run */
};

struct turn { /* of a lane; zeroed: of no party, unbounded */
    struct list link;
    struct party *party;
    bool waits;
};

void turns_init(struct turns *t, int budget);
void turns_release(struct turns *t); /* nobody is in any more */
/* The lane is of this party from now on; an empty name: of none, its attempts are not counted.
 * What it has under way stays with the party it was started for. */
void turns_join(struct turns *t, struct turn *who, str party);

/* True: one attempt may start, and holds a place of *held (NULL: none) until turns_give. False: it
 * waits for its turn, and is pumped then. */
bool turns_take(struct turns *t, struct turn *who, struct party **held);
/* What the attempt that was started turned out to cost. */
void turns_charge(struct party *held, size_t bytes);
void turns_give(struct turns *t, struct party *held);
/* Gives places that are free to those who wait: pump is to take one at most, and to leave or wait
 * again by itself. At the end of a loop's turn. */
void turns_run(struct turns *t, void (*pump)(struct turn *who));
/* It wants no turn any more. */
void turns_forget(struct turn *who);

#endif
