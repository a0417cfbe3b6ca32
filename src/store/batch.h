/* batch.h -- what is written to a store at once: new events with their deliveries, outcomes,
 * rejected requests, changes of objects. The caller owns all of it until store_commit (store.h) has
 * returned; members "set by store_commit" tell what became of each part. */
#ifndef GAFF_STORE_BATCH_H
#define GAFF_STORE_BATCH_H

#include "base/err.h"
#include "store/model.h"

struct new_delivery {
    uint64_t id;
    str destination, route;
    uint64_t order_key;
    bool claimed; /* goes straight into a lane of this node: stored as CLAIMED */
    bool listed;  /* as in struct delivery */
    /* Those of its destination and order key (not 0) that are older and still PENDING become
     * CANCELLED, in the same transaction, with the reason "superseded by dlv_...". */
    bool supersedes;
    int64_t next_ms;
};

/* --- objects ---------------------------------------------------------------------------------- */

enum object_op { OBJECT_PUT, OBJECT_DELETE };
#define OBJECT_ANY 0             /* make it or replace it; deleting what is not there is fine */
#define OBJECT_ABSENT UINT64_MAX /* make it; a conflict when it is there */

struct object_change {
    enum object_op op;
    /* PUT: all but version and sequence, which the store sets here; created_ms is kept when the
     * object is there already, and set here too. DELETE: kind and id. Names of objects deleted or
     * renamed earlier in the batch are free. */
    struct object object;
    uint64_t expect; /* OBJECT_ANY, OBJECT_ABSENT, or the version that must be there */
};

struct object_set { /* changes that hold together: all or none */
    struct object_set *next;
    struct object_change *changes; /* array */
    size_t count;
    /* Set by store_commit: ERR_OK; ERR_CONFLICT: another version or id is there, or the name is
     * taken; ERR_NOT_FOUND: a version was expected and nothing is there. A set that fails leaves
     * the rest of the batch alone. */
    enum err err;
    size_t failed; /* which change, then */
};

#define EVENT_KEYS_MAX 2
struct event_key {    /* one more key to be unique, beside the event's own dedupe_key */
    str scope, key;   /* of another namespace than sources: begin it with a byte no name has */
    uint8_t hash[16]; /* of what was asked for with that key */
    int64_t window_ms;
};

struct new_event {
    struct new_event *next; /* in the batch, in order */
    struct event event;
    const struct new_delivery *deliveries;
    size_t delivery_count;
    int64_t dedupe_window_ms; /* 0: do not deduplicate */
    /* A match with any of these keeps the event out, whatever its hash. */
    const struct event_key *keys;
    size_t key_count;                   /* <= EVENT_KEYS_MAX */
    const struct object_set *only_with; /* NULL, or a set of this batch: stored if that holds */
    /* Set by store_commit: */
    uint64_t duplicate_of; /* not 0: this was a repeat and was not stored; the first one's id */
    size_t matched;        /* by which of the keys, 1-based; 0: by dedupe_key */
    bool same_hash;        /* when matched: the first one was asked for with the same hash */
    uint64_t locator;      /* pass to store_load; 0 when it was not stored */
};

/* False for a repeat, and when its set did not hold. */
static inline bool new_event_is_stored(const struct new_event *e)
{
    return e->duplicate_of == 0 && (!e->only_with || e->only_with->err == ERR_OK);
}

struct settlement { /* what came of one attempt, and what follows */
    struct settlement *next;
    uint64_t delivery_id, event_id;
    enum delivery_state state; /* PENDING (retry at next_ms) or a final state */
    int64_t next_ms, settled_ms;
    uint32_t attempts;
    str reason;
    struct attempt attempt; /* recorded when attempt.number > 0 */
};

struct batch {
    struct new_event *events;
    struct settlement *settlements;
    struct rejection *rejections; /* array */
    struct object_set *sets;
    size_t rejection_count;
    size_t event_count, settlement_count;
};

#endif
