/* store_sqlite_query.c -- what readers ask. Each reader has its own read-only connection; a query
 * first waits until what was committed before it is in the tables. Every statement is reset before
 * the call returns, so that no old snapshot keeps the write-ahead log from being reused. */
#include "store/store_sqlite.h"
#include "store/store_sqlite_rows.h"

#define PEEK_BYTES 2048u
#define EVENT_REST_MAX (256u << 10) /* of one but for its body */

struct store_reader *sqlite_reader_open(struct store *base, struct reason *why)
{
    struct sqlite_reader *r = calloc(1, sizeof(*r));
    if (!r) {
        fail(why, ERR_NOMEM, "no memory for a reader");
        return NULL;
    }
    r->base.store = base;
    if (db_open_reader(sqlite_of(base), &r->c, why) != ERR_OK) {
        free(r);
        return NULL;
    }
    return &r->base;
}

void sqlite_reader_close(struct store_reader *base)
{
    struct sqlite_reader *r = sqlite_reader_of(base);
    sqlite_rest(base);
    kept_keys_free(r->keys);
    db_close(&r->c);
    free(r);
}

/* --- one event -------------------------------------------------------------------------------- */

/* The event's bytes straight from the journal; false when its segment is gone. */
static bool load_from_journal(struct sqlite_store *s, uint64_t id, uint64_t locator,
                              struct arena *a, struct event *out)
{
    char head[PEEK_BYTES];
    size_t there = journal_peek(s->journal, locator, head, sizeof(head));
    size_t n = there >= RECORD_EVENT_HEAD ? record_event_bytes(head) : 0;
    if (n == 0)
        return false;
    struct cursor c = cursor_of(str_of(head + 8, 8));
    if (cursor_u64(&c) != id)
        return false;
    char *bytes = arena_alloc(a, n);
    if (!bytes)
        return false;
    size_t first = n < there ? n : there;
    memcpy(bytes, head, first);
    if (first < n &&
        journal_peek(s->journal, locator + first, bytes + first, n - first) != n - first)
        return false;
    return record_event_read(str_of(bytes, n), out) && out->id == id;
}

#define EVENT_COLUMNS                                                                              \
    "id, received_ms, source, provider, verdict, flags, type, dedupe_key, verdict_text,"           \
    " method, target, peer, body_hash, trace, length(body)"

static void read_event(struct connection *c, sqlite3_stmt *q, struct arena *a, struct event *e)
{
    str hash = db_column(q, 12);
    *e = (struct event){
        .id = db_u64(q, 0),
        .received_ms = sqlite3_column_int64(q, 1),
        .source = rows_name(c, sqlite3_column_int64(q, 2), a),
        .provider = rows_name(c, sqlite3_column_int64(q, 3), a),
        .verdict = rows_name(c, sqlite3_column_int64(q, 4), a),
        .flags = (uint32_t)sqlite3_column_int64(q, 5),
        .type = arena_str(a, db_column(q, 6)),
        .dedupe_key = arena_str(a, db_column(q, 7)),
        .verdict_text = arena_str(a, db_column(q, 8)),
        .method = arena_str(a, db_column(q, 9)),
        .target = arena_str(a, db_column(q, 10)),
        .peer = arena_str(a, db_column(q, 11)),
        .trace = arena_str(a, db_column(q, 13)),
        .head = STR(""),
        .body = STR(""),
    };
    if (hash.n == sizeof(e->body_hash))
        memcpy(e->body_hash, hash.p, hash.n);
}

enum err sqlite_event(struct connection *c, uint64_t id, int64_t body_max, struct arena *a,
                      struct event *out, struct reason *why)
{
    sqlite3_stmt *q = db_statement(c, "SELECT " EVENT_COLUMNS ", head, body FROM events"
                                      " WHERE id=?1 AND length(body)<=?2");
    if (!q)
        return db_fail(c->db, "read an event", why);
    db_bind_u64(q, 1, id);
    sqlite3_bind_int64(q, 2, body_max);
    int rc = sqlite3_step(q);
    if (rc == SQLITE_ROW) {
        read_event(c, q, a, out);
        out->head = arena_str(a, db_column(q, 15));
        out->body = arena_str(a, db_column(q, 16));
    }
    sqlite3_reset(q);
    if (rc == SQLITE_DONE)
        return fail(why, ERR_NOT_FOUND, "there is no such event; retention may have deleted it");
    if (rc != SQLITE_ROW)
        return db_fail(c->db, "read an event", why);
    return arena_ok(a) ? ERR_OK : out_of_arena(why);
}

static void give_wanted(sqlite3_context *to, const void *rows, size_t row, int column)
{
    UNUSED(column);
    sqlite3_result_int64(to, (sqlite3_int64)((const uint64_t *)rows)[row]);
}

