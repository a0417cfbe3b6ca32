/* store_postgres.h -- what the files of the PostgreSQL store share; nobody else includes it.
 *
 * Who owns what:
 *   a link              one connection; used by one thread at a time, taken from and given back to
 *                       the pool (store_postgres_pool.c). No state is kept in a session, so a
 *                       pooler may give each transaction another one.
 *   the node thread     its own link, for beats and LISTEN (store_postgres_node.c)
 *   each reader         no link of its own: it takes one of the pool for each query
 * SQL is in schema/postgres: the store calls functions, and only lists are written here. */
#ifndef GAFF_STORE_STORE_POSTGRES_H
#define GAFF_STORE_STORE_POSTGRES_H

#include "base/buf.h"
#include "base/map.h"
#include "store/dedupe.h"
#include "store/recent.h"
#include "store/store.h"
#include "store/store_postgres_lib.h"

#include <pthread.h>
#include <stdatomic.h>

#define PG_WRITERS 3u      /* commits at a time */
#define PG_OTHERS 8u       /* links for claims, loads and queries */
#define PG_SLOTS_A_NODE 16 /* rows of counters a node may use */
#define PG_SCAN_ROWS_MAX 20000
#define PG_LEASE_MS 6000
#define PG_BEAT_MS 1000
#define PG_CONNECT_MS 2000 /* for one attempt; meanwhile the others are refused at once */
#define PG_QUERY_MS 30000
#define PG_COMMIT_MS 3000 /* and more for many bytes */
#define PG_RECENT_BYTES (32u << 20)
#define PG_REJECTION_BODY_MAX (64u << 10)
static_assert(PG_WRITERS + PG_OTHERS + 1 <= PG_SLOTS_A_NODE, "a row of counters for each link");

/* --- store_postgres_args.c: parameters in the binary form ------------------------------------- */

#define PG_ARGS_MAX 64

enum pg_type { /* the server's numbers for its types */
               PG_BOOL = 16,
               PG_BYTEA = 17,
               PG_INT8 = 20,
               PG_INT4 = 23,
               PG_TEXT = 25,
               PG_UUID = 2950,
               PG_BOOL_ARRAY = 1000,
               PG_BYTEA_ARRAY = 1001,
               PG_INT4_ARRAY = 1007,
               PG_TEXT_ARRAY = 1009,
               PG_INT8_ARRAY = 1016,
               PG_UUID_ARRAY = 2951,
};

struct pg_args {
    struct buf bytes;
    int count;
    unsigned types[PG_ARGS_MAX];
    size_t at[PG_ARGS_MAX];
    int lengths[PG_ARGS_MAX]; /* -1: NULL */
};
void pg_args_init(struct pg_args *a);
void pg_args_clear(struct pg_args *a);
void pg_args_release(struct pg_args *a);
void pg_add_null(struct pg_args *a, enum pg_type type);
void pg_add_i64(struct pg_args *a, int64_t v);
void pg_add_i32(struct pg_args *a, int32_t v);
void pg_add_bool(struct pg_args *a, bool v);
void pg_add_text(struct pg_args *a, str s);
void pg_add_bytes(struct pg_args *a, str s);
/* An array: begin with its element type and how many, then as many puts of that type, then end. */
void pg_array(struct pg_args *a, enum pg_type array, size_t count);
void pg_put_i64(struct pg_args *a, int64_t v);
void pg_put_i32(struct pg_args *a, int32_t v);
void pg_put_bool(struct pg_args *a, bool v);
void pg_put_str(struct pg_args *a, str s); /* text, bytea, uuid */
void pg_array_end(struct pg_args *a);
void pg_add_ids(struct pg_args *a, const uint64_t *ids, size_t count);

/* --- store_postgres_link.c: one connection ---------------------------------------------------- */

struct pg_link {
    struct PGconn *c;
    int slot; /* its row of counters, within the node's */
    bool busy;
    bool warned; /* the server warned during the last call: what it did is not what was asked */
    struct pg_link *next;
};

enum err pg_link_open(struct pg_link *l, const char *conninfo, int64_t within_ms,
                      struct reason *why);
