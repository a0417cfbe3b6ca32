/* operations.c -- health, metrics, reload, backup. */
#include "api/call.h"
#include "engine/process_metrics.h"

#include <stdatomic.h>

static const struct http_field text_type = {{"Content-Type", 12},
                                            {"text/plain; charset=utf-8", 25}};

void api_livez(struct api_call *c)
{
    http_reply(c->x, 200, &text_type, 1, STR("ok\n"));
}

void api_readyz(struct api_call *c)
{
    const char *unready = engine_unready(c->api->options.engine);
    if (!unready) {
        buf_printf(&c->body, "ok\ndurability: %s\n", engine_durability(c->api->options.engine));
        http_reply(c->x, 200, &text_type, 1, buf_str(&c->body));
        return;
    }
    buf_printf(&c->body, "not ready: %s\n", unready);
    http_reply(c->x, 503, &text_type, 1, buf_str(&c->body));
}

/* Named and not refused; among several formats whose weights differ it is what a scraper that knows
 * it prefers. */
static bool wants_openmetrics(const struct http_request *r)
{
    str accept = http_field_get(&r->fields, STR("Accept"));
    while (accept.p && accept.n) {
        str one = str_cut(&accept, ','), type = str_trim(str_cut(&one, ';'));
        if (str_eq_nocase(type, STR("application/openmetrics-text")))
            return str_find_str(one, STR("q=0,")) == one.n && !str_ends(one, STR("q=0"));
    }
    return false;
}

void api_metrics(struct api_call *c)
{
    struct http_field types[] = {{STR("Content-Type"), STR("text/plain; version=0.0.4")},
                                 {STR("Vary"), STR("Accept")}};
    struct http_server_counts admin = {0};
    struct buf open;
    for (size_t i = 0; i < c->api->server_count; i++)
        http_server_counts_add(&admin, http_server_counts(c->api->servers[i]));
    engine_metrics(c->api->options.engine, c->api->reader, &admin, &c->body);
    process_metrics_write(c->api->options.version, &c->body);
    if (!wants_openmetrics(&c->x->req)) {
        http_reply(c->x, 200, types, ARRAY_LEN(types), buf_str(&c->body));
        return;
    }
    buf_init(&open, c->body.len * 2 + 64); /* a bound may grow by ".0" */
    metrics_open(buf_str(&c->body), &open);
    types[0].value = STR("application/openmetrics-text; version=1.0.0; charset=utf-8");
    http_reply(c->x, 200, types, ARRAY_LEN(types), buf_str(&open));
    buf_release(&open);
}

void api_reload(struct api_call *c)
{
    struct api_options *o = &c->api->options;
    struct buf problems;
    if (!o->reload) {
        http_reply_error(c->x, 501, "no_file", STR("This instance has no configuration file."));
        return;
    }
    buf_init(&problems, 1u << 20);
    if (o->reload(&problems, o->arg) == ERR_OK) {
        json_open(&c->json, '{');
        json_pair_bool(&c->json, "reloaded", true);
        json_pair(&c->json, "warnings", buf_str(&problems));
        json_close(&c->json, '}');
        api_send(c, 200);
    } else {
        http_reply_error(c->x, 409, "bad_configuration", buf_str(&problems));
    }
    buf_release(&problems);
}

void api_backup(struct api_call *c)
{
    struct reason why = {0};
    str path = json_str(json_get(http_request_json(&c->x->req), STR("path")));
    char *file = path.n ? arena_cstr(c->x->arena, path) : NULL;
    if (!file || file[0] != '/') {
        api_bad(c, "bad_parameter", "\"path\" must be an absolute path for the copy");
        return;
    }
    enum err err = store_backup(c->api->core->store, file, NULL, NULL, &why);
    if (err != ERR_OK) {
        api_fail(c, err, &why);
        return;
    }
    json_open(&c->json, '{');
    json_pair(&c->json, "path", path);
    json_close(&c->json, '}');
    api_send(c, 200);
}
