/* config_check.c -- what only the whole configuration shows: two sources in one place, commands
 * that strangers could start, routes and destinations that can never be reached. */
#include "engine/config_read.h"
#include "http/router.h"

/* Ranges this wide name nobody: 0.0.0.0/0 to /7, ::/0 to /15. */
static bool is_named_network(const struct net *n)
{
    struct net v4 = {.prefix = 96};
    v4.base.bytes[10] = v4.base.bytes[11] = 0xff;
    return net_contains(&v4, &n->base) ? n->prefix >= 104 : n->prefix >= 16;
}

bool source_authenticates(const struct source_config *s)
{
    const struct verifier_options *v = &s->verifier;
    if (s->cron)
        return true; /* nobody else can send through it */
    if (s->provider && provider_authenticates(s->provider))
        return true;
    bool named = v->allow_count > 0;
    for (size_t i = 0; i < v->allow_count; i++)
        named = named && is_named_network(&v->allow_from[i]);
    return named;
}

/* --- places ---------------------------------------------------------------------------------- */

static const struct source_config *find_same_place(const struct config *c,
                                                   const struct source_config *source, str method)
{
    for (size_t i = 0; i < c->source_count && c->sources[i] != source; i++)
        for (size_t m = 0; m < c->sources[i]->method_count; m++)
            if (str_eq(c->sources[i]->path, source->path) &&
                str_eq(c->sources[i]->methods[m], method))
                return c->sources[i];
    return NULL;
}

static void check_place(struct config_reader *r, struct router *router,
                        struct source_config *source, str method)
{
    struct reason why = {0};
    str pattern =
        arena_printf(r->arena, STR_FMT " " STR_FMT, STR_ARG(method), STR_ARG(source->path));
    if (router_add(router, pattern, source, &why) == ERR_OK)
        return;
    const struct yaml *path = yaml_get(source->place, STR("path"));
    const struct source_config *other = find_same_place(r->config, source, method);
    if (other)
        problem_at(r->problems, path ? path : source->place,
                   "sources \"" STR_FMT "\" and \"" STR_FMT "\" both take " STR_FMT
                   "; give one another path",
                   STR_ARG(other->name), STR_ARG(source->name), STR_ARG(pattern));
    else
        problem_at(r->problems, path ? path : source->place, "%s", why.text);
}

static void check_places(struct config_reader *r)
{
    struct config *c = r->config;
    struct router *router = router_new();
    for (size_t i = 0; i < c->source_count; i++)
        for (size_t m = 0; m < c->sources[i]->method_count; m++)
            check_place(r, router, c->sources[i], c->sources[i]->methods[m]);
    for (size_t i = 0; c->hub.is_set && i < c->source_count; i++)
        if (str_eq(c->sources[i]->path, c->hub.path))
            problem_at(r->problems, yaml_get(c->tree, STR("hub")),
                       "the hub and source \"" STR_FMT "\" are both at " STR_FMT
                       "; give one another path",
                       STR_ARG(c->sources[i]->name), STR_ARG(c->hub.path));
    router_free(router);
}

/* A certificate that no listener asks for is never shown. */
static void check_certificates(struct config_reader *r)
{
    const struct config *c = r->config;
    bool asked = false;
    for (size_t i = 0; i < c->listen_count; i++)
        asked = asked || c->listen[i].client_ca;
    for (size_t i = 0; !asked && i < c->source_count; i++)
        if (c->sources[i]->provider && provider_needs_certificate(c->sources[i]->provider))
            problem_at(r->problems, c->sources[i]->place,
                       "source \"" STR_FMT "\" wants a client certificate, and no listener asks "
                       "for one; write listen: [{ address: ..., tls: { cert: ..., key: ..., "
                       "client_ca: ca.pem } }]",
                       STR_ARG(c->sources[i]->name));
}

/* --- routes ---------------------------------------------------------------------------------- */

