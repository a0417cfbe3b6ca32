/* runner_process.c -- the runner: one thread, one epoll, a table of jobs. Job frames come in,
 * commands are started and watched, result frames go out in the order the commands end.
 *
 * Memory: at most FRAME_JOBS_MAX jobs of 2 * output_max, and as much of unsent results. */
#include "action/runner_process.h"

#include "base/clock.h"
#include "base/log.h"
#include "action/runner_job.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLOSING_GRACE_MS 1000 /* from TERM to KILL when the daemon is gone */
#define CLOSING_MAX_MS 3000   /* then the runner goes, whatever is left */
#define READ_BYTES 65536

/* --- results -------------------------------------------------------------------------------- */

static void send_results(struct runner_state *p)
{
    size_t sent = 0;
    while (sent < p->out.len && !p->closing) {
        ssize_t n =
            send(p->socket, p->out.p + sent, p->out.len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break; /* full: epoll says when; broken: so will the next read */
        sent += (size_t)n;
    }
    buf_consume(&p->out, sent);
    bool want = p->out.len > 0;
    if (want != p->out_watched) {
        struct epoll_event ev = {.events = EPOLLIN | (want ? EPOLLOUT : 0u),
                                 .data.u64 = runner_tag(WATCHED_SOCKET, 0, 0)};
        (void)epoll_ctl(p->epoll, EPOLL_CTL_MOD, p->socket, &ev);
        p->out_watched = want;
    }
}

/* --- the socket ----------------------------------------------------------------------------- */

static void begin_closing(struct runner_state *p)
{
    if (p->closing)
        return;
    p->closing = true;
    (void)epoll_ctl(p->epoll, EPOLL_CTL_DEL, p->socket, NULL);
    for (size_t i = 0; i < FRAME_JOBS_MAX; i++) {
        struct job *j = p->jobs[i];
        if (!j)
            continue;
        if (j->outlives) {
            job_leave(p, j);
            continue;
        }
        if (j->kill_after_ms > CLOSING_GRACE_MS)
            j->kill_after_ms = CLOSING_GRACE_MS;
        if (j->phase == PHASE_TERMINATED)
            job_set_timer(p, j, j->kill_after_ms);
        job_terminate(p, j);
    }
}

static bool handle_frame(struct runner_state *p, enum frame_kind kind, str payload)
{
    struct frame_job f;
    uint64_t id = 0;
    switch (kind) {
    case FRAME_JOB:
        arena_reset(&p->arena);
        if (!frame_get_job(payload, &p->arena, &f))
            return false;
        job_start(p, &f);
        return true;
    case FRAME_CANCEL:
        if (!frame_get_cancel(payload, &id))
            return false;
        struct job *j = (struct job *)idmap_get(&p->by_id, id);
        if (j)
            job_terminate(p, j);
        return true;
    case FRAME_RESULT:
    case FRAME_OUTPUT:
        break;
    }
    return false;
}

static void keep_descriptors(struct runner_state *p, struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            if (p->waiting_count < DESCRIPTORS_WAITING)
                p->waiting[p->waiting_count++] = fd;
            else
                (void)close(fd);
        }
    }
}

/* One read a turn: the frames of a full buffer are work enough before others are looked after. */
static bool socket_read(struct runner_state *p)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(FRAME_DESCRIPTORS * sizeof(int))];
    } control;
    char *room = buf_reserve(&p->in, READ_BYTES);
    if (!room)
        return false;
    struct iovec iov = {room, READ_BYTES};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    ssize_t n = recvmsg(p->socket, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    keep_descriptors(p, &msg);
    if (n == 0)
        return false;
    buf_grew(&p->in, (size_t)n);
    str rest = buf_str(&p->in);
    size_t before = rest.n;
    enum frame_kind kind;
    str payload;
    bool broken = false;
    bool ok = true;
    while (ok && frame_take(&rest, &kind, &payload, &broken))
        ok = handle_frame(p, kind, payload);
    buf_consume(&p->in, before - rest.n);
    return ok && !broken;
}

/* --- the loop ------------------------------------------------------------------------------- */

/* For kernels without pidfd: who of ours has exited? Without reaping: the group must stay ours. */
static void look_for_exits(struct runner_state *p)
{
    struct signalfd_siginfo info;
    while (read(p->children, &info, sizeof(info)) == sizeof(info))
        continue;
    for (size_t i = 0; i < FRAME_JOBS_MAX; i++) {
        struct job *j = p->jobs[i];
        siginfo_t who = {0};
        if (j && j->pidfd < 0 && !j->exited &&
            waitid(P_PID, (id_t)j->pid, &who, WEXITED | WNOHANG | WNOWAIT) == 0 && who.si_pid)
            job_exited(p, j);
    }
}

static void handle_event(struct runner_state *p, const struct epoll_event *ev)
{
    uint64_t data = ev->data.u64;
    enum watched what = (enum watched)(data & 7u);
    if (what == WATCHED_SOCKET) {
        if (!p->closing && (ev->events & ~(uint32_t)EPOLLOUT) && !socket_read(p))
            begin_closing(p);
        return;
    }
    if (what == WATCHED_CHILDREN) {
        look_for_exits(p);
        return;
    }
    struct job *j = p->jobs[(data >> 3) % FRAME_JOBS_MAX];
    if (!j || j->generation != (uint32_t)(data >> 32))
        return; /* an event of a job that ended earlier in this turn */
    if (what != WATCHED_EXIT) {
        job_read(p, j, what);
    } else if (!j->exited) {
        (void)epoll_ctl(p->epoll, EPOLL_CTL_DEL, j->pidfd, NULL);
        job_exited(p, j);
    }
}

