/* openapi.c -- OpenAPI 3.1 of the sending API, and AsyncAPI 3.0 of the event types: both written
 * from the tables that serve the requests. */
#include "api/send.h"
#include "api/send_schema.h"

static void write_type(struct json_writer *w, const char *type, bool nullable)
{
    json_key(w, "type");
    if (nullable)
        json_open(w, '[');
    json_string(w, str_from_cstr(type));
    if (nullable) {
        json_string(w, STR("null"));
        json_close(w, ']');
    }
}

static void write_bounds(struct json_writer *w, const struct wire_field *f, const char *least,
                         const char *most)
{
    if (f->min > 0)
        json_pair_int(w, least, f->min);
    if (f->max > 0)
        json_pair_int(w, most, f->max);
}

static void write_string_rules(struct json_writer *w, const struct wire_field *f)
{
    if (f->type == WIRE_STRING)
        write_bounds(w, f, "minLength", "maxLength");
    if (f->check == CHECK_WORD)
        json_pair(w, "pattern", STR("^[a-zA-Z0-9\\-_.]+$"));
    if (f->check == CHECK_URL)
        json_pair(w, "format", STR("uri"));
    if (f->check == CHECK_ENUM) {
        json_key(w, "enum");
        json_open(w, '[');
        for (size_t i = 0; f->words[i]; i++)
            json_string(w, str_from_cstr(f->words[i]));
        if (f->flags & WIRE_NULLABLE)
            json_null(w);
        json_close(w, ']');
    }
}

static void write_field(struct json_writer *w, const struct wire_field *f)
{
    bool null = (f->flags & WIRE_NULLABLE) != 0;
    json_open(w, '{');
    switch (f->type) {
    case WIRE_STRING:
        write_type(w, "string", null);
        write_string_rules(w, f);
        break;
    case WIRE_TIME:
        write_type(w, "string", null);
        json_pair(w, "format", STR("date-time"));
        break;
    case WIRE_INTEGER:
        write_type(w, "integer", null);
        write_bounds(w, f, "minimum", "maximum");
        break;
    case WIRE_BOOLEAN:
        write_type(w, "boolean", null);
        break;
    case WIRE_STRINGS:
    case WIRE_NUMBERS:
    case WIRE_OBJECTS:
        write_type(w, "array", null);
        write_bounds(w, f, "minItems", "maxItems");
        json_key(w, "items");
        json_open(w, '{');
        json_pair(w, "type",
                  f->type == WIRE_STRINGS   ? STR("string")
                  : f->type == WIRE_NUMBERS ? STR("number")
                                            : STR("object"));
        if (f->type == WIRE_STRINGS)
            write_string_rules(w, f);
        json_close(w, '}');
        break;
    case WIRE_MAP:
    case WIRE_MAP_NULL:
        write_type(w, "object", null);
        json_key(w, "additionalProperties");
        json_open(w, '{');
        write_type(w, "string", f->type == WIRE_MAP_NULL);
        json_close(w, '}');
        break;
    case WIRE_OBJECT:
        write_type(w, "object", null);
        break;
    case WIRE_ANY:
        break;
    }
    if (f->flags & WIRE_OLD)
        json_pair_bool(w, "deprecated", true);
    if (f->text[0])
        json_pair(w, "description", str_from_cstr(f->text));
    json_close(w, '}');
}

static void write_schema(struct json_writer *w, const struct wire_schema *s)
{
    json_open(w, '{');
    json_pair(w, "type", STR("object"));
    json_key(w, "properties");
    json_open(w, '{');
    for (const struct wire_field *f = s->fields; f->name; f++) {
        json_key(w, f->name);
        write_field(w, f);
    }
    json_close(w, '}');
    json_key(w, "required");
    json_open(w, '[');
    for (const struct wire_field *f = s->fields; f->name; f++)
        if (f->flags & WIRE_REQUIRED)
            json_string(w, str_from_cstr(f->name));
    json_close(w, ']');
    json_close(w, '}');
}

