/* match_compile.c -- `match:` of a route into a tree of conditions. Every mistake is reported at
 * its place; the tree is then thrown away. Runs at load only. */
#include "rule/match_tree.h"

static const char *const match_keys[] = {"event", "source", "method", "json", "header",
                                         "query", "form",   "param",  "path", "ip",
                                         "any",   "all",    "not",    NULL};
static const struct member {
    enum match_kind kind;
    enum match_place place;
    bool named; /* a mapping of names to conditions, not one condition */
} members[] = {
    {MATCH_FIELD, PLACE_EVENT, false},  {MATCH_FIELD, PLACE_SOURCE, false},
    {MATCH_FIELD, PLACE_METHOD, false}, {MATCH_FIELD, PLACE_JSON, true},
    {MATCH_FIELD, PLACE_HEADER, true},  {MATCH_FIELD, PLACE_QUERY, true},
    {MATCH_FIELD, PLACE_FORM, true},    {MATCH_FIELD, PLACE_PARAM, true},
    {MATCH_FIELD, PLACE_PATH, false},   {MATCH_FIELD, PLACE_IP, false},
    {MATCH_ANY, PLACE_EVENT, false},    {MATCH_ALL, PLACE_EVENT, false},
    {MATCH_NOT, PLACE_EVENT, false},
};
static_assert(ARRAY_LEN(members) + 1 == ARRAY_LEN(match_keys), "a member for every key");
static const char *const test_keys[] = {"equals", "in",    "glob",  "prefix",   "suffix",  "regex",
                                        "exists", "above", "below", "at_least", "at_most", NULL};

/* Where conditions are compiled into, and whether anything was wrong so far. */
struct compiler {
    struct arena *arena;
    struct problems *problems;
    unsigned depth;
};

static struct match *new_match(struct compiler *c, enum match_kind kind)
{
    struct match *m = ARENA_NEW(c->arena, struct match);
    if (!m)
        problem_at(c->problems, NULL, "the configuration is too large");
    else
        m->kind = kind;
    return m;
}

/* Appends child (which may be NULL after an error) at *tail. */
static const struct match **append(const struct match **tail, struct match *child)
{
    if (!child)
        return tail;
    *tail = child;
    return &child->next;
}

static bool read_wanted(struct compiler *c, struct match *m, const struct yaml *node)
{
    m->wanted = ARENA_ARRAY(c->arena, str, 1);
    if (!m->wanted || !read_str(c->problems, node, &m->wanted[0]))
        return false;
    m->wanted[0] = arena_str(c->arena, m->wanted[0]);
    m->wanted_count = 1;
    return true;
}

static bool read_wanted_list(struct compiler *c, struct match *m, const struct yaml *node)
{
    if (!read_str_list(c->problems, c->arena, node, &m->wanted, &m->wanted_count))
        return false;
    if (!m->wanted_count) {
        problem_at(c->problems, node, "an empty list matches nothing; name at least one value");
        return false;
    }
    for (size_t i = 0; i < m->wanted_count; i++)
        m->wanted[i] = arena_str(c->arena, m->wanted[i]);
    return true;
}

static bool read_number(struct compiler *c, struct match *m, const struct yaml *node)
{
    char value[VALUE_TEXT_MAX];
    if (!read_wanted(c, m, node))
        return false;
    if (match_number_parse(m->wanted[0], &m->number))
        return true;
    problem_at(c->problems, node, "expected a number, found %s", value_text(node, value));
    return false;
}

static bool read_regex(struct compiler *c, struct match *m, const struct yaml *node)
{
    struct reason why = {.text = ""};
    if (!read_wanted(c, m, node))
        return false;
    m->regex = regex_compile(c->arena, m->wanted[0], &why);
    if (!m->regex)
        problem_at(c->problems, node, "%s", why.text);
    return m->regex != NULL;
}

/* What is wanted of the client's address are networks, and nothing but equals and in has a
 * meaning for them. */
static bool read_nets(struct compiler *c, struct match *m, const struct yaml *node)
{
    if (m->test == TEST_EXISTS)
        return true;
    if (m->test != TEST_EQUALS && m->test != TEST_IN) {
        problem_at(c->problems, node,
                   "an ip is compared with networks: write ip: 10.0.0.0/8 or a list of them");
        return false;
    }
    struct net *nets = ARENA_ARRAY(c->arena, struct net, m->wanted_count);
    for (size_t i = 0; nets && i < m->wanted_count; i++)
        if (!net_parse(m->wanted[i], &nets[i])) {
            problem_at(c->problems, node,
                       "\"" STR_FMT "\" is no network; write it as 10.0.0.0/8, 192.168.1.7 or "
                       "2001:db8::/32, with nothing set behind the prefix",
                       STR_ARG(str_slice(m->wanted[i], 0, 60)));
            return false;
        }
    m->nets = nets;
    return nets != NULL;
}

