/* hook_request.c -- decoding in the order and with the choices of the program whose files are
 * read: the first value of a name wins, the parser is chosen by parts of the content type. */
#include "compat/hook_request.h"

#include "base/codec.h"
#include "compat/hook_log.h"
#include "compat/multipart.h"
#include "compat/xml.h"
#include "http/form.h"

static bool is_token_char(char c)
{
    return c && (strchr("!#$%&'*+-.^_`|~", c) || (c >= '0' && c <= '9') ||
                 ((c | 32) >= 'a' && (c | 32) <= 'z'));
}

str header_canonical(struct arena *a, str name)
{
    bool upper = true;
    for (size_t i = 0; i < name.n; i++)
        if (!is_token_char(name.p[i]))
            return name;
    char *p = arena_alloc(a, name.n + 1);
    if (!p)
        return name;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (upper && c >= 'a' && c <= 'z')
            c = (char)(c - 32);
        else if (!upper && c >= 'A' && c <= 'Z')
            c = (char)(c + 32);
        p[i] = c;
        upper = c == '-';
    }
    return str_of(p, name.n);
}

static bool decode_headers(struct hook_request *q, const struct http_request *r)
{
    struct map_builder b = {.arena = q->arena};
    for (size_t i = 0; i < r->fields.count; i++) {
        str name = header_canonical(q->arena, r->fields.v[i].name);
        if (!str_eq(name, STR("Host")) &&
            !map_builder_add(&b, name, value_string(r->fields.v[i].value)))
            return false;
    }
    q->headers = map_builder_finish(&b, true);
    return true;
}

/* Names and values of a query or a form. *bad: some pair could not be decoded and is left out. */
static bool decode_pairs(struct arena *a, str text, struct value *out, bool *bad)
{
    struct map_builder b = {.arena = a};
    str rest = text;
    *bad = false;
    while (rest.p && rest.n) {
        str pair = str_cut(&rest, '&');
        size_t eq = str_find(pair, '=');
        if (!pair.n)
            continue;
        str name = percent_decode(a, str_slice(pair, 0, eq), true);
        str value = percent_decode(a, str_slice(pair, eq + 1, pair.n), true);
        if (str_find(pair, ';') < pair.n || !name.p || !value.p)
            *bad = true;
        else if (!map_builder_add(&b, name, value_string(value)))
            return false;
    }
    *out = map_builder_finish(&b, true);
    return true;
}

/* --- payloads -------------------------------------------------------------------------------- */

/* A JSON object; null is a map that is not there. */
static enum err decode_object(struct arena *a, str text, struct value *out, struct reason *why)
{
    struct json_doc *doc = json_parse_first(text, why);
    if (!doc)
        return ERR_INVALID;
    const struct json *root = json_root(doc);
    enum json_kind kind = json_kind_of(root);
    enum err err = ERR_OK;
    if (kind == JSON_NULL)
        *out = (struct value){.kind = VALUE_MAP, .is_nil = true};
    else if (kind != JSON_OBJECT)
        err = fail(why, ERR_INVALID,
                   "json: cannot unmarshal %s into Go value of type "
                   "map[string]interface {}",
                   kind == JSON_ARRAY    ? "array"
                   : kind == JSON_STRING ? "string"
                   : kind == JSON_NUMBER ? "number"
                                         : "bool");
    else if (!value_from_json(a, root, out))
        err = fail(why, ERR_LIMIT, "the JSON is too large, or nested deeper than %u levels",
                   VALUE_DEPTH_MAX);
    json_doc_free(doc);
    return err;
}

static enum err decode_array(struct arena *a, str text, struct value *out, struct reason *why)
{
    struct json_doc *doc = json_parse_first(text, why);
    struct map_builder b = {.arena = a};
    struct value list;
    if (!doc)
        return ERR_INVALID;
    bool ok = value_from_json(a, json_root(doc), &list) && map_builder_add(&b, STR("root"), list);
    json_doc_free(doc);
    if (!ok)
        return fail(why, ERR_LIMIT, "the JSON is too large, or nested deeper than %u levels",
                    VALUE_DEPTH_MAX);
    *out = map_builder_finish(&b, false);
    return ERR_OK;
}

