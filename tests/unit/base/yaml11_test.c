/* YAML as Go's yaml.v2 types it: what a plain scalar is, merges, aliases, bounds. */
#include "base/yaml11.h"
#include "unit.h"

static struct yaml11 *parse(struct arena *a, const char *text)
{
    struct reason why = {0};
    arena_init(a, 64u << 20);
    struct yaml11 *y = yaml11_parse(a, STR("f"), str_from_cstr(text), &why);
    if (!y)
        FAIL("%s", why.text);
    return y;
}

static void expect(const char *scalar, enum yaml11_kind kind, const char *text)
{
    struct arena a;
    struct yaml11 *y = parse(&a, scalar);
    if (y->kind != kind || !str_eq(y->text, str_from_cstr(text)))
        FAIL("%s is %s \"" STR_FMT "\"", scalar, yaml11_kind_text(y->kind), STR_ARG(y->text));
    arena_release(&a);
}

void test_yaml11_types_plain_scalars(void)
{
    expect("yes", YAML11_BOOL, "true");
    expect("Off", YAML11_BOOL, "false");
    expect("~", YAML11_NULL, "");
    expect("0x10", YAML11_INT, "16");
    expect("010", YAML11_INT, "8");
    expect("1_000", YAML11_INT, "1000");
    expect("18446744073709551615", YAML11_INT, "18446744073709551615");
    expect("08", YAML11_FLOAT, "8");
    expect("1.50", YAML11_FLOAT, "1.5");
    expect("1000000.5", YAML11_FLOAT, "1.0000005e+06");
    expect("1e3", YAML11_STRING, "1e3");
    expect("1e+3", YAML11_FLOAT, "1000");
    expect("1e+300", YAML11_FLOAT, "+Inf");
    expect("2001-01-01", YAML11_STRING, "2001-01-01");
    expect("\"5\"", YAML11_STRING, "5");
    expect("!!str 5", YAML11_STRING, "5");
    expect("!!binary aGk=", YAML11_STRING, "hi");
    expect("\"it\\'s\"", YAML11_STRING, "it's");
}

void test_yaml11_merges_override_what_stands_before_them(void)
{
    struct arena a;
    struct yaml11 *y = parse(&a, "- &d {k: base, o: 1}\n- k: own\n  <<: *d\n");
    const struct yaml11 *map = y->first->next;
    EXPECT_EQ_UINT(map->count, 3);
    EXPECT_STR(map->first->text, "own");
    EXPECT_STR(map->first->next->text, "base");
    arena_release(&a);
}

void test_yaml11_only_the_first_document_counts(void)
{
    struct arena a;
    struct yaml11 *y = parse(&a, "- 1\n---\n- 2\n- {\n");
    EXPECT_EQ_UINT(y->count, 1);
    arena_release(&a);
}

static void refuses(const char *text, const char *part)
{
    struct arena a;
    struct reason why = {0};
    arena_init(&a, 256u << 20);
    EXPECT(!yaml11_parse(&a, STR("f"), str_from_cstr(text), &why));
    EXPECT_HAS(why.text, part);
    arena_release(&a);
}

void test_yaml11_refuses_with_a_place(void)
{
    refuses("- &a [*a]", "f:1:7: an anchor's value contains itself");
    refuses("- *x", "f:1:3: an alias for an anchor that is not there");
    refuses("- {<<: 5}", "map merge requires");
    refuses("- {a: b:c}", "found unexpected ':'");
    refuses("- &a [x,x,x,x,x,x,x,x,x,x]\n- &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
            "- &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n- &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
            "- &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n- [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n",
            "more than 200000 values");
}
