/* webhook_durable.c -- between hooks and the engine, over three threads: the loop of the hooks,
 * where requests come in and commands run; the engine's front loop, where a request is handed in
 * without a socket; its delivery loop, where attempts begin and end. Messages carry a copy of what
 * the next one needs. */
#include "app/webhook_durable.h"

#include "base/log.h"
#include "action/event_text.h"
#include "api/api.h"
#include "app/settings.h"
#include "compat/hook_log.h"
#include "compat/hook_run.h"
#include "engine/engine.h"

#define DOCUMENT_MAX (8u << 20)
#define ENTRY_ARENA_MAX (128u << 20)
#define RESPONSE_MAX 65536u
#define METHOD_FIELD "Gaff-Hook-Method" /* the engine's sources take POST alone */
#define NAME_MAX_BYTES 64u

struct webhook_durable {
    struct hook_server *hooks;
    struct config *config; /* as at the start */
    struct engine *engine;
    struct api *api;
    struct handler_table table;
    struct handler_entry entry;
    const char *data, *admin;
    char *directory; /* of the store */
};

/* --- the configuration ----------------------------------------------------------------------- */

static bool is_plain_name(str id)
{
    for (size_t i = 0; i < id.n; i++)
        if (!((id.p[i] >= 'a' && id.p[i] <= 'z') || (id.p[i] >= '0' && id.p[i] <= '9') ||
              (i > 0 && (id.p[i] == '-' || id.p[i] == '_'))))
            return false;
    return id.n > 0 && id.n <= NAME_MAX_BYTES && !str_starts(id, STR("hook-")) &&
           !str_eq(id, STR("app"));
}

/* What a hook is called in the engine: its id where that is a name, else its hash. */
static str source_name(str id, char out[NAME_MAX_BYTES + 1])
{
    if (is_plain_name(id))
        return id;
    int n = snprintf(out, NAME_MAX_BYTES, "hook-%016llx", (unsigned long long)str_hash(id, 0));
    return str_of(out, (size_t)n);
}

/* The nth hook of all that can be reached; NULL beyond the last. */
static const struct hook *hook_at(const struct hook_set *s, size_t n)
{
    for (size_t i = 0; i < s->count; i++) {
        if (!s->files[i])
            continue;
        if (n < s->files[i]->count)
            return &s->files[i]->hooks[n];
        n -= s->files[i]->count;
    }
    return NULL;
}

static bool is_first(const struct hook_set *s, const struct hook *h)
{
    struct hook_file *file;
    return hook_set_find(s, h->id, &file) == h;
}

static void write_section(struct buf *out, const struct hook_set *s, const char *title,
                          const char *format)
{
    char text[NAME_MAX_BYTES + 1];
    const struct hook *h;
    buf_printf(out, "%s:\n", title);
    for (size_t i = 0; (h = hook_at(s, i)) != NULL; i++) {
        if (!is_first(s, h))
            continue;
        str name = source_name(h->id, text);
        str rest = str_from_cstr(format);
        while (rest.p) { /* '@' is the name */
            buf_str_append(out, str_cut(&rest, '@'));
            if (rest.p)
                buf_str_append(out, name);
        }
    }
}

static struct config *make_config(struct webhook_durable *d, struct reason *why)
{
    const struct hook_set *s = d->hooks->set;
    struct problems problems = {0};
    struct buf text;
    buf_init(&text, DOCUMENT_MAX);
    buf_printf(
        &text,
        "listen: 127.0.0.1:0\nfront_loops: 1\nadmin: { listen: \"%s\" }\nstore: \"sqlite:%s\"\n",
        d->admin, d->data);
    if (hook_at(s, 0)) {
        write_section(&text, s, "sources",
                      "  \"@\": { provider: none, path: \"/@\", insecure: true, dedupe: off, "
                      "body_max: 25MiB }\n");
        write_section(&text, s, "destinations",
                      "  \"@\": { handler: { index: 0, concurrency: 16 }, timeout: 7d }\n");
        write_section(&text, s, "routes", "  - { name: \"@\", from: \"@\", to: [\"@\"] }\n");
    }
    struct config *c = config_load_over(NULL, buf_str(&text), "hooks", &problems);
    if (!c)
        fail(why, ERR_INVALID, "%s", problems.count ? problems.v[0].text : "no configuration");
    else
        c->listen_count = 0; /* requests come from the hooks alone */
    problems_release(&problems);
    buf_release(&text);
    return c;
}

/* --- storing --------------------------------------------------------------------------------- */

/* A request on its way through the engine's front loop and back. */
struct entry {
    struct webhook_durable *durable;
    struct loop_msg msg;
    struct arena arena;
    struct http_request request;
    struct http_exchange *detached;
    struct http_exchange *x; /* of the client; its own loop alone touches it */
    struct hook_answer answer;
    struct hook_file *file; /* a reference: the answer points into it */
    int status;
};

