/* schedule_test.c -- events that time makes, through a whole engine on a fake clock: what is due
 * when it starts, and what a stopped one missed. */
#include "stage.h"

#define CRON(options)                                                                              \
    "sources:\n  tick: { cron: \"*/10 * * * *\", " options " }\n"                                  \
    "destinations:\n  one: { handler: { index: 0 } }\nroutes:\n  - { from: tick, to: [one] }\n"
#define MINUTE INT64_C(60000)

/* The store outlives an engine that stops. */
static void start(struct stage *s, const char *options)
{
    char text[1024];
    (void)snprintf(text, sizeof(text), "store: sqlite:%s\n%s", unit_path("store"), options);
    stage_start(s, text);
}

/* How many it sends after being away; `wanted` of them are waited for. */
static int caught_up(const char *options, int64_t away_ms, int wanted)
{
    struct stage s;
    struct reason why = {0};
    uint64_t id;
    char at[CLOCK_TEXT_MAX];
    stage_init(&s);
    start(&s, options);
    struct emission last = {.source = STR("tick"),
                            .type = STR("cron"),
                            .json = STR("{}"),
                            .key = clock_format(STAGE_START_MS, at),
                            .verdict_text = STR("")};
    EXPECT_OK(engine_emit_as(s.engine, &last, &id, &why), why);
    EXPECT_OK(engine_emit_as(s.engine, &last, &id, &why), why); /* as another node would */
    STAGE_UNTIL(s.call_count == 1);
    stage_stop(&s);
    stage_clock_advance(&s.clock, away_ms);
    start(&s, options);
    STAGE_UNTIL(s.call_count >= 1 + wanted);
    for (int i = 0; i < 50; i++)
        stage_pause();
    int calls = s.call_count - 1;
    stage_release(&s);
    return calls;
}

void test_schedule_catches_up_with_the_latest(void)
{
    EXPECT_EQ_INT(caught_up(CRON("catch_up: latest"), 35 * MINUTE, 1), 1);
}

void test_schedule_catches_up_with_all(void)
{
    EXPECT_EQ_INT(caught_up(CRON("catch_up: all"), 35 * MINUTE, 3), 3);
}

void test_schedule_lets_go_what_it_missed(void)
{
    EXPECT_EQ_INT(caught_up(CRON("catch_up: none"), 35 * MINUTE, 0), 0);
}

void test_schedule_sends_what_is_due_now(void)
{
    EXPECT_EQ_INT(caught_up(CRON("catch_up: latest, timezone: UTC, data: '{\"a\":1}'"),
                            10 * MINUTE + 5000, 1),
                  1);
}
