/* conformance_object_test.c -- what store.h promises of objects, further keys and listed rows,
 * checked against every store. */
#include "cases.h"

/* --- objects ---------------------------------------------------------------------------------- */

static struct object_change change_of(enum object_op op, const char *id, const char *name,
                                      const char *doc, uint64_t expect)
{
    return (struct object_change){.op = op,
                                  .object = {.kind = STR("endpoint"),
                                             .id = str_from_cstr(id),
                                             .parent = STR("app_1"),
                                             .name = str_from_cstr(name),
                                             .created_ms = KIT_START_MS,
                                             .updated_ms = KIT_START_MS,
                                             .doc = str_from_cstr(doc)},
                                  .expect = expect};
}

static enum err commit_changes(struct kit *k, struct object_change *changes, size_t count)
{
    struct object_set set = {.changes = changes, .count = count};
    struct batch b = {.sets = &set};
    EXPECT_OK(store_commit(k->s, &b, &k->why), k->why);
    return set.err;
}

static enum err put_object(struct kit *k, const char *id, const char *name, const char *doc,
                           uint64_t expect)
{
    struct object_change c = change_of(OBJECT_PUT, id, name, doc, expect);
    return commit_changes(k, &c, 1);
}

static enum err delete_object(struct kit *k, const char *id, uint64_t expect)
{
    struct object_change c = change_of(OBJECT_DELETE, id, "", "", expect);
    return commit_changes(k, &c, 1);
}

static enum err get_object(struct kit *k, const char *id, struct object *out)
{
    return store_object(k->r, STR("endpoint"), str_from_cstr(id), &k->a, out, &k->why);
}

CASE(object_is_made_replaced_and_deleted)
{
    struct object o;
    EXPECT_EQ_INT(get_object(k, "ep_1", &o), ERR_NOT_FOUND);
    EXPECT_EQ_INT(put_object(k, "ep_1", "one", "{\"a\":1}", OBJECT_ABSENT), ERR_OK);
    EXPECT_OK(get_object(k, "ep_1", &o), k->why);
    EXPECT_STR(o.doc, "{\"a\":1}");
    EXPECT_STR(o.parent, "app_1");
    EXPECT_EQ_UINT(o.version, 1);
    EXPECT_EQ_INT(o.created_ms, KIT_START_MS);
    struct object_change c = change_of(OBJECT_PUT, "ep_1", "uno", "{}", 1);
    c.object.created_ms = 5;
    c.object.updated_ms = KIT_START_MS + 9;
    EXPECT_EQ_INT(commit_changes(k, &c, 1), ERR_OK);
    EXPECT_EQ_UINT(c.object.version, 2);
    EXPECT_OK(
        store_object_named(k->r, STR("endpoint"), STR("app_1"), STR("uno"), &k->a, &o, &k->why),
        k->why);
    EXPECT_EQ_UINT(o.version, 2);
    EXPECT_EQ_INT(o.created_ms, KIT_START_MS);
    EXPECT_EQ_INT(o.updated_ms, KIT_START_MS + 9);
    EXPECT_EQ_UINT(o.sequence, c.object.sequence);
    EXPECT_EQ_INT(
        store_object_named(k->r, STR("endpoint"), STR("app_1"), STR("one"), &k->a, &o, &k->why),
        ERR_NOT_FOUND);
    EXPECT_EQ_UINT(kit_counts(k).objects, 1);
    EXPECT_EQ_INT(delete_object(k, "ep_1", 2), ERR_OK);
    EXPECT_EQ_INT(get_object(k, "ep_1", &o), ERR_NOT_FOUND);
    EXPECT_EQ_UINT(kit_counts(k).objects, 0);
}

