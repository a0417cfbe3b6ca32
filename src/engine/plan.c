/* plan.c -- walks a source's routes in file order. No state, no I/O: the same event under the same
 * configuration gives the same plan, which is what `explain` and trying a configuration rest on. */
#include "engine/plan.h"

#include "base/codec.h"

/* The longest line of a route, its destinations and its reason, is sure to fit in this. */
#define TRACE_END_ROOM 1024u

static bool has_destination(const struct plan *plan, const struct destination_config *d)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->items[i].to == d)
            return true;
    return false;
}

static str resolve_fact(const struct template_part *ref, struct arena *a, void *arg)
{
    struct facts *facts = arg;
    if (str_eq(ref->text, STR(".")))
        return json_text(a, json_path(http_request_json(facts->request), ref->arg));
    if (str_eq(ref->text, STR("header")))
        return http_field_get(&facts->request->fields, ref->arg);
    if (str_eq(ref->text, STR("query")))
        return http_request_query(facts->request, ref->arg);
    if (str_eq(ref->text, STR("event_type")))
        return facts->event_type;
    if (str_eq(ref->text, STR("source")))
        return facts->source;
    return STR_NONE;
}

/* An event without the key's field shares the one key of all such events of the lane. */
uint64_t plan_order_key(const struct destination_config *d, struct facts *facts)
{
    if (!d->in_order)
        return 0;
    struct arena *a = facts->request->arena;
    struct buf text;
    uint64_t key = 1;
    buf_init(&text, 1024);
    if (d->order_by.count &&
        template_expand(&d->order_by, &text, a, resolve_fact, NULL, facts, NULL) == ERR_OK)
        key = str_hash(buf_str(&text), 1) | 1;
    buf_release(&text);
    return key;
}

static void add_destinations(struct plan *plan, const struct route_config *route,
                             struct facts *facts, struct buf *trace)
{
    for (size_t i = 0; i < route->to_count; i++) {
        const struct destination_config *d = route->to[i];
        buf_str_append(trace, i ? STR(", ") : STR(" -> "));
        buf_str_append(trace, d->name);
        if (has_destination(plan, d)) {
            buf_str_append(trace, STR(" (already by an earlier route)"));
            continue;
        }
        if (plan->count == PLAN_DELIVERIES_MAX) {
            buf_str_append(trace, STR(" (left out: over the limit of deliveries an event)"));
            continue;
        }
        plan->items[plan->count++] = (struct plan_item){d, route, plan_order_key(d, facts)};
    }
}

/* Those that the index ruled out, with the one reason they share. */
static void trace_ruled_out(const struct config *c, const struct source_config *source,
                            const struct facts *facts, const uint64_t *maybe, size_t count,
                            struct buf *trace)
{
    size_t told = 0;
    for (size_t i = 0; i < count; i++) {
        if (maybe[i / 64] >> (i % 64) & 1)
            continue;
        buf_str_append(trace, told++ ? STR(", ") : STR("routes "));
        if (trace->max - trace->len < TRACE_END_ROOM) {
            buf_str_append(trace, STR("..."));
            break;
        }
        buf_str_append(trace, c->routes[source->routes[i]]->name);
    }
    if (!told)
        return;
    buf_str_append(trace, STR(": no: "));
    match_index_explain(source->index, facts, trace);
    buf_char(trace, '\n');
}

/* Adds what comes of the route; false when no later route is to be looked at. */
static bool plan_route(const struct route_config *route, struct facts *facts, struct buf *trace,
                       struct plan *out)
{
    bool room = trace->max - trace->len >= TRACE_END_ROOM;
    size_t start = trace->len;
    buf_str_append(trace, STR("route "));
    buf_str_append(trace, route->name);
    size_t before = trace->len;
    buf_str_append(trace, STR(": no: "));
    bool yes = match_eval(route->match, facts, room ? trace : NULL);
    if (yes) {
        trace->len = before;
        buf_str_append(trace, STR(": matched"));
        if (route->where.p || route->transform.p)
            buf_str_append(trace, STR(ROUTE_FILTERED));
        add_destinations(out, route, facts, trace);
        if (route->stop)
            buf_str_append(trace, STR("; stop"));
    } else if (!room) {
        trace->len = start; /* what matched must find its place; the others need not */
        return true;
    }
    buf_char(trace, '\n');
    return !yes || !route->stop;
}

void plan_make(const struct config *c, const struct source_config *source, struct facts *facts,
               struct buf *scratch, struct plan *out)
{
    struct buf *trace = scratch;
    uint64_t *maybe = NULL;
    buf_clear(trace);
    out->count = 0;
    if (source->index)
        maybe = ARENA_ARRAY(facts->request->arena, uint64_t, source->route_count / 64 + 1);
    if (maybe)
        match_index_ask(source->index, facts, maybe);
    size_t i = 0;
    for (bool go_on = true; go_on && i < source->route_count; i++)
        if (!maybe || maybe[i / 64] >> (i % 64) & 1)
            go_on = plan_route(c->routes[source->routes[i]], facts, trace, out);
    if (maybe)
        trace_ruled_out(c, source, facts, maybe, i, trace);
    if (source->route_count == 0)
        buf_str_append(trace, STR("no route starts from this source\n"));
    out->trace = arena_str(facts->request->arena, buf_str(trace));
}
