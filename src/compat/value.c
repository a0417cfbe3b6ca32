/* value.c -- the tree, its lookup, and its two ways back to text. */
#include "compat/value.h"

#include "base/codec.h"

#define JSON_BYTES_MAX (256u << 20)

/* --- building -------------------------------------------------------------------------------- */

bool map_builder_add(struct map_builder *b, str key, struct value value)
{
    if (b->count == b->cap) {
        size_t cap = b->cap ? 2 * b->cap : 8;
        struct member *v = ARENA_ARRAY(b->arena, struct member, cap);
        if (!v)
            return false;
        if (b->count)
            memcpy(v, b->v, b->count * sizeof(*v));
        b->v = v;
        b->cap = cap;
    }
    b->v[b->count] = (struct member){key, value, b->count};
    b->count++;
    return true;
}

static int by_key(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    int c = str_cmp(x->key, y->key);
    return c ? c : x->order < y->order ? -1 : 1;
}

struct value map_builder_finish(struct map_builder *b, bool first_wins)
{
    size_t kept = 0;
    if (b->count > 1)
        qsort(b->v, b->count, sizeof(*b->v), by_key);
    for (size_t i = 0; i < b->count; i++) {
        bool repeats = kept > 0 && str_eq(b->v[kept - 1].key, b->v[i].key);
        if (!repeats)
            b->v[kept++] = b->v[i];
        else if (!first_wins)
            b->v[kept - 1] = b->v[i];
    }
    return (struct value){.kind = VALUE_MAP, .members = b->v, .count = kept};
}