static void entry_free(struct loop_msg *msg)
{
    struct entry *e = CONTAINER_OF(msg, struct entry, msg);
    http_exchange_free_detached(e->detached);
    arena_release(&e->arena);
    free(e);
}

static void answer_client(struct loop_msg *msg)
{
    struct entry *e = CONTAINER_OF(msg, struct entry, msg);
    if (e->status == 200)
        http_reply(e->x, e->answer.status, e->answer.fields, e->answer.field_count, e->answer.body);
    else
        http_reply_retry(e->x, 503, "not_stored",
                         STR("The event could not be stored; send it again later."), 5);
    hook_file_unref(e->file);
    e->msg.fn = entry_free;
    loop_post(engine_front_loop(e->durable->engine), &e->msg);
}

static void on_replied(int status, str head, str body, void *arg)
{
    struct entry *e = arg;
    UNUSED(head);
    UNUSED(body);
    e->status = status;
    e->msg.fn = answer_client;
    loop_post(e->durable->hooks->loop, &e->msg);
}

static void hand_in(struct loop_msg *msg)
{
    struct entry *e = CONTAINER_OF(msg, struct entry, msg);
    e->detached = http_exchange_new_detached(&e->arena, &e->request, on_replied, e);
    engine_front_handle(e->durable->engine, e->detached);
}

static bool copy_request(struct entry *e, const struct http_request *from, const struct hook *h,
                         str peer)
{
    char text[NAME_MAX_BYTES + 1];
    struct arena *a = &e->arena;
    struct http_request *r = &e->request;
    size_t n = from->fields.count;
    str name = source_name(h->id, text);
    *r = *from;
    r->arena = a;
    r->json_doc = NULL;
    r->json_tried = false;
    r->method = STR("POST");
    r->path = arena_printf(a, "/" STR_FMT, STR_ARG(name));
    r->query = arena_str(a, from->query);
    r->target = r->query.n
                    ? arena_printf(a, STR_FMT "?" STR_FMT, STR_ARG(r->path), STR_ARG(r->query))
                    : r->path;
    r->host = arena_str(a, from->host);
    r->body = arena_str(a, from->body);
    r->peer = arena_str(a, peer);
    r->fields.v = ARENA_ARRAY(a, struct http_field, n + 1);
    for (size_t i = 0; r->fields.v && i < n; i++)
        r->fields.v[i] = (struct http_field){arena_str(a, from->fields.v[i].name),
                                             arena_str(a, from->fields.v[i].value)};
    if (r->fields.v && !str_eq(from->method, STR("POST")))
        r->fields.v[r->fields.count++] =
            (struct http_field){STR(METHOD_FIELD), arena_str(a, from->method)};
    return arena_ok(a);
}

static void store(struct http_exchange *x, const struct hook *h, const struct hook_request *q,
                  void *arg)
{
    struct webhook_durable *d = arg;
    struct entry *e = xcalloc(1, sizeof(*e));
    e->durable = d;
    e->x = x;
    arena_init(&e->arena, ENTRY_ARENA_MAX);
    if (!copy_request(e, &x->req, h, q->remote_address)) {
        arena_release(&e->arena);
        free(e);
        http_reply_retry(x, 503, "not_stored", STR("There is no memory to store the event."), 5);
        return;
    }
    (void)hook_set_find(d->hooks->set, h->id, &e->file);
    (void)hook_file_ref(e->file);
    hook_server_success(d->hooks, h, &e->arena, &e->answer);
    e->msg.fn = hand_in;
    loop_post(engine_front_loop(d->engine), &e->msg);
}

/* --- delivering ------------------------------------------------------------------------------ */

struct errand { /* one attempt, on the loop of the hooks */
    struct webhook_durable *durable;
    struct task *task;
    struct loop_msg msg;
    struct arena arena;
    struct hook_file *file;
};

static void end(struct errand *v, const struct outcome *o)
{
    struct task *t = v->task;
    hook_file_unref(v->file);
    arena_release(&v->arena);
    free(v);
    handler_finish(t, o);
}

static void end_without(struct errand *v, enum attempt_result result, const char *summary)
{
    struct outcome o = {.result = result,
                        .error_class = "exec",
                        .summary = arena_str(v->task->arena, str_from_cstr(summary))};
    end(v, &o);
}

static void on_run_done(const struct hook_outcome *r, void *arg)
{
    struct errand *v = arg;
    struct arena *a = v->task->arena;
    struct outcome o = {.result = r->ok ? ATTEMPT_SUCCESS : ATTEMPT_RETRY,
                        .error_class = r->ok              ? ""
                                       : r->exit_code < 0 ? "exec"
                                                          : "exit",
                        .status = r->exit_code < 0 ? 0 : r->exit_code};
    o.summary = arena_str(a, r->ok ? STR("exit status 0") : str_from_cstr(r->error));
    o.response = arena_str(a, str_slice(r->output, 0, RESPONSE_MAX));
    end(v, &o);
}

