/* stage.h -- a whole engine on a fake clock, with destinations whose functions answer as told,
 * and a spy around its real store. For the tests of engine/ and api/.
 *
 * The spy passes every call on to the store it was put around. It fails or holds back commits when
 * told to, and keeps a model of each delivery beside the store's: whatever moves a delivery against
 * the table of allowed moves, settles what nobody attempts or attempts what is under way ends the
 * test. */
#ifndef GAFF_TESTS_STAGE_H
#define GAFF_TESTS_STAGE_H

#include "engine/engine.h"

#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>

#define STAGE_START_MS INT64_C(1764000000000)
#define STAGE_WAIT_US 40000000 /* what never comes fails the test after this */
#define STAGE_HANDLERS 4
#define STAGE_CALLS_MAX 65536
#define STAGE_ATTEMPTS_MAX 16

/* Polls, for what other threads do meanwhile. */
#define STAGE_UNTIL(cond)                                                                          \
    do {                                                                                           \
        int64_t stage_end_ns_ = clock_mono_ns(clock_real()) + STAGE_WAIT_US * INT64_C(1000);       \
        while (!(cond)) {                                                                          \
            if (clock_mono_ns(clock_real()) > stage_end_ns_)                                       \
                FAIL("waited too long for %s", #cond);                                             \
            stage_pause();                                                                         \
        }                                                                                          \
    } while (0)
void stage_pause(void);
/* For a timer that another thread starts at a time nobody can know: time passes until then. */
#define STAGE_UNTIL_LATER(stage, ms, cond)                                                         \
    do {                                                                                           \
        int64_t stage_end_ns_ = clock_mono_ns(clock_real()) + STAGE_WAIT_US * INT64_C(1000);       \
        while (!(cond)) {                                                                          \
            if (clock_mono_ns(clock_real()) > stage_end_ns_)                                       \
                FAIL("waited too long for %s", #cond);                                             \
            stage_advance((stage), (ms));                                                          \
        }                                                                                          \
    } while (0)

/* --- time ------------------------------------------------------------------------------------ */

/* As struct clock_fake, for several threads. */
struct stage_clock {
    struct clock base;
    _Atomic int64_t wall_ms, mono_ns;
};
void stage_clock_init(struct stage_clock *c);
void stage_clock_advance(struct stage_clock *c, int64_t ms);
static inline int64_t stage_clock_now(const struct stage_clock *c)
{
    return atomic_load(&c->wall_ms);
}

/* --- the spy --------------------------------------------------------------------------------- */

/* Around a store, from now on; one at a time. */
void spy_install(struct store *s, struct stage_clock *clock);
int spy_commits(void);         /* that returned */
int spy_commits_entered(void); /* also those held back */
int spy_batch_events(int commit);
pthread_t spy_commit_thread(void); /* of the last one */
void spy_hold_commits(bool hold);
/* As another node's would be: in the store beneath, also while commits are held back. Objects
 * alone. */
enum err spy_commit_elsewhere(struct store *s, struct object_set *set, struct reason *why);
void spy_commits_take(int64_t ms);   /* on the fake clock */
void spy_refuse_events(bool refuse); /* ERR_FULL for batches that hold events */
/* After `after` more commits the next `count` fail. */
void spy_fail_commits_after(int after, int count, enum err err);
void spy_fail_claims(int count);
int spy_claims(void);
int spy_claimed_max(void); /* the most deliveries that were CLAIMED at once */

struct spy_delivery {
    uint64_t id, event_id, order_key;
    char destination[64];
    enum delivery_state state;
    bool attempting; /* from its function's call until its settlement */
    bool moved_by_hand;
    bool replaced; /* claimed when a newer one of latest_wins or debounce was stored */
    int attempts;  /* made in all */
};
/* Calls fn for each delivery of the model, by id; no call into the store meanwhile. */
void spy_each(void (*fn)(const struct spy_delivery *d, void *arg), void *arg);
int spy_count(enum delivery_state state);
/* What the store says must be what the model says. */
void spy_compare(struct store_reader *r);
/* The process that held the claims has gone. */
void spy_forget_claims(void);

/* --- the engine ------------------------------------------------------------------------------ */

struct stage;

struct stage_call { /* of a destination's function */
    uint64_t delivery_id, event_id;
    uint32_t attempt; /* 1-based */
    int64_t at_ms;
    int64_t n; /* the body's member "n" */
};

struct stage_handler {
    struct stage *stage;
    /* By attempt, beginning with the first; the last stands for all that follow. All zero: success
     * always. */
    enum attempt_result answers[STAGE_ATTEMPTS_MAX];
    size_t answer_count;
    int64_t not_before_ms;
    /* In place of the above. Called under the lock of calls. */
    void (*answer)(struct stage_handler *h, struct task *t, struct outcome *o);
    void *arg;
    _Atomic bool hold; /* of background functions: do not return */
    _Atomic int running, running_max, count;
    bool is_in_order; /* no attempt while an earlier one of its key is open */
};

struct stage {
    struct stage_clock clock;
    struct engine *engine;
    struct engine_core *core;
    struct store_reader *reader;
    struct handler_table table;
    struct handler_entry entries[STAGE_HANDLERS];
    struct stage_handler handlers[STAGE_HANDLERS];
    struct gate *wakers[DELIVERY_LOOPS_MAX];
    pthread_mutex_t lock; /* over calls */
    struct stage_call *calls;
    _Atomic int call_count;
};

/* Once, before the first start; then handlers may be told what to do. Handlers 2 and 3 run in the
 * background. */
void stage_init(struct stage *r);
/* text: sources, destinations, routes; no public listeners. `store: memory:` unless it names one.
 */
void stage_start(struct stage *r, const char *text);
void stage_reload(struct stage *r, const char *text);
/* Drains and frees the engine; stage_start may follow. */
void stage_stop(struct stage *r);
void stage_release(struct stage *r);
/* Time passes, and the delivery loops look at it. */
void stage_advance(struct stage *r, int64_t ms);
/* The delivery loops have handled all that was due, up to what the thread pool still does. */
void stage_turn(struct stage *r);
uint64_t stage_emit(struct stage *r, const char *json);
enum err stage_try_emit(struct stage *r, const char *json, uint64_t *id);
struct stage_call stage_call(struct stage *r, int index);
struct store_counts stage_counts(struct stage *r);
/* The one delivery of an event to a destination. */
struct delivery stage_delivery(struct stage *r, uint64_t event_id, const char *destination,
                               struct arena *a);
struct gate *stage_gate(struct stage *r, const char *destination);
/* Every place of every gate is free and nothing is announced that did not come. */
void stage_expect_gates_free(struct stage *r);

/* Every event of the application goes to these. */
#define STAGE_SOURCE "sources:\n  app: { path: /-app, provider: none }\n"

/* A request without a socket; the answer is NUL-terminated. */
struct stage_reply {
    int status;
    char head[4096], body[65536];
};
void stage_request(struct stage *r, const char *method, const char *target,
                   const char *const *fields, str body, struct stage_reply *out);

#endif
