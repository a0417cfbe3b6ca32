/* A tree of path segments. Each node has literal children, one child for {param} and the routes
 * that end there, each with its own parameter names. A request walks the tree with its decoded
 * segments, literal children first; when the branch with the literal ends without a route for the
 * method, the one with the {param} is tried, so that what a path means does not depend on the
 * order in which routes were added. The depth of the walk is that of the deepest pattern.
 *
 * Built once; afterwards only read. Called by the engine's front and the API. */
#include "http/router.h"

#include "base/codec.h"
#include "base/log.h"

#define METHOD_BYTES_MAX 16
#define SEGMENTS_MAX 64

struct route {
    struct route *next;
    void *value;
    str method; /* "ANY" matches all */
    str names[ROUTER_PARAMS_MAX];
    size_t name_count;
};

struct node {
    struct node *next;     /* sibling among the literal children */
    str literal;           /* of a literal child */
    struct node *literals; /* children */
    struct node *param;
    struct route *routes, *rest_routes; /* that end here; that take the rest from here */
};

struct router {
    struct node root;
    struct arena arena; /* nodes, routes and texts */
};

#define ROUTER_BYTES_MAX (16u << 20)

struct router *router_new(void)
{
    struct router *r = xcalloc(1, sizeof(*r));
    arena_init(&r->arena, ROUTER_BYTES_MAX);
    return r;
}

void router_free(struct router *r)
{
    if (!r)
        return;
    arena_release(&r->arena);
    free(r);
}

/* --- building ------------------------------------------------------------------------------- */

static bool is_name(str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
                  (c >= '0' && c <= '9' && i > 0);
        if (!ok)
            return false;
    }
    return s.n > 0;
}

static bool is_method(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((s.p[i] < 'A' || s.p[i] > 'Z') && s.p[i] != '-')
            return false;
    return s.n > 0 && s.n <= METHOD_BYTES_MAX;
}

static struct node *literal_child(struct router *r, struct node *parent, str literal)
{
    for (struct node *n = parent->literals; n; n = n->next)
        if (str_eq(n->literal, literal))
            return n;
    struct node *n = ARENA_NEW(&r->arena, struct node);
    if (!n)
        return NULL;
    n->literal = arena_str(&r->arena, literal);
    n->next = parent->literals;
    parent->literals = n;
    return n;
}

static enum err add_name(struct router *r, struct route *route, str name, str pattern,
                         struct reason *why)
{
    if (!is_name(name))
        return fail(why, ERR_INVALID,
                    "route \"" STR_FMT "\": a parameter is written {name}, of letters, digits "
                    "and '_'",
                    STR_ARG(pattern));
    for (size_t i = 0; i < route->name_count; i++)
        if (str_eq(route->names[i], name))
            return fail(why, ERR_INVALID, "route \"" STR_FMT "\": {" STR_FMT "} stands twice",
                        STR_ARG(pattern), STR_ARG(name));
    if (route->name_count == ROUTER_PARAMS_MAX)
        return fail(why, ERR_INVALID, "route \"" STR_FMT "\": more than %d parameters",
                    STR_ARG(pattern), ROUTER_PARAMS_MAX);
    route->names[route->name_count++] = arena_str(&r->arena, name);
    return ERR_OK;
}

static bool is_literal(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f || strchr("{}?#%\\", s.p[i]))
            return false;
    return !str_eq(s, STR(".")) && !str_eq(s, STR(".."));
}

/* One step down the tree; *rest_of is set when the segment is {name...}. */
static enum err add_segment(struct router *r, struct route *route, str segment, str pattern,
                            struct node **at, bool *takes_rest, struct reason *why)
{
    bool is_param = segment.n >= 2 && segment.p[0] == '{' && segment.p[segment.n - 1] == '}';
    if (!is_param) {
        if (!is_literal(segment))
            return fail(why, ERR_INVALID,
                        "route \"" STR_FMT "\": the segment \"" STR_FMT
                        "\" is neither plain text nor {name}",
                        STR_ARG(pattern), STR_ARG(segment));
        *at = literal_child(r, *at, segment);
        return *at ? ERR_OK : fail(why, ERR_LIMIT, "too many routes");
    }
    str name = str_slice(segment, 1, segment.n - 1);
    *takes_rest = str_ends(name, STR("..."));
    if (*takes_rest)
        return add_name(r, route, str_slice(name, 0, name.n - 3), pattern, why);
    if (!(*at)->param)
        (*at)->param = ARENA_NEW(&r->arena, struct node);
    *at = (*at)->param;
    return *at ? add_name(r, route, name, pattern, why) : fail(why, ERR_LIMIT, "too many routes");
}

