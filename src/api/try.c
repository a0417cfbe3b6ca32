/* try.c -- POST /api/v1/try: one step of trying a configuration against the stored events. Whoever
 * asks goes on with the cursor, so that no answer takes long. */
#include "engine/try.h"
#include "api/call.h"

#define TRY_ARENA_MAX (64u << 20)

static void write_names(struct json_writer *w, const char *name, const str *v, size_t count)
{
    json_key(w, name);
    json_open(w, '[');
    for (size_t i = 0; i < count; i++)
        json_string(w, v[i]);
    json_close(w, ']');
}

static void write_difference(struct json_writer *w, const struct try_difference *d)
{
    char id[ID_TEXT_MAX], at[CLOCK_TEXT_MAX];
    json_open(w, '{');
    json_pair(w, "id", id_format("evt", d->event_id, id));
    json_pair(w, "received", clock_format(d->received_ms, at));
    json_pair(w, "source", d->source);
    json_pair(w, "type", d->type);
    write_names(w, "was", d->was, d->was_count);
    write_names(w, "would", d->would, d->would_count);
    json_pair(w, "trace", d->why);
    json_close(w, '}');
}

void try_result_write(struct json_writer *w, const struct try_result *t)
{
    json_open(w, '{');
    json_pair_int(w, "events", (int64_t)t->events);
    json_pair_int(w, "changed", (int64_t)t->changed);
    json_key(w, "destinations");
    json_open(w, '[');
    for (size_t i = 0; i < t->change_count; i++) {
        json_open(w, '{');
        json_pair(w, "name", t->changes[i].name);
        json_pair_int(w, "less", (int64_t)t->changes[i].less);
        json_pair_int(w, "more", (int64_t)t->changes[i].more);
        json_close(w, '}');
    }
    json_close(w, ']');
    json_key(w, "differences");
    json_open(w, '[');
    for (size_t i = 0; i < t->difference_count; i++)
        write_difference(w, &t->differences[i]);
    json_close(w, ']');
    view_cursor(w, t->next);
    json_close(w, '}');
}

static void answer_problems(struct api_call *c, const struct problems *p)
{
    struct buf text;
    buf_init(&text, 65536);
    for (size_t i = 0; i < p->count; i++)
        if (!p->v[i].warning)
            buf_printf(&text, "%s\n", p->v[i].text);
    http_reply_error(c->x, 409, "bad_configuration", buf_str(&text));
    buf_release(&text);
}

void api_event_plan(struct api_call *c)
{
    uint64_t id;
    size_t count;
    str *names, trace;
    struct arena a;
    struct event e;
    struct reason why = {0};
    if (!api_id(c, "id", "evt", &id))
        return;
    struct config *config = engine_config(c->api->options.engine);
    arena_init(&a, 64u << 20);
    enum err err = store_load(c->api->reader, id, 0, &a, &e, &why);
    if (err == ERR_OK)
        err = try_one(config, &e, &a, &names, &count, &trace, &why);
    if (err == ERR_OK) {
        json_open(&c->json, '{');
        json_key(&c->json, "deliveries");
        json_open(&c->json, '[');
        for (size_t i = 0; i < count; i++)
            json_string(&c->json, names[i]);
        json_close(&c->json, ']');
        view_trace(&c->json, trace);
        json_close(&c->json, '}');
        api_send(c, 200);
    } else {
        api_fail(c, err, &why);
    }
    arena_release(&a);
    config_unref(config);
}

void api_try(struct api_call *c)
{
    const struct json *body = http_request_json(&c->x->req);
    str text = json_str(json_get(body, STR("config")));
    str name = json_str(json_get(body, STR("file")));
    str cursor = json_str(json_get(body, STR("cursor")));
    int64_t limit = TRY_STEP_MAX;
    uint64_t before = 0;
    (void)json_i64(json_get(body, STR("limit")), &limit);
    if (!text.p || limit < 1 || (cursor.n && !id_parse("evt", cursor, &before))) {
        api_bad(c, "bad_parameter",
                "\"config\" must be the text of a configuration, \"limit\" a "
                "number, \"cursor\" the one of the step before");
        return;
    }
    struct problems p = {0};
    struct reason why = {0};
    struct try_result result;
    struct arena a;
    struct config *now = engine_config(c->api->options.engine);
    /* Relative paths start where those of the configuration in force do. */
    char *path = arena_cstr(c->x->arena, arena_printf(c->x->arena, "%s/" STR_FMT,
                                                      now->directory ? now->directory : ".",
                                                      STR_ARG(name.n ? name : STR("new.yaml"))));
    struct config *next = path ? config_load(path, &text, &p) : NULL;
    if (!next) {
        answer_problems(c, &p);
    } else {
        arena_init(&a, TRY_ARENA_MAX);
        enum err err =
            try_step(now, next, c->api->reader, before, (size_t)limit, &a, &result, &why);
        if (err == ERR_OK)
            try_result_write(&c->json, &result);
        if (err == ERR_OK)
            api_send(c, 200);
        else
            api_fail(c, err, &why);
        arena_release(&a);
    }
    problems_release(&p);
    config_unref(next);
    config_unref(now);
}
