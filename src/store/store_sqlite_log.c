/* store_sqlite_log.c -- the attempts of one destination or of one event, over many deliveries, by
 * the indexes that hold only attempts with an id. */
#include "store/store_sqlite.h"
#include "store/store_sqlite_rows.h"

#define ROWS                                                                                       \
    "SELECT delivery_id, number, result, started_ms, duration_us, status, error_class, summary,"   \
    " request, response, timing, id, event_id, destination FROM attempts "
#define COLUMNS ROWS "INDEXED BY "
#define SPAN "=?3 AND id<>0 AND id>?2 AND id<?1"
/* Word for word as in the schema: SQLite takes an index only for what it can see is in it. */
#define FAILED " AND result IN (1, 2, 5)"
#define ENDED " AND result IN (3, 4)"
static_assert(ATTEMPT_RETRY == 1 && ATTEMPT_PERMANENT == 2 && ATTEMPT_LOST == 5, "FAILED");
static_assert(ATTEMPT_SKIPPED == 3 && ATTEMPT_CANCELLED == 4, "ENDED");

static const char *log_sql(const struct attempt_filter *f)
{
#define BOTH_WAYS(sql) (f->ascending ? COLUMNS sql " ORDER BY id" : COLUMNS sql " ORDER BY id DESC")
    if (f->event_id)
        return BOTH_WAYS("attempts_of_event WHERE event_id" SPAN);
    switch (f->result) {
    case ATTEMPTS_FAILED:
    case ATTEMPT_RETRY:
    case ATTEMPT_PERMANENT:
    case ATTEMPT_LOST:
        return BOTH_WAYS("attempts_failed WHERE destination" SPAN FAILED);
    case ATTEMPTS_ENDED:
    case ATTEMPT_SKIPPED:
    case ATTEMPT_CANCELLED:
        return BOTH_WAYS("attempts_ended WHERE destination" SPAN ENDED);
    default:
        return BOTH_WAYS("attempts_of_destination WHERE destination" SPAN);
    }
#undef BOTH_WAYS
}

static void read_attempt(sqlite3_stmt *q, struct arena *a, struct attempt *out)
{
    *out = (struct attempt){.id = db_u64(q, 11),
                            .delivery_id = db_u64(q, 0),
                            .number = (uint32_t)sqlite3_column_int64(q, 1),
                            .result = (enum attempt_result)sqlite3_column_int(q, 2),
                            .started_ms = sqlite3_column_int64(q, 3),
                            .duration_us = sqlite3_column_int64(q, 4),
                            .status = sqlite3_column_int(q, 5),
                            .error_class = arena_str(a, db_column(q, 6)),
                            .summary = arena_str(a, db_column(q, 7)),
                            .request = arena_str(a, db_column(q, 8)),
                            .response = arena_str(a, db_column(q, 9)),
                            .timing = arena_str(a, db_column(q, 10)),
                            .event_id = db_u64(q, 12)};
}

static str event_type(struct connection *c, uint64_t event_id, struct arena *a)
{
    sqlite3_stmt *q = db_statement(c, "SELECT type FROM events WHERE id=?1");
    str type = STR("");
    if (!q)
        return type;
    db_bind_u64(q, 1, event_id);
    if (sqlite3_step(q) == SQLITE_ROW)
        type = arena_str(a, db_column(q, 0));
    sqlite3_reset(q);
    return type;
}

static bool log_row_is_wanted(const struct attempt_filter *f, sqlite3_stmt *q, int64_t destination)
{
    const struct attempt x = {.result = (enum attempt_result)sqlite3_column_int(q, 2),
                              .status = sqlite3_column_int(q, 5)};
    return attempt_is_wanted(f, &x) && (!f->id || db_u64(q, 11) == f->id) &&
           (!f->delivery_id || db_u64(q, 0) == f->delivery_id) &&
           (!f->event_id || db_u64(q, 12) == f->event_id) &&
           (!destination || sqlite3_column_int64(q, 13) == destination);
}

static void take_row(struct sqlite_reader *r, sqlite3_stmt *q, const struct attempt_filter *f,
                     int64_t destination, struct arena *a, struct attempt_log *out)
{
    if (!log_row_is_wanted(f, q, destination))
        return;
    str type = event_type(&r->c, db_u64(q, 12), a);
    if (f->event_type.n && !str_eq(f->event_type, type))
        return;
    struct attempt *x = &out->v[out->count++];
    read_attempt(q, a, x);
    x->event_type = type;
    x->destination = rows_name(&r->c, sqlite3_column_int64(q, 13), a);
}

