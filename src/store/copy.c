/* copy.c -- page by page, oldest first: a page's events, deliveries and their outcomes are one
 * commit, so the greatest event id in the target tells where to go on. Older attempts go before
 * it: without their delivery they are seen by nobody. */
#include "store/copy.h"

#include "base/id.h"

#define PAGE_EVENTS 100u
#define PAGE_ARENA_MAX (1u << 30)
#define PAGE_BYTES_MAX (64u << 20)
#define DEDUPE_KEPT_MS (24 * 3600 * INT64_C(1000))
#define CLAIM_MAX 500u

struct copying {
    struct store *from, *to;
    struct store_reader *in, *out;
    struct arena a;
    struct copy_progress *p;
    void (*tell)(const struct copy_progress *p, void *arg);
    void *arg;
};

static enum err no_memory(struct reason *why)
{
    return fail(why, ERR_LIMIT, "a page of the source does not fit the memory set aside for it");
}

/* --- one event with all that hangs on it ------------------------------------------------------ */

struct loaded {
    struct new_event event;
    struct delivery *deliveries;
    struct new_delivery *plans;
    struct settlement *settlements;
    struct attempt *older; /* attempts but the last of each delivery */
    size_t older_count;
};

static bool is_claimed_or_pending(const struct delivery *d)
{
    return d->state == DELIVERY_PENDING || d->state == DELIVERY_CLAIMED;
}

/* What brings a claimed delivery into the state it has in the source. */
static struct settlement settlement_of(const struct delivery *d, const struct attempt *last)
{
    struct settlement t = {.delivery_id = d->id,
                           .event_id = d->event_id,
                           .state = is_claimed_or_pending(d) ? DELIVERY_PENDING : d->state,
                           .next_ms = d->next_ms,
                           .settled_ms = d->settled_ms,
                           .attempts = d->attempts,
                           .reason = d->reason};
    if (last)
        t.attempt = *last;
    return t;
}

static enum err load_attempts(struct copying *c, struct loaded *e, size_t i, struct reason *why)
{
    struct delivery *d = &e->deliveries[i];
    struct attempt_list list;
    enum err err = store_attempts(c->in, d->id, &c->a, &list, why);
    if (err != ERR_OK)
        return err;
    const struct attempt *last = list.count ? &list.v[list.count - 1] : NULL;
    e->settlements[i] = settlement_of(d, last);
    if (list.count > 1) {
        struct attempt *v = ARENA_ARRAY(&c->a, struct attempt, e->older_count + list.count);
        if (!v)
            return no_memory(why);
        if (e->older_count)
            memcpy(v, e->older, e->older_count * sizeof(*v));
        for (size_t k = 0; k + 1 < list.count; k++) {
            v[e->older_count] = list.v[k];
            v[e->older_count].event_id = d->event_id;
            v[e->older_count++].destination = d->destination;
        }
        e->older = v;
    }
    c->p->attempts += list.count;
    return ERR_OK;
}

/* Deliveries of an event, oldest first. */
static enum err load_deliveries(struct copying *c, uint64_t event_id, struct delivery_list *all,
                                struct reason *why)
{
    struct delivery_filter f = {
        .event_id = event_id, .state = -1, .ascending = true, .limit = 1000};
    return store_deliveries(c->in, &f, &c->a, all, why);
}

static enum err load_event(struct copying *c, uint64_t id, struct loaded *e, struct reason *why)
{
    struct delivery_list list;
    enum err err = store_load(c->in, id, 0, &c->a, &e->event.event, why);
    if (err == ERR_OK)
        err = load_deliveries(c, id, &list, why);
    if (err != ERR_OK)
        return err;
    int64_t age_ms = clock_wall_ms(clock_real()) - e->event.event.received_ms;
    bool fresh = age_ms < DEDUPE_KEPT_MS && !(e->event.event.flags & EVENT_ID_REUSED);
    e->event.dedupe_window_ms = fresh ? DEDUPE_KEPT_MS : 0;
    e->deliveries = list.v;
    e->event.delivery_count = list.count;
    e->plans = ARENA_ARRAY(&c->a, struct new_delivery, list.count + 1);
    e->settlements = ARENA_ARRAY(&c->a, struct settlement, list.count + 1);
    if (!e->plans || !e->settlements)
        return no_memory(why);
    e->event.deliveries = e->plans;
    for (size_t i = 0; i < list.count && err == ERR_OK; i++) {
        const struct delivery *d = &list.v[i];
        e->plans[i] = (struct new_delivery){.id = d->id,
                                            .destination = d->destination,
                                            .route = d->route,
                                            .order_key = d->order_key,
                                            .claimed = true,
                                            .listed = d->listed,
                                            .next_ms = d->next_ms};
        err = load_attempts(c, e, i, why);
    }
    return err;
}

/* --- a page ----------------------------------------------------------------------------------- */

