/* store_memory_query.c -- what readers ask of the memory store. Everything is copied into the
 * caller's arena under the lock: nothing returned points into the store. */
#include "store/store_memory_rows.h"

#include "base/id.h"

#define SCAN_ROWS_MAX 20000u

static struct memory_store *store_of(struct store_reader *r)
{
    return memory_of(r->store);
}

struct store_reader *memory_reader_open(struct store *s, struct reason *why)
{
    struct store_reader *r = calloc(1, sizeof(*r));
    if (r)
        r->store = s;
    else
        fail(why, ERR_NOMEM, "no memory for a reader");
    return r;
}

void memory_reader_close(struct store_reader *r)
{
    free(r);
}

/* The strings of a row that are not set are empty, as those read from a disk are. */
static str copy(struct arena *a, str s)
{
    return s.n ? arena_str(a, s) : STR("");
}

static struct event copy_event(const struct event *from, struct arena *a, bool whole)
{
    struct event e = *from;
    e.source = copy(a, from->source);
    e.provider = copy(a, from->provider);
    e.type = copy(a, from->type);
    e.dedupe_key = copy(a, from->dedupe_key);
    e.verdict = copy(a, from->verdict);
    e.verdict_text = copy(a, from->verdict_text);
    e.method = copy(a, from->method);
    e.target = copy(a, from->target);
    e.peer = copy(a, from->peer);
    e.trace = copy(a, from->trace);
    e.head = whole ? copy(a, from->head) : STR("");
    e.body = whole ? copy(a, from->body) : STR("");
    return e;
}

struct delivery memory_copy_delivery(const struct memory_delivery *from, struct arena *a)
{
    struct delivery d = from->d;
    d.destination = copy(a, d.destination);
    d.route = copy(a, d.route);
    d.reason = copy(a, d.reason);
    d.locator = 0;
    return d;
}

enum err memory_load(struct store_reader *r, uint64_t id, uint64_t locator, struct arena *a,
                     struct event *out, struct reason *why)
{
    struct memory_store *s = store_of(r);
    UNUSED(locator);
    pthread_mutex_lock(&s->lock);
    const struct memory_event *e = idmap_get(&s->event_by_id, id);
    if (e)
        *out = copy_event(&e->e, a, true);
    pthread_mutex_unlock(&s->lock);
    if (!e)
        return fail(why, ERR_NOT_FOUND, "there is no such event; retention may have deleted it");
    return arena_ok(a) ? ERR_OK : out_of_arena(why);
}

/* --- lists ------------------------------------------------------------------------------------ */

static bool holds(str text, str needle)
{
    return str_find_str(text, needle) < text.n;
}

static bool is_in_time(int64_t at_ms, int64_t since_ms, int64_t until_ms)
{
    return (!since_ms || at_ms >= since_ms) && (!until_ms || at_ms < until_ms);
}

static bool selects_event(const struct event_filter *f, const struct memory_event *e)
{
    if (!is_in_time(e->e.received_ms, f->since_ms, f->until_ms) ||
        (f->listed && !(e->e.flags & EVENT_LISTED)) ||
        (f->source.n && !str_eq(f->source, e->e.source)) ||
        (f->type.n && !str_eq(f->type, e->e.type)) ||
        (f->text.n && !holds(e->e.head, f->text) && !holds(e->e.body, f->text)))
        return false;
    if (f->state < 0 && !f->destination.n)
        return true;
    for (const struct memory_delivery *d = e->deliveries; d; d = d->next)
        if ((f->state < 0 || (int)d->d.state == f->state) &&
            (!f->destination.n || str_eq(f->destination, d->d.destination)))
            return true;
    return false;
}

bool memory_selects(const struct delivery_filter *f, const struct memory_delivery *d)
{
    return (!f->id || d->d.id == f->id) && (!f->listed || d->d.listed) &&
           (!f->event_id || d->d.event_id == f->event_id) &&
           (f->state < 0 || (int)d->d.state == f->state) &&
           (!f->destination.n || str_eq(f->destination, d->d.destination)) &&
           (!f->source.n || str_eq(f->source, d->event->e.source)) &&
           (!f->type.n || str_eq(f->type, d->event->e.type)) &&
           (!f->cause.n || str_ends(d->d.reason, f->cause)) &&
           is_in_time(d->d.created_ms, f->since_ms, f->until_ms);
}