struct value *value_get(const struct value *map, str key)
{
    if (map->kind != VALUE_MAP)
        return NULL;
    size_t low = 0, high = map->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = str_cmp(map->members[middle].key, key);
        if (c == 0)
            return &map->members[middle].value;
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static bool from_json(struct arena *a, const struct json *j, struct value *out, unsigned depth);

static bool list_from_json(struct arena *a, const struct json *j, struct value *out, unsigned depth)
{
    size_t n = json_len(j), i = 0;
    struct json_iter it = {0};
    *out = (struct value){.kind = VALUE_LIST, .count = n};
    out->items = ARENA_ARRAY(a, struct value, n ? n : 1);
    if (!out->items)
        return false;
    while (json_next(j, &it))
        if (!from_json(a, it.value, &out->items[i++], depth))
            return false;
    return true;
}

static bool map_from_json(struct arena *a, const struct json *j, struct value *out, unsigned depth)
{
    size_t n = json_len(j);
    struct map_builder b = {.arena = a, .cap = n ? n : 1};
    struct json_iter it = {0};
    b.v = ARENA_ARRAY(a, struct member, b.cap);
    if (!b.v)
        return false;
    while (json_next(j, &it)) {
        struct value v;
        str key = arena_str(a, it.key);
        if (!key.p || !from_json(a, it.value, &v, depth) || !map_builder_add(&b, key, v))
            return false;
    }
    *out = map_builder_finish(&b, false);
    return true;
}

static bool from_json(struct arena *a, const struct json *j, struct value *out, unsigned depth)
{
    *out = (struct value){.text = STR("")};
    switch (json_kind_of(j)) {
    case JSON_NULL:
        break;
    case JSON_BOOL:
        out->kind = VALUE_BOOL;
        out->truth = json_bool(j);
        break;
    case JSON_NUMBER:
        out->kind = VALUE_NUMBER;
        out->text = arena_str(a, json_text(a, j));
        break;
    case JSON_STRING:
        *out = value_string(arena_str(a, json_str(j)));
        break;
    case JSON_ARRAY:
        return depth > 0 && list_from_json(a, j, out, depth - 1);
    case JSON_OBJECT:
        return depth > 0 && map_from_json(a, j, out, depth - 1);
    }
    return out->text.p != NULL;
}

bool value_from_json(struct arena *a, const struct json *j, struct value *out)
{
    return from_json(a, j, out, VALUE_DEPTH_MAX);
}

/* --- lookup ---------------------------------------------------------------------------------- */

static enum lookup list_index(const struct value *list, str head, size_t *index)
{
    uint64_t i;
    if (list->count == 0 || !str_to_u64(head, &i))
        return LOOKUP_MISSING;
    if (i > INT64_MAX)
        return LOOKUP_PANIC;
    *index = (size_t)i;
    return i < list->count ? LOOKUP_FOUND : LOOKUP_MISSING;
}

enum lookup value_lookup(const struct value *v, str name, const struct value **out, str *rest)
{
    for (;;) {
        *rest = name;
        if (v->kind == VALUE_NULL)
            return LOOKUP_IN_NULL;
        size_t dot = str_find(name, '.');
        bool last = dot == name.n;
        str head = str_slice(name, 0, dot);
        const struct value *next = NULL;
        if (v->kind == VALUE_MAP) {
            next = value_get(v, name);
            if (next)
                last = true;
            else if (!last)
                next = value_get(v, head);
        } else if (v->kind == VALUE_LIST) {
            size_t i = 0;
            enum lookup found = list_index(v, head, &i);
            if (found != LOOKUP_FOUND)
                return found;
            next = &v->items[i];
        }
        if (!next)
            return LOOKUP_MISSING;
        if (last) {
            *out = next;
            return LOOKUP_FOUND;
        }
        v = next;
        name = str_slice(name, dot + 1, name.n);
    }
}

/* --- back to text ---------------------------------------------------------------------------- */

static void json_quoted(struct buf *out, str s)
{
    buf_char(out, '"');
    for (size_t i = 0; i < s.n;) {
        uint32_t c;
        size_t n = utf8_decode(str_slice(s, i, s.n), &c);
        if (n == 0) {
            buf_str_append(out, STR("\\ufffd"));
            i++;
            continue;
        }
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", (char)c);
        else if (c == '\n')
            buf_str_append(out, STR("\\n"));
        else if (c == '\r')
            buf_str_append(out, STR("\\r"));
        else if (c == '\t')
            buf_str_append(out, STR("\\t"));
        else if (c < 0x20 || c == '<' || c == '>' || c == '&' || c == 0x2028 || c == 0x2029)
            buf_printf(out, "\\u%04x", (unsigned)c);
        else
            buf_append(out, s.p + i, n);
        i += n;
    }
    buf_char(out, '"');
}

void value_json(struct buf *out, const struct value *v)
{
    switch (v->kind) {
    case VALUE_NULL:
        buf_str_append(out, STR("null"));
        break;
    case VALUE_BOOL:
        buf_str_append(out, v->truth ? STR("true") : STR("false"));
        break;
    case VALUE_NUMBER:
        buf_str_append(out, v->text);
        break;
    case VALUE_STRING:
        json_quoted(out, v->text);
        break;
    case VALUE_LIST:
        buf_char(out, '[');
        for (size_t i = 0; i < v->count; i++) {
            if (i)
                buf_char(out, ',');
            value_json(out, &v->items[i]);
        }
        buf_char(out, ']');
        break;
    case VALUE_MAP:
        if (v->is_nil) {
            buf_str_append(out, STR("null"));
            break;
        }
        buf_char(out, '{');
        for (size_t i = 0; i < v->count; i++) {
            if (i)
                buf_char(out, ',');
            json_quoted(out, v->members[i].key);
            buf_char(out, ':');
            value_json(out, &v->members[i].value);
        }
        buf_char(out, '}');
        break;
    }
}

str value_to_text(struct arena *a, const struct value *v)
{
    switch (v->kind) {
    case VALUE_NULL:
        return STR("<nil>");
    case VALUE_BOOL:
        return v->truth ? STR("true") : STR("false");
    case VALUE_NUMBER:
    case VALUE_STRING:
        return v->text;
    case VALUE_LIST:
    case VALUE_MAP:
        break;
    }
    struct buf out;
    buf_init(&out, JSON_BYTES_MAX);
    value_json(&out, v);
    str s = buf_ok(&out) ? arena_str(a, buf_str(&out)) : STR_NONE;
    buf_release(&out);
    return s;
}