static enum err put_page(struct copying *c, struct loaded *v, size_t count, struct reason *why)
{
    struct batch b = {.event_count = count};
    struct new_event **event_tail = &b.events;
    struct settlement **tail = &b.settlements;
    enum err err = ERR_OK;
    for (size_t i = 0; i < count && err == ERR_OK; i++) {
        *event_tail = &v[i].event;
        event_tail = &v[i].event.next;
        for (size_t k = 0; k < v[i].event.delivery_count; k++) {
            *tail = &v[i].settlements[k];
            tail = &v[i].settlements[k].next;
            b.settlement_count++;
        }
        if (v[i].older_count)
            err = store_add_attempts(c->to, v[i].older, v[i].older_count, why);
    }
    if (err == ERR_OK)
        err = store_commit(c->to, &b, why);
    c->p->events += count;
    c->p->deliveries += b.settlement_count;
    return err;
}

static enum err copy_page(struct copying *c, uint64_t *after, bool *more, struct reason *why)
{
    struct event_filter f = {.state = -1, .ascending = true, .after = *after, .limit = PAGE_EVENTS};
    struct event_list list;
    size_t count = 0, bytes = 0;
    arena_reset(&c->a);
    enum err err = store_events(c->in, &f, &c->a, &list, why);
    struct loaded *v = err == ERR_OK ? ARENA_ARRAY(&c->a, struct loaded, list.count + 1) : NULL;
    if (err == ERR_OK && !v)
        err = no_memory(why);
    for (; err == ERR_OK && count < list.count && bytes < PAGE_BYTES_MAX; count++) {
        err = load_event(c, list.v[count].event.id, &v[count], why);
        bytes += v[count].event.event.body.n;
    }
    if (err == ERR_OK && count)
        err = put_page(c, v, count, why);
    if (err != ERR_OK)
        return err;
    if (count)
        *after = list.v[count - 1].event.id;
    *more = count < list.count || list.next != 0;
    if (count == 0 && list.next)
        *after = list.next;
    return ERR_OK;
}

/* --- objects ---------------------------------------------------------------------------------- */

static enum err copy_objects(struct copying *c, struct reason *why)
{
    uint64_t after = 0;
    struct object_list list = {.more = true};
    while (list.more) {
        arena_reset(&c->a);
        enum err err = store_object_changes(c->in, after, 100, &c->a, &list, why);
        struct object_change *v =
            err == ERR_OK ? ARENA_ARRAY(&c->a, struct object_change, list.count + 1) : NULL;
        if (!v)
            return err == ERR_OK ? no_memory(why) : err;
        for (size_t i = 0; i < list.count; i++)
            v[i] = (struct object_change){.op = list.v[i].deleted ? OBJECT_DELETE : OBJECT_PUT,
                                          .object = list.v[i]};
        struct object_set set = {.changes = v, .count = list.count};
        struct batch b = {.sets = &set};
        if (list.count == 0)
            return ERR_OK;
        after = list.v[list.count - 1].sequence;
        err = store_commit(c->to, &b, why);
        if (err != ERR_OK)
            return err;
        if (set.err != ERR_OK)
            return fail(why, set.err, "an object of the source is at odds with one of the target");
        c->p->objects += list.count;
    }
    return ERR_OK;
}

/* --- what has changed since an earlier run ---------------------------------------------------- */

static enum err update_one(struct copying *c, const struct delivery *d, struct reason *why)
{
    struct delivery_filter f = {.id = d->id, .state = -1, .limit = 1};
    struct delivery_list there;
    struct attempt_list tries;
    enum err err = store_deliveries(c->in, &f, &c->a, &there, why);
    if (err == ERR_OK && there.count == 0)
        return store_unclaim(c->to, &d->id, 1, why);
    if (err == ERR_OK)
        err = store_attempts(c->in, d->id, &c->a, &tries, why);
    if (err != ERR_OK)
        return err;
    for (size_t i = 0; i < tries.count; i++) {
        tries.v[i].event_id = d->event_id;
        tries.v[i].destination = d->destination;
    }
    if (tries.count)
        err = store_add_attempts(c->to, tries.v, tries.count, why);
    struct settlement t = settlement_of(&there.v[0], NULL);
    struct batch b = {.settlements = &t, .settlement_count = 1};
    if (err == ERR_OK)
        err = store_commit(c->to, &b, why);
    c->p->updated += there.v[0].state != DELIVERY_PENDING;
    return err;
}

/* Takes all that waits for a destination, and puts each into the state it has in the source. */
static enum err update_destination(struct copying *c, str destination, struct reason *why)
{
    struct claim want = {.destination = destination, .now_ms = INT64_MAX / 4, .max = CLAIM_MAX};
    struct arena names;
    struct delivery_list all = {0}, page;
    int64_t due;
    enum err err;
    arena_init(&names, PAGE_ARENA_MAX);
    do { /* all first: what is given back would be claimed again */
        size_t before = all.count;
        err = store_claim(c->to, &want, &names, &all, &due, why);
        page.count = all.count - before;
    } while (err == ERR_OK && page.count == CLAIM_MAX);
    for (size_t i = 0; i < all.count && err == ERR_OK; i++) {
        arena_reset(&c->a);
        err = update_one(c, &all.v[i], why);
    }
    arena_release(&names);
    return err;
}

