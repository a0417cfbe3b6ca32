/* copy.h -- moves what is in one store into another, by their contract alone. Events keep their
 * ids, deliveries their states, attempts their history. It may be ended at any time and begun
 * again: what is there already is not copied twice, and what has changed since is brought up to
 * date. Nobody else may deliver from the target meanwhile. */
#ifndef GAFF_STORE_COPY_H
#define GAFF_STORE_COPY_H

#include "store/store.h"

struct copy_progress {
    uint64_t events, deliveries, attempts, objects, updated; /* done in this run */
    uint64_t events_all;                                     /* in the source at its start */
};

/* tell: after each step, with what was done so far. */
enum err store_copy(struct store *from, struct store *to, struct copy_progress *p,
                    void (*tell)(const struct copy_progress *p, void *arg), void *arg,
                    struct reason *why);

struct copy_sum { /* what was counted, and a hash over all of it */
    uint64_t events, deliveries, attempts, hash;
};
/* The same for two stores that hold the same events, deliveries and attempts. A delivery that is
 * under way counts as pending. */
enum err store_sum(struct store *s, struct copy_sum *out, struct reason *why);

#endif
