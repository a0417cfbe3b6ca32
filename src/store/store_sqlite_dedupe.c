/* store_sqlite_dedupe.c -- the disk side of dedupe.h. The keys of the open bucket are appended as
 * they come (`dedupe_run`: no random access, whatever the size of the store), in runs of
 * DEDUPE_RUN_KEYS, so that who looks for one reads little. A full bucket is sorted once and written
 * as 512 parts with its filter; a lookup then reads one part. */
#include "store/store_sqlite.h"

#include "base/log.h"

static const char append_run[] =
    "INSERT INTO dedupe_run (id, until_ms, entries) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO UPDATE"
    " SET until_ms=max(until_ms, excluded.until_ms),"
    " entries=CAST(entries || excluded.entries AS BLOB)";
static const char insert_part[] = "INSERT OR REPLACE INTO dedupe_part VALUES (?1, ?2)";

/* --- closing a bucket ------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    struct dedupe_entry x, y;
    dedupe_entry_read(a, &x);
    dedupe_entry_read(b, &y);
    return x.key[0] < y.key[0] ? -1 : x.key[0] > y.key[0];
}

static bool collect_runs(struct connection *c, struct buf *all, int64_t *until_ms)
{
    sqlite3_stmt *q = db_statement(c, "SELECT entries, until_ms FROM dedupe_run ORDER BY id");
    if (!q)
        return false;
    int rc;
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        buf_str_append(all, db_column(q, 0));
        if (sqlite3_column_int64(q, 1) > *until_ms)
            *until_ms = sqlite3_column_int64(q, 1);
    }
    sqlite3_reset(q);
    return rc == SQLITE_DONE && buf_ok(all);
}

/* Writes the parts of a bucket and fills its filter; *newest_ms: of its keys. */
static bool write_parts(struct connection *c, uint64_t bucket, str sorted, struct bloom *filter,
                        int64_t *newest_ms)
{
    sqlite3_stmt *q = db_statement(c, insert_part);
    size_t from = 0;
    while (q && from < sorted.n) {
        struct dedupe_entry e;
        dedupe_entry_read(sorted.p + from, &e);
        unsigned part = dedupe_part(e.key);
        size_t to = from;
        while (to < sorted.n) {
            dedupe_entry_read(sorted.p + to, &e);
            if (dedupe_part(e.key) != part)
                break;
            bloom_add(filter, e.key);
            if (e.received_ms > *newest_ms)
                *newest_ms = e.received_ms;
            to += DEDUPE_ENTRY_BYTES;
        }
        db_bind_u64(q, 1, bucket * DEDUPE_PARTS + part);
        db_bind_blob(q, 2, str_slice(sorted, from, to));
        if (!db_run(q))
            return false;
        from = to;
    }
    return q != NULL;
}

/* Drops buckets that are out of every window, or beyond the number kept. */
static bool drop_old(struct connection *c, uint64_t bucket, int64_t newest_ms, uint64_t *first_kept)
{
    *first_kept = bucket >= DEDUPE_BUCKETS_MAX ? bucket - DEDUPE_BUCKETS_MAX + 1 : 0;
    sqlite3_stmt *q =
        db_statement(c, "SELECT coalesce(min(id), ?2) FROM dedupe_bucket WHERE until_ms > ?1");
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, newest_ms);
    db_bind_u64(q, 2, bucket);
    if (sqlite3_step(q) == SQLITE_ROW && db_u64(q, 0) > *first_kept)
        *first_kept = db_u64(q, 0);
    sqlite3_reset(q);
    q = db_statement(c, "DELETE FROM dedupe_bucket WHERE id < ?1");
    if (!q)
        return false;
    db_bind_u64(q, 1, *first_kept);
    if (!db_run(q))
        return false;
    q = db_statement(c, "DELETE FROM dedupe_part WHERE id < ?1");
    if (!q)
        return false;
    db_bind_u64(q, 1, *first_kept * DEDUPE_PARTS);
    return db_run(q);
}