CASE(object_changes_that_expect_otherwise_are_refused_alone)
{
    struct object o;
    EXPECT_EQ_INT(put_object(k, "ep_1", "one", "{}", 3), ERR_NOT_FOUND);
    EXPECT_EQ_INT(put_object(k, "ep_1", "one", "{}", OBJECT_ANY), ERR_OK);
    EXPECT_EQ_INT(put_object(k, "ep_1", "one", "{}", OBJECT_ABSENT), ERR_CONFLICT);
    EXPECT_EQ_INT(put_object(k, "ep_1", "one", "{}", 7), ERR_CONFLICT);
    EXPECT_EQ_INT(put_object(k, "ep_2", "one", "{}", OBJECT_ANY), ERR_CONFLICT);
    EXPECT_EQ_INT(delete_object(k, "ep_1", 7), ERR_CONFLICT);
    EXPECT_EQ_INT(delete_object(k, "ep_9", 1), ERR_NOT_FOUND);
    EXPECT_EQ_INT(delete_object(k, "ep_9", OBJECT_ANY), ERR_OK);
    EXPECT_OK(get_object(k, "ep_1", &o), k->why);
    EXPECT_EQ_UINT(o.version, 1);
    /* Names are free once their owner is renamed or gone, also within one batch. */
    struct object_change both[2] = {change_of(OBJECT_PUT, "ep_1", "uno", "{}", 1),
                                    change_of(OBJECT_PUT, "ep_2", "one", "{}", OBJECT_ABSENT)};
    EXPECT_EQ_INT(commit_changes(k, both, 2), ERR_OK);
    EXPECT_EQ_INT(delete_object(k, "ep_2", 1), ERR_OK);
    EXPECT_EQ_INT(put_object(k, "ep_3", "one", "{}", OBJECT_ABSENT), ERR_OK);
    /* Objects without a name do not stand in each other's way. */
    EXPECT_EQ_INT(put_object(k, "ep_4", "", "{}", OBJECT_ABSENT), ERR_OK);
    EXPECT_EQ_INT(put_object(k, "ep_5", "", "{}", OBJECT_ABSENT), ERR_OK);
}

CASE(object_set_holds_whole_or_not_at_all)
{
    struct object o;
    EXPECT_EQ_INT(put_object(k, "ep_1", "one", "{}", OBJECT_ABSENT), ERR_OK);
    struct object_change good[1] = {change_of(OBJECT_PUT, "ep_0", "nil", "{}", OBJECT_ABSENT)};
    struct object_change bad[3] = {change_of(OBJECT_PUT, "ep_1", "uno", "{\"x\":1}", 1),
                                   change_of(OBJECT_PUT, "ep_2", "two", "{}", OBJECT_ABSENT),
                                   change_of(OBJECT_PUT, "ep_3", "nil", "{}", OBJECT_ABSENT)};
    struct object_change last[1] = {change_of(OBJECT_PUT, "ep_4", "two", "{}", OBJECT_ABSENT)};
    struct object_set sets[3] = {{.next = &sets[1], .changes = good, .count = 1},
                                 {.next = &sets[2], .changes = bad, .count = 3},
                                 {.changes = last, .count = 1}};
    struct new_event *with = kit_event(k, STR("{}")), *without = kit_event(k, STR("[]"));
    with->only_with = &sets[0];
    without->only_with = &sets[1];
    struct batch b = {.sets = sets, .events = k->events, .event_count = 2};
    k->count = 0;
    EXPECT_OK(store_commit(k->s, &b, &k->why), k->why);
    EXPECT_EQ_INT(sets[0].err, ERR_OK);
    EXPECT_EQ_INT(sets[1].err, ERR_CONFLICT);
    EXPECT_EQ_UINT(sets[1].failed, 2);
    EXPECT_EQ_INT(sets[2].err, ERR_OK);
    EXPECT(with->locator != 0 && without->locator == 0);
    EXPECT_EQ_UINT(kit_counts(k).events, 1);
    EXPECT_OK(get_object(k, "ep_1", &o), k->why);
    EXPECT_STR(o.name, "one");
    EXPECT_EQ_UINT(o.version, 1);
    EXPECT_EQ_INT(get_object(k, "ep_2", &o), ERR_NOT_FOUND);
    EXPECT_OK(get_object(k, "ep_4", &o), k->why);
}

