/* histogram.c -- buckets are not cumulative here: adding touches one. */
#include "base/histogram.h"

#define MS 1000
#define S INT64_C(1000000)

const struct histogram_scale histogram_durations = {{5 * MS, 10 * MS, 25 * MS, 50 * MS, 75 * MS,
                                                     100 * MS, 250 * MS, 500 * MS, 750 * MS, S,
                                                     2500 * MS, 5 * S, 7500 * MS, 10 * S},
                                                    1e6};
const struct histogram_scale histogram_latencies = {{5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS,
                                                     250 * MS, 500 * MS, S, 2500 * MS, 10 * S,
                                                     60 * S, 600 * S, 3600 * S, 21600 * S},
                                                    1e6};
const struct histogram_scale histogram_sizes = {
    {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192}, 1};

static uint64_t get(const _Atomic uint64_t *v)
{
    return atomic_load_explicit(v, memory_order_relaxed);
}

void histogram_add(struct histogram *h, const struct histogram_scale *scale, int64_t value)
{
    if (value < 0)
        value = 0;
    int i = 0;
    while (i < HISTOGRAM_BUCKETS - 1 && value > scale->bounds[i])
        i++;
    atomic_fetch_add_explicit(&h->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum, (uint64_t)value, memory_order_relaxed);
}

void histogram_merge(struct histogram *h, const struct histogram *from)
{
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        atomic_fetch_add_explicit(&h->buckets[i], get(&from->buckets[i]), memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum, get(&from->sum), memory_order_relaxed);
}

double histogram_quantile(const struct histogram *h, const struct histogram_scale *scale,
                          double share)
{
    uint64_t n[HISTOGRAM_BUCKETS], all = 0, below = 0;
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        all += n[i] = get(&h->buckets[i]);
    double rank = share * (double)all;
    for (int i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        if (n[i] && (double)(below + n[i]) >= rank) {
            double from = i ? (double)scale->bounds[i - 1] : 0, to = (double)scale->bounds[i];
            return (from + (to - from) * (rank - (double)below) / (double)n[i]) / scale->unit;
        }
        below += n[i];
    }
    return all ? (double)scale->bounds[HISTOGRAM_BUCKETS - 2] / scale->unit : -1;
}
