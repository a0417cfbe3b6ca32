/* json_schema_read.c -- reads a schema and refuses what it can't apply. Being strict here is what
 * lets the check be trusted: a keyword that was passed over would let in what it forbids. */
#include "base/codec.h"
#include "base/log.h"
#include "rule/json_schema_tree.h"

#include <math.h>
#include <stdarg.h>

#define SCHEMA_ARENA_MAX (8u << 20)
#define PLACE_MAX 200

enum form {
    ANYTHING, /* not asserted */
    SCHEMA,
    SCHEMAS,       /* a list of them, not empty */
    SCHEMA_MAP,    /* names to schemas */
    PATTERN_MAP,   /* the same, where the names are patterns */
    ITEMS,         /* a schema; of draft-07 a list too */
    DEPENDENCIES,  /* names to schemas or lists of names */
    NAME_LIST,     /* strings */
    NAME_LIST_MAP, /* names to lists of strings */
    TYPE,
    LIST, /* of anything */
    COUNT,
    NUMBER,
    POSITIVE,
    PATTERN,
    FLAG,
    REFERENCE,
    DIALECT,
    ROOT_ONLY /* text, at the top alone */
};

enum { BOTH, OF_2020, OF_7 };

static const struct keyword {
    const char *name;
    enum form form;
    int draft;
} keywords[] = {
    {"type", TYPE, BOTH},
    {"enum", LIST, BOTH},
    {"const", ANYTHING, BOTH},
    {"multipleOf", POSITIVE, BOTH},
    {"maximum", NUMBER, BOTH},
    {"exclusiveMaximum", NUMBER, BOTH},
    {"minimum", NUMBER, BOTH},
    {"exclusiveMinimum", NUMBER, BOTH},
    {"maxLength", COUNT, BOTH},
    {"minLength", COUNT, BOTH},
    {"pattern", PATTERN, BOTH},
    {"items", ITEMS, BOTH},
    {"prefixItems", SCHEMAS, OF_2020},
    {"additionalItems", SCHEMA, OF_7},
    {"contains", SCHEMA, BOTH},
    {"minContains", COUNT, OF_2020},
    {"maxContains", COUNT, OF_2020},
    {"maxItems", COUNT, BOTH},
    {"minItems", COUNT, BOTH},
    {"uniqueItems", FLAG, BOTH},
    {"properties", SCHEMA_MAP, BOTH},
    {"patternProperties", PATTERN_MAP, BOTH},
    {"additionalProperties", SCHEMA, BOTH},
    {"propertyNames", SCHEMA, BOTH},
    {"required", NAME_LIST, BOTH},
    {"maxProperties", COUNT, BOTH},
    {"minProperties", COUNT, BOTH},
    {"dependentRequired", NAME_LIST_MAP, OF_2020},
    {"dependentSchemas", SCHEMA_MAP, OF_2020},
    {"dependencies", DEPENDENCIES, OF_7},
    {"allOf", SCHEMAS, BOTH},
    {"anyOf", SCHEMAS, BOTH},
    {"oneOf", SCHEMAS, BOTH},
    {"not", SCHEMA, BOTH},
    {"if", SCHEMA, BOTH},
    {"then", SCHEMA, BOTH},
    {"else", SCHEMA, BOTH},
    {"$ref", REFERENCE, BOTH},
    {"$defs", SCHEMA_MAP, BOTH},
    {"definitions", SCHEMA_MAP, BOTH},
    {"$schema", DIALECT, BOTH},
    {"$id", ROOT_ONLY, BOTH},
    {"$comment", ANYTHING, BOTH},
    {"title", ANYTHING, BOTH},
    {"description", ANYTHING, BOTH},
    {"default", ANYTHING, BOTH},
    {"examples", ANYTHING, BOTH},
    {"example", ANYTHING, BOTH},
    {"deprecated", ANYTHING, BOTH},
    {"readOnly", ANYTHING, BOTH},
    {"writeOnly", ANYTHING, BOTH},
    {"format", ANYTHING, BOTH},
    {"contentEncoding", ANYTHING, BOTH},
    {"contentMediaType", ANYTHING, BOTH},
    {"contentSchema", ANYTHING, OF_2020},
    {"discriminator", ANYTHING, BOTH},
    {"xml", ANYTHING, BOTH},
    {"externalDocs", ANYTHING, BOTH},
    {"components", ANYTHING, BOTH},
};