CASE(object_lists_go_both_ways)
{
    char id[16], name[16];
    for (int i = 1; i <= 5; i++) {
        snprintf(id, sizeof(id), "ep_%d", i);
        snprintf(name, sizeof(name), "n%d", i);
        EXPECT_EQ_INT(put_object(k, id, name, "{}", OBJECT_ABSENT), ERR_OK);
    }
    struct object_change other = change_of(OBJECT_PUT, "ep_3x", "n1", "{}", OBJECT_ABSENT);
    other.object.parent = STR("app_2");
    EXPECT_EQ_INT(commit_changes(k, &other, 1), ERR_OK);
    struct object_filter f = {.kind = STR("endpoint"), .parent = STR("app_1"), .limit = 3};
    struct object_list l;
    EXPECT_OK(store_objects(k->r, &f, &k->a, &l, &k->why), k->why);
    EXPECT_EQ_UINT(l.count, 3);
    EXPECT(l.more);
    EXPECT_STR(l.v[2].id, "ep_3");
    f.after = l.v[2].id;
    EXPECT_OK(store_objects(k->r, &f, &k->a, &l, &k->why), k->why);
    EXPECT_EQ_UINT(l.count, 2);
    EXPECT(!l.more);
    f.descending = true;
    f.after = STR("ep_4");
    EXPECT_OK(store_objects(k->r, &f, &k->a, &l, &k->why), k->why);
    EXPECT_EQ_UINT(l.count, 3);
    EXPECT(!l.more);
    EXPECT_STR(l.v[0].id, "ep_3");
    f = (struct object_filter){
        .kind = STR("endpoint"), .any_parent = true, .descending = true, .limit = 4};
    EXPECT_OK(store_objects(k->r, &f, &k->a, &l, &k->why), k->why);
    EXPECT_EQ_UINT(l.count, 4);
    EXPECT(l.more);
    EXPECT_STR(l.v[0].id, "ep_5");
    EXPECT_STR(l.v[2].id, "ep_3x");
}

CASE(object_changes_are_followed_in_their_order)
{
    struct object_list l;
    EXPECT_EQ_INT(put_object(k, "ep_1", "", "{}", OBJECT_ABSENT), ERR_OK);
    EXPECT_EQ_INT(put_object(k, "ep_2", "", "{}", OBJECT_ABSENT), ERR_OK);
    uint64_t from = kit_counts(k).object_sequence;
    EXPECT_EQ_INT(put_object(k, "ep_3", "", "{}", OBJECT_ABSENT), ERR_OK);
    EXPECT_EQ_INT(put_object(k, "ep_1", "", "{\"a\":2}", OBJECT_ANY), ERR_OK);
    EXPECT_EQ_INT(delete_object(k, "ep_2", OBJECT_ANY), ERR_OK);
    EXPECT_OK(store_object_changes(k->r, from, 10, &k->a, &l, &k->why), k->why);
    EXPECT_EQ_UINT(l.count, 3);
    EXPECT_STR(l.v[0].id, "ep_3");
    EXPECT_STR(l.v[1].id, "ep_1");
    EXPECT_STR(l.v[2].id, "ep_2");
    EXPECT(!l.v[1].deleted && l.v[2].deleted);
    EXPECT_EQ_UINT(l.v[2].sequence, kit_counts(k).object_sequence);
    EXPECT_OK(store_object_changes(k->r, l.v[0].sequence, 1, &k->a, &l, &k->why), k->why);
    EXPECT_EQ_UINT(l.count, 1);
    EXPECT(l.more);
    EXPECT_STR(l.v[0].id, "ep_1");
    /* One that came back is there, and its deletion is history. */
    EXPECT_EQ_INT(put_object(k, "ep_2", "", "{}", OBJECT_ABSENT), ERR_OK);
    EXPECT_OK(store_object_changes(k->r, from, 10, &k->a, &l, &k->why), k->why);
    EXPECT_EQ_UINT(l.count, 3);
    EXPECT_STR(l.v[2].id, "ep_2");
    EXPECT(!l.v[2].deleted);
}