bool sqlite_events_open(struct sqlite_store *s)
{
    s->writer.wanted = (struct given){.columns = "CREATE TABLE x (event)", .column = give_wanted};
    return given_show(s->writer.c.db, "wanted", &s->writer.wanted);
}

bool sqlite_events_of(struct sqlite_store *s, const uint64_t *ids, size_t count, int64_t body_max,
                      bool (*take)(const struct event *e, void *arg), void *arg)
{
    struct writer *w = &s->writer;
    sqlite3_stmt *q = db_statement(&w->c, "SELECT " EVENT_COLUMNS ", head, body FROM wanted"
                                          " CROSS JOIN events ON events.id=wanted.event"
                                          " WHERE length(body)<=?1");
    if (!q)
        return false;
    struct arena a;
    int rc;
    bool goes_on = true;
    arena_init(&a, (size_t)body_max + EVENT_REST_MAX);
    sqlite3_bind_int64(q, 1, body_max);
    w->wanted.rows = ids;
    w->wanted.count = count;
    while (goes_on && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct event e;
        read_event(&w->c, q, &a, &e);
        e.head = arena_str(&a, db_column(q, 15));
        e.body = arena_str(&a, db_column(q, 16));
        goes_on = !arena_ok(&a) || take(&e, arg);
        arena_reset(&a);
    }
    sqlite3_reset(q);
    w->wanted.count = 0;
    arena_release(&a);
    return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

static void leave_view(struct sqlite_reader *r)
{
    if (r->in_view)
        db_rollback(&r->c);
    r->in_view = false;
}

void sqlite_hold(struct store_reader *base)
{
    sqlite_reader_of(base)->is_held = true;
}

void sqlite_rest(struct store_reader *base)
{
    struct sqlite_reader *r = sqlite_reader_of(base);
    leave_view(r);
    r->is_held = false;
}

enum err sqlite_load(struct store_reader *base, uint64_t id, uint64_t locator, struct arena *a,
                     struct event *out, struct reason *why)
{
    struct sqlite_reader *r = sqlite_reader_of(base);
    struct sqlite_store *s = sqlite_of(base->store);
    if (locator && load_from_journal(s, id, locator, a, out))
        return ERR_OK;
    if (r->is_held && recent_get(s->recent, id, a, out))
        return ERR_OK;
    if (!arena_ok(a))
        return out_of_arena(why);
    if (r->in_view) {
        if (sqlite_event(&r->c, id, INT64_MAX, a, out, why) == ERR_OK)
            return ERR_OK;
        leave_view(r);
    }
    /* Read before the table is: what is applied while the table is read is missing there too. */
    uint64_t applied = atomic_load(&s->applied_lsn);
    r->in_view = r->is_held && db_run(db_statement(&r->c, "BEGIN"));
    enum err e = sqlite_event(&r->c, id, INT64_MAX, a, out, why);
    if (e == ERR_NOT_FOUND && applied < journal_end(s->journal)) {
        struct reason behind = {0};
        leave_view(r);
        /* Acknowledged perhaps, and only in the journal: that is no "not found". */
        if (apply_barrier(s, &behind) != ERR_OK)
            return fail(why, ERR_FULL, "the database can't be brought up to date now: %s",
                        behind.text);
        e = sqlite_event(&r->c, id, INT64_MAX, a, out, why);
    }
    return e;
}

/* --- lists of events -------------------------------------------------------------------------- */

struct event_scan {
    struct connection *c;
    const struct event_filter *f;
    int64_t source, destination; /* numbers; 0: any, -1: a name that exists nowhere */
};

static bool has_delivery(const struct event_scan *s, uint64_t event_id)
{
    if (s->f->state < 0 && !s->destination)
        return true;
    sqlite3_stmt *q = db_statement(
        s->c, "SELECT 1 FROM deliveries WHERE event_id=?1 AND (?2<0 OR " STATE_NOW "=?2)"
              " AND (?3=0 OR destination=?3) LIMIT 1");
    if (!q)
        return false;
    db_bind_u64(q, 1, event_id);
    sqlite3_bind_int(q, 2, s->f->state);
    sqlite3_bind_int64(q, 3, s->destination);
    bool found = sqlite3_step(q) == SQLITE_ROW;
    sqlite3_reset(q);
    return found;
}

static bool holds(str text, str needle)
{
    return str_find_str(text, needle) < text.n || (needle.n == 0);
}

static bool event_is_wanted(const struct event_scan *s, sqlite3_stmt *q)
{
    const struct event_filter *f = s->f;
    int64_t received_ms = sqlite3_column_int64(q, 1);
    if ((f->since_ms && received_ms < f->since_ms) || (f->until_ms && received_ms >= f->until_ms))
        return false;
    if (s->source && sqlite3_column_int64(q, 2) != s->source)
        return false;
    if (f->type.n && !str_eq(db_column(q, 6), f->type))
        return false;
    if (f->text.n && !holds(db_column(q, 15), f->text) && !holds(db_column(q, 16), f->text))
        return false;
    return has_delivery(s, db_u64(q, 0));
}

static bool count_states(struct connection *c, struct event_row *row)
{
    sqlite3_stmt *q = db_statement(c, "SELECT " STATE_NOW
                                      ", count(*) FROM deliveries WHERE event_id=?1 GROUP BY 1");
    if (!q)
        return false;
    db_bind_u64(q, 1, row->event.id);
    int rc;
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        int state = sqlite3_column_int(q, 0);
        if (state >= 0 && state < DELIVERY_STATE_COUNT)
            row->by_state[state] = (uint32_t)sqlite3_column_int64(q, 1);
    }
    sqlite3_reset(q);
    return rc == SQLITE_DONE;
}