static enum err read_log(struct sqlite_reader *r, sqlite3_stmt *q, const struct attempt_filter *f,
                         int64_t destination, struct arena *a, struct attempt_log *out,
                         struct reason *why)
{
    int rc = SQLITE_ROW;
    for (size_t looked = 0; looked < SCAN_ROWS_MAX && out->count < f->limit; looked++) {
        rc = sqlite3_step(q);
        if (rc != SQLITE_ROW)
            break;
        out->next = db_u64(q, 11);
        take_row(r, q, f, destination, a, out);
    }
    if (rc == SQLITE_DONE)
        out->next = 0;
    sqlite3_reset(q);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return db_fail(r->c.db, "list attempts", why);
    return arena_ok(a) ? ERR_OK : out_of_arena(why);
}

/* --- those that succeeded ----------------------------------------------------------------------
 */

/* No index holds them alone, for each would pay for it when it is written
 * (docs/why/2026-12-attempts-that-succeeded.md). They are what is in the index of all and in that
 * of the failed and the ended is not: the three are walked side by side, and rows are read of those
 * alone that are in none of the two. */
#define IDS_MAX (10 * SCAN_ROWS_MAX) /* looked at by one call; each costs as much as half a row */
#define IDS "SELECT id FROM attempts INDEXED BY "
#define KEYS "SELECT id, delivery_id, number FROM attempts INDEXED BY "

struct id_walk { /* over an index, in the direction of the list */
    sqlite3_stmt *q;
    int rc; /* of its last step */
};

static bool walk_open(struct id_walk *w, struct connection *c, const char *sql, uint64_t most,
                      uint64_t least, int64_t destination)
{
    w->q = db_statement(c, sql);
    if (!w->q)
        return false;
    db_bind_u64(w->q, 1, most);
    db_bind_u64(w->q, 2, least);
    sqlite3_bind_int64(w->q, 3, destination);
    return true;
}

static bool walk_next(struct id_walk *w)
{
    w->rc = sqlite3_step(w->q);
    return w->rc == SQLITE_ROW;
}

/* Goes on to that id, which lies behind all that were asked for before; true when it is there. */
static bool walk_meets(struct id_walk *w, uint64_t id, bool ascending)
{
    while (w->rc == SQLITE_ROW) {
        uint64_t at = db_u64(w->q, 0);
        if (at == id)
            return true;
        if (ascending ? at > id : at < id)
            return false;
        walk_next(w);
    }
    return false;
}

static bool take_succeeded(struct sqlite_reader *r, const struct id_walk *at,
                           const struct attempt_filter *f, int64_t destination, struct arena *a,
                           struct attempt_log *out)
{
    sqlite3_stmt *q = db_statement(&r->c, ROWS "WHERE delivery_id=?1 AND number=?2");
    if (!q)
        return false;
    db_bind_u64(q, 1, db_u64(at->q, 1));
    sqlite3_bind_int64(q, 2, sqlite3_column_int64(at->q, 2));
    int rc = sqlite3_step(q);
    if (rc == SQLITE_ROW)
        take_row(r, q, f, destination, a, out);
    sqlite3_reset(q);
    return rc == SQLITE_ROW;
}

