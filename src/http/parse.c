/* The door to llhttp. All its lenient switches are off. What it does not look at is checked here:
 * single blanks in the request line, where each field line begins and ends, Host, the spelling of
 * Content-Length and Transfer-Encoding, sizes and counts, the length of chunk-size lines and their
 * extensions, trailers (refused). llhttp stops after the head; content with a known length is only
 * counted here, chunked content goes through llhttp again. Called by connection.c. */
#include "http/parse.h"

#include "http/target.h"

#include <llhttp.h>

static_assert(sizeof(llhttp_t) <= sizeof(((struct parse *)0)->machine), "machine[] is too small");

#define CHUNK_SIZE_DIGITS_MAX 16

static llhttp_t *machine_of(struct parse *p)
{
    return (llhttp_t *)(void *)p->machine;
}

/* Keeps the first failure. Returns what makes llhttp stop. */
static int refuse(struct parse *p, int status, const char *code, const char *text)
{
    if (p->status == 0) {
        p->status = status;
        p->code = code;
        p->text = text;
    }
    return -1;
}

static int malformed(struct parse *p, const char *text)
{
    return refuse(p, 400, "bad_request", text);
}

static int wrong_version(struct parse *p)
{
    return refuse(p, 505, "http_version", "this server speaks HTTP/1.1 and HTTP/1.0");
}

/* --- callbacks of the head ------------------------------------------------------------------ */

static int check_line_length(struct parse *p, const char *end)
{
    if (end - p->start > p->limits->request_line_max)
        return refuse(p, 414, "uri_too_long", "the request line is too long");
    return 0;
}

static int check_header_length(struct parse *p, const char *end)
{
    if (end - p->line_end > p->limits->header_bytes_max)
        return refuse(p, 431, "headers_too_large", "the header fields are too large in all");
    return 0;
}

static int on_method(llhttp_t *m, const char *at, size_t n)
{
    struct parse *p = m->data;
    if (p->any_method)
        return 0; /* feed_method has it */
    if (!p->method.p) {
        p->method.p = at;
        /* Empty lines before a request are let through (RFC 9112 section 2.2), whole ones only. */
        if ((at - p->start) % 2 != 0)
            return malformed(p, "there is a bare CR or LF before the request line");
        for (const char *c = p->start; c < at; c += 2)
            if (c[0] != '\r' || c[1] != '\n')
                return malformed(p, "there is a bare CR or LF before the request line");
    }
    p->method.n = (size_t)(at + n - p->method.p);
    return 0;
}

static int on_url(llhttp_t *m, const char *at, size_t n)
{
    struct parse *p = m->data;
    if (!p->target.p) {
        p->target.p = at;
        if (at != p->method.p + p->method.n + 1)
            return malformed(p, "there must be one blank between method and target");
    }
    p->target.n = (size_t)(at + n - p->target.p);
    return check_line_length(p, at + n);
}

static int on_version(llhttp_t *m, const char *at, size_t n)
{
    struct parse *p = m->data;
    static const char before[] = " HTTP/";
    if (!p->line_end && at != p->target.p + p->target.n + sizeof(before) - 1)
        return malformed(p, "there must be one blank between target and version");
    p->line_end = at + n + 2;
    return check_line_length(p, p->line_end);
}

static int on_field(llhttp_t *m, const char *at, size_t n)
{
    struct parse *p = m->data;
    if (p->head_n)
        return malformed(p, "trailer fields are not accepted");
    if (!p->line_end) /* a request line without a version, as in HTTP/0.9 */
        return wrong_version(p);
    if (!p->in_name) {
        if (p->field_count == (size_t)p->limits->header_count_max)
            return refuse(p, 431, "too_many_headers", "there are too many header fields");
        if (at[-1] != '\n' || at[-2] != '\r')
            return malformed(p, "a header line begins with a blank");
        p->fields[p->field_count++] = (struct http_field){{at, 0}, STR_NONE};
        p->in_name = true;
    }
    str *name = &p->fields[p->field_count - 1].name;
    name->n = (size_t)(at + n - name->p);
    return check_header_length(p, at + n);
}