static void decode_json(struct hook_request *q)
{
    struct reason why = {0};
    struct value v = {0};
    size_t i = 0;
    while (i < q->body.n && strchr(" \t\n\v\f\r", q->body.p[i]) && q->body.p[i])
        i++;
    bool is_array = i < q->body.n && q->body.p[i] == '[';
    enum err err = is_array ? decode_array(q->arena, q->body, &v, &why)
                            : decode_object(q->arena, q->body, &v, &why);
    if (err != ERR_OK)
        hook_log(q->id, "error parsing JSON %spayload %s", is_array ? "array " : "", why.text);
    else if (!v.is_nil)
        q->payload = v;
}

static void decode_form(struct hook_request *q)
{
    struct value v;
    bool bad = false;
    if (!decode_pairs(q->arena, q->body, &v, &bad) || bad)
        hook_log(q->id, "error parsing form payload: a pair is not encoded as it should be");
    else
        q->payload = v;
}

static void decode_xml(struct hook_request *q)
{
    struct reason why = {0};
    struct value v;
    if (xml_parse(q->arena, q->body, &v, &why) != ERR_OK)
        hook_log(q->id, "error parsing XML payload: %s", why.text);
    else
        q->payload = v;
}

static bool wants_json(const struct hook *h, str name)
{
    for (size_t i = 0; i < h->json_parameters.count; i++)
        if (str_eq(h->json_parameters.v[i].source, STR("payload")) &&
            str_eq(h->json_parameters.v[i].name, name))
            return true;
    return false;
}

/* Values first: a file of the same name takes its place. Only the first file of a name counts. */
static bool decode_part(struct hook_request *q, const struct hook *h, struct map_builder *values,
                        struct map_builder *files, const struct multipart_part *p)
{
    if (!p->filename.p)
        return map_builder_add(values, p->name, value_string(p->content));
    struct value v = {.kind = VALUE_MAP, .is_nil = true};
    if (p->json || wants_json(h, p->name)) {
        struct reason why = {0};
        hook_log(q->id, "parsing multipart form file \"" STR_FMT "\" as JSON", STR_ARG(p->name));
        if (decode_object(q->arena, p->content, &v, &why) != ERR_OK)
            hook_log(q->id, "error parsing JSON payload file: %s", why.text);
    } else {
        v.kind = VALUE_NULL; /* not wanted: dropped below, but it is the first of its name */
    }
    return map_builder_add(files, p->name, v);
}

static bool join_files(struct map_builder *values, struct map_builder *files)
{
    struct value unique = map_builder_finish(files, true);
    for (size_t i = 0; i < unique.count; i++)
        if (unique.members[i].value.kind == VALUE_MAP &&
            !map_builder_add(values, unique.members[i].key, unique.members[i].value))
            return false;
    return true;
}

static enum hook_decoded decode_multipart(struct hook_request *q, const struct http_request *r,
                                          const struct hook *h, bool bad_query)
{
    struct multipart m;
    struct multipart_part part;
    struct reason why = {.code = ERR_OK};
    struct map_builder values = {.arena = q->arena}, first = {.arena = q->arena},
                       files = {.arena = q->arena};
    str type = http_field_get(&r->fields, STR("Content-Type"));
    bool is_form = str_eq_nocase(media_type(type), STR("multipart/form-data"));
    bool ok = is_form && multipart_init(&m, type, r->body);
    bool fits = true;
    while (ok && fits && multipart_next(&m, &part, &why))
        fits = decode_part(q, h, &first, &files, &part);
    if (!fits)
        return HOOK_TOO_LARGE;
    if (!ok || why.code != ERR_OK || bad_query) {
        hook_log(q->id, "error parsing multipart form: %s",
                 why.code != ERR_OK ? why.text
                 : bad_query        ? "the query is not encoded as it should be"
                                    : "request Content-Type isn't multipart/form-data");
        return HOOK_BAD_MULTIPART;
    }
    struct value unique = map_builder_finish(&first, true);
    for (size_t i = 0; i < unique.count && fits; i++)
        fits = map_builder_add(&values, unique.members[i].key, unique.members[i].value);
    if (!fits || !join_files(&values, &files))
        return HOOK_TOO_LARGE;
    if (values.count)
        q->payload = map_builder_finish(&values, false);
    return HOOK_DECODED;
}

