/* runner.c -- the daemon's end of the runner: writes job frames, hands results to whoever waits.
 * Never blocks: what the socket does not take waits in a queue. stdin of a command is an unnamed
 * file in memory made here, so that no payload passes through the socket or the runner.
 *
 * Every run is in `open` (and by_id) until its done was called; one that was refused before it
 * left is in `refused` instead, for the next turn of the loop. When the runner dies it stays
 * dead: a process with threads can't fork another. */
#include "action/runner.h"

#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "action/runner_frame.h"
#include "action/runner_process.h"
#include "action/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define INPUT_MAX (32u << 20)
#define READ_BYTES (256u << 10)
#define FREE_WAIT_MS 4000

struct runner_link {
    int fd;
    pid_t pid;
};

struct frame { /* waiting to be sent */
    struct list link;
    struct buf bytes;
    size_t sent;
    int fds[FRAME_DESCRIPTORS]; /* ours; closed once sent */
    size_t fd_count;
};

struct runner {
    struct loop *loop;
    int fd; /* -1: the process is gone */
    pid_t pid;
    struct watch *watch;
    struct buf in;
    struct list out; /* of struct frame */
    struct idmap by_id;
    struct list open, refused; /* of struct run */
    size_t open_count;
    struct loop_timer refusals;
    uint64_t next_id;
    bool inside; /* a done is running */
};

/* --- the process ---------------------------------------------------------------------------- */

static struct runner_link *launch(bool plain, struct reason *why)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
        (void)fail_errno(why, ERR_IO, "cannot make the runner's socket");
        return NULL;
    }
    pid_t pid = fork();
    if (pid == 0)
        runner_process_main(ends[1], plain);
    (void)close(ends[1]);
    if (pid < 0) {
        (void)fail_errno(why, ERR_IO, "cannot start the runner process");
        (void)close(ends[0]);
        return NULL;
    }
    struct runner_link *link = (struct runner_link *)xcalloc(1, sizeof(*link));
    link->fd = ends[0];
    link->pid = pid;
    return link;
}

struct runner_link *runner_launch(struct reason *why)
{
    return launch(false, why);
}

struct runner_link *runner_launch_plain(struct reason *why)
{
    return launch(true, why);
}

