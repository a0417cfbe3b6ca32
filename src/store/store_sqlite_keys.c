/* store_sqlite_keys.c -- which keys are remembered of an event, for who copies the store. They are
 * kept to be found by themselves and not by their event; so a reader that is asked brings those of
 * the last day into memory, ordered by event, and then what is new. */
#include "store/store_sqlite.h"

#include "base/log.h"

#include <stdlib.h>

struct kept {
    uint64_t event_id, body;
    uint64_t key[2];
};

struct kept_keys {
    struct kept *v; /* ordered by event */
    size_t count, cap;
    bool is_read;  /* what is there was read once */
    uint64_t open; /* the bucket that was open at the last look */
    int64_t run;   /* its last run that was read, and how far */
    size_t run_bytes;
    uint64_t first; /* the oldest bucket that was there, and what it tells: */
    uint64_t forgotten;
};

void kept_keys_free(struct kept_keys *k)
{
    if (!k)
        return;
    free(k->v);
    free(k);
}

static void add(struct kept_keys *k, str entries, int64_t since_ms)
{
    struct dedupe_entry e;
    for (size_t at = 0; at + DEDUPE_ENTRY_BYTES <= entries.n; at += DEDUPE_ENTRY_BYTES) {
        dedupe_entry_read(entries.p + at, &e);
        if (e.received_ms <= since_ms)
            continue;
        if (k->count == k->cap) {
            k->cap = k->cap ? 2 * k->cap : 1024;
            k->v = xrealloc(k->v, k->cap * sizeof(*k->v));
        }
        k->v[k->count++] = (struct kept){e.event_id, e.body, {e.key[0], e.key[1]}};
    }
}

/* By event, those of one by key. */
static int by_event(const void *a, const void *b)
{
    const struct kept *x = a, *y = b;
    const uint64_t p[] = {x->event_id, x->key[0], x->key[1]};
    const uint64_t q[] = {y->event_id, y->key[0], y->key[1]};
    for (size_t i = 0; i < ARRAY_LEN(p); i++)
        if (p[i] != q[i])
            return p[i] < q[i] ? -1 : 1;
    return 0;
}

/* The first of those before `end` that is of this event or a later one. */
static size_t find(const struct kept_keys *k, size_t end, uint64_t event_id)
{
    size_t low = 0;
    while (low < end) {
        size_t middle = low + (end - low) / 2;
        if (k->v[middle].event_id < event_id)
            low = middle + 1;
        else
            end = middle;
    }
    return low;
}

/* What was added behind `from` comes to its place: mostly it is later than all before. */
static void order(struct kept_keys *k, size_t from)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = from; i < k->count; i++)
        least = k->v[i].event_id < least ? k->v[i].event_id : least;
    size_t at = find(k, from, least);
    if (at < k->count)
        qsort(k->v + at, k->count - at, sizeof(*k->v), by_event);
}

/* --- what is on disk -------------------------------------------------------------------------- */

/* The oldest closed bucket and the open one. */
static bool read_place(struct connection *c, uint64_t *first, uint64_t *open)
{
    sqlite3_stmt *q =
        db_statement(c, "SELECT coalesce(min(id), 0), coalesce(max(id) + 1, 0) FROM dedupe_bucket");
    bool found = q && sqlite3_step(q) == SQLITE_ROW;
    *first = found ? db_u64(q, 0) : 0;
    *open = found ? db_u64(q, 1) : 0;
    sqlite3_reset(q);
    return found;
}

static bool read_buckets(struct connection *c, uint64_t from, uint64_t to, struct kept_keys *k,
                         int64_t since_ms)
{
    sqlite3_stmt *q =
        db_statement(c, "SELECT entries FROM dedupe_part WHERE id>=?1 AND id<?2 ORDER BY id");
    int rc = SQLITE_ERROR;
    if (!q)
        return false;
    db_bind_u64(q, 1, from * DEDUPE_PARTS);
    db_bind_u64(q, 2, to * DEDUPE_PARTS);
    while ((rc = sqlite3_step(q)) == SQLITE_ROW)
        add(k, db_column(q, 0), since_ms);
    sqlite3_reset(q);
    return rc == SQLITE_DONE;
}

