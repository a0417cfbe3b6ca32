/* The loop: timers on real and fake clocks, the inbox, hooks, threads, work. */
#include "unit.h"

#include "base/log.h"
#include "base/loop.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>
#include <uv.h>

/* What happened, in order, one letter each. */
static char trace[256];
static size_t trace_n;

static void note(char c)
{
    EXPECT(trace_n < sizeof(trace) - 1);
    trace[trace_n++] = c;
    trace[trace_n] = '\0';
}

struct timer {
    struct loop_timer timer;
    char letter;
};

static void on_timer(struct loop_timer *t)
{
    note(CONTAINER_OF(t, struct timer, timer)->letter);
}

static void on_timer_stop_loop(struct loop_timer *t)
{
    on_timer(t);
    loop_stop(t->loop);
}

static void start(struct loop *l, struct timer *t, char letter, int64_t delay_ms)
{
    t->letter = letter;
    loop_timer_start(l, &t->timer, delay_ms, on_timer);
}

void test_loop_free_accepts_null_and_an_unused_loop(void)
{
    loop_free(NULL);
    struct loop *l = loop_new(clock_real());
    EXPECT(loop_clock(l) == clock_real());
    EXPECT(loop_is_mine(l));
    loop_free(l);
}

void test_loop_timers_fire_in_order_on_the_real_clock(void)
{
    struct loop *l = loop_new(clock_real());
    struct timer a = {0}, b = {0}, c = {0}, end = {.letter = 'z'};
    int64_t began = clock_mono_ns(clock_real());
    start(l, &c, 'c', 30);
    start(l, &a, 'a', 0);
    start(l, &b, 'b', 10);
    loop_timer_start(l, &end.timer, 40, on_timer_stop_loop);
    loop_run(l);
    int64_t took_ms = (clock_mono_ns(clock_real()) - began) / 1000000;
    EXPECT_CSTR(trace, "abcz");
    EXPECT(took_ms >= 40);
    loop_free(l);
}

void test_loop_a_timer_never_fires_early(void)
{
    struct loop *l = loop_new(clock_real());
    for (int64_t ms = 0; ms < 8; ms++) {
        struct timer t = {0};
        int64_t began = clock_mono_ns(clock_real());
        size_t before = trace_n;
        start(l, &t, 't', ms);
        while (trace_n == before)
            loop_run_once(l, true);
        EXPECT(clock_mono_ns(clock_real()) - began >= ms * 1000000);
    }
    loop_free(l);
}

void test_loop_stopped_timers_do_not_fire(void)
{
    struct clock_fake clock;
    clock_fake_init(&clock, 0);
    struct loop *l = loop_new(&clock.base);
    struct timer a = {0}, b = {0};
    loop_timer_stop(&a.timer);
    start(l, &a, 'a', 5);
    start(l, &b, 'b', 5);
    loop_timer_stop(&a.timer);
    loop_timer_stop(&a.timer);
    clock_fake_advance(&clock, 10);
    loop_run_once(l, false);
    EXPECT_CSTR(trace, "b");
    loop_timer_stop(&b.timer);
    loop_free(l);
}

void test_loop_timers_obey_a_fake_clock(void)
{
    struct clock_fake clock;
    clock_fake_init(&clock, 0);
    struct loop *l = loop_new(&clock.base);
    struct timer a = {0}, b = {0};
    start(l, &a, 'a', 3600000);
    start(l, &b, 'b', 7200000);
    loop_run_once(l, false);
    EXPECT_CSTR(trace, "");
    clock_fake_advance(&clock, 3599999);
    loop_run_once(l, false);
    EXPECT_CSTR(trace, "");
    clock_fake_advance(&clock, 1);
    loop_run_once(l, true);
    EXPECT_CSTR(trace, "a");
    clock_fake_advance(&clock, 3600000);
    loop_run_once(l, false);
    EXPECT_CSTR(trace, "ab");
    loop_free(l);
}

struct advance {
    struct loop_msg msg;
    struct clock_fake *clock;
};

static void advance_an_hour(struct loop_msg *msg)
{
    clock_fake_advance(CONTAINER_OF(msg, struct advance, msg)->clock, 3600000);
}

