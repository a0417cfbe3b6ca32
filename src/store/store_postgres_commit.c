/* store_postgres_commit.c -- a batch as one transaction and one way to the server: the parts of the
 * batch go as a pipeline, and only the server's answer to its end counts. Only a batch with changes
 * of objects takes more ways: what they came to decides which events are stored.
 *
 * When that answer is lost, nobody knows whether the batch is there. The caller is told that it is
 * not, so the sender comes again and is recognised as a repeat; what may have been committed as
 * claimed is held by nobody and is given back by the node's thread (its stamp is in doubt). */
#include "store/store_postgres_commit.h"

#include "base/log.h"

#include <stdlib.h>

#define CALLS_MAX 256u
#define SETTLE_ROWS 512u
#define TRIES 4

static const char settle_sql[] =
    "SELECT gaff.settle($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19)";
static const char reject_sql[] = "SELECT gaff.reject($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)";

/* --- outcomes and refusals -------------------------------------------------------------------- */

static void add_attempts(struct pg_args *a, const struct settlement *from, size_t n)
{
#define ATTEMPTS(array, put)                                                                       \
    do {                                                                                           \
        const struct settlement *t = from;                                                         \
        pg_array(a, (array), n);                                                                   \
        for (size_t i = 0; i < n; i++, t = t->next)                                                \
            put;                                                                                   \
        pg_array_end(a);                                                                           \
    } while (0)
    ATTEMPTS(PG_INT8_ARRAY, pg_put_i64(a, (int64_t)t->attempt.id));
    ATTEMPTS(PG_INT4_ARRAY, pg_put_i32(a, (int32_t)t->attempt.number));
    ATTEMPTS(PG_INT4_ARRAY, pg_put_i32(a, (int32_t)t->attempt.result));
    ATTEMPTS(PG_INT8_ARRAY, pg_put_i64(a, t->attempt.started_ms));
    ATTEMPTS(PG_INT8_ARRAY, pg_put_i64(a, t->attempt.duration_us));
    ATTEMPTS(PG_INT4_ARRAY, pg_put_i32(a, t->attempt.status));
    ATTEMPTS(PG_TEXT_ARRAY, pg_put_str(a, t->attempt.error_class));
    ATTEMPTS(PG_BYTEA_ARRAY, pg_put_str(a, t->attempt.summary));
    ATTEMPTS(PG_BYTEA_ARRAY, pg_put_str(a, t->attempt.request));
    ATTEMPTS(PG_BYTEA_ARRAY, pg_put_str(a, t->attempt.response));
    ATTEMPTS(PG_BYTEA_ARRAY, pg_put_str(a, t->attempt.timing));
}

static enum err send_settlements(struct pg_commit *m, struct reason *why)
{
    enum err e = ERR_OK;
    struct pg_args *a = &m->args;
    for (const struct settlement *from = m->batch->settlements; from && e == ERR_OK;) {
        const struct settlement *after = from;
        size_t n = 0, bytes = 0;
        for (; after && n < SETTLE_ROWS && bytes < PG_CHUNK_BYTES; after = after->next, n++)
            bytes += 256 + after->attempt.request.n + after->attempt.response.n;
        m->bytes += bytes;
        pg_args_clear(a);
        pg_add_i64(a, atomic_load(&m->s->epoch));
        pg_add_i32(a, pg_counter_slot(m->s, m->link));
        ATTEMPTS(PG_INT8_ARRAY, pg_put_i64(a, (int64_t)t->delivery_id));
        ATTEMPTS(PG_INT4_ARRAY, pg_put_i32(a, (int32_t)t->state));
        ATTEMPTS(PG_INT8_ARRAY, pg_put_i64(a, pg_time_ms(m->s, t->next_ms)));
        ATTEMPTS(PG_INT8_ARRAY, pg_put_i64(a, t->settled_ms));
        ATTEMPTS(PG_INT4_ARRAY, pg_put_i32(a, (int32_t)t->attempts));
        ATTEMPTS(PG_BYTEA_ARRAY, pg_put_str(a, t->reason));
        add_attempts(a, from, n);
        e = pg_pipeline_send(m->link, settle_sql, a, why);
        from = after;
    }
    return e;
}
#undef ATTEMPTS

