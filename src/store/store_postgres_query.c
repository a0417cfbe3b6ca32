/* store_postgres_query.c -- what readers ask: lists of events, deliveries and refusals by
 * filter, newest first. A list looks at PG_SCAN_ROWS_MAX rows at most and says where to go on. */
#include "store/store_postgres.h"

#include "base/id.h"

#define SQL_MAX 8192

/* An id is made at arrival or after it, never before; a clock that was set back can make it later
 * than that by as much. */
#define EARLY_SLACK_MS (3600 * INT64_C(1000))
#define LATE_SLACK_MS (7 * 24 * 3600 * INT64_C(1000))

void pg_event_row(const struct PGresult *q, int row, struct event *e)
{
    str hash = pg_bytes(q, row, 8);
    *e = (struct event){.id = (uint64_t)pg_i64(q, row, 0),
                        .received_ms = pg_i64(q, row, 1),
                        .source = pg_bytes(q, row, 2),
                        .provider = pg_bytes(q, row, 3),
                        .verdict = pg_bytes(q, row, 4),
                        .flags = (uint32_t)pg_i32(q, row, 5),
                        .type = pg_bytes(q, row, 6),
                        .dedupe_key = pg_bytes(q, row, 7),
                        .verdict_text = pg_bytes(q, row, 9),
                        .method = pg_bytes(q, row, 10),
                        .target = pg_bytes(q, row, 11),
                        .peer = pg_bytes(q, row, 12),
                        .trace = pg_bytes(q, row, 13),
                        .head = STR(""),
                        .body = STR("")};
    if (hash.n == sizeof(e->body_hash))
        memcpy(e->body_hash, hash.p, hash.n);
}

/* The next parameter's place in the text: "$3". */
static int place(const struct pg_args *a)
{
    return a->count + 1;
}

struct pg_span {            /* of ids, in the direction of a list */
    uint64_t before, after; /* exclusive */
    bool ascending;
    int64_t since_ms, until_ms;
};

static const char *direction(const struct pg_span *s)
{
    return s->ascending ? "" : " DESC";
}

static void where_id(struct buf *sql, struct pg_args *a, const char *column,
                     const struct pg_span *s)
{
    int64_t since_ms = s->since_ms, until_ms = s->until_ms;
    uint64_t most = s->before ? s->before : INT64_MAX, least = s->ascending ? s->after + 1 : 0;
    if (until_ms > 0 && id_floor(until_ms + LATE_SLACK_MS) < most)
        most = id_floor(until_ms + LATE_SLACK_MS);
    if (since_ms > EARLY_SLACK_MS && id_floor(since_ms - EARLY_SLACK_MS) > least)
        least = id_floor(since_ms - EARLY_SLACK_MS);
    buf_printf(sql, " %s < $%d AND %s >= $%d", column, place(a), column, place(a) + 1);
    pg_add_i64(a, (int64_t)most);
    pg_add_i64(a, (int64_t)least);
}

static void where_text(struct buf *sql, struct pg_args *a, const char *column, str value)
{
    if (value.n == 0)
        return;
    buf_printf(sql, " AND %s = $%d", column, place(a));
    pg_add_text(a, value);
}

static void where_bytes(struct buf *sql, struct pg_args *a, const char *column, str value)
{
    if (value.n == 0)
        return;
    buf_printf(sql, " AND %s = $%d", column, place(a));
    pg_add_bytes(a, value);
}

static void where_between(struct buf *sql, struct pg_args *a, const char *column, int64_t since_ms,
                          int64_t until_ms)
{
    if (since_ms) {
        buf_printf(sql, " AND %s >= $%d", column, place(a));
        pg_add_i64(a, since_ms);
    }
    if (until_ms) {
        buf_printf(sql, " AND %s < $%d", column, place(a));
        pg_add_i64(a, until_ms);
    }
}

static enum err ask(struct store_reader *reader, struct buf *sql, struct pg_args *a,
                    struct PGresult **r, struct reason *why)
{
    enum err e = buf_ok(sql) ? pg_ask_list(reader, buf_cstr(sql), a, r, why)
                             : fail(why, ERR_LIMIT, "the query is too long");
    pg_args_release(a);
    buf_release(sql);
    return e;
}

/* --- events ----------------------------------------------------------------------------------- */

