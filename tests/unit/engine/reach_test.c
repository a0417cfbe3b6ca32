/* reach_test.c -- an endpoint's attempts at a time: what answers gets what it was given, what hangs
 * holds few. */
#include "engine/reach.h"

#include "unit.h"

#define SOON_US 20000
#define LATE_US (30 * INT64_C(1000000))

void test_reach_grows_with_answers_while_it_is_used_up(void)
{
    struct reach r = {0};
    EXPECT_EQ_INT(reach_of(&r, 16), REACH_FIRST);
    EXPECT_EQ_INT(reach_of(&r, 2), 2);
    reach_ended(&r, 16, REACH_FIRST - 1, CIRCUIT_ANSWERED, SOON_US); /* it needs no more */
    EXPECT_EQ_INT(reach_of(&r, 16), REACH_FIRST);
    reach_ended(&r, 16, REACH_FIRST, CIRCUIT_ANSWERED, LATE_US);
    reach_ended(&r, 16, REACH_FIRST, CIRCUIT_NO_WORD, SOON_US);
    reach_ended(&r, 16, REACH_FIRST, CIRCUIT_FAILED, SOON_US);
    EXPECT_EQ_INT(reach_of(&r, 16), REACH_FIRST);
    for (int i = 0; i < 50; i++)
        reach_ended(&r, 16, reach_of(&r, 16), CIRCUIT_ANSWERED, SOON_US);
    EXPECT_EQ_INT(reach_of(&r, 16), 16);
    EXPECT_EQ_INT(reach_of(&r, 100), 16); /* nothing was saved up above what it was given */
}

void test_reach_shrinks_when_places_were_held_in_vain(void)
{
    struct reach r = {0};
    for (int i = 0; i < 50; i++)
        reach_ended(&r, 16, reach_of(&r, 16), CIRCUIT_ANSWERED, SOON_US);
    reach_ended(&r, 16, 16, CIRCUIT_FAILED, LATE_US);
    EXPECT_EQ_INT(reach_of(&r, 16), 8);
    for (int i = 0; i < 50; i++)
        reach_ended(&r, 16, 1, CIRCUIT_FAILED, LATE_US);
    EXPECT_EQ_INT(reach_of(&r, 16), 1);
    for (int i = 0; i < 3; i++)
        reach_ended(&r, 16, reach_of(&r, 16), CIRCUIT_ANSWERED, SOON_US);
    EXPECT_EQ_INT(reach_of(&r, 16), 4);
    reach_ended(&r, 1, 1, CIRCUIT_FAILED, LATE_US); /* its concurrency was lowered meanwhile */
    EXPECT_EQ_INT(reach_of(&r, 16), 1);
}
