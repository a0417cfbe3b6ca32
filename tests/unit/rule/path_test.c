/* path_test.c -- JSON paths: parts, escapes, wildcards, and their limits. */
#include "rule/path.h"

#include "base/buf.h"
#include "unit.h"

static struct arena arena = {.max = 64u << 20};

static bool collect(const struct json *value, void *arg)
{
    struct buf *out = arg;
    if (out->len)
        buf_char(out, ' ');
    buf_str_append(out, json_text(&arena, value));
    return false;
}

/* All values reached, with blanks between. */
static str walk(const char *text, const char *json)
{
    struct reason why = {0};
    struct path path;
    struct buf out;
    buf_init(&out, 65536);
    EXPECT_OK(path_compile(&path, &arena, str_from_cstr(text), &why), why);
    struct json_doc *doc = json_parse(str_from_cstr(json), &why);
    if (!doc)
        FAIL("%s", why.text);
    EXPECT(!path_walk(&path, json_root(doc), collect, &out));
    str found = arena_str(&arena, buf_str(&out));
    buf_release(&out);
    json_doc_free(doc);
    return found;
}

void test_path_reaches_members_and_elements(void)
{
    EXPECT_STR(walk("a", "{\"a\":1}"), "1");
    EXPECT_STR(walk("a.b.c", "{\"a\":{\"b\":{\"c\":\"x\"}}}"), "x");
    EXPECT_STR(walk("a.1", "{\"a\":[10,20,30]}"), "20");
    EXPECT_STR(walk("1.a", "[0,{\"a\":5}]"), "5");
    EXPECT_STR(walk("1", "{\"1\":\"one\"}"), "one");
    EXPECT_STR(walk("a.9", "{\"a\":[10,20,30]}"), "");
    EXPECT_STR(walk("a.b", "{\"a\":5}"), "");
    EXPECT_STR(walk("a", "5"), "");
}

void test_path_wildcard_reaches_every_element_in_order(void)
{
    EXPECT_STR(walk("c.*.n", "{\"c\":[{\"n\":1},{\"x\":0},{\"n\":3}]}"), "1 3");
    EXPECT_STR(walk("*", "{\"a\":1,\"b\":2}"), "1 2");
    EXPECT_STR(walk("*.*", "[[1,2],[],[3]]"), "1 2 3");
    EXPECT_STR(walk("*", "[]"), "");
    EXPECT_STR(walk("a.*", "{\"a\":\"text\"}"), "");
}

void test_path_backslash_takes_a_byte_literally(void)
{
    EXPECT_STR(walk("a\\.b", "{\"a.b\":1,\"a\":{\"b\":2}}"), "1");
    EXPECT_STR(walk("\\*", "{\"*\":1,\"b\":2}"), "1");
    EXPECT_STR(walk("a\\\\b", "{\"a\\\\b\":1}"), "1");
    EXPECT_STR(walk("a\\.b.c\\.d", "{\"a.b\":{\"c.d\":7}}"), "7");
}

void test_path_compile_refuses_what_reaches_nothing(void)
{
    static const char *const wrong[] = {"", ".", "a.", ".a", "a..b", "a\\"};
    struct path path;
    struct reason why;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        EXPECT_EQ_INT(path_compile(&path, &arena, str_from_cstr(wrong[i]), &why), ERR_INVALID);
    char deep[2 * PATH_PARTS_MAX + 2];
    for (size_t i = 0; i < sizeof(deep) - 1; i++)
        deep[i] = i % 2 ? '.' : 'a';
    EXPECT_EQ_INT(path_compile(&path, &arena, str_of(deep, 2 * PATH_PARTS_MAX - 1), &why), ERR_OK);
    EXPECT_EQ_INT(path.count, PATH_PARTS_MAX);
    EXPECT_EQ_INT(path_compile(&path, &arena, str_of(deep, 2 * PATH_PARTS_MAX + 1), &why),
                  ERR_INVALID);
}

static bool stop_at_third(const struct json *value, void *arg)
{
    int *seen = arg;
    UNUSED(value);
    return ++*seen == 3;
}

void test_path_walk_stops_when_told(void)
{
    struct reason why = {0};
    struct path path;
    int seen = 0;
    EXPECT_OK(path_compile(&path, &arena, STR("*"), &why), why);
    struct json_doc *doc = json_parse(STR("[1,2,3,4,5]"), &why);
    EXPECT(path_walk(&path, json_root(doc), stop_at_third, &seen));
    EXPECT_EQ_INT(seen, 3);
    EXPECT(!path_walk(&path, NULL, stop_at_third, &seen));
    json_doc_free(doc);
}
