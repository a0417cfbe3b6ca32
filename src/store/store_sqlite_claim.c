/* store_sqlite_claim.c -- leases: handing out what is due and taking it back. What is handed out
 * is noted in memory (lent.h), not in its row: a crash voids it, and it would be two writes more
 * for each delivery.
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
    struct arena *a;
    int64_t destination;
    struct delivery *v; /* those taken; c->max of them at most */
    size_t count;
    int64_t next_due_ms;
};

/* What is lent still stands in the index, before what is due. */
#define DUE                                                                                        \
    " FROM deliveries INDEXED BY deliveries_due WHERE state=0 AND destination=?1 AND next_ms<=?2"  \
    " AND NOT lent(id) ORDER BY next_ms, id LIMIT ?3"

static void take_row(struct taking *t, sqlite3_stmt *q)
{
    struct delivery *d = &t->v[t->count++];
    *d = rows_delivery(&t->s->writer.c, q, t->a);
    d->state = DELIVERY_CLAIMED;
}

static bool take(struct taking *t, uint64_t id)
{
    sqlite3_stmt *q =
        db_statement(&t->s->writer.c, "SELECT " DELIVERY_COLUMNS " FROM deliveries WHERE id=?1");
    if (!q)
        return false;
    db_bind_u64(q, 1, id);
    bool found = sqlite3_step(q) == SQLITE_ROW;
    if (found)
        take_row(t, q);
    sqlite3_reset(q);
    return found;
}

static sqlite3_stmt *due_statement(struct taking *t, const char *sql, size_t max)
{
    sqlite3_stmt *q = db_statement(&t->s->writer.c, sql);
    if (!q)
        return NULL;
    sqlite3_bind_int64(q, 1, t->destination);
    sqlite3_bind_int64(q, 2, t->c->now_ms);
    sqlite3_bind_int64(q, 3, (int64_t)max);
    return q;
}
/* Without order: the first of them, and when the next one is due if there are more. */
static bool take_first(struct taking *t, bool *more)
{
    sqlite3_stmt *q = due_statement(t, "SELECT " DELIVERY_COLUMNS DUE, t->c->max + 1);
    if (!q)
        return false;
    int rc;
    while ((rc = sqlite3_step(q)) == SQLITE_ROW && t->count < t->c->max)
        take_row(t, q);
    *more = rc == SQLITE_ROW;
    if (*more)
        t->next_due_ms = sqlite3_column_int64(q, 8);
    sqlite3_reset(q);
    return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

struct due {
    uint64_t id, key;
};

/* The first `max` due ones; -1 on an error. */
static ssize_t read_due(struct taking *t, struct due *out, size_t max)
{
    sqlite3_stmt *q = due_statement(t, "SELECT id, order_key" DUE, max);
    if (!q)
        return -1;
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

static bool key_is_taken(const struct taking *t, uint64_t key)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->v[i].order_key == key)
            return true;
    return false;
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
        } else if (due && !lent_has(t->s->lent, id) && !key_is_taken(t, (uint64_t)from) &&
                   !take(t, id)) {
            return false;
        }
    }
    map_put(&w->order_cursors, t->c->destination, (void *)(intptr_t)from);
    return true;
}

static bool take_in_order(struct taking *t)
{
    size_t max = t->c->max < DUE_LOOKED_MAX ? DUE_LOOKED_MAX : t->c->max;
    struct due *due = calloc(max, sizeof(*due));
    ssize_t n = due ? read_due(t, due, max) : -1;
    bool good = n >= 0;
    uint64_t blocked = 0, first = 0; /* the last key whose head was another: they come in runs */
    for (ssize_t i = 0; i < n && good && t->count < t->c->max; i++) {
        uint64_t head = due[i].id, key = due[i].key;
        if (key) {
            if ((key == blocked && head != first) || key_is_taken(t, key))
                continue;
            good = head_of_key(t, key, &head);
            if (head != due[i].id) {
                blocked = key;
                first = head;
            }
        }
        if (good && head == due[i].id)
            good = take(t, due[i].id);
    }
    free(due);
    bool more = n == (ssize_t)max && t->count < t->c->max;
    return good && (!more || take_by_key(t));
}

/* When the first of those left becomes due, of all or, with `later`, of those not due yet. Those in
 * order that are due and were not taken wait for the head of their key; its settling is what they
 * wait for, not a time. */
static bool find_next_due(struct taking *t, bool later)
{
    sqlite3_stmt *q =
        db_statement(&t->s->writer.c, "SELECT next_ms FROM deliveries INDEXED BY deliveries_due"
                                      " WHERE state=0 AND destination=?1 AND next_ms>?2"
                                      " AND NOT lent(id) ORDER BY next_ms LIMIT 1");
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, t->destination);
    sqlite3_bind_int64(q, 2, later ? t->c->now_ms : INT64_MIN);
    int rc = sqlite3_step(q);
    if (rc == SQLITE_ROW)
        t->next_due_ms = sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