/* A walk over rows by id between two cursors, either way, over a bounded number of them. */
struct walk {
    const struct memory_rows *rows;
    size_t low, high; /* what is left: [low, high) */
    bool ascending;
    size_t looked, most;
};

static struct walk walk_of(const struct memory_rows *rows, uint64_t before, uint64_t after,
                           bool ascending)
{
    struct walk w = {
        .rows = rows, .high = rows->count, .ascending = ascending, .most = SCAN_ROWS_MAX};
    if (before)
        w.high = memory_find(rows, before);
    if (after)
        w.low = memory_find(rows, after + 1);
    return w;
}

/* For who counts: over all of them. */
static struct walk walk_all(const struct memory_rows *rows, uint64_t before, uint64_t after)
{
    struct walk w = walk_of(rows, before, after, false);
    w.most = SIZE_MAX;
    return w;
}

static const void *walk_next(struct walk *w)
{
    if (w->low >= w->high || w->looked == w->most)
        return NULL;
    w->looked++;
    return w->ascending ? w->rows->v[w->low++] : w->rows->v[--w->high];
}

/* The cursor to go on from: the row looked at last; 0 when nothing is left. */
static uint64_t walk_cursor(const struct walk *w)
{
    if (w->low >= w->high)
        return 0;
    return *(const uint64_t *)w->rows->v[w->ascending ? w->low - 1 : w->high];
}

enum err memory_events(struct store_reader *r, const struct event_filter *f, struct arena *a,
                       struct event_list *out, struct reason *why)
{
    struct memory_store *s = store_of(r);
    assert(f->limit <= 1000);
    *out = (struct event_list){.v = ARENA_ARRAY(a, struct event_row, f->limit + 1)};
    if (!out->v)
        return out_of_arena(why);
    pthread_mutex_lock(&s->lock);
    struct walk walk = walk_of(&s->events, f->before, f->after, f->ascending);
    const struct memory_event *e;
    while (out->count < f->limit && (e = walk_next(&walk)) != NULL) {
        if (!selects_event(f, e))
            continue;
        struct event_row *row = &out->v[out->count++];
        row->event = copy_event(&e->e, a, false);
        row->body_bytes = e->e.body.n;
        for (const struct memory_delivery *d = e->deliveries; d; d = d->next)
            row->by_state[d->d.state]++;
    }
    out->next = walk_cursor(&walk);
    pthread_mutex_unlock(&s->lock);
    return arena_ok(a) ? ERR_OK : out_of_arena(why);
}

enum err memory_deliveries(struct store_reader *r, const struct delivery_filter *f, struct arena *a,
                           struct delivery_list *out, struct reason *why)
{
    struct memory_store *s = store_of(r);
    assert(f->limit <= 1000);
    *out = (struct delivery_list){.v = ARENA_ARRAY(a, struct delivery, f->limit + 1)};
    if (!out->v)
        return out_of_arena(why);
    pthread_mutex_lock(&s->lock);
    struct walk walk = walk_of(&s->deliveries, f->before, f->after, f->ascending);
    const struct memory_delivery *d;
    while (out->count < f->limit && (d = walk_next(&walk)) != NULL)
        if (memory_selects(f, d))
            out->v[out->count++] = memory_copy_delivery(d, a);
    out->next = walk_cursor(&walk);
    pthread_mutex_unlock(&s->lock);
    return arena_ok(a) ? ERR_OK : out_of_arena(why);
}

static struct attempt copy_attempt(const struct attempt *from, struct arena *a)
{
    struct attempt c = *from;
    c.error_class = copy(a, from->error_class);
    c.summary = copy(a, from->summary);
    c.request = copy(a, from->request);
    c.response = copy(a, from->response);
    c.timing = copy(a, from->timing);
    return c;
}

enum err memory_attempts(struct store_reader *r, uint64_t delivery_id, struct arena *a,
                         struct attempt_list *out, struct reason *why)
{
    struct memory_store *s = store_of(r);
    *out = (struct attempt_list){0};
    pthread_mutex_lock(&s->lock);
    const struct memory_delivery *d = idmap_get(&s->delivery_by_id, delivery_id);
    size_t n = 0;
    for (const struct memory_attempt *m = d ? d->attempts : NULL; m; m = m->next)
        n++;
    out->v = ARENA_ARRAY(a, struct attempt, n + 1);
    for (const struct memory_attempt *m = d && out->v ? d->attempts : NULL; m; m = m->next)
        out->v[out->count++] = copy_attempt(&m->a, a);
    pthread_mutex_unlock(&s->lock);
    return arena_ok(a) ? ERR_OK : out_of_arena(why);
}

