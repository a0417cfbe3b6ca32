/* store_sqlite_count.c -- how many there are: of the whole store, of each destination, of a source.
 * As in store_sqlite_query.c, a count first waits until what was committed before is in the tables.
 */
#include "store/store_sqlite.h"
#include "store/store_sqlite_rows.h"

#include "base/id.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

static uint64_t file_bytes(const char *path, const char *suffix)
{
    struct stat st;
    char name[4096];
    int n = snprintf(name, sizeof(name), "%s%s", path, suffix);
    if (n < 0 || (size_t)n >= sizeof(name) || stat(name, &st) != 0)
        return 0;
    return (uint64_t)st.st_size;
}

static uint64_t free_bytes(const char *directory)
{
    struct statvfs fs;
    return statvfs(directory, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
}

static bool read_counters(struct connection *c, struct store_counts *out)
{
    sqlite3_stmt *q =
        db_statement(c, "SELECT max_id, events, rejected, pending, claimed, delivered, dead,"
                        " skipped, cancelled FROM meta");
    bool good = q && sqlite3_step(q) == SQLITE_ROW;
    if (good) {
        out->max_id = db_u64(q, 0);
        out->events = db_u64(q, 1);
        out->rejected = db_u64(q, 2);
        for (int i = 0; i < DELIVERY_STATE_COUNT; i++)
            out->by_state[i] = db_u64(q, 3 + i);
    }
    sqlite3_reset(q);
    return good;
}

static bool count_objects(struct connection *c, struct store_counts *out)
{
    sqlite3_stmt *q = db_statement(c, "SELECT count(*) FROM objects");
    bool good = q && sqlite3_step(q) == SQLITE_ROW;
    if (good)
        out->objects = db_u64(q, 0);
    sqlite3_reset(q);
    return good;
}

static bool read_oldest(struct connection *c, struct store_counts *out)
{
    sqlite3_stmt *q =
        db_statement(c, "SELECT created_ms FROM deliveries WHERE id = (SELECT min(id) FROM"
                        " (SELECT min(id) AS id FROM deliveries INDEXED BY deliveries_by_state"
                        "  WHERE state=0 AND state<>2"
                        "  UNION ALL SELECT min(id) FROM deliveries INDEXED BY deliveries_by_state"
                        "  WHERE state=1 AND state<>2))");
    int rc = q ? sqlite3_step(q) : SQLITE_ERROR;
    if (rc == SQLITE_ROW)
        out->oldest_pending_ms = sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

/* Rows of what is lent say pending. The two are not of one moment: never more than there are. */
static uint64_t claimed_of(uint64_t *pending, size_t lent)
{
    uint64_t n = lent < *pending ? lent : *pending;
    *pending -= n;
    return n;
}

enum err sqlite_counts(struct store_reader *base, struct store_counts *out, struct reason *why)
{
    struct sqlite_reader *r = sqlite_reader_of(base);
    struct sqlite_store *s = sqlite_of(base->store);
    *out = (struct store_counts){0};
    (void)apply_barrier(s, NULL);
    size_t lent = lent_count(s->lent);
    if (!read_counters(&r->c, out) || !read_oldest(&r->c, out) || !count_objects(&r->c, out))
        return db_fail(r->c.db, "count", why);
    out->by_state[DELIVERY_CLAIMED] += claimed_of(&out->by_state[DELIVERY_PENDING], lent);
    uint64_t noted = atomic_load(&s->max_id), applied = atomic_load(&s->applied_lsn);
    if (noted > out->max_id)
        out->max_id = noted;
    out->object_sequence = atomic_load(&s->object_sequence_shown);
    out->lag = journal_end(s->journal) - applied;
    out->free_bytes = free_bytes(s->dir);
    out->bytes = file_bytes(s->path, "") + file_bytes(s->path, "-wal") + journal_bytes(s->journal);
    return ERR_OK;
}

/* However much waits, a row of `queues` and at most three of deliveries are read for each
 * destination; the claimed are as many as the lanes' windows hold. */
static const char queues_sql[] =
    "SELECT n.name, q.pending, q.claimed, q.dead,"
    " (SELECT created_ms FROM deliveries INDEXED BY deliveries_due"
    "   WHERE state=0 AND destination=q.destination ORDER BY next_ms LIMIT 1),"
    " (SELECT created_ms FROM deliveries WHERE id=(SELECT min(id) FROM deliveries INDEXED BY"
    "   deliveries_put_off WHERE state=0 AND next_ms<>created_ms AND destination=q.destination)),"
    " (SELECT created_ms FROM deliveries WHERE id=c.oldest), q.destination"
    " FROM queues q JOIN names n ON n.id=q.destination LEFT JOIN"
    "  (SELECT destination, min(id) AS oldest FROM deliveries INDEXED BY deliveries_by_state"
    "    WHERE state=1 AND state<>2 GROUP BY destination) c ON c.destination=q.destination"
    " WHERE q.pending+q.claimed+q.dead<>0 ORDER BY n.name";

static int64_t oldest(sqlite3_stmt *q, int first, int count)
{
    int64_t least = 0;
    for (int i = first; i < first + count; i++) {
        int64_t ms = sqlite3_column_int64(q, i);
        if (ms && (!least || ms < least))
            least = ms;
    }
    return least;
}

static bool add_queue(struct queue_list *out, size_t *cap, sqlite3_stmt *q, struct lent *lent,
                      struct arena *a)
{
    if (out->count == *cap) {
        *cap = *cap ? *cap * 2 : 16;
        struct queue_row *v = ARENA_ARRAY(a, struct queue_row, *cap);
        if (!v)
            return false;
        if (out->count)
            memcpy(v, out->v, out->count * sizeof(*v));
        out->v = v;
    }
    struct queue_row *row = &out->v[out->count++];
    *row = (struct queue_row){
        .destination = arena_str(a, db_column(q, 0)),
        .pending = db_u64(q, 1),
        .claimed = db_u64(q, 2),
        .dead = db_u64(q, 3),
        .oldest_ms = oldest(q, 4, 3),
    };
    row->claimed += claimed_of(&row->pending, lent_count_of(lent, sqlite3_column_int64(q, 7)));
    return arena_ok(a);
}

enum err sqlite_queues(struct store_reader *base, struct arena *a, struct queue_list *out,
                       struct reason *why)
{
    struct sqlite_reader *r = sqlite_reader_of(base);
    size_t cap = 0;
    int rc = SQLITE_DONE;
    bool fits = true;
    *out = (struct queue_list){0};
    (void)apply_barrier(sqlite_of(base->store), NULL);
    sqlite3_stmt *q = db_statement(&r->c, queues_sql);
    if (!q)
        return db_fail(r->c.db, "count by destination", why);
    while (fits && (rc = sqlite3_step(q)) == SQLITE_ROW)
        fits = add_queue(out, &cap, q, r->c.lent, a);
    sqlite3_reset(q);
    if (!fits)
        return out_of_arena(why);
    return rc == SQLITE_DONE ? ERR_OK : db_fail(r->c.db, "count by destination", why);
}

enum err sqlite_count_listed(struct store_reader *base, str source, int64_t since_ms, int64_t most,
                             int64_t *count, struct reason *why)
{
    struct sqlite_reader *r = sqlite_reader_of(base);
    *count = 0;
    (void)apply_barrier(sqlite_of(base->store), NULL);
    int64_t number = rows_name_id(&r->c, source);
    if (number == 0)
        return ERR_OK;
    sqlite3_stmt *q = number < 0
                          ? NULL
                          : db_statement(&r->c, "SELECT count(*) FROM (SELECT 1 FROM events"
                                                " INDEXED BY events_listed WHERE source=?1"
                                                " AND (flags & 4) <> 0 AND id>=?2 LIMIT ?3)");
    if (!q)
        return db_fail(r->c.db, "count events", why);
    sqlite3_bind_int64(q, 1, number);
    db_bind_u64(q, 2, id_floor(since_ms));
    sqlite3_bind_int64(q, 3, most);
    bool found = sqlite3_step(q) == SQLITE_ROW;
    *count = found ? sqlite3_column_int64(q, 0) : 0;
    sqlite3_reset(q);
    return found ? ERR_OK : db_fail(r->c.db, "count events", why);
}

/* What is delivered is what is left of all. The claimed are those of every destination that has
 * any, by windows of lanes; the walk over them ends with the last of this one's. */
#define COUNT " (SELECT count(*) FROM deliveries INDEXED BY "
#define SPAN " AND destination=?3 AND id>?2 AND id<?1)"
const char sqlite_count_deliveries_sql[] =
    "SELECT" COUNT "deliveries_listed WHERE listed<>0" SPAN "," COUNT
    "deliveries_due WHERE state=0" SPAN "," COUNT
    "deliveries_retried WHERE listed<>0 AND state=0 AND attempts>0" SPAN
    ", (SELECT count(*) FROM (SELECT 1 FROM deliveries INDEXED BY deliveries_by_state"
    "   WHERE state=1 AND state<>2 AND destination=?3 AND id>?2 AND id<?1"
    "   LIMIT ifnull((SELECT claimed FROM queues WHERE destination=?3), 0)))," COUNT
    "deliveries_unsent WHERE listed<>0 AND state>2 AND state=3" SPAN "," COUNT
    "deliveries_unsent WHERE listed<>0 AND state>2 AND state=4" SPAN "," COUNT
    "deliveries_unsent WHERE listed<>0 AND state>2 AND state=5" SPAN;
#undef SPAN
#undef COUNT
static_assert(DELIVERY_DEAD == 3 && DELIVERY_SKIPPED == 4 && DELIVERY_CANCELLED == 5,
              "the statement names the states by number");

enum err sqlite_count_deliveries(struct store_reader *base, str destination, uint64_t after,
                                 uint64_t before, struct delivery_counts *out, struct reason *why)
{
    struct sqlite_reader *r = sqlite_reader_of(base);
    *out = (struct delivery_counts){0};
    (void)apply_barrier(sqlite_of(base->store), NULL);
    int64_t number = rows_name_id(&r->c, destination);
    if (number == 0)
        return ERR_OK;
    sqlite3_stmt *q = number < 0 ? NULL : db_statement(&r->c, sqlite_count_deliveries_sql);
    if (!q)
        return db_fail(r->c.db, "count deliveries", why);
    before = before ? before : INT64_MAX;
    size_t tried, lent = lent_count_between(r->c.lent, number, after, before, &tried);
    db_bind_u64(q, 1, before);
    db_bind_u64(q, 2, after);
    sqlite3_bind_int64(q, 3, number);
    bool found = sqlite3_step(q) == SQLITE_ROW;
    if (found) {
        uint64_t *n = out->by_state;
        n[DELIVERY_PENDING] = db_u64(q, 1);
        out->retried = db_u64(q, 2);
        n[DELIVERY_CLAIMED] = db_u64(q, 3);
        n[DELIVERY_DEAD] = db_u64(q, 4);
        n[DELIVERY_SKIPPED] = db_u64(q, 5);
        n[DELIVERY_CANCELLED] = db_u64(q, 6);
        n[DELIVERY_DELIVERED] = db_u64(q, 0) - n[DELIVERY_PENDING] - n[DELIVERY_CLAIMED] -
                                n[DELIVERY_DEAD] - n[DELIVERY_SKIPPED] - n[DELIVERY_CANCELLED];
        out->retried -= tried < out->retried ? tried : out->retried;
        n[DELIVERY_CLAIMED] += claimed_of(&n[DELIVERY_PENDING], lent);
    }
    sqlite3_reset(q);
    return found ? ERR_OK : db_fail(r->c.db, "count deliveries", why);
}

enum err sqlite_pending_destinations(struct store_reader *base, struct arena *a, str **out,
                                     size_t *count, struct reason *why)
{
    struct sqlite_reader *r = sqlite_reader_of(base);
    size_t cap = 0;
    int64_t last = 0;
    *out = NULL;
    *count = 0;
    (void)apply_barrier(sqlite_of(base->store), NULL);
    for (;;) {
        /* From one destination to the next, however many deliveries lie between. */
        sqlite3_stmt *q =
            db_statement(&r->c, "SELECT destination FROM deliveries INDEXED BY deliveries_due"
                                " WHERE state=0 AND destination>?1 ORDER BY destination LIMIT 1");
        if (!q)
            return db_fail(r->c.db, "list destinations", why);
        sqlite3_bind_int64(q, 1, last);
        int rc = sqlite3_step(q);
        last = rc == SQLITE_ROW ? sqlite3_column_int64(q, 0) : last;
        sqlite3_reset(q);
        if (rc == SQLITE_DONE)
            return ERR_OK;
        if (rc != SQLITE_ROW)
            return db_fail(r->c.db, "list destinations", why);
        if (*count == cap) {
            cap = cap ? cap * 2 : 16;
            str *v = ARENA_ARRAY(a, str, cap);
            if (!v)
                return out_of_arena(why);
            if (*count)
                memcpy(v, *out, *count * sizeof(*v));
            *out = v;
        }
        (*out)[(*count)++] = rows_name(&r->c, last, a);
        if (!arena_ok(a))
            return out_of_arena(why);
    }
}
