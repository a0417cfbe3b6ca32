/* store.h -- the contract of every store: rows and leases, no HTTP, no policy. SQL lives behind it
 * and nowhere else. One conformance suite (tests/unit/store) runs against all of them.
 *
 * The unit of work is the batch: new events with their deliveries, outcomes, rejected requests,
 * changes of objects. A batch is one transaction: after store_commit returned ERR_OK it is on disk,
 * whole; on any error nothing of it may be counted on (it may or may not be there after a crash:
 * the sender was told 5xx and will come again).
 *
 * Threads: store_commit by store.writers threads at a time; everything else from any thread.
 * Readers are per thread. What a query returns is a snapshot that includes all that was committed
 * before the call (read your writes).
 *
 * Leases: a delivery that is CLAIMED belongs to one node until its lease ends; nobody else gets
 * it. A settle of a delivery whose lease was lost (epoch differs) is refused for that row only.
 * A store with a single owner process voids all leases of former runs when it is opened.
 *
 * Several nodes: on a shared store a destination's lane belongs to one node, by a lease that the
 * store renews while the node lives and whose time is the store's. Who first claims from a free
 * lane owns it; a claim on another's lane is ERR_CONFLICT. When a node dies its lanes are free
 * and what it had claimed is due again. A node may use what it claimed only while
 * store_lease_holds; when the lease was lost, its claims are void (STORE_LOST). */
#ifndef GAFF_STORE_STORE_H
#define GAFF_STORE_STORE_H

#include "base/arena.h"
#include "base/err.h"
#include "store/batch.h"
#include "store/query.h"
#include "store/sealed.h"

#include <stdatomic.h>

struct store;
struct store_reader;

/* Where what was committed is, at least. */
enum store_durability { STORE_VOLATILE, STORE_LOCAL, STORE_REPLICATED };
const char *store_durability_word(enum store_durability d);

/* What a shared store tells, from a thread of its own: take note and return. */
enum store_note {
    STORE_DUE,     /* look for what is due of this destination, also when its lane was elsewhere */
    STORE_WANTED,  /* another node should own this lane: let it go by store_release */
    STORE_OBJECTS, /* objects may have changed, by whomever: ask object_changes */
    STORE_LOST,    /* the lease was lost and there is a new one: what was claimed before is void,
                    * and store.node may be another */
};
typedef void store_watch_fn(enum store_note note, str destination, void *arg);

/* Bulk moves by hand; each is one transaction, done in steps inside for large sets. */
enum store_move {
    STORE_REPLAY, /* final -> PENDING with next_ms = now and attempts kept; a DELIVERED one too */
    STORE_CANCEL, /* PENDING -> CANCELLED */
};

struct claim {
    str destination;
    int64_t now_ms;
    size_t max;
    /* By id, and of each order key none while an earlier one is pending or claimed. Deliveries
     * with order_key 0 are held back by none: a lane that is in order as a whole needs a key. */
    bool in_order;
};

#define OBJECT_GONE_KEPT_MS (24 * 3600 * INT64_C(1000)) /* how long a deletion is remembered */

struct retention {
    int64_t age_ms; /* 0: for ever */
    int64_t bytes;  /* 0: no bound; else the oldest finished events go until below */
    size_t step;    /* events to delete in one call at most */
};

struct store_ops {
    const char *name; /* "sqlite" */

    /* Makes the batch durable. Duplicates are found here, among all events of the same source and
     * dedupe_key within the event's window: same key and same body -> duplicate_of; same key and
     * another body -> stored with EVENT_ID_REUSED (also set in new_event.event.flags). ERR_FULL
     * (no space), ERR_IO (disk failing): nothing was acknowledged; the store recovers by itself
     * when it can, and says so by the next commit.
     * Space is kept back for finishing what was accepted: when a batch with events is ERR_FULL,
     * its settlements may still fit in a batch of their own. A settlement whose delivery is not
     * CLAIMED any more is left out without an error. */
    enum err (*commit)(struct store *s, struct batch *b, struct reason *why);

