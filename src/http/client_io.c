/* Joins libcurl's multi handles to the loop. libcurl tells which sockets and which deadline it
 * waits for; what the sockets of a turn said is passed on at its end, one by one by
 * curl_multi_socket_action or, when much is ready, in one go by curl_multi_socket_all.
 *
 * The socket of an established connection stays watched for reading between two transfers:
 * libcurl drops and renews its interest with each transfer, and following it would cost two
 * system calls a time. When an idle one becomes readable (the peer closed it) watching ends;
 * libcurl itself finds the connection dead before it would use it again. All others, the
 * resolver's and those that are not yet connected, may be closed behind our back (before 8.0
 * libcurl tells nobody that a connection was given up), so their interest is followed exactly.
 *
 * Everything happens on the loop's thread; no done callback runs inside libcurl. */
#include "http/client_impl.h"

#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#define WATCH_MAGIC 0x77617463u
/* When one in so many transfers has something to do, all are looked at together: libcurl puts each
 * socket's event through its table of sockets, its tree of deadlines and our timer, which costs as
 * much as looking at a few that have nothing. */
#define READY_SHARE 4

struct watch {
    unsigned magic;
    struct http_client *client;
    struct http_pool *pool;
    int fd;
    bool is_kept;  /* established: its closing is told to us */
    bool has_poll; /* the handle is initialised */
    int wanted;    /* UV_READABLE, UV_WRITABLE: libcurl's present interest */
    int watched;   /* what the loop watches now */
    int flags;     /* what happened in this turn, as libcurl is told */
    uv_poll_t poll;
};

static struct watch *watch_at(const struct http_client *c, int fd)
{
    return fd >= 0 && (size_t)fd < c->watch_cap ? c->watches[fd] : NULL;
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct watch *w = (struct watch *)handle->data;
    CHECK_MAGIC(w, WATCH_MAGIC);
    w->magic = 0;
    free(w);
}

static void watch_remove(struct watch *w)
{
    w->client->watches[w->fd] = NULL;
    w->wanted = w->watched = 0;
    if (w->has_poll)
        uv_close((uv_handle_t *)&w->poll, on_poll_closed);
    else
        free(w);
}

static struct watch *watch_add(struct http_client *c, int fd)
{
    assert(fd >= 0);
    if ((size_t)fd >= c->watch_cap) {
        size_t cap = ((size_t)fd + 64) * 2;
        c->watches = (struct watch **)xrealloc(c->watches, cap * sizeof(struct watch *));
        memset(c->watches + c->watch_cap, 0, (cap - c->watch_cap) * sizeof(struct watch *));
        c->watch_cap = cap;
    }
    if (c->watches[fd])
        watch_remove(c->watches[fd]);
    struct watch *w = (struct watch *)xcalloc(1, sizeof(*w));
    w->magic = WATCH_MAGIC;
    w->client = c;
    w->fd = fd;
    c->watches[fd] = w;
    return w;
}

void client_release_watches(struct http_client *c)
{
    for (size_t i = 0; i < c->watch_cap; i++)
        if (c->watches[i])
            watch_remove(c->watches[i]);
    free(c->watches);
    c->watches = NULL;
    c->watch_cap = 0;
}

static void on_poll(uv_poll_t *handle, int status, int events);

static void watch_set(struct watch *w, int interest)
{
    if (interest == w->watched)
        return;
    if (!w->has_poll) {
        uv_loop_t *uv = (uv_loop_t *)loop_uv(w->client->loop);
        if (uv_poll_init(uv, &w->poll, w->fd) != 0)
            return; /* the transfer then ends at its deadline */
        w->poll.data = w;
        w->has_poll = true;
    }
    if (interest == 0)
        (void)uv_poll_stop(&w->poll);
    else if (uv_poll_start(&w->poll, interest, on_poll) != 0)
        interest = 0;
    w->watched = interest;
}

/* libcurl cannot go on where it had no memory to note whose a socket is: it forgets its deadlines,
 * and 7.88 leaves an emptied table behind, divides by its size next time, and crashes. */
static void check(CURLMcode rc)
{
    if (rc == CURLM_OUT_OF_MEMORY)
        die_of_memory(0);
}

static void act(struct http_pool *pool, curl_socket_t fd, int flags)
{
    check(libcurl.multi_socket_action(pool->multi, fd, flags, &pool->running));
}

static void act_on_one(struct http_pool *pool, int fd)
{
    struct watch *w = watch_at(pool->client, fd);
    int flags = w && w->pool == pool && w->wanted ? w->flags : 0;
    if (!flags)
        return; /* closed since, or another's */
    w->flags = 0;
    act(pool, fd, flags);
    w = watch_at(pool->client, fd);
    if (flags & CURL_CSELECT_ERR && w && w->wanted && !w->watched)
        watch_set(w, w->wanted);
}

/* What the sockets of one turn said. */
static void take_ready(struct loop_hook *hook)
{
    struct http_pool *pool = CONTAINER_OF(hook, struct http_pool, ready_hook);
    size_t count = pool->ready_count;
    if (count == 0)
        return;
    pool->ready_count = 0;
    if (!pool->failing && count * READY_SHARE >= (size_t)pool->running)
        check(libcurl.multi_socket_all(pool->multi, &pool->running));
    else
        for (size_t i = 0; i < count; i++)
            act_on_one(pool, pool->ready[i]);
    pool->failing = false;
    pool_reap(pool);
}