struct reading {
    struct json_schema *s;
    struct reason *why;
    char place[PLACE_MAX]; /* "#/properties/id" */
    size_t nodes, depth;
};

static bool refuse(struct reading *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
static bool refuse(struct reading *r, const char *fmt, ...)
{
    char text[REASON_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return fail(r->why, ERR_INVALID, "%s: %s", r->place, text) == ERR_OK;
}

/* Goes a step down in what messages say; returns what place_back takes. */
static size_t place_add(struct reading *r, str part)
{
    size_t n = strlen(r->place);
    snprintf(r->place + n, sizeof(r->place) - n, "/" STR_FMT, STR_ARG(part));
    return n;
}

static void place_back(struct reading *r, size_t n)
{
    r->place[n] = 0;
}

static bool read_schema(struct reading *r, const struct json *v);

static bool read_inner(struct reading *r, const struct json *v, str part)
{
    size_t n = place_add(r, part);
    bool good = read_schema(r, v);
    place_back(r, n);
    return good;
}

static bool read_pattern(struct reading *r, str text)
{
    struct reason why = {0};
    if (map_get(&r->s->patterns, text))
        return true;
    const struct regex *regex = regex_compile(&r->s->arena, text, &why);
    if (!regex)
        return refuse(r, "%s", why.text);
    map_put(&r->s->patterns, text, (void *)(uintptr_t)regex);
    return true;
}

static bool read_names(struct reading *r, const struct json *v)
{
    struct json_iter it = {0};
    if (!v || json_kind_of(v) != JSON_ARRAY)
        return refuse(r, "must be a list of names");
    while (json_next(v, &it))
        if (json_kind_of(it.value) != JSON_STRING)
            return refuse(r, "must be a list of names");
    return true;
}

static bool read_list(struct reading *r, const struct json *v)
{
    char number[24];
    struct json_iter it = {0};
    if (json_kind_of(v) != JSON_ARRAY || json_len(v) == 0)
        return refuse(r, "must be a list of schemas");
    for (size_t i = 0; json_next(v, &it); i++) {
        snprintf(number, sizeof(number), "%zu", i);
        if (!read_inner(r, it.value, str_from_cstr(number)))
            return false;
    }
    return true;
}

static bool read_map(struct reading *r, const struct json *v, enum form form)
{
    struct json_iter it = {0};
    if (json_kind_of(v) != JSON_OBJECT)
        return refuse(r, "must be an object");
    while (json_next(v, &it)) {
        bool names =
            form == NAME_LIST_MAP || (form == DEPENDENCIES && json_kind_of(it.value) == JSON_ARRAY);
        if (form == PATTERN_MAP && !read_pattern(r, it.key))
            return false;
        if (names ? !read_names(r, it.value) : !read_inner(r, it.value, it.key))
            return false;
    }
    return true;
}

static bool is_type_word(const struct json *v)
{
    static const char *const words[] = {"null",   "boolean", "object", "array",
                                        "number", "string",  "integer"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq(json_str(v), str_from_cstr(words[i])))
            return true;
    return false;
}

static bool read_type(struct reading *r, const struct json *v)
{
    struct json_iter it = {0};
    bool good = json_kind_of(v) == JSON_ARRAY ? json_len(v) > 0 : is_type_word(v);
    while (good && json_kind_of(v) == JSON_ARRAY && json_next(v, &it))
        good = is_type_word(it.value);
    return good || refuse(r, "names no type of JSON");
}

static bool read_number(struct reading *r, const struct json *v, enum form form)
{
    double n;
    if (json_kind_of(v) != JSON_NUMBER || !json_f64(v, &n))
        return refuse(r, "must be a number");
    if (form == POSITIVE && n <= 0)
        return refuse(r, "must be more than 0");
    return form != COUNT || (n >= 0 && n == floor(n)) ||
           refuse(r, "must be a whole number from 0 on");
}

static bool read_dialect(struct reading *r, const struct json *v)
{
    str name = json_str(v);
    if (r->depth > 1)
        return refuse(r, "stands at the top alone");
    return str_find_str(name, STR("json-schema.org/draft/2020-12/schema")) < name.n ||
           str_find_str(name, STR("spec.openapis.org/oas/3.1/dialect/")) < name.n || r->s->draft7 ||
           refuse(r, "is neither draft 2020-12 nor draft-07");
}

static bool read_reference(struct reading *r, const struct json *v)
{
    str ref = json_str(v);
    if (!str_starts(ref, STR("#")))
        return refuse(r, "leads out of the schema; only #/... can be followed");
    return json_schema_target(r->s, ref) ||
           refuse(r, "\"" STR_FMT "\" leads nowhere", STR_ARG(ref));
}

static bool read_keyword(struct reading *r, const struct keyword *k, const struct json *v)
{
    bool list = json_kind_of(v) == JSON_ARRAY;
    switch (k->form) {
    case ANYTHING:
        return true;
    case SCHEMA:
        return read_schema(r, v);
    case SCHEMAS:
        return read_list(r, v);
    case SCHEMA_MAP:
    case PATTERN_MAP:
    case DEPENDENCIES:
    case NAME_LIST_MAP:
        return read_map(r, v, k->form);
    case ITEMS:
        return list && r->s->draft7 ? json_len(v) == 0 || read_list(r, v) : read_schema(r, v);
    case NAME_LIST:
        return read_names(r, v);
    case TYPE:
        return read_type(r, v);
    case LIST:
        return list || refuse(r, "must be a list");
    case COUNT:
    case NUMBER:
    case POSITIVE:
        return read_number(r, v, k->form);
    case PATTERN:
        return json_kind_of(v) == JSON_STRING ? read_pattern(r, json_str(v))
                                              : refuse(r, "must be a text");
    case FLAG:
        return json_kind_of(v) == JSON_BOOL || refuse(r, "must be true or false");
    case REFERENCE:
        return read_reference(r, v);
    case DIALECT:
        return read_dialect(r, v);
    case ROOT_ONLY:
        return r->depth == 1 || refuse(r, "an inner $id is not supported");
    }
    return false;
}

static const struct keyword *find_keyword(const struct reading *r, str name)
{
    for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
        if (str_eq(name, str_from_cstr(keywords[i].name)) &&
            keywords[i].draft != (r->s->draft7 ? OF_2020 : OF_7))
            return &keywords[i];
    return NULL;
}

static bool read_members(struct reading *r, const struct json *v)
{
    struct json_iter it = {0};
    const struct json *ref = json_get(v, STR("$ref"));
    if (ref && r->s->draft7) /* what stands beside it means nothing there */
        return read_reference(r, ref);
    while (json_next(v, &it)) {
        const struct keyword *k = find_keyword(r, it.key);
        size_t n = place_add(r, it.key);
        if (!k && !str_starts(it.key, STR("x-")))
            return refuse(r, "this keyword is not supported%s",
                          r->s->draft7 ? " (of draft-07)" : "");
        if (k && !read_keyword(r, k, it.value))
            return false;
        place_back(r, n);
    }
    return true;
}

static bool read_schema(struct reading *r, const struct json *v)
{
    enum json_kind kind = json_kind_of(v);
    if (!v || (kind != JSON_OBJECT && kind != JSON_BOOL))
        return refuse(r, "must be a schema: an object, true or false");
    if (++r->nodes > JSON_SCHEMA_NODES_MAX || r->depth == JSON_SCHEMA_DEPTH_MAX)
        return refuse(r, "the schema is too large or too deep");
    r->depth++;
    bool good = kind == JSON_BOOL || read_members(r, v);
    r->depth--;
    return good;
}

/* One part of a JSON pointer (RFC 6901), percent-encoded as in a URI. */
static str pointer_part(struct arena *a, str part)
{
    struct buf b;
    str text = percent_decode(a, part, false);
    buf_init(&b, part.n + 1);
    for (size_t i = 0; i < text.n; i++) {
        bool escape = text.p[i] == '~' && i + 1 < text.n;
        buf_char(&b, escape ? (text.p[i + 1] == '1' ? '/' : '~') : text.p[i]);
        i += escape;
    }
    str out = arena_str(a, buf_str(&b));
    buf_release(&b);
    return out;
}

const struct json *json_schema_target(const struct json_schema *s, str ref)
{
    const struct json *at = json_root(s->doc);
    struct arena a;
    str rest = str_slice(ref, 1, ref.n);
    if (rest.n == 0)
        return at;
    if (rest.p[0] != '/')
        return NULL;
    arena_init(&a, 65536);
    (void)str_cut(&rest, '/');
    while (at && rest.p) {
        uint64_t index;
        str part = pointer_part(&a, str_cut(&rest, '/'));
        if (json_kind_of(at) == JSON_ARRAY)
            at = str_to_u64(part, &index) ? json_at(at, (size_t)index) : NULL;
        else
            at = json_get(at, part);
    }
    arena_release(&a);
    return at;
}

static void collect_references(const struct json *v, struct map *found)
{
    struct json_iter it = {0};
    str ref = json_kind_of(v) == JSON_OBJECT ? json_str(json_get(v, STR("$ref"))) : STR_NONE;
    if (str_starts(ref, STR("#")) && !map_get(found, ref))
        map_put(found, ref, (void *)(uintptr_t)v);
    if (json_kind_of(v) == JSON_OBJECT || json_kind_of(v) == JSON_ARRAY)
        while (json_next(v, &it))
            collect_references(it.value, found);
}

/* What a $ref leads to may stand where no keyword of ours looks (the components of an OpenAPI
 * document): it is read as a schema too. A "$ref" in a const or an example may lead nowhere. */
static bool read_targets(struct reading *r)
{
    struct map found = {0};
    struct map_entry e;
    bool good = true;
    collect_references(json_root(r->s->doc), &found);
    for (size_t i = 0; good && map_next(&found, &i, &e);) {
        const struct json *target = json_schema_target(r->s, e.key);
        snprintf(r->place, sizeof(r->place), STR_FMT, STR_ARG(e.key));
        good = !target || read_schema(r, target);
    }
    map_release(&found);
    return good;
}

struct json_schema *json_schema_new(str text, struct reason *why)
{
    struct json_doc *doc = json_parse(text, why);
    if (!doc)
        return NULL;
    struct json_schema *s = xcalloc(1, sizeof(*s));
    struct reading r = {.s = s, .why = why, .place = "#"};
    arena_init(&s->arena, SCHEMA_ARENA_MAX);
    s->doc = doc;
    str dialect = json_str(json_get(json_root(doc), STR("$schema")));
    s->draft7 = str_find_str(dialect, STR("json-schema.org/draft-07/schema")) < dialect.n;
    bool good = read_schema(&r, json_root(doc)) && read_targets(&r);
    if (good && !arena_ok(&s->arena))
        good = refuse(&r, "the patterns are too large");
    if (good)
        return s;
    json_schema_free(s);
    return NULL;
}

void json_schema_free(struct json_schema *s)
{
    if (!s)
        return;
    map_release(&s->patterns);
    json_doc_free(s->doc);
    arena_release(&s->arena);
    free(s);
}
