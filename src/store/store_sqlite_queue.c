/* store_sqlite_queue.c -- how many deliveries each destination has of the states that people ask
 * for. What a transaction changes is summed up here and written into `queues` at its end, so that a
 * row is written once for each destination and not for each delivery. Under the writer lock. */
#include "store/store_sqlite.h"

#include "base/log.h"

struct queue_change { /* of one destination, in this transaction */
    int64_t destination, pending, claimed, dead;
};

static struct queue_change *change_of(struct queue_changes *t, int64_t destination)
{
    size_t place = (size_t)(uintptr_t)idmap_get(&t->places, (uint64_t)destination);
    if (place)
        return &t->v[place - 1];
    if (t->count == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 16;
        t->v = xrealloc(t->v, t->cap * sizeof(*t->v));
    }
    t->v[t->count++] = (struct queue_change){.destination = destination};
    idmap_put(&t->places, (uint64_t)destination, (void *)(uintptr_t)t->count);
    return &t->v[t->count - 1];
}

void count_change(struct writer *w, int64_t destination, enum delivery_state state, int64_t n)
{
    assert(state < DELIVERY_STATE_COUNT);
    w->now.by_state[state] += (uint64_t)n;
    if (state == DELIVERY_PENDING)
        change_of(&w->changes, destination)->pending += n;
    else if (state == DELIVERY_CLAIMED)
        change_of(&w->changes, destination)->claimed += n;
    else if (state == DELIVERY_DEAD)
        change_of(&w->changes, destination)->dead += n;
}

bool queues_write(struct writer *w)
{
    struct queue_changes *t = &w->changes;
    for (size_t i = 0; i < t->count; i++) {
        const struct queue_change *x = &t->v[i];
        if (x->pending == 0 && x->claimed == 0 && x->dead == 0)
            continue;
        sqlite3_stmt *q = db_statement(
            &w->c, "INSERT INTO queues VALUES (?1, ?2, ?3, ?4) ON CONFLICT (destination) DO UPDATE"
                   " SET pending=pending+?2, claimed=claimed+?3, dead=dead+?4");
        if (!q)
            return false;
        sqlite3_bind_int64(q, 1, x->destination);
        sqlite3_bind_int64(q, 2, x->pending);
        sqlite3_bind_int64(q, 3, x->claimed);
        sqlite3_bind_int64(q, 4, x->dead);
        if (!db_run(q))
            return false;
    }
    queues_forget(w);
    return true;
}

void queues_forget(struct writer *w)
{
    free(w->changes.v);
    if (w->changes.count)
        idmap_release(&w->changes.places);
    w->changes = (struct queue_changes){0};
}
