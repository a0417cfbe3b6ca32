/* jose_compile.c -- reads what a provider file says about a token: which algorithms, which claims,
 * how old it may be. */
#include "verify/algorithm.h"
#include "verify/scheme.h"

#define CLAIMS_MAX 16
#define LEEWAY_DEFAULT_MS (30 * 1000)
#define LEEWAY_MAX_MS (600 * 1000)
#define AGE_MAX_MS (24 * 3600 * (int64_t)1000)

static void compile_claims(struct jose_rule *r, struct arena *a, const struct yaml *node,
                           struct problems *p)
{
    if (!node)
        return;
    if (node->kind != YAML_MAP || node->count > CLAIMS_MAX) {
        problem_at(p, node, "expected at most %d claims, as { iss: example.org, sub: \"*\" }",
                   CLAIMS_MAX);
        return;
    }
    r->claims = ARENA_ARRAY(a, struct claim_rule, node->count + 1);
    for (const struct yaml *item = node->first; r->claims && item; item = item->next) {
        struct claim_rule *c = &r->claims[r->claim_count];
        c->name = arena_str(a, item->key);
        c->any = item->kind == YAML_SCALAR && str_eq(item->scalar, STR("*"));
        if (!c->any && !pieces_compile(&c->value, a, item, REFS_CLAIM, p))
            return;
        r->claim_count++;
    }
}

void jose_compile(struct scheme *s, struct arena *a, const struct yaml *node, struct problems *p)
{
    struct jose_rule *r = &s->jose;
    r->leeway_ms = LEEWAY_DEFAULT_MS;
    algorithms_read(&jose_algorithms, a, node, yaml_get(node, STR("algorithms")), &r->algorithms,
                    &r->keyed, p);
    compile_claims(r, a, yaml_get(node, STR("claims")), p);
    read_duration(p, yaml_get(node, STR("leeway")), 0, LEEWAY_MAX_MS, &r->leeway_ms);
    read_duration(p, yaml_get(node, STR("max-age")), 1000, AGE_MAX_MS, &r->max_age_ms);
}
