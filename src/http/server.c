/* A server: its listening socket, the counts and caps of its connections, the sweep that looks at
 * deadlines, and the end of it all. Accepting is done here rather than by libuv, so that it can
 * pause (connections wait in the kernel's queue, nobody is dropped) when a cap is reached or
 * descriptors run out. */
#include "base/log.h"
#include "http/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_A_TURN 64
#define DRAIN_GRACE_MS 100        /* for a request that is on its way when draining begins */
#define DRAIN_GRACE_FIRST_MS 2000 /* the first of a connection: who has just connected asks */
#define HEAD_BYTES_MAX (256u << 10)

const struct http_limits http_limits_default = {
#define X(name, value, unit, beyond) value,
    HTTP_LIMITS(X)
#undef X
};

static void maybe_done(struct http_server *s);
static void poll_listener(struct http_server *s, bool on);

/* --- the sweep ------------------------------------------------------------------------------ */

static void on_sweep(struct loop_timer *t);

static void start_sweep(struct http_server *s)
{
    if (s->is_sweeping || s->is_freed)
        return;
    s->is_sweeping = true;
    loop_timer_start(s->loop, &s->sweep, s->sweep_ms, on_sweep);
}

static void on_sweep(struct loop_timer *t)
{
    struct http_server *s = CONTAINER_OF(t, struct http_server, sweep);
    CHECK_MAGIC(s, SERVER_MAGIC);
    s->is_sweeping = false;
    int64_t now_ns = clock_mono_ns(s->clock);
    LIST_EACH(&s->connections, node)
    {
        connection_sweep(CONTAINER_OF(node, struct connection, node), now_ns);
    }
    pools_trim(s, false);
    poll_listener(s, true);
    bool has_pools = s->free_block_count + s->free_exchange_count > 0;
    if (s->connection_count > 0 || has_pools || (s->is_listening && !s->is_polling))
        start_sweep(s);
}

static int64_t choose_sweep_ms(const struct http_limits *l)
{
    int64_t least = l->header_timeout_ms;
    least = l->idle_timeout_ms < least ? l->idle_timeout_ms : least;
    least = l->write_timeout_ms < least ? l->write_timeout_ms : least;
    least /= 4;
    return least < 10 ? 10 : least > 1000 ? 1000 : least;
}

/* --- accepting ------------------------------------------------------------------------------ */

/* Counts the connection of this address; false when it has as many as it may. Proxies speak for
 * many clients and are not counted. */
static bool count_address(struct http_server *s, const struct address *a)
{
    str key = str_of((const char *)a->bytes, sizeof(a->bytes));
    uintptr_t n = (uintptr_t)map_get(&s->addresses, key);
    if ((int64_t)n >= s->limits.connections_per_address_max)
        return false;
    map_put(&s->addresses, key, (void *)(n + 1));
    return true;
}

static void uncount_address(struct http_server *s, const struct address *a)
{
    str key = str_of((const char *)a->bytes, sizeof(a->bytes));
    uintptr_t n = (uintptr_t)map_get(&s->addresses, key);
    assert(n > 0);
    if (n == 1)
        map_remove(&s->addresses, key);
    else
        map_put(&s->addresses, key, (void *)(n - 1));
}

void server_connection_opened(struct http_server *s, struct connection *c)
{
    list_push(&s->connections, &c->node);
    s->connection_count++;
    s->handles++;
    SERVER_COUNT(s, connections_open, 1);
    SERVER_COUNT(s, connections_total, 1);
    start_sweep(s);
}

void server_connection_gone(struct http_server *s, struct connection *c)
{
    list_remove(&c->node);
    if (c->is_counted)
        uncount_address(s, &c->counted);
    free(c);
    s->connection_count--;
    s->handles--;
    SERVER_COUNT(s, connections_open, -1);
    poll_listener(s, true);
    maybe_done(s);
}

static void note_pause(const char *why)
{
    uint64_t held;
    if (log_rate("http_accept_paused", &held))
        log_line(LOG_WARN, "accepting connections pauses: %s", why);
}

