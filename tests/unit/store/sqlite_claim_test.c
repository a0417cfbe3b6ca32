/* Claims of the SQLite store, which stand in memory and in no row: what a start after a crash tells
 * of them; and rows that come many at once. */
#include "kit.h"
#include "sqlite_file.h"

#include <fcntl.h>
#include <unistd.h>

/* By its destination, since the ids are drawn in another process. */
static struct delivery bound_for(struct kit *k, const char *destination)
{
    struct delivery_filter f = {.state = -1, .limit = 9, .destination = str_from_cstr(destination)};
    struct delivery_list l;
    EXPECT_OK(store_deliveries(k->r, &f, &k->a, &l, &k->why), k->why);
    EXPECT_EQ_UINT(l.count, 1);
    return l.v[0];
}

static bool is_noted(struct kit *k, const char *destination)
{
    struct attempt_list l;
    EXPECT_OK(store_attempts(k->r, bound_for(k, destination).id, &k->a, &l, &k->why), k->why);
    for (size_t i = 0; i < l.count; i++)
        if (l.v[i].number == 0 && str_eq(l.v[i].error_class, STR("interrupted")))
            return true;
    return false;
}

static uint64_t claim_one(struct kit *k, const char *destination)
{
    struct delivery_list l = kit_claim(k, str_from_cstr(destination), 9, false, NULL);
    EXPECT_EQ_UINT(l.count, 1);
    EXPECT_EQ_INT(l.v[0].state, DELIVERY_CLAIMED);
    return l.v[0].id;
}

static void hold_settle_and_give_back(struct kit *k)
{
    static const char *const names[] = {"held", "retried", "returned", "waiting"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        kit_put(k, str_from_cstr(names[i]), false);
    claim_one(k, "held");
    kit_settle(k, claim_one(k, "retried"), DELIVERY_PENDING, kit_now(k) + 50, 1);
    uint64_t returned = claim_one(k, "returned");
    EXPECT_OK(store_unclaim(k->s, &returned, 1, &k->why), k->why);
}

void test_sqlite_claim_that_a_crash_ended_is_noted(void)
{
    in_doomed_process(hold_settle_and_give_back);
    struct kit k;
    kit_open(&k, "sqlite:store");
    EXPECT_EQ_INT(bound_for(&k, "held").state, DELIVERY_PENDING);
    EXPECT_EQ_UINT(bound_for(&k, "held").attempts, 0);
    EXPECT(is_noted(&k, "held"));
    EXPECT(!is_noted(&k, "retried"));
    EXPECT(!is_noted(&k, "returned"));
    EXPECT(!is_noted(&k, "waiting"));
    EXPECT_EQ_UINT(kit_counts(&k).by_state[DELIVERY_CLAIMED], 0);
    EXPECT_EQ_UINT(kit_counts(&k).by_state[DELIVERY_PENDING], 4);
    claim_one(&k, "held");
    kit_close(&k);
}

/* Whoever looks meanwhile: lists, filters, counts and what is done by hand know what is claimed. */
void test_sqlite_claim_is_seen_though_no_row_tells_it(void)
{
    struct kit k;
    kit_open(&k, "sqlite:store");
    uint64_t first = kit_put(&k, STR("ci"), false), other = kit_put(&k, STR("cd"), false);
    EXPECT_EQ_UINT(claim_one(&k, "ci"), first);
    struct delivery_filter f = {.state = DELIVERY_CLAIMED, .limit = 9};
    struct delivery_list l;
    EXPECT_OK(store_deliveries(k.r, &f, &k.a, &l, &k.why), k.why);
    EXPECT(l.count == 1 && l.v[0].id == first && l.v[0].state == DELIVERY_CLAIMED);
    f.ascending = true;
    EXPECT_OK(store_deliveries(k.r, &f, &k.a, &l, &k.why), k.why);
    EXPECT(l.count == 1 && l.v[0].id == first);
    f = (struct delivery_filter){.state = DELIVERY_PENDING, .limit = 9};
    EXPECT_OK(store_deliveries(k.r, &f, &k.a, &l, &k.why), k.why);
    EXPECT(l.count == 1 && l.v[0].id == other);
    EXPECT_EQ_UINT(kit_counts(&k).by_state[DELIVERY_CLAIMED], 1);
    EXPECT_EQ_UINT(kit_counts(&k).by_state[DELIVERY_PENDING], 1);
    uint64_t moved;
    f = (struct delivery_filter){.state = -1};
    EXPECT_OK(store_move(k.s, STORE_CANCEL, &f, kit_now(&k), &moved, &k.why), k.why);
    EXPECT_EQ_UINT(moved, 1); /* the other one */
    EXPECT_EQ_INT(kit_find(&k, first).state, DELIVERY_CLAIMED);
    kit_settle(&k, first, DELIVERY_DELIVERED, 0, 1);
    EXPECT_EQ_INT(kit_find(&k, first).state, DELIVERY_DELIVERED);
    kit_close(&k);
}

void test_sqlite_rows_of_an_id_that_is_there_are_left_out_alone(void)
{
    struct kit k;
    kit_open(&k, "sqlite:store");
    uint64_t there = kit_put(&k, STR("ci"), false);
    EXPECT_EQ_UINT(kit_counts(&k).by_state[DELIVERY_PENDING], 1); /* in the tables now */
    for (int i = 0; i < 3; i++) {
        struct new_delivery *d = kit_delivery(&k, kit_event(&k, STR("{}")), STR("cd"));
        if (i == 1)
            d->id = there;
    }
    kit_commit(&k);
    struct store_counts c = kit_counts(&k);
    EXPECT_EQ_UINT(c.events, 4);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_PENDING], 3);
    EXPECT_EQ_UINT(kit_claim(&k, STR("cd"), 9, false, NULL).count, 2);
    EXPECT_EQ_UINT(kit_claim(&k, STR("ci"), 9, false, NULL).count, 1);
    kit_close(&k);
}

static bool file_holds(const char *path, const char *text)
{
    static char bytes[4 << 20];
    int fd = open(path, O_RDONLY);
    EXPECT(fd >= 0);
    ssize_t n = read(fd, bytes, sizeof(bytes));
    close(fd);
    EXPECT(n > 0 && (size_t)n < sizeof(bytes));
    return memmem(bytes, (size_t)n, text, strlen(text)) != NULL;
}

void test_sqlite_content_taken_out_is_in_the_file_no_more(void)
{
    struct kit k;
    kit_open(&k, "sqlite:store");
    uint64_t id = kit_event(&k, STR("the words of somebody who wants them gone"))->event.id;
    kit_commit(&k);
    kit_close(&k);
    EXPECT(file_holds("store/gaff.db", "wants them gone"));
    kit_open(&k, "sqlite:store");
    EXPECT_OK(store_expunge(k.s, id, 0, &k.why), k.why);
    kit_close(&k);
    EXPECT(!file_holds("store/gaff.db", "wants them gone"));
}
