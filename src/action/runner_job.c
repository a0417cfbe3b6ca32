/* runner_job.c -- one job of the runner, from its frame to its result.
 *
 * A job ends when its command has exited and nobody holds its output pipes any more, or when the
 * patience with those who do is over. The exited command stays a zombie until then, so that its
 * process group can be signalled without hitting a stranger who got the same number. */
#include "action/runner_job.h"
#include "action/jq_process.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define ORPHAN_GRACE_MS 200 /* for those who hold the pipes of a command that has exited */
#define STUCK_LOOK_MS 1000  /* between KILLs of what is stuck in the kernel */
#define USER_CACHE_MS 60000
/* Most commands are over by then: their output, held by the pipes meanwhile, is read when they
 * have exited, which saves a wake-up for each stream. */
#define FRESH_MS 5
/* Reads at once, of 64 KiB at most each: a babbler must not starve the others. */
#define TURN_READS 4
#define LAST_READS 64

int64_t runner_now_ms(void)
{
    return clock_mono_ns(clock_real()) / 1000000;
}

bool runner_watch(struct runner_state *p, int fd, uint64_t tag)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = tag};
    return epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &ev) == 0;
}

static void refuse(struct runner_state *p, uint64_t id, const char *error)
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
static bool stream_read(struct runner_state *p, struct job *j, struct stream *s)
{
    int reads = j->exited ? LAST_READS : TURN_READS;
    for (int i = 0; i < reads; i++) {
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
        if (j->sends_output && p->out.len < STREAM_UNSENT_MAX)
            frame_put_output(&p->out, j->id, s == &j->streams[1], str_of(p->scratch, (size_t)n));
        if (!j->exited && (size_t)n < sizeof(p->scratch))
            return true; /* of an exited command the end of the stream is wanted too */
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

static void job_free(struct runner_state *p, struct job *j)
{
    heap_remove(&p->timers, &j->timer);
    list_remove(&j->fresh);
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

static void job_finish(struct runner_state *p, struct job *j)
{
    assert(j->exited);
    /* Long-lived workers take their children along; so does whoever had to be told to end. */
    if (j->phase != PHASE_RUNNING || !(j->piped || j->outlives))
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

void job_leave(struct runner_state *p, struct job *j)
{
    assert(j->outlives);
    job_free(p, j);
}

static bool job_is_over(const struct job *j)
{
    return j->exited && j->streams[0].fd < 0 && j->streams[1].fd < 0;
}

void job_set_timer(struct runner_state *p, struct job *j, int64_t delay_ms)
{
    heap_remove(&p->timers, &j->timer);
    heap_push(&p->timers, &j->timer, runner_now_ms() + delay_ms);
}

void job_exited(struct runner_state *p, struct job *j)
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

/* The kernel has no room to tell of its end: what can't be followed must not run. */
static void job_drop(struct runner_state *p, struct job *j)
{
    refuse(p, j->id, "the system has no room to watch one more command");
    kill_group(j, SIGKILL);
    while (waitpid(j->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    job_free(p, j);
}

static bool watch_streams(struct runner_state *p, const struct job *j)
{
    static const enum watched what[] = {WATCHED_OUTPUT, WATCHED_ERRORS};
    bool ok = true;
    for (size_t i = 0; i < ARRAY_LEN(j->streams); i++)
        if (j->streams[i].fd >= 0)
            ok = ok &&
                 runner_watch(p, j->streams[i].fd, runner_tag(what[i], j->slot, j->generation));
    return ok;
}

int64_t job_watch_streams(struct runner_state *p)
{
    while (!list_is_empty(&p->fresh)) {
        struct job *j = CONTAINER_OF(p->fresh.next, struct job, fresh);
        int64_t wait = j->watch_ms - runner_now_ms();
        if (wait > 0)
            return wait;
        list_remove(&j->fresh);
        if (!watch_streams(p, j))
            job_drop(p, j);
    }
    return -1;
}

void job_read(struct runner_state *p, struct job *j, enum watched what)
{
    struct stream *s = &j->streams[what == WATCHED_OUTPUT ? 0 : 1];
    if (s->fd >= 0 && !stream_read(p, j, s))
        stream_close(s);
    if (job_is_over(j))
        job_finish(p, j);
}

void job_terminate(struct runner_state *p, struct job *j)
{
    if (j->phase != PHASE_RUNNING || j->exited)
        return;
    j->phase = PHASE_TERMINATED;
    kill_group(j, SIGTERM);
    kill_group(j, SIGCONT); /* a stopped process hears nothing */
    job_set_timer(p, j, j->kill_after_ms);
}

/* Reads the rest that the pipes hold, then lets go of them. */
static void job_abandon_streams(struct runner_state *p, struct job *j)
{
    for (size_t i = 0; i < ARRAY_LEN(j->streams); i++) {
        if (j->streams[i].fd >= 0)
            (void)stream_read(p, j, &j->streams[i]);
        stream_close(&j->streams[i]);
    }
}

void job_timer(struct runner_state *p, struct job *j)
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
        job_set_timer(p, j, STUCK_LOOK_MS);
        break;
    }
}

/* --- the start of a job --------------------------------------------------------------------- */

static const struct spawn_user *find_user(struct runner_state *p, const char *name,
                                          char error[SPAWN_ERROR_MAX])
{
    if (runner_now_ms() >= p->user_until_ms || strcmp(p->user.name, name) != 0) {
        p->user_until_ms = 0;
        if (!spawn_user_find(name, &p->user, error))
            return NULL;
        p->user_until_ms = runner_now_ms() + USER_CACHE_MS;
    }
    return &p->user;
}

static int take_descriptor(struct runner_state *p)
{
    if (p->waiting_count == 0)
        return -1;
    int fd = p->waiting[0];
    p->waiting_count--;
    memmove(p->waiting, p->waiting + 1, p->waiting_count * sizeof(p->waiting[0]));
    return fd;
}

/* The descriptors of the command in ours[], sent along or made here; those of new pipes
 * that stay with the runner in pipes[]. */
static bool open_descriptors(struct runner_state *p, const struct frame_job *f,
                             int ours[FRAME_DESCRIPTORS], int pipes[2])
{
    bool ok = true;
    for (unsigned i = 0; i < FRAME_DESCRIPTORS; i++)
        ours[i] = -1;
    pipes[0] = pipes[1] = -1;
    for (unsigned i = 0; i < FRAME_DESCRIPTORS; i++) {
        if (f->descriptors & (1u << i)) {
            ours[i] = take_descriptor(p);
            ok = ok && ours[i] >= 0;
        } else if (i > 0 && i < 3 && ok) {
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

static void job_add(struct runner_state *p, const struct frame_job *f, pid_t pid, int pidfd,
                    const int pipes[2], int64_t started_ns)
{
    struct job *j = (struct job *)xcalloc(1, sizeof(*j));
    j->id = f->id;
    j->slot = p->free_slots[--p->free_count];
    j->generation = ++p->generation;
    j->pid = pid;
    j->pidfd = pidfd;
    j->output_max = f->output_max;
    j->sends_output = f->streams;
    j->kill_after_ms = f->kill_after_ms;
    j->outlives = f->outlives;
    j->started_ns = started_ns;
    p->jobs[j->slot] = j;
    idmap_put(&p->by_id, j->id, j);
    for (size_t i = 0; i < ARRAY_LEN(j->streams); i++) {
        j->streams[i].fd = pipes[i];
        buf_init(&j->streams[i].kept, j->output_max);
        j->piped = j->piped || pipes[i] >= 0;
    }
    j->watch_ms = started_ns / 1000000 + FRESH_MS;
    list_push(&p->fresh, &j->fresh);
    if (pidfd >= 0 && !runner_watch(p, pidfd, runner_tag(WATCHED_EXIT, j->slot, j->generation)))
        job_drop(p, j);
    else if (f->timeout_ms > 0)
        job_set_timer(p, j, f->timeout_ms);
}

void job_start(struct runner_state *p, const struct frame_job *f)
{
    char error[SPAWN_ERROR_MAX] = "";
    int ours[FRAME_DESCRIPTORS], pipes[2];
    struct sandbox sandbox = {.ruleset = -1};
    struct spawn s = {.program = f->program ? f->program : f->argv[0],
                      .argv = f->argv,
                      .env = f->env,
                      .outlives = f->outlives,
                      .cwd = f->cwd,
                      .builtin = f->is_jq ? jq_process_main : NULL,
                      .limits = &f->limits};
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
    if (ok && f->is_sandboxed) {
        ok = sandbox_prepare(&sandbox, &f->sandbox, s.program, f->cwd, error);
        s.sandbox = ok ? &sandbox : NULL;
    }
    pid_t pid = -1;
    int pidfd = -1;
    int64_t started_ns = clock_mono_ns(clock_real());
    if (ok) {
        for (int i = 0; i < 3; i++)
            s.descriptors[i] = ours[i] >= 0 ? ours[i] : p->null;
        while (s.file_count < RUNNER_FILES_MAX && ours[3 + s.file_count] >= 0) {
            s.files[s.file_count] = ours[3 + s.file_count];
            s.file_count++;
        }
        pid = spawn_start(&s, &pidfd, error);
    }
    sandbox_release(&sandbox);
    close_all(ours, FRAME_DESCRIPTORS);
    if (pid < 0) {
        close_all(pipes, 2);
        refuse(p, f->id, error);
        return;
    }
    job_add(p, f, pid, pidfd, pipes, started_ns);
}
