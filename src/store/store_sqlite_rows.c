/* store_sqlite_rows.c -- names, delivery rows, and the bounded walk that lists and bulk moves
 * share, so that "replay what this filter selects" selects what the list showed. */
#include "store/store_sqlite_rows.h"

#include "base/id.h"
#include "base/log.h"

/* An id is made at arrival or after it, never before; a clock that was set back can make it later
 * than that by as much. */
#define EARLY_SLACK_MS (3600 * INT64_C(1000))
#define LATE_SLACK_MS (7 * 24 * 3600 * INT64_C(1000))

str rows_name(struct connection *c, int64_t id, struct arena *a)
{
    size_t place = (size_t)id % NAMES_KEPT;
    if (id && c->names[place].id == id)
        return arena_str(a, str_of(c->names[place].name, c->names[place].n));
    sqlite3_stmt *q = db_statement(c, "SELECT name FROM names WHERE id=?1");
    str name = STR("");
    if (!q)
        return name;
    sqlite3_bind_int64(q, 1, id);
    if (sqlite3_step(q) == SQLITE_ROW) {
        str found = db_column(q, 0);
        free(c->names[place].name);
        c->names[place].name = xmalloc(found.n + 1);
        memcpy(c->names[place].name, found.p, found.n);
        c->names[place].n = found.n;
        c->names[place].id = id;
        name = arena_str(a, found);
    }
    sqlite3_reset(q);
    return name;
}

int64_t rows_name_id(struct connection *c, str name)
{
    sqlite3_stmt *q = db_statement(c, "SELECT id FROM names WHERE name=?1");
    if (!q)
        return -1;
    db_bind_str(q, 1, name);
    int rc = sqlite3_step(q);
    int64_t id = rc == SQLITE_ROW ? sqlite3_column_int64(q, 0) : rc == SQLITE_DONE ? 0 : -1;
    sqlite3_reset(q);
    return id;
}

void rows_id_range(int64_t since_ms, int64_t until_ms, uint64_t *least, uint64_t *most)
{
    if (until_ms > 0 && id_floor(until_ms + LATE_SLACK_MS) < *most)
        *most = id_floor(until_ms + LATE_SLACK_MS);
    if (since_ms > EARLY_SLACK_MS && id_floor(since_ms - EARLY_SLACK_MS) > *least)
        *least = id_floor(since_ms - EARLY_SLACK_MS);
}