static bool holds(str s, const char *part)
{
    return str_find_str(s, str_from_cstr(part)) < s.n;
}

static enum hook_decoded decode_payload(struct hook_request *q, const struct http_request *r,
                                        const struct hook *h, bool bad_query)
{
    str type = http_field_get(&r->fields, STR("Content-Type"));
    if (h->content_type.n)
        type = h->content_type;
    bool is_multipart = str_starts(type, STR("multipart/form-data;"));
    q->body = is_multipart ? STR("") : r->body;
    if (holds(type, "json"))
        decode_json(q);
    else if (holds(type, "x-www-form-urlencoded"))
        decode_form(q);
    else if (holds(type, "xml"))
        decode_xml(q);
    else if (is_multipart)
        return decode_multipart(q, r, h, bad_query);
    else
        hook_log(q->id,
                 "error parsing body payload due to unsupported content type header: " STR_FMT,
                 STR_ARG(type));
    return HOOK_DECODED;
}

/* --- parse-parameters-as-json ---------------------------------------------------------------- */

void hook_log_argument(str id, const char *what, const struct hook_argument *a)
{
    hook_log(id, "%s {Source:" STR_FMT " Name:" STR_FMT " EnvName:" STR_FMT " Base64Decode:%s}",
             what, STR_ARG(a->source), STR_ARG(a->name), STR_ARG(a->envname),
             a->base64decode ? "true" : "false");
}

static enum hook_decoded parse_parameter(struct hook_request *q, const struct hook_argument *a)
{
    struct reason why = {0};
    str text;
    struct value v;
    enum hook_value got = hook_argument_get(q, a, &text, &why);
    if (got == HOOK_VALUE_PANIC)
        return HOOK_PANIC;
    if (got != HOOK_VALUE) {
        hook_log_argument(q->id, "error parsing JSON parameters: couldn't retrieve argument for",
                          a);
        return HOOK_DECODED;
    }
    if (decode_object(q->arena, text, &v, &why) != ERR_OK) {
        hook_log(q->id, "error parsing JSON parameters: error parsing JSON: %s", why.text);
        return HOOK_DECODED;
    }
    bool is_header = str_eq(a->source, STR("header"));
    struct value *map = is_header                           ? &q->headers
                        : str_eq(a->source, STR("payload")) ? &q->payload
                        : str_eq(a->source, STR("url")) || str_eq(a->source, STR("query"))
                            ? &q->query
                            : NULL;
    if (!map) {
        hook_log_argument(q->id, "error parsing JSON parameters: invalid source for argument", a);
        return HOOK_DECODED;
    }
    str key = is_header ? header_canonical(q->arena, a->name) : a->name;
    if (str_find(key, '.') < key.n)
        return HOOK_PANIC;
    struct value *at = value_get(map, key);
    if (at)
        *at = v;
    return HOOK_DECODED;
}

