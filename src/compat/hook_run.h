/* hook_run.h -- one run of a hook's command: started by the runner, its output collected until
 * nobody holds the pipe any more, then its files removed and the end told. */
#ifndef GAFF_COMPAT_HOOK_RUN_H
#define GAFF_COMPAT_HOOK_RUN_H

#include "action/runner.h"
#include "compat/hook_command.h"

#define HOOK_OUTPUT_MAX (32u << 20)

struct hook_outcome {
    bool ok;
    str output;        /* stdout and stderr as they came */
    bool output_cut;   /* at HOOK_OUTPUT_MAX */
    int exit_code;     /* -1: it did not start, or a signal ended it */
    const char *error; /* "exit status 3"; "" when ok */
};

/* outlives: the command goes on when the daemon ends. done is called once, from the loop or, when
 * nothing could be started, before this returns; arg and what outcome holds are valid during the
 * call. q, h and their arena are not needed after this returns. */
typedef void hook_run_done(const struct hook_outcome *o, void *arg);
void hook_run_start(struct loop *l, struct runner *r, const struct hook *h,
                    const struct hook_request *q, bool outlives, hook_run_done *done, void *arg);

#endif
