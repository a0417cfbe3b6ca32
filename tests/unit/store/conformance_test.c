/* conformance_test.c -- what store.h promises, checked against every store. A case is written once
 * and becomes one test a store; a new store is one more line in CASE. */
#include "cases.h"

/* --- events ----------------------------------------------------------------------------------- */

static void expect_same_event(const struct event *a, const struct event *b)
{
    EXPECT_EQ_UINT(a->id, b->id);
    EXPECT_EQ_INT(a->received_ms, b->received_ms);
    EXPECT_EQ_STR(a->source, b->source);
    EXPECT_EQ_STR(a->provider, b->provider);
    EXPECT_EQ_STR(a->type, b->type);
    EXPECT_EQ_STR(a->dedupe_key, b->dedupe_key);
    EXPECT(memcmp(a->body_hash, b->body_hash, 16) == 0);
    EXPECT_EQ_STR(a->verdict, b->verdict);
    EXPECT_EQ_STR(a->verdict_text, b->verdict_text);
    EXPECT_EQ_STR(a->method, b->method);
    EXPECT_EQ_STR(a->target, b->target);
    EXPECT_EQ_STR(a->peer, b->peer);
    EXPECT_EQ_STR(a->head, b->head);
    EXPECT_EQ_STR(a->body, b->body);
    EXPECT_EQ_STR(a->trace, b->trace);
    EXPECT_EQ_UINT(a->flags, b->flags);
}

static struct event odd_event(struct kit *k)
{
    return (struct event){.id = id_next(&k->ids),
                          .received_ms = kit_now(k) - 5,
                          .source = STR("s"),
                          .provider = STR("stripe"),
                          .type = STR("a.b\0c"),
                          .dedupe_key = STR("k\xff\xfe"),
                          .body_hash = {1, 2, 3, 0, 255},
                          .verdict = STR("verified"),
                          .verdict_text = STR("key 2 matches"),
                          .method = STR("PUT"),
                          .target = STR("/in/s?a=\xc3\xa4"),
                          .peer = STR("[::1]:1"),
                          .head = STR("A: b\r\nA: c\r\n"),
                          .body = STR("\0\x01 bytes \xff"),
                          .trace = STR("route x: matched -> y\n"),
                          .flags = EVENT_REPLAYED};
}

CASE(event_comes_back_byte_for_byte)
{
    struct event e = odd_event(k), got = {0};
    struct new_event *n = kit_event(k, STR("x"));
    n->event = e;
    kit_commit(k);
    EXPECT(n->locator != 0);
    EXPECT_EQ_UINT(n->duplicate_of, 0);
    EXPECT_OK(store_load(k->r, e.id, n->locator, &k->a, &got, &k->why), k->why);
    expect_same_event(&e, &got);
    /* Without the locator it comes from the rows. */
    EXPECT_OK(store_load(k->r, e.id, 0, &k->a, &got, &k->why), k->why);
    expect_same_event(&e, &got);
    EXPECT_EQ_UINT(kit_counts(k).events, 1);
    EXPECT_OK(store_load(k->r, e.id, 0, &k->a, &got, &k->why), k->why);
    expect_same_event(&e, &got);
    EXPECT_EQ_UINT(kit_counts(k).max_id, e.id);
}

CASE(missing_strings_come_back_empty)
{
    struct event got;
    struct new_event *n = kit_event(k, STR_NONE);
    n->event = (struct event){.id = n->event.id, .received_ms = 1};
    kit_commit(k);
    for (int i = 0; i < 2; i++) {
        EXPECT_OK(store_load(k->r, n->event.id, i ? 0 : n->locator, &k->a, &got, &k->why), k->why);
        EXPECT_STR(got.source, "");
        EXPECT_STR(got.body, "");
        EXPECT_STR(got.trace, "");
    }
}

CASE(event_that_is_not_there_is_not_found)
{
    struct event got;
    EXPECT_EQ_INT(store_load(k->r, 77, 0, &k->a, &got, &k->why), ERR_NOT_FOUND);
    EXPECT_EQ_INT(store_load(k->r, 77, 123456, &k->a, &got, &k->why), ERR_NOT_FOUND);
    struct new_event *n = kit_event(k, STR("x"));
    kit_commit(k);
    /* A locator of another event leads to the right one all the same. */
    EXPECT_EQ_INT(store_load(k->r, 77, n->locator, &k->a, &got, &k->why), ERR_NOT_FOUND);
}

/* Whatever view the loads share: nothing that was acknowledged is missing in it. */
CASE(loads_that_are_held_together_find_what_came_later)
{
    struct event got;
    uint64_t ids[20];
    struct store_reader *r = store_reader_open(k->s, &k->why);
    EXPECT(r != NULL);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct new_event *n = kit_event(k, STR("x"));
        ids[i] = n->event.id;
        kit_commit(k);
        EXPECT_EQ_UINT(kit_counts(k).events, i + 1); /* in the rows */
        store_hold(r);
        EXPECT_OK(store_load(r, ids[0], 0, &k->a, &got, &k->why), k->why);
        EXPECT_OK(store_load(r, ids[i], 0, &k->a, &got, &k->why), k->why);
        EXPECT_EQ_UINT(got.id, ids[i]);
        EXPECT_EQ_INT(store_load(r, 77, 0, &k->a, &got, &k->why), ERR_NOT_FOUND);
        if (i % 5 == 4)
            store_rest(r);
    }
    store_rest(r);
    store_rest(r);
    EXPECT_OK(store_load(r, ids[9], 0, &k->a, &got, &k->why), k->why);
    store_reader_close(r);
}