/* sin_port and sin6_port stand at the same place. */
static uint16_t port_of(const struct sockaddr_storage *sa)
{
    static_assert(offsetof(struct sockaddr_in, sin_port) ==
                      offsetof(struct sockaddr_in6, sin6_port),
                  "one reading for both");
    in_port_t port;
    memcpy(&port, (const char *)sa + offsetof(struct sockaddr_in, sin_port), sizeof(port));
    return ntohs(port);
}

static void take_socket(struct http_server *s, int fd, const struct sockaddr_storage *sa)
{
    struct address peer;
    if (!address_from_sockaddr((const struct sockaddr *)sa, &peer)) {
        connection_new(s, fd, NULL, 0, false, false);
        return;
    }
    bool is_proxy = nets_contain(s->trust.nets, s->trust.count, &peer);
    bool is_counted = !is_proxy && count_address(s, &peer);
    connection_new(s, fd, &peer, port_of(sa), is_counted, !is_proxy && !is_counted);
}

/* True when one was accepted and the next may be tried. */
static bool accept_one(struct http_server *s)
{
    if ((int64_t)s->connection_count >= s->limits.connections_max) {
        note_pause("connections_max is reached");
        poll_listener(s, false);
        return false;
    }
    struct sockaddr_storage sa = {0};
    socklen_t sa_n = sizeof(sa);
    int fd = accept4(s->listener.fd, (struct sockaddr *)&sa, &sa_n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        take_socket(s, fd, &sa);
        if (fd < s->fd_max)
            return true;
        /* Descriptors are given out from the lowest, so nearly all of them are in use. */
        note_pause("nearly all file descriptors are in use; raise the limit (ulimit -n)");
        poll_listener(s, false);
        return false;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        note_pause(strerror(errno));
        poll_listener(s, false);
        start_sweep(s);
    }
    return errno == ECONNABORTED || errno == EINTR;
}

static void on_listener(uv_poll_t *poll, int status, int events)
{
    struct http_server *s = poll->data;
    CHECK_MAGIC(s, SERVER_MAGIC);
    UNUSED(events);
    if (status < 0)
        return;
    for (int i = 0; i < ACCEPTS_A_TURN && accept_one(s); i++)
        ;
}

static void poll_listener(struct http_server *s, bool on)
{
    if (!s->is_listening || s->is_polling == on)
        return;
    if (on && (int64_t)s->connection_count >= s->limits.connections_max)
        return;
    s->is_polling = on;
    if (on)
        uv_poll_start(&s->poll, UV_READABLE, on_listener);
    else
        uv_poll_stop(&s->poll);
}

/* --- making --------------------------------------------------------------------------------- */

static void fill_limits(struct http_limits *l)
{
#define X(name, value, unit, beyond)                                                               \
    if (l->name <= 0)                                                                              \
        l->name = value;
    HTTP_LIMITS(X)
#undef X
}

static void copy_options(struct http_server *s, const struct http_server_options *o)
{
    s->limits = o->limits;
    fill_limits(&s->limits);
    s->proxy_protocol = o->proxy_protocol;
    s->handler = o->handler;
    s->body_limit = o->body_limit;
    s->refusal = o->refusal;
    s->tls_policy = o->tls_policy;
    s->any_method = o->any_method;
    s->arg = o->arg;
    if (o->trusted_proxy_count > 0) {
        s->trusted = xcalloc(o->trusted_proxy_count, sizeof(*s->trusted));
        memcpy(s->trusted, o->trusted_proxies, o->trusted_proxy_count * sizeof(*s->trusted));
        s->trust = (struct proxy_trust){s->trusted, o->trusted_proxy_count};
    }
    if (o->server_name)
        snprintf(s->name_field, sizeof(s->name_field), "Server: %.60s\r\n", o->server_name);
}