static bool selects_attempt(const struct attempt_filter *f, const struct memory_attempt *m)
{
    const struct memory_delivery *d = m->delivery;
    const struct attempt *x = &m->a;
    return (!f->id || x->id == f->id) &&
           (!f->destination.n || str_eq(f->destination, d->d.destination)) &&
           (!f->event_id || f->event_id == d->d.event_id) &&
           (!f->delivery_id || f->delivery_id == d->d.id) && attempt_is_wanted(f, x) &&
           (!f->event_type.n || str_eq(f->event_type, d->event->e.type));
}

enum err memory_attempt_log(struct store_reader *r, const struct attempt_filter *f, struct arena *a,
                            struct attempt_log *out, struct reason *why)
{
    struct memory_store *s = store_of(r);
    assert(f->limit <= 1000 && (f->destination.n || f->event_id));
    *out = (struct attempt_log){.v = ARENA_ARRAY(a, struct attempt, f->limit + 1)};
    if (!out->v)
        return out_of_arena(why);
    pthread_mutex_lock(&s->lock);
    struct walk walk = walk_of(&s->attempts, f->before, f->after, f->ascending);
    const struct memory_attempt *m;
    while (out->count < f->limit && (m = walk_next(&walk)) != NULL) {
        if (!selects_attempt(f, m))
            continue;
        struct attempt *x = &out->v[out->count++];
        *x = copy_attempt(&m->a, a);
        x->event_id = m->delivery->d.event_id;
        x->destination = copy(a, m->delivery->d.destination);
        x->event_type = copy(a, m->delivery->event->e.type);
    }
    out->next = walk_cursor(&walk);
    pthread_mutex_unlock(&s->lock);
    return arena_ok(a) ? ERR_OK : out_of_arena(why);
}

enum err memory_rejections(struct store_reader *r, uint64_t before, size_t limit, struct arena *a,
                           struct rejection_list *out, struct reason *why)
{
    struct memory_store *s = store_of(r);
    assert(limit <= 1000);
    *out = (struct rejection_list){.v = ARENA_ARRAY(a, struct rejection, limit + 1)};
    if (!out->v)
        return out_of_arena(why);
    pthread_mutex_lock(&s->lock);
    size_t i = s->rejection_count;
    while (i > 0 && out->count < limit) {
        const struct rejection *from =
            s->rejections[(s->rejection_first + --i) % MEMORY_REJECTIONS_KEPT];
        if (before && from->id >= before)
            continue;
        struct rejection *to = &out->v[out->count++];
        *to = *from;
        to->source = copy(a, from->source);
        to->verdict = copy(a, from->verdict);
        to->verdict_text = copy(a, from->verdict_text);
        to->method = copy(a, from->method);
        to->target = copy(a, from->target);
        to->peer = copy(a, from->peer);
        to->head = copy(a, from->head);
        to->body = copy(a, from->body);
    }
    out->next = i > 0 && out->count ? out->v[out->count - 1].id : 0;
    pthread_mutex_unlock(&s->lock);
    return arena_ok(a) ? ERR_OK : out_of_arena(why);
}

/* --- counts ----------------------------------------------------------------------------------- */

enum err memory_counts(struct store_reader *r, struct store_counts *out, struct reason *why)
{
    struct memory_store *s = store_of(r);
    const struct memory_delivery *oldest = NULL;
    UNUSED(why);
    pthread_mutex_lock(&s->lock);
    *out = (struct store_counts){.events = s->events.count,
                                 .rejected = s->rejected,
                                 .bytes = s->bytes,
                                 .max_id = s->max_id,
                                 .objects = s->objects.count,
                                 .object_sequence = s->objects.sequence};
    memcpy(out->by_state, s->by_state, sizeof(out->by_state));
    for (size_t i = 0; i < s->destination_count; i++) {
        struct list *open = &s->destination_list[i]->open;
        if (list_is_empty(open))
            continue;
        const struct memory_delivery *d = CONTAINER_OF(open->next, struct memory_delivery, open);
        if (!oldest || d->d.id < oldest->d.id)
            oldest = d;
    }
    if (oldest)
        out->oldest_pending_ms = oldest->d.created_ms;
    pthread_mutex_unlock(&s->lock);
    return ERR_OK;
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct queue_row *)a)->destination,
                   ((const struct queue_row *)b)->destination);
}

