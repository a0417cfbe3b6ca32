/* config_route.c -- `routes:`: which events of which source go where. A route from several sources
 * becomes one for each, so that the engine asks only the routes of the source at hand. */
#include "engine/config_read.h"
#include "engine/plan.h"

static const char *const route_keys[] = {"name",      "from", "match", "where",
                                         "transform", "to",   "then",  NULL};

/* A route as written, before it is given to each of its sources. */
struct reading {
    struct config_reader *r;
    const struct yaml *node;
    struct route_config route;
    bool named;
};

static void *find_name(struct config_reader *r, const struct map *map, const struct yaml *item,
                       const char *what)
{
    str name;
    if (!read_str(r->problems, item, &name))
        return NULL;
    void *found = map_get(map, name);
    if (found)
        return found;
    struct nearest near;
    struct map_entry entry;
    nearest_init(&near, name);
    for (size_t i = 0; map_next(map, &i, &entry);)
        nearest_offer(&near, entry.key);
    str best = nearest_word(&near);
    char value[VALUE_TEXT_MAX];
    if (best.p)
        problem_at(r->problems, item, "unknown %s %s; did you mean \"" STR_FMT "\"?", what,
                   value_text(item, value), STR_ARG(best));
    else
        problem_at(r->problems, item, "unknown %s %s; it is not among the %ss", what,
                   value_text(item, value), what);
    return NULL;
}

static void read_targets(struct reading *s)
{
    struct config_reader *r = s->r;
    const struct yaml *node = yaml_get(s->node, STR("to"));
    if (!node) {
        problem_at(r->problems, s->node, "a route needs a list of destinations, as to: [deploy]");
        return;
    }
    if (node->kind != YAML_LIST || !node->count || node->count > PLAN_DELIVERIES_MAX) {
        problem_at(r->problems, node, "expected a list of 1 to %d destinations, as to: [deploy]",
                   PLAN_DELIVERIES_MAX);
        return;
    }
    s->route.to = CONFIG_ARRAY(r, struct destination_config *, node->count);
    for (const struct yaml *item = node->first; item; item = item->next) {
        struct destination_config *d =
            find_name(r, &r->config->destinations_by_name, item, "destination");
        for (size_t i = 0; d && i < s->route.to_count; i++)
            if (s->route.to[i] == d) {
                problem_at(r->problems, item, "\"" STR_FMT "\" is named twice", STR_ARG(d->name));
                d = NULL;
            }
        if (d)
            s->route.to[s->route.to_count++] = d;
    }
}

static void add_route(struct reading *s, const struct yaml *from)
{
    struct config_reader *r = s->r;
    struct config *c = r->config;
    struct source_config *source = find_name(r, &c->sources_by_name, from, "source");
    if (!source)
        return;
    if (c->route_count == CONFIG_OBJECTS_MAX) {
        problem_at(r->problems, s->node, "more than %u routes", CONFIG_OBJECTS_MAX);
        return;
    }
    struct route_config *route = CONFIG_NEW(r, struct route_config);
    *route = s->route;
    route->source = source;
    source->route_count++;
    if (!s->named)
        route->name =
            arena_printf(r->arena, STR_FMT "-%zu", STR_ARG(source->name), source->route_count);
    c->routes[c->route_count++] = route;
    map_put(&c->routes_by_name, route->name, route);
}

static void read_name(struct reading *s, struct map *names)
{
    struct config_reader *r = s->r;
    const struct yaml *node = yaml_get(s->node, STR("name"));
    if (!node || !read_str(r->problems, node, &s->route.name))
        return;
    s->named = true;
    char value[VALUE_TEXT_MAX];
    const struct yaml *first = map_put(names, s->route.name, (void *)(uintptr_t)node);
    if (!config_name_valid(s->route.name))
        problem_at(r->problems, node,
                   "%s cannot be the name of a route: use a-z, 0-9, '_' and '-', beginning with a "
                   "letter or digit",
                   value_text(node, value));
    else if (first)
        problem_at(r->problems, node, "another route is named %s already, at " STR_FMT ":%u:%u",
                   value_text(node, value), STR_ARG(first->file), first->line, first->column);
}

static void read_route(struct config_reader *r, const struct yaml *node, struct map *names)
{
    static const char *const words[] = {"continue", "stop", NULL};
    struct reading s = {.r = r, .node = node, .route = {.place = node}};
    int then = 0;
    read_keys(r->problems, node, route_keys);
    if (node->kind != YAML_MAP)
        return;
    read_name(&s, names);
    s.route.match = match_compile(r->arena, yaml_get(node, STR("match")), r->problems);
    read_enum(r->problems, yaml_get(node, STR("then")), words, &then);
    s.route.stop = then == 1;
    read_targets(&s);
    config_filter_read(r, node, &s.route.where, &s.route.transform);
    if ((s.route.where.p || s.route.transform.p) && !s.named)
        problem_at(r->problems, node,
                   "a route that filters needs a name: of its own, by which its "
                   "deliveries find it again");
    const struct yaml *from = yaml_get(node, STR("from"));
    if (!from)
        problem_at(r->problems, node, "a route needs a source, as from: github");
    else if (from->kind != YAML_LIST)
        add_route(&s, from);
    else if (!from->count)
        problem_at(r->problems, from, "expected at least one source, as from: [github]");
    else
        for (const struct yaml *one = from->first; one; one = one->next)
            add_route(&s, one);
}

void config_routes_read(struct config_reader *r, const struct yaml *node)
{
    struct config *c = r->config;
    struct map names = {0};
    if (!node)
        return;
    if (node->kind != YAML_LIST || node->count > CONFIG_OBJECTS_MAX) {
        problem_at(r->problems, node,
                   "expected a list of at most %u routes, as - { from: github, to: [deploy] }",
                   CONFIG_OBJECTS_MAX);
        return;
    }
    c->routes = CONFIG_ARRAY(r, struct route_config *, CONFIG_OBJECTS_MAX);
    for (const struct yaml *one = node->first; one; one = one->next)
        read_route(r, one, &names);
    map_release(&names);
}
