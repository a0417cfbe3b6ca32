/* store_postgres_commit.c -- a batch as one transaction and one way to the server: the parts of the
 * batch go as a pipeline, and only the server's answer to its end counts.
 *
 * When that answer is lost, nobody knows whether the batch is there. The caller is told that it is
 * not, so the sender comes again and is recognised as a repeat; what may have been committed as
 * claimed is held by nobody and is given back by the node's thread (its stamp is in doubt). */
#include "store/store_postgres.h"

#include "base/log.h"

#include <stdlib.h>

#define CHUNK_EVENTS 256u
#define CHUNK_BYTES (32u << 20)
#define CHUNKS_MAX 256u
#define SETTLE_ROWS 512u
#define TRIES 4

struct keyed { /* an event that has a delivery id */
    uint64_t key[2], body;
    struct new_event *e;
    size_t place; /* in the chunk */
    bool leads;   /* the first of its key and body in the chunk */
};

struct chunk { /* events of one call of gaff.ingest */
    struct new_event *first;
    size_t count;
    struct keyed keyed[CHUNK_EVENTS];
    size_t keyed_count, leader_count;
    bool is_repeat[CHUNK_EVENTS]; /* of an event of the chunk itself */
    struct new_event *leader[CHUNK_EVENTS];
};

struct commit {
    struct pg_store *s;
    struct pg_link *link;
    struct batch *batch;
    struct pg_args args;
    int64_t stamp;
    bool claims;
    size_t bytes;
    struct chunk *chunk; /* one, filled anew for each call; kept results are by id */
};

/* --- repeats inside a chunk ------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    for (int i = 0; i < 2; i++)
        if (x->key[i] != y->key[i])
            return x->key[i] < y->key[i] ? -1 : 1;
    if (x->body != y->body)
        return (int64_t)x->body < (int64_t)y->body ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

static bool same_key(const struct keyed *x, const struct keyed *y)
{
    return x->key[0] == y->key[0] && x->key[1] == y->key[1];
}

static bool in_window(const struct keyed *first, const struct keyed *later)
{
    return later->e->event.received_ms < first->e->event.received_ms + first->e->dedupe_window_ms;
}

/* The first of a key in the chunk stays as it is; later ones with another body are flagged. */
static void flag_reused(struct chunk *c, size_t from, size_t to)
{
    size_t first = from;
    for (size_t i = from; i < to; i++)
        if (c->keyed[i].place < c->keyed[first].place)
            first = i;
    for (size_t i = from; i < to; i++)
        if (c->keyed[i].body != c->keyed[first].body && in_window(&c->keyed[first], &c->keyed[i]))
            c->keyed[i].e->event.flags |= EVENT_ID_REUSED;
}

static void find_repeats(struct pg_store *s, struct chunk *c)
{
    struct new_event *e = c->first;
    c->keyed_count = c->leader_count = 0;
    memset(c->is_repeat, 0, sizeof(c->is_repeat));
    for (size_t i = 0; i < c->count; i++, e = e->next) {
        if (e->dedupe_window_ms <= 0 || e->event.dedupe_key.n == 0)
            continue;
        struct keyed *k = &c->keyed[c->keyed_count++];
        *k = (struct keyed){.e = e, .place = i, .body = dedupe_fold(e->event.body_hash)};
        dedupe_key(s->dedupe_seed, e->event.source, e->event.dedupe_key, k->key);
    }
    qsort(c->keyed, c->keyed_count, sizeof(c->keyed[0]), by_key);
    for (size_t i = 0, lead = 0, run = 0; i < c->keyed_count; i++) {
        struct keyed *k = &c->keyed[i];
        if (i == 0 || !same_key(k, &c->keyed[i - 1]) || k->body != c->keyed[i - 1].body) {
            lead = i;
            k->leads = true;
            c->leader_count++;
        } else if (in_window(&c->keyed[lead], k)) {
            c->is_repeat[k->place] = true;
            c->leader[k->place] = c->keyed[lead].e;
        }
        if (i + 1 == c->keyed_count || !same_key(k, &c->keyed[i + 1])) {
            flag_reused(c, run, i + 1);
            run = i + 1;
        }
    }
}

/* --- parameters ------------------------------------------------------------------------------- */

