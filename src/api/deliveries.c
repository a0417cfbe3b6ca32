/* deliveries.c -- /api/v1/deliveries: list, one with its attempts, replay and cancel of one or of
 * all that a filter selects. */
#include "api/call.h"

void api_deliveries_list(struct api_call *c)
{
    struct delivery_filter f;
    struct delivery_list list = {0};
    struct reason why = {0};
    if (!api_delivery_filter(c, &f))
        return;
    enum err err = store_deliveries(c->api->reader, &f, c->x->arena, &list, &why);
    if (err != ERR_OK) {
        api_fail(c, err, &why);
        return;
    }
    json_open(&c->json, '{');
    json_key(&c->json, "deliveries");
    json_open(&c->json, '[');
    for (size_t i = 0; i < list.count; i++) {
        json_open(&c->json, '{');
        view_delivery(&c->json, &list.v[i]);
        json_close(&c->json, '}');
    }
    json_close(&c->json, ']');
    view_cursor(&c->json, list.next);
    json_close(&c->json, '}');
    api_send(c, 200);
}

/* Ids are unique: the page that ends just above this id begins with it, if it is there. */
static bool find_delivery(struct api_call *c, struct arena *a, struct delivery *out)
{
    uint64_t id;
    struct reason why = {0};
    struct delivery_list list = {0};
    if (!api_id(c, "id", "dlv", &id))
        return false;
    struct delivery_filter f = {.state = -1, .before = id + 1, .limit = 1};
    enum err err = store_deliveries(c->api->reader, &f, a, &list, &why);
    if (err == ERR_OK && (list.count == 0 || list.v[0].id != id))
        err = fail(&why, ERR_NOT_FOUND, "there is no delivery with this id");
    if (err != ERR_OK) {
        api_fail(c, err, &why);
        return false;
    }
    *out = list.v[0];
    return true;
}

void api_delivery_get(struct api_call *c)
{
    struct arena a;
    struct delivery d;
    struct attempt_list attempts = {0};
    struct reason why = {0};
    arena_init(&a, 64u << 20);
    if (find_delivery(c, &a, &d)) {
        enum err err = store_attempts(c->api->reader, d.id, &a, &attempts, &why);
        if (err != ERR_OK) {
            api_fail(c, err, &why);
        } else {
            json_open(&c->json, '{');
            view_delivery(&c->json, &d);
            json_key(&c->json, "log");
            json_open(&c->json, '[');
            for (size_t i = 0; i < attempts.count; i++)
                view_attempt(&c->json, &attempts.v[i]);
            json_close(&c->json, ']');
            json_close(&c->json, '}');
            api_send(c, 200);
        }
    }
    arena_release(&a);
}

static void answer_moved(struct api_call *c, const char *word, uint64_t moved)
{
    json_open(&c->json, '{');
    json_pair_int(&c->json, word, (int64_t)moved);
    json_close(&c->json, '}');
    api_send(c, 202);
}

static void move(struct api_call *c, enum store_move how, const struct delivery_filter *f,
                 bool must_move)
{
    struct reason why = {0};
    uint64_t moved = 0;
    enum err err =
        store_move(c->api->core->store, how, f, clock_wall_ms(c->api->core->clock), &moved, &why);
    if (err == ERR_OK && must_move && moved == 0)
        err = fail(&why, ERR_CONFLICT, "the delivery's present state does not allow it: %s",
                   how == STORE_REPLAY ? "only one that has ended can be replayed"
                                       : "only a pending one can be cancelled");
    if (err != ERR_OK) {
        api_fail(c, err, &why);
        return;
    }
    if (how == STORE_REPLAY)
        engine_nudge(c->api->options.engine);
    answer_moved(c, how == STORE_REPLAY ? "replayed" : "cancelled", moved);
}

static void move_one(struct api_call *c, enum store_move how)
{
    struct arena a;
    struct delivery d;
    arena_init(&a, 1u << 20);
    if (find_delivery(c, &a, &d)) {
        struct delivery_filter f = {.id = d.id, .event_id = d.event_id, .state = -1};
        move(c, how, &f, true);
    }
    arena_release(&a);
}

void api_delivery_replay(struct api_call *c)
{
    move_one(c, STORE_REPLAY);
}

void api_delivery_cancel(struct api_call *c)
{
    move_one(c, STORE_CANCEL);
}

static uint64_t count_selected(struct api_call *c, struct delivery_filter f, enum err *err,
                               struct reason *why)
{
    uint64_t count = 0;
    struct arena page;
    f.limit = API_LIMIT_MAX;
    f.before = 0;
    arena_init(&page, 16u << 20);
    do {
        struct delivery_list list = {0};
        arena_reset(&page);
        *err = store_deliveries(c->api->reader, &f, &page, &list, why);
        count += list.count;
        f.before = list.next;
    } while (*err == ERR_OK && f.before != 0);
    arena_release(&page);
    return count;
}

static void move_all(struct api_call *c, enum store_move how)
{
    struct delivery_filter f;
    struct reason why = {0};
    enum err err = ERR_OK;
    if (!api_delivery_filter(c, &f))
        return;
    if (f.state < 0)
        f.state = how == STORE_REPLAY ? DELIVERY_DEAD : DELIVERY_PENDING;
    if (!json_bool(json_get(http_request_json(&c->x->req), STR("dry_run")))) {
        move(c, how, &f, false);
        return;
    }
    uint64_t count = count_selected(c, f, &err, &why);
    if (err != ERR_OK) {
        api_fail(c, err, &why);
        return;
    }
    json_open(&c->json, '{');
    json_pair_int(&c->json, how == STORE_REPLAY ? "replayed" : "cancelled", (int64_t)count);
    json_pair_bool(&c->json, "dry_run", true);
    json_close(&c->json, '}');
    api_send(c, 200);
}

void api_deliveries_replay(struct api_call *c)
{
    move_all(c, STORE_REPLAY);
}

void api_deliveries_cancel(struct api_call *c)
{
    move_all(c, STORE_CANCEL);
}