/* The stored event as the request it was. */
static bool restore(struct errand *v, struct http_request *r)
{
    const struct event *e = v->task->event;
    struct arena *a = &v->arena;
    str head = e->head, name, value, target = e->target;
    size_t count = 0, i = 0;
    *r = (struct http_request){
        .method = STR("POST"), .target = e->target, .peer = e->peer, .body = e->body, .arena = a};
    r->path = str_cut(&target, '?');
    r->query = target.p ? target : STR("");
    while (event_next_field(&head, &name, &value))
        count++;
    r->fields.v = ARENA_ARRAY(a, struct http_field, count + 1);
    head = e->head;
    while (r->fields.v && event_next_field(&head, &name, &value)) {
        if (str_eq_nocase(name, STR(METHOD_FIELD)))
            r->method = value;
        else
            r->fields.v[i++] = (struct http_field){name, value};
    }
    r->fields.count = i;
    return r->fields.v != NULL;
}

static const struct hook *hook_of(const struct hook_set *s, str source)
{
    char text[NAME_MAX_BYTES + 1];
    const struct hook *h;
    for (size_t i = 0; (h = hook_at(s, i)) != NULL; i++)
        if (str_eq(source_name(h->id, text), source))
            return h;
    return NULL;
}

static void deliver(struct loop_msg *msg)
{
    struct errand *v = CONTAINER_OF(msg, struct errand, msg);
    struct hook_server *s = v->durable->hooks;
    const struct hook *h = hook_of(s->set, v->task->event->source);
    struct http_request r;
    struct hook_request q;
    char id[ID_TEXT_MAX];
    str event = id_format("evt", v->task->event->id, id);
    if (!h) {
        end_without(v, ATTEMPT_PERMANENT, "the hook is not in the files any more");
        return;
    }
    h = hook_set_find(s->set, h->id, &v->file);
    (void)hook_file_ref(v->file);
    if (!restore(v, &r) || hook_request_decode(&q, &v->arena, event, &r, h) != HOOK_DECODED) {
        end_without(v, ATTEMPT_PERMANENT, "the stored request cannot be decoded");
        return;
    }
    hook_run_start(s->loop, s->runner, h, &q, false, on_run_done, v);
}

static void begin_delivery(struct task *t, void *arg)
{
    struct webhook_durable *d = arg;
    struct errand *v = xcalloc(1, sizeof(*v));
    v->durable = d;
    v->task = t;
    arena_init(&v->arena, ENTRY_ARENA_MAX);
    v->msg.fn = deliver;
    loop_post(d->hooks->loop, &v->msg);
}

/* --- life ------------------------------------------------------------------------------------ */

static bool start_api(struct webhook_durable *d, struct reason *why)
{
    char token[SETTINGS_TOKEN_MAX];
    struct secret jwt = {0};
    if (!settings_admin_token(d->config, d->directory, token, why) ||
        !settings_jwt_secret(d->config, d->directory, &jwt, why))
        return false;
    struct api_options o = {.engine = d->engine,
                            .config = d->config,
                            .token = str_from_cstr(token),
                            .jwt_secret = secret_str(&jwt)};
    d->api = api_new(&o, why);
    secret_wipe(token, sizeof(token));
    secret_release(&jwt);
    return d->api && settings_publish_url(d->directory, api_url(d->api), why);
}

struct webhook_durable *webhook_durable_new(struct hook_server *hooks, const char *data,
                                            const char *admin, struct reason *why)
{
    struct webhook_durable *d = xcalloc(1, sizeof(*d));
    d->hooks = hooks;
    d->data = data;
    d->admin = admin;
    d->entry = (struct handler_entry){.start = begin_delivery, .arg = d};
    d->table = (struct handler_table){.v = &d->entry, .count = 1};
    d->config = make_config(d, why);
    struct engine_options o = {.config = d->config, .handlers = &d->table};
    d->engine = d->config ? engine_new(&o, why) : NULL;
    if (d->engine)
        d->directory = settings_state_directory(d->config);
    if (!d->engine || !start_api(d, why)) {
        api_free(d->api);
        engine_free(d->engine);
        config_unref(d->config);
        free(d->directory);
        free(d);
        return NULL;
    }
    hooks->store = store;
    hooks->store_arg = d;
    engine_start(d->engine);
    api_start(d->api);
    if (hook_log_on())
        hook_log(STR(""), "storing what is triggered in %s; gaff events ls --data %s", d->data,
                 d->data);
    return d;
}

void webhook_durable_reload(struct webhook_durable *d)
{
    struct reason why = {0};
    struct config *c = make_config(d, &why);
    if (!c) {
        hook_log(STR(""), "the hooks cannot be stored: %s", why.text);
        return;
    }
    (void)engine_reload(d->engine, c, &why);
    config_unref(c);
}

void webhook_durable_end(struct webhook_durable *d)
{
    settings_withdraw_url(d->directory);
}
