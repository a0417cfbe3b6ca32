/* histogram.h -- how values are spread: buckets that any thread adds to and any thread reads,
 * relaxed, so that a reader may see one of two values added at once. */
#ifndef GAFF_BASE_HISTOGRAM_H
#define GAFF_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

/* The last is +Inf. */
#define HISTOGRAM_BUCKETS 15

/* Upper bounds of the buckets but the last, and how many of their unit are one of what is shown. */
struct histogram_scale {
    int64_t bounds[HISTOGRAM_BUCKETS - 1];
    double unit;
};
extern const struct histogram_scale
    histogram_durations, /* microseconds, 5 ms to 10 s: OpenTelemetry's advice for HTTP */
    histogram_latencies, /* microseconds, 5 ms to 6 hours: what may have been tried many times */
    histogram_sizes;     /* 1 to 8192 */

struct histogram {
    _Atomic uint64_t buckets[HISTOGRAM_BUCKETS];
    _Atomic uint64_t sum;
};

/* Always with the same scale; a negative value counts as 0. */
void histogram_add(struct histogram *h, const struct histogram_scale *scale, int64_t value);
/* What `from` holds is added to h, of the same scale. */
void histogram_merge(struct histogram *h, const struct histogram *from);
/* The value that `share` (0.95) of all are at or below, as shown, interpolated within its bucket;
 * -1 while there is none. */
double histogram_quantile(const struct histogram *h, const struct histogram_scale *scale,
                          double share);

#endif
