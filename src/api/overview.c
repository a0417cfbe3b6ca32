/* overview.c -- what is configured and how it is doing: sources, destinations, routes, status. */
#include "api/call.h"

#include "engine/definitions.h"
#include "engine/growth.h"
#include "engine/websub.h"

static void pair_time(struct json_writer *w, const char *key, int64_t ms)
{
    char text[CLOCK_TEXT_MAX];
    json_pair(w, key, ms > 0 ? clock_format(ms, text) : STR_NONE);
}

static void pair_place(struct json_writer *w, const struct yaml *place)
{
    char text[300];
    if (!place)
        return;
    int n = snprintf(text, sizeof(text), STR_FMT ":%u", STR_ARG(place->file), place->line);
    json_pair(w, "defined", str_of(text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1));
    json_pair_bool(w, "managed", str_eq(place->file, STR(DEFINITIONS_ORIGIN)));
}

/* Of a source that has asked a hub for a topic. */
static void pair_subscription(struct api_call *c, str source)
{
    enum websub_state state;
    char reason[WEBSUB_REASON_MAX + 1];
    struct websub *websub = c->api->core->websub;
    if (!websub || !websub_look(websub, source, &state, reason))
        return;
    json_pair(&c->json, "subscription", str_from_cstr(websub_state_word(state)));
    if (reason[0])
        json_pair(&c->json, "subscription_reason", str_from_cstr(reason));
}

void api_sources(struct api_call *c)
{
    struct config *config = engine_config(c->api->options.engine);
    json_open(&c->json, '{');
    json_key(&c->json, "sources");
    json_open(&c->json, '[');
    for (size_t i = 0; i < config->source_count; i++) {
        const struct source_config *s = config->sources[i];
        struct source_stats *stats = registry_source(c->api->core->registry, s->name);
        json_open(&c->json, '{');
        json_pair(&c->json, "name", s->name);
        json_pair(&c->json, "path", s->path);
        json_pair(&c->json, "provider", provider_id(s->provider));
        pair_place(&c->json, s->place);
        json_pair_bool(&c->json, "verified", provider_authenticates(s->provider));
        json_pair_int(&c->json, "routes", (int64_t)s->route_count);
        json_pair_int(&c->json, "received", atomic_load(&stats->received));
        json_pair_int(&c->json, "rejected", source_stats_refused(stats));
        json_pair_int(&c->json, "duplicates", atomic_load(&stats->duplicates));
        pair_time(&c->json, "last_event", atomic_load(&stats->last_event_ms));
        pair_subscription(c, s->name);
        json_close(&c->json, '}');
    }
    json_close(&c->json, ']');
    json_close(&c->json, '}');
    api_send(c, 200);
    config_unref(config);
}

/* Oldest first: s, r, d for success, retry, dead. */
static void pair_recent(struct json_writer *w, uint64_t recent)
{
    char text[GATE_RECENT];
    size_t n = 0;
    for (int i = GATE_RECENT - 1; i >= 0; i--) {
        uint64_t result = recent >> (2 * i) & 3;
        if (result != GATE_NONE)
            text[n++] = "-srd"[result];
    }
    json_pair(w, "recent", str_of(text, n));
}

static void pair_latency(struct json_writer *w, const struct histogram *h)
{
    static const struct {
        const char *name;
        double share;
    } points[] = {{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}};
    json_key(w, "latency_ms");
    json_open(w, '{');
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        double value = histogram_quantile(h, &histogram_durations, points[i].share);
        if (value < 0)
            break;
        json_key(w, points[i].name);
        json_number(w, value * 1e3);
    }
    json_close(w, '}');
}

void view_gate(struct json_writer *w, struct gate *g)
{
    json_pair_int(w, "ready", atomic_load(&g->ready));
    json_pair_int(w, "running", atomic_load(&g->running));
    json_pair_bool(w, "backlogged", atomic_load(&g->backlogged));
    json_pair_int(w, "attempts", atomic_load(&g->attempts));
    json_pair_int(w, "succeeded", atomic_load(&g->succeeded));
    json_pair_int(w, "failed", atomic_load(&g->failed));
    json_pair_int(w, "dead", atomic_load(&g->dead));
    json_pair_bool(w, "paused", atomic_load(&g->paused));
    json_pair(w, "circuit",
              str_from_cstr(circuit_state_word((enum circuit_state)atomic_load(&g->circuit))));
    pair_time(w, "circuit_until", atomic_load(&g->circuit_until_ms));
    pair_recent(w, atomic_load(&g->recent));
    pair_latency(w, &g->attempt_us);
    pair_time(w, "last_success", atomic_load(&g->last_success_ms));
    pair_time(w, "last_failure", atomic_load(&g->last_failure_ms));
}

