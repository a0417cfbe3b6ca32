/* hook_server.c -- one request. A call holds the arena of its decoding and, while its command
 * runs, the exchange that waits for the output. */
#include "compat/hook_server.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/rand.h"
#include "compat/go_path.h"
#include "compat/hook_log.h"
#include "compat/hook_rule.h"
#include "compat/hook_run.h"
#include "compat/sniff.h"

#define CALL_ARENA_MIN (4u << 20)
#define FIELDS_MAX 128u
#define REQUEST_ID_BYTES 6

struct hook_call {
    struct hook_server *server;
    struct http_exchange *x; /* NULL: answered */
    const struct hook *hook;
    struct hook_file *file; /* a reference */
    struct arena arena;
    str id;
    int64_t began_ns;
    struct http_field fields[FIELDS_MAX];
    size_t field_count;
    bool over; /* the command has ended before the answer */
};

bool status_is_known(int64_t s)
{
    return (s >= 100 && s <= 103) || (s >= 200 && s <= 208) || s == 226 ||
           (s >= 300 && s <= 308 && s != 306) || (s >= 400 && s <= 418) || (s >= 421 && s <= 426) ||
           s == 428 || s == 429 || s == 431 || s == 451 || (s >= 500 && s <= 511 && s != 509);
}

/* --- answers --------------------------------------------------------------------------------- */

/* What Go writes of a value: no line ends, no blanks around it. */
static str clean_value(struct arena *a, str value)
{
    value = arena_str(a, str_trim(value));
    for (size_t i = 0; value.p && i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            ((char *)(uintptr_t)value.p)[i] = ' ';
    }
    return value.p ? value : STR("");
}

static bool is_token(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= 0x20 || s.p[i] == 0x7f || strchr("\"(),/:;<=>?@[\\]{}", s.p[i]))
            return false;
    return s.n > 0;
}

/* Sets a field: one of that name is replaced. */
static void set_field(struct arena *a, struct http_field *fields, size_t *count, str name,
                      str value)
{
    name = header_canonical(a, name);
    if (!is_token(name))
        return;
    size_t i = 0;
    while (i < *count && !str_eq(fields[i].name, name))
        i++;
    if (i == FIELDS_MAX)
        return;
    fields[i] = (struct http_field){name, clean_value(a, value)};
    if (i == *count)
        ++*count;
}

static void set_all(struct arena *a, struct http_field *fields, size_t *count,
                    const struct http_field *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        set_field(a, fields, count, from[i].name, from[i].value);
}

/* A body without a type gets one by its content. */
static void set_type(struct arena *a, struct http_field *fields, size_t *count, str body)
{
    for (size_t i = 0; i < *count; i++)
        if (str_eq(fields[i].name, STR("Content-Type")))
            return;
    if (body.n)
        set_field(a, fields, count, STR("Content-Type"), content_sniff(body));
}

static void format_took(char out[48], int64_t ns)
{
    const char *unit = ns < 1000000 ? "µs" : ns < 1000000000 ? "ms" : "s";
    double amount = (double)ns / (ns < 1000000 ? 1e3 : ns < 1000000000 ? 1e6 : 1e9);
    (void)snprintf(out, 48, "%.6g%s", amount, unit);
}

static void log_answer(const struct hook_call *c, int status, str body,
                       const struct http_request *r)
{
    char took[48];
    if (!hook_log_on())
        return;
    format_took(took, clock_mono_ns(loop_clock(c->server->loop)) - c->began_ns);
    hook_log(c->id, "%d | %zu B | %s | " STR_FMT " | " STR_FMT " " STR_FMT, status, body.n, took,
             STR_ARG(r->host), STR_ARG(r->method), STR_ARG(r->target));
}

static void dump_answer(const struct hook_call *c, int status, str body)
{
    struct buf text;
    if (!c->server->debug || !hook_log_on())
        return;
    buf_init(&text, HOOK_LOG_LINE_MAX);
    buf_printf(&text, "HTTP/1.1 %d %s\n", status, http_status_text(status));
    for (size_t i = 0; i < c->field_count; i++)
        buf_printf(&text, STR_FMT ": " STR_FMT "\n", STR_ARG(c->fields[i].name),
                   STR_ARG(c->fields[i].value));
    buf_char(&text, '\n');
    buf_str_append(&text, str_slice(body, 0, HOOK_LOG_LINE_MAX / 16));
    hook_log_dump('<', c->id, buf_str(&text));
    buf_release(&text);
}