static int run_timers(struct runner_state *p)
{
    struct heap_node *node;
    while ((node = heap_peek(&p->timers)) != NULL) {
        int64_t wait = node->key - runner_now_ms();
        if (wait > 0)
            return wait > 60000 ? 60000 : (int)wait;
        (void)heap_pop(&p->timers);
        job_timer(p, CONTAINER_OF(node, struct job, timer));
    }
    return -1;
}

static _Noreturn void serve(struct runner_state *p)
{
    struct epoll_event events[64];
    int64_t give_up_ms = 0;
    for (;;) {
        int64_t fresh = job_watch_streams(p);
        int wait = run_timers(p);
        if (fresh >= 0 && (wait < 0 || fresh < wait))
            wait = (int)fresh;
        send_results(p);
        if (p->closing) {
            if (give_up_ms == 0)
                give_up_ms = runner_now_ms() + CLOSING_MAX_MS;
            if (p->free_count == FRAME_JOBS_MAX || runner_now_ms() >= give_up_ms)
                _exit(0);
            if (wait < 0 || wait > 100)
                wait = 100;
        }
        int n = epoll_wait(p->epoll, events, ARRAY_LEN(events), wait);
        for (int i = 0; i < n; i++)
            handle_event(p, &events[i]);
    }
}

/* --- becoming the runner -------------------------------------------------------------------- */

/* The arguments and the environment of the daemon stand on this process's stack, where ps and
 * /proc would go on showing them, secrets included. */
static void wipe_inheritance(void)
{
    extern char **environ;
    for (char **e = environ; e && *e; e++)
        explicit_bzero(*e, strlen(*e));
    (void)clearenv();
    char line[4096];
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line));
    if (fd >= 0)
        (void)close(fd);
    char *title = program_invocation_name;
    if (n > 0 && memcmp(title, line, strnlen(line, (size_t)n) + 1) == 0) {
        memset(title, 0, (size_t)n);
        (void)snprintf(title, (size_t)n, "gaff-runner");
    }
    (void)prctl(PR_SET_NAME, "gaff-runner");
}

/* Its socket, /dev/null as 0 and 1, and the daemon's stderr for the last words of a failed
 * assertion. */
static int keep_descriptors_few(int socket)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
        die("the runner can't open /dev/null: %s", strerror(errno));
    if (fcntl(2, F_GETFD) < 0)
        (void)dup2(null, 2);
    /* Numbers 3 and 4 are free or about to be: place the socket, then close all above. */
    int high = fcntl(socket, F_DUPFD_CLOEXEC, 5);
    if (high < 0 || dup3(high, 3, O_CLOEXEC) < 0)
        die("the runner can't move its socket: %s", strerror(errno));
    if (syscall(SYS_close_range, 4u, ~0u, 0u) < 0)
        for (int fd = 4; fd < 65536; fd++)
            (void)close(fd);
    return 3;
}

/* What commands do not inherit from the daemon. */
static void restrain_commands(void)
{
    (void)umask(077);
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static void restrain(void)
{
    (void)setsid(); /* away from the daemon's terminal, and the commands with us */
    sigset_t all;
    sigfillset(&all);
    sigdelset(&all, SIGABRT);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    (void)sigprocmask(SIG_SETMASK, &all, NULL); /* the daemon drains first, then closes */
    struct sigaction deflt = {.sa_handler = SIG_DFL};
    for (int i = 1; i < NSIG; i++)
        if (i != SIGSEGV && i != SIGBUS && i != SIGFPE && i != SIGILL && i != SIGABRT)
            (void)sigaction(i, &deflt, NULL);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

_Noreturn void runner_process_main(int socket, bool plain)
{
    wipe_inheritance();
    restrain();
    if (!plain)
        restrain_commands();
    struct runner_state *p = (struct runner_state *)xcalloc(1, sizeof(*p));
    p->socket = keep_descriptors_few(socket);
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    p->null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (p->epoll < 0 || p->null < 0 ||
        !runner_watch(p, p->socket, runner_tag(WATCHED_SOCKET, 0, 0)))
        die("the runner can't start: %s", strerror(errno));
    p->children = -1;
    int probe = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (probe >= 0) {
        (void)close(probe);
    } else {
        sigset_t child;
        sigemptyset(&child);
        sigaddset(&child, SIGCHLD);
        p->children = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
        if (p->children < 0 || !runner_watch(p, p->children, runner_tag(WATCHED_CHILDREN, 0, 0)))
            die("the runner can't learn of the end of commands: %s", strerror(errno));
    }
    buf_init(&p->in, 2 * FRAME_MAX + READ_BYTES);
    buf_init(&p->out, RESULTS_MAX);
    arena_init(&p->arena, FRAME_STRINGS_MAX * sizeof(char *) * 2 + 4096);
    for (uint32_t i = 0; i < FRAME_JOBS_MAX; i++)
        p->free_slots[p->free_count++] = FRAME_JOBS_MAX - 1 - i;
    list_init(&p->fresh);
    spawn_setup();
    serve(p);
}
