/* store_sqlite_apply.c -- the applier: a thread that follows the journal and keeps the database
 * up to it. Recovery is the same code: what a crash left unapplied is simply lag.
 *
 * It starts at once when something comes after a silence, and then rests between transactions so
 * that each holds much: a transaction writes whole pages, however few of their rows are new. Who
 * reads or claims meanwhile brings the database up without waiting for the rest to end. When the
 * database fails (disk full) it tries again for ever; the journal keeps everything meanwhile. */
#include "store/store_sqlite.h"

#include "base/log.h"
#include "base/trim.h"
#include "store/store_sqlite_chunk.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#define CHUNK_BYTES (1u << 20)       /* decoded at a time */
#define TRANSACTION_BYTES (4u << 20) /* in one transaction */
#define UNSYNCED_BYTES_MAX (4ull * JOURNAL_SEGMENT_BYTES)
#define REST_MS 100
#define SILENCE_MS 500 /* then the write-ahead log is put away, and memory given back */
#define APPLIER_NICE 5
#define SHORT_LOOK_MS 300
/* Applied since memory was given back last: when more comes, and when nothing does. */
#define TRIM_BYTES (32u << 20)
#define TRIM_BYTES_SILENT (1u << 20)
#define RETRY_MS_MIN 100
#define RETRY_MS_MAX 2000

