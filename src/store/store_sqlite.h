/* store_sqlite.h -- what the files of the SQLite store share; nobody else includes it.
 *
 * Who owns what:
 *   committing thread   journal_append, dedupe_find/add, the `parts` connection
 *   writer lock         the only connection that writes and checkpoints, and all of struct writer
 *   each reader         its own read-only connection, which never checkpoints
 * The journal is the truth; the database is brought up to it by the applier thread, or by whoever
 * takes the writer lock and needs it now. */
#ifndef GAFF_STORE_STORE_SQLITE_H
#define GAFF_STORE_STORE_SQLITE_H

#include "base/map.h"
#include "store/dedupe.h"
#include "store/journal.h"
#include "store/lent.h"
#include "store/recent.h"
#include "store/record.h"
#include "store/store.h"
#include "store/store_sqlite_given.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

/* Unapplied bytes beyond which events are refused (ERR_FULL). */
#define LAG_BYTES_MAX (64ull * JOURNAL_SEGMENT_BYTES)
#define SCAN_ROWS_MAX 20000u        /* rows looked at by one call of a list query */
#define WAL_BYTES_MAX (8 << 20)     /* then the log is copied into the database */
#define WAL_BYTES_IDLE (1 << 20)    /* as many may stay in its file when nothing is to be done */
#define APPLICATION_COPY 0x47414643 /* the application id of a backup that no store has opened */
#define BUSY_MS 10000               /* a connection waits for another */
#define RECENT_BYTES (4u << 20)     /* of claimed events, held for their attempts */
#define REJECTIONS_KEPT 1000
#define REJECTION_BODY_MAX (64u << 10)

/* The statements of a connection: prepared at first use, kept, told apart by the address of their
 * text. */
#define STATEMENTS_MAX 80
#define NAMES_KEPT 64
struct connection {
    sqlite3 *db;
    struct lent *lent; /* what its function lent(id) tells of */
    struct {
        const char *sql;
        sqlite3_stmt *stmt;
    } statements[STATEMENTS_MAX];
    size_t count;
    struct { /* of the rows of `names` read last, by the low bits of their number */
        int64_t id;
        char *name;
        size_t n;
    } names[NAMES_KEPT];
};

struct counters { /* the row `meta`, as it will be at the next commit */
    uint64_t applied_lsn, max_id, events, rejected;
    uint64_t by_state[DELIVERY_STATE_COUNT];
};

struct queue_changes { /* store_sqlite_queue.c */
    struct queue_change *v;
    size_t count, cap;
    struct idmap places; /* destination -> place in v + 1 */
};

struct writer { /* guarded by the writer lock */
    struct connection c;
    struct counters now, committed;
    struct queue_changes changes; /* since the last commit */
    bool in_transaction;
    bool is_committing;
    bool is_full;     /* the connection is set to sync at each commit */
    struct map names; /* name -> id as a pointer; may hold names of this transaction */
    struct buf bytes; /* journal records being applied */
    struct chunk *chunk;
    uint64_t bucket;     /* the id that the open bucket of delivery ids will have */
    struct dedupe_runs { /* where its keys are */
        uint64_t keys;
        uint32_t last; /* the one they are appended to; 0: there was none */
        uint64_t last_keys;
    } runs, runs_committed;
    uint64_t keys_lsn, keys_lsn_committed; /* all keys of records before this are in runs */
    struct dedupe_closing { /* closed in this transaction, to be told after its commit */
        bool is;
        uint64_t bucket, first_kept;
        int64_t until_ms;
        struct bloom *filter;
    } closing;
    uint64_t purge_from;       /* where the next purge goes on */
    int64_t page_bytes;        /* of the database: those of older ones are smaller */
    int64_t wal_bytes;         /* in the write-ahead log after the last commit, not copied yet */
    struct map order_cursors;  /* destination -> last key looked at (store_sqlite_claim.c) */
    struct lent_row *returned; /* settled in this transaction */
    size_t returned_count, returned_cap;
    struct given events, deliveries; /* store_sqlite_arrive.c */
    struct given settled;            /* store_sqlite_settle.c */
    struct given wanted;             /* store_sqlite_query.c: ids of events */
};

struct sqlite_store {
    struct store base;
    const struct clock *clock;
    char *dir, *path; /* of the database */
    char *filters_path;
    int lock_fd;
    struct journal *journal;
    uint64_t store_id;
    uint8_t dedupe_seed[DEDUPE_SEED_BYTES];

    /* Of the committing thread: */
    struct dedupe *dedupe;
    struct connection parts; /* opened at the first lookup */
    struct buf part_bytes;
    int64_t rejections_second;
    unsigned rejections_written;
    uint32_t rejected_unwritten;

