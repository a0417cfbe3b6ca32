/* query.h -- what a store is asked and what it answers with: filters, then rows and lists of them.
 * The bytes of an answer lie in the arena that the question came with. */
#ifndef GAFF_STORE_QUERY_H
#define GAFF_STORE_QUERY_H

#include "base/err.h"
#include "store/model.h"

struct event_filter {           /* empty members do not filter */
    str source, type, text;     /* text: substring of head or body */
    int64_t since_ms, until_ms; /* received in [since, until) ; 0 open */
    int state;                  /* -1, or a delivery_state that one of its deliveries is in */
    str destination;
    uint64_t before; /* cursor: ids smaller than this (newest first); 0: from the newest */
    bool ascending;  /* oldest first: ids greater than after, and smaller than before */
    uint64_t after;
    bool listed;  /* only those with EVENT_LISTED; then source must be set */
    size_t limit; /* <= 1000 */
};

struct delivery_filter {
    uint64_t id;       /* 0: any */
    uint64_t event_id; /* 0: any */
    int state;         /* -1: any */
    str destination, source, type;
    str cause;                  /* the end of its reason: "gave up after 3 attempts: <cause>" */
    int64_t since_ms, until_ms; /* created */
    uint64_t before;
    bool ascending; /* as in event_filter; not for store_move */
    uint64_t after;
    bool listed; /* only those with `listed`; then destination must be set */
    size_t limit;
};

/* Kinds of results, beside each one of enum attempt_result: those of a kind are found by
 * themselves, however many others there are. */
#define ATTEMPTS_ANY (-1)
#define ATTEMPTS_FAILED (-2) /* retry, permanent, lost */
#define ATTEMPTS_ENDED (-3)  /* without success or failure: skipped, cancelled */

struct attempt_filter { /* of attempts with an id; destination or event_id must be set */
    uint64_t id;        /* 0: any */
    str destination;
    uint64_t event_id, delivery_id;
    int result;                 /* attempt_result, or one of ATTEMPTS_... */
    int status_min, status_max; /* both 0: any */
    str event_type;
    uint64_t before, after; /* ids, both exclusive; 0: open */
    bool ascending;         /* from after on, oldest first; else from before down */
    size_t limit;           /* <= 1000 */
};

/* True when an attempt's own members are what the filter asks for. */
static inline bool attempt_is_wanted(const struct attempt_filter *f, const struct attempt *x)
{
    bool ended = x->result == ATTEMPT_SKIPPED || x->result == ATTEMPT_CANCELLED;
    if (f->result == ATTEMPTS_ENDED && !ended)
        return false;
    if (f->result == ATTEMPTS_FAILED && (ended || x->result == ATTEMPT_SUCCESS))
        return false;
    if (f->result >= 0 && (int)x->result != f->result)
        return false;
    return (f->status_min == 0 && f->status_max == 0) ||
           (x->status >= f->status_min && x->status <= f->status_max);
}

struct object_filter {
    str kind;
    bool any_parent; /* else those of this parent alone */
    str parent;
    str after; /* cursor: an id, exclusive, in the direction of the list; empty: from its end */
    bool descending; /* by id */
    size_t limit;    /* <= 1000 */
};

struct event_row {
    struct event event; /* without head and body when from a list */
    uint64_t body_bytes;
    uint32_t by_state[DELIVERY_STATE_COUNT];
};
struct event_list {
    struct event_row *v;
    size_t count;
    uint64_t next; /* cursor for the following page; 0 at the end. A page may be short of limit
                    * without being the last: scans are bounded. */
};
struct delivery_list {
    struct delivery *v;
    size_t count;
    uint64_t next;
};
struct attempt_list {
    struct attempt *v;
    size_t count;
};
struct delivery_counts {
    uint64_t by_state[DELIVERY_STATE_COUNT];
    uint64_t retried; /* of those that are PENDING: with attempts behind them */
};
struct attempt_counts { /* by kind of result */
    uint64_t success, failed, ended;
};
struct attempt_log {
    struct attempt *v;
    size_t count;
    uint64_t next; /* as in event_list */
};
struct rejection_list {
    struct rejection *v;
    size_t count;
    uint64_t next;
};
struct object_list {
    struct object *v;
    size_t count;
    bool more; /* beyond the limit */
};

/* The key of the request that made a message, as it is remembered. */
struct kept_key {
    uint64_t key[2];  /* hashed with store.key_seed */
    uint8_t hash[16]; /* of what was asked for with it; or one that folds alike (dedupe.h) */
};
struct key_list { /* in order */
    struct kept_key *v;
    size_t count;
    uint64_t forgotten; /* keys of events up to this id may be forgotten before their time */
};

struct store_counts {
    uint64_t events, rejected;
    uint64_t by_state[DELIVERY_STATE_COUNT];
    uint64_t bytes;            /* on disk */
    uint64_t free_bytes;       /* left on that disk; 0: not known to this store */
    uint64_t lag;              /* acknowledged but not yet queryable without waiting, in bytes */
    int64_t oldest_pending_ms; /* created_ms of the oldest undelivered delivery; 0 */
    uint64_t max_id;           /* greatest id in the store, for id_source_init */
    uint64_t objects;
    uint64_t object_sequence; /* of the last change of an object */
};

/* What one destination has: `pending` wait in the store, `claimed` are in a lane. */
struct queue_row {
    str destination;
    uint64_t pending, claimed, dead;
    int64_t oldest_ms; /* created_ms of the oldest that is pending or claimed; 0: none is */
};
struct queue_list { /* by name; destinations that have nothing of these are left out */
    struct queue_row *v;
    size_t count;
};

struct node_row {
    str name, version, lanes; /* lanes: names of destinations, separated by spaces; may be cut */
    int64_t epoch, started_ms, seen_ms, lag_ms, skew_ms;
    uint64_t lane_count;
    bool alive, self;
};
struct node_list {
    struct node_row *v;
    size_t count;
};

static inline enum err out_of_arena(struct reason *why)
{
    return fail(why, ERR_LIMIT, "the result does not fit the memory it was given");
}

#endif
