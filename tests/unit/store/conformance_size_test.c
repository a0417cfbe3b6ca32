/* conformance_size_test.c -- what store.h promises of retention, of many threads and of great
 * numbers, checked against every store. */
#include "cases.h"

#include <pthread.h>

/* --- retention -------------------------------------------------------------------------------- */

CASE(purge_by_age_spares_the_undelivered)
{
    uint64_t open = kit_put(k, STR("ci"), false);
    uint64_t busy = kit_put(k, STR("ci"), true);
    for (int i = 0; i < 30; i++)
        kit_settle(k, kit_put(k, STR("ci"), true), DELIVERY_DELIVERED, 0, 1);
    clock_fake_advance(&k->clock, 1000);
    uint64_t young = kit_put(k, STR("ci"), true);
    kit_settle(k, young, DELIVERY_DEAD, 0, 1);
    struct retention r = {.age_ms = 1000, .step = 20};
    uint64_t deleted;
    EXPECT_OK(store_purge(k->s, &r, kit_now(k), &deleted, &k->why), k->why);
    EXPECT_EQ_UINT(deleted, 20);
    EXPECT_OK(store_purge(k->s, &r, kit_now(k), &deleted, &k->why), k->why);
    EXPECT_EQ_UINT(deleted, 10);
    EXPECT_OK(store_purge(k->s, &r, kit_now(k), &deleted, &k->why), k->why);
    EXPECT_EQ_UINT(deleted, 0);
    struct store_counts c = kit_counts(k);
    EXPECT_EQ_UINT(c.events, 3);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_DELIVERED], 0);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_PENDING], 1);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_DEAD], 1);
    /* What was spared goes when it is done. */
    kit_settle(k, busy, DELIVERY_DELIVERED, 0, 1);
    EXPECT_OK(store_purge(k->s, &r, kit_now(k), &deleted, &k->why), k->why);
    EXPECT_EQ_UINT(deleted, 1);
    EXPECT_EQ_INT(kit_find(k, open).state, DELIVERY_PENDING);
    struct attempt_list l;
    EXPECT_OK(store_attempts(k->r, busy, &k->a, &l, &k->why), k->why);
    EXPECT_EQ_UINT(l.count, 0);
    r.age_ms = 0;
    clock_fake_advance(&k->clock, 1000000);
    EXPECT_OK(store_purge(k->s, &r, kit_now(k), &deleted, &k->why), k->why);
    EXPECT_EQ_UINT(deleted, 0);
}

CASE(purge_by_bytes_deletes_the_oldest)
{
    static char body[10000];
    for (int i = 0; i < 10; i++) {
        for (int j = 0; j < 50; j++)
            kit_event(k, str_of(body, sizeof(body)));
        kit_commit(k);
    }
    EXPECT_EQ_UINT(kit_counts(k).events, 500);
    struct retention r = {.bytes = 3000000, .step = 64};
    uint64_t deleted, all = 0;
    do {
        EXPECT_OK(store_purge(k->s, &r, kit_now(k), &deleted, &k->why), k->why);
        all += deleted;
    } while (deleted == 64);
    EXPECT(all >= 150 && all <= 400);
    EXPECT_EQ_UINT(kit_counts(k).events, 500 - all);
    EXPECT_OK(store_purge(k->s, &r, kit_now(k), &deleted, &k->why), k->why);
    EXPECT_EQ_UINT(deleted, 0);
}

/* --- threads and sizes ------------------------------------------------------------------------ */

struct shared {
    struct kit *k;
    _Atomic uint64_t committed;
    _Atomic bool done;
};

static void *read_on(void *arg)
{
    struct shared *s = arg;
    struct reason why;
    struct store_reader *r = store_reader_open(s->k->s, &why);
    EXPECT(r != NULL);
    while (!s->done) {
        struct store_counts c;
        uint64_t before = s->committed;
        EXPECT_OK(store_counts_get(r, &c, &why), why);
        EXPECT(c.events >= before);
        struct arena a;
        arena_init(&a, 1u << 20);
        struct event_filter f = {.state = -1, .limit = 3};
        struct event_list l;
        before = s->committed;
        EXPECT_OK(store_events(r, &f, &a, &l, &why), why);
        EXPECT(before == 0 || l.count > 0);
        arena_release(&a);
    }
    store_reader_close(r);
    return NULL;
}

static void *claim_on(void *arg)
{
    struct shared *s = arg;
    struct reason why;
    struct arena a;
    arena_init(&a, 4u << 20);
    while (!s->done) {
        struct delivery_list out = {0};
        int64_t next;
        struct claim c = {.destination = STR("ci"), .now_ms = KIT_START_MS, .max = 16};
        EXPECT_OK(store_claim(s->k->s, &c, &a, &out, &next, &why), why);
        uint64_t ids[16];
        for (size_t i = 0; i < out.count; i++)
            ids[i] = out.v[i].id;
        EXPECT_OK(store_unclaim(s->k->s, ids, out.count, &why), why);
        arena_reset(&a);
    }
    arena_release(&a);
    return NULL;
}

CASE(threads_read_their_writes)
{
    struct shared s = {.k = k};
    pthread_t t[3];
    for (int i = 0; i < 3; i++)
        EXPECT(pthread_create(&t[i], NULL, i == 2 ? claim_on : read_on, &s) == 0);
    for (int i = 0; i < 150; i++) {
        for (int j = 0; j < 20; j++)
            kit_delivery(k, kit_event(k, STR("{}")), STR("ci"));
        kit_commit(k);
        s.committed += 20;
    }
    s.done = true;
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    EXPECT_EQ_UINT(kit_counts(k).by_state[DELIVERY_PENDING], 3000);
}

CASE(hundred_thousand_events)
{
    for (int i = 0; i < 1563; i++) {
        for (int j = 0; j < 64; j++) {
            struct new_event *n = kit_event(k, STR("{\"a\":1}"));
            n->dedupe_window_ms = 3600000;
            n->event.dedupe_key = str_of((const char *)&n->event.id, 8);
            kit_delivery(k, n, STR("ci"));
        }
        kit_commit(k);
    }
    struct store_counts c = kit_counts(k);
    EXPECT_EQ_UINT(c.events, 100032);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_PENDING], 100032);
    struct delivery_list l = kit_claim(k, STR("ci"), 1000, false, NULL);
    EXPECT_EQ_UINT(l.count, 1000);
    for (size_t i = 0; i < l.count; i += 100) {
        struct event e;
        EXPECT_OK(store_load(k->r, l.v[i].event_id, l.v[i].locator, &k->a, &e, &k->why), k->why);
        EXPECT_STR(e.body, "{\"a\":1}");
    }
}
