/* metrics_test.c -- the Prometheus text (format 0.0.4) and that of OpenMetrics 1.0. */
#include "engine/metrics.h"

#include "base/log.h"
#include "base/map.h"
#include "engine/action_metrics.h"

#include "unit.h"

#include <ctype.h>

static bool is_name(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '_' && s.p[i] != ':')
            return false;
    return s.n > 0 && !isdigit((unsigned char)s.p[0]);
}

/* Every family has its HELP and TYPE, once, and only samples of its own follow. */
static int check_families(str text, bool open)
{
    struct map seen = {0};
    int families = 0;
    str name = STR_NONE, kind = STR_NONE;
    while (text.p && text.n) {
        str line = str_cut(&text, '\n');
        if (open && !text.n) {
            EXPECT_STR(line, "# EOF");
            break;
        }
        if (str_starts(line, STR("# HELP "))) {
            line = str_slice(line, 7, line.n);
            name = str_cut(&line, ' ');
            EXPECT(str_starts(name, STR("gaff_")) && is_name(name) && line.n > 0);
            EXPECT(map_put(&seen, name, (void *)"") == NULL);
            line = str_cut(&text, '\n');
            EXPECT(str_starts(line, STR("# TYPE ")));
            line = str_slice(line, 7, line.n);
            EXPECT_EQ_STR(str_cut(&line, ' '), name);
            kind = line;
            bool counter = str_eq(kind, STR("counter"));
            EXPECT(counter || str_eq(kind, STR("gauge")) || str_eq(kind, STR("histogram")));
            EXPECT_EQ_INT(counter && !open, str_ends(name, STR("_total")));
            families++;
            continue;
        }
        EXPECT(str_starts(line, name));
        str value = line;
        size_t space = str_find(line, ' ');
        value = str_slice(line, space + 1, line.n);
        char *end = NULL, copy[64];
        snprintf(copy, sizeof(copy), STR_FMT, STR_ARG(value));
        (void)strtod(copy, &end);
        EXPECT(value.n && *end == '\0');
        str rest = str_slice(line, name.n, line.n);
        EXPECT(open && str_eq(kind, STR("counter")) ? str_starts(rest, STR("_total"))
                                                    : strchr(" {_", rest.p[0]) != NULL);
    }
    map_release(&seen);
    return families;
}

void test_metrics_text_is_well_formed(void)
{
    struct metrics m = {0};
    struct buf out, open;
    buf_init(&out, 1 << 16);
    buf_init(&open, 1 << 16);
    METRIC_ADD(&m, events_accepted, 3);
    METRIC_ADD(&m, claim_errors, 2);
    METRIC_SET(&m, store_ok, 1);
    histogram_add(&m.commit_us, &histogram_durations, 1500000);
    histogram_add(&m.commit_items, &histogram_sizes, 3);
    METRIC_SET(&m, config_loaded_ms, INT64_C(1700000000250));
    metrics_write(&m, &out);
    EXPECT(buf_ok(&out));
    EXPECT(check_families(buf_str(&out), false) >= 18);
    EXPECT_HAS(buf_cstr(&out), "\ngaff_events_accepted_total 3\n");
    EXPECT_HAS(buf_cstr(&out), "\ngaff_store_ok 1\n");
    EXPECT_HAS(buf_cstr(&out), "\ngaff_store_errors_total{op=\"commit\"} 0\n");
    EXPECT_HAS(buf_cstr(&out), "\ngaff_store_errors_total{op=\"claim\"} 2\n");
    EXPECT_HAS(buf_cstr(&out), "\ngaff_store_commit_duration_seconds_sum{} 1.500000\n");
    EXPECT_HAS(buf_cstr(&out), "\ngaff_store_batch_size_bucket{le=\"2\"} 0\n");
    EXPECT_HAS(buf_cstr(&out), "\ngaff_store_batch_size_bucket{le=\"4\"} 1\n");
    EXPECT_HAS(buf_cstr(&out),
               "\ngaff_config_last_reload_success_timestamp_seconds 1700000000.250\n");
    metrics_open(buf_str(&out), &open);
    EXPECT(check_families(buf_str(&open), true) >= 18);
    EXPECT_HAS(buf_cstr(&open), "# TYPE gaff_events_accepted counter\n");
    EXPECT_HAS(buf_cstr(&open), "\ngaff_events_accepted_total 3\n");
    EXPECT_HAS(buf_cstr(&open), "\ngaff_store_batch_size_bucket{le=\"4.0\"} 1\n");
    EXPECT_HAS(buf_cstr(&open), "_bucket{le=\"0.005\"} ");
    EXPECT_HAS(buf_cstr(&open), "_bucket{le=\"+Inf\"} ");
    buf_release(&out);
    buf_release(&open);
}

