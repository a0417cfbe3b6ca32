/* tap.c -- a set of ids under a lock. A move by hand tells no ids: what its filter selects is
 * listed before, and noted after; what comes to be selected in between is changed by its own
 * settling, and so noted. */
#include "store/tap.h"

#include "base/log.h"

#define PAGE 1000
#define PAGE_ARENA_MAX (64u << 20)

void tap_init(struct store_tap *t)
{
    *t = (struct store_tap){0};
    pthread_mutex_init(&t->lock, NULL);
}

void tap_release(struct store_tap *t)
{
    idmap_release(&t->noted);
    pthread_mutex_destroy(&t->lock);
}

static void note(struct store_tap *t, uint64_t id)
{
    if (t->noted.count < TAP_NOTES_MAX)
        idmap_put(&t->noted, id, t);
    else
        t->missed = true;
}

void tap_note(struct store_tap *t, uint64_t event_id)
{
    pthread_mutex_lock(&t->lock);
    if (event_id <= atomic_load(&t->limit))
        note(t, event_id);
    pthread_mutex_unlock(&t->lock);
}

static void miss(struct store_tap *t)
{
    pthread_mutex_lock(&t->lock);
    t->missed = true;
    pthread_mutex_unlock(&t->lock);
}

size_t tap_take(struct store_tap *t, uint64_t *ids, size_t max, bool *missed)
{
    size_t n = 0, i = 0;
    pthread_mutex_lock(&t->lock);
    while (n < max && idmap_next(&t->noted, &i, &ids[n]))
        n++;
    for (size_t k = 0; k < n; k++)
        idmap_remove(&t->noted, ids[k]);
    *missed = t->missed;
    t->missed = false;
    pthread_mutex_unlock(&t->lock);
    return n;
}

/* --- what the wrappers of store.h tell -------------------------------------------------------- */

void tap_batch(struct store_tap *t, const struct batch *b)
{
    pthread_mutex_lock(&t->lock);
    uint64_t limit = atomic_load(&t->limit);
    for (const struct new_event *e = b->events; e; e = e->next)
        if (e->event.id <= limit)
            note(t, e->event.id);
    for (const struct settlement *x = b->settlements; x; x = x->next)
        if (x->event_id <= limit)
            note(t, x->event_id);
    pthread_mutex_unlock(&t->lock);
}

/* The events of what a filter selects. */
struct selection {
    uint64_t *ids;
    size_t count, cap;
};

static void select_one(struct selection *s, uint64_t id)
{
    if (s->count == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 256;
        s->ids = xrealloc(s->ids, s->cap * sizeof(*s->ids));
    }
    s->ids[s->count++] = id;
}

static enum err select_all(struct store *s, const struct delivery_filter *f, struct selection *out)
{
    struct reason ignored;
    struct delivery_filter page = *f;
    struct delivery_list list;
    struct arena a;
    struct store_reader *r = store_reader_open(s, &ignored);
    enum err err = r ? ERR_OK : ERR_IO;
    arena_init(&a, PAGE_ARENA_MAX);
    page.limit = PAGE;
    page.before = 0;
    do {
        if (err == ERR_OK) {
            arena_reset(&a);
            err = store_deliveries(r, &page, &a, &list, &ignored);
        }
        for (size_t i = 0; err == ERR_OK && i < list.count; i++)
            select_one(out, list.v[i].event_id);
        page.before = err == ERR_OK ? list.next : 0;
        if (out->count > TAP_NOTES_MAX)
            err = ERR_LIMIT;
    } while (err == ERR_OK && page.before);
    arena_release(&a);
    store_reader_close(r);
    return err;
}

enum err tap_move(struct store *s, struct store_tap *t, enum store_move move,
                  const struct delivery_filter *f, int64_t now_ms, uint64_t *moved,
                  struct reason *why)
{
    struct selection chosen = {0};
    bool known = select_all(s, f, &chosen) == ERR_OK;
    enum err err = s->ops->move(s, move, f, now_ms, moved, why);
    for (size_t i = 0; known && i < chosen.count; i++)
        tap_note(t, chosen.ids[i]);
    if (!known)
        miss(t);
    free(chosen.ids);
    return err;
}

void tap_delivery(struct store *s, struct store_tap *t, uint64_t delivery_id)
{
    struct selection chosen = {0};
    const struct delivery_filter f = {.id = delivery_id, .state = -1};
    if (select_all(s, &f, &chosen) != ERR_OK)
        miss(t);
    for (size_t i = 0; i < chosen.count; i++)
        tap_note(t, chosen.ids[i]);
    free(chosen.ids);
}
