/* store_memory.c -- the same contract in plain structures under one mutex, bounded by bytes. For
 * tests, examples, and whoever wants speed without durability. At the bound the oldest finished
 * events make room; when all are undelivered the answer is ERR_FULL. */
#include "store/store_memory.h"

#include "base/log.h"
#include "base/rand.h"
#include "store/store_memory_rows.h"

#define BYTES_MAX_DEFAULT ((size_t)256 << 20)
#define KEYS_KEPT (1u << 18)
#define REJECTION_BODY_MAX (64u << 10)

/* --- commit ----------------------------------------------------------------------------------- */

static size_t batch_bytes(const struct batch *b)
{
    size_t n = 0;
    for (const struct new_event *e = b->events; e; e = e->next) {
        n += sizeof(struct memory_event) + MEMORY_ROW_OVERHEAD + e->event.body.n + e->event.head.n +
             e->event.trace.n + e->event.target.n;
        n += e->delivery_count * (sizeof(struct memory_delivery) + MEMORY_ROW_OVERHEAD);
    }
    for (const struct object_set *t = b->sets; t; t = t->next)
        for (size_t i = 0; i < t->count; i++)
            n += sizeof(struct object) + MEMORY_ROW_OVERHEAD + t->changes[i].object.doc.n;
    return n;
}

static bool is_above(const struct memory_event *e, void *arg)
{
    UNUSED(e);
    const struct memory_store *s = arg;
    return s->bytes > s->bytes_max / 8 * 7;
}

static enum err make_room(struct memory_store *s, const struct batch *b, struct reason *why)
{
    size_t n = batch_bytes(b);
    if (n == 0 || s->bytes + n <= s->bytes_max)
        return ERR_OK;
    memory_delete(s, SIZE_MAX, is_above, s);
    if (s->bytes + n <= s->bytes_max)
        return ERR_OK;
    return fail(why, ERR_FULL,
                "the memory store holds %zu MiB, all of it undelivered; it takes no more before "
                "something is delivered",
                s->bytes >> 20);
}

/* True when one of the further keys is known; else they are remembered. */
static bool keys_match(struct memory_store *s, struct new_event *n)
{
    struct dedupe_entry k;
    uint64_t first;
    for (size_t i = 0; i < n->key_count; i++) {
        dedupe_key_entry(s->dedupe_seed, &n->event, &n->keys[i], &k);
        enum dedupe_answer answer = dedupe_find(s->dedupe, &k, n->keys[i].window_ms, &first);
        if (answer == DEDUPE_FRESH)
            continue;
        n->duplicate_of = first;
        n->matched = i + 1;
        n->same_hash = answer == DEDUPE_REPEAT;
        return true;
    }
    for (size_t i = 0; i < n->key_count; i++) {
        dedupe_key_entry(s->dedupe_seed, &n->event, &n->keys[i], &k);
        dedupe_add(s->dedupe, &k, ++s->keys);
    }
    return false;
}

static void supersede(struct memory_store *s, const struct memory_delivery *by)
{
    LIST_EACH(&by->destination->open, node)
    {
        struct memory_delivery *d = CONTAINER_OF(node, struct memory_delivery, open);
        if (d->d.state != DELIVERY_PENDING || d->d.order_key != by->d.order_key ||
            d->d.id >= by->d.id)
            continue;
        char text[SUPERSEDED_TEXT_MAX];
        memory_set_reason(s, d, superseded_text(by->d.id, text));
        d->d.settled_ms = by->d.created_ms;
        memory_set_state(s, d, DELIVERY_CANCELLED);
    }
}

static void commit_event(struct memory_store *s, struct new_event *n)
{
    n->duplicate_of = 0;
    n->matched = 0;
    n->locator = 0;
    if (!new_event_is_stored(n) || keys_match(s, n))
        return;
    if (n->dedupe_window_ms > 0 && n->event.dedupe_key.n) {
        struct dedupe_entry k;
        uint64_t first;
        dedupe_event_entry(s->dedupe_seed, &n->event, &k);
        enum dedupe_answer answer = dedupe_find(s->dedupe, &k, n->dedupe_window_ms, &first);
        if (answer == DEDUPE_REPEAT) {
            n->duplicate_of = first;
            return;
        }
        if (answer == DEDUPE_REUSED)
            n->event.flags |= EVENT_ID_REUSED;
        dedupe_add(s->dedupe, &k, ++s->keys);
        if (s->keys > KEYS_KEPT)
            dedupe_forget(s->dedupe, s->keys - KEYS_KEPT);
    }
    if (idmap_get(&s->event_by_id, n->event.id))
        return;
    struct memory_event *e = memory_copy_event(&n->event);
    memory_rows_add(&s->events, e);
    idmap_put(&s->event_by_id, e->e.id, e);
    s->bytes += e->bytes;
    n->locator = e->e.id;
    if (e->e.id > s->max_id)
        s->max_id = e->e.id;
    for (size_t i = 0; i < n->delivery_count; i++) {
        struct memory_delivery *d =
            memory_add_delivery_row(s, e, &n->deliveries[i], n->event.received_ms);
        if (d && n->deliveries[i].supersedes && d->d.order_key)
            supersede(s, d);
    }
}

