/* match_test.c -- truth tables of conditions, missing fields, hostile bodies, the words of an
 * explanation, and the mistakes a configuration can make. */
#include "rule/match_index.h"

#include "unit.h"

#define PUSH                                                                                       \
    "{\"ref\":\"refs/heads/dev\",\"size\":3,\"ratio\":1.5,\"forced\":false,\"head\":null,"         \
    "\"big\":18446744073709551615,\"labels\":[\"bug\",\"ui\"],\"repository\":{\"name\":\"gaff\"}," \
    "\"commits\":[{\"author\":{\"name\":\"ann\"}},{\"author\":{\"name\":\"bob\"}},{}],"            \
    "\"empty\":\"\",\"none\":[]}"

static struct arena arena = {.max = 256u << 20};
static struct problems problems;
static const char *json_body = PUSH;
static const char *form_body; /* instead, when set */

static const struct match *compile(const char *text)
{
    struct reason why = {0};
    const struct yaml *tree = yaml_parse(&arena, STR("gaff.yaml"), str_from_cstr(text), &why);
    if (!tree)
        FAIL("%s", why.text);
    return match_compile(&arena, tree, &problems);
}

/* Asks one match about the one request of these tests. */
static bool ask(const char *text, struct buf *why)
{
    static struct http_field fields[] = {{{"Content-Type", 12}, {"application/json", 16}},
                                         {{"X-Env", 5}, {"prod", 4}}};
    const struct match *m = compile(text);
    if (!m)
        FAIL("%s", problems.count ? problems.v[0].text : "no match");
    if (form_body)
        fields[0].value = STR("application/x-www-form-urlencoded");
    struct http_request r = {.method = STR("POST"),
                             .target = STR("/in/github?dry=1&name=a%20b"),
                             .path = STR("/in/github"),
                             .query = STR("dry=1&name=a%20b"),
                             .fields = {fields, ARRAY_LEN(fields)},
                             .body = str_from_cstr(form_body ? form_body : json_body),
                             .peer = STR("203.0.113.9"),
                             .arena = &arena};
    static const struct router_match place = {
        .params = {{{"repo", 4}, {"site", 4}}, {{"branch", 6}, {"a b", 3}}}, .param_count = 2};
    struct facts f = {
        .request = &r, .event_type = STR("push"), .source = STR("github"), .place = &place};
    bool yes = match_eval(m, &f, why);
    http_request_release(&r);
    return yes;
}

static void expect_yes(const char *text)
{
    struct buf why;
    buf_init(&why, 4096);
    if (!ask(text, &why))
        FAIL("%s did not match: %s", text, buf_cstr(&why));
    EXPECT_EQ_INT(why.len, 0);
    buf_release(&why);
}

static void expect_no(const char *text)
{
    if (ask(text, NULL))
        FAIL("%s matched", text);
}

static void expect_why(const char *text, const char *words)
{
    struct buf why;
    buf_init(&why, 4096);
    if (ask(text, &why))
        FAIL("%s matched", text);
    EXPECT_CSTR(buf_cstr(&why), words);
    buf_release(&why);
}

void test_match_without_conditions_is_always_true(void)
{
    const struct match *m = match_compile(&arena, NULL, &problems);
    struct http_request r = {.method = STR("POST"), .arena = &arena};
    struct facts f = {.request = &r, .source = STR("x")};
    EXPECT(match_eval(m, &f, NULL));
    EXPECT(match_is_always(m));
    EXPECT(!match_is_always(compile("event: push")));
    EXPECT_EQ_INT(problems.count, 0);
}

