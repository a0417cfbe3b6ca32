/* allowance_test.c -- an application's pace and quotas. */
#include "engine/allowance.h"

#include "unit.h"

#define SECOND_NS INT64_C(1000000000)

static struct allowance *allowance_of(const char *json)
{
    struct allowance *a = allowance_new(false);
    struct json_doc *doc = json_parse(str_from_cstr(json), NULL);
    const struct allowance_limits l = allowance_limits_read(json_root(doc));
    allowance_set(a, &l);
    json_doc_free(doc);
    return a;
}

static enum allowance_verdict take(struct allowance *a, int64_t now_ms)
{
    int64_t retry_s;
    struct allowance_ask ask;
    return allowance_take(a, now_ms, &retry_s, &ask);
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
    struct allowance_ask ask;
    EXPECT_EQ_INT(allowance_take(a, 61000, &retry_s, &ask), ALLOWANCE_MESSAGES);
    EXPECT(ask.messages && ask.since_ms == 60000 && ask.most == 2);
    allowance_count_messages(a, 0, 2, 61000); /* of another period: means nothing */
    EXPECT_EQ_INT(take(a, 61000), ALLOWANCE_MESSAGES);
    allowance_count_messages(a, 60000, 0, 61000);
    EXPECT_EQ_INT(take(a, 61000), ALLOWANCE_OK);
    EXPECT_EQ_INT(take(a, 62000), ALLOWANCE_OK);
    EXPECT_EQ_INT(allowance_take(a, 75001, &retry_s, &ask), ALLOWANCE_MESSAGES);
    EXPECT_EQ_INT(retry_s, 45);
    EXPECT(!ask.messages && !ask.pending);
    allowance_settle(a, false); /* one was a repeat */
    allowance_settle(a, true);
    EXPECT_EQ_INT(take(a, 76000), ALLOWANCE_OK);
    EXPECT_EQ_INT(take(a, 119999), ALLOWANCE_MESSAGES);
    EXPECT_EQ_INT(take(a, 120000), ALLOWANCE_OK); /* of a new period all is known */
    allowance_unref(a);
}

void test_allowance_messages_before_a_start_and_a_limit_count(void)
{
    struct allowance *a = allowance_of("{\"messageLimit\":3,\"messageLimitPeriod\":60}");
    struct allowance_limits none = {0};
    struct allowance_limits some = {.messages = 3, .period_ms = 60000};
    int64_t retry_s;
    struct allowance_ask ask;
    EXPECT_EQ_INT(take(a, 1000), ALLOWANCE_MESSAGES);
    allowance_count_messages(a, 0, 2, 1000);
    EXPECT_EQ_INT(take(a, 1000), ALLOWANCE_OK);
    EXPECT_EQ_INT(take(a, 2000), ALLOWANCE_MESSAGES);
    allowance_set(a, &none);
    EXPECT_EQ_INT(take(a, 2000), ALLOWANCE_OK);
    allowance_set(a, &some);
    EXPECT_EQ_INT(allowance_take(a, 61000, &retry_s, &ask), ALLOWANCE_MESSAGES);
    EXPECT(ask.messages && ask.since_ms == 60000);
    allowance_unref(a);
}

void test_allowance_of_a_shared_store_counts_what_others_accept(void)
{
    struct allowance *a = allowance_new(true);
    const struct allowance_limits l = {.messages = 10, .period_ms = 3600000};
    int64_t retry_s;
    struct allowance_ask ask;
    allowance_set(a, &l);
    EXPECT_EQ_INT(take(a, 1000), ALLOWANCE_MESSAGES);
    allowance_count_messages(a, 0, 7, 1000);
    EXPECT_EQ_INT(take(a, 1000), ALLOWANCE_OK);
    EXPECT_EQ_INT(take(a, 1000 + ALLOWANCE_RECOUNT_MS - 1), ALLOWANCE_OK);
    EXPECT_EQ_INT(allowance_take(a, 1000 + ALLOWANCE_RECOUNT_MS, &retry_s, &ask),
                  ALLOWANCE_MESSAGES);
    EXPECT(ask.messages && ask.most == 10);
    allowance_settle(a, true); /* it is among those counted now, the other is not yet */
    allowance_count_messages(a, 0, 8, 1000 + ALLOWANCE_RECOUNT_MS);
    EXPECT_EQ_INT(take(a, 1000 + ALLOWANCE_RECOUNT_MS), ALLOWANCE_OK);
    EXPECT_EQ_INT(allowance_take(a, 1000 + ALLOWANCE_RECOUNT_MS, &retry_s, &ask),
                  ALLOWANCE_MESSAGES);
    EXPECT(!ask.messages && retry_s > 3000);
    allowance_unref(a);
}

void test_allowance_pending_is_counted_first_and_when_it_is_full(void)
{
    struct allowance *a = allowance_of("{\"pendingLimit\":3}");
    int64_t retry_s;
    struct allowance_ask ask;
    EXPECT_EQ_INT(allowance_take(a, 1000, &retry_s, &ask), ALLOWANCE_PENDING);
    EXPECT(ask.pending);
    EXPECT_EQ_INT(allowance_pending_limit(a), 3);
    allowance_count(a, 2, 1000);
    EXPECT_EQ_INT(allowance_take(a, 1000, &retry_s, &ask), ALLOWANCE_OK);
    allowance_move(a, 5); /* one message to five endpoints: it is let through whole */
    EXPECT_EQ_INT(allowance_take(a, 2000, &retry_s, &ask), ALLOWANCE_PENDING);
    EXPECT(!ask.pending && retry_s == 1);
    allowance_move(a, -5);
    EXPECT_EQ_INT(take(a, 2000), ALLOWANCE_OK);
    allowance_move(a, 9);
    (void)allowance_take(a, 1000 + ALLOWANCE_RECOUNT_MS, &retry_s, &ask);
    EXPECT(ask.pending); /* what was moved by hand is found then */
    allowance_move(a, -100);
    EXPECT_EQ_INT(take(a, 2000), ALLOWANCE_OK);
    allowance_unref(a);
}
