/* router_fuzz.c -- path lookup: routes of any shape and a path. What a path means does not depend
 * on the order in which routes were added. Input: the method and the path on lines of their own,
 * then a pattern a line. */
#include "http/router.h"

#define PATTERNS_MAX 16

static bool add(struct router *r, str pattern, void *value)
{
    struct reason why = {.text = ""};
    enum err e = router_add(r, pattern, value, &why);
    assert(e == ERR_OK || why.text[0]);
    return e == ERR_OK;
}

static void check(const struct router_match *m, str path)
{
    assert(m->status == 200 || m->status == 404 || m->status == 405 || m->status == 204);
    assert((m->value != NULL) == (m->status == 200) && m->param_count <= ROUTER_PARAMS_MAX);
    assert((m->status == 405 || m->status == 204) == (m->allow.n > 0));
    for (size_t i = 0; i < m->param_count; i++) {
        str v = m->params[i].value;
        assert(m->params[i].name.n > 0 && v.p && v.n <= path.n);
        assert(!str_eq(v, STR(".")) && !str_eq(v, STR("..")));
        assert(!str_starts(v, STR("../")) && str_find_str(v, STR("/../")) == v.n);
        assert(str_eq(router_param(m, m->params[i].name), v));
    }
    assert(!router_param(m, STR("no such name")).p);
}

static bool same(const struct router_match *a, const struct router_match *b)
{
    if (a->status != b->status || a->value != b->value || a->head != b->head ||
        a->param_count != b->param_count)
        return false;
    for (size_t i = 0; i < a->param_count; i++)
        if (!str_eq(a->params[i].name, b->params[i].name) ||
            !str_eq(a->params[i].value, b->params[i].value))
            return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int values[PATTERNS_MAX];
    str good[PATTERNS_MAX];
    void *value_of[PATTERNS_MAX];
    size_t count = 0;
    str rest = str_of((const char *)data, size);
    str method = str_cut(&rest, '\n');
    str path = rest.p ? str_cut(&rest, '\n') : STR("/");
    if (size > 4096)
        return 0;
    struct router *forth = router_new(), *back = router_new();
    for (size_t i = 0; i < PATTERNS_MAX && rest.p; i++) {
        str pattern = str_cut(&rest, '\n');
        if (add(forth, pattern, &values[i])) {
            value_of[count] = &values[i];
            good[count++] = pattern;
        }
    }
    for (size_t i = count; i > 0; i--) {
        bool added = add(back, good[i - 1], value_of[i - 1]);
        assert(added);
    }
    struct arena a;
    struct router_match one, other;
    arena_init(&a, 1u << 20);
    router_find(forth, method, path, &a, &one);
    router_find(back, method, path, &a, &other);
    check(&one, path);
    assert(same(&one, &other));
    router_free(forth);
    router_free(back);
    arena_release(&a);
    return 0;
}