/* Buckets only grow along a histogram, and the last equals the count. */
void test_metrics_histogram_is_cumulative(void)
{
    struct histogram h = {0};
    struct buf out;
    uint64_t last = 0, value = 0;
    int buckets = 0;
    buf_init(&out, 1 << 14);
    for (int64_t us = 0; us < 20000000; us += 333333)
        histogram_add(&h, &histogram_durations, us);
    metrics_histogram(&out, "h", "", &h, &histogram_durations);
    str text = buf_str(&out);
    while (text.p && text.n) {
        str line = str_cut(&text, '\n');
        str_cut(&line, ' ');
        if (str_starts(line, STR("h_sum")))
            break;
        EXPECT(str_to_u64(line, &value));
        EXPECT(value >= last);
        last = value;
        if (++buckets == HISTOGRAM_BUCKETS)
            break;
    }
    EXPECT_EQ_INT(buckets, HISTOGRAM_BUCKETS);
    EXPECT_EQ_UINT(last, 61);
    EXPECT_HAS(buf_cstr(&out), "h_count{} 61\n");
    buf_clear(&out);
    metrics_histogram(&out, "gaff_x_seconds", "destination=\"ci\"", &h, &histogram_durations);
    EXPECT_HAS(buf_cstr(&out), "gaff_x_seconds_bucket{destination=\"ci\",le=\"0.005\"} 1\n");
    EXPECT_HAS(buf_cstr(&out), "gaff_x_seconds_bucket{destination=\"ci\",le=\"10\"} 31\n");
    EXPECT_HAS(buf_cstr(&out), "gaff_x_seconds_bucket{destination=\"ci\",le=\"+Inf\"} 61\n");
    buf_release(&out);
}

void test_metrics_actions_tell_what_ran_alone(void)
{
    struct action_metrics *m = xcalloc(1, sizeof(*m));
    struct buf out;
    buf_init(&out, 1 << 16);
    action_metrics_note(m, "exec", false, STR("ok"), 2000);
    action_metrics_note(m, "exec", false, STR("exit"), 2000);
    action_metrics_note(m, "http", false, STR("unheard of"), 2000);
    action_metrics_note(m, "slack", false, STR("http"), 2000);
    action_metrics_note(m, "webhook", true, STR("timeout"), 2000);
    action_metrics_write(m, &out);
    EXPECT_HAS(buf_cstr(&out), "\ngaff_action_runs_total{action=\"exec\",exit=\"ok\"} 1\n");
    EXPECT_HAS(buf_cstr(&out), "\ngaff_action_runs_total{action=\"exec\",exit=\"exit\"} 1\n");
    EXPECT_HAS(buf_cstr(&out), "\ngaff_action_runs_total{action=\"http\",exit=\"other\"} 1\n");
    EXPECT_HAS(buf_cstr(&out), "\ngaff_action_runs_total{action=\"target\",exit=\"http\"} 1\n");
    EXPECT_HAS(buf_cstr(&out),
               "\ngaff_action_runs_total{action=\"endpoint\",exit=\"timeout\"} 1\n");
    EXPECT_HAS(buf_cstr(&out), "\ngaff_action_duration_seconds_count{action=\"exec\"} 2\n");
    EXPECT(!strstr(buf_cstr(&out), "worker"));
    EXPECT_EQ_INT(check_families(buf_str(&out), false), 2);
    buf_release(&out);
    free(m);
}

void test_metrics_label_values_are_escaped(void)
{
    struct buf out;
    buf_init(&out, 100);
    metrics_label(&out, STR("a\"b\\c\nd"));
    EXPECT_STR(buf_str(&out), "a\\\"b\\\\c\\nd");
    buf_release(&out);
}
