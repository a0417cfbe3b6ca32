/* Random bytes and the seedable generator. */
#include "unit.h"

#include "base/rand.h"

void test_rand_bytes_fills_all_of_it(void)
{
    unsigned char bytes[1000] = {0};
    bool set[ARRAY_LEN(bytes)] = {0};
    for (int round = 0; round < 20; round++) {
        rand_bytes(bytes, sizeof(bytes));
        for (size_t i = 0; i < sizeof(bytes); i++)
            set[i] = set[i] || bytes[i];
    }
    for (size_t i = 0; i < sizeof(bytes); i++)
        EXPECT(set[i]);
    rand_bytes(bytes, 0);
}

void test_rng_the_same_seed_gives_the_same_numbers(void)
{
    struct rng a, b, c;
    rng_init(&a, 42);
    rng_init(&b, 42);
    rng_init(&c, 43);
    for (int i = 0; i < 100; i++) {
        uint64_t v = rng_next(&a);
        EXPECT(v == rng_next(&b));
        EXPECT(v != rng_next(&c));
    }
}

/* The published first outputs of xoshiro256** from the state {1, 2, 3, 4}. */
void test_rng_is_xoshiro256_starstar(void)
{
    struct rng r = {{1, 2, 3, 4}};
    static const uint64_t expected[] = {11520, 0, 1509978240, 1215971899390074240};
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        EXPECT_EQ_UINT(rng_next(&r), expected[i]);
}

void test_rng_seed_zero_is_random(void)
{
    struct rng a, b;
    rng_init(&a, 0);
    rng_init(&b, 0);
    EXPECT(rng_next(&a) != rng_next(&b));
}

void test_rng_below_is_even_and_bounded(void)
{
    struct rng r;
    unsigned counts[7] = {0};
    rng_init(&r, 5);
    for (int i = 0; i < 70000; i++)
        counts[rng_below(&r, 7)]++;
    for (size_t i = 0; i < 7; i++)
        EXPECT(counts[i] > 9500 && counts[i] < 10500);
    /* A plain remainder would make the lower third of these as likely as all the rest. */
    unsigned lower_third = 0;
    for (int i = 0; i < 30000; i++)
        lower_third += rng_below(&r, UINT64_C(3) << 62) < UINT64_C(1) << 62;
    EXPECT(lower_third > 9500 && lower_third < 10500);
    EXPECT_EQ_UINT(rng_below(&r, 1), 0);
    uint64_t high = 0;
    for (int i = 0; i < 100; i++)
        high |= rng_below(&r, UINT64_MAX);
    EXPECT(high >> 60);
}
