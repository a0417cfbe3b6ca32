/* conformance_query_test.c -- what store.h promises of what is asked and of what is done by hand:
 * lists by filter, moves of what a filter selects, content taken out; checked against every store.
 */
#include "cases.h"

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