    struct objects_unwritten *objects; /* store_sqlite_object.c */
    uint64_t object_sequence;          /* of the last change that was committed */
    _Atomic uint64_t object_sequence_shown;

    /* A ticket lock: whoever asks first is served first, the applier included. */
    pthread_mutex_t ticket_lock;
    pthread_cond_t ticket_turn;
    uint64_t ticket_next, ticket_serving;
    struct writer writer;

    struct recent *recent; /* events of what was claimed last */
    struct lent *lent;     /* claimed from the tables; changed under the writer lock */

    _Atomic uint64_t applied_lsn; /* committed to the database */
    _Atomic uint64_t synced_lsn;  /* and synced with it: the journal may forget what is before */
    uint64_t open_lsn; /* of this run's RECORD_OPEN: what lies before is of former runs */
    _Atomic uint64_t max_id;
    _Atomic bool is_short; /* of space: new events are refused (store_sqlite_space.c) */
    /* Applied when memory was given back last, and when that was in silence; of the applier. */
    uint64_t trimmed_lsn, trimmed_silent_lsn;
    pthread_t applier;
    bool applier_runs;
    pthread_mutex_t wake_lock;
    pthread_cond_t wake;
    bool stop;                      /* guarded by wake_lock */
    _Atomic bool is_idle;           /* the applier waits for the first byte */
    _Atomic bool is_resting;        /* it waits for more to come, or for its pause to end */
    _Atomic bool wal_is_full;       /* somebody who can't wait left a checkpoint to it */
    _Atomic int64_t wal_file_bytes; /* in the write-ahead log's file, copied or not */
};

struct sqlite_reader {
    struct store_reader base;
    struct connection c;
    struct kept_keys *keys; /* store_sqlite_keys.c; NULL until they are asked for */
    bool is_held;           /* the next load opens a view and keeps it */
    bool in_view;           /* a read transaction is open */
};

static inline struct sqlite_store *sqlite_of(struct store *s)
{
    return (struct sqlite_store *)(void *)s;
}
static inline struct sqlite_reader *sqlite_reader_of(struct store_reader *r)
{
    return (struct sqlite_reader *)(void *)r;
}

/* --- store_sqlite_db.c: connections, statements, schema ----------------------------------------
 */

enum err db_fail(sqlite3 *db, const char *doing, struct reason *why);
enum err db_open_writer(struct sqlite_store *s, struct reason *why);
enum err db_open_reader(const struct sqlite_store *s, struct connection *c, struct reason *why);
/* Gives the connection's statements the function lent(id): 1 or 0. */
bool db_show_lent(struct connection *c, struct lent *l);
void db_close(struct connection *c);
/* What the connection remembers of `names`, which a rollback may take back. */
void db_forget_names(struct connection *c);
/* The statement of that text (a literal, or otherwise an address that stays); NULL when it could
 * not be prepared. Reset and without bindings. */
sqlite3_stmt *db_statement(struct connection *c, const char *sql);
/* Steps a statement that gives no rows and resets it: true when done. */
bool db_run(sqlite3_stmt *q);
bool db_exec(struct connection *c, const char *sql);
/* Ends a transaction, if there is one: whoever stays in it writes nothing any more, or reads for
 * ever what was there when it began. The process ends where there is no memory even for that. */
void db_rollback(struct connection *c);
void db_bind_str(sqlite3_stmt *q, int at, str s);
void db_bind_blob(sqlite3_stmt *q, int at, str s);
void db_bind_u64(sqlite3_stmt *q, int at, uint64_t v);
/* Valid until the statement is stepped or reset. */
str db_column(sqlite3_stmt *q, int at);
static inline uint64_t db_u64(sqlite3_stmt *q, int at)
{
    return (uint64_t)sqlite3_column_int64(q, at);
}

/* --- store_sqlite_writer.c: the lock, transactions, names ----------------------------------------
 */

void writer_lock(struct sqlite_store *s);
void writer_unlock(struct sqlite_store *s);
bool writer_is_wanted(struct sqlite_store *s); /* by somebody else than who holds it */
/* All with the lock held. begin: brings the database up to what is durable now (in steps, each
 * its own transaction) and leaves a transaction open. commit: writes meta and commits; on failure
 * everything of the transaction is undone.
 *
 * WRITER_LEASE is for transactions that only lend and take back: they are not synced. A power cut
 * (never a mere crash) may then forget them together with the rows they were committed with; the
 * journal keeps those until the next sync, and a lease that is forgotten was void anyway. */
