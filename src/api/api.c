/* api.c -- the admin server: the table of routes, the token, errors as JSON. */
#include "api/call.h"
#include "api/send.h"

#include "base/codec.h"

#include <stdarg.h>

#define ANSWER_MAX (64u << 20)

const struct api_route api_routes[] = {
    {"GET /", api_page, ROLE_ANYONE},
    {"GET /portal", api_portal, ROLE_ANYONE},
    {"GET /assets/{file}", api_asset, ROLE_ANYONE},
    {"GET /livez", api_livez, ROLE_ANYONE},
    {"GET /readyz", api_readyz, ROLE_ANYONE},
    {"GET /metrics", api_metrics, ROLE_VIEWER},
    {"GET /api/v1/status", api_status, ROLE_VIEWER},
    {"GET /api/v1/disk", api_disk, ROLE_VIEWER},
    {"GET /api/v1/nodes", api_nodes, ROLE_VIEWER},
    {"GET /api/v1/events", api_events_list, ROLE_VIEWER},
    {"POST /api/v1/events/replay", api_events_replay, ROLE_OPERATOR},
    {"GET /api/v1/events/{id}", api_event_get, ROLE_VIEWER},
    {"GET /api/v1/events/{id}/body", api_event_body, ROLE_VIEWER},
    {"POST /api/v1/events/{id}/replay", api_event_replay, ROLE_OPERATOR},
    {"GET /api/v1/deliveries", api_deliveries_list, ROLE_VIEWER},
    {"POST /api/v1/deliveries/replay", api_deliveries_replay, ROLE_OPERATOR},
    {"POST /api/v1/deliveries/cancel", api_deliveries_cancel, ROLE_OPERATOR},
    {"GET /api/v1/deliveries/{id}", api_delivery_get, ROLE_VIEWER},
    {"POST /api/v1/deliveries/{id}/replay", api_delivery_replay, ROLE_OPERATOR},
    {"POST /api/v1/deliveries/{id}/cancel", api_delivery_cancel, ROLE_OPERATOR},
    {"GET /api/v1/rejections", api_rejections_list, ROLE_VIEWER},
    {"POST /api/v1/events/{id}/edit", api_event_edit, ROLE_OPERATOR},
    {"GET /api/v1/sources", api_sources, ROLE_VIEWER},
    {"POST /api/v1/sources/{name}/test", api_source_test, ROLE_OPERATOR},
    {"GET /api/v1/dead/groups", api_dead_groups, ROLE_VIEWER},
    {"POST /api/v1/dead/replay", api_dead_replay, ROLE_OPERATOR},
    {"POST /api/v1/destinations/{name}/pause", api_destination_pause, ROLE_OPERATOR},
    {"POST /api/v1/destinations/{name}/resume", api_destination_resume, ROLE_OPERATOR},
    {"POST /api/v1/destinations/{name}/circuit/close", api_circuit_close, ROLE_OPERATOR},
    {"GET /api/v1/secrets", api_secrets, ROLE_VIEWER},
    {"DELETE /api/v1/secrets/{source}", api_secret_forget, ROLE_ADMIN},
    {"GET /api/v1/destinations", api_destinations, ROLE_VIEWER},
    {"GET /api/v1/destinations/{name}", api_destination_get, ROLE_VIEWER},
    {"POST /api/v1/destinations/{name}/test", api_destination_test, ROLE_OPERATOR},
    {"GET /api/v1/routes", api_routes_list, ROLE_VIEWER},
    {"POST /api/v1/session", api_session_begin, ROLE_ANYONE},
    {"GET /api/v1/session", api_session_get, ROLE_VIEWER},
    {"DELETE /api/v1/session", api_session_end, ROLE_VIEWER},
    {"POST /api/v1/tickets", api_ticket_make, ROLE_ADMIN},
    {"GET /api/v1/keys", api_keys_list, ROLE_ADMIN},
    {"POST /api/v1/keys", api_key_make, ROLE_ADMIN},
    {"DELETE /api/v1/keys/{id}", api_key_delete, ROLE_ADMIN},
    {"GET /api/v1/people", api_people_list, ROLE_ADMIN},
    {"PUT /api/v1/people/{name}", api_person_put, ROLE_ADMIN},
    {"DELETE /api/v1/people/{name}", api_person_delete, ROLE_ADMIN},
    {"GET /api/v1/definitions", api_definitions_list, ROLE_ADMIN},
    {"PUT /api/v1/definitions/{kind}/{name}", api_definition_put, ROLE_ADMIN},
    {"DELETE /api/v1/definitions/{kind}/{name}", api_definition_delete, ROLE_ADMIN},
    {"GET /api/v1/audit", api_audit_list, ROLE_ADMIN},
    {"GET /api/v1/providers", api_providers, ROLE_VIEWER},
    {"GET /api/v1/hub", api_hub, ROLE_VIEWER},
    {"GET /api/v1/config", api_config, ROLE_ADMIN},
    {"GET /api/v1/config/difference", api_config_difference, ROLE_ADMIN},
    {"GET /api/v1/listen", api_listen, ROLE_VIEWER},
    {"POST /api/v1/listen/{id}", api_listen_answer, ROLE_VIEWER},
    {"GET /api/v1/tail", api_tail, ROLE_VIEWER},
    {"GET /api/v1/events/{id}/plan", api_event_plan, ROLE_VIEWER},
    {"POST /api/v1/try", api_try, ROLE_ADMIN},
    {"POST /api/v1/reload", api_reload, ROLE_ADMIN},
    {"POST /api/v1/backup", api_backup, ROLE_ADMIN},
    {"GET /api/v1/migration", api_migration_get, ROLE_VIEWER},
    {"POST /api/v1/migration", api_migration_begin, ROLE_ADMIN},
    {"DELETE /api/v1/migration", api_migration_stop, ROLE_ADMIN},
    {"POST /api/v1/migration/finish", api_migration_end, ROLE_ADMIN},
    {NULL, NULL, ROLE_ADMIN},
};

