/* store_postgres_log.c -- attempts: those of one delivery; and those of one destination or of one
 * event, over many deliveries, by the indexes that hold only attempts with an id. */
#include "store/store_postgres.h"

#define SQL_MAX 8192
#define ATTEMPT_COLUMNS                                                                            \
    "a.delivery_id, a.number, a.result::int, a.started_ms, a.duration_us, a.status,"               \
    " a.error_class, a.summary, a.request, a.response, a.timing, a.id"
/* Word for word as in the schema: an index is taken only for what can be seen to be in it. */
#define FAILED " AND result IN (1, 2, 5)"
#define ENDED " AND result IN (3, 4)"
static_assert(ATTEMPT_RETRY == 1 && ATTEMPT_PERMANENT == 2 && ATTEMPT_LOST == 5, "FAILED");
static_assert(ATTEMPT_SKIPPED == 3 && ATTEMPT_CANCELLED == 4, "ENDED");

static struct attempt attempt_row(const struct PGresult *r, int i, struct arena *a)
{
    return (struct attempt){.delivery_id = (uint64_t)pg_i64(r, i, 0),
                            .number = (uint32_t)pg_i32(r, i, 1),
                            .result = (enum attempt_result)pg_i32(r, i, 2),
                            .started_ms = pg_i64(r, i, 3),
                            .duration_us = pg_i64(r, i, 4),
                            .status = pg_i32(r, i, 5),
                            .error_class = arena_str(a, pg_bytes(r, i, 6)),
                            .summary = arena_str(a, pg_bytes(r, i, 7)),
                            .request = arena_str(a, pg_bytes(r, i, 8)),
                            .response = arena_str(a, pg_bytes(r, i, 9)),
                            .timing = arena_str(a, pg_bytes(r, i, 10)),
                            .id = (uint64_t)pg_i64(r, i, 11)};
}

enum err pg_attempts(struct store_reader *base, uint64_t delivery_id, struct arena *a,
                     struct attempt_list *out, struct reason *why)
{
    struct PGresult *r = NULL;
    struct pg_args args;
    *out = (struct attempt_list){0};
    pg_args_init(&args);
    pg_add_i64(&args, (int64_t)delivery_id);
    enum err e = pg_ask(pg_of(base->store), PG_USE_OTHER,
                        "SELECT " ATTEMPT_COLUMNS " FROM gaff.attempts a"
                        " WHERE a.delivery_id = $1 ORDER BY a.number",
                        &args, &r, why);
    pg_args_release(&args);
    if (e != ERR_OK)
        return e;
    out->v = ARENA_ARRAY(a, struct attempt, (size_t)pg_rows(r) + 1);
    for (int i = 0; out->v && i < pg_rows(r); i++)
        out->v[out->count++] = attempt_row(r, i, a);
    pg_clear(r);
    return out->v && arena_ok(a) ? ERR_OK : out_of_arena(why);
}

/* --- statements --------------------------------------------------------------------------------
 */

struct question {
    struct store_reader *reader;
    const struct attempt_filter *f;
    struct buf sql;
    struct pg_args args;
};

static void begin(struct question *q, struct store_reader *reader, const struct attempt_filter *f)
{
    q->reader = reader;
    q->f = f;
    buf_init(&q->sql, SQL_MAX);
    pg_args_init(&q->args);
}

static enum err ask(struct question *q, struct PGresult **r, struct reason *why)
{
    enum err e = buf_ok(&q->sql) ? pg_ask_list(q->reader, buf_cstr(&q->sql), &q->args, r, why)
                                 : fail(why, ERR_LIMIT, "the query is too long");
    pg_args_release(&q->args);
    buf_release(&q->sql);
    return e;
}

static void where_number(struct question *q, const char *condition, int64_t value)
{
    buf_printf(&q->sql, " AND %s $%d", condition, q->args.count + 1);
    pg_add_i64(&q->args, value);
}

