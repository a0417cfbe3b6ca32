/* wire.c -- the validator. Every fault is reported, each with its place, not the first alone. */
#include "api/wire.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "engine/endpoint.h"

#include <stdarg.h>

#define FAULTS_MAX 50
#define FAULT_BYTES_MAX (1u << 16) /* of them all, written */
#define LOC_MAX 1024
#define METADATA_MAX 4096
#define HEADER_VALUE_MAX 4096

static const char type_fault[] = "value_error.jsondecode";
static const char value_fault[] = "value_error";

struct checking {
    struct wire_faults *faults;
    char loc[LOC_MAX];
    size_t loc_n;
    bool https_only;
};

/* --- faults ----------------------------------------------------------------------------------- */

void wire_faults_init(struct wire_faults *f)
{
    *f = (struct wire_faults){0};
    buf_init(&f->items, FAULT_BYTES_MAX);
}

void wire_faults_release(struct wire_faults *f)
{
    buf_release(&f->items);
}

static void write_fault(struct wire_faults *f, str loc, const char *type, str text)
{
    struct json_writer w;
    /* A byte may become six; half a fault would spoil the answer. */
    size_t room = 6 * (loc.n + text.n) + 128;
    if (++f->count > FAULTS_MAX || f->items.len + room > FAULT_BYTES_MAX)
        return;
    if (f->items.len)
        buf_char(&f->items, ',');
    json_writer_init(&w, &f->items);
    json_open(&w, '{');
    json_key(&w, "loc");
    json_open(&w, '[');
    for (str rest = loc; rest.p && rest.n;)
        json_string(&w, str_cut(&rest, '\0'));
    json_close(&w, ']');
    json_pair(&w, "msg", text);
    json_pair(&w, "type", str_from_cstr(type));
    json_close(&w, '}');
}

void wire_fault(struct wire_faults *f, str loc, const char *type, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    write_fault(f, loc, type, str_from_cstr(text));
}

static void fault(struct checking *c, const char *type, const char *text)
{
    write_fault(c->faults, str_of(c->loc, c->loc_n), type, str_from_cstr(text));
}

/* Goes one step deeper; returns where to go back to. */
static size_t enter(struct checking *c, str part)
{
    size_t before = c->loc_n;
    if (part.n + 1 > sizeof(c->loc) - c->loc_n)
        part = str_slice(part, 0, 32);
    if (part.n + 1 > sizeof(c->loc) - c->loc_n)
        return before;
    memcpy(c->loc + c->loc_n, part.p, part.n);
    c->loc_n += part.n;
    c->loc[c->loc_n++] = '\0';
    return before;
}

static size_t enter_index(struct checking *c, size_t index)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "[%zu]", index);
    return enter(c, str_of(text, (size_t)n));
}

/* --- strings ---------------------------------------------------------------------------------- */

bool wire_is_word(str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char b = s.p[i];
        bool good = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') ||
                    b == '-' || b == '_' || b == '.';
        if (!good)
            return false;
    }
    return s.n > 0;
}

static bool has_control(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= 8)
            return true;
    return false;
}

static void check_word(struct checking *c, const struct wire_field *f, str s)
{
    if (f->prefix && str_starts(s, str_from_cstr(f->prefix))) {
        char text[128];
        snprintf(text, sizeof(text),
                 "Uids are not allowed to have the same prefix as the ID. Prefix with _?");
        fault(c, value_fault, text);
    } else if (!wire_is_word(s)) {
        fault(c, value_fault, "String must match the following pattern: [a-zA-Z0-9\\-_.].");
    }
}

static void check_url(struct checking *c, str s)
{
    bool https = str_starts(s, STR("https://"));
    struct reason why;
    if (!https && !str_starts(s, STR("http://")))
        fault(c, value_fault, "Endpoint URL schemes must be http or https");
    else if (!https && c->https_only)
        fault(c, value_fault,
              "Endpoint URL schemes must be https when endpoint_https_only is set.");
    else if (!endpoint_url_check(s, &why))
        fault(c, value_fault, why.text);
}