static enum err add_path(struct router *r, struct route *route, str path, str pattern,
                         struct reason *why)
{
    struct node *at = &r->root;
    bool takes_rest = false;
    str rest = str_slice(path, 1, path.n);
    for (size_t i = 0; rest.p; i++) {
        str segment = str_cut(&rest, '/');
        if (takes_rest || i == SEGMENTS_MAX)
            return fail(why, ERR_INVALID, "route \"" STR_FMT "\": %s", STR_ARG(pattern),
                        takes_rest ? "{name...} must be the last segment" : "too many segments");
        enum err rc = add_segment(r, route, segment, pattern, &at, &takes_rest, why);
        if (rc != ERR_OK)
            return rc;
    }
    struct route **list = takes_rest ? &at->rest_routes : &at->routes;
    for (struct route *other = *list; other; other = other->next)
        if (str_eq(other->method, route->method))
            return fail(why, ERR_CONFLICT,
                        "route \"" STR_FMT "\": another route has this method and shape",
                        STR_ARG(pattern));
    route->next = *list;
    *list = route;
    return ERR_OK;
}

enum err router_add(struct router *r, str pattern, void *value, struct reason *why)
{
    assert(value != NULL);
    size_t blank = str_find(pattern, ' ');
    str method = str_slice(pattern, 0, blank);
    str path = str_slice(pattern, blank + 1, pattern.n);
    if (!is_method(method) || path.n == 0 || path.p[0] != '/')
        return fail(why, ERR_INVALID,
                    "route \"" STR_FMT "\": write it as \"POST /path/{name}\", with ANY for all "
                    "methods",
                    STR_ARG(pattern));
    struct route *route = ARENA_NEW(&r->arena, struct route);
    if (!route)
        return fail(why, ERR_LIMIT, "too many routes");
    route->method = arena_str(&r->arena, method);
    route->value = value;
    enum err rc = add_path(r, route, path, pattern, why);
    if (rc == ERR_OK && !arena_ok(&r->arena))
        return fail(why, ERR_LIMIT, "too many routes");
    return rc;
}

/* --- finding -------------------------------------------------------------------------------- */

struct search {
    struct arena *arena;
    str method;
    str segments[SEGMENTS_MAX];       /* decoded */
    const char *begins[SEGMENTS_MAX]; /* where each begins in the path, still encoded */
    const char *path_end;
    size_t count;
    str params[ROUTER_PARAMS_MAX];
    size_t param_count;
    const struct route *found;
    bool found_by_get;            /* for a HEAD request */
    const struct route *seen[32]; /* routes for other methods, for Allow; duplicates are harmless */
    size_t seen_count;
};

/* Looks through the routes that end here: one for this very method, GET for HEAD, ANY. */
static bool take_routes(struct search *s, const struct route *routes)
{
    const struct route *exact = NULL, *get = NULL, *any = NULL;
    bool is_head = str_eq(s->method, STR("HEAD"));
    for (const struct route *r = routes; r; r = r->next) {
        if (str_eq(r->method, s->method))
            exact = r;
        else if (str_eq(r->method, STR("ANY")))
            any = r;
        else if (is_head && str_eq(r->method, STR("GET")))
            get = r;
        else if (s->seen_count < ARRAY_LEN(s->seen))
            s->seen[s->seen_count++] = r;
    }
    s->found = exact ? exact : get ? get : any;
    s->found_by_get = s->found && s->found == get;
    return s->found != NULL;
}

