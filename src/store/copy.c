/* copy.c -- the course of a copy. New events go page by page, oldest first, so the greatest id in
 * the target tells where a later run goes on; all that was copied before is compared once a run,
 * which also meets what has changed meanwhile. From then on the tap tells of changes.
 *
 * No change is missed: the tap's limit is raised to where a round of reading will end before any
 * of it is read. What is committed below it later is noted; above it, a later round reads it. */
#include "store/copy_part.h"

#include "base/id.h"
#include "base/log.h"

#include <stdlib.h>

#define PAGE_ARENA_MAX (1u << 30)
#define PAGE_BYTES_MAX (64u << 20)

struct copier *copier_new(struct store *from, struct store *to, struct store_tap *tap,
                          copy_tell_fn *tell, void *arg, struct reason *why)
{
    struct copier *c = xcalloc(1, sizeof(*c));
    c->from = from;
    c->to = to;
    c->tap = tap;
    c->tell = tell;
    c->arg = arg;
    arena_init(&c->a, PAGE_ARENA_MAX);
    c->in = store_reader_open(from, why);
    c->out = c->in ? store_reader_open(to, why) : NULL;
    if (!c->out) {
        copier_free(c);
        return NULL;
    }
    c->keys_are_told = from->key_seed && to->key_seed &&
                       memcmp(from->key_seed, to->key_seed, DEDUPE_SEED_BYTES) == 0;
    return c;
}

void copier_free(struct copier *c)
{
    if (!c)
        return;
    store_reader_close(c->in);
    store_reader_close(c->out);
    arena_release(&c->a);
    free(c);
}

const struct copy_progress *copier_progress(const struct copier *c)
{
    return &c->p;
}

enum err copier_tell(struct copier *c, struct reason *why)
{
    if (!c->tell || c->tell(&c->p, c->arg))
        return ERR_OK;
    return fail(why, ERR_CLOSED, "the copy was ended before it was whole");
}

/* --- copying ---------------------------------------------------------------------------------- */

static enum err greatest_event(struct store_reader *r, struct arena *a, uint64_t *id,
                               struct reason *why)
{
    struct event_filter f = {.state = -1, .limit = 1};
    struct event_list list;
    enum err err = store_events(r, &f, a, &list, why);
    *id = err == ERR_OK && list.count ? list.v[0].event.id : 0;
    return err;
}

static enum err copy_page(struct copier *c, uint64_t until, bool *more, struct reason *why)
{
    struct event_filter f = {.state = -1,
                             .ascending = true,
                             .after = c->copied_to,
                             .before = until,
                             .limit = COPY_PAGE_EVENTS};
    struct event_list list;
    size_t count = 0, bytes = 0;
    arena_reset(&c->a);
    enum err err = store_events(c->in, &f, &c->a, &list, why);
    struct copied *v = err == ERR_OK ? ARENA_ARRAY(&c->a, struct copied, list.count + 1) : NULL;
    if (err == ERR_OK && !v)
        err = copier_no_memory(why);
    for (; err == ERR_OK && count < list.count && bytes < PAGE_BYTES_MAX; count++) {
        err = copied_load(c, list.v[count].event.id, &v[count], why);
        bytes += v[count].event.event.body.n;
    }
    if (err == ERR_OK && count)
        err = copied_put(c, v, count, why);
    if (err != ERR_OK)
        return err;
    if (count)
        c->copied_to = list.v[count - 1].event.id;
    else if (list.next)
        c->copied_to = list.next;
    *more = count < list.count || list.next != 0;
    return ERR_OK;
}