static enum err begin(struct writer *w, enum writer_mode mode, struct reason *why)
{
    bool full = mode == WRITER_DURABLE;
    if (w->in_transaction)
        return ERR_OK;
    /* The level can't be changed inside a transaction. */
    if (full != w->is_full &&
        !db_exec(&w->c, full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL"))
        return db_fail(w->c.db, "write the database", why);
    w->is_full = full;
    if (!db_run(db_statement(&w->c, "BEGIN IMMEDIATE")))
        return db_fail(w->c.db, "write the database", why);
    w->in_transaction = true;
    return ERR_OK;
}

static enum err apply_chunk(struct sqlite_store *s, struct reason *why)
{
    struct writer *w = &s->writer;
    if (!w->chunk)
        w->chunk = chunk_new();
    buf_clear(&w->bytes);
    enum err e = journal_read(s->journal, w->now.applied_lsn, CHUNK_BYTES, &w->bytes, why);
    if (e == ERR_OK)
        e = chunk_apply(s, w->chunk, buf_str(&w->bytes), why);
    /* One batch may have been great; the usual ones are not. */
    if (w->bytes.cap > 4 * CHUNK_BYTES)
        buf_release(&w->bytes);
    return e;
}

/* The transaction that the last of it is in is left open. */
static enum err apply_open(struct sqlite_store *s, uint64_t lsn, enum writer_mode mode,
                           struct reason *why)
{
    struct writer *w = &s->writer;
    enum err e = begin(w, mode, why);
    while (e == ERR_OK && w->now.applied_lsn < lsn) {
        if (w->now.applied_lsn - w->committed.applied_lsn >= TRANSACTION_BYTES)
            e = writer_commit(s, why);
        if (e == ERR_OK)
            e = begin(w, mode, why);
        if (e == ERR_OK)
            e = apply_chunk(s, why);
    }
    if (e != ERR_OK)
        writer_rollback(s);
    if (e == ERR_FULL)
        space_spend(s);
    return e;
}

/* The journal keeps what the database has not synced, so a sync is needed only to let go of it:
 * a checkpoint brings one along. When readers keep checkpoints from ending, this does. */
static enum writer_mode apply_mode(struct sqlite_store *s)
{
    return s->writer.committed.applied_lsn - atomic_load(&s->synced_lsn) < UNSYNCED_BYTES_MAX
               ? WRITER_LEASE
               : WRITER_DURABLE;
}

enum err apply_until(struct sqlite_store *s, uint64_t lsn, struct reason *why)
{
    if (s->writer.now.applied_lsn >= lsn)
        return ERR_OK;
    enum err e = apply_open(s, lsn, apply_mode(s), why);
    return e == ERR_OK ? writer_commit(s, why) : e;
}

enum err apply_and_begin(struct sqlite_store *s, enum writer_mode mode, struct reason *why)
{
    return apply_open(s, journal_end(s->journal), mode, why);
}

enum err apply_barrier(struct sqlite_store *s, struct reason *why)
{
    uint64_t lsn = journal_end(s->journal);
    if (atomic_load(&s->applied_lsn) >= lsn)
        return ERR_OK;
    writer_lock(s);
    enum err e = apply_until(s, lsn, why);
    bool is_full = s->writer.wal_bytes > WAL_BYTES_MAX;
    writer_unlock(s);
    if (is_full) { /* who reads, or starts, does not wait for a checkpoint */
        atomic_store(&s->wal_is_full, true);
        apply_wake(s);
    }
    return e;
}

/* --- the thread ------------------------------------------------------------------------------- */

static void wait_ms(struct sqlite_store *s, int64_t ms)
{
    int64_t at_ns = clock_mono_ns(clock_real()) + ms * 1000000;
    struct timespec at = {.tv_sec = at_ns / 1000000000, .tv_nsec = at_ns % 1000000000};
    pthread_cond_timedwait(&s->wake, &s->wake_lock, &at);
}

static uint64_t lag(struct sqlite_store *s)
{
    return journal_end(s->journal) - atomic_load(&s->applied_lsn);
}

static bool nothing_to_do(struct sqlite_store *s)
{
    return !s->stop && lag(s) == 0 && !atomic_load(&s->wal_is_full);
}

/* Of what was applied, since memory was given back, or since that was done in silence: then those
 * who sent had gone, and what was kept for them is free. */
static uint64_t untrimmed(struct sqlite_store *s, bool in_silence)
{
    return atomic_load(&s->applied_lsn) - (in_silence ? s->trimmed_silent_lsn : s->trimmed_lsn);
}

/* Until there is something to do, or *silent: there was nothing for a while. */
static void wait_for_news(struct sqlite_store *s, bool *silent)
{
    while (nothing_to_do(s) && !*silent) {
        if (atomic_load(&s->wal_file_bytes) <= WAL_BYTES_IDLE &&
            untrimmed(s, true) <= TRIM_BYTES_SILENT) {
            pthread_cond_wait(&s->wake, &s->wake_lock);
        } else {
            wait_ms(s, SILENCE_MS);
            *silent = nothing_to_do(s);
        }
    }
}

/* Sleeps until there is something to do; false when the store is being closed. */
static bool wait_for_work(struct sqlite_store *s, int64_t retry_ms, bool *silent)
{
    *silent = false;
    pthread_mutex_lock(&s->wake_lock);
    atomic_store(&s->is_resting, true);
    if (!s->stop && lag(s) < TRANSACTION_BYTES)
        wait_ms(s, REST_MS);
    atomic_store(&s->is_resting, false);
    if (!s->stop && retry_ms)
        wait_ms(s, retry_ms);
    atomic_store(&s->is_idle, true);
    if (!s->stop && lag(s) == 0 && atomic_load(&s->is_short))
        wait_ms(s, SHORT_LOOK_MS);
    else
        wait_for_news(s, silent);
    atomic_store(&s->is_idle, false);
    bool go_on = !s->stop;
    pthread_mutex_unlock(&s->wake_lock);
    return go_on;
}

void apply_wake(struct sqlite_store *s)
{
    bool much = atomic_load(&s->is_resting) && lag(s) >= TRANSACTION_BYTES;
    if (!much && !atomic_load(&s->is_idle))
        return;
    pthread_mutex_lock(&s->wake_lock);
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->wake_lock);
}

static void checkpoint(struct sqlite_store *s)
{
    writer_lock(s);
    atomic_store(&s->wal_is_full, false);
    writer_checkpoint(s, WAL_BYTES_MAX);
    writer_unlock(s);
}

/* One transaction, so that others get the lock in between, also before a checkpoint. */
static enum err apply_some(struct sqlite_store *s, struct reason *why)
{
    writer_lock(s);
    uint64_t end = journal_end(s->journal), most = s->writer.now.applied_lsn + TRANSACTION_BYTES;
    enum err e = apply_until(s, end < most ? end : most, why);
    writer_unlock(s);
    if (e == ERR_OK)
        checkpoint(s);
    return e;
}

/* Senders first: what waits here is on disk already, and can't grow without bound (see
 * wait_for_applier). Where priorities belong to processes only, nothing changes. */
static void step_back(void)
{
#ifdef __linux__
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), APPLIER_NICE);
#endif
}

