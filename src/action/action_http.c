/* action_http.c -- a request to a URL for each event: the body byte for byte, its Content-Type,
 * chosen fields of the event, and who it is in fields of our own.
 *
 *   http:
 *     url: https://ci.example.org/hook
 *     method: POST                    # POST | PUT | PATCH | GET | DELETE (these two: no body)
 *     headers: { Authorization: "Bearer ${env:CI_TOKEN}" }
 *     forward: [X-GitHub-Event, "X-Custom-*"]   # fields of the event, passed on
 *     sign: { provider: standard-webhooks, secret: "${env:SIGNING_SECRET}" }   # options: of it
 *       # previous_secret signs beside it, until previous_until, while a receiver changes over
 *     policy: private                 # private | public: where the URL may lead
 *     timeout: 30s                    # in all, from name to last byte
 *     concurrency: 16
 *     success: [2xx]                  # statuses; those in no list: 2xx succeeds, 410 is the end,
 *     retry: [404]                    # the rest is tried again
 *     dead: [400, 422]
 *
 * Every request carries webhook-id and gaff-event-id (the same at each attempt), gaff-delivery-id
 * and gaff-attempt; traceparent and tracestate when the event is in a trace. Where two want the
 * same field, the signature goes before `headers`, `headers` before ours, and ours before the
 * event's. */
#include "base/id.h"
#include "base/log.h"
#include "action/event_text.h"
#include "action/http_access.h"
#include "action/http_outcome.h"
#include "action/http_sign.h"
#include "action/http_words.h"
#include "action/kinds.h"

#define OWN_FIELDS 6
#define BODY_FIELDS 2 /* Content-Type, Content-Encoding */
#define HEADERS_MAX 50
#define FORWARDED_MAX 100
#define RECORD_MAX (192u << 10)
#define RECORD_KEPT_MAX 16384

struct http_config {
    struct action_config base;
    struct http_verdicts verdicts;
    str method, url;
    bool sends_body;
    enum outbound_policy policy;
    struct http_field *headers;
    size_t header_count;
    /* With references; count 0: there are none, and the text above stands. */
    struct template url_template, *header_templates, body_template;
    str body;     /* STR_NONE: the event's own */
    str *forward; /* names; one that ends in '*' stands for all that begin so */
    size_t forward_count;
    struct http_sign sign;
    struct http_access_config access;
};

struct http_action {
    struct action action;
    const struct http_config *config;
    struct http_client *client;
    const struct clock *clock;
    const struct provider *signer; /* NULL: not signed */
    struct http_access *access;    /* NULL: none is needed */
    struct buf record;             /* of the attempt that ends */
};

struct http_attempt { /* in the task's arena */
    struct http_call call;
    struct http_access_call access;
    struct http_action *action;
    struct task *task;
    size_t room; /* elements of fields */
    struct http_field *fields;
    char event_id[ID_TEXT_MAX], delivery_id[ID_TEXT_MAX], number[16];
};

/* --- configuration --------------------------------------------------------------------------- */

static void read_url(struct http_config *c, struct arena *a, const struct yaml *node,
                     const struct yaml *url, struct problems *p)
{
    struct reason why = {.text = ""};
    if (!url) {
        problem_at(p, node, "\"url\" is missing: where is the request to go?");
        return;
    }
    if (!read_str(p, url, &c->url) || !http_word_read(&c->url_template, a, url, HTTP_WORD_URL, p))
        return;
    if (c->url_template.count) /* what stands before the first reference has the host */
        c->url = arena_str(a, c->url_template.parts[0].text);
    enum err e = http_url_check(c->url, c->policy, &why);
    if (e == ERR_DENIED && c->policy == OUTBOUND_PUBLIC)
        problem_at(p, url, "%s; policy: private lets requests stay inside", why.text);
    else if (e != ERR_OK)
        problem_at(p, url, "%s", why.text);
}