void test_loop_a_running_loop_sees_the_fake_clock_move(void)
{
    struct clock_fake clock;
    clock_fake_init(&clock, 0);
    struct loop *l = loop_new(&clock.base);
    struct timer t = {.letter = 't'};
    struct advance hour = {{.fn = advance_an_hour}, &clock};
    loop_timer_start(l, &t.timer, 3600000, on_timer_stop_loop);
    loop_run_once(l, false);
    loop_post(l, &hour.msg);
    loop_run(l);
    EXPECT_CSTR(trace, "t");
    loop_free(l);
}

static unsigned turns;

static void count_turn(struct loop_hook *hook)
{
    UNUSED(hook);
    turns++;
}

void test_loop_sleeps_until_a_timer_rather_than_spins(void)
{
    struct loop *l = loop_new(clock_real());
    struct loop_hook hook = {.fn = count_turn};
    struct timer t = {.letter = 't'};
    loop_at_turn_end(l, &hook);
    loop_timer_start(l, &t.timer, 20, on_timer_stop_loop);
    loop_run(l);
    EXPECT(turns < 10);
    loop_free(l);
}

void test_loop_equal_timers_fire_in_the_order_they_were_started(void)
{
    struct clock_fake clock;
    clock_fake_init(&clock, 0);
    struct loop *l = loop_new(&clock.base);
    struct timer timers[8] = {0};
    for (int i = 0; i < 8; i++)
        start(l, &timers[i], (char)('a' + i), 5);
    start(l, &timers[2], 'C', 5);
    clock_fake_advance(&clock, 5);
    loop_run_once(l, false);
    EXPECT_CSTR(trace, "abdefghC");
    loop_free(l);
}

void test_loop_a_delay_beyond_reason_does_not_overflow(void)
{
    struct loop *l = loop_new(clock_real());
    struct timer late = {0}, past = {0};
    start(l, &late, 'l', INT64_MAX);
    start(l, &past, 'p', INT64_MIN);
    while (trace_n == 0)
        loop_run_once(l, true);
    EXPECT_CSTR(trace, "p");
    loop_free(l);
}

static void on_message(struct loop_msg *msg)
{
    UNUSED(msg);
    note('m');
}

static void restart_at_once(struct loop_timer *t)
{
    static struct loop_msg msg = {.fn = on_message};
    on_timer(t);
    if (trace_n == 1)
        loop_post(t->loop, &msg);
    if (trace_n < 20)
        loop_timer_start(t->loop, t, 0, restart_at_once);
    else
        loop_stop(t->loop);
}

void test_loop_a_timer_that_restarts_at_once_starves_nobody(void)
{
    struct clock_fake clock;
    clock_fake_init(&clock, 0);
    struct loop *l = loop_new(&clock.base);
    struct timer eager = {.letter = 'e'}, other = {0};
    loop_timer_start(l, &eager.timer, 0, restart_at_once);
    start(l, &other, 'o', 0);
    loop_run(l);
    EXPECT(strncmp(trace, "eo", 2) == 0);
    EXPECT(strchr(trace, 'm') != NULL && strchr(trace, 'm') < trace + 6);
    loop_free(l);
}

static void free_itself(struct loop_timer *t)
{
    on_timer(t);
    free(CONTAINER_OF(t, struct timer, timer));
}

static struct timer *victim;

static void stop_the_other(struct loop_timer *t)
{
    on_timer(t);
    loop_timer_stop(&victim->timer);
    free(victim);
}

void test_loop_a_timer_may_free_itself_and_stop_others(void)
{
    struct clock_fake clock;
    clock_fake_init(&clock, 0);
    struct loop *l = loop_new(&clock.base);
    struct timer *mine = xcalloc(1, sizeof(*mine)), stopper = {.letter = 's'};
    victim = xcalloc(1, sizeof(*victim));
    mine->letter = 'm';
    loop_timer_start(l, &mine->timer, 1, free_itself);
    loop_timer_start(l, &stopper.timer, 1, stop_the_other);
    start(l, victim, 'v', 1);
    clock_fake_advance(&clock, 1);
    loop_run_once(l, false);
    EXPECT_CSTR(trace, "ms");
    loop_free(l);
}

