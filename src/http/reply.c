/* Answers. The head is built in one buffer of the server and goes out with the body in one system
 * call; what the socket does not take is copied by connection.c, so that the caller's memory is
 * free on return. Content-Length, Transfer-Encoding, Connection and Date are set here and nowhere
 * else; a field that would split the answer makes it a 500. */
#include "base/json.h"
#include "base/log.h"
#include "http/connection.h"

#define ERROR_BYTES_MAX 16384

enum { IN_NAME = 1, IN_VALUE = 2 };

/* Which bytes a field's name (a token, RFC 9110 section 5.6.2) and its value may hold. */
#define BOTH (IN_NAME | IN_VALUE)
static const uint8_t classes[256] = {
    ['\t'] = IN_VALUE,     [' '] = IN_VALUE,
    ['!'] = BOTH,          ['"'] = IN_VALUE,
    ['#' ... '\''] = BOTH, ['(' ... ')'] = IN_VALUE,
    ['*' ... '+'] = BOTH,  [','] = IN_VALUE,
    ['-' ... '.'] = BOTH,  ['/'] = IN_VALUE,
    ['0' ... '9'] = BOTH,  [':' ... '@'] = IN_VALUE,
    ['A' ... 'Z'] = BOTH,  ['[' ... ']'] = IN_VALUE,
    ['^' ... 'z'] = BOTH,  ['{'] = IN_VALUE,
    ['|'] = BOTH,          ['}'] = IN_VALUE,
    ['~'] = BOTH,          [0x80 ... 0xff] = IN_VALUE,
};
#undef BOTH

static bool is_all(str s, uint8_t class)
{
    for (size_t i = 0; i < s.n; i++)
        if (!(classes[(unsigned char)s.p[i]] & class))
            return false;
    return true;
}

static bool are_fields_valid(const struct http_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fields[i].name.n == 0 || !is_all(fields[i].name, IN_NAME) ||
            !is_all(fields[i].value, IN_VALUE))
            return false;
    return true;
}

static bool is_ours(str name)
{
    switch (name.n) {
    case sizeof("Date") - 1:
        return str_eq_nocase(name, STR("Date"));
    case sizeof("Connection") - 1:
        return str_eq_nocase(name, STR("Connection"));
    case sizeof("Content-Length") - 1:
        return str_eq_nocase(name, STR("Content-Length"));
    case sizeof("Transfer-Encoding") - 1:
        return str_eq_nocase(name, STR("Transfer-Encoding"));
    default:
        return false;
    }
}

static void put(char **at, const char *p, size_t n)
{
    memcpy(*at, p, n);
    *at += n;
}

static void put_str(char **at, str s)
{
    put(at, s.p, s.n);
}

static void put_number(char **at, uint64_t v)
{
    char digits[20];
    size_t n = 0;
    do
        digits[n++] = (char)('0' + v % 10);
    while ((v /= 10) > 0);
    while (n > 0)
        *(*at)++ = digits[--n];
}

enum framing { FRAME_LENGTH, FRAME_CHUNKED, FRAME_CLOSE };

static bool has_no_content(int status)
{
    return status < 200 || status == 204 || status == 304;
}

static void put_framing(char **at, const struct exchange *e, int status, enum framing framing,
                        size_t length)
{
    if (framing == FRAME_CHUNKED) {
        put_str(at, STR("Transfer-Encoding: chunked\r\n"));
    } else if (framing == FRAME_LENGTH && !has_no_content(status)) {
        put_str(at, STR("Content-Length: "));
        put_number(at, length);
        put_str(at, STR("\r\n"));
    }
    if (e->is_detached)
        return;
    if (!e->keep_alive)
        put_str(at, STR("Connection: close\r\n"));
    else if (e->is_http_1_0)
        put_str(at, STR("Connection: keep-alive\r\n"));
}