static void check_secret(struct checking *c, str s)
{
    struct arena a;
    struct webhook_key key;
    arena_init(&a, 4096);
    if (!str_starts(s, STR("whsec_")) && !str_starts(s, STR("whsk_")))
        fault(c, value_fault, "invalid prefix");
    else if (!endpoint_key_parse(s, &a, &key) || (!key.asymmetric && key.bytes.n < 24) ||
             key.bytes.n > 75)
        fault(c, value_fault,
              "the secret must be whsec_ and the base64 of 24 to 75 bytes, or whsk_ and the base64 "
              "of 64");
    arena_release(&a);
}

static void check_string(struct checking *c, const struct wire_field *f, str s)
{
    bool is_list = f->type == WIRE_STRINGS;
    int64_t min = is_list ? 1 : f->min, max = is_list ? 256 : f->max;
    if (f->check == CHECK_WORD && is_list && strcmp(f->name, "channels") == 0)
        max = 128;
    if ((int64_t)s.n < min)
        fault(c, value_fault, "String must be at least one character");
    else if (max > 0 && (int64_t)s.n > max)
        fault(c, value_fault, "String too long");
    else if (f->check == CHECK_TEXT && has_control(s))
        fault(c, value_fault, "Control characters 0x00-0x08 not allowed.");
    else if (f->check == CHECK_WORD)
        check_word(c, f, s);
    else if (f->check == CHECK_URL)
        check_url(c, s);
    else if (f->check == CHECK_SECRET)
        check_secret(c, s);
    else if (f->check == CHECK_ENUM) {
        for (size_t i = 0; f->words[i]; i++)
            if (str_eq(s, str_from_cstr(f->words[i])))
                return;
        struct buf text;
        buf_init(&text, 512);
        buf_str_append(&text, STR("must be one of"));
        for (size_t i = 0; f->words[i]; i++)
            buf_printf(&text, "%s %s", i ? "," : "", f->words[i]);
        fault(c, value_fault, buf_cstr(&text));
        buf_release(&text);
    }
}

/* --- header fields ---------------------------------------------------------------------------- */

const char *wire_header_refused(str name, str value)
{
    static const char *const forbidden[] = {"user-agent",
                                            "keep-alive",
                                            "proxy-authenticate",
                                            "proxy-authorization",
                                            "te",
                                            "trailers",
                                            "transfer-encoding",
                                            "upgrade",
                                            "age",
                                            "cache-control",
                                            "clear-site-data",
                                            "expires",
                                            "pragma",
                                            "warning",
                                            "content-length",
                                            "content-type",
                                            "content-encoding",
                                            "content-language",
                                            "content-location",
                                            "host",
                                            "connection",
                                            "proxy-connection",
                                            "trailer",
                                            "expect",
                                            "http2-settings"};
    static const char *const prefixes[] = {"x-amz-", "x-amzn-",  "x-google", "x-goog-",
                                           "x-gfe",  "x-azure-", "x-fd-",    "x-svix-",
                                           "svix-",  "webhook-"};
    const struct http_field field = {name, value};
    for (size_t i = 0; i < ARRAY_LEN(forbidden); i++)
        if (str_eq_nocase(name, str_from_cstr(forbidden[i])))
            return "Header uses a forbidden key.";
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        str p = str_from_cstr(prefixes[i]);
        if (name.n >= p.n && str_eq_nocase(str_slice(name, 0, p.n), p))
            return "Header starts with a forbidden prefix.";
    }
    if (value.n > HEADER_VALUE_MAX)
        return "Maximum header length is 4096 bytes";
    if (http_field_check(&field, NULL) != ERR_OK)
        return "Header name or value holds a byte that is not allowed.";
    return NULL;
}

bool wire_header_is_sensitive(str name)
{
    static const char *const names[] = {"x-auth-token",       "x-api-key",
                                        "www-authenticate",   "authorization",
                                        "proxy-authenticate", "proxy-authorization"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq_nocase(name, str_from_cstr(names[i])))
            return true;
    return false;
}

/* --- values ----------------------------------------------------------------------------------- */

static void check_object(struct checking *c, const struct wire_schema *s, const struct json *v);