#define WALK(f, sql) ((f)->ascending ? sql " ORDER BY id" : sql " ORDER BY id DESC")
#define WALK_TEXT(f, before, behind)                                                               \
    ((f)->text.n ? WALK(f, before ", head, body" behind) : WALK(f, before behind))

static const char *events_sql(const struct event_filter *f)
{
    if (f->listed)
        return WALK_TEXT(f, "SELECT " EVENT_COLUMNS,
                         " FROM events INDEXED BY events_listed WHERE source=?3"
                         " AND (flags & 4) <> 0 AND id<?1 AND id>=?2");
    return WALK_TEXT(f, "SELECT " EVENT_COLUMNS, " FROM events WHERE id<?1 AND id>=?2");
}

static sqlite3_stmt *event_statement(const struct event_scan *s)
{
    const struct event_filter *f = s->f;
    /* Head and body are read for a search in them only: they lie on pages of their own. */
    sqlite3_stmt *q = db_statement(s->c, events_sql(f));
    if (!q)
        return NULL;
    uint64_t most = f->before ? f->before : INT64_MAX, least = f->after ? f->after + 1 : 0;
    rows_id_range(f->since_ms, f->until_ms, &least, &most);
    db_bind_u64(q, 1, most);
    db_bind_u64(q, 2, least);
    if (f->listed)
        sqlite3_bind_int64(q, 3, s->source);
    return q;
}

static enum err scan_events(const struct event_scan *s, struct arena *a, struct event_list *out,
                            struct reason *why)
{
    size_t limit = s->f->limit;
    sqlite3_stmt *q = event_statement(s);
    if (!q)
        return db_fail(s->c->db, "list events", why);
    int rc = SQLITE_ROW;
    for (size_t looked = 0; looked < SCAN_ROWS_MAX && out->count < limit; looked++) {
        rc = sqlite3_step(q);
        if (rc != SQLITE_ROW)
            break;
        out->next = db_u64(q, 0);
        if (!event_is_wanted(s, q))
            continue;
        struct event_row *row = &out->v[out->count++];
        read_event(s->c, q, a, &row->event);
        row->body_bytes = db_u64(q, 14);
        if (!count_states(s->c, row))
            rc = SQLITE_ERROR;
    }
    if (rc == SQLITE_DONE)
        out->next = 0;
    sqlite3_reset(q);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return db_fail(s->c->db, "list events", why);
    return arena_ok(a) ? ERR_OK : out_of_arena(why);
}

enum err sqlite_events(struct store_reader *base, const struct event_filter *f, struct arena *a,
                       struct event_list *out, struct reason *why)
{
    struct sqlite_reader *r = sqlite_reader_of(base);
    struct event_scan s = {.c = &r->c, .f = f};
    assert(f->limit <= 1000);
    *out = (struct event_list){0};
    (void)apply_barrier(sqlite_of(base->store), NULL);
    if (f->source.n)
        s.source = rows_name_id(&r->c, f->source);
    if (f->destination.n)
        s.destination = rows_name_id(&r->c, f->destination);
    if (s.source < 0 || s.destination < 0)
        return db_fail(r->c.db, "list events", why);
    if ((f->source.n && !s.source) || (f->destination.n && !s.destination))
        return ERR_OK;
    out->v = ARENA_ARRAY(a, struct event_row, f->limit + 1);
    return out->v ? scan_events(&s, a, out, why) : out_of_arena(why);
}

/* --- deliveries, attempts, rejections --------------------------------------------------------- */

