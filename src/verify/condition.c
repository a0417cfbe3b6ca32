/* condition.c -- `when` and `assert` of provider files: whether a request is of the kind that a
 * handshake or an alternative is for. */
#include "base/secret.h"
#include "verify/scheme.h"

bool condition_holds(const struct condition *c, struct view *w)
{
    str value;
    enum presence found = view_get(w, &c->ref, &value);
    if (c->equals.p && !c->equals.n)
        return found == ABSENT || (found == PRESENT && value.n == 0);
    if (found != PRESENT)
        return false;
    if (!c->equals.p)
        return value.n > 0;
    return secret_equal(value.p, value.n, c->equals.p, c->equals.n);
}

/* The kinds are in order of cost: a body is parsed only when all else fits. */
static void sort_conditions(struct condition *v, size_t count)
{
    for (size_t i = 1; i < count; i++)
        for (size_t j = i; j > 0 && v[j].ref.kind < v[j - 1].ref.kind; j--) {
            struct condition c = v[j];
            v[j] = v[j - 1];
            v[j - 1] = c;
        }
}

/* The key of a mapping's item, as a node that a reference can be read from. */
static struct yaml key_node(const struct yaml *item)
{
    return (struct yaml){.kind = YAML_SCALAR,
                         .scalar = item->key,
                         .quoted = true,
                         .file = item->file,
                         .line = item->key_line,
                         .column = item->key_column};
}

size_t conditions_compile(struct condition out[CONDITIONS_MAX], struct arena *a,
                          const struct yaml *node, unsigned allowed, struct problems *p)
{
    size_t count = 0;
    bool is_when = node->kind == YAML_MAP && str_eq(node->key, STR("when"));
    if (!is_when || !node->count || node->count > CONDITIONS_MAX) {
        problem_at(p, node,
                   "\"when\" needs 1 to %d conditions, as { method: GET, \"query:challenge\""
                   ": \"*\" }",
                   CONDITIONS_MAX);
        return 0;
    }
    for (const struct yaml *item = node->first; item; item = item->next) {
        struct yaml key = key_node(item);
        str value = STR_NONE;
        if (!ref_compile(&out[count].ref, a, &key, allowed, p) || !read_str(p, item, &value))
            return 0;
        out[count++].equals = str_eq(value, STR("*")) ? STR_NONE : arena_str(a, value);
    }
    sort_conditions(out, count);
    return count;
}

bool asserts_compile(struct scheme *s, struct arena *a, const struct yaml *node, unsigned allowed,
                     struct problems *p)
{
    if (!node)
        return true;
    if (node->kind != YAML_MAP || !node->count || node->count > CONDITIONS_MAX) {
        problem_at(p, node,
                   "expected 1 to %d references with the text they must be equal to, as "
                   "{ \"query:bodySHA256\": \"{{ body | sha256 | hex }}\" }",
                   CONDITIONS_MAX);
        return false;
    }
    s->asserts = ARENA_ARRAY(a, struct assertion, node->count);
    for (const struct yaml *item = node->first; s->asserts && item; item = item->next) {
        struct yaml key = key_node(item);
        struct assertion *one = &s->asserts[s->assert_count];
        if (!ref_compile(&one->ref, a, &key, allowed, p) ||
            !pieces_compile(&one->value, a, item, allowed, p))
            return false;
        s->assert_count++;
    }
    return s->asserts != NULL;
}
