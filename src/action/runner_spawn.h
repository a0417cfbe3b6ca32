/* runner_spawn.h -- how the runner makes one command out of itself: a child that shares its memory
 * until it execs (as vfork does), so that the cost does not grow with the runner. */
#ifndef GAFF_ACTION_RUNNER_SPAWN_H
#define GAFF_ACTION_RUNNER_SPAWN_H

#include "action/runner.h"

#include <sys/types.h>

#define SPAWN_GROUPS_MAX 256
#define SPAWN_ERROR_MAX 256

struct spawn_user {
    char name[64];
    uid_t uid;
    gid_t gid;
    gid_t groups[SPAWN_GROUPS_MAX];
    int group_count;
};

struct spawn {
    const char *program;
    const char *const *argv, *const *env;
    bool outlives;                 /* the runner */
    const char *cwd;               /* NULL: the runner's */
    const struct spawn_user *user; /* NULL: the runner's */
    int descriptors[3];            /* become 0, 1, 2; all of them are above 2 */
    int files[RUNNER_FILES_MAX];   /* become 3, 4, ... */
    size_t file_count;
    void (*builtin)(void);           /* runs in place of a program; NULL: execute */
    const struct run_limits *limits; /* NULL: the runner's */
    const struct sandbox *sandbox;   /* NULL: none */
};

/* Once, before the first spawn_start: the stack that children run on. */
void spawn_setup(void);

/* The child's process id, with a pidfd in *pidfd or -1 when the kernel has none. -1 with one
 * sentence in error when the command could not be started. Blocks until the child's execve. */
pid_t spawn_start(const struct spawn *s, int *pidfd, char error[SPAWN_ERROR_MAX]);

/* By name or decimal user id, which must be in the user database. False with a sentence. */
bool spawn_user_find(const char *name, struct spawn_user *out, char error[SPAWN_ERROR_MAX]);

#endif