/* The decoded rest of the path from segment i; STR_NONE when a segment of it is "." or "..". */
static str rest_of_path(struct search *s, size_t i)
{
    if (i >= s->count)
        return STR("");
    return percent_decode(s->arena, str_of(s->begins[i], (size_t)(s->path_end - s->begins[i])),
                          false);
}

static bool walk(struct search *s, const struct node *at, size_t i)
{
    if (i == s->count && at->routes && take_routes(s, at->routes))
        return true;
    if (i < s->count) {
        str segment = s->segments[i];
        for (const struct node *n = at->literals; n; n = n->next)
            if (str_eq(n->literal, segment) && walk(s, n, i + 1))
                return true;
        if (at->param && segment.n > 0 && s->param_count < ROUTER_PARAMS_MAX) {
            s->params[s->param_count++] = segment;
            if (walk(s, at->param, i + 1))
                return true;
            s->param_count--;
        }
    }
    if (!at->rest_routes || s->param_count == ROUTER_PARAMS_MAX)
        return false;
    str rest = rest_of_path(s, i);
    if (!rest.p)
        return false;
    s->params[s->param_count] = rest;
    return take_routes(s, at->rest_routes);
}

/* False when the path can match nothing: no leading '/', a segment that is "." or "..", bad
 * encoding, too deep. */
static bool split_path(struct search *s, str path)
{
    if (path.n == 0 || path.p[0] != '/')
        return false;
    s->path_end = path.p + path.n;
    str rest = str_slice(path, 1, path.n);
    while (rest.p) {
        if (s->count == SEGMENTS_MAX)
            return false;
        s->begins[s->count] = rest.p;
        str segment = percent_decode(s->arena, str_cut(&rest, '/'), false);
        if (!segment.p || str_eq(segment, STR(".")) || str_eq(segment, STR("..")))
            return false;
        s->segments[s->count++] = segment;
    }
    return true;
}

static bool is_listed(str list, str method)
{
    for (str rest = list; rest.p;)
        if (str_eq(str_trim(str_cut(&rest, ',')), method))
            return true;
    return false;
}

static str allow_of(struct search *s, struct arena *a)
{
    str allow = STR("");
    bool has_get = false;
    for (size_t i = 0; i < s->seen_count; i++) {
        str method = s->seen[i]->method;
        has_get = has_get || str_eq(method, STR("GET"));
        if (!is_listed(allow, method))
            allow = arena_printf(a, STR_FMT "%s" STR_FMT, STR_ARG(allow), allow.n ? ", " : "",
                                 STR_ARG(method));
    }
    if (has_get && !is_listed(allow, STR("HEAD")))
        allow = arena_printf(a, STR_FMT ", HEAD", STR_ARG(allow));
    if (!is_listed(allow, STR("OPTIONS")))
        allow = arena_printf(a, STR_FMT ", OPTIONS", STR_ARG(allow));
    return allow;
}

static void fill_match(struct router_match *out, const struct route *route, const str *params)
{
    out->status = 200;
    out->value = route->value;
    out->param_count = route->name_count;
    for (size_t i = 0; i < route->name_count; i++)
        out->params[i] = (struct router_param){route->names[i], params[i]};
}

void router_find(const struct router *r, str method, str path, struct arena *a,
                 struct router_match *out)
{
    *out = (struct router_match){.status = 404, .allow = STR_NONE};
    struct search s;
    s.arena = a;
    s.method = method;
    s.count = s.param_count = s.seen_count = 0;
    s.found = NULL;
    bool is_options = str_eq(method, STR("OPTIONS"));
    if (is_options && str_eq(path, STR("*"))) {
        out->status = 204;
        out->allow = STR("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        return;
    }
    if (!split_path(&s, path))
        return;
    walk(&s, &r->root, 0);
    if (s.found) {
        fill_match(out, s.found, s.params);
        out->head = s.found_by_get;
    } else if (s.seen_count > 0) {
        out->status = is_options ? 204 : 405;
        out->allow = allow_of(&s, a);
    }
}

str router_param(const struct router_match *m, str name)
{
    for (size_t i = 0; i < m->param_count; i++)
        if (str_eq(m->params[i].name, name))
            return m->params[i].value;
    return STR_NONE;
}