static int on_value(llhttp_t *m, const char *at, size_t n)
{
    struct parse *p = m->data;
    if (p->head_n || !p->in_name)
        return malformed(p, "trailer fields are not accepted");
    struct http_field *f = &p->fields[p->field_count - 1];
    if (!f->value.p)
        f->value.p = at;
    f->value.n = (size_t)(at + n - f->value.p);
    return check_header_length(p, at + n);
}

static int on_value_complete(llhttp_t *m)
{
    struct parse *p = m->data;
    if (p->head_n || !p->in_name)
        return malformed(p, "trailer fields are not accepted");
    p->in_name = false;
    struct http_field *f = &p->fields[p->field_count - 1];
    if (f->name.n == 0 || f->name.p[f->name.n] != ':')
        return malformed(p, "a header name must be followed by a colon at once");
    if (!f->value.p)
        f->value = str_of(f->name.p + f->name.n, 0);
    while (f->value.n > 0 &&
           (f->value.p[f->value.n - 1] == ' ' || f->value.p[f->value.n - 1] == '\t'))
        f->value.n--;
    return 0;
}

static int on_head_complete(llhttp_t *m)
{
    UNUSED(m);
    return HPE_PAUSED;
}

/* --- callbacks of a chunked body ---------------------------------------------------------------
 * Positions are counted from the first byte after the head: where the chunk-size line began, where
 * its extension began. */

static int64_t position_of(const struct parse *p, const char *at)
{
    return p->raw_n + (at - p->raw);
}

/* The chunk-size line (without CRLF) ended at this position. */
static int end_chunk_line(struct parse *p, int64_t end)
{
    int64_t size_end = p->chunk_extension >= 0 ? p->chunk_extension - 1 : end;
    if (size_end - p->chunk_line > CHUNK_SIZE_DIGITS_MAX)
        return malformed(p, "a chunk size has too many digits");
    p->extensions_n += end - size_end;
    if (p->extensions_n > p->limits->chunk_extension_max)
        return malformed(p, "the chunk extensions are too long");
    p->in_chunk_line = false;
    p->chunk_extension = -1;
    return 0;
}

static int on_extension(llhttp_t *m, const char *at, size_t n)
{
    struct parse *p = m->data;
    UNUSED(n);
    if (p->chunk_extension < 0)
        p->chunk_extension = position_of(p, at);
    return 0;
}

static int on_chunk_size(llhttp_t *m)
{
    struct parse *p = m->data;
    p->last_chunk = m->content_length == 0;
    if (m->content_length > (uint64_t)(p->body_max - p->body_n))
        return refuse(p, 413, "body_too_large", "the request body is too large");
    return 0;
}

static int on_chunk_data(llhttp_t *m, const char *at, size_t n)
{
    struct parse *p = m->data;
    if (p->in_chunk_line && end_chunk_line(p, position_of(p, at) - 2) != 0)
        return -1;
    memmove(p->out + p->decoded_n, at, n);
    p->decoded_n += n;
    p->body_n += (int64_t)n;
    p->chunk_data_end = position_of(p, at + n);
    return 0;
}

static int on_chunk_end(llhttp_t *m)
{
    struct parse *p = m->data;
    if (!p->last_chunk) {
        p->chunk_line = p->chunk_data_end + 2;
        p->in_chunk_line = true;
    }
    return 0;
}

static int on_message_end(llhttp_t *m)
{
    UNUSED(m);
    return HPE_PAUSED;
}

/* --- the head ------------------------------------------------------------------------------- */

static const llhttp_settings_t settings = {
    .on_method = on_method,
    .on_url = on_url,
    .on_version = on_version,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_head_complete,
    .on_chunk_extension_name = on_extension,
    .on_chunk_header = on_chunk_size,
    .on_body = on_chunk_data,
    .on_chunk_complete = on_chunk_end,
    .on_message_complete = on_message_end,
};

void parse_init(struct parse *p, const struct http_limits *limits, struct http_field *fields)
{
    memset(p, 0, offsetof(struct parse, machine));
    p->limits = limits;
    p->fields = fields;
    llhttp_t *m = machine_of(p);
    llhttp_init(m, HTTP_REQUEST, &settings);
    m->data = p;
}