CASE(object_past_its_time_is_purged)
{
    struct object o;
    struct object_change c = change_of(OBJECT_PUT, "ep_1", "one", "{}", OBJECT_ABSENT);
    c.object.expires_ms = KIT_START_MS + 100;
    EXPECT_EQ_INT(commit_changes(k, &c, 1), ERR_OK);
    EXPECT_EQ_INT(put_object(k, "ep_2", "two", "{}", OBJECT_ABSENT), ERR_OK);
    const struct retention r = {.step = 10};
    uint64_t deleted;
    EXPECT_OK(store_purge(k->s, &r, KIT_START_MS + 99, &deleted, &k->why), k->why);
    EXPECT_OK(get_object(k, "ep_1", &o), k->why);
    EXPECT_OK(store_purge(k->s, &r, KIT_START_MS + 100, &deleted, &k->why), k->why);
    EXPECT_EQ_INT(get_object(k, "ep_1", &o), ERR_NOT_FOUND);
    EXPECT_OK(get_object(k, "ep_2", &o), k->why);
    EXPECT_EQ_INT(put_object(k, "ep_3", "one", "{}", OBJECT_ABSENT), ERR_OK);
}

/* --- further keys, and what is listed --------------------------------------------------------- */

CASE(of_several_keys_that_match_the_first_tells)
{
    for (int i = 0; i < 16; i++) { /* however they are hashed */
        char name[16];
        snprintf(name, sizeof(name), "k%d", i);
        struct event_key keys[2] = {
            {.scope = STR("\1requests"),
             .key = str_from_cstr(name),
             .hash = {1},
             .window_ms = 1000},
            {.scope = STR("\1ids"), .key = str_from_cstr(name), .hash = {2}, .window_ms = 1000}};
        struct new_event *n = NULL;
        for (int round = 0; round < 2; round++) {
            n = kit_event(k, STR("{}"));
            n->event.dedupe_key = str_from_cstr(name);
            n->dedupe_window_ms = 1000;
            n->keys = keys;
            n->key_count = 2;
            kit_commit(k);
        }
        EXPECT(n->duplicate_of != 0);
        EXPECT_EQ_UINT(n->matched, 1);
        EXPECT(n->same_hash);
    }
}

CASE(further_key_keeps_a_second_event_out)
{
    struct event_key key = {
        .scope = STR("\1ids"), .key = STR("k1"), .hash = {1}, .window_ms = 1000};
    struct new_event *first = kit_event(k, STR("one"));
    first->keys = &key;
    first->key_count = 1;
    uint64_t id = first->event.id;
    kit_commit(k);
    EXPECT(first->locator != 0);
    struct event_key keys[2] = {
        {.scope = STR("\1other"), .key = STR("k1"), .hash = {1}, .window_ms = 1000}, key};
    struct new_event *again = kit_event(k, STR("two"));
    again->keys = keys;
    again->key_count = 2;
    kit_commit(k);
    EXPECT_EQ_UINT(again->duplicate_of, id);
    EXPECT_EQ_UINT(again->matched, 2);
    EXPECT(again->same_hash);
    EXPECT_EQ_UINT(again->locator, 0);
    keys[1].hash[0] = 9;
    struct new_event *otherwise = kit_event(k, STR("three"));
    otherwise->keys = keys + 1;
    otherwise->key_count = 1;
    kit_commit(k);
    EXPECT_EQ_UINT(otherwise->duplicate_of, id);
    EXPECT_EQ_UINT(otherwise->matched, 1);
    EXPECT(!otherwise->same_hash);
    /* What was kept out left no key behind. */
    struct new_event *free_key = kit_event(k, STR("four"));
    free_key->keys = keys;
    free_key->key_count = 1;
    kit_commit(k);
    EXPECT(free_key->locator != 0);
    EXPECT_EQ_UINT(kit_counts(k).events, 2);
    clock_fake_advance(&k->clock, 1000);
    struct new_event *later = kit_event(k, STR("five"));
    later->keys = &key;
    later->key_count = 1;
    kit_commit(k);
    EXPECT(later->locator != 0);
}

