/* action.h -- one attempt at one destination -> one outcome. An action never changes the state of
 * a delivery; it reports, and the engine settles.
 *
 * An action object belongs to one loop. start may call done before it returns or later; exactly
 * once; on the loop's thread. Every attempt has one total deadline, which the action enforces
 * (DNS to last byte; spawn to reap). */
#ifndef GAFF_ACTION_ACTION_H
#define GAFF_ACTION_ACTION_H

#include "base/arena.h"
#include "base/loop.h"
#include "base/problem.h"
#include "store/model.h"

struct action;
struct http_client;
struct runner;
struct provider_table;

struct outcome {
    enum attempt_result result; /* SUCCESS, RETRY, PERMANENT, SKIPPED or CANCELLED */
    int64_t not_before_ms;      /* for RETRY: wall clock, 0: the schedule decides (Retry-After) */
    bool gone;                  /* HTTP 410: the destination wants no more */
    int status;                 /* HTTP status or exit code */
    const char *error_class;    /* static word: "", "timeout", "dns", "http", "exit", "signal" */
    str summary, request, response, timing; /* as in struct attempt; valid during done */
    str output; /* what a command wrote to stdout, for who waits for it; not stored */
};

struct task { /* one attempt to be made; embed it; lives until done ran */
    const struct event *event;
    const struct delivery *delivery; /* attempts made so far inside: this is attempts + 1 */
    struct arena *arena; /* of the attempt, bounded; the outcome's slices may live here */
    int64_t now_ms;
    /* W3C Trace Context for who is told: empty when the event is in no trace. */
    str traceparent, tracestate;
    void (*done)(struct task *t, const struct outcome *o);
    /* What a command writes, as it comes; NULL: nobody listens. */
    void (*output)(struct task *t, bool errors, str bytes);
    void *impl; /* for the action */
};

struct action_ops {
    const char *kind; /* the key in the configuration: "http", "exec", "worker", "log" */
    void (*start)(struct action *a, struct task *t);
    /* Ends it soon; done is still called, with CANCELLED unless it finished meanwhile. */
    void (*cancel)(struct action *a, struct task *t);
    void (*free)(struct action *a);
};

struct action { /* first member of every implementation */
    const struct action_ops *ops;
};

/* C functions of the program that embeds the library, by index (action_handler.c). */
struct handler_entry {
    /* Fills *o; its strings live in t->arena or are static. */
    void (*call)(struct task *t, struct outcome *o, void *arg);
    /* Instead of call, when set: begins on `loop` of the table; it ends by handler_finish. */
    void (*start)(struct task *t, void *arg);
    void *arg;
    bool background; /* on the thread pool; else on `loop` of the table */
};
struct handler_table {
    struct handler_entry *v;
    size_t count;
    struct loop *loop;
};

/* The end of a task that handler_entry.start began; any thread, once. Strings of *o live in
 * t->arena or are static. */
void handler_finish(struct task *t, const struct outcome *o);

struct action_context { /* what an action may use; outlives it */
    struct loop *loop;
    struct http_client *client;
    struct runner *runner;                /* NULL: no commands can be run; say so when configured */
    struct provider_table *providers;     /* for re-signing */
    const struct handler_table *handlers; /* NULL: no program embeds this engine */
    const char *directory; /* relative paths are relative to the configuration file's directory */
};

/* The configuration of a destination, read and checked once; shared, immutable. */
struct action_config {
    const struct action_kind *kind;
    int64_t timeout_ms;
    int default_concurrency;
    struct rate default_rate; /* count 0: no limit */
    bool uses_client;         /* http, targets, endpoints: shares the loop's attempts in flight */
    bool runs_command;        /* exec, worker: must not be reachable from an unverified source */
    void *data;               /* the kind's own, in the arena */
};

struct action_kind {
    const char *name;
    /* Reads the mapping under `name:`; reports all that is wrong; in the arena. */
    struct action_config *(*read)(struct arena *a, const struct yaml *node, struct problems *p);
    struct action *(*create)(const struct action_config *c, const struct action_context *ctx,
                             struct reason *why);
};

/* NULL-terminated table of all kinds (action.c). */
extern const struct action_kind *const action_kinds[];
const struct action_kind *action_kind_find(str name);

static inline void action_start(struct action *a, struct task *t)
{
    a->ops->start(a, t);
}
static inline void action_cancel(struct action *a, struct task *t)
{
    a->ops->cancel(a, t);
}
static inline void action_free(struct action *a)
{
    if (a)
        a->ops->free(a);
}

#endif
