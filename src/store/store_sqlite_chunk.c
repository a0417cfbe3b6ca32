/* store_sqlite_chunk.c -- records decoded and written as rows: gathered and folded first, then
 * written table by table. Runs under the writer lock inside a transaction; any error undoes all of
 * it. */
#include "store/store_sqlite_chunk.h"

#include "base/log.h"
#include "store/store_sqlite_arrive.h"
#include "store/store_sqlite_rows.h"
#include "store/store_sqlite_settle.h"

#define EVENTS_AT_ONCE 128u

struct born { /* a delivery that came into being in this chunk */
    struct new_delivery d;
    uint64_t event_id;
    int64_t created_ms, next_ms, settled_ms;
    enum delivery_state state;
    uint32_t attempts;
    str reason;
};

struct superseding {
    str destination;
    uint64_t order_key, id;
    int64_t at_ms;
};

struct chunk {
    struct new_event_row events[EVENTS_AT_ONCE];
    size_t event_count;
    struct born *born;
    size_t born_count, born_cap;
    uint32_t *slots; /* delivery id -> index in born + 1; a power of two, at least 2 * born_cap */
    struct settlement *late; /* of deliveries that are rows already */
    size_t late_count, late_cap;
    struct superseding *over; /* older rows of a key that must go */
    size_t over_count, over_cap;
    struct idmap latest;      /* place_of() -> index in born + 1, of those that superseded */
    struct arena texts;       /* of reasons made here */
    struct attempt *attempts; /* of deliveries in born */
    size_t attempt_count, attempt_cap;
    struct buf keys;
    int64_t keys_until_ms;
    uint64_t end_lsn; /* of the records gathered so far */
    bool is_former;   /* they are of a former run */
    size_t rejections;
};

struct chunk *chunk_new(void)
{
    struct chunk *c = xcalloc(1, sizeof(*c));
    buf_init(&c->keys, RECORD_BYTES_MAX);
    arena_init(&c->texts, RECORD_BYTES_MAX);
    return c;
}

void chunk_free(struct chunk *c)
{
    if (!c)
        return;
    free(c->born);
    free(c->slots);
    free(c->late);
    free(c->attempts);
    free(c->over);
    idmap_release(&c->latest);
    arena_release(&c->texts);
    buf_release(&c->keys);
    free(c);
}

/* --- gathering -------------------------------------------------------------------------------- */

static uint32_t *slot_of(const struct chunk *c, uint64_t id)
{
    size_t mask = 2 * c->born_cap - 1;
    size_t at = (size_t)(id * 0x9e3779b97f4a7c15u >> 32) & mask;
    while (c->slots[at] && c->born[c->slots[at] - 1].d.id != id)
        at = (at + 1) & mask;
    return &c->slots[at];
}

static struct born *find_born(const struct chunk *c, uint64_t id)
{
    uint32_t found = c->born_cap ? *slot_of(c, id) : 0;
    return found ? &c->born[found - 1] : NULL;
}

static struct born *add_born(struct chunk *c, uint64_t id)
{
    if (c->born_count == c->born_cap) {
        c->born_cap = c->born_cap ? c->born_cap * 2 : 256;
        c->born = xrealloc(c->born, c->born_cap * sizeof(*c->born));
        free(c->slots);
        c->slots = xcalloc(2 * c->born_cap, sizeof(*c->slots));
        for (size_t i = 0; i < c->born_count; i++)
            *slot_of(c, c->born[i].d.id) = (uint32_t)i + 1;
    }
    uint32_t *slot = slot_of(c, id);
    if (*slot)
        return NULL;
    *slot = (uint32_t)++c->born_count;
    return &c->born[c->born_count - 1];
}

static void empty(struct chunk *c)
{
    if (c->born_cap)
        memset(c->slots, 0, 2 * c->born_cap * sizeof(*c->slots));
    c->event_count = c->born_count = c->late_count = c->attempt_count = c->over_count = 0;
    if (c->latest.count)
        idmap_release(&c->latest);
    c->latest = (struct idmap){0};
    arena_reset(&c->texts);
    buf_clear(&c->keys);
    c->keys_until_ms = 0;
    c->rejections = 0;
}

#define GROW(array, count, cap)                                                                    \
    do {                                                                                           \
        if ((count) == (cap)) {                                                                    \
            (cap) = (cap) ? (cap)*2 : 64;                                                          \
            (array) = xrealloc((array), (cap) * sizeof(*(array)));                                 \
        }                                                                                          \
    } while (0)