static void read_headers(struct http_config *c, struct arena *a, const struct yaml *node,
                         struct problems *p)
{
    if (!node)
        return;
    if (node->kind != YAML_MAP || node->count > HEADERS_MAX) {
        problem_at(p, node, "headers must be a mapping of at most %d names to values", HEADERS_MAX);
        return;
    }
    c->headers = ARENA_ARRAY(a, struct http_field, node->count + 1);
    c->header_templates = ARENA_ARRAY(a, struct template, node->count + 1);
    if (!c->header_templates)
        return;
    for (const struct yaml *one = node->first; c->headers && one; one = one->next) {
        struct http_field *f = &c->headers[c->header_count];
        struct reason why = {.text = ""};
        *f = (struct http_field){.name = one->key, .value = STR("")};
        if (!read_str(p, one, &f->value) ||
            !http_word_read(&c->header_templates[c->header_count], a, one, HTTP_WORD_FIELD, p))
            continue;
        f->value = str_trim(f->value);
        if (http_field_check(f, &why) != ERR_OK)
            problem_at_key(p, one, "%s", why.text);
        else
            c->header_count++;
    }
}

static void read_body(struct http_config *c, struct arena *a, const struct yaml *node,
                      struct problems *p)
{
    c->body = STR_NONE;
    if (!node || !read_str(p, node, &c->body))
        return;
    (void)http_word_read(&c->body_template, a, node, HTTP_WORD_BODY, p);
    if (!c->sends_body)
        problem_at(p, node, STR_FMT " sends no body", STR_ARG(c->method));
}

/* What belongs to one connection or frames one message (RFC 9110 section 7.6.1), and what names
 * the receiver of the event, not of the request. */
static bool field_stays_behind(str name)
{
    static const char *const names[] = {"Connection",
                                        "Keep-Alive",
                                        "Proxy-Connection",
                                        "Proxy-Authenticate",
                                        "Proxy-Authorization",
                                        "TE",
                                        "Trailer",
                                        "Transfer-Encoding",
                                        "Upgrade",
                                        "Content-Length",
                                        "Expect",
                                        "Host",
                                        "HTTP2-Settings",
                                        "Accept-Encoding"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq_nocase(name, str_from_cstr(names[i])))
            return true;
    return false;
}

static void read_forward(struct http_config *c, struct arena *a, const struct yaml *node,
                         struct problems *p)
{
    if (!read_str_list(p, a, node, &c->forward, &c->forward_count))
        c->forward_count = 0;
    const struct yaml *one = node ? node->first : NULL;
    for (size_t i = 0; i < c->forward_count; i++, one = one->next) {
        str name = c->forward[i];
        bool is_prefix = str_ends(name, STR("*"));
        struct http_field probe = {is_prefix ? str_slice(name, 0, name.n - 1) : name, STR("x")};
        struct reason why = {.text = ""};
        if (name.n == 0)
            problem_at(p, one, "an empty header name");
        else if (!is_prefix && field_stays_behind(name))
            problem_at(p, one, "header " STR_FMT " is never passed on: it speaks of one connection",
                       STR_ARG(name));
        else if (str_find(probe.name, '*') < probe.name.n)
            problem_at(p, one, "a '*' may stand at the end of a header name alone");
        else if (probe.name.n > 0 && http_field_check(&probe, &why) != ERR_OK)
            problem_at(p, one, "%s", why.text);
    }
}

/* "404", or "4xx" for all of a class. */
static bool parse_statuses(str text, int *first, int *last)
{
    uint64_t status;
    if (text.n == 3 && text.p[0] >= '1' && text.p[0] <= '5' &&
        str_eq_nocase(str_slice(text, 1, 3), STR("xx"))) {
        *first = (text.p[0] - '0') * 100;
        *last = *first + 99;
        return true;
    }
    if (!str_to_u64(text, &status) || status < 100 || status > 599)
        return false;
    *first = *last = (int)status;
    return true;
}