enum writer_mode { WRITER_DURABLE, WRITER_LEASE };
enum err writer_begin(struct sqlite_store *s, enum writer_mode mode, struct reason *why) MUST_USE;
enum err writer_commit(struct sqlite_store *s, struct reason *why) MUST_USE;
void writer_rollback(struct sqlite_store *s);
/* Whether what is deleted or replaced from now on is overwritten in the file. */
bool writer_erases(struct sqlite_store *s, bool on);
static inline void writer_note_id(struct writer *w, uint64_t id)
{
    w->now.max_id = id > w->now.max_id ? id : w->now.max_id;
}
/* The number of a name, made when it is new; 0: failed (see the connection's error). */
int64_t writer_name(struct sqlite_store *s, str name);
/* Copies the write-ahead log into the database when it is longer than that. */
void writer_checkpoint(struct sqlite_store *s, int64_t bytes);
/* Copies it and makes its file empty, so that whoever opens the database after a crash has nothing
 * to read there: for when nothing else is to be done. Takes the lock; tries only. */
void writer_empty_wal(struct sqlite_store *s);

/* --- store_sqlite_queue.c: how many deliveries of which state, in all and by destination ---------
 */

/* `n` more of a destination's deliveries are in that state. */
void count_change(struct writer *w, int64_t destination, enum delivery_state state, int64_t n);
static inline void count_move(struct writer *w, int64_t destination, enum delivery_state from,
                              enum delivery_state to)
{
    count_change(w, destination, from, -1);
    count_change(w, destination, to, 1);
}
/* Into the table `queues`, as part of the transaction. */
bool queues_write(struct writer *w);
void queues_forget(struct writer *w);

/* --- store_sqlite_apply.c: journal -> tables
 * ------------------------------------------------------ */

enum err apply_start(struct sqlite_store *s, struct reason *why);
void apply_stop(struct sqlite_store *s);
void apply_wake(struct sqlite_store *s); /* after a commit: cheap when nobody sleeps */
/* Applies up to the LSN in steps; with the lock held and no transaction open. */
enum err apply_until(struct sqlite_store *s, uint64_t lsn, struct reason *why);
/* As above, and leaves a transaction open. */
enum err apply_and_begin(struct sqlite_store *s, enum writer_mode mode, struct reason *why);
/* Brings the database up to now for a reader; takes the lock only when it is behind. A list that
 * goes on after a failure shows what is there; store_counts.lag says that it is not all. */
enum err apply_barrier(struct sqlite_store *s, struct reason *why);
void chunk_free(struct chunk *c);

/* --- store_sqlite_space.c: what is kept back on the disk for the database
 * -------------------------
 */

void space_keep(struct sqlite_store *s);  /* tries to have it; says whether events are taken */
void space_spend(struct sqlite_store *s); /* the database found the disk full */
bool space_give_up(const char *dir);      /* true when there was any */

/* --- store_sqlite_dedupe.c -----------------------------------------------------------------------
 */

/* Tells the memory side what is on disk: at open, before the journal's tail is read. */
enum err keys_open(struct sqlite_store *s, struct reason *why);
/* Appends the keys of a chunk (whole entries; all keys of records before end_lsn that were not
 * appended yet) to the open bucket, after closing it when it is full. */
bool keys_append(struct sqlite_store *s, str entries, uint64_t end_lsn, int64_t until_ms);
void keys_committed(struct sqlite_store *s, bool good);
void keys_load_filters(struct sqlite_store *s); /* those not loaded yet; by the applier, unlocked */
void keys_put_away(struct sqlite_store *s);     /* filters from memory to their file; as above */
str keys_load_part(void *store, uint64_t bucket, unsigned part);

/* --- store_sqlite_object.c -----------------------------------------------------------------------
 */

enum err objects_open(struct sqlite_store *s, struct reason *why);
void objects_release(struct sqlite_store *s);
/* A change that lies in the journal beyond the database. */
void objects_note(struct sqlite_store *s, const struct object_change *c, uint64_t lsn);
/* By the committing thread: decides each set against what is committed and what the sets before
 * it do; *changes: how many are to be written. */
enum err objects_judge(struct sqlite_store *s, struct object_set *sets, size_t *changes,
                       struct reason *why);
/* They are durable in the record at lsn, or none of it happened. */
void objects_judged(struct sqlite_store *s, bool good, uint64_t lsn);
/* Into the tables, with the writer lock held and a transaction open. */
bool objects_write(struct writer *w, const struct object_change *c);
bool objects_purge(struct writer *w, int64_t now_ms, size_t most);

/* --- store_sqlite_keys.c
 * --------------------------------------------------------------------------
 */

void kept_keys_free(struct kept_keys *k); /* accepts NULL */

/* --- operations ----------------------------------------------------------------------------------
 */

