/* destination_test.c -- POST /api/v1/destinations/{name}/test: one attempt, on the thread pool,
 * answered with what was sent, what came back, and what it means. Nothing is stored. */
#include "api/call.h"

#include "engine/trial.h"

struct test {
    struct api *api;
    struct http_exchange *x;
    struct config *config; /* a reference */
    struct trial trial;
    struct loop_work work;
    enum err err;
    struct reason why;
};

static void run_test(struct loop_work *w)
{
    struct test *t = CONTAINER_OF(w, struct test, work);
    t->err = trial_run(&t->trial, &t->why);
}

static void write_answer(struct json_writer *w, const struct test *t)
{
    const struct outcome *o = &t->trial.outcome;
    json_open(w, '{');
    json_pair(w, "destination", t->trial.to->name);
    json_pair(w, "result", str_from_cstr(attempt_result_word(o->result)));
    json_pair_int(w, "status", o->status);
    json_pair(w, "error", str_from_cstr(o->error_class ? o->error_class : ""));
    json_pair(w, "summary", o->summary);
    json_pair(w, "request", o->request);
    json_pair(w, "response", o->response);
    json_pair_int(w, "duration_us", t->trial.duration_us);
    json_close(w, '}');
}

static void tested(struct loop_work *w)
{
    struct test *t = CONTAINER_OF(w, struct test, work);
    struct api_call c = {.api = t->api, .x = t->x};
    buf_init(&c.body, 4u << 20);
    json_writer_init(&c.json, &c.body);
    if (t->err == ERR_OK) {
        write_answer(&c.json, t);
        api_send(&c, 200);
    } else {
        api_fail(&c, t->err, &t->why);
    }
    buf_release(&c.body);
    t->api->tests--;
    config_unref(t->config);
    arena_release(&t->trial.arena);
    free(t);
}

/* The event to send: a stored one, one's own data, or the sample. False: answered. */
static bool choose_event(struct api_call *c, struct test *t)
{
    const struct json *body = http_request_json(&c->x->req);
    str id_text = json_str(json_get(body, STR("event")));
    const struct json *data = json_get(body, STR("data"));
    uint64_t id;
    struct arena *a = &t->trial.arena;
    if (!id_text.p) {
        trial_sample(&t->trial, arena_str(a, json_str(json_get(body, STR("type")))),
                     data ? arena_str(a, json_text(a, data)) : STR(""));
        return true;
    }
    if (!id_parse("evt", id_text, &id) ||
        store_load(c->api->reader, id, 0, a, &t->trial.event, &t->why) != ERR_OK) {
        http_reply_error(c->x, 404, "not_found", STR("There is no event with this id."));
        return false;
    }
    return true;
}

void api_destination_test(struct api_call *c)
{
    struct config *config = engine_config(c->api->options.engine);
    str name = router_param(&c->match, STR("name"));
    const struct destination_config *to = map_get(&config->destinations_by_name, name);
    const struct engine_core *core = c->api->core;
    if (!to || !api_body(c)) {
        if (!to)
            http_reply_error(c->x, 404, "not_found", STR("There is no such destination."));
        config_unref(config);
        return;
    }
    struct test *t = xcalloc(1, sizeof(*t));
    arena_init(&t->trial.arena, 2 * (size_t)TRIAL_ARENA_MAX);
    t->trial.config = config;
    t->trial.to = to;
    t->trial.own = &core->own;
    t->api = c->api;
    t->x = c->x;
    t->config = config;
    if (!choose_event(c, t)) {
        config_unref(config);
        arena_release(&t->trial.arena);
        free(t);
        return;
    }
    t->work = (struct loop_work){.work = run_test, .done = tested};
    c->api->tests++;
    loop_work_start(c->api->loop, &t->work);
}