static void read_statuses(struct http_config *c, struct arena *a, const struct yaml *node,
                          enum attempt_result result, struct problems *p)
{
    str *v = NULL;
    size_t count = 0;
    if (!read_str_list(p, a, node, &v, &count))
        return;
    const struct yaml *one = node ? node->first : NULL;
    for (size_t i = 0; i < count; i++, one = one->next) {
        int first, last;
        if (!parse_statuses(v[i], &first, &last)) {
            problem_at(p, one, "expected a status from 100 to 599, or a class as 4xx");
            continue;
        }
        for (int status = first; status <= last; status++)
            c->verdicts.by_status[status] = (uint8_t)(result + 1);
    }
}

/* A single status in one list goes before its class in another: classes are read first. */
static void read_verdicts(struct http_config *c, struct arena *a, const struct yaml *node,
                          struct problems *p)
{
    static const struct {
        str key;
        enum attempt_result result;
    } lists[] = {{{"success", 7}, ATTEMPT_SUCCESS},
                 {{"retry", 5}, ATTEMPT_RETRY},
                 {{"dead", 4}, ATTEMPT_PERMANENT}};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        read_statuses(c, a, yaml_get(node, lists[i].key), lists[i].result, p);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        const struct yaml *list = yaml_get(node, lists[i].key);
        for (const struct yaml *one = list ? list->first : NULL; one; one = one->next) {
            int first, last;
            if (parse_statuses(one->scalar, &first, &last) && first == last)
                c->verdicts.by_status[first] = (uint8_t)(lists[i].result + 1);
        }
    }
}

static struct action_config *http_read(struct arena *a, const struct yaml *node, struct problems *p)
{
    static const char *const known[] = {
        "url",   "method", "headers", "body",    "forward", "sign", "auth",        "tls",
        "proxy", "policy", "timeout", "success", "retry",   "dead", "concurrency", NULL};
    static const char *const methods[] = {"POST", "PUT", "PATCH", "GET", "DELETE", NULL};
    static const char *const policies[] = {"private", "public", NULL};
    struct http_config *c = ARENA_NEW(a, struct http_config);
    if (!c || !read_keys(p, node, known))
        return NULL;
    size_t before = p->errors;
    int method = 0, policy = 0;
    int64_t timeout_ms = 30000, concurrency = 16;
    (void)read_enum(p, yaml_get(node, STR("method")), methods, &method);
    (void)read_enum(p, yaml_get(node, STR("policy")), policies, &policy);
    (void)read_duration(p, yaml_get(node, STR("timeout")), 1, 3600000, &timeout_ms);
    (void)read_int(p, yaml_get(node, STR("concurrency")), 1, 1024, &concurrency);
    c->method = str_from_cstr(methods[method]);
    c->sends_body = method <= 2;
    c->policy = policy == 0 ? OUTBOUND_PRIVATE : OUTBOUND_PUBLIC;
    read_url(c, a, node, yaml_get(node, STR("url")), p);
    read_body(c, a, yaml_get(node, STR("body")), p);
    read_headers(c, a, yaml_get(node, STR("headers")), p);
    read_forward(c, a, yaml_get(node, STR("forward")), p);
    http_sign_read(&c->sign, a, yaml_get(node, STR("sign")), p);
    http_access_read(&c->access, a, node, c->policy, p);
    read_verdicts(c, a, node, p);
    c->base = (struct action_config){.kind = &action_http,
                                     .timeout_ms = timeout_ms,
                                     .default_concurrency = (int)concurrency,
                                     .uses_client = true,
                                     .data = c};
    return p->errors == before ? &c->base : NULL;
}

/* --- the request ----------------------------------------------------------------------------- */

static bool has_field(const struct http_attempt *x, str name)
{
    for (size_t i = 0; i < x->call.field_count; i++)
        if (str_eq_nocase(x->fields[i].name, name))
            return true;
    return false;
}

static void add_field(struct http_attempt *x, str name, str value)
{
    if (x->call.field_count < x->room)
        x->fields[x->call.field_count++] = (struct http_field){name, value};
}