    /* Leases up to c->max PENDING deliveries of a destination that are due, oldest due first, and
     * appends them to out (in the arena). *next_due_ms: when the next one of those left becomes
     * due (INT64_MAX: none); now or earlier when max was reached and more are due. In order, what
     * is due but held back counts only when its turn comes: claim again after a settlement. */
    enum err (*claim)(struct store *s, const struct claim *c, struct arena *a,
                      struct delivery_list *out, int64_t *next_due_ms, struct reason *why);
    /* Gives claimed deliveries back unattempted (shutdown, destination gone). */
    enum err (*unclaim)(struct store *s, const uint64_t *ids, size_t count, struct reason *why);

    /* The event with head and body. locator from the delivery, or 0. */
    enum err (*load)(struct store_reader *r, uint64_t id, uint64_t locator, struct arena *a,
                     struct event *out, struct reason *why);
    /* Many loads at once cost less from one view of the store, which load takes and keeps from
     * hold until rest (between them nothing but load): soon, or the store can't tidy up. An event
     * that came later is found all the same; one whose content was taken out meanwhile may still be
     * given. NULL: nothing to gain. */
    void (*hold)(struct store_reader *r);
    void (*rest)(struct store_reader *r);

    enum err (*events)(struct store_reader *r, const struct event_filter *f, struct arena *a,
                       struct event_list *out, struct reason *why);
    enum err (*deliveries)(struct store_reader *r, const struct delivery_filter *f, struct arena *a,
                           struct delivery_list *out, struct reason *why);
    enum err (*attempts)(struct store_reader *r, uint64_t delivery_id, struct arena *a,
                         struct attempt_list *out, struct reason *why);
    /* Attempts that have an id, over many deliveries: of a destination or of an event. */
    enum err (*attempt_log)(struct store_reader *r, const struct attempt_filter *f, struct arena *a,
                            struct attempt_log *out, struct reason *why);
    enum err (*rejections)(struct store_reader *r, uint64_t before, size_t limit, struct arena *a,
                           struct rejection_list *out, struct reason *why);

    /* By its id; by its name when id is empty. ERR_NOT_FOUND. One that has expired is found until
     * it is purged: look at expires_ms. */
    enum err (*object)(struct store_reader *r, str kind, str id, str parent, str name,
                       struct arena *a, struct object *out, struct reason *why);
    /* While the database cannot be written (a full disk), what changed last may be missing: a start
     * must not fail for it. One object by itself is then an error, so that nobody gets in by a key
     * that was taken back. */
    enum err (*objects)(struct store_reader *r, const struct object_filter *f, struct arena *a,
                        struct object_list *out, struct reason *why);
    /* What changed after that sequence number, in the order of the changes, of each object its
     * last one; for caches and other nodes. Deletions older than OBJECT_GONE_KEPT_MS are left
     * out: who was away for so long reads everything anew. */
    enum err (*object_changes)(struct store_reader *r, uint64_t after, size_t limit,
                               struct arena *a, struct object_list *out, struct reason *why);
    enum err (*counts)(struct store_reader *r, struct store_counts *out, struct reason *why);
    /* For people and metrics. Costs what there are destinations, however much waits; on PostgreSQL
     * it is counted anew. */
    enum err (*queues)(struct store_reader *r, struct arena *a, struct queue_list *out,
                       struct reason *why);
    /* How many listed events of a source have ids from that time on, up to `most`: by an index
     * alone, however many there are. */
    enum err (*count_listed)(struct store_reader *r, str source, int64_t since_ms, int64_t most,
                             int64_t *count, struct reason *why);
    /* Of a destination whose deliveries are all listed, those with after < id < before (0: open):
     * by indexes alone, and at one moment. */
    enum err (*count_deliveries)(struct store_reader *r, str destination, uint64_t after,
                                 uint64_t before, struct delivery_counts *out, struct reason *why);
    /* The attempts with an id of a destination, after < id < before (0: open): by indexes alone. */
    enum err (*count_attempts)(struct store_reader *r, str destination, uint64_t after,
                               uint64_t before, struct attempt_counts *out, struct reason *why);
    /* Further keys of a stored event that are known for MESSAGE_REQUEST_WINDOW_MS from received_ms
     * on; those of another window may be among them. NULL: it can't tell them, nor take a seed. */
    enum err (*keys)(struct store_reader *r, uint64_t event_id, int64_t received_ms,
                     struct arena *a, struct key_list *out, struct reason *why);
    /* Hashes its keys with this seed from now on; of a store without events. */
    enum err (*take_seed)(struct store *s, const uint8_t *seed, struct reason *why);
    /* Names of destinations that have PENDING deliveries (for dispatch at start, and to find
     * those whose destination is gone). */
    enum err (*pending_destinations)(struct store_reader *r, struct arena *a, str **out,
                                     size_t *count, struct reason *why);