bool rows_placed(struct connection *c, uint64_t id, struct placed *out)
{
    sqlite3_stmt *q =
        db_statement(c, "SELECT destination, event_id, state FROM deliveries WHERE id=?1");
    *out = (struct placed){.state = -1};
    if (!q)
        return false;
    db_bind_u64(q, 1, id);
    int rc = sqlite3_step(q);
    if (rc == SQLITE_ROW)
        *out = (struct placed){sqlite3_column_int64(q, 0), db_u64(q, 1), sqlite3_column_int(q, 2)};
    sqlite3_reset(q);
    return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

struct delivery rows_delivery(struct connection *c, sqlite3_stmt *q, struct arena *a)
{
    return (struct delivery){
        .id = db_u64(q, 0),
        .event_id = db_u64(q, 1),
        .destination = rows_name(c, sqlite3_column_int64(q, 2), a),
        .route = rows_name(c, sqlite3_column_int64(q, 3), a),
        .order_key = db_u64(q, 4),
        .state = (enum delivery_state)sqlite3_column_int(q, 5),
        .attempts = (uint32_t)sqlite3_column_int64(q, 6),
        .created_ms = sqlite3_column_int64(q, 7),
        .next_ms = sqlite3_column_int64(q, 8),
        .settled_ms = sqlite3_column_int64(q, 9),
        .reason = arena_str(a, db_column(q, 10)),
        .listed = sqlite3_column_int(q, 11) != 0,
    };
}

/* Both directions of one walk; ?1 is the id to stay below, ?2 the least one. */
#define WALK(f, sql) ((f)->ascending ? sql " ORDER BY id" : sql " ORDER BY id DESC")

static const char *scan_sql(const struct delivery_filter *f)
{
#define SCAN "SELECT " DELIVERY_COLUMNS " FROM deliveries"
    if (f->event_id)
        return WALK(f, SCAN " INDEXED BY deliveries_by_event WHERE event_id=?3 AND id<?1"
                            " AND id>=?2 AND (?4<0 OR " STATE_NOW "=?4)");
    if (f->listed)
        return WALK(f, SCAN " INDEXED BY deliveries_listed WHERE destination=?5 AND listed<>0"
                            " AND id<?1 AND id>=?2 AND (?4<0 OR " STATE_NOW "=?4)");
    if (f->state == DELIVERY_CLAIMED)
        return WALK(f, SCAN " WHERE id IN (SELECT id FROM deliveries INDEXED BY"
                            " deliveries_by_state WHERE state=1 AND state<>2 AND id<?1 AND id>=?2"
                            " UNION ALL SELECT value FROM json_each(?6)) AND id<?1 AND id>=?2");
    if (f->state >= 0 && f->state != DELIVERY_DELIVERED)
        return WALK(f, SCAN " INDEXED BY deliveries_by_state WHERE state=?4 AND state<>2"
                            " AND id<?1 AND id>=?2");
    return WALK(f, SCAN " NOT INDEXED WHERE id<?1 AND id>=?2");
#undef SCAN
}

/* The ids as a JSON list, which is what a statement can read a set from. */
static bool bind_lent(sqlite3_stmt *q, int at, struct lent *l)
{
    size_t room = lent_count(l) + 1, n;
    uint64_t *ids = calloc(room, sizeof(*ids));
    struct buf text;
    buf_init(&text, SIZE_MAX / 2);
    n = ids ? lent_ids(l, ids, room) : 0;
    for (size_t i = 0; i < n && i < room; i++) {
        buf_char(&text, i ? ',' : '[');
        buf_decimal(&text, ids[i]);
    }
    buf_str_append(&text, text.len ? STR("]") : STR("[]"));
    bool good =
        ids && buf_ok(&text) &&
        sqlite3_bind_text64(q, at, text.p, text.len, SQLITE_TRANSIENT, SQLITE_UTF8) == SQLITE_OK;
    buf_release(&text);
    free(ids);
    return good;
}

enum err rows_scan_open(struct rows_scan *s, struct connection *c, const struct delivery_filter *f,
                        uint64_t before, struct reason *why)
{
    *s = (struct rows_scan){.c = c, .f = f};
    if (f->destination.n)
        s->destination = rows_name_id(c, f->destination);
    if (f->source.n)
        s->source = rows_name_id(c, f->source);
    if (s->destination < 0 || s->source < 0)
        return db_fail(c->db, "read the database", why);
    s->is_empty = (f->destination.n && !s->destination) || (f->source.n && !s->source);
    s->at_end = s->is_empty;
    if (s->is_empty)
        return ERR_OK;
    uint64_t most = before ? before : INT64_MAX, least = f->after ? f->after + 1 : 0;
    rows_id_range(f->since_ms, f->until_ms, &least, &most);
    if (f->id) {
        least = f->id > least ? f->id : least;
        most = f->id + 1 < most ? f->id + 1 : most;
    }
    s->q = db_statement(c, scan_sql(f));
    if (!s->q)
        return db_fail(c->db, "read the database", why);
    db_bind_u64(s->q, 1, most);
    db_bind_u64(s->q, 2, least);
    int count = sqlite3_bind_parameter_count(s->q);
    if (count > 2) {
        db_bind_u64(s->q, 3, f->event_id);
        sqlite3_bind_int(s->q, 4, f->state);
        sqlite3_bind_int64(s->q, 5, s->destination);
    }
    if (count > 5 && !bind_lent(s->q, 6, c->lent))
        return fail(why, ERR_NOMEM, "out of memory");
    return ERR_OK;
}

static bool event_is_wanted(struct rows_scan *s, uint64_t event_id)
{
    const struct delivery_filter *f = s->f;
    if (!s->source && !f->type.n)
        return true;
    sqlite3_stmt *q = db_statement(s->c, "SELECT source, type FROM events WHERE id=?1");
    if (!q)
        return false;
    db_bind_u64(q, 1, event_id);
    bool wanted = sqlite3_step(q) == SQLITE_ROW &&
                  (!s->source || sqlite3_column_int64(q, 0) == s->source) &&
                  (!f->type.n || str_eq(db_column(q, 1), f->type));
    sqlite3_reset(q);
    return wanted;
}

static bool row_is_wanted(struct rows_scan *s)
{
    const struct delivery_filter *f = s->f;
    int64_t created_ms = sqlite3_column_int64(s->q, 7);
    return (f->state < 0 || sqlite3_column_int(s->q, 5) == f->state) &&
           (!s->destination || sqlite3_column_int64(s->q, 2) == s->destination) &&
           (!f->cause.n || str_ends(db_column(s->q, 10), f->cause)) &&
           (!f->since_ms || created_ms >= f->since_ms) &&
           (!f->until_ms || created_ms < f->until_ms) && event_is_wanted(s, db_u64(s->q, 1));
}

bool rows_scan_next(struct rows_scan *s)
{
    while (!s->at_end && s->looked < SCAN_ROWS_MAX) {
        if (sqlite3_step(s->q) != SQLITE_ROW) {
            s->at_end = true;
            break;
        }
        s->looked++;
        s->next = db_u64(s->q, 0);
        if (row_is_wanted(s))
            return true;
    }
    return false;
}

enum err rows_scan_close(struct rows_scan *s, struct reason *why)
{
    if (!s->q)
        return ERR_OK;
    /* sqlite3_reset tells again how the last step ended. */
    return sqlite3_reset(s->q) == SQLITE_OK ? ERR_OK : db_fail(s->c->db, "read the database", why);
}
