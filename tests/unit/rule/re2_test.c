/* RE2's syntax: what is refused, and what is written otherwise. */
#include "rule/re2.h"
#include "rule/regex.h"
#include "unit.h"

static const struct regex *compile(struct arena *a, const char *pattern, struct reason *why)
{
    struct buf out;
    buf_init(&out, 65536);
    const struct regex *r = re2_translate(str_from_cstr(pattern), &out, why)
                                ? regex_compile(a, buf_str(&out), why)
                                : NULL;
    buf_release(&out);
    return r;
}

void test_re2_refuses_what_go_refuses(void)
{
    static const char *const bad[] = {
        "(",       ")",      "[",     "a**", "a*+",    "a{2}{3}",    "*a",      "(?=a)",
        "(?<!a)",  "(a)\\1", "\\Z",   "\\C", "\\h",    "\\K",        "a{1001}", "a{2,1}",
        "(*FAIL)", "(?>a)",  "(?#c)", "\\",  "(?P=n)", "[[:nope:]]", "[z-a]"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct arena a;
        struct reason why = {0};
        arena_init(&a, 1u << 20);
        if (compile(&a, bad[i], &why))
            FAIL("%s compiles", bad[i]);
        EXPECT(why.text[0]);
        arena_release(&a);
    }
}

void test_re2_names_the_pattern_and_nothing_behind_it(void)
{
    str text = STR("a{2,1} and what follows");
    struct reason why = {.text = ""};
    struct buf out;
    buf_init(&out, 65536);
    EXPECT(!re2_translate(str_slice(text, 0, 6), &out, &why));
    EXPECT_CSTR(why.text, "error parsing regexp: invalid repeat count: `a{2,1}`");
    buf_release(&out);
}

void test_re2_means_the_same(void)
{
    static const struct {
        const char *pattern, *subject;
        bool yes;
    } cases[] = {
        {"\\s", "\x0b", false},      {"\\v", "\x0b", true},      {"[\\s]", "\x0b", false},
        {"\\S", "\x0b", true},       {"b$", "b\n", false},       {"a{,2}", "a{,2}", true},
        {"a{,2}", "aa", false},      {"{", "{", true},           {"[\\d-x]", "-", true},
        {"\\Qa.c\\E", "abc", false}, {"\\Qa.c\\E", "a.c", true}, {"(?P<n>a)b", "ab", true},
        {"\\141", "a", true},        {"[]a]", "]", true},        {"(?i)ABC", "abc", true},
        {"\\d", "\xd9\xa3", false},  {".", "\n", false},         {"(?s).", "\n", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena a;
        struct reason why = {0};
        arena_init(&a, 1u << 20);
        const struct regex *r = compile(&a, cases[i].pattern, &why);
        if (!r)
            FAIL("%s: %s", cases[i].pattern, why.text);
        if ((regex_search(r, str_from_cstr(cases[i].subject)) == REGEX_YES) != cases[i].yes)
            FAIL("%s on %s", cases[i].pattern, cases[i].subject);
        arena_release(&a);
    }
}
