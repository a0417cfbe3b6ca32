/* lane_test.c -- deliveries through a whole engine on a fake clock: when they are retried, what
 * their lane allows at once and in which order, and how much of a backlog is in memory. */
#include "stage.h"

#define ONE(options)                                                                               \
    STAGE_SOURCE "destinations:\n  one: { handler: { index: 0 }, " options " }\n"                  \
                 "routes:\n  - { from: app, to: [one] }\n"
#define BACK(options)                                                                              \
    STAGE_SOURCE "destinations:\n  one: { handler: { index: 2 }, " options " }\n"                  \
                 "routes:\n  - { from: app, to: [one] }\n"
#define BACKLOG 20000

static bool counts_are(struct stage *s, int pending, int delivered, int dead)
{
    struct store_counts c = stage_counts(s);
    return c.by_state[DELIVERY_CLAIMED] == 0 && (int)c.by_state[DELIVERY_PENDING] == pending &&
           (int)c.by_state[DELIVERY_DELIVERED] == delivered &&
           (int)c.by_state[DELIVERY_DEAD] == dead;
}

/* The attempts are made and settled, and one delivery waits for its retry. */
static bool waits_after(struct stage *s, int attempts)
{
    return atomic_load(&s->call_count) == attempts && counts_are(s, 1, 0, 0);
}

static void answer_always(struct stage *s, int handler, enum attempt_result result)
{
    s->handlers[handler].answers[0] = result;
    s->handlers[handler].answer_count = 1;
}

static void end(struct stage *s)
{
    stage_expect_gates_free(s);
    spy_compare(s->reader);
    stage_release(s);
}

/* --- retries --------------------------------------------------------------------------------- */

void test_lane_retries_when_the_clock_says_so_and_not_before(void)
{
    static const int64_t waits[] = {60000, 300000, 3600000};
    struct stage s;
    struct arena a;
    arena_init(&a, 1u << 20);
    stage_init(&s);
    answer_always(&s, 0, ATTEMPT_RETRY);
    s.handlers[0].answers[3] = ATTEMPT_SUCCESS;
    for (int i = 0; i < 3; i++)
        s.handlers[0].answers[i] = ATTEMPT_RETRY;
    s.handlers[0].answer_count = 4;
    stage_start(&s, ONE("retry: { schedule: [1m, 5m, 1h], jitter: 0 }"));
    uint64_t id = stage_emit(&s, "{\"n\":1}");
    int64_t due = STAGE_START_MS;
    for (int i = 0; i < 3; i++) {
        STAGE_UNTIL(waits_after(&s, i + 1));
        EXPECT_EQ_INT(stage_call(&s, i).at_ms, due);
        due += waits[i];
        EXPECT_EQ_INT(stage_delivery(&s, id, "one", &a).next_ms, due);
        stage_advance(&s, waits[i] - 1);
        stage_turn(&s);
        EXPECT_EQ_INT(s.call_count, i + 1);
        EXPECT(counts_are(&s, 1, 0, 0));
        stage_advance(&s, 1);
    }
    STAGE_UNTIL(counts_are(&s, 0, 1, 0));
    struct delivery d = stage_delivery(&s, id, "one", &a);
    EXPECT_EQ_UINT(d.attempts, 4);
    EXPECT_EQ_INT(d.settled_ms, due);
    arena_release(&a);
    end(&s);
}