CASE(great_body_comes_back)
{
    size_t n = 20u << 20;
    char *body = malloc(n);
    EXPECT(body != NULL);
    for (size_t i = 0; i < n; i++)
        body[i] = (char)(i * 7 + (i >> 12));
    struct new_event *e = kit_event(k, str_of(body, n));
    kit_commit(k);
    uint64_t id = e->event.id, locator = e->locator;
    kit_event(k, STR("small"));
    kit_commit(k);
    struct event got;
    EXPECT_OK(store_load(k->r, id, locator, &k->a, &got, &k->why), k->why);
    EXPECT(got.body.n == n && memcmp(got.body.p, body, n) == 0);
    EXPECT_EQ_UINT(kit_counts(k).events, 2);
    arena_reset(&k->a);
    EXPECT_OK(store_load(k->r, id, 0, &k->a, &got, &k->why), k->why);
    EXPECT(got.body.n == n && memcmp(got.body.p, body, n) == 0);
    free(body);
}

CASE(load_beyond_the_arena_is_a_limit)
{
    struct new_event *n = kit_event(k, STR("0123456789012345678901234567890123456789"));
    kit_commit(k);
    struct arena small;
    struct event got;
    arena_init(&small, 32);
    EXPECT_EQ_INT(store_load(k->r, n->event.id, n->locator, &small, &got, &k->why), ERR_LIMIT);
    arena_release(&small);
}

CASE(empty_batch_is_fine)
{
    kit_commit(k);
    EXPECT_EQ_UINT(kit_counts(k).events, 0);
    EXPECT_EQ_UINT(kit_counts(k).max_id, 0);
}

/* --- deliveries and leases -------------------------------------------------------------------- */

CASE(planned_deliveries_are_stored_with_the_event)
{
    struct new_event *n = kit_event(k, STR("{}"));
    kit_delivery(k, n, STR("ci"));
    struct new_delivery *d = kit_delivery(k, n, STR("deploy"));
    d->claimed = true;
    d->order_key = UINT64_MAX - 1;
    d->route = STR("push-main");
    d->next_ms = kit_now(k) + 7;
    uint64_t id = d->id, event = n->event.id;
    kit_commit(k);
    struct delivery got = kit_find(k, id);
    EXPECT_EQ_UINT(got.event_id, event);
    EXPECT_STR(got.destination, "deploy");
    EXPECT_STR(got.route, "push-main");
    EXPECT_EQ_UINT(got.order_key, UINT64_MAX - 1);
    EXPECT_EQ_INT(got.state, DELIVERY_CLAIMED);
    EXPECT_EQ_UINT(got.attempts, 0);
    EXPECT_EQ_INT(got.created_ms, kit_now(k));
    EXPECT_EQ_INT(got.next_ms, kit_now(k) + 7);
    EXPECT_STR(got.reason, "");
    struct store_counts c = kit_counts(k);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_PENDING], 1);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_CLAIMED], 1);
    EXPECT_EQ_INT(c.oldest_pending_ms, kit_now(k));
    EXPECT_EQ_UINT(c.max_id, id);
    EXPECT_EQ_UINT(c.lag, 0);
}

CASE(claim_gives_what_is_due_oldest_first_and_once)
{
    uint64_t ids[4];
    for (int i = 0; i < 4; i++) {
        struct new_event *n = kit_event(k, STR("{}"));
        struct new_delivery *d = kit_delivery(k, n, STR("ci"));
        d->next_ms = kit_now(k) + (i == 0 ? 100 : i == 1 ? -5 : 0);
        ids[i] = d->id;
    }
    kit_delivery(k, kit_event(k, STR("{}")), STR("other"));
    kit_commit(k);
    int64_t next;
    struct delivery_list l = kit_claim(k, STR("ci"), 2, false, &next);
    EXPECT_EQ_UINT(l.count, 2);
    EXPECT_EQ_UINT(l.v[0].id, ids[1]);
    EXPECT_EQ_UINT(l.v[1].id, ids[2]);
    EXPECT_EQ_INT(l.v[0].state, DELIVERY_CLAIMED);
    EXPECT_STR(l.v[0].destination, "ci");
    EXPECT_EQ_INT(next, kit_now(k)); /* one that is due was left */
    l = kit_claim(k, STR("ci"), 9, false, &next);
    EXPECT_EQ_UINT(l.count, 1);
    EXPECT_EQ_UINT(l.v[0].id, ids[3]);
    EXPECT_EQ_INT(next, kit_now(k) + 100);
    EXPECT_EQ_UINT(kit_claim(k, STR("ci"), 9, false, &next).count, 0);
    clock_fake_advance(&k->clock, 100);
    EXPECT_EQ_UINT(kit_claim(k, STR("ci"), 9, false, &next).count, 1);
    EXPECT_EQ_INT(next, INT64_MAX);
    EXPECT_EQ_UINT(kit_claim(k, STR("nowhere"), 9, false, &next).count, 0);
    EXPECT_EQ_INT(next, INT64_MAX);
    EXPECT_EQ_UINT(kit_counts(k).by_state[DELIVERY_CLAIMED], 4);
}

CASE(claim_appends_to_the_list_it_is_given)
{
    kit_put(k, STR("a"), false);
    kit_put(k, STR("b"), false);
    struct delivery_list out = {0};
    int64_t next;
    struct claim c = {.destination = STR("a"), .now_ms = kit_now(k), .max = 5};
    EXPECT_OK(store_claim(k->s, &c, &k->a, &out, &next, &k->why), k->why);
    c.destination = STR("b");
    EXPECT_OK(store_claim(k->s, &c, &k->a, &out, &next, &k->why), k->why);
    EXPECT_EQ_UINT(out.count, 2);
    EXPECT_STR(out.v[0].destination, "a");
    EXPECT_STR(out.v[1].destination, "b");
}