static void check_map(struct checking *c, const struct wire_field *f, const struct json *v)
{
    struct json_iter it = {0};
    size_t bytes = 2;
    while (json_next(v, &it)) {
        enum json_kind kind = json_kind_of(it.value);
        size_t before = enter(c, it.key);
        bool is_null = kind == JSON_NULL && f->type == WIRE_MAP_NULL;
        const char *refused = NULL;
        if (kind != JSON_STRING && !is_null)
            fault(c, type_fault, "invalid type: expected a string");
        else if (f->check == CHECK_HEADERS)
            refused = wire_header_refused(it.key, is_null ? STR("") : json_str(it.value));
        if (refused)
            fault(c, value_fault, refused);
        bytes += it.key.n + json_str(it.value).n + 6;
        c->loc_n = before;
    }
    if (f->check == CHECK_METADATA && bytes > METADATA_MAX)
        fault(c, value_fault, "metadata must be less than or equal to 4096 bytes");
    if (f->check == CHECK_HEADERS && json_len(v) > WEBHOOK_HEADERS_MAX)
        fault(c, value_fault, "there may be at most 50 headers");
}

static void check_list(struct checking *c, const struct wire_field *f, const struct json *v)
{
    struct json_iter it = {0};
    int64_t count = (int64_t)json_len(v);
    if (f->min > 0 && count < f->min) {
        char text[160];
        snprintf(text, sizeof(text), "%s can't be empty, it must have at least one item.", f->name);
        fault(c, value_fault, text);
    } else if (f->max > 0 && count > f->max) {
        char text[160];
        snprintf(text, sizeof(text), "%s: at most %lld items are allowed", f->name,
                 (long long)f->max);
        fault(c, value_fault, text);
    }
    for (size_t i = 0; json_next(v, &it); i++) {
        size_t before = enter_index(c, i);
        double number;
        if (f->type == WIRE_STRINGS && json_kind_of(it.value) != JSON_STRING)
            fault(c, type_fault, "invalid type: expected a string");
        else if (f->type == WIRE_STRINGS)
            check_string(c, f, json_str(it.value));
        else if (f->type == WIRE_NUMBERS &&
                 (!json_f64(it.value, &number) || number < 0 || number > 31622400))
            fault(c, type_fault, "expected a number of seconds, at most a year");
        else if (f->type == WIRE_OBJECTS && json_kind_of(it.value) != JSON_OBJECT)
            fault(c, type_fault, "invalid type: expected an object");
        else if (f->type == WIRE_OBJECTS && f->of)
            check_object(c, f->of, it.value);
        c->loc_n = before;
    }
}

static void check_integer(struct checking *c, const struct wire_field *f, const struct json *v)
{
    int64_t n;
    char text[128];
    if (!json_i64(v, &n)) {
        fault(c, type_fault, "invalid type: expected an integer");
    } else if ((f->min || f->max) && (n < f->min || n > f->max)) {
        snprintf(text, sizeof(text), "must be from %lld to %lld", (long long)f->min,
                 (long long)f->max);
        fault(c, value_fault, text);
    }
}

static void check_value(struct checking *c, const struct wire_field *f, const struct json *v)
{
    static const enum json_kind kinds[] = {
        [WIRE_STRING] = JSON_STRING, [WIRE_INTEGER] = JSON_NUMBER,  [WIRE_BOOLEAN] = JSON_BOOL,
        [WIRE_TIME] = JSON_STRING,   [WIRE_STRINGS] = JSON_ARRAY,   [WIRE_NUMBERS] = JSON_ARRAY,
        [WIRE_MAP] = JSON_OBJECT,    [WIRE_MAP_NULL] = JSON_OBJECT, [WIRE_OBJECT] = JSON_OBJECT,
        [WIRE_OBJECTS] = JSON_ARRAY,
    };
    static const char *const words[] = {"null",     "a boolean", "a number",
                                        "a string", "a list",    "an object"};
    int64_t ms;
    if (f->type == WIRE_ANY)
        return;
    if (json_kind_of(v) != kinds[f->type]) {
        char text[64];
        snprintf(text, sizeof(text), "invalid type: expected %s", words[kinds[f->type]]);
        fault(c, type_fault, text);
        return;
    }
    if (f->type == WIRE_STRING)
        check_string(c, f, json_str(v));
    else if (f->type == WIRE_INTEGER)
        check_integer(c, f, v);
    else if (f->type == WIRE_TIME && !clock_parse(json_str(v), &ms))
        fault(c, type_fault, "expected a time as 2026-11-23T20:24:11Z");
    else if (f->type == WIRE_MAP || f->type == WIRE_MAP_NULL)
        check_map(c, f, v);
    else if (f->type == WIRE_STRINGS || f->type == WIRE_NUMBERS || f->type == WIRE_OBJECTS)
        check_list(c, f, v);
    else if (f->type == WIRE_OBJECT && f->of)
        check_object(c, f->of, v);
}

