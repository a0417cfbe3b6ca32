/* What each destination has, whatever was done: told by store_queues without counting, and by
 * store_count_deliveries without reading any; compared here with the deliveries themselves. */
#include "base/log.h"
#include "cases.h"

#include <sys/wait.h>
#include <unistd.h>

CASE(queues_tell_what_each_destination_has)
{
    struct queue_list q;
    EXPECT_OK(store_queues(k->r, &k->a, &q, &k->why), k->why);
    EXPECT_EQ_UINT(q.count, 0);
    int64_t first = kit_now(k);
    kit_put(k, STR("b"), false);
    uint64_t dies = kit_put(k, STR("c"), true);
    clock_fake_advance(&k->clock, 5000);
    kit_put(k, STR("a"), false);
    kit_put(k, STR("b"), false);
    kit_put(k, STR("b"), false);
    EXPECT_OK(store_queues(k->r, &k->a, &q, &k->why), k->why);
    EXPECT_EQ_UINT(q.count, 3);
    EXPECT_STR(q.v[0].destination, "a");
    EXPECT_EQ_UINT(q.v[0].pending, 1);
    EXPECT_EQ_INT(q.v[0].oldest_ms, kit_now(k));
    EXPECT_STR(q.v[1].destination, "b");
    EXPECT_EQ_UINT(q.v[1].pending, 3);
    EXPECT_EQ_UINT(q.v[1].claimed, 0);
    EXPECT_EQ_INT(q.v[1].oldest_ms, first);
    EXPECT_STR(q.v[2].destination, "c");
    EXPECT_EQ_UINT(q.v[2].claimed, 1);
    EXPECT_EQ_INT(q.v[2].oldest_ms, first);
    kit_settle(k, dies, DELIVERY_DEAD, 0, 1);
    EXPECT_OK(store_queues(k->r, &k->a, &q, &k->why), k->why);
    EXPECT_EQ_UINT(q.count, 3);
    EXPECT_EQ_UINT(q.v[2].claimed, 0);
    EXPECT_EQ_UINT(q.v[2].dead, 1);
    EXPECT_EQ_INT(q.v[2].oldest_ms, 0);
    struct delivery_filter f = {.state = -1, .destination = STR("a")};
    uint64_t moved = 0;
    EXPECT_OK(store_move(k->s, STORE_CANCEL, &f, kit_now(k), &moved, &k->why), k->why);
    EXPECT_EQ_UINT(moved, 1);
    EXPECT_OK(store_queues(k->r, &k->a, &q, &k->why), k->why);
    EXPECT_EQ_UINT(q.count, 2);
    EXPECT_STR(q.v[0].destination, "b");
}

/* --- after anything ----------------------------------------------------------------------------
 */

#define HELD_MAX 256

struct life { /* random, and the same in each run */
    struct kit *k;
    uint64_t random;
    uint64_t held[HELD_MAX]; /* claimed by us, not settled yet */
    size_t held_count;
    uint64_t event; /* one that was stored */
};

static const char *const names[] = {"a", "b", "c"};

/* As all of an endpoint's are. */
static bool is_listed(str destination)
{
    return !str_eq(destination, STR("c"));
}

static unsigned pick(struct life *l, unsigned below)
{
    l->random = l->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(l->random >> 33) % below;
}

static void put_some(struct life *l)
{
    struct kit *k = l->k;
    for (unsigned i = 0, n = 1 + pick(l, 8); i < n; i++) {
        struct new_event *e = kit_event(k, STR("{}"));
        l->event = e->event.id;
        for (unsigned j = 0, m = pick(l, 4); j < m; j++) {
            struct new_delivery *d = kit_delivery(k, e, str_from_cstr(names[pick(l, 3)]));
            d->claimed = pick(l, 4) == 0 && l->held_count < HELD_MAX;
            d->order_key = pick(l, 3);
            d->supersedes = !d->claimed && d->order_key && pick(l, 4) == 0;
            d->next_ms += pick(l, 3) == 0 ? 5000 : 0;
            d->listed = is_listed(d->destination);
            if (d->claimed)
                l->held[l->held_count++] = d->id;
        }
    }
    kit_commit(k);
}