static bool is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* Turns an error of llhttp into our own, unless a callback refused already. */
static enum parse_result fail_of(struct parse *p, llhttp_errno_t error)
{
    llhttp_t *m = machine_of(p);
    const char *at = llhttp_get_error_pos(m);
    const char *reason = llhttp_get_error_reason(m);
    bool is_known = m->http_major == 1 && m->http_minor <= 1; /* then it is garbled otherwise */
    if (error == HPE_PAUSED_H2_UPGRADE || (error == HPE_INVALID_VERSION && !is_known))
        wrong_version(p);
    else if (error == HPE_INVALID_METHOD && at && at < p->fed && is_token_char(*at))
        refuse(p, 501, "unknown_method", "this request method is not known here");
    else if (error == HPE_INVALID_METHOD)
        malformed(p, "this is no HTTP request");
    else
        malformed(p, reason && reason[0] ? reason : "the request is malformed");
    return PARSE_FAILED;
}

/* RFC 9112 section 6.3: digits only, and it must fit. */
static void read_content_length(struct parse *p, str value, unsigned *seen)
{
    uint64_t n;
    if ((*seen)++ > 0)
        malformed(p, "Content-Length is repeated");
    else if (!str_to_u64(value, &n) || n > INT64_MAX)
        malformed(p, "Content-Length is no decimal number");
    else
        p->content_length = (int64_t)n;
}

/* RFC 9112 section 6.1; section 7 of RFC 9112 knows other codings, this server does not. */
static void read_transfer_encoding(struct parse *p, str value)
{
    if (p->chunked || !str_eq_nocase(value, STR("chunked")))
        malformed(p, "Transfer-Encoding must be 'chunked', once");
    else if (p->http_1_0)
        malformed(p, "Transfer-Encoding is not part of HTTP/1.0");
    p->chunked = true;
}

static void read_host(struct parse *p, str value)
{
    if (p->host.p)
        malformed(p, "Host is repeated");
    else if (!target_host_valid(value))
        malformed(p, "the Host field is empty or not valid");
    p->host = value;
}

/* The few fields that frame the message. */
static enum parse_result check_fields(struct parse *p)
{
    unsigned lengths = 0;
    for (size_t i = 0; i < p->field_count && p->status == 0; i++) {
        str name = p->fields[i].name, value = p->fields[i].value;
        switch (name.n) {
        case sizeof("Host") - 1:
            if (str_eq_nocase(name, STR("Host")))
                read_host(p, value);
            break;
        case sizeof("Expect") - 1:
            if (!str_eq_nocase(name, STR("Expect")) || p->http_1_0)
                break;
            if (str_eq_nocase(value, STR("100-continue")))
                p->expect_continue = true;
            else
                refuse(p, 417, "expectation_failed", "the only expectation met is 100-continue");
            break;
        case sizeof("Content-Length") - 1:
            if (str_eq_nocase(name, STR("Content-Length")))
                read_content_length(p, value, &lengths);
            break;
        case sizeof("Transfer-Encoding") - 1:
            if (str_eq_nocase(name, STR("Transfer-Encoding")))
                read_transfer_encoding(p, value);
            break;
        default:
            break;
        }
    }
    if (p->chunked && lengths > 0)
        malformed(p, "Content-Length and Transfer-Encoding exclude each other");
    if (!p->host.p && !p->http_1_0)
        malformed(p, "the Host field is missing");
    return p->status ? PARSE_FAILED : PARSE_DONE;
}

static enum parse_result finish_head(struct parse *p, const char *end)
{
    llhttp_t *m = machine_of(p);
    if (m->http_major != 1) {
        wrong_version(p);
        return PARSE_FAILED;
    }
    if (check_header_length(p, end) != 0)
        return PARSE_FAILED;
    p->http_1_0 = m->http_minor == 0;
    p->keep_alive = llhttp_should_keep_alive(m) != 0;
    p->head_n = (size_t)(end - p->start);
    return check_fields(p);
}

/* llhttp knows methods by a table. For those who take any token it is given POST in its place, once
 * the whole token is there: no method changes how a request is framed here. */
