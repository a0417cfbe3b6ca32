/* runner_process.c -- the runner: one thread, one epoll, a table of jobs. Job frames come in,
 * commands are started and watched, result frames go out in the order the commands end.
 *
 * A job ends when its command has exited and nobody holds its output pipes any more, or when the
 * patience with those who do is over. The exited command stays a zombie until then, so that its
 * process group can be signalled without hitting a stranger who got the same number.
 * Memory: at most FRAME_JOBS_MAX jobs of 2 * output_max, and as much of unsent results. */
#include "action/runner_process.h"

#include "base/clock.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/map.h"
#include "action/runner_frame.h"
#include "action/runner_spawn.h"

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

#define ORPHAN_GRACE_MS 200   /* for those who hold the pipes of a command that has exited */
#define CLOSING_GRACE_MS 1000 /* from TERM to KILL when the daemon is gone */
#define CLOSING_MAX_MS 3000   /* then the runner goes, whatever is left */
#define READ_BYTES 65536
#define RESULTS_MAX ((size_t)FRAME_JOBS_MAX * (2 * RUNNER_OUTPUT_MAX + 4096))
#define USER_CACHE_MS 60000
#define DESCRIPTORS_WAITING 64

enum watched { WATCHED_EXIT, WATCHED_OUTPUT, WATCHED_ERRORS, WATCHED_SOCKET, WATCHED_CHILDREN };

struct stream { /* stdout or stderr of a command */
    int fd;     /* -1: closed, or not ours to read */
    struct buf kept;
    bool cut;
};

enum phase { PHASE_RUNNING, PHASE_TERMINATED, PHASE_KILLED };

struct job {
    uint64_t id;
    uint32_t slot, generation;
    pid_t pid;
    int pidfd;
    struct stream streams[2];
    size_t output_max;
    int64_t kill_after_ms, started_ns, ended_ns;
    enum phase phase;
    bool exited, timed_out;
    bool piped; /* at least one stream was ours */
    struct heap_node timer;
};

struct process {
    int socket, epoll, null, children;
    struct buf in, out;
    bool out_watched, closing;
    int waiting[DESCRIPTORS_WAITING]; /* received, their job's frame not yet complete */
    size_t waiting_count;
    struct heap timers;
    struct job *jobs[FRAME_JOBS_MAX];
    uint32_t free_slots[FRAME_JOBS_MAX];
    size_t free_count;
    uint32_t generation;
    struct idmap by_id;
    struct arena arena; /* of the frame at hand */
    struct spawn_user user;
    int64_t user_until_ms;
    char scratch[READ_BYTES];
};

static int64_t now_ms(void)
{
    return clock_mono_ns(clock_real()) / 1000000;
}

static uint64_t tag(enum watched what, uint32_t slot, uint32_t generation)
{
    return ((uint64_t)generation << 32) | ((uint64_t)slot << 3) | (uint64_t)what;
}

static bool watch(struct process *p, int fd, uint32_t events, uint64_t data)
{
    struct epoll_event ev = {.events = events, .data.u64 = data};
    return epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &ev) == 0;
}

/* --- results -------------------------------------------------------------------------------- */

static void send_results(struct process *p)
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
                                 .data.u64 = tag(WATCHED_SOCKET, 0, 0)};
        (void)epoll_ctl(p->epoll, EPOLL_CTL_MOD, p->socket, &ev);
        p->out_watched = want;
    }
}

static void refuse(struct process *p, uint64_t id, const char *error)
{
    struct run_result r = {.exit_code = -1};
    (void)snprintf(r.error, sizeof(r.error), "%s", error);
    frame_put_result(&p->out, id, &r);
}

/* --- the end of a job ----------------------------------------------------------------------- */

static void stream_close(struct stream *s)
{
    if (s->fd >= 0)
        (void)close(s->fd);
    s->fd = -1;
}

/* Reads what is there. False at the end of the stream. */
static bool stream_read(struct process *p, struct job *j, struct stream *s)
{
    for (int i = 0; i < 4; i++) { /* bounded: a babbler must not starve the others */
        ssize_t n = read(s->fd, p->scratch, sizeof(p->scratch));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        if (n == 0)
            return false;
        size_t room = j->output_max - s->kept.len;
        size_t take = (size_t)n < room ? (size_t)n : room;
        buf_append(&s->kept, p->scratch, take);
        s->cut = s->cut || take < (size_t)n;
        if ((size_t)n < sizeof(p->scratch))
            return true;
    }
    return true;
}