void test_lane_dead_letter_after_the_schedule_says_why(void)
{
    struct stage s;
    struct arena a;
    struct attempt_list attempts = {0};
    struct reason why = {0};
    arena_init(&a, 1u << 20);
    stage_init(&s);
    answer_always(&s, 0, ATTEMPT_RETRY);
    stage_start(&s, ONE("retry: { schedule: [1s, 1s], jitter: 0 }"));
    uint64_t id = stage_emit(&s, "{}");
    STAGE_UNTIL(waits_after(&s, 1));
    stage_advance(&s, 1000);
    STAGE_UNTIL(waits_after(&s, 2));
    stage_advance(&s, 1000);
    STAGE_UNTIL(counts_are(&s, 0, 0, 1));
    struct delivery d = stage_delivery(&s, id, "one", &a);
    EXPECT_STR(d.reason, "gave up after 3 attempts: as told");
    EXPECT_OK(store_attempts(s.reader, d.id, &a, &attempts, &why), why);
    EXPECT_EQ_INT(attempts.count, 3);
    for (size_t i = 0; i < 3; i++) {
        EXPECT_EQ_UINT(attempts.v[i].number, i + 1);
        EXPECT_EQ_INT(attempts.v[i].result, ATTEMPT_RETRY);
        EXPECT_EQ_INT(attempts.v[i].started_ms, STAGE_START_MS + 1000 * (int64_t)i);
    }
    stage_advance(&s, 86400000);
    EXPECT_EQ_INT(s.call_count, 3);
    EXPECT_EQ_INT(METRIC_GET(&s.core->metrics, deliveries_dead), 1);
    EXPECT_EQ_INT(METRIC_GET(&s.core->metrics, attempts_failed), 3);
    arena_release(&a);
    end(&s);
}

void test_lane_one_attempt_is_told_as_one(void)
{
    struct stage s;
    struct arena a;
    arena_init(&a, 1u << 20);
    stage_init(&s);
    answer_always(&s, 0, ATTEMPT_RETRY);
    stage_start(&s, ONE("retry: { attempts: 1 }"));
    uint64_t id = stage_emit(&s, "{}");
    STAGE_UNTIL(counts_are(&s, 0, 0, 1));
    EXPECT_STR(stage_delivery(&s, id, "one", &a).reason, "gave up after 1 attempt: as told");
    arena_release(&a);
    end(&s);
}

void test_lane_permanent_failure_is_dead_at_once(void)
{
    struct stage s;
    stage_init(&s);
    answer_always(&s, 0, ATTEMPT_PERMANENT);
    stage_start(&s, ONE("retry: { attempts: 10 }"));
    stage_emit(&s, "{}");
    STAGE_UNTIL(counts_are(&s, 0, 0, 1));
    EXPECT_EQ_INT(s.call_count, 1);
    end(&s);
}

void test_lane_retry_after_of_the_destination_is_honoured(void)
{
    struct stage s;
    stage_init(&s);
    s.handlers[0].answers[0] = ATTEMPT_RETRY;
    s.handlers[0].answer_count = 2;
    s.handlers[0].not_before_ms = STAGE_START_MS + 600000;
    stage_start(&s, ONE("retry: { schedule: [1s], jitter: 0 }"));
    stage_emit(&s, "{}");
    STAGE_UNTIL(waits_after(&s, 1));
    stage_advance(&s, 599999);
    EXPECT_EQ_INT(s.call_count, 1);
    stage_advance(&s, 1);
    STAGE_UNTIL(counts_are(&s, 0, 1, 0));
    EXPECT_EQ_INT(stage_call(&s, 1).at_ms, STAGE_START_MS + 600000);
    end(&s);
}

void test_lane_replay_brings_a_dead_letter_back(void)
{
    struct stage s;
    struct arena a;
    struct reason why = {0};
    uint64_t moved = 0, second = 0;
    arena_init(&a, 1u << 20);
    stage_init(&s);
    s.handlers[0].answers[0] = ATTEMPT_PERMANENT;
    s.handlers[0].answer_count = 2;
    stage_start(&s, ONE("retry: { attempts: 1 }"));
    uint64_t id = stage_emit(&s, "{}");
    STAGE_UNTIL(counts_are(&s, 0, 0, 1));
    struct delivery_filter f = {.state = DELIVERY_DEAD};
    EXPECT_OK(store_move(s.core->store, STORE_REPLAY, &f, stage_clock_now(&s.clock), &moved, &why),
              why);
    EXPECT_EQ_UINT(moved, 1);
    engine_nudge(s.engine);
    STAGE_UNTIL(counts_are(&s, 0, 1, 0));
    EXPECT_EQ_UINT(stage_delivery(&s, id, "one", &a).attempts, 2);
    /* To a destination of its own choice: a second delivery of the same event. */
    EXPECT_OK(engine_replay_to(s.engine, id, STR("one"), &second, &why), why);
    STAGE_UNTIL(counts_are(&s, 0, 1, 1));
    EXPECT_EQ_INT(engine_replay_to(s.engine, id, STR("nobody"), &second, &why), ERR_NOT_FOUND);
    EXPECT_EQ_INT(engine_replay_to(s.engine, 12345, STR("one"), &second, &why), ERR_NOT_FOUND);
    arena_release(&a);
    end(&s);
}

