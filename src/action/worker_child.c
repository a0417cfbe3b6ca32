/* worker_child.c -- the pipes of a worker process. Used by action_worker.c, on one loop.
 *
 * What ends a child is always the runner's word that the process has exited; a closed pipe only
 * makes us ask for that. Callbacks come from the watches and from that word. */
#include "action/worker_child.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#define READ_BYTES 65536
#define KEPT_BYTES_MAX (1u << 20) /* a larger buffer is given back when it is empty */
#define PIPE_BYTES (256 << 10)
#define LOG_LINE_MAX 4096
#define LOG_LINES_A_SECOND 50
#define DRAIN_READS 64

enum { TO_CHILD, FROM_CHILD, ERRORS };

static void close_end(struct child *c, int which)
{
    watch_free(c->watches[which]);
    c->watches[which] = NULL;
    if (c->fds[which] >= 0)
        (void)close(c->fds[which]);
    c->fds[which] = -1;
}

void child_init(struct child *c, struct loop *l, struct runner *r, const char *name)
{
    c->loop = l;
    c->runner = r;
    c->name = name;
    c->fds[0] = c->fds[1] = c->fds[2] = -1;
    buf_init(&c->out, CHILD_OUT_MAX);
    buf_init(&c->in, CHILD_LINE_MAX + READ_BYTES);
    buf_init(&c->log, LOG_LINE_MAX);
}

void child_release(struct child *c)
{
    assert(c->state == CHILD_IDLE);
    for (int i = 0; i < 3; i++)
        close_end(c, i);
    buf_release(&c->out);
    buf_release(&c->in);
    buf_release(&c->log);
}

/* --- writing -------------------------------------------------------------------------------- */

/* write(2) that does not raise SIGPIPE, whatever the program that we are part of made of it. */
static ssize_t write_quietly(int fd, const char *p, size_t n)
{
    sigset_t pipe_signal, before;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    ssize_t written = write(fd, p, n);
    int error = errno;
    if (written < 0 && error == EPIPE && !sigismember(&before, SIGPIPE))
        (void)sigtimedwait(&pipe_signal, NULL, &(struct timespec){0, 0});
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return written;
}

static void forget_sent(struct child *c)
{
    if (child_unsent(c) == 0) {
        bool large = c->out.cap > KEPT_BYTES_MAX;
        buf_clear(&c->out);
        if (large) {
            buf_release(&c->out);
            buf_init(&c->out, CHILD_OUT_MAX);
        }
        c->out_sent = 0;
    } else if (c->out_sent > c->out.len / 2) {
        buf_consume(&c->out, c->out_sent);
        c->out_sent = 0;
    }
}

void child_flush(struct child *c)
{
    if (c->fds[TO_CHILD] < 0 || c->blocked)
        return;
    while (child_unsent(c) > 0) {
        ssize_t n = write_quietly(c->fds[TO_CHILD], c->out.p + c->out_sent, child_unsent(c));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            c->blocked = true;
            break;
        }
        if (n < 0) { /* it does not read any more: it is ending, or must */
            child_stop(c);
            return;
        }
        c->out_sent += (size_t)n;
    }
    forget_sent(c);
    watch_set(c->watches[TO_CHILD], c->blocked ? WATCH_WRITE : 0);
}

static void on_writable(void *arg, unsigned events)
{
    struct child *c = (struct child *)arg;
    UNUSED(events);
    c->blocked = false;
    child_flush(c);
    if (!c->blocked && c->state == CHILD_RUNNING)
        c->on_drained(c);
}

/* --- reading -------------------------------------------------------------------------------- */

static void take_lines(struct child *c)
{
    size_t from = 0;
    for (;;) {
        const char *p = c->in.p + from;
        const char *end = c->in.len > from ? memchr(p, '\n', c->in.len - from) : NULL;
        if (!end)
            break;
        str line = str_trim(str_of(p, (size_t)(end - p)));
        if (line.n > 0)
            c->on_line(c, line);
        from = (size_t)(end - c->in.p) + 1;
    }
    buf_consume(&c->in, from);
}

/* One read. False when there is nothing more for now, or at all: then the end is closed. */
static bool read_answers(struct child *c)
{
    char *room = buf_reserve(&c->in, READ_BYTES);
    ssize_t n = room ? read(c->fds[FROM_CHILD], room, READ_BYTES) : -1;
    if (n < 0 && room && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        close_end(c, FROM_CHILD);
        return false;
    }
    buf_grew(&c->in, (size_t)n);
    take_lines(c);
    if (c->in.len > CHILD_LINE_MAX) {
        log_event(LOG_WARN, "a worker wrote a line longer than 1 MiB and is ended",
                  LOG_F("worker", str_from_cstr(c->name)));
        close_end(c, FROM_CHILD);
        return false;
    }
    return (size_t)n == READ_BYTES;
}

static void on_answers(void *arg, unsigned events)
{
    struct child *c = (struct child *)arg;
    UNUSED(events);
    (void)read_answers(c);
    if (c->fds[FROM_CHILD] < 0)
        child_stop(c);
}