/* Each schema once, whichever operations use it. */
static bool is_first_use(const struct wire_schema *s, const struct send_operation *at, bool out)
{
    for (const struct send_operation *op = send_operations; op != at; op++)
        if (op->in == s || op->out == s)
            return false;
    return !(out && at->in == s);
}

static void write_schemas(struct json_writer *w)
{
    json_key(w, "schemas");
    json_open(w, '{');
    for (const struct send_operation *op = send_operations; op->pattern; op++) {
        const struct wire_schema *both[] = {op->in, op->out};
        for (int i = 0; i < 2; i++) {
            if (!both[i] || !is_first_use(both[i], op, i == 1))
                continue;
            json_key(w, both[i]->name);
            write_schema(w, both[i]);
        }
    }
    json_key(w, "HttpErrorOut");
    json_raw(w, STR("{\"type\":\"object\",\"required\":[\"code\",\"detail\"],\"properties\":{"
                    "\"code\":{\"type\":\"string\"},\"detail\":{\"type\":\"string\"}}}"));
    json_key(w, "HTTPValidationError");
    json_raw(w, STR("{\"type\":\"object\",\"required\":[\"detail\"],\"properties\":{\"detail\":{"
                    "\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"loc\","
                    "\"msg\",\"type\"],\"properties\":{\"loc\":{\"type\":\"array\",\"items\":{"
                    "\"type\":\"string\"}},\"msg\":{\"type\":\"string\"},\"type\":{\"type\":"
                    "\"string\"}}}}}}"));
    json_close(w, '}');
}

static void write_ref(struct json_writer *w, const char *name)
{
    char text[128];
    snprintf(text, sizeof(text), "#/components/schemas/%s", name);
    json_open(w, '{');
    json_pair(w, "$ref", str_from_cstr(text));
    json_close(w, '}');
}

static void open_content(struct json_writer *w)
{
    json_key(w, "content");
    json_open(w, '{');
    json_key(w, "application/json");
    json_open(w, '{');
    json_key(w, "schema");
}

static void close_content(struct json_writer *w)
{
    json_close(w, '}');
    json_close(w, '}');
}

static bool is_list(const struct send_operation *op)
{
    return strstr(op->query, "iterator") != NULL;
}

static void write_answer(struct json_writer *w, const struct send_operation *op)
{
    char status[16];
    snprintf(status, sizeof(status), "%d", op->status);
    json_key(w, status);
    json_open(w, '{');
    json_pair(w, "description", op->out ? STR("Done") : STR("Done, nothing to say"));
    if (op->out) {
        open_content(w);
        if (is_list(op)) {
            json_open(w, '{');
            json_pair(w, "type", STR("object"));
            json_key(w, "required");
            json_raw(w, STR("[\"data\",\"done\",\"iterator\"]"));
            json_key(w, "properties");
            json_open(w, '{');
            json_key(w, "data");
            json_open(w, '{');
            json_pair(w, "type", STR("array"));
            json_key(w, "items");
            write_ref(w, op->out->name);
            json_close(w, '}');
            json_key(w, "done");
            json_raw(w, STR("{\"type\":\"boolean\"}"));
            json_key(w, "iterator");
            json_raw(w, STR("{\"type\":[\"string\",\"null\"]}"));
            json_key(w, "prevIterator");
            json_raw(w, STR("{\"type\":[\"string\",\"null\"]}"));
            json_close(w, '}');
            json_close(w, '}');
        } else {
            write_ref(w, op->out->name);
        }
        close_content(w);
    }
    json_close(w, '}');
}

static void write_error(struct json_writer *w, const char *status, const char *text,
                        const char *schema)
{
    json_key(w, status);
    json_open(w, '{');
    json_pair(w, "description", str_from_cstr(text));
    open_content(w);
    write_ref(w, schema);
    close_content(w);
    json_close(w, '}');
}