/* What the store has of it. Nothing is said when it could not be asked. */
static void pair_queue(struct json_writer *w, const struct queue_list *list, str name)
{
    struct queue_row none = {.destination = name};
    const struct queue_row *q = &none;
    for (size_t i = 0; i < list->count; i++)
        if (str_eq(list->v[i].destination, name))
            q = &list->v[i];
    json_pair_int(w, "waiting", (int64_t)(q->pending + q->claimed));
    json_pair_int(w, "dead_letters", (int64_t)q->dead);
    pair_time(w, "oldest_waiting", q->oldest_ms);
}

void api_destinations(struct api_call *c)
{
    struct queue_list queues = {0};
    struct reason why = {0};
    struct arena a;
    arena_init(&a, 64u << 20);
    bool told = store_queues(c->api->reader, &a, &queues, &why) == ERR_OK;
    struct config *config = engine_config(c->api->options.engine);
    json_open(&c->json, '{');
    json_key(&c->json, "destinations");
    json_open(&c->json, '[');
    for (size_t i = 0; i < config->destination_count; i++) {
        const struct destination_config *d = config->destinations[i];
        struct gate *g = registry_gate(c->api->core->registry, d->name);
        json_open(&c->json, '{');
        json_pair(&c->json, "name", d->name);
        json_pair(&c->json, "kind", str_from_cstr(d->action->kind->name));
        pair_place(&c->json, d->place);
        json_pair_int(&c->json, "concurrency", d->concurrency);
        json_pair_bool(&c->json, "in_order", d->in_order);
        json_pair_int(&c->json, "attempts_max", (int64_t)d->retry.wait_count + 1);
        view_gate(&c->json, g);
        if (told)
            pair_queue(&c->json, &queues, d->name);
        json_close(&c->json, '}');
    }
    json_close(&c->json, ']');
    json_close(&c->json, '}');
    arena_release(&a);
    api_send(c, 200);
    config_unref(config);
}

void api_routes_list(struct api_call *c)
{
    struct config *config = engine_config(c->api->options.engine);
    struct buf text;
    buf_init(&text, 8192);
    json_open(&c->json, '{');
    json_key(&c->json, "routes");
    json_open(&c->json, '[');
    for (size_t i = 0; i < config->route_count; i++) {
        const struct route_config *r = config->routes[i];
        json_open(&c->json, '{');
        json_pair(&c->json, "name", r->name);
        json_pair(&c->json, "from", r->source->name);
        pair_place(&c->json, r->place);
        buf_clear(&text);
        match_describe(r->match, &text);
        json_pair(&c->json, "when", buf_str(&text));
        json_key(&c->json, "to");
        json_open(&c->json, '[');
        for (size_t k = 0; k < r->to_count; k++)
            json_string(&c->json, r->to[k]->name);
        json_close(&c->json, ']');
        json_pair_bool(&c->json, "stop", r->stop);
        json_close(&c->json, '}');
    }
    json_close(&c->json, ']');
    json_close(&c->json, '}');
    api_send(c, 200);
    buf_release(&text);
    config_unref(config);
}

void api_status(struct api_call *c)
{
    struct store_counts counts = {0};
    struct reason why = {0};
    enum err err = store_counts_get(c->api->reader, &counts, &why);
    if (err != ERR_OK) {
        api_fail(c, err, &why);
        return;
    }
    const char *unready = engine_unready(c->api->options.engine);
    const char *url = engine_url(c->api->options.engine, 0);
    json_open(&c->json, '{');
    json_pair(&c->json, "state", str_from_cstr(unready ? unready : "ready"));
    json_pair(&c->json, "url", str_from_cstr(url));
    pair_time(&c->json, "started", c->api->started_ms);
    json_pair(&c->json, "store", str_from_cstr(c->api->core->store->ops->name));
    json_pair(&c->json, "durability", str_from_cstr(engine_durability(c->api->options.engine)));
    json_pair_int(&c->json, "events", (int64_t)counts.events);
    json_pair_int(&c->json, "rejected", (int64_t)counts.rejected);
    json_pair_int(&c->json, "store_bytes", (int64_t)counts.bytes);
    json_pair_int(&c->json, "store_lag_bytes", (int64_t)counts.lag);
    pair_time(&c->json, "oldest_pending", counts.oldest_pending_ms);
    json_key(&c->json, "deliveries");
    json_open(&c->json, '{');
    for (int s = 0; s < DELIVERY_STATE_COUNT; s++)
        json_pair_int(&c->json, delivery_state_word((enum delivery_state)s),
                      (int64_t)counts.by_state[s]);
    json_close(&c->json, '}');
    json_close(&c->json, '}');
    api_send(c, 200);
}