/* The socket is closed already: the runner kills what runs and goes, by itself or by force. */
static void reap(pid_t pid)
{
    for (int waited_ms = 0; waited_ms < FREE_WAIT_MS; waited_ms++) {
        pid_t got = waitpid(pid, NULL, WNOHANG);
        if (got == pid || (got < 0 && errno == ECHILD))
            return;
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

void runner_link_free(struct runner_link *link)
{
    if (!link)
        return;
    (void)close(link->fd);
    reap(link->pid);
    free(link);
}

int runner_pid(const struct runner *r)
{
    return (int)r->pid;
}

/* --- results -------------------------------------------------------------------------------- */

static void frame_free(struct frame *f)
{
    list_remove(&f->link);
    for (size_t i = 0; i < f->fd_count; i++)
        (void)close(f->fds[i]);
    buf_release(&f->bytes);
    free(f);
}

static void finish(struct runner *r, struct run *run, const struct run_result *result)
{
    (void)idmap_remove(&r->by_id, run->id);
    list_remove(&run->link);
    r->open_count--;
    bool before = r->inside;
    r->inside = true;
    run->done(run, result);
    r->inside = before;
}

static void finish_unstarted(struct runner *r, struct run *run, const char *error)
{
    struct run_result result = {.exit_code = -1, .output = STR(""), .errors = STR("")};
    (void)snprintf(result.error, sizeof(result.error), "%s", error);
    finish(r, run, &result);
}

static const char gone[] = "the runner process ended";

static void runner_died(struct runner *r)
{
    watch_free(r->watch);
    r->watch = NULL;
    (void)close(r->fd);
    r->fd = -1;
    while (!list_is_empty(&r->out))
        frame_free(CONTAINER_OF(r->out.next, struct frame, link));
    log_event(LOG_ERROR, "the runner process ended: commands fail until the daemon is restarted",
              LOG_I("pid", r->pid), LOG_I("commands_lost", r->open_count));
    while (!list_is_empty(&r->open))
        finish_unstarted(r, CONTAINER_OF(r->open.next, struct run, link), gone);
}

static bool handle_output(struct runner *r, str payload)
{
    uint64_t id;
    bool errors;
    str bytes;
    if (!frame_get_output(payload, &id, &errors, &bytes))
        return false;
    struct run *run = (struct run *)idmap_get(&r->by_id, id);
    if (run && run->output)
        run->output(run, errors, bytes);
    return run != NULL;
}

static bool handle_frame(struct runner *r, enum frame_kind kind, str payload)
{
    uint64_t id = 0;
    if (kind == FRAME_OUTPUT)
        return handle_output(r, payload);
    struct run_result result = {0};
    if (kind != FRAME_RESULT || !frame_get_result(payload, &id, &result))
        return false;
    struct run *run = (struct run *)idmap_get(&r->by_id, id);
    if (run)
        finish(r, run, &result);
    return run != NULL;
}

/* False when the runner is gone or speaks nonsense. */
static bool receive(struct runner *r)
{
    char *room = buf_reserve(&r->in, READ_BYTES);
    if (!room)
        return false;
    ssize_t n = recv(r->fd, room, READ_BYTES, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    buf_grew(&r->in, (size_t)n);
    str rest = buf_str(&r->in);
    size_t before = rest.n;
    enum frame_kind kind;
    str payload;
    bool broken = false;
    while (frame_take(&rest, &kind, &payload, &broken))
        if (!handle_frame(r, kind, payload))
            return false;
    buf_consume(&r->in, before - rest.n);
    return !broken;
}

/* --- sending -------------------------------------------------------------------------------- */

/* False when the socket takes no more for now. */
static bool send_frame(struct runner *r, struct frame *f)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(FRAME_DESCRIPTORS * sizeof(int))];
    } control = {0};
    struct iovec iov = {f->bytes.p + f->sent, f->bytes.len - f->sent};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (f->fd_count > 0) {
        size_t n = f->fd_count * sizeof(int);
        msg.msg_control = control.bytes;
        msg.msg_controllen = CMSG_SPACE(n);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n);
        memcpy(CMSG_DATA(c), f->fds, n);
    }
    ssize_t n;
    do {
        n = sendmsg(r->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return false; /* full, or broken: then the next read says so */
    for (size_t i = 0; i < f->fd_count; i++)
        (void)close(f->fds[i]);
    f->fd_count = 0;
    f->sent += (size_t)n;
    return true;
}

static void send_frames(struct runner *r)
{
    while (!list_is_empty(&r->out)) {
        struct frame *f = CONTAINER_OF(r->out.next, struct frame, link);
        if (!send_frame(r, f))
            break;
        if (f->sent == f->bytes.len)
            frame_free(f);
    }
    watch_set(r->watch, WATCH_READ | (list_is_empty(&r->out) ? 0 : WATCH_WRITE));
}

static void on_ready(void *arg, unsigned events)
{
    struct runner *r = (struct runner *)arg;
    if ((events & WATCH_READ) && !receive(r)) {
        runner_died(r);
        return;
    }
    if (r->fd >= 0)
        send_frames(r);
}

static struct frame *frame_new(void)
{
    struct frame *f = (struct frame *)xcalloc(1, sizeof(*f));
    list_init(&f->link);
    buf_init(&f->bytes, FRAME_MAX);
    return f;
}

static void queue_frame(struct runner *r, struct frame *f)
{
    bool first = list_is_empty(&r->out);
    list_push(&r->out, &f->link);
    if (first)
        send_frames(r);
}

/* --- starting ------------------------------------------------------------------------------- */

/* A file without a name that holds the bytes, to be read from its beginning; -1. */
static int input_file(str input)
{
    int fd = memfd_create("gaff-stdin", MFD_CLOEXEC);
    if (fd < 0)
        fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    size_t written = 0;
    while (fd >= 0 && written < input.n) {
        ssize_t n = pwrite(fd, input.p + written, input.n - written, (off_t)written);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            (void)close(fd);
            return -1;
        }
        written += (size_t)n;
    }
    return fd;
}

/* One that nobody can change: the command's own user may not be ours. */
static int sealed_file(str bytes)
{
    if (bytes.n > INPUT_MAX)
        return -1;
    int fd = memfd_create("gaff-file", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    size_t written = 0;
    while (fd >= 0 && written < bytes.n) {
        ssize_t n = pwrite(fd, bytes.p + written, bytes.n - written, (off_t)written);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            (void)close(fd);
            return -1;
        }
        written += (size_t)n;
    }
    if (fd >= 0)
        (void)fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
    return fd;
}

static bool add_descriptor(struct frame *f, uint8_t *mask, unsigned number, int fd)
{
    if (fd < 0)
        return false;
    f->fds[f->fd_count++] = fd;
    *mask |= (uint8_t)(1u << number);
    return true;
}

static size_t list_length(const char *const *v)
{
    size_t n = 0;
    while (v[n])
        n++;
    return n;
}