static void kill_group(const struct job *j, int signal)
{
    assert(j->pid > 1);
    (void)kill(-j->pid, signal);
}

static int64_t micros(struct timeval t)
{
    return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

static void job_free(struct process *p, struct job *j)
{
    heap_remove(&p->timers, &j->timer);
    (void)idmap_remove(&p->by_id, j->id);
    for (size_t i = 0; i < ARRAY_LEN(j->streams); i++) {
        stream_close(&j->streams[i]);
        buf_release(&j->streams[i].kept);
    }
    if (j->pidfd >= 0)
        (void)close(j->pidfd);
    p->jobs[j->slot] = NULL;
    p->free_slots[p->free_count++] = j->slot;
    free(j);
}

static void job_finish(struct process *p, struct job *j)
{
    assert(j->exited);
    /* Long-lived workers take their children along; so does whoever had to be told to end. */
    if (j->phase != PHASE_RUNNING || !j->piped)
        kill_group(j, SIGKILL);
    struct run_result r = {.started = true, .timed_out = j->timed_out, .exit_code = -1};
    int status = 0;
    struct rusage usage = {0};
    while (wait4(j->pid, &status, 0, &usage) < 0 && errno == EINTR)
        continue;
    if (WIFEXITED(status))
        r.exit_code = WEXITSTATUS(status);
    else if (WIFSIGNALED(status))
        r.signal = WTERMSIG(status);
    r.duration_us = (j->ended_ns - j->started_ns) / 1000;
    r.user_us = micros(usage.ru_utime);
    r.system_us = micros(usage.ru_stime);
    r.max_rss_kib = usage.ru_maxrss;
    r.output = buf_str(&j->streams[0].kept);
    r.output_cut = j->streams[0].cut;
    r.errors = buf_str(&j->streams[1].kept);
    r.errors_cut = j->streams[1].cut;
    if (!p->closing)
        frame_put_result(&p->out, j->id, &r);
    job_free(p, j);
}

static bool job_is_over(const struct job *j)
{
    return j->exited && j->streams[0].fd < 0 && j->streams[1].fd < 0;
}

static void job_set_timer(struct process *p, struct job *j, int64_t delay_ms)
{
    heap_remove(&p->timers, &j->timer);
    heap_push(&p->timers, &j->timer, now_ms() + delay_ms);
}

static void job_exited(struct process *p, struct job *j)
{
    j->exited = true;
    j->ended_ns = clock_mono_ns(clock_real());
    for (size_t i = 0; i < ARRAY_LEN(j->streams); i++)
        if (j->streams[i].fd >= 0 && !stream_read(p, j, &j->streams[i]))
            stream_close(&j->streams[i]);
    if (job_is_over(j))
        job_finish(p, j);
    else if (j->phase == PHASE_RUNNING)
        job_set_timer(p, j, ORPHAN_GRACE_MS);
    /* Otherwise the rest of the group, told to end too, has until the KILL that is set. */
}

static void job_terminate(struct process *p, struct job *j)
{
    if (j->phase != PHASE_RUNNING || j->exited)
        return;
    j->phase = PHASE_TERMINATED;
    kill_group(j, SIGTERM);
    kill_group(j, SIGCONT); /* a stopped process hears nothing */
    job_set_timer(p, j, j->kill_after_ms);
}

/* Reads the rest that the pipes hold, then lets go of them. */
static void job_abandon_streams(struct process *p, struct job *j)
{
    for (size_t i = 0; i < ARRAY_LEN(j->streams); i++) {
        struct stream *s = &j->streams[i];
        for (int turn = 0; s->fd >= 0 && turn < 16; turn++)
            if (!stream_read(p, j, s))
                stream_close(s);
        stream_close(s);
    }
}

static void job_timer(struct process *p, struct job *j)
{
    if (j->exited) {
        kill_group(j, SIGKILL);
        job_abandon_streams(p, j);
        job_finish(p, j);
        return;
    }
    switch (j->phase) {
    case PHASE_RUNNING:
        j->timed_out = true;
        job_terminate(p, j);
        break;
    case PHASE_TERMINATED:
        j->phase = PHASE_KILLED;
        kill_group(j, SIGKILL);
        job_set_timer(p, j, ORPHAN_GRACE_MS);
        break;
    case PHASE_KILLED: /* stuck in the kernel: its exit will be told some time */
        kill_group(j, SIGKILL);
        job_set_timer(p, j, CLOSING_GRACE_MS);
        break;
    }
}

/* --- the start of a job --------------------------------------------------------------------- */

static const struct spawn_user *find_user(struct process *p, const char *name,
                                          char error[SPAWN_ERROR_MAX])
{
    if (now_ms() >= p->user_until_ms || strcmp(p->user.name, name) != 0) {
        p->user_until_ms = 0;
        if (!spawn_user_find(name, &p->user, error))
            return NULL;
        p->user_until_ms = now_ms() + USER_CACHE_MS;
    }
    return &p->user;
}

static int take_descriptor(struct process *p)
{
    if (p->waiting_count == 0)
        return -1;
    int fd = p->waiting[0];
    p->waiting_count--;
    memmove(p->waiting, p->waiting + 1, p->waiting_count * sizeof(p->waiting[0]));
    return fd;
}

/* The three descriptors of the command in ours[], sent along or made here; those of new pipes
 * that stay with the runner in pipes[]. */
static bool open_descriptors(struct process *p, const struct frame_job *f, int ours[3],
                             int pipes[2])
{
    bool ok = true;
    for (int i = 0; i < 3; i++)
        ours[i] = -1;
    pipes[0] = pipes[1] = -1;
    for (int i = 0; i < 3; i++) {
        if (f->descriptors & (1u << i)) {
            ours[i] = take_descriptor(p);
            ok = ok && ours[i] >= 0;
        } else if (i > 0 && ok) {
            int ends[2];
            ok = pipe2(ends, O_CLOEXEC) == 0;
            if (ok) {
                (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
                pipes[i - 1] = ends[0];
                ours[i] = ends[1];
            }
        }
    }
    return ok;
}

static void close_all(int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
}

static void job_add(struct process *p, const struct frame_job *f, pid_t pid, int pidfd,
                    const int pipes[2], int64_t started_ns)
{
    struct job *j = (struct job *)xcalloc(1, sizeof(*j));
    j->id = f->id;
    j->slot = p->free_slots[--p->free_count];
    j->generation = ++p->generation;
    j->pid = pid;
    j->pidfd = pidfd;
    j->output_max = f->output_max;
    j->kill_after_ms = f->kill_after_ms;
    j->started_ns = started_ns;
    p->jobs[j->slot] = j;
    idmap_put(&p->by_id, j->id, j);
    bool watched = pidfd < 0 || watch(p, pidfd, EPOLLIN, tag(WATCHED_EXIT, j->slot, j->generation));
    for (size_t i = 0; i < ARRAY_LEN(j->streams); i++) {
        j->streams[i].fd = pipes[i];
        buf_init(&j->streams[i].kept, j->output_max);
        j->piped = j->piped || pipes[i] >= 0;
        enum watched what = i == 0 ? WATCHED_OUTPUT : WATCHED_ERRORS;
        if (pipes[i] >= 0)
            watched = watched && watch(p, pipes[i], EPOLLIN, tag(what, j->slot, j->generation));
    }
    if (!watched) /* out of kernel memory: the command can't be followed, so it must not run */
        die("the runner can't watch a command: %s", strerror(errno));
    if (f->timeout_ms > 0)
        job_set_timer(p, j, f->timeout_ms);
}

static void job_start(struct process *p, const struct frame_job *f)
{
    char error[SPAWN_ERROR_MAX] = "";
    int ours[3], pipes[2];
    struct spawn s = {.argv = f->argv, .env = f->env, .cwd = f->cwd};
    bool ok = open_descriptors(p, f, ours, pipes);
    if (!ok)
        (void)snprintf(error, sizeof(error), "cannot open the pipes of the command: %s",
                       strerror(errno));
    if (ok && p->free_count == 0) {
        ok = false;
        (void)snprintf(error, sizeof(error), "more than %u commands at once", FRAME_JOBS_MAX);
    }
    if (ok && f->user) {
        s.user = find_user(p, f->user, error);
        ok = s.user != NULL;
        if (ok && geteuid() != 0 && s.user->uid == geteuid() && s.user->gid == getegid())
            s.user = NULL; /* already so */
    }
    pid_t pid = -1;
    int pidfd = -1;
    int64_t started_ns = clock_mono_ns(clock_real());
    if (ok) {
        for (int i = 0; i < 3; i++)
            s.descriptors[i] = ours[i] >= 0 ? ours[i] : p->null;
        pid = spawn_start(&s, &pidfd, error);
    }
    close_all(ours, 3);
    if (pid < 0) {
        close_all(pipes, 2);
        refuse(p, f->id, error);
        return;
    }
    job_add(p, f, pid, pidfd, pipes, started_ns);
}

/* --- the socket ----------------------------------------------------------------------------- */

static void begin_closing(struct process *p)
{
    if (p->closing)
        return;
    p->closing = true;
    (void)epoll_ctl(p->epoll, EPOLL_CTL_DEL, p->socket, NULL);
    for (size_t i = 0; i < FRAME_JOBS_MAX; i++) {
        struct job *j = p->jobs[i];
        if (!j)
            continue;
        if (j->kill_after_ms > CLOSING_GRACE_MS)
            j->kill_after_ms = CLOSING_GRACE_MS;
        if (j->phase == PHASE_TERMINATED)
            job_set_timer(p, j, j->kill_after_ms);
        job_terminate(p, j);
    }
}

static bool handle_frame(struct process *p, enum frame_kind kind, str payload)
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
        break;
    }
    return false;
}

