/* One blocking call on a loop of its own, for the command line: the same client with the same
 * checks, run until the call is done. Also streams a body of any length to a callback. */
#include "http/client_impl.h"

struct fetch {
    struct http_call call;
    struct loop *loop;
    struct arena *arena;
    struct http_answer *answer;
};

/* The same slice of a text that was copied. */
static str moved(str s, str from, str to)
{
    return str_of(to.p + (s.p - from.p), s.n);
}

static void on_fetched(struct http_call *call, const struct http_answer *answer)
{
    struct fetch *f = CONTAINER_OF(call, struct fetch, call);
    struct http_answer *out = f->answer;
    *out = *answer;
    out->head = arena_str(f->arena, answer->head);
    out->body = arena_str(f->arena, answer->body);
    out->fields.v = ARENA_ARRAY(f->arena, struct http_field, answer->fields.count);
    for (size_t i = 0; arena_ok(f->arena) && i < answer->fields.count; i++) {
        const struct http_field *from = &answer->fields.v[i];
        out->fields.v[i].name = moved(from->name, answer->head, out->head);
        out->fields.v[i].value = moved(from->value, answer->head, out->head);
    }
    loop_stop(f->loop);
}

static enum err fetch_error(enum http_call_class class)
{
    switch (class) {
    case HTTP_CALL_OK:
        return ERR_OK;
    case HTTP_CALL_TIMEOUT:
        return ERR_TIMEOUT;
    case HTTP_CALL_BLOCKED:
        return ERR_DENIED;
    case HTTP_CALL_INVALID:
        return ERR_INVALID;
    case HTTP_CALL_RESET:
    case HTTP_CALL_CANCELLED:
        return ERR_CLOSED;
    default:
        return ERR_IO;
    }
}

enum err http_fetch(const char *unix_socket, struct http_call *call,
                    void (*on_bytes)(str bytes, void *arg), void *arg, struct http_answer *answer,
                    struct arena *a, struct reason *why)
{
    struct fetch_extra extra = {unix_socket, on_bytes, arg};
    struct fetch f = {.call = *call, .arena = a, .answer = answer};
    f.call.done = on_fetched;
    f.loop = loop_new(clock_real());
    struct http_client_options options = {.max_in_flight = 1};
    struct http_client *c = http_client_new(f.loop, &options);
    c->extra = &extra;
    http_client_start(c, &f.call);
    loop_run(f.loop);
    http_client_free(c);
    loop_free(f.loop);
    if (!arena_ok(a))
        return fail(why, ERR_LIMIT, "the answer is larger than expected");
    if (answer->class != HTTP_CALL_OK)
        return fail(why, fetch_error(answer->class), "%s", answer->error);
    return ERR_OK;
}
