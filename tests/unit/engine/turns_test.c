/* turns_test.c -- a budget of attempts shared by parties: those whose attempts hang leave room,
 * and who waits gets its turn. */
#include "engine/turns.h"

#include "unit.h"

struct lane_of_party {
    struct turn turn;
    struct turns *turns;
    struct party *held[256];
    int count, wants, max;
    size_t bytes;
};

static void pump(struct turn *who)
{
    struct lane_of_party *l = CONTAINER_OF(who, struct lane_of_party, turn);
    while (l->wants > 0 && l->count < l->max &&
           turns_take(l->turns, &l->turn, &l->held[l->count])) {
        turns_charge(l->held[l->count], l->bytes);
        l->count++;
        l->wants--;
    }
}

static void join(struct lane_of_party *l, struct turns *t, const char *party, int wants)
{
    memset(l, 0, sizeof(*l));
    l->turns = t;
    l->wants = wants;
    l->max = (int)ARRAY_LEN(l->held);
    turns_join(t, &l->turn, str_from_cstr(party));
}

static void end_one(struct lane_of_party *l)
{
    turns_give(l->turns, l->held[--l->count]);
}

static void leave(struct lane_of_party *l)
{
    while (l->count)
        end_one(l);
    turns_join(l->turns, &l->turn, STR(""));
}

void test_turns_one_party_never_takes_more_than_it_leaves(void)
{
    struct turns t;
    struct lane_of_party a, b, c;
    turns_init(&t, 64);
    join(&a, &t, "a", 200);
    pump(&a.turn);
    EXPECT_EQ_INT(a.count, 32);
    join(&b, &t, "b", 200);
    pump(&b.turn);
    EXPECT_EQ_INT(b.count, 16);
    join(&c, &t, "c", 3);
    pump(&c.turn);
    EXPECT_EQ_INT(c.count, 3); /* although the others hang */
    turns_run(&t, pump);
    EXPECT_EQ_INT(a.count + b.count + c.count, 51);
    leave(&a);
    turns_run(&t, pump);
    EXPECT_EQ_INT(b.count, 31); /* half of what c leaves */
    leave(&b);
    leave(&c);
    turns_release(&t);
}

void test_turns_go_round_by_cost(void)
{
    struct turns t;
    struct lane_of_party big, small, idle;
    turns_init(&t, 3);
    join(&idle, &t, "idle", 2);
    pump(&idle.turn); /* so that the others have one place between them */
    EXPECT_EQ_INT(idle.count, 2);
    join(&big, &t, "big", 200);
    join(&small, &t, "small", 200);
    big.bytes = (size_t)3 * TURNS_COST_BYTES; /* each costs 4 */
    int done[2] = {0, 0};
    pump(&big.turn);
    pump(&small.turn);
    for (int i = 0; i < 100; i++) {
        struct lane_of_party *who = big.count ? &big : &small;
        EXPECT_EQ_INT(big.count + small.count, 1);
        done[who == &small]++;
        end_one(who);
        turns_run(&t, pump);
    }
    EXPECT_EQ_INT(done[0] + done[1], 100);
    EXPECT(done[1] >= done[0] * 3 && done[0] >= 15);
    leave(&big);
    leave(&small);
    leave(&idle);
    turns_release(&t);
}

void test_turns_lanes_of_one_party_share_its_turns(void)
{
    struct turns t;
    struct lane_of_party one, two, other;
    turns_init(&t, 4);
    join(&other, &t, "other", 2);
    pump(&other.turn);
    join(&one, &t, "app", 50);
    join(&two, &t, "app", 50);
    pump(&one.turn);
    pump(&two.turn);
    int done[2] = {0, 0};
    for (int i = 0; i < 40; i++) {
        struct lane_of_party *who = one.count ? &one : &two;
        done[who == &two]++;
        end_one(who);
        turns_run(&t, pump);
    }
    EXPECT(done[0] >= 19 && done[1] >= 19);
    leave(&one);
    leave(&two);
    leave(&other);
    turns_release(&t);
}

void test_turns_who_leaves_waits_no_more(void)
{
    struct turns t;
    struct lane_of_party a, b;
    turns_init(&t, 2);
    join(&a, &t, "a", 9);
    pump(&a.turn);
    EXPECT_EQ_INT(a.count, 1);
    join(&b, &t, "b", 1);
    b.max = 0; /* it is told and takes nothing */
    b.turn.waits = false;
    pump(&b.turn);
    turns_forget(&a.turn);
    turns_run(&t, pump);
    EXPECT_EQ_INT(a.count, 1);
    EXPECT(list_is_empty(&t.waiting));
    leave(&a);
    leave(&b);
    struct turn free_of_all = {0};
    struct party *held;
    turns_join(&t, &free_of_all, STR(""));
    EXPECT(turns_take(&t, &free_of_all, &held) && !held);
    turns_release(&t);
}
