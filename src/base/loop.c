/* loop.c -- the door to libuv's loop: timers, the inbox, hooks at the end of a turn, threads.
 *
 * One turn of uv_run, as far as it concerns us:
 *     alarm: fire_due  ->  prepare: hooks, arm  ->  poll (the only sleep): sockets, inbox
 * so that whatever timers, messages and sockets left behind meets the hooks before the next sleep.
 * All timers share one uv_timer_t, armed for the earliest; their order is kept in a heap by the
 * loop's own clock, so that they also obey a fake one. Invariants: a timer runs or waits in the
 * heap, never both; only `inbox` and `stopping` are touched by other threads. */
#include "base/loop.h"

#include "base/heap.h"
#include "base/log.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <uv.h>

#define LOOP_MAGIC 0x4c4f4f50u
#define NS_PER_MS INT64_C(1000000)
#define DELAY_MS_MAX (INT64_C(100) * 366 * 24 * 3600 * 1000)
#define SLEEP_MS_MAX (INT64_C(3600) * 1000)
#define NOT_ARMED INT64_MAX

/* A started timer's place in the heap; kept for reuse in free_nodes when it stops. */
struct timer_node {
    struct heap_node node;
    struct loop_timer *timer;
    struct timer_node *next_free;
};

struct loop {
    unsigned magic;
    uv_loop_t uv;
    uv_async_t wake;
    uv_prepare_t prepare;
    uv_timer_t alarm;
    int64_t armed_ns; /* what the alarm waits for, or NOT_ARMED */
    bool closing;
    struct heap timers;
    struct timer_node *free_nodes;
    struct loop_hook *hooks, *next_hook;
    const struct clock *clock;
    _Atomic pthread_t owner;
    _Atomic(struct loop_msg *) inbox;
    _Atomic bool stopping;
};

static void must(int result, const char *what)
{
    if (result == UV_ENOMEM)
        die_of_memory(0);
    if (result < 0)
        die("%s failed: %s", what, uv_strerror(result));
}

/* --- timers ------------------------------------------------------------------------------------
 */

static struct timer_node *node_take(struct loop *l)
{
    struct timer_node *node = l->free_nodes;
    if (!node)
        return xcalloc(1, sizeof(*node));
    l->free_nodes = node->next_free;
    return node;
}

static void timer_detach(struct loop_timer *t)
{
    struct timer_node *node = t->impl;
    node->timer = NULL;
    node->next_free = t->loop->free_nodes;
    t->loop->free_nodes = node;
    t->impl = NULL;
}

void loop_timer_start_at(struct loop *l, struct loop_timer *t, int64_t at_ns,
                         void (*fn)(struct loop_timer *t))
{
    CHECK_MAGIC(l, LOOP_MAGIC);
    assert(fn && (!t->impl || t->loop == l));
    t->loop = l;
    t->fn = fn;
    struct timer_node *node = t->impl ? t->impl : node_take(l);
    t->impl = node;
    node->timer = t;
    heap_remove(&l->timers, &node->node);
    heap_push(&l->timers, &node->node, at_ns);
}

void loop_timer_start(struct loop *l, struct loop_timer *t, int64_t delay_ms,
                      void (*fn)(struct loop_timer *t))
{
    if (delay_ms < 0)
        delay_ms = 0;
    if (delay_ms > DELAY_MS_MAX)
        delay_ms = DELAY_MS_MAX;
    loop_timer_start_at(l, t, clock_mono_ns(l->clock) + delay_ms * NS_PER_MS, fn);
}

void loop_timer_stop(struct loop_timer *t)
{
    struct timer_node *node = t->impl;
    if (!node)
        return;
    heap_remove(&t->loop->timers, &node->node);
    timer_detach(t);
}

/* Runs what is due now. A timer that is started meanwhile waits for the next turn, so that one
 * that always restarts itself at once starves nobody. */
static bool fire_due(struct loop *l)
{
    uint64_t end_seq = l->timers.next_seq;
    struct heap_node *top = heap_peek(&l->timers);
    bool fired = false;
    int64_t now_ns = top ? clock_mono_ns(l->clock) : 0;
    for (; top && top->key <= now_ns && top->seq < end_seq; top = heap_peek(&l->timers)) {
        struct loop_timer *t = CONTAINER_OF(top, struct timer_node, node)->timer;
        heap_pop(&l->timers);
        timer_detach(t);
        t->fn(t);
        fired = true;
    }
    return fired;
}