static enum err send_rejections(struct pg_commit *m, struct reason *why)
{
    struct pg_args *a = &m->args;
    const struct rejection *v = m->batch->rejections;
    size_t n = m->batch->rejection_count;
    if (n == 0)
        return ERR_OK;
#define REJECTIONS(array, put)                                                                     \
    do {                                                                                           \
        pg_array(a, (array), n);                                                                   \
        for (size_t i = 0; i < n; i++)                                                             \
            put;                                                                                   \
        pg_array_end(a);                                                                           \
    } while (0)
    pg_args_clear(a);
    pg_add_i32(a, pg_counter_slot(m->s, m->link));
    pg_add_i32(a, pg_day(v[0].id));
    pg_add_i64(a, (int64_t)n);
    REJECTIONS(PG_INT8_ARRAY, pg_put_i64(a, (int64_t)v[i].id));
    REJECTIONS(PG_INT8_ARRAY, pg_put_i64(a, v[i].received_ms));
    REJECTIONS(PG_TEXT_ARRAY, pg_put_str(a, v[i].source));
    REJECTIONS(PG_TEXT_ARRAY, pg_put_str(a, v[i].verdict));
    REJECTIONS(PG_BYTEA_ARRAY, pg_put_str(a, v[i].verdict_text));
    REJECTIONS(PG_BYTEA_ARRAY, pg_put_str(a, v[i].method));
    REJECTIONS(PG_BYTEA_ARRAY, pg_put_str(a, v[i].target));
    REJECTIONS(PG_BYTEA_ARRAY, pg_put_str(a, v[i].peer));
    REJECTIONS(PG_BYTEA_ARRAY, pg_put_str(a, v[i].head));
    REJECTIONS(PG_BYTEA_ARRAY, pg_put_str(a, str_slice(v[i].body, 0, PG_REJECTION_BODY_MAX)));
#undef REJECTIONS
    return pg_pipeline_send(m->link, reject_sql, a, why);
}

/* --- objects ---------------------------------------------------------------------------------- */

static int64_t expected(uint64_t expect)
{
    return expect == OBJECT_ABSENT ? -1 : (int64_t)expect;
}

static void add_changes(struct pg_args *a, const struct object_set *sets)
{
    size_t n = 0;
    for (const struct object_set *set = sets; set; set = set->next)
        n += set->count;
#define CHANGES(array, put)                                                                        \
    do {                                                                                           \
        int number = 0;                                                                            \
        pg_array(a, (array), n);                                                                   \
        for (const struct object_set *set = sets; set; set = set->next, number++)                  \
            for (size_t i = 0; i < set->count; i++) {                                              \
                const struct object_change *c = &set->changes[i];                                  \
                UNUSED(c);                                                                         \
                put;                                                                               \
            }                                                                                      \
        pg_array_end(a);                                                                           \
    } while (0)
    CHANGES(PG_INT4_ARRAY, pg_put_i32(a, number));
    CHANGES(PG_BOOL_ARRAY, pg_put_bool(a, c->op == OBJECT_DELETE));
    CHANGES(PG_TEXT_ARRAY, pg_put_str(a, c->object.kind));
    CHANGES(PG_BYTEA_ARRAY, pg_put_str(a, c->object.id));
    CHANGES(PG_BYTEA_ARRAY, pg_put_str(a, c->object.parent));
    CHANGES(PG_BYTEA_ARRAY, pg_put_str(a, c->object.name));
    CHANGES(PG_INT8_ARRAY, pg_put_i64(a, c->object.created_ms));
    CHANGES(PG_INT8_ARRAY, pg_put_i64(a, c->object.updated_ms));
    CHANGES(PG_INT8_ARRAY, pg_put_i64(a, c->object.expires_ms));
    CHANGES(PG_BYTEA_ARRAY, pg_put_str(a, c->object.doc));
    CHANGES(PG_INT8_ARRAY, pg_put_i64(a, expected(c->expect)));
#undef CHANGES
}

static void take_change(struct object_set *set, const struct PGresult *r, int row)
{
    static const enum err codes[] = {ERR_OK, ERR_CONFLICT, ERR_NOT_FOUND};
    for (int32_t number = pg_i32(r, row, 0); number > 0 && set; number--)
        set = set->next;
    size_t place = (size_t)pg_i32(r, row, 2), code = (size_t)pg_i32(r, row, 1);
    if (!set || place >= set->count || code >= ARRAY_LEN(codes))
        return;
    if (code) {
        set->err = codes[code];
        set->failed = place;
        return;
    }
    struct object *o = &set->changes[place].object;
    o->version = (uint64_t)pg_i64(r, row, 3);
    o->sequence = (uint64_t)pg_i64(r, row, 4);
    o->created_ms = pg_i64(r, row, 5);
}

/* Inside the transaction that goes on with the events. */
static enum err change_objects(struct pg_commit *m, struct reason *why)
{
    struct PGresult *r = NULL;
    for (struct object_set *set = m->batch->sets; set; set = set->next) {
        set->err = ERR_OK;
        set->failed = 0;
    }
    pg_args_clear(&m->args);
    pg_add_i64(&m->args, clock_wall_ms(m->s->clock));
    add_changes(&m->args, m->batch->sets);
    enum err e = pg_script(m->link, "BEGIN", PG_COMMIT_MS, why);
    if (e == ERR_OK)
        e = pg_query(m->link,
                     "SELECT * FROM gaff.change_objects($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12)",
                     &m->args, PG_QUERY_MS, &r, why);
    for (int i = 0; e == ERR_OK && i < pg_rows(r); i++)
        take_change(m->batch->sets, r, i);
    pg_clear(r);
    return e;
}

/* --- the transaction -------------------------------------------------------------------------- */