void test_loop_free_stops_what_still_waits(void)
{
    struct loop *l = loop_new(clock_real());
    struct timer t = {0};
    start(l, &t, 't', 1000);
    loop_run_once(l, false);
    loop_free(l);
    loop_timer_stop(&t.timer);
    EXPECT_CSTR(trace, "");
}

/* --- hooks -------------------------------------------------------------------------------------
 */

static bool has_input; /* what a batch would be: set by any input, taken by the hook */

static void flush(struct loop_hook *hook)
{
    UNUSED(hook);
    if (has_input)
        note('F');
    has_input = false;
}

static void timer_input(struct loop_timer *t)
{
    on_timer(t);
    has_input = true;
}

static void message_input(struct loop_msg *msg)
{
    UNUSED(msg);
    note('m');
    has_input = true;
}

static void pipe_input(uv_poll_t *handle, int status, int events)
{
    char byte;
    int fd;
    UNUSED(status);
    UNUSED(events);
    EXPECT(uv_fileno((uv_handle_t *)handle, &fd) == 0);
    EXPECT(read(fd, &byte, 1) == 1);
    note('p');
    has_input = true;
}

/* Each kind of input must be flushed before the loop blocks again: a loop that sleeps first is
 * ended by the alarm of the runner. */
void test_loop_hooks_flush_timers_messages_and_sockets_before_sleeping(void)
{
    struct loop *l = loop_new(clock_real());
    struct loop_hook hook = {.fn = flush};
    struct timer t = {.letter = 't'};
    struct loop_msg msg = {.fn = message_input};
    uv_poll_t poller;
    int ends[2];
    loop_at_turn_end(l, &hook);
    loop_timer_start(l, &t.timer, 1, timer_input);
    while (!strchr(trace, 'F'))
        loop_run_once(l, true);
    EXPECT_CSTR(trace, "tF");
    loop_post(l, &msg);
    loop_run_once(l, true);
    EXPECT_CSTR(trace, "tFmF");
    EXPECT(pipe(ends) == 0);
    EXPECT(uv_poll_init(loop_uv(l), &poller, ends[0]) == 0);
    EXPECT(uv_poll_start(&poller, UV_READABLE, pipe_input) == 0);
    EXPECT(write(ends[1], "x", 1) == 1);
    loop_run_once(l, true);
    EXPECT_CSTR(trace, "tFmFpF");
    loop_free(l);
    close(ends[0]);
    close(ends[1]);
}

static struct loop *running;

static void flush_then_stop(struct loop_hook *hook)
{
    flush(hook);
    if (trace_n >= 6)
        loop_stop(running);
}

static void message_then_timer(struct loop_msg *msg)
{
    static struct timer t = {.letter = 't'};
    message_input(msg);
    loop_timer_start(running, &t.timer, 0, timer_input);
}

static void *post_slowly(void *arg)
{
    static struct loop_msg msgs[2] = {{.fn = message_input}, {.fn = message_then_timer}};
    for (size_t i = 0; i < 2; i++) {
        poll(NULL, 0, 20);
        loop_post(arg, &msgs[i]);
    }
    return NULL;
}

/* The same while loop_run runs, where nothing else wakes the loop after the input. */
void test_loop_hooks_flush_while_the_loop_runs(void)
{
    pthread_t thread;
    struct loop_hook hook = {.fn = flush_then_stop};
    running = loop_new(clock_real());
    loop_at_turn_end(running, &hook);
    EXPECT(pthread_create(&thread, NULL, post_slowly, running) == 0);
    loop_run(running);
    pthread_join(thread, NULL);
    EXPECT_CSTR(trace, "mFmFtF");
    loop_free(running);
}

static void count_a(struct loop_hook *hook)
{
    UNUSED(hook);
    note('a');
}

static void count_b_and_leave(struct loop_hook *hook)
{
    note('b');
    loop_hook_remove(running, hook);
}

static void count_c(struct loop_hook *hook)
{
    UNUSED(hook);
    note('c');
}