static enum err load_tls(struct http_server *s, const struct http_server_options *o,
                         struct reason *why)
{
    if (!o->tls_cert_file && !o->tls_key_file)
        return ERR_OK;
    if (!o->tls_cert_file || !o->tls_key_file)
        return fail(why, ERR_INVALID, "TLS needs a certificate file and a key file, not one alone");
    s->cert_file = xstrdup(o->tls_cert_file);
    s->key_file = xstrdup(o->tls_key_file);
    if (o->tls_policy.client_ca_file)
        s->tls_policy.client_ca_file = s->client_ca_file = xstrdup(o->tls_policy.client_ca_file);
    s->tls = tls_context_new(s->cert_file, s->key_file, &s->tls_policy, why);
    return s->tls ? ERR_OK : ERR_INVALID;
}

/* Writing to a client that has gone must be an error, not the end of the process; a handler that
 * the program installed stays. */
static void ignore_sigpipe(void)
{
    struct sigaction now;
    if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL) {
        now.sa_handler = SIG_IGN;
        sigaction(SIGPIPE, &now, NULL);
    }
}

static void read_fd_limit(struct http_server *s)
{
    struct rlimit limit;
    s->fd_max = INT32_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < INT32_MAX)
        s->fd_max = (int)(limit.rlim_cur / 10 * 9);
}

static void destroy(struct http_server *s)
{
    assert(s->handles == 0 && s->connection_count == 0);
    listener_close(&s->listener);
    tls_context_free(s->tls);
    pools_trim(s, true);
    map_release(&s->addresses);
    buf_release(&s->head);
    free(s->trusted);
    free(s->cert_file);
    free(s->key_file);
    free(s->client_ca_file);
    free(s->scratch);
    s->magic = 0;
    free(s);
}

struct http_server *http_server_new(struct loop *l, const struct http_server_options *o,
                                    struct reason *why)
{
    assert(o->handler && o->listen);
    struct http_server *s = xcalloc(1, sizeof(*s));
    s->magic = SERVER_MAGIC;
    s->loop = l;
    s->clock = loop_clock(l);
    s->date_s = -1;
    list_init(&s->connections);
    list_init(&s->orphans);
    buf_init(&s->head, HEAD_BYTES_MAX);
    s->scratch = xmalloc(SCRATCH_BYTES);
    s->listener.fd = -1;
    copy_options(s, o);
    s->sweep_ms = choose_sweep_ms(&s->limits);
    read_fd_limit(s);
    ignore_sigpipe();
    if (load_tls(s, o, why) != ERR_OK || listener_open(o->listen, &s->listener, why) != ERR_OK) {
        destroy(s);
        return NULL;
    }
    s->port = s->listener.port;
    const char *scheme = s->tls ? "https://" : "http://";
    snprintf(s->url, sizeof(s->url), "%s%s", s->listener.is_unix ? "" : scheme,
             s->listener.address);
    return s;
}

void http_server_start(struct http_server *s)
{
    CHECK_MAGIC(s, SERVER_MAGIC);
    assert(!s->is_listening && !s->is_draining);
    int rc = uv_poll_init(loop_uv(s->loop), &s->poll, s->listener.fd);
    if (rc != 0)
        die("cannot watch the listening socket: %s", uv_strerror(rc));
    s->poll.data = s;
    s->handles++;
    s->is_listening = true;
    poll_listener(s, true);
}

enum err http_server_reload_tls(struct http_server *s, struct reason *why)
{
    CHECK_MAGIC(s, SERVER_MAGIC);
    if (!s->tls)
        return fail(why, ERR_CONFLICT, "%s does not speak TLS", s->url);
    struct tls_context *fresh = tls_context_new(s->cert_file, s->key_file, &s->tls_policy, why);
    if (!fresh)
        return ERR_INVALID;
    tls_context_free(s->tls);
    s->tls = fresh;
    return ERR_OK;
}

/* --- ending --------------------------------------------------------------------------------- */

static void on_poll_closed(uv_handle_t *handle)
{
    struct http_server *s = handle->data;
    CHECK_MAGIC(s, SERVER_MAGIC);
    s->handles--;
    maybe_done(s);
}

static void stop_listening(struct http_server *s)
{
    if (s->is_listening) {
        s->is_listening = s->is_polling = false;
        uv_close((uv_handle_t *)&s->poll, on_poll_closed);
    }
    listener_close(&s->listener);
}

