/* Structured fields: RFC 9651's own examples and the corners of its algorithms; what is read is
 * written again in the one canonical form. */
#include "unit.h"

#include "http/structured.h"

static struct arena arena;

/* The dictionary written anew; the reason in angle brackets when it is refused. */
static const char *dictionary(const char *text)
{
    struct sf_member *members;
    size_t count;
    bool doubled;
    struct buf out;
    arena_init(&arena, 1u << 20);
    const char *wrong = sf_dictionary(&arena, str_from_cstr(text), &members, &count, &doubled);
    buf_init(&out, 65536);
    if (wrong)
        buf_printf(&out, "<%s>", wrong);
    else
        sf_write_members(&out, members, count);
    static char kept[8192];
    snprintf(kept, sizeof(kept), "%s", buf_cstr(&out));
    buf_release(&out);
    arena_release(&arena);
    return kept;
}

static const char *item(const char *text)
{
    struct sf_item one;
    struct buf out;
    static char kept[4096];
    arena_init(&arena, 1u << 20);
    const char *wrong = sf_one_item(&arena, str_from_cstr(text), &one);
    buf_init(&out, 65536);
    if (wrong)
        buf_printf(&out, "<%s>", wrong);
    else
        sf_write_item(&out, &one);
    snprintf(kept, sizeof(kept), "%s", buf_cstr(&out));
    buf_release(&out);
    arena_release(&arena);
    return kept;
}

#define EXPECT_TEXT(got, expected) EXPECT_EQ_STR(str_from_cstr(got), str_from_cstr(expected))

void test_structured_items_are_written_canonically(void)
{
    static const struct {
        const char *text, *canonical;
    } cases[] = {
        {"5", "5"},
        {"-0", "0"},
        {"007", "7"},
        {"-999999999999999", "-999999999999999"},
        {"4.50", "4.5"},
        {"-0.0", "0.0"},
        {"00.100", "0.1"},
        {"\"a \\\"b\\\" \\\\c\"", "\"a \\\"b\\\" \\\\c\""},
        {"\"\"", "\"\""},
        {"foo123/456:*", "foo123/456:*"},
        {"*a", "*a"},
        {":cHJldGVuZA==:", ":cHJldGVuZA==:"},
        {":cHJldGVuZA:", ":cHJldGVuZA==:"},
        {"::", "::"},
        {"?1", "?1"},
        {"?0", "?0"},
        {"@1659578233", "@1659578233"},
        {"  a;x;  y=?0 ;z=1  ", "<something stands behind it>"},
        {"a;x;  y=?0;z=1.0", "a;x;y=?0;z=1.0"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        EXPECT_TEXT(item(cases[i].text), cases[i].canonical);
}

void test_structured_dictionaries_of_the_rfc(void)
{
    EXPECT_TEXT(dictionary("en=\"Applepie\", da=:w4ZibGV0w6ZydGU=:"),
                "en=\"Applepie\", da=:w4ZibGV0w6ZydGU=:");
    EXPECT_TEXT(dictionary("a=?0, b, c; foo=bar"), "a=?0, b, c;foo=bar");
    EXPECT_TEXT(dictionary("rating=1.5, feelings=(joy sadness)"),
                "rating=1.5, feelings=(joy sadness)");
    EXPECT_TEXT(dictionary("a=(1 2),b=3 \t,\t c=4;aa=bb, d=(5  6 );valid"),
                "a=(1 2), b=3, c=4;aa=bb, d=(5 6);valid");
    EXPECT_TEXT(dictionary("a=()"), "a=()");
    EXPECT_TEXT(dictionary("a=( \"x\";y=1 )"), "a=(\"x\";y=1)");
    EXPECT_TEXT(dictionary(""), "");
    EXPECT_TEXT(dictionary("   "), "");
}

void test_structured_refuses_what_is_malformed(void)
{
    static const char *const items[] = {"",
                                        "-",
                                        "1.",
                                        ".5",
                                        "1.2345",
                                        "1234567890123456",
                                        "1234567890123.1",
                                        "\"",
                                        "\"a",
                                        "\"a\\",
                                        "\"a\\n\"",
                                        "\"\x7f\"",
                                        "\"\x01\"",
                                        ":",
                                        ":a",
                                        ":a:",
                                        ":====:",
                                        "?",
                                        "?2",
                                        "@1.5",
                                        "@",
                                        "{",
                                        "a b",
                                        "a;",
                                        "a;X",
                                        "a;x=",
                                        "a;x=1;x=2",
                                        "%\"a\"",
                                        "(1)",
                                        "\xc3\xa4"};
    static const char *const dictionaries[] = {
        ",",    "a,",      "a,,b",   "a b",      "A=1",     "1=1",  "a=1 b=2", "a=", "a=(",
        "a=(1", "a=(1,2)", "a=(1)2", "a=1, a=2", "a=((1))", "a=1;", "a==1",    "=1"};
    for (size_t i = 0; i < ARRAY_LEN(items); i++)
        if (item(items[i])[0] != '<')
            FAIL("the item %s is taken as %s", items[i], item(items[i]));
    for (size_t i = 0; i < ARRAY_LEN(dictionaries); i++)
        if (dictionary(dictionaries[i])[0] != '<')
            FAIL("the dictionary %s is taken as %s", dictionaries[i], dictionary(dictionaries[i]));
    EXPECT_TEXT(dictionary("a=1, b=2, a=3"), "<a name is there twice>");
}

/* n times what a member, an item or a parameter is. */
static const char *many(const char *before, const char *part, int n, const char *after)
{
    struct buf out;
    static char kept[4096];
    buf_init(&out, sizeof(kept) - 1);
    buf_printf(&out, "%s", before);
    for (int i = 0; i < n; i++)
        buf_printf(&out, part, i ? "" : "", i);
    buf_printf(&out, "%s", after);
    EXPECT(buf_ok(&out));
    snprintf(kept, sizeof(kept), "%s", buf_cstr(&out));
    buf_release(&out);
    return kept;
}

void test_structured_counts_are_bounded(void)
{
    EXPECT(dictionary(many("z", ",%sk%d=1", 31, ""))[0] != '<');
    EXPECT_TEXT(dictionary(many("z", ",%sk%d=1", 32, "")), "<it has over 32 members>");
    EXPECT(dictionary(many("a=(", " %s%d", 64, ")"))[0] != '<');
    EXPECT_TEXT(dictionary(many("a=(", " %s%d", 65, ")")), "<an inner list has over 64 items>");
    EXPECT(item(many("a", ";%sp%d", 16, ""))[0] != '<');
    EXPECT_TEXT(item(many("a", ";%sp%d", 17, "")), "<there are over 16 parameters>");
}
