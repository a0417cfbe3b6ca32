/* commit_test.c -- the group commit over a real memory store: every ticket comes back once with
 * the result of its own batch, whoever led; failures and slowness of the store come from the spy
 * of stage.h. */
#include "stage.h"

#include <pthread.h>

#define THREADS 8
#define TICKETS_EACH 40
#define MANY 100

struct desk { /* a committer over a store of its own */
    struct stage_clock clock;
    struct metrics metrics;
    struct store *store;
    struct store_reader *reader;
    struct committer *committer;
    struct id_source ids;
};

static void desk_open(struct desk *d)
{
    struct reason why = {0};
    memset(d, 0, sizeof(*d));
    stage_clock_init(&d->clock);
    d->store = store_open(STR("memory:"), &d->clock.base, &why);
    EXPECT(d->store);
    d->reader = store_reader_open(d->store, &why);
    id_source_init(&d->ids, &d->clock.base, 0);
    spy_install(d->store, &d->clock);
    d->committer = committer_new(d->store, &d->clock.base, &d->metrics);
}

static void desk_close(struct desk *d)
{
    committer_free(d->committer);
    store_reader_close(d->reader);
    store_close(d->store);
}

struct piece { /* a ticket with one event, or one settlement, or both */
    struct commit_ticket ticket;
    struct new_event event;
    struct new_delivery delivery;
    struct settlement settlement;
    _Atomic int done;
    pthread_t done_on;
};

static void piece_done(struct commit_ticket *t)
{
    struct piece *p = CONTAINER_OF(t, struct piece, ticket);
    EXPECT(!t->owner || loop_is_mine(t->owner));
    p->done_on = pthread_self();
    atomic_fetch_add(&p->done, 1);
}

static void piece_event(struct desk *d, struct piece *p, struct loop *owner)
{
    uint64_t id = id_next(&d->ids);
    memset(p, 0, sizeof(*p));
    commit_ticket_init(&p->ticket, owner, piece_done);
    p->delivery = (struct new_delivery){
        .id = id_next(&d->ids), .destination = STR("a"), .route = STR("r"), .claimed = true};
    p->event = (struct new_event){.event = {.id = id,
                                            .received_ms = stage_clock_now(&d->clock),
                                            .source = STR("s"),
                                            .body = STR("{}"),
                                            .head = STR("")},
                                  .deliveries = &p->delivery,
                                  .delivery_count = 1};
    commit_ticket_add_event(&p->ticket, &p->event);
}

static void piece_settle(struct piece *p, uint64_t delivery_id, uint64_t event_id)
{
    p->settlement = (struct settlement){.delivery_id = delivery_id,
                                        .event_id = event_id,
                                        .state = DELIVERY_DELIVERED,
                                        .attempts = 1,
                                        .reason = STR("")};
    commit_ticket_add_settlement(&p->ticket, &p->settlement);
}

static struct store_counts counts(struct desk *d)
{
    struct store_counts c = {0};
    struct reason why = {0};
    EXPECT_OK(store_counts_get(d->reader, &c, &why), why);
    return c;
}

static void commit_now(struct desk *d, struct piece *p)
{
    struct reason why = {0};
    EXPECT_OK(committer_commit(d->committer, &p->ticket, &why), why);
}

static void wait_done(struct piece *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        STAGE_UNTIL(atomic_load(&p[i].done) > 0);
}

/* --- results --------------------------------------------------------------------------------- */

struct worker {
    struct desk *desk;
    struct loop *loop;
    pthread_t thread;
    struct piece pieces[TICKETS_EACH];
};

static void *submit_many(void *arg)
{
    struct worker *w = arg;
    struct loop *loop = w->loop;
    loop_run_once(loop, false); /* makes it this thread's */
    for (size_t i = 0; i < TICKETS_EACH; i++) {
        struct piece *p = &w->pieces[i];
        piece_event(w->desk, p, loop);
        committer_submit(w->desk->committer, &p->ticket, i % 2 == 0);
        if (i % 5 != 4)
            continue; /* several of one loop under way at once */
        while (!atomic_load(&p->done))
            loop_run_once(loop, true);
    }
    for (size_t i = 0; i < TICKETS_EACH; i++)
        while (!atomic_load(&w->pieces[i].done))
            loop_run_once(loop, true);
    return NULL;
}