enum err sqlite_deliveries(struct store_reader *base, const struct delivery_filter *f,
                           struct arena *a, struct delivery_list *out, struct reason *why)
{
    struct sqlite_reader *r = sqlite_reader_of(base);
    struct rows_scan scan;
    assert(f->limit <= 1000);
    *out = (struct delivery_list){0};
    (void)apply_barrier(sqlite_of(base->store), NULL);
    out->v = ARENA_ARRAY(a, struct delivery, f->limit + 1);
    if (!out->v)
        return out_of_arena(why);
    enum err e = rows_scan_open(&scan, &r->c, f, f->before, why);
    if (e != ERR_OK)
        return e;
    while (out->count < f->limit && rows_scan_next(&scan))
        out->v[out->count++] = rows_delivery(&r->c, scan.q, a);
    out->next = scan.at_end ? 0 : scan.next;
    e = rows_scan_close(&scan, why);
    if (e == ERR_OK && !arena_ok(a))
        e = out_of_arena(why);
    return e;
}

enum err sqlite_attempts(struct store_reader *base, uint64_t delivery_id, struct arena *a,
                         struct attempt_list *out, struct reason *why)
{
    struct sqlite_reader *r = sqlite_reader_of(base);
    *out = (struct attempt_list){0};
    (void)apply_barrier(sqlite_of(base->store), NULL);
    sqlite3_stmt *q = db_statement(
        &r->c, "SELECT number, result, started_ms, duration_us, status, error_class, summary,"
               " request, response, timing FROM attempts WHERE delivery_id=?1 ORDER BY number");
    if (!q)
        return db_fail(r->c.db, "read attempts", why);
    db_bind_u64(q, 1, delivery_id);
    size_t cap = 0;
    int rc;
    while ((rc = sqlite3_step(q)) == SQLITE_ROW && arena_ok(a)) {
        if (out->count == cap) {
            cap = cap ? cap * 2 : 16;
            struct attempt *v = ARENA_ARRAY(a, struct attempt, cap);
            if (!v)
                break;
            if (out->count)
                memcpy(v, out->v, out->count * sizeof(*v));
            out->v = v;
        }
        out->v[out->count++] = (struct attempt){
            .delivery_id = delivery_id,
            .number = (uint32_t)sqlite3_column_int64(q, 0),
            .result = (enum attempt_result)sqlite3_column_int(q, 1),
            .started_ms = sqlite3_column_int64(q, 2),
            .duration_us = sqlite3_column_int64(q, 3),
            .status = sqlite3_column_int(q, 4),
            .error_class = arena_str(a, db_column(q, 5)),
            .summary = arena_str(a, db_column(q, 6)),
            .request = arena_str(a, db_column(q, 7)),
            .response = arena_str(a, db_column(q, 8)),
            .timing = arena_str(a, db_column(q, 9)),
        };
    }
    sqlite3_reset(q);
    if (!arena_ok(a))
        return out_of_arena(why);
    return rc == SQLITE_DONE ? ERR_OK : db_fail(r->c.db, "read attempts", why);
}

enum err sqlite_rejections(struct store_reader *base, uint64_t before, size_t limit,
                           struct arena *a, struct rejection_list *out, struct reason *why)
{
    struct sqlite_reader *r = sqlite_reader_of(base);
    assert(limit <= 1000);
    *out = (struct rejection_list){0};
    (void)apply_barrier(sqlite_of(base->store), NULL);
    sqlite3_stmt *q = db_statement(
        &r->c, "SELECT id, received_ms, source, verdict, verdict_text, method, target, peer,"
               " head, body FROM rejections WHERE id<?1 ORDER BY id DESC");
    out->v = ARENA_ARRAY(a, struct rejection, limit + 1);
    if (!q)
        return db_fail(r->c.db, "read the rejected requests", why);
    if (!out->v)
        return out_of_arena(why);
    db_bind_u64(q, 1, before ? before : INT64_MAX);
    int rc = SQLITE_ROW;
    while (out->count < limit && (rc = sqlite3_step(q)) == SQLITE_ROW)
        out->v[out->count++] = (struct rejection){
            .id = db_u64(q, 0),
            .received_ms = sqlite3_column_int64(q, 1),
            .source = arena_str(a, db_column(q, 2)),
            .verdict = arena_str(a, db_column(q, 3)),
            .verdict_text = arena_str(a, db_column(q, 4)),
            .method = arena_str(a, db_column(q, 5)),
            .target = arena_str(a, db_column(q, 6)),
            .peer = arena_str(a, db_column(q, 7)),
            .head = arena_str(a, db_column(q, 8)),
            .body = arena_str(a, db_column(q, 9)),
        };
    if (rc == SQLITE_ROW && out->count)
        out->next = out->v[out->count - 1].id;
    sqlite3_reset(q);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return db_fail(r->c.db, "read the rejected requests", why);
    return arena_ok(a) ? ERR_OK : out_of_arena(why);
}
