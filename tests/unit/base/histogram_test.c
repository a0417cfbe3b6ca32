/* histogram_test.c -- what falls into which bucket, and what is read out of them. */
#include "base/histogram.h"

#include "unit.h"

void test_histogram_puts_each_value_into_its_bucket(void)
{
    struct histogram h = {0}, sum = {0};
    histogram_add(&h, &histogram_durations, -5);       /* counts as 0 */
    histogram_add(&h, &histogram_durations, 5000);     /* a bound belongs to its bucket */
    histogram_add(&h, &histogram_durations, 5001);     /* the next */
    histogram_add(&h, &histogram_durations, 10000000); /* the last bound */
    histogram_add(&h, &histogram_durations, 10000001); /* +Inf */
    EXPECT_EQ_UINT(h.buckets[0], 2);
    EXPECT_EQ_UINT(h.buckets[1], 1);
    EXPECT_EQ_UINT(h.buckets[HISTOGRAM_BUCKETS - 2], 1);
    EXPECT_EQ_UINT(h.buckets[HISTOGRAM_BUCKETS - 1], 1);
    EXPECT_EQ_UINT(h.sum, 20010002);
    histogram_merge(&sum, &h);
    histogram_merge(&sum, &h);
    EXPECT_EQ_UINT(sum.buckets[0], 4);
    EXPECT_EQ_UINT(sum.buckets[HISTOGRAM_BUCKETS - 1], 2);
    EXPECT_EQ_UINT(sum.sum, 40020004);
}

void test_histogram_bounds_rise(void)
{
    const struct histogram_scale *const scales[] = {&histogram_durations, &histogram_latencies,
                                                    &histogram_sizes};
    for (size_t s = 0; s < ARRAY_LEN(scales); s++)
        for (int i = 1; i < HISTOGRAM_BUCKETS - 1; i++)
            EXPECT(scales[s]->bounds[i] > scales[s]->bounds[i - 1]);
}

void test_histogram_quantiles_lie_within_their_bucket(void)
{
    struct histogram h = {0};
    const struct histogram_scale *s = &histogram_durations;
    EXPECT(histogram_quantile(&h, s, 0.5) < 0);
    for (int i = 0; i < 90; i++)
        histogram_add(&h, s, 3000);
    for (int i = 0; i < 10; i++)
        histogram_add(&h, s, 200000);
    double p50 = histogram_quantile(&h, s, 0.5), p95 = histogram_quantile(&h, s, 0.95);
    EXPECT(p50 > 0 && p50 <= 0.005);
    EXPECT(p95 > 0.1 && p95 <= 0.25);
    histogram_add(&h, s, 60 * 1000000);
    EXPECT(histogram_quantile(&h, s, 1) >= 10);
}