void api_send(struct api_call *c, int status)
{
    struct http_field fields[] = {{STR("Content-Type"), STR("application/json")},
                                  {STR("Cache-Control"), STR("no-store")},
                                  {STR("X-Content-Type-Options"), STR("nosniff")}};
    if (!buf_ok(&c->body)) {
        http_reply_error(c->x, 500, "too_large",
                         STR("The answer is too large; ask for fewer rows with limit=."));
        return;
    }
    buf_char(&c->body, '\n');
    c->status = status;
    http_reply(c->x, status, fields, ARRAY_LEN(fields), buf_str(&c->body));
}

bool is_plain_name(str s, size_t max)
{
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        if (!(ch >= 'a' && ch <= 'z') && !(ch >= '0' && ch <= '9') && ch != '-' && ch != '_')
            return false;
    }
    return s.n > 0 && s.n <= max;
}

static int status_of(enum err err)
{
    switch (err) {
    case ERR_INVALID:
        return 400;
    case ERR_DENIED:
        return 403;
    case ERR_NOT_FOUND:
        return 404;
    case ERR_CONFLICT:
        return 409;
    case ERR_LIMIT:
        return 413;
    case ERR_FULL:
    case ERR_CLOSED:
    case ERR_TIMEOUT:
        return 503;
    default:
        return 500;
    }
}

void api_fail(struct api_call *c, enum err err, const struct reason *why)
{
    char code[32];
    size_t n = 0;
    for (const char *p = err_name(err); *p && n < sizeof(code) - 1; p++)
        code[n++] = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
    code[n] = 0;
    c->status = status_of(err);
    http_reply_error(c->x, c->status, code, str_from_cstr(why->text));
}

