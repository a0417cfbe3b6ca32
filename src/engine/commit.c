/* commit.c -- the leader-follower group commit. Two locks: `queue_lock` guards the list of
 * waiting tickets for a few instructions; `lead_lock` is held for the length of a commit. A
 * ticket that was queued is committed by whoever leads next or by the thread, which is woken
 * whenever something is left waiting: none is forgotten. */
#include "engine/commit.h"

#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

/* Above this a loop no longer leads: the disk would make its connections wait. */
#define SLOW_COMMIT_NS 1500000
/* Bounds the size of one batch so that its memory and its time stay bounded. */
#define BATCH_TICKETS_MAX 64

#define COMMIT_THREADS_MAX 4
/* Where several commits may be on their way, the next one starts when as much as this waits: a
 * commit costs as much as some dozens of events do, so many small ones at a time do less than few
 * large ones. One that hangs holds the others up for WAIT_NS at most. */
#define WORTH_ITEMS 64u
#define WAIT_NS 20000000

struct committer {
    struct store *store;
    const struct clock *clock;
    struct metrics *metrics;
    pthread_t threads[COMMIT_THREADS_MAX];
    unsigned thread_count; /* one for a store that takes one commit at a time */
    pthread_mutex_t queue_lock;
    pthread_cond_t wake;
    pthread_mutex_t lead_lock;
    struct commit_ticket *first, **last;
    size_t waiting;     /* items in those */
    unsigned under_way; /* commits of the threads */
    bool stopping;
    _Atomic int64_t average_ns; /* of recent commits */
};

void commit_ticket_init(struct commit_ticket *t, struct loop *owner,
                        void (*done)(struct commit_ticket *t))
{
    t->owner = owner;
    t->done = done;
    commit_ticket_clear(t);
}

void commit_ticket_clear(struct commit_ticket *t)
{
    t->next = NULL;
    t->events = NULL;
    t->settlements = NULL;
    t->sets = NULL;
    t->sets_tail = &t->sets;
    t->events_tail = &t->events;
    t->settlements_tail = &t->settlements;
    t->event_count = t->settlement_count = t->rejection_count = t->set_count = 0;
    t->err = t->settle_err = ERR_OK;
    t->why = (struct reason){0};
}

void commit_ticket_add_event(struct commit_ticket *t, struct new_event *e)
{
    e->next = NULL;
    *t->events_tail = e;
    t->events_tail = &e->next;
    t->event_count++;
}

void commit_ticket_add_settlement(struct commit_ticket *t, struct settlement *s)
{
    s->next = NULL;
    *t->settlements_tail = s;
    t->settlements_tail = &s->next;
    t->settlement_count++;
}

void commit_ticket_add_set(struct commit_ticket *t, struct object_set *s)
{
    s->next = NULL;
    *t->sets_tail = s;
    t->sets_tail = &s->next;
    t->set_count++;
}

static size_t item_count(const struct commit_ticket *t)
{
    return t->event_count + t->settlement_count + t->set_count + t->rejection_count;
}

static struct commit_ticket *take_waiting(struct committer *c)
{
    pthread_mutex_lock(&c->queue_lock);
    struct commit_ticket *chain = c->first, *t = chain;
    if (t)
        c->waiting -= item_count(t);
    for (size_t n = 1; t && n < BATCH_TICKETS_MAX; n++) {
        t = t->next;
        if (t)
            c->waiting -= item_count(t);
    }
    if (t) {
        c->first = t->next;
        t->next = NULL;
    } else {
        c->first = NULL;
    }
    if (!c->first)
        c->last = &c->first;
    pthread_mutex_unlock(&c->queue_lock);
    return chain;
}

static bool has_waiting(struct committer *c)
{
    pthread_mutex_lock(&c->queue_lock);
    bool waiting = c->first != NULL;
    pthread_mutex_unlock(&c->queue_lock);
    return waiting;
}

/* Splices the tickets' lists into one batch; undone by split_batch. */
static void join_batch(struct commit_ticket *chain, struct batch *b, struct rejection *scratch)
{
    struct new_event **events_tail = &b->events;
    struct settlement **settlements_tail = &b->settlements;
    struct object_set **sets_tail = &b->sets;
    for (struct commit_ticket *t = chain; t; t = t->next) {
        if (t->event_count) {
            *events_tail = t->events;
            events_tail = t->events_tail;
        }
        if (t->settlement_count) {
            *settlements_tail = t->settlements;
            settlements_tail = t->settlements_tail;
        }
        if (t->set_count) {
            *sets_tail = t->sets;
            sets_tail = t->sets_tail;
        }
        for (size_t i = 0; i < t->rejection_count; i++)
            scratch[b->rejection_count++] = t->rejections[i];
        b->event_count += t->event_count;
        b->settlement_count += t->settlement_count;
    }
    *events_tail = NULL;
    *settlements_tail = NULL;
    *sets_tail = NULL;
    b->rejections = scratch;
}

