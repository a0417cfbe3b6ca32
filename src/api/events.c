/* events.c -- /api/v1/events and /api/v1/rejections. */
#include "api/call.h"

#define DELIVERIES_SHOWN_MAX 200

void api_events_list(struct api_call *c)
{
    struct event_filter f;
    struct event_list list = {0};
    struct reason why = {0};
    if (!api_event_filter(c, &f))
        return;
    enum err err = store_events(c->api->reader, &f, c->x->arena, &list, &why);
    if (err != ERR_OK) {
        api_fail(c, err, &why);
        return;
    }
    json_open(&c->json, '{');
    json_key(&c->json, "events");
    json_open(&c->json, '[');
    for (size_t i = 0; i < list.count; i++)
        view_event(&c->json, &list.v[i]);
    json_close(&c->json, ']');
    view_cursor(&c->json, list.next);
    json_close(&c->json, '}');
    api_send(c, 200);
}

/* An event's own arena: a body may be larger than an exchange's arena allows. */
static bool load_event(struct api_call *c, struct arena *a, struct event *e)
{
    uint64_t id;
    struct reason why = {0};
    arena_init(a, 64u << 20);
    if (!api_id(c, "id", "evt", &id))
        return false;
    enum err err = store_load(c->api->reader, id, 0, a, e, &why);
    if (err == ERR_OK)
        return true;
    api_fail(c, err, &why);
    return false;
}

static bool write_deliveries(struct api_call *c, struct arena *a, uint64_t event_id)
{
    struct delivery_filter f = {.event_id = event_id, .state = -1, .limit = DELIVERIES_SHOWN_MAX};
    struct delivery_list list = {0};
    struct reason why = {0};
    enum err err = store_deliveries(c->api->reader, &f, a, &list, &why);
    json_key(&c->json, "deliveries");
    json_open(&c->json, '[');
    for (size_t i = 0; err == ERR_OK && i < list.count; i++) {
        struct attempt_list attempts = {0};
        err = store_attempts(c->api->reader, list.v[i].id, a, &attempts, &why);
        json_open(&c->json, '{');
        view_delivery(&c->json, &list.v[i]);
        json_key(&c->json, "log");
        json_open(&c->json, '[');
        for (size_t k = 0; k < attempts.count; k++)
            view_attempt(&c->json, &attempts.v[k]);
        json_close(&c->json, ']');
        json_close(&c->json, '}');
    }
    json_close(&c->json, ']');
    if (err != ERR_OK)
        api_fail(c, err, &why);
    return err == ERR_OK;
}

void api_event_get(struct api_call *c)
{
    struct arena a;
    struct event e;
    if (load_event(c, &a, &e)) {
        json_open(&c->json, '{');
        view_event_detail(&c->json, &e);
        bool ok = write_deliveries(c, &a, e.id);
        json_close(&c->json, '}');
        if (ok)
            api_send(c, 200);
    }
    arena_release(&a);
}

void api_event_body(struct api_call *c)
{
    struct arena a;
    struct event e;
    if (load_event(c, &a, &e)) {
        /* Never the sender's type: nothing of an outsider is to be rendered by a browser. */
        struct http_field fields[] = {
            {STR("Content-Type"), STR("application/octet-stream")},
            {STR("X-Content-Type-Options"), STR("nosniff")},
            {STR("Content-Disposition"), STR("attachment; filename=\"body\"")}};
        http_reply(c->x, 200, fields, ARRAY_LEN(fields), e.body);
    }
    arena_release(&a);
}

static void replay_to(struct api_call *c, uint64_t event_id, str destination)
{
    struct reason why = {0};
    uint64_t id = 0;
    char text[ID_TEXT_MAX];
    enum err err = engine_replay_to(c->api->options.engine, event_id, destination, &id, &why);
    if (err != ERR_OK) {
        api_fail(c, err, &why);
        return;
    }
    json_open(&c->json, '{');
    json_pair_int(&c->json, "replayed", 1);
    json_pair(&c->json, "delivery_id", id_format("dlv", id, text));
    json_close(&c->json, '}');
    api_send(c, 202);
}

