/* store_sqlite_move.c -- what is done by hand: replaying, cancelling, adding a delivery. A bulk
 * move walks over all that the filter selects in steps, each its own transaction, so that claims
 * and the applier get their turn in between; every row is visited once, newest first. */
#include "store/store_sqlite.h"
#include "store/store_sqlite_rows.h"

#define STEP_ROWS 1000u

static const char replay_sql[] =
    "UPDATE deliveries SET state=0, next_ms=?2, settled_ms=0, reason='' WHERE id=?1 AND state>1";
static const char cancel_sql[] = "UPDATE deliveries SET state=5, settled_ms=?2,"
                                 " reason='cancelled by hand' WHERE id=?1 AND state=0";
static_assert(DELIVERY_PENDING == 0 && DELIVERY_CLAIMED == 1 && DELIVERY_DELIVERED == 2 &&
                  DELIVERY_DEAD == 3 && DELIVERY_SKIPPED == 4 && DELIVERY_CANCELLED == 5,
              "the statements name the states by number");

struct picked {
    uint64_t id;
    int64_t destination;
    enum delivery_state state;
};

static size_t pick(struct rows_scan *scan, enum store_move move, struct picked *out)
{
    size_t n = 0;
    enum delivery_state to = move == STORE_REPLAY ? DELIVERY_PENDING : DELIVERY_CANCELLED;
    while (n < STEP_ROWS && rows_scan_next(scan)) {
        enum delivery_state state = (enum delivery_state)sqlite3_column_int(scan->q, 5);
        /* What is claimed comes back to pending by its own settling. */
        if (state != DELIVERY_CLAIMED && delivery_may_move(state, to))
            out[n++] = (struct picked){db_u64(scan->q, 0), sqlite3_column_int64(scan->q, 2), state};
    }
    return n;
}

static enum err move_step(struct sqlite_store *s, enum store_move move,
                          const struct delivery_filter *f, int64_t now_ms, uint64_t *before,
                          size_t *moved, struct reason *why)
{
    struct writer *w = &s->writer;
    struct picked rows[STEP_ROWS];
    struct rows_scan scan;
    enum err e = rows_scan_open(&scan, &w->c, f, *before, why);
    *moved = 0;
    if (e != ERR_OK)
        return e;
    size_t n = pick(&scan, move, rows);
    *before = scan.at_end ? 0 : scan.next;
    e = rows_scan_close(&scan, why);
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        sqlite3_stmt *q = db_statement(&w->c, move == STORE_REPLAY ? replay_sql : cancel_sql);
        if (q) {
            db_bind_u64(q, 1, rows[i].id);
            sqlite3_bind_int64(q, 2, now_ms);
        }
        if (!db_run(q))
            return db_fail(w->c.db, "move deliveries", why);
        count_move(w, rows[i].destination, rows[i].state,
                   move == STORE_REPLAY ? DELIVERY_PENDING : DELIVERY_CANCELLED);
    }
    *moved = n;
    return e;
}

enum err sqlite_move(struct store *base, enum store_move move, const struct delivery_filter *f,
                     int64_t now_ms, uint64_t *moved, struct reason *why)
{
    struct sqlite_store *s = sqlite_of(base);
    uint64_t before = 0;
    enum err e = ERR_OK;
    *moved = 0;
    do {
        size_t n = 0;
        writer_lock(s);
        e = writer_begin(s, WRITER_DURABLE, why);
        if (e == ERR_OK) {
            e = move_step(s, move, f, now_ms, &before, &n, why);
            if (e == ERR_OK)
                e = writer_commit(s, why);
            else
                writer_rollback(s);
            writer_checkpoint(s, WAL_BYTES_MAX);
        }
        writer_unlock(s);
        if (e == ERR_OK)
            *moved += n;
    } while (e == ERR_OK && before != 0);
    return e;
}

static bool event_exists(struct writer *w, uint64_t id)
{
    sqlite3_stmt *q = db_statement(&w->c, "SELECT 1 FROM events WHERE id=?1");
    if (!q)
        return false;
    db_bind_u64(q, 1, id);
    bool found = sqlite3_step(q) == SQLITE_ROW;
    sqlite3_reset(q);
    return found;
}

/* Makes it, or puts it into this state. */
static bool put_delivery(struct sqlite_store *s, const struct delivery *d)
{
    struct writer *w = &s->writer;
    int64_t destination = writer_name(s, d->destination), route = writer_name(s, d->route);
    struct placed before;
    sqlite3_stmt *q = db_statement(&w->c, "INSERT OR REPLACE INTO deliveries VALUES"
                                          " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)");
    if (!q || !destination || !route || !rows_placed(&w->c, d->id, &before))
        return false;
    db_bind_u64(q, 1, d->id);
    db_bind_u64(q, 2, d->event_id);
    sqlite3_bind_int64(q, 3, destination);
    sqlite3_bind_int64(q, 4, route);
    db_bind_u64(q, 5, d->order_key);
    sqlite3_bind_int64(q, 6, d->state);
    sqlite3_bind_int64(q, 7, d->attempts);
    sqlite3_bind_int64(q, 8, d->created_ms);
    sqlite3_bind_int64(q, 9, d->next_ms);
    sqlite3_bind_int64(q, 10, d->settled_ms);
    db_bind_str(q, 11, d->reason);
    sqlite3_bind_int(q, 12, d->listed);
    if (!db_run(q))
        return false;
    if (before.state >= 0)
        count_change(w, before.destination, (enum delivery_state)before.state, -1);
    count_change(w, destination, d->state, 1);
    writer_note_id(w, d->id);
    return true;
}