enum err memory_queues(struct store_reader *r, struct arena *a, struct queue_list *out,
                       struct reason *why)
{
    struct memory_store *s = store_of(r);
    pthread_mutex_lock(&s->lock);
    *out = (struct queue_list){.v = ARENA_ARRAY(a, struct queue_row, s->destination_count + 1)};
    for (size_t i = 0; out->v && i < s->destination_count; i++) {
        const struct memory_destination *d = s->destination_list[i];
        struct queue_row row = {.pending = d->by_state[DELIVERY_PENDING],
                                .claimed = d->by_state[DELIVERY_CLAIMED],
                                .dead = d->by_state[DELIVERY_DEAD]};
        if (row.pending + row.claimed + row.dead == 0)
            continue;
        row.destination = copy(a, d->name);
        if (!list_is_empty(&d->open))
            row.oldest_ms = CONTAINER_OF(d->open.next, struct memory_delivery, open)->d.created_ms;
        out->v[out->count++] = row;
    }
    pthread_mutex_unlock(&s->lock);
    if (!arena_ok(a))
        return out_of_arena(why);
    qsort(out->v, out->count, sizeof(*out->v), by_name);
    return ERR_OK;
}

enum err memory_count_listed(struct store_reader *r, str source, int64_t since_ms, int64_t most,
                             int64_t *count, struct reason *why)
{
    struct memory_store *s = store_of(r);
    const struct memory_event *e;
    uint64_t least = id_floor(since_ms);
    UNUSED(why);
    *count = 0;
    pthread_mutex_lock(&s->lock);
    struct walk walk = walk_all(&s->events, 0, 0);
    while (*count < most && (e = walk_next(&walk)) != NULL && e->e.id >= least)
        *count += (e->e.flags & EVENT_LISTED) && str_eq(e->e.source, source);
    pthread_mutex_unlock(&s->lock);
    return ERR_OK;
}

enum err memory_count_deliveries(struct store_reader *r, str destination, uint64_t after,
                                 uint64_t before, struct delivery_counts *out, struct reason *why)
{
    struct memory_store *s = store_of(r);
    const struct memory_delivery *d;
    UNUSED(why);
    *out = (struct delivery_counts){0};
    pthread_mutex_lock(&s->lock);
    struct walk walk = walk_all(&s->deliveries, before, after);
    while ((d = walk_next(&walk)) != NULL) {
        if (!d->d.listed || !str_eq(d->d.destination, destination))
            continue;
        out->by_state[d->d.state]++;
        out->retried += d->d.state == DELIVERY_PENDING && d->d.attempts > 0;
    }
    pthread_mutex_unlock(&s->lock);
    return ERR_OK;
}

enum err memory_count_attempts(struct store_reader *r, str destination, uint64_t after,
                               uint64_t before, struct attempt_counts *out, struct reason *why)
{
    struct memory_store *s = store_of(r);
    const struct memory_attempt *m;
    UNUSED(why);
    *out = (struct attempt_counts){0};
    pthread_mutex_lock(&s->lock);
    struct walk walk = walk_all(&s->attempts, before, after);
    while ((m = walk_next(&walk)) != NULL) {
        struct attempt_filter f = {.result = ATTEMPTS_ENDED};
        if (!str_eq(m->delivery->d.destination, destination))
            continue;
        if (m->a.result == ATTEMPT_SUCCESS)
            out->success++;
        else if (attempt_is_wanted(&f, &m->a))
            out->ended++;
        else
            out->failed++;
    }
    pthread_mutex_unlock(&s->lock);
    return ERR_OK;
}

enum err memory_pending_destinations(struct store_reader *r, struct arena *a, str **out,
                                     size_t *count, struct reason *why)
{
    struct memory_store *s = store_of(r);
    *count = 0;
    pthread_mutex_lock(&s->lock);
    *out = ARENA_ARRAY(a, str, s->destination_count + 1);
    for (size_t i = 0; *out && i < s->destination_count; i++)
        if (heap_peek(&s->destination_list[i]->due))
            (*out)[(*count)++] = copy(a, s->destination_list[i]->name);
    pthread_mutex_unlock(&s->lock);
    return arena_ok(a) ? ERR_OK : out_of_arena(why);
}
