/* store_sqlite_writer.c -- the writer lock and the transaction that runs under it. Every change of
 * the database goes through writer_begin and writer_commit, so that the counters in `meta` and the
 * applied LSN are always committed together with the rows they speak of. */
#include "store/store_sqlite.h"

#include "base/log.h"

void writer_lock(struct sqlite_store *s)
{
    pthread_mutex_lock(&s->ticket_lock);
    uint64_t mine = s->ticket_next++;
    while (mine != s->ticket_serving)
        pthread_cond_wait(&s->ticket_turn, &s->ticket_lock);
    pthread_mutex_unlock(&s->ticket_lock);
}

void writer_unlock(struct sqlite_store *s)
{
    assert(!s->writer.in_transaction);
    pthread_mutex_lock(&s->ticket_lock);
    s->ticket_serving++;
    if (s->ticket_next != s->ticket_serving)
        pthread_cond_broadcast(&s->ticket_turn);
    pthread_mutex_unlock(&s->ticket_lock);
}

bool writer_is_wanted(struct sqlite_store *s)
{
    pthread_mutex_lock(&s->ticket_lock);
    bool wanted = s->ticket_next > s->ticket_serving + 1;
    pthread_mutex_unlock(&s->ticket_lock);
    return wanted;
}

enum err writer_begin(struct sqlite_store *s, enum writer_mode mode, struct reason *why)
{
    return apply_and_begin(s, mode, why);
}

static bool write_meta(struct writer *w)
{
    sqlite3_stmt *q = db_statement(
        &w->c, "UPDATE meta SET applied_lsn=?1, max_id=?2, events=?3, rejected=?4, pending=?5,"
               " claimed=?6, delivered=?7, dead=?8, skipped=?9, cancelled=?10 WHERE id=1");
    if (!q)
        return false;
    db_bind_u64(q, 1, w->now.applied_lsn);
    db_bind_u64(q, 2, w->now.max_id);
    db_bind_u64(q, 3, w->now.events);
    db_bind_u64(q, 4, w->now.rejected);
    for (int i = 0; i < DELIVERY_STATE_COUNT; i++)
        db_bind_u64(q, 5 + i, w->now.by_state[i]);
    return db_run(q);
}

void writer_rollback(struct sqlite_store *s)
{
    struct writer *w = &s->writer;
    if (!w->in_transaction)
        return;
    db_rollback(&w->c);
    w->in_transaction = false;
    w->now = w->committed;
    queues_forget(w);
    map_release(&w->names);
    w->names = (struct map){0};
    db_forget_names(&w->c);
    keys_committed(s, false);
    for (size_t i = 0; i < w->returned_count; i++)
        lent_again(s->lent, &w->returned[i]);
    w->returned_count = 0;
}

static bool run_commit(struct writer *w)
{
    w->is_committing = true;
    bool good = db_run(db_statement(&w->c, "COMMIT"));
    w->is_committing = false;
    return good;
}

enum err writer_commit(struct sqlite_store *s, struct reason *why)
{
    struct writer *w = &s->writer;
    assert(w->in_transaction);
    if (!queues_write(w) || !write_meta(w) || !run_commit(w)) {
        enum err e = db_fail(w->c.db, "write the database", why);
        writer_rollback(s);
        if (e == ERR_FULL)
            space_spend(s);
        return e;
    }
    w->in_transaction = false;
    w->committed = w->now;
    w->returned_count = 0;
    atomic_store(&s->applied_lsn, w->now.applied_lsn);
    if (w->is_full)
        atomic_store(&s->synced_lsn, w->now.applied_lsn);
    keys_committed(s, true);
    return ERR_OK;
}

bool writer_erases(struct sqlite_store *s, bool on)
{
    return db_exec(&s->writer.c, on ? "PRAGMA secure_delete=ON" : "PRAGMA secure_delete=OFF");
}

int64_t writer_name(struct sqlite_store *s, str name)
{
    struct writer *w = &s->writer;
    if (!name.p)
        name = STR("");
    void *known = map_get(&w->names, name);
    if (known)
        return (int64_t)(intptr_t)known;
    int64_t id = 0;
    sqlite3_stmt *q = db_statement(&w->c, "SELECT id FROM names WHERE name=?1");
    if (!q)
        return 0;
    db_bind_str(q, 1, name);
    if (sqlite3_step(q) == SQLITE_ROW)
        id = sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    if (id == 0 && w->in_transaction) {
        q = db_statement(&w->c, "INSERT INTO names (name) VALUES (?1)");
        if (!q)
            return 0;
        db_bind_str(q, 1, name);
        if (!db_run(q))
            return 0;
        id = sqlite3_last_insert_rowid(w->c.db);
    }
    if (id)
        map_put(&w->names, name, (void *)(intptr_t)id);
    return id;
}

void writer_checkpoint(struct sqlite_store *s, int64_t bytes)
{
    struct writer *w = &s->writer;
    uint64_t held;
    if (w->wal_bytes <= bytes)
        return;
    int all = 0, copied = 0;
    w->wal_bytes = 0;
    int rc = sqlite3_wal_checkpoint_v2(w->c.db, NULL, SQLITE_CHECKPOINT_PASSIVE, &all, &copied);
    if (rc == SQLITE_OK && all == copied) /* then it was synced too */
        atomic_store(&s->synced_lsn, w->committed.applied_lsn);
    if (rc != SQLITE_OK && log_rate("checkpoint", &held))
        log_event(LOG_WARN, "the database could not be checkpointed; trying again",
                  LOG_F("error", str_from_cstr(sqlite3_errmsg(w->c.db))), LOG_I("held", held));
}

void writer_empty_wal(struct sqlite_store *s)
{
    struct writer *w = &s->writer;
    writer_lock(s);
    /* A reader keeps the file from being emptied; the next silence will do. */
    sqlite3_busy_timeout(w->c.db, 0);
    int rc = sqlite3_wal_checkpoint_v2(w->c.db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_busy_timeout(w->c.db, BUSY_MS);
    if (rc == SQLITE_OK) {
        w->wal_bytes = 0;
        atomic_store(&s->wal_file_bytes, 0);
        atomic_store(&s->synced_lsn, w->committed.applied_lsn);
    }
    writer_unlock(s);
}