static void check_object(struct checking *c, const struct wire_schema *s, const struct json *v)
{
    for (const struct wire_field *f = s->fields; f->name; f++) {
        const struct json *member = json_get(v, str_from_cstr(f->name));
        size_t before = enter(c, str_from_cstr(f->name));
        if (!member && (f->flags & WIRE_REQUIRED)) {
            char text[96];
            snprintf(text, sizeof(text), "missing field `%s`", f->name);
            fault(c, type_fault, text);
        } else if (member && json_kind_of(member) == JSON_NULL) {
            if (!(f->flags & WIRE_NULLABLE) && f->type != WIRE_ANY)
                fault(c, type_fault, "invalid type: null");
        } else if (member) {
            check_value(c, f, member);
        }
        c->loc_n = before;
    }
}

bool wire_validate(const struct wire_schema *s, const struct json *body, bool https_only,
                   struct wire_faults *f)
{
    struct checking c = {.faults = f, .https_only = https_only};
    size_t before = f->count;
    enter(&c, STR("body"));
    if (json_kind_of(body) != JSON_OBJECT)
        fault(&c, type_fault, "the body must be a JSON object");
    else
        check_object(&c, s, body);
    return f->count == before;
}

/* --- text ------------------------------------------------------------------------------------- */

static size_t skip_blanks(str s, size_t i)
{
    while (i < s.n && strchr(" \t\r\n", s.p[i]) && s.p[i])
        i++;
    return i;
}

/* Behind the string that begins at i. */
static size_t skip_string(str s, size_t i)
{
    for (i++; i < s.n && s.p[i] != '"'; i++)
        if (s.p[i] == '\\')
            i++;
    return i < s.n ? i + 1 : s.n;
}

static size_t skip_value(str s, size_t i)
{
    size_t depth = 0;
    while (i < s.n) {
        char b = s.p[i];
        if (b == '"') {
            i = skip_string(s, i);
        } else if (b == '{' || b == '[') {
            depth++;
            i++;
        } else if (depth == 0 && (b == ',' || b == '}' || b == ']')) {
            return i;
        } else {
            depth -= b == '}' || b == ']';
            i++;
        }
        if (depth == 0 && (b == '"' || b == '}' || b == ']'))
            return i;
    }
    return i;
}

/* The name as it stands in the text, with its quotes: it may be written with escapes. */
static bool is_named(str quoted, str name)
{
    str inside = str_slice(quoted, 1, quoted.n - 1);
    if (str_find(inside, '\\') == inside.n)
        return str_eq(inside, name);
    struct json_doc *doc = json_parse(quoted, NULL);
    bool same = str_eq(json_str(json_root(doc)), name);
    json_doc_free(doc);
    return same;
}

str wire_member_text(str object, str name)
{
    size_t i = skip_blanks(object, 0);
    if (i >= object.n || object.p[i] != '{')
        return STR_NONE;
    i = skip_blanks(object, i + 1);
    while (i < object.n && object.p[i] == '"') {
        size_t key = i;
        i = skip_string(object, i);
        str found = str_slice(object, key, i);
        i = skip_blanks(object, i);
        i = skip_blanks(object, i + 1); /* the colon */
        size_t from = i;
        i = skip_value(object, i);
        if (is_named(found, name))
            return str_trim(str_slice(object, from, i));
        i = skip_blanks(object, i);
        if (i < object.n && object.p[i] == ',')
            i = skip_blanks(object, i + 1);
        else
            break;
    }
    return STR_NONE;
}