void test_match_equals_compares_as_text(void)
{
    expect_yes("event: push");
    expect_yes("event: [tag, push]");
    expect_no("event: Push");
    expect_yes("source: github");
    expect_yes("method: POST");
    expect_yes("method: post");
    expect_no("method: [GET, PUT]");
    expect_yes("json: { ref: refs/heads/dev }");
    expect_yes("json: { size: 3 }");
    expect_yes("json: { size: \"3\" }");
    expect_no("json: { size: 3.0 }");
    expect_no("json: { size: 03 }");
    expect_yes("json: { ratio: 1.5 }");
    expect_yes("json: { big: 18446744073709551615 }");
    expect_yes("json: { forced: false }");
    expect_no("json: { forced: no }");
    expect_yes("json: { head: \"null\" }");
    expect_yes("json: { empty: \"\" }");
    expect_no("json: { labels: bug }");
    expect_no("json: { repository: gaff }");
    expect_yes("json: { repository.name: [gaff, site] }");
    expect_yes("header: { x-env: prod }");
    expect_no("header: { x-env: PROD }");
    expect_yes("query: { dry: 1, name: a b }");
}

void test_match_tests_of_text(void)
{
    expect_yes("json: { ref: { equals: refs/heads/dev } }");
    expect_yes("json: { ref: { in: [a, refs/heads/dev] } }");
    expect_yes("json: { ref: { glob: refs/*/dev } }");
    expect_no("json: { ref: { glob: refs/heads/ } }");
    expect_yes("json: { ref: { prefix: refs/heads/ } }");
    expect_no("json: { ref: { prefix: heads/ } }");
    expect_yes("json: { ref: { suffix: /dev } }");
    expect_no("json: { ref: { suffix: /main } }");
    expect_yes("event: { glob: \"pu*\" }");
    expect_yes("json: { size: { glob: \"?\" } }");
}

void test_match_tests_of_numbers(void)
{
    expect_yes("json: { size: { above: 2 } }");
    expect_no("json: { size: { above: 3 } }");
    expect_yes("json: { size: { below: 3.5 } }");
    expect_no("json: { size: { below: -1e3 } }");
    expect_yes("json: { ratio: { above: 1.25 } }");
    expect_yes("query: { dry: { above: 0 } }");
    expect_no("json: { ref: { above: 0 } }");
    expect_no("json: { ref: { below: 0 } }");
    expect_no("json: { labels: { above: 0 } }");
    expect_no("json: { empty: { below: 1 } }");
}

void test_match_exists(void)
{
    expect_yes("json: { ref: { exists: true } }");
    expect_no("json: { ref: { exists: false } }");
    expect_yes("json: { head: { exists: true } }");
    expect_yes("json: { labels: { exists: true } }");
    expect_no("json: { nope: { exists: true } }");
    expect_yes("json: { nope: { exists: false } }");
    expect_yes("json: { head.message: { exists: false } }");
    expect_yes("header: { X-Nope: { exists: false } }");
    expect_yes("query: { nope: { exists: false } }");
    expect_no("query: { dry: { exists: false } }");
    expect_yes("not: { json: { nope: { exists: true } } }");
    expect_no("not: { json: { nope: { exists: false } } }");
}

/* No condition about a field that is not there holds, in or out of a negation. */
void test_match_missing_field_satisfies_no_negation(void)
{
    static const char *const tests[] = {"x",
                                        "[x, y]",
                                        "{ glob: \"*\" }",
                                        "{ prefix: \"\" }",
                                        "{ suffix: \"\" }",
                                        "{ above: 0 }",
                                        "{ below: 0 }",
                                        "{ in: [x] }",
                                        "{ equals: x }"};
    static const char *const fields[] = {"json: { nope: %s }",   "json: { head.x: %s }",
                                         "json: { none.*: %s }", "json: { labels.*.x: %s }",
                                         "header: { No: %s }",   "query: { no: %s }",
                                         "form: { no: %s }"};
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        for (size_t k = 0; k < ARRAY_LEN(fields); k++) {
            char field[128], text[256];
            const char *marker = strstr(fields[k], "%s");
            snprintf(field, sizeof(field), "%.*s%s%s", (int)(marker - fields[k]), fields[k],
                     tests[i], marker + 2);
            expect_no(field);
            snprintf(text, sizeof(text), "not: { %s }", field);
            expect_no(text);
            snprintf(text, sizeof(text), "not: { not: { %s } }", field);
            expect_no(text);
        }
}