static uint64_t let_go(struct life *l)
{
    size_t i = pick(l, (unsigned)l->held_count);
    uint64_t id = l->held[i];
    l->held[i] = l->held[--l->held_count];
    return id;
}

static void end_some(struct life *l)
{
    static const enum delivery_state ends[] = {DELIVERY_DELIVERED, DELIVERY_DELIVERED,
                                               DELIVERY_DEAD, DELIVERY_SKIPPED, DELIVERY_PENDING};
    for (unsigned n = 1 + pick(l, 6); n > 0 && l->held_count; n--) {
        enum delivery_state to = ends[pick(l, 5)];
        kit_settle(l->k, let_go(l), to, to == DELIVERY_PENDING ? kit_now(l->k) + 2000 : 0, 1);
    }
}

static void claim_some(struct life *l)
{
    if (l->held_count + 5 > HELD_MAX)
        return;
    struct delivery_list got =
        kit_claim(l->k, str_from_cstr(names[pick(l, 3)]), 5, pick(l, 2), NULL);
    for (size_t i = 0; i < got.count; i++)
        l->held[l->held_count++] = got.v[i].id;
}

static void by_hand(struct life *l)
{
    struct kit *k = l->k;
    uint64_t moved;
    struct delivery_filter f = {.state = (int)pick(l, DELIVERY_STATE_COUNT),
                                .destination = str_from_cstr(names[pick(l, 3)])};
    enum store_move move = pick(l, 2) ? STORE_REPLAY : STORE_CANCEL;
    EXPECT_OK(store_move(k->s, move, &f, kit_now(k), &moved, &k->why), k->why);
}

static void one_more(struct life *l)
{
    struct kit *k = l->k;
    struct new_delivery d = {.id = id_next(&k->ids),
                             .destination = str_from_cstr(names[pick(l, 3)]),
                             .route = STR("again"),
                             .next_ms = kit_now(k)};
    d.listed = is_listed(d.destination);
    if (l->event)
        EXPECT_OK(store_add_delivery(k->s, l->event, &d, kit_now(k), &k->why), k->why);
}

static void purge_some(struct life *l)
{
    struct kit *k = l->k;
    struct retention r = {.age_ms = 60000, .step = 20};
    uint64_t deleted;
    EXPECT_OK(store_purge(k->s, &r, kit_now(k), &deleted, &k->why), k->why);
    l->event = 0;
}

static void live(struct life *l, unsigned steps)
{
    for (; steps > 0; steps--) {
        clock_fake_advance(&l->k->clock, 10 + pick(l, 2000));
        unsigned what = pick(l, 16);
        if (what < 6)
            put_some(l);
        else if (what < 9)
            end_some(l);
        else if (what < 12)
            claim_some(l);
        else if (what == 12 && l->held_count)
            EXPECT_OK(store_unclaim(l->k->s, &(uint64_t){let_go(l)}, 1, &l->k->why), l->k->why);
        else if (what == 13)
            by_hand(l);
        else if (what == 14)
            one_more(l);
        else
            purge_some(l);
    }
}

static struct queue_row counted(struct kit *k, str destination)
{
    struct queue_row row = {.destination = destination};
    struct delivery_filter f = {.state = -1, .destination = destination, .limit = 1000};
    struct delivery_list page;
    do {
        EXPECT_OK(store_deliveries(k->r, &f, &k->a, &page, &k->why), k->why);
        for (size_t i = 0; i < page.count; i++) {
            const struct delivery *d = &page.v[i];
            row.pending += d->state == DELIVERY_PENDING;
            row.claimed += d->state == DELIVERY_CLAIMED;
            row.dead += d->state == DELIVERY_DEAD;
            if ((d->state == DELIVERY_PENDING || d->state == DELIVERY_CLAIMED) &&
                (!row.oldest_ms || d->created_ms < row.oldest_ms))
                row.oldest_ms = d->created_ms;
        }
        f.before = page.next;
    } while (page.next);
    return row;
}

