/* handover.c -- by exec, not by a second process: the lock of the store, the process number that a
 * service manager knows and its watchdog go on, and never do two daemons write. Between the end of
 * the drain and the listeners of the next program nobody accepts; the kernel's queues do, which is
 * why no connection is refused. */
#include "app/handover.h"

#include "base/buf.h"
#include "http/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOCKETS_VARIABLE "GAFF_HANDED_SOCKETS"
#define SOCKETS_BYTES_MAX 65536

extern char **environ;
static char program[PATH_MAX]; /* by name: what is there when it is asked for */

void handover_begin(void)
{
    ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
    const char *sockets = getenv(SOCKETS_VARIABLE);
    program[n > 0 ? n : 0] = '\0';
    if (!sockets)
        return;
    listeners_take_over(str_from_cstr(sockets));
    unsetenv(SOCKETS_VARIABLE);
}

/* What this process blocks and ignores is not for the child. */
static int start_check(const char *config_path, pid_t *pid)
{
    char *const argv[] = {program, (char *)(uintptr_t) "check", (char *)(uintptr_t) "--config",
                          (char *)(uintptr_t)config_path, NULL};
    posix_spawnattr_t attr;
    posix_spawn_file_actions_t files;
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
    int error = posix_spawn(pid, program, &files, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    return error;
}

enum err handover_try(const char *config_path, struct reason *why)
{
    pid_t pid;
    int status;
    if (access(program, X_OK) != 0)
        return fail_errno(why, ERR_IO, "cannot run %s", program);
    if (!config_path)
        return ERR_OK;
    errno = start_check(config_path, &pid);
    if (errno)
        return fail_errno(why, ERR_IO, "cannot run %s", program);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return fail_errno(why, ERR_IO, "cannot wait for %s", program);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return ERR_OK;
    return fail(why, ERR_INVALID, "%s check --config %s ended with %s %d", program, config_path,
                WIFEXITED(status) ? "code" : "signal",
                WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

void handover_keep_sockets(void)
{
    struct buf lines;
    buf_init(&lines, SOCKETS_BYTES_MAX);
    listeners_hand_over(&lines);
    setenv(SOCKETS_VARIABLE, buf_cstr(&lines), 1);
    buf_release(&lines);
}

void handover_exec(const char *config_path, struct reason *why)
{
    char *argv[] = {program, (char *)(uintptr_t) "serve", (char *)(uintptr_t) "--config",
                    (char *)(uintptr_t)config_path, NULL};
    if (!config_path)
        argv[2] = NULL;
    (void)execv(program, argv);
    (void)fail_errno(why, ERR_IO, "cannot run %s", program);
}