/* Interim answers are not sent: a status of 1xx is a 200 here. */
static int final_status(int64_t configured, int fallback)
{
    return status_is_known(configured) && configured >= 200 ? (int)configured : fallback;
}

static void reply(struct hook_call *c, int status, str body)
{
    struct http_exchange *x = c->x;
    c->x = NULL;
    if (status == 204 || status == 304)
        body = STR("");
    set_type(&c->arena, c->fields, &c->field_count, body);
    log_answer(c, status, body, &x->req);
    dump_answer(c, status, body);
    http_reply(x, status, c->fields, c->field_count, body);
}

static void call_end(struct hook_call *c)
{
    hook_file_unref(c->file);
    arena_release(&c->arena);
    free(c);
}

/* --- routing --------------------------------------------------------------------------------- */

static void redirect(struct hook_call *c, str path)
{
    struct buf location;
    str query = c->x->req.query;
    buf_init(&location, 65536);
    path_escape(&location, path);
    if (query.n)
        buf_printf(&location, "?" STR_FMT, STR_ARG(query));
    if (buf_ok(&location))
        set_field(&c->arena, c->fields, &c->field_count, STR("Location"), buf_str(&location));
    buf_release(&location);
    reply(c, 301, STR(""));
}

static void no_page(struct hook_call *c)
{
    set_field(&c->arena, c->fields, &c->field_count, STR("Content-Type"),
              STR("text/plain; charset=utf-8"));
    set_field(&c->arena, c->fields, &c->field_count, STR("X-Content-Type-Options"), STR("nosniff"));
    reply(c, 404, STR("404 page not found\n"));
}

/* The id that the path names; STR_NONE when it was answered: the root, a path to be cleaned, one
 * outside of the prefix. */
static str route(struct hook_call *c)
{
    struct arena *a = &c->arena;
    str path = percent_decode(a, c->x->req.path, false);
    if (str_eq(c->x->req.path, STR("*"))) {
        reply(c, 200, STR(""));
        return STR_NONE;
    }
    str clean = path.p ? path_clean(a, path) : STR_NONE;
    if (clean.p && clean.n > 1 && str_ends(path, STR("/")))
        clean = arena_printf(a, STR_FMT "/", STR_ARG(clean));
    if (!clean.p) {
        no_page(c);
        return STR_NONE;
    }
    if (!str_eq(clean, path)) {
        redirect(c, clean);
        return STR_NONE;
    }
    if (str_eq(path, STR("/"))) {
        reply(c, 200, STR("OK"));
        return STR_NONE;
    }
    str prefix = str_from_cstr(c->server->url_prefix);
    str whole = prefix.n ? arena_printf(a, "/" STR_FMT "/", STR_ARG(prefix)) : STR("/");
    str id = str_slice(path, whole.n, path.n);
    if (!str_starts(path, whole) || str_find(id, '\n') < id.n) {
        no_page(c);
        return STR_NONE;
    }
    return id;
}

/* --- the request id and the log -------------------------------------------------------------- */

static str request_id(struct hook_call *c)
{
    const struct hook_server *s = c->server;
    str given =
        s->use_request_id ? http_field_get(&c->x->req.fields, STR("X-Request-Id")) : STR_NONE;
    if (given.n)
        return str_slice(given, 0, s->request_id_max ? s->request_id_max : given.n);
    if (!hook_log_on()) /* nobody sees it */
        return STR("");
    uint8_t bytes[REQUEST_ID_BYTES / 2];
    char *text = arena_alloc(&c->arena, REQUEST_ID_BYTES);
    rand_bytes(bytes, sizeof(bytes));
    if (!text)
        return STR("");
    hex_encode(bytes, sizeof(bytes), text);
    return str_of(text, REQUEST_ID_BYTES);
}

static bool is_confidential(str name)
{
    return str_eq_nocase(name, STR("Authorization")) || str_eq_nocase(name, STR("Cookie")) ||
           str_eq_nocase(name, STR("Proxy-Authorization"));
}