    /* Moves every delivery the filter selects (limit and before ignored; the whole result, not a
     * page). *moved: how many. */
    enum err (*move)(struct store *s, enum store_move move, const struct delivery_filter *f,
                     int64_t now_ms, uint64_t *moved, struct reason *why);
    /* A new delivery of a stored event (replay to another destination). */
    enum err (*add_delivery)(struct store *s, uint64_t event_id, const struct new_delivery *d,
                             int64_t now_ms, struct reason *why);

    /* Attempts of the past, for a store that is being filled (copy.h); event_id and destination
     * are set. Those that are there already are left as they are. */
    enum err (*add_attempts)(struct store *s, const struct attempt *v, size_t count,
                             struct reason *why);
    /* Deliveries of stored events, likewise: each is made, or put into the state that it has here
     * (CLAIMED is PENDING). Not while anybody delivers from the store. */
    enum err (*restore)(struct store *s, const struct delivery *v, size_t count,
                        struct reason *why);

    /* Takes the body out of a stored event and sets EVENT_EXPUNGED; with an attempt's number not
     * 0, request and response out of that attempt of the delivery `id` instead. ERR_NOT_FOUND.
     * A journal keeps the bytes until it is reused. */
    enum err (*expunge)(struct store *s, uint64_t id, uint32_t attempt, struct reason *why);

    /* Deletes finished events beyond the bounds, oldest first, at most step; never one with an
     * undelivered delivery. *deleted: how many; call again while it equals step. Objects past
     * their time and old deletions go as well, some at each call. */
    enum err (*purge)(struct store *s, const struct retention *r, int64_t now_ms, uint64_t *deleted,
                      struct reason *why);
    /* A consistent copy at path while running (written beside it, renamed when whole; an older
     * one is replaced). A copy of a sqlite store is one file: put as gaff.db into an empty
     * directory, that directory is the restored store. ERR_INVALID for a memory store. */
    enum err (*backup)(struct store *s, const char *path,
                       void (*progress)(uint64_t done, uint64_t all, void *arg), void *arg,
                       struct reason *why);

    /* Of shared stores; NULL for those with one owner process. */
    void (*watch)(struct store *s, store_watch_fn *fn, void *arg); /* NULL fn: no more */
    /* Lets a lane go; nothing of it is claimed or being committed as claimed by this node. */
    enum err (*release)(struct store *s, str destination, struct reason *why);
    /* Who shares the store, the dead of late included. */
    enum err (*nodes)(struct store_reader *r, struct arena *a, struct node_list *out,
                      struct reason *why);

    struct store_reader *(*reader_open)(struct store *s, struct reason *why);
    void (*reader_close)(struct store_reader *r);
    void (*close)(struct store *s); /* everything acknowledged is on disk already */
};