/* --- failures on our side -------------------------------------------------------------------- */

void test_lane_outcomes_wait_for_a_store_that_fails(void)
{
    struct stage s;
    stage_init(&s);
    stage_start(&s, BACK("concurrency: 1"));
    STAGE_UNTIL(!atomic_load(&stage_gate(&s, "one")->backlogged));
    atomic_store(&s.handlers[2].hold, true);
    stage_emit(&s, "{}");
    STAGE_UNTIL(s.call_count == 1);
    spy_fail_commits_after(0, 3, ERR_IO);
    int before = spy_commits();
    atomic_store(&s.handlers[2].hold, false);
    STAGE_UNTIL(spy_commits() == before + 1);
    EXPECT(!counts_are(&s, 0, 1, 0));
    STAGE_UNTIL_LATER(&s, 200, counts_are(&s, 0, 1, 0));
    EXPECT(spy_commits() >= before + 4);
    EXPECT_EQ_INT(s.call_count, 1); /* attempted once, settled when it could be */
    end(&s);
}

void test_lane_looks_again_when_the_store_did_not_answer(void)
{
    struct stage s;
    stage_init(&s);
    spy_fail_claims(2);
    stage_start(&s, ONE("concurrency: 1"));
    stage_emit(&s, "{}"); /* waits in the store: nobody knows yet what is before it */
    STAGE_UNTIL_LATER(&s, 1000, counts_are(&s, 0, 1, 0));
    EXPECT(spy_claims() >= 3);
    end(&s);
}

void test_lane_refused_events_leave_no_place_taken(void)
{
    struct stage s;
    uint64_t id;
    stage_init(&s);
    stage_start(&s, ONE("concurrency: 1"));
    STAGE_UNTIL(!atomic_load(&stage_gate(&s, "one")->backlogged));
    spy_refuse_events(true);
    for (int i = 0; i < LANE_WINDOW * 2; i++)
        EXPECT_EQ_INT(stage_try_emit(&s, "{}", &id), ERR_FULL);
    EXPECT_EQ_INT(stage_gate(&s, "one")->room, LANE_WINDOW);
    spy_refuse_events(false);
    stage_emit(&s, "{}");
    STAGE_UNTIL(counts_are(&s, 0, 1, 0));
    EXPECT_EQ_INT(s.call_count, 1);
    end(&s);
}

/* The window may be full of places that front loops took and gave back, because their commit
 * failed. What became due meanwhile must not wait for the next event. */
void test_lane_due_while_the_window_is_taken_by_others(void)
{
    struct stage s;
    stage_init(&s);
    s.handlers[0].answers[0] = ATTEMPT_RETRY;
    s.handlers[0].answer_count = 2;
    stage_start(&s, ONE("retry: { schedule: [1m], jitter: 0 }"));
    struct gate *g = stage_gate(&s, "one");
    stage_emit(&s, "{}");
    STAGE_UNTIL(waits_after(&s, 1));
    STAGE_UNTIL(atomic_load(&g->room) == LANE_WINDOW && !atomic_load(&g->backlogged));
    for (int i = 0; i < LANE_WINDOW; i++)
        EXPECT(gate_enter(g));
    stage_advance(&s, 60000);
    EXPECT_EQ_INT(s.call_count, 1);
    for (int i = 0; i < LANE_WINDOW; i++)
        gate_leave(g);
    STAGE_UNTIL_LATER(&s, 1000, counts_are(&s, 0, 1, 0));
    end(&s);
}

/* --- how many at once ------------------------------------------------------------------------ */