static void where_destination(struct question *q, const char *condition)
{
    if (q->f->destination.n == 0)
        return;
    buf_printf(&q->sql, " AND %s $%d", condition, q->args.count + 1);
    pg_add_text(&q->args, q->f->destination);
}

static const char *direction(const struct question *q)
{
    return q->f->ascending ? "" : " DESC";
}

/* Of the destination or the event, between the two ids, what an index holds by itself. */
static void where_index(struct question *q, uint64_t before, uint64_t after, const char *kind)
{
    buf_printf(&q->sql, " id <> 0%s", kind);
    where_number(q, "id <", before ? (int64_t)before : INT64_MAX);
    where_number(q, "id >", (int64_t)after);
    if (q->f->event_id)
        where_number(q, "event_id =", (int64_t)q->f->event_id);
    else
        where_destination(q, "destination =");
}

static const char *kind_of(const struct attempt_filter *f)
{
    switch (f->result) {
    case ATTEMPTS_FAILED:
    case ATTEMPT_RETRY:
    case ATTEMPT_PERMANENT:
    case ATTEMPT_LOST:
        return FAILED;
    case ATTEMPTS_ENDED:
    case ATTEMPT_SKIPPED:
    case ATTEMPT_CANCELLED:
        return ENDED;
    default:
        return "";
    }
}

/* --- lists -------------------------------------------------------------------------------------
 */

/* The rows of `a` that are wanted, with their events. */
static enum err ask_rows(struct question *q, struct arena *arena, struct attempt_log *out,
                         struct reason *why)
{
    const struct attempt_filter *f = q->f;
    struct PGresult *r = NULL;
    buf_printf(&q->sql, " LEFT JOIN gaff.events e ON e.id = a.event_id WHERE true");
    if (f->event_id)
        where_destination(q, "a.destination =");
    if (f->id)
        where_number(q, "a.id =", (int64_t)f->id);
    if (f->delivery_id)
        where_number(q, "a.delivery_id =", (int64_t)f->delivery_id);
    if (f->result >= 0)
        where_number(q, "a.result =", f->result);
    if (f->status_min || f->status_max) {
        where_number(q, "a.status >=", f->status_min);
        where_number(q, "a.status <=", f->status_max);
    }
    if (f->event_type.n) {
        buf_printf(&q->sql, " AND e.type = $%d", q->args.count + 1);
        pg_add_bytes(&q->args, f->event_type);
    }
    buf_printf(&q->sql, " ORDER BY a.id%s LIMIT %zu", direction(q), f->limit);
    enum err e = ask(q, &r, why);
    if (e != ERR_OK)
        return e;
    out->v = ARENA_ARRAY(arena, struct attempt, (size_t)pg_rows(r) + 1);
    for (int i = 0; out->v && i < pg_rows(r); i++) {
        struct attempt *x = &out->v[out->count++];
        *x = attempt_row(r, i, arena);
        x->event_id = (uint64_t)pg_i64(r, i, 12);
        x->destination = arena_str(arena, pg_bytes(r, i, 13));
        x->event_type = arena_str(arena, pg_bytes(r, i, 14));
    }
    pg_clear(r);
    return out->v && arena_ok(arena) ? ERR_OK : out_of_arena(why);
}

#define SELECT_ROWS "SELECT " ATTEMPT_COLUMNS ", a.event_id, a.destination, e.type FROM"

/* Those of a destination or of an event by its index, cut, then those that match. */
static enum err list_rows(struct store_reader *base, const struct attempt_filter *f,
                          struct arena *a, struct attempt_log *out, struct reason *why)
{
    struct question q;
    begin(&q, base, f);
    buf_printf(&q.sql, SELECT_ROWS " (SELECT * FROM gaff.attempts WHERE");
    where_index(&q, f->before, f->after, kind_of(f));
    buf_printf(&q.sql, " ORDER BY id%s LIMIT %d) a", direction(&q), PG_SCAN_ROWS_MAX);
    return ask_rows(&q, a, out, why);
}

