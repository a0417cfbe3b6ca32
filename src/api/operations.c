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

void api_metrics(struct api_call *c)
{
    struct http_field type = {STR("Content-Type"), STR("text/plain; version=0.0.4")};
    engine_metrics(c->api->options.engine, c->api->reader, &c->body);
    process_metrics_write(c->api->options.version, &c->body);
    http_reply(c->x, 200, &type, 1, buf_str(&c->body));
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