void test_lane_concurrency_is_never_exceeded_and_is_used(void)
{
    struct stage s;
    stage_init(&s);
    atomic_store(&s.handlers[2].hold, true);
    stage_start(&s, BACK("concurrency: 2"));
    for (int i = 0; i < 50; i++)
        stage_emit(&s, "{}");
    STAGE_UNTIL(atomic_load(&s.handlers[2].running) == 2);
    EXPECT_EQ_INT(stage_gate(&s, "one")->running, 2);
    atomic_store(&s.handlers[2].hold, false);
    STAGE_UNTIL(counts_are(&s, 0, 50, 0));
    EXPECT_EQ_INT(s.handlers[2].running_max, 2);
    end(&s);
}

void test_lane_rate_limits_attempts_of_a_burst(void)
{
    struct stage s;
    stage_init(&s);
    stage_start(&s, ONE("rate: 10/s, concurrency: 4"));
    for (int i = 0; i < 30; i++)
        stage_emit(&s, "{}");
    for (int turn = 0; turn < 200 && atomic_load(&s.call_count) < 30; turn++) {
        stage_advance(&s, 20);
        int64_t passed = stage_clock_now(&s.clock) - STAGE_START_MS;
        EXPECT(atomic_load(&s.call_count) <= 1 + passed / 100);
    }
    /* 30 at 10 a second take 3 s, and little more. */
    EXPECT_EQ_INT(s.call_count, 30);
    STAGE_UNTIL(counts_are(&s, 0, 30, 0));
    end(&s);
}

/* --- order ----------------------------------------------------------------------------------- */

#define IN_ORDER                                                                                   \
    ONE("concurrency: 4, order: fifo, order_by: \"{{ .k }}\", "                                    \
        "retry: { schedule: [1m, 1m, 1m], jitter: 0 }")

/* Odd ones are retried twice. */
static void fail_odd_ones(struct stage_handler *h, struct task *t, struct outcome *o)
{
    struct stage *s = h->stage;
    const struct stage_call *c = &s->calls[atomic_load(&s->call_count) - 1];
    o->result = c->n % 2 && t->delivery->attempts < 2 ? ATTEMPT_RETRY : ATTEMPT_SUCCESS;
}

void test_lane_order_is_kept_per_key_over_retries(void)
{
    enum { KEYS = 3, EACH = 12 };
    struct stage s;
    int64_t last[KEYS];
    stage_init(&s);
    s.handlers[0].is_in_order = true;
    s.handlers[0].answer = fail_odd_ones;
    stage_start(&s, IN_ORDER);
    for (int i = 0; i < KEYS * EACH; i++) {
        char body[64];
        snprintf(body, sizeof(body), "{\"k\":%d,\"n\":%d}", i % KEYS, i);
        stage_emit(&s, body);
    }
    for (int i = 0; i < 200 && !counts_are(&s, 0, KEYS * EACH, 0); i++) {
        stage_advance(&s, 60000);
        for (int turn = 0; turn < 10; turn++)
            stage_turn(&s);
    }
    STAGE_UNTIL(counts_are(&s, 0, KEYS * EACH, 0));
    for (int k = 0; k < KEYS; k++)
        last[k] = -1;
    for (int i = 0; i < s.call_count; i++) {
        struct stage_call c = stage_call(&s, i);
        EXPECT(c.n == last[c.n % KEYS] || c.n > last[c.n % KEYS]);
        last[c.n % KEYS] = c.n;
    }
    EXPECT_EQ_INT(s.call_count, KEYS * EACH * 2);
    end(&s);
}

void test_lane_in_order_a_waiting_key_holds_up_no_other(void)
{
    struct stage s;
    stage_init(&s);
    s.handlers[0].is_in_order = true;
    s.handlers[0].answer = fail_odd_ones;
    stage_start(&s, IN_ORDER);
    stage_emit(&s, "{\"k\":\"a\",\"n\":1}");
    STAGE_UNTIL(waits_after(&s, 1));
    stage_emit(&s, "{\"k\":\"a\",\"n\":2}");
    stage_emit(&s, "{\"k\":\"b\",\"n\":4}");
    STAGE_UNTIL(counts_are(&s, 2, 1, 0));
    EXPECT_EQ_INT(stage_call(&s, 1).n, 4);
    stage_advance(&s, 60000);
    STAGE_UNTIL(atomic_load(&s.call_count) == 3 && counts_are(&s, 2, 1, 0));
    stage_advance(&s, 60000);
    STAGE_UNTIL(counts_are(&s, 0, 3, 0));
    EXPECT_EQ_INT(stage_call(&s, 3).n, 1);
    EXPECT_EQ_INT(stage_call(&s, 4).n, 2);
    end(&s);
}