static void add_keys(struct pg_args *a, const struct chunk *c)
{
    pg_array(a, PG_UUID_ARRAY, c->leader_count);
    for (size_t i = 0; i < c->keyed_count; i++) {
        char bytes[16];
        for (int j = 0; j < 16; j++)
            bytes[j] = (char)(c->keyed[i].key[j / 8] >> (56 - 8 * (j % 8)));
        if (c->keyed[i].leads)
            pg_put_str(a, str_of(bytes, sizeof(bytes)));
    }
    pg_array_end(a);
#define KEYS(value)                                                                                \
    pg_array(a, PG_INT8_ARRAY, c->leader_count);                                                   \
    for (size_t i = 0; i < c->keyed_count; i++) {                                                  \
        const struct new_event *e = c->keyed[i].e;                                                 \
        if (c->keyed[i].leads)                                                                     \
            pg_put_i64(a, (value));                                                                \
    }                                                                                              \
    pg_array_end(a);
    KEYS(((void)e, (int64_t)c->keyed[i].body))
    KEYS((int64_t)e->event.id)
    KEYS(e->event.received_ms)
    KEYS(e->event.received_ms + e->dedupe_window_ms)
#undef KEYS
}

static size_t fresh_count(const struct chunk *c, size_t *deliveries)
{
    size_t n = 0;
    const struct new_event *e = c->first;
    *deliveries = 0;
    for (size_t i = 0; i < c->count; i++, e = e->next)
        if (!c->is_repeat[i]) {
            n++;
            *deliveries += e->delivery_count;
        }
    return n;
}

#define EACH_FRESH(c, e)                                                                           \
    size_t place_ = 0;                                                                             \
    for (const struct new_event *e = (c)->first; place_ < (c)->count; e = e->next, place_++)       \
        if (!(c)->is_repeat[place_])

static void add_event_strings(struct pg_args *a, const struct chunk *c, size_t n)
{
#define STRINGS(array, member)                                                                     \
    do {                                                                                           \
        pg_array(a, (array), n);                                                                   \
        EACH_FRESH(c, e)                                                                           \
        pg_put_str(a, e->event.member);                                                            \
        pg_array_end(a);                                                                           \
    } while (0)
    STRINGS(PG_BYTEA_ARRAY, type);
    STRINGS(PG_BYTEA_ARRAY, dedupe_key);
    do {
        pg_array(a, PG_BYTEA_ARRAY, n);
        EACH_FRESH(c, e)
        pg_put_str(a, str_of((const char *)e->event.body_hash, sizeof(e->event.body_hash)));
        pg_array_end(a);
    } while (0);
    STRINGS(PG_BYTEA_ARRAY, verdict_text);
    STRINGS(PG_BYTEA_ARRAY, method);
    STRINGS(PG_BYTEA_ARRAY, target);
    STRINGS(PG_BYTEA_ARRAY, peer);
    STRINGS(PG_BYTEA_ARRAY, trace);
    STRINGS(PG_BYTEA_ARRAY, head);
    STRINGS(PG_BYTEA_ARRAY, body);
}

static void add_events(struct pg_args *a, const struct chunk *c, size_t n)
{
    pg_array(a, PG_INT8_ARRAY, n);
    do {
        EACH_FRESH(c, e)
        pg_put_i64(a, (int64_t)e->event.id);
    } while (0);
    pg_array_end(a);
    pg_array(a, PG_INT8_ARRAY, n);
    do {
        EACH_FRESH(c, e)
        pg_put_i64(a, e->event.received_ms);
    } while (0);
    pg_array_end(a);
    STRINGS(PG_TEXT_ARRAY, source);
    STRINGS(PG_TEXT_ARRAY, provider);
    STRINGS(PG_TEXT_ARRAY, verdict);
    pg_array(a, PG_INT4_ARRAY, n);
    do {
        EACH_FRESH(c, e)
        pg_put_i32(a, (int32_t)e->event.flags);
    } while (0);
    pg_array_end(a);
    add_event_strings(a, c, n);
}
#undef STRINGS

/* What is due at once is due by the database's clock, whatever ours says. */
static int64_t due_ms(struct pg_store *s, const struct new_delivery *d)
{
    return pg_time_ms(s, d->next_ms);
}

