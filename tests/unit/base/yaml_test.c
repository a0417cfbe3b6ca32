/* The YAML reader: bytes stay bytes, and every refusal names its place. */
#include "unit.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/yaml.h"

static struct arena arena;
static struct reason why;

static const struct yaml *parse(str text)
{
    arena_release(&arena);
    arena_init(&arena, 64u << 20);
    why = (struct reason){0};
    return yaml_parse(&arena, STR("gaff.yaml"), text, &why);
}

static const struct yaml *parsed(const char *text)
{
    const struct yaml *root = parse(str_from_cstr(text));
    if (!root)
        FAIL("%s: %s", text, why.text);
    return root;
}

/* The text is refused, and the reason begins with the place and holds the words. */
static void expect_refused(const char *text, const char *place, const char *words)
{
    if (parse(str_from_cstr(text)))
        FAIL("accepted: %s", text);
    EXPECT_HAS(why.text, words);
    char begin[64];
    snprintf(begin, sizeof(begin), "gaff.yaml:%s: ", place);
    if (!str_starts(str_from_cstr(why.text), str_from_cstr(begin)))
        FAIL("\"%s\" does not begin with \"%s\"", why.text, begin);
}

void test_yaml_scalars_stay_byte_for_byte(void)
{
    static const char *const plain[] = {
        "no",   "on",   "yes",  "off", "true", "1.10",  "007",      "~",
        "null", "0x1F", "1e3",  ".5",  "0o17", "1_000", "12:30:45", "2026-11-23",
        "=",    "NaN",  ".inf", "-0",  "+1",   "@x",
    };
    char text[64];
    for (size_t i = 0; i + 1 < ARRAY_LEN(plain); i++) {
        snprintf(text, sizeof(text), "key: %s\n", plain[i]);
        const struct yaml *v = yaml_get(parsed(text), STR("key"));
        EXPECT_EQ_INT(v->kind, YAML_SCALAR);
        EXPECT(!v->quoted);
        EXPECT_EQ_STR(v->scalar, str_from_cstr(plain[i]));
        snprintf(text, sizeof(text), "%s: 1\n", plain[i]);
        EXPECT(yaml_get(parsed(text), str_from_cstr(plain[i])) != NULL);
    }
}

void test_yaml_quoting_is_remembered(void)
{
    const struct yaml *root = parsed("a: \"no\"\nb: 'it''s'\nc: |\n  two\n  lines\nd: >-\n  one\n"
                                     "  line\ne:\nf: ''\ng: \"a\\0\\x41\\u00e9\\n\"\n");
    EXPECT(yaml_get(root, STR("a"))->quoted);
    EXPECT_STR(yaml_get(root, STR("a"))->scalar, "no");
    EXPECT_STR(yaml_get(root, STR("b"))->scalar, "it's");
    EXPECT_STR(yaml_get(root, STR("c"))->scalar, "two\nlines\n");
    EXPECT(yaml_get(root, STR("c"))->quoted);
    EXPECT_STR(yaml_get(root, STR("d"))->scalar, "one line");
    EXPECT_STR(yaml_get(root, STR("e"))->scalar, "");
    EXPECT(!yaml_get(root, STR("e"))->quoted);
    EXPECT_STR(yaml_get(root, STR("f"))->scalar, "");
    EXPECT(yaml_get(root, STR("f"))->quoted);
    EXPECT_STR(yaml_get(root, STR("g"))->scalar, "a\0"
                                                 "A\xc3\xa9\n");
}

void test_yaml_tree_has_places_order_and_counts(void)
{
    const struct yaml *root = parsed("# a comment\n"
                                     "sources:\n"
                                     "  - id: one\n"
                                     "    \xc3\xa9t\xc3\xa9: x\n"
                                     "  - two\n"
                                     "last: {a: 1, b: [2, 3]}\n");
    EXPECT_EQ_INT(root->kind, YAML_MAP);
    EXPECT_EQ_UINT(root->count, 2);
    EXPECT_STR(root->file, "gaff.yaml");
    EXPECT_EQ_UINT(root->line, 2);
    EXPECT_EQ_UINT(root->column, 1);
    const struct yaml *list = yaml_get(root, STR("sources"));
    EXPECT_EQ_INT(list->kind, YAML_LIST);
    EXPECT_EQ_UINT(list->count, 2);
    EXPECT_EQ_UINT(list->key_line, 2);
    EXPECT_EQ_UINT(list->key_column, 1);
    EXPECT_EQ_UINT(list->line, 3);
    EXPECT_EQ_UINT(list->column, 3);
    const struct yaml *accented = list->first->first->next;
    EXPECT_STR(accented->key, "\xc3\xa9t\xc3\xa9");
    EXPECT_EQ_UINT(accented->line, 4);
    EXPECT_EQ_UINT(accented->column, 10);
    EXPECT_EQ_UINT(accented->key_column, 5);
    EXPECT_STR(list->first->next->scalar, "two");
    EXPECT_NONE(list->first->next->key);
    EXPECT(list->first->next->next == NULL);
    const struct yaml *b = yaml_get(yaml_get(root, STR("last")), STR("b"));
    EXPECT_EQ_UINT(b->count, 2);
    EXPECT_EQ_UINT(b->line, 6);
    EXPECT_EQ_UINT(b->column, 17);
}