CASE(listed_rows_are_walked_both_ways)
{
    uint64_t events[3], deliveries[3];
    for (int i = 0; i < 3; i++) {
        struct new_event *n = kit_event(k, STR("{}"));
        n->event.flags = EVENT_LISTED;
        n->event.source = STR("app_1");
        struct new_delivery *d = kit_delivery(k, n, STR("ep_1"));
        d->listed = true;
        events[i] = n->event.id;
        deliveries[i] = d->id;
        kit_event(k, STR("{}"));
        kit_commit(k);
    }
    struct event_filter f = {
        .source = STR("app_1"), .listed = true, .state = -1, .limit = 2, .ascending = true};
    struct event_list l;
    EXPECT_OK(store_events(k->r, &f, &k->a, &l, &k->why), k->why);
    EXPECT_EQ_UINT(l.count, 2);
    EXPECT_EQ_UINT(l.v[0].event.id, events[0]);
    f.after = l.v[1].event.id;
    EXPECT_OK(store_events(k->r, &f, &k->a, &l, &k->why), k->why);
    EXPECT_EQ_UINT(l.count, 1);
    EXPECT_EQ_UINT(l.v[0].event.id, events[2]);
    f = (struct event_filter){
        .source = STR("app_1"), .listed = true, .state = -1, .limit = 9, .before = events[2]};
    EXPECT_OK(store_events(k->r, &f, &k->a, &l, &k->why), k->why);
    EXPECT_EQ_UINT(l.count, 2);
    EXPECT_EQ_UINT(l.v[0].event.id, events[1]);
    struct delivery_filter df = {
        .destination = STR("ep_1"), .listed = true, .state = -1, .limit = 9, .ascending = true};
    df.after = deliveries[0];
    struct delivery_list dl;
    EXPECT_OK(store_deliveries(k->r, &df, &k->a, &dl, &k->why), k->why);
    EXPECT_EQ_UINT(dl.count, 2);
    EXPECT_EQ_UINT(dl.v[0].id, deliveries[1]);
    EXPECT(dl.v[0].listed);
}

CASE(listed_rows_are_counted_by_source_and_time)
{
    int64_t before_ms = clock_wall_ms(&k->clock.base), count = -1;
    for (int i = 0; i < 7; i++) {
        struct new_event *n = kit_event(k, STR("{}"));
        n->event.flags = i == 6 ? 0 : EVENT_LISTED;
        n->event.source = i % 3 == 2 ? STR("app_2") : STR("app_1");
        kit_commit(k);
        clock_fake_advance(&k->clock, 1000);
    }
    EXPECT_OK(store_count_listed(k->r, STR("app_1"), before_ms, 100, &count, &k->why), k->why);
    EXPECT_EQ_INT(count, 4);
    EXPECT_OK(store_count_listed(k->r, STR("app_2"), before_ms, 100, &count, &k->why), k->why);
    EXPECT_EQ_INT(count, 2);
    EXPECT_OK(store_count_listed(k->r, STR("app_1"), before_ms, 3, &count, &k->why), k->why);
    EXPECT_EQ_INT(count, 3);
    EXPECT_OK(store_count_listed(k->r, STR("app_1"), before_ms + 3000, 9, &count, &k->why), k->why);
    EXPECT_EQ_INT(count, 2);
    EXPECT_OK(store_count_listed(k->r, STR("app_1"), before_ms + 7000, 9, &count, &k->why), k->why);
    EXPECT_EQ_INT(count, 0);
    EXPECT_OK(store_count_listed(k->r, STR("nobody"), 0, 9, &count, &k->why), k->why);
    EXPECT_EQ_INT(count, 0);
}

