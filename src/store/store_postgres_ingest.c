/* store_postgres_ingest.c -- the events of a batch as calls of gaff.ingest, some hundred events a
 * call. Repeats of a delivery id inside a call are found here; the others by the database, where
 * other nodes and other writers see them too. */
#include "store/store_postgres_commit.h"

#include <stdlib.h>

/* --- repeats inside a chunk ------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    const struct pg_keyed *x = a, *y = b;
    for (int i = 0; i < 2; i++)
        if (x->key[i] != y->key[i])
            return x->key[i] < y->key[i] ? -1 : 1;
    if (x->body != y->body)
        return (int64_t)x->body < (int64_t)y->body ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

static bool same_key(const struct pg_keyed *x, const struct pg_keyed *y)
{
    return x->key[0] == y->key[0] && x->key[1] == y->key[1];
}

static bool in_window(const struct pg_keyed *first, const struct pg_keyed *later)
{
    return later->e->event.received_ms < first->e->event.received_ms + first->e->dedupe_window_ms;
}

/* The first of a key in the chunk stays as it is; later ones with another body are flagged. */
static void flag_reused(struct pg_chunk *c, size_t from, size_t to)
{
    size_t first = from;
    for (size_t i = from; i < to; i++)
        if (c->keyed[i].place < c->keyed[first].place)
            first = i;
    for (size_t i = from; i < to; i++)
        if (c->keyed[i].body != c->keyed[first].body && in_window(&c->keyed[first], &c->keyed[i]))
            c->keyed[i].e->event.flags |= EVENT_ID_REUSED;
}

static void find_repeats(struct pg_store *s, struct pg_chunk *c)
{
    struct new_event *e = c->first;
    c->keyed_count = c->leader_count = 0;
    for (size_t i = 0; i < c->count; i++, e = e->next) {
        if (c->left_out[i] || e->dedupe_window_ms <= 0 || e->event.dedupe_key.n == 0)
            continue;
        struct pg_keyed *k = &c->keyed[c->keyed_count++];
        *k = (struct pg_keyed){.e = e, .place = i, .body = dedupe_fold(e->event.body_hash)};
        dedupe_key(s->dedupe_seed, e->event.source, e->event.dedupe_key, k->key);
    }
    qsort(c->keyed, c->keyed_count, sizeof(c->keyed[0]), by_key);
    for (size_t i = 0, lead = 0, run = 0; i < c->keyed_count; i++) {
        struct pg_keyed *k = &c->keyed[i];
        if (i == 0 || !same_key(k, &c->keyed[i - 1]) || k->body != c->keyed[i - 1].body) {
            lead = i;
            k->leads = true;
            c->leader_count++;
        } else if (in_window(&c->keyed[lead], k)) {
            c->left_out[k->place] = true;
            c->leader[k->place] = c->keyed[lead].e;
        }
        if (i + 1 == c->keyed_count || !same_key(k, &c->keyed[i + 1])) {
            flag_reused(c, run, i + 1);
            run = i + 1;
        }
    }
}

/* --- parameters ------------------------------------------------------------------------------- */

static void put_key(struct pg_args *a, const uint64_t key[2])
{
    char bytes[16];
    for (int j = 0; j < 16; j++)
        bytes[j] = (char)(key[j / 8] >> (56 - 8 * (j % 8)));
    pg_put_str(a, str_of(bytes, sizeof(bytes)));
}

static void add_keys(struct pg_args *a, const struct pg_chunk *c)
{
    pg_array(a, PG_UUID_ARRAY, c->leader_count);
    for (size_t i = 0; i < c->keyed_count; i++)
        if (c->keyed[i].leads)
            put_key(a, c->keyed[i].key);
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

static void add_further(struct pg_args *a, const struct pg_chunk *c)
{
#define FURTHER(array, put)                                                                        \
    pg_array(a, (array), c->further_count);                                                        \
    for (size_t i = 0; i < c->further_count; i++) {                                                \
        const struct pg_further *x = &c->further[i];                                               \
        const struct event_key *key = &x->e->keys[x->place - 1];                                   \
        UNUSED(key);                                                                               \
        put;                                                                                       \
    }                                                                                              \
    pg_array_end(a);
    FURTHER(PG_UUID_ARRAY, put_key(a, x->key))
    FURTHER(PG_UUID_ARRAY, pg_put_str(a, str_of((const char *)key->hash, sizeof(key->hash))))
    FURTHER(PG_INT8_ARRAY, pg_put_i64(a, (int64_t)x->e->event.id))
    FURTHER(PG_INT4_ARRAY, pg_put_i32(a, (int32_t)x->place))
    FURTHER(PG_INT8_ARRAY, pg_put_i64(a, x->e->event.received_ms))
    FURTHER(PG_INT8_ARRAY, pg_put_i64(a, x->e->event.received_ms + key->window_ms))
#undef FURTHER
}

static size_t fresh_count(const struct pg_chunk *c, size_t *deliveries)
{
    size_t n = 0;
    const struct new_event *e = c->first;
    *deliveries = 0;
    for (size_t i = 0; i < c->count; i++, e = e->next)
        if (!c->left_out[i]) {
            n++;
            *deliveries += e->delivery_count;
        }
    return n;
}

#define EACH_FRESH(c, e)                                                                           \
    size_t place_ = 0;                                                                             \
    for (const struct new_event *e = (c)->first; place_ < (c)->count; e = e->next, place_++)       \
        if (!(c)->left_out[place_])

static void add_event_strings(struct pg_args *a, const struct pg_chunk *c, size_t n)
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

static void add_events(struct pg_args *a, const struct pg_chunk *c, size_t n)
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

static void add_deliveries(struct pg_store *s, struct pg_args *a, const struct pg_chunk *c,
                           size_t n)
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
    DELIVERIES(PG_BOOL_ARRAY, pg_put_bool(a, d->listed));
#undef DELIVERIES
}

