/* event_refs.c -- references into one event, resolved by name. */
#include "action/event_refs.h"

#include "base/id.h"
#include "action/event_text.h"

#include <inttypes.h>

enum reference_name {
    BODY_PATH,
    HEADER,
    QUERY,
    TYPE,
    EVENT,
    DELIVERY,
    ATTEMPT,
    SOURCE,
    TO,
    AT,
    BODY,
    TRACEPARENT,
    TRACESTATE
};

static const char *const names[] = {
    [BODY_PATH] = ".",           [HEADER] = "header",  [QUERY] = "query",
    [TYPE] = "event_type",       [EVENT] = "event_id", [DELIVERY] = "delivery_id",
    [ATTEMPT] = "attempt",       [SOURCE] = "source",  [TO] = "destination",
    [AT] = "received",           [BODY] = "body",      [TRACEPARENT] = "traceparent",
    [TRACESTATE] = "tracestate",
};

static size_t find(str name)
{
    size_t i = 0;
    while (i < ARRAY_LEN(names) && !str_eq(name, str_from_cstr(names[i])))
        i++;
    return i;
}

bool event_ref_is_known(str name)
{
    return find(name) < ARRAY_LEN(names);
}

enum err event_ref_check(const struct template_part *ref, struct reason *why)
{
    size_t i = find(ref->text);
    if (i == ARRAY_LEN(names))
        return fail(why, ERR_INVALID, "unknown reference {{ " STR_FMT " }}; known here: %s, body",
                    STR_ARG(ref->text), EVENT_REFS_TEXT);
    if ((i == HEADER || i == QUERY) && !ref->arg.p)
        return fail(why, ERR_INVALID, "{{ %s }} needs a name: {{ %s:NAME }}", names[i], names[i]);
    if (i > QUERY && ref->arg.p)
        return fail(why, ERR_INVALID, "{{ %s }} takes no name after a colon", names[i]);
    return ERR_OK;
}

const struct json *event_refs_json(struct event_refs *r)
{
    if (!r->tried)
        r->doc = json_parse(r->task->event->body, NULL);
    r->tried = true;
    return json_root(r->doc);
}

static str body_value(struct event_refs *r, struct arena *a, str path)
{
    const struct json *root = event_refs_json(r);
    const struct json *v = path.p ? json_path(root, path) : root;
    return v ? json_text(a, v) : STR_NONE;
}

str event_ref_resolve(const struct template_part *ref, struct event_refs *r, struct arena *a)
{
    const struct event *e = r->task->event;
    const struct delivery *d = r->task->delivery;
    char room[CLOCK_TEXT_MAX > ID_TEXT_MAX ? CLOCK_TEXT_MAX : ID_TEXT_MAX];
    switch (find(ref->text)) {
    case BODY_PATH:
        return body_value(r, a, ref->arg);
    case HEADER:
        return event_field(e, ref->arg);
    case QUERY:
        return event_query(e, a, ref->arg);
    case TYPE:
        return e->type.p ? e->type : STR("");
    case EVENT:
        return arena_str(a, id_format("evt", e->id, room));
    case DELIVERY:
        return arena_str(a, id_format("dlv", d->id, room));
    case ATTEMPT:
        return arena_printf(a, "%" PRIu32, d->attempts + 1);
    case SOURCE:
        return e->source;
    case TO:
        return d->destination.p ? d->destination : STR("");
    case AT:
        return arena_str(a, clock_format(e->received_ms, room));
    case BODY:
        return e->body.p ? e->body : STR("");
    case TRACEPARENT:
        return r->task->traceparent.p ? r->task->traceparent : STR("");
    case TRACESTATE:
        return r->task->tracestate.p ? r->task->tracestate : STR("");
    default:
        return STR_NONE;
    }
}

void event_refs_release(struct event_refs *r)
{
    json_doc_free(r->doc);
    *r = (struct event_refs){0};
}