static void log_one(struct child *c, str line)
{
    int64_t second = clock_mono_ns(loop_clock(c->loop)) / 1000000000;
    if (second != c->log_second) {
        if (c->log_held > 0)
            log_event(LOG_WARN, "lines of a worker were held back",
                      LOG_F("worker", str_from_cstr(c->name)), LOG_I("lines", c->log_held));
        c->log_second = second;
        c->log_lines = c->log_held = 0;
    }
    if (line.n == 0)
        return;
    if (++c->log_lines > LOG_LINES_A_SECOND)
        c->log_held++;
    else
        log_event(LOG_INFO, "worker says", LOG_F("worker", str_from_cstr(c->name)),
                  LOG_F("line", line));
}

/* One read, as read_answers. Lines longer than LOG_LINE_MAX are logged in parts. */
static bool read_errors(struct child *c)
{
    char bytes[LOG_LINE_MAX];
    ssize_t n = read(c->fds[ERRORS], bytes, sizeof(bytes));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        close_end(c, ERRORS);
        return false;
    }
    str rest = str_of(bytes, (size_t)n);
    while (rest.p) {
        str part = str_cut(&rest, '\n');
        if (c->log.len + part.n > LOG_LINE_MAX) {
            log_one(c, buf_str(&c->log));
            buf_clear(&c->log);
        }
        buf_str_append(&c->log, part);
        if (rest.p) {
            log_one(c, str_trim(buf_str(&c->log)));
            buf_clear(&c->log);
        }
    }
    return true;
}

static void on_errors(void *arg, unsigned events)
{
    UNUSED(events);
    (void)read_errors((struct child *)arg);
}

/* --- life ----------------------------------------------------------------------------------- */

static void on_run_done(struct run *run, const struct run_result *r)
{
    struct child *c = CONTAINER_OF(run, struct child, run);
    char text[300];
    for (int i = 0; i < DRAIN_READS && c->fds[FROM_CHILD] >= 0 && read_answers(c); i++)
        continue;
    for (int i = 0; i < DRAIN_READS && c->fds[ERRORS] >= 0 && read_errors(c); i++)
        continue;
    if (c->log.len > 0)
        log_one(c, buf_str(&c->log));
    for (int i = 0; i < 3; i++)
        close_end(c, i);
    buf_clear(&c->out);
    buf_clear(&c->in);
    buf_clear(&c->log);
    c->out_sent = 0;
    c->blocked = false;
    c->state = CHILD_IDLE;
    if (!r->started)
        (void)snprintf(text, sizeof(text), "%s", r->error);
    else if (r->signal)
        (void)snprintf(text, sizeof(text), "signal %d", r->signal);
    else
        (void)snprintf(text, sizeof(text), "exit code %d", r->exit_code);
    c->on_ended(c, r->started, str_from_cstr(text));
}

static bool open_pipes(struct child *c, int theirs[3])
{
    for (int i = 0; i < 3; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0)
            return false;
        int mine = i == TO_CHILD ? 1 : 0;
        c->fds[i] = ends[mine];
        theirs[i] = ends[1 - mine];
        (void)fcntl(c->fds[i], F_SETFL, O_NONBLOCK);
    }
    /* Fewer wake-ups for the same bytes; where it is not allowed the default does. */
    (void)fcntl(c->fds[TO_CHILD], F_SETPIPE_SZ, PIPE_BYTES);
    (void)fcntl(c->fds[FROM_CHILD], F_SETPIPE_SZ, PIPE_BYTES);
    return true;
}

bool child_start(struct child *c, const struct run_spec *from, struct reason *why)
{
    assert(c->state == CHILD_IDLE);
    int theirs[3] = {-1, -1, -1};
    bool ok = open_pipes(c, theirs);
    if (!ok)
        (void)fail_errno(why, ERR_FULL, "cannot open the pipes of a worker");
    if (ok) {
        static watch_fn *const on_event[3] = {on_writable, on_answers, on_errors};
        for (int i = 0; i < 3; i++)
            c->watches[i] = watch_new(c->loop, c->fds[i], on_event[i], c);
        watch_set(c->watches[FROM_CHILD], WATCH_READ);
        watch_set(c->watches[ERRORS], WATCH_READ);
        c->run = (struct run){.done = on_run_done};
        struct run_spec spec = *from;
        spec.timeout_ms = 0;
        spec.stdin_fd = theirs[0];
        spec.stdout_fd = theirs[1];
        spec.stderr_fd = theirs[2];
        c->state = CHILD_RUNNING;
        runner_start(c->runner, &spec, &c->run);
    }
    for (int i = 0; i < 3; i++) {
        if (theirs[i] >= 0)
            (void)close(theirs[i]);
        if (!ok)
            close_end(c, i);
    }
    return ok;
}

void child_stop(struct child *c)
{
    if (c->state != CHILD_RUNNING)
        return;
    c->state = CHILD_STOPPING;
    close_end(c, TO_CHILD);
    runner_cancel(c->runner, &c->run);
}
