/* filter.c -- the one filter syntax: query parameters of a GET, members of a POST's JSON body. */
#include "api/call.h"

static str param(struct api_call *c, const char *name)
{
    str key = str_from_cstr(name);
    if (str_eq(c->x->req.method, STR("POST")) && c->x->req.body.n)
        return json_text(c->x->arena, json_get(http_request_json(&c->x->req), key));
    str value = http_request_query(&c->x->req, key);
    return value.p ? value : STR("");
}

/* "2026-11-23T20:00:00Z", or an age: "2h" is two hours ago. */
static bool read_time(struct api_call *c, const char *name, int64_t *ms)
{
    str text = param(c, name);
    int64_t age_ms;
    if (text.n == 0 || clock_parse(text, ms))
        return true;
    if (clock_duration_parse(text, &age_ms)) {
        *ms = clock_wall_ms(c->api->core->clock) - age_ms;
        return true;
    }
    api_bad(c, "bad_parameter", "%s must be an RFC 3339 time or an age like 30m, 2h, 7d", name);
    return false;
}

static bool read_state(struct api_call *c, int *state)
{
    str text = param(c, "state");
    enum delivery_state s;
    *state = -1;
    if (text.n == 0)
        return true;
    if (!delivery_state_parse(text, &s)) {
        api_bad(c, "bad_parameter",
                "state must be pending, claimed, delivered, dead, skipped or cancelled");
        return false;
    }
    *state = (int)s;
    return true;
}

static bool read_page(struct api_call *c, uint64_t *before, size_t *limit)
{
    str cursor = param(c, "cursor"), text = param(c, "limit");
    uint64_t n = API_LIMIT_DEFAULT;
    if (cursor.n && !id_parse("evt", cursor, before)) {
        api_bad(c, "bad_parameter", "cursor must be a next_cursor of an earlier answer");
        return false;
    }
    if (text.n && (!str_to_u64(text, &n) || n < 1 || n > API_LIMIT_MAX)) {
        api_bad(c, "bad_parameter", "limit must be a number from 1 to %d", API_LIMIT_MAX);
        return false;
    }
    *limit = (size_t)n;
    return true;
}

bool api_body(struct api_call *c)
{
    if (!str_eq(c->x->req.method, STR("POST")) || c->x->req.body.n == 0)
        return true;
    const struct json *body = http_request_json(&c->x->req);
    if (body && json_kind_of(body) == JSON_OBJECT)
        return true;
    api_bad(c, "bad_json", "the body must be a JSON object");
    return false;
}

bool api_event_filter(struct api_call *c, struct event_filter *f)
{
    *f = (struct event_filter){0};
    if (!api_body(c))
        return false;
    f->source = param(c, "source");
    f->type = param(c, "type");
    f->text = param(c, "text");
    f->destination = param(c, "destination");
    return read_time(c, "since", &f->since_ms) && read_time(c, "until", &f->until_ms) &&
           read_state(c, &f->state) && read_page(c, &f->before, &f->limit);
}

bool api_delivery_filter(struct api_call *c, struct delivery_filter *f)
{
    *f = (struct delivery_filter){0};
    if (!api_body(c))
        return false;
    str event = param(c, "event_id");
    if (event.n && (!id_parse("evt", event, &f->event_id) || f->event_id == 0)) {
        api_bad(c, "bad_parameter", "event_id must look like evt_...");
        return false;
    }
    f->source = param(c, "source");
    f->type = param(c, "type");
    f->destination = param(c, "destination");
    return read_time(c, "since", &f->since_ms) && read_time(c, "until", &f->until_ms) &&
           read_state(c, &f->state) && read_page(c, &f->before, &f->limit);
}
