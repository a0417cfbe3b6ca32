/* latest_test.c -- one run a key, of the newest event: superseding and debounce through a whole
 * engine on a fake clock. */
#include "stage.h"

#include "base/rand.h"

#define LATEST(index, options)                                                                     \
    STAGE_SOURCE "destinations:\n  one: { handler: { index: " index                                \
                 " }, order_by: \"{{ .k }}\", " options " }\n"                                     \
                 "routes:\n  - { from: app, to: [one] }\n"

static int state_of(struct stage *s, uint64_t event, const char **reason)
{
    static struct arena a = {.max = 1u << 20};
    static char text[256];
    arena_reset(&a);
    struct delivery d = stage_delivery(s, event, "one", &a);
    (void)snprintf(text, sizeof(text), STR_FMT, STR_ARG(d.reason));
    if (reason)
        *reason = text;
    return (int)d.state;
}

static void end(struct stage *s)
{
    stage_expect_gates_free(s);
    spy_compare(s->reader);
    stage_release(s);
}

void test_latest_supersedes_what_waits_and_lets_what_runs_end(void)
{
    struct stage s;
    const char *reason;
    stage_init(&s);
    atomic_store(&s.handlers[2].hold, true);
    stage_start(&s, LATEST("2", "latest_wins: queued, concurrency: 4"));
    uint64_t first = stage_emit(&s, "{\"k\":1,\"n\":1}");
    STAGE_UNTIL(s.handlers[2].running == 1);
    uint64_t middle[5];
    for (int i = 0; i < 5; i++)
        middle[i] = stage_emit(&s, "{\"k\":1,\"n\":2}");
    uint64_t other = stage_emit(&s, "{\"k\":2,\"n\":3}");
    uint64_t last = stage_emit(&s, "{\"k\":1,\"n\":4}");
    STAGE_UNTIL(s.handlers[2].running == 2);
    for (int i = 0; i < 5; i++) {
        STAGE_UNTIL(state_of(&s, middle[i], NULL) == DELIVERY_CANCELLED);
        EXPECT_EQ_INT(state_of(&s, middle[i], &reason), DELIVERY_CANCELLED);
        EXPECT_HAS(reason, "superseded by dlv_");
    }
    atomic_store(&s.handlers[2].hold, false);
    STAGE_UNTIL(state_of(&s, last, NULL) == DELIVERY_DELIVERED);
    EXPECT_EQ_INT(state_of(&s, first, NULL), DELIVERY_DELIVERED);
    STAGE_UNTIL(state_of(&s, other, NULL) == DELIVERY_DELIVERED);
    EXPECT_EQ_INT(s.call_count, 3);
    end(&s);
}

void test_latest_does_not_retry_what_a_newer_one_replaced(void)
{
    struct stage s;
    const char *reason;
    stage_init(&s);
    atomic_store(&s.handlers[2].hold, true);
    s.handlers[2].answers[0] = ATTEMPT_RETRY;
    s.handlers[2].answer_count = 1;
    stage_start(&s, LATEST("2", "latest_wins: queued, retry: { schedule: [1h], jitter: 0 }"));
    uint64_t first = stage_emit(&s, "{\"k\":1}");
    STAGE_UNTIL(s.handlers[2].running == 1);
    uint64_t second = stage_emit(&s, "{\"k\":1}");
    stage_turn(&s);
    atomic_store(&s.handlers[2].hold, false);
    STAGE_UNTIL(state_of(&s, first, NULL) == DELIVERY_CANCELLED);
    (void)state_of(&s, first, &reason);
    EXPECT_HAS(reason, "superseded by dlv_");
    STAGE_UNTIL(s.call_count == 2);
    /* The second waits for its retry in the store; a third takes its place there. */
    STAGE_UNTIL(state_of(&s, second, NULL) == DELIVERY_PENDING);
    uint64_t third = stage_emit(&s, "{\"k\":1}");
    EXPECT_EQ_INT(state_of(&s, second, NULL), DELIVERY_CANCELLED);
    STAGE_UNTIL(s.call_count == 3);
    STAGE_UNTIL(state_of(&s, third, NULL) == DELIVERY_PENDING);
    end(&s);
}

void test_debounce_delivers_once_when_the_burst_is_over(void)
{
    struct stage s;
    stage_init(&s);
    stage_start(&s, LATEST("0", "debounce: { wait: 10s, max: 25s }"));
    uint64_t ids[4];
    for (int i = 0; i < 3; i++) {
        ids[i] = stage_emit(&s, "{\"k\":1}");
        stage_advance(&s, 4000);
        stage_turn(&s);
    }
    EXPECT_EQ_INT(s.call_count, 0);
    stage_advance(&s, 5999); /* 17.999 s: the last came at 8 s */
    stage_turn(&s);
    EXPECT_EQ_INT(s.call_count, 0);
    stage_advance(&s, 1);
    STAGE_UNTIL(state_of(&s, ids[2], NULL) == DELIVERY_DELIVERED);
    EXPECT_EQ_INT(s.call_count, 1);
    EXPECT_EQ_INT(stage_call(&s, 0).at_ms, STAGE_START_MS + 18000);
    EXPECT_EQ_INT(state_of(&s, ids[0], NULL), DELIVERY_CANCELLED);
    EXPECT_EQ_INT(state_of(&s, ids[1], NULL), DELIVERY_CANCELLED);
    end(&s);
}