/* --- a backlog ------------------------------------------------------------------------------- */

void test_lane_window_is_bounded_under_a_backlog(void)
{
    struct stage s;
    struct gate *g;
    stage_init(&s);
    atomic_store(&s.handlers[2].hold, true);
    stage_start(&s, BACK("concurrency: 2"));
    g = stage_gate(&s, "one");
    for (int i = 0; i < BACKLOG; i++) {
        int room = atomic_load(&g->room);
        EXPECT(room >= 0 && room <= LANE_WINDOW);
        stage_emit(&s, "{}");
    }
    EXPECT_EQ_INT(spy_count(DELIVERY_CLAIMED) + spy_count(DELIVERY_PENDING), BACKLOG);
    EXPECT(spy_count(DELIVERY_CLAIMED) <= LANE_WINDOW);
    EXPECT(atomic_load(&g->backlogged));
    atomic_store(&s.handlers[2].hold, false);
    while (spy_count(DELIVERY_DELIVERED) < BACKLOG) {
        int room = atomic_load(&g->room);
        EXPECT(room >= 0 && room <= LANE_WINDOW);
        stage_pause();
    }
    EXPECT(spy_claimed_max() <= LANE_WINDOW);
    EXPECT_EQ_INT(s.call_count, BACKLOG);
    EXPECT_EQ_INT(s.handlers[2].running_max, 2);
    STAGE_UNTIL(!atomic_load(&g->backlogged)); /* newcomers go straight to the lane again */
    end(&s);
}

/* --- other configurations -------------------------------------------------------------------- */

#define NOBODY STAGE_SOURCE "destinations: {}\nroutes: []\n"

void test_lane_destination_that_went_comes_back_with_its_deliveries(void)
{
    struct stage s;
    stage_init(&s);
    atomic_store(&s.handlers[2].hold, true);
    stage_start(&s, BACK("concurrency: 1"));
    for (int i = 0; i < 300; i++)
        stage_emit(&s, "{}");
    STAGE_UNTIL(atomic_load(&s.handlers[2].running) == 1);
    stage_reload(&s, NOBODY);
    /* All but the one that runs are given back. */
    STAGE_UNTIL(spy_count(DELIVERY_CLAIMED) == 1);
    EXPECT_EQ_INT(spy_count(DELIVERY_PENDING), 299);
    atomic_store(&s.handlers[2].hold, false);
    STAGE_UNTIL(counts_are(&s, 299, 1, 0));
    stage_advance(&s, 3600000);
    EXPECT(counts_are(&s, 299, 1, 0));
    EXPECT_EQ_INT(s.call_count, 1);
    stage_reload(&s, BACK("concurrency: 1"));
    STAGE_UNTIL(counts_are(&s, 0, 300, 0));
    EXPECT_EQ_INT(s.call_count, 300);
    end(&s);
}

void test_lane_retry_under_a_destination_that_went_waits_for_it(void)
{
    struct stage s;
    stage_init(&s);
    s.handlers[2].answers[0] = ATTEMPT_RETRY;
    s.handlers[2].answer_count = 2;
    atomic_store(&s.handlers[2].hold, true);
    stage_start(&s, BACK("retry: { schedule: [1m], jitter: 0 }"));
    stage_emit(&s, "{}");
    STAGE_UNTIL(atomic_load(&s.handlers[2].running) == 1);
    stage_reload(&s, NOBODY);
    atomic_store(&s.handlers[2].hold, false);
    STAGE_UNTIL(waits_after(&s, 1)); /* by the policy it was started under */
    stage_advance(&s, 30000);
    stage_reload(&s, BACK("retry: { schedule: [1m], jitter: 0 }"));
    stage_turn(&s);
    EXPECT_EQ_INT(s.call_count, 1);
    stage_advance(&s, 30000);
    STAGE_UNTIL(counts_are(&s, 0, 1, 0));
    EXPECT_EQ_INT(stage_call(&s, 1).at_ms, STAGE_START_MS + 60000);
    end(&s);
}

