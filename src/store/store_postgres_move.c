/* store_postgres_move.c -- what is done by hand, and retention. Bulk moves go in steps, newest
 * first, each a transaction of its own; retention drops whole days and deletes row by row only
 * what can't wait for its day to end. */
#include "store/store_postgres.h"

#include "base/id.h"
#include "base/log.h"

#define STEP_ROWS 1000
#define SQL_MAX 8192
#define DAY_MS INT64_C(86400000)

/* --- replay and cancel ------------------------------------------------------------------------ */

/* The ids of one step: those that the filter selects before *before and that may move. */
static enum err pick(struct pg_store *s, struct pg_link *l, enum store_move move,
                     const struct delivery_filter *f, uint64_t before, struct PGresult **r,
                     struct reason *why)
{
    struct pg_args a;
    struct buf sql;
    UNUSED(s);
    pg_args_init(&a);
    buf_init(&sql, SQL_MAX);
    buf_printf(&sql, "SELECT d.id, d.state::int");
    pg_delivery_where(f, before, &sql, &a);
    buf_printf(&sql, " AND d.state %s ORDER BY d.id DESC LIMIT %d",
               move == STORE_REPLAY ? "> 1" : "= 0", STEP_ROWS);
    enum err e = pg_query(l, buf_cstr(&sql), &a, PG_QUERY_MS, r, why);
    buf_release(&sql);
    pg_args_release(&a);
    return e;
}

static enum err move_ids(struct pg_store *s, struct pg_link *l, enum store_move move,
                         const struct PGresult *picked, int64_t now_ms, uint64_t *moved,
                         struct reason *why)
{
    struct pg_args a;
    struct PGresult *r = NULL;
    pg_args_init(&a);
    pg_add_i32(&a, pg_counter_slot(s, l));
    pg_array(&a, PG_INT8_ARRAY, (size_t)pg_rows(picked));
    for (int i = 0; i < pg_rows(picked); i++)
        pg_put_i64(&a, pg_i64(picked, i, 0));
    pg_array_end(&a);
    pg_add_i64(&a, move == STORE_REPLAY ? pg_time_ms(s, now_ms) : now_ms);
    enum err e = pg_query(
        l, move == STORE_REPLAY ? "SELECT gaff.replay($1,$2,$3)" : "SELECT gaff.cancel($1,$2,$3)",
        &a, PG_QUERY_MS, &r, why);
    if (e == ERR_OK)
        *moved += (uint64_t)pg_i32(r, 0, 0);
    pg_clear(r);
    pg_args_release(&a);
    return e;
}

/* A short step is the last one only when fewer rows than one scan were looked at. */
static enum err next_before(struct pg_link *l, const struct delivery_filter *f, uint64_t *before,
                            struct reason *why)
{
    struct pg_args a;
    struct buf sql;
    struct PGresult *r = NULL;
    struct delivery_filter all = {.id = f->id,
                                  .event_id = f->event_id,
                                  .state = f->state,
                                  .since_ms = f->since_ms,
                                  .until_ms = f->until_ms};
    pg_args_init(&a);
    buf_init(&sql, SQL_MAX);
    buf_printf(&sql, "SELECT d.id");
    pg_delivery_where(&all, *before, &sql, &a);
    buf_printf(&sql, " ORDER BY d.id DESC OFFSET %d LIMIT 1", PG_SCAN_ROWS_MAX - 1);
    enum err e = pg_query(l, buf_cstr(&sql), &a, PG_QUERY_MS, &r, why);
    *before = e == ERR_OK && pg_rows(r) ? (uint64_t)pg_i64(r, 0, 0) : 0;
    pg_clear(r);
    buf_release(&sql);
    pg_args_release(&a);
    return e;
}

