/* debounce_test.c -- when bursts end, by the table of times alone. */
#include "engine/debounce.h"

#include "unit.h"

void test_debounce_each_event_puts_the_moment_off(void)
{
    struct debounce *d = debounce_new();
    EXPECT_EQ_INT(debounce_due(d, 1, 0, 10, 100), 10);
    EXPECT_EQ_INT(debounce_due(d, 1, 5, 10, 100), 15);
    EXPECT_EQ_INT(debounce_due(d, 1, 14, 10, 100), 24);
    EXPECT_EQ_INT(debounce_due(d, 2, 14, 10, 100), 24); /* a key of its own */
    /* It was due: the next one begins a burst of its own. */
    EXPECT_EQ_INT(debounce_due(d, 1, 24, 10, 100), 34);
    debounce_free(d);
}

void test_debounce_never_waits_beyond_the_maximum(void)
{
    struct debounce *d = debounce_new();
    int64_t due = 0;
    for (int64_t t = 0; t < 35; t += 5)
        due = debounce_due(d, 9, t, 10, 35);
    EXPECT_EQ_INT(due, 35);
    EXPECT_EQ_INT(debounce_due(d, 9, 34, 10, 35), 35);
    EXPECT_EQ_INT(debounce_due(d, 9, 35, 10, 35), 45);
    debounce_free(d);
}

void test_debounce_beyond_its_keys_holds_nothing_back(void)
{
    struct debounce *d = debounce_new();
    for (uint64_t key = 1; key <= DEBOUNCE_KEYS_MAX; key++)
        EXPECT_EQ_INT(debounce_due(d, key, 0, 10, 100), 10);
    EXPECT_EQ_INT(debounce_due(d, DEBOUNCE_KEYS_MAX + 1, 0, 10, 100), 0);
    EXPECT_EQ_INT(debounce_due(d, 5, 1, 10, 100), 11);
    EXPECT_EQ_INT(debounce_due(d, DEBOUNCE_KEYS_MAX + 1, 20, 10, 100), 30);
    debounce_free(d);
}
