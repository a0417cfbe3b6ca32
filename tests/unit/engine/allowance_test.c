/* allowance_test.c -- an application's pace and quotas. */
#include "engine/allowance.h"

#include "unit.h"

#define SECOND_NS INT64_C(1000000000)

static struct allowance *allowance_of(const char *json)
{
    struct allowance *a = allowance_new();
    struct json_doc *doc = json_parse(str_from_cstr(json), NULL);
    const struct allowance_limits l = allowance_limits_read(json_root(doc));
    allowance_set(a, &l);
    json_doc_free(doc);
    return a;
}

static enum allowance_verdict take(struct allowance *a, int64_t now_ms)
{
    int64_t retry_s;
    bool recount;
    return allowance_take(a, now_ms, &retry_s, &recount);
}

void test_allowance_pace_is_kept_over_all_who_ask(void)
{
    struct allowance *a = allowance_of("{\"throttleRate\":20}");
    int64_t now = 5 * SECOND_NS, passed = 0;
    for (; now < 8 * SECOND_NS; now += SECOND_NS / 1000)
        passed += allowance_pace(a, now) == 0;
    EXPECT(passed >= 60 && passed <= 62); /* three seconds and a burst of two */
    while (allowance_pace(a, now) == 0)
        ;
    int64_t wait_ms = allowance_pace(a, now);
    EXPECT(wait_ms > 0 && wait_ms <= 51);
    EXPECT_EQ_INT(allowance_pace(a, now + wait_ms * 1000000), 0);
    allowance_unref(a);
    a = allowance_of("{}");
    for (int i = 0; i < 1000; i++)
        EXPECT_EQ_INT(allowance_pace(a, now), 0);
    allowance_unref(a);
}

void test_allowance_messages_of_a_period(void)
{
    struct allowance *a = allowance_of("{\"messageLimit\":2,\"messageLimitPeriod\":60}");
    int64_t retry_s;
    bool recount;
    EXPECT_EQ_INT(take(a, 0), ALLOWANCE_OK);
    EXPECT_EQ_INT(take(a, 1000), ALLOWANCE_OK);
    EXPECT_EQ_INT(allowance_take(a, 15001, &retry_s, &recount), ALLOWANCE_MESSAGES);
    EXPECT_EQ_INT(retry_s, 45);
    EXPECT(!recount);
    allowance_untake(a); /* one was a repeat */
    EXPECT_EQ_INT(take(a, 16000), ALLOWANCE_OK);
    EXPECT_EQ_INT(take(a, 59999), ALLOWANCE_MESSAGES);
    EXPECT_EQ_INT(take(a, 60000), ALLOWANCE_OK);
    allowance_unref(a);
}

void test_allowance_pending_is_counted_first_and_when_it_is_full(void)
{
    struct allowance *a = allowance_of("{\"pendingLimit\":3}");
    int64_t retry_s;
    bool recount;
    EXPECT_EQ_INT(allowance_take(a, 1000, &retry_s, &recount), ALLOWANCE_PENDING);
    EXPECT(recount);
    EXPECT_EQ_INT(allowance_pending_limit(a), 3);
    allowance_count(a, 2, 1000);
    EXPECT_EQ_INT(allowance_take(a, 1000, &retry_s, &recount), ALLOWANCE_OK);
    allowance_move(a, 5); /* one message to five endpoints: it is let through whole */
    EXPECT_EQ_INT(allowance_take(a, 2000, &retry_s, &recount), ALLOWANCE_PENDING);
    EXPECT(!recount && retry_s == 1);
    allowance_move(a, -5);
    EXPECT_EQ_INT(take(a, 2000), ALLOWANCE_OK);
    allowance_move(a, 9);
    (void)allowance_take(a, 1000 + ALLOWANCE_RECOUNT_MS, &retry_s, &recount);
    EXPECT(recount); /* what was moved by hand is found then */
    allowance_move(a, -100);
    EXPECT_EQ_INT(take(a, 2000), ALLOWANCE_OK);
    allowance_unref(a);
}
