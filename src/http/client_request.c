/* From a call to what libcurl is told. A transfer's easy handle remembers its last call, so only
 * what differs is set; header lines are laid out in one reused buffer with libcurl's list nodes
 * over them. Everything a caller hands over is checked here: libcurl sends header lines as they
 * are given. */
#include "http/client_impl.h"

static bool byte_is_token(unsigned char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-')
        return true;
    return c != 0 && strchr("!#$%&'*+.^_`|~", c) != NULL;
}

static bool text_is_token(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!byte_is_token((unsigned char)s.p[i]))
            return false;
    return s.n > 0;
}

/* RFC 9110 section 5.5: no control byte but the tab. */
static bool text_is_value(str s)
{
    unsigned bad = 0; /* without a branch: every byte of every request is looked at */
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bad |= (unsigned)(c < 0x20) & (unsigned)(c != '\t');
        bad |= (unsigned)(c == 0x7f);
    }
    return !bad;
}

/* host or host:port, as RFC 9110 section 7.2 has it, without percent-encoding. */
static bool text_is_host(str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_alnum && (c == 0 || !strchr(".-_:[]", c)))
            return false;
    }
    return s.n > 0;
}

/* Fields that frame the message or belong to one connection are libcurl's alone. */
static bool field_is_ours(str name)
{
    static const str names[] = {
        {"Content-Length", 14},
        {"Transfer-Encoding", 17},
        {"Connection", 10},
        {"Keep-Alive", 10},
        {"Proxy-Connection", 16},
        {"TE", 2},
        {"Trailer", 7},
        {"Upgrade", 7},
        {"Expect", 6},
        {"HTTP2-Settings", 14},
        {"Proxy-Authorization", 19},
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq_nocase(name, names[i]))
            return true;
    return false;
}

enum err http_field_check(const struct http_field *f, struct reason *why)
{
    if (!text_is_token(f->name))
        return fail(why, ERR_INVALID, "a header name is empty or holds a byte that is not allowed");
    str name = str_slice(f->name, 0, 64);
    if (!text_is_value(f->value))
        return fail(why, ERR_INVALID,
                    "the value of header " STR_FMT " holds a line break or control byte",
                    STR_ARG(name));
    if (field_is_ours(f->name))
        return fail(why, ERR_INVALID, "header " STR_FMT " cannot be set: it is the client's own",
                    STR_ARG(name));
    if (str_eq_nocase(f->name, STR("Host")) && !text_is_host(str_trim(f->value)))
        return fail(why, ERR_INVALID, "the value of header Host is no host name");
    return ERR_OK;
}

static void add_line(struct transfer *t, str name, str value)
{
    buf_str_append(&t->lines, name);
    if (value.n > 0) {
        buf_append(&t->lines, ": ", 2);
        buf_str_append(&t->lines, value);
    } else {
        buf_char(&t->lines, ';'); /* libcurl's way to send a field without a value */
    }
    buf_char(&t->lines, '\0');
}

/* Points the list nodes at the lines, which do not move any more. */
static void link_lines(struct transfer *t, size_t count)
{
    if (count > t->node_cap) {
        t->node_cap = count + 8;
        t->nodes = (struct curl_slist *)xrealloc(t->nodes, t->node_cap * sizeof(*t->nodes));
    }
    char *line = t->lines.p;
    for (size_t i = 0; i < count; i++) {
        t->nodes[i].data = line;
        t->nodes[i].next = i + 1 < count ? &t->nodes[i + 1] : NULL;
        line += strlen(line) + 1;
    }
}

static enum http_call_class prepare_fields(struct transfer *t, struct reason *why)
{
    const struct http_call *call = t->call;
    bool has_host = false, has_type = false;
    if (call->field_count > REQUEST_FIELDS_MAX) {
        (void)fail(why, ERR_LIMIT, "more than %d headers", REQUEST_FIELDS_MAX);
        return HTTP_CALL_INVALID;
    }
    buf_clear(&t->lines);
    for (size_t i = 0; i < call->field_count; i++) {
        const struct http_field *f = &call->fields[i];
        if (http_field_check(f, why) != ERR_OK)
            return HTTP_CALL_INVALID;
        bool is_host = str_eq_nocase(f->name, STR("Host"));
        if (is_host && has_host) {
            (void)fail(why, ERR_INVALID, "header Host is given twice");
            return HTTP_CALL_INVALID;
        }
        has_host = has_host || is_host;
        has_type = has_type || str_eq_nocase(f->name, STR("Content-Type"));
        add_line(t, f->name, str_trim(f->value));
    }
    size_t count = call->field_count + 1;
    buf_append(&t->lines, "Expect:", sizeof("Expect:"));
    if (!has_type && t->sends_body) { /* or libcurl would call it a form */
        buf_append(&t->lines, "Content-Type:", sizeof("Content-Type:"));
        count++;
    }
    if (!buf_ok(&t->lines)) {
        (void)fail(why, ERR_LIMIT, "the headers are longer than %d bytes", REQUEST_HEAD_MAX);
        return HTTP_CALL_INVALID;
    }
    link_lines(t, count);
    (void)libcurl.easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->nodes);
    return HTTP_CALL_OK;
}

