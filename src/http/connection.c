/* One connection: reads into its block (or straight into a large body), lets parse.c look, hands
 * whole requests to the handler one at a time, sends answers, and ends in an orderly way.
 *
 *     PROXY --> IDLE --> HEAD --> BODY --> HANDLING --> (STREAMING) --> WRITING --> IDLE
 *                          \        \                                     \--> LINGERING
 *                           400..   413..  --> an answer of our own, then LINGERING, CLOSING
 *
 * Invariants: block is NULL exactly when nothing is buffered and no request is in progress;
 * start <= at <= end <= block->cap; x is set from HEAD to STREAMING. While a request is handled
 * its bytes stay where they are, and what is read goes behind them; when the block is full,
 * reading pauses until the answer. libuv keeps the memory of a closing connection until
 * on_closed. */
#include "http/connection.h"

#include "base/log.h"
#include "http/target.h"

#include <unistd.h>

#define NS_PER_MS INT64_C(1000000)
#define BODY_STEP_BYTES 32768u /* a large body's first allocation; it doubles from there */
#define CHUNK_ROOM_BYTES 2048u /* less room than this in the block: the body moves to a buffer */

/* Answers a request that no handler will see, and ends the connection. */
static void refuse(struct connection *c, int status, const char *code, const char *text)
{
    SERVER_COUNT(c->server, refused_total, 1);
    c->x->keep_alive = false;
    c->x->is_head = str_eq(c->x->parse.method, STR("HEAD"));
    c->close_after = c->linger_after = true;
    c->state = CONN_HANDLING;
    c->deadline_ns = INT64_MAX;
    if (c->server->refusal)
        c->server->refusal(&c->x->pub, status, text, c->server->arg);
    else
        http_reply_error(&c->x->pub, status, code, str_from_cstr(text));
}

static void refuse_parsed(struct connection *c)
{
    const struct parse *p = &c->x->parse;
    refuse(c, p->status, p->code, p->text);
}

/* --- a request ------------------------------------------------------------------------------ */

static bool begin_request(struct connection *c)
{
    if (c->at == c->end) {
        if (c->has_eof)
            connection_close(c);
        else
            connection_drop_block(c);
        return false;
    }
    c->x = exchange_take(c->server);
    c->x->connection = c;
    SERVER_COUNT(c->server, connections_active, 1);
    c->start = c->at;
    c->state = CONN_HEAD;
    c->deadline_ns = 0;
    return true;
}

/* The peer as text in the exchange, whose life may be longer than the connection's. */
static void set_peer(struct connection *c, struct exchange *e)
{
    struct http_request *r = &e->pub.req;
    struct address client;
    const struct proxy_trust *trust = &c->server->trust;
    if (trust->count > 0 && proxy_client(&r->fields, &c->peer, trust, &client)) {
        r->peer = address_format(&client, e->peer_text);
    } else {
        memcpy(e->peer_text, c->peer_text, sizeof(e->peer_text));
        r->peer = str_from_cstr(e->peer_text);
        r->peer_port = c->peer_port;
    }
    r->tls = c->tls != NULL || (trust->count > 0 && proxy_is_https(&r->fields, &c->peer, trust));
}

/* Fills the view of the request from its head. NULL, or what is wrong with the target. */
static const char *fill_request(struct connection *c, struct exchange *e)
{
    struct http_request *r = &e->pub.req;
    const struct parse *p = &e->parse;
    struct http_target target;
    const char *wrong = target_parse(p->method, p->target, &target);
    if (wrong)
        return wrong;
    *r = (struct http_request){
        .method = p->method,
        .target = p->target,
        .path = target.path,
        .query = target.query,
        .host = target.authority.p ? target.authority
                : p->host.p        ? p->host
                                   : STR(""),
        .fields = {p->fields, p->field_count},
        .body = STR(""),
        .received_ms = clock_wall_ms(c->server->clock),
        .received_mono_ns = connection_now_ns(c),
        .arena = &e->arena,
    };
    if (c->tls)
        r->client = tls_session_peer(c->tls);
    e->is_head = str_eq(p->method, STR("HEAD"));
    e->is_http_1_0 = p->http_1_0;
    e->keep_alive = p->keep_alive;
    set_peer(c, e);
    return NULL;
}

