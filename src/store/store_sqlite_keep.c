/* store_sqlite_keep.c -- retention and backup: what runs beside the traffic, in steps, each giving
 * the writer lock back. Purging goes over the events from the oldest on and remembers where it
 * was, so that old undelivered ones are not looked at again and again. Deleted pages are reused;
 * the file does not shrink, and a bound by bytes counts the pages in use. */
#include "store/store_sqlite.h"

#include "base/fs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOKED_PER_DELETED 4u
#define LOOKED_MIN 1000u
#define SIZE_CHECK_EVERY 64u
#define BACKUP_PAGES 64 /* 2 MiB a step */

static bool read_pragma(struct connection *c, const char *sql, int64_t *out)
{
    sqlite3_stmt *q = db_statement(c, sql);
    bool good = q && sqlite3_step(q) == SQLITE_ROW;
    if (good)
        *out = sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    return good;
}

static bool used_bytes(struct connection *c, int64_t *out)
{
    int64_t pages, unused, size;
    if (!read_pragma(c, "PRAGMA page_count", &pages) ||
        !read_pragma(c, "PRAGMA freelist_count", &unused) ||
        !read_pragma(c, "PRAGMA page_size", &size))
        return false;
    *out = (pages - unused) * size;
    return true;
}

static bool run_with(struct connection *c, const char *sql, uint64_t id)
{
    sqlite3_stmt *q = db_statement(c, sql);
    if (!q)
        return false;
    db_bind_u64(q, 1, id);
    return db_run(q);
}

