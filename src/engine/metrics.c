/* metrics.c -- Prometheus text from the counter table and from histograms. */
#include "engine/metrics.h"

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

void metrics_family(struct buf *out, const char *name, const char *kind, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

void metrics_histogram(struct buf *out, const char *name, const char *labels,
                       const struct histogram *h, const struct histogram_scale *scale)
{
    uint64_t below = 0;
    const char *comma = labels[0] ? "," : "";
    for (size_t i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        below += atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
        buf_printf(out, "%s_bucket{%s%sle=\"%g\"} %llu\n", name, labels, comma,
                   (double)scale->bounds[i] / scale->unit, (unsigned long long)below);
    }
    below += atomic_load_explicit(&h->buckets[HISTOGRAM_BUCKETS - 1], memory_order_relaxed);
    uint64_t sum = atomic_load_explicit(&h->sum, memory_order_relaxed);
    buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n%s_sum{%s} %.6f\n%s_count{%s} %llu\n", name,
               labels, comma, (unsigned long long)below, name, labels, (double)sum / scale->unit,
               name, labels, (unsigned long long)below);
}

void metrics_write(const struct metrics *m, struct buf *out)
{
#define COUNTER(name, text)                                                                        \
    metrics_family(out, "gaff_" #name "_total", "counter", text);                                  \
    buf_printf(out, "gaff_%s_total %lld\n", #name, (long long)METRIC_GET(m, name));
#define COUNTER_FOR(field, name, labels, text)                                                     \
    if (text[0])                                                                                   \
        metrics_family(out, "gaff_" #name "_total", "counter", text);                              \
    buf_printf(out, "gaff_%s_total{%s} %lld\n", #name, labels, (long long)METRIC_GET(m, field));
#define GAUGE(name, text)                                                                          \
    metrics_family(out, "gaff_" #name, "gauge", text);                                             \
    buf_printf(out, "gaff_%s %lld\n", #name, (long long)METRIC_GET(m, name));
#define GAUGE_OF(field, name, units, text)                                                         \
    metrics_family(out, "gaff_" #name, "gauge", text);                                             \
    buf_printf(out, "gaff_%s %.3f\n", #name, (double)METRIC_GET(m, field) / (units));
#define HISTOGRAM(field, name, scale, text)                                                        \
    metrics_family(out, "gaff_" #name, "histogram", text);                                         \
    metrics_histogram(out, "gaff_" #name, "", &m->field, &scale);
#include "engine/metrics.def"
}

/* --- OpenMetrics ------------------------------------------------------------------------------ */

/* There a bound is a float by its looks: 5 is 5.0. */
static void open_sample(str line, struct buf *out)
{
    size_t at = str_find_str(line, STR("le=\""));
    str number = str_slice(line, at + 4, line.n);
    size_t end = str_find(number, '"');
    number = str_slice(number, 0, end);
    bool whole = at < line.n && number.n && str_find(number, '.') == number.n &&
                 str_find(number, 'e') == number.n && number.p[0] != '+';
    size_t cut = whole ? at + 4 + end : line.n;
    buf_str_append(out, str_slice(line, 0, cut));
    if (whole)
        buf_str_append(out, STR(".0"));
    buf_str_append(out, str_slice(line, cut, line.n));
}

/* A family of counters has its name without "_total", its samples with it. */
static void open_comment(str line, struct buf *out)
{
    str rest = str_slice(line, 7, line.n), name = str_cut(&rest, ' ');
    if (str_ends(name, STR("_total")))
        name = str_slice(name, 0, name.n - 6);
    buf_printf(out, STR_FMT STR_FMT " " STR_FMT, STR_ARG(str_slice(line, 0, 7)), STR_ARG(name),
               STR_ARG(rest));
}

void metrics_open(str text, struct buf *out)
{
    while (text.p && text.n) {
        str line = str_cut(&text, '\n');
        if (str_starts(line, STR("# ")))
            open_comment(line, out);
        else
            open_sample(line, out);
        buf_char(out, '\n');
    }
    buf_str_append(out, STR("# EOF\n"));
}