static void add_deliveries(struct pg_store *s, struct pg_args *a, const struct chunk *c, size_t n)
{
#define DELIVERIES(array, put)                                                                     \
    do {                                                                                           \
        pg_array(a, (array), n);                                                                   \
        EACH_FRESH(c, e)                                                                           \
        for (size_t j = 0; j < e->delivery_count; j++) {                                           \
            const struct new_delivery *d = &e->deliveries[j];                                      \
            put;                                                                                   \
        }                                                                                          \
        pg_array_end(a);                                                                           \
    } while (0)
    DELIVERIES(PG_INT8_ARRAY, pg_put_i64(a, (int64_t)d->id));
    DELIVERIES(PG_INT8_ARRAY, ((void)d, pg_put_i64(a, (int64_t)e->event.id)));
    DELIVERIES(PG_TEXT_ARRAY, pg_put_str(a, d->destination));
    DELIVERIES(PG_TEXT_ARRAY, pg_put_str(a, d->route));
    DELIVERIES(PG_INT8_ARRAY, pg_put_i64(a, (int64_t)d->order_key));
    DELIVERIES(PG_BOOL_ARRAY, pg_put_bool(a, d->claimed));
    DELIVERIES(PG_INT8_ARRAY, ((void)d, pg_put_i64(a, e->event.received_ms)));
    DELIVERIES(PG_INT8_ARRAY, pg_put_i64(a, due_ms(s, d)));
#undef DELIVERIES
}

static const char ingest_sql[] =
    "SELECT * FROM gaff.ingest($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,"
    "$20,$21,$22,$23,$24,$25,$26,$27,$28,$29,$30,$31,$32)";
static const char settle_sql[] =
    "SELECT gaff.settle($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18)";
static const char reject_sql[] = "SELECT gaff.reject($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)";

/* --- events ----------------------------------------------------------------------------------- */

static size_t event_bytes(const struct new_event *e)
{
    const struct event *v = &e->event;
    return 256 + v->type.n + v->dedupe_key.n + v->verdict_text.n + v->target.n + v->trace.n +
           v->head.n + v->body.n + 128 * e->delivery_count;
}

/* Cuts the next chunk off; returns what follows it. */
static struct new_event *cut_chunk(struct chunk *c, struct new_event *from, size_t *bytes)
{
    size_t n = 0;
    c->first = from;
    c->count = 0;
    while (from && c->count < CHUNK_EVENTS && (c->count == 0 || n < CHUNK_BYTES)) {
        n += event_bytes(from);
        c->count++;
        from = from->next;
    }
    *bytes += n;
    return from;
}

static enum err send_events(struct commit *m, size_t *calls, struct reason *why)
{
    enum err e = ERR_OK;
    for (struct new_event *from = m->batch->events; from && e == ERR_OK;) {
        struct chunk *c = m->chunk;
        size_t deliveries;
        from = cut_chunk(c, from, &m->bytes);
        find_repeats(m->s, c);
        size_t n = fresh_count(c, &deliveries);
        pg_args_clear(&m->args);
        pg_add_i64(&m->args, atomic_load(&m->s->epoch));
        pg_add_i32(&m->args, pg_counter_slot(m->s, m->link));
        pg_add_i64(&m->args, m->stamp);
        add_keys(&m->args, c);
        add_events(&m->args, c, n);
        add_deliveries(m->s, &m->args, c, deliveries);
        e = pg_pipeline_send(m->link, ingest_sql, &m->args, why);
        ++*calls;
        /* Repeats inside the chunk follow their leader. */
        struct new_event *v = c->first;
        for (size_t i = 0; i < c->count; i++, v = v->next)
            if (c->is_repeat[i])
                v->duplicate_of = c->leader[i]->event.id;
    }
    return e;
}

/* A row of gaff.ingest: a repeat, and the id of the first; or (0) an id used for another body. */
static void take_row(struct commit *m, uint64_t id, uint64_t first)
{
    for (struct new_event *e = m->batch->events; e; e = e->next) {
        if (first == 0 && e->event.id == id)
            e->event.flags |= EVENT_ID_REUSED;
        else if (first && (e->event.id == id || e->duplicate_of == id))
            e->duplicate_of = first;
    }
}

/* --- outcomes and refusals -------------------------------------------------------------------- */

