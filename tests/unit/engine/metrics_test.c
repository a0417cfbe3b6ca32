/* metrics_test.c -- the Prometheus text (format 0.0.4) and the buckets of the histograms. */
#include "engine/metrics.h"

#include "unit.h"

#include <ctype.h>

static bool is_name(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '_' && s.p[i] != ':')
            return false;
    return s.n > 0 && !isdigit((unsigned char)s.p[0]);
}

void test_metrics_text_is_well_formed(void)
{
    struct metrics m = {0};
    struct buf out;
    int rows = 0;
    buf_init(&out, 1 << 16);
    METRIC_ADD(&m, events_accepted, 3);
    METRIC_SET(&m, store_ok, 1);
    METRIC_ADD(&m, commit_ns, 1500000000);
    METRIC_SET(&m, config_loaded_ms, INT64_C(1700000000250));
    metrics_write(&m, &out);
    EXPECT(buf_ok(&out));
    str text = buf_str(&out), help = STR_NONE;
    EXPECT(str_ends(text, STR("\n")));
    while (text.p && text.n) {
        str line = str_cut(&text, '\n');
        EXPECT(str_starts(line, STR("# HELP gaff_")));
        line = str_slice(line, 7, line.n);
        str name = str_cut(&line, ' ');
        EXPECT(is_name(name) && line.n > 0);
        EXPECT(!str_eq(name, help));
        help = name;
        line = str_cut(&text, '\n');
        EXPECT(str_starts(line, STR("# TYPE ")));
        line = str_slice(line, 7, line.n);
        EXPECT_EQ_STR(str_cut(&line, ' '), name);
        bool counter = str_eq(line, STR("counter"));
        EXPECT(counter || str_eq(line, STR("gauge")));
        EXPECT_EQ_INT(counter, str_ends(name, STR("_total")));
        line = str_cut(&text, '\n');
        int64_t value;
        EXPECT_EQ_STR(str_cut(&line, ' '), name);
        str fraction = line;
        EXPECT(str_to_i64(str_cut(&fraction, '.'), &value));
        EXPECT(!fraction.p || str_to_i64(fraction, &value));
        rows++;
    }
    EXPECT(rows >= 18);
    EXPECT_HAS(buf_cstr(&out), "\ngaff_events_accepted_total 3\n");
    EXPECT_HAS(buf_cstr(&out), "\ngaff_store_ok 1\n");
    EXPECT_HAS(buf_cstr(&out), "\ngaff_commit_seconds_total 1.500000\n");
    EXPECT_HAS(buf_cstr(&out), "\ngaff_config_loaded_timestamp_seconds 1700000000.250\n");
    buf_release(&out);
}

void test_metrics_histogram_puts_each_value_into_its_bucket(void)
{
    struct histogram h = {0};
    struct buf out;
    buf_init(&out, 1 << 14);
    histogram_add(&h, -5);       /* counts as 0 */
    histogram_add(&h, 5000);     /* a bound belongs to its bucket */
    histogram_add(&h, 5001);     /* the next */
    histogram_add(&h, 10000000); /* the last bound */
    histogram_add(&h, 10000001); /* +Inf */
    EXPECT_EQ_UINT(h.buckets[0], 2);
    EXPECT_EQ_UINT(h.buckets[1], 1);
    EXPECT_EQ_UINT(h.buckets[HISTOGRAM_BUCKETS - 2], 1);
    EXPECT_EQ_UINT(h.buckets[HISTOGRAM_BUCKETS - 1], 1);
    EXPECT_EQ_UINT(h.count, 5);
    EXPECT_EQ_UINT(h.sum_us, 20010002);
    histogram_write(&h, "gaff_x_seconds", "destination=\"ci\"", &out);
    EXPECT_HAS(buf_cstr(&out), "gaff_x_seconds_bucket{destination=\"ci\",le=\"0.005\"} 2\n");
    EXPECT_HAS(buf_cstr(&out), "gaff_x_seconds_bucket{destination=\"ci\",le=\"0.01\"} 3\n");
    EXPECT_HAS(buf_cstr(&out), "gaff_x_seconds_bucket{destination=\"ci\",le=\"10\"} 4\n");
    EXPECT_HAS(buf_cstr(&out), "gaff_x_seconds_bucket{destination=\"ci\",le=\"+Inf\"} 5\n");
    EXPECT_HAS(buf_cstr(&out), "gaff_x_seconds_count{destination=\"ci\"} 5\n");
    EXPECT_HAS(buf_cstr(&out), "gaff_x_seconds_sum{destination=\"ci\"} 20.01");
    buf_release(&out);
}

/* Buckets only grow along a histogram, and the last equals the count. */
void test_metrics_histogram_is_cumulative_without_labels(void)
{
    struct histogram h = {0};
    struct buf out;
    uint64_t last = 0, value = 0;
    int buckets = 0;
    buf_init(&out, 1 << 14);
    for (int64_t us = 0; us < 20000000; us += 333333)
        histogram_add(&h, us);
    histogram_write(&h, "h", "", &out);
    str text = buf_str(&out);
    while (text.p && text.n) {
        str line = str_cut(&text, '\n');
        if (!str_starts(line, STR("h_bucket{le=\"")))
            continue;
        str_cut(&line, ' ');
        EXPECT(str_to_u64(line, &value));
        EXPECT(value >= last);
        last = value;
        buckets++;
    }
    EXPECT_EQ_INT(buckets, HISTOGRAM_BUCKETS);
    EXPECT_EQ_UINT(last, h.count);
    buf_release(&out);
}

void test_metrics_label_values_are_escaped(void)
{
    struct buf out;
    buf_init(&out, 100);
    metrics_label(&out, STR("a\"b\\c\nd"));
    EXPECT_STR(buf_str(&out), "a\\\"b\\\\c\\nd");
    buf_release(&out);
}

void test_histogram_quantiles_lie_within_their_bucket(void)
{
    struct histogram h = {0};
    EXPECT(histogram_quantile_ms(&h, 0.5) < 0);
    for (int i = 0; i < 90; i++)
        histogram_add(&h, 3000);
    for (int i = 0; i < 10; i++)
        histogram_add(&h, 200000);
    double p50 = histogram_quantile_ms(&h, 0.5), p95 = histogram_quantile_ms(&h, 0.95);
    EXPECT(p50 > 0 && p50 <= 5);
    EXPECT(p95 > 100 && p95 <= 250);
    histogram_add(&h, 60 * 1000000);
    EXPECT(histogram_quantile_ms(&h, 1) >= 10000);
}