static void commit_settlement(struct memory_store *s, const struct settlement *t)
{
    struct memory_delivery *d = idmap_get(&s->delivery_by_id, t->delivery_id);
    if (!d || d->d.state != DELIVERY_CLAIMED)
        return; /* the lease was lost */
    d->d.attempts = t->attempts;
    d->d.next_ms = t->next_ms;
    d->d.settled_ms = t->settled_ms;
    memory_set_reason(s, d, t->reason);
    memory_set_state(s, d, t->state);
    if (t->attempt.number)
        memory_add_attempt(s, d, &t->attempt);
}

static void commit_rejection(struct memory_store *s, const struct rejection *from)
{
    struct rejection r = *from;
    if (r.body.n > REJECTION_BODY_MAX)
        r.body.n = REJECTION_BODY_MAX;
    size_t n = sizeof(r) + r.source.n + r.verdict.n + r.verdict_text.n + r.method.n + r.target.n +
               r.peer.n + r.head.n + r.body.n;
    struct rejection *m = xmalloc(n);
    char *p = (char *)(m + 1);
    *m = r;
    m->source = memory_put(&p, r.source);
    m->verdict = memory_put(&p, r.verdict);
    m->verdict_text = memory_put(&p, r.verdict_text);
    m->method = memory_put(&p, r.method);
    m->target = memory_put(&p, r.target);
    m->peer = memory_put(&p, r.peer);
    m->head = memory_put(&p, r.head);
    m->body = memory_put(&p, r.body);
    size_t at = (s->rejection_first + s->rejection_count) % MEMORY_REJECTIONS_KEPT;
    if (s->rejection_count == MEMORY_REJECTIONS_KEPT) {
        free(s->rejections[at]);
        s->rejection_first = (s->rejection_first + 1) % MEMORY_REJECTIONS_KEPT;
    } else {
        s->rejection_count++;
    }
    s->rejections[at] = m;
    s->rejected++;
    if (r.id > s->max_id)
        s->max_id = r.id;
}

static enum err memory_commit(struct store *base, struct batch *b, struct reason *why)
{
    struct memory_store *s = memory_of(base);
    pthread_mutex_lock(&s->lock);
    enum err e = make_room(s, b, why);
    if (e == ERR_OK) {
        memory_object_commit(s, b->sets);
        for (struct new_event *n = b->events; n; n = n->next)
            commit_event(s, n);
        for (const struct settlement *t = b->settlements; t; t = t->next)
            commit_settlement(s, t);
        for (size_t i = 0; i < b->rejection_count; i++)
            commit_rejection(s, &b->rejections[i]);
    }
    pthread_mutex_unlock(&s->lock);
    return e;
}

/* --- leases ----------------------------------------------------------------------------------- */

static bool hand_out(struct memory_store *s, struct memory_delivery *d, struct arena *a,
                     struct delivery_list *out)
{
    memory_set_state(s, d, DELIVERY_CLAIMED);
    out->v[out->count] = memory_copy_delivery(d, a);
    out->v[out->count++].locator = d->event->e.id;
    return arena_ok(a);
}

/* By id, and of each order key only the first that is open. */
static void claim_in_order(struct memory_store *s, struct memory_destination *to,
                           const struct claim *c, struct arena *a, struct delivery_list *out,
                           int64_t *next_due_ms)
{
    struct idmap seen = {0};
    size_t taken = 0;
    LIST_EACH(&to->open, node)
    {
        struct memory_delivery *d = CONTAINER_OF(node, struct memory_delivery, open);
        bool blocked = d->d.order_key && idmap_get(&seen, d->d.order_key);
        if (d->d.order_key && !blocked)
            idmap_put(&seen, d->d.order_key, d);
        if (blocked || d->d.state != DELIVERY_PENDING)
            continue;
        if (d->d.next_ms > c->now_ms) {
            if (d->d.next_ms < *next_due_ms)
                *next_due_ms = d->d.next_ms;
        } else if (taken == c->max) {
            *next_due_ms = d->d.next_ms;
            break;
        } else {
            taken++;
            if (!hand_out(s, d, a, out))
                break;
        }
    }
    idmap_release(&seen);
}

