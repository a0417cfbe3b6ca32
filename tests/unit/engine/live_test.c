/* live_test.c -- what happens, told to those who watch: each line once to each, in order; who is
 * too slow loses lines and holds up nobody. */
#include "engine/live.h"

#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>

#define LINES_WAITING_MAX 4096 /* as in live.c */
#define TELLERS 4
#define LINES_EACH 500

struct watching {
    struct live_watcher *watcher;
    int lines;
    uint64_t last;
    char text[64];
    bool leaves; /* with its first line */
};

static void told(uint64_t sequence, str json, void *arg)
{
    struct watching *w = arg;
    EXPECT(sequence > w->last);
    w->last = sequence;
    w->lines++;
    snprintf(w->text, sizeof(w->text), STR_FMT, STR_ARG(json));
    if (w->leaves)
        live_unwatch(w->watcher);
}

static void watch(struct watching *w, struct live *l, struct loop *loop)
{
    memset(w, 0, sizeof(*w));
    w->watcher = live_watch(l, loop, told, w);
}

void test_live_nobody_watches(void)
{
    struct live *l = live_new();
    EXPECT(!live_is_watched(l));
    live_tell(l, STR("{}"));
    live_free(l);
    live_free(NULL);
}

void test_live_each_watcher_gets_each_line(void)
{
    struct live *l = live_new();
    struct loop *a = loop_new(clock_real()), *b = loop_new(clock_real());
    struct watching one, two, three;
    watch(&one, l, a);
    watch(&two, l, a);
    live_tell(l, STR("{\"n\":1}"));
    watch(&three, l, b);
    live_tell(l, STR("{\"n\":2}"));
    EXPECT_EQ_INT(one.lines, 0); /* by message, never within live_tell */
    loop_run_once(a, false);
    loop_run_once(b, false);
    EXPECT_EQ_INT(one.lines, 2);
    EXPECT_EQ_INT(two.lines, 2);
    EXPECT_EQ_INT(three.lines, 1);
    EXPECT_EQ_UINT(three.last, one.last);
    EXPECT_CSTR(two.text, "{\"n\":2}");
    live_unwatch(one.watcher);
    EXPECT(live_is_watched(l));
    live_unwatch(two.watcher);
    live_unwatch(three.watcher);
    EXPECT(!live_is_watched(l));
    live_free(l);
    loop_free(a);
    loop_free(b);
}

/* Lines under way when a watcher goes are freed and not shown. */
void test_live_watcher_that_goes_hears_no_more(void)
{
    struct live *l = live_new();
    struct loop *loop = loop_new(clock_real());
    struct watching goes, leaves;
    watch(&goes, l, loop);
    watch(&leaves, l, loop);
    leaves.leaves = true;
    for (int i = 0; i < 5; i++)
        live_tell(l, STR("{}"));
    live_unwatch(goes.watcher);
    loop_run_once(loop, false);
    EXPECT_EQ_INT(goes.lines, 0);
    EXPECT_EQ_INT(leaves.lines, 1);
    EXPECT(!live_is_watched(l));
    live_free(l);
    loop_free(loop);
}

void test_live_slow_watcher_loses_lines_and_sees_the_gap(void)
{
    struct live *l = live_new();
    struct loop *slow_loop = loop_new(clock_real()), *quick_loop = loop_new(clock_real());
    struct watching slow, quick;
    watch(&slow, l, slow_loop);
    watch(&quick, l, quick_loop);
    for (int i = 0; i < LINES_WAITING_MAX + 1000; i++) {
        live_tell(l, STR("{\"n\":1}"));
        loop_run_once(quick_loop, false);
    }
    EXPECT_EQ_INT(quick.lines, LINES_WAITING_MAX + 1000);
    loop_run_once(slow_loop, false);
    EXPECT_EQ_INT(slow.lines, LINES_WAITING_MAX);
    live_tell(l, STR("{\"n\":2}"));
    loop_run_once(slow_loop, false);
    EXPECT_EQ_INT(slow.lines, LINES_WAITING_MAX + 1);
    EXPECT_EQ_UINT(slow.last, LINES_WAITING_MAX + 1001); /* 1000 are missing */
    EXPECT_CSTR(slow.text, "{\"n\":2}");
    loop_run_once(quick_loop, false); /* a loop that ends drops what did not run */
    live_unwatch(slow.watcher);
    live_unwatch(quick.watcher);
    live_free(l);
    loop_free(slow_loop);
    loop_free(quick_loop);
}

struct teller {
    struct live *live;
    _Atomic int ended;
};

static void *tell_many(void *arg)
{
    struct teller *t = arg;
    for (int i = 0; i < LINES_EACH; i++)
        live_tell(t->live, STR("{\"kind\":\"event\"}"));
    atomic_fetch_add(&t->ended, 1);
    return NULL;
}

void test_live_many_threads_tell_in_one_order(void)
{
    struct live *l = live_new();
    struct loop *loop = loop_new(clock_real());
    struct teller t = {.live = l};
    struct watching w;
    pthread_t threads[TELLERS];
    watch(&w, l, loop);
    for (int i = 0; i < TELLERS; i++)
        EXPECT(pthread_create(&threads[i], NULL, tell_many, &t) == 0);
    /* Sequence grows by one a line: told() fails on any other order. */
    while (w.lines < TELLERS * LINES_EACH)
        loop_run_once(loop, true);
    for (int i = 0; i < TELLERS; i++)
        pthread_join(threads[i], NULL);
    EXPECT_EQ_UINT(w.last, TELLERS * LINES_EACH);
    live_unwatch(w.watcher);
    live_free(l);
    loop_free(loop);
}
