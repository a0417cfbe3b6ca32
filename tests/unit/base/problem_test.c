/* problem_test.c -- the typed readers: what each accepts, byte for byte, and what its refusal
 * says and where. */
#include "base/problem.h"

#include "base/log.h"
#include "unit.h"

static struct arena arena = {.max = 64u << 20};
static struct problems problems;

static const struct yaml *parse(const char *text)
{
    struct reason why = {0};
    const struct yaml *tree = yaml_parse(&arena, STR("gaff.yaml"), str_from_cstr(text), &why);
    if (!tree)
        FAIL("%s", why.text);
    return tree;
}

/* The member "v" of a text. */
static const struct yaml *value(const char *text)
{
    const struct yaml *node = yaml_get(parse(text), STR("v"));
    EXPECT(node);
    return node;
}

/* Exactly one problem since the last call, and it reads like this. */
static void expect_problem(const char *text)
{
    EXPECT_EQ_INT(problems.count, 1);
    EXPECT_CSTR(problems.v[0].text, text);
    problems_release(&problems);
}

void test_problem_readers_leave_the_default_without_a_node(void)
{
    str s = STR("x");
    bool b = true;
    int64_t i = 7;
    int e = 3;
    struct rate rate = {1, 2};
    str *list = NULL;
    size_t count = 9;
    EXPECT(read_str(&problems, NULL, &s));
    EXPECT(read_bool(&problems, NULL, &b));
    EXPECT(read_int(&problems, NULL, 0, 1, &i));
    EXPECT(read_duration(&problems, NULL, 0, 1, &i));
    EXPECT(read_size(&problems, NULL, 0, 1, &i));
    EXPECT(read_rate(&problems, NULL, &rate));
    EXPECT(read_enum(&problems, NULL, (const char *const[]){"a", NULL}, &e));
    EXPECT(read_str_list(&problems, &arena, NULL, &list, &count));
    EXPECT(read_keys(&problems, NULL, (const char *const[]){"a", NULL}));
    EXPECT_STR(s, "x");
    EXPECT(b);
    EXPECT_EQ_INT(i, 7);
    EXPECT_EQ_INT(e, 3);
    EXPECT_EQ_INT(rate.count, 1);
    EXPECT_EQ_INT(count, 9);
    EXPECT_EQ_INT(problems.count, 0);
}

void test_problem_read_str_keeps_what_was_written(void)
{
    static const char *const same[] = {"no",   "on",    "off", "yes",  "1.10",      "007",
                                       "~",    "12:30", "0x1", "null", "1e3",       "+1",
                                       "True", "1_000", "0o7", ".5",   "2026-11-23"};
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        str s = STR_NONE;
        const char *text = arena_cstr(&arena, arena_printf(&arena, "v: %s\n", same[i]));
        EXPECT(read_str(&problems, value(text), &s));
        EXPECT_EQ_STR(s, str_from_cstr(same[i]));
    }
    EXPECT_EQ_INT(problems.count, 0);
}

void test_problem_read_str_wants_quotes_for_the_empty_string(void)
{
    str s = STR("x");
    EXPECT(read_str(&problems, value("v: \"\"\n"), &s));
    EXPECT_STR(s, "");
    EXPECT(!read_str(&problems, value("v:\n"), &s));
    EXPECT_EQ_INT(problems.count, 1);
    EXPECT_HAS(problems.v[0].text, "write \"\" for the empty one");
    problems_release(&problems);
    EXPECT(!read_str(&problems, value("v: [a]\n"), &s));
    expect_problem("gaff.yaml:1:4: \"v\": expected a string, found a list");
}

void test_problem_read_bool_takes_true_and_false_alone(void)
{
    static const char *const others[] = {"yes", "no", "on", "True", "TRUE", "1", "0", "t"};
    bool b = false;
    EXPECT(read_bool(&problems, value("v: true\n"), &b));
    EXPECT(b);
    EXPECT(read_bool(&problems, value("v: false\n"), &b));
    EXPECT(!b);
    EXPECT(!read_bool(&problems, value("v: yes\n"), &b));
    expect_problem("gaff.yaml:1:4: \"v\": expected true or false, found \"yes\"");
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        const char *text = arena_cstr(&arena, arena_printf(&arena, "v: %s\n", others[i]));
        EXPECT(!read_bool(&problems, value(text), &b));
    }
    EXPECT_EQ_INT(problems.errors, ARRAY_LEN(others));
}

