/* inject.c -- from the caller's loop to a front loop and back; the exchange lives and ends there.
 */
#include "engine/inject.h"

#include "verify/sign.h"

#define ARENA_MAX (64u << 20)
#define FIELDS_MAX 100
#define ANSWER_MAX (1u << 20)

struct trip {
    struct loop_msg msg;
    struct engine *engine;
    struct loop *home;
    struct http_exchange *x;
    struct http_request request;
    struct arena arena;
    struct http_field fields[FIELDS_MAX];
    int status;
    struct buf answer;
    void (*done)(int status, str body, void *arg);
    void *arg;
};

static void trip_free(struct trip *t)
{
    buf_release(&t->answer);
    arena_release(&t->arena);
    free(t);
}

/* On the front loop: the exchange ends where it lived. */
static void end(struct loop_msg *msg)
{
    struct trip *t = CONTAINER_OF(msg, struct trip, msg);
    http_exchange_free_detached(t->x);
    trip_free(t);
}

static void home_again(struct loop_msg *msg)
{
    struct trip *t = CONTAINER_OF(msg, struct trip, msg);
    t->done(t->status, buf_str(&t->answer), t->arg);
    t->msg.fn = end;
    loop_post(engine_front_loop(t->engine), &t->msg);
}

static void replied(int status, str head, str body, void *arg)
{
    struct trip *t = arg;
    UNUSED(head);
    t->status = status;
    buf_str_append(&t->answer, str_slice(body, 0, ANSWER_MAX));
    t->msg.fn = home_again;
    loop_post(t->home, &t->msg);
}

static void begin(struct loop_msg *msg)
{
    struct trip *t = CONTAINER_OF(msg, struct trip, msg);
    t->x = http_exchange_new_detached(&t->arena, &t->request, replied, t);
    engine_front_handle(t->engine, t->x);
}

static void add_field(struct trip *t, str name, str value)
{
    if (t->request.fields.count < FIELDS_MAX)
        t->fields[t->request.fields.count++] =
            (struct http_field){arena_str(&t->arena, name), arena_str(&t->arena, value)};
}

static bool is_ours(str name, const struct http_field *made, size_t count)
{
    static const char *const framing[] = {"Host",       "Content-Length", "Transfer-Encoding",
                                          "Connection", "Expect",         "Content-Type"};
    for (size_t i = 0; i < ARRAY_LEN(framing); i++)
        if (str_eq_nocase(name, str_from_cstr(framing[i])))
            return true;
    for (size_t i = 0; i < count; i++)
        if (str_eq_nocase(name, made[i].name))
            return true;
    return false;
}

/* The sender's own fields first; of the given ones those that do not stand in their way. */
static enum err fill(struct trip *t, const struct source_config *s, const struct injection *in,
                     struct reason *why)
{
    char id[ID_TEXT_MAX];
    struct engine_core *core = engine_core(t->engine);
    struct http_field made[SIGN_FIELDS_MAX];
    size_t count = 0;
    str secret = s->verifier.secret_count ? s->verifier.secrets[0] : STR("");
    str base = s->verifier.public_url.n ? s->verifier.public_url : STR("http://localhost");
    struct http_field type = {STR("Content-Type"),
                              in->content_type.n ? in->content_type : STR("application/json")};
    struct signature_input input = {
        .method = STR("POST"),
        .url = arena_printf(&t->arena, STR_FMT STR_FMT, STR_ARG(base), STR_ARG(s->path)),
        .fields = {&type, 1},
        .id = id_format("msg", id_next(&core->ids), id),
        .event_type = in->event_type,
        .now_ms = t->request.received_ms,
        .body = t->request.body,
        .config_keys = s->verifier.config_keys,
        .config_values = s->verifier.config_values,
        .config_count = s->verifier.config_count};
    enum err err = sign_request(s->provider, secret, &input, &t->arena, made, &count, why);
    if (err != ERR_OK)
        return err;
    for (size_t i = 0; i < count; i++)
        add_field(t, made[i].name, made[i].value);
    add_field(t, type.name, type.value);
    for (size_t i = 0; i < in->field_count; i++)
        if (!is_ours(in->fields[i].name, made, count))
            add_field(t, in->fields[i].name, in->fields[i].value);
    return t->arena.failed ? fail(why, ERR_LIMIT, "the request is too large") : ERR_OK;
}

enum err engine_inject(struct engine *e, const struct injection *in, struct loop *home,
                       void (*done)(int status, str body, void *arg), void *arg, struct reason *why)
{
    struct config *c = engine_config(e);
    const struct source_config *s = map_get(&c->sources_by_name, in->source);
    enum err err = ERR_OK;
    if (!s)
        err = fail(why, ERR_NOT_FOUND, "there is no source \"" STR_FMT "\"", STR_ARG(in->source));
    else if (in->body.n > INJECT_BODY_MAX)
        err = fail(why, ERR_LIMIT, "a body has at most %u bytes", INJECT_BODY_MAX);
    if (err != ERR_OK) {
        config_unref(c);
        return err;
    }
    struct trip *t = xcalloc(1, sizeof(*t));
    *t = (struct trip){.engine = e, .home = home, .done = done, .arg = arg};
    arena_init(&t->arena, ARENA_MAX);
    buf_init(&t->answer, ANSWER_MAX);
    str path = arena_str(&t->arena, s->path);
    t->request = (struct http_request){.method = STR("POST"),
                                       .target = path,
                                       .path = path,
                                       .query = STR(""),
                                       .host = STR("localhost"),
                                       .peer = STR("127.0.0.1"),
                                       .body = arena_str(&t->arena, in->body),
                                       .arena = &t->arena,
                                       .received_ms = clock_wall_ms(engine_core(e)->clock),
                                       .received_mono_ns = clock_mono_ns(engine_core(e)->clock)};
    t->request.fields.v = t->fields;
    err = fill(t, s, in, why);
    config_unref(c);
    if (err != ERR_OK) {
        trip_free(t);
        return err;
    }
    t->msg.fn = begin;
    loop_post(engine_front_loop(e), &t->msg);
    return ERR_OK;
}