enum hook_decoded hook_request_decode(struct hook_request *q, struct arena *a, str id,
                                      const struct http_request *r, const struct hook *h)
{
    bool bad_query = false;
    bool is_v6 = str_find(r->peer, ':') < r->peer.n;
    *q = (struct hook_request){
        .arena = a, .id = id, .method = r->method, .payload = {.kind = VALUE_NULL}};
    q->remote_address = r->peer_port == 0
                            ? r->peer
                            : arena_printf(a, is_v6 ? "[" STR_FMT "]:%u" : STR_FMT ":%u",
                                           STR_ARG(r->peer), r->peer_port);
    if (!decode_headers(q, r) || !decode_pairs(a, r->query, &q->query, &bad_query))
        return HOOK_TOO_LARGE;
    enum hook_decoded d = decode_payload(q, r, h, bad_query);
    for (size_t i = 0; i < h->json_parameters.count && d == HOOK_DECODED; i++)
        d = parse_parameter(q, &h->json_parameters.v[i]);
    if (d == HOOK_DECODED && !arena_ok(a))
        d = HOOK_TOO_LARGE;
    return d;
}

/* --- arguments ------------------------------------------------------------------------------- */

static enum hook_value wrong(struct reason *why, const char *text)
{
    fail(why, ERR_INVALID, "%s", text);
    return HOOK_VALUE_WRONG;
}

static enum hook_value get_path(const struct hook_request *q, const struct value *map, str name,
                                str *out, struct reason *why)
{
    const struct value *v = NULL;
    str rest = name;
    static const struct value no_map = {.kind = VALUE_MAP, .is_nil = true};
    /* A payload that is none at all is an empty map here, not a null. */
    enum lookup found = value_lookup(map->kind == VALUE_NULL ? &no_map : map, name, &v, &rest);
    if (found == LOOKUP_PANIC)
        return HOOK_VALUE_PANIC;
    if (found == LOOKUP_IN_NULL)
        return wrong(why, "no parameters");
    if (found == LOOKUP_MISSING) {
        fail(why, ERR_NOT_FOUND, "parameter node not found: %.*s",
             (int)(rest.n > 200 ? 200 : rest.n), rest.p);
        return HOOK_VALUE_MISSING;
    }
    *out = value_to_text(q->arena, v);
    return out->p ? HOOK_VALUE : wrong(why, "the value does not fit the memory of a request");
}

static enum hook_value get_entire(const struct hook_request *q, const struct value *v, str *out,
                                  struct reason *why)
{
    if (v->kind == VALUE_NULL) {
        *out = STR("null");
        return HOOK_VALUE;
    }
    *out = value_to_text(q->arena, v);
    return out->p ? HOOK_VALUE : wrong(why, "the value does not fit the memory of a request");
}

static enum hook_value get_of_request(const struct hook_request *q, str name, str *out,
                                      struct reason *why)
{
    bool is_method = str_eq_nocase(name, STR("method"));
    if (!is_method && !str_eq_nocase(name, STR("remote-addr"))) {
        fail(why, ERR_INVALID, "unsupported request key: \"%.*s\"",
             (int)(name.n > 100 ? 100 : name.n), name.p);
        return HOOK_VALUE_WRONG;
    }
    *out = is_method ? q->method : q->remote_address;
    return HOOK_VALUE;
}

enum hook_value hook_argument_get(const struct hook_request *q, const struct hook_argument *a,
                                  str *out, struct reason *why)
{
    str source = a->source;
    if (str_eq(source, STR("payload")))
        return get_path(q, &q->payload, a->name, out, why);
    if (str_eq(source, STR("header")))
        return get_path(q, &q->headers, header_canonical(q->arena, a->name), out, why);
    if (str_eq(source, STR("url")) || str_eq(source, STR("query")))
        return get_path(q, &q->query, a->name, out, why);
    if (str_eq(source, STR("request")))
        return get_of_request(q, a->name, out, why);
    if (str_eq(source, STR("entire-payload")))
        return get_entire(q, &q->payload, out, why);
    if (str_eq(source, STR("entire-headers")))
        return get_entire(q, &q->headers, out, why);
    if (str_eq(source, STR("entire-query")))
        return get_entire(q, &q->query, out, why);
    if (str_eq(source, STR("string"))) {
        *out = a->name;
        return HOOK_VALUE;
    }
    if (str_eq(source, STR("raw-request-body"))) {
        *out = q->body;
        return HOOK_VALUE;
    }
    return wrong(why, "no source for value retrieval");
}