void pg_link_close(struct pg_link *l);
/* False when the server has closed it meanwhile, as far as can be told without asking. */
bool pg_link_is_alive(struct pg_link *l);
/* Alive, and nothing came unasked: what comes to a link that only asks is the server's good-bye. */
bool pg_link_is_quiet(struct pg_link *l);
/* One statement in a transaction of its own. ERR_OK: committed; *out is the result (NULL out: not
 * wanted), to be cleared. ERR_CLOSED: the connection broke or the time passed, the outcome is
 * unknown, the link is closed. Others: the server refused; nothing was done. */
enum err pg_query(struct pg_link *l, const char *sql, const struct pg_args *a, int64_t within_ms,
                  struct PGresult **out, struct reason *why);
/* Several statements in one transaction (a pipeline): send each, then finish, which takes the
 * result of each in turn. */
enum err pg_pipeline_begin(struct pg_link *l, struct reason *why);
enum err pg_pipeline_send(struct pg_link *l, const char *sql, const struct pg_args *a,
                          struct reason *why);
enum err pg_pipeline_finish(struct pg_link *l, int64_t within_ms, struct PGresult **out, size_t max,
                            struct reason *why);
/* A text without parameters: several statements, one transaction unless it says otherwise. */
enum err pg_script(struct pg_link *l, const char *sql, int64_t within_ms, struct reason *why);
/* The socket, for the node thread's poll; what was notified, one a call. */
int pg_link_fd(const struct pg_link *l);
bool pg_link_notice(struct pg_link *l, char channel[64], char payload[128], bool *own);

int64_t pg_i64(const struct PGresult *r, int row, int column);
int32_t pg_i32(const struct PGresult *r, int row, int column);
bool pg_bool(const struct PGresult *r, int row, int column);
bool pg_is_null(const struct PGresult *r, int row, int column);
str pg_bytes(const struct PGresult *r, int row, int column); /* until the result is cleared */
int pg_rows(const struct PGresult *r);
void pg_clear(struct PGresult *r); /* accepts NULL */

/* --- the store -------------------------------------------------------------------------------- */

struct pg_doubt { /* a call that claimed, whose answer was lost: it is given back, some times over
                   */
    int64_t stamp, next_ns;
    int tries;
};
#define PG_DOUBTS_MAX 256

struct pg_lane { /* what this node knows of a lane it would serve; guarded by the node's lock */
    char destination[64];
    int64_t cursor; /* of the walk over order keys */
    int64_t owner;  /* epoch; 0: nobody */
    bool told;      /* its owner was told that it is wanted elsewhere */
};

struct pg_node { /* guarded by its lock, but for what only the thread touches */
    pthread_mutex_t lock;
    pthread_t thread;
    bool runs;
    int wake[2]; /* a pipe */
    bool stop;
    struct pg_link link; /* the thread's */
    bool listens;
    struct map lanes; /* name -> struct pg_lane */
    struct map hints; /* destinations to tell the other nodes of */
    struct pg_doubt doubts[PG_DOUBTS_MAX];
    size_t doubt_count;
    store_watch_fn *watch;
    void *watch_arg;
    int64_t next_beat_ns, days_ns, tidy_ns;
    int64_t objects_seen; /* the sequence of the last change of an object that was told of */
    char name[64];
};

struct pg_replica { /* store_postgres_replica.c; mark and mark_ns are the node thread's */
    int64_t mark, mark_ns;
    _Atomic int64_t must_have; /* a position in the database's log; 0: not known yet */
    _Atomic int64_t unfit_ns;  /* since when, or tried again when; 0: in use */
    _Atomic int64_t looked_ns;
};

struct pg_store {
    struct store base;
    const struct clock *clock;
    char *conninfo, *read_conninfo, *listen_conninfo;
    bool require_replicated;
    char version[32]; /* of this program */
    uint8_t dedupe_seed[DEDUPE_SEED_BYTES];

    pthread_mutex_t pool_lock;
    pthread_cond_t pool_turn;
    struct pg_link writers[PG_WRITERS], others[PG_OTHERS], read[PG_OTHERS];
    struct pg_link *free_writers, *free_others, *free_read;
    _Atomic int64_t down_ns; /* when a connection was last refused; 0: it works */