static bool handle(struct connection *c)
{
    struct exchange *e = c->x;
    if (e->body_in_buf && !buf_ok(&e->body))
        die_of_memory(0);
    e->pub.req.body = e->body_in_buf ? buf_str(&e->body) : str_of(e->body_at, e->body_n);
    e->arena.max = ARENA_BYTES_MAX + 4 * e->pub.req.body.n;
    e->is_with_handler = true;
    c->state = CONN_HANDLING;
    c->deadline_ns = INT64_MAX;
    SERVER_COUNT(c->server, requests_total, 1);
    c->has_asked = true;
    c->server->handler(&e->pub, c->server->arg);
    return true;
}

/* Moves the request in progress to the beginning of its block. */
static void compact(struct connection *c)
{
    char *bytes = c->block->bytes;
    memmove(bytes, bytes + c->start, c->end - c->start);
    if (c->x)
        parse_head_moved(&c->x->parse, bytes);
    c->at -= c->start;
    c->end -= c->start;
    c->start = 0;
}

/* A head that fills the block gets one that the limits can't fill. */
static void grow_block(struct connection *c)
{
    const struct http_limits *l = &c->server->limits;
    struct block *big =
        block_new((uint32_t)(l->request_line_max + l->header_bytes_max) + BLOCK_BYTES);
    assert(c->block->cap < big->cap);
    memcpy(big->bytes, c->block->bytes, c->end);
    parse_head_moved(&c->x->parse, big->bytes + c->start);
    block_put(c->server, c->block);
    c->block = big;
}

/* Once the request is filled from the head, the head can't move any more; chunks need some room
 * behind it, and a body that would fit the block but for its place should. */
static void make_room_behind_head(struct connection *c)
{
    const struct parse *p = &c->x->parse;
    int64_t wanted = p->chunked ? CHUNK_ROOM_BYTES : p->content_length;
    uint32_t cap = c->block->cap;
    if (wanted <= cap - c->at)
        return;
    if (c->start > 0 && (p->chunked || wanted <= cap - (int64_t)p->head_n))
        compact(c);
    if (p->chunked && wanted > cap - c->at)
        grow_block(c);
}

/* From now on the body goes to a buffer of its own; what of it is in the block moves there. */
static void move_body_to_buf(struct connection *c, int64_t max)
{
    struct exchange *e = c->x;
    buf_init(&e->body, (size_t)max);
    buf_append(&e->body, e->body_at, e->body_n);
    e->body_in_buf = true;
    c->at = c->end = (uint32_t)(e->body_at - c->block->bytes);
}

/* The head is complete: judges it, and decides where the body goes. */
static bool begin_body(struct connection *c)
{
    struct exchange *e = c->x;
    struct parse *p = &e->parse;
    c->at = c->start + (uint32_t)p->head_n;
    make_room_behind_head(c);
    const char *wrong = fill_request(c, e);
    if (wrong) {
        bool is_connect = str_eq(p->method, STR("CONNECT"));
        refuse(c, is_connect ? 501 : 400, is_connect ? "unknown_method" : "bad_request", wrong);
        return true;
    }
    int64_t limit = c->server->body_limit ? c->server->body_limit(&e->pub.req, c->server->arg) : 0;
    enum parse_result r = parse_body_begin(p, limit > 0 ? limit : c->server->limits.body_bytes_max);
    e->body_at = c->block->bytes + c->at;
    if (r == PARSE_FAILED) {
        refuse_parsed(c);
        return true;
    }
    if (r == PARSE_DONE)
        return handle(c);
    if (p->expect_continue && c->at == c->end) {
        static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
        uv_buf_t part = {.base = (char *)(uintptr_t)text, .len = sizeof(text) - 1};
        if (!connection_send(c, &part, 1))
            return false;
    }
    c->state = CONN_BODY;
    c->deadline_ns = INT64_MAX; /* the sweep looks at the rate */
    return true;
}