CASE(claimed_delivery_leads_to_its_event)
{
    kit_delivery(k, kit_event(k, STR("the body")), STR("ci"));
    kit_commit(k);
    struct delivery_list l = kit_claim(k, STR("ci"), 1, false, NULL);
    struct event got;
    EXPECT_OK(store_load(k->r, l.v[0].event_id, l.v[0].locator, &k->a, &got, &k->why), k->why);
    EXPECT_STR(got.body, "the body");
}

CASE(unclaim_gives_back_for_another_claim)
{
    uint64_t id = kit_put(k, STR("ci"), true), other = kit_put(k, STR("ci"), true);
    EXPECT_EQ_UINT(kit_claim(k, STR("ci"), 9, false, NULL).count, 0);
    EXPECT_OK(store_unclaim(k->s, &id, 1, &k->why), k->why);
    struct delivery_list l = kit_claim(k, STR("ci"), 9, false, NULL);
    EXPECT_EQ_UINT(l.count, 1);
    EXPECT_EQ_UINT(l.v[0].id, id);
    /* What is not claimed is left as it is. */
    kit_settle(k, other, DELIVERY_DEAD, 0, 1);
    EXPECT_OK(store_unclaim(k->s, &other, 1, &k->why), k->why);
    EXPECT_EQ_INT(kit_find(k, other).state, DELIVERY_DEAD);
}

CASE(settling_records_state_reason_and_attempt)
{
    uint64_t id = kit_put(k, STR("ci"), true);
    struct settlement t = {.delivery_id = id,
                           .state = DELIVERY_DELIVERED,
                           .settled_ms = kit_now(k) + 3,
                           .attempts = 1,
                           .reason = STR("HTTP 200 OK"),
                           .attempt = {.number = 1,
                                       .result = ATTEMPT_SUCCESS,
                                       .started_ms = kit_now(k) + 1,
                                       .duration_us = 1234,
                                       .status = 200,
                                       .error_class = STR(""),
                                       .summary = STR("HTTP 200 OK"),
                                       .request = STR("POST /x"),
                                       .response = STR("\0\xff"),
                                       .timing = STR("{\"total\":1234}")}};
    struct batch b = {.settlements = &t, .settlement_count = 1};
    EXPECT_OK(store_commit(k->s, &b, &k->why), k->why);
    struct delivery d = kit_find(k, id);
    EXPECT_EQ_INT(d.state, DELIVERY_DELIVERED);
    EXPECT_EQ_INT(d.settled_ms, kit_now(k) + 3);
    EXPECT_EQ_UINT(d.attempts, 1);
    EXPECT_STR(d.reason, "HTTP 200 OK");
    struct attempt_list l;
    EXPECT_OK(store_attempts(k->r, id, &k->a, &l, &k->why), k->why);
    EXPECT_EQ_UINT(l.count, 1);
    EXPECT_EQ_UINT(l.v[0].delivery_id, id);
    EXPECT_EQ_UINT(l.v[0].number, 1);
    EXPECT_EQ_INT(l.v[0].result, ATTEMPT_SUCCESS);
    EXPECT_EQ_INT(l.v[0].started_ms, kit_now(k) + 1);
    EXPECT_EQ_INT(l.v[0].duration_us, 1234);
    EXPECT_EQ_INT(l.v[0].status, 200);
    EXPECT_STR(l.v[0].summary, "HTTP 200 OK");
    EXPECT_STR(l.v[0].request, "POST /x");
    EXPECT_STR(l.v[0].response, "\0\xff");
    EXPECT_STR(l.v[0].timing, "{\"total\":1234}");
    struct store_counts c = kit_counts(k);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_DELIVERED], 1);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_CLAIMED], 0);
    EXPECT_EQ_INT(c.oldest_pending_ms, 0);
}

CASE(retries_go_on_until_dead)
{
    uint64_t id = kit_put(k, STR("ci"), true);
    for (uint32_t i = 1; i <= 20; i++) {
        kit_settle(k, id, i < 20 ? DELIVERY_PENDING : DELIVERY_DEAD, kit_now(k) + 10, i);
        if (i == 20)
            break;
        int64_t next;
        EXPECT_EQ_UINT(kit_claim(k, STR("ci"), 1, false, &next).count, 0);
        EXPECT_EQ_INT(next, kit_now(k) + 10);
        clock_fake_advance(&k->clock, 10);
        struct delivery_list l = kit_claim(k, STR("ci"), 1, false, NULL);
        EXPECT_EQ_UINT(l.count, 1);
        EXPECT_EQ_UINT(l.v[0].attempts, i);
        EXPECT_STR(l.v[0].reason, "because");
    }
    struct attempt_list l;
    EXPECT_OK(store_attempts(k->r, id, &k->a, &l, &k->why), k->why);
    EXPECT_EQ_UINT(l.count, 20);
    for (uint32_t i = 0; i < 20; i++)
        EXPECT_EQ_UINT(l.v[i].number, i + 1);
    EXPECT_EQ_INT(kit_find(k, id).state, DELIVERY_DEAD);
}