static int64_t oldest_event_ms(struct api_call *c)
{
    struct event_filter f = {.state = -1, .ascending = true, .limit = 1};
    struct event_list list = {0};
    struct reason why = {0};
    enum err err = store_events(c->api->reader, &f, c->x->arena, &list, &why);
    return err == ERR_OK && list.count ? list.v[0].event.received_ms : 0;
}

static void pair_known(struct json_writer *w, const char *key, int64_t value, bool known)
{
    json_key(w, key);
    if (known)
        json_integer(w, value);
    else
        json_raw(w, STR("null"));
}

void api_disk(struct api_call *c)
{
    struct growth *g = ARENA_NEW(c->x->arena, struct growth);
    struct store_counts counts = {0};
    struct reason why = {.text = "out of memory"};
    enum err err = g ? store_counts_get(c->api->reader, &counts, &why) : ERR_LIMIT;
    if (err == ERR_OK)
        err = growth_load(c->api->reader, g, &why);
    if (err != ERR_OK) {
        api_fail(c, err, &why);
        return;
    }
    struct config *config = engine_config(c->api->options.engine);
    struct growth_now now = {.at_ms = clock_wall_ms(c->api->core->clock),
                             .bytes = (int64_t)counts.bytes,
                             .free = (int64_t)counts.free_bytes,
                             .oldest_ms = oldest_event_ms(c),
                             .age_ms = config->retention_age_ms,
                             .size = config->retention_bytes};
    config_unref(config);
    struct growth_outlook o = growth_look(g, &now);
    json_open(&c->json, '{');
    json_pair_int(&c->json, "bytes", now.bytes);
    pair_known(&c->json, "free_bytes", now.free, now.free > 0);
    pair_time(&c->json, "oldest_event", now.oldest_ms);
    pair_known(&c->json, "bytes_per_day", o.per_day, o.is_known);
    pair_known(&c->json, "levels_at_bytes", o.levels_at, o.levels_at > 0);
    pair_known(&c->json, "full_in_days", o.full_in_days, o.full_in_days >= 0);
    pair_time(&c->json, "observed_since", g->count ? g->v[0].at_ms : 0);
    json_pair_int(&c->json, "retention_age_ms", now.age_ms);
    json_pair_int(&c->json, "retention_bytes", now.size);
    json_close(&c->json, '}');
    api_send(c, 200);
}

/* A store with one owner process has one node: this one. */
void api_nodes(struct api_call *c)
{
    struct node_list nodes;
    struct reason why = {0};
    enum err err = store_nodes(c->api->reader, c->x->arena, &nodes, &why);
    if (err != ERR_OK) {
        api_fail(c, err, &why);
        return;
    }
    json_open(&c->json, '{');
    json_key(&c->json, "nodes");
    json_open(&c->json, '[');
    for (size_t i = 0; i < nodes.count; i++) {
        const struct node_row *n = &nodes.v[i];
        json_open(&c->json, '{');
        json_pair(&c->json, "name", n->name);
        json_pair(&c->json, "state", n->alive ? STR("alive") : STR("silent"));
        json_pair_bool(&c->json, "self", n->self);
        json_pair(&c->json, "version", n->version);
        json_pair_int(&c->json, "epoch", n->epoch);
        pair_time(&c->json, "started", n->started_ms);
        pair_time(&c->json, "seen", n->seen_ms);
        json_pair_int(&c->json, "lane_count", (int64_t)n->lane_count);
        json_pair(&c->json, "lanes", n->lanes);
        json_pair_int(&c->json, "lag_ms", n->lag_ms);
        json_pair_int(&c->json, "clock_skew_ms", n->skew_ms);
        json_close(&c->json, '}');
    }
    json_close(&c->json, ']');
    json_close(&c->json, '}');
    api_send(c, 200);
}
