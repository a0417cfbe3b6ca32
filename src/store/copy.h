/* copy.h -- brings what is in one store into another, by their contract alone. Events keep their
 * ids, deliveries their states, attempts their history. It may be ended at any time and begun
 * again: what is there already is not copied twice, and what has changed since is mended. Nobody
 * else may write to the target meanwhile: it carries a mark (copy_mark) that says so.
 *
 * The source may be at work, if all that change it do so by this process's struct store: its tap
 * (tap.h) then tells what to look at again. Then: copier_start, copier_follow until little is left,
 * copier_compare; copier_follow from time to time; and, once nobody writes any more, copier_end. */
#ifndef GAFF_STORE_COPY_H
#define GAFF_STORE_COPY_H

#include "store/tap.h"

struct copy_sum { /* what was counted, and a hash over all of it, whatever the order */
    uint64_t events, deliveries, attempts;
    uint64_t keys; /* of requests, that are known for a day (Idempotency-Key) */
    uint64_t hash;
};

struct copy_progress {
    uint64_t events, deliveries, attempts, objects; /* copied in this run */
    uint64_t mended;                                /* events that had changed since */
    uint64_t compared;                              /* events looked at in both */
    uint64_t events_all;                            /* in the source, at its last look */
    /* Of the last comparison: of what the source has, in both. An event under way counts as one
     * that waits. */
    struct copy_sum from, to;
    uint64_t extra; /* events that only the target has: retention took them out of the source */
};

/* After each step, with what was done so far; false: end with ERR_CLOSED. */
typedef bool copy_tell_fn(const struct copy_progress *p, void *arg);

struct copier;
/* tap: that of the source; NULL: nobody writes to it. */
struct copier *copier_new(struct store *from, struct store *to, struct store_tap *tap,
                          copy_tell_fn *tell, void *arg, struct reason *why);
void copier_free(struct copier *c); /* accepts NULL */
const struct copy_progress *copier_progress(const struct copier *c);

/* Marks the target, and copies objects. from_name: of the source, for people. */
enum err copier_start(struct copier *c, str from_name, struct reason *why);
/* New events up to `until_ms` of their arrival (INT64_MAX: all), changed events and objects. *left:
 * about how many changes it leaves; UINT64_MAX: all must be compared again. */
enum err copier_follow(struct copier *c, int64_t until_ms, uint64_t *left, struct reason *why);
/* Looks at every event in both, mends what differs, and counts. ERR_CONFLICT: they differ still. */
enum err copier_compare(struct copier *c, struct reason *why);
/* Nobody writes any more: what is left, and the requests that were refused; then the two must have
 * as many of everything. */
enum err copier_end(struct copier *c, struct reason *why);

/* Marks of a store that is in the middle of a move: nobody may work on it. */
enum copy_mark { COPY_NONE, COPY_FILLING, COPY_MOVED };
/* other: the other store's name, for people. */
enum err copy_mark_set(struct store *s, enum copy_mark mark, str other, struct reason *why);
/* ERR_CONFLICT with a sentence when it is marked. */
enum err copy_mark_check(struct store_reader *r, struct reason *why);
/* ERR_CONFLICT with the names of the other nodes that work on this store. One that died counts
 * until its lease has ended. */
enum err copy_alone(struct store *s, struct reason *why);

#endif
