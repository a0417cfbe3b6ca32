/* runner_spawn.c -- from job to running command. The child shares the runner's memory until its
 * execve and the runner stands still meanwhile (CLONE_VM, CLONE_VFORK): the child makes system
 * calls only, on a stack of its own, and tells a failure by writing into the caller's struct.
 *
 * The runner itself already has what children inherit: umask 077, no core files, no_new_privs,
 * an empty environment, default signal actions. Called by runner_process.c. */
#include "action/runner_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK_BYTES (256u << 10)
/* What programs that still call select() can live with; they may raise it themselves. */
#define OPEN_FILES_SOFT 1024u

enum stage {
    STAGE_GROUP,
    STAGE_LIMITS,
    STAGE_DESCRIPTORS,
    STAGE_USER,
    STAGE_CWD,
    STAGE_SANDBOX,
    STAGE_EXEC,
};

struct child {
    const struct spawn *spec;
    struct rlimit open_files;
    pid_t runner;
    int ruleset;
    volatile enum stage stage;
    volatile int error; /* errno of the stage that failed; 0: the exec succeeded */
};

static char *stack_top;

void spawn_setup(void)
{
    char *p = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    assert(p != MAP_FAILED);
    stack_top = p + STACK_BYTES;
}

/* Everything of the runner is closed on exec as well; this is for kernels without close_range. */
static void child_close_all(unsigned first, rlim_t open_files_max)
{
    if (syscall(SYS_close_range, first, ~0u, 0u) == 0)
        return;
    int last = open_files_max > 65536 ? 65536 : (int)open_files_max;
    for (int fd = (int)first; fd < last; fd++)
        (void)syscall(SYS_close, fd);
}

/* By system calls: the libc's own wrappers reach for all threads of the process, whose memory is
 * shared here. Groups first: afterwards the right to change them is gone. */
static bool child_become(const struct spawn_user *u)
{
    if (syscall(SYS_setgroups, (size_t)u->group_count, u->groups) < 0)
        return false;
    if (syscall(SYS_setresgid, u->gid, u->gid, u->gid) < 0)
        return false;
    return syscall(SYS_setresuid, u->uid, u->uid, u->uid) == 0;
}

static bool set_limit(int which, int64_t value)
{
    struct rlimit limit = {(rlim_t)value, (rlim_t)value};
    return value <= 0 || syscall(SYS_prlimit64, 0, which, &limit, NULL) == 0;
}

/* As the user that it is by now, whose processes are counted. */
static bool child_limit(const struct run_limits *l)
{
    return set_limit(RLIMIT_AS, l->memory_bytes) && set_limit(RLIMIT_CPU, l->cpu_s) &&
           set_limit(RLIMIT_NOFILE, l->open_files) && set_limit(RLIMIT_NPROC, l->processes) &&
           set_limit(RLIMIT_FSIZE, l->file_bytes);
}

static bool child_prepare(struct child *c)
{
    const struct spawn *s = c->spec;
    /* A group, not a session of its own: with autogroup scheduling a new session is a new
     * scheduling group, and under load starting commands becomes half as fast. */
    c->stage = STAGE_GROUP;
    if (setpgid(0, 0) < 0)
        return false;
    c->stage = STAGE_LIMITS;
    struct rlimit limit = c->open_files;
    if (limit.rlim_cur > OPEN_FILES_SOFT)
        limit.rlim_cur = OPEN_FILES_SOFT;
    if (syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, NULL) < 0)
        return false;
    c->stage = STAGE_DESCRIPTORS;
    for (int i = 0; i < 3; i++)
        if (dup2(s->descriptors[i], i) < 0)
            return false;
    /* First out of the way, then into place: a file may lie where another one belongs. */
    int aside[RUNNER_FILES_MAX];
    for (size_t i = 0; i < s->file_count; i++) {
        aside[i] = fcntl(s->files[i], F_DUPFD, 3 + RUNNER_FILES_MAX);
        if (aside[i] < 0)
            return false;
    }
    int ruleset = -1; /* the sandbox's, kept until it is entered */
    if (s->sandbox) {
        ruleset = fcntl(s->sandbox->ruleset, F_DUPFD, 3 + RUNNER_FILES_MAX);
        if (ruleset < 0)
            return false;
    }
    for (size_t i = 0; i < s->file_count; i++)
        if (dup2(aside[i], 3 + (int)i) < 0)
            return false;
    int first = 3 + (int)s->file_count;
    if (ruleset >= 0 && (dup3(ruleset, first, O_CLOEXEC) < 0))
        return false;
    c->ruleset = ruleset >= 0 ? first++ : -1;
    child_close_all((unsigned)first, c->open_files.rlim_cur);
    c->stage = STAGE_USER;
    if (s->user && !child_become(s->user))
        return false;
    c->stage = STAGE_CWD;
    if (s->cwd && chdir(s->cwd) != 0)
        return false;
    c->stage = STAGE_LIMITS;
    return !s->limits || child_limit(s->limits);
}

static bool child_enter_sandbox(struct child *c)
{
    c->stage = STAGE_SANDBOX;
    struct sandbox s = {.ruleset = c->ruleset,
                        .network = c->spec->sandbox && c->spec->sandbox->network};
    return !c->spec->sandbox || sandbox_enter(&s);
}