    _Atomic int64_t epoch; /* 0: not joined now */
    _Atomic int slot;
    _Atomic int64_t stamp;
    _Atomic int64_t offset_ms; /* the database's clock minus ours */
    int64_t offset_told_ms;    /* as the log last had it; of the node's thread */
    struct pg_node node;
    struct recent *recent;

    pthread_mutex_t days_lock;
    int day_first, day_last; /* prepared; empty when first > last */
    _Atomic uint64_t purge_from;
    _Atomic int timeline;   /* of the server that the node's link leads to */
    _Atomic int64_t wal_at; /* how far its log had got at the last look */
    struct pg_replica replica;
};

static inline struct pg_store *pg_of(struct store *s)
{
    return (struct pg_store *)(void *)s;
}
static inline int pg_day(uint64_t id)
{
    return (int)((int64_t)(id >> 21) / 86400000);
}
static inline int pg_counter_slot(struct pg_store *s, const struct pg_link *l)
{
    return atomic_load(&s->slot) * PG_SLOTS_A_NODE + l->slot;
}
/* The time as the database has it. */
static inline int64_t pg_time_ms(struct pg_store *s, int64_t ms)
{
    return ms + atomic_load_explicit(&s->offset_ms, memory_order_relaxed);
}
static inline int64_t pg_now_ns(void)
{
    return clock_mono_ns(clock_real());
}

/* --- store_postgres_pool.c -------------------------------------------------------------------- */

enum pg_use { PG_USE_WRITE, PG_USE_OTHER, PG_USE_READ }; /* READ: the replica, which there is */
/* A working link; waits for one that is in use. While the database can't be reached it fails at
 * once, but for one attempt to connect now and then. */
struct pg_link *pg_take(struct pg_store *s, enum pg_use use, struct reason *why);
void pg_give(struct pg_store *s, enum pg_use use, struct pg_link *l);
void pg_pool_init(struct pg_store *s);
void pg_pool_release(struct pg_store *s);
/* pg_take, pg_query, pg_give; of reads, and of what does no harm when it is done twice. */
enum err pg_ask(struct pg_store *s, enum pg_use use, const char *sql, const struct pg_args *a,
                struct PGresult **out, struct reason *why);
/* What a caller of the store gets for it: ERR_CLOSED is ERR_IO. */
static inline enum err pg_err(enum err e)
{
    return e == ERR_CLOSED ? ERR_IO : e;
}

/* --- store_postgres_replica.c ----------------------------------------------------------------- */

/* pg_ask for a list: of the replica when the reader may lag, there is one and it follows. */
enum err pg_ask_list(struct store_reader *reader, const char *sql, const struct pg_args *a,
                     struct PGresult **out, struct reason *why);
void pg_replica_follow(struct pg_store *s); /* the node's thread, after pg_read_health */

/* --- store_postgres_schema.c ------------------------------------------------------------------ */

enum err pg_migrate(struct pg_store *s, struct pg_link *l, struct reason *why);
/* Partitions for the ids of these days exist from then on. */
enum err pg_prepare_days(struct pg_store *s, struct pg_link *l, int first, int last,
                         struct reason *why);
/* Reads how durable a commit is, and on which timeline. */
enum err pg_read_health(struct pg_store *s, struct pg_link *l, struct reason *why);

/* --- store_postgres_node.c -------------------------------------------------------------------- */

enum err pg_node_start(struct pg_store *s, struct reason *why);
void pg_node_stop(struct pg_store *s);
/* The other nodes hear that something is due for a destination. */
void pg_node_hint(struct pg_store *s, str destination);
void pg_node_doubt(struct pg_store *s, int64_t stamp);
struct pg_lane *pg_node_lane(struct pg_node *n, str destination); /* with the lock held */
void pg_watch(struct store *s, store_watch_fn *fn, void *arg);

/* --- operations ------------------------------------------------------------------------------- */

enum err pg_commit(struct store *s, struct batch *b, struct reason *why);
enum err pg_claim(struct store *s, const struct claim *c, struct arena *a,
                  struct delivery_list *out, int64_t *next_due_ms, struct reason *why);
enum err pg_unclaim(struct store *s, const uint64_t *ids, size_t count, struct reason *why);
enum err pg_release(struct store *s, str destination, struct reason *why);
enum err pg_load(struct store_reader *r, uint64_t id, uint64_t locator, struct arena *a,
                 struct event *out, struct reason *why);
