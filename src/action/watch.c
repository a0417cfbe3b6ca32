/* watch.c -- a cover over uv_poll_t. The memory of a watch outlives watch_free until libuv lets
 * go of the handle, at the end of that turn. */
#include "action/watch.h"

#include "base/log.h"

#include <uv.h>

struct watch {
    uv_poll_t poll;
    watch_fn *fn; /* NULL: freed */
    void *arg;
    unsigned events;
};

struct watch *watch_new(struct loop *l, int fd, watch_fn *fn, void *arg)
{
    struct watch *w = (struct watch *)xcalloc(1, sizeof(*w));
    w->fn = fn;
    w->arg = arg;
    int rc = uv_poll_init((uv_loop_t *)loop_uv(l), &w->poll, fd);
    if (rc < 0)
        die("cannot watch a descriptor: %s", uv_strerror(rc));
    w->poll.data = w;
    return w;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *w = (struct watch *)poll->data;
    unsigned asked = w->events;
    if (status < 0)
        w->events = 0; /* libuv has stopped the handle */
    if (!w->fn)
        return;
    unsigned told =
        ((events & UV_READABLE) ? WATCH_READ : 0) | ((events & UV_WRITABLE) ? WATCH_WRITE : 0);
    w->fn(w->arg, status < 0 ? asked : told);
}

void watch_set(struct watch *w, unsigned events)
{
    if (events == w->events)
        return;
    w->events = events;
    if (events == 0)
        (void)uv_poll_stop(&w->poll);
    else
        (void)uv_poll_start(&w->poll,
                            ((events & WATCH_READ) ? UV_READABLE : 0) |
                                ((events & WATCH_WRITE) ? UV_WRITABLE : 0),
                            on_poll);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void watch_free(struct watch *w)
{
    if (!w)
        return;
    w->fn = NULL;
    uv_close((uv_handle_t *)&w->poll, on_closed);
}
