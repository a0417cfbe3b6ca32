/* metrics.h -- counters of the engine: relaxed atomics, any thread, read by /metrics. */
#ifndef GAFF_ENGINE_METRICS_H
#define GAFF_ENGINE_METRICS_H

#include "base/buf.h"

#include <stdatomic.h>

struct metrics {
#define COUNTER(name, text) _Atomic int64_t name;
#define GAUGE(name, text) _Atomic int64_t name;
#define COUNTER_OF(field, name, units, text) _Atomic int64_t field;
#define GAUGE_OF(field, name, units, text) _Atomic int64_t field;
#include "engine/metrics.def"
};

#define METRIC_ADD(m, name, n)                                                                     \
    atomic_fetch_add_explicit(&(m)->name, (int64_t)(n), memory_order_relaxed)
#define METRIC_SET(m, name, n) atomic_store_explicit(&(m)->name, (int64_t)(n), memory_order_relaxed)
#define METRIC_GET(m, name) atomic_load_explicit(&(m)->name, memory_order_relaxed)

/* Buckets in seconds as OpenTelemetry advises for HTTP; the last is +Inf. */
#define HISTOGRAM_BUCKETS 15
struct histogram {
    _Atomic uint64_t buckets[HISTOGRAM_BUCKETS];
    _Atomic uint64_t count, sum_us;
};
void histogram_add(struct histogram *h, int64_t us);
/* The value that `share` (0.95) of all are at or below, in ms, interpolated within its bucket; -1
 * while there is none. */
double histogram_quantile_ms(const struct histogram *h, double share);

/* Prometheus text format 0.0.4. */
void metrics_write(const struct metrics *m, struct buf *out);
/* labels like `destination="ci"` or "". */
void histogram_write(const struct histogram *h, const char *name, const char *labels,
                     struct buf *out);
/* Appends s as the value of a label: backslash, quote and newline escaped. */
void metrics_label(struct buf *out, str s);

#endif
