/* metrics.c -- Prometheus text from the counter table and from histograms. */
#include "engine/metrics.h"

static const int64_t bounds_us[HISTOGRAM_BUCKETS - 1] = {
    5000,   10000,  25000,   50000,   75000,   100000,  250000,
    500000, 750000, 1000000, 2500000, 5000000, 7500000, 10000000};

void histogram_add(struct histogram *h, int64_t us)
{
    if (us < 0)
        us = 0;
    size_t i = 0;
    while (i < HISTOGRAM_BUCKETS - 1 && us > bounds_us[i])
        i++;
    atomic_fetch_add_explicit(&h->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_us, (uint64_t)us, memory_order_relaxed);
}

double histogram_quantile_ms(const struct histogram *h, double share)
{
    uint64_t n[HISTOGRAM_BUCKETS], all = 0, below = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        all += n[i] = atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
    double rank = share * (double)all;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        if (n[i] && (double)(below + n[i]) >= rank) {
            double from = i ? (double)bounds_us[i - 1] : 0, to = (double)bounds_us[i];
            return (from + (to - from) * (rank - (double)below) / (double)n[i]) / 1e3;
        }
        below += n[i];
    }
    return all ? (double)bounds_us[HISTOGRAM_BUCKETS - 2] / 1e3 : -1;
}

void metrics_label(struct buf *out, str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\' || s.p[i] == '"')
            buf_char(out, '\\');
        if (s.p[i] == '\n')
            buf_str_append(out, STR("\\n"));
        else
            buf_char(out, s.p[i]);
    }
}

void histogram_write(const struct histogram *h, const char *name, const char *labels,
                     struct buf *out)
{
    uint64_t below = 0;
    const char *comma = labels[0] ? "," : "";
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        below += atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
        if (i < HISTOGRAM_BUCKETS - 1)
            buf_printf(out, "%s_bucket{%s%sle=\"%g\"} %llu\n", name, labels, comma,
                       (double)bounds_us[i] / 1e6, (unsigned long long)below);
        else
            buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, labels, comma,
                       (unsigned long long)below);
    }
    uint64_t sum_us = atomic_load_explicit(&h->sum_us, memory_order_relaxed);
    buf_printf(out, "%s_sum{%s} %.6f\n%s_count{%s} %llu\n", name, labels, (double)sum_us / 1e6,
               name, labels, (unsigned long long)below);
}

void metrics_write(const struct metrics *m, struct buf *out)
{
#define COUNTER(name, text)                                                                        \
    buf_printf(out, "# HELP gaff_%s_total %s\n# TYPE gaff_%s_total counter\ngaff_%s_total %lld\n", \
               #name, text, #name, #name, (long long)METRIC_GET(m, name));
#define GAUGE(name, text)                                                                          \
    buf_printf(out, "# HELP gaff_%s %s\n# TYPE gaff_%s gauge\ngaff_%s %lld\n", #name, text, #name, \
               #name, (long long)METRIC_GET(m, name));
#define COUNTER_OF(field, name, units, text)                                                       \
    buf_printf(out, "# HELP gaff_%s_total %s\n# TYPE gaff_%s_total counter\ngaff_%s_total %.6f\n", \
               #name, text, #name, #name, (double)METRIC_GET(m, field) / (units));
#define GAUGE_OF(field, name, units, text)                                                         \
    buf_printf(out, "# HELP gaff_%s %s\n# TYPE gaff_%s gauge\ngaff_%s %.3f\n", #name, text, #name, \
               #name, (double)METRIC_GET(m, field) / (units));
#include "engine/metrics.def"
}
