/* front.c -- listeners of one loop. Every request goes through front_handle: the hub's path wins,
 * then a source's, then the application's routes, then 404. */
#include "engine/front.h"

#include "base/log.h"
#include "engine/hub.h"
#include "engine/ingest.h"

#define LISTENERS_MAX 8

struct front {
    struct engine_core *core;
    struct loop *loop;
    struct loop_thread thread;
    bool started;
    struct ingest *ingest;
    struct http_server *servers[LISTENERS_MAX];
    size_t server_count, draining;
    _Atomic bool idle;
    http_handler *fallback;
    void *fallback_arg;
    struct loop_msg drain_msg, tls_msg;
    _Atomic bool tls_asked;
};

static bool is_hub(const struct config *c, const struct http_request *r)
{
    return c->hub.is_set && str_eq(r->path, c->hub.path);
}

void front_handle(struct http_exchange *x, void *arg)
{
    struct front *f = arg;
    const struct config *c = ingest_config(f->ingest);
    if (is_hub(c, &x->req)) {
        hub_handle(f->core->hub, c, x, f->loop);
        return;
    }
    struct ingest_place place = ingest_find(f->ingest, x->req.method, x->req.path, x->arena);
    if (place.status == 200) {
        ingest_request(f->ingest, x, place.source);
        return;
    }
    if (place.status == 404 && f->fallback) {
        f->fallback(x, f->fallback_arg);
        return;
    }
    struct http_field allow = {STR("Allow"), place.allow};
    if (place.status == 204)
        http_reply(x, 204, &allow, 1, STR(""));
    else if (place.status == 405) {
        str body = STR("{\"error\":{\"code\":\"method_not_allowed\",\"message\":\"This source "
                       "takes the methods of the Allow field.\"}}\n");
        struct http_field fields[] = {allow, {STR("Content-Type"), STR("application/json")}};
        http_reply(x, 405, fields, 2, body);
    } else
        http_reply_error(x, 404, "not_found",
                         STR("No source or route has this path; see `gaff check --show`."));
}

static int64_t body_limit(const struct http_request *head, void *arg)
{
    struct front *f = arg;
    return is_hub(ingest_config(f->ingest), head) ? WEBSUB_FORM_MAX
                                                  : ingest_body_limit(f->ingest, head);
}

static struct http_server *listen_one(struct front *f, const struct config *c, size_t i,
                                      const struct front_options *front, struct reason *why)
{
    const char *address = front->addresses[i];
    struct http_server_options o = {
        .listen = address,
        .tls_cert_file = c->listen[i].tls_cert,
        .tls_key_file = c->listen[i].tls_key,
        .tls_policy = {.client_ca_file = c->listen[i].client_ca},
        .limits = c->limits,
        .trusted_proxies = c->trusted_proxies,
        .trusted_proxy_count = c->trusted_proxy_count,
        .proxy_protocol = c->listen[i].proxy_protocol,
        .handler = front_handle,
        .body_limit = body_limit,
        .arg = f,
    };
    /* The limit is the daemon's; each loop gets its share. */
    o.limits.connections_max = (o.limits.connections_max + front->loops - 1) / front->loops;
    return http_server_new(f->loop, &o, why);
}

struct front *front_new(struct engine_core *core, const struct config *c,
                        const struct front_options *o, struct reason *why)
{
    struct front *f = xcalloc(1, sizeof(*f));
    f->core = core;
    f->fallback = o->fallback;
    f->fallback_arg = o->fallback_arg;
    f->loop = loop_new(core->clock);
    f->ingest = ingest_new(core, f->loop);
    for (size_t i = 0; i < c->listen_count; i++) {
        if (i == LISTENERS_MAX) {
            fail(why, ERR_LIMIT, "at most %d listeners are served", LISTENERS_MAX);
            front_free(f);
            return NULL;
        }
        if (!o->addresses[i])
            continue;
        struct http_server *server = listen_one(f, c, i, o, why);
        if (!server) {
            front_free(f);
            return NULL;
        }
        f->servers[f->server_count++] = server;
    }
    return f;
}

void front_start(struct front *f)
{
    for (size_t i = 0; i < f->server_count; i++)
        http_server_start(f->servers[i]);
    f->started = true;
    loop_thread_start(&f->thread, f->loop, "gaff-front");
}

static void server_drained(void *arg)
{
    struct front *f = arg;
    if (--f->draining == 0)
        atomic_store(&f->idle, true);
}

static void drain_now(struct loop_msg *msg)
{
    struct front *f = CONTAINER_OF(msg, struct front, drain_msg);
    f->draining = f->server_count;
    if (f->server_count == 0)
        atomic_store(&f->idle, true);
    for (size_t i = 0; i < f->server_count; i++)
        http_server_drain(f->servers[i], server_drained, f);
}

void front_drain(struct front *f)
{
    f->drain_msg.fn = drain_now;
    loop_post(f->loop, &f->drain_msg);
}

bool front_is_idle(const struct front *f)
{
    return atomic_load(&f->idle);
}

static void reload_tls_now(struct loop_msg *msg)
{
    struct front *f = CONTAINER_OF(msg, struct front, tls_msg);
    atomic_store(&f->tls_asked, false);
    for (size_t i = 0; i < f->server_count; i++) {
        struct reason why = {0};
        if (!str_starts(str_from_cstr(http_server_url(f->servers[i])), STR("https://")))
            continue;
        if (http_server_reload_tls(f->servers[i], &why) != ERR_OK)
            log_event(LOG_ERROR, "certificate not reloaded; the old one stays",
                      LOG_F("listener", str_from_cstr(http_server_url(f->servers[i]))),
                      LOG_F("reason", str_from_cstr(why.text)));
    }
}

void front_reload_tls(struct front *f)
{
    if (atomic_exchange(&f->tls_asked, true))
        return; /* the one under way will read the new files */
    f->tls_msg.fn = reload_tls_now;
    loop_post(f->loop, &f->tls_msg);
}

void front_stop(struct front *f)
{
    if (!f->started)
        return;
    loop_stop(f->loop);
    loop_thread_join(&f->thread);
    f->started = false;
}

void front_free(struct front *f)
{
    if (!f)
        return;
    assert(!f->started);
    for (size_t i = 0; i < f->server_count; i++)
        http_server_free(f->servers[i]);
    ingest_free(f->ingest);
    loop_free(f->loop);
    free(f);
}

const char *front_url(const struct front *f, size_t listener)
{
    return listener < f->server_count ? http_server_url(f->servers[listener]) : NULL;
}

int front_port(const struct front *f, size_t listener)
{
    return listener < f->server_count ? http_server_port(f->servers[listener]) : 0;
}

void front_counts(const struct front *f, struct http_server_counts *sum)
{
    for (size_t i = 0; i < f->server_count; i++)
        http_server_counts_add(sum, http_server_counts(f->servers[i]));
}

struct loop *front_loop(struct front *f)
{
    return f->loop;
}