void test_loop_hooks_run_in_order_and_can_leave(void)
{
    struct loop_hook a = {.fn = count_a}, b = {.fn = count_b_and_leave}, c = {.fn = count_c};
    running = loop_new(clock_real());
    loop_at_turn_end(running, &a);
    loop_at_turn_end(running, &b);
    loop_at_turn_end(running, &c);
    loop_at_turn_end(running, &a);
    loop_run_once(running, false);
    EXPECT(strncmp(trace, "abcac", 5) == 0);
    EXPECT(!strchr(trace + 2, 'b'));
    loop_hook_remove(running, &b);
    loop_hook_remove(running, &a);
    loop_hook_remove(running, &c);
    trace_n = 0;
    loop_run_once(running, false);
    EXPECT_EQ_UINT(trace_n, 0);
    loop_free(running);
}

/* Whatever they gather in a turn is there for the others in the same turn. */
void test_loop_hooks_after_input_run_before_the_others(void)
{
    struct loop_hook a = {.fn = count_a}, c = {.fn = count_c};
    running = loop_new(clock_real());
    loop_at_turn_end(running, &c);
    loop_after_input(running, &a);
    loop_after_input(running, &a);
    loop_run_once(running, false);
    EXPECT(trace_n >= 2 && strncmp(trace, "acac", trace_n < 4 ? trace_n : 4) == 0);
    loop_hook_remove(running, &a);
    loop_hook_remove(running, &c);
    loop_free(running);
}

static struct loop_hook *next_one;

static void remove_the_next(struct loop_hook *hook)
{
    UNUSED(hook);
    note('r');
    if (next_one) {
        loop_hook_remove(running, next_one);
        free(next_one);
    }
    next_one = NULL;
}

void test_loop_a_hook_may_remove_and_free_the_next(void)
{
    struct loop_hook first = {.fn = remove_the_next}, last = {.fn = count_c};
    running = loop_new(clock_real());
    next_one = xcalloc(1, sizeof(*next_one));
    next_one->fn = count_a;
    loop_at_turn_end(running, &first);
    loop_at_turn_end(running, next_one);
    loop_at_turn_end(running, &last);
    loop_run_once(running, false);
    EXPECT(strncmp(trace, "rc", 2) == 0 && !strchr(trace, 'a'));
    loop_free(running);
}

/* --- the inbox ---------------------------------------------------------------------------------
 */

enum { POSTERS = 4, POSTS_EACH = 25000 };

struct letter {
    struct loop_msg msg;
    unsigned poster, number;
};

struct poster {
    pthread_t thread;
    struct loop *loop;
    struct letter *letters;
};

static unsigned received[POSTERS], received_all;

static void on_letter(struct loop_msg *msg)
{
    struct letter *letter = CONTAINER_OF(msg, struct letter, msg);
    /* In the order of posting, each once. */
    EXPECT_EQ_UINT(letter->number, received[letter->poster]);
    received[letter->poster]++;
    EXPECT(loop_is_mine(running));
    if (++received_all == POSTERS * POSTS_EACH)
        loop_stop(running);
}

static void *post_letters(void *arg)
{
    struct poster *p = arg;
    EXPECT(!loop_is_mine(p->loop));
    for (size_t i = 0; i < POSTS_EACH; i++)
        loop_post(p->loop, &p->letters[i].msg);
    return NULL;
}

void test_loop_post_from_several_threads_loses_nothing(void)
{
    struct poster posters[POSTERS];
    running = loop_new(clock_real());
    for (unsigned i = 0; i < POSTERS; i++) {
        posters[i].loop = running;
        posters[i].letters = xcalloc(POSTS_EACH, sizeof(struct letter));
        for (unsigned k = 0; k < POSTS_EACH; k++)
            posters[i].letters[k] = (struct letter){{.fn = on_letter}, i, k};
        EXPECT(pthread_create(&posters[i].thread, NULL, post_letters, &posters[i]) == 0);
    }
    loop_run(running);
    for (size_t i = 0; i < POSTERS; i++) {
        pthread_join(posters[i].thread, NULL);
        EXPECT_EQ_UINT(received[i], POSTS_EACH);
        free(posters[i].letters);
    }
    loop_free(running);
}

static void post_again(struct loop_msg *msg)
{
    note('x');
    if (trace_n < 5)
        loop_post(running, msg);
    else
        loop_stop(running);
}

void test_loop_a_message_may_post_itself_again(void)
{
    struct loop_msg msg = {.fn = post_again};
    running = loop_new(clock_real());
    loop_post(running, &msg);
    loop_run(running);
    EXPECT_CSTR(trace, "xxxxx");
    loop_free(running);
}