static const char ingest_sql[] =
    "SELECT * FROM gaff.ingest($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,"
    "$20,$21,$22,$23,$24,$25,$26,$27,$28,$29,$30,$31,$32,$33,$34,$35,$36,$37,$38,$39)";

/* --- events ----------------------------------------------------------------------------------- */

static size_t event_bytes(const struct new_event *e)
{
    const struct event *v = &e->event;
    return 256 + v->type.n + v->dedupe_key.n + v->verdict_text.n + v->target.n + v->trace.n +
           v->head.n + v->body.n + 128 * e->delivery_count;
}

static bool is_used(const uint64_t (*used)[2], size_t count, const uint64_t key[2])
{
    for (size_t i = 0; i < count; i++)
        if (used[i][0] == key[0] && used[i][1] == key[1])
            return true;
    return false;
}

/* The keys of an event, its delivery id's first; how many. */
static size_t keys_of(struct pg_store *s, const struct new_event *e, uint64_t out[][2])
{
    size_t n = 0;
    if (e->dedupe_window_ms > 0 && e->event.dedupe_key.n)
        dedupe_key(s->dedupe_seed, e->event.source, e->event.dedupe_key, out[n++]);
    for (size_t i = 0; i < e->key_count; i++)
        dedupe_key(s->dedupe_seed, e->keys[i].scope, e->keys[i].key, out[n++]);
    return n;
}

/* Cuts the next chunk off; returns what follows it. Where further keys are in play no key is twice
 * in a chunk: whether the first one holds is known only after its call. */
static struct new_event *cut_chunk(struct pg_commit *m, struct pg_chunk *c, struct new_event *from)
{
    uint64_t used[PG_CHUNK_EVENTS * (EVENT_KEYS_MAX + 1)][2], own[EVENT_KEYS_MAX + 1][2];
    size_t bytes = 0, used_count = 0;
    bool further = false;
    c->first = from;
    c->count = 0;
    while (from && c->count < PG_CHUNK_EVENTS && (c->count == 0 || bytes < PG_CHUNK_BYTES)) {
        size_t n = keys_of(m->s, from, own);
        bool twice = false;
        further = further || from->key_count > 0;
        for (size_t i = 0; i < n && further; i++)
            twice = twice || is_used((const uint64_t(*)[2])used, used_count, own[i]);
        if (twice)
            break;
        memcpy(used + used_count, own, n * sizeof(own[0]));
        used_count += n;
        bytes += event_bytes(from);
        c->count++;
        from = from->next;
    }
    m->bytes += bytes;
    return from;
}

static int by_further(const void *a, const void *b)
{
    const struct pg_further *x = a, *y = b;
    for (int i = 0; i < 2; i++)
        if (x->key[i] != y->key[i])
            return x->key[i] < y->key[i] ? -1 : 1;
    return 0;
}

/* What is not sent: repeats inside the chunk, and what goes with a set that did not hold. */
static void leave_out(struct pg_commit *m, struct pg_chunk *c)
{
    struct new_event *e = c->first;
    memset(c->left_out, 0, sizeof(c->left_out));
    memset(c->leader, 0, sizeof(c->leader));
    c->further_count = 0;
    for (size_t i = 0; i < c->count; i++, e = e->next) {
        c->left_out[i] = e->only_with && e->only_with->err != ERR_OK;
        for (size_t j = 0; j < e->key_count && !c->left_out[i]; j++) {
            struct pg_further *x = &c->further[c->further_count++];
            *x = (struct pg_further){.e = e, .place = j + 1};
            dedupe_key(m->s->dedupe_seed, e->keys[j].scope, e->keys[j].key, x->key);
        }
    }
    qsort(c->further, c->further_count, sizeof(c->further[0]), by_further);
    find_repeats(m->s, c);
}