static void on_alarm(uv_timer_t *alarm)
{
    struct loop *l = CONTAINER_OF(alarm, struct loop, alarm);
    CHECK_MAGIC(l, LOOP_MAGIC);
    l->armed_ns = NOT_ARMED;
    fire_due(l);
}

/* Sets the alarm to the earliest timer. A fake clock may have made that one due since. */
static void arm(struct loop *l)
{
    struct heap_node *top = heap_peek(&l->timers);
    if (!top) {
        uv_timer_stop(&l->alarm);
        l->armed_ns = NOT_ARMED;
        return;
    }
    int64_t wait_ns = top->key - clock_mono_ns(l->clock);
    if (top->key == l->armed_ns && wait_ns > 0)
        return;
    l->armed_ns = top->key;
    int64_t wait_ms = wait_ns > 0 ? (wait_ns + NS_PER_MS - 1) / NS_PER_MS : 0;
    if (wait_ms > SLEEP_MS_MAX)
        wait_ms = SLEEP_MS_MAX;
    must(uv_timer_start(&l->alarm, on_alarm, (uint64_t)wait_ms, 0), "uv_timer_start");
}

/* --- the turn ----------------------------------------------------------------------------------
 */

static void run_hooks(struct loop *l)
{
    for (struct loop_hook *hook = l->hooks; hook; hook = l->next_hook) {
        l->next_hook = hook->next;
        hook->fn(hook);
    }
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct loop *l = CONTAINER_OF(prepare, struct loop, prepare);
    CHECK_MAGIC(l, LOOP_MAGIC);
    run_hooks(l);
    arm(l);
}

/* Where it is in the list, or the end of it. */
static struct loop_hook **hook_place(struct loop *l, const struct loop_hook *hook)
{
    CHECK_MAGIC(l, LOOP_MAGIC);
    struct loop_hook **at = &l->hooks;
    while (*at && *at != hook)
        at = &(*at)->next;
    return at;
}

void loop_at_turn_end(struct loop *l, struct loop_hook *hook)
{
    struct loop_hook **at = hook_place(l, hook);
    if (*at)
        return;
    hook->next = NULL;
    *at = hook;
}

void loop_after_input(struct loop *l, struct loop_hook *hook)
{
    if (*hook_place(l, hook))
        return;
    hook->next = l->hooks;
    l->hooks = hook;
}

void loop_hook_remove(struct loop *l, struct loop_hook *hook)
{
    CHECK_MAGIC(l, LOOP_MAGIC);
    if (l->next_hook == hook)
        l->next_hook = hook->next;
    struct loop_hook **at = hook_place(l, hook);
    if (*at)
        *at = hook->next;
}

/* --- the inbox ---------------------------------------------------------------------------------
 */

void loop_post(struct loop *l, struct loop_msg *msg)
{
    CHECK_MAGIC(l, LOOP_MAGIC);
    struct loop_msg *head = atomic_load_explicit(&l->inbox, memory_order_relaxed);
    do {
        msg->next = head;
    } while (!atomic_compare_exchange_weak(&l->inbox, &head, msg));
    /* Whoever found the stack empty wakes the loop, which then takes all of it. */
    if (!head)
        must(uv_async_send(&l->wake), "uv_async_send");
}

static void drain_inbox(struct loop *l)
{
    struct loop_msg *newest = atomic_exchange(&l->inbox, NULL), *oldest = NULL;
    while (newest) {
        struct loop_msg *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct loop_msg *msg = oldest;
        oldest = msg->next;
        msg->fn(msg);
    }
}

static void on_wake(uv_async_t *wake)
{
    struct loop *l = CONTAINER_OF(wake, struct loop, wake);
    CHECK_MAGIC(l, LOOP_MAGIC);
    drain_inbox(l);
    if (atomic_load(&l->stopping))
        uv_stop(&l->uv);
}

/* --- life cycle --------------------------------------------------------------------------------
 */

void loop_own_memory(void)
{
    must(uv_replace_allocator(xmalloc, xrealloc, xcalloc, free), "uv_replace_allocator");
}