static bool close_bucket(struct sqlite_store *s)
{
    struct writer *w = &s->writer;
    struct buf all;
    buf_init(&all, RECORD_BYTES_MAX);
    int64_t until_ms = 0, newest_ms = 0;
    struct bloom *filter = bloom_new();
    bool good = collect_runs(&w->c, &all, &until_ms);
    if (good && all.len) {
        qsort(all.p, all.len / DEDUPE_ENTRY_BYTES, DEDUPE_ENTRY_BYTES, by_key);
        good = write_parts(&w->c, w->bucket, buf_str(&all), filter, &newest_ms);
    }
    buf_release(&all);
    sqlite3_stmt *q = db_statement(&w->c, "INSERT INTO dedupe_bucket VALUES (?1, ?2, ?3)");
    if (good && q) {
        db_bind_u64(q, 1, w->bucket);
        sqlite3_bind_int64(q, 2, until_ms);
        db_bind_blob(q, 3, str_of((char *)filter->bits, filter->bytes));
    }
    uint64_t first_kept = 0;
    good = good && db_run(q) && db_run(db_statement(&w->c, "DELETE FROM dedupe_run")) &&
           drop_old(&w->c, w->bucket, newest_ms, &first_kept);
    if (!good) {
        free(filter);
        return false;
    }
    /* One transaction closes one bucket at most (see keys_append). */
    assert(!w->closing.is);
    w->closing = (struct dedupe_closing){.is = true,
                                         .bucket = w->bucket,
                                         .first_kept = first_kept,
                                         .until_ms = until_ms,
                                         .filter = filter};
    w->bucket++;
    w->runs.keys = 0;
    w->runs.last_keys = DEDUPE_RUN_KEYS; /* no number is used again while it may be known */
    return true;
}

/* Some entries to the last run, or, when that is full, to a new one. */
static bool append(struct sqlite_store *s, str entries, int64_t until_ms)
{
    struct writer *w = &s->writer;
    sqlite3_stmt *q = db_statement(&w->c, append_run);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, w->runs.last);
    sqlite3_bind_int64(q, 2, until_ms);
    db_bind_blob(q, 3, entries);
    if (!db_run(q))
        return false;
    dedupe_run_grew(s->dedupe, w->bucket, w->runs.last, entries);
    w->runs.keys += entries.n / DEDUPE_ENTRY_BYTES;
    w->runs.last_keys += entries.n / DEDUPE_ENTRY_BYTES;
    return true;
}

bool keys_append(struct sqlite_store *s, str entries, uint64_t end_lsn, int64_t until_ms)
{
    struct writer *w = &s->writer;
    if (w->runs.keys >= DEDUPE_BUCKET_KEYS && !w->closing.is && !close_bucket(s))
        return false;
    for (size_t at = 0, to; at < entries.n; at = to) {
        if (w->runs.last == 0 || w->runs.last_keys >= DEDUPE_RUN_KEYS) {
            w->runs.last++;
            w->runs.last_keys = 0;
        }
        to = at + (DEDUPE_RUN_KEYS - w->runs.last_keys) * DEDUPE_ENTRY_BYTES;
        to = to < entries.n ? to : entries.n;
        if (!append(s, str_slice(entries, at, to), until_ms))
            return false;
    }
    w->keys_lsn = end_lsn;
    return true;
}

void keys_committed(struct sqlite_store *s, bool good)
{
    struct writer *w = &s->writer;
    struct dedupe_closing *c = &w->closing;
    if (good) {
        if (c->is) {
            dedupe_bucket_closed(s->dedupe, c->bucket, c->until_ms, c->filter);
            dedupe_bucket_dropped(s->dedupe, c->first_kept);
        }
        if (w->keys_lsn != w->keys_lsn_committed)
            dedupe_written(s->dedupe, w->keys_lsn);
        w->runs_committed = w->runs;
        w->keys_lsn_committed = w->keys_lsn;
    } else {
        if (c->is) {
            free(c->filter);
            w->bucket--;
        }
        w->runs = w->runs_committed;
        w->keys_lsn = w->keys_lsn_committed;
    }
    *c = (struct dedupe_closing){0};
}

/* --- opening and looking up ------------------------------------------------------------------- */

static bool open_buckets(struct sqlite_store *s)
{
    struct writer *w = &s->writer;
    sqlite3_stmt *q = db_statement(&w->c, "SELECT id, until_ms FROM dedupe_bucket ORDER BY id");
    int rc = SQLITE_ERROR;
    while (q && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        w->bucket = db_u64(q, 0) + 1;
        dedupe_bucket_closed(s->dedupe, db_u64(q, 0), sqlite3_column_int64(q, 1), NULL);
    }
    sqlite3_reset(q);
    return rc == SQLITE_DONE;
}