static void write_parameter(struct json_writer *w, str name, const char *in, enum wire_type type,
                            const char *text)
{
    const struct wire_field f = {.type = type, .text = ""};
    json_open(w, '{');
    json_pair(w, "name", name);
    json_pair(w, "in", str_from_cstr(in));
    json_pair_bool(w, "required", strcmp(in, "path") == 0);
    if (text)
        json_pair(w, "description", str_from_cstr(text));
    json_key(w, "schema");
    write_field(w, &f);
    json_close(w, '}');
}

static void write_parameters(struct json_writer *w, const struct send_operation *op)
{
    json_key(w, "parameters");
    json_open(w, '[');
    for (const char *at = strchr(op->pattern, '{'); at; at = strchr(at + 1, '{'))
        write_parameter(w, str_of(at + 1, strcspn(at + 1, "}")), "path", WIRE_STRING, NULL);
    for (str rest = str_from_cstr(op->query); rest.p && rest.n;) {
        str name = str_cut(&rest, ' ');
        for (const struct send_param *p = send_params; name.n && p->name; p++)
            if (str_eq(name, str_from_cstr(p->name)))
                write_parameter(w, name, "query", p->type, p->text);
    }
    if (str_starts(str_from_cstr(op->pattern), STR("POST")))
        write_parameter(w, STR("idempotency-key"), "header", WIRE_STRING,
                        "A repeat within 24 hours is answered with the first answer");
    json_close(w, ']');
}

static void write_operation(struct json_writer *w, const struct send_operation *op)
{
    json_open(w, '{');
    json_pair(w, "operationId", str_from_cstr(op->id));
    json_pair(w, "summary", str_from_cstr(op->text));
    json_key(w, "tags");
    json_open(w, '[');
    json_string(w, str_from_cstr(op->tag));
    json_close(w, ']');
    if (op->access == SEND_OPEN) {
        json_key(w, "security");
        json_raw(w, STR("[]"));
    }
    write_parameters(w, op);
    if (op->in) {
        json_key(w, "requestBody");
        json_open(w, '{');
        json_pair_bool(w, "required", (op->in->fields[0].flags & WIRE_REQUIRED) != 0);
        open_content(w);
        write_ref(w, op->in->name);
        close_content(w);
        json_close(w, '}');
    }
    json_key(w, "responses");
    json_open(w, '{');
    write_answer(w, op);
    if (op->access != SEND_OPEN) {
        write_error(w, "401", "No token, or none that holds", "HttpErrorOut");
        write_error(w, "403", "Not for the token of an application", "HttpErrorOut");
        write_error(w, "404", "There is none, or none of yours", "HttpErrorOut");
        write_error(w, "409", "It is there already", "HttpErrorOut");
        write_error(w, "422", "A field is wrong", "HTTPValidationError");
        json_key(w, "503");
        json_raw(w, STR("{\"description\":\"Not now; send it again\"}"));
    }
    json_close(w, '}');
    json_close(w, '}');
}

/* Patterns of one path stand apart in the table: the first one writes them all. */
static void write_paths(struct json_writer *w)
{
    json_key(w, "paths");
    json_open(w, '{');
    for (const struct send_operation *op = send_operations; op->pattern; op++) {
        const char *path = strchr(op->pattern, ' ') + 1;
        bool first = true;
        for (const struct send_operation *q = send_operations; q != op && first; q++)
            first = strcmp(strchr(q->pattern, ' ') + 1, path) != 0;
        if (!first)
            continue;
        json_key(w, path);
        json_open(w, '{');
        for (const struct send_operation *q = op; q->pattern; q++) {
            if (strcmp(strchr(q->pattern, ' ') + 1, path) != 0)
                continue;
            char method[8] = "";
            for (size_t i = 0; q->pattern[i] != ' ' && i < sizeof(method) - 1; i++)
                method[i] = (char)(q->pattern[i] | 0x20);
            json_key(w, method);
            write_operation(w, q);
        }
        json_close(w, '}');
    }
    json_close(w, '}');
}

