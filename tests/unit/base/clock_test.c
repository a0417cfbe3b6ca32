/* Clocks, dates, durations. */
#include "unit.h"

#include "base/clock.h"

static int64_t parsed(const char *text)
{
    int64_t ms;
    if (!clock_parse(str_from_cstr(text), &ms))
        FAIL("\"%s\" was refused", text);
    return ms;
}

static int64_t http_parsed(const char *text)
{
    int64_t ms;
    if (!clock_http_parse(str_from_cstr(text), &ms))
        FAIL("\"%s\" was refused", text);
    return ms;
}

void test_clock_real_runs(void)
{
    const struct clock *c = clock_real();
    int64_t mono = clock_mono_ns(c);
    /* After this was written, and before the text form ends. */
    EXPECT(clock_wall_ms(c) > INT64_C(1700000000000));
    EXPECT(clock_wall_ms(c) < INT64_C(253402300800000));
    EXPECT(clock_mono_ns(c) >= mono);
}

void test_clock_fake_moves_only_when_told(void)
{
    struct clock_fake f;
    clock_fake_init(&f, 1000);
    EXPECT_EQ_INT(clock_wall_ms(&f.base), 1000);
    EXPECT_EQ_INT(clock_mono_ns(&f.base), 0);
    clock_fake_advance(&f, 250);
    EXPECT_EQ_INT(clock_wall_ms(&f.base), 1250);
    EXPECT_EQ_INT(clock_mono_ns(&f.base), 250000000);
}

void test_clock_format_known_times(void)
{
    char out[CLOCK_TEXT_MAX];
    EXPECT_STR(clock_format(0, out), "1970-01-01T00:00:00.000Z");
    EXPECT_STR(clock_format(-1, out), "1969-12-31T23:59:59.999Z");
    EXPECT_STR(clock_format(951782400000, out), "2000-02-29T00:00:00.000Z");
    EXPECT_STR(clock_format(1795465451042, out), "2026-11-23T20:24:11.042Z");
    EXPECT_STR(clock_format(4107542399999, out), "2100-02-28T23:59:59.999Z");
    EXPECT_STR(clock_format(INT64_MAX, out), "9999-12-31T23:59:59.999Z");
    EXPECT_STR(clock_format(INT64_MIN, out), "0000-01-01T00:00:00.000Z");
}

void test_clock_agrees_with_the_c_library_on_every_day(void)
{
    char out[CLOCK_TEXT_MAX], expected[CLOCK_TEXT_MAX];
    for (int64_t day = -719528; day < 2932896; day += 13) {
        int64_t ms = day * 86400000 + 45296789;
        time_t seconds = (time_t)(day * 86400 + 45296);
        struct tm tm;
        EXPECT(gmtime_r(&seconds, &tm) != NULL);
        snprintf(expected, sizeof(expected), "%04d-%02d-%02dT12:34:56.789Z",
                 (tm.tm_year + 1900) % 10000, (tm.tm_mon + 1) % 100, tm.tm_mday % 100);
        EXPECT_EQ_STR(clock_format(ms, out), str_from_cstr(expected));
        EXPECT_EQ_INT(parsed(expected), ms);
        str http = clock_http_format(ms, out);
        strftime(expected, sizeof(expected), "%a, %d %b ", &tm);
        EXPECT(str_starts(http, str_from_cstr(expected)));
        EXPECT_EQ_INT(http_parsed(out), ms - 789);
    }
}

void test_clock_parse_zones_and_fractions(void)
{
    EXPECT_EQ_INT(parsed("1970-01-01T00:00:00Z"), 0);
    EXPECT_EQ_INT(parsed("1970-01-01t00:00:00z"), 0);
    EXPECT_EQ_INT(parsed("1970-01-01 00:00:00Z"), 0);
    EXPECT_EQ_INT(parsed("1970-01-01T02:00:00+02:00"), 0);
    EXPECT_EQ_INT(parsed("1969-12-31T18:30:00-05:30"), 0);
    EXPECT_EQ_INT(parsed("1970-01-01T00:00:00.5Z"), 500);
    EXPECT_EQ_INT(parsed("1970-01-01T00:00:00.123456789Z"), 123);
    EXPECT_EQ_INT(parsed("1970-01-01T00:00:00.0009Z"), 0);
    EXPECT_EQ_INT(parsed("1990-12-31T23:59:60Z"), parsed("1991-01-01T00:00:00Z"));
    EXPECT_EQ_INT(parsed("2024-02-29T00:00:00-00:00"), 1709164800000);
}