void test_problem_read_int_takes_plain_decimals(void)
{
    static const struct {
        const char *text;
        int64_t number;
    } right[] = {{"v: 0\n", 0}, {"v: -5\n", -5}, {"v: 100\n", 100}, {"v: \"7\"\n", 7}};
    static const char *const wrong[] = {"v: 0700\n",
                                        "v: 0x10\n",
                                        "v: 1_0\n",
                                        "v: +1\n",
                                        "v: 1.0\n",
                                        "v: \"-\"\n",
                                        "v: -0\n",
                                        "v: 1e2\n",
                                        "v: 101\n",
                                        "v: -6\n",
                                        "v:\n",
                                        "v: ' 1'\n",
                                        "v: 9223372036854775808\n"};
    int64_t i = 42;
    for (size_t k = 0; k < ARRAY_LEN(right); k++) {
        EXPECT(read_int(&problems, value(right[k].text), -5, 100, &i));
        EXPECT_EQ_INT(i, right[k].number);
    }
    for (size_t k = 0; k < ARRAY_LEN(wrong); k++)
        if (read_int(&problems, value(wrong[k]), -5, 100, &i))
            FAIL("%s was accepted", wrong[k]);
    EXPECT_CSTR(problems.v[0].text,
                "gaff.yaml:1:4: \"v\": expected a whole number from -5 to 100, found \"0700\"");
}

void test_problem_read_duration_wants_a_unit(void)
{
    static const struct {
        const char *text;
        int64_t ms;
    } right[] = {{"v: 5s\n", 5000},    {"v: 250ms\n", 250},    {"v: 10m\n", 600000},
                 {"v: 2h\n", 7200000}, {"v: 3d\n", 259200000}, {"v: 0\n", 0}};
    static const char *const wrong[] = {"v: 5\n",  "v: 5 s\n", "v: 1.5s\n", "v: s\n",
                                        "v: 5w\n", "v: -5s\n", "v: 5s5m\n"};
    int64_t ms = -1;
    for (size_t k = 0; k < ARRAY_LEN(right); k++) {
        EXPECT(read_duration(&problems, value(right[k].text), 0, 259200000, &ms));
        EXPECT_EQ_INT(ms, right[k].ms);
    }
    for (size_t k = 0; k < ARRAY_LEN(wrong); k++)
        if (read_duration(&problems, value(wrong[k]), 0, 259200000, &ms))
            FAIL("%s was accepted", wrong[k]);
    problems_release(&problems);
    EXPECT(!read_duration(&problems, value("v: 4d\n"), 1000, 259200000, &ms));
    expect_problem("gaff.yaml:1:4: \"v\": expected a duration from 1s to 3d, found \"4d\"");
}

void test_problem_read_size_wants_a_binary_unit(void)
{
    static const struct {
        const char *text;
        int64_t bytes;
    } right[] = {{"v: 5B\n", 5},
                 {"v: 1KiB\n", 1024},
                 {"v: 1MiB\n", 1048576},
                 {"v: 2GiB\n", INT64_C(2147483648)},
                 {"v: 0\n", 0}};
    static const char *const wrong[] = {"v: 5\n",   "v: 1MB\n",  "v: 1 MiB\n",
                                        "v: 1K\n",  "v: MiB\n",  "v: 1.5MiB\n",
                                        "v: -1B\n", "v: 1mib\n", "v: 9223372036854775807GiB\n"};
    int64_t bytes = -1;
    for (size_t k = 0; k < ARRAY_LEN(right); k++) {
        EXPECT(read_size(&problems, value(right[k].text), 0, INT64_MAX, &bytes));
        EXPECT_EQ_INT(bytes, right[k].bytes);
    }
    for (size_t k = 0; k < ARRAY_LEN(wrong); k++)
        if (read_size(&problems, value(wrong[k]), 0, INT64_MAX, &bytes))
            FAIL("%s was accepted", wrong[k]);
    problems_release(&problems);
    EXPECT(!read_size(&problems, value("v: 2MiB\n"), 64, 1048576, &bytes));
    expect_problem("gaff.yaml:1:4: \"v\": expected a size from 64B to 1MiB, found \"2MiB\"");
}

