/* destination_health.c -- GET /api/v1/destinations/{name}: how one is doing, of its own or an
 * endpoint of the sending side: its lane, how many wait and since when, and what went wrong of
 * late. */
#include "api/call.h"

#define WAITING_PAGES 10      /* of API_LIMIT_MAX deliveries that are counted at most */
#define RECENT_DELIVERIES 100 /* whose attempts are looked at for errors */
#define CAUSES_MAX 20

struct cause {
    char text[64];
    int64_t count, last_ms;
};

/* "timeout", "HTTP 503", else the attempt's own words. */
static void name_cause(const struct attempt *x, char out[64])
{
    if (x->status && str_eq(x->error_class, STR("http")))
        snprintf(out, 64, "HTTP %d", x->status);
    else if (x->error_class.n)
        snprintf(out, 64, STR_FMT, STR_ARG(x->error_class));
    else
        snprintf(out, 64, STR_FMT, STR_ARG(str_slice(x->summary, 0, 60)));
}

static void note(struct cause *v, size_t *count, const struct attempt *x)
{
    char text[64];
    size_t i = 0;
    name_cause(x, text);
    while (i < *count && strcmp(v[i].text, text) != 0)
        i++;
    if (i == CAUSES_MAX)
        return;
    if (i == *count) {
        memcpy(v[i].text, text, sizeof(text));
        (*count)++;
    }
    v[i].count++;
    if (x->started_ms > v[i].last_ms)
        v[i].last_ms = x->started_ms;
}

static enum err write_errors(struct api_call *c, struct delivery_filter f, struct reason *why)
{
    struct cause causes[CAUSES_MAX] = {{{0}, 0, 0}};
    size_t count = 0;
    struct delivery_list list = {0};
    struct arena a;
    char time[CLOCK_TEXT_MAX];
    f.limit = RECENT_DELIVERIES;
    arena_init(&a, 64u << 20);
    enum err err = store_deliveries(c->api->reader, &f, &a, &list, why);
    for (size_t i = 0; err == ERR_OK && i < list.count; i++) {
        struct attempt_list tries = {0};
        if (list.v[i].attempts)
            err = store_attempts(c->api->reader, list.v[i].id, &a, &tries, why);
        for (size_t k = 0; err == ERR_OK && k < tries.count; k++)
            if (tries.v[k].result != ATTEMPT_SUCCESS)
                note(causes, &count, &tries.v[k]);
    }
    json_key(&c->json, "errors");
    json_open(&c->json, '[');
    for (size_t i = 0; i < count; i++) {
        json_open(&c->json, '{');
        json_pair(&c->json, "cause", str_from_cstr(causes[i].text));
        json_pair_int(&c->json, "count", causes[i].count);
        json_pair(&c->json, "last", clock_format(causes[i].last_ms, time));
        json_close(&c->json, '}');
    }
    json_close(&c->json, ']');
    arena_release(&a);
    return err;
}

static enum err write_waiting(struct api_call *c, struct delivery_filter f, struct reason *why)
{
    int64_t count = 0, oldest_ms = 0;
    enum err err = ERR_OK;
    struct delivery_list list = {0};
    char time[CLOCK_TEXT_MAX];
    struct arena a;
    f.state = DELIVERY_PENDING;
    f.ascending = true;
    f.limit = API_LIMIT_MAX;
    arena_init(&a, 16u << 20);
    for (int page = 0; page < WAITING_PAGES && err == ERR_OK && (page == 0 || f.after); page++) {
        list = (struct delivery_list){0};
        arena_reset(&a);
        err = store_deliveries(c->api->reader, &f, &a, &list, why);
        if (err == ERR_OK && list.count && !oldest_ms)
            oldest_ms = list.v[0].created_ms;
        count += (int64_t)list.count;
        f.after = list.next;
    }
    arena_release(&a);
    json_pair_int(&c->json, "waiting", count);
    json_pair_bool(&c->json, "waiting_is_all", list.next == 0);
    json_pair(&c->json, "oldest_waiting", oldest_ms ? clock_format(oldest_ms, time) : STR_NONE);
    return err;
}

void api_destination_get(struct api_call *c)
{
    str name = router_param(&c->match, STR("name"));
    struct config *config = engine_config(c->api->options.engine);
    bool is_destination = map_get(&config->destinations_by_name, name) != NULL;
    struct gate *g = is_destination ? registry_gate(c->api->core->registry, name)
                                    : registry_find_gate(c->api->core->registry, name);
    config_unref(config);
    if (!g) {
        http_reply_error(c->x, 404, "not_found",
                         STR("There is no such destination, and nothing was sent to an endpoint "
                             "of this id."));
        return;
    }
    struct delivery_filter f = {.state = -1, .destination = name, .listed = g->is_endpoint};
    struct reason why = {0};
    json_open(&c->json, '{');
    json_pair(&c->json, "name", name);
    view_gate(&c->json, g);
    enum err err = write_waiting(c, f, &why);
    if (err == ERR_OK)
        err = write_errors(c, f, &why);
    json_close(&c->json, '}');
    if (err == ERR_OK)
        api_send(c, 200);
    else
        api_fail(c, err, &why);
}