/* No sanitizer here: the frame is left by execve, which would leave its marks on the stack. */
__attribute__((no_sanitize("address"), no_sanitize("undefined"))) static int child_main(void *arg)
{
    struct child *c = (struct child *)arg;
    if (child_prepare(c)) {
        c->stage = STAGE_EXEC;
        /* After the change of user, which clears it: the command must not outlive the runner. */
        if (!c->spec->outlives) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != c->runner)
                return 127;
        }
        sigset_t none;
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        if (!child_enter_sandbox(c)) {
            c->error = errno;
            return 127;
        }
        c->stage = STAGE_EXEC;
        if (c->spec->builtin)
            c->spec->builtin();
        (void)execve(c->spec->program, (char *const *)(uintptr_t)c->spec->argv,
                     (char *const *)(uintptr_t)c->spec->env);
    }
    c->error = errno;
    return 127;
}

static void explain_exec(const char *path, int error, char out[SPAWN_ERROR_MAX])
{
    const char *hint = "";
    if (error == ENOENT && access(path, F_OK) == 0)
        hint = "; the file is there, so the interpreter in its first line is not";
    else if (error == ENOEXEC)
        hint = "; a script needs a first line like #!/bin/sh";
    else if (error == EACCES)
        hint = "; is it executable (chmod +x), and may the user enter its directory?";
    else if (error == E2BIG)
        hint = "; arguments and environment are too long for the kernel";
    (void)snprintf(out, SPAWN_ERROR_MAX, "cannot execute %.100s: %s%s", path, strerror(error),
                   hint);
}

static void explain(const struct child *c, char out[SPAWN_ERROR_MAX])
{
    const struct spawn *s = c->spec;
    int error = c->error;
    switch (c->stage) {
    case STAGE_GROUP:
    case STAGE_LIMITS:
    case STAGE_DESCRIPTORS:
        (void)snprintf(out, SPAWN_ERROR_MAX, "cannot prepare the command: %s", strerror(error));
        break;
    case STAGE_USER:
        (void)snprintf(out, SPAWN_ERROR_MAX,
                       "cannot become the user %s: %s; changing the user takes root or the "
                       "capabilities CAP_SETUID and CAP_SETGID",
                       s->user->name, strerror(error));
        break;
    case STAGE_CWD:
        (void)snprintf(out, SPAWN_ERROR_MAX, "cannot enter the working directory %.100s: %s",
                       s->cwd, strerror(error));
        break;
    case STAGE_SANDBOX:
        (void)snprintf(out, SPAWN_ERROR_MAX, "cannot enter the sandbox: %s", strerror(error));
        break;
    case STAGE_EXEC:
        explain_exec(s->program, error, out);
        break;
    }
}

/* With memory of its own, as what runs in it goes on using it. What fails is told by the exit code
 * alone. */
static pid_t fork_child(struct child *c, int *pidfd)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(child_main(c));
    if (pid > 0)
        *pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    return pid;
}

pid_t spawn_start(const struct spawn *s, int *pidfd, char error[SPAWN_ERROR_MAX])
{
    assert(stack_top && s->program && s->argv[0]);
    struct child c = {.spec = s, .runner = getpid()};
    if (getrlimit(RLIMIT_NOFILE, &c.open_files) < 0)
        c.open_files = (struct rlimit){OPEN_FILES_SOFT, OPEN_FILES_SOFT};
    *pidfd = -1; /* kernels before 5.2 leave it alone */
    pid_t pid = s->builtin ? fork_child(&c, pidfd)
                           : clone(child_main, stack_top,
                                   CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &c, pidfd);
    if (pid < 0) {
        (void)snprintf(error, SPAWN_ERROR_MAX, "cannot make a process: %s", strerror(errno));
        return -1;
    }
    if (!c.error)
        return pid;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    if (*pidfd >= 0)
        (void)close(*pidfd);
    *pidfd = -1;
    explain(&c, error);
    return -1;
}

bool spawn_user_find(const char *name, struct spawn_user *out, char error[SPAWN_ERROR_MAX])
{
    uint64_t id = 0;
    errno = 0;
    const struct passwd *pw = getpwnam(name);
    if (!pw) {
        char *end = NULL;
        id = strtoull(name, &end, 10);
        if (end != name && *end == '\0' && id < UINT32_MAX)
            pw = getpwuid((uid_t)id);
    }
    if (!pw) {
        (void)snprintf(error, SPAWN_ERROR_MAX, "there is no user %.60s on this machine", name);
        return false;
    }
    *out = (struct spawn_user){.uid = pw->pw_uid, .gid = pw->pw_gid};
    (void)snprintf(out->name, sizeof(out->name), "%s", name);
    out->group_count = SPAWN_GROUPS_MAX;
    if (getgrouplist(pw->pw_name, pw->pw_gid, out->groups, &out->group_count) < 0) {
        (void)snprintf(error, SPAWN_ERROR_MAX, "the user %.60s is in more than %d groups", name,
                       SPAWN_GROUPS_MAX);
        return false;
    }
    return true;
}