enum err pg_ingest_send(struct pg_commit *m, size_t *calls, struct reason *why)
{
    enum err e = ERR_OK;
    for (struct new_event *from = m->batch->events; from && e == ERR_OK;) {
        struct pg_chunk *c = m->chunk;
        size_t deliveries;
        from = cut_chunk(m, c, from);
        leave_out(m, c);
        size_t n = fresh_count(c, &deliveries);
        pg_args_clear(&m->args);
        pg_add_i64(&m->args, atomic_load(&m->s->epoch));
        pg_add_i32(&m->args, pg_counter_slot(m->s, m->link));
        pg_add_i64(&m->args, m->stamp);
        add_keys(&m->args, c);
        add_further(&m->args, c);
        add_events(&m->args, c, n);
        add_deliveries(m->s, &m->args, c, deliveries);
        e = pg_pipeline_send(m->link, ingest_sql, &m->args, why);
        ++*calls;
        /* Repeats inside the chunk follow their leader. */
        struct new_event *v = c->first;
        for (size_t i = 0; i < c->count; i++, v = v->next)
            if (c->leader[i]) {
                v->duplicate_of = c->leader[i]->event.id;
                v->same_hash = true;
            }
    }
    return e;
}

/* Of all by which an event is a repeat the first of its further keys tells, as in every store; the
 * database gives them in no order. */
static bool tells(const struct new_event *e, size_t place)
{
    return e->duplicate_of == 0 || (place && (e->matched == 0 || place < e->matched));
}

static void take_row(struct pg_commit *m, const struct PGresult *r, int row)
{
    uint64_t id = (uint64_t)pg_i64(r, row, 0), first = (uint64_t)pg_i64(r, row, 1);
    for (struct new_event *e = m->batch->events; e; e = e->next) {
        if (first == 0 && e->event.id == id)
            e->event.flags |= EVENT_ID_REUSED;
        else if (first && e->event.id == id) {
            size_t place = (size_t)pg_i32(r, row, 2);
            if (!tells(e, place))
                continue;
            e->duplicate_of = first;
            e->matched = place;
            e->same_hash = pg_bool(r, row, 3);
        } else if (first && e->duplicate_of == id) {
            e->duplicate_of = first; /* a repeat of a repeat */
        }
    }
}

void pg_ingest_rows(struct pg_commit *m, const struct PGresult *r)
{
    for (int i = 0; i < pg_rows(r); i++)
        take_row(m, r, i);
}

/* --- what newer deliveries make needless -------------------------------------------------------
 */

static size_t count_superseding(const struct pg_commit *m)
{
    size_t n = 0;
    for (const struct new_event *e = m->batch->events; e; e = e->next)
        for (size_t i = 0; i < e->delivery_count; i++)
            n += e->deliveries[i].supersedes && e->deliveries[i].order_key;
    return n;
}

enum err pg_supersede_send(struct pg_commit *m, struct reason *why)
{
    struct pg_args *a = &m->args;
    size_t n = count_superseding(m);
    char text[SUPERSEDED_TEXT_MAX];
    if (n == 0)
        return ERR_OK;
    pg_args_clear(a);
    pg_add_i32(a, pg_counter_slot(m->s, m->link));
#define SUPERSEDING(array, put)                                                                    \
    pg_array(a, (array), n);                                                                       \
    for (const struct new_event *e = m->batch->events; e; e = e->next)                             \
        for (size_t i = 0; i < e->delivery_count; i++) {                                           \
            const struct new_delivery *d = &e->deliveries[i];                                      \
            if (d->supersedes && d->order_key)                                                     \
                put;                                                                               \
        }                                                                                          \
    pg_array_end(a);
    SUPERSEDING(PG_INT8_ARRAY, pg_put_i64(a, (int64_t)d->id))
    SUPERSEDING(PG_TEXT_ARRAY, pg_put_str(a, d->destination))
    SUPERSEDING(PG_INT8_ARRAY, pg_put_i64(a, (int64_t)d->order_key))
    SUPERSEDING(PG_INT8_ARRAY, pg_put_i64(a, e->event.received_ms))
    SUPERSEDING(PG_BYTEA_ARRAY, pg_put_str(a, superseded_text(d->id, text)))
#undef SUPERSEDING
    return pg_pipeline_send(m->link, "SELECT gaff.supersede($1,$2,$3,$4,$5,$6)", a, why);
}
