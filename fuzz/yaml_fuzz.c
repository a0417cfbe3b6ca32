/* yaml_fuzz.c -- any text through both readers of YAML: the strict one of our configuration and the
 * lenient one of files written for Go programs. Each refuses with a place or gives a tree within
 * its bounds; what the strict one takes has the same shape and the same texts in the other. */
#include "base/yaml.h"
#include "base/yaml11.h"

#include "base/codec.h"

static size_t check_strict(const struct yaml *v, unsigned depth)
{
    size_t nodes = 1, count = 0;
    assert(depth <= YAML_DEPTH_MAX && v->line > 0 && v->column > 0);
    for (const struct yaml *c = v->first; c; c = c->next, count++) {
        if (v->kind == YAML_MAP)
            assert(c->key.p && yaml_get(v, c->key) == c);
        nodes += check_strict(c, depth + 1);
    }
    assert(count == v->count && (v->kind != YAML_SCALAR || (count == 0 && v->scalar.p)));
    assert(v->kind != YAML_SCALAR || utf8_valid(v->scalar));
    return nodes;
}

static size_t check_lenient(const struct yaml11 *v, unsigned depth)
{
    size_t nodes = 1, count = 0;
    assert(depth <= YAML11_DEPTH_MAX && yaml11_kind_text(v->kind)[0]);
    for (const struct yaml11 *c = v->first; c; c = c->next, count++)
        nodes += check_lenient(c, depth + 1);
    assert(count == v->count && (v->kind >= YAML11_LIST || count == 0));
    return nodes;
}

static void compare(const struct yaml *strict, const struct yaml11 *lenient)
{
    if (strict->kind == YAML_SCALAR) {
        assert(lenient->kind < YAML11_LIST);
        if (strict->quoted || lenient->kind == YAML11_STRING)
            assert(lenient->kind == YAML11_STRING && str_eq(strict->scalar, lenient->text));
        return;
    }
    assert((strict->kind == YAML_MAP) == (lenient->kind == YAML11_MAP));
    assert(strict->count == lenient->count);
    const struct yaml11 *l = lenient->first;
    for (const struct yaml *s = strict->first; s; s = s->next, l = l->next)
        compare(s, l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str text = str_of((const char *)data, size);
    struct reason why = {.text = ""}, why11 = {.text = ""};
    struct arena a, b;
    if (size > 65536)
        return 0;
    arena_init(&a, 64u << 20);
    arena_init(&b, 64u << 20);
    const struct yaml *strict = yaml_parse(&a, STR("f"), text, &why);
    const struct yaml11 *lenient = yaml11_parse(&b, STR("f"), text, &why11);
    assert(strict || str_starts(str_from_cstr(why.text), STR("f:")));
    assert(lenient || why11.text[0]);
    if (strict)
        assert(check_strict(strict, 0) <= YAML_NODES_MAX);
    if (lenient)
        assert(check_lenient(lenient, 0) <= YAML11_NODES_MAX);
    if (strict && lenient)
        compare(strict, lenient);
    arena_release(&a);
    arena_release(&b);
    return 0;
}
