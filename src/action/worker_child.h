/* worker_child.h -- one long-lived process that is spoken to in lines: started by the runner, its
 * pipes nonblocking on the loop, writes batched, stderr to the log. Knows nothing of events. */
#ifndef GAFF_ACTION_WORKER_CHILD_H
#define GAFF_ACTION_WORKER_CHILD_H

#include "base/buf.h"
#include "action/runner.h"
#include "action/watch.h"

#define CHILD_LINE_MAX (1u << 20) /* of what it may answer */
#define CHILD_OUT_MAX (64u << 20) /* of what waits to be written to it */

enum child_state { CHILD_IDLE, CHILD_RUNNING, CHILD_STOPPING };

struct child { /* embed it; zeroed and then child_init */
    struct loop *loop;
    struct runner *runner;
    const char *name; /* for the log; the owner's */
    /* A line of its stdout, without the line break. */
    void (*on_line)(struct child *c, str line);
    /* It ended, all its output was read, and it is idle again. `started` is false when it never
     * ran. why: "exit code 1". */
    void (*on_ended)(struct child *c, bool started, str why);
    /* There is room for more lines again. */
    void (*on_drained)(struct child *c);

    enum child_state state;
    struct run run;
    int fds[3]; /* our ends of its stdin, stdout, stderr; -1 */
    struct watch *watches[3];
    struct buf out, in, log;
    size_t out_sent; /* bytes of out that are written */
    bool blocked;    /* its stdin is full */
    int64_t log_second;
    uint32_t log_lines, log_held;
};

void child_init(struct child *c, struct loop *l, struct runner *r, const char *name);
/* Idle → running; of the spec all but its descriptors and its deadline. False with a reason when
 * there are no descriptors for it. */
bool child_start(struct child *c, const struct run_spec *spec, struct reason *why);
/* Appends go to c->out, whole lines; this writes as much as the pipe takes. */
void child_flush(struct child *c);
static inline size_t child_unsent(const struct child *c)
{
    return c->out.len - c->out_sent;
}
/* Closes its stdin and tells it to end: TERM, later KILL. on_ended follows. */
void child_stop(struct child *c);
void child_release(struct child *c); /* of an idle one */

#endif
