/* metrics.h -- counters of the engine: relaxed atomics, any thread, read by /metrics. */
#ifndef GAFF_ENGINE_METRICS_H
#define GAFF_ENGINE_METRICS_H

#include "base/buf.h"
#include "base/histogram.h"

struct metrics {
#define COUNTER(name, text) _Atomic int64_t name;
#define GAUGE(name, text) _Atomic int64_t name;
#define COUNTER_FOR(field, name, labels, text) _Atomic int64_t field;
#define GAUGE_OF(field, name, units, text) _Atomic int64_t field;
#define HISTOGRAM(field, name, scale, text) struct histogram field;
#include "engine/metrics.def"
};

#define METRIC_ADD(m, name, n)                                                                     \
    atomic_fetch_add_explicit(&(m)->name, (int64_t)(n), memory_order_relaxed)
#define METRIC_SET(m, name, n) atomic_store_explicit(&(m)->name, (int64_t)(n), memory_order_relaxed)
#define METRIC_GET(m, name) atomic_load_explicit(&(m)->name, memory_order_relaxed)

/* Prometheus text format 0.0.4. */
void metrics_write(const struct metrics *m, struct buf *out);
/* Begins a family: "# HELP", "# TYPE". It is written whole before the next begins. */
void metrics_family(struct buf *out, const char *name, const char *kind, const char *help);
/* labels like `destination="ci"` or "". */
void metrics_histogram(struct buf *out, const char *name, const char *labels,
                       const struct histogram *h, const struct histogram_scale *scale);
/* Appends s as the value of a label: backslash, quote and newline escaped. */
void metrics_label(struct buf *out, str s);
/* What is written so far, all of it in the text format above, in that of OpenMetrics 1.0. */
void metrics_open(str text, struct buf *out);

#endif
