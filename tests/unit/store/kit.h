/* kit.h -- a store under test, with builders for rows. Everything static here is small enough to
 * be a copy in each file. */
#ifndef GAFF_TESTS_UNIT_STORE_KIT_H
#define GAFF_TESTS_UNIT_STORE_KIT_H

#include "base/clock.h"
#include "base/id.h"
#include "store/store.h"
#include "unit.h"

#define KIT_START_MS INT64_C(1700000000000)
#define KIT_BATCH_MAX 64

struct kit {
    struct clock_fake clock;
    struct id_source ids;
    struct store *s;
    struct store_reader *r;
    struct arena a;
    struct reason why;

    struct new_event events[KIT_BATCH_MAX];
    struct new_delivery deliveries[KIT_BATCH_MAX][4];
    size_t count;
};

static inline void kit_reopen(struct kit *k, const char *url)
{
    k->s = store_open(str_from_cstr(url), &k->clock.base, &k->why);
    if (!k->s)
        FAIL("store_open %s: %s", url, k->why.text);
    k->r = store_reader_open(k->s, &k->why);
    if (!k->r)
        FAIL("store_reader_open: %s", k->why.text);
}

static inline void kit_open(struct kit *k, const char *url)
{
    memset(k, 0, sizeof(*k));
    clock_fake_init(&k->clock, KIT_START_MS);
    id_source_init(&k->ids, &k->clock.base, 0);
    arena_init(&k->a, 64u << 20);
    kit_reopen(k, url);
}

static inline void kit_shut(struct kit *k)
{
    store_reader_close(k->r);
    store_close(k->s);
    k->r = NULL;
    k->s = NULL;
}

static inline void kit_close(struct kit *k)
{
    kit_shut(k);
    arena_release(&k->a);
}

static inline int64_t kit_now(const struct kit *k)
{
    return k->clock.wall_ms;
}

/* Adds an event to the batch that kit_commit will send; change it before. */
static inline struct new_event *kit_event(struct kit *k, str body)
{
    EXPECT(k->count < KIT_BATCH_MAX);
    struct new_event *n = &k->events[k->count];
    *n = (struct new_event){.event = {.id = id_next(&k->ids),
                                      .received_ms = kit_now(k),
                                      .source = STR("github"),
                                      .type = STR("push"),
                                      .verdict = STR("verified"),
                                      .method = STR("POST"),
                                      .target = STR("/in/github"),
                                      .head = STR("Host: localhost\r\n"),
                                      .body = body},
                            .deliveries = k->deliveries[k->count]};
    for (size_t i = 0; i < body.n; i++)
        n->event.body_hash[i % 16] =
            (uint8_t)(n->event.body_hash[i % 16] * 31u + (uint8_t)body.p[i] + (unsigned)i);
    if (k->count)
        k->events[k->count - 1].next = n;
    k->count++;
    return n;
}

static inline struct new_delivery *kit_delivery(struct kit *k, struct new_event *n, str to)
{
    EXPECT(n->delivery_count < 4);
    struct new_delivery *d = &k->deliveries[n - k->events][n->delivery_count++];
    *d = (struct new_delivery){
        .id = id_next(&k->ids), .destination = to, .route = STR("all"), .next_ms = kit_now(k)};
    return d;
}

static inline enum err kit_try_commit(struct kit *k)
{
    struct batch b = {.events = k->count ? k->events : NULL, .event_count = k->count};
    k->count = 0;
    return store_commit(k->s, &b, &k->why);
}

static inline void kit_commit(struct kit *k)
{
    EXPECT_OK(kit_try_commit(k), k->why);
}

/* One event with one delivery to `to`, committed; returns the delivery's id. */
static inline uint64_t kit_put(struct kit *k, str to, bool claimed)
{
    struct new_event *n = kit_event(k, STR("{}"));
    struct new_delivery *d = kit_delivery(k, n, to);
    d->claimed = claimed;
    uint64_t id = d->id;
    kit_commit(k);
    return id;
}

static inline enum err kit_try_settle(struct kit *k, uint64_t delivery, enum delivery_state state,
                                      int64_t next_ms, uint32_t attempts)
{
    struct settlement t = {
        .delivery_id = delivery,
        .state = state,
        .next_ms = next_ms,
        .settled_ms = state == DELIVERY_PENDING ? 0 : kit_now(k),
        .attempts = attempts,
        .reason = STR("because"),
        .attempt = {.number = attempts,
                    .result = state == DELIVERY_DELIVERED ? ATTEMPT_SUCCESS : ATTEMPT_RETRY,
                    .started_ms = kit_now(k),
                    .status = 503,
                    .summary = STR("HTTP 503")}};
    struct batch b = {.settlements = &t, .settlement_count = 1};
    return store_commit(k->s, &b, &k->why);
}

static inline void kit_settle(struct kit *k, uint64_t delivery, enum delivery_state state,
                              int64_t next_ms, uint32_t attempts)
{
    EXPECT_OK(kit_try_settle(k, delivery, state, next_ms, attempts), k->why);
}

static inline struct delivery_list kit_claim(struct kit *k, str to, size_t max, bool in_order,
                                             int64_t *next_due_ms)
{
    int64_t ignored;
    struct delivery_list out = {0};
    struct claim c = {.destination = to, .now_ms = kit_now(k), .max = max, .in_order = in_order};
    EXPECT_OK(store_claim(k->s, &c, &k->a, &out, next_due_ms ? next_due_ms : &ignored, &k->why),
              k->why);
    return out;
}

static inline struct store_counts kit_counts(struct kit *k)
{
    struct store_counts c;
    EXPECT_OK(store_counts_get(k->r, &c, &k->why), k->why);
    return c;
}

static inline struct delivery kit_find(struct kit *k, uint64_t delivery)
{
    struct delivery_filter f = {.state = -1, .before = delivery + 1, .limit = 1};
    struct delivery_list l;
    EXPECT_OK(store_deliveries(k->r, &f, &k->a, &l, &k->why), k->why);
    if (l.count != 1 || l.v[0].id != delivery)
        FAIL("delivery %llu is not there", (unsigned long long)delivery);
    return l.v[0];
}

#endif
