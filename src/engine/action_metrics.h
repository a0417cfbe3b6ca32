/* action_metrics.h -- what became of the attempts, by the kind of action that made them. */
#ifndef GAFF_ENGINE_ACTION_METRICS_H
#define GAFF_ENGINE_ACTION_METRICS_H

#include "base/buf.h"
#include "base/histogram.h"

/* How an attempt ended: "ok", "skipped", or the class of its error. What is in none is "other". */
#define ACTION_EXITS(X)                                                                            \
    X("ok")                                                                                        \
    X("other")                                                                                     \
    X("skipped")                                                                                   \
    X("http")                                                                                      \
    X("timeout")                                                                                   \
    X("connect")                                                                                   \
    X("dns")                                                                                       \
    X("tls")                                                                                       \
    X("reset")                                                                                     \
    X("protocol")                                                                                  \
    X("blocked")                                                                                   \
    X("proxy")                                                                                     \
    X("auth")                                                                                      \
    X("invalid")                                                                                   \
    X("exit")                                                                                      \
    X("signal")                                                                                    \
    X("spawn")                                                                                     \
    X("worker")                                                                                    \
    X("handler")                                                                                   \
    X("filter")                                                                                    \
    X("setup")                                                                                     \
    X("store")
#define X(word) +1
enum { ACTION_EXIT_COUNT = 0 ACTION_EXITS(X) };
#undef X

#define ACTION_KINDS_MAX 16 /* those of action_kinds, "target", "endpoint" */

struct action_metrics { /* all zero to begin with; any thread */
    struct action_count {
        _Atomic uint64_t exits[ACTION_EXIT_COUNT];
        struct histogram us;
    } of[ACTION_KINDS_MAX];
};

/* kind: an action_kind's name; that of a target counts as "target". */
void action_metrics_note(struct action_metrics *m, const char *kind, bool is_endpoint, str exit,
                         int64_t us);
/* Of each kind that made an attempt. */
void action_metrics_write(const struct action_metrics *m, struct buf *out);

#endif