/* *finished: all deliveries of the event have ended; then they are counted as gone. */
static bool count_gone(struct writer *w, uint64_t event_id, bool *finished)
{
    sqlite3_stmt *q = db_statement(
        &w->c, "SELECT state, destination FROM deliveries WHERE event_id=?1 ORDER BY state");
    if (!q)
        return false;
    db_bind_u64(q, 1, event_id);
    int rc = SQLITE_DONE;
    *finished = true;
    while (*finished && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        enum delivery_state state = (enum delivery_state)sqlite3_column_int(q, 0);
        if (state == DELIVERY_PENDING || state == DELIVERY_CLAIMED)
            *finished = false; /* these come first */
        else
            count_change(w, sqlite3_column_int64(q, 1), state, -1);
    }
    sqlite3_reset(q);
    return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

/* Deletes an event if all its deliveries have ended. */
static bool delete_finished(struct writer *w, uint64_t id, bool *deleted)
{
    *deleted = false;
    bool finished;
    if (!count_gone(w, id, &finished))
        return false;
    if (!finished)
        return true;
    if (!run_with(&w->c,
                  "DELETE FROM attempts WHERE delivery_id IN"
                  " (SELECT id FROM deliveries WHERE event_id=?1)",
                  id) ||
        !run_with(&w->c, "DELETE FROM deliveries WHERE event_id=?1", id) ||
        !run_with(&w->c, "DELETE FROM events WHERE id=?1", id))
        return false;
    w->now.events--;
    *deleted = true;
    return true;
}

struct purging {
    const struct retention *r;
    int64_t now_ms;
    uint64_t deleted;
    bool too_many_bytes, at_end;
};

static bool next_event(struct writer *w, uint64_t *id, int64_t *received_ms, bool *found)
{
    sqlite3_stmt *q =
        db_statement(&w->c, "SELECT id, received_ms FROM events WHERE id>?1 ORDER BY id LIMIT 1");
    if (!q)
        return false;
    db_bind_u64(q, 1, *id);
    int rc = sqlite3_step(q);
    *found = rc == SQLITE_ROW;
    if (*found) {
        *id = db_u64(q, 0);
        *received_ms = sqlite3_column_int64(q, 1);
    }
    sqlite3_reset(q);
    return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

static bool check_size(struct writer *w, struct purging *p)
{
    int64_t bytes = 0;
    p->too_many_bytes = false;
    if (p->r->bytes <= 0)
        return true;
    if (!used_bytes(&w->c, &bytes))
        return false;
    p->too_many_bytes = bytes > p->r->bytes;
    return true;
}

static bool purge_some(struct writer *w, struct purging *p)
{
    uint64_t id = w->purge_from;
    size_t most = p->r->step * LOOKED_PER_DELETED + LOOKED_MIN;
    if (!check_size(w, p))
        return false;
    for (size_t looked = 0; looked < most && p->deleted < p->r->step; looked++) {
        int64_t received_ms = 0;
        bool found, deleted;
        if (!next_event(w, &id, &received_ms, &found))
            return false;
        bool too_old = p->r->age_ms > 0 && received_ms <= p->now_ms - p->r->age_ms;
        if (!found || (!too_old && !p->too_many_bytes)) {
            p->at_end = true;
            return true;
        }
        if (!delete_finished(w, id, &deleted))
            return false;
        p->deleted += deleted;
        w->purge_from = id;
        if (deleted && p->deleted % SIZE_CHECK_EVERY == 0 && !check_size(w, p))
            return false;
    }
    return true;
}

enum err sqlite_purge(struct store *base, const struct retention *r, int64_t now_ms,
                      uint64_t *deleted, struct reason *why)
{
    struct sqlite_store *s = sqlite_of(base);
    struct writer *w = &s->writer;
    struct purging p = {.r = r, .now_ms = now_ms};
    *deleted = 0;
    writer_lock(s);
    uint64_t from = w->purge_from;
    enum err e = writer_begin(s, WRITER_DURABLE, why);
    if (e == ERR_OK &&
        (!writer_erases(s, true) || !purge_some(w, &p) || !objects_purge(w, now_ms, r->step))) {
        e = db_fail(w->c.db, "delete old events", why);
        writer_rollback(s);
    }
    if (e == ERR_OK)
        e = writer_commit(s, why);
    (void)writer_erases(s, false);
    if (e != ERR_OK)
        w->purge_from = from;
    else if (p.at_end)
        w->purge_from = 0; /* those left over are looked at again the next time */
    writer_checkpoint(s, WAL_BYTES_MAX);
    writer_unlock(s);
    if (e == ERR_OK)
        *deleted = p.deleted;
    return e;
}

/* --- backup ----------------------------------------------------------------------------------- */

/* Copies in steps through the writer's own connection: what it writes in between goes into the
 * copy as well, so that the copy is of the moment it is done. */
static enum err copy_pages(struct sqlite_store *s, sqlite3 *to,
                           void (*progress)(uint64_t, uint64_t, void *), void *arg,
                           struct reason *why)
{
    writer_lock(s);
    enum err e = apply_until(s, journal_end(s->journal), why);
    sqlite3_backup *b =
        e == ERR_OK ? sqlite3_backup_init(to, "main", s->writer.c.db, "main") : NULL;
    writer_unlock(s);
    if (e != ERR_OK)
        return e;
    if (!b)
        return db_fail(to, "begin the backup", why);
    int rc;
    do {
        writer_lock(s);
        rc = sqlite3_backup_step(b, BACKUP_PAGES);
        uint64_t all = (uint64_t)sqlite3_backup_pagecount(b);
        uint64_t done = all - (uint64_t)sqlite3_backup_remaining(b);
        writer_unlock(s);
        if (progress)
            progress(done, all, arg);
    } while (rc == SQLITE_OK);
    writer_lock(s);
    sqlite3_backup_finish(b);
    writer_unlock(s);
    return rc == SQLITE_DONE ? ERR_OK : db_fail(to, "copy the database", why);
}

/* One file without a log beside it, marked as a copy: opening it as a store gives it a journal of
 * its own. */
static enum err seal_copy(sqlite3 *db, struct reason *why)
{
    char sql[160];
    snprintf(sql, sizeof(sql),
             "PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL; BEGIN;"
             "UPDATE meta SET store_id=0; PRAGMA application_id=%d; COMMIT",
             APPLICATION_COPY);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return db_fail(db, "finish the backup", why);
    return ERR_OK;
}

static enum err make_copy(struct sqlite_store *s, const char *path,
                          void (*progress)(uint64_t, uint64_t, void *), void *arg,
                          struct reason *why)
{
    sqlite3 *to = NULL;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_errno(why, ERR_IO, "can't create the backup %s", path);
    enum err e = ERR_OK;
    if (sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        e = to ? db_fail(to, "create the backup", why) : fail(why, ERR_NOMEM, "out of memory");
    if (e == ERR_OK)
        e = copy_pages(s, to, progress, arg, why);
    if (e == ERR_OK)
        e = seal_copy(to, why);
    sqlite3_close(to);
    if (e == ERR_OK && fsync(fd) != 0)
        e = fail_errno(why, ERR_IO, "can't write the backup %s", path);
    close(fd);
    return e;
}

enum err sqlite_backup(struct store *base, const char *path,
                       void (*progress)(uint64_t done, uint64_t all, void *arg), void *arg,
                       struct reason *why)
{
    struct sqlite_store *s = sqlite_of(base);
    struct stat live, there;
    if (stat(path, &there) == 0 && stat(s->path, &live) == 0 && there.st_dev == live.st_dev &&
        there.st_ino == live.st_ino)
        return fail(why, ERR_INVALID, "%s is the database itself; name another file", path);
    size_t n = strlen(path) + 8;
    char *part = malloc(n);
    if (!part)
        return fail(why, ERR_NOMEM, "out of memory");
    snprintf(part, n, "%s.part", path);
    enum err e = make_copy(s, part, progress, arg, why);
    if (e == ERR_OK && rename(part, path) != 0)
        e = fail_errno(why, ERR_IO, "can't name the backup %s", path);
    if (e == ERR_OK)
        e = fs_sync_parent(path, why);
    else
        unlink(part);
    free(part);
    return e;
}
