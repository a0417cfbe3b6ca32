/* The output of a command as one bounded stream. */
#include "action/capture.h"
#include "unit.h"

#include <unistd.h>

static bool ended;

static void on_ended(struct capture *c)
{
    UNUSED(c);
    ended = true;
}

static void read_to_the_end(struct loop *l)
{
    while (!ended)
        loop_run_once(l, true);
}

void test_capture_keeps_the_order_and_ends_with_the_last_writer(void)
{
    struct loop *l = loop_new(clock_real());
    struct capture c;
    struct reason why = {0};
    EXPECT_OK(capture_start(&c, l, 1000, on_ended, &why), why);
    int other = dup(c.write_end);
    EXPECT(write(c.write_end, "out ", 4) == 4);
    EXPECT(write(other, "err ", 4) == 4);
    capture_handed_over(&c);
    loop_run_once(l, false);
    EXPECT(!ended);
    EXPECT(write(other, "late", 4) == 4);
    EXPECT(close(other) == 0);
    read_to_the_end(l);
    EXPECT_STR(buf_str(&c.out), "out err late");
    EXPECT(!c.cut);
    capture_release(&c);
    loop_free(l);
}

void test_capture_drops_what_is_beyond_its_maximum(void)
{
    struct loop *l = loop_new(clock_real());
    struct capture c;
    struct reason why = {0};
    EXPECT_OK(capture_start(&c, l, 5, on_ended, &why), why);
    EXPECT(write(c.write_end, "0123456789", 10) == 10);
    capture_handed_over(&c);
    read_to_the_end(l);
    EXPECT_STR(buf_str(&c.out), "01234");
    EXPECT(c.cut);
    capture_release(&c);
    loop_free(l);
}