void test_problem_read_rate_is_a_count_for_a_time(void)
{
    static const char *const wrong[] = {"v: 5\n",    "v: 5/\n",   "v: /s\n",    "v: 0/s\n",
                                        "v: 5/ms\n", "v: -1/s\n", "v: 1/s/s\n", "v: 5 / s\n"};
    struct rate rate = {0};
    EXPECT(read_rate(&problems, value("v: 100/s\n"), &rate));
    EXPECT_EQ_INT(rate.count, 100);
    EXPECT_EQ_INT(rate.per_ms, 1000);
    EXPECT(read_rate(&problems, value("v: 1000/h\n"), &rate));
    EXPECT_EQ_INT(rate.per_ms, 3600000);
    for (size_t k = 0; k < ARRAY_LEN(wrong); k++)
        if (read_rate(&problems, value(wrong[k]), &rate))
            FAIL("%s was accepted", wrong[k]);
    EXPECT_EQ_INT(rate.count, 1000);
}

void test_problem_read_enum_names_the_words_and_the_nearest(void)
{
    static const char *const words[] = {"debug", "info", "warn", NULL};
    int word = -1;
    EXPECT(read_enum(&problems, value("v: warn\n"), words, &word));
    EXPECT_EQ_INT(word, 2);
    EXPECT(!read_enum(&problems, value("v: inof\n"), words, &word));
    expect_problem("gaff.yaml:1:4: \"v\": expected debug, info or warn, found \"inof\"; did you "
                   "mean \"info\"?");
    EXPECT(!read_enum(&problems, value("v: {}\n"), words, &word));
    expect_problem("gaff.yaml:1:4: \"v\": expected debug, info or warn, found a mapping");
}

void test_problem_read_str_list_is_not_one_scalar(void)
{
    str *list = NULL;
    size_t count = 0;
    EXPECT(read_str_list(&problems, &arena, value("v: [no, \"\", 1.10]\n"), &list, &count));
    EXPECT_EQ_INT(count, 3);
    EXPECT_STR(list[0], "no");
    EXPECT_STR(list[1], "");
    EXPECT_STR(list[2], "1.10");
    EXPECT(!read_str_list(&problems, &arena, value("v: one\n"), &list, &count));
    expect_problem(
        "gaff.yaml:1:4: \"v\": expected a list, found \"one\"; write it in brackets: [ ... ]");
    EXPECT(!read_str_list(&problems, &arena, value("v: [a, [b], {}]\n"), &list, &count));
    EXPECT_EQ_INT(problems.errors, 2);
    EXPECT_EQ_INT(count, 3);
}

void test_problem_read_keys_reports_all_with_their_places(void)
{
    static const char *const known[] = {"secret", "provider", NULL};
    EXPECT(read_keys(&problems, value("v: {secret: a}\n"), known));
    EXPECT(!read_keys(&problems, value("v:\n  secert: 1\n  provider: x\n  zzz: 1\n"), known));
    EXPECT_EQ_INT(problems.count, 2);
    EXPECT_CSTR(problems.v[0].text,
                "gaff.yaml:2:3: unknown key \"secert\" in \"v\"; did you mean \"secret\"?");
    EXPECT_CSTR(problems.v[1].text,
                "gaff.yaml:4:3: unknown key \"zzz\" in \"v\"; known: secret, provider");
    problems_release(&problems);
    EXPECT(!read_keys(&problems, value("v: 5\n"), known));
    expect_problem("gaff.yaml:1:4: \"v\": expected a mapping, found \"5\"");
}