static void where_delivery(struct buf *sql, struct pg_args *a, const struct event_filter *f)
{
    if (f->state < 0 && f->destination.n == 0)
        return;
    buf_printf(sql, " AND EXISTS (SELECT 1 FROM gaff.all_deliveries d WHERE d.event_id = e.id");
    if (f->state >= 0) {
        buf_printf(sql, " AND d.state = $%d", place(a));
        pg_add_i32(a, f->state);
    }
    where_text(sql, a, "d.destination", f->destination);
    buf_printf(sql, ")");
}

static void where_content(struct buf *sql, struct pg_args *a, str text)
{
    if (text.n == 0)
        return;
    buf_printf(sql, " AND (position($%d IN e.head) > 0 OR position($%d IN e.body) > 0)", place(a),
               place(a));
    pg_add_bytes(a, text);
}

/* When a page is short: the last id that was looked at, or 0 when there are no more. `listed`: the
 * further condition of the rows that are looked at, with the place of its parameter, or NULL. */
static enum err find_next(struct store_reader *base, const char *table, const struct pg_span *span,
                          const char *listed, str value, uint64_t *next, struct reason *why)
{
    struct buf sql;
    struct pg_args a;
    struct PGresult *r = NULL;
    pg_args_init(&a);
    buf_init(&sql, SQL_MAX);
    buf_printf(&sql, "SELECT id FROM %s WHERE", table);
    where_id(&sql, &a, "id", span);
    if (listed) {
        buf_printf(&sql, " AND %s = $%d", listed, place(&a));
        pg_add_text(&a, value);
    }
    buf_printf(&sql, " ORDER BY id%s OFFSET %d LIMIT 1", direction(span), PG_SCAN_ROWS_MAX - 1);
    enum err e = ask(base, &sql, &a, &r, why);
    *next = e == ERR_OK && pg_rows(r) ? (uint64_t)pg_i64(r, 0, 0) : 0;
    pg_clear(r);
    return e;
}

static str copy(struct arena *a, str s)
{
    return arena_str(a, s);
}

static enum err event_rows(const struct PGresult *r, struct arena *a, struct event_list *out,
                           struct reason *why)
{
    out->v = ARENA_ARRAY(a, struct event_row, (size_t)pg_rows(r) + 1);
    for (int i = 0; out->v && i < pg_rows(r); i++) {
        struct event_row *row = &out->v[out->count++];
        struct event *e = &row->event;
        pg_event_row(r, i, e);
        str *strings[] = {&e->source, &e->provider,     &e->verdict, &e->type, &e->dedupe_key,
                          &e->method, &e->verdict_text, &e->target,  &e->peer, &e->trace};
        for (size_t j = 0; j < ARRAY_LEN(strings); j++)
            *strings[j] = copy(a, *strings[j]);
        row->body_bytes = (uint64_t)pg_i32(r, i, 14);
        for (int state = 0; state < DELIVERY_STATE_COUNT; state++)
            row->by_state[state] = (uint32_t)pg_i64(r, i, 15 + state);
    }
    return out->v && arena_ok(a) ? ERR_OK : out_of_arena(why);
}

static struct pg_span event_span(const struct event_filter *f)
{
    return (struct pg_span){f->before, f->after, f->ascending, f->since_ms, f->until_ms};
}

#define EVENTS_LISTED "(flags & 4) <> 0 AND source"

static void event_sql(const struct event_filter *f, struct buf *sql, struct pg_args *a)
{
    struct pg_span span = event_span(f);
    buf_printf(sql, "SELECT " PG_EVENT_COLUMNS ", octet_length(e.body), s.* FROM"
                    " (SELECT * FROM (SELECT * FROM gaff.events WHERE");
    where_id(sql, a, "id", &span);
    if (f->listed)
        where_text(sql, a, EVENTS_LISTED, f->source);
    buf_printf(sql, " ORDER BY id%s LIMIT %d) e WHERE true", direction(&span), PG_SCAN_ROWS_MAX);
    where_between(sql, a, "e.received_ms", f->since_ms, f->until_ms);
    where_text(sql, a, "e.source", f->source);
    where_bytes(sql, a, "e.type", f->type);
    where_content(sql, a, f->text);
    where_delivery(sql, a, f);
    buf_printf(sql,
               " LIMIT %zu) e, LATERAL (SELECT count(*) FILTER (WHERE d.state = 0),"
               " count(*) FILTER (WHERE d.state = 1), count(*) FILTER (WHERE d.state = 2),"
               " count(*) FILTER (WHERE d.state = 3), count(*) FILTER (WHERE d.state = 4),"
               " count(*) FILTER (WHERE d.state = 5)"
               " FROM gaff.all_deliveries d WHERE d.event_id = e.id) s ORDER BY e.id%s",
               f->limit, direction(&span));
}