enum err pg_move(struct store *base, enum store_move move, const struct delivery_filter *f,
                 int64_t now_ms, uint64_t *moved, struct reason *why)
{
    struct pg_store *s = pg_of(base);
    uint64_t before = 0;
    enum err e;
    *moved = 0;
    struct pg_link *l = pg_take(s, PG_USE_OTHER, why);
    if (!l)
        return ERR_IO;
    do {
        struct PGresult *r = NULL;
        e = pick(s, l, move, f, before, &r, why);
        int n = e == ERR_OK ? pg_rows(r) : 0;
        if (n > 0)
            e = move_ids(s, l, move, r, now_ms, moved, why);
        if (e == ERR_OK && n == STEP_ROWS)
            before = (uint64_t)pg_i64(r, n - 1, 0);
        else if (e == ERR_OK)
            e = next_before(l, f, &before, why);
        pg_clear(r);
    } while (e == ERR_OK && before != 0);
    pg_give(s, PG_USE_OTHER, l);
    return pg_err(e);
}

enum err pg_add_delivery(struct store *base, uint64_t event_id, const struct new_delivery *d,
                         int64_t now_ms, struct reason *why)
{
    struct pg_store *s = pg_of(base);
    struct PGresult *r = NULL;
    struct pg_link *l = pg_take(s, PG_USE_OTHER, why);
    if (!l)
        return ERR_IO;
    struct pg_args a;
    pg_args_init(&a);
    int64_t stamp = atomic_fetch_add(&s->stamp, 1) + 1;
    pg_add_i64(&a, atomic_load(&s->epoch));
    pg_add_i32(&a, pg_counter_slot(s, l));
    pg_add_i64(&a, stamp);
    pg_add_i64(&a, (int64_t)d->id);
    pg_add_i64(&a, (int64_t)event_id);
    pg_add_text(&a, d->destination);
    pg_add_text(&a, d->route);
    pg_add_i64(&a, (int64_t)d->order_key);
    pg_add_bool(&a, d->claimed);
    pg_add_i64(&a, now_ms);
    pg_add_i64(&a, pg_time_ms(s, d->next_ms));
    pg_add_bool(&a, d->listed);
    enum err e = pg_prepare_days(s, l, pg_day(d->id), pg_day(d->id), why);
    if (e == ERR_OK)
        e = pg_query(l, "SELECT gaff.add_delivery($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12)", &a,
                     PG_QUERY_MS, &r, why);
    if (e == ERR_CLOSED && d->claimed)
        pg_node_doubt(s, stamp);
    if (e == ERR_OK && !pg_bool(r, 0, 0))
        e = fail(why, ERR_NOT_FOUND, "there is no such event; retention may have deleted it");
    else if (e == ERR_OK && !d->claimed)
        pg_node_hint(s, d->destination);
    pg_clear(r);
    pg_args_release(&a);
    pg_give(s, PG_USE_OTHER, l);
    return pg_err(e);
}

/* --- a store that is being filled ------------------------------------------------------------- */

/* One column of rows `v` as an array. */
#define COLUMN(array, put)                                                                         \
    do {                                                                                           \
        pg_array(a, (array), n);                                                                   \
        for (size_t i = 0; i < n; i++)                                                             \
            put;                                                                                   \
        pg_array_end(a);                                                                           \
    } while (0)

static void add_attempt_rows(struct pg_args *a, const struct attempt *v, size_t n)
{
    COLUMN(PG_INT8_ARRAY, pg_put_i64(a, (int64_t)v[i].delivery_id));
    COLUMN(PG_INT8_ARRAY, pg_put_i64(a, (int64_t)v[i].event_id));
    COLUMN(PG_TEXT_ARRAY, pg_put_str(a, v[i].destination));
    COLUMN(PG_INT8_ARRAY, pg_put_i64(a, (int64_t)v[i].id));
    COLUMN(PG_INT4_ARRAY, pg_put_i32(a, (int32_t)v[i].number));
    COLUMN(PG_INT4_ARRAY, pg_put_i32(a, (int32_t)v[i].result));
    COLUMN(PG_INT8_ARRAY, pg_put_i64(a, v[i].started_ms));
    COLUMN(PG_INT8_ARRAY, pg_put_i64(a, v[i].duration_us));
    COLUMN(PG_INT4_ARRAY, pg_put_i32(a, v[i].status));
    COLUMN(PG_TEXT_ARRAY, pg_put_str(a, v[i].error_class));
    COLUMN(PG_BYTEA_ARRAY, pg_put_str(a, v[i].summary));
    COLUMN(PG_BYTEA_ARRAY, pg_put_str(a, v[i].request));
    COLUMN(PG_BYTEA_ARRAY, pg_put_str(a, v[i].response));
    COLUMN(PG_BYTEA_ARRAY, pg_put_str(a, v[i].timing));
}