CASE(settling_without_the_lease_is_refused_for_that_row_only)
{
    uint64_t lost = kit_put(k, STR("ci"), true), kept = kit_put(k, STR("ci"), true);
    EXPECT_OK(store_unclaim(k->s, &lost, 1, &k->why), k->why);
    struct settlement t[2] = {{.next = &t[1],
                               .delivery_id = lost,
                               .state = DELIVERY_DELIVERED,
                               .attempts = 1,
                               .reason = STR("late"),
                               .attempt = {.number = 1}},
                              {.delivery_id = kept,
                               .state = DELIVERY_DELIVERED,
                               .attempts = 1,
                               .reason = STR("good"),
                               .attempt = {.number = 1}}};
    struct batch b = {.settlements = t, .settlement_count = 2};
    EXPECT_OK(store_commit(k->s, &b, &k->why), k->why);
    EXPECT_EQ_INT(kit_find(k, lost).state, DELIVERY_PENDING);
    EXPECT_STR(kit_find(k, lost).reason, "");
    EXPECT_EQ_INT(kit_find(k, kept).state, DELIVERY_DELIVERED);
    struct attempt_list l;
    EXPECT_OK(store_attempts(k->r, lost, &k->a, &l, &k->why), k->why);
    EXPECT_EQ_UINT(l.count, 0);
    /* Settled twice: the second comes without a lease too. */
    kit_settle(k, kept, DELIVERY_DEAD, 0, 2);
    EXPECT_EQ_INT(kit_find(k, kept).state, DELIVERY_DELIVERED);
    kit_settle(k, 12345, DELIVERY_DEAD, 0, 2);
    struct store_counts c = kit_counts(k);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_PENDING], 1);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_DELIVERED], 1);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_DEAD], 0);
}

/* --- order ------------------------------------------------------------------------------------ */

static uint64_t put_ordered(struct kit *k, uint64_t key)
{
    struct new_event *n = kit_event(k, STR("{}"));
    struct new_delivery *d = kit_delivery(k, n, STR("fifo"));
    d->order_key = key;
    uint64_t id = d->id;
    kit_commit(k);
    return id;
}

CASE(in_order_one_of_each_key_at_a_time)
{
    uint64_t a1 = put_ordered(k, 1), a2 = put_ordered(k, 1), b1 = put_ordered(k, UINT64_MAX);
    uint64_t none1 = put_ordered(k, 0), none2 = put_ordered(k, 0);
    struct delivery_list l = kit_claim(k, STR("fifo"), 9, true, NULL);
    EXPECT_EQ_UINT(l.count, 4);
    EXPECT_EQ_UINT(l.v[0].id, a1);
    EXPECT_EQ_UINT(l.v[1].id, b1);
    EXPECT_EQ_UINT(l.v[2].id, none1);
    EXPECT_EQ_UINT(l.v[3].id, none2);
    int64_t next;
    EXPECT_EQ_UINT(kit_claim(k, STR("fifo"), 9, true, &next).count, 0);
    EXPECT_EQ_INT(next, INT64_MAX);
    /* The first waits for a retry: nothing of its key may pass it. */
    kit_settle(k, a1, DELIVERY_PENDING, kit_now(k) + 50, 1);
    EXPECT_EQ_UINT(kit_claim(k, STR("fifo"), 9, true, &next).count, 0);
    EXPECT_EQ_INT(next, kit_now(k) + 50);
    clock_fake_advance(&k->clock, 50);
    l = kit_claim(k, STR("fifo"), 9, true, NULL);
    EXPECT_EQ_UINT(l.count, 1);
    EXPECT_EQ_UINT(l.v[0].id, a1);
    kit_settle(k, a1, DELIVERY_DEAD, 0, 2);
    l = kit_claim(k, STR("fifo"), 9, true, NULL);
    EXPECT_EQ_UINT(l.count, 1);
    EXPECT_EQ_UINT(l.v[0].id, a2);
}

CASE(in_order_a_stuck_key_hides_no_other)
{
    uint64_t head = put_ordered(k, 5);
    for (int i = 0; i < 40; i++) {
        for (int j = 0; j < 60; j++)
            kit_delivery(k, kit_event(k, STR("{}")), STR("fifo"))->order_key = 5;
        kit_commit(k);
    }
    EXPECT_EQ_UINT(kit_claim(k, STR("fifo"), 9, true, NULL).v[0].id, head);
    uint64_t other = put_ordered(k, 6);
    struct delivery_list l = kit_claim(k, STR("fifo"), 9, true, NULL);
    EXPECT_EQ_UINT(l.count, 1);
    EXPECT_EQ_UINT(l.v[0].id, other);
}

static uint64_t put_latest(struct kit *k, const char *to, uint64_t key, bool claimed)
{
    struct new_event *n = kit_event(k, STR("{}"));
    struct new_delivery *d = kit_delivery(k, n, str_from_cstr(to));
    d->order_key = key;
    d->claimed = claimed;
    d->supersedes = true;
    return d->id;
}