/* Kleene: T holds, F does not, M asks about a missing field. */
#define T "{ event: push }"
#define F "{ event: tag }"
#define M "{ json: { nope: 1 } }"
void test_match_groups_follow_three_valued_logic(void)
{
    expect_yes("all: [" T ", " T "]");
    expect_no("all: [" T ", " F "]");
    expect_no("all: [" T ", " M "]");
    expect_yes("any: [" F ", " T "]");
    expect_yes("any: [" M ", " T "]");
    expect_no("any: [" F ", " F "]");
    expect_no("any: [" F ", " M "]");
    expect_yes("not: " F);
    expect_no("not: " T);
    expect_no("not: " M);
    expect_yes("not: { all: [" T ", " F "] }");
    expect_yes("not: { all: [" M ", " F "] }");
    expect_no("not: { all: [" M ", " T "] }");
    expect_no("not: { any: [" M ", " F "] }");
    expect_yes("not: { any: [" F ", " F "] }");
    expect_no("not: { any: [" F ", " T "] }");
    expect_yes("event: push\njson: { size: 3 }\nnot: " F "\nany: [" T "]");
    expect_no("event: push\njson: { size: 4 }");
}

void test_match_wildcard_wants_one_of_many(void)
{
    expect_yes("json: { commits.*.author.name: bob }");
    expect_yes("json: { labels.*: [ui, x] }");
    expect_no("json: { commits.*.author.name: eve }");
    expect_no("json: { none.*: x }");
    expect_yes("json: { none.*: { exists: false } }");
    expect_yes("json: { labels.*: { exists: true } }");
    expect_yes("json: { labels.1: ui }");
    expect_no("not: { json: { commits.*.author.name: bob } }");
    expect_yes("not: { json: { commits.*.author.name: eve } }");
}

void test_match_form_fields(void)
{
    form_body = "payload=x%26y&n=5";
    expect_yes("form: { payload: \"x&y\", n: { above: 4 } }");
    expect_no("form: { payload: x }");
    expect_why("json: { ref: x }", "json ref is missing (the body is no JSON)");
}

void test_match_survives_hostile_json(void)
{
    size_t n = 200000;
    char *deep = arena_alloc(&arena, 2 * n + 1);
    memset(deep, '[', n);
    memset(deep + n, ']', n);
    deep[2 * n] = '\0';
    json_body = deep;
    expect_no("json: { \"*.*.*.*.*.*.*.*\": x }");
    expect_no("not: { json: { \"*.*.*\": x } }");
    json_body = "{\"a\":";
    expect_no("json: { a: 1 }");
    json_body = "";
    expect_no("json: { a: 1 }");
    json_body = "{\"a\":\"\\u0000x\",\"a\":2}";
    expect_no("json: { a: x }");
}

/* Wildcards over a large body: each value is looked at once a condition. */
void test_match_wildcards_cost_no_more_than_the_body(void)
{
    size_t count = 300000;
    struct buf text;
    buf_init(&text, 16u << 20);
    buf_char(&text, '[');
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "%s{\"a\":{\"b\":%zu.5}}", i ? "," : "", i);
    buf_char(&text, ']');
    json_body = buf_cstr(&text);
    expect_no("json: { \"*.*.*\": x }");
    expect_yes("json: { \"*.a.b\": 299999.5 }");
    expect_why("json: { \"*.a.b\": x }", "json *.a.b is \"0.5\" (the first of 300000), not \"x\"");
    buf_release(&text);
}