static void note_ready(struct http_pool *pool, int fd)
{
    if (pool->ready_count == pool->ready_cap) {
        pool->ready_cap = pool->ready_cap ? pool->ready_cap * 2 : 64;
        pool->ready = (int *)xrealloc(pool->ready, pool->ready_cap * sizeof(*pool->ready));
    }
    pool->ready[pool->ready_count++] = fd;
    pool->ready_hook.fn = take_ready;
    loop_after_input(pool->client->loop, &pool->ready_hook);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct watch *w = (struct watch *)handle->data;
    CHECK_MAGIC(w, WATCH_MAGIC);
    if (status < 0) {
        w->watched = 0; /* libuv has stopped the handle */
        events = UV_READABLE | UV_WRITABLE;
    }
    if (!(events & w->wanted)) {
        watch_set(w, w->wanted);
        return;
    }
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    w->pool->failing = w->pool->failing || status < 0;
    if (events & w->wanted & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & w->wanted & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    w->flags = flags;
    note_ready(w->pool, w->fd);
}

/* From then on a transfer waits for its connection alone. */
static bool is_connected(CURL *easy)
{
    char *private = NULL;
    (void)libcurl.easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    return private && ((struct transfer *)(void *)private)->is_connected;
}

/* libcurl's CURLMOPT_SOCKETFUNCTION. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
    UNUSED(unused);
    struct http_pool *pool = (struct http_pool *)arg;
    struct watch *w = watch_at(pool->client, fd);
    if (what == CURL_POLL_REMOVE) {
        if (!w)
            return 0;
        w->wanted = 0;
        if (!w->is_kept)
            watch_remove(w);
        else if (w->watched & UV_WRITABLE)
            watch_set(w, UV_READABLE);
        return 0;
    }
    if (!w)
        w = watch_add(pool->client, fd);
    if (!w->is_kept)
        w->is_kept = is_connected(easy);
    w->pool = pool;
    w->wanted = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    bool is_missing = (w->wanted & ~w->watched) != 0;
    bool writes_in_vain = (w->watched & ~w->wanted & UV_WRITABLE) != 0;
    if (is_missing || writes_in_vain)
        watch_set(w, w->wanted);
    return 0;
}

static void on_deadline(struct loop_timer *timer)
{
    struct http_pool *pool = CONTAINER_OF(timer, struct http_pool, timer);
    act(pool, CURL_SOCKET_TIMEOUT, 0);
    pool_reap(pool);
}

/* libcurl's CURLMOPT_TIMERFUNCTION. A delay of 0 fires in the next turn, so all calls started in
 * this one are taken up together. */
static int on_timer(CURLM *multi, long delay_ms, void *arg)
{
    UNUSED(multi);
    struct http_pool *pool = (struct http_pool *)arg;
    if (delay_ms < 0)
        loop_timer_stop(&pool->timer);
    else
        loop_timer_start(pool->client->loop, &pool->timer, delay_ms, on_deadline);
    return 0;
}

void pool_open(struct http_pool *p)
{
    p->multi = libcurl.multi_init();
    if (!p->multi)
        die_of_memory(0);
    long kept = (long)p->client->max_in_flight * 2;
    (void)libcurl.multi_setopt(p->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)libcurl.multi_setopt(p->multi, CURLMOPT_SOCKETDATA, p);
    (void)libcurl.multi_setopt(p->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    (void)libcurl.multi_setopt(p->multi, CURLMOPT_TIMERDATA, p);
    (void)libcurl.multi_setopt(p->multi, CURLMOPT_MAXCONNECTS, kept < 32 ? 32 : kept);
}

void pool_close(struct http_pool *p)
{
    if (!p->multi)
        return;
    (void)libcurl.multi_cleanup(p->multi);
    p->multi = NULL;
    loop_timer_stop(&p->timer);
    loop_hook_remove(p->client->loop, &p->ready_hook);
    free(p->ready);
    p->ready = NULL;
    p->ready_count = p->ready_cap = 0;
}

/* The number of a socket that was given up may come back with the next address of the same host.
 * libcurl, which sees the same number and the same interest, then says nothing. */
static void renew_watch(struct http_pool *pool, int fd)
{
    struct watch *w = watch_at(pool->client, fd);
    int wanted = w ? w->wanted : 0;
    if (!w)
        return;
    w = watch_add(pool->client, fd);
    w->pool = pool;
    w->wanted = wanted;
    watch_set(w, wanted);
}

curl_socket_t client_on_open_socket(void *transfer, curlsocktype purpose, struct curl_sockaddr *sa)
{
    struct transfer *t = (struct transfer *)transfer;
    struct http_client *c = t->pool->client;
    if (purpose != CURLSOCKTYPE_IPCXN)
        return CURL_SOCKET_BAD;
    if (client_judges_sockets(c)) {
        struct address a;
        /* The port is at the same place in both families. */
        uint16_t port = ntohs(((const struct sockaddr_in *)(const void *)&sa->addr)->sin_port);
        const char *what = "no internet address";
        if (address_from_sockaddr(&sa->addr, &a))
            what = outbound_refuses(&c->rules, t->pool->policy, &a, port);
        if (what) {
            t->blocked = what;
            return CURL_SOCKET_BAD;
        }
    }
    int fd = socket(sa->family, sa->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, sa->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    t->dialled = true;
    renew_watch(t->pool, fd);
    return fd;
}

int client_on_close_socket(void *client, curl_socket_t fd)
{
    struct watch *w = watch_at((struct http_client *)client, fd);
    if (w)
        watch_remove(w);
    return close(fd);
}