/* What we send by ourselves to who listens to an organisation's own events. */
static void write_webhooks(struct json_writer *w)
{
    json_key(w, "webhooks");
    json_open(w, '{');
    for (size_t i = 0; operational_types[i]; i++) {
        json_key(w, operational_types[i]);
        json_raw(w,
                 STR("{\"post\":{\"requestBody\":{\"content\":{\"application/json\":{\"schema\":{"
                     "\"type\":\"object\",\"required\":[\"type\",\"data\"],\"properties\":{"
                     "\"type\":{\"type\":\"string\"},\"data\":{\"type\":\"object\"}}}}}},"
                     "\"responses\":{\"2XX\":{\"description\":\"Taken\"}}}}"));
    }
    json_close(w, '}');
}

void send_openapi(struct send_call *s)
{
    struct json_writer *w = send_json(s);
    json_open(w, '{');
    json_pair(w, "openapi", STR("3.1.0"));
    json_key(w, "info");
    json_open(w, '{');
    json_pair(w, "title", STR("Gaff: sending"));
    const char *version = send_api(s)->options.version;
    json_pair(w, "version", version ? str_from_cstr(version) : STR("0"));
    json_close(w, '}');
    write_paths(w);
    write_webhooks(w);
    json_key(w, "components");
    json_open(w, '{');
    write_schemas(w);
    json_key(w, "securitySchemes");
    json_raw(w, STR("{\"HTTPBearer\":{\"type\":\"http\",\"scheme\":\"bearer\"}}"));
    json_close(w, '}');
    json_key(w, "security");
    json_raw(w, STR("[{\"HTTPBearer\":[]}]"));
    json_close(w, '}');
    send_ok(s, 200);
}

/* --- AsyncAPI ----------------------------------------------------------------------------------
 */

static void write_message(struct json_writer *w, const struct object *o, str name)
{
    struct json_doc *doc = json_parse(o->doc, NULL);
    const struct json *root = json_root(doc), *schema = NULL, *last = NULL;
    struct json_iter it = {0};
    const struct json *schemas = json_get(root, STR("schemas"));
    while (schemas && json_kind_of(schemas) == JSON_OBJECT && json_next(schemas, &it))
        last = it.value;
    schema = last;
    json_open(w, '{');
    json_pair(w, "name", name);
    send_pair_or(w, "summary", json_get(root, STR("description")), "\"\"");
    json_pair(w, "contentType", STR("application/json"));
    json_key(w, "payload");
    if (schema)
        json_value(w, schema);
    else
        json_raw(w, STR("{\"type\":\"object\"}"));
    json_close(w, '}');
    json_doc_free(doc);
}

void send_asyncapi(struct send_call *s)
{
    struct object_filter f = {.kind = STR(EVENT_TYPE_KIND), .parent = s->org, .limit = 1000};
    struct object_list list = {0};
    struct reason why = {0};
    struct json_writer *w = send_json(s);
    enum err err = store_objects(send_api(s)->reader, &f, s->a, &list, &why);
    if (err != ERR_OK) {
        send_failed(s, err, &why);
        return;
    }
    json_open(w, '{');
    json_pair(w, "asyncapi", STR("3.0.0"));
    json_key(w, "info");
    json_raw(w, STR("{\"title\":\"Events\",\"version\":\"1\"}"));
    json_key(w, "channels");
    json_raw(w, STR("{\"webhooks\":{\"address\":null,\"messages\":{"));
    for (size_t i = 0; i < list.count; i++) {
        str name = str_slice(list.v[i].id, str_find(list.v[i].id, '/') + 1, list.v[i].id.n);
        buf_printf(&s->c->body, "%s\"" STR_FMT "\":", i ? "," : "", STR_ARG(name));
        struct json_writer one;
        json_writer_init(&one, &s->c->body);
        write_message(&one, &list.v[i], name);
    }
    buf_str_append(&s->c->body, STR("}}}"));
    json_key(w, "operations");
    json_raw(w, STR("{\"receive\":{\"action\":\"receive\",\"channel\":{\"$ref\":"
                    "\"#/channels/webhooks\"}}}"));
    json_close(w, '}');
    send_ok(s, 200);
}