CASE(attempt_log_of_a_destination_and_of_an_event)
{
    uint64_t ids[4];
    uint64_t one = kit_put(k, STR("ep_1"), true), two = kit_put(k, STR("ep_2"), true);
    const struct {
        uint64_t delivery;
        enum delivery_state state;
        int status;
    } all[] = {{one, DELIVERY_DEAD, 503}, {two, DELIVERY_DELIVERED, 204}};
    for (size_t i = 0; i < 2; i++) {
        ids[i] = id_next(&k->ids);
        struct settlement t = {
            .delivery_id = all[i].delivery,
            .state = all[i].state,
            .settled_ms = kit_now(k),
            .attempts = 1,
            .attempt = {.id = ids[i],
                        .number = 1,
                        .result = all[i].state == DELIVERY_DEAD ? ATTEMPT_RETRY : ATTEMPT_SUCCESS,
                        .status = all[i].status}};
        struct batch b = {.settlements = &t, .settlement_count = 1};
        EXPECT_OK(store_commit(k->s, &b, &k->why), k->why);
    }
    struct attempt_filter f = {.destination = STR("ep_1"), .result = ATTEMPTS_ANY, .limit = 10};
    struct attempt_log l;
    EXPECT_OK(store_attempt_log(k->r, &f, &k->a, &l, &k->why), k->why);
    EXPECT_EQ_UINT(l.count, 1);
    EXPECT_EQ_UINT(l.v[0].id, ids[0]);
    EXPECT_EQ_UINT(l.v[0].delivery_id, one);
    EXPECT_STR(l.v[0].destination, "ep_1");
    EXPECT_STR(l.v[0].event_type, "push");
    EXPECT_EQ_UINT(l.v[0].event_id, kit_find(k, one).event_id);
    f = (struct attempt_filter){
        .event_id = kit_find(k, two).event_id, .result = ATTEMPTS_ANY, .limit = 10};
    EXPECT_OK(store_attempt_log(k->r, &f, &k->a, &l, &k->why), k->why);
    EXPECT_EQ_UINT(l.count, 1);
    EXPECT_EQ_UINT(l.v[0].id, ids[1]);
    f.result = ATTEMPTS_FAILED;
    EXPECT_OK(store_attempt_log(k->r, &f, &k->a, &l, &k->why), k->why);
    EXPECT_EQ_UINT(l.count, 0);
    f = (struct attempt_filter){.destination = STR("ep_2"),
                                .id = ids[1],
                                .result = ATTEMPT_SUCCESS,
                                .status_min = 200,
                                .status_max = 299,
                                .event_type = STR("push"),
                                .limit = 10};
    EXPECT_OK(store_attempt_log(k->r, &f, &k->a, &l, &k->why), k->why);
    EXPECT_EQ_UINT(l.count, 1);
    f.status_max = 203;
    EXPECT_OK(store_attempt_log(k->r, &f, &k->a, &l, &k->why), k->why);
    EXPECT_EQ_UINT(l.count, 0);
    /* Attempts without an id are in no log. */
    uint64_t three = kit_put(k, STR("ep_1"), true);
    kit_settle(k, three, DELIVERY_DELIVERED, 0, 1);
    f = (struct attempt_filter){.destination = STR("ep_1"), .result = ATTEMPTS_ANY, .limit = 10};
    EXPECT_OK(store_attempt_log(k->r, &f, &k->a, &l, &k->why), k->why);
    EXPECT_EQ_UINT(l.count, 1);
}

/* Attempts of ep_1, an hour's hundredth apart, with results by turns; those of ep_2 between them.
 */
#define LOGGED 60
static enum attempt_result logged_result(size_t i)
{
    return (enum attempt_result)(i % (ATTEMPT_LOST + 1));
}

