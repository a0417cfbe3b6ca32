/* arrived.c -- what is kept of a request. */
#include "engine/arrived.h"

#define CLOUDEVENT_KEY_MAX 512
#define CLOUDEVENT_TYPE_MAX 128

/* Headers as stored lines. Values that are credentials themselves are not kept. */
static str head_lines(struct http_request *req, const struct verifier *verifier)
{
    size_t n = 0;
    for (size_t i = 0; i < req->fields.count; i++)
        n += req->fields.v[i].name.n + req->fields.v[i].value.n + 16; /* and "[redacted]" */
    char *out = arena_alloc(req->arena, n + 1), *at = out;
    if (!out)
        return STR("");
    for (size_t i = 0; i < req->fields.count; i++) {
        str name = req->fields.v[i].name, value = req->fields.v[i].value;
        if (str_eq_nocase(name, STR("Authorization")) || str_eq_nocase(name, STR("Cookie")) ||
            str_eq_nocase(name, STR("Proxy-Authorization")) || verifier_hides(verifier, name))
            value = STR("[redacted]");
        memcpy(at, name.p, name.n);
        at += name.n;
        *at++ = ':';
        *at++ = ' ';
        memcpy(at, value.p, value.n);
        at += value.n;
        *at++ = '\r';
        *at++ = '\n';
    }
    return str_of(out, (size_t)(at - out));
}

void arrived_event(struct engine_core *core, struct event *e, struct http_request *req,
                   const struct source_config *s, const struct verifier *verifier,
                   const struct verdict *v)
{
    str target = verifier_shown_target(verifier, req->arena, req->target);
    *e = (struct event){
        .id = id_next(&core->ids),
        .received_ms = req->received_ms,
        .source = s->name,
        .provider = provider_id(s->provider),
        .type = v->event_type.p ? v->event_type : STR(""),
        .dedupe_key = v->delivery_id.p ? v->delivery_id : STR(""),
        .verdict = str_from_cstr(verdict_word(v->code)),
        .verdict_text = arena_str(req->arena, str_from_cstr(v->text)),
        .method = req->method,
        .target = target.p ? target : STR(""),
        .peer = req->peer,
        .head = head_lines(req, verifier),
        .body = req->body,
        .trace = STR(""),
    };
    str_fingerprint(req->body, e->body_hash);
}

void arrived_name(struct verdict *v, struct arena *a, const struct cloudevent *ce)
{
    /* A source is a URI, so the first blank is where the id begins. */
    if (!v->delivery_id.p && ce->source.n + ce->id.n < CLOUDEVENT_KEY_MAX)
        v->delivery_id = arena_printf(a, STR_FMT " " STR_FMT, STR_ARG(ce->source), STR_ARG(ce->id));
    if (!v->event_type.p && ce->type.n <= CLOUDEVENT_TYPE_MAX)
        v->event_type = ce->type;
}
