/* json_schema_test.c -- the official test suite of draft-07 where it is installed, what 2020-12
 * adds, what must be refused, and schemas made to take for ever. */
#include "rule/json_schema.h"

#include "base/fs.h"
#include "unit.h"

#include <dirent.h>

/* 1: fits, 0: does not, -1: the schema is refused, -2: no answer. */
static int judge(const char *schema, const char *value)
{
    struct reason why = {0};
    struct json_schema *s = json_schema_new(str_from_cstr(schema), &why);
    if (!s) {
        EXPECT(why.text[0] == '#');
        return -1;
    }
    struct json_doc *doc = json_parse(str_from_cstr(value), &why);
    EXPECT(doc != NULL);
    enum err err = json_schema_check(s, json_root(doc), NULL, NULL, &why);
    json_doc_free(doc);
    json_schema_free(s);
    return err == ERR_OK ? 1 : err == ERR_LIMIT ? -2 : 0;
}

#define DRAFT7 "\"$schema\":\"http://json-schema.org/draft-07/schema#\","

void test_json_schema_of_2020_12(void)
{
    static const struct {
        const char *schema, *value;
        int wanted;
    } rows[] = {
        {"{\"prefixItems\":[{\"type\":\"string\"}],\"items\":false}", "[\"a\"]", 1},
        {"{\"prefixItems\":[{\"type\":\"string\"}],\"items\":false}", "[\"a\",1]", 0},
        {"{\"prefixItems\":[{\"type\":\"string\"}]}", "[1]", 0},
        {"{\"prefixItems\":[{\"type\":\"string\"}]}", "[]", 1},
        {"{\"contains\":{\"const\":1},\"minContains\":2}", "[1,2,1]", 1},
        {"{\"contains\":{\"const\":1},\"minContains\":2}", "[1,2]", 0},
        {"{\"contains\":{\"const\":1},\"minContains\":0}", "[2]", 1},
        {"{\"contains\":{\"const\":1},\"maxContains\":1}", "[1,1]", 0},
        {"{\"minContains\":2}", "[]", 1},
        {"{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"a\":1}", 0},
        {"{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"c\":1}", 1},
        {"{\"dependentSchemas\":{\"a\":{\"required\":[\"b\"]}}}", "{\"a\":1,\"b\":1}", 1},
        {"{\"dependentSchemas\":{\"a\":false}}", "{\"a\":1}", 0},
        /* beside a reference: applied here, without meaning in draft-07 */
        {"{\"$ref\":\"#/$defs/a\",\"maximum\":5,\"$defs\":{\"a\":{\"type\":\"integer\"}}}", "9", 0},
        {"{" DRAFT7 "\"$ref\":\"#/definitions/a\",\"maximum\":5,"
         "\"definitions\":{\"a\":{\"type\":\"integer\"}}}",
         "9", 1},
        {"{\"$defs\":{\"a/b~c\":{\"type\":\"null\"}},\"$ref\":\"#/$defs/a~1b~0c\"}", "null", 1},
        {"{\"$defs\":{\"a%b\":{\"type\":\"null\"}},\"$ref\":\"#/$defs/a%25b\"}", "0", 0},
        {"{\"type\":[\"object\",\"null\"],\"format\":\"uuid\",\"x-mine\":1}", "null", 1},
        {"true", "1", 1},
        {"false", "1", 0},
        {"{}", "1", 1},
        {"{\"minLength\":1e64}", "\"a\"", 0}, /* beyond what an integer holds */
        {"{\"maxItems\":2.0}", "[1,2,3]", 0},
        {"{\"const\":18446744073709551615}", "18446744073709551614", 0},
        {"{\"const\":18446744073709551615}", "18446744073709551615", 1},
        {"{\"const\":9007199254740993}", "9007199254740992", 0},
        {"{\"enum\":[1.0]}", "1", 1},
        {"{\"type\":\"integer\"}", "1.0", 1},
        {"{\"minLength\":2}", "\"\\u00e4\"", 0},
        {"{\"maxLength\":1}", "\"\\ud83d\\ude00\"", 1},
        {"{\"uniqueItems\":true}", "[{\"a\":1,\"b\":2},{\"b\":2.0,\"a\":1}]", 0},
        {"{\"patternProperties\":{\"^x\":{\"type\":\"null\"}},\"additionalProperties\":false}",
         "{\"xa\":null}", 1},
        {"{\"patternProperties\":{\"^x\":{\"type\":\"null\"}},\"additionalProperties\":false}",
         "{\"ya\":null}", 0},
        {"{\"propertyNames\":{\"pattern\":\"^[a-z]+$\"}}", "{\"A\":1}", 0},
        {"{\"if\":{\"const\":1},\"then\":false}", "1", 0},
        {"{\"if\":{\"const\":1},\"else\":false}", "1", 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (judge(rows[i].schema, rows[i].value) != rows[i].wanted)
            FAIL("%s of %s is not %d", rows[i].schema, rows[i].value, rows[i].wanted);
}

/* What is not wholly applied is not accepted. */
void test_json_schema_refuses_what_it_cannot_apply(void)
{
    static const char *const rows[] = {
        "{\"unevaluatedProperties\":false}",
        "{\"$anchor\":\"a\"}",
        "{\"$dynamicRef\":\"#a\"}",
        "{\"$ref\":\"https://example.org/schema\"}",
        "{\"$ref\":\"other.json#/a\"}",
        "{\"$ref\":\"#/$defs/nothing\"}",
        "{\"$ref\":\"#name\"}",
        "{\"properties\":{\"a\":{\"$id\":\"inner\"}}}",
        "{\"requierd\":[\"a\"]}",
        "{\"nullable\":true}",
        "{\"items\":[{}]}",                   /* of draft-07 */
        "{\"dependencies\":{}}",              /* likewise */
        "{" DRAFT7 "\"prefixItems\":[true]}", /* of 2020-12 */
        "{\"$schema\":\"http://json-schema.org/draft-04/schema#\"}",
        "{\"type\":\"strin\"}",
        "{\"type\":[]}",
        "{\"minLength\":-1}",
        "{\"multipleOf\":0}",
        "{\"maximum\":\"1\"}",
        "{\"required\":\"a\"}",
        "{\"required\":[1]}",
        "{\"allOf\":[]}",
        "{\"allOf\":[1]}",
        "{\"pattern\":\"(\"}",
        "{\"patternProperties\":{\"[\":true}}",
        "{\"properties\":[]}",
        "{\"uniqueItems\":1}",
        "{\"enum\":1}",
        "[]",
        "1",
        /* behind a reference, where no keyword looks */
        "{\"$ref\":\"#/components/a\",\"x-c\":1}",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (judge(rows[i], "{}") != -1)
            FAIL("%s was accepted", rows[i]);
    EXPECT_EQ_INT(judge("{\"$ref\":\"#/x-c/a\",\"x-c\":{\"a\":{\"typo\":1}}}", "{}"), -1);
    EXPECT_EQ_INT(judge("{\"$ref\":\"#/x-c/a\",\"x-c\":{\"a\":{\"type\":\"null\"}}}", "null"), 1);
}

void test_json_schema_ends(void)
{
    /* to itself; to itself twice, which doubles at each step; a pattern that backtracks */
    EXPECT_EQ_INT(judge("{\"$ref\":\"#\"}", "1"), -2);
    EXPECT_EQ_INT(judge("{\"anyOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}]}", "1"), -2);
    EXPECT_EQ_INT(judge("{\"not\":{\"anyOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}]}}", "1"), -2);
    EXPECT_EQ_INT(judge("{\"pattern\":\"^(([a-z])+.)+[A-Z]([a-z])+$\"}",
                        "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""),
                  -2);
    EXPECT_EQ_INT(judge("{\"properties\":{\"n\":{\"$ref\":\"#\"}},\"required\":[\"v\"]}",
                        "{\"v\":1,\"n\":{\"v\":2,\"n\":{\"v\":3}}}"),
                  1);
    EXPECT_EQ_INT(judge("{\"properties\":{\"n\":{\"$ref\":\"#\"}},\"required\":[\"v\"]}",
                        "{\"v\":1,\"n\":{\"v\":2,\"n\":{}}}"),
                  0);
    struct buf deep;
    buf_init(&deep, 1u << 16);
    for (int i = 0; i < 2000; i++)
        buf_str_append(&deep, STR("{\"not\":"));
    EXPECT(json_schema_new(buf_str(&deep), &(struct reason){0}) == NULL);
    buf_release(&deep);
}

struct told {
    char text[2048];
    int count;
};

static void tell(str place, const char *text, void *arg)
{
    struct told *t = arg;
    size_t n = strlen(t->text);
    for (size_t i = 0; i < place.n && n < sizeof(t->text) - 2; i++)
        t->text[n++] = place.p[i] ? place.p[i] : '/';
    snprintf(t->text + n, sizeof(t->text) - n, " %s\n", text);
    t->count++;
}

void test_json_schema_names_each_place(void)
{
    struct reason why = {0};
    struct told told = {.text = ""};
    struct json_schema *s = json_schema_new(
        STR("{\"required\":[\"id\"],\"properties\":{\"tags\":{\"items\":{\"type\":\"string\"}},"
            "\"age\":{\"minimum\":0}},\"additionalProperties\":false}"),
        &why);
    EXPECT(s != NULL);
    struct json_doc *doc =
        json_parse(STR("{\"tags\":[\"a\",1],\"age\":-1,\"more\":{\"x\":1}}"), &why);
    EXPECT_EQ_INT(json_schema_check(s, json_root(doc), tell, &told, &why), ERR_INVALID);
    EXPECT_STR(str_from_cstr(told.text), "id/ is missing\ntags/[1]/ must be of type string\n"
                                         "age/ is too small\nmore/ is not allowed here\n");
    json_doc_free(doc);
    json_schema_free(s);
    s = json_schema_new(STR("{\"items\":false}"), &why);
    doc = json_parse(STR("[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]"), &why);
    told = (struct told){.text = ""};
    EXPECT_EQ_INT(json_schema_check(s, json_root(doc), tell, &told, &why), ERR_INVALID);
    EXPECT_EQ_INT(told.count, JSON_SCHEMA_FAULTS_MAX);
    json_doc_free(doc);
    json_schema_free(s);
}

/* --- the official test suite ------------------------------------------------------------------ */

#define SUITE "/usr/share/json-schema-test-suite/tests/draft7"

struct suite {
    struct arena arena;
    int right, refused;
};

/* Only what json_schema.h says that it refuses may be. */
static bool may_be_refused(const char *why)
{
    return strstr(why, "not supported") || strstr(why, "leads out of") ||
           strstr(why, "leads nowhere");
}

static void run_group(struct suite *u, const struct json *group)
{
    struct reason why = {0};
    struct buf b;
    struct json_writer w;
    struct json_iter it = {0};
    const struct json *schema = json_get(group, STR("schema"));
    str text = json_text(&u->arena, schema);
    buf_init(&b, 1u << 20);
    json_writer_init(&w, &b);
    if (json_kind_of(schema) == JSON_OBJECT) { /* the suite leaves out which draft it is of */
        struct json_iter member = {0};
        json_open(&w, '{');
        json_pair(&w, "$schema", STR("http://json-schema.org/draft-07/schema#"));
        while (json_next(schema, &member)) {
            if (str_eq(member.key, STR("$schema")))
                continue;
            json_key_str(&w, member.key);
            json_value(&w, member.value);
        }
        json_close(&w, '}');
    } else {
        json_value(&w, schema);
    }
    struct json_schema *s = json_schema_new(buf_str(&b), &why);
    if (!s && !may_be_refused(why.text))
        FAIL("refused: " STR_FMT ": %s", STR_ARG(text), why.text);
    u->refused += s == NULL;
    while (s && json_next(json_get(group, STR("tests")), &it)) {
        bool wanted = json_bool(json_get(it.value, STR("valid")));
        enum err err = json_schema_check(s, json_get(it.value, STR("data")), NULL, NULL, &why);
        if ((err == ERR_OK) != wanted || err == ERR_LIMIT)
            FAIL(STR_FMT ": " STR_FMT, STR_ARG(text),
                 STR_ARG(json_str(json_get(it.value, STR("description")))));
        u->right++;
    }
    json_schema_free(s);
    buf_release(&b);
}

void test_json_schema_of_the_official_suite(void)
{
    struct suite u = {0};
    DIR *folder = opendir(SUITE);
    if (!folder)
        SKIP("json-schema-test-suite is not installed (scripts/deps test installs it)");
    for (struct dirent *one; (one = readdir(folder)) != NULL;) {
        char path[512];
        struct reason why = {0};
        str text;
        struct json_iter it = {0};
        if (!str_ends(str_from_cstr(one->d_name), STR(".json")))
            continue;
        snprintf(path, sizeof(path), SUITE "/%s", one->d_name);
        arena_init(&u.arena, 16u << 20);
        EXPECT_OK(fs_read(&u.arena, path, 4u << 20, &text, &why), why);
        struct json_doc *doc = json_parse(text, &why);
        EXPECT(doc != NULL);
        while (json_next(json_root(doc), &it))
            run_group(&u, it.value);
        json_doc_free(doc);
        arena_release(&u.arena);
    }
    closedir(folder);
    printf("json schema: %d verdicts of the official suite, %d schemas refused\n", u.right,
           u.refused);
    EXPECT(u.right > 350 && u.refused < 20);
}