static void dump_request(const struct hook_call *c)
{
    const struct http_request *r = &c->x->req;
    struct buf text;
    if (!c->server->debug || !hook_log_on())
        return;
    buf_init(&text, HOOK_LOG_LINE_MAX);
    buf_printf(&text, STR_FMT " " STR_FMT " HTTP/1.1\n", STR_ARG(r->method), STR_ARG(r->target));
    for (size_t i = 0; i < r->fields.count; i++) {
        str value = is_confidential(r->fields.v[i].name) ? STR("[redacted]") : r->fields.v[i].value;
        buf_printf(&text, STR_FMT ": " STR_FMT "\n", STR_ARG(r->fields.v[i].name), STR_ARG(value));
    }
    buf_char(&text, '\n');
    buf_str_append(&text, str_slice(r->body, 0, HOOK_LOG_LINE_MAX / 16));
    hook_log_dump('>', c->id, buf_str(&text));
    buf_release(&text);
}

/* --- running --------------------------------------------------------------------------------- */

static bool method_is_allowed(const struct hook_server *s, const struct hook *h, str method)
{
    const str *v = h->method_count ? h->methods : s->methods;
    size_t n = h->method_count ? h->method_count : s->method_count;
    for (size_t i = 0; i < n; i++)
        if (str_eq(v[i], method))
            return true;
    return n == 0;
}

static int success_status(const struct hook_server *s, const struct hook *h, str id)
{
    UNUSED(s);
    if (h->success_code && !status_is_known(h->success_code))
        hook_log(id,
                 STR_FMT " got matched, but the configured return code %lld is unknown - "
                         "defaulting to 200",
                 STR_ARG(h->id), (long long)h->success_code);
    return final_status(h->success_code, 200);
}

void hook_server_success(const struct hook_server *s, const struct hook *h, struct arena *a,
                         struct hook_answer *out)
{
    *out =
        (struct hook_answer){.status = success_status(s, h, STR("")), .body = h->response_message};
    out->fields = ARENA_ARRAY(a, struct http_field, FIELDS_MAX);
    if (!out->fields)
        return;
    set_all(a, out->fields, &out->field_count, s->headers, s->header_count);
    set_all(a, out->fields, &out->field_count, h->response_headers, h->response_header_count);
    set_type(a, out->fields, &out->field_count, out->body);
}

/* The command has ended; whoever waits for its output gets it. */
static void on_run_done(const struct hook_outcome *o, void *arg)
{
    struct hook_call *c = arg;
    const struct hook *h = c->hook;
    c->server->running--;
    if (!h->capture_output) {
        c->over = true;
        if (!c->x)
            call_end(c);
        return;
    }
    if (o->ok) {
        reply(c, success_status(c->server, h, c->id), o->output);
    } else if (h->capture_output_on_error) {
        reply(c, 500, o->output);
    } else {
        reply(c, 500,
              STR("Error occurred while executing the hook's command. Please check your "
                  "logs for more details."));
    }
    call_end(c);
}

static void trigger(struct hook_call *c, const struct hook_request *q)
{
    struct hook_server *s = c->server;
    const struct hook *h = c->hook;
    hook_log(c->id, STR_FMT " hook triggered successfully", STR_ARG(h->id));
    if (!h->capture_output && s->store) {
        s->store(c->x, h, q, s->store_arg);
        call_end(c);
        return;
    }
    set_all(&c->arena, c->fields, &c->field_count, h->response_headers, h->response_header_count);
    s->running++;
    if (h->capture_output) {
        hook_run_start(s->loop, s->runner, h, q, true, on_run_done, c);
        return;
    }
    /* The answer is independent of the command. The run begins first, for the request's memory
     * goes with the answer; the call stays until both are done. */
    hook_run_start(s->loop, s->runner, h, q, true, on_run_done, c);
    reply(c, success_status(s, h, c->id), h->response_message);
    if (c->over)
        call_end(c);
}

/* --- one request ----------------------------------------------------------------------------- */

static void internal_error(struct hook_call *c)
{
    set_field(&c->arena, c->fields, &c->field_count, STR("Content-Type"),
              STR("text/plain; charset=utf-8"));
    set_field(&c->arena, c->fields, &c->field_count, STR("X-Content-Type-Options"), STR("nosniff"));
    reply(c, 500, STR("Internal Server Error\n"));
    call_end(c);
}