/* True when anything waited: a comparison of nothing with nothing says nothing. */
static bool compare(struct kit *k)
{
    struct queue_list told;
    size_t at = 0;
    bool waits = false;
    EXPECT_OK(store_queues(k->r, &k->a, &told, &k->why), k->why);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct queue_row is = counted(k, str_from_cstr(names[i]));
        if (is.pending + is.claimed + is.dead == 0)
            continue;
        EXPECT(at < told.count);
        EXPECT(str_eq(told.v[at].destination, is.destination));
        EXPECT_EQ_UINT(told.v[at].pending, is.pending);
        EXPECT_EQ_UINT(told.v[at].claimed, is.claimed);
        EXPECT_EQ_UINT(told.v[at].dead, is.dead);
        EXPECT_EQ_INT(told.v[at].oldest_ms, is.oldest_ms);
        waits = waits || (is.pending && is.dead);
        at++;
    }
    EXPECT_EQ_UINT(told.count, at);
    arena_reset(&k->a);
    return waits;
}

static void expect_delivery_counts(struct kit *k, str destination, const struct delivery *all,
                                   size_t count, uint64_t after, uint64_t before)
{
    struct delivery_counts is = {0}, told;
    for (size_t i = 0; i < count; i++) {
        if (all[i].id <= after || (before && all[i].id >= before))
            continue;
        is.by_state[all[i].state]++;
        is.retried += all[i].state == DELIVERY_PENDING && all[i].attempts > 0;
    }
    memset(&told, 1, sizeof(told));
    EXPECT_OK(store_count_deliveries(k->r, destination, after, before, &told, &k->why), k->why);
    for (int state = 0; state < DELIVERY_STATE_COUNT; state++)
        EXPECT_EQ_UINT(told.by_state[state], is.by_state[state]);
    EXPECT_EQ_UINT(told.retried, is.retried);
}

/* All of each destination, and those between any two of its ids; which states and how many retries
 * there were is added to `seen`. */
static void compare_delivery_counts(struct kit *k, struct delivery_counts *seen)
{
    struct delivery_list l;
    for (size_t n = 0; n < ARRAY_LEN(names); n++) {
        struct delivery_filter f = {
            .state = -1, .destination = str_from_cstr(names[n]), .limit = 1000};
        if (!is_listed(f.destination))
            continue;
        EXPECT_OK(store_deliveries(k->r, &f, &k->a, &l, &k->why), k->why);
        EXPECT(l.next == 0);
        expect_delivery_counts(k, f.destination, l.v, l.count, 0, 0);
        for (size_t i = 0; i < l.count; i++) {
            const struct delivery *d = &l.v[i], *other = &l.v[l.count - 1 - i];
            expect_delivery_counts(k, f.destination, l.v, l.count, d->id, other->id);
            expect_delivery_counts(k, f.destination, l.v, l.count, d->id - 1, d->id + 1);
            seen->by_state[d->state]++;
            seen->retried += d->state == DELIVERY_PENDING && d->attempts > 0;
        }
        arena_reset(&k->a);
    }
}

