/* capture.h -- what a command writes to stdout and stderr, as one stream in the order written: a
 * pipe whose writing end becomes both, read on a loop until nobody holds it any more. */
#ifndef GAFF_ACTION_CAPTURE_H
#define GAFF_ACTION_CAPTURE_H

#include "base/buf.h"
#include "base/err.h"
#include "action/watch.h"

struct capture {    /* embed it; lives until ended ran */
    int write_end;  /* for run_spec.stdout_fd and stderr_fd */
    struct buf out; /* at most max bytes; the rest is read and dropped */
    bool cut;
    /* Called once, from the loop, when every writer has closed its end. */
    void (*ended)(struct capture *c);
    /* private to capture.c */
    int read_end;
    struct watch *watch;
};

/* Makes the pipe and begins to read. */
enum err capture_start(struct capture *c, struct loop *l, size_t max,
                       void (*ended)(struct capture *c), struct reason *why) MUST_USE;
/* The command has its duplicate: ours must go, or the stream never ends. */
void capture_handed_over(struct capture *c);
/* Closes both ends and frees what was read; ended is not called. A zeroed or ended one is fine. */
void capture_release(struct capture *c);

#endif