struct loop *loop_new(const struct clock *clock)
{
    struct loop *l = xcalloc(1, sizeof(*l));
    l->magic = LOOP_MAGIC;
    l->clock = clock;
    l->armed_ns = NOT_ARMED;
    atomic_store(&l->owner, pthread_self());
    must(uv_loop_init(&l->uv), "uv_loop_init");
    must(uv_async_init(&l->uv, &l->wake, on_wake), "uv_async_init");
    must(uv_prepare_init(&l->uv, &l->prepare), "uv_prepare_init");
    must(uv_timer_init(&l->uv, &l->alarm), "uv_timer_init");
    must(uv_prepare_start(&l->prepare, on_prepare), "uv_prepare_start");
    return l;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    UNUSED(arg);
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    CHECK_MAGIC(l, LOOP_MAGIC);
    uv_walk(&l->uv, close_handle, NULL);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    must(uv_loop_close(&l->uv), "uv_loop_close");
    for (struct heap_node *node; (node = heap_pop(&l->timers));)
        timer_detach(CONTAINER_OF(node, struct timer_node, node)->timer);
    heap_release(&l->timers);
    for (struct timer_node *node; (node = l->free_nodes);) {
        l->free_nodes = node->next_free;
        free(node);
    }
    l->magic = 0;
    free(l);
}

static void turn(struct loop *l, uv_run_mode mode)
{
    uv_run(&l->uv, mode);
    run_hooks(l);
}

void loop_run(struct loop *l)
{
    CHECK_MAGIC(l, LOOP_MAGIC);
    atomic_store(&l->owner, pthread_self());
    while (!atomic_exchange(&l->stopping, false))
        turn(l, UV_RUN_DEFAULT);
    /* The stop may have overtaken what its own thread posted before. */
    drain_inbox(l);
    run_hooks(l);
}

void loop_run_once(struct loop *l, bool wait)
{
    CHECK_MAGIC(l, LOOP_MAGIC);
    atomic_store(&l->owner, pthread_self());
    bool fired = fire_due(l);
    turn(l, wait && !fired ? UV_RUN_ONCE : UV_RUN_NOWAIT);
}

void loop_stop(struct loop *l)
{
    atomic_store(&l->stopping, true);
    uv_async_send(&l->wake);
}

void *loop_uv(struct loop *l)
{
    return &l->uv;
}

const struct clock *loop_clock(const struct loop *l)
{
    return l->clock;
}

bool loop_is_mine(const struct loop *l)
{
    return pthread_equal(atomic_load(&l->owner), pthread_self()) != 0;
}

/* --- threads -----------------------------------------------------------------------------------
 */

struct thread_impl {
    pthread_t id;
    struct loop *loop;
    char name[16];
};

static void *thread_main(void *arg)
{
    struct thread_impl *impl = arg;
    pthread_setname_np(pthread_self(), impl->name);
    loop_run(impl->loop);
    return NULL;
}

void loop_thread_start(struct loop_thread *t, struct loop *l, const char *name)
{
    static const int own_faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    struct thread_impl *impl = xcalloc(1, sizeof(*impl));
    sigset_t blocked, former;
    assert(strlen(name) < sizeof(impl->name));
    snprintf(impl->name, sizeof(impl->name), "%s", name);
    impl->loop = l;
    /* Signals are for the program's own threads. */
    sigfillset(&blocked);
    for (size_t i = 0; i < ARRAY_LEN(own_faults); i++)
        sigdelset(&blocked, own_faults[i]);
    pthread_sigmask(SIG_SETMASK, &blocked, &former);
    int error = pthread_create(&impl->id, NULL, thread_main, impl);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    if (error)
        die("the thread %s could not be started: error %d", name, error);
    *t = (struct loop_thread){l, impl};
}

void loop_thread_join(struct loop_thread *t)
{
    struct thread_impl *impl = t->impl;
    if (!impl)
        return;
    pthread_join(impl->id, NULL);
    free(impl);
    *t = (struct loop_thread){0};
}

/* --- work --------------------------------------------------------------------------------------
 */

struct work_impl {
    uv_work_t uv;
    struct loop_work *work;
};

static void work_run(uv_work_t *uv)
{
    struct loop_work *w = CONTAINER_OF(uv, struct work_impl, uv)->work;
    w->work(w);
}

static void work_done(uv_work_t *uv, int status)
{
    struct work_impl *impl = CONTAINER_OF(uv, struct work_impl, uv);
    struct loop_work *w = impl->work;
    /* Nobody cancels work, so it always ran. */
    assert(status == 0);
    w->impl = NULL;
    free(impl);
    w->done(w);
}

void loop_work_start(struct loop *l, struct loop_work *w)
{
    CHECK_MAGIC(l, LOOP_MAGIC);
    struct work_impl *impl = xcalloc(1, sizeof(*impl));
    impl->work = w;
    w->impl = impl;
    must(uv_queue_work(&l->uv, &impl->uv, work_run, work_done), "uv_queue_work");
}
