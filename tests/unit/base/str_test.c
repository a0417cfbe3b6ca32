/* Slices: comparing, cutting, numbers, globs, distances. */
#include "unit.h"

#include "base/log.h"

#include <limits.h>

void test_str_none_and_empty_are_equal_bytes_but_not_the_same(void)
{
    EXPECT(str_eq(STR_NONE, STR("")));
    EXPECT_EQ_INT(str_cmp(STR_NONE, STR("")), 0);
    EXPECT_NONE(str_from_cstr(NULL));
    EXPECT_STR(str_from_cstr(""), "");
}

void test_str_eq_sees_every_byte(void)
{
    EXPECT(str_eq(STR("a\0b"), STR("a\0b")));
    EXPECT(!str_eq(STR("a\0b"), STR("a\0c")));
    EXPECT(!str_eq(STR("abc"), STR("ab")));
    EXPECT(str_eq_nocase(STR("Content-TYPE"), STR("content-type")));
    /* Only letters fold: '@' and '`' differ by the same bit. */
    EXPECT(!str_eq_nocase(STR("@"), STR("`")));
    EXPECT(!str_eq_nocase(STR("\xc4"), STR("\xe4")));
}

void test_str_cmp_orders_by_unsigned_bytes(void)
{
    EXPECT(str_cmp(STR("a"), STR("b")) < 0);
    EXPECT(str_cmp(STR("a"), STR("\xff")) < 0);
    EXPECT(str_cmp(STR("ab"), STR("a")) > 0);
    EXPECT(str_cmp(STR("a"), STR("a\0")) < 0);
    EXPECT_EQ_INT(str_cmp(STR("x"), STR("x")), 0);
}

void test_str_starts_and_ends(void)
{
    EXPECT(str_starts(STR("sha256=ab"), STR("sha256=")));
    EXPECT(!str_starts(STR("sha"), STR("sha256=")));
    EXPECT(str_starts(STR("x"), STR("")));
    EXPECT(str_ends(STR("a.yaml"), STR(".yaml")));
    EXPECT(!str_ends(STR("yaml"), STR(".yaml")));
    EXPECT(str_ends(STR_NONE, STR("")));
}

void test_str_find_answers_the_length_when_there_is_none(void)
{
    EXPECT_EQ_UINT(str_find(STR("a,b"), ','), 1);
    EXPECT_EQ_UINT(str_find(STR("abc"), ','), 3);
    EXPECT_EQ_UINT(str_find(STR("a\0b"), '\0'), 1);
    EXPECT_EQ_UINT(str_find(STR_NONE, 'x'), 0);
    EXPECT_EQ_UINT(str_find_str(STR("hello"), STR("ll")), 2);
    EXPECT_EQ_UINT(str_find_str(STR("hello"), STR("lo!")), 5);
    EXPECT_EQ_UINT(str_find_str(STR("hello"), STR("")), 0);
    EXPECT_EQ_UINT(str_find_str(STR_NONE, STR("x")), 0);
}

void test_str_slice_is_clamped(void)
{
    str s = STR("hello");
    EXPECT_STR(str_slice(s, 1, 3), "el");
    EXPECT_STR(str_slice(s, 3, 99), "lo");
    EXPECT_STR(str_slice(s, 9, 99), "");
    EXPECT_STR(str_slice(s, 4, 2), "");
    EXPECT_NONE(str_slice(STR_NONE, 0, 5));
}

void test_str_trim_takes_both_ends(void)
{
    EXPECT_STR(str_trim(STR(" \t\r\n a b \n")), "a b");
    EXPECT_STR(str_trim(STR("  ")), "");
    EXPECT_STR(str_trim(STR("\v")), "\v");
    EXPECT_NONE(str_trim(STR_NONE));
}

void test_str_cut_walks_all_parts(void)
{
    str rest = STR("a,,b,");
    EXPECT_STR(str_cut(&rest, ','), "a");
    EXPECT_STR(str_cut(&rest, ','), "");
    EXPECT_STR(str_cut(&rest, ','), "b");
    EXPECT(rest.p != NULL);
    EXPECT_STR(str_cut(&rest, ','), "");
    EXPECT_NONE(rest);
}

