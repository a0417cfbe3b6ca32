/* tap.h -- remembers which events of a store were changed, for who copies it while it is at work
 * (copy.h). The wrappers of store.h tell it what was done, after it was done: so whoever takes a
 * note and then reads the event sees the change. Any thread. */
#ifndef GAFF_STORE_TAP_H
#define GAFF_STORE_TAP_H

#include "base/map.h"
#include "store/store.h"

#include <pthread.h>

#define TAP_NOTES_MAX (1u << 20)

struct store_tap {
    /* Changes of events up to this id are noted; later ones are met by who reads on from there. */
    _Atomic uint64_t limit;
    pthread_mutex_t lock;
    struct idmap noted; /* event ids; guarded by lock, as is the next */
    bool missed;        /* there was no room, or what was changed could not be told */
};

void tap_init(struct store_tap *t);
void tap_release(struct store_tap *t);
/* Takes up to max notes; *missed: all of the store must be compared (told once). */
size_t tap_take(struct store_tap *t, uint64_t *ids, size_t max, bool *missed);
/* One that could not be worked off. */
void tap_note(struct store_tap *t, uint64_t event_id);

#endif