static void split_batch(struct commit_ticket *chain)
{
    for (struct commit_ticket *t = chain; t; t = t->next) {
        *t->events_tail = NULL;
        *t->settlements_tail = NULL;
        *t->sets_tail = NULL;
    }
}

/* Outcomes must still be recorded when there is no room for new events: they free room. */
static enum err commit_settlements_alone(struct committer *c, const struct batch *all,
                                         struct reason *why)
{
    struct batch b = {.settlements = all->settlements, .settlement_count = all->settlement_count};
    return store_commit(c->store, &b, why);
}

static void account(struct committer *c, enum err err, int64_t ns, const struct batch *b)
{
    histogram_add(&c->metrics->commit_us, &histogram_durations, ns / 1000);
    histogram_add(&c->metrics->commit_items, &histogram_sizes,
                  (int64_t)(b->event_count + b->settlement_count));
    METRIC_SET(c->metrics, store_ok, err == ERR_OK);
    int64_t average = atomic_load_explicit(&c->average_ns, memory_order_relaxed);
    atomic_store_explicit(&c->average_ns, average + (ns - average) / 8, memory_order_relaxed);
    if (err == ERR_OK)
        return;
    METRIC_ADD(c->metrics, commit_errors, 1);
}

static void complain(const struct reason *why)
{
    uint64_t held = 0;
    if (log_rate("commit", &held))
        log_event(LOG_ERROR, "store refused a batch", LOG_F("reason", str_from_cstr(why->text)),
                  LOG_I("held_back", held));
}

/* Outside the locks: done may take its time, and may submit again. */
static void hand_back(struct commit_ticket *chain)
{
    while (chain) {
        struct commit_ticket *t = chain;
        chain = t->next;
        t->next = NULL;
        if (!t->owner || loop_is_mine(t->owner))
            t->done(t);
        else
            loop_post(t->owner, &t->msg);
    }
}

/* lead_lock is held, but for a store that takes several commits at a time. */
static void commit_chain(struct committer *c, struct commit_ticket *chain)
{
    struct rejection scratch[BATCH_TICKETS_MAX * 2];
    struct batch b = {0};
    size_t rejections = 0;
    for (struct commit_ticket *t = chain; t; t = t->next) {
        /* Rejected requests are evidence, not promises: beyond the scratch they are dropped. */
        if (rejections + t->rejection_count > ARRAY_LEN(scratch))
            t->rejection_count = 0;
        rejections += t->rejection_count;
    }
    join_batch(chain, &b, scratch);
    struct reason why = {0};
    int64_t start_ns = clock_mono_ns(c->clock);
    enum err err = store_commit(c->store, &b, &why);
    enum err settle_err = err;
    if (err == ERR_FULL && b.settlement_count && (b.event_count || b.sets))
        settle_err = commit_settlements_alone(c, &b, &why);
    account(c, err, clock_mono_ns(c->clock) - start_ns, &b);
    if (err != ERR_OK)
        complain(&why);
    split_batch(chain);
    for (struct commit_ticket *t = chain; t; t = t->next) {
        t->err = err;
        t->settle_err = settle_err;
        if (err != ERR_OK)
            t->why = why;
    }
}

static void lead(struct committer *c)
{
    if (c->thread_count == 1)
        pthread_mutex_lock(&c->lead_lock);
}

static void lead_no_more(struct committer *c)
{
    if (c->thread_count == 1)
        pthread_mutex_unlock(&c->lead_lock);
}

/* Waits until there is something worth a commit; false: never again. */
static bool await_work(struct committer *c)
{
    bool patient = true;
    pthread_mutex_lock(&c->queue_lock);
    while (!c->stopping && (!c->first || (c->under_way && c->waiting < WORTH_ITEMS && patient))) {
        struct timespec until;
        if (!c->first) {
            pthread_cond_wait(&c->wake, &c->queue_lock);
            continue;
        }
        int64_t until_ns = clock_mono_ns(clock_real()) + WAIT_NS;
        until = (struct timespec){until_ns / 1000000000, until_ns % 1000000000};
        patient = pthread_cond_timedwait(&c->wake, &c->queue_lock, &until) != ETIMEDOUT;
    }
    bool more = c->first != NULL;
    c->under_way += more;
    pthread_mutex_unlock(&c->queue_lock);
    return more;
}