static void add_own_fields(struct http_attempt *x)
{
    const struct task *t = x->task;
    str event_id = id_format("evt", t->event->id, x->event_id);
    str delivery_id = id_format("dlv", t->delivery->id, x->delivery_id);
    int n = snprintf(x->number, sizeof(x->number), "%u", t->delivery->attempts + 1);
    const struct http_field own[OWN_FIELDS] = {
        {STR("webhook-id"), event_id},          {STR("gaff-event-id"), event_id},
        {STR("gaff-delivery-id"), delivery_id}, {STR("gaff-attempt"), {x->number, (size_t)n}},
        {STR("traceparent"), t->traceparent},   {STR("tracestate"), t->tracestate}};
    for (size_t i = 0; i < OWN_FIELDS; i++)
        if (own[i].value.n && !has_field(x, own[i].name))
            add_field(x, own[i].name, own[i].value);
}

/* True when the event's Connection field names it: then it is of that connection as well. */
static bool connection_names(str connection, str name)
{
    while (connection.p)
        if (str_eq_nocase(str_trim(str_cut(&connection, ',')), name))
            return true;
    return false;
}

static bool is_chosen(const struct http_config *c, str name)
{
    /* Credentials go on only when they are named in full. */
    bool is_credential =
        str_eq_nocase(name, STR("Authorization")) || str_eq_nocase(name, STR("Cookie"));
    for (size_t i = 0; i < c->forward_count; i++) {
        str wanted = c->forward[i];
        if (str_eq_nocase(wanted, name))
            return true;
        size_t n = wanted.n - 1;
        if (wanted.p[n] == '*' && !is_credential && name.n >= n &&
            str_eq_nocase(str_slice(name, 0, n), str_slice(wanted, 0, n)))
            return true;
    }
    return false;
}

/* The event's fields: those that describe the body, and those chosen. A field that is there
 * already from elsewhere is not doubled, but the event's own repetitions are kept; one that can't
 * be sent (a control byte in it) is left out. */
static void add_event_fields(struct http_attempt *x)
{
    const struct http_config *c = x->action->config;
    const struct event *e = x->task->event;
    size_t before = x->call.field_count;
    str connection = c->forward_count ? event_field(e, STR("Connection")) : STR_NONE;
    str head = e->head, name, value;
    while (event_next_field(&head, &name, &value)) {
        bool describes_body = c->sends_body && !c->body.p &&
                              (str_eq_nocase(name, STR("Content-Type")) ||
                               str_eq_nocase(name, STR("Content-Encoding")));
        if (!describes_body &&
            (!is_chosen(c, name) || field_stays_behind(name) || connection_names(connection, name)))
            continue;
        size_t all = x->call.field_count;
        x->call.field_count = before;
        bool is_taken = has_field(x, name);
        x->call.field_count = all;
        const struct http_field f = {name, value};
        if (!is_taken && http_field_check(&f, NULL) == ERR_OK)
            add_field(x, name, value);
    }
}

/* The Content-Type that the request will have; STR_NONE when it has none. */
static str content_type_of(const struct http_attempt *x, const str *values)
{
    const struct http_config *c = x->action->config;
    for (size_t i = 0; i < c->header_count; i++)
        if (str_eq_nocase(c->headers[i].name, STR("Content-Type")))
            return values[i];
    if (c->body.p)
        return http_word_is_json(x->call.body) ? STR("application/json")
                                               : STR("text/plain; charset=utf-8");
    return c->sends_body ? event_field(x->task->event, STR("Content-Type")) : STR_NONE;
}

