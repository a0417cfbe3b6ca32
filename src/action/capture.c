/* capture.c -- one pipe, one reader. Reads a bounded amount a turn, so that a babbler does not
 * starve the loop. */
#include "action/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define READ_BYTES 65536
#define TURN_READS 4

static void close_end(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static void finish(struct capture *c)
{
    watch_free(c->watch);
    c->watch = NULL;
    close_end(&c->read_end);
    c->ended(c);
}

static void on_readable(void *arg, unsigned events)
{
    struct capture *c = arg;
    char bytes[READ_BYTES];
    UNUSED(events);
    for (int i = 0; i < TURN_READS; i++) {
        ssize_t n = read(c->read_end, bytes, sizeof(bytes));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            finish(c);
            return;
        }
        size_t room = c->out.max - c->out.len;
        size_t take = (size_t)n < room ? (size_t)n : room;
        buf_append(&c->out, bytes, take);
        c->cut = c->cut || take < (size_t)n;
        if ((size_t)n < sizeof(bytes))
            return;
    }
}

enum err capture_start(struct capture *c, struct loop *l, size_t max,
                       void (*ended)(struct capture *c), struct reason *why)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return fail_errno(why, ERR_IO, "cannot make a pipe for the output of a command");
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    *c = (struct capture){.write_end = ends[1], .read_end = ends[0], .ended = ended};
    buf_init(&c->out, max);
    c->watch = watch_new(l, c->read_end, on_readable, c);
    watch_set(c->watch, WATCH_READ);
    return ERR_OK;
}

void capture_handed_over(struct capture *c)
{
    close_end(&c->write_end);
}

void capture_release(struct capture *c)
{
    if (!c->ended)
        return; /* never started */
    watch_free(c->watch);
    close_end(&c->read_end);
    close_end(&c->write_end);
    buf_release(&c->out);
    *c = (struct capture){0};
}