void test_lane_action_that_cannot_be_made_is_tried_again(void)
{
    struct stage s;
    stage_init(&s);
    s.table.count = 1; /* the program has no function number 2 */
    stage_start(&s, BACK("retry: { schedule: [1m], jitter: 0 }"));
    stage_emit(&s, "{}");
    STAGE_UNTIL(METRIC_GET(&s.core->metrics, attempts_failed) == 1 && counts_are(&s, 1, 0, 0));
    EXPECT_EQ_INT(s.call_count, 0);
    stage_reload(&s, ONE("retry: { schedule: [1m], jitter: 0 }"));
    stage_advance(&s, 60000);
    STAGE_UNTIL(counts_are(&s, 0, 1, 0));
    EXPECT_EQ_INT(stage_call(&s, 0).attempt, 2);
    end(&s);
}

/* --- the end --------------------------------------------------------------------------------- */

static void drain_and_reopen(const char *options)
{
    struct stage s;
    char text[1024];
    snprintf(text, sizeof(text),
             STAGE_SOURCE "store: \"sqlite:data\"\n"
                          "destinations:\n  one: { handler: { index: 2 }, %s }\n"
                          "routes:\n  - { from: app, to: [one] }\n",
             options);
    stage_init(&s);
    atomic_store(&s.handlers[2].hold, true);
    stage_start(&s, text);
    for (int i = 0; i < 400; i++)
        stage_emit(&s, "{}");
    STAGE_UNTIL(atomic_load(&s.handlers[2].running) == 1);
    int done = atomic_load(&s.call_count);
    atomic_store(&s.handlers[2].hold, false);
    engine_drain(s.engine, 20000);
    /* What waited was given back; what ran is settled. */
    EXPECT_EQ_INT(spy_count(DELIVERY_CLAIMED), 0);
    EXPECT(spy_count(DELIVERY_DELIVERED) >= done);
    EXPECT_EQ_INT(spy_count(DELIVERY_DELIVERED), s.call_count);
    stage_stop(&s);
    stage_clock_advance(&s.clock, 1000);
    stage_start(&s, text);
    STAGE_UNTIL(counts_are(&s, 0, 400, 0));
    EXPECT_EQ_INT(s.call_count, 400);
    end(&s);
}

void test_lane_drain_gives_back_and_the_next_start_picks_up(void)
{
    drain_and_reopen("concurrency: 1");
}

void test_lane_drain_in_order_gives_back_and_the_next_start_picks_up(void)
{
    drain_and_reopen("concurrency: 1, order: fifo");
}

void test_lane_drain_does_not_wait_for_retries(void)
{
    struct stage s;
    stage_init(&s);
    answer_always(&s, 0, ATTEMPT_RETRY);
    stage_start(&s, ONE("retry: { schedule: [1h], jitter: 0 }"));
    stage_emit(&s, "{}");
    STAGE_UNTIL(waits_after(&s, 1));
    EXPECT(!engine_unready(s.engine));
    engine_drain(s.engine, 20000); /* a retry that is due later holds nobody up */
    EXPECT_CSTR(engine_unready(s.engine), "draining");
    EXPECT(counts_are(&s, 1, 0, 0));
    stage_release(&s);
}

/* A retry that became due while nobody ran is made at the next start. */
void test_lane_start_picks_up_what_is_due(void)
{
    static const char text[] =
        STAGE_SOURCE "store: \"sqlite:data\"\n"
                     "destinations:\n  one: { handler: { index: 0 }, retry: { schedule: [1h] } }\n"
                     "routes:\n  - { from: app, to: [one] }\n";
    struct stage s;
    stage_init(&s);
    s.handlers[0].answers[0] = ATTEMPT_RETRY;
    s.handlers[0].answer_count = 2;
    stage_start(&s, text);
    stage_emit(&s, "{}");
    STAGE_UNTIL(waits_after(&s, 1));
    stage_stop(&s);
    stage_clock_advance(&s.clock, 7200000);
    stage_start(&s, text);
    STAGE_UNTIL(counts_are(&s, 0, 1, 0));
    EXPECT_EQ_INT(stage_call(&s, 1).attempt, 2);
    end(&s);
}