static void add_attempts(struct pg_args *a, const struct settlement *from, size_t n)
{
#define ATTEMPTS(array, put)                                                                       \
    do {                                                                                           \
        const struct settlement *t = from;                                                         \
        pg_array(a, (array), n);                                                                   \
        for (size_t i = 0; i < n; i++, t = t->next)                                                \
            put;                                                                                   \
        pg_array_end(a);                                                                           \
    } while (0)
    ATTEMPTS(PG_INT4_ARRAY, pg_put_i32(a, (int32_t)t->attempt.number));
    ATTEMPTS(PG_INT4_ARRAY, pg_put_i32(a, (int32_t)t->attempt.result));
    ATTEMPTS(PG_INT8_ARRAY, pg_put_i64(a, t->attempt.started_ms));
    ATTEMPTS(PG_INT8_ARRAY, pg_put_i64(a, t->attempt.duration_us));
    ATTEMPTS(PG_INT4_ARRAY, pg_put_i32(a, t->attempt.status));
    ATTEMPTS(PG_TEXT_ARRAY, pg_put_str(a, t->attempt.error_class));
    ATTEMPTS(PG_BYTEA_ARRAY, pg_put_str(a, t->attempt.summary));
    ATTEMPTS(PG_BYTEA_ARRAY, pg_put_str(a, t->attempt.request));
    ATTEMPTS(PG_BYTEA_ARRAY, pg_put_str(a, t->attempt.response));
    ATTEMPTS(PG_BYTEA_ARRAY, pg_put_str(a, t->attempt.timing));
}

static enum err send_settlements(struct commit *m, struct reason *why)
{
    enum err e = ERR_OK;
    struct pg_args *a = &m->args;
    for (const struct settlement *from = m->batch->settlements; from && e == ERR_OK;) {
        const struct settlement *after = from;
        size_t n = 0, bytes = 0;
        for (; after && n < SETTLE_ROWS && bytes < CHUNK_BYTES; after = after->next, n++)
            bytes += 256 + after->attempt.request.n + after->attempt.response.n;
        m->bytes += bytes;
        pg_args_clear(a);
        pg_add_i64(a, atomic_load(&m->s->epoch));
        pg_add_i32(a, pg_counter_slot(m->s, m->link));
        ATTEMPTS(PG_INT8_ARRAY, pg_put_i64(a, (int64_t)t->delivery_id));
        ATTEMPTS(PG_INT4_ARRAY, pg_put_i32(a, (int32_t)t->state));
        ATTEMPTS(PG_INT8_ARRAY, pg_put_i64(a, pg_time_ms(m->s, t->next_ms)));
        ATTEMPTS(PG_INT8_ARRAY, pg_put_i64(a, t->settled_ms));
        ATTEMPTS(PG_INT4_ARRAY, pg_put_i32(a, (int32_t)t->attempts));
        ATTEMPTS(PG_BYTEA_ARRAY, pg_put_str(a, t->reason));
        add_attempts(a, from, n);
        e = pg_pipeline_send(m->link, settle_sql, a, why);
        from = after;
    }
    return e;
}
#undef ATTEMPTS

static enum err send_rejections(struct commit *m, struct reason *why)
{
    struct pg_args *a = &m->args;
    const struct rejection *v = m->batch->rejections;
    size_t n = m->batch->rejection_count;
    if (n == 0)
        return ERR_OK;
#define REJECTIONS(array, put)                                                                     \
    do {                                                                                           \
        pg_array(a, (array), n);                                                                   \
        for (size_t i = 0; i < n; i++)                                                             \
            put;                                                                                   \
        pg_array_end(a);                                                                           \
    } while (0)
    pg_args_clear(a);
    pg_add_i32(a, pg_counter_slot(m->s, m->link));
    pg_add_i32(a, pg_day(v[0].id));
    pg_add_i64(a, (int64_t)n);
    REJECTIONS(PG_INT8_ARRAY, pg_put_i64(a, (int64_t)v[i].id));
    REJECTIONS(PG_INT8_ARRAY, pg_put_i64(a, v[i].received_ms));
    REJECTIONS(PG_TEXT_ARRAY, pg_put_str(a, v[i].source));
    REJECTIONS(PG_TEXT_ARRAY, pg_put_str(a, v[i].verdict));
    REJECTIONS(PG_BYTEA_ARRAY, pg_put_str(a, v[i].verdict_text));
    REJECTIONS(PG_BYTEA_ARRAY, pg_put_str(a, v[i].method));
    REJECTIONS(PG_BYTEA_ARRAY, pg_put_str(a, v[i].target));
    REJECTIONS(PG_BYTEA_ARRAY, pg_put_str(a, v[i].peer));
    REJECTIONS(PG_BYTEA_ARRAY, pg_put_str(a, v[i].head));
    REJECTIONS(PG_BYTEA_ARRAY, pg_put_str(a, str_slice(v[i].body, 0, PG_REJECTION_BODY_MAX)));
#undef REJECTIONS
    return pg_pipeline_send(m->link, reject_sql, a, why);
}

