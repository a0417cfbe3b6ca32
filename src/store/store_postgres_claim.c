/* store_postgres_claim.c -- taking what is due of a lane, giving it back, and the events that go
 * with it. A claim and the events it leads to are two queries for a whole window of the lane. */
#include "store/store_postgres.h"

#include "base/log.h"

#include <stdlib.h>

struct claimed {
    int64_t due_ms, seq;
    struct delivery d;
};

static int by_due(const void *a, const void *b)
{
    const struct claimed *x = a, *y = b;
    if (x->due_ms != y->due_ms)
        return x->due_ms < y->due_ms ? -1 : 1;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static int by_seq(const void *a, const void *b)
{
    const struct claimed *x = a, *y = b;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* Events that are not at hand, so that each attempt finds its own in memory. What is great is left
 * to its attempt. */
static void prefetch(struct pg_store *s, struct pg_link *l, const struct delivery *v, size_t count)
{
    struct pg_args a;
    struct PGresult *r = NULL;
    struct reason ignored;
    size_t wanted = 0;
    pg_args_init(&a);
    for (size_t i = 0; i < count; i++)
        wanted += !recent_has(s->recent, v[i].event_id);
    pg_array(&a, PG_INT8_ARRAY, wanted);
    for (size_t i = 0, left = wanted; i < count && left; i++)
        if (!recent_has(s->recent, v[i].event_id)) {
            pg_put_i64(&a, (int64_t)v[i].event_id);
            left--;
        }
    pg_array_end(&a);
    if (wanted && pg_query(l,
                           "SELECT " PG_EVENT_COLUMNS ", e.head, e.body FROM gaff.events e"
                           " WHERE e.id = ANY ($1) AND octet_length(e.body) <= 65536",
                           &a, PG_QUERY_MS, &r, &ignored) == ERR_OK)
        for (int i = 0; i < pg_rows(r); i++) {
            struct event e;
            pg_event_row(r, i, &e);
            e.head = pg_bytes(r, i, 14);
            e.body = pg_bytes(r, i, 15);
            recent_put(s->recent, &e);
        }
    pg_clear(r);
    pg_args_release(&a);
}

static enum err take_rows(struct pg_store *s, const struct claim *c, const struct PGresult *r,
                          struct arena *a, struct delivery_list *out, struct reason *why)
{
    int n = pg_rows(r) - 1;
    struct claimed *rows = xcalloc((size_t)n + 1, sizeof(*rows));
    struct delivery *v = ARENA_ARRAY(a, struct delivery, out->count + (size_t)n + 1);
    for (int i = 0; i < n; i++)
        rows[i] = (struct claimed){.due_ms = pg_i64(r, i, 7),
                                   .seq = pg_i64(r, i, 4),
                                   .d = {.id = (uint64_t)pg_i64(r, i, 0),
                                         .event_id = (uint64_t)pg_i64(r, i, 1),
                                         .destination = arena_str(a, c->destination),
                                         .route = arena_str(a, pg_bytes(r, i, 2)),
                                         .order_key = (uint64_t)pg_i64(r, i, 3),
                                         .state = DELIVERY_CLAIMED,
                                         .attempts = (uint32_t)pg_i32(r, i, 5),
                                         .created_ms = pg_i64(r, i, 6),
                                         .next_ms = pg_i64(r, i, 7) - atomic_load(&s->offset_ms),
                                         .reason = arena_str(a, pg_bytes(r, i, 8)),
                                         .listed = pg_bool(r, i, 9),
                                         .locator = (uint64_t)pg_i64(r, i, 1)}};
    qsort(rows, (size_t)n, sizeof(*rows), c->in_order ? by_seq : by_due);
    if (v && arena_ok(a)) {
        if (out->count)
            memcpy(v, out->v, out->count * sizeof(*v));
        for (int i = 0; i < n; i++)
            v[out->count + (size_t)i] = rows[i].d;
        out->v = v;
        out->count += (size_t)n;
    }
    free(rows);
    return v && arena_ok(a) ? ERR_OK : out_of_arena(why);
}

static enum err ask(struct pg_store *s, struct pg_link *l, const struct claim *c, int64_t stamp,
                    int64_t cursor, struct PGresult **r, struct reason *why)
{
    struct pg_args args;
    pg_args_init(&args);
    pg_add_i64(&args, atomic_load(&s->epoch));
    pg_add_i32(&args, pg_counter_slot(s, l));
    pg_add_i64(&args, stamp);
    pg_add_text(&args, c->destination);
    pg_add_i64(&args, pg_time_ms(s, c->now_ms));
    pg_add_i32(&args, (int32_t)c->max);
    pg_add_bool(&args, c->in_order);
    pg_add_i64(&args, cursor);
    enum err e = pg_query(l, "SELECT * FROM gaff.claim($1,$2,$3,$4,$5,$6,$7,$8)", &args,
                          PG_QUERY_MS, r, why);
    pg_args_release(&args);
    if (e == ERR_OK && pg_rows(*r) == 0)
        e = fail(why, ERR_IO, "PostgreSQL: a claim without its last row");
    if (e == ERR_CLOSED)
        pg_node_doubt(s, stamp);
    return e;
}

/* The last row: whose lane it is, when the next is due, where the walk over keys goes on. */
static enum err read_last(struct pg_store *s, const struct claim *c, const struct PGresult *r,
                          int64_t *next_due_ms, struct reason *why)
{
    int last = pg_rows(r) - 1;
    str owner = pg_bytes(r, last, 2);
    pthread_mutex_lock(&s->node.lock);
    struct pg_lane *lane = pg_node_lane(&s->node, c->destination);
    lane->cursor = pg_i64(r, last, 3);
    if (owner.n == 0)
        lane->owner = atomic_load(&s->epoch);
    pthread_mutex_unlock(&s->node.lock);
    if (owner.n)
        return fail(why, ERR_CONFLICT, "the lane belongs to the node " STR_FMT, STR_ARG(owner));
    if (!pg_is_null(r, last, 7))
        *next_due_ms = pg_i64(r, last, 7) - atomic_load(&s->offset_ms);
    return ERR_OK;
}

enum err pg_claim(struct store *base, const struct claim *c, struct arena *a,
                  struct delivery_list *out, int64_t *next_due_ms, struct reason *why)
{
    struct pg_store *s = pg_of(base);
    struct PGresult *r = NULL;
    struct delivery_list before = *out;
    *next_due_ms = INT64_MAX;
    struct pg_link *l = pg_take(s, PG_USE_OTHER, why);
    if (!l)
        return ERR_IO;
    pthread_mutex_lock(&s->node.lock);
    int64_t cursor = pg_node_lane(&s->node, c->destination)->cursor;
    pthread_mutex_unlock(&s->node.lock);
    int64_t stamp = atomic_fetch_add(&s->stamp, 1) + 1;
    enum err e = ask(s, l, c, stamp, cursor, &r, why);
    if (e == ERR_OK)
        e = read_last(s, c, r, next_due_ms, why);
    if (e == ERR_OK)
        e = take_rows(s, c, r, a, out, why);
    if (e == ERR_OK)
        prefetch(s, l, out->v + before.count, out->count - before.count);
    pg_clear(r);
    pg_give(s, PG_USE_OTHER, l);
    if (e != ERR_OK) {
        *out = before;
        if (e == ERR_LIMIT)
            pg_node_doubt(s, stamp);
    }
    return pg_err(e);
}

enum err pg_unclaim(struct store *base, const uint64_t *ids, size_t count, struct reason *why)
{
    struct pg_store *s = pg_of(base);
    if (count == 0)
        return ERR_OK;
    struct pg_link *l = pg_take(s, PG_USE_OTHER, why);
    if (!l)
        return ERR_IO;
    struct pg_args a;
    pg_args_init(&a);
    pg_add_i64(&a, atomic_load(&s->epoch));
    pg_add_i32(&a, pg_counter_slot(s, l));
    pg_add_ids(&a, ids, count);
    enum err e = pg_query(l, "SELECT gaff.unclaim($1,$2,$3,NULL)", &a, PG_QUERY_MS, NULL, why);
    pg_args_release(&a);
    pg_give(s, PG_USE_OTHER, l);
    return pg_err(e);
}

enum err pg_release(struct store *base, str destination, struct reason *why)
{
    struct pg_store *s = pg_of(base);
    struct pg_args a;
    pg_args_init(&a);
    pg_add_i64(&a, atomic_load(&s->epoch));
    pg_add_text(&a, destination);
    enum err e = pg_ask(s, PG_USE_OTHER, "SELECT gaff.lane_release($1,$2)", &a, NULL, why);
    pg_args_release(&a);
    pthread_mutex_lock(&s->node.lock);
    struct pg_lane *lane = pg_node_lane(&s->node, destination);
    lane->told = false;
    if (e == ERR_OK)
        lane->owner = 0;
    pthread_mutex_unlock(&s->node.lock);
    return e;
}

/* --- loading ---------------------------------------------------------------------------------- */

enum err pg_load(struct store_reader *base, uint64_t id, uint64_t locator, struct arena *a,
                 struct event *out, struct reason *why)
{
    struct pg_store *s = pg_of(base->store);
    struct PGresult *r = NULL;
    struct pg_args args;
    /* Attempts have a locator. Who shows an event asks the database: another node may have taken
     * its content out. */
    if (locator && recent_get(s->recent, id, a, out))
        return ERR_OK;
    if (!arena_ok(a))
        return out_of_arena(why);
    pg_args_init(&args);
    pg_add_i64(&args, (int64_t)id);
    enum err e = pg_ask(s, PG_USE_OTHER,
                        "SELECT " PG_EVENT_COLUMNS ", e.head, e.body FROM gaff.events e"
                        " WHERE e.id = $1",
                        &args, &r, why);
    pg_args_release(&args);
    if (e == ERR_OK && pg_rows(r) == 0)
        e = fail(why, ERR_NOT_FOUND, "there is no such event; retention may have deleted it");
    if (e == ERR_OK) {
        struct event v;
        pg_event_row(r, 0, &v);
        v.head = pg_bytes(r, 0, 14);
        v.body = pg_bytes(r, 0, 15);
        str *strings[] = {&v.source,     &v.provider,     &v.verdict, &v.type,
                          &v.dedupe_key, &v.verdict_text, &v.method,  &v.target,
                          &v.peer,       &v.trace,        &v.head,    &v.body};
        for (size_t i = 0; i < ARRAY_LEN(strings); i++)
            *strings[i] = arena_str(a, *strings[i]);
        *out = v;
        if (!arena_ok(a))
            e = out_of_arena(why);
    }
    pg_clear(r);
    return e;
}