void test_match_explains_in_words(void)
{
    expect_why("json: { ref: refs/heads/main }",
               "json ref is \"refs/heads/dev\", not \"refs/heads/main\"");
    expect_why("json: { ref: [a, b] }", "json ref is \"refs/heads/dev\", not one of \"a\", \"b\"");
    expect_why("event: tag", "event is \"push\", not \"tag\"");
    expect_why("json: { nope: x }", "json nope is missing");
    expect_why("header: { X-Nope: { exists: true } }", "header X-Nope is missing");
    expect_why("query: { dry: { exists: false } }", "query dry is there (\"1\") and must not be");
    expect_why("json: { ref: { glob: \"v*\" } }",
               "json ref is \"refs/heads/dev\", which does not match glob \"v*\"");
    expect_why("json: { size: { above: 5 } }", "json size is \"3\", not above 5");
    expect_why("json: { labels: bug }", "json labels is a list, not \"bug\"");
    expect_why("json: { repository: gaff }", "json repository is an object, not \"gaff\"");
    expect_why("json: { commits.*.author.name: eve }",
               "json commits.*.author.name is \"ann\" (the first of 2), not \"eve\"");
    expect_why("event: push\njson: { size: 3, ref: x }",
               "json ref is \"refs/heads/dev\", not \"x\"");
    expect_why("any: [{ event: tag }, { json: { size: 4 } }]",
               "no alternative holds: event is \"push\", not \"tag\"; json size is \"3\", not "
               "\"4\"");
    expect_why("not: { json: { ref: { glob: \"*dev\" } } }",
               "ruled out by not: json ref matches glob \"*dev\" (it is \"refs/heads/dev\")");
    expect_why("not: { event: push }", "ruled out by not: event is \"push\"");
    expect_why("not: { json: { commits.*.author.name: [x, bob] } }",
               "ruled out by not: json commits.*.author.name is one of \"x\", \"bob\" (it is "
               "\"bob\")");
    expect_why("not: { json: { nope: x } }",
               "json nope is missing, which decides nothing inside not");
}

void test_match_explanation_is_escaped_and_cut(void)
{
    char json[400], longer[200];
    memset(longer, 'y', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    snprintf(json, sizeof(json), "{\"a\":\"\\u001b[31m%s\"}", longer);
    json_body = json;
    struct buf why;
    buf_init(&why, 4096);
    EXPECT(!ask("json: { a: b }", &why));
    const char *text = buf_cstr(&why);
    EXPECT(strlen(text) < 140);
    for (const char *c = text; *c; c++)
        EXPECT((unsigned char)*c >= ' ');
    buf_release(&why);
}

void test_match_explanation_keeps_to_its_buffer(void)
{
    struct buf why;
    buf_init(&why, 10);
    EXPECT(!ask("json: { ref: x }", &why));
    EXPECT(!buf_ok(&why));
    EXPECT(why.len <= 10);
    buf_release(&why);
}

void test_match_describes_itself(void)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"event: push\njson: { ref: refs/heads/main }",
         "event is \"push\" and json ref is \"refs/heads/main\""},
        {"any: [{ event: a }, { event: b, method: GET }]",
         "event is \"a\" or (event is \"b\" and method is \"GET\")"},
        {"event: a\nnot: { json: { m: { glob: \"*[skip ci]*\" } } }",
         "event is \"a\" and not (json m matches glob \"*[skip ci]*\")"},
        {"json: { n: { above: 5 }, x: { exists: false } }", "json n is above 5 and json x is "
                                                            "missing"},
        {"header: { A: [x, y] }", "header A is one of \"x\", \"y\""},
    };
    struct buf out;
    buf_init(&out, 4096);
    match_describe(match_compile(&arena, NULL, &problems), &out);
    EXPECT_CSTR(buf_cstr(&out), "everything");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_clear(&out);
        match_describe(compile(cases[i].text), &out);
        EXPECT_CSTR(buf_cstr(&out), cases[i].words);
    }
    buf_release(&out);
}

