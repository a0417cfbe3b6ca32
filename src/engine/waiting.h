/* waiting.h -- who waits for what comes of a delivery: requests at sources with `ack: done`. A
 * waiter belongs to its loop; what a delivery loop tells reaches it there, in order. */
#ifndef GAFF_ENGINE_WAITING_H
#define GAFF_ENGINE_WAITING_H

#include "base/loop.h"
#include "store/model.h"

/* Output that is on its way to one waiter; what comes beyond it is left out. */
#define WAITING_UNREAD_MAX (1u << 20)

struct waiting;

struct waited { /* one attempt, settled and stored */
    enum delivery_state state;
    enum attempt_result result;
    int status; /* HTTP status or exit code */
    str error_class, summary, output;
};

struct waiter { /* embed it */
    uint64_t delivery_id;
    struct loop *loop;
    bool wants_output;
    size_t unread; /* private to waiting.c */
    void (*output)(struct waiter *w, str bytes);
    /* Once, then it is off the list; not after waiting_remove. */
    void (*done)(struct waiter *w, const struct waited *what);
};

struct waiting *waiting_new(void);
void waiting_free(struct waiting *w); /* nobody waits any more; accepts NULL */
/* On the waiter's loop. */
void waiting_add(struct waiting *w, struct waiter *who);
void waiting_remove(struct waiting *w, struct waiter *who);
/* Any thread. False at the cost of one load while nobody waits. */
bool waiting_is_wanted(struct waiting *w, uint64_t delivery_id, bool output);
void waiting_tell_output(struct waiting *w, uint64_t delivery_id, str bytes);
void waiting_tell_done(struct waiting *w, uint64_t delivery_id, const struct waited *what);

#endif
