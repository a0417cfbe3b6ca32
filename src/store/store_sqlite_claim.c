/* store_sqlite_claim.c -- leases: handing out what is due and taking it back.
 *
 * In order: of each order key only the first open delivery (pending or claimed) may go. What is
 * due is looked at first, oldest first; when many of those are not the first of their key, a few
 * stuck keys could hide all others, so then the keys themselves are walked, going on where the
 * last call ended. */
#include "store/store_sqlite.h"
#include "store/store_sqlite_rows.h"

#define DUE_LOOKED_MAX 1000u
#define KEYS_LOOKED_MAX 2000u
#define EVENT_BYTES_AHEAD (64u << 10)

struct taking {
    struct sqlite_store *s;
    const struct claim *c;
    int64_t destination;
    uint64_t *ids; /* of those taken, in order; c->max of them at most */
    uint64_t *keys;
    size_t count;
};

static bool take(struct taking *t, uint64_t id, uint64_t key)
{
    struct writer *w = &t->s->writer;
    sqlite3_stmt *q = db_statement(&w->c, "UPDATE deliveries SET state=1 WHERE id=?1 AND state=0");
    if (!q)
        return false;
    db_bind_u64(q, 1, id);
    if (!db_run(q))
        return false;
    t->ids[t->count] = id;
    t->keys[t->count++] = key;
    count_move(w, t->destination, DELIVERY_PENDING, DELIVERY_CLAIMED);
    return true;
}

struct due {
    uint64_t id, key;
};

/* The first `max` due ones; -1 on an error. Read whole before anything is changed. */
static ssize_t read_due(struct taking *t, struct due *out, size_t max)
{
    sqlite3_stmt *q = db_statement(&t->s->writer.c,
                                   "SELECT id, order_key FROM deliveries INDEXED BY deliveries_due"
                                   " WHERE state=0 AND destination=?1 AND next_ms<=?2"
                                   " ORDER BY next_ms, id LIMIT ?3");
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, t->destination);
    sqlite3_bind_int64(q, 2, t->c->now_ms);
    sqlite3_bind_int64(q, 3, (int64_t)max);
    size_t n = 0;
    int rc;
    while ((rc = sqlite3_step(q)) == SQLITE_ROW)
        out[n++] = (struct due){db_u64(q, 0), db_u64(q, 1)};
    sqlite3_reset(q);
    return rc == SQLITE_DONE ? (ssize_t)n : -1;
}

/* The first open delivery of a key; false on an error. */
static bool head_of_key(struct taking *t, uint64_t key, uint64_t *id)
{
    sqlite3_stmt *q = db_statement(
        &t->s->writer.c, "SELECT id FROM deliveries INDEXED BY deliveries_in_order"
                         " WHERE destination=?1 AND order_key=?2 AND order_key<>0 AND state<2"
                         " ORDER BY id LIMIT 1");
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, t->destination);
    db_bind_u64(q, 2, key);
    int rc = sqlite3_step(q);
    *id = rc == SQLITE_ROW ? db_u64(q, 0) : 0;
    sqlite3_reset(q);
    return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

