/* json_scan.c -- walks a JSON text by brackets and quotes alone. Nothing is converted: numbers,
 * escapes and blanks inside strings keep their bytes. */
#include "base/json_scan.h"

#include "base/json.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static str skip_blanks(str s)
{
    size_t i = 0;
    while (i < s.n && is_blank(s.p[i]))
        i++;
    return str_slice(s, i, s.n);
}

/* The length of the string that s begins with, quotes included; 0 when it does not end. */
static size_t string_length(str s)
{
    for (size_t i = 1; i < s.n; i++) {
        if (s.p[i] == '\\')
            i++;
        else if (s.p[i] == '"')
            return i + 1;
    }
    return 0;
}

static size_t container_length(str s)
{
    size_t depth = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '"') {
            size_t n = string_length(str_slice(s, i, s.n));
            if (!n)
                return 0;
            i += n - 1;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX)
                return 0;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

static size_t word_length(str s)
{
    size_t i = 0;
    while (i < s.n && !is_blank(s.p[i]) && !memchr(",:{}[]\"", s.p[i], 7))
        i++;
    return i;
}

str json_scan_value(str text)
{
    str s = skip_blanks(text);
    if (!s.n)
        return STR_NONE;
    size_t n = 0;
    if (s.p[0] == '"')
        n = string_length(s);
    else if (s.p[0] == '{' || s.p[0] == '[')
        n = container_length(s);
    else
        n = word_length(s);
    return n ? str_slice(s, 0, n) : STR_NONE;
}

struct json_scan json_scan_of(str container)
{
    str s = skip_blanks(container);
    bool ok = s.n >= 2 && (s.p[0] == '{' || s.p[0] == '[');
    return (struct json_scan){.rest = ok ? str_slice(s, 1, s.n) : STR_NONE,
                              .is_object = ok && s.p[0] == '{',
                              .failed = !ok};
}

static bool give_up(struct json_scan *it)
{
    it->failed = true;
    it->rest = STR_NONE;
    return false;
}

/* Takes a value off the rest and leaves the rest behind it. */
static bool take_value(struct json_scan *it, str *value)
{
    *value = json_scan_value(it->rest);
    if (!value->p)
        return give_up(it);
    size_t used = (size_t)(value->p - it->rest.p) + value->n;
    it->rest = skip_blanks(str_slice(it->rest, used, it->rest.n));
    return true;
}

bool json_scan_next(struct json_scan *it, str *key, str *value)
{
    if (!it->rest.p)
        return false;
    it->rest = skip_blanks(it->rest);
    if (it->rest.n && it->rest.p[0] == (it->is_object ? '}' : ']')) {
        it->rest = STR_NONE;
        return false;
    }
    if (it->count++) {
        if (!it->rest.n || it->rest.p[0] != ',')
            return give_up(it);
        it->rest = str_slice(it->rest, 1, it->rest.n);
    }
    *key = STR_NONE;
    if (it->is_object) {
        if (!take_value(it, key))
            return false;
        if (key->n < 2 || key->p[0] != '"' || !it->rest.n || it->rest.p[0] != ':')
            return give_up(it);
        *key = str_slice(*key, 1, key->n - 1);
        it->rest = str_slice(it->rest, 1, it->rest.n);
    }
    return take_value(it, value);
}

/* Escapes undone by the parser itself: the value alone is a JSON text. */
str json_scan_text(struct arena *a, str value)
{
    if (!value.n || value.p[0] != '"')
        return value;
    if (str_find(value, '\\') == value.n)
        return value.n >= 2 ? str_slice(value, 1, value.n - 1) : STR_NONE;
    struct json_doc *d = json_parse(value, NULL);
    str text = d ? arena_str(a, json_str(json_root(d))) : STR_NONE;
    json_doc_free(d);
    return text;
}

/* Cuts the first part of a dotted path, with its backslashes undone. */
static str cut_part(struct arena *a, str *path)
{
    char *out = arena_alloc(a, path->n + 1);
    size_t n = 0, i = 0;
    if (!out)
        return STR_NONE;
    for (; i < path->n && path->p[i] != '.'; i++) {
        if (path->p[i] == '\\' && i + 1 < path->n)
            i++;
        out[n++] = path->p[i];
    }
    *path = i < path->n ? str_slice(*path, i + 1, path->n) : STR_NONE;
    return str_of(out, n);
}