static void add_delivery_rows(struct pg_store *s, struct pg_args *a, const struct delivery *v,
                              size_t n)
{
    COLUMN(PG_INT8_ARRAY, pg_put_i64(a, (int64_t)v[i].id));
    COLUMN(PG_INT8_ARRAY, pg_put_i64(a, (int64_t)v[i].event_id));
    COLUMN(PG_TEXT_ARRAY, pg_put_str(a, v[i].destination));
    COLUMN(PG_TEXT_ARRAY, pg_put_str(a, v[i].route));
    COLUMN(PG_INT8_ARRAY, pg_put_i64(a, (int64_t)v[i].order_key));
    COLUMN(PG_INT4_ARRAY,
           pg_put_i32(a, v[i].state == DELIVERY_CLAIMED ? DELIVERY_PENDING : (int32_t)v[i].state));
    COLUMN(PG_INT4_ARRAY, pg_put_i32(a, (int32_t)v[i].attempts));
    COLUMN(PG_INT8_ARRAY, pg_put_i64(a, v[i].created_ms));
    COLUMN(PG_INT8_ARRAY, pg_put_i64(a, pg_time_ms(s, v[i].next_ms)));
    COLUMN(PG_INT8_ARRAY, pg_put_i64(a, v[i].settled_ms));
    COLUMN(PG_BYTEA_ARRAY, pg_put_str(a, v[i].reason));
    COLUMN(PG_BOOL_ARRAY, pg_put_bool(a, v[i].listed));
}
#undef COLUMN

struct days {
    int first, last;
};
#define NO_DAYS                                                                                    \
    {                                                                                              \
        INT32_MAX, INT32_MIN                                                                       \
    }

static void add_day(struct days *d, uint64_t delivery_id)
{
    int day = pg_day(delivery_id);
    d->first = day < d->first ? day : d->first;
    d->last = day > d->last ? day : d->last;
}

/* Puts the rows in `a`, of deliveries of these days. */
static enum err put_rows(struct pg_store *s, struct pg_link *l, const struct days *d,
                         const char *sql, struct pg_args *a, struct reason *why)
{
    enum err e = d->first <= d->last ? pg_prepare_days(s, l, d->first, d->last, why) : ERR_OK;
    if (e == ERR_OK)
        e = pg_query(l, sql, a, PG_QUERY_MS, NULL, why);
    pg_args_release(a);
    pg_give(s, PG_USE_OTHER, l);
    return pg_err(e);
}

enum err pg_add_attempts(struct store *base, const struct attempt *v, size_t count,
                         struct reason *why)
{
    struct pg_store *s = pg_of(base);
    struct pg_args a;
    struct days days = NO_DAYS;
    struct pg_link *l = pg_take(s, PG_USE_OTHER, why);
    if (!l)
        return ERR_IO;
    for (size_t i = 0; i < count; i++)
        add_day(&days, v[i].delivery_id);
    pg_args_init(&a);
    add_attempt_rows(&a, v, count);
    return put_rows(s, l, &days,
                    "INSERT INTO gaff.attempts (delivery_id, event_id, destination, id, number,"
                    " result, started_ms, duration_us, status, error_class, summary, request,"
                    " response, timing) SELECT * FROM unnest($1, $2, $3, $4, $5, $6::int[],"
                    " $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING",
                    &a, why);
}