static bool open_runs(struct sqlite_store *s)
{
    struct writer *w = &s->writer;
    sqlite3_stmt *q = db_statement(&w->c, "SELECT id, entries FROM dedupe_run ORDER BY id");
    int rc = SQLITE_ERROR;
    while (q && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        str entries = db_column(q, 1);
        w->runs.last = (uint32_t)sqlite3_column_int64(q, 0);
        w->runs.last_keys = entries.n / DEDUPE_ENTRY_BYTES;
        w->runs.keys += w->runs.last_keys;
        dedupe_run_grew(s->dedupe, w->bucket, w->runs.last, entries);
    }
    sqlite3_reset(q);
    w->runs_committed = w->runs;
    return rc == SQLITE_DONE;
}

enum err keys_open(struct sqlite_store *s, struct reason *why)
{
    struct writer *w = &s->writer;
    w->keys_lsn = w->keys_lsn_committed = w->now.applied_lsn;
    return open_buckets(s) && open_runs(s) ? ERR_OK
                                           : db_fail(w->c.db, "read the delivery ids", why);
}

void keys_load_filters(struct sqlite_store *s)
{
    struct connection c;
    if (db_open_reader(s, &c, NULL) != ERR_OK)
        return; /* the disk is asked for every key instead */
    sqlite3_stmt *q = db_statement(&c, "SELECT id, bloom FROM dedupe_bucket ORDER BY id DESC");
    while (q && sqlite3_step(q) == SQLITE_ROW) {
        struct bloom *filter = bloom_of(db_column(q, 1));
        if (!filter)
            continue;
        dedupe_bucket_loaded(s->dedupe, db_u64(q, 0), filter);
        keys_put_away(s);
    }
    db_close(&c);
}

void keys_put_away(struct sqlite_store *s)
{
    dedupe_put_away(s->dedupe, s->filters_path);
}

/* Rows of `dedupe_run` and `dedupe_part` lie side by side in their tables: little of them is read
 * again, and nothing is gained by keeping it. */
static sqlite3_stmt *parts_statement(struct sqlite_store *s, const char *sql)
{
    if (!s->parts.db) {
        if (db_open_reader(s, &s->parts, NULL) != ERR_OK ||
            !db_exec(&s->parts, "PRAGMA cache_size=-128"))
            return NULL;
        sqlite3_db_config(s->parts.db, SQLITE_DBCONFIG_LOOKASIDE, NULL, 0, 0);
    }
    return db_statement(&s->parts, sql);
}

static sqlite3_stmt *ask_part(struct sqlite_store *s, uint64_t bucket, unsigned part)
{
    sqlite3_stmt *q = parts_statement(s, "SELECT entries FROM dedupe_part WHERE id=?1");
    if (q)
        db_bind_u64(q, 1, bucket * DEDUPE_PARTS + part);
    return q;
}

static sqlite3_stmt *ask_runs(struct sqlite_store *s, uint32_t run)
{
    sqlite3_stmt *q = parts_statement(s, "SELECT entries FROM dedupe_run WHERE id>=?1 AND id<=?2");
    if (q) {
        sqlite3_bind_int64(q, 1, run);
        sqlite3_bind_int64(q, 2, run ? run : INT64_MAX);
    }
    return q;
}

str keys_load_part(void *store, uint64_t bucket, unsigned part)
{
    struct sqlite_store *s = store;
    uint64_t held;
    sqlite3_stmt *q = bucket == DEDUPE_RUNS ? ask_runs(s, part) : ask_part(s, bucket, part);
    if (!q)
        return STR_NONE;
    int rc;
    buf_clear(&s->part_bytes);
    while ((rc = sqlite3_step(q)) == SQLITE_ROW)
        buf_str_append(&s->part_bytes, db_column(q, 0));
    if ((rc != SQLITE_DONE || !buf_ok(&s->part_bytes)) && log_rate("dedupe", &held)) {
        /* Storing it twice is better than refusing it: delivery is at least once. */
        log_event(LOG_WARN, "a delivery id could not be looked up; taken as new",
                  LOG_F("error", str_from_cstr(sqlite3_errmsg(s->parts.db))), LOG_I("held", held));
    }
    /* Reset at once: an open read would keep the log from being reused. */
    sqlite3_reset(q);
    return buf_str(&s->part_bytes);
}
