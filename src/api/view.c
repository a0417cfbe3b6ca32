/* view.c -- rows as JSON, the same shape wherever they appear. */
#include "api/call.h"

#include "base/codec.h"

static void pair_id(struct json_writer *w, const char *key, const char *prefix, uint64_t id)
{
    char text[ID_TEXT_MAX];
    json_pair(w, key, id ? id_format(prefix, id, text) : STR_NONE);
}

static void pair_time(struct json_writer *w, const char *key, int64_t ms)
{
    char text[CLOCK_TEXT_MAX];
    json_pair(w, key, ms > 0 ? clock_format(ms, text) : STR_NONE);
}

/* Bytes as text where they are text, else as base64 under another key. */
static void pair_bytes(struct json_writer *w, const char *key, const char *key_base64, str bytes)
{
    if (utf8_valid(bytes)) {
        json_pair(w, key, bytes.p ? bytes : STR(""));
        return;
    }
    char *text = xmalloc(BASE64_LEN(bytes.n) + 1);
    size_t n = base64_encode(bytes.p, bytes.n, text);
    json_pair(w, key_base64, str_of(text, n));
    free(text);
}

static void event_members(struct json_writer *w, const struct event *e)
{
    pair_id(w, "id", "evt", e->id);
    pair_time(w, "received", e->received_ms);
    json_pair(w, "source", e->source);
    json_pair(w, "provider", e->provider);
    json_pair(w, "type", e->type);
    json_pair(w, "delivery_key", e->dedupe_key);
    json_pair(w, "verdict", e->verdict);
    json_pair(w, "verdict_text", e->verdict_text);
    json_pair(w, "method", e->method);
    json_pair(w, "target", e->target);
    json_pair(w, "peer", e->peer);
    json_pair_bool(w, "id_reused", (e->flags & EVENT_ID_REUSED) != 0);
}

void view_event(struct json_writer *w, const struct event_row *row)
{
    json_open(w, '{');
    event_members(w, &row->event);
    json_pair_int(w, "body_bytes", (int64_t)row->body_bytes);
    json_key(w, "deliveries");
    json_open(w, '{');
    for (int s = 0; s < DELIVERY_STATE_COUNT; s++)
        if (row->by_state[s])
            json_pair_int(w, delivery_state_word((enum delivery_state)s), row->by_state[s]);
    json_close(w, '}');
    json_close(w, '}');
}

static void view_headers(struct json_writer *w, str head)
{
    json_key(w, "headers");
    json_open(w, '[');
    while (head.p && head.n) {
        str line = str_cut(&head, '\n');
        str value = str_trim(line);
        str name = str_cut(&value, ':');
        if (name.n == 0)
            continue;
        json_open(w, '{');
        json_pair(w, "name", name);
        json_pair(w, "value", value.p ? str_trim(value) : STR(""));
        json_close(w, '}');
    }
    json_close(w, ']');
}

void view_trace(struct json_writer *w, str trace)
{
    json_key(w, "trace");
    json_open(w, '[');
    while (trace.p && trace.n) {
        str line = str_cut(&trace, '\n');
        if (line.n)
            json_string(w, line);
    }
    json_close(w, ']');
}

void view_event_detail(struct json_writer *w, const struct event *e)
{
    event_members(w, e);
    json_pair_int(w, "body_bytes", (int64_t)e->body.n);
    view_headers(w, e->head);
    pair_bytes(w, "body", "body_base64", e->body);
    view_trace(w, e->trace);
}

void view_delivery(struct json_writer *w, const struct delivery *d)
{
    pair_id(w, "id", "dlv", d->id);
    pair_id(w, "event_id", "evt", d->event_id);
    json_pair(w, "destination", d->destination);
    json_pair(w, "route", d->route);
    json_pair(w, "state", str_from_cstr(delivery_state_word(d->state)));
    json_pair(w, "reason", d->reason);
    json_pair_int(w, "attempts", d->attempts);
    pair_time(w, "created", d->created_ms);
    pair_time(w, "next", d->state == DELIVERY_PENDING ? d->next_ms : 0);
    pair_time(w, "settled", d->settled_ms);
}

void view_attempt(struct json_writer *w, const struct attempt *a)
{
    json_open(w, '{');
    json_pair_int(w, "number", a->number);
    json_pair(w, "result", str_from_cstr(attempt_result_word(a->result)));
    pair_time(w, "started", a->started_ms);
    json_pair_int(w, "duration_us", a->duration_us);
    json_pair_int(w, "status", a->status);
    json_pair(w, "error_class", a->error_class);
    json_pair(w, "summary", a->summary);
    pair_bytes(w, "request", "request_base64", a->request);
    pair_bytes(w, "response", "response_base64", a->response);
    if (a->timing.n) {
        json_key(w, "timing");
        json_raw(w, a->timing);
    }
    json_close(w, '}');
}

void view_rejection(struct json_writer *w, const struct rejection *r)
{
    json_open(w, '{');
    pair_id(w, "id", "evt", r->id);
    pair_time(w, "received", r->received_ms);
    json_pair(w, "source", r->source);
    json_pair(w, "verdict", r->verdict);
    json_pair(w, "verdict_text", r->verdict_text);
    json_pair(w, "method", r->method);
    json_pair(w, "target", r->target);
    json_pair(w, "peer", r->peer);
    view_headers(w, r->head);
    pair_bytes(w, "body", "body_base64", r->body);
    json_close(w, '}');
}

void view_cursor(struct json_writer *w, uint64_t next)
{
    pair_id(w, "next_cursor", "evt", next);
}
