/* hook_command.h -- what a triggered hook runs: the program found as exec.LookPath finds it, argv,
 * environment, temporary files. */
#ifndef GAFF_COMPAT_HOOK_COMMAND_H
#define GAFF_COMPAT_HOOK_COMMAND_H

#include "compat/hook_request.h"

struct hook_command {
    const char *program; /* NULL: it cannot be run, error says why */
    const char **argv, **env;
    const char *cwd;    /* NULL: the daemon's */
    const char **files; /* to be removed afterwards; NULL-terminated */
    size_t file_count;
    char error[512];
};

/* Everything lives in q's arena. Logs what is missing, as it goes; writes the files. */
void hook_command_build(struct hook_command *c, const struct hook *h, const struct hook_request *q);
/* Removes the files. */
void hook_command_clean(const struct hook_command *c, str id);

/* The bytes of standard base64 with line ends ignored; false when it is broken, with what came
 * before the break in *out. In the arena. */
bool base64_decode_prefix(struct arena *a, str text, str *out);

#endif