static bool read_runs(struct connection *c, struct kept_keys *k, int64_t since_ms)
{
    sqlite3_stmt *q =
        db_statement(c, "SELECT id, entries FROM dedupe_run WHERE id>=?1 ORDER BY id");
    int rc = SQLITE_ERROR;
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, k->run);
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        str entries = db_column(q, 1);
        size_t from = sqlite3_column_int64(q, 0) == k->run ? k->run_bytes : 0;
        add(k, str_slice(entries, from, entries.n), since_ms);
        k->run = sqlite3_column_int64(q, 0);
        k->run_bytes = entries.n;
    }
    sqlite3_reset(q);
    return rc == SQLITE_DONE;
}

/* Buckets go from the oldest on, at the latest when there are too many. */
static bool read_forgotten(struct connection *c, struct kept_keys *k, uint64_t first)
{
    struct kept_keys oldest = {0};
    bool good = true;
    if (first != k->first) {
        good = read_buckets(c, first, first + 1, &oldest, INT64_MIN);
        for (size_t i = 0; good && i < oldest.count; i++)
            if (oldest.v[i].event_id > k->forgotten)
                k->forgotten = oldest.v[i].event_id;
        free(oldest.v);
    }
    k->first = good ? first : k->first;
    return good;
}

/* In one view: a bucket may be closed at any time, and its runs go with that. */
static bool read_new(struct connection *c, struct kept_keys *k, int64_t since_ms)
{
    uint64_t first, open;
    size_t before = k->count;
    bool good = db_exec(c, "BEGIN") && read_place(c, &first, &open) && read_forgotten(c, k, first);
    if (good && (!k->is_read || open != k->open)) {
        good = read_buckets(c, k->is_read ? k->open : first, open, k, since_ms);
        k->run = 0;
        k->run_bytes = 0;
    }
    good = good && read_runs(c, k, since_ms);
    db_rollback(c);
    k->open = good ? open : k->open;
    k->is_read = k->is_read || good;
    order(k, before);
    return good;
}

/* --- operations ------------------------------------------------------------------------------- */

enum err sqlite_keys(struct store_reader *base, uint64_t event_id, int64_t received_ms,
                     struct arena *a, struct key_list *out, struct reason *why)
{
    struct sqlite_reader *r = (struct sqlite_reader *)(void *)base;
    struct sqlite_store *s = sqlite_of(base->store);
    UNUSED(received_ms);
    *out = (struct key_list){0};
    if (!r->keys)
        r->keys = xcalloc(1, sizeof(*r->keys));
    struct kept_keys *k = r->keys;
    enum err e = apply_barrier(s, why);
    if (e == ERR_OK && !read_new(&r->c, k, clock_wall_ms(s->clock) - MESSAGE_REQUEST_WINDOW_MS))
        e = db_fail(r->c.db, "read the keys of messages", why);
    if (e != ERR_OK)
        return e;
    out->forgotten = k->forgotten;
    size_t from = find(k, k->count, event_id), to = from;
    while (to < k->count && k->v[to].event_id == event_id)
        to++;
    out->v = ARENA_ARRAY(a, struct kept_key, to - from + 1);
    if (!out->v)
        return fail(why, ERR_LIMIT, "the result does not fit the memory it was given");
    for (size_t i = from; i < to; i++) {
        /* A bucket that was closed meanwhile was read twice. */
        if (i > from && by_event(&k->v[i], &k->v[i - 1]) == 0)
            continue;
        struct kept_key *x = &out->v[out->count++];
        memcpy(x->key, k->v[i].key, sizeof(x->key));
        dedupe_unfold(k->v[i].body, x->hash);
    }
    return ERR_OK;
}

enum err sqlite_take_seed(struct store *base, const uint8_t *seed, struct reason *why)
{
    struct sqlite_store *s = sqlite_of(base);
    writer_lock(s);
    enum err e = writer_begin(s, WRITER_DURABLE, why);
    if (e == ERR_OK) {
        sqlite3_stmt *q = db_statement(&s->writer.c, "UPDATE meta SET dedupe_seed=?1");
        if (q)
            db_bind_blob(q, 1, str_of((const char *)seed, DEDUPE_SEED_BYTES));
        if (!db_run(q))
            e = db_fail(s->writer.c.db, "take over how keys are hashed", why);
    }
    if (e == ERR_OK)
        e = writer_commit(s, why);
    else
        writer_rollback(s);
    if (e == ERR_OK)
        memcpy(s->dedupe_seed, seed, DEDUPE_SEED_BYTES);
    writer_unlock(s);
    return e;
}