void test_commit_many_threads_each_ticket_back_once(void)
{
    struct desk d;
    static struct worker workers[THREADS];
    desk_open(&d);
    for (size_t i = 0; i < THREADS; i++) {
        workers[i].desk = &d;
        workers[i].loop = loop_new(&d.clock.base);
    }
    for (size_t i = 0; i < THREADS; i++)
        EXPECT(pthread_create(&workers[i].thread, NULL, submit_many, &workers[i]) == 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    for (size_t i = 0; i < THREADS; i++)
        for (size_t k = 0; k < TICKETS_EACH; k++) {
            struct piece *p = &workers[i].pieces[k];
            EXPECT_EQ_INT(atomic_load(&p->done), 1);
            EXPECT_EQ_INT(p->ticket.err, ERR_OK);
            EXPECT(p->ticket.events == &p->event && !p->event.next);
            EXPECT(p->event.locator != 0);
        }
    for (size_t i = 0; i < THREADS; i++)
        loop_free(workers[i].loop);
    EXPECT_EQ_UINT(counts(&d).events, THREADS * TICKETS_EACH);
    EXPECT_EQ_INT(atomic_load(&d.metrics.commit_items.sum), THREADS * TICKETS_EACH);
    uint64_t commits = 0;
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        commits += atomic_load(&d.metrics.commit_us.buckets[i]);
    EXPECT_EQ_UINT(commits, spy_commits());
    desk_close(&d);
}

void test_commit_what_waits_goes_in_one_batch(void)
{
    struct desk d;
    static struct piece pieces[MANY];
    desk_open(&d);
    spy_hold_commits(true);
    piece_event(&d, &pieces[0], NULL);
    committer_submit(d.committer, &pieces[0].ticket, false);
    STAGE_UNTIL(spy_commits_entered() == 1);
    for (size_t i = 1; i < MANY; i++) {
        piece_event(&d, &pieces[i], NULL);
        committer_submit(d.committer, &pieces[i].ticket, i % 2 == 0);
    }
    EXPECT_EQ_INT(spy_commits_entered(), 1); /* all the others found the store busy */
    spy_hold_commits(false);
    wait_done(pieces, MANY);
    /* The first alone, 64 (the most of one batch), the rest. */
    EXPECT_EQ_INT(spy_commits(), 3);
    EXPECT_EQ_INT(spy_batch_events(0), 1);
    EXPECT_EQ_INT(spy_batch_events(1), 64);
    EXPECT_EQ_INT(spy_batch_events(2), MANY - 65);
    EXPECT_EQ_UINT(counts(&d).events, MANY);
    desk_close(&d);
}

void test_commit_free_store_is_led_by_the_submitter(void)
{
    struct desk d;
    struct piece p;
    desk_open(&d);
    piece_event(&d, &p, NULL);
    committer_submit(d.committer, &p.ticket, true);
    EXPECT_EQ_INT(p.done, 1); /* before submit returned, without any other thread */
    EXPECT(pthread_equal(spy_commit_thread(), pthread_self()));
    desk_close(&d);
}

void test_commit_slow_store_hands_over_to_the_thread(void)
{
    struct desk d;
    struct piece p[3];
    desk_open(&d);
    spy_commits_take(20);
    piece_event(&d, &p[0], NULL);
    committer_submit(d.committer, &p[0].ticket, true);
    EXPECT(pthread_equal(spy_commit_thread(), pthread_self()));
    piece_event(&d, &p[1], NULL);
    committer_submit(d.committer, &p[1].ticket, true);
    wait_done(p, 2);
    EXPECT(!pthread_equal(spy_commit_thread(), pthread_self()));
    /* Fast again: after some commits the loop leads once more. */
    spy_commits_take(0);
    for (int i = 0; i < 30; i++) {
        piece_event(&d, &p[2], NULL);
        committer_submit(d.committer, &p[2].ticket, true);
        wait_done(&p[2], 1);
    }
    EXPECT(pthread_equal(spy_commit_thread(), pthread_self()));
    desk_close(&d);
}

/* --- failures -------------------------------------------------------------------------------- */

void test_commit_failure_reaches_every_ticket_of_its_batch_alone(void)
{
    struct desk d;
    struct piece p[4];
    desk_open(&d);
    spy_hold_commits(true);
    piece_event(&d, &p[0], NULL);
    committer_submit(d.committer, &p[0].ticket, false);
    STAGE_UNTIL(spy_commits_entered() == 1);
    spy_fail_commits_after(1, 1, ERR_IO);
    for (int i = 1; i < 3; i++) {
        piece_event(&d, &p[i], NULL);
        committer_submit(d.committer, &p[i].ticket, false);
    }
    spy_hold_commits(false);
    wait_done(p, 3);
    EXPECT_EQ_INT(p[0].ticket.err, ERR_OK);
    for (int i = 1; i < 3; i++) {
        EXPECT_EQ_INT(p[i].ticket.err, ERR_IO);
        EXPECT_EQ_INT(p[i].ticket.settle_err, ERR_IO);
        EXPECT_HAS(p[i].ticket.why.text, "told to fail");
        EXPECT(p[i].ticket.events == &p[i].event && !p[i].event.next);
    }
    EXPECT_EQ_INT(METRIC_GET(&d.metrics, store_ok), 0);
    EXPECT_EQ_INT(METRIC_GET(&d.metrics, commit_errors), 1);
    piece_event(&d, &p[3], NULL);
    commit_now(&d, &p[3]);
    EXPECT_EQ_INT(METRIC_GET(&d.metrics, store_ok), 1);
    EXPECT_EQ_UINT(counts(&d).events, 2);
    desk_close(&d);
}

void test_commit_full_store_still_takes_settlements(void)
{
    struct desk d;
    struct piece p[3];
    desk_open(&d);
    piece_event(&d, &p[0], NULL);
    commit_now(&d, &p[0]);
    EXPECT_EQ_UINT(counts(&d).by_state[DELIVERY_CLAIMED], 1);
    spy_refuse_events(true);
    piece_event(&d, &p[1], NULL);
    piece_settle(&p[1], p[0].delivery.id, p[0].event.event.id);
    committer_submit(d.committer, &p[1].ticket, true);
    EXPECT_EQ_INT(p[1].done, 1);
    EXPECT_EQ_INT(p[1].ticket.err, ERR_FULL);
    EXPECT_EQ_INT(p[1].ticket.settle_err, ERR_OK);
    EXPECT_EQ_UINT(counts(&d).events, 1);
    EXPECT_EQ_UINT(counts(&d).by_state[DELIVERY_DELIVERED], 1);
    EXPECT(p[1].ticket.settlements == &p[1].settlement && !p[1].settlement.next);
    spy_refuse_events(false);
    piece_event(&d, &p[2], NULL);
    commit_now(&d, &p[2]);
    desk_close(&d);
}

void test_commit_sync_failure_says_why(void)
{
    struct desk d;
    struct piece p;
    struct reason why = {0};
    desk_open(&d);
    spy_fail_commits_after(0, 1, ERR_IO);
    piece_event(&d, &p, NULL);
    EXPECT_EQ_INT(committer_commit(d.committer, &p.ticket, &why), ERR_IO);
    EXPECT_HAS(why.text, "told to fail");
    EXPECT_EQ_INT(p.done, 0);
    EXPECT_EQ_UINT(counts(&d).events, 0);
    desk_close(&d);
}

/* --- edges ----------------------------------------------------------------------------------- */

void test_commit_free_commits_what_waits(void)
{
    struct desk d;
    static struct piece p[20];
    desk_open(&d);
    for (size_t i = 0; i < ARRAY_LEN(p); i++) {
        piece_event(&d, &p[i], NULL);
        committer_submit(d.committer, &p[i].ticket, false);
    }
    committer_free(d.committer);
    for (size_t i = 0; i < ARRAY_LEN(p); i++)
        EXPECT_EQ_INT(p[i].done, 1);
    EXPECT_EQ_UINT(counts(&d).events, ARRAY_LEN(p));
    store_reader_close(d.reader);
    store_close(d.store);
}

static void piece_rejections(struct desk *d, struct piece *p)
{
    memset(p, 0, sizeof(*p));
    commit_ticket_init(&p->ticket, NULL, piece_done);
    for (size_t i = 0; i < COMMIT_REJECTIONS_MAX; i++)
        p->ticket.rejections[p->ticket.rejection_count++] =
            (struct rejection){.id = id_next(&d->ids), .source = STR("s")};
}

/* Evidence is bounded: what does not fit a batch is dropped, its ticket comes back all the same. */
void test_commit_rejections_of_a_batch_are_bounded(void)
{
    struct desk d;
    static struct piece first, p[6];
    desk_open(&d);
    spy_hold_commits(true);
    piece_event(&d, &first, NULL);
    committer_submit(d.committer, &first.ticket, false);
    STAGE_UNTIL(spy_commits_entered() == 1);
    for (size_t i = 0; i < ARRAY_LEN(p); i++) {
        piece_rejections(&d, &p[i]);
        committer_submit(d.committer, &p[i].ticket, false);
    }
    spy_hold_commits(false);
    wait_done(p, ARRAY_LEN(p));
    wait_done(&first, 1);
    EXPECT_EQ_UINT(counts(&d).rejected, 128);
    for (size_t i = 0; i < ARRAY_LEN(p); i++)
        EXPECT_EQ_INT(p[i].ticket.err, ERR_OK);
    desk_close(&d);
}
