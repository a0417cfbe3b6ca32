/* growth_test.c -- what the size of the store now and then says of the disk, and that it is noted
 * once an hour and outlives a restart. */
#include "engine/growth.h"
#include "stage.h"

#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)
#define GIB (INT64_C(1) << 30)

/* A store that took `bytes` a day for `days` days until now, at `now_bytes`. */
static struct growth grown(int64_t now_bytes, int64_t per_day, int64_t days)
{
    struct growth g = {.count = 1};
    g.v[0] = (struct growth_sample){100 * DAY - days * DAY, now_bytes - per_day * days};
    return g;
}

static struct growth_now now_of(int64_t bytes, int64_t free, int64_t oldest_days, int64_t age_days)
{
    return (struct growth_now){.at_ms = 100 * DAY,
                               .bytes = bytes,
                               .free = free,
                               .oldest_ms = 100 * DAY - oldest_days * DAY,
                               .age_ms = age_days * DAY};
}

void test_growth_without_history_tells_nothing(void)
{
    struct growth g = {0};
    struct growth_now now = now_of(GIB, 10 * GIB, 1, 30);
    EXPECT(!growth_look(&g, &now).is_known);
    g = grown(GIB, GIB, 1);
    g.v[0].at_ms = now.at_ms - GROWTH_SPAN_MS + 1;
    EXPECT(!growth_look(&g, &now).is_known);
    EXPECT_EQ_INT(growth_look(&g, &now).full_in_days, -1);
}

void test_growth_fills_a_disk_that_retention_does_not_save(void)
{
    struct growth g = grown(10 * GIB, GIB, 5);
    struct growth_now now = now_of(10 * GIB, 7 * GIB, 10, 0);
    struct growth_outlook o = growth_look(&g, &now);
    EXPECT(o.is_known);
    EXPECT_EQ_INT(o.per_day, GIB);
    EXPECT_EQ_INT(o.levels_at, 0);
    EXPECT_EQ_INT(o.full_in_days, 7);
    /* Retention of 30 days lets it grow for 20 more: the disk is full before. */
    now.age_ms = 30 * DAY;
    o = growth_look(&g, &now);
    EXPECT_EQ_INT(o.levels_at, 30 * GIB);
    EXPECT_EQ_INT(o.full_in_days, 7);
}

void test_growth_stops_where_retention_stops_it(void)
{
    struct growth g = grown(10 * GIB, GIB, 5);
    struct growth_now now = now_of(10 * GIB, 25 * GIB, 10, 30);
    struct growth_outlook o = growth_look(&g, &now);
    EXPECT_EQ_INT(o.levels_at, 30 * GIB);
    EXPECT_EQ_INT(o.full_in_days, -1);
    /* A bound on the size is met first. */
    now.free = 8 * GIB;
    now.size = 12 * GIB;
    o = growth_look(&g, &now);
    EXPECT_EQ_INT(o.levels_at, 12 * GIB);
    EXPECT_EQ_INT(o.full_in_days, -1);
    /* Older than retention: it grows as its traffic grows, and nothing stops that. */
    now = now_of(10 * GIB, 8 * GIB, 30, 30);
    o = growth_look(&g, &now);
    EXPECT_EQ_INT(o.levels_at, 0);
    EXPECT_EQ_INT(o.full_in_days, 8);
}

void test_growth_below_nothing_and_an_unknown_disk_fill_nothing(void)
{
    struct growth g = grown(10 * GIB, -GIB, 5);
    struct growth_now now = now_of(10 * GIB, GIB, 10, 30);
    struct growth_outlook o = growth_look(&g, &now);
    EXPECT_EQ_INT(o.per_day, -GIB);
    EXPECT_EQ_INT(o.full_in_days, -1);
    g = grown(10 * GIB, GIB, 5);
    now = now_of(10 * GIB, 0, 10, 0);
    EXPECT_EQ_INT(growth_look(&g, &now).full_in_days, -1);
}

void test_growth_is_noted_once_an_hour_and_kept(void)
{
    struct stage s;
    struct growth g;
    struct reason why = {0};
    char config[512];
    stage_init(&s);
    (void)snprintf(config, sizeof(config), "store: sqlite:%s\n", unit_path("store"));
    stage_start(&s, config);
    struct engine_core *core = engine_core(s.engine);
    struct store_reader *r = store_reader_open(core->store, &why);
    EXPECT(r != NULL);
    for (int hour = 0; hour < GROWTH_SAMPLES + 3; hour++) {
        EXPECT_OK(growth_note(core, r, &why), why);
        EXPECT_OK(growth_note(core, r, &why), why);
        stage_clock_advance(&s.clock, HOUR);
    }
    EXPECT_OK(growth_load(r, &g, &why), why);
    EXPECT_EQ_UINT(g.count, GROWTH_SAMPLES);
    EXPECT_EQ_INT(g.v[GROWTH_SAMPLES - 1].at_ms - g.v[0].at_ms, (GROWTH_SAMPLES - 1) * HOUR);
    EXPECT(g.v[0].bytes > 0);
    store_reader_close(r);
    stage_stop(&s);
    stage_start(&s, config);
    r = store_reader_open(engine_core(s.engine)->store, &why);
    EXPECT_OK(growth_load(r, &g, &why), why);
    EXPECT_EQ_UINT(g.count, GROWTH_SAMPLES);
    store_reader_close(r);
    stage_release(&s);
}