static bool read_head(struct connection *c)
{
    const char *bytes = c->block->bytes;
    switch (parse_head(&c->x->parse, bytes + c->start, bytes + c->end)) {
    case PARSE_FAILED:
        refuse_parsed(c);
        return true;
    case PARSE_DONE:
        return begin_body(c);
    case PARSE_MORE:
    default:
        if (c->deadline_ns == 0)
            connection_set_deadline(c, c->server->limits.header_timeout_ms);
        return false;
    }
}

/* All of what is in the block belongs to the body so far, and more is to come. */
static void make_room_for_body(struct connection *c)
{
    struct exchange *e = c->x;
    const struct parse *p = &e->parse;
    if (e->body_in_buf)
        return;
    if (!p->chunked && p->content_length - p->body_n > c->block->cap - c->end)
        move_body_to_buf(c, p->content_length);
    else if (p->chunked && c->block->cap - c->end < CHUNK_ROOM_BYTES)
        move_body_to_buf(c, p->body_max);
}

static bool read_body(struct connection *c)
{
    struct exchange *e = c->x;
    struct parse *p = &e->parse;
    bool is_direct = e->body_in_buf && !p->chunked; /* counted by took already */
    if (is_direct)
        return p->body_n == p->content_length ? handle(c) : false;
    size_t taken = 0, n = 0;
    char *raw = c->block->bytes + c->at;
    enum parse_result r = parse_body(p, raw, c->end - c->at, &taken, &n);
    if (r == PARSE_FAILED) {
        refuse_parsed(c);
        return true;
    }
    if (e->body_in_buf)
        buf_append(&e->body, raw, n);
    else
        e->body_n += n;
    if (r == PARSE_DONE) {
        c->at += (uint32_t)taken;
        return handle(c);
    }
    if (!e->body_in_buf)
        c->at += (uint32_t)n;
    c->end = c->at;
    make_room_for_body(c);
    return false;
}

void connection_advance(struct connection *c)
{
    if (c->is_advancing)
        return;
    c->is_advancing = true;
    for (bool go_on = true; go_on;) {
        switch ((enum connection_state)c->state) {
        case CONN_IDLE:
            go_on = begin_request(c);
            break;
        case CONN_HEAD:
            go_on = read_head(c);
            break;
        case CONN_BODY:
            go_on = read_body(c);
            break;
        default:
            go_on = false;
        }
    }
    c->is_advancing = false;
    if (!c->is_reading && c->state >= CONN_IDLE && c->state <= CONN_BODY) {
        if (c->has_eof)
            connection_close(c);
        else
            connection_start_reading(c);
    }
}

/* --- reading -------------------------------------------------------------------------------- */

/* Where the next bytes of content or of a request go; empty when there is no room now. */
static uv_buf_t find_room(struct connection *c)
{
    struct exchange *e = c->x;
    if (c->state == CONN_BODY && e->body_in_buf && !e->parse.chunked) {
        struct buf *b = &e->body;
        size_t left = (size_t)e->parse.content_length - b->len;
        size_t step = b->len > BODY_STEP_BYTES ? b->len : BODY_STEP_BYTES;
        if (b->len == b->cap && !buf_reserve(b, step < left ? step : left))
            die_of_memory(0);
        size_t room = b->cap - b->len;
        return (uv_buf_t){.base = b->p + b->len, .len = room < left ? room : left};
    }
    if (!c->block) {
        c->block = block_take(c->server);
        c->start = c->at = c->end = 0;
    }
    bool may_move = c->state == CONN_IDLE || c->state == CONN_HEAD;
    if (may_move && c->start > 0 && c->block->cap - c->end < c->block->cap / 4)
        compact(c);
    if (c->state == CONN_HEAD && c->end == c->block->cap)
        grow_block(c);
    return (uv_buf_t){.base = c->block->bytes + c->end, .len = c->block->cap - c->end};
}

/* n bytes were written to where find_room said. */
static void took(struct connection *c, size_t n)
{
    struct exchange *e = c->x;
    if (c->state == CONN_BODY && e->body_in_buf && !e->parse.chunked) {
        size_t taken, body_n;
        parse_body(&e->parse, NULL, n, &taken, &body_n);
        assert(taken == n);
        buf_grew(&e->body, n);
    } else {
        c->end += (uint32_t)n;
    }
    connection_advance(c);
}