void test_problem_nearest_suggests_what_is_near_alone(void)
{
    static const struct {
        const char *wanted, *best; /* of listen, timeout, to, secrets */
    } cases[] = {{"lisen", "listen"},   {"Listen", "listen"},  {"time_out", "timeout"},
                 {"secret", "secrets"}, {"t", "to"},           {"x", NULL},
                 {"port", NULL},        {"timeot", "timeout"}, {"sec", "secrets"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct nearest near;
        nearest_init(&near, str_from_cstr(cases[i].wanted));
        nearest_offer(&near, STR("listen"));
        nearest_offer(&near, STR("timeout"));
        nearest_offer(&near, STR("to"));
        nearest_offer(&near, STR("secrets"));
        EXPECT_EQ_STR(nearest_word(&near), str_from_cstr(cases[i].best));
    }
}

void test_problem_text_is_safe_for_a_terminal(void)
{
    const struct yaml *node = value("v: \"\\e[31mred\\a\"\n");
    bool b;
    EXPECT(!read_bool(&problems, node, &b));
    for (const char *c = problems.v[0].text; *c; c++)
        EXPECT((unsigned char)*c >= ' ');
    EXPECT_HAS(problems.v[0].text, "red");
}

void test_problem_text_is_cut_not_overrun(void)
{
    char longer[2000];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    problem_at(&problems, NULL, "%s", longer);
    EXPECT(strlen(problems.v[0].text) < sizeof(problems.v[0].text));
    char shown[VALUE_TEXT_MAX];
    struct yaml node = {.kind = YAML_SCALAR, .scalar = str_of(longer, 1999)};
    EXPECT_EQ_INT(strlen(value_text(&node, shown)), 65);
}

void test_problem_value_of_a_reference_is_shown_as_written(void)
{
    struct yaml written = {.kind = YAML_SCALAR, .scalar = STR("${env:KEY}")};
    struct yaml node = {.kind = YAML_SCALAR,
                        .scalar = STR("hunter2"),
                        .quoted = true,
                        .first = &written,
                        .file = STR("gaff.yaml"),
                        .line = 1,
                        .column = 1,
                        .key = STR("timeout")};
    int64_t ms;
    EXPECT(!read_duration(&problems, &node, 0, 1, &ms));
    EXPECT(!strstr(problems.v[0].text, "hunter2"));
    EXPECT_HAS(problems.v[0].text, "${env:KEY}");
}

void test_problem_list_is_bounded_and_goes_on_counting(void)
{
    struct yaml node = {.file = STR("f"), .line = 1, .column = 1};
    for (int i = 0; i < 3 * PROBLEMS_MAX; i++)
        problem_at(&problems, &node, "%d", i);
    problem_warn(&problems, &node, "w");
    EXPECT_EQ_INT(problems.count, PROBLEMS_MAX);
    EXPECT_EQ_INT(problems.errors, 3 * PROBLEMS_MAX);
}

void test_problem_sort_is_by_file_line_column(void)
{
    struct yaml node = {
        .file = STR("b.yaml"), .line = 10, .column = 2, .key_line = 3, .key_column = 1};
    problem_at(&problems, NULL, "nowhere");
    problem_at(&problems, &node, "late");
    problem_at_key(&problems, &node, "early");
    node.file = STR("a.yaml");
    problem_warn(&problems, &node, "other file");
    node.column = 1;
    problem_at(&problems, &node, "before it");
    problems_sort(&problems);
    EXPECT_CSTR(problems.v[0].text, "a.yaml:10:1: before it");
    EXPECT_CSTR(problems.v[1].text, "a.yaml:10:2: warning: other file");
    EXPECT_CSTR(problems.v[2].text, "b.yaml:3:1: early");
    EXPECT_CSTR(problems.v[3].text, "b.yaml:10:2: late");
    EXPECT_CSTR(problems.v[4].text, "nowhere");
    EXPECT_EQ_INT(problems.errors, 4);
}

void test_problem_amounts_are_written_as_they_are_read(void)
{
    static const int64_t ms[] = {0, 1, 999, 1000, 1500, 60000, 90000, 3600000, 86400000, 5400000};
    for (size_t i = 0; i < ARRAY_LEN(ms); i++) {
        char text[AMOUNT_TEXT_MAX];
        struct yaml node = {.kind = YAML_SCALAR,
                            .scalar = str_from_cstr(duration_text(ms[i], text))};
        int64_t back = -1;
        EXPECT(read_duration(&problems, &node, 0, INT64_MAX, &back));
        EXPECT_EQ_INT(back, ms[i]);
        node.scalar = str_from_cstr(size_text(ms[i], text));
        EXPECT(read_size(&problems, &node, 0, INT64_MAX, &back));
        EXPECT_EQ_INT(back, ms[i]);
    }
}