static void work_is_done(struct committer *c)
{
    pthread_mutex_lock(&c->queue_lock);
    c->under_way--;
    pthread_mutex_unlock(&c->queue_lock);
}

static void *thread_main(void *arg)
{
    struct committer *c = arg;
    while (await_work(c)) {
        lead(c);
        struct commit_ticket *chain = take_waiting(c);
        if (chain)
            commit_chain(c, chain);
        lead_no_more(c);
        work_is_done(c);
        hand_back(chain);
    }
    return NULL;
}

struct committer *committer_new(struct store *store, const struct clock *clock,
                                struct metrics *metrics)
{
    struct committer *c = xcalloc(1, sizeof(*c));
    c->store = store;
    c->clock = clock;
    c->metrics = metrics;
    c->last = &c->first;
    METRIC_SET(metrics, store_ok, 1);
    pthread_mutex_init(&c->queue_lock, NULL);
    pthread_mutex_init(&c->lead_lock, NULL);
    pthread_condattr_t by_monotonic;
    pthread_condattr_init(&by_monotonic);
    pthread_condattr_setclock(&by_monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&c->wake, &by_monotonic);
    pthread_condattr_destroy(&by_monotonic);
    c->thread_count = store->writers < 1                    ? 1
                      : store->writers > COMMIT_THREADS_MAX ? COMMIT_THREADS_MAX
                                                            : store->writers;
    for (unsigned i = 0; i < c->thread_count; i++)
        if (pthread_create(&c->threads[i], NULL, thread_main, c) != 0)
            die("cannot start the commit thread");
    return c;
}

void committer_free(struct committer *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->queue_lock);
    c->stopping = true;
    pthread_cond_broadcast(&c->wake);
    pthread_mutex_unlock(&c->queue_lock);
    for (unsigned i = 0; i < c->thread_count; i++)
        pthread_join(c->threads[i], NULL);
    assert(c->first == NULL);
    pthread_mutex_destroy(&c->queue_lock);
    pthread_mutex_destroy(&c->lead_lock);
    pthread_cond_destroy(&c->wake);
    free(c);
}

static void posted(struct loop_msg *msg)
{
    struct commit_ticket *t = CONTAINER_OF(msg, struct commit_ticket, msg);
    t->done(t);
}

static void enqueue(struct committer *c, struct commit_ticket *t, bool wake_thread)
{
    t->next = NULL;
    t->msg.fn = posted;
    pthread_mutex_lock(&c->queue_lock);
    assert(!c->stopping);
    *c->last = t;
    c->last = &t->next;
    c->waiting += item_count(t);
    if (wake_thread)
        pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->queue_lock);
}

void committer_submit(struct committer *c, struct commit_ticket *t, bool may_lead)
{
    assert(!commit_ticket_is_empty(t));
    bool fast = atomic_load_explicit(&c->average_ns, memory_order_relaxed) < SLOW_COMMIT_NS;
    /* A commit over a network may hang: a loop never waits for it. */
    if (!may_lead || !fast || c->store->shared || pthread_mutex_trylock(&c->lead_lock) != 0) {
        enqueue(c, t, true);
        return;
    }
    enqueue(c, t, false);
    struct commit_ticket *chain = take_waiting(c);
    if (chain)
        commit_chain(c, chain);
    pthread_mutex_unlock(&c->lead_lock);
    hand_back(chain);
    /* What was queued meanwhile by others is the thread's: this loop has answers to send. */
    if (has_waiting(c)) {
        pthread_mutex_lock(&c->queue_lock);
        pthread_cond_signal(&c->wake);
        pthread_mutex_unlock(&c->queue_lock);
    }
}

enum err committer_commit(struct committer *c, struct commit_ticket *t, struct reason *why)
{
    /* Holding lead_lock, this thread alone commits: the ticket is done when the lock is left. */
    t->next = NULL;
    lead(c);
    commit_chain(c, t);
    lead_no_more(c);
    enum err err = t->err != ERR_OK ? t->err : t->settle_err;
    if (err != ERR_OK && why)
        *why = t->why;
    return err;
}