static void claim_due(struct memory_store *s, struct memory_destination *to, const struct claim *c,
                      struct arena *a, struct delivery_list *out, int64_t *next_due_ms)
{
    struct heap_node *node = NULL;
    for (size_t i = 0; (node = heap_peek(&to->due)) != NULL; i++) {
        if (node->key > c->now_ms || i == c->max)
            break;
        if (!hand_out(s, CONTAINER_OF(node, struct memory_delivery, due), a, out))
            break;
    }
    if (node)
        *next_due_ms = node->key;
}

static enum err memory_claim(struct store *base, const struct claim *c, struct arena *a,
                             struct delivery_list *out, int64_t *next_due_ms, struct reason *why)
{
    struct memory_store *s = memory_of(base);
    *next_due_ms = INT64_MAX;
    struct delivery *v = ARENA_ARRAY(a, struct delivery, out->count + c->max + 1);
    if (!v)
        return fail(why, ERR_LIMIT, "the claimed deliveries do not fit the arena");
    if (out->count)
        memcpy(v, out->v, out->count * sizeof(*v));
    out->v = v;
    size_t before = out->count;
    enum err e = ERR_OK;
    pthread_mutex_lock(&s->lock);
    struct memory_destination *to = map_get(&s->destinations, c->destination);
    if (to && c->in_order)
        claim_in_order(s, to, c, a, out, next_due_ms);
    else if (to)
        claim_due(s, to, c, a, out, next_due_ms);
    if (!arena_ok(a)) {
        for (size_t i = before; i < out->count; i++)
            memory_set_state(s, idmap_get(&s->delivery_by_id, out->v[i].id), DELIVERY_PENDING);
        out->count = before;
        e = fail(why, ERR_LIMIT, "the claimed deliveries do not fit the arena");
    }
    pthread_mutex_unlock(&s->lock);
    return e;
}

static enum err memory_unclaim(struct store *base, const uint64_t *ids, size_t count,
                               struct reason *why)
{
    struct memory_store *s = memory_of(base);
    UNUSED(why);
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < count; i++) {
        struct memory_delivery *d = idmap_get(&s->delivery_by_id, ids[i]);
        if (d && d->d.state == DELIVERY_CLAIMED)
            memory_set_state(s, d, DELIVERY_PENDING);
    }
    pthread_mutex_unlock(&s->lock);
    return ERR_OK;
}

/* --- by hand ---------------------------------------------------------------------------------- */

static enum err memory_move(struct store *base, enum store_move move,
                            const struct delivery_filter *f, int64_t now_ms, uint64_t *moved,
                            struct reason *why)
{
    struct memory_store *s = memory_of(base);
    enum delivery_state to = move == STORE_REPLAY ? DELIVERY_PENDING : DELIVERY_CANCELLED;
    UNUSED(why);
    *moved = 0;
    pthread_mutex_lock(&s->lock);
    for (size_t i = s->deliveries.count; i-- > 0;) {
        struct memory_delivery *d = s->deliveries.v[i];
        if (d->d.state == DELIVERY_CLAIMED || !delivery_may_move(d->d.state, to) ||
            !memory_selects(f, d))
            continue;
        if (move == STORE_REPLAY)
            d->d.next_ms = now_ms;
        d->d.settled_ms = move == STORE_REPLAY ? 0 : now_ms;
        memory_set_reason(s, d, move == STORE_REPLAY ? STR("") : STR("cancelled by hand"));
        memory_set_state(s, d, to);
        ++*moved;
    }
    pthread_mutex_unlock(&s->lock);
    return ERR_OK;
}

static enum err memory_add_delivery(struct store *base, uint64_t event_id,
                                    const struct new_delivery *d, int64_t now_ms,
                                    struct reason *why)
{
    struct memory_store *s = memory_of(base);
    enum err e = ERR_OK;
    pthread_mutex_lock(&s->lock);
    struct memory_event *to = idmap_get(&s->event_by_id, event_id);
    if (!to)
        e = fail(why, ERR_NOT_FOUND, "there is no such event; retention may have deleted it");
    else if (!memory_add_delivery_row(s, to, d, now_ms))
        e = fail(why, ERR_CONFLICT, "there is a delivery with that id already");
    pthread_mutex_unlock(&s->lock);
    return e;
}