enum err pg_events(struct store_reader *base, const struct event_filter *f, struct arena *a,
                   struct event_list *out, struct reason *why)
{
    struct pg_span span = event_span(f);
    struct buf sql;
    struct pg_args args;
    struct PGresult *r = NULL;
    assert(f->limit <= 1000);
    *out = (struct event_list){0};
    pg_args_init(&args);
    buf_init(&sql, SQL_MAX);
    event_sql(f, &sql, &args);
    enum err e = ask(base, &sql, &args, &r, why);
    if (e == ERR_OK)
        e = event_rows(r, a, out, why);
    pg_clear(r);
    if (e == ERR_OK && out->count == f->limit && out->count)
        out->next = out->v[out->count - 1].event.id;
    else if (e == ERR_OK)
        e = find_next(base, "gaff.events", &span, f->listed ? EVENTS_LISTED : NULL, f->source,
                      &out->next, why);
    return e;
}

/* --- deliveries ------------------------------------------------------------------------------- */

#define DELIVERIES_LISTED "listed AND destination"

/* Rows of `d`: those that may match, cut at PG_SCAN_ROWS_MAX, then those that do. */
void pg_delivery_where(const struct delivery_filter *f, uint64_t before, struct buf *sql,
                       struct pg_args *a)
{
    struct pg_span span = {before, f->after, f->ascending, f->since_ms, f->until_ms};
    buf_printf(sql, " FROM (SELECT * FROM gaff.all_deliveries WHERE");
    where_id(sql, a, "id", &span);
    if (f->listed)
        where_text(sql, a, DELIVERIES_LISTED, f->destination);
    if (f->id) {
        buf_printf(sql, " AND id = $%d", place(a));
        pg_add_i64(a, (int64_t)f->id);
    }
    if (f->event_id) {
        buf_printf(sql, " AND event_id = $%d", place(a));
        pg_add_i64(a, (int64_t)f->event_id);
    }
    /* A constant, so that the index of those that were not delivered is used. */
    if (f->state >= 0 && f->state != DELIVERY_DELIVERED)
        buf_printf(sql, " AND state = %d AND state <> 2", f->state);
    buf_printf(sql, " ORDER BY id%s LIMIT %d) d WHERE true", direction(&span), PG_SCAN_ROWS_MAX);
    if (f->state == DELIVERY_DELIVERED)
        buf_printf(sql, " AND d.state = 2");
    where_between(sql, a, "d.created_ms", f->since_ms, f->until_ms);
    where_text(sql, a, "d.destination", f->destination);
    if (f->cause.n) {
        /* Where it is longer than the reason, less than all of it is compared: no match. */
        buf_printf(sql,
                   " AND substring(d.reason from greatest(length(d.reason) - length($%d) + 1, 1))"
                   " = $%d",
                   place(a), place(a));
        pg_add_bytes(a, f->cause);
    }
    if (f->source.n || f->type.n) {
        buf_printf(sql, " AND EXISTS (SELECT 1 FROM gaff.events e WHERE e.id = d.event_id");
        where_text(sql, a, "e.source", f->source);
        where_bytes(sql, a, "e.type", f->type);
        buf_printf(sql, ")");
    }
}

