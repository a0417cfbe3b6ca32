/* gaff_request.c -- what a handler may ask of its request, and how a request reaches a handler: as
 * a route, now; as a stored event, later. */
#include "app/program.h"

#include "base/id.h"

/* --- asking ---------------------------------------------------------------------------------- */

gaff_str gaff_method(const gaff_req *req)
{
    return program_str(req->request->method);
}

gaff_str gaff_path(const gaff_req *req)
{
    return program_str(req->request->path);
}

gaff_str gaff_body(const gaff_req *req)
{
    return program_str(req->request->body);
}

gaff_str gaff_header(const gaff_req *req, const char *name)
{
    return program_str(http_field_get(&req->request->fields, str_from_cstr(name)));
}

gaff_str gaff_param(const gaff_req *req, const char *name)
{
    return program_str(req->match ? router_param(req->match, str_from_cstr(name)) : STR_NONE);
}

gaff_str gaff_query(gaff_req *req, const char *name)
{
    return program_str(http_request_query(req->request, str_from_cstr(name)));
}

gaff_str gaff_form(gaff_req *req, const char *name)
{
    return program_str(http_request_form(req->request, str_from_cstr(name)));
}

gaff_str gaff_peer(const gaff_req *req)
{
    return program_str(req->request->peer);
}

static const struct json *value_at(gaff_req *req, const char *path)
{
    return json_path(http_request_json(req->request), str_from_cstr(path));
}

gaff_str gaff_get(gaff_req *req, const char *path)
{
    const struct json *v = value_at(req, path);
    return program_str(v ? json_text(&req->extra, v) : STR_NONE);
}

int64_t gaff_get_int(gaff_req *req, const char *path, int64_t fallback)
{
    int64_t n;
    return json_i64(value_at(req, path), &n) ? n : fallback;
}

bool gaff_get_bool(gaff_req *req, const char *path, bool fallback)
{
    const struct json *v = value_at(req, path);
    return v && json_kind_of(v) == JSON_BOOL ? json_bool(v) : fallback;
}

gaff_str gaff_event_id(const gaff_req *req)
{
    return program_str(req->event_id);
}

gaff_str gaff_event_type(const gaff_req *req)
{
    return program_str(req->event_type.n ? req->event_type : STR_NONE);
}

int gaff_attempt(const gaff_req *req)
{
    return req->attempt;
}

bool gaff_is(gaff_str s, const char *text)
{
    return str_eq(program_slice(s), str_from_cstr(text));
}

void *gaff_alloc(gaff_req *req, size_t n)
{
    return arena_alloc(&req->extra, n);
}

char *gaff_cstr(gaff_req *req, gaff_str s)
{
    return arena_cstr(&req->extra, s.ptr ? program_slice(s) : STR(""));
}

gaff_app *gaff_app_of(const gaff_req *req)
{
    return req->app;
}

/* --- reaching a handler ---------------------------------------------------------------------- */

void request_init(gaff_req *req, gaff_app *app, struct http_request *request, struct arena *arena)
{
    *req = (gaff_req){.app = app, .request = request, .arena = arena, .attempt = 1};
    arena_init(&req->extra, PROGRAM_ALLOC_MAX);
    buf_init(&req->body, PROGRAM_REPLY_MAX);
    req->content_type = STR("application/json");
}

void request_release(gaff_req *req)
{
    arena_release(&req->extra);
    buf_release(&req->body);
}

static void send_reply(struct http_exchange *x, gaff_req *req, int status)
{
    struct http_field fields[PROGRAM_REPLY_FIELDS_MAX + 1];
    size_t count = 0;
    if (status < 200 || status > 599 || !buf_ok(&req->body)) {
        http_reply_error(x, 500, "bad_reply",
                         STR("The handler gave no valid status, or too large a body."));
        return;
    }
    if (req->body.len)
        fields[count++] = (struct http_field){STR("Content-Type"), req->content_type};
    for (size_t i = 0; i < req->field_count; i++)
        fields[count++] = req->fields[i];
    http_reply(x, status, fields, count, buf_str(&req->body));
}

/* False when the synchronous webhook's sender did not prove itself; it has its answer then. */
static bool proved(struct webhook *w, struct http_exchange *x, gaff_req *req)
{
    struct verdict v = {0};
    verifier_check(w->verifier, &x->req, x->req.received_ms, &v);
    if (v.code != VERDICT_VERIFIED && v.code != VERDICT_UNVERIFIED) {
        http_reply_error(x, verdict_status(v.code), verdict_word(v.code), str_from_cstr(v.text));
        return false;
    }
    req->event_type = v.event_type;
    return true;
}

void program_route(struct http_exchange *x, void *arg)
{
    gaff_app *app = arg;
    struct router_match match;
    gaff_req req;
    router_find(app->router, x->req.method, x->req.path, x->arena, &match);
    const struct route *route = match.value;
    struct http_field allow = {STR("Allow"), match.allow};
    if (match.status == 204) {
        http_reply(x, 204, &allow, 1, STR(""));
        return;
    }
    if (match.status == 405) {
        http_reply(x, 405, &allow, 1, STR(""));
        return;
    }
    if (!route) {
        http_reply_error(x, 404, "not_found", STR("Nothing is at this path."));
        return;
    }
    request_init(&req, app, &x->req, x->arena);
    req.match = &match;
    if (!route->webhook || proved(route->webhook, x, &req))
        send_reply(x, &req, route->fn(&req, route->arg));
    request_release(&req);
}

/* Stored header lines back into fields. */
static struct http_fields parse_head(struct arena *a, str head)
{
    size_t lines = 0;
    for (size_t i = 0; i < head.n; i++)
        lines += head.p[i] == '\n';
    struct http_fields f = {ARENA_ARRAY(a, struct http_field, lines + 1), 0};
    while (f.v && head.p && head.n) {
        str value = str_trim(str_cut(&head, '\n'));
        str name = str_cut(&value, ':');
        if (name.n && f.count <= lines)
            f.v[f.count++] = (struct http_field){name, value.p ? str_trim(value) : STR("")};
    }
    return f;
}

static void judge(struct task *t, struct outcome *o, gaff_req *req, int status)
{
    o->status = status;
    o->response = arena_str(t->arena, buf_str(&req->body));
    if (status >= 200 && status < 300)
        o->result = ATTEMPT_SUCCESS;
    else
        o->result = status >= 500 ? ATTEMPT_RETRY : ATTEMPT_PERMANENT;
    o->error_class = o->result == ATTEMPT_SUCCESS ? "" : "handler";
    o->summary =
        arena_printf(t->arena, "the handler returned %d %s", status, http_status_text(status));
}

void program_handle(struct task *t, struct outcome *o, void *arg)
{
    struct webhook *w = arg;
    const struct event *e = t->event;
    str target = e->target, path = target;
    str before = str_cut(&path, '?');
    struct http_request request = {.method = e->method,
                                   .target = target,
                                   .path = before,
                                   .query = path.p ? path : STR(""),
                                   .fields = parse_head(t->arena, e->head),
                                   .body = e->body,
                                   .peer = e->peer,
                                   .received_ms = e->received_ms,
                                   .arena = t->arena};
    gaff_req req;
    char id[ID_TEXT_MAX];
    request_init(&req, w->app, &request, t->arena);
    req.event = e;
    req.event_type = e->type;
    req.event_id = id_format("evt", e->id, id);
    req.attempt = (int)t->delivery->attempts + 1;
    judge(t, o, &req, w->fn(&req, w->arg));
    request_release(&req);
    http_request_release(&request);
}