void test_debounce_has_a_maximum(void)
{
    struct stage s;
    stage_init(&s);
    stage_start(&s, LATEST("0", "debounce: { wait: 10s, max: 25s }"));
    for (int i = 0; i < 7; i++) { /* at 0, 4, ... 24 s */
        stage_emit(&s, "{\"k\":1}");
        stage_turn(&s);
        EXPECT_EQ_INT(s.call_count, 0);
        if (i < 6)
            stage_advance(&s, 4000);
    }
    stage_advance(&s, 999);
    stage_turn(&s);
    EXPECT_EQ_INT(s.call_count, 0);
    stage_advance(&s, 1);
    STAGE_UNTIL(s.call_count == 1);
    EXPECT_EQ_INT(stage_call(&s, 0).at_ms, STAGE_START_MS + 25000);
    STAGE_UNTIL(spy_count(DELIVERY_DELIVERED) == 1);
    EXPECT_EQ_INT(spy_count(DELIVERY_CANCELLED), 6);
    end(&s);
}

/* --- by seed --------------------------------------------------------------------------------- */

#define KEYS 4
#define EVENTS 120

struct burst_check {
    uint64_t newest[KEYS + 1]; /* event ids by order of emitting */
    uint64_t order_keys[KEYS + 1];
};

static void random_outcome(struct stage_handler *h, struct task *t, struct outcome *o)
{
    UNUSED(t);
    uint64_t dice = rng_below(h->arg, 10);
    o->result = dice < 6 ? ATTEMPT_SUCCESS : dice < 9 ? ATTEMPT_RETRY : ATTEMPT_PERMANENT;
    o->summary = STR("by chance");
}

static void check_newest(const struct spy_delivery *d, void *arg)
{
    const struct burst_check *b = arg;
    EXPECT(d->state >= DELIVERY_DELIVERED);
    for (int i = 0; i < KEYS; i++)
        if (d->event_id == b->newest[i] && d->state == DELIVERY_CANCELLED)
            FAIL("the newest of key %d was cancelled", i);
}

static void run_seed(uint64_t seed, const char *options)
{
    struct stage s;
    struct rng rng, outcomes;
    struct burst_check check = {0};
    char text[1024];
    rng_init(&rng, seed);
    rng_init(&outcomes, seed + 99);
    stage_init(&s);
    s.handlers[2].answer = random_outcome;
    s.handlers[2].arg = &outcomes;
    s.handlers[2].is_in_order = true;
    (void)snprintf(text, sizeof(text),
                   STAGE_SOURCE "destinations:\n  one: { handler: { index: 2 }, order_by: "
                                "\"{{ .k }}\", concurrency: 3, %s, retry: { schedule: [1s, 20s] } }"
                                "\nroutes:\n  - { from: app, to: [one] }\n",
                   options);
    stage_start(&s, text);
    for (int i = 0; i < EVENTS; i++) {
        char body[64];
        uint64_t key = rng_below(&rng, KEYS), dice = rng_below(&rng, 10);
        (void)snprintf(body, sizeof(body), "{\"k\":%d}", (int)key);
        check.newest[key] = stage_emit(&s, body);
        if (dice < 4)
            stage_advance(&s, (int64_t)rng_below(&rng, 4000));
        else if (dice < 6)
            stage_turn(&s);
    }
    for (int round = 0; spy_count(DELIVERY_PENDING) + spy_count(DELIVERY_CLAIMED) > 0; round++) {
        if (round == 3000)
            FAIL("seed %d: deliveries do not end", (int)seed);
        stage_advance(&s, 5000);
        stage_pause();
    }
    spy_each(check_newest, &check);
    EXPECT_EQ_INT(s.handlers[2].running_max <= 3, 1);
    end(&s);
}

void test_latest_by_seed_the_newest_is_never_lost(void)
{
    log_setup(LOG_AUTO, LOG_ERROR + 1);
    for (uint64_t seed = 1; seed <= 12; seed++)
        run_seed(seed, seed % 2 ? "latest_wins: queued" : "latest_wins: running");
}

void test_debounce_by_seed_the_newest_is_never_lost(void)
{
    log_setup(LOG_AUTO, LOG_ERROR + 1);
    for (uint64_t seed = 1; seed <= 12; seed++)
        run_seed(seed, "debounce: { wait: 2s, max: 7s }");
}