void test_str_to_u64_refuses_all_but_digits(void)
{
    uint64_t v = 7;
    EXPECT(str_to_u64(STR("0"), &v));
    EXPECT_EQ_UINT(v, 0);
    EXPECT(str_to_u64(STR("007"), &v));
    EXPECT_EQ_UINT(v, 7);
    EXPECT(str_to_u64(STR("18446744073709551615"), &v));
    EXPECT(v == UINT64_MAX);
    EXPECT(!str_to_u64(STR("18446744073709551616"), &v));
    EXPECT(!str_to_u64(STR("99999999999999999999999"), &v));
    static const char *const wrong[] = {"", "-1", "+1", " 1", "1 ", "0x1", "1e3", "1.0", "/", ":"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        EXPECT(!str_to_u64(str_from_cstr(wrong[i]), &v));
    EXPECT(!str_to_u64(STR("1\0"), &v));
    EXPECT(v == UINT64_MAX);
}

void test_str_to_i64_ends_exactly(void)
{
    int64_t v = 0;
    EXPECT(str_to_i64(STR("9223372036854775807"), &v) && v == INT64_MAX);
    EXPECT(str_to_i64(STR("-9223372036854775808"), &v) && v == INT64_MIN);
    EXPECT(str_to_i64(STR("-0"), &v) && v == 0);
    EXPECT(!str_to_i64(STR("9223372036854775808"), &v));
    EXPECT(!str_to_i64(STR("-9223372036854775809"), &v));
    EXPECT(!str_to_i64(STR("-"), &v));
    EXPECT(!str_to_i64(STR("--1"), &v));
    EXPECT(!str_to_i64(STR_NONE, &v));
}

void test_str_fingerprint_is_the_same_for_ever_and_depends_on_every_byte_and_the_length(void)
{
    static const uint8_t known[16] = {0x6d, 0x8f, 0x8e, 0x27, 0x50, 0xae, 0xe5, 0xc4,
                                      0x27, 0x84, 0x6e, 0x42, 0xce, 0x58, 0x87, 0x69};
    uint8_t zeros[16], seen[200][16], again[16];
    char text[200];
    memset(text, 'x', sizeof(text));
    for (size_t n = 0; n < ARRAY_LEN(seen); n++)
        str_fingerprint(str_of(text, n), seen[n]);
    for (size_t a = 0; a < ARRAY_LEN(seen); a++)
        for (size_t b = 0; b < a; b++)
            EXPECT(memcmp(seen[a], seen[b], 8) != 0 && memcmp(seen[a] + 8, seen[b] + 8, 8) != 0);
    for (size_t at = 0; at < sizeof(text) - 1; at++) {
        text[at] ^= 1;
        str_fingerprint(str_of(text, 199), again);
        EXPECT(memcmp(again, seen[199], 8) != 0 && memcmp(again + 8, seen[199] + 8, 8) != 0);
        text[at] ^= 1;
    }
    /* Zeros at the end are not taken for filling. */
    str_fingerprint(str_of("\0\0", 1), zeros);
    str_fingerprint(str_of("\0\0", 2), again);
    EXPECT(memcmp(zeros, again, 16) != 0);
    str_fingerprint(STR("{\"ref\":\"refs/heads/main\",\"after\":\"1\"}"), again);
    EXPECT(memcmp(again, known, 16) == 0);
}

void test_str_hash_depends_on_seed_length_and_all_bytes(void)
{
    char bytes[40] = {0};
    uint64_t seen[ARRAY_LEN(bytes) * 2];
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(bytes); i++) {
        seen[count++] = str_hash(str_of(bytes, i), 1);
        bytes[i] = 1;
        seen[count++] = str_hash(str_of(bytes, ARRAY_LEN(bytes)), 1);
        bytes[i] = 0;
    }
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            EXPECT(seen[i] != seen[j]);
    EXPECT(str_hash(STR("x"), 1) != str_hash(STR("x"), 2));
    EXPECT(str_hash(STR("x"), 1) == str_hash(STR("x"), 1));
}

static bool glob(const char *pattern, const char *s)
{
    return str_glob(str_from_cstr(pattern), str_from_cstr(s));
}

