/* store_memory_rows.h -- what the files of the memory store share: rows and where they hang. */
#ifndef GAFF_STORE_STORE_MEMORY_ROWS_H
#define GAFF_STORE_STORE_MEMORY_ROWS_H

#include "base/buf.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "store/dedupe.h"
#include "store/store.h"

#include <pthread.h>

#define MEMORY_REJECTIONS_KEPT 1000u
#define MEMORY_ROW_OVERHEAD 64u /* of the allocator and the indexes, about */

struct memory_attempt {
    struct attempt a; /* its strings lie behind the struct */
    struct memory_attempt *next;
    struct memory_delivery *delivery;
};

struct memory_objects { /* store_memory_object.c */
    struct object **v;  /* by kind and id; strings lie behind each */
    size_t count, cap;
    struct map names;
    struct object **gone; /* the deleted, in the order they went */
    size_t gone_count, gone_cap;
    uint64_t sequence;
    struct buf key; /* of `names`, being put together */
};

struct memory_destination {
    str name;         /* owned */
    struct heap due;  /* of the pending, by next_ms */
    struct list open; /* pending and claimed, by id */
    uint64_t by_state[DELIVERY_STATE_COUNT];
};

struct memory_event {
    struct event e; /* its strings lie behind the struct */
    struct memory_delivery *deliveries;
    size_t bytes;
};

struct memory_delivery {
    struct delivery d;
    struct memory_event *event;
    struct memory_delivery *next; /* of the same event */
    struct memory_destination *destination;
    struct heap_node due;
    struct list open;
    struct memory_attempt *attempts, **last_attempt;
    size_t bytes;
    bool is_gone; /* its event is being deleted */
};

struct memory_rows { /* pointers in the order of their ids */
    void **v;
    size_t count, cap;
};

struct memory_store {
    struct store base;
    const struct clock *clock;
    pthread_mutex_t lock; /* guards everything below */
    size_t bytes, bytes_max;
    struct memory_rows events, deliveries;
    struct memory_rows attempts; /* those with an id */
    struct memory_objects objects;
    struct idmap event_by_id, delivery_by_id;
    struct map destinations;
    struct memory_destination **destination_list;
    size_t destination_count;
    struct rejection *rejections[MEMORY_REJECTIONS_KEPT]; /* a ring; newest at rejected - 1 */
    size_t rejection_first, rejection_count;
    uint64_t rejected, max_id;
    uint64_t by_state[DELIVERY_STATE_COUNT];
    struct dedupe *dedupe;
    uint8_t dedupe_seed[DEDUPE_SEED_BYTES];
    uint64_t keys; /* seen so far; the LSN of dedupe.h */
};

static inline struct memory_store *memory_of(struct store *s)
{
    return (struct memory_store *)(void *)s;
}
static inline bool is_open(enum delivery_state s)
{
    return s == DELIVERY_PENDING || s == DELIVERY_CLAIMED;
}

/* Copies s to *p, moves *p behind it, and returns the copy. */
str memory_put(char **p, str s);
void memory_rows_add(struct memory_rows *rows, void *row);
struct memory_event *memory_copy_event(const struct event *from);
void memory_add_attempt(struct memory_store *s, struct memory_delivery *d,
                        const struct attempt *from);
void memory_free_event(struct memory_store *s, struct memory_event *e);
void memory_free_delivery(struct memory_store *s, struct memory_delivery *d);
/* The one way to change a state: keeps the heap, the list and the counters in step. */
void memory_set_state(struct memory_store *s, struct memory_delivery *d, enum delivery_state to);
void memory_set_reason(struct memory_store *s, struct memory_delivery *d, str reason);
struct memory_delivery *memory_add_delivery_row(struct memory_store *s, struct memory_event *e,
                                                const struct new_delivery *n, int64_t now_ms);
/* Deletes finished events from the oldest on while `more` says so. */
uint64_t memory_delete(struct memory_store *s, size_t most,
                       bool (*more)(const struct memory_event *e, void *arg), void *arg);
/* Index of the first row whose id is not below id; rows are events or deliveries, whose id is
 * their first member. */
size_t memory_find(const struct memory_rows *rows, uint64_t id);

/* --- store_memory_query.c ------------------------------------------------------------------------
 */

/* True when the filter selects it (limit and before aside). */
bool memory_selects(const struct delivery_filter *f, const struct memory_delivery *d);
struct delivery memory_copy_delivery(const struct memory_delivery *d, struct arena *a);
struct store_reader *memory_reader_open(struct store *s, struct reason *why);
void memory_reader_close(struct store_reader *r);
enum err memory_load(struct store_reader *r, uint64_t id, uint64_t locator, struct arena *a,
                     struct event *out, struct reason *why);
enum err memory_events(struct store_reader *r, const struct event_filter *f, struct arena *a,
                       struct event_list *out, struct reason *why);
enum err memory_deliveries(struct store_reader *r, const struct delivery_filter *f, struct arena *a,
                           struct delivery_list *out, struct reason *why);
enum err memory_attempts(struct store_reader *r, uint64_t delivery_id, struct arena *a,
                         struct attempt_list *out, struct reason *why);
enum err memory_attempt_log(struct store_reader *r, const struct attempt_filter *f, struct arena *a,
                            struct attempt_log *out, struct reason *why);
enum err memory_rejections(struct store_reader *r, uint64_t before, size_t limit, struct arena *a,
                           struct rejection_list *out, struct reason *why);
enum err memory_count_deliveries(struct store_reader *r, str destination, uint64_t after,
                                 uint64_t before, struct delivery_counts *out, struct reason *why);
enum err memory_count_attempts(struct store_reader *r, str destination, uint64_t after,
                               uint64_t before, struct attempt_counts *out, struct reason *why);
enum err memory_count_listed(struct store_reader *r, str source, int64_t since_ms, int64_t most,
                             int64_t *count, struct reason *why);
enum err memory_counts(struct store_reader *r, struct store_counts *out, struct reason *why);
enum err memory_queues(struct store_reader *r, struct arena *a, struct queue_list *out,
                       struct reason *why);
enum err memory_pending_destinations(struct store_reader *r, struct arena *a, str **out,
                                     size_t *count, struct reason *why);

/* --- store_memory_object.c -----------------------------------------------------------------------
 */

void memory_object_commit(struct memory_store *s, struct object_set *sets);
void memory_object_purge(struct memory_store *s, int64_t now_ms, size_t most);
void memory_object_free(struct memory_store *s);
enum err memory_object(struct store_reader *r, str kind, str id, str parent, str name,
                       struct arena *a, struct object *out, struct reason *why);
enum err memory_objects(struct store_reader *r, const struct object_filter *f, struct arena *a,
                        struct object_list *out, struct reason *why);
enum err memory_object_changes(struct store_reader *r, uint64_t after, size_t limit,
                               struct arena *a, struct object_list *out, struct reason *why);

#endif