/* Short of space: what the journal lets go of is the database's, and only when nothing waits for
 * it any more is space kept back again. */
static void look_after_space(struct sqlite_store *s)
{
    if (!atomic_load(&s->is_short)) {
        journal_prepare(s->journal);
        return;
    }
    journal_shrink(s->journal);
    if (lag(s) == 0)
        space_keep(s);
}

/* After a burst: what it needed is given back, to the system too. */
static void trim_memory(struct sqlite_store *s)
{
    struct writer *w = &s->writer;
    uint64_t applied = atomic_load(&s->applied_lsn);
    dedupe_trim(s->dedupe);
    writer_lock(s);
    sqlite3_db_release_memory(w->c.db);
    buf_release(&w->bytes);
    chunk_free(w->chunk);
    w->chunk = NULL;
    writer_unlock(s);
    trim_heap();
    s->trimmed_lsn = applied;
}

static void *applier_main(void *arg)
{
    struct sqlite_store *s = arg;
    struct reason why;
    int64_t retry_ms = 0;
    bool silent = false;
    pthread_setname_np(pthread_self(), "gaff-store");
    step_back();
    s->trimmed_lsn = s->trimmed_silent_lsn = atomic_load(&s->applied_lsn);
    keys_load_filters(s);
    space_keep(s);
    do {
        journal_release(s->journal, atomic_load(&s->synced_lsn));
        look_after_space(s);
        keys_put_away(s);
        if (silent && !atomic_load(&s->is_short))
            writer_empty_wal(s);
        if (silent && untrimmed(s, true) > TRIM_BYTES_SILENT) {
            trim_memory(s);
            s->trimmed_silent_lsn = s->trimmed_lsn;
        }
        if (atomic_load(&s->wal_is_full))
            checkpoint(s);
        if (lag(s) == 0)
            continue;
        uint64_t held;
        if (apply_some(s, &why) == ERR_OK) {
            if (retry_ms)
                log_event(LOG_INFO, "the database is being written again",
                          LOG_I("lag_bytes", lag(s)));
            retry_ms = 0;
            if (lag(s) == 0 && untrimmed(s, false) > TRIM_BYTES)
                trim_memory(s);
            continue;
        }
        retry_ms = retry_ms ? retry_ms * 2 : RETRY_MS_MIN;
        if (retry_ms > RETRY_MS_MAX)
            retry_ms = RETRY_MS_MAX;
        if (log_rate("apply", &held))
            log_event(LOG_ERROR, "the database lags behind; everything is kept in the journal",
                      LOG_F("error", str_from_cstr(why.text)), LOG_I("lag_bytes", lag(s)),
                      LOG_I("held", held));
    } while (wait_for_work(s, retry_ms, &silent));
    return NULL;
}

enum err apply_start(struct sqlite_store *s, struct reason *why)
{
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->wake_lock, NULL);
    pthread_cond_init(&s->wake, &a);
    pthread_condattr_destroy(&a);
    int rc = pthread_create(&s->applier, NULL, applier_main, s);
    if (rc != 0) {
        errno = rc;
        return fail_errno(why, ERR_IO, "can't start the store's thread");
    }
    s->applier_runs = true;
    return ERR_OK;
}

void apply_stop(struct sqlite_store *s)
{
    if (!s->applier_runs)
        return;
    pthread_mutex_lock(&s->wake_lock);
    s->stop = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->wake_lock);
    pthread_join(s->applier, NULL);
    s->applier_runs = false;
    pthread_mutex_destroy(&s->wake_lock);
    pthread_cond_destroy(&s->wake);
}