static void stop_reading(struct connection *c)
{
    uv_read_stop(&c->uv.stream);
    c->is_reading = false;
}

/* No more input will come: what is in progress is answered still, if it was whole. */
static void end_input(struct connection *c, bool is_orderly)
{
    stop_reading(c);
    c->has_eof = true;
    bool is_answering = c->state == CONN_HANDLING || c->state == CONN_WRITING;
    if (!is_answering || !is_orderly)
        connection_close(c);
}

/* Decrypts as long as there is something and room for it. */
static void pump_tls(struct connection *c)
{
    for (;;) {
        if (c->state == CONN_CLOSING || c->state == CONN_LINGERING)
            return;
        uv_buf_t room = find_room(c);
        if (room.len == 0) {
            stop_reading(c);
            return;
        }
        size_t got;
        enum tls_result r = tls_read(c->tls, room.base, room.len, &got);
        if (!connection_send_tls_output(c))
            return;
        if (r != TLS_BYTES) {
            if (r != TLS_WANTS_MORE)
                end_input(c, r == TLS_CLOSED);
            else if (c->state == CONN_IDLE && c->at == c->end)
                connection_drop_block(c);
            return;
        }
        took(c, got);
    }
}

/* The PROXY header is in the block, in the clear; what follows it may be TLS. */
static void take_proxy_header(struct connection *c, size_t n)
{
    struct address client;
    bool has_client;
    size_t taken;
    c->end += (uint32_t)n;
    str seen = str_of(c->block->bytes, c->end);
    switch (proxy_header_parse(seen, &taken, &client, &has_client)) {
    case PROXY_MORE:
        return;
    case PROXY_DONE:
        break;
    case PROXY_BAD:
    default:
        SERVER_COUNT(c->server, refused_total, 1);
        connection_close(c);
        return;
    }
    if (has_client) {
        c->peer = client;
        c->peer_port = 0;
        address_format(&c->peer, c->peer_text);
    }
    c->state = CONN_IDLE;
    c->start = c->at = (uint32_t)taken;
    if (c->tls) {
        tls_feed(c->tls, str_slice(seen, taken, seen.n));
        connection_drop_block(c);
        pump_tls(c);
    } else {
        connection_set_deadline(c, c->server->limits.idle_timeout_ms);
        connection_advance(c);
    }
}

