/* trial.c -- a loop, a client and an action for one attempt. Called on a thread that may block. */
#include "engine/trial.h"

#include "base/id.h"
#include "http/client.h"

struct run {
    struct task task; /* first: task.done gets it back */
    struct trial *trial;
    struct loop *loop;
    struct delivery delivery;
};

static str keep(struct arena *a, str s)
{
    str copy = arena_str(a, s);
    return copy.p ? copy : STR("");
}

static void on_done(struct task *task, const struct outcome *o)
{
    struct run *r = CONTAINER_OF(task, struct run, task);
    struct arena *a = &r->trial->arena;
    r->trial->outcome = *o;
    r->trial->outcome.summary = keep(a, o->summary);
    r->trial->outcome.request = keep(a, o->request);
    r->trial->outcome.response = keep(a, o->response);
    r->trial->outcome.timing = keep(a, o->timing);
    loop_stop(r->loop);
}

/* What the target's file has people read, else the usual. */
static str sample_body(struct trial *t)
{
    static const struct {
        const char *key, *otherwise;
    } parts[] = {{"title", "Test from Gaff"},
                 {"text", "If you can read this, the destination works."},
                 {"severity", "info"}};
    const struct target *target = action_target_of(t->to->action);
    const struct yaml *test = target ? yaml_get(target->file, STR("test")) : NULL;
    struct buf b;
    struct json_writer w;
    buf_init(&b, 4096);
    json_writer_init(&w, &b);
    json_open(&w, '{');
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        const struct yaml *one = yaml_get(test, str_from_cstr(parts[i].key));
        json_pair(&w, parts[i].key, one ? one->scalar : str_from_cstr(parts[i].otherwise));
    }
    json_close(&w, '}');
    str body = arena_str(&t->arena, buf_str(&b));
    buf_release(&b);
    return body;
}

void trial_sample(struct trial *t, str type, str body)
{
    t->event = (struct event){.source = STR("gaff"),
                              .provider = STR("gaff"),
                              .type = type.n ? type : STR("test"),
                              .verdict = STR("verified"),
                              .method = STR("POST"),
                              .target = STR("/test"),
                              .head = STR("Content-Type: application/json\r\n"),
                              .body = body.n ? body : sample_body(t)};
    t->event.received_ms = clock_wall_ms(clock_real());
}

static void attempt(struct trial *t, struct loop *loop, struct action *action)
{
    struct run r = {.trial = t, .loop = loop};
    struct arena arena;
    struct id_source ids;
    id_source_init(&ids, clock_real(), 0);
    if (t->event.id == 0)
        t->event.id = id_next(&ids);
    r.delivery = (struct delivery){.id = id_next(&ids),
                                   .event_id = t->event.id,
                                   .destination = t->to->name,
                                   .route = STR("test")};
    arena_init(&arena, TRIAL_ARENA_MAX + t->event.body.n);
    r.task = (struct task){.event = &t->event,
                           .delivery = &r.delivery,
                           .arena = &arena,
                           .now_ms = clock_wall_ms(clock_real()),
                           .done = on_done};
    int64_t began_ns = clock_mono_ns(clock_real());
    action_start(action, &r.task);
    loop_run(loop);
    t->duration_us = (clock_mono_ns(clock_real()) - began_ns) / 1000;
    arena_release(&arena);
}

enum err trial_run(struct trial *t, struct reason *why)
{
    struct loop *loop = loop_new(clock_real());
    const struct http_client_options options = {.max_in_flight = 1,
                                                .allow = t->config->sending.allow,
                                                .allow_count = t->config->sending.allow_count,
                                                .own = t->own,
                                                .user_agent = "gaff"};
    struct action_context ctx = {.loop = loop,
                                 .client = http_client_new(loop, &options),
                                 .providers = t->config->providers,
                                 .directory = t->config->directory};
    struct action *action = t->to->action->kind->create(t->to->action, &ctx, why);
    if (action) {
        attempt(t, loop, action);
        action_free(action);
    }
    http_client_free(ctx.client);
    loop_free(loop);
    return action ? ERR_OK : why->code;
}