/* The route's `to` item of that destination. */
static const struct yaml *target_place(const struct route_config *route, str name)
{
    const struct yaml *to = yaml_get(route->place, STR("to"));
    for (const struct yaml *item = to ? to->first : NULL; item; item = item->next)
        if (item->kind == YAML_SCALAR && str_eq(item->scalar, name))
            return item;
    return route->place;
}

static void check_commands(struct config_reader *r, const struct route_config *route)
{
    const struct source_config *source = route->source;
    if (source->insecure || !source->provider || source_authenticates(source))
        return;
    for (size_t i = 0; i < route->to_count; i++) {
        const struct destination_config *d = route->to[i];
        if (d->action && d->action->runs_command)
            problem_at(r->problems, target_place(route, d->name),
                       "\"" STR_FMT "\" runs a command, and source \"" STR_FMT "\" lets in anybody "
                       "who knows its address; choose a provider that verifies, or write "
                       "insecure: true in the source",
                       STR_ARG(d->name), STR_ARG(source->name));
    }
}

/* Events of a source with many routes look up most of them instead of asking each. */
static void index_matches(struct config_reader *r, struct source_config *source)
{
    const struct match **matches = CONFIG_ARRAY(r, const struct match *, source->route_count);
    for (size_t i = 0; i < source->route_count; i++) {
        matches[i] = r->config->routes[source->routes[i]]->match;
        if (!matches[i])
            return; /* it was wrong, and is reported */
    }
    source->index = match_index_new(r->arena, matches, source->route_count);
}

/* Gives every source the indices of its routes, in file order. */
static void index_routes(struct config_reader *r)
{
    struct config *c = r->config;
    for (size_t i = 0; i < c->source_count; i++) {
        c->sources[i]->routes = CONFIG_ARRAY(r, size_t, c->sources[i]->route_count);
        c->sources[i]->route_count = 0;
    }
    for (size_t i = 0; i < c->route_count; i++) {
        struct source_config *source = map_get(&c->sources_by_name, c->routes[i]->source->name);
        source->routes[source->route_count++] = i;
    }
    for (size_t i = 0; i < c->source_count; i++)
        index_matches(r, c->sources[i]);
}

/* After a route that always matches and stops, no route of its source is ever looked at. */
static void check_reachable(struct config_reader *r, const struct source_config *source)
{
    struct route_config *const *routes = r->config->routes;
    const struct route_config *stop = NULL;
    for (size_t i = 0; i < source->route_count; i++) {
        const struct route_config *route = routes[source->routes[i]];
        if (stop)
            problem_at(r->problems, route->place,
                       "route \"" STR_FMT "\" is never reached: route \"" STR_FMT "\" at line %u "
                       "matches everything from \"" STR_FMT "\" and says then: stop",
                       STR_ARG(route->name), STR_ARG(stop->name), stop->place->line,
                       STR_ARG(source->name));
        if (!stop && route->stop && route->match && match_is_always(route->match))
            stop = route;
    }
}

static void check_used(struct config_reader *r)
{
    struct config *c = r->config;
    bool *used = CONFIG_ARRAY(r, bool, c->destination_count);
    for (size_t i = 0; i < c->route_count; i++)
        for (size_t t = 0; t < c->routes[i]->to_count; t++)
            used[c->routes[i]->to[t]->index] = true;
    for (size_t i = 0; i < c->destination_count; i++)
        if (!used[i])
            problem_warn(r->problems, c->destinations[i]->place,
                         "no route leads to destination \"" STR_FMT "\"",
                         STR_ARG(c->destinations[i]->name));
}

void config_check(struct config_reader *r)
{
    struct config *c = r->config;
    check_places(r);
    check_certificates(r);
    index_routes(r);
    for (size_t i = 0; i < c->route_count; i++)
        check_commands(r, c->routes[i]);
    for (size_t i = 0; i < c->source_count; i++)
        check_reachable(r, c->sources[i]);
    /* A route that was wrong may have been the one that leads there. */
    if (r->problems->errors == 0)
        check_used(r);
}
