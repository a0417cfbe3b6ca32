/* copy_event.c -- an event, its deliveries and their attempts, out of one store and into another. A
 * new one goes in one commit with its deliveries and their outcomes; its earlier attempts go before
 * it: without their delivery they are seen by nobody. */
#include "store/copy_part.h"

#define DEDUPE_KEPT_MS (24 * 3600 * INT64_C(1000))
#define PAGE_DELIVERIES 1000

enum err copier_no_memory(struct reason *why)
{
    return fail(why, ERR_LIMIT, "a page of the source does not fit the memory set aside for it");
}

/* --- out of the source ------------------------------------------------------------------------ */

enum err copied_deliveries(struct store_reader *r, uint64_t event_id, struct arena *a,
                           struct delivery_list *out, struct reason *why)
{
    struct delivery_filter f = {
        .event_id = event_id, .state = -1, .ascending = true, .limit = PAGE_DELIVERIES};
    *out = (struct delivery_list){0};
    do {
        struct delivery_list page;
        enum err err = store_deliveries(r, &f, a, &page, why);
        if (err != ERR_OK)
            return err;
        struct delivery *v = ARENA_ARRAY(a, struct delivery, out->count + page.count + 1);
        if (!v)
            return copier_no_memory(why);
        if (out->count)
            memcpy(v, out->v, out->count * sizeof(*v));
        if (page.count)
            memcpy(v + out->count, page.v, page.count * sizeof(*v));
        out->v = v;
        out->count += page.count;
        f.after = page.next;
    } while (f.after);
    return ERR_OK;
}

static bool is_waiting(const struct delivery *d)
{
    return d->state == DELIVERY_PENDING || d->state == DELIVERY_CLAIMED;
}

/* What brings a claimed delivery into the state it has in the source. */
static struct settlement settlement_of(const struct delivery *d, const struct attempt *last)
{
    struct settlement t = {.delivery_id = d->id,
                           .event_id = d->event_id,
                           .state = is_waiting(d) ? DELIVERY_PENDING : d->state,
                           .next_ms = d->next_ms,
                           .settled_ms = d->settled_ms,
                           .attempts = d->attempts,
                           .reason = d->reason};
    if (last)
        t.attempt = *last;
    return t;
}

static enum err load_attempts(struct copier *c, struct copied *e, const struct delivery *d,
                              const struct attempt **last, struct reason *why)
{
    struct attempt_list list;
    enum err err = store_attempts(c->in, d->id, &c->a, &list, why);
    *last = NULL;
    if (err != ERR_OK || list.count == 0)
        return err;
    struct attempt *v = ARENA_ARRAY(&c->a, struct attempt, e->attempt_count + list.count);
    if (!v)
        return copier_no_memory(why);
    if (e->attempt_count)
        memcpy(v, e->attempts, e->attempt_count * sizeof(*v));
    for (size_t i = 0; i < list.count; i++) {
        struct attempt *x = &v[e->attempt_count + i];
        *x = list.v[i];
        x->event_id = d->event_id;
        x->destination = d->destination;
    }
    e->attempts = v;
    e->attempt_count += list.count;
    *last = &v[e->attempt_count - 1];
    return ERR_OK;
}

/* By which a repeat is known; how long each source asks for is not kept with the event. */
static enum err load_keys(struct copier *c, struct copied *e, struct reason *why)
{
    struct event *x = &e->event.event;
    int64_t age_ms = clock_wall_ms(clock_real()) - x->received_ms;
    if (!(x->flags & EVENT_LISTED)) {
        if (age_ms < DEDUPE_KEPT_MS && !(x->flags & EVENT_ID_REUSED))
            e->event.dedupe_window_ms = DEDUPE_KEPT_MS;
        return ERR_OK;
    }
    if (x->dedupe_key.n && age_ms < MESSAGE_ID_WINDOW_MS)
        e->keys[e->event.key_count++] = (struct event_key){
            .scope = arena_printf(&c->a, MESSAGE_ID_SCOPE STR_FMT, STR_ARG(x->source)),
            .key = x->dedupe_key,
            .window_ms = MESSAGE_ID_WINDOW_MS};
    return copied_keys(c, e, why);
}

enum err copied_load(struct copier *c, uint64_t id, struct copied *e, struct reason *why)
{
    struct delivery_list list;
    *e = (struct copied){.id = id};
    enum err err = store_load(c->in, id, 0, &c->a, &e->event.event, why);
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    if (err == ERR_OK)
        err = copied_deliveries(c->in, id, &c->a, &list, why);
    if (err != ERR_OK)
        return err;
    e->is_there = true;
    err = load_keys(c, e, why);
    e->deliveries = list.v;
    e->event.delivery_count = list.count;
    e->plans = ARENA_ARRAY(&c->a, struct new_delivery, list.count + 1);
    e->settlements = ARENA_ARRAY(&c->a, struct settlement, list.count + 1);
    if (!e->plans || !e->settlements)
        return copier_no_memory(why);
    e->event.deliveries = e->plans;
    for (size_t i = 0; i < list.count && err == ERR_OK; i++) {
        const struct delivery *d = &list.v[i];
        const struct attempt *last;
        e->plans[i] = (struct new_delivery){.id = d->id,
                                            .destination = d->destination,
                                            .route = d->route,
                                            .order_key = d->order_key,
                                            .claimed = true,
                                            .listed = d->listed,
                                            .next_ms = d->next_ms};
        err = load_attempts(c, e, d, &last, why);
        e->settlements[i] = settlement_of(d, last);
    }
    return err;
}

/* --- into the target -------------------------------------------------------------------------- */