enum err pg_restore(struct store *base, const struct delivery *v, size_t count, struct reason *why)
{
    struct pg_store *s = pg_of(base);
    struct pg_args a;
    struct days days = NO_DAYS;
    struct pg_link *l = pg_take(s, PG_USE_OTHER, why);
    if (!l)
        return ERR_IO;
    for (size_t i = 0; i < count; i++)
        add_day(&days, v[i].id);
    pg_args_init(&a);
    pg_add_i32(&a, pg_counter_slot(s, l));
    add_delivery_rows(s, &a, v, count);
    return put_rows(s, l, &days, "SELECT gaff.restore($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)",
                    &a, why);
}

enum err pg_expunge(struct store *base, uint64_t id, uint32_t attempt, struct reason *why)
{
    struct pg_store *s = pg_of(base);
    struct PGresult *r = NULL;
    struct pg_args a;
    struct pg_link *l = pg_take(s, PG_USE_OTHER, why);
    if (!l)
        return ERR_IO;
    pg_args_init(&a);
    pg_add_i32(&a, pg_counter_slot(s, l));
    pg_add_i64(&a, (int64_t)id);
    pg_add_i32(&a, (int32_t)attempt);
    enum err e = pg_query(l, "SELECT gaff.expunge($1,$2,$3)", &a, PG_QUERY_MS, &r, why);
    if (e == ERR_OK && !pg_bool(r, 0, 0))
        e = fail(why, ERR_NOT_FOUND, "there is no such event or attempt");
    if (e == ERR_OK && !attempt)
        recent_drop(s->recent, id);
    pg_clear(r);
    pg_args_release(&a);
    pg_give(s, PG_USE_OTHER, l);
    return pg_err(e);
}

/* --- retention -------------------------------------------------------------------------------- */

/* Days before this go whole. */
static enum err drop_days(struct pg_link *l, int before, uint64_t *deleted, struct reason *why)
{
    struct pg_args a;
    pg_args_init(&a);
    pg_add_i32(&a, before);
    enum err e;
    bool dropped;
    do {
        struct PGresult *r = NULL;
        e = pg_query(l, "SELECT gaff.drop_day($1)", &a, PG_QUERY_MS, &r, why);
        dropped = e == ERR_OK && !pg_is_null(r, 0, 0);
        if (dropped)
            *deleted += (uint64_t)pg_i64(r, 0, 0);
        pg_clear(r);
    } while (dropped);
    pg_args_release(&a);
    return e == ERR_TIMEOUT ? ERR_OK : e; /* somebody reads that day: at the next round */
}

static enum err delete_rows(struct pg_store *s, struct pg_link *l, uint64_t most, int64_t before_ms,
                            int64_t bytes, size_t step, uint64_t *deleted, struct reason *why)
{
    struct pg_args a;
    struct PGresult *r = NULL;
    pg_args_init(&a);
    pg_add_i32(&a, pg_counter_slot(s, l));
    pg_add_i64(&a, (int64_t)atomic_load(&s->purge_from));
    pg_add_i64(&a, (int64_t)most);
    pg_add_i64(&a, before_ms);
    pg_add_i64(&a, bytes);
    pg_add_i32(&a, (int32_t)step);
    enum err e =
        pg_query(l, "SELECT * FROM gaff.purge($1,$2,$3,$4,$5,$6)", &a, PG_QUERY_MS, &r, why);
    if (e == ERR_OK) {
        *deleted += (uint64_t)pg_i32(r, 0, 0);
        atomic_store(&s->purge_from, (uint64_t)pg_i64(r, 0, 1));
    }
    pg_clear(r);
    pg_args_release(&a);
    return e;
}

/* How much lies above the bound, and how much the oldest day holds. */
static enum err read_bytes(struct pg_link *l, int64_t *all, int64_t *oldest, int *day,
                           struct reason *why)
{
    struct PGresult *r = NULL;
    enum err e = pg_query(l,
                          "SELECT (sum(n) OVER ())::bigint, n, day FROM (SELECT day,"
                          " sum(bytes)::bigint AS n FROM gaff.counters GROUP BY day"
                          " HAVING sum(bytes) > 0) c ORDER BY day LIMIT 1",
                          NULL, PG_QUERY_MS, &r, why);
    *all = e == ERR_OK && pg_rows(r) ? pg_i64(r, 0, 0) : 0;
    *oldest = e == ERR_OK && pg_rows(r) ? pg_i64(r, 0, 1) : 0;
    *day = e == ERR_OK && pg_rows(r) ? pg_i32(r, 0, 2) : 0;
    pg_clear(r);
    return e;
}