enum err pg_events(struct store_reader *r, const struct event_filter *f, struct arena *a,
                   struct event_list *out, struct reason *why);
enum err pg_deliveries(struct store_reader *r, const struct delivery_filter *f, struct arena *a,
                       struct delivery_list *out, struct reason *why);
enum err pg_attempts(struct store_reader *r, uint64_t delivery_id, struct arena *a,
                     struct attempt_list *out, struct reason *why);
enum err pg_attempt_log(struct store_reader *r, const struct attempt_filter *f, struct arena *a,
                        struct attempt_log *out, struct reason *why);
enum err pg_object(struct store_reader *r, str kind, str id, str parent, str name, struct arena *a,
                   struct object *out, struct reason *why);
enum err pg_objects(struct store_reader *r, const struct object_filter *f, struct arena *a,
                    struct object_list *out, struct reason *why);
enum err pg_object_changes(struct store_reader *r, uint64_t after, size_t limit, struct arena *a,
                           struct object_list *out, struct reason *why);
enum err pg_rejections(struct store_reader *r, uint64_t before, size_t limit, struct arena *a,
                       struct rejection_list *out, struct reason *why);
enum err pg_keys(struct store_reader *r, uint64_t event_id, int64_t received_ms, struct arena *a,
                 struct key_list *out, struct reason *why);
enum err pg_take_seed(struct store *s, const uint8_t *seed, struct reason *why);
enum err pg_count_deliveries(struct store_reader *r, str destination, uint64_t after,
                             uint64_t before, struct delivery_counts *out, struct reason *why);
enum err pg_count_attempts(struct store_reader *r, str destination, uint64_t after, uint64_t before,
                           struct attempt_counts *out, struct reason *why);
enum err pg_count_listed(struct store_reader *r, str source, int64_t since_ms, int64_t most,
                         int64_t *count, struct reason *why);
enum err pg_counts(struct store_reader *r, struct store_counts *out, struct reason *why);
enum err pg_queues(struct store_reader *r, struct arena *a, struct queue_list *out,
                   struct reason *why);
enum err pg_pending_destinations(struct store_reader *r, struct arena *a, str **out, size_t *count,
                                 struct reason *why);
enum err pg_nodes(struct store_reader *r, struct arena *a, struct node_list *out,
                  struct reason *why);
enum err pg_move(struct store *s, enum store_move move, const struct delivery_filter *f,
                 int64_t now_ms, uint64_t *moved, struct reason *why);
enum err pg_add_delivery(struct store *s, uint64_t event_id, const struct new_delivery *d,
                         int64_t now_ms, struct reason *why);
enum err pg_purge(struct store *s, const struct retention *r, int64_t now_ms, uint64_t *deleted,
                  struct reason *why);
enum err pg_backup(struct store *s, const char *path,
                   void (*progress)(uint64_t done, uint64_t all, void *arg), void *arg,
                   struct reason *why);
/* SQL text of what a filter of deliveries selects, its parameters added to a. */
void pg_delivery_where(const struct delivery_filter *f, uint64_t before, struct buf *sql,
                       struct pg_args *a);
#define PG_EVENT_COLUMNS                                                                           \
    "e.id, e.received_ms, e.source, e.provider, e.verdict, e.flags, e.type, e.dedupe_key,"         \
    " e.body_hash, e.verdict_text, e.method, e.target, e.peer, e.trace"
void pg_event_row(const struct PGresult *q, int row, struct event *e); /* slices into the result */

enum err pg_expunge(struct store *s, uint64_t id, uint32_t attempt, struct reason *why);
enum err pg_restore(struct store *s, const struct delivery *v, size_t count, struct reason *why);
enum err pg_add_attempts(struct store *s, const struct attempt *v, size_t count,
                         struct reason *why);
/* What libpq takes: a URL as it is, or what follows "postgres:". NULL for nothing. */
char *pg_conninfo(str url);
enum err store_postgres_inspect(str url, store_tell_fn *tell, void *arg, struct reason *why);

/* url as in store.h. */
struct store *store_postgres_open(str url, const struct store_options *o, const struct clock *clock,
                                  struct reason *why);

#endif
