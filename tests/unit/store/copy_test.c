/* copy_test.c -- one store into another while the first is at work: what it did meanwhile is there
 * as well, and nothing is there twice. */
#include "cases.h"

#include "base/log.h"
#include "store/copy.h"

#define COMMITS 200

CASE(restored_deliveries_are_as_they_were)
{
    uint64_t id = kit_put(k, STR("ci"), false), other = kit_put(k, STR("ci"), false);
    struct delivery v[2] = {kit_find(k, id), kit_find(k, other)};
    v[0].state = DELIVERY_DEAD;
    v[0].attempts = 3;
    v[0].settled_ms = kit_now(k);
    v[0].reason = STR("gave up");
    v[1].id = id_next(&k->ids); /* one that is not there yet */
    v[1].attempts = 2;
    v[1].next_ms = kit_now(k) + 60000;
    if (!k->s->ops->restore) {
        EXPECT_EQ_INT(store_restore(k->s, v, 2, &k->why), ERR_INVALID);
        return;
    }
    EXPECT_OK(store_restore(k->s, v, 2, &k->why), k->why);
    struct delivery d = kit_find(k, id);
    EXPECT_EQ_INT(d.state, DELIVERY_DEAD);
    EXPECT_EQ_UINT(d.attempts, 3);
    EXPECT_STR(d.reason, "gave up");
    struct store_counts c = kit_counts(k);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_DEAD], 1);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_PENDING], 2);
    v[0].state = DELIVERY_CLAIMED;
    v[0].next_ms = kit_now(k);
    EXPECT_OK(store_restore(k->s, v, 2, &k->why), k->why);
    EXPECT_EQ_INT(kit_find(k, id).state, DELIVERY_PENDING);
    EXPECT_EQ_UINT(kit_find(k, v[1].id).attempts, 2);
    int64_t due;
    struct delivery_list l = kit_claim(k, STR("ci"), 10, false, &due);
    EXPECT_EQ_UINT(l.count, 2);
    c = kit_counts(k);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_DEAD], 0);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_PENDING], 1);
}

/* An outcome that tells whose it is, as the engine's do. */
static void settle(struct kit *k, uint64_t id, enum delivery_state state)
{
    struct settlement t = {.delivery_id = id,
                           .event_id = kit_find(k, id).event_id,
                           .state = state,
                           .settled_ms = kit_now(k),
                           .attempts = 1,
                           .reason = STR("because"),
                           .attempt = {.number = 1,
                                       .result = ATTEMPT_PERMANENT,
                                       .status = 500,
                                       .summary = STR("HTTP 500"),
                                       .request = STR("POST / HTTP/1.1")}};
    struct batch b = {.settlements = &t, .settlement_count = 1};
    EXPECT_OK(store_commit(k->s, &b, &k->why), k->why);
}

/* --- from one SQLite store into another ------------------------------------------------------- */

struct pair {
    struct kit from;
    struct store *to;
    struct store_tap tap;
    struct copier *c;
};

static void pair_open(struct pair *p, struct store_tap *tap)
{
    kit_open(&p->from, "sqlite:from");
    p->to = store_open(STR("sqlite:to"), &p->from.clock.base, &p->from.why);
    if (!p->to)
        FAIL("%s", p->from.why.text);
    tap_init(&p->tap);
    if (tap)
        atomic_store(&p->from.s->tap, tap);
    p->c = copier_new(p->from.s, p->to, tap, NULL, NULL, &p->from.why);
    EXPECT(p->c != NULL);
}

static void pair_close(struct pair *p)
{
    copier_free(p->c);
    store_close(p->to);
    kit_close(&p->from);
    tap_release(&p->tap);
}

static void follow(struct pair *p)
{
    uint64_t left;
    EXPECT_OK(copier_follow(p->c, INT64_MAX, &left, &p->from.why), p->from.why);
    EXPECT(left != UINT64_MAX);
}

/* The two, compared by a copier that has done nothing before. */
static void expect_same(struct pair *p)
{
    struct reason *why = &p->from.why;
    EXPECT_OK(copier_end(p->c, why), *why);
    struct copier *fresh = copier_new(p->from.s, p->to, NULL, NULL, NULL, why);
    EXPECT_OK(copier_compare(fresh, why), *why);
    EXPECT_EQ_UINT(copier_progress(fresh)->mended, 0);
    EXPECT_EQ_UINT(copier_progress(fresh)->events, 0);
    EXPECT_EQ_UINT(copier_progress(fresh)->from.hash, copier_progress(fresh)->to.hash);
    EXPECT_EQ_UINT(copier_progress(fresh)->from.events, kit_counts(&p->from).events);
    copier_free(fresh);
}