static enum parse_result feed_method(struct parse *p, const char *end)
{
    const char *at = p->start;
    while (at < end && is_token_char(*at))
        at++;
    if (at == end)
        return check_line_length(p, end) ? PARSE_FAILED : PARSE_MORE;
    if (at == p->start || *at != ' ') {
        malformed(p, "the request does not begin with a method and a blank");
        return PARSE_FAILED;
    }
    p->method = str_of(p->start, (size_t)(at - p->start));
    p->fed = at;
    llhttp_errno_t error = llhttp_execute(machine_of(p), "POST", sizeof("POST") - 1);
    assert(error == HPE_OK);
    return PARSE_DONE;
}

enum parse_result parse_head(struct parse *p, const char *start, const char *end)
{
    assert(p->head_n == 0 && (!p->start || p->start == start));
    if (!p->start)
        p->start = p->fed = start;
    if (p->status)
        return PARSE_FAILED;
    if (p->any_method && !p->method.p) {
        enum parse_result r = feed_method(p, end);
        if (r != PARSE_DONE)
            return r;
    }
    const char *from = p->fed;
    p->fed = end;
    llhttp_t *m = machine_of(p);
    llhttp_errno_t error = llhttp_execute(m, from, (size_t)(end - from));
    if (error == HPE_PAUSED)
        return finish_head(p, llhttp_get_error_pos(m));
    if (error != HPE_OK)
        return fail_of(p, error);
    int over = p->line_end ? check_header_length(p, end) : check_line_length(p, end);
    return over ? PARSE_FAILED : PARSE_MORE;
}

static void move(const char **at, const char *from, const char *to)
{
    if (*at)
        *at = to + (*at - from);
}

void parse_head_moved(struct parse *p, const char *new_start)
{
    const char *old_start = p->start;
    if (!old_start || old_start == new_start)
        return;
    move(&p->fed, old_start, new_start);
    move(&p->line_end, old_start, new_start);
    move(&p->method.p, old_start, new_start);
    move(&p->target.p, old_start, new_start);
    move(&p->host.p, old_start, new_start);
    for (size_t i = 0; i < p->field_count; i++) {
        move(&p->fields[i].name.p, old_start, new_start);
        move(&p->fields[i].value.p, old_start, new_start);
    }
    p->start = new_start;
}

/* --- the body ------------------------------------------------------------------------------- */

enum parse_result parse_body_begin(struct parse *p, int64_t body_max)
{
    assert(p->head_n > 0 && body_max >= 0);
    p->body_max = body_max;
    if (p->content_length > body_max) {
        refuse(p, 413, "body_too_large", "the request body is too large");
        return PARSE_FAILED;
    }
    if (!p->chunked)
        return p->content_length == 0 ? PARSE_DONE : PARSE_MORE;
    llhttp_resume(machine_of(p));
    p->in_chunk_line = true;
    p->chunk_extension = -1;
    return PARSE_MORE;
}

static enum parse_result count_body(struct parse *p, size_t n, size_t *taken, size_t *body_n)
{
    uint64_t left = (uint64_t)(p->content_length - p->body_n);
    *taken = *body_n = n < left ? n : (size_t)left;
    p->body_n += (int64_t)*taken;
    return p->body_n == p->content_length ? PARSE_DONE : PARSE_MORE;
}

enum parse_result parse_body(struct parse *p, char *raw, size_t n, size_t *taken, size_t *body_n)
{
    if (!p->chunked)
        return count_body(p, n, taken, body_n);
    p->raw = p->out = raw;
    p->fed = raw + n;
    p->decoded_n = 0;
    llhttp_t *m = machine_of(p);
    llhttp_errno_t error = llhttp_execute(m, raw, n);
    *taken = n;
    *body_n = p->decoded_n;
    if (error == HPE_PAUSED) {
        const char *end = llhttp_get_error_pos(m);
        *taken = (size_t)(end - raw);
        /* What ended is the line of the last chunk and the empty line behind it. */
        return end_chunk_line(p, position_of(p, end) - 4) == 0 ? PARSE_DONE : PARSE_FAILED;
    }
    if (error != HPE_OK)
        return fail_of(p, error);
    p->raw_n += (int64_t)n;
    if (p->in_chunk_line && p->raw_n - p->chunk_line > p->limits->chunk_extension_max + 64) {
        malformed(p, "a chunk-size line is too long");
        return PARSE_FAILED;
    }
    return PARSE_MORE;
}