static void gather_settlement(struct chunk *c, const struct settlement *t)
{
    struct born *b = find_born(c, t->delivery_id);
    if (!b) {
        GROW(c->late, c->late_count, c->late_cap);
        c->late[c->late_count++] = *t;
        return;
    }
    if (b->state != DELIVERY_CLAIMED && !(c->is_former && b->state == DELIVERY_PENDING))
        return; /* the lease was lost */
    b->state = t->state;
    b->attempts = t->attempts;
    b->next_ms = t->next_ms;
    b->settled_ms = t->settled_ms;
    b->reason = t->reason;
    if (t->attempt.number) {
        GROW(c->attempts, c->attempt_count, c->attempt_cap);
        c->attempts[c->attempt_count++] = t->attempt;
    }
}

/* Of the deliveries gathered here only the latest of its key can be pending; those that are rows
 * already follow when the chunk is written. */
static void gather_superseding(struct chunk *c, const struct born *b)
{
    const struct new_delivery *d = &b->d;
    uint64_t place = d->order_key ^ str_hash(d->destination, d->order_key);
    size_t index = (size_t)(b - c->born);
    size_t before = (size_t)(uintptr_t)idmap_get(&c->latest, place);
    struct born *old = before ? &c->born[before - 1] : NULL;
    if (old && old->state == DELIVERY_PENDING && old->d.id < d->id &&
        old->d.order_key == d->order_key && str_eq(old->d.destination, d->destination)) {
        char text[SUPERSEDED_TEXT_MAX];
        old->state = DELIVERY_CANCELLED;
        old->settled_ms = b->created_ms;
        old->reason = arena_str(&c->texts, superseded_text(d->id, text));
    }
    idmap_put(&c->latest, place, (void *)(uintptr_t)(index + 1));
    GROW(c->over, c->over_count, c->over_cap);
    c->over[c->over_count++] =
        (struct superseding){d->destination, d->order_key, d->id, b->created_ms};
}

static void add_key(struct chunk *c, const struct dedupe_entry *k, int64_t window_ms)
{
    char *p = buf_reserve(&c->keys, DEDUPE_ENTRY_BYTES);
    if (!p)
        return;
    dedupe_entry_write(k, p);
    buf_grew(&c->keys, DEDUPE_ENTRY_BYTES);
    if (k->received_ms + window_ms > c->keys_until_ms)
        c->keys_until_ms = k->received_ms + window_ms;
}

/* All deliveries of the event were read. */
static void gather_keys(struct sqlite_store *s, struct chunk *c, struct record_event *e)
{
    struct dedupe_entry k;
    struct event_key further;
    if (e->dedupe_window_ms > 0 && e->event.dedupe_key.n) {
        dedupe_event_entry(s->dedupe_seed, &e->event, &k);
        add_key(c, &k, e->dedupe_window_ms);
    }
    while (record_next_key(e, &further)) {
        dedupe_key_entry(s->dedupe_seed, &e->event, &further, &k);
        add_key(c, &k, further.window_ms);
    }
}

/* --- writing ---------------------------------------------------------------------------------- */

static bool write_events(struct sqlite_store *s, struct chunk *c)
{
    size_t count = c->event_count;
    c->event_count = 0;
    return count == 0 || arrive_events(s, c->events, count);
}

static bool write_born(struct sqlite_store *s, const struct chunk *c)
{
    struct new_delivery_row *v = xcalloc(c->born_count, sizeof(*v));
    bool good = true;
    for (size_t i = 0; i < c->born_count && good; i++) {
        const struct born *b = &c->born[i];
        v[i] = (struct new_delivery_row){.id = b->d.id,
                                         .event_id = b->event_id,
                                         .order_key = b->d.order_key,
                                         .destination = writer_name(s, b->d.destination),
                                         .route = writer_name(s, b->d.route),
                                         .state = b->state,
                                         .attempts = b->attempts,
                                         .created_ms = b->created_ms,
                                         .next_ms = b->next_ms,
                                         .settled_ms = b->settled_ms,
                                         .reason = b->reason,
                                         .listed = b->d.listed};
        good = v[i].destination && v[i].route;
    }
    good = good && arrive_deliveries(s, v, c->born_count);
    free(v);
    return good;
}

/* Of deliveries that were born in this chunk. */
static bool write_first_attempts(struct sqlite_store *s, const struct chunk *c)
{
    struct settled *v = xcalloc(c->attempt_count, sizeof(*v));
    bool good = true;
    for (size_t i = 0; i < c->attempt_count && good; i++) {
        const struct born *b = find_born(c, c->attempts[i].delivery_id);
        v[i] = (struct settled){.attempt = &c->attempts[i],
                                .event_id = b->event_id,
                                .destination = writer_name(s, b->d.destination)};
        good = v[i].destination != 0;
    }
    good = good && settle_attempts(s, v, c->attempt_count);
    free(v);
    return good;
}