enum err sqlite_add_delivery(struct store *base, uint64_t event_id, const struct new_delivery *d,
                             int64_t now_ms, struct reason *why)
{
    struct sqlite_store *s = sqlite_of(base);
    const struct delivery made = {.id = d->id,
                                  .event_id = event_id,
                                  .destination = d->destination,
                                  .route = d->route,
                                  .order_key = d->order_key,
                                  .state = d->claimed ? DELIVERY_CLAIMED : DELIVERY_PENDING,
                                  .created_ms = now_ms,
                                  .next_ms = d->next_ms,
                                  .reason = STR(""),
                                  .listed = d->listed};
    writer_lock(s);
    enum err e = writer_begin(s, WRITER_DURABLE, why);
    if (e == ERR_OK && !event_exists(&s->writer, event_id))
        e = fail(why, ERR_NOT_FOUND, "there is no such event; retention may have deleted it");
    else if (e == ERR_OK && !put_delivery(s, &made))
        e = db_fail(s->writer.c.db, "add a delivery", why);
    if (e == ERR_OK)
        e = writer_commit(s, why);
    else
        writer_rollback(s);
    writer_unlock(s);
    return e;
}

/* --- a store that is being filled ------------------------------------------------------------- */

static bool insert_attempt(struct sqlite_store *s, const struct attempt *a)
{
    struct writer *w = &s->writer;
    int64_t destination = a->id ? writer_name(s, a->destination) : 0;
    sqlite3_stmt *q =
        db_statement(&w->c, "INSERT OR IGNORE INTO attempts VALUES"
                            " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)");
    if (!q || (a->id && !destination))
        return false;
    db_bind_u64(q, 1, a->delivery_id);
    sqlite3_bind_int64(q, 2, a->number);
    sqlite3_bind_int64(q, 3, a->result);
    sqlite3_bind_int64(q, 4, a->started_ms);
    sqlite3_bind_int64(q, 5, a->duration_us);
    sqlite3_bind_int64(q, 6, a->status);
    db_bind_str(q, 7, a->error_class);
    db_bind_str(q, 8, a->summary);
    db_bind_str(q, 9, a->request);
    db_bind_blob(q, 10, a->response);
    db_bind_str(q, 11, a->timing);
    db_bind_u64(q, 12, a->id);
    db_bind_u64(q, 13, a->id ? a->event_id : 0);
    sqlite3_bind_int64(q, 14, destination);
    return db_run(q);
}

typedef bool put_row(struct sqlite_store *s, const void *rows, size_t i);

static bool put_attempt(struct sqlite_store *s, const void *rows, size_t i)
{
    return insert_attempt(s, (const struct attempt *)rows + i);
}

static bool put_restored(struct sqlite_store *s, const void *rows, size_t i)
{
    struct delivery d = ((const struct delivery *)rows)[i];
    if (d.state == DELIVERY_CLAIMED)
        d.state = DELIVERY_PENDING;
    return put_delivery(s, &d);
}

static enum err put_rows(struct store *base, put_row *put, const void *rows, size_t count,
                         const char *doing, struct reason *why)
{
    struct sqlite_store *s = sqlite_of(base);
    writer_lock(s);
    enum err e = writer_begin(s, WRITER_DURABLE, why);
    for (size_t i = 0; i < count && e == ERR_OK; i++)
        if (!put(s, rows, i))
            e = db_fail(s->writer.c.db, doing, why);
    if (e == ERR_OK)
        e = writer_commit(s, why);
    else
        writer_rollback(s);
    writer_unlock(s);
    return e;
}

enum err sqlite_add_attempts(struct store *base, const struct attempt *v, size_t count,
                             struct reason *why)
{
    return put_rows(base, put_attempt, v, count, "add an attempt", why);
}

enum err sqlite_restore(struct store *base, const struct delivery *v, size_t count,
                        struct reason *why)
{
    return put_rows(base, put_restored, v, count, "restore a delivery", why);
}

static const char event_sql[] = "UPDATE events SET body=x'', flags=flags|8 WHERE id=?1";
static const char attempt_sql[] =
    "UPDATE attempts SET request='', response=x'' WHERE delivery_id=?1 AND number=?2";
static_assert(EVENT_EXPUNGED == 8, "the statement names the flag by number");

enum err sqlite_expunge(struct store *base, uint64_t id, uint32_t attempt, struct reason *why)
{
    struct sqlite_store *s = sqlite_of(base);
    struct writer *w = &s->writer;
    writer_lock(s);
    enum err e = writer_begin(s, WRITER_DURABLE, why);
    if (e == ERR_OK && !writer_erases(s, true))
        e = db_fail(w->c.db, "take content out", why);
    if (e == ERR_OK) {
        sqlite3_stmt *q = db_statement(&w->c, attempt ? attempt_sql : event_sql);
        if (q) {
            db_bind_u64(q, 1, id);
            if (attempt)
                sqlite3_bind_int64(q, 2, attempt);
        }
        if (!db_run(q))
            e = db_fail(w->c.db, "take content out", why);
        else if (sqlite3_changes(w->c.db) == 0)
            e = fail(why, ERR_NOT_FOUND, "there is no such event or attempt");
    }
    if (e == ERR_OK)
        e = writer_commit(s, why);
    else
        writer_rollback(s);
    (void)writer_erases(s, false);
    if (e == ERR_OK && !attempt) /* who claims reads events under the same lock */
        recent_drop(s->recent, id);
    writer_unlock(s);
    return e;
}