static enum err add_signature(struct http_attempt *x, const str *values, struct reason *why)
{
    const struct http_action *action = x->action;
    struct http_field fields[SIGN_FIELDS_MAX],
        type = {STR("Content-Type"), content_type_of(x, values)};
    bool has_type = type.value.n && http_field_check(&type, NULL) == ERR_OK;
    size_t count = 0;
    struct signature_input in = {.method = x->call.method,
                                 .url = x->call.url,
                                 .id = id_format("evt", x->task->event->id, x->event_id),
                                 .event_type = x->task->event->type,
                                 .now_ms = clock_wall_ms(action->clock),
                                 .fields = {&type, has_type},
                                 .body = x->call.body};
    enum err e = http_sign_request(&action->config->sign, action->signer, &in, x->task->arena,
                                   fields, &count, why);
    for (size_t i = 0; e == ERR_OK && i < count; i++)
        add_field(x, fields[i].name, fields[i].value);
    return e;
}

/* The words of this event, in the task's arena: URL, body, and the values of headers. */
static enum err expand_words(struct http_attempt *x, str *url, str *body, str *values,
                             struct reason *why)
{
    const struct http_config *c = x->action->config;
    struct arena *a = x->task->arena;
    struct event_refs refs = {.task = x->task};
    enum err e = ERR_OK;
    *url = c->url;
    if (c->url_template.count)
        e = http_word_expand(&c->url_template, HTTP_WORD_URL, "url", &refs, a, url, why);
    if (e == ERR_OK && c->url_template.count)
        e = http_url_check(*url, c->policy, why);
    if (c->body.p)
        *body = c->body;
    if (e == ERR_OK && c->body_template.count)
        e = http_word_expand(&c->body_template, HTTP_WORD_BODY, "body", &refs, a, body, why);
    for (size_t i = 0; e == ERR_OK && i < c->header_count; i++) {
        values[i] = c->headers[i].value;
        if (c->header_templates[i].count)
            e = http_word_expand(&c->header_templates[i], HTTP_WORD_FIELD, "headers", &refs, a,
                                 &values[i], why);
    }
    event_refs_release(&refs);
    return e;
}

static enum err build_call(struct http_attempt *x, struct reason *why)
{
    const struct http_config *c = x->action->config;
    const struct event *event = x->task->event;
    str values[HEADERS_MAX], url, body = event->body.p ? event->body : STR("");
    enum err expanded = expand_words(x, &url, &body, values, why);
    if (expanded != ERR_OK)
        return expanded;
    x->call = (struct http_call){.method = c->method,
                                 .url = url,
                                 .fields = x->fields,
                                 .body = c->sends_body ? body : STR(""),
                                 .policy = c->policy,
                                 .timeout_ms = c->base.timeout_ms};
    enum err e = x->action->signer ? add_signature(x, values, why) : ERR_OK;
    if (e != ERR_OK)
        return e;
    for (size_t i = 0; i < c->header_count; i++)
        if (!has_field(x, c->headers[i].name))
            add_field(x, c->headers[i].name, values[i]);
    if (c->body.p && !has_field(x, STR("Content-Type")))
        add_field(x, STR("Content-Type"), content_type_of(x, values));
    add_own_fields(x);
    add_event_fields(x);
    return ERR_OK;
}

/* --- the attempt ----------------------------------------------------------------------------- */

static void finish_unsent(struct task *t, str summary)
{
    const struct outcome o = {
        .result = ATTEMPT_PERMANENT, .error_class = "invalid", .summary = summary};
    t->impl = NULL;
    t->done(t, &o);
}

static void finish_cancelled(struct task *t)
{
    const struct outcome o = {.result = ATTEMPT_CANCELLED,
                              .error_class = "cancelled",
                              .summary = STR("ended before it was sent")};
    t->impl = NULL;
    t->done(t, &o);
}

static void write_record(struct http_attempt *x, const struct http_answer *answer,
                         struct outcome *o)
{
    struct buf *b = &x->action->record;
    if (b->cap > RECORD_KEPT_MAX) {
        buf_release(b);
        buf_init(b, RECORD_MAX);
    }
    buf_clear(b);
    http_record_request(b, &x->call);
    size_t request_end = b->len;
    http_record_response(b, answer);
    size_t response_end = b->len;
    http_record_timing(b, answer);
    str all = buf_str(b);
    o->request = str_slice(all, 0, request_end);
    o->response = str_slice(all, request_end, response_end);
    o->timing = buf_ok(b) ? str_slice(all, response_end, all.n) : STR("");
}