/* --- stopping and threads ----------------------------------------------------------------------
 */

void test_loop_stop_before_run_and_run_again(void)
{
    struct loop *l = loop_new(clock_real());
    struct timer t = {.letter = 't'};
    loop_stop(l);
    loop_run(l);
    EXPECT_CSTR(trace, "");
    loop_timer_start(l, &t.timer, 1, on_timer_stop_loop);
    loop_run(l);
    EXPECT_CSTR(trace, "t");
    loop_free(l);
}

static void on_signal(int number)
{
    UNUSED(number);
    loop_stop(running);
}

void test_loop_stop_from_a_signal_handler(void)
{
    struct sigaction act = {.sa_handler = on_signal};
    running = loop_new(clock_real());
    EXPECT(sigaction(SIGUSR1, &act, NULL) == 0);
    EXPECT(kill(getpid(), SIGUSR1) == 0);
    loop_run(running);
    loop_free(running);
}

static char thread_name[32];
static bool signals_blocked;

static void look_around(struct loop_msg *msg)
{
    sigset_t set;
    UNUSED(msg);
    pthread_getname_np(pthread_self(), thread_name, sizeof(thread_name));
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    signals_blocked = sigismember(&set, SIGTERM) == 1 && sigismember(&set, SIGSEGV) == 0;
    EXPECT(loop_is_mine(running));
    loop_stop(running);
}

void test_loop_thread_runs_and_is_joined(void)
{
    struct loop_thread thread = {0};
    struct loop_msg msg = {.fn = look_around};
    sigset_t set;
    loop_thread_join(&thread);
    running = loop_new(clock_real());
    loop_thread_start(&thread, running, "front-1");
    loop_post(running, &msg);
    loop_thread_join(&thread);
    EXPECT_CSTR(thread_name, "front-1");
    EXPECT(signals_blocked);
    EXPECT(!loop_is_mine(running));
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    EXPECT_EQ_INT(sigismember(&set, SIGTERM), 0);
    loop_free(running);
}

void test_loop_messages_before_a_stop_are_handled(void)
{
    for (int round = 0; round < 50; round++) {
        struct loop_thread thread;
        struct loop_msg msg = {.fn = message_input};
        struct loop *l = loop_new(clock_real());
        trace_n = 0;
        loop_thread_start(&thread, l, "x");
        poll(NULL, 0, round % 3);
        loop_post(l, &msg);
        loop_stop(l);
        loop_thread_join(&thread);
        EXPECT_EQ_UINT(trace_n, 1);
        loop_free(l);
    }
}

/* --- work --------------------------------------------------------------------------------------
 */

struct sum {
    struct loop_work work;
    unsigned n;
    uint64_t total;
    pthread_t by;
};

static unsigned sums_left;

static void add_up(struct loop_work *w)
{
    struct sum *s = CONTAINER_OF(w, struct sum, work);
    s->by = pthread_self();
    for (unsigned i = 1; i <= s->n; i++)
        s->total += i;
}

static void added_up(struct loop_work *w)
{
    struct sum *s = CONTAINER_OF(w, struct sum, work);
    EXPECT_EQ_UINT(s->total, (uint64_t)s->n * (s->n + 1) / 2);
    EXPECT(!pthread_equal(s->by, pthread_self()));
    EXPECT(w->impl == NULL);
    if (--sums_left == 0)
        loop_stop(running);
}

void test_loop_work_runs_elsewhere_and_is_done_here(void)
{
    static struct sum sums[50];
    running = loop_new(clock_real());
    sums_left = ARRAY_LEN(sums);
    for (unsigned i = 0; i < ARRAY_LEN(sums); i++) {
        sums[i] = (struct sum){{add_up, added_up, NULL}, i * 100, 0, 0};
        loop_work_start(running, &sums[i].work);
    }
    loop_run(running);
    EXPECT_EQ_UINT(sums_left, 0);
    loop_free(running);
}

void test_loop_free_waits_for_work(void)
{
    static struct sum s = {{add_up, added_up, NULL}, 1000000, 0, 0};
    running = loop_new(clock_real());
    sums_left = 2;
    loop_work_start(running, &s.work);
    loop_free(running);
    EXPECT_EQ_UINT(sums_left, 1);
}