void test_match_compile_reports_each_mistake(void)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {"evnt: push", "gaff.yaml:1:1: unknown key \"evnt\"; did you mean \"event\"?"},
        {"push", "gaff.yaml:1:1: expected a mapping of conditions, as { event: push }; leave match "
                 "out to match everything"},
        {"{}", "gaff.yaml:1:1: expected a mapping of conditions, as { event: push }; leave match "
               "out to match everything"},
        {"event: []", "gaff.yaml:1:8: an empty list matches nothing; name at least one value"},
        {"event:", "gaff.yaml:1:7: \"event\": expected a string (write \"\" for the empty one), "
                   "found nothing"},
        {"json: ref", "gaff.yaml:1:7: \"json\": expected a mapping of names to conditions, as { "
                      "repository.name: value }"},
        {"json: { a..b: 1 }", "gaff.yaml:1:9: the path has an empty part; write a.b, and a\\.b for "
                              "a dot inside a name"},
        {"json: { a: { globb: x } }",
         "gaff.yaml:1:14: unknown key \"globb\" in \"a\"; did you mean \"glob\"?"},
        {"json: { a: { glob: x, above: 1 } }",
         "gaff.yaml:1:12: expected exactly one of equals, in, glob, prefix, suffix, regex, exists, "
         "above, below, at_least, at_most; join several under all:"},
        {"json: { a: { above: x } }", "gaff.yaml:1:21: expected a number, found \"x\""},
        {"json: { a: { above: 0x10 } }", "gaff.yaml:1:21: expected a number, found \"0x10\""},
        {"json: { a: { exists: yes } }",
         "gaff.yaml:1:22: \"exists\": expected true or false, found \"yes\""},
        {"json: { a: { in: x } }", "gaff.yaml:1:18: \"in\": expected a list, found \"x\"; write it "
                                   "in brackets: [ ... ]"},
        {"any: { event: a }",
         "gaff.yaml:1:6: \"any\": expected a list of mappings, as [ { event: push }, ... ]"},
        {"all: []",
         "gaff.yaml:1:6: \"all\": expected a list of mappings, as [ { event: push }, ... ]"},
        {"json: { a: { regex: \"(a\" } }",
         "gaff.yaml:1:21: the regex is wrong at its byte 2: missing closing parenthesis"},
        {"path: { regex: \"\\\\C\" }", "gaff.yaml:1:16: the regex is wrong at its byte 2: using "
                                       "\\C is disabled by the application"},
        {"ip: 10.0.0.1/8", "gaff.yaml:1:5: \"10.0.0.1/8\" is no network; write it as 10.0.0.0/8, "
                           "192.168.1.7 or 2001:db8::/32, with nothing set behind the prefix"},
        {"ip: { glob: \"10.*\" }",
         "gaff.yaml:1:5: an ip is compared with networks: write ip: 10.0.0.0/8 or a list of them"},
        {"not: [x]", "gaff.yaml:1:6: expected a mapping of conditions, as { event: push }; leave "
                     "match out to match everything"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        EXPECT(!compile(cases[i].text));
        EXPECT_EQ_INT(problems.count, 1);
        EXPECT_CSTR(problems.v[0].text, cases[i].problem);
        problems_release(&problems);
    }
}

void test_match_regex_asks_with_bounds(void)
{
    expect_yes("json: { ref: { regex: \"^refs/heads/(dev|main)$\" } }");
    expect_no("json: { ref: { regex: \"^heads\" } }");
    expect_yes("json: { \"commits.*.author.name\": { regex: \"^b\" } }");
    expect_yes("json: { \"commits.1.author.name\": { regex: \"^b\" } }");
    expect_no("json: { \"commits.0.author.name\": { regex: \"^b\" } }");
    expect_no("json: { absent: { regex: \".*\" } }");
    expect_no("not: { json: { absent: { regex: \"x\" } } }");
    expect_why("json: { ref: { regex: \"^v\" } }",
               "json ref is \"refs/heads/dev\", which does not match regex \"^v\"");
    /* `$` is the end itself: what a line break follows does not pass for the name alone. */
    json_body = "{\"ref\":\"main\\n\"}";
    expect_no("json: { ref: { regex: \"^main$\" } }");
    /* Bytes that are no UTF-8 are skipped over, never an error. */
    form_body = "x=%ff%feab";
    expect_yes("form: { x: { regex: \"ab$\" } }");
    form_body = NULL;
    json_body = PUSH;
}