/* Walks from key to key, at each taking the head if it is due. */
static bool take_by_key(struct taking *t)
{
    struct writer *w = &t->s->writer;
    int64_t from = (int64_t)(intptr_t)map_get(&w->order_cursors, t->c->destination);
    bool wrapped = from == 0;
    if (from == 0)
        from = INT64_MIN;
    for (size_t i = 0; i < KEYS_LOOKED_MAX && t->count < t->c->max; i++) {
        sqlite3_stmt *q = db_statement(
            &w->c, "SELECT order_key, id, state, next_ms FROM deliveries"
                   " INDEXED BY deliveries_in_order WHERE destination=?1 AND order_key>?2"
                   " AND order_key<>0 AND state<2 ORDER BY order_key, id LIMIT 1");
        if (!q)
            return false;
        sqlite3_bind_int64(q, 1, t->destination);
        sqlite3_bind_int64(q, 2, from);
        int rc = sqlite3_step(q);
        bool found = rc == SQLITE_ROW;
        uint64_t id = found ? db_u64(q, 1) : 0;
        bool due = found && sqlite3_column_int(q, 2) == DELIVERY_PENDING &&
                   sqlite3_column_int64(q, 3) <= t->c->now_ms;
        if (found)
            from = sqlite3_column_int64(q, 0);
        sqlite3_reset(q);
        if (!found && rc != SQLITE_DONE)
            return false;
        if (!found && wrapped)
            break;
        if (!found) {
            wrapped = true;
            from = INT64_MIN;
        } else if (due && !take(t, id, (uint64_t)from)) {
            return false;
        }
    }
    map_put(&w->order_cursors, t->c->destination, (void *)(intptr_t)from);
    return true;
}

static bool key_is_taken(const struct taking *t, uint64_t key)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->keys[i] == key)
            return true;
    return false;
}

static bool take_due(struct taking *t)
{
    size_t max = t->c->max;
    if (t->c->in_order && max < DUE_LOOKED_MAX)
        max = DUE_LOOKED_MAX;
    struct due *due = calloc(max ? max : 1, sizeof(*due));
    ssize_t n = due ? read_due(t, due, max) : -1;
    bool good = n >= 0;
    uint64_t blocked = 0, first = 0; /* the last key whose head was another: they come in runs */
    for (ssize_t i = 0; i < n && good && t->count < t->c->max; i++) {
        uint64_t head = due[i].id, key = due[i].key;
        if (t->c->in_order && key) {
            if ((key == blocked && head != first) || key_is_taken(t, key))
                continue;
            good = head_of_key(t, key, &head);
            if (head != due[i].id) {
                blocked = key;
                first = head;
            }
        }
        if (good && head == due[i].id)
            good = take(t, due[i].id, key);
    }
    free(due);
    bool more = n == (ssize_t)max && t->count < t->c->max;
    return good && (!more || !t->c->in_order || take_by_key(t));
}

/* When the next one left becomes due. Those in order that are due and were not taken wait for the
 * head of their key; its settling is what they wait for, not a time. */
static bool find_next_due(struct taking *t, int64_t *next_due_ms)
{
    bool full = t->count == t->c->max;
    sqlite3_stmt *q =
        db_statement(&t->s->writer.c, "SELECT next_ms FROM deliveries INDEXED BY deliveries_due"
                                      " WHERE state=0 AND destination=?1 AND next_ms>?2"
                                      " ORDER BY next_ms LIMIT 1");
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, t->destination);
    sqlite3_bind_int64(q, 2, full ? INT64_MIN : t->c->now_ms);
    int rc = sqlite3_step(q);
    if (rc == SQLITE_ROW)
        *next_due_ms = sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

static bool read_taken(struct taking *t, struct arena *a, struct delivery_list *out)
{
    struct connection *c = &t->s->writer.c;
    if (t->count == 0)
        return true;
    struct delivery *v = ARENA_ARRAY(a, struct delivery, out->count + t->count);
    if (!v)
        return false;
    if (out->count)
        memcpy(v, out->v, out->count * sizeof(*v));
    for (size_t i = 0; i < t->count; i++) {
        sqlite3_stmt *q =
            db_statement(c, "SELECT " DELIVERY_COLUMNS " FROM deliveries WHERE id=?1");
        if (!q)
            return false;
        db_bind_u64(q, 1, t->ids[i]);
        if (sqlite3_step(q) != SQLITE_ROW)
            return false;
        v[out->count + i] = rows_delivery(c, q, a);
        sqlite3_reset(q);
    }
    if (!arena_ok(a))
        return false;
    out->v = v;
    out->count += t->count;
    return true;
}