static void mismatch(struct hook_call *c)
{
    const struct hook *h = c->hook;
    hook_log(c->id,
             STR_FMT " got matched, but didn't get triggered because the trigger rules were "
                     "not satisfied",
             STR_ARG(h->id));
    if (h->mismatch_code && !status_is_known(h->mismatch_code))
        hook_log(c->id,
                 STR_FMT " got matched, but the configured return code %lld is unknown - "
                         "defaulting to 200",
                 STR_ARG(h->id), (long long)h->mismatch_code);
    reply(c, final_status(h->mismatch_code, 200), STR("Hook rules were not satisfied."));
    call_end(c);
}

static void decide(struct hook_call *c, const struct hook_request *q)
{
    const struct hook *h = c->hook;
    struct rule_answer a = {true, RULE_FINE};
    struct reason why = {0};
    if (h->rule)
        a = hook_rule_holds(h->rule, q, h->soft_failures,
                            clock_wall_ms(loop_clock(c->server->loop)), &why);
    if (a.error == RULE_PANIC || !arena_ok(q->arena)) {
        internal_error(c);
    } else if (a.error == RULE_OTHER || a.error == RULE_SIGNATURE) {
        hook_log(c->id, "error evaluating hook: %s", why.text);
        reply(c, 500, STR("Error occurred while evaluating hook rules."));
        call_end(c);
    } else {
        if (a.error == RULE_MISSING)
            hook_log(c->id, "%s", why.text);
        if (a.yes)
            trigger(c, q);
        else
            mismatch(c);
    }
}

static void decode_and_decide(struct hook_call *c)
{
    struct hook_request q;
    switch (hook_request_decode(&q, &c->arena, c->id, &c->x->req, c->hook)) {
    case HOOK_DECODED:
        decide(c, &q);
        return;
    case HOOK_BAD_MULTIPART:
        reply(c, 500, STR("Error occurred while parsing multipart form."));
        break;
    case HOOK_TOO_LARGE:
        hook_log(c->id, "the request does not fit its memory once it is decoded");
        reply(c, 413, STR("The payload is too large once it is decoded."));
        break;
    case HOOK_PANIC:
        internal_error(c);
        return;
    }
    call_end(c);
}

void hook_server_handle(struct http_exchange *x, void *server)
{
    struct hook_server *s = server;
    struct hook_call *c = xcalloc(1, sizeof(*c));
    c->server = s;
    c->x = x;
    c->began_ns = clock_mono_ns(loop_clock(s->loop));
    arena_init(&c->arena, CALL_ARENA_MIN + 64 * x->req.body.n);
    c->id = request_id(c);
    dump_request(c);
    str id = route(c);
    if (!id.p) {
        call_end(c);
        return;
    }
    hook_log(c->id, "incoming HTTP " STR_FMT " request from " STR_FMT ":%u", STR_ARG(x->req.method),
             STR_ARG(x->req.peer), x->req.peer_port);
    c->hook = hook_set_find(s->set, id, &c->file);
    if (!c->hook) {
        c->file = NULL;
        reply(c, 404, STR("Hook not found."));
        call_end(c);
        return;
    }
    (void)hook_file_ref(c->file);
    if (!method_is_allowed(s, c->hook, x->req.method)) {
        hook_log(c->id, "HTTP " STR_FMT " method not allowed for hook \"" STR_FMT "\"",
                 STR_ARG(x->req.method), STR_ARG(id));
        reply(c, 405, STR(""));
        call_end(c);
        return;
    }
    hook_log(c->id, STR_FMT " got matched", STR_ARG(id));
    set_all(&c->arena, c->fields, &c->field_count, s->headers, s->header_count);
    decode_and_decide(c);
}

void hook_server_refuse(struct http_exchange *x, int status, const char *text, void *server)
{
    UNUSED(server);
    char body[256];
    struct http_field type = {STR("Content-Type"), STR("text/plain; charset=utf-8")};
    (void)snprintf(body, sizeof(body), "%d %s%s%s", status, http_status_text(status),
                   text[0] ? ": " : "", text);
    http_reply(x, status, &type, 1, str_from_cstr(body));
}
