/* store_sqlite_db.c -- connections, statements and the schema.
 *
 * One connection writes and checkpoints; readers are opened read-only and never checkpoint, which
 * also keeps out of the WAL-reset race of SQLite before 3.51.3. Migrations are the embedded files
 * schema/NNN_*.sql, applied in order, each in a transaction with its number in user_version. */
#include "store/store_sqlite.h"

#include "base/embed.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/rand.h"
#include "store/store_sqlite_paced.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* In the head of the file: a live store, and a copy that no store has opened yet. A file that has
 * neither is new: its making was not finished, and the log beside it is its own. */
#define APPLICATION_LIVE 0x47414646
#define APPLICATION_ID_AT 68
#define SCHEMA_BYTES_MAX (1u << 20)

enum err db_fail(sqlite3 *db, const char *doing, struct reason *why)
{
    int rc = sqlite3_errcode(db);
    enum err e = rc == SQLITE_FULL ? ERR_FULL : rc == SQLITE_NOMEM ? ERR_NOMEM : ERR_IO;
    return fail(why, e, "can't %s: %s", doing, sqlite3_errmsg(db));
}

sqlite3_stmt *db_statement(struct connection *c, const char *sql)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->statements[i].sql == sql) {
            sqlite3_reset(c->statements[i].stmt);
            return c->statements[i].stmt;
        }
    assert(c->count < STATEMENTS_MAX);
    sqlite3_stmt *q = NULL;
    if (sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &q, NULL) != SQLITE_OK)
        return NULL;
    c->statements[c->count].sql = sql;
    c->statements[c->count++].stmt = q;
    return q;
}

bool db_run(sqlite3_stmt *q)
{
    if (!q)
        return false;
    int rc = sqlite3_step(q);
    sqlite3_reset(q);
    return rc == SQLITE_DONE || rc == SQLITE_ROW;
}