static enum err put_batch(struct copier *c, struct copied *const *v, size_t count,
                          struct reason *why)
{
    struct batch b = {.event_count = count};
    struct new_event **event_tail = &b.events;
    struct settlement **tail = &b.settlements;
    for (size_t i = 0; i < count; i++) {
        struct new_event *e = &v[i]->event;
        e->keys = v[i]->keys;
        *event_tail = e;
        event_tail = &e->next;
        for (size_t k = 0; k < e->delivery_count; k++) {
            *tail = &v[i]->settlements[k];
            tail = &v[i]->settlements[k].next;
            b.settlement_count++;
        }
    }
    *event_tail = NULL;
    *tail = NULL;
    return count ? store_commit(c->to, &b, why) : ERR_OK;
}

static enum err add_attempts(struct copier *c, const struct copied *v, size_t count,
                             struct reason *why)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += v[i].attempt_count;
    struct attempt *all = ARENA_ARRAY(&c->a, struct attempt, n + 1);
    if (!all)
        return copier_no_memory(why);
    n = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < v[i].attempt_count; k++)
            all[n++] = v[i].attempts[k];
    c->p.attempts += n;
    return n ? store_add_attempts(c->to, all, n, why) : ERR_OK;
}

/* Takes away by what it was taken for a repeat. */
static void forget_match(struct copied *v)
{
    struct new_event *e = &v->event;
    if (e->matched == 0) {
        e->dedupe_window_ms = 0;
    } else {
        size_t behind = e->key_count - e->matched;
        memmove(&v->keys[e->matched - 1], &v->keys[e->matched], behind * sizeof(v->keys[0]));
        e->key_count--;
    }
    e->duplicate_of = 0;
    e->matched = 0;
}

/* The source may have had a shorter memory for repeats than is asked for here: what it took for two
 * events are two. */
static enum err put_repeats(struct copier *c, struct copied **v, size_t count, struct reason *why)
{
    enum err err = ERR_OK;
    while (err == ERR_OK && count) {
        size_t repeats = 0;
        for (size_t i = 0; i < count; i++) {
            if (v[i]->event.duplicate_of == 0)
                continue;
            forget_match(v[i]);
            v[repeats++] = v[i];
        }
        count = repeats;
        err = put_batch(c, v, count, why);
    }
    return err;
}

enum err copied_put(struct copier *c, struct copied *v, size_t count, struct reason *why)
{
    struct copied **all = ARENA_ARRAY(&c->a, struct copied *, count + 1);
    size_t n = 0;
    if (!all)
        return copier_no_memory(why);
    for (size_t i = 0; i < count; i++)
        if (v[i].is_there)
            all[n++] = &v[i];
    enum err err = add_attempts(c, v, count, why);
    if (err == ERR_OK)
        err = put_batch(c, all, n, why);
    for (size_t i = 0; i < n && err == ERR_OK; i++)
        c->p.deliveries += all[i]->event.delivery_count;
    c->p.events += n;
    return err == ERR_OK ? put_repeats(c, all, n, why) : err;
}

/* What is left of an event in the target that retention took out of the source is not delivered. */
static enum err cancel_all(struct copier *c, uint64_t event_id, struct reason *why)
{
    struct delivery_list list;
    size_t n = 0;
    enum err err = copied_deliveries(c->out, event_id, &c->a, &list, why);
    for (size_t i = 0; err == ERR_OK && i < list.count; i++) {
        if (!is_waiting(&list.v[i]))
            continue;
        list.v[n] = list.v[i];
        list.v[n].state = DELIVERY_CANCELLED;
        list.v[n].settled_ms = clock_wall_ms(clock_real());
        list.v[n++].reason = STR("not in the store that it was copied from any more");
    }
    return err == ERR_OK && n ? store_restore(c->to, list.v, n, why) : err;
}

static enum err expunge(struct copier *c, const struct copied *e, struct reason *why)
{
    enum err err = ERR_OK;
    if (e->event.event.flags & EVENT_EXPUNGED)
        err = store_expunge(c->to, e->id, 0, why);
    for (size_t i = 0; i < e->attempt_count && err == ERR_OK; i++) {
        const struct attempt *x = &e->attempts[i];
        if (x->request.n == 0 && x->response.n == 0)
            err = store_expunge(c->to, x->delivery_id, x->number, why);
    }
    return err;
}

enum err copied_mend(struct copier *c, struct copied *v, size_t count, struct reason *why)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += v[i].event.delivery_count;
    struct delivery *all = ARENA_ARRAY(&c->a, struct delivery, n + 1);
    if (!all)
        return copier_no_memory(why);
    n = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < v[i].event.delivery_count; k++)
            all[n++] = v[i].deliveries[k];
    enum err err = add_attempts(c, v, count, why);
    if (err == ERR_OK && n)
        err = store_restore(c->to, all, n, why);
    for (size_t i = 0; i < count && err == ERR_OK; i++)
        err = v[i].is_there ? expunge(c, &v[i], why) : cancel_all(c, v[i].id, why);
    c->p.mended += count;
    return err;
}

enum err copied_are_there(struct copier *c, const uint64_t *ids, size_t count, bool *there,
                          struct reason *why)
{
    size_t at = 0;
    while (at < count) {
        struct event_filter f = {.state = -1,
                                 .ascending = true,
                                 .after = ids[at] - 1,
                                 .before = ids[count - 1] + 1,
                                 .limit = 1000};
        struct event_list list;
        enum err err = store_events(c->out, &f, &c->a, &list, why);
        if (err != ERR_OK)
            return err;
        /* A page that is cut says nothing of what lies behind it. */
        uint64_t end = list.next ? list.next : UINT64_MAX;
        for (size_t k = 0; at < count && ids[at] <= end; at++) {
            while (k < list.count && list.v[k].event.id < ids[at])
                k++;
            there[at] = k < list.count && list.v[k].event.id == ids[at];
        }
    }
    return ERR_OK;
}