void test_match_a_regex_that_takes_too_long_decides_nothing(void)
{
    char hostile[128] = "{\"x\":\"";
    memset(hostile + 6, 'a', 60);
    memcpy(hostile + 66, "!\"}", 4);
    json_body = hostile;
    expect_no("json: { x: { regex: \"^(a+)+$\" } }");
    expect_no("not: { json: { x: { regex: \"^(a+)+$\" } } }");
    struct buf why;
    buf_init(&why, 4096);
    EXPECT(!ask("json: { x: { regex: \"^(a+)+$\" } }", &why));
    EXPECT_HAS(buf_cstr(&why), "too much work for regex \"^(a+)+$\"");
    buf_clear(&why);
    EXPECT(!ask("not: { json: { x: { regex: \"^(a+)+$\" } } }", &why));
    EXPECT_HAS(buf_cstr(&why), "is too much work for its regex, which decides nothing inside not");
    buf_release(&why);
    json_body = PUSH;
}

void test_match_asks_address_path_and_parameters(void)
{
    expect_yes("ip: 203.0.113.0/24");
    expect_yes("ip: [10.0.0.0/8, 203.0.113.9]");
    expect_no("ip: 10.0.0.0/8");
    expect_yes("not: { ip: \"2001:db8::/32\" }");
    expect_why("ip: [10.0.0.0/8]", "ip is \"203.0.113.9\", not one of \"10.0.0.0/8\"");
    expect_yes("path: /in/github");
    expect_yes("path: { prefix: /in/ }");
    expect_yes("param: { repo: site, branch: \"a b\" }");
    expect_no("param: { repo: other }");
    expect_why("param: { tag: x }", "param tag is missing");
    expect_yes("json: { size: { at_least: 3 }, ratio: { at_most: 1.5 } }");
    expect_no("json: { size: { at_least: 3.1 } }");
    expect_why("json: { size: { at_most: 2 } }", "json size is \"3\", not at most 2");
}

/* Whatever is asked, the index says the same as asking each. */
void test_match_index_rules_out_nothing_that_holds(void)
{
    const struct match *matches[40];
    char text[128];
    for (int i = 0; i < 40; i++) {
        const char *form = i % 5 == 0   ? "json: { ref: [r%d, r0] }"
                           : i % 5 == 1 ? "any: [{ json: { ref: r%d } }, { event: none }]"
                           : i % 5 == 2 ? "{ event: push, json: { ref: r%d } }"
                           : i % 5 == 3 ? "all: [{ json: { ref: r%d } }, { method: post }]"
                                        : "json: { ref: { glob: \"r%d*\" } }";
        (void)snprintf(text, sizeof(text), form, i);
        matches[i] = compile(text);
        EXPECT(matches[i] != NULL);
    }
    const struct match_index *index = match_index_new(&arena, matches, 40);
    EXPECT(index != NULL);
    EXPECT(match_index_new(&arena, matches, MATCH_INDEX_LEAST - 1) == NULL);
    static const char *const refs[] = {"r0", "r1", "r2", "r5", "r13", "r39", "r4x", "", "other"};
    size_t ruled_out = 0;
    for (size_t r = 0; r <= ARRAY_LEN(refs); r++) {
        char body[64] = "{\"ref\":{}}";
        if (r < ARRAY_LEN(refs))
            (void)snprintf(body, sizeof(body), "{\"ref\":\"%s\"}", refs[r]);
        struct http_request req = {
            .method = STR("POST"), .body = str_from_cstr(body), .arena = &arena};
        struct facts f = {.request = &req, .event_type = STR("push"), .source = STR("x")};
        uint64_t maybe = 0;
        match_index_ask(index, &f, &maybe);
        for (size_t i = 0; i < 40; i++) {
            bool holds = match_eval(matches[i], &f, NULL);
            ruled_out += !(maybe >> i & 1);
            if (holds && !(maybe >> i & 1))
                FAIL("ref %s: match %zu holds and was ruled out", body, i);
        }
        http_request_release(&req);
    }
    EXPECT(ruled_out > 200);
}

void test_match_compile_bounds_nesting(void)
{
    struct buf text;
    buf_init(&text, 65536);
    for (int i = 0; i < 20; i++)
        buf_str_append(&text, STR("{not: "));
    buf_str_append(&text, STR("{event: a}"));
    for (int i = 0; i < 20; i++)
        buf_char(&text, '}');
    EXPECT(!compile(buf_cstr(&text)));
    EXPECT_HAS(problems.v[0].text, "nested more than 16 deep");
    buf_release(&text);
}
