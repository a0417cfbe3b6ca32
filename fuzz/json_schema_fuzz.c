/* json_schema_fuzz.c -- any text as a schema, and a value against it: the schema is refused with
 * its place or it decides within its bounds, the same each time. A line feed parts the two. */
#include "rule/json_schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void told(str place, const char *text, void *arg)
{
    int *count = arg;
    assert(text[0] && (place.n == 0 || place.p[place.n - 1] == 0));
    assert(++*count <= JSON_SCHEMA_FAULTS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reason why = {.text = ""};
    str rest = str_of((const char *)data, size);
    str schema = str_cut(&rest, '\n');
    struct json_schema *s = json_schema_new(schema, &why);
    assert(s || why.text[0]);
    struct json_doc *doc = rest.p ? json_parse(rest, &why) : NULL;
    if (s && doc) {
        int count = 0;
        enum err first = json_schema_check(s, json_root(doc), told, &count, &why);
        assert(first == ERR_OK || first == ERR_INVALID || first == ERR_LIMIT);
        assert(first != ERR_OK || count == 0);
        assert(json_schema_check(s, json_root(doc), NULL, NULL, &why) == first);
    }
    json_doc_free(doc);
    json_schema_free(s);
    return 0;
}