void api_bad(struct api_call *c, const char *code, const char *fmt, ...)
{
    char text[REASON_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    c->status = 400;
    http_reply_error(c->x, 400, code, str_from_cstr(text));
}

bool api_id(struct api_call *c, const char *param, const char *prefix, uint64_t *id)
{
    /* 0 is no id: in a filter it would mean any. */
    if (id_parse(prefix, router_param(&c->match, str_from_cstr(param)), id) && *id != 0)
        return true;
    http_reply_error(c->x, 404, "not_found", STR("There is nothing with this id."));
    return false;
}

/* The exchange may be gone once it is answered, so what the log says is put together before. */
static void change(struct api_call *c, const struct api_route *route)
{
    char what[AUDIT_TEXT_MAX];
    snprintf(what, sizeof(what), STR_FMT " " STR_FMT, STR_ARG(c->x->req.method),
             STR_ARG(c->x->req.path));
    route->fn(c);
    if (!c->is_waiting)
        api_audit(c, str_from_cstr(what));
}

/* The paths of the sending API come with doubled slashes and with one at the end. */
static str tidy_path(str path, struct arena *a)
{
    char *out = arena_alloc(a, path.n + 1);
    size_t n = 0;
    for (size_t i = 0; out && i < path.n; i++)
        if (path.p[i] != '/' || n == 0 || out[n - 1] != '/')
            out[n++] = path.p[i];
    if (!out)
        return path;
    return str_of(out, n > 1 && out[n - 1] == '/' ? n - 1 : n);
}

static bool is_operation(const struct api *a, const void *value)
{
    const struct send_operation *op = value;
    return op && op >= send_operations && op < send_operations + a->operation_count;
}

/* True when it was one of the sending API's, and is served. */
static bool handle_send(struct api_call *c)
{
    struct api *a = c->api;
    struct http_exchange *x = c->x;
    router_find(a->router, x->req.method, tidy_path(x->req.path, x->arena), x->arena, &c->match);
    if (!is_operation(a, c->match.value))
        return false;
    c->op = c->match.value;
    buf_init(&c->body, ANSWER_MAX);
    json_writer_init(&c->json, &c->body);
    send_handle(c);
    json_doc_free(c->doc);
    buf_release(&c->body);
    return true;
}

static void refuse_method(struct http_exchange *x, int status, const struct http_field *allow)
{
    const struct http_field fields[] = {*allow, {STR("Content-Type"), STR("application/json")}};
    str text = status == 405 ? STR("{\"code\":\"method_not_allowed\",\"detail\":"
                                   "\"The path does not take this method.\"}\n")
                             : STR("");
    http_reply(x, status, fields, text.n ? 2 : 1, text);
}

static void handle(struct http_exchange *x, void *arg)
{
    struct api *a = arg;
    struct api_call c = {.api = a, .x = x};
    if (handle_send(&c))
        return;
    router_find(a->router, x->req.method, x->req.path, x->arena, &c.match);
    if (is_operation(a, c.match.value))
        c.match.value = NULL;
    const struct api_route *route = c.match.value;
    if (!api_admit(&c, route ? route->role : ROLE_VIEWER))
        return;
    if (!route) {
        struct http_field allow = {STR("Allow"), c.match.allow};
        if (c.match.status == 404)
            http_reply_error(x, 404, "not_found", STR("The API has no such path."));
        else
            refuse_method(x, c.match.status, &allow);
        return;
    }
    buf_init(&c.body, ANSWER_MAX);
    json_writer_init(&c.json, &c.body);
    if (str_eq(x->req.method, STR("GET")) || str_eq(x->req.method, STR("HEAD")))
        route->fn(&c);
    else
        change(&c, route);
    buf_release(&c.body);
}

static bool listen_all(struct api *a, struct reason *why)
{
    const struct config *c = a->options.config;
    for (size_t i = 0; i < c->admin_listen_count && i < ARRAY_LEN(a->servers); i++) {
        struct http_server_options o = {.listen = c->admin_listen[i].address,
                                        .tls_cert_file = c->admin_listen[i].tls_cert,
                                        .tls_key_file = c->admin_listen[i].tls_key,
                                        .limits = c->limits,
                                        .handler = handle,
                                        .arg = a};
        a->servers[i] = http_server_new(a->loop, &o, why);
        if (!a->servers[i])
            return false;
        a->server_count++;
        outbound_own_add(&a->core->own, str_from_cstr(http_server_url(a->servers[i])));
    }
    return true;
}

struct api *api_new(const struct api_options *o, struct reason *why)
{
    assert(o->token.n > 0);
    struct api *a = xcalloc(1, sizeof(*a));
    a->options = *o;
    a->core = engine_core(o->engine);
    a->loop = loop_new(a->core->clock);
    a->router = router_new();
    a->core->channel = api_channel;
    a->started_ms = clock_wall_ms(a->core->clock);
    list_init(&a->tails);
    list_init(&a->listeners);
    a->runner = o->runner ? runner_attach(o->runner, a->loop) : NULL;
    a->jq = a->runner ? jq_worker_new(a->loop, a->runner) : NULL;
    secret_init(&a->token, o->token);
    a->reader = store_reader_open(a->core->store, why);
    if (a->reader)
        a->reader->may_lag = true;
    for (const struct api_route *r = api_routes; r->pattern; r++) {
        struct reason bug = {0};
        if (router_add(a->router, str_from_cstr(r->pattern), (void *)(uintptr_t)r, &bug) != ERR_OK)
            die("%s: %s", r->pattern, bug.text);
    }
    for (const struct send_operation *op = send_operations; op->pattern; op++) {
        struct reason bug = {0};
        a->operation_count++;
        if (router_add(a->router, str_from_cstr(op->pattern), (void *)(uintptr_t)op, &bug) !=
            ERR_OK)
            die("%s: %s", op->pattern, bug.text);
    }
    if (!a->reader || !send_open(a, o->jwt_secret, why) || !listen_all(a, why)) {
        api_free(a);
        return NULL;
    }
    return a;
}

void api_start(struct api *a)
{
    for (size_t i = 0; i < a->server_count; i++)
        http_server_start(a->servers[i]);
    tails_start(a);
    a->started = true;
    loop_thread_start(&a->thread, a->loop, "gaff-admin");
}

/* What waits for its commit is answered before the loop ends. */
static void close_when_quiet(struct loop_msg *msg)
{
    struct api *a = CONTAINER_OF(msg, struct api, closing);
    a->is_closing = true;
    if (send_is_quiet(a))
        loop_stop(a->loop);
}

void api_free(struct api *a)
{
    if (!a)
        return;
    if (a->started) {
        a->closing.fn = close_when_quiet;
        loop_post(a->loop, &a->closing);
        loop_thread_join(&a->thread);
    }
    tails_close(a);
    listeners_close(a);
    while (a->tests > 0)
        loop_run_once(a->loop, true);
    a->is_closing = true;
    jq_worker_close(a->jq); /* requests that wait for it are answered */
    runner_free(a->runner);
    jq_worker_free(a->jq);
    for (size_t i = 0; i < a->server_count; i++)
        http_server_free(a->servers[i]);
    send_close(a);
    store_reader_close(a->reader);
    router_free(a->router);
    secret_release(&a->token);
    map_release(&a->failures);
    loop_free(a->loop);
    free(a);
}

const char *api_url(const struct api *a)
{
    return a->server_count ? http_server_url(a->servers[0]) : NULL;
}