static enum err memory_expunge(struct store *base, uint64_t id, uint32_t attempt,
                               struct reason *why)
{
    struct memory_store *s = memory_of(base);
    enum err e = ERR_NOT_FOUND;
    pthread_mutex_lock(&s->lock);
    struct memory_event *event = attempt ? NULL : idmap_get(&s->event_by_id, id);
    struct memory_delivery *d = attempt ? idmap_get(&s->delivery_by_id, id) : NULL;
    if (event) {
        event->e.body = STR("");
        event->e.flags |= EVENT_EXPUNGED;
        e = ERR_OK;
    }
    for (struct memory_attempt *m = d ? d->attempts : NULL; m; m = m->next)
        if (m->a.number == attempt) {
            m->a.request = m->a.response = STR("");
            e = ERR_OK;
        }
    pthread_mutex_unlock(&s->lock);
    return e == ERR_OK ? e : fail(why, e, "there is no such event or attempt");
}

struct bounds {
    const struct memory_store *s;
    const struct retention *r;
    int64_t now_ms;
};

static bool is_beyond(const struct memory_event *e, void *arg)
{
    const struct bounds *b = arg;
    return (b->r->age_ms > 0 && e->e.received_ms <= b->now_ms - b->r->age_ms) ||
           (b->r->bytes > 0 && b->s->bytes > (size_t)b->r->bytes);
}

static enum err memory_purge(struct store *base, const struct retention *r, int64_t now_ms,
                             uint64_t *deleted, struct reason *why)
{
    struct memory_store *s = memory_of(base);
    struct bounds b = {s, r, now_ms};
    UNUSED(why);
    pthread_mutex_lock(&s->lock);
    *deleted = memory_delete(s, r->step, is_beyond, &b);
    memory_object_purge(s, now_ms, r->step);
    pthread_mutex_unlock(&s->lock);
    return ERR_OK;
}

static enum err memory_backup(struct store *base, const char *path,
                              void (*progress)(uint64_t done, uint64_t all, void *arg), void *arg,
                              struct reason *why)
{
    UNUSED(base);
    UNUSED(path);
    UNUSED(progress);
    UNUSED(arg);
    return fail(why, ERR_INVALID, "a memory store has nothing on disk to back up");
}

/* --- life ------------------------------------------------------------------------------------- */

static void memory_close(struct store *base)
{
    struct memory_store *s = memory_of(base);
    for (size_t i = 0; i < s->deliveries.count; i++)
        memory_free_delivery(s, s->deliveries.v[i]);
    for (size_t i = 0; i < s->events.count; i++)
        memory_free_event(s, s->events.v[i]);
    for (size_t i = 0; i < s->destination_count; i++) {
        heap_release(&s->destination_list[i]->due);
        free(s->destination_list[i]);
    }
    for (size_t i = 0; i < MEMORY_REJECTIONS_KEPT; i++)
        free(s->rejections[i]);
    memory_object_free(s);
    free(s->attempts.v);
    free(s->destination_list);
    free(s->events.v);
    free(s->deliveries.v);
    idmap_release(&s->event_by_id);
    idmap_release(&s->delivery_by_id);
    map_release(&s->destinations);
    dedupe_free(s->dedupe);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static const struct store_ops memory_ops = {
    .name = "memory",
    .commit = memory_commit,
    .claim = memory_claim,
    .unclaim = memory_unclaim,
    .load = memory_load,
    .events = memory_events,
    .deliveries = memory_deliveries,
    .attempts = memory_attempts,
    .attempt_log = memory_attempt_log,
    .object = memory_object,
    .objects = memory_objects,
    .object_changes = memory_object_changes,
    .rejections = memory_rejections,
    .counts = memory_counts,
    .queues = memory_queues,
    .count_listed = memory_count_listed,
    .count_deliveries = memory_count_deliveries,
    .count_attempts = memory_count_attempts,
    .pending_destinations = memory_pending_destinations,
    .move = memory_move,
    .add_delivery = memory_add_delivery,
    .expunge = memory_expunge,
    .purge = memory_purge,
    .backup = memory_backup,
    .reader_open = memory_reader_open,
    .reader_close = memory_reader_close,
    .close = memory_close,
};

struct store *store_memory_open(str size, const struct clock *clock, struct reason *why)
{
    uint64_t mib = BYTES_MAX_DEFAULT >> 20;
    if (size.n && (!str_to_u64(size, &mib) || mib == 0 || mib > SIZE_MAX >> 20)) {
        fail(why, ERR_INVALID, "\"memory:" STR_FMT "\": after the colon comes a number of MiB",
             STR_ARG(size));
        return NULL;
    }
    struct memory_store *s = xcalloc(1, sizeof(*s));
    s->base.ops = &memory_ops;
    s->clock = clock;
    s->bytes_max = (size_t)mib << 20;
    s->dedupe = dedupe_new(NULL, NULL);
    buf_init(&s->objects.key, 4096);
    rand_bytes(s->dedupe_seed, sizeof(s->dedupe_seed));
    pthread_mutex_init(&s->lock, NULL);
    return &s->base;
}
