/* event_type.c -- from a document to what its messages are checked by. A schema was tried when it
 * was stored; should it not work here all the same, the type refuses instead of letting pass. */
#include "engine/event_type.h"

#include "base/log.h"

#define SCHEMA_TEXT_MAX OBJECT_DOC_MAX

const struct json *event_type_schema(const struct json *doc)
{
    const struct json *schemas = json_get(doc, STR("schemas")), *last = NULL;
    struct json_iter it = {0};
    while (json_kind_of(schemas) == JSON_OBJECT && json_next(schemas, &it))
        last = it.value;
    return last;
}

static struct json_schema *read_schema(const struct json *schema, struct reason *why)
{
    struct arena a;
    arena_init(&a, SCHEMA_TEXT_MAX);
    str text = json_text(&a, schema);
    struct json_schema *s = text.p ? json_schema_new(text, why) : NULL;
    arena_release(&a);
    return s;
}

enum err event_type_judge(const struct json *doc, struct reason *why)
{
    if (!json_bool(json_get(doc, STR("validate"))))
        return ERR_OK;
    const struct json *schema = event_type_schema(doc);
    if (!schema)
        return fail(why, ERR_INVALID, "there is no schema to validate by");
    struct json_schema *s = read_schema(schema, why);
    json_schema_free(s);
    return s ? ERR_OK : ERR_INVALID;
}

struct event_type *event_type_new(const struct object *o)
{
    struct reason why = {.text = "there is no schema"};
    struct json_doc *doc = json_parse(o->doc, NULL);
    const struct json *root = json_root(doc), *schema = event_type_schema(root);
    struct event_type *t = NULL;
    if (json_bool(json_get(root, STR("validate"))) && !json_bool(json_get(root, STR("archived")))) {
        t = xcalloc(1, sizeof(*t));
        atomic_init(&t->refs, 1);
        t->schema = schema ? read_schema(schema, &why) : NULL;
        if (!t->schema)
            log_event(LOG_ERROR, "the schema of an event type can't be applied",
                      LOG_F("event_type", o->id), LOG_F("reason", str_from_cstr(why.text)));
    }
    json_doc_free(doc);
    return t;
}

struct event_type *event_type_ref(struct event_type *t)
{
    atomic_fetch_add(&t->refs, 1);
    return t;
}

void event_type_unref(struct event_type *t)
{
    if (!t || atomic_fetch_sub(&t->refs, 1) != 1)
        return;
    json_schema_free(t->schema);
    free(t);
}
