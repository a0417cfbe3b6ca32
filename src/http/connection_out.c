/* connection_out.c -- the outgoing half of a connection: sending, what happens after an answer,
 * and the three ways to end: at once, after saying goodbye, or lingering until the client has
 * read the answer. Called by connection.c and reply.c. */
#include "base/log.h"
#include "http/connection.h"

#include <sys/socket.h>

/* --- closing -------------------------------------------------------------------------------- */

void connection_drop_block(struct connection *c)
{
    block_put(c->server, c->block);
    c->block = NULL;
    c->start = c->at = c->end = 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *c = handle->data;
    CHECK_MAGIC(c, CONNECTION_MAGIC);
    struct http_server *s = c->server;
    tls_session_free(c->tls);
    c->magic = 0;
    server_connection_gone(s, c);
}

void connection_close(struct connection *c)
{
    if (c->state == CONN_CLOSING)
        return;
    struct exchange *e = c->x;
    c->state = CONN_CLOSING;
    SERVER_COUNT(c->server, connections_active, -(e != NULL));
    c->x = NULL;
    if (e && (e->is_streaming || (e->is_with_handler && !e->has_replied)))
        exchange_orphan(e);
    else if (e)
        exchange_put(e);
    /* At once: thousands may close in one turn, and on_closed comes after it. */
    connection_drop_block(c);
    uv_close(&c->uv.handle, on_closed);
}

/* Says goodbye in TLS and TCP; nothing can be sent afterwards. */
static void shut_for_writing(struct connection *c)
{
    int fd;
    if (c->tls) {
        str out;
        tls_shutdown(c->tls);
        out = tls_output(c->tls);
        uv_buf_t part = {.base = (char *)(uintptr_t)out.p, .len = out.n};
        if (out.n > 0)
            uv_try_write(&c->uv.stream, &part, 1);
        tls_output_clear(c->tls);
    }
    if (uv_fileno(&c->uv.handle, &fd) == 0)
        shutdown(fd, SHUT_WR);
}

/* Closing at once while the client still sends would reset the connection, and the client might
 * never see the answer. */
static void linger(struct connection *c)
{
    if (c->has_eof) {
        connection_close(c);
        return;
    }
    shut_for_writing(c);
    connection_drop_block(c);
    c->state = CONN_LINGERING;
    connection_set_deadline(c, LINGER_MS);
    connection_start_reading(c);
}

/* --- sending -------------------------------------------------------------------------------- */

struct write_op {
    uv_write_t req;
    char bytes[];
};

static void after_answer(struct connection *c)
{
    bool is_over = c->server->is_draining && c->at == c->end;
    if (c->close_after || is_over) {
        if (c->linger_after || c->at < c->end) {
            linger(c);
        } else {
            shut_for_writing(c);
            connection_close(c);
        }
        return;
    }
    c->state = CONN_IDLE;
    connection_set_deadline(c, c->server->limits.idle_timeout_ms);
    connection_advance(c);
}

static void on_written(uv_write_t *req, int status)
{
    struct connection *c = req->handle->data;
    CHECK_MAGIC(c, CONNECTION_MAGIC);
    free(CONTAINER_OF(req, struct write_op, req));
    if (c->state == CONN_CLOSING)
        return;
    if (status < 0) {
        connection_close(c);
        return;
    }
    bool is_empty = uv_stream_get_write_queue_size(&c->uv.stream) == 0;
    if (c->state == CONN_WRITING && is_empty)
        after_answer(c);
    else if (c->state == CONN_WRITING || c->state == CONN_STREAMING)
        connection_set_deadline(c, c->server->limits.write_timeout_ms);
}

/* Copies what is left after the first `sent` bytes and lets libuv send it. */
static bool queue_rest(struct connection *c, const uv_buf_t *parts, unsigned count, size_t sent,
                       size_t total)
{
    struct write_op *op = xmalloc(sizeof(*op) + total - sent);
    size_t n = 0;
    for (unsigned i = 0; i < count; i++) {
        size_t skip = sent < parts[i].len ? sent : parts[i].len;
        sent -= skip;
        memcpy(op->bytes + n, parts[i].base + skip, parts[i].len - skip);
        n += parts[i].len - skip;
    }
    uv_buf_t rest = {.base = op->bytes, .len = n};
    if (uv_stream_get_write_queue_size(&c->uv.stream) == 0)
        connection_set_deadline(c, c->server->limits.write_timeout_ms);
    if (uv_write(&op->req, &c->uv.stream, &rest, 1, on_written) == 0)
        return true;
    free(op);
    connection_close(c);
    return false;
}

static bool send_wire(struct connection *c, const uv_buf_t *parts, unsigned count)
{
    size_t total = 0;
    for (unsigned i = 0; i < count; i++)
        total += parts[i].len;
    int sent = uv_try_write(&c->uv.stream, parts, count);
    if (sent == UV_EAGAIN)
        sent = 0;
    if (sent < 0) {
        connection_close(c);
        return false;
    }
    return (size_t)sent == total || queue_rest(c, parts, count, (size_t)sent, total);
}

bool connection_send_tls_output(struct connection *c)
{
    str out = tls_output(c->tls);
    if (out.n == 0)
        return true;
    uv_buf_t part = {.base = (char *)(uintptr_t)out.p, .len = out.n};
    bool ok = send_wire(c, &part, 1);
    tls_output_clear(c->tls);
    return ok;
}

bool connection_send(struct connection *c, const uv_buf_t *parts, unsigned count)
{
    if (c->state == CONN_CLOSING)
        return false;
    if (!c->tls)
        return send_wire(c, parts, count);
    for (unsigned i = 0; i < count; i++) {
        if (!tls_write(c->tls, str_of(parts[i].base, parts[i].len))) {
            connection_close(c);
            return false;
        }
    }
    return connection_send_tls_output(c);
}

void connection_answered(struct connection *c)
{
    assert(c->x != NULL);
    exchange_put(c->x);
    SERVER_COUNT(c->server, connections_active, -1);
    c->x = NULL;
    c->start = c->at;
    size_t waiting = uv_stream_get_write_queue_size(&c->uv.stream);
    if (waiting == 0) {
        after_answer(c);
        return;
    }
    c->state = CONN_WRITING;
    c->waiting_seen = waiting;
    connection_set_deadline(c, c->server->limits.write_timeout_ms);
}