/* All at one moment: what is read lies between the first step of `all` and its reset. */
static enum err read_succeeded(struct sqlite_reader *r, const struct attempt_filter *f,
                               uint64_t most, uint64_t least, int64_t destination, struct arena *a,
                               struct attempt_log *out, struct reason *why)
{
#define BOTH_WAYS(sql) (f->ascending ? sql " ORDER BY id" : sql " ORDER BY id DESC")
    const char *sql[] = {BOTH_WAYS(KEYS "attempts_of_destination WHERE destination" SPAN),
                         BOTH_WAYS(IDS "attempts_failed WHERE destination" SPAN FAILED),
                         BOTH_WAYS(IDS "attempts_ended WHERE destination" SPAN ENDED)};
#undef BOTH_WAYS
    struct id_walk w[3] = {{0}}, *all = &w[0];
    bool good = true;
    for (size_t i = 0; i < ARRAY_LEN(w) && good; i++)
        good = walk_open(&w[i], &r->c, sql[i], most, least, destination);
    size_t looked = 0, rows = 0;
    while (good && looked < IDS_MAX && rows < SCAN_ROWS_MAX && out->count < f->limit &&
           walk_next(all)) {
        uint64_t id = db_u64(all->q, 0);
        if (looked++ == 0)
            good = (walk_next(&w[1]) || w[1].rc == SQLITE_DONE) &&
                   (walk_next(&w[2]) || w[2].rc == SQLITE_DONE);
        out->next = id;
        if (walk_meets(&w[1], id, f->ascending) || walk_meets(&w[2], id, f->ascending))
            continue;
        rows++;
        good = good && take_succeeded(r, all, f, destination, a, out);
    }
    if (all->rc == SQLITE_DONE)
        out->next = 0;
    for (size_t i = 0; i < ARRAY_LEN(w); i++)
        good = sqlite3_reset(w[i].q) == SQLITE_OK && good; /* tells how the last step ended */
    if (!good)
        return db_fail(r->c.db, "list attempts", why);
    return arena_ok(a) ? ERR_OK : out_of_arena(why);
}

enum err sqlite_attempt_log(struct store_reader *base, const struct attempt_filter *f,
                            struct arena *a, struct attempt_log *out, struct reason *why)
{
    struct sqlite_reader *r = sqlite_reader_of(base);
    assert(f->limit <= 1000 && (f->destination.n || f->event_id));
    *out = (struct attempt_log){0};
    (void)apply_barrier(sqlite_of(base->store), NULL);
    int64_t destination = f->destination.n ? rows_name_id(&r->c, f->destination) : 0;
    if (f->destination.n && destination == 0)
        return ERR_OK;
    if (destination < 0)
        return db_fail(r->c.db, "list attempts", why);
    out->v = ARENA_ARRAY(a, struct attempt, f->limit + 1);
    if (!out->v)
        return out_of_arena(why);
    uint64_t most = f->before ? f->before : INT64_MAX, least = f->after;
    if (f->id) {
        least = f->id - 1 > least ? f->id - 1 : least;
        most = f->id + 1 < most ? f->id + 1 : most;
    }
    if (f->result == ATTEMPT_SUCCESS && !f->event_id)
        return read_succeeded(r, f, most, least, destination, a, out, why);
    sqlite3_stmt *q = db_statement(&r->c, log_sql(f));
    if (!q)
        return db_fail(r->c.db, "list attempts", why);
    db_bind_u64(q, 1, most);
    db_bind_u64(q, 2, least);
    sqlite3_bind_int64(q, 3, f->event_id ? (sqlite3_int64)f->event_id : destination);
    return read_log(r, q, f, destination, a, out, why);
}

enum err sqlite_count_attempts(struct store_reader *base, str destination, uint64_t after,
                               uint64_t before, struct attempt_counts *out, struct reason *why)
{
#define COUNT(index) "(SELECT count(*) FROM attempts INDEXED BY " index " WHERE destination" SPAN
    struct sqlite_reader *r = sqlite_reader_of(base);
    *out = (struct attempt_counts){0};
    (void)apply_barrier(sqlite_of(base->store), NULL);
    int64_t number = rows_name_id(&r->c, destination);
    if (number == 0)
        return ERR_OK;
    /* One statement: of one moment. */
    sqlite3_stmt *q =
        number < 0
            ? NULL
            : db_statement(&r->c,
                           "SELECT " COUNT("attempts_of_destination") ")," COUNT("attempts_failed")
                               FAILED ")," COUNT("attempts_ended") ENDED ")");
    if (!q)
        return db_fail(r->c.db, "count attempts", why);
    db_bind_u64(q, 1, before ? before : INT64_MAX);
    db_bind_u64(q, 2, after);
    sqlite3_bind_int64(q, 3, number);
    bool found = sqlite3_step(q) == SQLITE_ROW;
    if (found) {
        out->failed = db_u64(q, 1);
        out->ended = db_u64(q, 2);
        out->success = db_u64(q, 0) - out->failed - out->ended;
    }
    sqlite3_reset(q);
    return found ? ERR_OK : db_fail(r->c.db, "count attempts", why);
#undef COUNT
}