static void keep_descriptors(struct process *p, struct msghdr *msg)
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
static bool socket_read(struct process *p)
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
static void look_for_exits(struct process *p)
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

static void handle_event(struct process *p, const struct epoll_event *ev)
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
    if (what == WATCHED_EXIT) {
        if (!j->exited) {
            (void)epoll_ctl(p->epoll, EPOLL_CTL_DEL, j->pidfd, NULL);
            job_exited(p, j);
        }
        return;
    }
    struct stream *s = &j->streams[what == WATCHED_OUTPUT ? 0 : 1];
    if (s->fd >= 0 && !stream_read(p, j, s))
        stream_close(s);
    if (job_is_over(j))
        job_finish(p, j);
}

static int run_timers(struct process *p)
{
    struct heap_node *node;
    while ((node = heap_peek(&p->timers)) != NULL) {
        int64_t wait = node->key - now_ms();
        if (wait > 0)
            return wait > 60000 ? 60000 : (int)wait;
        (void)heap_pop(&p->timers);
        job_timer(p, CONTAINER_OF(node, struct job, timer));
    }
    return -1;
}

static _Noreturn void serve(struct process *p)
{
    struct epoll_event events[64];
    int64_t give_up_ms = 0;
    for (;;) {
        int wait = run_timers(p);
        send_results(p);
        if (p->closing) {
            if (give_up_ms == 0)
                give_up_ms = now_ms() + CLOSING_MAX_MS;
            if (p->free_count == FRAME_JOBS_MAX || now_ms() >= give_up_ms)
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

static void restrain(void)
{
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
    (void)umask(077);
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

_Noreturn void runner_process_main(int socket)
{
    wipe_inheritance();
    restrain();
    struct process *p = (struct process *)xcalloc(1, sizeof(*p));
    p->socket = keep_descriptors_few(socket);
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    p->null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (p->epoll < 0 || p->null < 0 || !watch(p, p->socket, EPOLLIN, tag(WATCHED_SOCKET, 0, 0)))
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
        if (p->children < 0 || !watch(p, p->children, EPOLLIN, tag(WATCHED_CHILDREN, 0, 0)))
            die("the runner can't learn of the end of commands: %s", strerror(errno));
    }
    buf_init(&p->in, 2 * FRAME_MAX + READ_BYTES);
    buf_init(&p->out, RESULTS_MAX);
    arena_init(&p->arena, FRAME_STRINGS_MAX * sizeof(char *) * 2 + 4096);
    for (uint32_t i = 0; i < FRAME_JOBS_MAX; i++)
        p->free_slots[p->free_count++] = FRAME_JOBS_MAX - 1 - i;
    spawn_setup();
    serve(p);
}
