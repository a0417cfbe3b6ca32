/* wire_fuzz.c -- bodies of the sending API against each of its schemas: they are taken or every
 * fault is told as JSON, the same each time; header fields and members found in an object's text.
 * Input: a byte that picks the schema, then the body. */
#include "api/send_schema.h"
#include "http/client.h"

static const struct wire_schema *const schemas[] = {
    &schema_app_in,         &schema_app_patch,  &schema_type_in,       &schema_type_put,
    &schema_type_patch,     &schema_import_in,  &schema_endpoint_in,   &schema_endpoint_put,
    &schema_endpoint_patch, &schema_headers_in, &schema_headers_patch, &schema_rotate_in,
    &schema_example_in,     &schema_recover_in, &schema_replay_in,     &schema_bulk_in,
    &schema_usage_in,       &schema_message_in, &schema_precheck_in,   &schema_bulk_expunge_in,
    &schema_seek_in,        &schema_portal_in};

static size_t validate(const struct wire_schema *s, const struct json *body, bool https_only)
{
    struct wire_faults f;
    struct buf list;
    wire_faults_init(&f);
    bool good = wire_validate(s, body, https_only, &f);
    size_t count = f.count;
    assert(good == (count == 0));
    buf_init(&list, 1u << 20);
    buf_char(&list, '[');
    buf_str_append(&list, buf_str(&f.items));
    buf_char(&list, ']');
    struct reason why = {.text = ""};
    struct json_doc *told = json_parse(buf_str(&list), &why);
    assert(told && json_len(json_root(told)) <= count);
    assert(good || json_len(json_root(told)) > 0);
    json_doc_free(told);
    buf_release(&list);
    wire_faults_release(&f);
    return count;
}

/* What the scanner of members finds is what the parser has: of doubled names the first. */
static void check_members(str text, const struct json *object)
{
    struct json_iter it = {0};
    struct arena a;
    arena_init(&a, 16u << 20);
    for (size_t i = 0; i < 20 && json_next(object, &it); i++) {
        str member = wire_member_text(text, it.key);
        if (!member.p)
            continue; /* a name written with escapes may not be found */
        struct reason why = {.text = ""};
        struct json_doc *alone = json_parse(member, &why);
        assert(alone && member.p >= text.p && member.p + member.n <= text.p + text.n);
        str one = json_text(&a, json_root(alone)), other = json_text(&a, json_get(object, it.key));
        assert(!one.p || !other.p || str_eq(one, other));
        json_doc_free(alone);
    }
    arena_release(&a);
}

static void check_field(str name, str value)
{
    const struct http_field field = {name, value};
    if (!wire_header_refused(name, value))
        assert(http_field_check(&field, NULL) == ERR_OK && value.n <= 4096);
    (void)wire_header_is_sensitive(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 65536)
        return 0;
    const struct wire_schema *s = schemas[data[0] % ARRAY_LEN(schemas)];
    str text = str_of((const char *)data + 1, size - 1), value = text;
    struct json_doc *doc = json_parse(text, NULL);
    str name = str_cut(&value, ':');
    check_field(name, value.p ? value : STR(""));
    if (!doc)
        return 0;
    const struct json *body = json_root(doc);
    size_t loose = validate(s, body, false), strict = validate(s, body, true);
    assert(loose <= strict && loose == validate(s, body, false));
    if (json_kind_of(body) == JSON_OBJECT)
        check_members(text, body);
    json_doc_free(doc);
    return 0;
}
