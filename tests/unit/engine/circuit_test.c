/* circuit_test.c -- when the circuit opens, who asks, and what closes it. */
#include "engine/circuit.h"

#include "unit.h"

static const struct circuit_policy three = {3, 1000, 3000};

static void fail_times(struct circuit *c, int times, int64_t now_ms)
{
    for (int i = 0; i < times; i++)
        (void)circuit_ended(c, &three, (uint64_t)i + 1, CIRCUIT_FAILED, now_ms);
}

void test_circuit_opens_after_failures_in_a_row_alone(void)
{
    struct circuit c = {0};
    fail_times(&c, 2, 0);
    EXPECT(!circuit_ended(&c, &three, 9, CIRCUIT_ANSWERED, 0));
    fail_times(&c, 2, 0);
    EXPECT(!circuit_ended(&c, &three, 9, CIRCUIT_NO_WORD, 0));
    EXPECT_EQ_INT(circuit_wait(&c, &three, 0), 0);
    EXPECT_EQ_INT(c.state, CIRCUIT_CLOSED);
    EXPECT(circuit_ended(&c, &three, 9, CIRCUIT_FAILED, 0));
    EXPECT_EQ_INT(c.state, CIRCUIT_OPEN);
    EXPECT_EQ_INT(circuit_wait(&c, &three, 0), 1000);
    EXPECT_EQ_INT(circuit_wait(&c, &three, 999), 1);
}

void test_circuit_half_open_lets_one_ask_at_a_time(void)
{
    struct circuit c = {0};
    fail_times(&c, 3, 0);
    EXPECT_EQ_INT(circuit_wait(&c, &three, 1000), 0);
    circuit_started(&c, 7);
    EXPECT(circuit_wait(&c, &three, 1000) < 0);
    EXPECT(!circuit_ended(&c, &three, 7, CIRCUIT_NO_WORD, 1001));
    EXPECT_EQ_INT(circuit_wait(&c, &three, 1001), 0);
    circuit_started(&c, 8);
    EXPECT(!circuit_ended(&c, &three, 8, CIRCUIT_ANSWERED, 1002));
    EXPECT_EQ_INT(c.state, CIRCUIT_CLOSED);
    fail_times(&c, 2, 1002);
    EXPECT_EQ_INT(c.state, CIRCUIT_CLOSED);
}

void test_circuit_pauses_double_up_to_the_longest(void)
{
    struct circuit c = {0};
    int64_t now = 0;
    static const int64_t pauses[] = {1000, 2000, 3000, 3000};
    fail_times(&c, 3, now);
    for (size_t i = 0; i < ARRAY_LEN(pauses); i++) {
        EXPECT_EQ_INT(circuit_wait(&c, &three, now), pauses[i]);
        now += pauses[i];
        EXPECT_EQ_INT(circuit_wait(&c, &three, now), 0);
        circuit_started(&c, 100 + i);
        EXPECT(circuit_ended(&c, &three, 100 + i, CIRCUIT_FAILED, now));
    }
}

void test_circuit_attempts_of_before_it_opened(void)
{
    struct circuit c = {0};
    fail_times(&c, 3, 0);
    EXPECT(!circuit_ended(&c, &three, 50, CIRCUIT_FAILED, 500));
    EXPECT_EQ_INT(circuit_wait(&c, &three, 500), 500); /* no longer for it */
    EXPECT(!circuit_ended(&c, &three, 51, CIRCUIT_ANSWERED, 600));
    EXPECT_EQ_INT(c.state, CIRCUIT_CLOSED);
}

void test_circuit_by_hand_and_switched_off(void)
{
    static const struct circuit_policy off = {0, 1000, 3000};
    struct circuit c = {0};
    fail_times(&c, 3, 0);
    circuit_hurry(&c);
    EXPECT_EQ_INT(circuit_wait(&c, &three, 0), 0);
    EXPECT_EQ_INT(c.state, CIRCUIT_HALF_OPEN);
    EXPECT_EQ_INT(circuit_wait(&c, &off, 0), 0);
    EXPECT_EQ_INT(c.state, CIRCUIT_CLOSED);
    for (int i = 0; i < 100; i++)
        EXPECT(!circuit_ended(&c, &off, 1, CIRCUIT_FAILED, 0));
    EXPECT_STR(str_from_cstr(circuit_state_word(CIRCUIT_HALF_OPEN)), "half-open");
}