CASE(superseded_are_cancelled_with_the_commit)
{
    uint64_t old[6], other[3];
    old[0] = put_latest(k, "ci", 7, false);
    other[0] = put_latest(k, "ci", 8, false);
    other[1] = put_latest(k, "cd", 7, false);
    other[2] = put_latest(k, "ci", 0, false);
    old[1] = put_latest(k, "ci", 7, false); /* in the same batch */
    kit_commit(k);
    EXPECT_EQ_INT(kit_find(k, old[0]).state, DELIVERY_CANCELLED);
    EXPECT_EQ_INT(kit_find(k, old[1]).state, DELIVERY_PENDING);
    kit_counts(k);
    old[2] = put_latest(k, "ci", 7, true);
    put_latest(k, "ci", 0, false); /* without a key nothing is superseded */
    kit_commit(k);
    old[3] = put_latest(k, "ci", 7, false);
    kit_commit(k);
    EXPECT_EQ_INT(kit_find(k, old[2]).state, DELIVERY_CLAIMED); /* it is its lane's to end */
    /* A retry that was scheduled in time, and one that came before. */
    kit_settle(k, old[2], DELIVERY_PENDING, kit_now(k) + 5000, 1);
    old[4] = put_latest(k, "ci", 7, true);
    kit_commit(k);
    EXPECT_EQ_UINT(kit_claim(k, STR("cd"), 10, true, NULL).count, 1);
    for (int i = 0; i < 4; i++) {
        struct delivery d = kit_find(k, old[i]);
        char id[ID_TEXT_MAX], text[80];
        static const int by[] = {1, 2, 4, 4};
        EXPECT_EQ_INT(d.state, DELIVERY_CANCELLED);
        EXPECT_EQ_INT(d.settled_ms, kit_now(k));
        (void)snprintf(text, sizeof(text), "superseded by " STR_FMT,
                       STR_ARG(id_format("dlv", old[by[i]], id)));
        EXPECT_EQ_STR(d.reason, str_from_cstr(text));
    }
    EXPECT_EQ_INT(kit_find(k, old[4]).state, DELIVERY_CLAIMED);
    for (int i = 0; i < 3; i++)
        EXPECT(kit_find(k, other[i]).state < DELIVERY_DELIVERED);
    EXPECT_EQ_UINT(kit_counts(k).by_state[DELIVERY_CANCELLED], 4);
    EXPECT_EQ_UINT(kit_counts(k).by_state[DELIVERY_PENDING], 3);
    /* They can be replayed like any other. */
    struct delivery_filter f = {.id = old[0], .state = DELIVERY_CANCELLED};
    uint64_t moved;
    EXPECT_OK(store_move(k->s, STORE_REPLAY, &f, kit_now(k), &moved, &k->why), k->why);
    EXPECT_EQ_UINT(moved, 1);
}

CASE(superseding_many_leaves_one)
{
    uint64_t last = 0;
    for (int i = 0; i < 30; i++) {
        for (int j = 0; j < 60; j++)
            last = put_latest(k, "ci", 1 + (uint64_t)(j % 3), false);
        kit_commit(k);
    }
    EXPECT_EQ_UINT(kit_counts(k).by_state[DELIVERY_PENDING], 3);
    EXPECT_EQ_UINT(kit_counts(k).by_state[DELIVERY_CANCELLED], 1797);
    struct delivery_list l = kit_claim(k, STR("ci"), 10, true, NULL);
    EXPECT_EQ_UINT(l.count, 3);
    EXPECT_EQ_UINT(l.v[2].id, last);
}

CASE(in_order_survives_a_long_run)
{
    uint64_t last[8] = {0};
    size_t done = 0;
    for (int i = 0; i < 5; i++) {
        for (int j = 0; j < 40; j++)
            kit_delivery(k, kit_event(k, STR("{}")), STR("fifo"))->order_key =
                1 + (uint64_t)(j % 8);
        kit_commit(k);
    }
    while (done < 200) {
        struct delivery_list l = kit_claim(k, STR("fifo"), 5, true, NULL);
        EXPECT(l.count > 0);
        for (size_t i = 0; i < l.count; i++, done++) {
            uint64_t *before = &last[l.v[i].order_key - 1];
            EXPECT(l.v[i].id > *before);
            *before = l.v[i].id;
            kit_settle(k, l.v[i].id, DELIVERY_DELIVERED, 0, 1);
        }
    }
}

/* --- deduplication ---------------------------------------------------------------------------- */

static struct new_event *keyed(struct kit *k, const char *key, str body)
{
    struct new_event *n = kit_event(k, body);
    n->event.dedupe_key = str_from_cstr(key);
    n->dedupe_window_ms = 1000;
    return n;
}

CASE(repeat_is_found_and_not_stored)
{
    struct new_event *n = keyed(k, "a", STR("1"));
    kit_delivery(k, n, STR("ci"));
    uint64_t first = n->event.id;
    kit_commit(k);
    for (int i = 0; i < 3; i++) {
        n = keyed(k, "a", STR("1"));
        kit_delivery(k, n, STR("ci"));
        kit_commit(k);
        EXPECT_EQ_UINT(n->duplicate_of, first);
        EXPECT_EQ_UINT(n->locator, 0);
        EXPECT_EQ_UINT(kit_counts(k).events, 1);
        EXPECT_EQ_UINT(kit_counts(k).by_state[DELIVERY_PENDING], 1);
    }
    clock_fake_advance(&k->clock, 999);
    n = keyed(k, "a", STR("1"));
    kit_commit(k);
    EXPECT_EQ_UINT(n->duplicate_of, first);
    clock_fake_advance(&k->clock, 1);
    n = keyed(k, "a", STR("1"));
    kit_commit(k);
    EXPECT_EQ_UINT(n->duplicate_of, 0);
    EXPECT_EQ_UINT(kit_counts(k).events, 2);
}

CASE(repeat_inside_one_batch_is_found)
{
    struct new_event *a = keyed(k, "a", STR("1")), *b = keyed(k, "a", STR("1"));
    struct new_event *c = keyed(k, "b", STR("1")), *d = keyed(k, "a", STR("2"));
    kit_commit(k);
    EXPECT_EQ_UINT(a->duplicate_of, 0);
    EXPECT_EQ_UINT(b->duplicate_of, a->event.id);
    EXPECT_EQ_UINT(c->duplicate_of, 0);
    EXPECT_EQ_UINT(d->duplicate_of, 0);
    EXPECT(!(a->event.flags & EVENT_ID_REUSED));
    EXPECT(d->event.flags & EVENT_ID_REUSED);
    EXPECT_EQ_UINT(kit_counts(k).events, 3);
}

