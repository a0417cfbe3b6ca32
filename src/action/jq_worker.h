/* jq_worker.h -- runs jq programs in a process of their own (jq_process.h), one for each delivery
 * loop, started at the first use and kept: each program is compiled once in it. A run that takes
 * longer than JQ_TIME_MS ends with its process, which is made anew for the others. */
#ifndef GAFF_ACTION_JQ_WORKER_H
#define GAFF_ACTION_JQ_WORKER_H

#include "action/runner.h"

#define JQ_TIME_MS 1000
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define JQ_MEMORY_BYTES 0ll /* no bound: a sanitizer's shadow memory alone is larger */
#else
#define JQ_MEMORY_BYTES (512ll << 20)
#endif

struct jq_worker;
struct jq_worker *jq_worker_new(struct loop *l, struct runner *r);
/* Every run that is open is answered, and none is taken any more. Before its runner is freed, for
 * the process ends with that. Accepts NULL. */
void jq_worker_close(struct jq_worker *w);
void jq_worker_free(struct jq_worker *w); /* once the process has ended; accepts NULL */

enum jq_answer {
    JQ_ANSWER_VALUE, /* result: JSON */
    JQ_ANSWER_TEXT,  /* result: a string's bytes */
    JQ_ANSWER_FALSE,
    JQ_ANSWER_NOTHING,
    JQ_ANSWER_ERROR, /* result: why; also when it took too long */
};

struct jq_run { /* embed it; lives until done ran */
    struct list link;
    uint64_t id;
    int64_t deadline_ms;
    str program, event; /* the caller's, until done; event on one line */
    bool only_compiles; /* without an event: JQ_ANSWER_NOTHING, or JQ_ANSWER_ERROR */
    bool is_sent;
    void (*done)(struct jq_run *run, enum jq_answer answer, str result);
};

/* done is never called from inside; result is valid during it. */
void jq_worker_start(struct jq_worker *w, struct jq_run *run);
/* Not wanted any more: done is not called. */
void jq_worker_forget(struct jq_worker *w, struct jq_run *run);

#endif
