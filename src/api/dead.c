/* dead.c -- /api/v1/dead: dead letters by what they died of, and the way back for a whole group.
 * The cause is the reason without the count of attempts before it. */
#include "api/call.h"

#define SCAN_MAX 20000 /* dead letters looked at for one answer */
#define GROUPS_MAX 500

struct group {
    str destination, cause;
    uint64_t count, example;
    int64_t oldest_ms, newest_ms;
};

static str cause_of(str reason)
{
    if (str_starts(reason, STR("gave up after "))) {
        str rest = reason;
        str_cut(&rest, ':');
        if (rest.p)
            return str_trim(rest);
    }
    return reason;
}

static void add(struct map *groups, struct arena *a, const struct delivery *d)
{
    str cause = cause_of(d->reason);
    str key = arena_printf(a, STR_FMT "\n" STR_FMT, STR_ARG(d->destination), STR_ARG(cause));
    struct group *g = map_get(groups, key);
    if (!g) {
        if (groups->count == GROUPS_MAX || !(g = ARENA_NEW(a, struct group)))
            return;
        g->destination = arena_str(a, d->destination);
        g->cause = arena_str(a, cause);
        g->oldest_ms = INT64_MAX;
        g->example = d->event_id;
        map_put(groups, key, g);
    }
    g->count++;
    g->oldest_ms = d->settled_ms < g->oldest_ms ? d->settled_ms : g->oldest_ms;
    g->newest_ms = d->settled_ms > g->newest_ms ? d->settled_ms : g->newest_ms;
}

static void write_groups(struct json_writer *w, const struct map *groups, bool whole)
{
    struct map_entry e;
    char text[ID_TEXT_MAX], time[CLOCK_TEXT_MAX];
    json_open(w, '{');
    json_key(w, "groups");
    json_open(w, '[');
    for (size_t i = 0; map_next(groups, &i, &e);) {
        const struct group *g = e.value;
        json_open(w, '{');
        json_pair(w, "destination", g->destination);
        json_pair(w, "cause", g->cause);
        json_pair_int(w, "count", (int64_t)g->count);
        json_pair(w, "oldest", clock_format(g->oldest_ms, time));
        json_pair(w, "newest", clock_format(g->newest_ms, time));
        json_pair(w, "example", id_format("evt", g->example, text));
        json_close(w, '}');
    }
    json_close(w, ']');
    json_pair_bool(w, "whole", whole);
    json_close(w, '}');
}

void api_dead_groups(struct api_call *c)
{
    struct delivery_filter f;
    struct map groups = {0};
    struct arena kept, page;
    struct reason why = {0};
    enum err err = ERR_OK;
    if (!api_delivery_filter(c, &f))
        return;
    f.state = DELIVERY_DEAD;
    f.limit = API_LIMIT_MAX;
    arena_init(&kept, 16u << 20);
    arena_init(&page, 64u << 20);
    size_t looked = 0;
    do {
        struct delivery_list list = {0};
        arena_reset(&page);
        err = store_deliveries(c->api->reader, &f, &page, &list, &why);
        for (size_t i = 0; err == ERR_OK && i < list.count; i++)
            add(&groups, &kept, &list.v[i]);
        looked += list.count;
        f.before = list.next;
    } while (err == ERR_OK && f.before && looked < SCAN_MAX);
    if (err == ERR_OK) {
        write_groups(&c->json, &groups, f.before == 0);
        api_send(c, 200);
    } else {
        api_fail(c, err, &why);
    }
    map_release(&groups);
    arena_release(&page);
    arena_release(&kept);
}

void api_dead_replay(struct api_call *c)
{
    struct delivery_filter f;
    struct reason why = {0};
    uint64_t moved = 0;
    if (!api_delivery_filter(c, &f))
        return;
    f.state = DELIVERY_DEAD;
    f.cause = json_str(json_get(http_request_json(&c->x->req), STR("cause")));
    enum err err = store_move(c->api->core->store, STORE_REPLAY, &f,
                              clock_wall_ms(c->api->core->clock), &moved, &why);
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