void test_str_glob_matches_like_a_shell(void)
{
    EXPECT(glob("", ""));
    EXPECT(!glob("", "a"));
    EXPECT(glob("*", ""));
    EXPECT(glob("**", "abc"));
    EXPECT(glob("push", "push"));
    EXPECT(!glob("push", "pushes"));
    EXPECT(!glob("pushes", "push"));
    EXPECT(glob("pull_request.*", "pull_request.opened"));
    EXPECT(!glob("pull_request.*", "pull_request"));
    EXPECT(glob("*.opened", "issues.opened"));
    EXPECT(glob("a*b*c", "a-b-b-c"));
    EXPECT(!glob("a*b*c", "a-c-b"));
    EXPECT(glob("a?c", "abc"));
    EXPECT(!glob("a?c", "ac"));
    EXPECT(glob("*?", "x"));
    EXPECT(!glob("*?", ""));
    EXPECT(glob("*a?c*", "xxabxabcxx"));
    EXPECT(!glob("ab*ba", "aba"));
    EXPECT(glob("ab*ba", "abba"));
    EXPECT(!glob("[a]", "a"));
    EXPECT(glob("[a]", "[a]"));
    EXPECT(str_glob(STR("a?b"), STR("a\0b")));
}

/* The plain definition, for short strings. */
static bool slow_glob(str p, str s)
{
    if (p.n == 0)
        return s.n == 0;
    if (p.p[0] == '*')
        return slow_glob(str_slice(p, 1, p.n), s) || (s.n && slow_glob(p, str_slice(s, 1, s.n)));
    return s.n && (p.p[0] == '?' || p.p[0] == s.p[0]) &&
           slow_glob(str_slice(p, 1, p.n), str_slice(s, 1, s.n));
}

static size_t spell(unsigned number, const char *letters, unsigned base, char *out)
{
    size_t n = 0;
    for (; number; number /= base)
        out[n++] = letters[number-- % base];
    return n;
}

void test_str_glob_agrees_with_the_plain_definition(void)
{
    char p[16], s[16];
    for (unsigned i = 0; i < 1500; i++)
        for (unsigned j = 0; j < 130; j++) {
            str pattern = str_of(p, spell(i, "ab*?", 4, p));
            str text = str_of(s, spell(j, "ab", 2, s));
            if (str_glob(pattern, text) != slow_glob(pattern, text))
                FAIL("\"" STR_FMT "\" on \"" STR_FMT "\"", STR_ARG(pattern), STR_ARG(text));
        }
}

/* A matcher that tries again takes hours for these. */
void test_str_glob_stays_linear_in_the_worst_case(void)
{
    size_t n = 4 << 20;
    char *text = xmalloc(n), *pattern = xmalloc(n);
    memset(text, 'a', n);
    for (size_t i = 0; i < 2000; i++)
        pattern[i] = i % 2 ? 'a' : '*';
    pattern[2000] = 'b';
    /* A glob that is not linear does not come back from these. */
    EXPECT(!str_glob(str_of(pattern, 2001), str_of(text, n)));
    memset(pattern, 'a', n);
    pattern[0] = '*';
    pattern[n / 2] = 'b';
    pattern[n / 2 + 1] = '*';
    EXPECT(!str_glob(str_of(pattern, n / 2 + 2), str_of(text, n)));
    free(text);
    free(pattern);
}

void test_str_distance_counts_edits(void)
{
    EXPECT_EQ_UINT(str_distance(STR(""), STR("")), 0);
    EXPECT_EQ_UINT(str_distance(STR("timeout"), STR("timeout")), 0);
    EXPECT_EQ_UINT(str_distance(STR("tiemout"), STR("timeout")), 1);
    EXPECT_EQ_UINT(str_distance(STR("kitten"), STR("sitting")), 3);
    EXPECT_EQ_UINT(str_distance(STR(""), STR("abc")), 3);
    EXPECT_EQ_UINT(str_distance(STR("abc"), STR("")), 3);
}

void test_str_distance_gives_up_on_long_strings(void)
{
    char a[65];
    memset(a, 'x', sizeof(a));
    EXPECT_EQ_UINT(str_distance(str_of(a, 64), str_of(a, 64)), 0);
    EXPECT_EQ_UINT(str_distance(str_of(a, 64), STR("")), 64);
    EXPECT_EQ_UINT(str_distance(str_of(a, 65), str_of(a, 65)), UINT_MAX);
}
