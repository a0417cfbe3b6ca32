/* conformance_test.c -- what store.h promises of events, of deliveries and of their order, checked
 * against every store. A case is written once and becomes one test a store; a new store is one more
 * line in CASE. What else it promises is in the files beside this one. */
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