static bool take_due(struct taking *t)
{
    bool more = false;
    t->destination = rows_name_id(&t->s->writer.c, t->c->destination);
    if (t->destination <= 0)
        return t->destination == 0;
    if (!t->c->in_order)
        return take_first(t, &more) && (more || find_next_due(t, true));
    return take_in_order(t) && find_next_due(t, t->count < t->c->max);
}

struct ahead {
    struct recent *recent;
    size_t bytes;
};

static bool keep_event(const struct event *e, void *arg)
{
    struct ahead *x = arg;
    recent_put(x->recent, e);
    x->bytes += e->head.n + e->body.n;
    return x->bytes < RECENT_BYTES / 2;
}

/* What is claimed is attempted soon: its events are read here, many at once and on the thread that
 * claims, not one by one on the loop. What is great or doesn't fit is left to its attempt. */
static void read_events(struct taking *t)
{
    struct ahead x = {.recent = t->s->recent};
    uint64_t *ids = ARENA_ARRAY(t->a, uint64_t, t->count + 1);
    size_t n = 0;
    for (size_t i = 0; i < t->count && ids; i++)
        if (!recent_has(t->s->recent, t->v[i].event_id))
            ids[n++] = t->v[i].event_id;
    if (n)
        (void)sqlite_events_of(t->s, ids, n, EVENT_BYTES_AHEAD, keep_event, &x);
}

/* A transaction that changed nothing needs not be written. */
static enum err commit_or_drop(struct sqlite_store *s, struct reason *why)
{
    if (memcmp(&s->writer.now, &s->writer.committed, sizeof(s->writer.now)) != 0)
        return writer_commit(s, why);
    writer_rollback(s);
    return ERR_OK;
}

static enum err lend(struct taking *t, struct reason *why)
{
    struct lent_row *v = ARENA_ARRAY(t->a, struct lent_row, t->count + 1);
    if (!v || !arena_ok(t->a))
        return fail(why, ERR_LIMIT, "the claimed deliveries do not fit the arena");
    for (size_t i = 0; i < t->count; i++) {
        const struct delivery *d = &t->v[i];
        v[i] = (struct lent_row){d->id, d->event_id, t->destination, d->next_ms, d->attempts > 0};
    }
    enum err e = t->count ? lent_add(t->s->lent, v, t->count, why) : ERR_OK;
    if (e == ERR_FULL)
        space_spend(t->s);
    return e;
}

/* Brings the tables up to now first: what is settled is not lent any more. Nothing is written for
 * what is taken. */
static enum err claim_locked(struct taking *t, struct reason *why)
{
    struct sqlite_store *s = t->s;
    enum err e = writer_begin(s, WRITER_LEASE, why);
    if (e != ERR_OK)
        return e;
    if (!take_due(t)) {
        e = db_fail(s->writer.c.db, "claim deliveries", why);
        writer_rollback(s);
        return e;
    }
    e = commit_or_drop(s, why);
    return e == ERR_OK ? lend(t, why) : e;
}

enum err sqlite_claim(struct store *base, const struct claim *c, struct arena *a,
                      struct delivery_list *out, int64_t *next_due_ms, struct reason *why)
{
    struct sqlite_store *s = sqlite_of(base);
    struct taking t = {.s = s, .c = c, .a = a, .next_due_ms = INT64_MAX};
    struct delivery *v = ARENA_ARRAY(a, struct delivery, out->count + c->max + 1);
    *next_due_ms = INT64_MAX;
    if (!v)
        return fail(why, ERR_LIMIT, "the claimed deliveries do not fit the arena");
    if (out->count)
        memcpy(v, out->v, out->count * sizeof(*v));
    t.v = v + out->count;
    writer_lock(s);
    enum err e = claim_locked(&t, why);
    if (e == ERR_OK)
        read_events(&t);
    writer_checkpoint(s, WAL_BYTES_MAX);
    writer_unlock(s);
    if (e != ERR_OK)
        return e;
    *out = (struct delivery_list){.v = v, .count = out->count + t.count, .next = out->next};
    *next_due_ms = t.next_due_ms;
    return ERR_OK;
}

static bool give_back(struct sqlite_store *s, uint64_t id)
{
    struct writer *w = &s->writer;
    struct placed d;
    struct lent_row row;
    if (lent_take_back(s->lent, id, &row))
        return true;
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
        if (!give_back(s, ids[i])) {
            e = db_fail(s->writer.c.db, "give deliveries back", why);
            writer_rollback(s);
        }
    }
    if (e == ERR_OK)
        e = commit_or_drop(s, why);
    lent_forget_given_back(s->lent);
    writer_unlock(s);
    return e;
}
