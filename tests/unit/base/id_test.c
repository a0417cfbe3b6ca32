/* Ids: always greater, whatever the clock and the threads do; and their text. */
#include "unit.h"

#include "base/id.h"
#include "base/log.h"

#include <pthread.h>

#define NOW_MS INT64_C(1795465451042) /* 2026-11-23T20:24:11.042Z */

void test_id_tells_when_it_was_made(void)
{
    struct clock_fake clock;
    struct id_source s;
    clock_fake_init(&clock, NOW_MS);
    id_source_init(&s, &clock.base, 0);
    uint64_t id = id_next(&s);
    EXPECT_EQ_INT(id_wall_ms(id), NOW_MS);
    EXPECT_EQ_UINT(id, id_floor(NOW_MS));
    EXPECT(id_next(&s) == id + 1);
    clock_fake_advance(&clock, 1);
    EXPECT_EQ_UINT(id_next(&s), id_floor(NOW_MS + 1));
}

void test_id_never_goes_back_with_the_clock(void)
{
    struct clock_fake clock;
    struct id_source s;
    uint64_t last = 0;
    clock_fake_init(&clock, NOW_MS);
    id_source_init(&s, &clock.base, 0);
    for (int i = 0; i < 10000; i++) {
        clock_fake_advance(&clock, i % 7 == 0 ? -3600000 : 500000);
        uint64_t id = id_next(&s);
        EXPECT(id > last);
        last = id;
    }
}

void test_id_starts_after_the_greatest_in_the_store(void)
{
    struct clock_fake clock;
    struct id_source s;
    clock_fake_init(&clock, NOW_MS);
    uint64_t future = id_floor(NOW_MS + 86400000) + 5;
    id_source_init(&s, &clock.base, future);
    EXPECT_EQ_UINT(id_next(&s), future + 1);
}

void test_id_a_clock_before_2020_or_far_away_still_works(void)
{
    struct clock_fake clock;
    struct id_source s;
    clock_fake_init(&clock, 0);
    id_source_init(&s, &clock.base, 0);
    EXPECT_EQ_UINT(id_next(&s), 1);
    EXPECT_EQ_UINT(id_next(&s), 2);
    EXPECT_EQ_UINT(id_floor(INT64_MIN), 0);
    EXPECT_EQ_UINT(id_before(INT64_MIN), 0);
    EXPECT_EQ_UINT(id_before(NOW_MS) + 1, id_floor(NOW_MS));
    EXPECT(id_floor(INT64_MAX) <= INT64_MAX);
}

void test_id_a_full_millisecond_runs_into_the_next(void)
{
    struct clock_fake clock;
    struct id_source s;
    clock_fake_init(&clock, NOW_MS);
    id_source_init(&s, &clock.base, id_floor(NOW_MS + 1) - 1);
    uint64_t id = id_next(&s);
    EXPECT_EQ_INT(id_wall_ms(id), NOW_MS + 1);
    EXPECT(id_next(&s) > id);
}

enum { THREADS = 4, IDS_EACH = 200000 };

struct taker {
    pthread_t thread;
    struct id_source *source;
    uint64_t *ids;
};

static void *take_ids(void *arg)
{
    struct taker *t = arg;
    for (size_t i = 0; i < IDS_EACH; i++)
        t->ids[i] = id_next(t->source);
    return NULL;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x < y ? -1 : x > y;
}

void test_id_several_threads_never_get_the_same(void)
{
    struct taker takers[THREADS];
    struct clock_fake clock;
    struct id_source s;
    uint64_t *all = xcalloc(THREADS * IDS_EACH, sizeof(*all));
    clock_fake_init(&clock, NOW_MS);
    id_source_init(&s, &clock.base, 0);
    for (size_t i = 0; i < THREADS; i++) {
        takers[i] = (struct taker){.source = &s, .ids = all + i * IDS_EACH};
        EXPECT(pthread_create(&takers[i].thread, NULL, take_ids, &takers[i]) == 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(takers[i].thread, NULL);
    for (size_t i = 0; i < THREADS; i++)
        for (size_t k = 1; k < IDS_EACH; k++)
            EXPECT(takers[i].ids[k] > takers[i].ids[k - 1]);
    qsort(all, THREADS * IDS_EACH, sizeof(*all), compare_ids);
    for (size_t i = 1; i < THREADS * IDS_EACH; i++)
        EXPECT(all[i] != all[i - 1]);
    free(all);
}

void test_id_text_round_trips_and_sorts_like_the_number(void)
{
    static const uint64_t ids[] = {0, 1, 31, 32, 1u << 21, UINT64_C(0x35b4c1f2aa0001), INT64_MAX};
    char text[ID_TEXT_MAX], before[ID_TEXT_MAX] = "";
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        uint64_t back = 99;
        str s = id_format("evt", ids[i], text);
        EXPECT_EQ_UINT(s.n, 17);
        EXPECT(text[s.n] == '\0');
        EXPECT(id_parse("evt", s, &back));
        EXPECT_EQ_UINT(back, ids[i]);
        EXPECT(strcmp(before, text) < 0);
        memcpy(before, text, sizeof(text));
    }
    EXPECT_STR(id_format("evt", 0, text), "evt_0000000000000");
    EXPECT_STR(id_format("dlv", INT64_MAX, text), "dlv_7ZZZZZZZZZZZZ");
    EXPECT_STR(id_format("dlv", 32, text), "dlv_0000000000010");
}

void test_id_parse_is_lenient_in_case_and_prefix_only(void)
{
    uint64_t id = 0;
    EXPECT(id_parse("evt", STR("evt_000000000000Z"), &id));
    EXPECT_EQ_UINT(id, 31);
    EXPECT(id_parse("evt", STR("000000000000Z"), &id));
    EXPECT(id_parse("evt", STR("EVT_000000000000z"), &id));
    EXPECT(id_parse("evt", STR("evt_00000000000oL"), &id));
    EXPECT_EQ_UINT(id, 1);
    static const char *const wrong[] = {"",
                                        "evt_",
                                        "evt_00000000000",
                                        "evt_00000000000000",
                                        "dlv_000000000000Z",
                                        "_000000000000Z",
                                        "evt-000000000000Z",
                                        "evt_000000000000U",
                                        "evt_000000000000-",
                                        "evt_8000000000000",
                                        "evt_ZZZZZZZZZZZZZ",
                                        "evt_evt_000000000",
                                        " evt_000000000000Z",
                                        "evt_000000000000Z "};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        if (id_parse("evt", str_from_cstr(wrong[i]), &id))
            FAIL("\"%s\" was accepted", wrong[i]);
    EXPECT(!id_parse("evt", STR("evt_00000000000\0Z"), &id));
}
