/* recipe.c -- compiles a whole provider file: its alternatives, where the delivery id and the
 * event type are, its handshakes, and the answer it expects. */
#include "verify/scheme.h"

#define ALTERNATIVES_MAX 8
#define RANGES_MAX 256
/* What an id or an event type may be read from. */
#define REFS_NAME (REFS_OF_REQUEST | REF_BIT(REF_CLAIM) | REF_BIT(REF_FIELD))

static bool compile_verify(struct recipe *r, struct arena *a, const struct yaml *node,
                           struct problems *p)
{
    static const char *const known[] = {"any", NULL};
    const struct yaml *any = yaml_get(node, STR("any"));
    const struct yaml *first = any ? any->first : node;
    size_t count = any ? any->count : 1;
    if (any && (!read_keys(p, node, known) || any->kind != YAML_LIST || !count ||
                count > ALTERNATIVES_MAX)) {
        problem_at(p, any, "expected a list of 1 to %d schemes", ALTERNATIVES_MAX);
        return false;
    }
    r->alternatives = ARENA_ARRAY(a, struct scheme, count);
    if (!r->alternatives)
        return false;
    for (; r->alternative_count < count; first = first->next) {
        struct scheme *s = &r->alternatives[r->alternative_count++];
        if (!scheme_compile(s, a, first, p))
            return false;
        if (any && !s->ops->needs_secret) {
            problem_at(p, first,
                       "scheme %s accepts what the others refuse: it cannot be one of "
                       "several",
                       s->ops->word);
            return false;
        }
    }
    return true;
}

static void compile_ranges(struct recipe *r, struct arena *a, const struct yaml *node,
                           struct problems *p)
{
    str *texts = NULL;
    size_t count = 0;
    if (!node || !read_str_list(p, a, node, &texts, &count))
        return;
    if (count > RANGES_MAX) {
        problem_at(p, node, "at most %d address ranges", RANGES_MAX);
        return;
    }
    r->allow_from = ARENA_ARRAY(a, struct net, count + 1);
    for (size_t i = 0; r->allow_from && i < count; i++) {
        if (net_parse(texts[i], &r->allow_from[i]))
            r->allow_count++;
        else
            problem_at(p, node, "\"" STR_FMT "\" is no address range as 192.0.2.0/24",
                       STR_ARG(texts[i]));
    }
}

static void compile_answer(struct recipe *r, struct arena *a, const struct yaml *node,
                           struct problems *p)
{
    static const char *const known[] = {"status", "content-type", "body", NULL};
    if (!node || !read_keys(p, node, known))
        return;
    int64_t status = 200;
    str type = STR("text/plain"), body = STR("");
    read_int(p, yaml_get(node, STR("status")), 200, 299, &status);
    read_str(p, yaml_get(node, STR("content-type")), &type);
    read_str(p, yaml_get(node, STR("body")), &body);
    r->answer.status = (int)status;
    r->answer.content_type = arena_str(a, type);
    r->answer.body = arena_str(a, body);
}

bool recipe_needs_secret(const struct recipe *r)
{
    for (size_t i = 0; i < r->alternative_count; i++)
        if (scheme_needs_secret(&r->alternatives[i]))
            return true;
    return false;
}

struct recipe *recipe_compile(struct arena *a, const struct yaml *file, struct problems *p)
{
    struct recipe *r = ARENA_NEW(a, struct recipe);
    const struct yaml *verify = yaml_get(file, STR("verify"));
    size_t errors = p->errors;
    if (!verify)
        problem_at(p, file, "\"verify\" is missing: how a request is verified");
    else if (r)
        compile_verify(r, a, verify, p);
    if (r && p->errors == errors) {
        r->delivery_id_count = refs_compile(r->delivery_ids, RECIPE_LIST_MAX, a,
                                            yaml_get(file, STR("delivery-id")), REFS_NAME, p);
        r->event_type_count = refs_compile(r->event_types, RECIPE_LIST_MAX, a,
                                           yaml_get(file, STR("event-type")), REFS_NAME, p);
        compile_ranges(r, a, yaml_get(file, STR("allow-from")), p);
        handshakes_compile(r, a, yaml_get(file, STR("handshake")), p);
        compile_answer(r, a, yaml_get(file, STR("answer")), p);
    }
    if (!r || !arena_ok(a))
        problem_at(p, file, "the provider file is too large");
    return p->errors == errors ? r : NULL;
}