/* Where a short page goes on: after PG_SCAN_ROWS_MAX rows of its destination or event. */
static enum err rows_next(struct store_reader *base, const struct attempt_filter *f, uint64_t *next,
                          struct reason *why)
{
    struct question q;
    struct PGresult *r = NULL;
    begin(&q, base, f);
    buf_printf(&q.sql, "SELECT id FROM gaff.attempts WHERE");
    where_index(&q, f->before, f->after, kind_of(f));
    buf_printf(&q.sql, " ORDER BY id%s OFFSET %d LIMIT 1", direction(&q), PG_SCAN_ROWS_MAX - 1);
    enum err e = ask(&q, &r, why);
    *next = e == ERR_OK && pg_rows(r) ? (uint64_t)pg_i64(r, 0, 0) : 0;
    pg_clear(r);
    return e;
}

/* --- those that succeeded ----------------------------------------------------------------------
 */

/* No index holds them alone, for each would pay for it when it is written
 * (docs/why/2026-12-attempts-that-succeeded.md). They are the ids of a destination's index without
 * those in the indexes of the failed and of the ended; only then are rows read. */
#define IDS_FEW (PG_SCAN_ROWS_MAX / 10) /* mostly there are enough among them */
#define IDS_BLOCK PG_SCAN_ROWS_MAX
#define IDS_MAX (10 * IDS_BLOCK) /* in one call, about */

struct ids {
    uint64_t *v; /* f->limit at most, in the direction of the list */
    size_t count;
    uint64_t next; /* as in attempt_log */
};

static void where_from(struct question *q, uint64_t next, const char *kind)
{
    const struct attempt_filter *f = q->f;
    where_index(q, f->ascending ? f->before : next, f->ascending ? next : f->after, kind);
}

static void where_in_span(struct question *q, uint64_t next, const char *kind)
{
    where_from(q, next, kind);
    buf_printf(&q->sql, " AND id BETWEEN (SELECT least FROM s) AND (SELECT most FROM s)");
}

/* Among the `most` ids from out->next on. */
static enum err list_ids(struct store_reader *base, const struct attempt_filter *f, int most,
                         struct ids *out, struct reason *why)
{
    struct question q;
    struct PGresult *r = NULL;
    begin(&q, base, f);
    buf_printf(&q.sql, "WITH c AS MATERIALIZED (SELECT id FROM gaff.attempts WHERE");
    where_from(&q, out->next, "");
    buf_printf(&q.sql,
               " ORDER BY id%s LIMIT %d), s AS MATERIALIZED"
               " (SELECT min(id) AS least, max(id) AS most, count(*) AS n FROM c)"
               " SELECT * FROM (SELECT id, false AS is_last FROM (SELECT id FROM c",
               direction(&q), most);
    buf_printf(&q.sql, " EXCEPT SELECT id FROM gaff.attempts WHERE");
    where_in_span(&q, out->next, FAILED);
    buf_printf(&q.sql, " EXCEPT SELECT id FROM gaff.attempts WHERE");
    where_in_span(&q, out->next, ENDED);
    buf_printf(&q.sql,
               ") x ORDER BY id%s LIMIT %zu) y"
               " UNION ALL SELECT %s, true FROM s WHERE n = %d ORDER BY 2, 1%s",
               direction(&q), f->limit, f->ascending ? "most" : "least", most, direction(&q));
    enum err e = ask(&q, &r, why);
    out->next = 0;
    for (int i = 0; e == ERR_OK && i < pg_rows(r); i++) {
        uint64_t id = (uint64_t)pg_i64(r, i, 0);
        if (!pg_bool(r, i, 1))
            out->v[out->count++] = id;
        else if (out->count < f->limit)
            out->next = id;
    }
    if (out->count && out->count == f->limit)
        out->next = out->v[out->count - 1];
    pg_clear(r);
    return e;
}

