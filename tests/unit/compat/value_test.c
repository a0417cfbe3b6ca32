/* Lookup by dotted names and the way back to text. */
#include "compat/value.h"
#include "unit.h"

static struct arena arena;

/* What an earlier call gave is gone. */
static struct value from(const char *json)
{
    struct reason why = {0};
    struct value v;
    arena_release(&arena);
    arena_init(&arena, 8u << 20);
    struct json_doc *doc = json_parse_first(str_from_cstr(json), &why);
    EXPECT(doc != NULL);
    EXPECT(value_from_json(&arena, json_root(doc), &v));
    json_doc_free(doc);
    return v;
}

static str look(const struct value *v, const char *name)
{
    const struct value *found;
    str rest;
    return value_lookup(v, str_from_cstr(name), &found, &rest) == LOOKUP_FOUND
               ? value_to_text(&arena, found)
               : STR_NONE;
}

void test_value_lookup_takes_the_whole_name_first(void)
{
    struct value v = from("{\"a.b\":1,\"a\":{\"b\":2,\"c.d\":3}}");
    EXPECT_STR(look(&v, "a.b"), "1");
    EXPECT_STR(look(&v, "a.c.d"), "3");
    EXPECT_NONE(look(&v, "a.c"));
}

void test_value_lookup_indexes_lists_by_unsigned_decimals(void)
{
    struct value v = from("{\"l\":[10,{\"k\":\"v\"}]}");
    EXPECT_STR(look(&v, "l.0"), "10");
    EXPECT_STR(look(&v, "l.01.k"), "v");
    EXPECT_NONE(look(&v, "l.2"));
    EXPECT_NONE(look(&v, "l.-1"));
    EXPECT_NONE(look(&v, "l.+1"));
}

void test_value_lookup_tells_null_panic_and_absence_apart(void)
{
    struct value v = from("{\"n\":null,\"l\":[1]}");
    const struct value *found;
    str rest;
    EXPECT_EQ_INT(value_lookup(&v, STR("n.x"), &found, &rest), LOOKUP_IN_NULL);
    EXPECT_EQ_INT(value_lookup(&v, STR("l.9223372036854775808"), &found, &rest), LOOKUP_PANIC);
    EXPECT_EQ_INT(value_lookup(&v, STR("x.y"), &found, &rest), LOOKUP_MISSING);
    EXPECT_STR(rest, "x.y");
    EXPECT_STR(look(&v, "n"), "<nil>");
}

void test_value_json_sorts_keys_and_keeps_numbers(void)
{
    struct value v =
        from("{\"b\":1.50e2,\"a\":[true,null,\"<\\u2028\\u0001\\n\"],\"a\":2,\"\":{}}");
    EXPECT_STR(value_to_text(&arena, &v), "{\"\":{},\"a\":2,\"b\":1.50e2}");
    struct value list = from("[\"<&>\\u2028\\u0001\\n\\t\\\"\\\\\"]");
    EXPECT_STR(value_to_text(&arena, &list),
               "[\"\\u003c\\u0026\\u003e\\u2028\\u0001\\n\\t\\\"\\\\\"]");
}

void test_value_mends_broken_unicode(void)
{
    struct value v = from("{\"a\":\"\\ud800x\",\"b\":\"\xff\",\"c\":\"\\ud83d\\ude00\"}");
    EXPECT_STR(look(&v, "a"), "\xef\xbf\xbdx");
    EXPECT_STR(look(&v, "b"), "\xef\xbf\xbd");
    EXPECT_STR(look(&v, "c"), "\xf0\x9f\x98\x80");
}

void test_value_depth_is_bounded(void)
{
    struct arena a;
    struct value v;
    struct buf text;
    arena_init(&a, 8u << 20);
    buf_init(&text, 1u << 20);
    for (unsigned i = 0; i < VALUE_DEPTH_MAX + 1; i++)
        buf_char(&text, '[');
    for (unsigned i = 0; i < VALUE_DEPTH_MAX + 1; i++)
        buf_char(&text, ']');
    struct json_doc *doc = json_parse_first(buf_str(&text), NULL);
    EXPECT(doc != NULL);
    EXPECT(!value_from_json(&a, json_root(doc), &v));
    json_doc_free(doc);
    buf_release(&text);
    arena_release(&a);
}
