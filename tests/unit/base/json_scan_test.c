/* Slices of a JSON text, byte for byte. */
#include "unit.h"

#include "base/json_scan.h"

void test_json_scan_path_gives_the_bytes_as_they_stand(void)
{
    static const struct {
        const char *text, *path, *slice; /* NULL: none */
    } cases[] = {
        {"{\"a\": { \"b\" : [1, 2.50 ,\"x\\\"y\"] } }", "a", "{ \"b\" : [1, 2.50 ,\"x\\\"y\"] }"},
        {"{\"a\": { \"b\" : [1, 2.50 ,\"x\"] } }", "a.b.1", "2.50"},
        {" [ {\"k\":null}, true ] ", "1", "true"},
        {" [ {\"k\":null}, true ] ", "0.k", "null"},
        {"{\"a.b\":1}", "a\\.b", "1"},
        {"{\"\\u0061\":1}", "a", "1"},
        {"{\"a\":1,\"a\":2}", "a", NULL}, /* which one counts would be a guess */
        {"{\"a\":1}", "b", NULL},
        {"{\"a\":1", "a", NULL},
        {"{\"a\" 1}", "a", NULL},
        {"\"a\"", "a", NULL},
        {"", "a", NULL},
        {"{\"a\":\"unfinished}", "a", NULL},
        {"[1]", "1", NULL},
        {"7", "", "7"},
    };
    struct arena a;
    arena_init(&a, 1u << 16);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        str got = json_scan_path(&a, str_from_cstr(cases[i].text), str_from_cstr(cases[i].path));
        if (cases[i].slice)
            EXPECT_EQ_STR(got, str_from_cstr(cases[i].slice));
        else
            EXPECT(!got.p);
    }
    arena_release(&a);
}

void test_json_scan_compacts_and_sorts_without_changing_a_value(void)
{
    struct arena a;
    struct buf b;
    arena_init(&a, 1u << 20);
    buf_init(&b, 4096);
    str text = STR(" { \"b\" : [ 1.10 , { \"z\" : 1 , \"y\" : \" \\u00e9 \" } ] , \"a\" : 1e3 } ");
    json_scan_compact(&b, text);
    EXPECT_STR(buf_str(&b), "{\"b\":[1.10,{\"z\":1,\"y\":\" \\u00e9 \"}],\"a\":1e3}");
    buf_clear(&b);
    EXPECT(json_scan_sorted(&b, &a, text));
    EXPECT_STR(buf_str(&b), "{\"a\":1e3,\"b\":[1.10,{\"y\":\" \\u00e9 \",\"z\":1}]}");
    buf_clear(&b);
    EXPECT(!json_scan_sorted(&b, &a, STR("{\"a\":[1,}")));
    EXPECT_STR(json_scan_text(&a, STR("\"a\\nb\"")), "a\nb");
    buf_release(&b);
    arena_release(&a);
}

void test_json_scan_survives_depth_and_cuts(void)
{
    struct arena a;
    char deep[400];
    memset(deep, '[', sizeof(deep));
    arena_init(&a, 1u << 20);
    EXPECT(!json_scan_value(str_of(deep, sizeof(deep))).p);
    str text = STR("{\"a\":[{\"b\":\"\\\\\"},-1.5e+3,[]],\"c\":\"}\"}");
    for (size_t n = 0; n < text.n; n++) {
        str cut = str_slice(text, 0, n), key, value;
        struct json_scan it = json_scan_of(cut);
        while (json_scan_next(&it, &key, &value))
            EXPECT(value.p >= cut.p && value.p + value.n <= cut.p + cut.n);
        json_scan_path(&a, cut, STR("a.0.b"));
    }
    arena_release(&a);
}
