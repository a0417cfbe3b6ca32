/* json_schema.c -- a value against a schema that was read (json_schema_read.c), keyword by
 * keyword. Every schema that is applied is a step, and so is every comparison of two values: a
 * schema that multiplies itself ends with no answer instead of with none in time. */
#include "base/codec.h"
#include "rule/json_schema_tree.h"

#include <math.h>
#include <stdarg.h>

#define PLACE_MAX 1024
#define EXACT_MAX 9007199254740992.0 /* 2^53: whole numbers below it are themselves as doubles */

struct check {
    const struct json_schema *s;
    json_schema_fault *fn;
    void *arg;
    char place[PLACE_MAX]; /* parts, each with its NUL */
    size_t place_length;
    size_t steps, depth, faults;
    int silent;   /* above 0: inside anyOf, not, ... */
    bool is_over; /* no answer */
};

static bool apply(struct check *c, const struct json *schema, const struct json *v);

/* Always false. */
static bool fault(struct check *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
static bool fault(struct check *c, const char *fmt, ...)
{
    char text[REASON_TEXT_MAX];
    va_list args;
    if (c->silent || c->is_over || !c->fn || c->faults == JSON_SCHEMA_FAULTS_MAX)
        return false;
    c->faults++;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    c->fn(str_of(c->place, c->place_length), text, c->arg);
    return false;
}

static bool spend(struct check *c)
{
    if (++c->steps > JSON_SCHEMA_STEPS_MAX)
        c->is_over = true;
    return !c->is_over;
}

/* --- places ----------------------------------------------------------------------------------- */

/* A part that has no room is left out of the messages. */
static size_t place_add(struct check *c, str part)
{
    size_t before = c->place_length;
    if (part.n + 1 <= sizeof(c->place) - before) {
        if (part.n)
            memcpy(c->place + before, part.p, part.n);
        c->place[before + part.n] = 0;
        c->place_length += part.n + 1;
    }
    return before;
}

static bool apply_at(struct check *c, const struct json *schema, const struct json *v, str part)
{
    size_t before = place_add(c, part);
    bool good = apply(c, schema, v);
    c->place_length = before;
    return good;
}

static bool apply_index(struct check *c, const struct json *schema, const struct json *v, size_t i)
{
    char part[32];
    snprintf(part, sizeof(part), "[%zu]", i);
    return apply_at(c, schema, v, str_from_cstr(part));
}

static bool holds(struct check *c, const struct json *schema, const struct json *v)
{
    c->silent++;
    bool good = apply(c, schema, v);
    c->silent--;
    return good;
}

/* --- equality --------------------------------------------------------------------------------- */

static bool numbers_equal(struct check *c, const struct json *a, const struct json *b)
{
    int64_t x, y;
    double p, q;
    UNUSED(c);
    if (json_i64(a, &x) && json_i64(b, &y))
        return x == y;
    if (!json_f64(a, &p) || !json_f64(b, &q) || p != q)
        return false;
    if (fabs(p) < EXACT_MAX || p != floor(p))
        return true;
    struct arena texts;
    arena_init(&texts, 8192);
    bool same = str_eq(json_text(&texts, a), json_text(&texts, b));
    arena_release(&texts);
    return same;
}

static bool equal(struct check *c, const struct json *a, const struct json *b)
{
    enum json_kind kind = json_kind_of(a);
    struct json_iter it = {0}, other = {0};
    if (!spend(c) || kind != json_kind_of(b))
        return false;
    switch (kind) {
    case JSON_NULL:
        return true;
    case JSON_BOOL:
        return json_bool(a) == json_bool(b);
    case JSON_NUMBER:
        return numbers_equal(c, a, b);
    case JSON_STRING:
        return str_eq(json_str(a), json_str(b));
    case JSON_ARRAY:
        if (json_len(a) != json_len(b))
            return false;
        while (json_next(a, &it) && json_next(b, &other))
            if (!equal(c, it.value, other.value))
                return false;
        return true;
    case JSON_OBJECT:
        if (json_len(a) != json_len(b))
            return false;
        while (json_next(a, &it)) {
            const struct json *there = json_get(b, it.key);
            if (!there || !equal(c, it.value, there))
                return false;
        }
        return true;
    }
    return false;
}

/* --- any value -------------------------------------------------------------------------------- */

static bool is_whole(const struct json *v)
{
    int64_t n;
    double d;
    return json_kind_of(v) == JSON_NUMBER &&
           (json_i64(v, &n) || (json_f64(v, &d) && d == floor(d)));
}

static bool has_type(const struct json *v, str word)
{
    static const char *const words[] = {"null", "boolean", "number", "string", "array", "object"};
    return str_eq(word, STR("integer")) ? is_whole(v)
                                        : str_eq(word, str_from_cstr(words[json_kind_of(v)]));
}

static bool check_type(struct check *c, const struct json *k, const struct json *v)
{
    struct json_iter it = {0};
    bool good = json_kind_of(k) == JSON_STRING && has_type(v, json_str(k));
    while (!good && json_kind_of(k) == JSON_ARRAY && json_next(k, &it))
        good = has_type(v, json_str(it.value));
    if (good)
        return true;
    struct arena a;
    arena_init(&a, 4096);
    str text = json_text(&a, k);
    fault(c, "must be of type " STR_FMT, STR_ARG(text));
    arena_release(&a);
    return false;
}

static bool check_enum(struct check *c, const struct json *k, const struct json *v)
{
    struct json_iter it = {0};
    while (json_next(k, &it))
        if (equal(c, it.value, v))
            return true;
    return fault(c, "is none of the values that are allowed");
}

static bool check_all(struct check *c, const struct json *k, const struct json *v)
{
    struct json_iter it = {0};
    bool good = true;
    while (json_next(k, &it))
        good = apply(c, it.value, v) && good;
    return good;
}

static bool check_any(struct check *c, const struct json *k, const struct json *v)
{
    struct json_iter it = {0};
    while (json_next(k, &it))
        if (holds(c, it.value, v))
            return true;
    return fault(c, "fits none of the alternatives of anyOf");
}

static bool check_one(struct check *c, const struct json *k, const struct json *v)
{
    struct json_iter it = {0};
    int count = 0;
    while (json_next(k, &it))
        count += holds(c, it.value, v);
    return count == 1 || fault(c, "fits %d of the alternatives of oneOf, not one", count);
}

static bool check_condition(struct check *c, const struct json *schema, const struct json *v)
{
    const struct json *condition = json_get(schema, STR("if"));
    if (!condition)
        return true;
    const struct json *next = json_get(schema, holds(c, condition, v) ? STR("then") : STR("else"));
    return !next || apply(c, next, v);
}

/* --- numbers and texts ------------------------------------------------------------------------ */

/* -1, 0, 1 as v is less, equal, more than the keyword's number. */
static int compare(const struct json *v, const struct json *k)
{
    int64_t x, y;
    double p = 0, q = 0;
    if (json_i64(v, &x) && json_i64(k, &y))
        return (x > y) - (x < y);
    (void)json_f64(v, &p);
    (void)json_f64(k, &q);
    return (p > q) - (p < q);
}

/* Decimal fractions are not exact in binary: 0.0075 is a multiple of 0.0001. */
static bool is_multiple(const struct json *v, const struct json *k)
{
    int64_t x, y;
    double p, q;
    if (json_i64(v, &x) && json_i64(k, &y))
        return x % y == 0;
    if (!json_f64(v, &p) || !json_f64(k, &q) || !isfinite(p / q))
        return false;
    double quotient = p / q, whole = round(quotient);
    return fabs(quotient - whole) <= 1e-9 * fmax(1, fabs(whole)) &&
           fabs(whole * q - p) <= 1e-9 * fmax(fabs(p), fabs(q));
}

static bool check_number(struct check *c, str name, const struct json *k, const struct json *v)
{
    double d;
    if (!json_f64(v, &d))
        return fault(c, "is a number that can't be compared");
    if (str_eq(name, STR("maximum")))
        return compare(v, k) <= 0 || fault(c, "is too large");
    if (str_eq(name, STR("exclusiveMaximum")))
        return compare(v, k) < 0 || fault(c, "is too large");
    if (str_eq(name, STR("minimum")))
        return compare(v, k) >= 0 || fault(c, "is too small");
    if (str_eq(name, STR("exclusiveMinimum")))
        return compare(v, k) > 0 || fault(c, "is too small");
    if (str_eq(name, STR("multipleOf")))
        return is_multiple(v, k) || fault(c, "is not a multiple of what it must be");
    return true;
}

static int64_t count_of(const struct json *k)
{
    int64_t n;
    double d = 0;
    if (json_i64(k, &n))
        return n;
    (void)json_f64(k, &d);
    return d < EXACT_MAX ? (int64_t)d : INT64_MAX;
}

/* Code points: all bytes but those that continue one. */
static int64_t length_of(str s)
{
    int64_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

/* A search that gave up is no answer. */
static bool fits_pattern(struct check *c, str pattern, str text)
{
    enum regex_verdict found = regex_search(map_get(&c->s->patterns, pattern), text);
    if (found == REGEX_UNDECIDED)
        c->is_over = true;
    return found == REGEX_YES;
}

static bool check_text(struct check *c, str name, const struct json *k, str v)
{
    if (str_eq(name, STR("maxLength")))
        return length_of(v) <= count_of(k) || fault(c, "is too long");
    if (str_eq(name, STR("minLength")))
        return length_of(v) >= count_of(k) || fault(c, "is too short");
    if (str_eq(name, STR("pattern")))
        return fits_pattern(c, json_str(k), v) ||
               fault(c, "does not fit the pattern " STR_FMT, STR_ARG(json_str(k)));
    return true;
}

/* --- lists ------------------------------------------------------------------------------------ */

static bool check_rest(struct check *c, const struct json *schema, const struct json *v,
                       size_t from)
{
    struct json_iter it = {0};
    bool good = true;
    for (size_t i = 0; schema && json_next(v, &it); i++)
        if (i >= from)
            good = apply_index(c, schema, it.value, i) && good;
    return good;
}

static bool check_items(struct check *c, const struct json *schema, const struct json *v)
{
    const struct json *items = json_get(schema, STR("items"));
    const struct json *first = json_get(schema, STR("prefixItems"));
    struct json_iter it = {0}, one = {0};
    bool good = true;
    if (json_kind_of(items) == JSON_ARRAY) { /* of draft-07 */
        first = items;
        items = json_get(schema, STR("additionalItems"));
    }
    for (size_t i = 0; first && json_next(first, &one) && json_next(v, &it); i++)
        good = apply_index(c, one.value, it.value, i) && good;
    return check_rest(c, items, v, first ? json_len(first) : 0) && good;
}

static bool check_contains(struct check *c, const struct json *schema, const struct json *v)
{
    const struct json *wanted = json_get(schema, STR("contains"));
    const struct json *least = json_get(schema, STR("minContains"));
    const struct json *most = json_get(schema, STR("maxContains"));
    struct json_iter it = {0};
    int64_t count = 0;
    if (!wanted)
        return true;
    while (json_next(v, &it))
        count += holds(c, wanted, it.value);
    if (count < (least ? count_of(least) : 1))
        return fault(c, "contains too few of what it must contain");
    return !most || count <= count_of(most) || fault(c, "contains too many of what it may contain");
}

static bool check_unique(struct check *c, const struct json *v)
{
    struct json_iter a = {0};
    for (size_t i = 0; json_next(v, &a); i++) {
        struct json_iter b = {0};
        for (size_t k = 0; k < i && json_next(v, &b); k++)
            if (equal(c, a.value, b.value) || c->is_over)
                return fault(c, "has an item twice");
    }
    return true;
}

static bool check_list(struct check *c, const struct json *schema, const struct json *v)
{
    const struct json *most = json_get(schema, STR("maxItems"));
    const struct json *least = json_get(schema, STR("minItems"));
    int64_t count = (int64_t)json_len(v);
    bool good = check_items(c, schema, v);
    if (most && count > count_of(most))
        good = fault(c, "has too many items");
    if (least && count < count_of(least))
        good = fault(c, "has too few items");
    if (json_bool(json_get(schema, STR("uniqueItems"))))
        good = check_unique(c, v) && good;
    return check_contains(c, schema, v) && good;
}

/* --- objects ---------------------------------------------------------------------------------- */

static bool check_property(struct check *c, const struct json *schema, str name,
                           const struct json *v)
{
    const struct json *own = json_get(json_get(schema, STR("properties")), name);
    const struct json *more = json_get(schema, STR("additionalProperties"));
    const struct json *patterns = json_get(schema, STR("patternProperties"));
    struct json_iter it = {0};
    bool known = own != NULL;
    bool good = !own || apply_at(c, own, v, name);
    while (patterns && json_next(patterns, &it)) {
        if (!fits_pattern(c, it.key, name))
            continue;
        known = true;
        good = apply_at(c, it.value, v, name) && good;
    }
    return (known || !more || apply_at(c, more, v, name)) && good;
}

static bool check_required(struct check *c, const struct json *names, const struct json *v)
{
    struct json_iter it = {0};
    bool good = true;
    while (names && json_next(names, &it)) {
        if (json_get(v, json_str(it.value)))
            continue;
        size_t before = place_add(c, json_str(it.value));
        good = fault(c, "is missing");
        c->place_length = before;
    }
    return good;
}

static bool check_dependents(struct check *c, const struct json *map, const struct json *v)
{
    struct json_iter it = {0};
    bool good = true;
    while (map && json_next(map, &it)) {
        if (!json_get(v, it.key))
            continue;
        good = (json_kind_of(it.value) == JSON_ARRAY ? check_required(c, it.value, v)
                                                     : apply(c, it.value, v)) &&
               good;
    }
    return good;
}

/* A name is a text: a document of its own, as short as it is. */
static bool check_name(struct check *c, const struct json *schema, str name)
{
    struct buf b;
    struct json_writer w;
    struct reason why;
    buf_init(&b, name.n * 6 + 16);
    json_writer_init(&w, &b);
    json_string(&w, name);
    struct json_doc *doc = json_parse(buf_str(&b), &why);
    bool good = doc && holds(c, schema, json_root(doc));
    json_doc_free(doc);
    buf_release(&b);
    return good || fault(c, "has the name \"" STR_FMT "\", which is not allowed",
                         STR_ARG(str_slice(name, 0, 60)));
}

static bool check_object(struct check *c, const struct json *schema, const struct json *v)
{
    const struct json *names = json_get(schema, STR("propertyNames"));
    const struct json *most = json_get(schema, STR("maxProperties"));
    const struct json *least = json_get(schema, STR("minProperties"));
    int64_t count = (int64_t)json_len(v);
    struct json_iter it = {0};
    bool good = check_required(c, json_get(schema, STR("required")), v);
    while (json_next(v, &it)) {
        good = check_property(c, schema, it.key, it.value) && good;
        good = (!names || check_name(c, names, it.key)) && good;
    }
    if (most && count > count_of(most))
        good = fault(c, "has too many members");
    if (least && count < count_of(least))
        good = fault(c, "has too few members");
    good = check_dependents(c, json_get(schema, STR("dependentRequired")), v) && good;
    good = check_dependents(c, json_get(schema, STR("dependentSchemas")), v) && good;
    return check_dependents(c, json_get(schema, STR("dependencies")), v) && good;
}

/* --- a schema --------------------------------------------------------------------------------- */

static bool check_keyword(struct check *c, str name, const struct json *k, const struct json *v)
{
    if (str_eq(name, STR("type")))
        return check_type(c, k, v);
    if (str_eq(name, STR("enum")))
        return check_enum(c, k, v);
    if (str_eq(name, STR("const")))
        return equal(c, k, v) || fault(c, "is not the one value that is allowed");
    if (str_eq(name, STR("allOf")))
        return check_all(c, k, v);
    if (str_eq(name, STR("anyOf")))
        return check_any(c, k, v);
    if (str_eq(name, STR("oneOf")))
        return check_one(c, k, v);
    if (str_eq(name, STR("not")))
        return !holds(c, k, v) || fault(c, "is what it must not be");
    if (str_eq(name, STR("$ref")))
        return apply(c, json_schema_target(c->s, json_str(k)), v);
    if (json_kind_of(v) == JSON_NUMBER)
        return check_number(c, name, k, v);
    if (json_kind_of(v) == JSON_STRING)
        return check_text(c, name, k, json_str(v));
    return true;
}

static bool apply_members(struct check *c, const struct json *schema, const struct json *v)
{
    struct json_iter it = {0};
    bool good = true;
    const struct json *ref = json_get(schema, STR("$ref"));
    if (ref && c->s->draft7)
        return check_keyword(c, STR("$ref"), ref, v);
    while (!c->is_over && json_next(schema, &it))
        good = check_keyword(c, it.key, it.value, v) && good;
    if (json_kind_of(v) == JSON_OBJECT)
        good = check_object(c, schema, v) && good;
    if (json_kind_of(v) == JSON_ARRAY)
        good = check_list(c, schema, v) && good;
    return check_condition(c, schema, v) && good;
}

static bool apply(struct check *c, const struct json *schema, const struct json *v)
{
    if (!spend(c))
        return false;
    if (json_kind_of(schema) == JSON_BOOL)
        return json_bool(schema) || fault(c, "is not allowed here");
    if (c->depth == 4 * JSON_SCHEMA_DEPTH_MAX) {
        c->is_over = true; /* a reference that leads to itself */
        return false;
    }
    c->depth++;
    bool good = apply_members(c, schema, v);
    c->depth--;
    return good;
}

enum err json_schema_check(const struct json_schema *s, const struct json *value,
                           json_schema_fault *fn, void *arg, struct reason *why)
{
    struct check c = {.s = s, .fn = fn, .arg = arg};
    bool good = apply(&c, json_root(s->doc), value);
    if (c.is_over)
        return fail(why, ERR_LIMIT, "the schema takes too long to decide about this value");
    return good ? ERR_OK : fail(why, ERR_INVALID, "the value is not what the schema says");
}