static bool is_key(struct arena *a, str raw, str name)
{
    if (str_find(raw, '\\') == raw.n)
        return str_eq(raw, name);
    str text = json_scan_text(a, str_of(raw.p - 1, raw.n + 2));
    return text.p && str_eq(text, name);
}

static str find_member(struct arena *a, str container, str name)
{
    struct json_scan it = json_scan_of(container);
    str key, value, found = STR_NONE;
    uint64_t index = 0, wanted = 0;
    bool by_index = !it.is_object && str_to_u64(name, &wanted);
    while (json_scan_next(&it, &key, &value)) {
        if (it.is_object ? is_key(a, key, name) : by_index && index == wanted) {
            if (found.p)
                return STR_NONE;
            found = value;
        }
        index++;
    }
    return it.failed ? STR_NONE : found;
}

str json_scan_path(struct arena *a, str text, str path)
{
    str at = json_scan_value(text);
    while (at.p && path.p && path.n) {
        str part = cut_part(a, &path);
        at = part.p ? find_member(a, at, part) : STR_NONE;
    }
    return at;
}

void json_scan_compact(struct buf *out, str text)
{
    for (size_t i = 0; i < text.n;) {
        size_t from = i;
        if (text.p[i] == '"') {
            size_t n = string_length(str_slice(text, i, text.n));
            i = n ? i + n : text.n;
        } else {
            while (i < text.n && text.p[i] != '"' && !is_blank(text.p[i]))
                i++;
        }
        buf_append(out, text.p + from, i - from);
        while (i < text.n && is_blank(text.p[i]))
            i++;
    }
}

struct member {
    str key, value;
};

static int by_key(const void *a, const void *b)
{
    return str_cmp(((const struct member *)a)->key, ((const struct member *)b)->key);
}

static bool sorted_at(struct buf *out, struct arena *a, str value, unsigned depth);

static bool sorted_object(struct buf *out, struct arena *a, struct json_scan *it, unsigned depth)
{
    size_t count = 0, cap = 0;
    struct member *v = NULL;
    str key, value;
    while (json_scan_next(it, &key, &value)) {
        if (count == cap) {
            cap = cap ? 2 * cap : 16;
            struct member *more = cap <= JSON_SORT_MAX ? ARENA_ARRAY(a, struct member, cap) : NULL;
            if (!more)
                return false;
            if (count)
                memcpy(more, v, count * sizeof(*v));
            v = more;
        }
        v[count++] = (struct member){key, value};
    }
    if (count)
        qsort(v, count, sizeof(*v), by_key);
    buf_char(out, '{');
    bool ok = !it->failed;
    for (size_t i = 0; ok && i < count; i++) {
        buf_printf(out, "%s\"", i ? "," : "");
        buf_str_append(out, v[i].key);
        buf_str_append(out, STR("\":"));
        ok = sorted_at(out, a, v[i].value, depth + 1);
    }
    buf_char(out, '}');
    return ok;
}

static bool sorted_at(struct buf *out, struct arena *a, str value, unsigned depth)
{
    if (depth > JSON_DEPTH_MAX)
        return false;
    if (value.p[0] != '{' && value.p[0] != '[') {
        buf_str_append(out, value);
        return true;
    }
    struct json_scan it = json_scan_of(value);
    str key, item;
    if (it.is_object)
        return sorted_object(out, a, &it, depth);
    buf_char(out, '[');
    bool ok = true;
    for (size_t i = 0; ok && json_scan_next(&it, &key, &item); i++) {
        if (i)
            buf_char(out, ',');
        ok = sorted_at(out, a, item, depth + 1);
    }
    buf_char(out, ']');
    return ok && !it.failed;
}

bool json_scan_sorted(struct buf *out, struct arena *a, str text)
{
    str value = json_scan_value(text);
    return value.p && sorted_at(out, a, value, 0);
}