void test_clock_parse_refuses_what_is_no_time(void)
{
    static const char *const wrong[] = {
        "",
        "2026-11-23",
        "2026-11-23T20:24:11",
        "2026-11-23T20:24Z",
        "2026-11-23T20:24:11.Z",
        "2026-11-23T20:24:11,5Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-04-00T00:00:00Z",
        "2026-04-01T24:00:00Z",
        "2026-04-01T00:60:00Z",
        "2026-04-01T00:00:61Z",
        "2026-04-01T00:00:00+24:00",
        "2026-04-01T00:00:00+01:60",
        "2026-04-01T00:00:00+0100",
        "2026-04-01T00:00:00+01",
        "2026-04-01T00:00:00ZZ",
        "2026-04-01T00:00:00 Z",
        " 2026-04-01T00:00:00Z",
        "+2026-04-01T00:00:00Z",
        "26-04-01T00:00:00Z",
        "2026-4-1T00:00:00Z",
        "2026/04/01T00:00:00Z",
        "1709164800",
    };
    int64_t ms = 42;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        if (clock_parse(str_from_cstr(wrong[i]), &ms))
            FAIL("\"%s\" was accepted", wrong[i]);
    EXPECT_EQ_INT(ms, 42);
    EXPECT(!clock_parse(STR("2026-04-01T00:00:00\0Z"), &ms));
}

/* The three forms of RFC 9110, section 5.6.7, and its example. */
void test_clock_http_dates(void)
{
    char out[CLOCK_TEXT_MAX];
    EXPECT_STR(clock_http_format(784111777000, out), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ_INT(http_parsed("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777000);
    EXPECT_EQ_INT(http_parsed("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777000);
    EXPECT_EQ_INT(http_parsed("Sun Nov  6 08:49:37 1994"), 784111777000);
    EXPECT_EQ_INT(http_parsed("Tuesday, 06-Nov-29 08:49:37 GMT"), parsed("2029-11-06T08:49:37Z"));
}

void test_clock_http_parse_refuses_what_is_no_date(void)
{
    static const char *const wrong[] = {
        "",
        "120",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Non 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 25:49:37 GMT",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "2026-11-23T20:24:11Z",
    };
    int64_t ms;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        if (clock_http_parse(str_from_cstr(wrong[i]), &ms))
            FAIL("\"%s\" was accepted", wrong[i]);
}

static int64_t duration(const char *text)
{
    int64_t ms = -1;
    return clock_duration_parse(str_from_cstr(text), &ms) ? ms : -1;
}

void test_clock_durations_are_one_number_and_one_unit(void)
{
    EXPECT_EQ_INT(duration("250ms"), 250);
    EXPECT_EQ_INT(duration("0s"), 0);
    EXPECT_EQ_INT(duration("30s"), 30000);
    EXPECT_EQ_INT(duration("1m"), 60000);
    EXPECT_EQ_INT(duration("2h"), 7200000);
    EXPECT_EQ_INT(duration("3d"), 259200000);
    static const char *const wrong[] = {"",
                                        "5",
                                        "s",
                                        "5 s",
                                        "-5s",
                                        "+5s",
                                        "5S",
                                        "5sec",
                                        "1.5s",
                                        "1h30m",
                                        "5ms ",
                                        "0x5s",
                                        "5us",
                                        "5w",
                                        "106751991168d",
                                        "9223372036854775808ms"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        if (duration(wrong[i]) != -1)
            FAIL("\"%s\" was accepted", wrong[i]);
    EXPECT_EQ_INT(duration("9223372036854775807ms"), INT64_MAX);
}

void test_clock_durations_for_people(void)
{
    char out[CLOCK_TEXT_MAX];
    EXPECT_STR(clock_duration_format(0, out), "0 ms");
    EXPECT_STR(clock_duration_format(41, out), "41 ms");
    EXPECT_STR(clock_duration_format(999, out), "999 ms");
    EXPECT_STR(clock_duration_format(1000, out), "1 s");
    EXPECT_STR(clock_duration_format(3250, out), "3.2 s");
    EXPECT_STR(clock_duration_format(59999, out), "59.9 s");
    EXPECT_STR(clock_duration_format(300000, out), "5 m");
    EXPECT_STR(clock_duration_format(7200000, out), "2 h");
    EXPECT_STR(clock_duration_format(5400000, out), "1.5 h");
    EXPECT_STR(clock_duration_format(259200000, out), "3 d");
    EXPECT_STR(clock_duration_format(-1500, out), "-1.5 s");
    EXPECT(clock_duration_format(INT64_MAX, out).n < CLOCK_TEXT_MAX);
    EXPECT(clock_duration_format(INT64_MIN, out).n < CLOCK_TEXT_MAX);
}
