/* loop.h -- one libuv loop with an owner thread: timers, an inbox for other threads, stop.
 *
 * Rules: a loop, its timers and everything hung on it belong to the thread that runs it. Other
 * threads may only call loop_post and loop_stop. libuv handles that a layer needs itself
 * (sockets) come from loop_uv. */
#ifndef GAFF_BASE_LOOP_H
#define GAFF_BASE_LOOP_H

#include "base/clock.h"
#include "base/list.h"

struct loop;

/* A message to a loop: embed it; it must live until fn ran. */
struct loop_msg {
    struct loop_msg *next;
    void (*fn)(struct loop_msg *msg);
};

/* Of the program, before the first loop: where libuv itself would abort for want of memory, it ends
 * as everything else of it does (die_of_memory). A library leaves its host's libuv alone. */
void loop_own_memory(void);

struct loop *loop_new(const struct clock *clock);
/* Closes what is left, waits for work on the thread pool and calls its done; drops messages that
 * did not run. Nobody may post any more. Accepts NULL. */
void loop_free(struct loop *l);
void loop_run(struct loop *l); /* until loop_stop; what was posted before that runs */
void loop_run_once(struct loop *l, bool wait); /* one turn, for tests and gaff_run */
void loop_stop(struct loop *l);                /* any thread; async-signal-safe */
void *loop_uv(struct loop *l);                 /* its uv_loop_t */
const struct clock *loop_clock(const struct loop *l);
/* True on the thread that runs (or last ran) the loop. */
bool loop_is_mine(const struct loop *l);

/* Any thread: msg->fn runs on the loop's thread, in order of posting by one thread. Wakes the
 * loop at most once a turn however many are posted (lock-free multi-producer stack, reversed). */
void loop_post(struct loop *l, struct loop_msg *msg);

/* A one-shot timer; embed it. fn may restart or stop it, and free what it is embedded in. A zeroed
 * struct is a stopped timer. Delays count on the loop's clock, also when that is a fake one. */
struct loop_timer {
    struct loop *loop;
    void (*fn)(struct loop_timer *t);
    void *impl;
};
void loop_timer_start(struct loop *l, struct loop_timer *t, int64_t delay_ms,
                      void (*fn)(struct loop_timer *t));
/* At a time of the monotonic clock that the caller worked out from one reading of it: nothing that
 * passes between his reading and this call makes the timer late. */
void loop_timer_start_at(struct loop *l, struct loop_timer *t, int64_t at_ns,
                         void (*fn)(struct loop_timer *t));
void loop_timer_stop(struct loop_timer *t);

/* fn runs once at the end of each turn, after all input of the turn was handled and before the
 * loop sleeps: the place to flush a batch. Hooks run in the order they were added, those of
 * loop_after_input before all others: they handle what input they gathered in the turn. One that
 * is there already is not added again. */
struct loop_hook {
    struct loop_hook *next;
    void (*fn)(struct loop_hook *hook);
};
void loop_at_turn_end(struct loop *l, struct loop_hook *hook);
void loop_after_input(struct loop *l, struct loop_hook *hook);
void loop_hook_remove(struct loop *l, struct loop_hook *hook); /* no-op when it is not there */

/* A thread that runs the loop; loop_thread_join after loop_stop. Name for the debugger, <= 15. */
struct loop_thread {
    struct loop *loop;
    void *impl;
};
void loop_thread_start(struct loop_thread *t, struct loop *l, const char *name);
void loop_thread_join(struct loop_thread *t);

/* Runs work on the thread pool, then done on this loop's thread. */
struct loop_work {
    void (*work)(struct loop_work *w);
    void (*done)(struct loop_work *w);
    void *impl;
};
void loop_work_start(struct loop *l, struct loop_work *w);

#endif