static bool reads_to_scratch(const struct connection *c)
{
    return c->state == CONN_LINGERING || (c->tls && c->state != CONN_PROXY);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct connection *c = handle->data;
    CHECK_MAGIC(c, CONNECTION_MAGIC);
    UNUSED(suggested);
    if (reads_to_scratch(c))
        *out = (uv_buf_t){.base = c->server->scratch, .len = SCRATCH_BYTES};
    else
        *out = find_room(c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct connection *c = stream->data;
    CHECK_MAGIC(c, CONNECTION_MAGIC);
    if (n > 0 && c->state == CONN_LINGERING)
        return;
    if (n > 0 && c->state == CONN_PROXY) {
        take_proxy_header(c, (size_t)n);
    } else if (n > 0 && c->tls) {
        tls_feed(c->tls, str_of(buf->base, (size_t)n));
        pump_tls(c);
    } else if (n > 0) {
        took(c, (size_t)n);
    } else if (n == UV_ENOBUFS) {
        stop_reading(c);
    } else if (n < 0) {
        end_input(c, n == UV_EOF);
    } else if (c->state == CONN_IDLE && c->at == c->end) {
        connection_drop_block(c);
    }
}

void connection_start_reading(struct connection *c)
{
    if (c->is_reading || c->has_eof)
        return;
    c->is_reading = true;
    if (uv_read_start(&c->uv.stream, on_alloc, on_read) != 0) {
        connection_close(c);
        return;
    }
    if (c->tls && c->state != CONN_PROXY && c->state != CONN_LINGERING)
        pump_tls(c); /* what was decrypted no further for want of room */
}

/* --- deadlines ------------------------------------------------------------------------------ */

static void check_body_rate(struct connection *c, int64_t now)
{
    const struct exchange *e = c->x;
    int64_t ms = (now - e->pub.req.received_mono_ns) / NS_PER_MS - BODY_GRACE_MS;
    if (ms > 0 && e->parse.body_n < c->server->limits.body_rate_min * ms / 1000)
        refuse(c, 408, "request_timeout", "the request body came too slowly");
}

static void check_write_progress(struct connection *c, int64_t now)
{
    size_t waiting = uv_stream_get_write_queue_size(&c->uv.stream);
    if (waiting < c->waiting_seen)
        connection_set_deadline(c, c->server->limits.write_timeout_ms);
    else if (waiting > 0 && now >= c->deadline_ns)
        connection_close(c);
    c->waiting_seen = waiting;
}

void connection_sweep(struct connection *c, int64_t now)
{
    switch ((enum connection_state)c->state) {
    case CONN_BODY:
        check_body_rate(c, now);
        break;
    case CONN_WRITING:
    case CONN_STREAMING:
        check_write_progress(c, now);
        break;
    case CONN_HEAD:
        if (now >= c->deadline_ns)
            refuse(c, 408, "request_timeout", "the request head came too slowly");
        break;
    case CONN_PROXY:
    case CONN_IDLE:
    case CONN_LINGERING:
        if (now >= c->deadline_ns)
            connection_close(c);
        break;
    case CONN_HANDLING:
    case CONN_CLOSING:
    default:
        break;
    }
}

/* --- opening -------------------------------------------------------------------------------- */

static bool open_handle(struct connection *c, int fd, bool is_unix)
{
    uv_loop_t *uv = loop_uv(c->server->loop);
    if (is_unix) {
        uv_pipe_init(uv, &c->uv.pipe, 0);
        return uv_pipe_open(&c->uv.pipe, fd) == 0;
    }
    uv_tcp_init(uv, &c->uv.tcp);
    return uv_tcp_open(&c->uv.tcp, fd) == 0;
}

/* Peers on a unix socket are on this machine; for trust they count as 127.0.0.1. */
static void set_first_peer(struct connection *c, const struct address *peer)
{
    static const struct address loopback = {.bytes = {[10] = 0xff, 0xff, 127, 0, 0, 1}};
    c->peer = peer ? *peer : loopback;
    if (peer)
        address_format(&c->peer, c->peer_text);
    else
        memcpy(c->peer_text, "unix", sizeof("unix"));
}

void connection_new(struct http_server *s, int fd, const struct address *peer, uint16_t peer_port,
                    bool is_counted, bool is_refused)
{
    struct connection *c = xcalloc(1, sizeof(*c));
    c->magic = CONNECTION_MAGIC;
    c->server = s;
    set_first_peer(c, peer);
    c->peer_port = peer_port;
    c->counted = c->peer;
    c->is_counted = is_counted;
    bool is_open = open_handle(c, fd, peer == NULL);
    c->uv.handle.data = c;
    server_connection_opened(s, c);
    if (!is_open) {
        close(fd);
        connection_close(c);
        return;
    }
    bool needs_proxy = s->proxy_protocol;
    if ((needs_proxy && !nets_contain(s->trust.nets, s->trust.count, &c->peer)) ||
        (is_refused && s->tls)) {
        SERVER_COUNT(s, refused_total, 1);
        connection_close(c);
        return;
    }
    if (is_refused) {
        c->x = exchange_take(s);
        SERVER_COUNT(s, connections_active, 1);
        c->x->connection = c;
        refuse(c, 503, "too_many_connections", "there are too many connections from this address");
        return;
    }
    if (s->tls)
        c->tls = tls_session_new(s->tls);
    c->state = needs_proxy ? CONN_PROXY : CONN_IDLE;
    connection_set_deadline(c, needs_proxy || s->tls ? s->limits.header_timeout_ms
                                                     : s->limits.idle_timeout_ms);
    connection_start_reading(c);
}