CASE(deliveries_are_counted_by_state_and_time_whatever_was_done)
{
    struct life l = {.k = k, .random = 29};
    struct delivery_counts seen = {0}, none;
    EXPECT_OK(store_count_deliveries(k->r, STR("a"), 0, 0, &none, &k->why), k->why);
    EXPECT_EQ_UINT(none.by_state[DELIVERY_DELIVERED], 0);
    for (int i = 0; i < 8; i++) {
        live(&l, 15);
        compare_delivery_counts(k, &seen);
    }
    for (int state = 0; state < DELIVERY_STATE_COUNT; state++)
        EXPECT(seen.by_state[state] > 10);
    EXPECT(seen.retried > 10);
    EXPECT_OK(store_count_deliveries(k->r, STR("nobody"), 0, 0, &none, &k->why), k->why);
    EXPECT_EQ_UINT(none.by_state[DELIVERY_PENDING], 0);
}

/* However many there are: more than a list looks at in one call. */
CASE(counts_are_of_all)
{
    enum { ALL = 20480 };
    struct settlement *t = xcalloc(KIT_BATCH_MAX, sizeof(*t));
    int64_t since_ms = kit_now(k), found;
    for (int i = 0; i < ALL / KIT_BATCH_MAX; i++) {
        for (size_t j = 0; j < KIT_BATCH_MAX; j++) {
            struct new_event *e = kit_event(k, STR("{}"));
            struct new_delivery *d = kit_delivery(k, e, STR("ep_1"));
            e->event.flags |= EVENT_LISTED;
            d->listed = d->claimed = true;
            t[j] = (struct settlement){
                .next = j + 1 < KIT_BATCH_MAX ? &t[j + 1] : NULL,
                .delivery_id = d->id,
                .event_id = e->event.id,
                .state = DELIVERY_DELIVERED,
                .settled_ms = kit_now(k),
                .attempts = 1,
                .attempt = {.id = id_next(&k->ids), .number = 1, .result = ATTEMPT_SUCCESS}};
        }
        kit_commit(k);
        struct batch b = {.settlements = t, .settlement_count = KIT_BATCH_MAX};
        EXPECT_OK(store_commit(k->s, &b, &k->why), k->why);
    }
    free(t);
    struct delivery_counts deliveries;
    struct attempt_counts attempts;
    EXPECT_OK(store_count_deliveries(k->r, STR("ep_1"), 0, 0, &deliveries, &k->why), k->why);
    EXPECT_EQ_UINT(deliveries.by_state[DELIVERY_DELIVERED], ALL);
    EXPECT_OK(store_count_attempts(k->r, STR("ep_1"), 0, 0, &attempts, &k->why), k->why);
    EXPECT_EQ_UINT(attempts.success, ALL);
    EXPECT_OK(store_count_listed(k->r, STR("github"), since_ms, 2 * ALL, &found, &k->why), k->why);
    EXPECT_EQ_INT(found, ALL);
}

CASE(queues_are_what_the_deliveries_say_whatever_was_done)
{
    struct life l = {.k = k, .random = 11};
    int waited = 0;
    for (int i = 0; i < 25; i++) {
        live(&l, 12);
        waited += compare(k);
    }
    EXPECT(waited > 10);
}

void test_sqlite_queues_are_the_same_after_a_restart_and_a_crash(void)
{
    struct kit k;
    int waited = 0;
    kit_open(&k, "sqlite:store");
    for (unsigned i = 0; i < 8; i++) {
        kit_shut(&k);
        pid_t pid = fork();
        EXPECT(pid >= 0);
        if (pid == 0) { /* dies without a close: what it claimed last is void then */
            kit_reopen(&k, "sqlite:store");
            live(&(struct life){.k = &k, .random = 100 + i}, 40);
            _exit(0);
        }
        int status;
        EXPECT(waitpid(pid, &status, 0) == pid);
        EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        clock_fake_advance(&k.clock,
                           100000); /* ids of the next life lie behind those of the last */
        kit_reopen(&k, "sqlite:store");
        waited += compare(&k);
        struct life l = {.k = &k, .random = 200 + i};
        live(&l, 20);
        waited += compare(&k);
        kit_shut(&k);
        kit_reopen(&k, "sqlite:store");
        waited += compare(&k);
    }
    EXPECT(waited > 12);
    kit_close(&k);
}