/* Fills the frame; a static sentence when that can't be done. */
static const char *build_job(struct frame *f, const struct run_spec *spec, uint64_t id,
                             bool streams)
{
    uint8_t mask = 0;
    if (spec->input.n > INPUT_MAX)
        return "the input of the command is larger than 32 MiB";
    if (list_length(spec->argv) > FRAME_STRINGS_MAX || list_length(spec->env) > FRAME_STRINGS_MAX)
        return "the command has too many arguments or environment variables";
    if (spec->stdin_fd > 0) {
        if (!add_descriptor(f, &mask, 0, fcntl(spec->stdin_fd, F_DUPFD_CLOEXEC, 3)))
            return "no descriptor is left for the command's stdin";
    } else if (spec->input.n > 0 && !add_descriptor(f, &mask, 0, input_file(spec->input))) {
        return "no memory or descriptor is left for the command's stdin";
    }
    if (spec->stdout_fd > 0 &&
        !add_descriptor(f, &mask, 1, fcntl(spec->stdout_fd, F_DUPFD_CLOEXEC, 3)))
        return "no descriptor is left for the command's stdout";
    if (spec->stderr_fd > 0 &&
        !add_descriptor(f, &mask, 2, fcntl(spec->stderr_fd, F_DUPFD_CLOEXEC, 3)))
        return "no descriptor is left for the command's stderr";
    for (size_t i = 0; i < spec->file_count; i++)
        if (!add_descriptor(f, &mask, 3 + (unsigned)i, sealed_file(spec->files[i])))
            return "no memory or descriptor is left for a file of the command";
    frame_put_job(&f->bytes, spec, id, mask, streams);
    return buf_ok(&f->bytes) ? NULL : "the command's arguments and environment exceed 1 MiB";
}

static void on_refusals(struct loop_timer *t)
{
    struct runner *r = CONTAINER_OF(t, struct runner, refusals);
    struct list now;
    list_init(&now);
    list_append_all(&now, &r->refused);
    while (!list_is_empty(&now)) {
        struct run *run = CONTAINER_OF(now.next, struct run, link);
        finish_unstarted(r, run, run->refused);
    }
}

static void refuse(struct runner *r, struct run *run, const char *why)
{
    run->refused = why;
    if (list_is_empty(&r->refused))
        loop_timer_start(r->loop, &r->refusals, 0, on_refusals);
    list_push(&r->refused, &run->link);
}

void runner_start(struct runner *r, const struct run_spec *spec, struct run *run)
{
    assert(spec->argv && spec->argv[0] && spec->env);
    assert(spec->output_max <= RUNNER_OUTPUT_MAX && spec->file_count <= RUNNER_FILES_MAX);
    run->id = ++r->next_id;
    run->refused = NULL;
    list_init(&run->link);
    r->open_count++;
    if (r->fd < 0) {
        refuse(r, run, gone);
        return;
    }
    if (r->open_count > FRAME_JOBS_MAX) {
        refuse(r, run, "too many commands at once");
        return;
    }
    struct frame *f = frame_new();
    const char *why = build_job(f, spec, run->id, run->output != NULL);
    if (why) {
        frame_free(f);
        refuse(r, run, why);
        return;
    }
    list_push(&r->open, &run->link);
    idmap_put(&r->by_id, run->id, run);
    queue_frame(r, f);
}

void runner_cancel(struct runner *r, struct run *run)
{
    if (r->fd < 0 || run->refused)
        return; /* its done is on the way */
    struct frame *f = frame_new();
    frame_put_cancel(&f->bytes, run->id);
    queue_frame(r, f);
}

/* --- life ----------------------------------------------------------------------------------- */

struct runner *runner_attach(struct runner_link *link, struct loop *l)
{
    struct runner *r = (struct runner *)xcalloc(1, sizeof(*r));
    r->loop = l;
    r->fd = link->fd;
    r->pid = link->pid;
    free(link);
    buf_init(&r->in, 2 * FRAME_MAX + READ_BYTES);
    list_init(&r->out);
    list_init(&r->open);
    list_init(&r->refused);
    r->watch = watch_new(l, r->fd, on_ready, r);
    watch_set(r->watch, WATCH_READ);
    return r;
}

void runner_free(struct runner *r)
{
    if (!r)
        return;
    assert(!r->inside);
    watch_free(r->watch);
    if (r->fd >= 0)
        (void)close(r->fd);
    r->fd = -1;
    reap(r->pid);
    while (!list_is_empty(&r->out))
        frame_free(CONTAINER_OF(r->out.next, struct frame, link));
    list_append_all(&r->open, &r->refused);
    while (!list_is_empty(&r->open))
        finish_unstarted(r, CONTAINER_OF(r->open.next, struct run, link), gone);
    assert(list_is_empty(&r->refused));
    loop_timer_stop(&r->refusals);
    idmap_release(&r->by_id);
    buf_release(&r->in);
    free(r);
}