static bool write_superseding(struct sqlite_store *s, const struct superseding *by)
{
    struct writer *w = &s->writer;
    char text[SUPERSEDED_TEXT_MAX];
    int64_t destination = writer_name(s, by->destination);
    sqlite3_stmt *q =
        db_statement(&w->c, "UPDATE deliveries INDEXED BY deliveries_in_order SET state=5,"
                            " settled_ms=?4, reason=?5 WHERE destination=?1 AND order_key=?2"
                            " AND order_key<>0 AND state<2 AND state=0 AND id<?3"
                            " AND NOT lent(id)");
    static_assert(DELIVERY_CANCELLED == 5, "the state in the statement");
    if (!q || !destination)
        return false;
    sqlite3_bind_int64(q, 1, destination);
    db_bind_u64(q, 2, by->order_key);
    db_bind_u64(q, 3, by->id);
    sqlite3_bind_int64(q, 4, by->at_ms);
    db_bind_str(q, 5, superseded_text(by->id, text));
    if (!db_run(q))
        return false;
    int n = sqlite3_changes(w->c.db);
    count_change(w, destination, DELIVERY_PENDING, -n);
    count_change(w, destination, DELIVERY_CANCELLED, n);
    return true;
}

static bool write_rejection(struct writer *w, const struct rejection *r)
{
    sqlite3_stmt *q = db_statement(&w->c, "INSERT OR IGNORE INTO rejections VALUES"
                                          " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)");
    if (!q)
        return false;
    db_bind_u64(q, 1, r->id);
    sqlite3_bind_int64(q, 2, r->received_ms);
    db_bind_str(q, 3, r->source);
    db_bind_str(q, 4, r->verdict);
    db_bind_str(q, 5, r->verdict_text);
    db_bind_str(q, 6, r->method);
    db_bind_str(q, 7, r->target);
    db_bind_str(q, 8, r->peer);
    db_bind_str(q, 9, r->head);
    db_bind_blob(q, 10, r->body);
    writer_note_id(w, r->id);
    return db_run(q);
}

static bool trim_rejections(struct writer *w)
{
    sqlite3_stmt *q =
        db_statement(&w->c, "DELETE FROM rejections WHERE id <= (SELECT id FROM rejections"
                            " ORDER BY id DESC LIMIT 1 OFFSET ?1)");
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, REJECTIONS_KEPT);
    return db_run(q);
}

static bool write_out(struct sqlite_store *s, struct chunk *c)
{
    struct writer *w = &s->writer;
    if (!buf_ok(&c->keys))
        return false;
    if (c->keys.len && !keys_append(s, buf_str(&c->keys), c->end_lsn, c->keys_until_ms))
        return false;
    if (!write_events(s, c))
        return false;
    if (c->born_count && !write_born(s, c))
        return false;
    if (c->late_count && !settle_deliveries(s, c->late, c->late_count, c->is_former))
        return false;
    if (c->attempt_count && !write_first_attempts(s, c))
        return false;
    for (size_t i = 0; i < c->over_count; i++)
        if (!write_superseding(s, &c->over[i]))
            return false;
    if (c->rejections && !trim_rejections(w))
        return false;
    empty(c);
    return true;
}

/* --- records ---------------------------------------------------------------------------------- */

static bool gather_event(struct sqlite_store *s, struct chunk *c, const struct event *e)
{
    if (c->event_count == EVENTS_AT_ONCE && !write_events(s, c))
        return false;
    struct new_event_row *x = &c->events[c->event_count++];
    *x = (struct new_event_row){*e, writer_name(s, e->source), writer_name(s, e->provider),
                                writer_name(s, e->verdict)};
    return x->source && x->provider && x->verdict;
}

static bool apply_events(struct sqlite_store *s, struct chunk *c, struct record *r)
{
    struct record_event e;
    while (record_next_event(r, &e)) {
        if (!gather_event(s, c, &e.event))
            return false;
        struct new_delivery d;
        while (record_next_delivery(&e, &d)) {
            struct born *b = add_born(c, d.id);
            if (!b)
                continue;
            *b = (struct born){.d = d,
                               .event_id = e.event.id,
                               .created_ms = e.event.received_ms,
                               .next_ms = d.next_ms,
                               .state = d.claimed ? DELIVERY_CLAIMED : DELIVERY_PENDING,
                               .reason = STR("")};
            if (d.supersedes && d.order_key)
                gather_superseding(c, b);
        }
        if (e.delivery_count)
            r->c.failed = true;
        else
            gather_keys(s, c, &e);
    }
    return true;
}