static void look_over(struct pg_commit *m, int *first_day, int *last_day)
{
    *first_day = INT32_MAX;
    *last_day = INT32_MIN;
    m->claims = false;
    for (struct new_event *e = m->batch->events; e; e = e->next) {
        e->duplicate_of = 0;
        e->matched = 0;
        e->same_hash = false;
        e->locator = 0;
        int day = pg_day(e->event.id);
        *first_day = day < *first_day ? day : *first_day;
        *last_day = day > *last_day ? day : *last_day;
        for (size_t i = 0; i < e->delivery_count; i++)
            m->claims = m->claims || e->deliveries[i].claimed;
    }
}

/* "canceling wait for synchronous replication": committed here, and perhaps nowhere else. */
static enum err was_whole(struct pg_commit *m, struct reason *why)
{
    if (m->link->warned)
        return fail(why, ERR_CLOSED, "PostgreSQL: the commit may not be replicated");
    return ERR_OK;
}

static enum err try_pipeline(struct pg_commit *m, struct reason *why)
{
    struct PGresult *rows[CALLS_MAX + 2] = {0};
    size_t calls = 0;
    m->bytes = 0;
    enum err e = pg_pipeline_begin(m->link, why);
    pg_args_clear(&m->args);
    if (e == ERR_OK && m->s->require_replicated)
        e = pg_pipeline_send(m->link, "SELECT gaff.must_be_replicated()", &m->args, why);
    if (e == ERR_OK)
        e = pg_ingest_send(m, &calls, why);
    if (e == ERR_OK)
        e = pg_supersede_send(m, why);
    if (e == ERR_OK)
        e = send_settlements(m, why);
    if (e == ERR_OK)
        e = send_rejections(m, why);
    if (e == ERR_OK)
        e = pg_pipeline_finish(m->link, PG_COMMIT_MS + (int64_t)(m->bytes / 10000), rows,
                               ARRAY_LEN(rows), why);
    if (e != ERR_OK)
        return e;
    size_t at = m->s->require_replicated ? 1 : 0;
    for (size_t i = at; i < at + calls && rows[i]; i++)
        pg_ingest_rows(m, rows[i]);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        pg_clear(rows[i]);
    return was_whole(m, why);
}

static bool has_rows(const struct pg_commit *m)
{
    return m->batch->events || m->batch->settlements || m->batch->rejection_count;
}

static enum err try_once(struct pg_commit *m, struct reason *why)
{
    enum err e = ERR_OK;
    if (!m->batch->sets)
        return try_pipeline(m, why);
    e = change_objects(m, why);
    if (e == ERR_OK && has_rows(m))
        e = try_pipeline(m, why);
    if (e == ERR_OK)
        e = pg_script(m->link, "COMMIT", PG_COMMIT_MS, why);
    if (e == ERR_OK)
        return was_whole(m, why);
    pg_link_close(m->link); /* and the transaction with it */
    return e;
}

static void after_commit(struct pg_commit *m)
{
    for (struct new_event *e = m->batch->events; e; e = e->next) {
        bool claimed = false;
        if (!new_event_is_stored(e))
            continue;
        e->locator = e->event.id;
        for (size_t i = 0; i < e->delivery_count; i++) {
            claimed = claimed || e->deliveries[i].claimed;
            if (!e->deliveries[i].claimed)
                pg_node_hint(m->s, e->deliveries[i].destination);
        }
        if (claimed)
            recent_put(m->s->recent, &e->event);
    }
}

static enum err commit_on(struct pg_commit *m, struct reason *why)
{
    int first_day, last_day;
    look_over(m, &first_day, &last_day);
    enum err e = ERR_OK;
    if (first_day <= last_day)
        e = pg_prepare_days(m->s, m->link, first_day, last_day, why);
    if (e != ERR_OK)
        return e;
    /* A deadlock undoes one of two: it may be tried again. */
    for (int i = 0; i < TRIES; i++) {
        e = try_once(m, why);
        if (e != ERR_CONFLICT || m->batch->sets)
            break;
        look_over(m, &first_day, &last_day);
    }
    if (e == ERR_CLOSED && m->claims)
        pg_node_doubt(m->s, m->stamp);
    return e;
}

enum err pg_commit(struct store *base, struct batch *b, struct reason *why)
{
    struct pg_store *s = pg_of(base);
    struct pg_commit m = {.s = s, .batch = b};
    if (!b->events && !b->settlements && !b->sets && b->rejection_count == 0)
        return ERR_OK;
    m.link = pg_take(s, PG_USE_WRITE, why);
    if (!m.link)
        return ERR_IO;
    m.stamp = atomic_fetch_add(&s->stamp, 1) + 1;
    m.chunk = xmalloc(sizeof(*m.chunk));
    pg_args_init(&m.args);
    enum err e = commit_on(&m, why);
    pg_args_release(&m.args);
    free(m.chunk);
    pg_give(s, PG_USE_WRITE, m.link);
    if (e == ERR_OK)
        after_commit(&m);
    return pg_err(e);
}