/* All before the id `until`. */
static enum err copy_events(struct copier *c, uint64_t until, struct reason *why)
{
    struct store_counts counts;
    bool more = true;
    enum err err = store_counts_get(c->in, &counts, why);
    if (err == ERR_OK)
        c->p.events_all = counts.events;
    if (c->tap && until - 1 > atomic_load(&c->tap->limit))
        atomic_store(&c->tap->limit, until - 1);
    while (err == ERR_OK && more && c->copied_to < until - 1) {
        err = copy_page(c, until, &more, why);
        if (err == ERR_OK)
            err = copier_tell(c, why);
    }
    if (err == ERR_OK) /* what is committed below it from now on is noted */
        c->copied_to = until - 1;
    return err;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Loads these events and brings them into the target, whether it has them or not. */
static enum err bring(struct copier *c, uint64_t *ids, size_t count, struct reason *why)
{
    struct copied *old = ARENA_ARRAY(&c->a, struct copied, count + 1);
    struct copied *fresh = ARENA_ARRAY(&c->a, struct copied, count + 1);
    bool *there = ARENA_ARRAY(&c->a, bool, count + 1);
    size_t olds = 0, freshs = 0;
    if (!old || !fresh || !there)
        return copier_no_memory(why);
    qsort(ids, count, sizeof(*ids), by_number);
    enum err err = copied_are_there(c, ids, count, there, why);
    for (size_t i = 0; i < count && err == ERR_OK; i++)
        err = copied_load(c, ids[i], there[i] ? &old[olds++] : &fresh[freshs++], why);
    if (err == ERR_OK && freshs)
        err = copied_put(c, fresh, freshs, why);
    if (err == ERR_OK && olds)
        err = copied_mend(c, old, olds, why);
    return err;
}

static enum err work_off_notes(struct copier *c, struct reason *why)
{
    uint64_t ids[COPY_PAGE_EVENTS];
    size_t count;
    enum err err = ERR_OK;
    do {
        bool missed;
        arena_reset(&c->a);
        count = tap_take(c->tap, ids, COPY_PAGE_EVENTS, &missed);
        c->must_compare = c->must_compare || missed;
        if (count)
            err = bring(c, ids, count, why);
        for (size_t i = 0; err != ERR_OK && i < count; i++)
            tap_note(c->tap, ids[i]);
        if (err == ERR_OK)
            err = copier_tell(c, why);
    } while (err == ERR_OK && count == COPY_PAGE_EVENTS);
    return err;
}

enum err copier_start(struct copier *c, str from_name, struct reason *why)
{
    enum err err = greatest_event(c->out, &c->a, &c->copied_to, why);
    if (err == ERR_OK)
        err = copied_seed(c, why);
    if (err == ERR_OK)
        err = copy_mark_set(c->to, COPY_FILLING, from_name, why);
    if (err == ERR_OK && c->tap)
        atomic_store(&c->tap->limit, c->copied_to);
    return err == ERR_OK ? copier_objects(c, why) : err;
}

enum err copier_follow(struct copier *c, int64_t until_ms, uint64_t *left, struct reason *why)
{
    uint64_t before = c->p.events + c->p.mended;
    uint64_t until = until_ms == INT64_MAX ? UINT64_MAX >> 1 : id_floor(until_ms);
    enum err err = copier_objects(c, why);
    if (err == ERR_OK && until > c->copied_to + 1)
        err = copy_events(c, until, why);
    if (err == ERR_OK && c->tap)
        err = work_off_notes(c, why);
    *left = c->must_compare ? UINT64_MAX : c->p.events + c->p.mended - before;
    return err;
}

/* --- the end ---------------------------------------------------------------------------------- */

static enum err copy_rejections(struct copier *c, struct reason *why)
{
    struct rejection_list list, there;
    arena_reset(&c->a);
    enum err err = store_rejections(c->in, 0, 1000, &c->a, &list, why);
    if (err == ERR_OK)
        err = store_rejections(c->out, 0, 1, &c->a, &there, why);
    if (err != ERR_OK || list.count == 0)
        return err;
    uint64_t known = there.count ? there.v[0].id : 0;
    size_t n = 0;
    struct rejection *v = ARENA_ARRAY(&c->a, struct rejection, list.count);
    if (!v)
        return copier_no_memory(why);
    for (size_t i = list.count; i-- > 0;)
        if (list.v[i].id > known)
            v[n++] = list.v[i];
    struct batch b = {.rejections = v, .rejection_count = n};
    return n ? store_commit(c->to, &b, why) : ERR_OK;
}

static enum err same_counts(struct copier *c, struct reason *why)
{
    static const enum delivery_state waiting[] = {DELIVERY_PENDING, DELIVERY_CLAIMED};
    struct store_counts a, b;
    uint64_t waits[2] = {0, 0};
    enum err err = store_counts_get(c->in, &a, why);
    if (err == ERR_OK)
        err = store_counts_get(c->out, &b, why);
    if (err != ERR_OK)
        return err;
    for (size_t i = 0; i < ARRAY_LEN(waiting); i++) {
        waits[0] += a.by_state[waiting[i]];
        waits[1] += b.by_state[waiting[i]];
    }
    /* What retention took out of the source lately is there in the target. */
    if (b.events >= a.events && waits[0] == waits[1])
        return ERR_OK;
    return fail(why, ERR_CONFLICT,
                "%llu events with %llu deliveries that wait became %llu with %llu",
                (unsigned long long)a.events, (unsigned long long)waits[0],
                (unsigned long long)b.events, (unsigned long long)waits[1]);
}

enum err copier_end(struct copier *c, struct reason *why)
{
    uint64_t left;
    enum err err = copier_follow(c, INT64_MAX, &left, why);
    if (err == ERR_OK && left == UINT64_MAX)
        err = copier_compare(c, why);
    if (err == ERR_OK)
        err = copy_rejections(c, why);
    return err == ERR_OK ? same_counts(c, why) : err;
}