static enum err apply_batch(struct sqlite_store *s, struct chunk *c, const struct journal_record *j,
                            struct reason *why)
{
    struct writer *w = &s->writer;
    struct record r;
    struct settlement t;
    struct rejection x;
    struct object_change o;
    bool good = record_read(&r, j->payload) && apply_events(s, c, &r);
    while (good && record_next_settlement(&r, &t))
        gather_settlement(c, &t);
    while (good && record_next_rejection(&r, &x)) {
        good = write_rejection(w, &x);
        c->rejections++;
    }
    while (good && record_next_object(&r, &o))
        good = objects_write(w, &o);
    if (!good && !r.c.failed)
        return db_fail(w->c.db, "write the database", why);
    if (!record_is_done(&r))
        return fail(why, ERR_INVALID, "the journal record at %llu is malformed",
                    (unsigned long long)j->lsn);
    w->now.rejected += r.rejected;
    return ERR_OK;
}

#define INTERRUPTED                                                                                \
    "INSERT OR REPLACE INTO attempts (delivery_id, number, result, started_ms, duration_us,"       \
    " status, error_class, summary, request, response, timing)"                                    \
    " SELECT id, 0, ?1, ?2, 0, 0, 'interrupted', ?3, '', x'', '' FROM deliveries WHERE "

static sqlite3_stmt *interrupted_statement(struct writer *w, const char *sql, int64_t now_ms)
{
    sqlite3_stmt *q = db_statement(&w->c, sql);
    if (!q)
        return NULL;
    sqlite3_bind_int64(q, 1, ATTEMPT_LOST);
    sqlite3_bind_int64(q, 2, now_ms);
    db_bind_str(q, 3,
                STR("the process ended with this delivery in its hands; an attempt may have been "
                    "under way, and is made again"));
    return q;
}

/* What the former process held may have been under way: number 0 says so, since whether there was
 * an attempt is not known. */
static bool note_interrupted(struct sqlite_store *s, int64_t now_ms)
{
    struct writer *w = &s->writer;
    if (!db_run(interrupted_statement(w, INTERRUPTED "state=1 AND state<>2", now_ms)))
        return false;
    size_t count;
    const struct lent_row *v = lent_former(s->lent, &count);
    for (size_t i = 0; i < count; i++) {
        sqlite3_stmt *q =
            interrupted_statement(w, INTERRUPTED "id=?4 AND state=0 AND next_ms=?5", now_ms);
        if (!q)
            return false;
        db_bind_u64(q, 4, v[i].id);
        sqlite3_bind_int64(q, 5, v[i].next_ms);
        if (!db_run(q))
            return false;
    }
    return true;
}

/* A new process took over: what the former one had claimed is pending again. */
static bool void_leases(struct writer *w)
{
    sqlite3_stmt *q =
        db_statement(&w->c, "UPDATE deliveries SET state=0 WHERE state=1 AND state<>2");
    if (!db_run(q))
        return false;
    uint64_t n = (uint64_t)sqlite3_changes(w->c.db);
    w->now.by_state[DELIVERY_CLAIMED] -= n;
    w->now.by_state[DELIVERY_PENDING] += n;
    return queues_write(w) &&
           db_run(db_statement(&w->c, "UPDATE queues SET pending=pending+claimed, claimed=0"
                                      " WHERE claimed<>0"));
}

enum err chunk_apply(struct sqlite_store *s, struct chunk *c, str records, struct reason *why)
{
    struct writer *w = &s->writer;
    struct journal_record j;
    enum err e = ERR_OK;
    empty(c);
    while (e == ERR_OK && journal_next(&records, &j)) {
        if (j.kind == RECORD_BATCH) {
            c->is_former = j.lsn < s->open_lsn;
            e = apply_batch(s, c, &j, why);
        } else if (j.kind != RECORD_OPEN) {
            e = fail(why, ERR_INVALID, "the journal record at %llu is of an unknown kind",
                     (unsigned long long)j.lsn);
        } else if (!write_out(s, c) || !note_interrupted(s, clock_wall_ms(s->clock)) ||
                   !void_leases(w)) {
            e = db_fail(w->c.db, "write the database", why);
        }
        c->end_lsn = w->now.applied_lsn = j.end_lsn;
    }
    if (e == ERR_OK && !write_out(s, c))
        e = db_fail(w->c.db, "write the database", why);
    return e;
}