void api_event_replay(struct api_call *c)
{
    uint64_t id, moved = 0;
    struct reason why = {0};
    if (!api_id(c, "id", "evt", &id) || !api_body(c))
        return;
    str to = json_str(json_get(http_request_json(&c->x->req), STR("destination")));
    if (to.n) {
        replay_to(c, id, to);
        return;
    }
    struct delivery_filter f = {.event_id = id, .state = -1};
    enum err err = store_move(c->api->core->store, STORE_REPLAY, &f,
                              clock_wall_ms(c->api->core->clock), &moved, &why);
    if (err == ERR_OK && moved == 0)
        err = fail(&why, ERR_CONFLICT,
                   "no delivery of this event can be replayed: there is none, or all of them are "
                   "still pending; name a destination to make a new one");
    if (err != ERR_OK) {
        api_fail(c, err, &why);
        return;
    }
    engine_nudge(c->api->options.engine);
    json_open(&c->json, '{');
    json_pair_int(&c->json, "replayed", (int64_t)moved);
    json_close(&c->json, '}');
    api_send(c, 202);
}

/* Every event the filter selects gets a delivery to the named destination. */
static uint64_t replay_all_to(struct api_call *c, struct event_filter *f, str to, bool dry_run,
                              enum err *err, struct reason *why)
{
    uint64_t count = 0, id;
    struct arena page;
    f->limit = API_LIMIT_MAX;
    arena_init(&page, 64u << 20);
    do {
        struct event_list list = {0};
        arena_reset(&page);
        *err = store_events(c->api->reader, f, &page, &list, why);
        for (size_t i = 0; *err == ERR_OK && i < list.count; i++) {
            if (!dry_run)
                *err = engine_replay_to(c->api->options.engine, list.v[i].event.id, to, &id, why);
            count += *err == ERR_OK;
        }
        f->before = list.next;
    } while (*err == ERR_OK && f->before != 0);
    arena_release(&page);
    return count;
}

void api_events_replay(struct api_call *c)
{
    struct event_filter f;
    struct reason why = {0};
    enum err err = ERR_OK;
    if (!api_event_filter(c, &f))
        return;
    const struct json *body = http_request_json(&c->x->req);
    str to = json_str(json_get(body, STR("to")));
    bool dry_run = json_bool(json_get(body, STR("dry_run")));
    if (to.n == 0) {
        api_bad(c, "bad_parameter",
                "\"to\" must name a destination; to repeat existing deliveries use "
                "POST /api/v1/deliveries/replay");
        return;
    }
    uint64_t count = replay_all_to(c, &f, to, dry_run, &err, &why);
    if (err != ERR_OK) {
        api_fail(c, err, &why);
        return;
    }
    json_open(&c->json, '{');
    json_pair_int(&c->json, "replayed", (int64_t)count);
    json_pair_bool(&c->json, "dry_run", dry_run);
    json_close(&c->json, '}');
    api_send(c, dry_run ? 200 : 202);
}

void api_rejections_list(struct api_call *c)
{
    struct event_filter f; /* for its page */
    struct rejection_list list = {0};
    struct reason why = {0};
    if (!api_event_filter(c, &f))
        return;
    struct arena a;
    arena_init(&a, 64u << 20);
    enum err err = store_rejections(c->api->reader, f.before, f.limit, &a, &list, &why);
    if (err == ERR_OK) {
        json_open(&c->json, '{');
        json_key(&c->json, "rejections");
        json_open(&c->json, '[');
        for (size_t i = 0; i < list.count; i++)
            view_rejection(&c->json, &list.v[i]);
        json_close(&c->json, ']');
        view_cursor(&c->json, list.next);
        json_close(&c->json, '}');
        api_send(c, 200);
    } else {
        api_fail(c, err, &why);
    }
    arena_release(&a);
}