static void put_logged(struct kit *k, uint64_t ids[LOGGED])
{
    for (size_t i = 0; i < LOGGED; i++)
        for (int other = 0; other < 2; other++) {
            uint64_t delivery = kit_put(k, other ? STR("ep_2") : STR("ep_1"), true);
            uint64_t id = id_next(&k->ids);
            struct settlement t = {.delivery_id = delivery,
                                   .state = DELIVERY_DEAD,
                                   .settled_ms = kit_now(k),
                                   .attempts = 1,
                                   .attempt = {.id = id, .number = 1, .result = logged_result(i)}};
            struct batch b = {.settlements = &t, .settlement_count = 1};
            EXPECT_OK(store_commit(k->s, &b, &k->why), k->why);
            if (!other)
                ids[i] = id;
            clock_fake_advance(&k->clock, 36000);
        }
}

/* All pages of the filter's list are those ids whose result it wants, in its order. */
static void expect_logged(struct kit *k, struct attempt_filter f, const uint64_t ids[LOGGED])
{
    size_t at = 0, pages = 0;
    struct attempt_log page = {.next = 1};
    for (; page.next; pages++) {
        EXPECT(pages < 2 * LOGGED);
        EXPECT_OK(store_attempt_log(k->r, &f, &k->a, &page, &k->why), k->why);
        for (size_t i = 0; i < page.count; i++, at++) {
            while (
                at < LOGGED &&
                !attempt_is_wanted(&f, &(struct attempt){.result = logged_result(
                                                             f.ascending ? at : LOGGED - 1 - at)}))
                at++;
            EXPECT(at < LOGGED);
            EXPECT_EQ_UINT(page.v[i].id, ids[f.ascending ? at : LOGGED - 1 - at]);
            EXPECT_STR(page.v[i].destination, "ep_1");
        }
        *(f.ascending ? &f.after : &f.before) = page.next;
    }
    for (; at < LOGGED; at++)
        EXPECT(!attempt_is_wanted(
            &f, &(struct attempt){.result = logged_result(f.ascending ? at : LOGGED - 1 - at)}));
}

CASE(attempt_log_by_result_is_whole_and_in_order)
{
    uint64_t ids[LOGGED];
    put_logged(k, ids);
    for (int result = ATTEMPTS_ENDED; result <= ATTEMPT_LOST; result++)
        for (int ascending = 0; ascending < 2; ascending++)
            expect_logged(k,
                          (struct attempt_filter){.destination = STR("ep_1"),
                                                  .result = result,
                                                  .ascending = ascending,
                                                  .limit = 7},
                          ids);
    /* Both ends are open. */
    struct attempt_log l;
    struct attempt_filter f = {.destination = STR("ep_1"),
                               .result = ATTEMPTS_FAILED,
                               .after = ids[1],
                               .before = ids[7],
                               .limit = 10};
    EXPECT_OK(store_attempt_log(k->r, &f, &k->a, &l, &k->why), k->why);
    EXPECT_EQ_UINT(l.count, 2);
    EXPECT_EQ_UINT(l.v[0].id, ids[5]);
    EXPECT_EQ_UINT(l.v[1].id, ids[2]);
}

static void expect_counts(struct kit *k, const char *destination, uint64_t after, uint64_t before,
                          uint64_t success, uint64_t failed, uint64_t ended)
{
    struct attempt_counts n = {1, 1, 1};
    EXPECT_OK(store_count_attempts(k->r, str_from_cstr(destination), after, before, &n, &k->why),
              k->why);
    EXPECT_EQ_UINT(n.success, success);
    EXPECT_EQ_UINT(n.failed, failed);
    EXPECT_EQ_UINT(n.ended, ended);
}