/* { glob: "v*" } and its like: one test and what it wants. */
static bool read_test_map(struct compiler *c, struct match *m, const struct yaml *node)
{
    if (!read_keys(c->problems, node, test_keys))
        return false;
    if (node->count != 1) {
        problem_at(
            c->problems, node,
            "expected exactly one of equals, in, glob, prefix, suffix, regex, exists, above, "
            "below, at_least, at_most; join several under all:");
        return false;
    }
    const struct yaml *value = node->first;
    int test = 0;
    while (!str_eq(value->key, str_from_cstr(test_keys[test])))
        test++;
    m->test = (enum match_test)test;
    switch (m->test) {
    case TEST_IN:
        return read_wanted_list(c, m, value);
    case TEST_EXISTS:
        return read_bool(c->problems, value, &m->exists);
    case TEST_ABOVE:
    case TEST_BELOW:
    case TEST_AT_LEAST:
    case TEST_AT_MOST:
        return read_number(c, m, value);
    case TEST_REGEX:
        return read_regex(c, m, value);
    case TEST_EQUALS:
    case TEST_GLOB:
    case TEST_PREFIX:
    case TEST_SUFFIX:
        break;
    }
    return read_wanted(c, m, value);
}

static struct match *compile_field(struct compiler *c, enum match_place place, str name,
                                   const struct yaml *node)
{
    struct match *m = new_match(c, MATCH_FIELD);
    if (!m)
        return NULL;
    m->place = place;
    m->name = arena_str(c->arena, name);
    if (place == PLACE_JSON) {
        struct reason why;
        if (path_compile(&m->path, c->arena, name, &why)) {
            problem_at_key(c->problems, node, "%s", why.text);
            return NULL;
        }
    }
    bool ok = false;
    switch (node->kind) {
    case YAML_SCALAR:
        m->test = TEST_EQUALS;
        ok = read_wanted(c, m, node);
        break;
    case YAML_LIST:
        m->test = TEST_IN;
        ok = read_wanted_list(c, m, node);
        break;
    case YAML_MAP:
        ok = read_test_map(c, m, node);
        break;
    }
    return ok && (place != PLACE_IP || read_nets(c, m, node)) ? m : NULL;
}

/* json: { PATH: CONDITION, ... } and header, query, form alike. */
static const struct match **compile_fields(struct compiler *c, const struct match **tail,
                                           enum match_place place, const struct yaml *node)
{
    if (node->kind != YAML_MAP || !node->count) {
        problem_at(c->problems, node,
                   "\"" STR_FMT "\": expected a mapping of names to conditions, as { %s: value }",
                   STR_ARG(node->key), place == PLACE_JSON ? "repository.name" : "name");
        return tail;
    }
    for (const struct yaml *field = node->first; field; field = field->next)
        tail = append(tail, compile_field(c, place, field->key, field));
    return tail;
}

static struct match *compile_map(struct compiler *c, const struct yaml *node);

static struct match *compile_group(struct compiler *c, enum match_kind kind,
                                   const struct yaml *node)
{
    struct match *m = new_match(c, kind);
    if (!m)
        return NULL;
    if (kind == MATCH_NOT) {
        m->first = compile_map(c, node);
        return m->first ? m : NULL;
    }
    if (node->kind != YAML_LIST || !node->count) {
        problem_at(c->problems, node,
                   "\"" STR_FMT "\": expected a list of mappings, as [ { event: push }, ... ]",
                   STR_ARG(node->key));
        return NULL;
    }
    const struct match **tail = &m->first;
    for (const struct yaml *item = node->first; item; item = item->next)
        tail = append(tail, compile_map(c, item));
    return m;
}

static const struct match **compile_member(struct compiler *c, const struct match **tail,
                                           const struct yaml *node)
{
    for (size_t i = 0; match_keys[i]; i++) {
        if (!str_eq(node->key, str_from_cstr(match_keys[i])))
            continue;
        const struct member *m = &members[i];
        if (m->kind != MATCH_FIELD)
            return append(tail, compile_group(c, m->kind, node));
        if (m->named)
            return compile_fields(c, tail, m->place, node);
        return append(tail, compile_field(c, m->place, STR(""), node));
    }
    return tail; /* read_keys has reported it */
}

static struct match *compile_map(struct compiler *c, const struct yaml *node)
{
    if (node->kind != YAML_MAP || !node->count) {
        problem_at(c->problems, node,
                   "expected a mapping of conditions, as { event: push }; leave match out to "
                   "match everything");
        return NULL;
    }
    if (c->depth == MATCH_DEPTH_MAX) {
        problem_at(c->problems, node, "conditions are nested more than %d deep", MATCH_DEPTH_MAX);
        return NULL;
    }
    read_keys(c->problems, node, match_keys);
    struct match *m = new_match(c, MATCH_ALL);
    if (!m)
        return NULL;
    c->depth++;
    const struct match **tail = &m->first;
    for (const struct yaml *member = node->first; member; member = member->next)
        tail = compile_member(c, tail, member);
    c->depth--;
    return m;
}

const struct match *match_compile(struct arena *a, const struct yaml *node, struct problems *p)
{
    struct compiler c = {a, p, 0};
    if (!node)
        return new_match(&c, MATCH_ALL);
    size_t errors = p->errors;
    struct match *m = compile_map(&c, node);
    return p->errors == errors ? m : NULL;
}