/* The first look into the store may still be under way. */
void test_lane_stop_right_after_the_start(void)
{
    struct stage s;
    stage_init(&s);
    for (int round = 0; round < 200; round++) {
        stage_start(&s, ONE("concurrency: 1"));
        stage_stop(&s);
    }
    stage_release(&s);
}

/* --- the circuit ------------------------------------------------------------------------------ */

static bool is_in_state(struct stage *s, enum circuit_state state)
{
    return atomic_load(&stage_gate(s, "one")->circuit) == (int)state;
}

void test_lane_circuit_leaves_a_failing_destination_alone_and_loses_nothing(void)
{
    struct stage s;
    stage_init(&s);
    answer_always(&s, 0, ATTEMPT_RETRY);
    stage_start(&s, ONE("concurrency: 1, retry: { schedule: [1s, 1s, 1s, 1s, 1s], jitter: 0 }, "
                        "circuit: { failures: 3, wait: 10s, max: 20s }"));
    for (int i = 0; i < 20; i++)
        stage_emit(&s, "{}");
    STAGE_UNTIL(counts_are(&s, 17, 0, 0) || is_in_state(&s, CIRCUIT_OPEN));
    STAGE_UNTIL(is_in_state(&s, CIRCUIT_OPEN));
    stage_turn(&s);
    EXPECT_EQ_INT(s.call_count, 3);
    EXPECT_EQ_INT(stage_gate(&s, "one")->circuit_until_ms, STAGE_START_MS + 10000);
    stage_advance(&s, 9999); /* retries are due; they wait as well */
    stage_turn(&s);
    EXPECT_EQ_INT(s.call_count, 3);
    stage_advance(&s, 1);
    STAGE_UNTIL(s.call_count == 4 && is_in_state(&s, CIRCUIT_OPEN)); /* one asked */
    stage_advance(&s, 19999);
    stage_turn(&s);
    EXPECT_EQ_INT(s.call_count, 4);
    s.handlers[0].answers[0] = ATTEMPT_SUCCESS;
    stage_advance(&s, 1);
    STAGE_UNTIL(counts_are(&s, 0, 20, 0));
    EXPECT(is_in_state(&s, CIRCUIT_CLOSED));
    EXPECT_EQ_INT(METRIC_GET(&s.core->metrics, circuits_opened), 1);
    end(&s);
}

void test_lane_circuit_by_hand(void)
{
    struct stage s;
    stage_init(&s);
    answer_always(&s, 0, ATTEMPT_RETRY);
    stage_start(&s, ONE("concurrency: 1, retry: { schedule: [1s, 1s], jitter: 0 }, "
                        "circuit: { failures: 2, wait: 1h }"));
    for (int i = 0; i < 5; i++)
        stage_emit(&s, "{}");
    STAGE_UNTIL(is_in_state(&s, CIRCUIT_OPEN));
    engine_nudge(s.engine); /* as after a replay: one asks now */
    STAGE_UNTIL(s.call_count == 3 && is_in_state(&s, CIRCUIT_OPEN));
    s.handlers[0].answers[0] = ATTEMPT_SUCCESS;
    atomic_store(&stage_gate(&s, "one")->circuit_wish, CIRCUIT_WISH_CLOSE);
    engine_nudge(s.engine);
    stage_advance(&s, 1000);
    STAGE_UNTIL(counts_are(&s, 0, 5, 0));
    EXPECT(is_in_state(&s, CIRCUIT_CLOSED));
    end(&s);
}

void test_lane_circuit_is_off_unless_it_is_asked_for(void)
{
    struct stage s;
    stage_init(&s);
    answer_always(&s, 0, ATTEMPT_RETRY);
    stage_start(&s, ONE("concurrency: 1, retry: { schedule: [1h], jitter: 0 }"));
    for (int i = 0; i < 30; i++)
        stage_emit(&s, "{}");
    STAGE_UNTIL(counts_are(&s, 30, 0, 0) && s.call_count == 30);
    end(&s);
}