static enum err delivery_rows(struct pg_store *s, const struct PGresult *r, struct arena *a,
                              struct delivery_list *out, struct reason *why)
{
    out->v = ARENA_ARRAY(a, struct delivery, (size_t)pg_rows(r) + 1);
    for (int i = 0; out->v && i < pg_rows(r); i++)
        out->v[out->count++] = (struct delivery){
            .id = (uint64_t)pg_i64(r, i, 0),
            .event_id = (uint64_t)pg_i64(r, i, 1),
            .destination = copy(a, pg_bytes(r, i, 2)),
            .route = copy(a, pg_bytes(r, i, 3)),
            .order_key = (uint64_t)pg_i64(r, i, 4),
            .state = (enum delivery_state)pg_i32(r, i, 5),
            .attempts = (uint32_t)pg_i32(r, i, 6),
            .created_ms = pg_i64(r, i, 7),
            .next_ms = pg_i64(r, i, 8) - atomic_load(&s->offset_ms),
            .settled_ms = pg_i64(r, i, 9),
            .reason = copy(a, pg_bytes(r, i, 10)),
            .listed = pg_bool(r, i, 11),
        };
    return out->v && arena_ok(a) ? ERR_OK : out_of_arena(why);
}

enum err pg_deliveries(struct store_reader *base, const struct delivery_filter *f, struct arena *a,
                       struct delivery_list *out, struct reason *why)
{
    struct pg_store *s = pg_of(base->store);
    struct buf sql;
    struct pg_args args;
    struct PGresult *r = NULL;
    assert(f->limit <= 1000);
    /* One that was just made must be there, also where lists may lag. */
    struct store_reader now = {.store = base->store};
    if (f->id || f->event_id)
        base = &now;
    *out = (struct delivery_list){0};
    pg_args_init(&args);
    buf_init(&sql, SQL_MAX);
    buf_printf(&sql, "SELECT d.id, d.event_id, d.destination, d.route, d.order_key,"
                     " d.state::int, d.attempts, d.created_ms, d.next_ms, d.settled_ms, d.reason,"
                     " d.listed");
    pg_delivery_where(f, f->before, &sql, &args);
    struct pg_span span = {f->before, f->after, f->ascending, f->since_ms, f->until_ms};
    buf_printf(&sql, " ORDER BY d.id%s LIMIT %zu", direction(&span), f->limit);
    enum err e = ask(base, &sql, &args, &r, why);
    if (e == ERR_OK)
        e = delivery_rows(s, r, a, out, why);
    pg_clear(r);
    if (e == ERR_OK && out->count == f->limit && out->count)
        out->next = out->v[out->count - 1].id;
    else if (e == ERR_OK && !f->event_id && !f->id &&
             (f->state < 0 || f->state == DELIVERY_DELIVERED))
        e = find_next(base, "gaff.all_deliveries", &span, f->listed ? DELIVERIES_LISTED : NULL,
                      f->destination, &out->next, why);
    return e;
}

/* --- refusals --------------------------------------------------------------------------------- */

enum err pg_rejections(struct store_reader *base, uint64_t before, size_t limit, struct arena *a,
                       struct rejection_list *out, struct reason *why)
{
    struct PGresult *r = NULL;
    struct pg_args args;
    assert(limit <= 1000);
    *out = (struct rejection_list){0};
    pg_args_init(&args);
    pg_add_i64(&args, before ? (int64_t)before : INT64_MAX);
    pg_add_i64(&args, (int64_t)limit);
    enum err e =
        pg_ask_list(base,
                    "SELECT id, received_ms, source, verdict, verdict_text, method, target,"
                    " peer, head, body FROM gaff.rejections WHERE id < $1"
                    " ORDER BY id DESC LIMIT $2",
                    &args, &r, why);
    pg_args_release(&args);
    if (e != ERR_OK)
        return e;
    out->v = ARENA_ARRAY(a, struct rejection, (size_t)pg_rows(r) + 1);
    for (int i = 0; out->v && i < pg_rows(r); i++)
        out->v[out->count++] = (struct rejection){
            .id = (uint64_t)pg_i64(r, i, 0),
            .received_ms = pg_i64(r, i, 1),
            .source = copy(a, pg_bytes(r, i, 2)),
            .verdict = copy(a, pg_bytes(r, i, 3)),
            .verdict_text = copy(a, pg_bytes(r, i, 4)),
            .method = copy(a, pg_bytes(r, i, 5)),
            .target = copy(a, pg_bytes(r, i, 6)),
            .peer = copy(a, pg_bytes(r, i, 7)),
            .head = copy(a, pg_bytes(r, i, 8)),
            .body = copy(a, pg_bytes(r, i, 9)),
        };
    pg_clear(r);
    if (out->v && out->count == limit && out->count)
        out->next = out->v[out->count - 1].id;
    return out->v && arena_ok(a) ? ERR_OK : out_of_arena(why);
}