bool db_exec(struct connection *c, const char *sql)
{
    return sqlite3_exec(c->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

void db_rollback(struct connection *c)
{
    if (!sqlite3_get_autocommit(c->db) && !db_run(db_statement(c, "ROLLBACK")) &&
        !sqlite3_get_autocommit(c->db))
        die_of_memory(0);
}

void db_bind_str(sqlite3_stmt *q, int at, str s)
{
    sqlite3_bind_text64(q, at, s.p ? s.p : "", s.n, SQLITE_STATIC, SQLITE_UTF8);
}

void db_bind_blob(sqlite3_stmt *q, int at, str s)
{
    sqlite3_bind_blob64(q, at, s.p ? s.p : "", s.n, SQLITE_STATIC);
}

void db_bind_u64(sqlite3_stmt *q, int at, uint64_t v)
{
    sqlite3_bind_int64(q, at, (sqlite3_int64)v);
}

str db_column(sqlite3_stmt *q, int at)
{
    const char *p = sqlite3_column_blob(q, at);
    return str_of(p ? p : "", (size_t)sqlite3_column_bytes(q, at));
}

void db_forget_names(struct connection *c)
{
    for (size_t i = 0; i < NAMES_KEPT; i++)
        free(c->names[i].name);
    memset(c->names, 0, sizeof(c->names));
}

void db_close(struct connection *c)
{
    db_forget_names(c);
    for (size_t i = 0; i < c->count; i++)
        sqlite3_finalize(c->statements[i].stmt);
    if (c->db) {
        int rc = sqlite3_close(c->db);
        assert(rc == SQLITE_OK);
        UNUSED(rc);
    }
    *c = (struct connection){0};
}

static enum err open_file(const char *path, int flags, const char *vfs, sqlite3 **db,
                          struct reason *why)
{
    if (sqlite3_open_v2(path, db, flags | SQLITE_OPEN_NOMUTEX, vfs) == SQLITE_OK) {
        sqlite3_busy_timeout(*db, BUSY_MS);
        sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        sqlite3_db_config(*db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        return ERR_OK;
    }
    enum err e = *db ? db_fail(*db, "open the database", why)
                     : fail(why, ERR_NOMEM, "no memory to open the database");
    sqlite3_close(*db);
    *db = NULL;
    return e;
}

enum err db_open_reader(const struct sqlite_store *s, struct connection *c, struct reason *why)
{
    *c = (struct connection){0};
    enum err e = open_file(s->path, SQLITE_OPEN_READONLY, NULL, &c->db, why);
    if (e != ERR_OK)
        return e;
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (db_exec(c, "PRAGMA query_only=ON; PRAGMA wal_autocheckpoint=0; PRAGMA mmap_size=0;"
                   "PRAGMA cache_size=-1024; PRAGMA cell_size_check=ON") &&
        db_show_lent(c, s->lent))
        return ERR_OK;
    e = db_fail(c->db, "open the database for reading", why);
    db_close(c);
    return e;
}

static void lent_of(sqlite3_context *call, int count, sqlite3_value **v)
{
    UNUSED(count);
    sqlite3_result_int(call,
                       lent_has(sqlite3_user_data(call), (uint64_t)sqlite3_value_int64(v[0])));
}

bool db_show_lent(struct connection *c, struct lent *l)
{
    c->lent = l;
    return sqlite3_create_function_v2(c->db, "lent", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, l, lent_of,
                                      NULL, NULL, NULL) == SQLITE_OK;
}

/* --- migrations ------------------------------------------------------------------------------- */

static uint64_t schema_number(const struct packed *file)
{
    str name = str_from_cstr(file->name);
    uint64_t n = 0;
    if (!str_starts(name, STR("schema/")) || !str_ends(name, STR(".sql")))
        return 0;
    return str_to_u64(str_slice(name, 7, 10), &n) ? n : 0;
}

static bool read_number(struct connection *c, const char *sql, uint64_t *out)
{
    sqlite3_stmt *q = NULL;
    bool good =
        sqlite3_prepare_v2(c->db, sql, -1, &q, NULL) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW;
    if (good)
        *out = db_u64(q, 0);
    sqlite3_finalize(q);
    return good;
}

static bool insert_meta(struct connection *c)
{
    uint8_t seed[DEDUPE_SEED_BYTES];
    rand_bytes(seed, sizeof(seed));
    sqlite3_stmt *q = db_statement(
        c, "INSERT OR IGNORE INTO meta VALUES (1, 0, ?1, ?2, 0, 0, 0, 0, 0, 0, 0, 0, 0)");
    if (!q)
        return false;
    db_bind_blob(q, 1, str_of((const char *)seed, sizeof(seed)));
    db_bind_u64(q, 2, JOURNAL_FIRST_LSN);
    return db_run(q);
}

static bool apply_file(struct connection *c, const struct packed *file, uint64_t number)
{
    char sql[64];
    struct arena a;
    snprintf(sql, sizeof(sql), "PRAGMA user_version=%llu", (unsigned long long)number);
    arena_init(&a, SCHEMA_BYTES_MAX);
    str text = packed_text(&a, file);
    bool good = text.p && db_exec(c, "BEGIN IMMEDIATE") && db_exec(c, text.p) && db_exec(c, sql) &&
                insert_meta(c) && db_exec(c, "COMMIT");
    arena_release(&a);
    return good;
}

static enum err migrate(struct connection *c, struct reason *why)
{
    uint64_t have = 0, known = 0;
    if (!read_number(c, "PRAGMA user_version", &have))
        return db_fail(c->db, "read the schema version", why);
    /* The table of files is sorted by name. */
    for (size_t i = 0; i < packed_count; i++) {
        uint64_t number = schema_number(&packed_files[i]);
        if (number == 0)
            continue;
        known = number;
        if (number > have && !apply_file(c, &packed_files[i], number)) {
            enum err e = db_fail(c->db, "bring the database schema up to date", why);
            db_exec(c, "ROLLBACK");
            return e;
        }
    }
    assert(known > 0);
    if (have > known)
        return fail(why, ERR_CONFLICT,
                    "the database has schema %llu and this program knows %llu: it was written by "
                    "a newer version; use that, or restore a backup made before the upgrade",
                    (unsigned long long)have, (unsigned long long)known);
    return ERR_OK;
}

/* --- opening the writer ----------------------------------------------------------------------- */

/* The application id in the file's head, without SQLite; 0 for a new or empty file. Read before
 * the database is opened: closing any descriptor of the file would drop SQLite's locks on it. */
static enum err read_application(const char *path, uint32_t *out, struct reason *why)
{
    uint8_t id[4] = {0};
    bool is_new = !fs_exists(path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_errno(why, errno == EACCES ? ERR_DENIED : ERR_IO, "can't open %s", path);
    ssize_t n = pread(fd, id, sizeof(id), APPLICATION_ID_AT);
    close(fd);
    *out = n < 4 ? 0 : (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3];
    return is_new ? fs_sync_parent(path, why) : ERR_OK;
}

static enum err set_aside(const char *path, struct reason *why)
{
    if (!fs_exists(path))
        return ERR_OK;
    char *to = xmalloc(strlen(path) + 40);
    snprintf(to, strlen(path) + 40, "%s.before-restore", path);
    for (int i = 2; fs_exists(to) && i < 1000; i++)
        snprintf(to, strlen(path) + 40, "%s.before-restore-%d", path, i);
    enum err e = ERR_OK;
    if (rename(path, to) != 0)
        e = fail_errno(why, ERR_IO, "can't set %s aside for the restored database", path);
    else
        log_event(LOG_WARN, "set aside: it does not belong to the restored database",
                  LOG_F("path", str_from_cstr(to)));
    free(to);
    return e;
}

/* A copy was put in place of the database: a log or journal left beside it is of another life and
 * would spoil it. */
static enum err make_way_for_copy(const struct sqlite_store *s, struct reason *why)
{
    size_t n = strlen(s->path) + 16;
    char *path = xmalloc(n);
    snprintf(path, n, "%s-wal", s->path);
    enum err e = set_aside(path, why);
    snprintf(path, n, "%s-shm", s->path);
    unlink(path);
    snprintf(path, n, "%s/journal", s->dir);
    if (e == ERR_OK)
        e = set_aside(path, why);
    free(path);
    return e;
}

/* Gives the file the identity that binds a journal to it. Checkpointed at once: until the head of
 * the file itself says LIVE, a restart may throw the log beside it away. */
static enum err adopt(struct connection *c, struct reason *why)
{
    uint64_t id;
    rand_bytes(&id, sizeof(id));
    id = id >> 1 | 1;
    char sql[160];
    snprintf(sql, sizeof(sql),
             "BEGIN IMMEDIATE; UPDATE meta SET store_id=%llu; PRAGMA application_id=%d; COMMIT",
             (unsigned long long)id, APPLICATION_LIVE);
    if (!db_exec(c, sql) ||
        sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) != SQLITE_OK)
        return db_fail(c->db, "prepare the database", why);
    return ERR_OK;
}

static enum err read_meta(struct sqlite_store *s, struct reason *why)
{
    struct writer *w = &s->writer;
    sqlite3_stmt *q = db_statement(
        &w->c, "SELECT store_id, applied_lsn, max_id, events, rejected, pending, claimed,"
               " delivered, dead, skipped, cancelled, dedupe_seed FROM meta");
    if (!q || sqlite3_step(q) != SQLITE_ROW)
        return db_fail(w->c.db, "read the database", why);
    s->store_id = db_u64(q, 0);
    struct counters *n = &w->now;
    *n = (struct counters){.applied_lsn = db_u64(q, 1),
                           .max_id = db_u64(q, 2),
                           .events = db_u64(q, 3),
                           .rejected = db_u64(q, 4)};
    for (int i = 0; i < DELIVERY_STATE_COUNT; i++)
        n->by_state[i] = db_u64(q, 5 + i);
    str seed = db_column(q, 11);
    bool good = seed.n == DEDUPE_SEED_BYTES;
    if (good)
        memcpy(s->dedupe_seed, seed.p, seed.n);
    sqlite3_reset(q);
    w->committed = w->now;
    return good ? ERR_OK : fail(why, ERR_IO, "the database's own row is damaged");
}

/* Debian's SQLite overwrites what is deleted, which for a queue that is worked off from its front
 * is a page's whole free part each time; see writer_erases.
 *
 * A page is written to the log, read from it and written to the file: few large ones cost less
 * than many small ones, and hold several events of a usual size with little left over. A database
 * that is there keeps the size it was made with. */
static const char writer_settings[] = "PRAGMA page_size=32768;"
                                      "PRAGMA journal_mode=WAL;"
                                      "PRAGMA synchronous=FULL;"
                                      "PRAGMA fullfsync=ON;"
                                      "PRAGMA checkpoint_fullfsync=ON;"
                                      "PRAGMA wal_autocheckpoint=0;"
                                      "PRAGMA journal_size_limit=67108864;"
                                      "PRAGMA mmap_size=0;"
                                      "PRAGMA cell_size_check=ON;"
                                      "PRAGMA temp_store=MEMORY;"
                                      "PRAGMA secure_delete=OFF;"
                                      "PRAGMA cache_size=-6144";

static int note_wal_bytes(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct sqlite_store *s = arg;
    UNUSED(db);
    UNUSED(name);
    s->writer.wal_bytes = pages * s->writer.page_bytes;
    atomic_store(&s->wal_file_bytes, s->writer.wal_bytes);
    return SQLITE_OK;
}

/* SQLite ends a transaction by itself when even a read in it had no memory. What is written after
 * that would stand alone, each statement in a transaction of its own: it is refused. */
static int refuse_commit(void *arg)
{
    return !((const struct writer *)arg)->is_committing;
}

enum err db_open_writer(struct sqlite_store *s, struct reason *why)
{
    struct connection *c = &s->writer.c;
    uint32_t application = 0;
    enum err e = read_application(s->path, &application, why);
    if (e == ERR_OK && application == APPLICATION_COPY)
        e = make_way_for_copy(s, why);
    if (e == ERR_OK)
        e = open_file(s->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, sqlite_paced_vfs(),
                      &c->db, why);
    if (e == ERR_OK && !db_exec(c, writer_settings))
        e = db_fail(c->db, "open the database", why);
    s->writer.is_full = true;
    if (e == ERR_OK)
        e = migrate(c, why);
    if (e == ERR_OK && application != APPLICATION_LIVE)
        e = adopt(c, why);
    uint64_t page_bytes = 0;
    if (e == ERR_OK && !read_number(c, "PRAGMA page_size", &page_bytes))
        e = db_fail(c->db, "read the page size", why);
    s->writer.page_bytes = (int64_t)page_bytes;
    if (e == ERR_OK)
        e = read_meta(s, why);
    if (e == ERR_OK) {
        sqlite3_wal_hook(c->db, note_wal_bytes, s);
        sqlite3_commit_hook(c->db, refuse_commit, &s->writer);
    }
    return e;
}