struct store { /* first member of every implementation */
    const struct store_ops *ops;
    bool shared;      /* other nodes may work on it; a commit crosses a network */
    unsigned writers; /* commits at a time; 0: one */
    unsigned node;    /* below STORE_NODES_MAX, in no other living node: makes ids unique */
    /* Of a shared store: until when, on the real monotonic clock, this node may use its claims. */
    _Atomic int64_t lease_ns;
    _Atomic unsigned lost;    /* how often its lease was lost: what was claimed before is void */
    _Atomic int durability;   /* enum store_durability */
    _Atomic bool unreachable; /* what is asked now is refused at once */
    const uint8_t *key_seed;  /* DEDUPE_SEED_BYTES; NULL where ops->keys is */
    /* What secrets are sealed with, see sealed.h; of whoever opened the store, set before anything
     * else is asked. NULL: documents pass as they are. */
    const struct seal *seal;
    /* Told of every change of an event or its deliveries while somebody copies the store (tap.h);
     * stays until the store is closed. NULL: nobody does. */
    struct store_tap *_Atomic tap;
};
#define STORE_NODES_MAX 64
struct store_reader {
    struct store *store;
    /* Set by those who show lists to people: events, deliveries, attempt_log and rejections may
     * then come from a replica (store_options.read) and lag by some seconds. */
    bool may_lag;
};

struct store_options {
    str read;    /* where readers that may lag read lists, as url. Empty: from the store */
    str direct;  /* past a pooler, for LISTEN, as url. Empty: by the store's url */
    str node;    /* this node's name; empty: the host's */
    str version; /* of the program, for those who look at the nodes */
    bool require_replicated; /* a commit that is not replicated is refused */
};
/* url: "memory:" ("memory:64": at most 64 MiB instead of 256), "sqlite:PATH" (a directory PATH
 * holds the database and its journal), "postgres://..." (or "postgres:" and what libpq takes).
 * NULL with a full sentence: locked by another process (ERR_CONFLICT), newer schema, no
 * permission, no space. */
struct store *store_open_with(str url, const struct store_options *o, const struct clock *clock,
                              struct reason *why);
static inline struct store *store_open(str url, const struct clock *clock, struct reason *why)
{
    return store_open_with(url, &(struct store_options){0}, clock, why);
}
/* Looks at where a store would be, for a person: one line a finding; nothing for a store that has
 * nothing to tell. */
typedef void store_tell_fn(bool good, str line, void *arg);
enum err store_inspect(str url, store_tell_fn *tell, void *arg, struct reason *why);
/* A postgres url without what may be secret, for messages: "postgres://HOST/DATABASE". */
str store_url_shown(str url, struct arena *a);

static inline bool store_lease_holds(struct store *s)
{
    return !s->shared ||
           clock_mono_ns(clock_real()) < atomic_load_explicit(&s->lease_ns, memory_order_relaxed);
}
static inline void store_watch(struct store *s, store_watch_fn *fn, void *arg)
{
    if (s->ops->watch)
        s->ops->watch(s, fn, arg);
}
static inline enum err store_release(struct store *s, str destination, struct reason *why)
{
    return s->ops->release ? s->ops->release(s, destination, why) : ERR_OK;
}
static inline enum err store_nodes(struct store_reader *r, struct arena *a, struct node_list *out,
                                   struct reason *why)
{
    *out = (struct node_list){0};
    return r->store->ops->nodes ? r->store->ops->nodes(r, a, out, why) : ERR_OK;
}

/* tap.c */
void tap_batch(struct store_tap *t, const struct batch *b);
enum err tap_move(struct store *s, struct store_tap *t, enum store_move move,
                  const struct delivery_filter *f, int64_t now_ms, uint64_t *moved,
                  struct reason *why);
void tap_delivery(struct store *s, struct store_tap *t, uint64_t delivery_id);
void tap_note(struct store_tap *t, uint64_t event_id);

