/* Shapes: what a tree of templates renders to, what is left out, what is refused. */
#include "unit.h"

#include "action/shape.h"

static bool known(str name, bool is_filter, void *arg)
{
    UNUSED(arg);
    return !is_filter && (str_eq(name, STR("a")) || str_eq(name, STR("none")));
}

static bool is_map(str name, void *arg)
{
    UNUSED(arg);
    return str_eq(name, STR("m"));
}

static str resolve(const struct template_part *ref, struct arena *a, void *arg)
{
    UNUSED(a);
    UNUSED(arg);
    return str_eq(ref->text, STR("a")) ? STR("x\",\"admin\":true,\"y\":\"") : STR_NONE;
}

static bool entry(str field, size_t i, str *key, str *value, void *arg)
{
    static const str keys[] = {{"k\"1", 3}, {"k2", 2}}, values[] = {{"true", 4}, {"a&b", 3}};
    UNUSED(field);
    UNUSED(arg);
    if (i >= ARRAY_LEN(keys))
        return false;
    *key = keys[i];
    *value = values[i];
    return true;
}

/* The rendering of YAML, or NULL; reads into *p. */
static const char *render(const char *yaml, bool flat, struct arena *a, struct problems *p)
{
    const struct shape_names names = {known, is_map, NULL};
    const struct shape_values values = {resolve, entry, NULL};
    struct reason why = {.text = ""};
    struct buf out;
    const struct yaml *node = yaml_parse(a, STR("t"), str_from_cstr(yaml), &why);
    if (!node)
        FAIL("%s", why.text);
    const struct shape *s = shape_read(a, node, flat, &names, p);
    if (!s)
        return NULL;
    buf_init(&out, 1u << 16);
    enum err e = flat ? shape_write_form(s, &values, &out, a, &why)
                      : shape_write_json(s, &values, &out, a, &why);
    const char *text =
        e == ERR_OK ? arena_cstr(a, buf_str(&out)) : arena_cstr(a, str_from_cstr(why.text));
    buf_release(&out);
    return text;
}

static void expect_rendered(const char *yaml, bool flat, const char *expected)
{
    struct arena a;
    struct problems p = {0};
    arena_init(&a, 1u << 20);
    const char *text = render(yaml, flat, &a, &p);
    if (!text)
        FAIL("%s: %s", yaml, p.v[0].text);
    EXPECT_CSTR(text, expected);
    problems_release(&p);
    arena_release(&a);
}

void test_shape_text_stays_one_string(void)
{
    expect_rendered("{ t: \"{{ a }}\" }", false,
                    "{\"t\":\"x\\\",\\\"admin\\\":true,\\\"y\\\":\\\"\"}");
    expect_rendered("{ t: \"{{ a | json_value }}\" }", false,
                    "{\"t\":\"x\\\",\\\"admin\\\":true,\\\"y\\\":\\\"\"}");
    expect_rendered("{ t: \"{{ a }}\" }", true, "t=x%22%2C%22admin%22%3Atrue%2C%22y%22%3A%22");
}

void test_shape_plain_values_keep_their_type(void)
{
    expect_rendered("{ a: 1, b: true, c: null, d: \"1\", e: 007, f: [1.5, x] }", false,
                    "{\"a\":1,\"b\":true,\"c\":null,\"d\":\"1\",\"e\":\"007\",\"f\":[1.5,\"x\"]}");
}

void test_shape_leaves_out_what_is_absent(void)
{
    expect_rendered("{ t: \"{{ none? }}\", u: [\"{{ none? }}\", y] }", false, "{\"u\":[\"y\"]}");
    expect_rendered("{ o: { $when: \"{{ none? }}\", x: 1 }, p: { $when: \"{{ a? }}\", x: 1 } }",
                    false, "{\"p\":{\"x\":1}}");
    expect_rendered("{ t: \"{{ none? }}\", u: y }", true, "u=y");
    expect_rendered("{ t: \"{{ none }}\" }", false, "{{ none }} has no value");
}

void test_shape_repeats_for_each_entry(void)
{
    expect_rendered("{ z: 1, $each: m }", false, "{\"z\":1,\"k\\\"1\":\"true\",\"k2\":\"a&b\"}");
    expect_rendered(
        "{ $each: m, $key: \"P_{{ key }}\", $value: { v: \"{{ value | json_value }}\" } }", false,
        "{\"P_k\\\"1\":{\"v\":true},\"P_k2\":{\"v\":\"a&b\"}}");
    expect_rendered("{ l: { $each: m, $item: { n: \"{{ key }}\" } } }", false,
                    "{\"l\":[{\"n\":\"k\\\"1\"},{\"n\":\"k2\"}]}");
    expect_rendered("{ q: 1, $each: m, $key: \"v[{{ key }}]\" }", true,
                    "q=1&v%5Bk%221%5D=true&v%5Bk2%5D=a%26b");
}

static void expect_refused(const char *yaml, bool flat, const char *part)
{
    struct arena a;
    struct problems p = {0};
    arena_init(&a, 1u << 20);
    EXPECT(!render(yaml, flat, &a, &p));
    EXPECT(p.count > 0);
    EXPECT_HAS(p.v[0].text, part);
    problems_release(&p);
    arena_release(&a);
}

void test_shape_refuses_what_it_cannot_render(void)
{
    expect_refused("{ t: \"{{ nonsense }}\" }", false, "unknown reference");
    expect_refused("{ $each: other }", false, "no field with `map: true`");
    expect_refused("{ $key: x }", false, "need $each");
    expect_refused("{ $each: m, $item: x, y: 1 }", false, "$item makes a list");
    expect_refused("{ $foo: m }", false, "there are $each");
    expect_refused("{ $when: \"{{ a }}\", x: 1 }", false, "one optional reference");
    expect_refused("{ a: { b: 1 } }", true, "one level only");
    expect_refused("[1]", true, "expected names");
}
