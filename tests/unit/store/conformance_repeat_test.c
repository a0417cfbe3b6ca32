/* conformance_repeat_test.c -- what store.h promises of repeats: found by their key among all
 * events of a source, checked against every store. */
#include "cases.h"

static struct new_event *keyed(struct kit *k, const char *key, str body)
{
    struct new_event *n = kit_event(k, body);
    n->event.dedupe_key = str_from_cstr(key);
    n->dedupe_window_ms = 1000;
    return n;
}

CASE(repeat_is_found_and_not_stored)
{
    struct new_event *n = keyed(k, "a", STR("1"));
    kit_delivery(k, n, STR("ci"));
    uint64_t first = n->event.id;
    kit_commit(k);
    for (int i = 0; i < 3; i++) {
        n = keyed(k, "a", STR("1"));
        kit_delivery(k, n, STR("ci"));
        kit_commit(k);
        EXPECT_EQ_UINT(n->duplicate_of, first);
        EXPECT_EQ_UINT(n->locator, 0);
        EXPECT_EQ_UINT(kit_counts(k).events, 1);
        EXPECT_EQ_UINT(kit_counts(k).by_state[DELIVERY_PENDING], 1);
    }
    clock_fake_advance(&k->clock, 999);
    n = keyed(k, "a", STR("1"));
    kit_commit(k);
    EXPECT_EQ_UINT(n->duplicate_of, first);
    clock_fake_advance(&k->clock, 1);
    n = keyed(k, "a", STR("1"));
    kit_commit(k);
    EXPECT_EQ_UINT(n->duplicate_of, 0);
    EXPECT_EQ_UINT(kit_counts(k).events, 2);
}

CASE(repeat_inside_one_batch_is_found)
{
    struct new_event *a = keyed(k, "a", STR("1")), *b = keyed(k, "a", STR("1"));
    struct new_event *c = keyed(k, "b", STR("1")), *d = keyed(k, "a", STR("2"));
    kit_commit(k);
    EXPECT_EQ_UINT(a->duplicate_of, 0);
    EXPECT_EQ_UINT(b->duplicate_of, a->event.id);
    EXPECT_EQ_UINT(c->duplicate_of, 0);
    EXPECT_EQ_UINT(d->duplicate_of, 0);
    EXPECT(!(a->event.flags & EVENT_ID_REUSED));
    EXPECT(d->event.flags & EVENT_ID_REUSED);
    EXPECT_EQ_UINT(kit_counts(k).events, 3);
}

CASE(same_id_with_another_body_is_kept_and_flagged)
{
    struct new_event *n = keyed(k, "a", STR("1"));
    uint64_t first = n->event.id;
    kit_commit(k);
    n = keyed(k, "a", STR("2"));
    uint64_t second = n->event.id;
    kit_commit(k);
    EXPECT_EQ_UINT(n->duplicate_of, 0);
    struct event got;
    EXPECT_OK(store_load(k->r, second, 0, &k->a, &got, &k->why), k->why);
    EXPECT(got.flags & EVENT_ID_REUSED);
    /* Each body's repeats are told from then on. */
    n = keyed(k, "a", STR("1"));
    kit_commit(k);
    EXPECT_EQ_UINT(n->duplicate_of, first);
    n = keyed(k, "a", STR("2"));
    kit_commit(k);
    EXPECT_EQ_UINT(n->duplicate_of, second);
}

CASE(other_sources_and_keyless_events_are_no_repeats)
{
    struct new_event *n = keyed(k, "a", STR("1"));
    kit_commit(k);
    n = keyed(k, "a", STR("1"));
    n->event.source = STR("gitlab");
    kit_commit(k);
    EXPECT_EQ_UINT(n->duplicate_of, 0);
    n = keyed(k, "a", STR("1"));
    n->dedupe_window_ms = 0;
    kit_commit(k);
    EXPECT_EQ_UINT(n->duplicate_of, 0);
    for (int i = 0; i < 2; i++) {
        n = keyed(k, "", STR("1"));
        kit_commit(k);
        EXPECT_EQ_UINT(n->duplicate_of, 0);
    }
    EXPECT_EQ_UINT(kit_counts(k).events, 5);
}