static void maybe_done(struct http_server *s)
{
    if (s->is_freed) {
        if (s->handles == 0)
            destroy(s);
        return;
    }
    if (!s->is_draining || !s->drained || s->handles > 0 || !list_is_empty(&s->orphans))
        return;
    void (*drained)(void *) = s->drained;
    s->drained = NULL;
    drained(s->drained_arg);
}

void server_orphan_gone(struct http_server *s)
{
    maybe_done(s);
}

/* Runs maybe_done from the loop when there is nothing left whose end would call it. */
static void on_drain_check(struct loop_timer *t)
{
    struct http_server *s = CONTAINER_OF(t, struct http_server, drain_check);
    CHECK_MAGIC(s, SERVER_MAGIC);
    int64_t now_ns = clock_mono_ns(s->clock);
    LIST_EACH(&s->connections, node)
    {
        connection_sweep(CONTAINER_OF(node, struct connection, node), now_ns);
    }
    maybe_done(s);
}

void http_server_drain(struct http_server *s, void (*done)(void *arg), void *arg)
{
    CHECK_MAGIC(s, SERVER_MAGIC);
    assert(!s->is_draining);
    /* What the kernel has accepted for us would be reset by closing the socket. */
    for (int i = 0; s->is_listening && i < LISTEN_BACKLOG && accept_one(s); i++)
        ;
    s->is_draining = true;
    s->drained = done;
    s->drained_arg = arg;
    stop_listening(s);
    int64_t now_ns = clock_mono_ns(s->clock);
    LIST_EACH(&s->connections, node)
    {
        struct connection *c = CONTAINER_OF(node, struct connection, node);
        int64_t grace_ms = c->has_asked ? DRAIN_GRACE_MS : DRAIN_GRACE_FIRST_MS;
        int64_t grace_ns = now_ns + grace_ms * INT64_C(1000000);
        if (c->state == CONN_IDLE && c->deadline_ns > grace_ns)
            c->deadline_ns = grace_ns;
    }
    loop_timer_start(s->loop, &s->drain_check,
                     list_is_empty(&s->connections) ? 0 : DRAIN_GRACE_MS + 1, on_drain_check);
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    CHECK_MAGIC(s, SERVER_MAGIC);
    assert(!s->is_freed);
    s->is_freed = true;
    stop_listening(s);
    loop_timer_stop(&s->sweep);
    loop_timer_stop(&s->drain_check);
    LIST_EACH(&s->connections, node)
    {
        connection_close(CONTAINER_OF(node, struct connection, node));
    }
    orphans_release(s);
    if (s->handles == 0)
        destroy(s);
}

/* --- asking --------------------------------------------------------------------------------- */

void server_date_refresh(struct http_server *s)
{
    int64_t now_ms = clock_wall_ms(s->clock);
    if (now_ms / 1000 == s->date_s)
        return;
    s->date_s = now_ms / 1000;
    char text[CLOCK_TEXT_MAX];
    str date = clock_http_format(now_ms, text);
    int n = snprintf(s->date_field, sizeof(s->date_field), "Date: " STR_FMT "\r\n", STR_ARG(date));
    s->date_n = (size_t)n;
}

int http_server_port(const struct http_server *s)
{
    return s->port;
}

const char *http_server_url(const struct http_server *s)
{
    return s->url;
}

void http_server_counts_add(struct http_server_counts *sum, const struct http_server_counts *from)
{
    sum->connections_open += from->connections_open;
    sum->connections_total += from->connections_total;
    sum->connections_active += from->connections_active;
    sum->requests_total += from->requests_total;
    sum->refused_total += from->refused_total;
    for (size_t i = 0; i < ARRAY_LEN(sum->by_class); i++)
        sum->by_class[i] += from->by_class[i];
    histogram_merge(&sum->answer_us, &from->answer_us);
}

const struct http_server_counts *http_server_counts(const struct http_server *s)
{
    return &s->counts;
}
