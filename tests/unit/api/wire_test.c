/* wire_test.c -- what a request's shape is checked for, where each fault is said to be, and that
 * the answer stays whole whatever was sent. */
#include "api/wire.h"

#include "unit.h"

#define FIELD(name, type, flags, min, max, check)                                                  \
    {                                                                                              \
        name, type, flags, min, max, check, NULL, NULL, NULL, ""                                   \
    }
#define END                                                                                        \
    {                                                                                              \
        NULL, WIRE_ANY, 0, 0, 0, CHECK_NONE, NULL, NULL, NULL, NULL                                \
    }

static const char *const colours[] = {"red", "green", NULL};
static const struct wire_field inner_fields[] = {
    FIELD("n", WIRE_INTEGER, WIRE_REQUIRED, 1, 9, CHECK_NONE), END};
static const struct wire_schema inner = {"Inner", "", inner_fields};
static const struct wire_field fields[] = {
    FIELD("name", WIRE_STRING, WIRE_REQUIRED, 1, 5, CHECK_TEXT),
    {"uid", WIRE_STRING, WIRE_NULLABLE, 1, 256, CHECK_WORD, "app_", NULL, NULL, ""},
    FIELD("rate", WIRE_INTEGER, WIRE_NULLABLE, 1, 65535, CHECK_NONE),
    FIELD("on", WIRE_BOOLEAN, 0, 0, 0, CHECK_NONE),
    FIELD("at", WIRE_TIME, 0, 0, 0, CHECK_NONE),
    FIELD("channels", WIRE_STRINGS, WIRE_NULLABLE, 1, 2, CHECK_WORD),
    FIELD("waits", WIRE_NUMBERS, 0, 0, 3, CHECK_NONE),
    FIELD("metadata", WIRE_MAP, 0, 0, 0, CHECK_METADATA),
    FIELD("headers", WIRE_MAP_NULL, 0, 0, 0, CHECK_HEADERS),
    {"one", WIRE_OBJECT, 0, 0, 0, CHECK_NONE, NULL, &inner, NULL, ""},
    {"many", WIRE_OBJECTS, 0, 0, 3, CHECK_NONE, NULL, &inner, NULL, ""},
    {"colour", WIRE_STRING, 0, 0, 0, CHECK_ENUM, NULL, NULL, colours, ""},
    FIELD("url", WIRE_STRING, 0, 1, 65536, CHECK_URL),
    FIELD("secret", WIRE_STRING, WIRE_NULLABLE, 0, 0, CHECK_SECRET),
    END};
static const struct wire_schema outer = {"Outer", "", fields};

/* The places of the faults, "a/b c/d"; the items are JSON whatever was sent. */
static void check(str text, bool https_only, char *out, size_t room)
{
    struct wire_faults f;
    struct buf all;
    struct reason why = {.text = ""};
    size_t n = 0;
    out[0] = '\0';
    struct json_doc *doc = json_parse(text, &why);
    EXPECT(doc != NULL);
    wire_faults_init(&f);
    EXPECT(wire_validate(&outer, json_root(doc), https_only, &f) == (f.count == 0));
    buf_init(&all, 1u << 20);
    buf_char(&all, '[');
    buf_str_append(&all, buf_str(&f.items));
    buf_char(&all, ']');
    struct json_doc *faults = json_parse(buf_str(&all), &why);
    EXPECT(buf_ok(&f.items) && faults != NULL);
    struct json_iter it = {0};
    while (json_next(json_root(faults), &it)) {
        struct json_iter part = {0};
        EXPECT(json_str(json_get(it.value, STR("msg"))).n > 0);
        for (const char *between = n ? " " : ""; json_next(json_get(it.value, STR("loc")), &part);
             between = "/")
            n += (size_t)snprintf(out + n, n < room ? room - n : 0, "%s" STR_FMT, between,
                                  STR_ARG(json_str(part.value)));
    }
    json_doc_free(faults);
    json_doc_free(doc);
    buf_release(&all);
    wire_faults_release(&f);
}