/* Writes status line and fields into out. */
static void build_head(struct buf *out, const struct exchange *e, int status,
                       const struct http_field *fields, size_t count, enum framing framing,
                       size_t length)
{
    assert(status >= 200 && status <= 599);
    str text = str_from_cstr(http_status_text(status));
    size_t size = 256 + text.n;
    for (size_t i = 0; i < count; i++)
        size += fields[i].name.n + fields[i].value.n + 4;
    char *begin = buf_reserve(out, size), *at = begin;
    if (!begin)
        return;
    put_str(&at, STR("HTTP/1.1 "));
    put_number(&at, (uint64_t)status);
    *at++ = ' ';
    put_str(&at, text);
    put_str(&at, STR("\r\n"));
    if (e->server) {
        put(&at, e->server->date_field, e->server->date_n);
        put_str(&at, str_from_cstr(e->server->name_field));
    }
    for (size_t i = 0; i < count; i++) {
        if (is_ours(fields[i].name))
            continue;
        put_str(&at, fields[i].name);
        put_str(&at, STR(": "));
        put_str(&at, fields[i].value);
        put_str(&at, STR("\r\n"));
    }
    put_framing(&at, e, status, framing, length);
    put_str(&at, STR("\r\n"));
    buf_grew(out, (size_t)(at - begin));
}

static void count_answer(struct http_server *s, const struct exchange *e, int status)
{
    SERVER_COUNT(s, by_class[status / 100], 1);
    if (e->pub.req.received_mono_ns)
        histogram_add(&s->counts.answer_us, &histogram_durations,
                      (clock_mono_ns(s->clock) - e->pub.req.received_mono_ns) / 1000);
}

static void reply_detached(struct exchange *e, int status, const struct http_field *fields,
                           size_t count, str body)
{
    build_head(&e->head, e, status, fields, count, FRAME_LENGTH, body.n);
    if (e->is_head || has_no_content(status))
        body = STR("");
    e->replied(status, buf_str(&e->head), body, e->replied_arg);
}

static str server_error_body(void)
{
    return STR("{\"error\":{\"code\":\"internal\",\"message\":\"the answer could not be built\"}}");
}

void http_reply(struct http_exchange *x, int status, const struct http_field *fields,
                size_t field_count, str body)
{
    struct exchange *e = exchange_of(x);
    assert(!e->has_replied);
    e->has_replied = true;
    if (!are_fields_valid(fields, field_count)) {
        uint64_t held;
        if (log_rate("http_bad_field", &held))
            log_line(LOG_ERROR, "an answer had a field with an invalid name or value; sent 500");
        status = 500;
        field_count = 0;
        body = server_error_body();
    }
    if (!body.p)
        body = STR("");
    if (e->is_detached) {
        reply_detached(e, status, fields, field_count, body);
        return;
    }
    struct connection *c = e->connection;
    if (!c) {
        orphan_drop(e);
        return;
    }
    struct http_server *s = e->server;
    if (s->is_draining)
        e->keep_alive = false;
    server_date_refresh(s);
    buf_clear(&s->head);
    build_head(&s->head, e, status, fields, field_count, FRAME_LENGTH, body.n);
    if (!buf_ok(&s->head)) {
        buf_clear(&s->head);
        body = server_error_body();
        status = 500;
        build_head(&s->head, e, status, NULL, 0, FRAME_LENGTH, body.n);
    }
    count_answer(s, e, status);
    bool with_body = body.n > 0 && !e->is_head && !has_no_content(status);
    uv_buf_t parts[2] = {{.base = s->head.p, .len = s->head.len},
                         {.base = (char *)(uintptr_t)body.p, .len = body.n}};
    c->close_after = c->close_after || !e->keep_alive;
    if (connection_send(c, parts, with_body ? 2 : 1))
        connection_answered(c);
}

/* --- errors --------------------------------------------------------------------------------- */

static void reply_error(struct http_exchange *x, int status, const char *code, str message,
                        const struct http_field *extra)
{
    struct buf body;
    buf_init(&body, ERROR_BYTES_MAX);
    struct json_writer w;
    json_writer_init(&w, &body);
    json_open(&w, '{');
    json_key(&w, "error");
    json_open(&w, '{');
    json_pair(&w, "code", str_from_cstr(code));
    json_pair(&w, "message", str_slice(message, 0, ERROR_BYTES_MAX / 8));
    json_close(&w, '}');
    json_close(&w, '}');
    struct http_field fields[2] = {{STR("Content-Type"), STR("application/json")}};
    if (extra)
        fields[1] = *extra;
    http_reply(x, status, fields, extra ? 2 : 1, buf_str(&body));
    buf_release(&body);
}