/* --- the transaction -------------------------------------------------------------------------- */

static void look_over(struct commit *m, int *first_day, int *last_day)
{
    *first_day = INT32_MAX;
    *last_day = INT32_MIN;
    m->claims = false;
    for (struct new_event *e = m->batch->events; e; e = e->next) {
        e->duplicate_of = 0;
        e->locator = 0;
        int day = pg_day(e->event.id);
        *first_day = day < *first_day ? day : *first_day;
        *last_day = day > *last_day ? day : *last_day;
        for (size_t i = 0; i < e->delivery_count; i++)
            m->claims = m->claims || e->deliveries[i].claimed;
    }
}

static enum err try_once(struct commit *m, struct reason *why)
{
    struct PGresult *rows[CHUNKS_MAX + 2] = {0};
    size_t calls = 0;
    m->bytes = 0;
    enum err e = pg_pipeline_begin(m->link, why);
    pg_args_clear(&m->args);
    if (e == ERR_OK && m->s->require_replicated)
        e = pg_pipeline_send(m->link, "SELECT gaff.must_be_replicated()", &m->args, why);
    if (e == ERR_OK)
        e = send_events(m, &calls, why);
    if (e == ERR_OK)
        e = send_settlements(m, why);
    if (e == ERR_OK)
        e = send_rejections(m, why);
    if (e == ERR_OK)
        e = pg_pipeline_finish(m->link, PG_COMMIT_MS + (int64_t)(m->bytes / 10000), rows,
                               ARRAY_LEN(rows), why);
    if (e != ERR_OK)
        return e;
    size_t at = m->s->require_replicated ? 1 : 0;
    for (size_t i = at; i < at + calls && rows[i]; i++)
        for (int row = 0; row < pg_rows(rows[i]); row++)
            take_row(m, (uint64_t)pg_i64(rows[i], row, 0), (uint64_t)pg_i64(rows[i], row, 1));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        pg_clear(rows[i]);
    /* "canceling wait for synchronous replication": committed here, and perhaps nowhere else. */
    if (m->link->warned)
        return fail(why, ERR_CLOSED, "PostgreSQL: the commit may not be replicated");
    return ERR_OK;
}

static void after_commit(struct commit *m)
{
    for (struct new_event *e = m->batch->events; e; e = e->next) {
        bool claimed = false;
        if (e->duplicate_of)
            continue;
        e->locator = e->event.id;
        for (size_t i = 0; i < e->delivery_count; i++) {
            claimed = claimed || e->deliveries[i].claimed;
            if (!e->deliveries[i].claimed)
                pg_node_hint(m->s, e->deliveries[i].destination);
        }
        if (claimed)
            pg_recent_put(m->s->recent, &e->event);
    }
}

static enum err commit_on(struct commit *m, struct reason *why)
{
    int first_day, last_day;
    look_over(m, &first_day, &last_day);
    enum err e = ERR_OK;
    if (first_day <= last_day)
        e = pg_prepare_days(m->s, m->link, first_day, last_day, why);
    if (e != ERR_OK)
        return e;
    /* A deadlock undoes one of two: it may be tried again. */
    for (int i = 0; i < TRIES; i++) {
        e = try_once(m, why);
        if (e != ERR_CONFLICT)
            break;
        look_over(m, &first_day, &last_day);
    }
    if (e == ERR_CLOSED && m->claims)
        pg_node_doubt(m->s, m->stamp);
    return e;
}

enum err pg_commit(struct store *base, struct batch *b, struct reason *why)
{
    struct pg_store *s = pg_of(base);
    struct commit m = {.s = s, .batch = b};
    if (!b->events && !b->settlements && b->rejection_count == 0)
        return ERR_OK;
    m.link = pg_take(s, PG_USE_WRITE, why);
    if (!m.link)
        return ERR_IO;
    m.stamp = atomic_fetch_add(&s->stamp, 1) + 1;
    m.chunk = xmalloc(sizeof(*m.chunk));
    pg_args_init(&m.args);
    enum err e = commit_on(&m, why);
    pg_args_release(&m.args);
    free(m.chunk);
    pg_give(s, PG_USE_WRITE, m.link);
    if (e == ERR_OK)
        after_commit(&m);
    return pg_err(e);
}