static enum http_call_class prepare_url(struct transfer *t, struct reason *why)
{
    const struct http_call *call = t->call;
    if (t->url.handle && str_eq(buf_str(&t->url_text), call->url))
        return HTTP_CALL_OK;
    struct http_url fresh;
    enum err e = http_url_parse(call->url, &fresh, why);
    if (e != ERR_OK) /* a good URL that there is no memory for comes up again */
        return e == ERR_NOMEM ? HTTP_CALL_MEMORY : HTTP_CALL_INVALID;
    struct http_client *c = t->pool->client;
    if (!(c->extra && c->extra->unix_socket) &&
        outbound_judge_url(&c->rules, t->pool->policy, &fresh, why) != ERR_OK) {
        client_count_blocked(c, fresh.is_literal ? outbound_refuses(&c->rules, t->pool->policy,
                                                                    &fresh.literal, fresh.port)
                                                 : NULL);
        http_url_release(&fresh);
        return HTTP_CALL_BLOCKED;
    }
    (void)libcurl.easy_setopt(t->easy, CURLOPT_URL,
                              NULL); /* libcurl keeps the former as text too */
    (void)libcurl.easy_setopt(t->easy, CURLOPT_CURLU, fresh.handle);
    http_url_release(&t->url);
    t->url = fresh;
    buf_clear(&t->url_text);
    buf_str_append(&t->url_text, call->url);
    return HTTP_CALL_OK;
}

/* Tells libcurl the method. A POST carries its length even when it is empty; other methods have
 * a body only when they are given one. */
static enum http_call_class prepare_method(struct transfer *t, struct reason *why)
{
    str m = t->call->method;
    bool is_post = str_eq(m, STR("POST"));
    bool sends_body =
        t->call->body.n > 0 || is_post || str_eq(m, STR("PUT")) || str_eq(m, STR("PATCH"));
    if (t->method_set && sends_body == t->sends_body && str_eq(buf_str(&t->method), m))
        return HTTP_CALL_OK;
    if (!text_is_token(m) || m.n > 32) {
        (void)fail(why, ERR_INVALID, "the method is no HTTP token of at most 32 bytes");
        return HTTP_CALL_INVALID;
    }
    bool is_head = str_eq(m, STR("HEAD"));
    if (str_eq(m, STR("CONNECT")) || (is_head && sends_body)) {
        (void)fail(why, ERR_INVALID, "the method is CONNECT, or HEAD with a body");
        return HTTP_CALL_INVALID;
    }
    buf_clear(&t->method);
    buf_str_append(&t->method, m);
    (void)libcurl.easy_setopt(t->easy, CURLOPT_NOBODY, is_head ? 1L : 0L);
    if (!is_head)
        (void)libcurl.easy_setopt(t->easy, sends_body ? CURLOPT_POST : CURLOPT_HTTPGET, 1L);
    bool is_default = is_head || is_post || (str_eq(m, STR("GET")) && !sends_body);
    libcurl_set(t->easy, CURLOPT_CUSTOMREQUEST, is_default ? NULL : buf_cstr(&t->method));
    t->sends_body = sends_body;
    t->method_set = true;
    return HTTP_CALL_OK;
}

enum http_call_class transfer_prepare(struct transfer *t, struct reason *why)
{
    const struct http_call *call = t->call;
    enum http_call_class class = prepare_url(t, why);
    if (class == HTTP_CALL_OK)
        class = prepare_method(t, why);
    if (class == HTTP_CALL_OK)
        class = prepare_fields(t, why);
    if (class != HTTP_CALL_OK)
        return class;
    if (t->sends_body) {
        (void)libcurl.easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.n);
        (void)libcurl.easy_setopt(t->easy, CURLOPT_POSTFIELDS, call->body.p ? call->body.p : "");
    }
    if (call->once != t->once) {
        (void)libcurl.easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, call->once ? 1L : 0L);
        t->once = call->once;
    }
    if (call->timeout_ms != t->timeout_ms) {
        int64_t ms = call->timeout_ms > INT32_MAX ? INT32_MAX : call->timeout_ms;
        (void)libcurl.easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)(ms < 0 ? 0 : ms));
        t->timeout_ms = call->timeout_ms;
    }
    return HTTP_CALL_OK;
}
