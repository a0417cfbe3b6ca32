/* cloudevent.c -- the three modes, told apart by the media type as section 3 of the binding says.
 */
#include "http/cloudevent.h"

#include "base/codec.h"
#include "base/json_scan.h"

#define ATTRIBUTES_MAX 40
#define NAME_BYTES_MAX 64
#define STRUCTURED STR("application/cloudevents+json")

static bool starts_nocase(str s, str prefix)
{
    return s.n >= prefix.n && str_eq_nocase(str_slice(s, 0, prefix.n), prefix);
}

static bool is_attribute_name(str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!(name.p[i] >= 'a' && name.p[i] <= 'z') && !(name.p[i] >= '0' && name.p[i] <= '9'))
            return false;
    return name.n > 0 && name.n <= NAME_BYTES_MAX;
}

/* --- binary ---------------------------------------------------------------------------------- */

/* Section 3.1.3.2: quotes first, then one round of percent-decoding, then it must be UTF-8. */
static str decode_value(struct arena *a, str value)
{
    if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"') {
        char *out = arena_alloc(a, value.n);
        size_t n = 0;
        for (size_t i = 1; out && i + 1 < value.n; i++) {
            if (value.p[i] == '\\' && i + 2 < value.n)
                i++;
            out[n++] = value.p[i];
        }
        value = str_of(out, n);
    }
    value = value.p ? percent_decode(a, value, false) : STR_NONE;
    return value.p && utf8_valid(value) ? value : STR_NONE;
}

static bool field_attribute(struct http_request *req, str name, str *out)
{
    if (http_field_count(&req->fields, name) != 1)
        return false;
    *out = decode_value(req->arena, http_field_get(&req->fields, name));
    return out->n > 0;
}

static bool read_binary(struct http_request *req, struct cloudevent *out)
{
    str version;
    return field_attribute(req, STR("ce-specversion"), &version) && str_eq(version, STR("1.0")) &&
           field_attribute(req, STR("ce-id"), &out->id) &&
           field_attribute(req, STR("ce-source"), &out->source) &&
           field_attribute(req, STR("ce-type"), &out->type);
}

/* --- structured ------------------------------------------------------------------------------ */

/* What a header may hold as it is: no blanks, quotes, percent signs, nothing beyond ASCII. */
static bool is_plain(unsigned char c)
{
    return c > ' ' && c < 0x7f && c != '"' && c != '%';
}

static bool is_data(str name)
{
    return str_eq(name, STR("data")) || str_eq(name, STR("data_base64")) ||
           str_eq(name, STR("datacontenttype"));
}

/* The required attributes of a JSON event; null counts as absent. */
static bool read_event(const struct json *event, struct cloudevent *out)
{
    out->id = json_str(json_get(event, STR("id")));
    out->source = json_str(json_get(event, STR("source")));
    out->type = json_str(json_get(event, STR("type")));
    return json_kind_of(event) == JSON_OBJECT && out->id.n && out->source.n && out->type.n &&
           str_eq(json_str(json_get(event, STR("specversion"))), STR("1.0"));
}

static bool is_scalar(const struct json *v)
{
    enum json_kind kind = json_kind_of(v);
    return kind == JSON_STRING || kind == JSON_NUMBER || kind == JSON_BOOL;
}

/* The request's fields with those of the event; Content-Type is the given one unless it is
 * STR_NONE. */
static bool put_fields(struct http_request *req, const struct http_fields *from,
                       const struct json *event, str content_type)
{
    struct arena *a = req->arena;
    struct http_field *v = ARENA_ARRAY(a, struct http_field, from->count + ATTRIBUTES_MAX + 1);
    struct json_iter it = {0};
    size_t n = 0, added = 0;
    for (size_t i = 0; v && i < from->count; i++) {
        v[n] = from->v[i];
        if (content_type.p && str_eq_nocase(v[n].name, STR("Content-Type")))
            v[n].value = content_type;
        n += !starts_nocase(from->v[i].name, STR("ce-"));
    }
    while (v && added < ATTRIBUTES_MAX && json_next(event, &it)) {
        if (!is_scalar(it.value) || !is_attribute_name(it.key) || is_data(it.key))
            continue;
        v[n] = (struct http_field){arena_printf(a, "ce-" STR_FMT, STR_ARG(it.key)),
                                   percent_encode_but(a, json_text(a, it.value), is_plain)};
        if (!v[n].name.p || !v[n].value.p)
            return false;
        n++;
        added++;
    }
    req->fields = (struct http_fields){v, n};
    return v != NULL;
}

/* --- all of them ----------------------------------------------------------------------------- */

static enum cloudevent_mode read_batch(struct http_request *req)
{
    const struct json *list = http_request_json(req);
    struct json_iter it = {0};
    struct cloudevent one;
    if (json_kind_of(list) != JSON_ARRAY || json_len(list) == 0)
        return CLOUDEVENT_NONE;
    while (json_next(list, &it))
        if (!read_event(it.value, &one))
            return CLOUDEVENT_NONE;
    return json_len(list) > CLOUDEVENTS_BATCH_MAX ? CLOUDEVENT_TOO_MANY : CLOUDEVENT_BATCH;
}

enum cloudevent_mode cloudevent_read(struct http_request *req, struct cloudevent *out)
{
    str type = http_field_get(&req->fields, STR("Content-Type"));
    if (starts_nocase(type, STR("application/cloudevents-batch")))
        return read_batch(req);
    if (!starts_nocase(type, STR("application/cloudevents")))
        return read_binary(req, out) ? CLOUDEVENT_BINARY : CLOUDEVENT_NONE;
    const struct json *event = http_request_json(req);
    if (!read_event(event, out) || !put_fields(req, &req->fields, event, STR_NONE))
        return CLOUDEVENT_NONE;
    return CLOUDEVENT_STRUCTURED;
}

bool cloudevent_split(struct http_request *req, struct cloudevent_item **items, size_t *count)
{
    const struct json *list = http_request_json(req);
    struct json_iter it = {0};
    struct json_scan scan = json_scan_of(req->body);
    str key, text;
    *count = 0;
    *items = ARENA_ARRAY(req->arena, struct cloudevent_item, json_len(list) + 1);
    while (*items && json_next(list, &it) && json_scan_next(&scan, &key, &text)) {
        struct cloudevent_item *item = &(*items)[*count];
        item->request = *req;
        item->request.body = text;
        item->request.json_doc = NULL;
        item->request.json_tried = false;
        if (!read_event(it.value, &item->event) ||
            !put_fields(&item->request, &req->fields, it.value, STRUCTURED))
            return false;
        ++*count;
    }
    return *items && *count == json_len(list);
}