void test_wire_names_the_place_of_every_fault(void)
{
    static const struct {
        const char *body, *places;
    } cases[] = {
        {"[]", "body"},
        {"{}", "body/name"},
        {"{\"name\":null}", "body/name"},
        {"{\"name\":5,\"unknown\":[]}", "body/name"},
        {"{\"name\":\"\"}", "body/name"},
        {"{\"name\":\"123456\"}", "body/name"},
        {"{\"name\":\"a\\u0008\"}", "body/name"},
        {"{\"name\":\"a\",\"uid\":null,\"rate\":null,\"channels\":null}", ""},
        {"{\"name\":\"a\",\"uid\":\"app_x\"}", "body/uid"},
        {"{\"name\":\"a\",\"uid\":\"\\u00fc\"}", "body/uid"},
        {"{\"name\":\"a\",\"rate\":0,\"on\":\"true\"}", "body/rate body/on"},
        {"{\"name\":\"a\",\"rate\":65536}", "body/rate"},
        {"{\"name\":\"a\",\"rate\":1.5}", "body/rate"},
        {"{\"name\":\"a\",\"rate\":1e30}", "body/rate"},
        {"{\"name\":\"a\",\"at\":\"yesterday\"}", "body/at"},
        {"{\"name\":\"a\",\"at\":\"2026-11-23T20:24:11Z\"}", ""},
        {"{\"name\":\"a\",\"channels\":[]}", "body/channels"},
        {"{\"name\":\"a\",\"channels\":[\"a\",\"b\",\"c\"]}", "body/channels"},
        {"{\"name\":\"a\",\"channels\":[\"a b\",7]}", "body/channels/[0] body/channels/[1]"},
        {"{\"name\":\"a\",\"waits\":[1,-1,\"x\"]}", "body/waits/[1] body/waits/[2]"},
        {"{\"name\":\"a\",\"metadata\":{\"k\":null}}", "body/metadata/k"},
        {"{\"name\":\"a\",\"headers\":{\"X-A\":null,\"Host\":\"x\"}}", "body/headers/Host"},
        {"{\"name\":\"a\",\"headers\":{\"X-A\":\"a\\r\\nX-B: c\"}}", "body/headers/X-A"},
        {"{\"name\":\"a\",\"headers\":{\"wEbHook-id\":\"x\"}}", "body/headers/wEbHook-id"},
        {"{\"name\":\"a\",\"one\":{}}", "body/one/n"},
        {"{\"name\":\"a\",\"many\":[{\"n\":1},{\"n\":10},5]}", "body/many/[1]/n body/many/[2]"},
        {"{\"name\":\"a\",\"colour\":\"blue\"}", "body/colour"},
        {"{\"name\":\"a\",\"url\":\"javascript:x\"}", "body/url"},
        {"{\"name\":\"a\",\"url\":\"http://\"}", "body/url"},
        {"{\"name\":\"a\",\"secret\":\"c2VjcmV0\"}", "body/secret"},
        {"{\"name\":\"a\",\"secret\":\"whsec_c2VjcmV0\"}", "body/secret"},
        {"{\"name\":\"a\",\"secret\":\"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3\"}", ""},
    };
    char places[512];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        check(str_from_cstr(cases[i].body), false, places, sizeof(places));
        EXPECT_EQ_STR(str_from_cstr(places), str_from_cstr(cases[i].places));
    }
    check(STR("{\"name\":\"a\",\"url\":\"http://x.example/\"}"), false, places, sizeof(places));
    EXPECT_STR(str_from_cstr(places), "");
    check(STR("{\"name\":\"a\",\"url\":\"http://x.example/\"}"), true, places, sizeof(places));
    EXPECT_STR(str_from_cstr(places), "body/url");
}

/* Names that are long, and longer when they are written: half a fault would spoil the answer. */
void test_wire_answers_whole_whatever_was_sent(void)
{
    static const char *const letters[] = {"\\u0001", "\\\"", "a", "\xc3\xbc"};
    char *places = calloc(1, 1u << 20);
    EXPECT(places != NULL);
    for (size_t i = 0; i < ARRAY_LEN(letters); i++) {
        struct buf body;
        buf_init(&body, 4u << 20);
        buf_str_append(&body, STR("{\"metadata\":{"));
        for (int n = 0; n < 60; n++) {
            buf_printf(&body, "%s\"%d", n ? "," : "", n);
            for (int k = 0; k < 900; k++)
                buf_str_append(&body, str_from_cstr(letters[i]));
            buf_str_append(&body, STR("\":7"));
        }
        buf_str_append(&body, STR("}}"));
        EXPECT(buf_ok(&body));
        check(buf_str(&body), false, places, 1u << 20);
        EXPECT(str_starts(str_from_cstr(places), STR("body/name body/metadata/0")));
        buf_release(&body);
    }
    free(places);
}

void test_wire_member_text_is_what_stands_there(void)
{
    static const struct {
        const char *object, *text;
    } cases[] = {
        {"{\"p\": {\"a\" : 1.50} , \"q\":2}", "{\"a\" : 1.50}"},
        {"{\"q\":\"p\",\"p\":\"\\\"}\"}", "\"\\\"}\""},
        {"{\"q\":{\"p\":1},\"p\":[{},[]]}", "[{},[]]"},
        {" { \"p\" :null } ", "null"},
        {"{\"q\":[1,\"]\"],\"p\":-1e3}", "-1e3"},
        {"{\"\\u0070\":1,\"p\":2}", "1"}, /* as whoever reads the whole takes it: the first */
        {"{\"p\":1,\"\\u0070\":2}", "1"},
        {"{\"\\\\p\":1,\"p\\\"\":2}", ""},
        {"{\"q\":1}", ""},
        {"{}", ""},
        {"[\"p\",1]", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        str object = str_from_cstr(cases[i].object);
        str text = wire_member_text(object, STR("p"));
        EXPECT_EQ_STR(text, cases[i].text[0] ? str_from_cstr(cases[i].text) : STR_NONE);
        struct json_doc *doc = json_parse(object, NULL);
        bool has = json_get(json_root(doc), STR("p")) != NULL;
        EXPECT(has == (text.p != NULL));
        json_doc_free(doc);
    }
}