void test_yaml_the_tree_outlives_the_text(void)
{
    char text[] = "name: value\n", file[] = "file";
    struct arena a = {.max = 1 << 16};
    const struct yaml *root =
        yaml_parse(&a, str_from_cstr(file), str_of(text, sizeof(text) - 1), &why);
    memset(text, 'x', sizeof(text));
    memset(file, 'x', sizeof(file));
    EXPECT_STR(yaml_get(root, STR("name"))->scalar, "value");
    EXPECT_STR(root->file, "file");
    arena_release(&a);
}

void test_yaml_nothing_is_an_empty_plain_value(void)
{
    static const char *const nothing[] = {"", "\n", "# only a comment\n", "---\n", "\xef\xbb\xbf"};
    for (size_t i = 0; i < ARRAY_LEN(nothing); i++) {
        const struct yaml *root = parsed(nothing[i]);
        EXPECT_EQ_INT(root->kind, YAML_SCALAR);
        EXPECT_STR(root->scalar, "");
        EXPECT(!root->quoted);
        EXPECT(root->line >= 1 && root->column >= 1);
    }
    EXPECT(parse(STR_NONE) != NULL);
}

void test_yaml_get_accepts_anything(void)
{
    const struct yaml *root = parsed("a: [1]\n");
    EXPECT(yaml_get(NULL, STR("a")) == NULL);
    EXPECT(yaml_get(root, STR("b")) == NULL);
    EXPECT(yaml_get(yaml_get(root, STR("a")), STR("0")) == NULL);
    EXPECT(yaml_get(yaml_get(root, STR("a"))->first, STR("x")) == NULL);
}

void test_yaml_reads_json(void)
{
    const struct yaml *root = parsed("{\"a\": [1, true, null, \"x\\/y\\u00e9\"], \"b\": {}}");
    EXPECT_EQ_UINT(yaml_get(root, STR("a"))->count, 4);
    EXPECT_STR(yaml_get(root, STR("a"))->first->next->next->next->scalar, "x/y\xc3\xa9");
    EXPECT_EQ_INT(yaml_get(root, STR("b"))->kind, YAML_MAP);
}

void test_yaml_refuses_anchors_aliases_tags_and_merge_keys(void)
{
    expect_refused("a: 1\nb: &x 2\n", "2:4", "anchors are not supported; remove \"&x\"");
    expect_refused("a: &x [1]\n", "1:4", "anchors");
    expect_refused("a: &x {b: 1}\n", "1:4", "anchors");
    expect_refused("a: 1\nb: *x\n", "2:4", "aliases");
    expect_refused("*x : 1\n", "1:1", "aliases");
    expect_refused("a: !!str 1\n", "1:4", "tags are not supported; remove \"tag:yaml.org");
    expect_refused("a: !secret 1\n", "1:4", "remove \"!secret\"");
    expect_refused("a: !x [1]\n", "1:4", "tags");
    expect_refused("a: !x {b: 1}\n", "1:4", "tags");
    expect_refused("!x a: 1\n", "1:1", "tags");
    expect_refused("%TAG ! tag:x,2000:\n---\na: 1\n", "1:1", "%TAG");
    expect_refused("a:\n  <<: {b: 1}\n", "2:3", "merge keys");
    parsed("a:\n  \"<<\": quoted is a key like any other\n");
}

void test_yaml_refuses_duplicate_keys(void)
{
    expect_refused("a: 1\nb: 2\na: 3\n", "3:1",
                   "the key \"a\" is here twice; the first is in line 1");
    expect_refused("x: {a: 1, 'a': 2}\n", "1:11", "twice");
    expect_refused("\"a\\e[31m\": 1\n\"a\\e[31m\": 1\n", "2:1", "\"a\\x1b[31m\"");
    parsed("a: {b: 1}\nb: {b: 2}\n");
}

void test_yaml_refuses_duplicates_in_a_large_map_fast(void)
{
    struct buf b;
    buf_init(&b, YAML_BYTES_MAX);
    for (int i = 0; i < 90000; i++)
        buf_printf(&b, "key-%d: %d\n", i, i);
    const struct yaml *root = parse(buf_str(&b));
    EXPECT(root && root->count == 90000);
    buf_str_append(&b, STR("key-80000: again\n"));
    EXPECT(parse(buf_str(&b)) == NULL);
    EXPECT_CSTR(why.text,
                "gaff.yaml:90001:1: the key \"key-80000\" is here twice; the first is in line "
                "80001");
    buf_release(&b);
}

