/* copy_compare.c -- every event of the source beside its twin, by counts and hashes; what differs
 * is brought over again and looked at once more. Hashes are summed, so that the order is nobody's
 * matter. What may differ: when a delivery is due (clocks), and who holds it. */
#include "store/copy_part.h"

static void mix(struct copy_sum *s, str bytes)
{
    s->hash = str_hash(bytes, s->hash);
}

static void mix_number(struct copy_sum *s, uint64_t v)
{
    mix(s, str_of((const char *)&v, sizeof(v)));
}

static enum err mix_delivery(struct store_reader *r, const struct delivery *d, struct arena *a,
                             struct copy_sum *s, struct reason *why)
{
    struct attempt_list tries;
    s->deliveries++;
    mix_number(s, d->id);
    mix(s, d->destination);
    mix(s, d->route);
    mix_number(s, d->order_key);
    mix_number(s, d->state == DELIVERY_CLAIMED ? DELIVERY_PENDING : (uint64_t)d->state);
    mix_number(s, d->attempts);
    mix_number(s, (uint64_t)d->created_ms);
    mix_number(s, d->listed);
    enum err err = store_attempts(r, d->id, a, &tries, why);
    for (size_t i = 0; err == ERR_OK && i < tries.count; i++) {
        s->attempts++;
        mix_number(s, tries.v[i].number);
        mix_number(s, (uint64_t)tries.v[i].status);
        mix(s, tries.v[i].summary);
        mix_number(s, tries.v[i].request.n);
        mix(s, tries.v[i].response);
    }
    return err;
}

static enum err sum_event(struct store_reader *r, const struct event_row *row, struct arena *a,
                          struct copy_sum *s, struct reason *why)
{
    const struct event *e = &row->event;
    struct delivery_list list;
    *s = (struct copy_sum){.events = 1};
    mix_number(s, e->id);
    mix_number(s, (uint64_t)e->received_ms);
    mix_number(s, e->flags & (EVENT_EXPUNGED | EVENT_LISTED));
    mix_number(s, row->body_bytes);
    mix(s, str_of((const char *)e->body_hash, sizeof(e->body_hash)));
    mix(s, e->source);
    mix(s, e->type);
    mix(s, e->dedupe_key);
    enum err err = copied_deliveries(r, e->id, a, &list, why);
    for (size_t i = 0; err == ERR_OK && i < list.count; i++)
        err = mix_delivery(r, &list.v[i], a, s, why);
    return err;
}

static void add(struct copy_sum *all, const struct copy_sum *one)
{
    all->events += one->events;
    all->deliveries += one->deliveries;
    all->attempts += one->attempts;
    all->keys += one->keys;
    all->hash += one->hash;
}

/* The row of one event; one without an id when there is none. */
static enum err look_up(struct store_reader *r, uint64_t id, struct arena *a, struct event_row *out,
                        struct reason *why)
{
    struct event_filter f = {
        .state = -1, .ascending = true, .after = id - 1, .before = id + 1, .limit = 1};
    struct event_list list;
    enum err err = store_events(r, &f, a, &list, why);
    *out = err == ERR_OK && list.count ? list.v[0] : (struct event_row){0};
    return err;
}

static enum err bring_over(struct copier *c, uint64_t id, bool there, struct reason *why)
{
    struct copied e;
    enum err err = copied_load(c, id, &e, why);
    if (err != ERR_OK)
        return err;
    return there ? copied_mend(c, &e, 1, why) : copied_put(c, &e, 1, why);
}

/* A source that is at work may change between the two looks: those of an event follow each other
 * closely, and it gets some. */
static enum err compare_event(struct copier *c, struct event_row in, struct event_row out,
                              struct reason *why)
{
    struct copy_sum a, b;
    uint64_t id = in.event.id;
    for (int look = 0; look < 5; look++) {
        enum err err = look ? look_up(c->in, id, &c->a, &in, why) : ERR_OK;
        if (err == ERR_OK && look)
            err = look_up(c->out, id, &c->a, &out, why);
        a = b = (struct copy_sum){0};
        if (err == ERR_OK && in.event.id)
            err = sum_event(c->in, &in, &c->a, &a, why);
        if (err == ERR_OK && in.event.id && out.event.id)
            err = sum_event(c->out, &out, &c->a, &b, why);
        if (err == ERR_OK && memcmp(&a, &b, sizeof(a)) == 0)
            break;
        if (err == ERR_OK)
            err = bring_over(c, id, out.event.id != 0, why);
        if (err != ERR_OK)
            return err;
    }
    /* One that changes all the time is noted by the tap, and looked at in the end. */
    if (c->tap && memcmp(&a, &b, sizeof(a)) != 0)
        b = a;
    enum err err = in.event.id ? copied_keys_sum(c, &in.event, &a, &b, why) : ERR_OK;
    if (err != ERR_OK)
        return err;
    add(&c->p.from, &a);
    add(&c->p.to, &b);
    c->p.compared++;
    return ERR_OK;
}

/* Finds the target's twin of each; those between them retention took out of the source. */
static enum err find_twins(struct copier *c, const struct event_list *in, struct event_row *twins,
                           uint64_t after, uint64_t before, struct reason *why)
{
    struct event_filter f = {
        .state = -1, .ascending = true, .after = after, .before = before, .limit = 1000};
    struct event_list list;
    size_t at = 0;
    do {
        enum err err = store_events(c->out, &f, &c->a, &list, why);
        for (size_t i = 0; err == ERR_OK && i < list.count; i++) {
            uint64_t id = list.v[i].event.id;
            while (at < in->count && in->v[at].event.id < id)
                at++;
            if (at < in->count && in->v[at].event.id == id) {
                twins[at] = list.v[i];
                continue;
            }
            struct copied gone = {.id = id};
            c->p.extra++;
            err = copied_mend(c, &gone, 1, why);
        }
        if (err != ERR_OK)
            return err;
        f.after = list.next;
    } while (list.next);
    return ERR_OK;
}

static enum err compare_page(struct copier *c, uint64_t *after, uint64_t until, bool *more,
                             struct reason *why)
{
    struct event_filter f = {.state = -1,
                             .ascending = true,
                             .after = *after,
                             .before = until,
                             .limit = COPY_PAGE_EVENTS};
    struct event_row twins[COPY_PAGE_EVENTS] = {0};
    struct event_list list;
    arena_reset(&c->a);
    enum err err = store_events(c->in, &f, &c->a, &list, why);
    if (err != ERR_OK)
        return err;
    err = find_twins(c, &list, twins, *after, list.next ? list.next + 1 : until, why);
    for (size_t i = 0; i < list.count && err == ERR_OK; i++)
        err = compare_event(c, list.v[i], twins[i], why);
    *more = list.next != 0;
    *after = list.next;
    return err == ERR_OK ? copier_tell(c, why) : err;
}

enum err copier_compare(struct copier *c, struct reason *why)
{
    uint64_t after = 0, until = c->tap ? c->copied_to + 1 : UINT64_MAX >> 1;
    bool more = true;
    enum err err = ERR_OK;
    c->p.from = c->p.to = (struct copy_sum){0};
    c->p.extra = c->p.compared = 0;
    c->must_compare = false;
    while (err == ERR_OK && more)
        err = compare_page(c, &after, until, &more, why);
    if (err != ERR_OK)
        c->must_compare = true;
    else if (memcmp(&c->p.from, &c->p.to, sizeof(c->p.from)) != 0)
        err =
            fail(why, ERR_CONFLICT, "the two differ: was something still at work on one of them?");
    return err;
}
