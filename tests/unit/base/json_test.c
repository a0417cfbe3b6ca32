/* Reading and writing JSON. */
#include "unit.h"

#include "base/json.h"
#include "base/log.h"

#include <math.h>

static struct json_doc *parse(const char *text)
{
    struct reason why;
    struct json_doc *d = json_parse(str_from_cstr(text), &why);
    if (!d)
        FAIL("%s: %s", text, why.text);
    return d;
}

static void expect_refused(str text, enum err code)
{
    struct reason why = {0};
    struct json_doc *d = json_parse(text, &why);
    if (d)
        FAIL("\"" STR_FMT "\" was accepted", STR_ARG(text));
    EXPECT_EQ_INT(why.code, code);
    EXPECT(*why.text);
}

void test_json_refuses_what_rfc_8259_forbids(void)
{
    static const char *const wrong[] = {
        "",         " ",         "{",           "[1,]",      "{\"a\":1,}",
        "{a:1}",    "'a'",       "01",          "+1",        "1.",
        ".5",       "NaN",       "Infinity",    "-",         "[1] []",
        "\"\x01\"", "\"\\x41\"", "\"\\ud800\"", "// c\n1",   "tru",
        "nul",      "\"a",       "[1 2]",       "{\"a\" 1}", "\xef\xbb\xbf{}",
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        expect_refused(str_from_cstr(wrong[i]), ERR_INVALID);
    expect_refused(STR_NONE, ERR_INVALID);
    expect_refused(STR("\"\xff\""), ERR_INVALID);
    expect_refused(STR("\"\xed\xa0\x80\""), ERR_INVALID);
    expect_refused(STR("{}\0"), ERR_INVALID);
}

void test_json_error_names_the_byte(void)
{
    struct reason why;
    EXPECT(json_parse(STR("{\"a\": !}"), &why) == NULL);
    EXPECT(str_starts(str_from_cstr(why.text), STR("byte 6: ")));
    EXPECT(json_parse(STR("!"), NULL) == NULL);
}

static str nested(size_t depth, char *text)
{
    for (size_t i = 0; i < depth; i++) {
        text[i] = '[';
        text[2 * depth - 1 - i] = ']';
    }
    return str_of(text, 2 * depth);
}

void test_json_depth_is_capped(void)
{
    static char text[2000000];
    struct json_doc *d = json_parse(nested(JSON_DEPTH_MAX, text), NULL);
    EXPECT(d != NULL);
    json_doc_free(d);
    expect_refused(nested(JSON_DEPTH_MAX + 1, text), ERR_LIMIT);
    expect_refused(nested(sizeof(text) / 2, text), ERR_LIMIT);
    /* Deep is one thing, many siblings after a deep one another. */
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_char(&b, '[');
    for (int i = 0; i < 200; i++)
        buf_str_append(&b, STR("{\"a\":[[],[]],\"b\":{}},"));
    buf_str_append(&b, STR("[]]"));
    d = json_parse(buf_str(&b), NULL);
    EXPECT(d != NULL);
    json_doc_free(d);
    buf_release(&b);
}

void test_json_paths(void)
{
    struct json_doc *d = parse("{\"repository\":{\"owner\":{\"name\":\"ada\"}},"
                               "\"commits\":[{\"id\":\"x\"},{\"id\":\"y\"}],"
                               "\"a.b\":1,\"a\\\\b\":2,\"\":{\"\":3},\"0\":4,\"n\":null}");
    const struct json *root = json_root(d);
    int64_t v = 0;
    EXPECT_STR(json_str(json_path(root, STR("repository.owner.name"))), "ada");
    EXPECT_STR(json_str(json_path(root, STR("commits.0.id"))), "x");
    EXPECT_STR(json_str(json_path(root, STR("commits.1.id"))), "y");
    EXPECT(json_path(root, STR("commits.2.id")) == NULL);
    EXPECT(json_path(root, STR("commits.-1.id")) == NULL);
    EXPECT(json_path(root, STR("commits.id")) == NULL);
    EXPECT(json_path(root, STR("repository.owner.name.x")) == NULL);
    EXPECT(json_path(root, STR("nope")) == NULL);
    EXPECT(json_i64(json_path(root, STR("a\\.b")), &v) && v == 1);
    EXPECT(json_i64(json_path(root, STR("a\\\\b")), &v) && v == 2);
    EXPECT(json_path(root, STR("a.b")) == NULL);
    EXPECT(json_i64(json_path(root, STR(".")), &v) && v == 3);
    EXPECT(json_i64(json_path(root, STR("0")), &v) && v == 4);
    EXPECT(json_path(root, STR("")) == root);
    EXPECT(json_path(root, STR("n")) != NULL);
    EXPECT(json_path(root, STR("a\\")) == NULL);
    EXPECT(json_path(NULL, STR("x")) == NULL);
    json_doc_free(d);
}

void test_json_absent_values_answer_absent(void)
{
    int64_t i;
    double f;
    struct json_iter it = {0};
    struct arena a = {.max = 100};
    EXPECT_EQ_INT(json_kind_of(NULL), JSON_NULL);
    EXPECT(json_get(NULL, STR("x")) == NULL);
    EXPECT(json_at(NULL, 0) == NULL);
    EXPECT_EQ_UINT(json_len(NULL), 0);
    EXPECT_NONE(json_str(NULL));
    EXPECT(!json_bool(NULL) && !json_i64(NULL, &i) && !json_f64(NULL, &f));
    EXPECT_NONE(json_text(&a, NULL));
    EXPECT(!json_next(NULL, &it));
    EXPECT(json_root(NULL) == NULL);
    json_doc_free(NULL);
}

void test_json_kinds_do_not_convert(void)
{
    struct json_doc *d = parse("{\"s\":\"1\",\"n\":1,\"t\":true,\"z\":null}");
    const struct json *root = json_root(d);
    int64_t i;
    EXPECT(!json_i64(json_get(root, STR("s")), &i));
    EXPECT(!json_bool(json_get(root, STR("n"))));
    EXPECT(json_bool(json_get(root, STR("t"))));
    EXPECT_NONE(json_str(json_get(root, STR("n"))));
    EXPECT_EQ_INT(json_kind_of(json_get(root, STR("z"))), JSON_NULL);
    EXPECT_EQ_UINT(json_len(root), 4);
    EXPECT_EQ_UINT(json_len(json_get(root, STR("s"))), 0);
    EXPECT(json_at(root, 0) == NULL);
    EXPECT(json_get(json_get(root, STR("s")), STR("x")) == NULL);
    json_doc_free(d);
}

void test_json_integers_fit_or_are_refused(void)
{
    struct json_doc *d = parse("[9223372036854775807,-9223372036854775808,9223372036854775808,"
                               "18446744073709551616,1.0,1e2,-0]");
    int64_t i = 0;
    double f;
    EXPECT(json_i64(json_at(json_root(d), 0), &i) && i == INT64_MAX);
    EXPECT(json_i64(json_at(json_root(d), 1), &i) && i == INT64_MIN);
    EXPECT(!json_i64(json_at(json_root(d), 2), &i));
    EXPECT(!json_i64(json_at(json_root(d), 3), &i));
    EXPECT(!json_i64(json_at(json_root(d), 4), &i));
    EXPECT(!json_i64(json_at(json_root(d), 5), &i));
    EXPECT(json_f64(json_at(json_root(d), 3), &f) && f > 1.8e19 && f < 1.9e19);
    EXPECT(json_f64(json_at(json_root(d), 5), &f) && f > 99.9 && f < 100.1);
    EXPECT(json_f64(json_at(json_root(d), 0), &f));
    for (size_t k = 0; k < 6; k++)
        EXPECT_EQ_INT(json_kind_of(json_at(json_root(d), k)), JSON_NUMBER);
    json_doc_free(d);
    d = parse("[1e999]");
    EXPECT(!json_f64(json_at(json_root(d), 0), &f));
    json_doc_free(d);
}

void test_json_strings_keep_nul_and_escapes(void)
{
    struct json_doc *d = parse("\"a\\u0000b\\n\\ud83d\\ude00\"");
    EXPECT_STR(json_str(json_root(d)), "a\0b\n\xf0\x9f\x98\x80");
    json_doc_free(d);
}

void test_json_iterates_in_order(void)
{
    struct json_doc *d = parse("{\"a\":[1,[2,3],{}],\"b\":{},\"c\":\"x\"}");
    struct json_iter it = {0};
    EXPECT(json_next(json_root(d), &it));
    EXPECT_STR(it.key, "a");
    const struct json *list = it.value;
    EXPECT(json_next(json_root(d), &it));
    EXPECT_STR(it.key, "b");
    EXPECT_EQ_INT(json_kind_of(it.value), JSON_OBJECT);
    EXPECT(json_next(json_root(d), &it));
    EXPECT_STR(json_str(it.value), "x");
    EXPECT(!json_next(json_root(d), &it));
    EXPECT(!json_next(json_root(d), &it));
    struct json_iter in = {0};
    size_t count = 0;
    for (; json_next(list, &in); count++)
        EXPECT_NONE(in.key);
    EXPECT_EQ_UINT(count, 3);
    struct json_iter none = {0};
    EXPECT(!json_next(json_path(json_root(d), STR("b")), &none));
    struct json_iter scalar = {0};
    EXPECT(!json_next(json_path(json_root(d), STR("c")), &scalar));
    json_doc_free(d);
}

static str text_of(const char *json)
{
    static struct arena a;
    static struct json_doc *d;
    arena_release(&a);
    arena_init(&a, 4096);
    json_doc_free(d);
    d = parse(json);
    return json_text(&a, json_root(d));
}

void test_json_text_of_every_kind(void)
{
    EXPECT_STR(text_of("\"plain \\\"\""), "plain \"");
    EXPECT_STR(text_of("true"), "true");
    EXPECT_STR(text_of("false"), "false");
    EXPECT_STR(text_of("null"), "");
    EXPECT_STR(text_of("-12"), "-12");
    EXPECT_STR(text_of("18446744073709551615"), "18446744073709551615");
    EXPECT_STR(text_of("184467440737095516150000"), "184467440737095516150000");
    EXPECT_STR(text_of("1.10"), "1.1");
    EXPECT_STR(text_of("1.0"), "1.0");
    EXPECT_STR(text_of("0.1"), "0.1");
    EXPECT_STR(text_of("1e300"), "1e+300");
    EXPECT_STR(text_of(" { \"a\" : [ 1 , true , null ] , \"b\" : { } } "),
               "{\"a\":[1,true,null],\"b\":{}}");
    EXPECT_STR(text_of("[]"), "[]");
}

void test_json_text_fails_when_the_arena_is_full(void)
{
    struct arena a = {.max = 8};
    struct json_doc *d = parse("[1,2,3,4,5,6,7,8,9]");
    EXPECT_NONE(json_text(&a, json_root(d)));
    EXPECT(!arena_ok(&a));
    arena_release(&a);
    json_doc_free(d);
}

static struct buf written;

static struct json_writer begin(void)
{
    struct json_writer w;
    buf_release(&written);
    buf_init(&written, 1 << 16);
    json_writer_init(&w, &written);
    return w;
}

void test_json_writer_handles_commas(void)
{
    struct json_writer w = begin();
    json_open(&w, '{');
    json_pair(&w, "id", STR("evt_1"));
    json_key(&w, "list");
    json_open(&w, '[');
    json_open(&w, '{');
    json_close(&w, '}');
    json_open(&w, '[');
    json_close(&w, ']');
    json_integer(&w, -5);
    json_unsigned(&w, UINT64_MAX);
    json_boolean(&w, false);
    json_null(&w);
    json_raw(&w, STR("{\"raw\":1}"));
    json_string(&w, STR_NONE);
    json_close(&w, ']');
    json_pair_int(&w, "n", 3);
    json_pair_bool(&w, "b", true);
    json_key_str(&w, STR("last\n"));
    json_number(&w, 0.5);
    json_close(&w, '}');
    EXPECT_STR(buf_str(&written),
               "{\"id\":\"evt_1\",\"list\":[{},[],-5,18446744073709551615,false,null,"
               "{\"raw\":1},null],\"n\":3,\"b\":true,\"last\\n\":0.5}");
    struct json_doc *d = parse(buf_cstr(&written));
    json_doc_free(d);
}

void test_json_writer_commas_begin_anew_in_each_container(void)
{
    struct json_writer w = begin();
    json_open(&w, '[');
    for (int i = 0; i < 2; i++) {
        json_open(&w, '[');
        json_integer(&w, 1);
        json_integer(&w, 2);
        json_close(&w, ']');
    }
    json_integer(&w, 3);
    json_close(&w, ']');
    EXPECT_STR(buf_str(&written), "[[1,2],[1,2],3]");
}

static const char *quoted(str s)
{
    struct json_writer w = begin();
    json_string(&w, s);
    return buf_cstr(&written);
}

void test_json_writer_escapes(void)
{
    EXPECT_CSTR(quoted(STR("a\"b\\c\n\r\t\b\0")), "\"a\\\"b\\\\c\\n\\r\\t\\u0008\\u0000\"");
    EXPECT_CSTR(quoted(STR("</script><a/b>/")), "\"<\\/script><a/b>/\"");
    EXPECT_CSTR(quoted(STR("\xff\xc3(\xe2\x82")),
                "\"\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\"");
    EXPECT_CSTR(quoted(STR("\xe2\x80\xa8\x7f\xc2\x85")), "\"\\u2028\\u007f\\u0085\"");
    EXPECT_CSTR(quoted(STR("\xc3\xa9\xf0\x9f\x98\x80")), "\"\xc3\xa9\xf0\x9f\x98\x80\"");
    EXPECT_CSTR(quoted(STR("")), "\"\"");
}

void test_json_writer_round_trips_every_character(void)
{
    char text[4];
    for (uint32_t c = 0; c < 0x11000; c++) {
        size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        if (c >= 0xd800 && c < 0xe000)
            continue;
        for (size_t i = 1; i < n; i++)
            text[i] = (char)(0x80 | (c >> (6 * (n - 1 - i)) & 0x3f));
        text[0] = (char)(n == 1 ? c : (0xf0u << (4 - n)) | c >> (6 * (n - 1)));
        struct json_doc *d = parse(quoted(str_of(text, n)));
        EXPECT_EQ_STR(json_str(json_root(d)), str_of(text, n));
        json_doc_free(d);
    }
}

static const char *number(double v)
{
    struct json_writer w = begin();
    json_number(&w, v);
    return buf_cstr(&written);
}

void test_json_writer_numbers_are_short_and_exact(void)
{
    EXPECT_CSTR(number(0.1), "0.1");
    EXPECT_CSTR(number(3), "3");
    EXPECT_CSTR(number(-2.5e-9), "-2.5e-09");
    EXPECT_CSTR(number(1.0 / 3), "0.3333333333333333");
    EXPECT_CSTR(number(INFINITY), "null");
    EXPECT_CSTR(number(NAN), "null");
    double hard = 5e-324;
    EXPECT(!(strtod(number(hard), NULL) < hard) && !(strtod(number(hard), NULL) > hard));
    hard = 1.7976931348623157e308;
    EXPECT(!(strtod(number(hard), NULL) < hard) && !(strtod(number(hard), NULL) > hard));
}

void test_json_value_writes_a_document_back(void)
{
    static char text[2 * JSON_DEPTH_MAX];
    struct json_doc *d = parse("{\"a\":[1,-1,1.5,\"<\\/x\",{\"\":[]}],\"b\":null}");
    struct json_writer w = begin();
    json_open(&w, '[');
    json_value(&w, json_root(d));
    json_value(&w, json_get(json_root(d), STR("b")));
    json_open(&w, '{');
    json_key(&w, "v");
    json_value(&w, json_path(json_root(d), STR("a.4")));
    json_close(&w, '}');
    json_close(&w, ']');
    EXPECT_STR(buf_str(&written),
               "[{\"a\":[1,-1,1.5,\"<\\/x\",{\"\":[]}],\"b\":null},null,{\"v\":{\"\":[]}}]");
    json_doc_free(d);
    /* The deepest document also fits below what the writer has open. */
    d = json_parse(nested(JSON_DEPTH_MAX, text), NULL);
    w = begin();
    json_open(&w, '[');
    json_value(&w, json_root(d));
    json_close(&w, ']');
    EXPECT_EQ_UINT(written.len, 2 * JSON_DEPTH_MAX + 2);
    json_doc_free(d);
}

void test_json_writer_marks_a_full_buffer(void)
{
    struct buf small;
    struct json_writer w;
    buf_init(&small, 10);
    json_writer_init(&w, &small);
    json_open(&w, '[');
    for (int i = 0; i < 10; i++)
        json_string(&w, STR("abc"));
    json_close(&w, ']');
    EXPECT(!buf_ok(&small));
    EXPECT(small.len <= 10);
    buf_release(&small);
}

static void close_nothing(void *arg)
{
    json_close(arg, '}');
}

void test_json_closing_what_is_not_open_is_a_bug(void)
{
    struct json_writer w = begin();
    EXPECT(unit_aborts(close_nothing, &w));
}
