/* cron_test.c -- expressions and their moments, through summer time and its end. */
#include "base/cron.h"

#include "base/clock.h"
#include "unit.h"

static struct arena arena = {.max = 1u << 20};

static void expect_next(const char *expression, const char *zone, const char *after,
                        const char *wanted)
{
    struct cron c;
    struct reason why;
    int64_t after_ms;
    char text[CLOCK_TEXT_MAX];
    EXPECT_OK(cron_parse(str_from_cstr(expression), &c, &why), why);
    const struct zone *z = zone_load(&arena, str_from_cstr(zone), &why);
    if (!z)
        SKIP("no zone files here: %s", why.text);
    EXPECT(clock_parse(str_from_cstr(after), &after_ms));
    int64_t next = cron_next(&c, z, after_ms);
    if (!wanted) {
        EXPECT_EQ_INT(next, 0);
        return;
    }
    str got = clock_format(next, text);
    if (!str_eq(got, str_from_cstr(wanted)))
        FAIL("%s after %s in %s is " STR_FMT ", not %s", expression, after, zone, STR_ARG(got),
             wanted);
}

void test_cron_next_in_utc(void)
{
    expect_next("* * * * *", "UTC", "2026-03-01T10:00:00Z", "2026-03-01T10:01:00.000Z");
    expect_next("*/15 * * * *", "UTC", "2026-03-01T10:46:00Z", "2026-03-01T11:00:00.000Z");
    expect_next("0 3 * * *", "UTC", "2026-03-01T03:00:00Z", "2026-03-02T03:00:00.000Z");
    expect_next("30 4 1,15 * *", "UTC", "2026-03-02T00:00:00Z", "2026-03-15T04:30:00.000Z");
    expect_next("0 0 * * MON", "UTC", "2026-11-30T00:00:00Z", "2026-12-07T00:00:00.000Z");
    expect_next("0 0 * * 7", "UTC", "2026-11-30T00:00:00Z", "2026-12-06T00:00:00.000Z");
    expect_next("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00.000Z");
    expect_next("0 12 13 * FRI", "UTC", "2026-03-01T00:00:00Z", "2026-03-06T12:00:00.000Z");
    expect_next("@yearly", "UTC", "2026-03-01T00:00:00Z", "2027-01-01T00:00:00.000Z");
    expect_next("5/20 9-17/4 * jan-mar *", "UTC", "2026-01-01T09:26:00Z",
                "2026-01-01T09:45:00.000Z");
    expect_next("0 0 30 2 *", "UTC", "2026-01-01T00:00:00Z", NULL);
}

void test_cron_next_through_summer_time(void)
{
    /* 2026-03-29 02:00 becomes 03:00 in Berlin; 2026-10-25 03:00 becomes 02:00. */
    expect_next("0 3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00.000Z");
    expect_next("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00.000Z");
    expect_next("30 2 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00.000Z");
    expect_next("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00.000Z");
    expect_next("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00.000Z");
    expect_next("30 * * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00.000Z");
    /* Far ahead the rule at the file's end decides; south of the equator as well. */
    expect_next("0 12 1 7 *", "America/New_York", "2060-01-01T00:00:00Z",
                "2060-07-01T16:00:00.000Z");
    expect_next("0 12 1 1 *", "Australia/Sydney", "2061-06-01T00:00:00Z",
                "2062-01-01T01:00:00.000Z");
    expect_next("0 0 * * *", "Australia/Lord_Howe", "2026-04-04T15:00:00Z",
                "2026-04-05T13:30:00.000Z");
}

void test_cron_refuses_what_is_wrong(void)
{
    static const char *const wrong[] = {
        "",           "* * * *",    "* * * * * *", "60 * * * *",     "* 24 * * *",   "* * 0 * *",
        "* * * 13 *", "* * * * 8",  "5-1 * * * *", "*/0 * * * *",    "1,,2 * * * *", "a * * * *",
        "@often",     "-1 * * * *", "1- * * * *",  "*/99999 * * * *"};
    struct cron c;
    struct reason why;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        if (cron_parse(str_from_cstr(wrong[i]), &c, &why) == ERR_OK)
            FAIL("\"%s\" was taken", wrong[i]);
    EXPECT_EQ_INT(cron_parse(STR("* 24 * * *"), &c, &why), ERR_INVALID);
    EXPECT_HAS(why.text, "\"24\" is no hour of a cron expression: it takes 0 to 23");
}

void test_zone_refuses_paths_and_garbage(void)
{
    static const char *const names[] = {"../../etc/passwd", "/etc/passwd", "", "Nowhere/Atall",
                                        "Europe/../../../../etc/passwd"};
    struct reason why;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        EXPECT(!zone_load(&arena, str_from_cstr(names[i]), &why));
    EXPECT(!zone_parse(&arena, STR("TZif2"), &why));
    EXPECT(!zone_parse(&arena, STR(""), &why));
    EXPECT_HAS(why.text, "no zone file");
}