static enum err update_waiting(struct copying *c, struct reason *why)
{
    struct arena a;
    str *names;
    size_t count;
    arena_init(&a, 16u << 20);
    enum err err = store_pending_destinations(c->out, &a, &names, &count, why);
    for (size_t i = 0; i < count && err == ERR_OK; i++)
        err = update_destination(c, names[i], why);
    arena_release(&a);
    return err;
}

/* --- the whole -------------------------------------------------------------------------------- */

static enum err greatest_event(struct store_reader *r, struct arena *a, uint64_t *id,
                               struct reason *why)
{
    struct event_filter f = {.state = -1, .limit = 1};
    struct event_list list;
    enum err err = store_events(r, &f, a, &list, why);
    *id = err == ERR_OK && list.count ? list.v[0].event.id : 0;
    return err;
}

static enum err copy_all(struct copying *c, struct reason *why)
{
    struct store_counts counts;
    uint64_t after;
    bool more = true;
    enum err err = store_counts_get(c->in, &counts, why);
    c->p->events_all = counts.events;
    if (err == ERR_OK)
        err = copy_objects(c, why);
    if (err == ERR_OK)
        err = greatest_event(c->out, &c->a, &after, why);
    if (err == ERR_OK && after)
        err = update_waiting(c, why);
    while (err == ERR_OK && more) {
        err = copy_page(c, &after, &more, why);
        if (c->tell)
            c->tell(c->p, c->arg);
    }
    return err;
}

enum err store_copy(struct store *from, struct store *to, struct copy_progress *p,
                    void (*tell)(const struct copy_progress *p, void *arg), void *arg,
                    struct reason *why)
{
    struct copying c = {.from = from, .to = to, .p = p, .tell = tell, .arg = arg};
    enum err err = ERR_IO;
    *p = (struct copy_progress){0};
    arena_init(&c.a, PAGE_ARENA_MAX);
    c.in = store_reader_open(from, why);
    c.out = c.in ? store_reader_open(to, why) : NULL;
    if (c.out)
        err = copy_all(&c, why);
    store_reader_close(c.in);
    store_reader_close(c.out);
    arena_release(&c.a);
    return err;
}

/* --- comparing -------------------------------------------------------------------------------- */

static void mix(struct copy_sum *s, str bytes)
{
    s->hash = str_hash(bytes, s->hash);
}

static void mix_number(struct copy_sum *s, uint64_t v)
{
    mix(s, str_of((const char *)&v, sizeof(v)));
}

static enum err sum_event(struct store_reader *r, const struct event *e, struct arena *a,
                          struct copy_sum *s, struct reason *why)
{
    struct delivery_filter f = {.event_id = e->id, .state = -1, .ascending = true, .limit = 1000};
    struct delivery_list list;
    s->events++;
    mix_number(s, e->id);
    mix(s, str_of((const char *)e->body_hash, sizeof(e->body_hash)));
    mix(s, e->source);
    mix(s, e->type);
    enum err err = store_deliveries(r, &f, a, &list, why);
    for (size_t i = 0; err == ERR_OK && i < list.count; i++) {
        const struct delivery *d = &list.v[i];
        struct attempt_list tries;
        s->deliveries++;
        mix_number(s, d->id);
        mix(s, d->destination);
        mix_number(s, is_claimed_or_pending(d) ? DELIVERY_PENDING : (uint64_t)d->state);
        mix_number(s, d->attempts);
        err = store_attempts(r, d->id, a, &tries, why);
        for (size_t k = 0; err == ERR_OK && k < tries.count; k++) {
            s->attempts++;
            mix_number(s, tries.v[k].number);
            mix_number(s, (uint64_t)tries.v[k].status);
            mix(s, tries.v[k].summary);
        }
    }
    return err;
}

enum err store_sum(struct store *store, struct copy_sum *out, struct reason *why)
{
    struct store_reader *r = store_reader_open(store, why);
    struct event_filter f = {.state = -1, .ascending = true, .limit = PAGE_EVENTS};
    struct event_list list;
    struct arena a;
    enum err err = r ? ERR_OK : ERR_IO;
    *out = (struct copy_sum){0};
    arena_init(&a, PAGE_ARENA_MAX);
    for (bool more = true; err == ERR_OK && more; f.after = list.next) {
        arena_reset(&a);
        err = store_events(r, &f, &a, &list, why);
        for (size_t i = 0; err == ERR_OK && i < list.count; i++)
            err = sum_event(r, &list.v[i].event, &a, out, why);
        more = err == ERR_OK && list.next != 0;
    }
    arena_release(&a);
    store_reader_close(r);
    return err;
}