CASE(same_id_with_another_body_is_kept_and_flagged)
{
    struct new_event *n = keyed(k, "a", STR("1"));
    uint64_t first = n->event.id;
    kit_commit(k);
    n = keyed(k, "a", STR("2"));
    uint64_t second = n->event.id;
    kit_commit(k);
    EXPECT_EQ_UINT(n->duplicate_of, 0);
    struct event got;
    EXPECT_OK(store_load(k->r, second, 0, &k->a, &got, &k->why), k->why);
    EXPECT(got.flags & EVENT_ID_REUSED);
    /* Each body's repeats are told from then on. */
    n = keyed(k, "a", STR("1"));
    kit_commit(k);
    EXPECT_EQ_UINT(n->duplicate_of, first);
    n = keyed(k, "a", STR("2"));
    kit_commit(k);
    EXPECT_EQ_UINT(n->duplicate_of, second);
}

CASE(other_sources_and_keyless_events_are_no_repeats)
{
    struct new_event *n = keyed(k, "a", STR("1"));
    kit_commit(k);
    n = keyed(k, "a", STR("1"));
    n->event.source = STR("gitlab");
    kit_commit(k);
    EXPECT_EQ_UINT(n->duplicate_of, 0);
    n = keyed(k, "a", STR("1"));
    n->dedupe_window_ms = 0;
    kit_commit(k);
    EXPECT_EQ_UINT(n->duplicate_of, 0);
    for (int i = 0; i < 2; i++) {
        n = keyed(k, "", STR("1"));
        kit_commit(k);
        EXPECT_EQ_UINT(n->duplicate_of, 0);
    }
    EXPECT_EQ_UINT(kit_counts(k).events, 5);
}

/* --- rejections ------------------------------------------------------------------------------- */

CASE(rejections_are_a_ring)
{
    size_t great = 100u << 10;
    char *body = calloc(1, great);
    for (int i = 0; i < 12; i++) {
        struct rejection v[100];
        for (int j = 0; j < 100; j++)
            v[j] = (struct rejection){.id = id_next(&k->ids),
                                      .received_ms = kit_now(k),
                                      .source = STR("github"),
                                      .verdict = STR("bad signature"),
                                      .verdict_text = STR("no key matches"),
                                      .head = STR("Host: x\r\n"),
                                      .body = str_of(body, j == 99 ? great : 3)};
        struct batch b = {.rejections = v, .rejection_count = 100};
        EXPECT_OK(store_commit(k->s, &b, &k->why), k->why);
        clock_fake_advance(&k->clock, 1000);
    }
    EXPECT_EQ_UINT(kit_counts(k).rejected, 1200);
    struct rejection_list l;
    uint64_t before = 0, seen = 0, last = UINT64_MAX;
    do {
        EXPECT_OK(store_rejections(k->r, before, 300, &k->a, &l, &k->why), k->why);
        for (size_t i = 0; i < l.count; i++) {
            EXPECT(l.v[i].id < last);
            last = l.v[i].id;
        }
        if (before == 0) {
            EXPECT_EQ_UINT(l.v[0].body.n, 64u << 10);
            EXPECT_EQ_UINT(l.v[1].body.n, 3);
            EXPECT_STR(l.v[0].verdict, "bad signature");
            EXPECT_STR(l.v[0].head, "Host: x\r\n");
        }
        seen += l.count;
        before = l.next;
    } while (before);
    EXPECT_EQ_UINT(seen, 1000);
    free(body);
}

/* --- queries ---------------------------------------------------------------------------------- */

static size_t count_events(struct kit *k, struct event_filter f)
{
    size_t n = 0;
    uint64_t last = UINT64_MAX;
    struct event_list l;
    f.limit = 7;
    do {
        EXPECT_OK(store_events(k->r, &f, &k->a, &l, &k->why), k->why);
        EXPECT(l.count <= 7);
        for (size_t i = 0; i < l.count; i++) {
            EXPECT(l.v[i].event.id < last);
            last = l.v[i].event.id;
        }
        n += l.count;
        f.before = l.next;
    } while (l.next);
    return n;
}

static void fill_for_queries(struct kit *k)
{
    for (int i = 0; i < 60; i++) {
        struct new_event *n = kit_event(k, i % 5 ? STR("plain") : STR("has a needle inside"));
        n->event.source = i % 2 ? STR("github") : STR("stripe");
        n->event.type = i % 3 ? STR("push") : STR("ping");
        if (i % 4 == 0)
            kit_delivery(k, n, STR("ci"))->claimed = i % 8 == 0;
        if (i % 6 == 0)
            kit_delivery(k, n, STR("deploy"));
        clock_fake_advance(&k->clock, 1000);
    }
    kit_commit(k);
}

CASE(events_are_listed_by_every_filter)
{
    fill_for_queries(k);
    EXPECT_EQ_UINT(count_events(k, (struct event_filter){.state = -1}), 60);
    EXPECT_EQ_UINT(count_events(k, (struct event_filter){.state = -1, .source = STR("stripe")}),
                   30);
    EXPECT_EQ_UINT(count_events(k, (struct event_filter){.state = -1, .source = STR("x")}), 0);
    EXPECT_EQ_UINT(count_events(k, (struct event_filter){.state = -1, .type = STR("ping")}), 20);
    EXPECT_EQ_UINT(count_events(k, (struct event_filter){.state = -1, .text = STR("needle")}), 12);
    EXPECT_EQ_UINT(count_events(k, (struct event_filter){.state = -1, .text = STR("Host: loc")}),
                   60);
    EXPECT_EQ_UINT(count_events(k, (struct event_filter){.state = -1, .text = STR("absent")}), 0);
    EXPECT_EQ_UINT(count_events(k, (struct event_filter){.state = -1, .destination = STR("ci")}),
                   15);
    EXPECT_EQ_UINT(count_events(k, (struct event_filter){.state = DELIVERY_CLAIMED}), 8);
    EXPECT_EQ_UINT(count_events(k, (struct event_filter){.state = DELIVERY_PENDING,
                                                         .destination = STR("deploy")}),
                   10);
    EXPECT_EQ_UINT(count_events(k, (struct event_filter){.state = DELIVERY_DEAD}), 0);
    EXPECT_EQ_UINT(count_events(k, (struct event_filter){.state = -1,
                                                         .since_ms = KIT_START_MS + 10000,
                                                         .until_ms = KIT_START_MS + 20000}),
                   10);
    EXPECT_EQ_UINT(
        count_events(k, (struct event_filter){.state = -1, .until_ms = KIT_START_MS + 1}), 1);
}