void http_reply_error(struct http_exchange *x, int status, const char *code, str message)
{
    reply_error(x, status, code, message, NULL);
}

void http_reply_retry(struct http_exchange *x, int status, const char *code, str message,
                      unsigned retry_after_s)
{
    char digits[24];
    char *at = digits;
    put_number(&at, retry_after_s);
    struct http_field retry = {STR("Retry-After"), str_of(digits, (size_t)(at - digits))};
    reply_error(x, status, code, message, &retry);
}

/* --- streams -------------------------------------------------------------------------------- */

static void begin_detached(struct exchange *e, int status, const struct http_field *fields,
                           size_t field_count)
{
    e->stream_status = status;
    build_head(&e->head, e, status, fields, field_count, FRAME_CLOSE, 0);
}

void http_stream_begin(struct http_exchange *x, int status, const struct http_field *fields,
                       size_t field_count, void (*on_close)(struct http_exchange *x))
{
    struct exchange *e = exchange_of(x);
    assert(!e->has_replied && !has_no_content(status));
    if (!are_fields_valid(fields, field_count)) {
        log_line(LOG_ERROR, "a streamed answer had an invalid field; its fields were left out");
        field_count = 0;
    }
    e->has_replied = e->is_streaming = true;
    e->on_close = on_close;
    if (e->is_detached) {
        begin_detached(e, status, fields, field_count);
        return;
    }
    struct connection *c = e->connection;
    if (!c) {
        orphan_close_soon(e);
        return;
    }
    struct http_server *s = e->server;
    e->is_chunked = !e->is_http_1_0;
    if (s->is_draining || !e->is_chunked)
        e->keep_alive = false;
    c->close_after = c->close_after || !e->keep_alive;
    c->state = CONN_STREAMING;
    c->deadline_ns = INT64_MAX;
    c->waiting_seen = 0;
    server_date_refresh(s);
    count_answer(s, e, status);
    buf_clear(&s->head);
    build_head(&s->head, e, status, fields, field_count,
               e->is_chunked ? FRAME_CHUNKED : FRAME_CLOSE, 0);
    uv_buf_t head = {.base = s->head.p, .len = s->head.len};
    if (!buf_ok(&s->head))
        connection_close(c);
    else
        connection_send(c, &head, 1);
}

bool http_stream_write(struct http_exchange *x, str bytes)
{
    struct exchange *e = exchange_of(x);
    assert(e->is_streaming);
    if (e->is_detached) {
        buf_str_append(&e->stream, bytes);
        return buf_ok(&e->stream);
    }
    struct connection *c = e->connection;
    if (!c)
        return false;
    /* One that is larger than the bound goes out when nothing waits before it. */
    size_t waiting = uv_stream_get_write_queue_size(&c->uv.stream);
    if (waiting > 0 && waiting + bytes.n > STREAM_WAITING_BYTES_MAX)
        return false;
    if (bytes.n == 0 || e->is_head)
        return true;
    char line[24];
    int n = snprintf(line, sizeof(line), "%zx\r\n", bytes.n);
    uv_buf_t parts[3] = {{.base = line, .len = (size_t)n},
                         {.base = (char *)(uintptr_t)bytes.p, .len = bytes.n},
                         {.base = (char *)(uintptr_t) "\r\n", .len = 2}};
    return e->is_chunked ? connection_send(c, parts, 3) : connection_send(c, parts + 1, 1);
}

void http_stream_end(struct http_exchange *x)
{
    struct exchange *e = exchange_of(x);
    assert(e->is_streaming);
    if (e->is_detached) {
        exchange_call_on_close(e);
        e->replied(e->stream_status, buf_str(&e->head), e->is_head ? STR("") : buf_str(&e->stream),
                   e->replied_arg);
        return;
    }
    struct connection *c = e->connection;
    exchange_call_on_close(e);
    if (!c) {
        orphan_drop(e);
        return;
    }
    static const char last[] = "0\r\n\r\n";
    uv_buf_t part = {.base = (char *)(uintptr_t)last, .len = sizeof(last) - 1};
    if (!e->is_chunked || e->is_head || connection_send(c, &part, 1))
        connection_answered(c);
}