static enum err purge_bytes(struct pg_store *s, struct pg_link *l, const struct retention *keep,
                            uint64_t *deleted, struct reason *why)
{
    int64_t all = 0, oldest = 0;
    int day = 0;
    enum err e = read_bytes(l, &all, &oldest, &day, why);
    if (e != ERR_OK || all <= keep->bytes)
        return e;
    if (all - oldest >= keep->bytes) {
        uint64_t before = *deleted;
        e = drop_days(l, day + 1, deleted, why);
        if (e != ERR_OK || *deleted > before)
            return e;
    }
    return delete_rows(s, l, INT64_MAX, 0, all - keep->bytes, keep->step, deleted, why);
}

/* What is past its time and no event: keys, objects, old deletions; some at each call. (An array
 * is looked up row by row; with IN the whole table was scanned.) */
static enum err purge_rest(struct pg_link *l, int64_t now_ms, struct reason *why)
{
    struct pg_args a;
    pg_args_init(&a);
    pg_add_i64(&a, now_ms);
    enum err e = pg_query(l,
                          "DELETE FROM gaff.dedupe WHERE ctid = ANY (ARRAY(SELECT ctid FROM"
                          " gaff.dedupe WHERE until_ms <= $1 ORDER BY until_ms LIMIT 20000))",
                          &a, PG_QUERY_MS, NULL, why);
    if (e == ERR_OK)
        e = pg_query(l,
                     "DELETE FROM gaff.keys WHERE ctid = ANY (ARRAY(SELECT ctid FROM gaff.keys"
                     " WHERE until_ms <= $1 ORDER BY until_ms LIMIT 20000))",
                     &a, PG_QUERY_MS, NULL, why);
    pg_add_i64(&a, now_ms - OBJECT_GONE_KEPT_MS);
    if (e == ERR_OK)
        e = pg_query(l, "SELECT gaff.purge_objects($1,$2)", &a, PG_QUERY_MS, NULL, why);
    pg_args_release(&a);
    return e;
}

enum err pg_purge(struct store *base, const struct retention *keep, int64_t now_ms,
                  uint64_t *deleted, struct reason *why)
{
    struct pg_store *s = pg_of(base);
    *deleted = 0;
    struct pg_link *l = pg_take(s, PG_USE_OTHER, why);
    if (!l)
        return ERR_IO;
    enum err e = purge_rest(l, now_ms, why);
    if (e == ERR_OK && keep->age_ms) {
        int64_t before_ms = now_ms - keep->age_ms;
        int day = pg_day(id_floor(before_ms));
        e = drop_days(l, day, deleted, why);
        /* With days to keep, one more does no harm and a dropped day costs nothing; what is left
         * of older days waits for something undelivered. */
        uint64_t most = keep->age_ms < 2 * DAY_MS ? id_floor(before_ms + 7 * DAY_MS)
                                                  : (uint64_t)((int64_t)day * DAY_MS) << 21;
        if (e == ERR_OK && *deleted < keep->step)
            e = delete_rows(s, l, most, before_ms, 0, keep->step - *deleted, deleted, why);
    }
    if (e == ERR_OK && keep->bytes && *deleted < keep->step)
        e = purge_bytes(s, l, keep, deleted, why);
    pg_give(s, PG_USE_OTHER, l);
    return pg_err(e);
}

enum err pg_backup(struct store *s, const char *path,
                   void (*progress)(uint64_t done, uint64_t all, void *arg), void *arg,
                   struct reason *why)
{
    UNUSED(s);
    UNUSED(path);
    UNUSED(progress);
    UNUSED(arg);
    return fail(why, ERR_INVALID,
                "this store is in PostgreSQL: take its backup with pg_dump or pg_basebackup");
}
