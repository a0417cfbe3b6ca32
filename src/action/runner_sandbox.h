/* runner_sandbox.h -- walls around one command: Landlock (what it may open) and seccomp (what it
 * may ask of the kernel). Prepared in the runner, entered by the child just before its execve. */
#ifndef GAFF_ACTION_RUNNER_SANDBOX_H
#define GAFF_ACTION_RUNNER_SANDBOX_H

#include "base/compiler.h"

struct sandbox_rules {
    const char *const *read, *const *write; /* paths, NULL-terminated; beside the usual ones */
    bool network;
};

struct sandbox { /* ready to be entered */
    int ruleset; /* a descriptor; -1: none */
    bool network;
};

#define SANDBOX_ERROR_MAX 256

/* NULL when this kernel has what a sandbox takes; else why not. Static. */
const char *sandbox_missing(void);

/* False with a sentence: then the command must not run. The program and cwd may be read. */
bool sandbox_prepare(struct sandbox *s, const struct sandbox_rules *rules, const char *program,
                     const char *cwd, char error[SANDBOX_ERROR_MAX]);
/* By system calls alone, on any stack; needs no_new_privs. False with errno. */
bool sandbox_enter(const struct sandbox *s);
void sandbox_release(struct sandbox *s);

#endif