/* Steps over the next block when all of it failed or ended, which counts tell faster than ids. */
static enum err skip_block(struct store_reader *base, const struct attempt_filter *f, int size,
                           uint64_t *next, bool *skipped, struct reason *why)
{
    struct question q;
    struct PGresult *r = NULL;
    begin(&q, base, f);
    buf_printf(&q.sql, "WITH s AS MATERIALIZED (SELECT min(id) AS least, max(id) AS most,"
                       " count(*) AS n FROM (SELECT id FROM gaff.attempts WHERE");
    where_from(&q, *next, "");
    buf_printf(&q.sql,
               " ORDER BY id%s LIMIT %d) c) SELECT n, coalesce(%s, 0),"
               " (SELECT count(*) FROM gaff.attempts WHERE",
               direction(&q), size, f->ascending ? "most" : "least");
    where_in_span(&q, *next, FAILED);
    buf_printf(&q.sql, "), (SELECT count(*) FROM gaff.attempts WHERE");
    where_in_span(&q, *next, ENDED);
    buf_printf(&q.sql, ") FROM s");
    enum err e = ask(&q, &r, why);
    *skipped = e == ERR_OK && pg_i64(r, 0, 0) == pg_i64(r, 0, 2) + pg_i64(r, 0, 3);
    if (*skipped)
        *next = pg_i64(r, 0, 0) == size ? (uint64_t)pg_i64(r, 0, 1) : 0;
    pg_clear(r);
    return e;
}

static enum err find_ids(struct store_reader *base, const struct attempt_filter *f, struct ids *out,
                         struct reason *why)
{
    bool skipped;
    enum err e = list_ids(base, f, IDS_FEW, out, why);
    if (e != ERR_OK || out->count > 0 || !out->next)
        return e;
    e = skip_block(base, f, IDS_MAX, &out->next, &skipped, why);
    if (e != ERR_OK || skipped)
        return e;
    do /* it is in one of them */
        e = skip_block(base, f, IDS_BLOCK, &out->next, &skipped, why);
    while (e == ERR_OK && skipped && out->next);
    return e == ERR_OK && !skipped ? list_ids(base, f, IDS_BLOCK, out, why) : e;
}

static enum err list_succeeded(struct store_reader *base, const struct attempt_filter *f,
                               struct arena *a, struct attempt_log *out, struct reason *why)
{
    struct question q;
    struct ids ids = {.v = ARENA_ARRAY(a, uint64_t, f->limit + 1),
                      .next = f->ascending ? f->after : f->before};
    if (!ids.v)
        return out_of_arena(why);
    enum err e = find_ids(base, f, &ids, why);
    out->next = ids.next;
    if (e != ERR_OK || ids.count == 0)
        return e;
    begin(&q, base, f);
    buf_printf(&q.sql, SELECT_ROWS " (SELECT * FROM gaff.attempts WHERE");
    where_index(&q, f->before, f->after, "");
    buf_printf(&q.sql, " AND id = ANY($%d)) a", q.args.count + 1);
    pg_add_ids(&q.args, ids.v, ids.count);
    return ask_rows(&q, a, out, why);
}

enum err pg_attempt_log(struct store_reader *base, const struct attempt_filter *f, struct arena *a,
                        struct attempt_log *out, struct reason *why)
{
    assert(f->limit <= 1000 && (f->destination.n || f->event_id));
    *out = (struct attempt_log){0};
    if (f->result == ATTEMPT_SUCCESS && !f->event_id && !f->id)
        return list_succeeded(base, f, a, out, why);
    enum err e = list_rows(base, f, a, out, why);
    if (e != ERR_OK)
        return e;
    if (out->count == f->limit && out->count)
        out->next = out->v[out->count - 1].id;
    else
        e = rows_next(base, f, &out->next, why);
    return e;
}