void test_copy_follows_what_is_done_meanwhile(void)
{
    struct pair p;
    struct kit *k = &p.from;
    uint64_t moved;
    pair_open(&p, &p.tap);
    uint64_t first = kit_put(k, STR("ci"), true), second = kit_put(k, STR("ci"), false);
    uint64_t third = kit_put(k, STR("ci"), true);
    EXPECT_OK(copier_start(p.c, STR("from"), &k->why), k->why);
    follow(&p);
    EXPECT_EQ_UINT(copier_progress(p.c)->events, 3);
    settle(k, first, DELIVERY_DEAD);
    struct delivery_filter f = {.state = DELIVERY_DEAD, .destination = STR("ci")};
    follow(&p);
    EXPECT_OK(store_move(k->s, STORE_REPLAY, &f, kit_now(k), &moved, &k->why), k->why);
    EXPECT_EQ_UINT(moved, 1);
    f.state = DELIVERY_PENDING;
    f.id = second;
    EXPECT_OK(store_move(k->s, STORE_CANCEL, &f, kit_now(k), &moved, &k->why), k->why);
    EXPECT_EQ_UINT(moved, 1);
    uint64_t event = kit_find(k, third).event_id;
    const struct new_delivery more = {
        .id = id_next(&k->ids), .destination = STR("other"), .route = STR("replay")};
    EXPECT_OK(store_add_delivery(k->s, event, &more, kit_now(k), &k->why), k->why);
    EXPECT_OK(store_expunge(k->s, event, 0, &k->why), k->why);
    EXPECT_OK(store_expunge(k->s, first, 1, &k->why), k->why);
    kit_put(k, STR("ci"), false);
    expect_same(&p);
    pair_close(&p);
}

void test_copy_keeps_what_the_source_took_for_two(void)
{
    struct pair p;
    struct kit *k = &p.from;
    pair_open(&p, NULL);
    for (int i = 0; i < 2; i++) {
        kit_event(k, STR("{}"))->event.dedupe_key = STR("once");
        k->events[0].event.received_ms = clock_wall_ms(clock_real()); /* it is remembered */
        kit_commit(k);
    }
    EXPECT_EQ_UINT(kit_counts(k).events, 2);
    EXPECT_OK(copier_start(p.c, STR("from"), &k->why), k->why);
    expect_same(&p);
    pair_close(&p);
}

void test_copy_mends_what_changed_since_an_earlier_run(void)
{
    struct pair p;
    struct kit *k = &p.from;
    struct retention r = {.age_ms = 1, .step = 100};
    uint64_t moved, deleted;
    pair_open(&p, NULL);
    uint64_t gone = kit_put(k, STR("ci"), true), back = kit_put(k, STR("ci"), true);
    settle(k, back, DELIVERY_DEAD);
    EXPECT_OK(copier_start(p.c, STR("from"), &k->why), k->why);
    expect_same(&p);
    copier_free(p.c);
    /* Settled and taken by retention: it is not delivered once more from the other store. */
    struct delivery_filter f = {.id = back, .state = DELIVERY_DEAD};
    EXPECT_OK(store_move(k->s, STORE_REPLAY, &f, kit_now(k), &moved, &k->why), k->why);
    settle(k, gone, DELIVERY_DELIVERED);
    clock_fake_advance(&k->clock, 1000);
    EXPECT_OK(store_purge(k->s, &r, kit_now(k), &deleted, &k->why), k->why);
    EXPECT_EQ_UINT(deleted, 1);
    p.c = copier_new(k->s, p.to, NULL, NULL, NULL, &k->why);
    EXPECT_OK(copier_start(p.c, STR("from"), &k->why), k->why);
    EXPECT_OK(copier_compare(p.c, &k->why), k->why);
    EXPECT_EQ_UINT(copier_progress(p.c)->extra, 1);
    EXPECT_OK(copier_end(p.c, &k->why), k->why);
    struct store_reader *there = store_reader_open(p.to, &k->why);
    struct store_counts c;
    EXPECT_OK(store_counts_get(there, &c, &k->why), k->why);
    EXPECT_EQ_UINT(c.events, 2);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_PENDING], 1);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_CANCELLED], 1);
    /* It is nobody's until the move is ended. */
    EXPECT_EQ_INT(copy_mark_check(there, &k->why), ERR_CONFLICT);
    EXPECT_HAS(k->why.text, "is being filled from from");
    EXPECT_OK(copy_mark_set(p.to, COPY_NONE, STR(""), &k->why), k->why);
    EXPECT_OK(copy_mark_check(there, &k->why), k->why);
    store_reader_close(there);
    pair_close(&p);
}

static void *commit_some(void *arg)
{
    struct kit *k = arg;
    for (int i = 0; i < COMMITS; i++) {
        uint64_t id = kit_put(k, STR("ci"), true);
        if (i % 2)
            settle(k, id, DELIVERY_DELIVERED);
    }
    return NULL;
}

void test_copy_misses_nothing_that_is_committed_beside_it(void)
{
    struct pair p;
    pthread_t other;
    pair_open(&p, &p.tap);
    EXPECT_OK(copier_start(p.c, STR("from"), &p.from.why), p.from.why);
    struct reason why;
    struct kit *k = xcalloc(1, sizeof(*k));
    *k = p.from; /* the other thread's own, its memory too */
    arena_init(&k->a, 64u << 20);
    EXPECT_EQ_INT(pthread_create(&other, NULL, commit_some, k), 0);
    for (uint64_t left = 0; copier_progress(p.c)->events < COMMITS / 2;)
        EXPECT_OK(copier_follow(p.c, INT64_MAX, &left, &why), why);
    pthread_join(other, NULL);
    arena_release(&k->a);
    free(k);
    expect_same(&p);
    EXPECT_EQ_UINT(kit_counts(&p.from).events, COMMITS);
    pair_close(&p);
}