static inline enum err store_commit(struct store *s, struct batch *b, struct reason *why)
{
    enum err err = s->seal ? sealed_commit(s, b, why) : s->ops->commit(s, b, why);
    struct store_tap *tap = atomic_load_explicit(&s->tap, memory_order_acquire);
    if (tap)
        tap_batch(tap, b);
    return err;
}
static inline enum err store_claim(struct store *s, const struct claim *c, struct arena *a,
                                   struct delivery_list *out, int64_t *next_due_ms,
                                   struct reason *why)
{
    return s->ops->claim(s, c, a, out, next_due_ms, why);
}
static inline enum err store_unclaim(struct store *s, const uint64_t *ids, size_t count,
                                     struct reason *why)
{
    return s->ops->unclaim(s, ids, count, why);
}
static inline enum err store_load(struct store_reader *r, uint64_t id, uint64_t locator,
                                  struct arena *a, struct event *out, struct reason *why)
{
    return r->store->ops->load(r, id, locator, a, out, why);
}
static inline void store_hold(struct store_reader *r)
{
    if (r->store->ops->hold)
        r->store->ops->hold(r);
}
static inline void store_rest(struct store_reader *r)
{
    if (r->store->ops->rest)
        r->store->ops->rest(r);
}
static inline enum err store_events(struct store_reader *r, const struct event_filter *f,
                                    struct arena *a, struct event_list *out, struct reason *why)
{
    return r->store->ops->events(r, f, a, out, why);
}
static inline enum err store_deliveries(struct store_reader *r, const struct delivery_filter *f,
                                        struct arena *a, struct delivery_list *out,
                                        struct reason *why)
{
    return r->store->ops->deliveries(r, f, a, out, why);
}
static inline enum err store_attempts(struct store_reader *r, uint64_t delivery_id, struct arena *a,
                                      struct attempt_list *out, struct reason *why)
{
    return r->store->ops->attempts(r, delivery_id, a, out, why);
}
static inline enum err store_rejections(struct store_reader *r, uint64_t before, size_t limit,
                                        struct arena *a, struct rejection_list *out,
                                        struct reason *why)
{
    return r->store->ops->rejections(r, before, limit, a, out, why);
}
static inline enum err store_attempt_log(struct store_reader *r, const struct attempt_filter *f,
                                         struct arena *a, struct attempt_log *out,
                                         struct reason *why)
{
    return r->store->ops->attempt_log(r, f, a, out, why);
}
static inline enum err store_object(struct store_reader *r, str kind, str id, struct arena *a,
                                    struct object *out, struct reason *why)
{
    enum err err = r->store->ops->object(r, kind, id, STR(""), STR(""), a, out, why);
    return err == ERR_OK && r->store->seal ? sealed_open(r->store->seal, out, 1, a, why) : err;
}
static inline enum err store_object_named(struct store_reader *r, str kind, str parent, str name,
                                          struct arena *a, struct object *out, struct reason *why)
{
    enum err err = r->store->ops->object(r, kind, STR(""), parent, name, a, out, why);
    return err == ERR_OK && r->store->seal ? sealed_open(r->store->seal, out, 1, a, why) : err;
}
static inline enum err store_objects(struct store_reader *r, const struct object_filter *f,
                                     struct arena *a, struct object_list *out, struct reason *why)
{
    enum err err = r->store->ops->objects(r, f, a, out, why);
    return err == ERR_OK && r->store->seal ? sealed_open(r->store->seal, out->v, out->count, a, why)
                                           : err;
}
static inline enum err store_object_changes(struct store_reader *r, uint64_t after, size_t limit,
                                            struct arena *a, struct object_list *out,
                                            struct reason *why)
{
    enum err err = r->store->ops->object_changes(r, after, limit, a, out, why);
    return err == ERR_OK && r->store->seal ? sealed_open(r->store->seal, out->v, out->count, a, why)
                                           : err;
}
static inline enum err store_counts_get(struct store_reader *r, struct store_counts *out,
                                        struct reason *why)
{
    return r->store->ops->counts(r, out, why);
}
static inline enum err store_queues(struct store_reader *r, struct arena *a, struct queue_list *out,
                                    struct reason *why)
{
    return r->store->ops->queues(r, a, out, why);
}
static inline enum err store_count_listed(struct store_reader *r, str source, int64_t since_ms,
                                          int64_t most, int64_t *count, struct reason *why)
{
    return r->store->ops->count_listed(r, source, since_ms, most, count, why);
}
static inline enum err store_count_deliveries(struct store_reader *r, str destination,
                                              uint64_t after, uint64_t before,
                                              struct delivery_counts *out, struct reason *why)
{
    return r->store->ops->count_deliveries(r, destination, after, before, out, why);
}
static inline enum err store_count_attempts(struct store_reader *r, str destination, uint64_t after,
                                            uint64_t before, struct attempt_counts *out,
                                            struct reason *why)
{
    return r->store->ops->count_attempts(r, destination, after, before, out, why);
}
static inline enum err store_pending_destinations(struct store_reader *r, struct arena *a,
                                                  str **out, size_t *count, struct reason *why)
{
    return r->store->ops->pending_destinations(r, a, out, count, why);
}
static inline enum err store_move(struct store *s, enum store_move move,
                                  const struct delivery_filter *f, int64_t now_ms, uint64_t *moved,
                                  struct reason *why)
{
    struct store_tap *tap = atomic_load_explicit(&s->tap, memory_order_acquire);
    return tap ? tap_move(s, tap, move, f, now_ms, moved, why)
               : s->ops->move(s, move, f, now_ms, moved, why);
}
static inline enum err store_add_delivery(struct store *s, uint64_t event_id,
                                          const struct new_delivery *d, int64_t now_ms,
                                          struct reason *why)
{
    enum err err = s->ops->add_delivery(s, event_id, d, now_ms, why);
    struct store_tap *tap = atomic_load_explicit(&s->tap, memory_order_acquire);
    if (tap)
        tap_note(tap, event_id);
    return err;
}
static inline enum err store_add_attempts(struct store *s, const struct attempt *v, size_t count,
                                          struct reason *why)
{
    if (!s->ops->add_attempts)
        return fail(why, ERR_INVALID, "a store in memory is not filled from another");
    return s->ops->add_attempts(s, v, count, why);
}
static inline enum err store_restore(struct store *s, const struct delivery *v, size_t count,
                                     struct reason *why)
{
    if (!s->ops->restore)
        return fail(why, ERR_INVALID, "a store in memory is not filled from another");
    return s->ops->restore(s, v, count, why);
}
static inline enum err store_expunge(struct store *s, uint64_t id, uint32_t attempt,
                                     struct reason *why)
{
    if (!s->ops->expunge)
        return fail(why, ERR_INVALID, "the %s store can't take content out yet", s->ops->name);
    enum err err = s->ops->expunge(s, id, attempt, why);
    struct store_tap *tap = atomic_load_explicit(&s->tap, memory_order_acquire);
    if (tap && attempt)
        tap_delivery(s, tap, id);
    else if (tap)
        tap_note(tap, id);
    return err;
}
static inline enum err store_purge(struct store *s, const struct retention *r, int64_t now_ms,
                                   uint64_t *deleted, struct reason *why)
{
    return s->ops->purge(s, r, now_ms, deleted, why);
}
static inline enum err store_backup(struct store *s, const char *path,
                                    void (*progress)(uint64_t, uint64_t, void *), void *arg,
                                    struct reason *why)
{
    return s->ops->backup(s, path, progress, arg, why);
}
static inline struct store_reader *store_reader_open(struct store *s, struct reason *why)
{
    return s->ops->reader_open(s, why);
}
static inline void store_reader_close(struct store_reader *r)
{
    if (r)
        r->store->ops->reader_close(r);
}
static inline void store_close(struct store *s)
{
    if (s)
        s->ops->close(s);
}

#endif
