/* Patterns of fields: what they match, from end to end, and that no text makes them slow. */
#include "unit.h"

#include "action/pattern.h"

static bool matches(const char *pattern, const char *text)
{
    struct arena a;
    struct reason why = {.text = ""};
    arena_init(&a, 1u << 20);
    struct pattern *p = pattern_compile(&a, str_from_cstr(pattern), &why);
    if (!p)
        FAIL("%s: %s", pattern, why.text);
    bool out = pattern_matches(p, str_from_cstr(text));
    arena_release(&a);
    return out;
}

void test_pattern_is_anchored_at_both_ends(void)
{
    EXPECT(matches("abc", "abc"));
    EXPECT(!matches("abc", "xabc"));
    EXPECT(!matches("abc", "abcx"));
    EXPECT(!matches("abc", "abc\n"));
    EXPECT(matches("", ""));
    EXPECT(!matches("", "a"));
}

void test_pattern_knows_classes_and_counts(void)
{
    EXPECT(matches("[a-z0-9_.-]+/[a-z0-9_.-]+", "octo-org/hello.world"));
    EXPECT(!matches("[a-z0-9_.-]+/[a-z0-9_.-]+", "octo/hello/world"));
    EXPECT(!matches("[a-z]+", ""));
    EXPECT(matches("[a-z]*", ""));
    EXPECT(matches("[0-9a-f]{4}", "09af"));
    EXPECT(!matches("[0-9a-f]{4}", "09a"));
    EXPECT(!matches("[0-9a-f]{4}", "09aff"));
    EXPECT(matches("a{2,3}b?", "aa") && matches("a{2,3}b?", "aaab"));
    EXPECT(!matches("a{2,3}b?", "aaaab"));
    EXPECT(matches("a{2,}", "aaaaaaa") && !matches("a{2,}", "a"));
    EXPECT(matches("[^/]+", "x y") && !matches("[^/]+", "x/y"));
    EXPECT(matches("https://.+", "https://x") && !matches("https://.+", "http://x"));
    EXPECT(matches("a\\+b", "a+b") && matches("[\\]]", "]"));
    EXPECT(matches("a*a*a*b", "aab") && matches("[a-z]*z", "zzz"));
}

static void expect_refused(const char *pattern)
{
    struct arena a;
    struct reason why = {.text = ""};
    arena_init(&a, 1u << 20);
    EXPECT(!pattern_compile(&a, str_from_cstr(pattern), &why));
    EXPECT(why.text[0] != '\0');
    arena_release(&a);
}

void test_pattern_refuses_what_it_does_not_know(void)
{
    expect_refused("(a|b)");
    expect_refused("a|b");
    expect_refused("[a-z");
    expect_refused("+a");
    expect_refused("a{x}");
    expect_refused("a{3,2}");
    expect_refused("a{0}");
    expect_refused("a\\");
    expect_refused("a{600}");
}

/* (a*)*b and its like blow up a matcher that goes back: here the work is places times bytes. */
void test_pattern_is_linear(void)
{
    static char text[100001];
    memset(text, 'a', sizeof(text) - 1);
    EXPECT(!matches("a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
}
