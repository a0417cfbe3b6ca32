/* copy_part.h -- what the files of the copier share; nobody else includes it. */
#ifndef GAFF_STORE_COPY_PART_H
#define GAFF_STORE_COPY_PART_H

#include "store/copy.h"
#include "store/dedupe.h"

#define COPY_PAGE_EVENTS 100u
#define COPY_MARK_KIND "migration"

struct copier {
    struct store *from, *to;
    struct store_reader *in, *out;
    struct store_tap *tap;
    struct arena a; /* of the page at hand */
    struct copy_progress p;
    copy_tell_fn *tell;
    void *arg;
    uint64_t copied_to;  /* the greatest event id that was copied */
    uint64_t objects_at; /* sequence up to which objects were copied */
    bool objects_known;  /* the target has no others than the source */
    bool must_compare;
    bool keys_are_told; /* both hash keys alike */
};

enum err copier_no_memory(struct reason *why);
enum err copier_tell(struct copier *c, struct reason *why);

/* copy_event.c: one event with all that hangs on it, as the source has it */
struct copied {
    uint64_t id;
    bool is_there; /* in the source; else all else is empty */
    struct new_event event;
    struct delivery *deliveries; /* event.delivery_count */
    struct new_delivery *plans;
    struct settlement *settlements;
    struct attempt *attempts; /* with event_id and destination */
    size_t attempt_count;
    struct event_key keys[EVENT_KEYS_MAX];
};
enum err copied_load(struct copier *c, uint64_t id, struct copied *out, struct reason *why);
/* Events that the target has not. */
enum err copied_put(struct copier *c, struct copied *v, size_t count, struct reason *why);
/* Events that it has: brought into the state of the source. */
enum err copied_mend(struct copier *c, struct copied *v, size_t count, struct reason *why);
/* All deliveries of an event, oldest first. */
enum err copied_deliveries(struct store_reader *r, uint64_t event_id, struct arena *a,
                           struct delivery_list *out, struct reason *why);
/* Whether they are, each by itself: there[i]. Ids ascend. */
enum err copied_are_there(struct copier *c, const uint64_t *ids, size_t count, bool *there,
                          struct reason *why);

/* copy_key.c */
/* Adds what the source remembers of the request that made this message. */
enum err copied_keys(struct copier *c, struct copied *e, struct reason *why);
/* Adds to each sum what its store remembers of it. */
enum err copied_keys_sum(struct copier *c, const struct event *e, struct copy_sum *in,
                         struct copy_sum *out, struct reason *why);
/* The target hashes keys as the source does. ERR_CONFLICT: it can't. */
enum err copied_seed(struct copier *c, struct reason *why);

/* copy_object.c */
enum err copier_objects(struct copier *c, struct reason *why);

#endif
