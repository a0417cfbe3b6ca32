/* ownership.c -- one question at most is under way; who comes meanwhile waits for its answer. */
#include "action/ownership.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/rand.h"

#define CHALLENGE_BYTES 16

const char *const ownership_words[] = {
#define X(name, word) (word),
    OWNERSHIP_KINDS(X)
#undef X
        NULL};

struct ownership {
    const struct ownership_config *config;
    struct http_client *client;
    struct http_access *access;
    struct http_call call;
    struct http_access_call way_in;
    bool asking, proved, freeing;
    char challenge[2 * CHALLENGE_BYTES + 1];
    struct list waiting;
    struct arena arena; /* of the question */
    struct http_field fields[2];
};

struct ownership *ownership_new(const struct ownership_config *c, const struct action_context *ctx,
                                struct http_access *access)
{
    if (c->kind == OWNERSHIP_NONE)
        return NULL;
    struct ownership *o = xcalloc(1, sizeof(*o));
    o->config = c;
    o->client = ctx->client;
    o->access = access;
    list_init(&o->waiting);
    arena_init(&o->arena, 1u << 20);
    return o;
}

void ownership_free(struct ownership *o)
{
    if (!o)
        return;
    assert(list_is_empty(&o->waiting));
    o->freeing = true;
    if (o->asking && !http_access_cancel(&o->way_in))
        http_client_cancel(o->client, &o->call);
    arena_release(&o->arena);
    free(o);
}

void ownership_forget(struct ownership_wait *w)
{
    list_remove(&w->link);
}

static void tell(struct ownership *o, str problem)
{
    struct list batch, *node;
    list_init(&batch);
    list_append_all(&batch, &o->waiting);
    while ((node = list_pop(&batch)) != NULL) {
        struct ownership_wait *w = CONTAINER_OF(node, struct ownership_wait, link);
        w->done(w, problem);
    }
}

/* Names of origins are compared as DNS names are. */
static bool allows_us(const struct ownership *o, const struct http_answer *answer)
{
    str allowed = str_trim(http_field_get(&answer->fields, STR("WebHook-Allowed-Origin")));
    return str_eq(allowed, STR("*")) ||
           (allowed.n > 0 && str_eq_nocase(allowed, o->config->origin));
}

static bool is_proof(const struct ownership *o, const struct http_answer *answer)
{
    if (answer->status / 100 != 2)
        return false;
    if (o->config->kind == OWNERSHIP_CLOUDEVENTS)
        return allows_us(o, answer);
    return str_eq(str_trim(answer->body), str_from_cstr(o->challenge));
}

static void answered(struct http_call *call, const struct http_answer *answer)
{
    struct ownership *o = CONTAINER_OF(call, struct ownership, call);
    char text[400];
    o->asking = false;
    if (o->freeing)
        return;
    if (answer->class == HTTP_CALL_OK && is_proof(o, answer)) {
        o->proved = true;
        tell(o, STR(""));
        return;
    }
    const char *question =
        o->config->kind == OWNERSHIP_CLOUDEVENTS ? "the OPTIONS handshake" : "the challenge";
    if (answer->class == HTTP_CALL_OK)
        (void)snprintf(
            text, sizeof(text),
            "the endpoint has not said that it wants messages: %s was answered with HTTP %d%s",
            question, answer->status,
            answer->status / 100 == 2 ? ", but not with what proves it" : "");
    else
        (void)snprintf(text, sizeof(text),
                       "the endpoint has not said that it wants messages: %s was not answered: %s",
                       question, answer->error);
    tell(o, str_from_cstr(text));
}

static void no_way_in(struct http_access_call *way_in, str problem)
{
    struct ownership *o = CONTAINER_OF(way_in, struct ownership, way_in);
    o->asking = false;
    tell(o, problem);
}

static void ask(struct ownership *o)
{
    const struct ownership_config *c = o->config;
    bool by_options = c->kind == OWNERSHIP_CLOUDEVENTS;
    uint8_t bytes[CHALLENGE_BYTES];
    arena_reset(&o->arena);
    rand_bytes(bytes, sizeof(bytes));
    hex_encode(bytes, sizeof(bytes), o->challenge);
    o->challenge[2 * CHALLENGE_BYTES] = '\0';
    bool has_query = str_find(c->url, '?') < c->url.n;
    o->fields[0] = (struct http_field){STR("WebHook-Request-Origin"), c->origin};
    o->call = (struct http_call){
        .method = by_options ? STR("OPTIONS") : STR("GET"),
        .url = by_options ? c->url
                          : arena_printf(&o->arena, STR_FMT "%cchallenge=%s", STR_ARG(c->url),
                                         has_query ? '&' : '?', o->challenge),
        .fields = o->fields,
        .field_count = 1,
        .policy = c->policy,
        .timeout_ms = c->timeout_ms,
        .done = answered};
    o->way_in = (struct http_access_call){
        .call = &o->call, .fields = o->fields, .arena = &o->arena, .failed = no_way_in};
    o->asking = true;
    if (o->access)
        http_access_start(o->access, &o->way_in);
    else
        http_client_start(o->client, &o->call);
}

void ownership_ask(struct ownership *o, struct ownership_wait *w)
{
    list_init(&w->link);
    if (o->proved) {
        w->done(w, STR(""));
        return;
    }
    list_push(&o->waiting, &w->link);
    if (!o->asking)
        ask(o);
}