enum err sqlite_claim(struct store *s, const struct claim *c, struct arena *a,
                      struct delivery_list *out, int64_t *next_due_ms, struct reason *why);
enum err sqlite_unclaim(struct store *s, const uint64_t *ids, size_t count, struct reason *why);
enum err sqlite_move(struct store *s, enum store_move move, const struct delivery_filter *f,
                     int64_t now_ms, uint64_t *moved, struct reason *why);
enum err sqlite_add_delivery(struct store *s, uint64_t event_id, const struct new_delivery *d,
                             int64_t now_ms, struct reason *why);
enum err sqlite_restore(struct store *s, const struct delivery *v, size_t count,
                        struct reason *why);
enum err sqlite_add_attempts(struct store *s, const struct attempt *v, size_t count,
                             struct reason *why);
enum err sqlite_expunge(struct store *s, uint64_t id, uint32_t attempt, struct reason *why);
enum err sqlite_purge(struct store *s, const struct retention *r, int64_t now_ms, uint64_t *deleted,
                      struct reason *why);
enum err sqlite_backup(struct store *s, const char *path,
                       void (*progress)(uint64_t done, uint64_t all, void *arg), void *arg,
                       struct reason *why);
struct store_reader *sqlite_reader_open(struct store *s, struct reason *why);
void sqlite_reader_close(struct store_reader *r);
/* On any connection; ERR_NOT_FOUND also when its body is longer than body_max. */
enum err sqlite_event(struct connection *c, uint64_t id, int64_t body_max, struct arena *a,
                      struct event *out, struct reason *why);
/* Of the writer, events of whom it knows the ids, as far as they are there and their bodies are no
 * longer: each is told, until `take` says false. It stays until `take` returns. */
bool sqlite_events_of(struct sqlite_store *s, const uint64_t *ids, size_t count, int64_t body_max,
                      bool (*take)(const struct event *e, void *arg), void *arg);
bool sqlite_events_open(struct sqlite_store *s); /* once, when the writer is open */
enum err sqlite_load(struct store_reader *r, uint64_t id, uint64_t locator, struct arena *a,
                     struct event *out, struct reason *why);
void sqlite_hold(struct store_reader *r);
void sqlite_rest(struct store_reader *r);
enum err sqlite_events(struct store_reader *r, const struct event_filter *f, struct arena *a,
                       struct event_list *out, struct reason *why);
enum err sqlite_deliveries(struct store_reader *r, const struct delivery_filter *f, struct arena *a,
                           struct delivery_list *out, struct reason *why);
enum err sqlite_attempts(struct store_reader *r, uint64_t delivery_id, struct arena *a,
                         struct attempt_list *out, struct reason *why);
enum err sqlite_attempt_log(struct store_reader *r, const struct attempt_filter *f, struct arena *a,
                            struct attempt_log *out, struct reason *why);
enum err sqlite_object(struct store_reader *r, str kind, str id, str parent, str name,
                       struct arena *a, struct object *out, struct reason *why);
enum err sqlite_objects(struct store_reader *r, const struct object_filter *f, struct arena *a,
                        struct object_list *out, struct reason *why);
enum err sqlite_object_changes(struct store_reader *r, uint64_t after, size_t limit,
                               struct arena *a, struct object_list *out, struct reason *why);
enum err sqlite_rejections(struct store_reader *r, uint64_t before, size_t limit, struct arena *a,
                           struct rejection_list *out, struct reason *why);
enum err sqlite_count_deliveries(struct store_reader *r, str destination, uint64_t after,
                                 uint64_t before, struct delivery_counts *out, struct reason *why);
extern const char sqlite_count_deliveries_sql[]; /* ?1 before, ?2 after, ?3 whose; for its test */
enum err sqlite_count_attempts(struct store_reader *r, str destination, uint64_t after,
                               uint64_t before, struct attempt_counts *out, struct reason *why);
enum err sqlite_count_listed(struct store_reader *r, str source, int64_t since_ms, int64_t most,
                             int64_t *count, struct reason *why);
enum err sqlite_keys(struct store_reader *r, uint64_t event_id, int64_t received_ms,
                     struct arena *a, struct key_list *out, struct reason *why);
enum err sqlite_take_seed(struct store *s, const uint8_t *seed, struct reason *why);
enum err sqlite_counts(struct store_reader *r, struct store_counts *out, struct reason *why);
enum err sqlite_queues(struct store_reader *r, struct arena *a, struct queue_list *out,
                       struct reason *why);
enum err sqlite_pending_destinations(struct store_reader *r, struct arena *a, str **out,
                                     size_t *count, struct reason *why);

struct store *store_sqlite_open(const char *dir, const struct clock *clock,
                                const struct journal_io *io, struct reason *why);

#endif
