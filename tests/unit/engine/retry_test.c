/* retry_test.c -- what follows an attempt: every result, the schedule, chance, Retry-After. */
#include "engine/retry.h"

#include "unit.h"

#define NOW INT64_C(1700000000000)

static int64_t waits[] = {1000, 60000, 3600000};

static struct retry_decision decide(double jitter, uint32_t attempt, enum attempt_result result,
                                    int64_t not_before_ms, struct rng *rng)
{
    struct retry_policy policy = {waits, ARRAY_LEN(waits), jitter};
    struct outcome o = {.result = result, .not_before_ms = not_before_ms};
    return retry_decide(&policy, attempt, &o, NOW, rng);
}

void test_retry_follows_the_schedule_then_dies(void)
{
    struct rng rng;
    rng_init(&rng, 1);
    for (uint32_t attempt = 1; attempt <= ARRAY_LEN(waits); attempt++) {
        struct retry_decision d = decide(0, attempt, ATTEMPT_RETRY, 0, &rng);
        EXPECT_EQ_INT(d.state, DELIVERY_PENDING);
        EXPECT_EQ_INT(d.next_ms, NOW + waits[attempt - 1]);
    }
    EXPECT_EQ_INT(decide(0, 4, ATTEMPT_RETRY, 0, &rng).state, DELIVERY_DEAD);
    EXPECT_EQ_INT(decide(0, 1000, ATTEMPT_RETRY, 0, &rng).state, DELIVERY_DEAD);
}

void test_retry_without_waits_gives_one_attempt(void)
{
    struct retry_policy policy = {NULL, 0, 0.5};
    struct outcome o = {.result = ATTEMPT_RETRY, .not_before_ms = NOW + 5};
    struct rng rng;
    rng_init(&rng, 1);
    EXPECT_EQ_INT(retry_decide(&policy, 1, &o, NOW, &rng).state, DELIVERY_DEAD);
}

void test_retry_each_result_has_its_state(void)
{
    static const struct {
        enum attempt_result result;
        enum delivery_state state;
    } table[] = {
        {ATTEMPT_SUCCESS, DELIVERY_DELIVERED}, {ATTEMPT_RETRY, DELIVERY_PENDING},
        {ATTEMPT_PERMANENT, DELIVERY_DEAD},    {ATTEMPT_SKIPPED, DELIVERY_SKIPPED},
        {ATTEMPT_CANCELLED, DELIVERY_PENDING}, {ATTEMPT_LOST, DELIVERY_PENDING},
    };
    struct rng rng;
    rng_init(&rng, 1);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct retry_decision d = decide(0.5, 1, table[i].result, 0, &rng);
        EXPECT_EQ_INT(d.state, table[i].state);
        EXPECT(delivery_may_move(DELIVERY_CLAIMED, d.state));
    }
}

/* Ended by us, not by the destination: due again at once, also after the last attempt. */
void test_retry_cancelled_is_due_at_once(void)
{
    struct rng rng;
    rng_init(&rng, 1);
    for (uint32_t attempt = 1; attempt < 10; attempt++) {
        struct retry_decision d = decide(1, attempt, ATTEMPT_CANCELLED, NOW + 99999, &rng);
        EXPECT_EQ_INT(d.state, DELIVERY_PENDING);
        EXPECT_EQ_INT(d.next_ms, NOW);
    }
}

void test_retry_jitter_stays_within_its_bounds_and_uses_them(void)
{
    struct rng rng;
    int64_t least = INT64_MAX, most = 0;
    rng_init(&rng, 7);
    for (int i = 0; i < 20000; i++) {
        int64_t wait = decide(0.25, 2, ATTEMPT_RETRY, 0, &rng).next_ms - NOW;
        EXPECT(wait >= 45000 && wait <= 75000);
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    EXPECT(least < 45100);
    EXPECT(most > 74900);
}

void test_retry_whole_jitter_never_goes_back_in_time(void)
{
    struct rng rng;
    rng_init(&rng, 8);
    for (int i = 0; i < 20000; i++) {
        int64_t next = decide(1, 1, ATTEMPT_RETRY, 0, &rng).next_ms;
        EXPECT(next >= NOW && next <= NOW + 2000);
    }
}

void test_retry_after_counts_when_it_is_later(void)
{
    struct rng rng;
    rng_init(&rng, 1);
    EXPECT_EQ_INT(decide(0, 1, ATTEMPT_RETRY, NOW + 5000, &rng).next_ms, NOW + 5000);
    EXPECT_EQ_INT(decide(0, 1, ATTEMPT_RETRY, NOW + 999, &rng).next_ms, NOW + 1000);
    EXPECT_EQ_INT(decide(0, 2, ATTEMPT_RETRY, NOW - 5000, &rng).next_ms, NOW + 60000);
    /* It moves an attempt, it does not grant one. */
    EXPECT_EQ_INT(decide(0, 4, ATTEMPT_RETRY, NOW + 5000, &rng).state, DELIVERY_DEAD);
    EXPECT_EQ_INT(decide(0, 1, ATTEMPT_SUCCESS, NOW + 5000, &rng).state, DELIVERY_DELIVERED);
}

void test_retry_same_seed_same_times(void)
{
    struct rng a, b;
    rng_init(&a, 42);
    rng_init(&b, 42);
    for (int i = 0; i < 100; i++)
        EXPECT_EQ_INT(decide(0.5, 3, ATTEMPT_RETRY, 0, &a).next_ms,
                      decide(0.5, 3, ATTEMPT_RETRY, 0, &b).next_ms);
}