CASE(attempts_are_counted_by_result_and_time)
{
    uint64_t ids[LOGGED];
    expect_counts(k, "ep_1", 0, 0, 0, 0, 0);
    put_logged(k, ids);
    expect_counts(k, "ep_1", 0, 0, 10, 30, 20);
    expect_counts(k, "ep_2", 0, 0, 10, 30, 20);
    expect_counts(k, "nobody", 0, 0, 0, 0, 0);
    expect_counts(k, "", 0, 0, 0, 0, 0);
    expect_counts(k, "ep_1", ids[0], ids[LOGGED - 1], 9, 29, 20); /* both ends are open */
    expect_counts(k, "ep_1", ids[2], ids[3], 0, 0, 0);
    expect_counts(k, "ep_1", ids[2], ids[2], 0, 0, 0);
    expect_counts(k, "ep_1", ids[3], ids[2], 0, 0, 0);
    expect_counts(k, "ep_1", ids[LOGGED - 1], 0, 0, 0, 0);
    expect_counts(k, "ep_1", 0, ids[6] + 1, 2, 3, 2);
    /* Those without an id are in no list, and so not here. */
    kit_settle(k, kit_put(k, STR("ep_1"), true), DELIVERY_DELIVERED, 0, 1);
    expect_counts(k, "ep_1", 0, 0, 10, 30, 20);
}

/* More that failed or ended than any store looks at before it skips them, and a few between. */
CASE(attempts_that_succeeded_are_found_among_many_that_did_not)
{
    enum { ALL = 440 * KIT_BATCH_MAX };
    static const size_t good[] = {0, 1, 70, 2200, 2201, ALL - 2};
    uint64_t those[ARRAY_LEN(good)];
    for (size_t n = 0, g = 0; n < ALL;) {
        struct settlement t[KIT_BATCH_MAX];
        for (size_t j = 0; j < KIT_BATCH_MAX; j++, n++) {
            struct new_event *e = kit_event(k, STR("{}"));
            struct new_delivery *d = kit_delivery(k, e, STR("ep_1"));
            bool is_good = g < ARRAY_LEN(good) && good[g] == n;
            enum attempt_result result = is_good      ? ATTEMPT_SUCCESS
                                         : n % 7 == 0 ? ATTEMPT_SKIPPED
                                                      : ATTEMPT_PERMANENT;
            d->listed = d->claimed = true;
            t[j] = (struct settlement){
                .next = j + 1 < KIT_BATCH_MAX ? &t[j + 1] : NULL,
                .delivery_id = d->id,
                .event_id = e->event.id,
                .state = is_good ? DELIVERY_DELIVERED : DELIVERY_DEAD,
                .settled_ms = kit_now(k),
                .attempts = 1,
                .attempt = {.id = id_next(&k->ids), .number = 1, .result = result}};
            if (is_good)
                those[g++] = t[j].attempt.id;
        }
        kit_commit(k);
        struct batch b = {.settlements = t, .settlement_count = KIT_BATCH_MAX};
        EXPECT_OK(store_commit(k->s, &b, &k->why), k->why);
    }
    for (size_t limit = 1; limit <= ARRAY_LEN(those) + 1; limit += 3)
        for (int ascending = 0; ascending < 2; ascending++) {
            struct attempt_filter f = {.destination = STR("ep_1"),
                                       .result = ATTEMPT_SUCCESS,
                                       .ascending = ascending,
                                       .limit = limit};
            struct attempt_log l = {.next = 1};
            size_t found = 0;
            for (size_t calls = 0; l.next; calls++) {
                EXPECT(calls < 20);
                EXPECT_OK(store_attempt_log(k->r, &f, &k->a, &l, &k->why), k->why);
                EXPECT(l.count <= limit);
                for (size_t i = 0; i < l.count; i++, found++) {
                    size_t at = ascending ? found : ARRAY_LEN(those) - 1 - found;
                    EXPECT(found < ARRAY_LEN(those));
                    EXPECT_EQ_UINT(l.v[i].id, those[at]);
                    EXPECT_EQ_INT(l.v[i].result, ATTEMPT_SUCCESS);
                }
                *(ascending ? &f.after : &f.before) = l.next;
            }
            EXPECT_EQ_UINT(found, ARRAY_LEN(those));
        }
}