void test_yaml_refuses_more_than_one_document(void)
{
    expect_refused("a: 1\n---\nb: 2\n", "2:1", "a second document");
    parsed("---\na: 1\n...\n");
}

void test_yaml_refuses_keys_that_are_no_text(void)
{
    expect_refused("? [a]\n: 1\n", "1:3", "a key must be plain text");
    expect_refused("? {a: 1}\n: 1\n", "1:3", "a key must be plain text");
}

void test_yaml_syntax_errors_name_the_place(void)
{
    expect_refused("a: 1\n\tb: 2\n", "2:1", "a tab indents this line");
    expect_refused("a: [1\nb: 2\n", "2:2", "line 1");
    expect_refused("a: \"x\n", "2:1", "");
    expect_refused("a: b: c\n", "1:5", "");
    expect_refused("a: 1\n  b: 2\n", "2:4", "");
    expect_refused("a: @x\n", "1:4", "");
}

void test_yaml_refuses_bad_bytes(void)
{
    expect_refused("a: 1\nb: x\xff\n", "2:5", "not valid UTF-8");
    EXPECT(parse(STR("a: \0b\n")) == NULL);
    EXPECT(parse(STR("a: \x01\n")) == NULL);
    /* Not guessed as UTF-16 either. */
    EXPECT(parse(STR("\xff\xfe"
                     "a\0:\0 \0b\0")) == NULL);
}

void test_yaml_accepts_a_byte_order_mark(void)
{
    const struct yaml *root = parsed("\xef\xbb\xbf"
                                     "a: 1\n");
    EXPECT_STR(yaml_get(root, STR("a"))->scalar, "1");
    EXPECT_EQ_UINT(root->column, 1);
}

void test_yaml_limits(void)
{
    char deep[2 * YAML_DEPTH_MAX + 3];
    for (unsigned depth = YAML_DEPTH_MAX; depth <= YAML_DEPTH_MAX + 1; depth++) {
        memset(deep, '[', depth);
        memset(deep + depth, ']', depth);
        EXPECT((parse(str_of(deep, 2 * (size_t)depth)) != NULL) == (depth == YAML_DEPTH_MAX));
    }
    EXPECT_EQ_INT(why.code, ERR_LIMIT);
    EXPECT_CSTR(why.text, "gaff.yaml:1:33: lists and maps are nested deeper than 32 levels");
    struct buf wide;
    buf_init(&wide, 1000);
    for (unsigned i = 0; i < 2 * YAML_DEPTH_MAX; i++)
        buf_str_append(&wide, STR("- [{a: []}]\n"));
    EXPECT(parse(buf_str(&wide)) != NULL);
    buf_release(&wide);
    size_t n = YAML_BYTES_MAX + 1;
    char *text = xmalloc(n);
    memset(text, '#', n);
    EXPECT(parse(str_of(text, n)) == NULL);
    EXPECT_EQ_INT(why.code, ERR_LIMIT);
    EXPECT(parse(str_of(text, n - 1)) != NULL);
    free(text);
}

void test_yaml_counts_nodes(void)
{
    struct buf b;
    buf_init(&b, YAML_BYTES_MAX);
    for (unsigned i = 0; i < YAML_NODES_MAX - 1; i++)
        buf_str_append(&b, STR("- 1\n"));
    EXPECT(parse(buf_str(&b)) != NULL);
    buf_str_append(&b, STR("- 1\n"));
    EXPECT(parse(buf_str(&b)) == NULL);
    EXPECT_EQ_INT(why.code, ERR_LIMIT);
    EXPECT_HAS(why.text, "gaff.yaml:200000:3: there are more than 200000 values");
    buf_release(&b);
}

void test_yaml_a_full_arena_is_said(void)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    for (int i = 0; i < 1000; i++)
        buf_str_append(&b, STR("- some words\n"));
    for (size_t max = 16; max < 200000; max = max * 3 / 2) {
        struct arena a = {.max = max};
        why = (struct reason){0};
        if (!yaml_parse(&a, STR("f"), buf_str(&b), &why)) {
            EXPECT_EQ_INT(why.code, ERR_LIMIT);
            EXPECT_HAS(why.text, "does not fit");
        }
        arena_release(&a);
    }
    buf_release(&b);
}

void test_yaml_the_name_of_the_file_is_escaped(void)
{
    struct arena a = {.max = 1 << 16};
    EXPECT(!yaml_parse(&a, STR("a\x1b[31m.yaml"), STR("a: ["), &why));
    EXPECT_HAS(why.text, "a\\x1b[31m.yaml:");
    EXPECT(!yaml_parse(&a, STR("f"), STR("a: ["), NULL));
    arena_release(&a);
}