static void on_done(struct http_call *call, const struct http_answer *answer)
{
    struct http_attempt *x = CONTAINER_OF(call, struct http_attempt, call);
    struct http_action *action = x->action;
    struct task *t = x->task;
    struct outcome o;
    http_access_answered(action->access, answer);
    http_outcome_judge(&action->config->verdicts, answer, clock_wall_ms(action->clock), t->arena,
                       &o);
    write_record(x, answer, &o);
    t->impl = NULL;
    t->done(t, &o);
}

static void on_no_access(struct http_access_call *access, str problem)
{
    struct task *t = CONTAINER_OF(access, struct http_attempt, access)->task;
    const struct outcome o = {
        .result = ATTEMPT_RETRY, .error_class = "auth", .summary = arena_str(t->arena, problem)};
    t->impl = NULL;
    t->done(t, &o);
}

static void http_start(struct action *base, struct task *t)
{
    struct http_action *action = CONTAINER_OF(base, struct http_action, action);
    const struct http_config *c = action->config;
    struct http_attempt *x = ARENA_NEW(t->arena, struct http_attempt);
    size_t room = OWN_FIELDS + BODY_FIELDS + 2 + SIGN_FIELDS_MAX + c->header_count +
                  (c->forward_count ? FORWARDED_MAX : 0);
    struct http_field *fields =
        (struct http_field *)arena_alloc(t->arena, room * sizeof(struct http_field));
    struct reason why = {.text = ""};
    if (!x || !fields) {
        finish_unsent(t, STR("the event is too large to be sent"));
        return;
    }
    x->action = action;
    x->task = t;
    x->room = room;
    x->fields = fields;
    if (build_call(x, &why) != ERR_OK) {
        finish_unsent(t, arena_str(t->arena, str_from_cstr(why.text)));
        return;
    }
    x->call.done = on_done;
    t->impl = x;
    x->access = (struct http_access_call){
        .call = &x->call, .fields = fields, .arena = t->arena, .failed = on_no_access};
    if (action->access)
        http_access_start(action->access, &x->access);
    else
        http_client_start(action->client, &x->call);
}

static void http_cancel(struct action *base, struct task *t)
{
    struct http_action *action = CONTAINER_OF(base, struct http_action, action);
    struct http_attempt *x = (struct http_attempt *)t->impl;
    if (x && http_access_cancel(&x->access))
        finish_cancelled(t);
    else if (x)
        http_client_cancel(action->client, &x->call);
}

static void http_free(struct action *base)
{
    struct http_action *action = CONTAINER_OF(base, struct http_action, action);
    http_access_free(action->access);
    buf_release(&action->record);
    free(action);
}

static const struct action_ops http_ops = {
    .kind = "http", .start = http_start, .cancel = http_cancel, .free = http_free};

static struct action *http_create(const struct action_config *c, const struct action_context *ctx,
                                  struct reason *why)
{
    if (!ctx->client) {
        (void)fail(why, ERR_CONFLICT, "requests can't be sent: there is no HTTP client");
        return NULL;
    }
    struct http_action *action = (struct http_action *)xcalloc(1, sizeof(*action));
    action->action.ops = &http_ops;
    action->config = (const struct http_config *)c->data;
    action->client = ctx->client;
    action->clock = loop_clock(ctx->loop);
    action->access = http_access_new(&action->config->access, ctx);
    buf_init(&action->record, RECORD_MAX);
    if (action->config->sign.is_set) {
        action->signer = http_sign_provider(&action->config->sign, ctx->providers,
                                            action->config->method, action->config->url, why);
        if (!action->signer) {
            http_free(&action->action);
            return NULL;
        }
    }
    return &action->action;
}

const struct action_kind action_http = {.name = "http", .read = http_read, .create = http_create};