CASE(event_rows_say_size_and_states_without_the_body)
{
    struct new_event *n = kit_event(k, STR("12345"));
    kit_delivery(k, n, STR("a"));
    kit_delivery(k, n, STR("b"));
    kit_delivery(k, n, STR("c"))->claimed = true;
    kit_commit(k);
    struct event_filter f = {.state = -1, .limit = 5};
    struct event_list l;
    EXPECT_OK(store_events(k->r, &f, &k->a, &l, &k->why), k->why);
    EXPECT_EQ_UINT(l.count, 1);
    EXPECT_EQ_UINT(l.next, 0);
    EXPECT_EQ_UINT(l.v[0].body_bytes, 5);
    EXPECT_STR(l.v[0].event.body, "");
    EXPECT_STR(l.v[0].event.head, "");
    EXPECT_STR(l.v[0].event.source, "github");
    EXPECT_EQ_UINT(l.v[0].by_state[DELIVERY_PENDING], 2);
    EXPECT_EQ_UINT(l.v[0].by_state[DELIVERY_CLAIMED], 1);
}

static size_t count_deliveries(struct kit *k, struct delivery_filter f)
{
    size_t n = 0;
    uint64_t last = UINT64_MAX;
    struct delivery_list l;
    f.limit = 4;
    do {
        EXPECT_OK(store_deliveries(k->r, &f, &k->a, &l, &k->why), k->why);
        EXPECT(l.count <= 4);
        for (size_t i = 0; i < l.count; i++) {
            EXPECT(l.v[i].id < last);
            last = l.v[i].id;
        }
        n += l.count;
        f.before = l.next;
    } while (l.next);
    return n;
}

CASE(deliveries_are_listed_and_moved_by_the_end_of_their_reason)
{
    uint64_t moved = 0, dead = kit_put(k, STR("ci"), true);
    kit_settle(k, dead, DELIVERY_DEAD, 0, 3); /* "because" */
    struct delivery_filter f = {.state = -1, .cause = STR("cause")};
    f.cause = STR("and just because");
    EXPECT_EQ_UINT(count_deliveries(k, f), 0);
    f.cause = STR("because");
    EXPECT_OK(store_move(k->s, STORE_REPLAY, &f, kit_now(k), &moved, &k->why), k->why);
    EXPECT_EQ_UINT(moved, 1);
}

CASE(deliveries_are_listed_by_every_filter)
{
    fill_for_queries(k);
    EXPECT_EQ_UINT(count_deliveries(k, (struct delivery_filter){.state = -1}), 25);
    EXPECT_EQ_UINT(count_deliveries(k, (struct delivery_filter){.state = DELIVERY_CLAIMED}), 8);
    EXPECT_EQ_UINT(count_deliveries(k, (struct delivery_filter){.state = DELIVERY_PENDING}), 17);
    EXPECT_EQ_UINT(count_deliveries(k, (struct delivery_filter){.state = DELIVERY_DELIVERED}), 0);
    EXPECT_EQ_UINT(
        count_deliveries(k, (struct delivery_filter){.state = -1, .destination = STR("ci")}), 15);
    EXPECT_EQ_UINT(
        count_deliveries(k, (struct delivery_filter){.state = -1, .destination = STR("x")}), 0);
    EXPECT_EQ_UINT(
        count_deliveries(k, (struct delivery_filter){.state = -1, .source = STR("github")}), 0);
    EXPECT_EQ_UINT(count_deliveries(k, (struct delivery_filter){.state = -1, .type = STR("ping")}),
                   15);
    EXPECT_EQ_UINT(count_deliveries(k, (struct delivery_filter){.state = -1,
                                                                .since_ms = KIT_START_MS + 12000,
                                                                .until_ms = KIT_START_MS + 24000}),
                   5);
    uint64_t event = k->events[0].event.id; /* has one to ci and one to deploy */
    EXPECT_EQ_UINT(count_deliveries(k, (struct delivery_filter){.state = -1, .event_id = event}),
                   2);
    EXPECT_EQ_UINT(
        count_deliveries(k, (struct delivery_filter){.state = DELIVERY_PENDING, .event_id = event}),
        1);
    EXPECT_EQ_UINT(count_deliveries(k, (struct delivery_filter){.state = -1, .event_id = 1}), 0);
}

CASE(pending_destinations_are_those_that_wait)
{
    str *v;
    size_t n;
    EXPECT_OK(store_pending_destinations(k->r, &k->a, &v, &n, &k->why), k->why);
    EXPECT_EQ_UINT(n, 0);
    kit_put(k, STR("a"), false);
    kit_put(k, STR("a"), false);
    kit_put(k, STR("b"), true);
    kit_put(k, STR("c"), false);
    EXPECT_OK(store_pending_destinations(k->r, &k->a, &v, &n, &k->why), k->why);
    EXPECT_EQ_UINT(n, 2);
    EXPECT_STR(v[0], "a");
    EXPECT_STR(v[1], "c");
}

/* --- by hand ---------------------------------------------------------------------------------- */

