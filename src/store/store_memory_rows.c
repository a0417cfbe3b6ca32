/* store_memory_rows.c -- the rows of the memory store: making, finding, changing and deleting them.
 * The store's lock is held by whoever calls. */
#include "store/store_memory_rows.h"

#include "base/log.h"

static_assert(offsetof(struct event, id) == 0 && offsetof(struct delivery, id) == 0 &&
                  offsetof(struct memory_event, e) == 0 &&
                  offsetof(struct memory_delivery, d) == 0 && offsetof(struct attempt, id) == 0 &&
                  offsetof(struct memory_attempt, a) == 0,
              "memory_find reads the id of each kind of row at its start");

/* --- rows ------------------------------------------------------------------------------------- */

static uint64_t row_id(const void *row)
{
    return *(const uint64_t *)row;
}

size_t memory_find(const struct memory_rows *rows, uint64_t id)
{
    size_t low = 0, high = rows->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (row_id(rows->v[mid]) < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

void memory_rows_add(struct memory_rows *rows, void *row)
{
    if (rows->count == rows->cap) {
        rows->cap = rows->cap ? rows->cap * 2 : 64;
        rows->v = xrealloc(rows->v, rows->cap * sizeof(void *));
    }
    size_t at = rows->count;
    if (at > 0 && row_id(rows->v[at - 1]) > row_id(row)) {
        at = memory_find(rows, row_id(row));
        memmove(rows->v + at + 1, rows->v + at, (rows->count - at) * sizeof(void *));
    }
    rows->v[at] = row;
    rows->count++;
}

str memory_put(char **p, str s)
{
    char *to = *p;
    if (s.n)
        memcpy(to, s.p, s.n);
    *p += s.n;
    return str_of(to, s.n);
}

struct memory_event *memory_copy_event(const struct event *from)
{
    const str all[] = {from->source,  from->provider,     from->type,   from->dedupe_key,
                       from->verdict, from->verdict_text, from->method, from->target,
                       from->peer,    from->head,         from->body,   from->trace};
    size_t n = sizeof(struct memory_event);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        n += all[i].n;
    struct memory_event *m = xmalloc(n);
    *m = (struct memory_event){.e = *from, .bytes = n + MEMORY_ROW_OVERHEAD};
    char *p = (char *)(m + 1);
    struct event *e = &m->e;
    str *const out[] = {&e->source,  &e->provider,     &e->type,   &e->dedupe_key,
                        &e->verdict, &e->verdict_text, &e->method, &e->target,
                        &e->peer,    &e->head,         &e->body,   &e->trace};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        *out[i] = memory_put(&p, all[i]);
    return m;
}

static struct memory_destination *destination(struct memory_store *s, str name)
{
    struct memory_destination *d = map_get(&s->destinations, name);
    if (d)
        return d;
    d = xcalloc(1, sizeof(*d) + name.n);
    char *p = (char *)(d + 1);
    d->name = memory_put(&p, name);
    list_init(&d->open);
    map_put(&s->destinations, name, d);
    s->destination_list =
        xrealloc(s->destination_list, (s->destination_count + 1) * sizeof(*s->destination_list));
    s->destination_list[s->destination_count++] = d;
    return d;
}

/* By id. New ones come in order and go to the end; replayed ones come newest first and meet their
 * place near the front. */
static void open_insert(struct memory_delivery *d)
{
    struct list *head = &d->destination->open;
    struct list *at = head;
    if (!list_is_empty(head) &&
        CONTAINER_OF(head->prev, struct memory_delivery, open)->d.id > d->d.id)
        for (at = head->next; CONTAINER_OF(at, struct memory_delivery, open)->d.id < d->d.id;)
            at = at->next;
    list_push(at, &d->open);
}

static void enter_state(struct memory_store *s, struct memory_delivery *d, bool was_open)
{
    s->by_state[d->d.state]++;
    d->destination->by_state[d->d.state]++;
    if (is_open(d->d.state) && !was_open)
        open_insert(d);
    else if (!is_open(d->d.state) && was_open)
        list_remove(&d->open);
    if (d->d.state == DELIVERY_PENDING)
        heap_push(&d->destination->due, &d->due, d->d.next_ms);
}

void memory_set_state(struct memory_store *s, struct memory_delivery *d, enum delivery_state to)
{
    bool was_open = is_open(d->d.state);
    assert(delivery_may_move(d->d.state, to));
    s->by_state[d->d.state]--;
    d->destination->by_state[d->d.state]--;
    heap_remove(&d->destination->due, &d->due);
    d->d.state = to;
    enter_state(s, d, was_open);
}

void memory_set_reason(struct memory_store *s, struct memory_delivery *d, str reason)
{
    free((char *)d->d.reason.p);
    s->bytes += reason.n - d->d.reason.n;
    d->bytes += reason.n - d->d.reason.n;
    char *p = reason.n ? xmalloc(reason.n) : NULL;
    d->d.reason = str_of(p, reason.n);
    if (p)
        memcpy(p, reason.p, reason.n);
}

struct memory_delivery *memory_add_delivery_row(struct memory_store *s, struct memory_event *e,
                                                const struct new_delivery *n, int64_t now_ms)
{
    if (idmap_get(&s->delivery_by_id, n->id))
        return NULL;
    struct memory_delivery *d = xcalloc(1, sizeof(*d) + n->route.n);
    char *p = (char *)(d + 1);
    d->destination = destination(s, n->destination);
    d->d = (struct delivery){.id = n->id,
                             .event_id = e->e.id,
                             .destination = d->destination->name,
                             .route = memory_put(&p, n->route),
                             .order_key = n->order_key,
                             .state = n->claimed ? DELIVERY_CLAIMED : DELIVERY_PENDING,
                             .listed = n->listed,
                             .created_ms = now_ms,
                             .next_ms = n->next_ms};
    d->bytes = sizeof(*d) + n->route.n + MEMORY_ROW_OVERHEAD;
    d->last_attempt = &d->attempts;
    d->event = e;
    struct memory_delivery **last = &e->deliveries;
    while (*last)
        last = &(*last)->next;
    *last = d;
    list_init(&d->open);
    enter_state(s, d, false);
    memory_rows_add(&s->deliveries, d);
    idmap_put(&s->delivery_by_id, n->id, d);
    s->bytes += d->bytes;
    if (n->id > s->max_id)
        s->max_id = n->id;
    return d;
}

void memory_add_attempt(struct memory_store *s, struct memory_delivery *d,
                        const struct attempt *from)
{
    size_t n = sizeof(struct memory_attempt) + from->error_class.n + from->summary.n +
               from->request.n + from->response.n + from->timing.n;
    struct memory_attempt *m = xmalloc(n);
    char *p = (char *)(m + 1);
    *m = (struct memory_attempt){.a = *from};
    m->a.delivery_id = d->d.id;
    m->a.error_class = memory_put(&p, from->error_class);
    m->a.summary = memory_put(&p, from->summary);
    m->a.request = memory_put(&p, from->request);
    m->a.response = memory_put(&p, from->response);
    m->a.timing = memory_put(&p, from->timing);
    m->delivery = d;
    if (m->a.id)
        memory_rows_add(&s->attempts, m);
    *d->last_attempt = m;
    d->last_attempt = &m->next;
    d->bytes += n;
    s->bytes += n;
}

void memory_free_delivery(struct memory_store *s, struct memory_delivery *d)
{
    s->by_state[d->d.state]--;
    d->destination->by_state[d->d.state]--;
    idmap_remove(&s->delivery_by_id, d->d.id);
    heap_remove(&d->destination->due, &d->due);
    list_remove(&d->open);
    while (d->attempts) {
        struct memory_attempt *next = d->attempts->next;
        free(d->attempts);
        d->attempts = next;
    }
    free((char *)d->d.reason.p);
    free(d);
}

void memory_free_event(struct memory_store *s, struct memory_event *e)
{
    idmap_remove(&s->event_by_id, e->e.id);
    s->bytes -= e->bytes;
    free(e);
}

/* --- deleting --------------------------------------------------------------------------------- */

static bool is_finished(const struct memory_event *e)
{
    for (const struct memory_delivery *d = e->deliveries; d; d = d->next)
        if (is_open(d->d.state))
            return false;
    return true;
}

static void free_gone(struct memory_store *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->attempts.count; i++)
        if (!((struct memory_attempt *)s->attempts.v[i])->delivery->is_gone)
            s->attempts.v[kept++] = s->attempts.v[i];
    s->attempts.count = kept;
    kept = 0;
    for (size_t i = 0; i < s->deliveries.count; i++) {
        struct memory_delivery *d = s->deliveries.v[i];
        if (d->is_gone)
            memory_free_delivery(s, d);
        else
            s->deliveries.v[kept++] = d;
    }
    s->deliveries.count = kept;
}

/* Marks first and frees in one pass over each array at the end. */
uint64_t memory_delete(struct memory_store *s, size_t most,
                       bool (*more)(const struct memory_event *e, void *arg), void *arg)
{
    uint64_t deleted = 0;
    size_t kept = 0, i = 0;
    for (; i < s->events.count; i++) {
        struct memory_event *e = s->events.v[i];
        if (deleted == most || !more(e, arg))
            break;
        if (!is_finished(e)) {
            s->events.v[kept++] = e;
            continue;
        }
        for (struct memory_delivery *d = e->deliveries; d; d = d->next) {
            d->is_gone = true;
            s->bytes -= d->bytes;
        }
        memory_free_event(s, e);
        deleted++;
    }
    if (deleted == 0)
        return 0;
    memmove(s->events.v + kept, s->events.v + i, (s->events.count - i) * sizeof(void *));
    s->events.count -= i - kept;
    free_gone(s);
    return deleted;
}