/* What is claimed is attempted soon: its events are read here, many at once and on the thread that
 * claims, not one by one on the loop. What is great or doesn't fit is left to its attempt. */
static void read_events(struct sqlite_store *s, const struct delivery *v, size_t count)
{
    struct arena a;
    size_t bytes = 0;
    arena_init(&a, 2 * EVENT_BYTES_AHEAD);
    for (size_t i = 0; i < count && bytes < RECENT_BYTES / 2; i++) {
        struct event e;
        if (recent_has(s->recent, v[i].event_id))
            continue;
        if (sqlite_event(&s->writer.c, v[i].event_id, EVENT_BYTES_AHEAD, &a, &e, NULL) == ERR_OK)
            recent_put(s->recent, &e);
        bytes += a.used;
        arena_reset(&a);
    }
    arena_release(&a);
}

static enum err claim_failed(struct sqlite_store *s, const struct arena *a, struct reason *why)
{
    enum err e = arena_ok(a) ? db_fail(s->writer.c.db, "claim deliveries", why)
                             : fail(why, ERR_LIMIT, "the claimed deliveries do not fit the arena");
    writer_rollback(s);
    return e;
}

/* A transaction that changed nothing needs not be written. */
static enum err commit_or_drop(struct sqlite_store *s, struct reason *why)
{
    if (memcmp(&s->writer.now, &s->writer.committed, sizeof(s->writer.now)) != 0)
        return writer_commit(s, why);
    writer_rollback(s);
    return ERR_OK;
}

enum err sqlite_claim(struct store *base, const struct claim *c, struct arena *a,
                      struct delivery_list *out, int64_t *next_due_ms, struct reason *why)
{
    struct sqlite_store *s = sqlite_of(base);
    struct taking t = {.s = s, .c = c};
    struct delivery_list kept = *out;
    *next_due_ms = INT64_MAX;
    t.ids = ARENA_ARRAY(a, uint64_t, c->max + 1);
    t.keys = ARENA_ARRAY(a, uint64_t, c->max + 1);
    if (!t.ids || !t.keys)
        return fail(why, ERR_LIMIT, "the claimed deliveries do not fit the arena");
    writer_lock(s);
    enum err e = writer_begin(s, WRITER_LEASE, why);
    if (e == ERR_OK) {
        t.destination = rows_name_id(&s->writer.c, c->destination);
        bool good =
            t.destination == 0 || (t.destination > 0 && take_due(&t) &&
                                   find_next_due(&t, next_due_ms) && read_taken(&t, a, out));
        if (good)
            read_events(s, out->v + kept.count, t.count);
        e = good ? commit_or_drop(s, why) : claim_failed(s, a, why);
        writer_checkpoint(s, WAL_BYTES_MAX);
    }
    writer_unlock(s);
    if (e != ERR_OK)
        *out = kept;
    return e;
}

static bool give_back(struct writer *w, uint64_t id)
{
    struct placed d;
    if (!rows_placed(&w->c, id, &d))
        return false;
    if (d.state != DELIVERY_CLAIMED)
        return true;
    sqlite3_stmt *q = db_statement(&w->c, "UPDATE deliveries SET state=0 WHERE id=?1");
    if (q)
        db_bind_u64(q, 1, id);
    if (!db_run(q))
        return false;
    count_move(w, d.destination, DELIVERY_CLAIMED, DELIVERY_PENDING);
    return true;
}

enum err sqlite_unclaim(struct store *base, const uint64_t *ids, size_t count, struct reason *why)
{
    struct sqlite_store *s = sqlite_of(base);
    writer_lock(s);
    enum err e = writer_begin(s, WRITER_LEASE, why);
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        if (!give_back(&s->writer, ids[i])) {
            e = db_fail(s->writer.c.db, "give deliveries back", why);
            writer_rollback(s);
        }
    }
    if (e == ERR_OK)
        e = commit_or_drop(s, why);
    writer_unlock(s);
    return e;
}