CASE(replay_moves_the_whole_result)
{
    uint64_t moved;
    for (int i = 0; i < 50; i++) {
        for (int j = 0; j < 50; j++)
            kit_delivery(k, kit_event(k, STR("{}")), j % 2 ? STR("ci") : STR("deploy"))->claimed =
                true;
        struct settlement t[50];
        for (int j = 0; j < 50; j++)
            t[j] = (struct settlement){.next = j < 49 ? &t[j + 1] : NULL,
                                       .delivery_id = k->deliveries[j][0].id,
                                       .state = j % 5 ? DELIVERY_DEAD : DELIVERY_DELIVERED,
                                       .attempts = 3,
                                       .reason = STR("HTTP 500 after 3 attempts")};
        struct batch b = {
            .events = k->events, .event_count = k->count, .settlements = t, .settlement_count = 50};
        struct batch first = {.events = k->events, .event_count = k->count};
        k->count = 0;
        EXPECT_OK(store_commit(k->s, &first, &k->why), k->why);
        b.events = NULL;
        b.event_count = 0;
        EXPECT_OK(store_commit(k->s, &b, &k->why), k->why);
    }
    uint64_t busy = kit_put(k, STR("ci"), true);
    EXPECT_EQ_UINT(kit_counts(k).by_state[DELIVERY_DEAD], 2000);
    struct delivery_filter f = {.state = DELIVERY_DEAD, .destination = STR("ci"), .limit = 3};
    clock_fake_advance(&k->clock, 500);
    EXPECT_OK(store_move(k->s, STORE_REPLAY, &f, kit_now(k), &moved, &k->why), k->why);
    EXPECT_EQ_UINT(moved, 1000);
    struct store_counts c = kit_counts(k);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_DEAD], 1000);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_PENDING], 1000);
    struct delivery_list l = kit_claim(k, STR("ci"), 2, false, NULL);
    EXPECT_EQ_UINT(l.count, 2);
    EXPECT_EQ_UINT(l.v[0].attempts, 3);
    EXPECT_EQ_INT(l.v[0].next_ms, kit_now(k));
    EXPECT_STR(l.v[0].reason, "");
    /* Any final state, the delivered too; what is claimed is left alone. */
    f = (struct delivery_filter){.state = -1};
    EXPECT_OK(store_move(k->s, STORE_REPLAY, &f, kit_now(k), &moved, &k->why), k->why);
    EXPECT_EQ_UINT(moved, 1500);
    EXPECT_EQ_INT(kit_find(k, busy).state, DELIVERY_CLAIMED);
    f.state = DELIVERY_PENDING;
    EXPECT_OK(store_move(k->s, STORE_CANCEL, &f, kit_now(k), &moved, &k->why), k->why);
    EXPECT_EQ_UINT(moved, 2498);
    c = kit_counts(k);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_CANCELLED], 2498);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_PENDING], 0);
    EXPECT_EQ_UINT(kit_claim(k, STR("ci"), 9, false, NULL).count, 0);
    EXPECT_OK(store_move(k->s, STORE_REPLAY, &f, kit_now(k), &moved, &k->why), k->why);
    EXPECT_EQ_UINT(moved, 0);
}

CASE(delivery_can_be_added_to_a_stored_event)
{
    struct new_event *n = kit_event(k, STR("{}"));
    uint64_t event = n->event.id;
    kit_commit(k);
    struct new_delivery d = {.id = id_next(&k->ids),
                             .destination = STR("new"),
                             .route = STR("replay"),
                             .next_ms = kit_now(k)};
    clock_fake_advance(&k->clock, 10);
    EXPECT_OK(store_add_delivery(k->s, event, &d, kit_now(k), &k->why), k->why);
    struct delivery_list l = kit_claim(k, STR("new"), 5, false, NULL);
    EXPECT_EQ_UINT(l.count, 1);
    EXPECT_EQ_UINT(l.v[0].event_id, event);
    EXPECT_EQ_INT(l.v[0].created_ms, kit_now(k));
    EXPECT_EQ_UINT(kit_counts(k).max_id, d.id);
    d.id = id_next(&k->ids);
    EXPECT_EQ_INT(store_add_delivery(k->s, event + 12345, &d, kit_now(k), &k->why), ERR_NOT_FOUND);
    EXPECT_EQ_UINT(kit_counts(k).by_state[DELIVERY_CLAIMED], 1);
}

CASE(content_is_taken_out)
{
    struct new_event *n = kit_event(k, STR("{\"n\":1}"));
    struct new_delivery *d = kit_delivery(k, n, STR("ci"));
    uint64_t event = n->event.id, delivery = d->id;
    struct event e;
    struct attempt_list l;
    d->claimed = true;
    kit_commit(k);
    kit_settle(k, delivery, DELIVERY_DELIVERED, 0, 1);
    EXPECT_OK(store_expunge(k->s, event, 0, &k->why), k->why);
    EXPECT_OK(store_load(k->r, event, 0, &k->a, &e, &k->why), k->why);
    EXPECT_STR(e.body, "");
    EXPECT((e.flags & EVENT_EXPUNGED) != 0);
    EXPECT_OK(store_expunge(k->s, delivery, 1, &k->why), k->why);
    EXPECT_OK(store_attempts(k->r, delivery, &k->a, &l, &k->why), k->why);
    EXPECT_EQ_UINT(l.count, 1);
    EXPECT_STR(l.v[0].request, "");
    EXPECT_STR(l.v[0].response, "");
    EXPECT_EQ_INT(store_expunge(k->s, event + 12345, 0, &k->why), ERR_NOT_FOUND);
    EXPECT_EQ_INT(store_expunge(k->s, delivery, 2, &k->why), ERR_NOT_FOUND);
}
