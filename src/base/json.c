/* json.c -- reading JSON: the door to yyjson.
 *
 * struct json_doc is a yyjson_doc and struct json a yyjson_val under another name; the casts
 * between them are in four functions here. Numbers that no 64-bit type holds keep their text
 * ("raw"), so that long ids pass through unharmed. Writing is in json_write.c. */
#include "base/json.h"

#include "base/codec.h"
#include "base/log.h"

#include <limits.h>
#include <math.h>
#include <yyjson.h>

#define NUMBER_TEXT_MAX 512

static yyjson_val *val_of(const struct json *v)
{
    return (yyjson_val *)(uintptr_t)v;
}

static const struct json *json_of(const yyjson_val *v)
{
    return (const struct json *)v;
}

static yyjson_doc *yy_doc(const struct json_doc *d)
{
    return (yyjson_doc *)(uintptr_t)d;
}

/* The values of a document stand in one array, each container before its members, so one pass
 * with the ends of the open containers tells the depth. */
static bool is_too_deep(yyjson_doc *doc)
{
    const yyjson_val *ends[JSON_DEPTH_MAX];
    size_t depth = 0;
    yyjson_val *v = yyjson_doc_get_root(doc);
    const yyjson_val *end = unsafe_yyjson_get_next(v);
    for (; v < end; v++) {
        while (depth > 0 && v >= ends[depth - 1])
            depth--;
        if (!yyjson_is_ctn(v))
            continue;
        if (depth == JSON_DEPTH_MAX)
            return true;
        ends[depth++] = unsafe_yyjson_get_next(v);
    }
    return false;
}

struct json_doc *json_parse(str text, struct reason *why)
{
    yyjson_read_err err;
    char *bytes = (char *)(uintptr_t)(text.p ? text.p : "");
    if (text.n == 0) {
        fail(why, ERR_INVALID, "byte 0: the text is empty, where a JSON value was expected");
        return NULL;
    }
    yyjson_doc *doc = yyjson_read_opts(bytes, text.n, YYJSON_READ_BIGNUM_AS_RAW, NULL, &err);
    /* Not "no JSON": rules would decide otherwise, and nobody would know. */
    if (!doc && err.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        die_of_memory(text.n);
    if (!doc) {
        fail(why, ERR_INVALID, "byte %zu: %s", err.pos, err.msg);
        return NULL;
    }
    if (is_too_deep(doc)) {
        yyjson_doc_free(doc);
        fail(why, ERR_LIMIT, "the JSON is nested deeper than %d levels", JSON_DEPTH_MAX);
        return NULL;
    }
    return (struct json_doc *)doc;
}

/* The value of four hexadecimal digits at s[0..4), or -1. */
static int hex4(str s)
{
    int v = 0;
    if (s.n < 4)
        return -1;
    for (size_t i = 0; i < 4; i++) {
        char c = s.p[i];
        int digit = c >= '0' && c <= '9'                 ? c - '0'
                    : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                         : -1;
        if (digit < 0)
            return -1;
        v = v * 16 + digit;
    }
    return v;
}

/* Copies an escape that begins at s[0] == '\\'; a surrogate without its other half becomes U+FFFD.
 * Returns how many bytes of s were taken. */
static size_t mend_escape(str s, struct buf *out)
{
    int first = s.n > 1 && s.p[1] == 'u' ? hex4(str_slice(s, 2, s.n)) : -1;
    if (first < 0xd800 || first > 0xdfff) {
        size_t n = s.n > 1 && first < 0 ? 2 : s.n > 1 ? 6 : 1;
        buf_append(out, s.p, n);
        return n;
    }
    str after = str_slice(s, 6, s.n);
    int second = str_starts(after, STR("\\u")) ? hex4(str_slice(after, 2, after.n)) : -1;
    if (first < 0xdc00 && second >= 0xdc00 && second <= 0xdfff) {
        buf_append(out, s.p, 12);
        return 12;
    }
    buf_str_append(out, STR("\\ufffd"));
    return 6;
}

/* Broken Unicode in strings is mended; outside of strings it is an error either way. */
static void mend_unicode(str text, struct buf *out)
{
    for (size_t i = 0; i < text.n;) {
        uint32_t c;
        str rest = str_slice(text, i, text.n);
        size_t n = utf8_decode(rest, &c);
        if (n == 1 && c == '\\') {
            i += mend_escape(rest, out);
        } else if (n > 0) {
            buf_append(out, rest.p, n);
            i += n;
        } else {
            buf_str_append(out, STR("\xef\xbf\xbd"));
            i++;
        }
    }
}

struct json_doc *json_parse_first(str text, struct reason *why)
{
    static const yyjson_read_flag flags = YYJSON_READ_STOP_WHEN_DONE | YYJSON_READ_NUMBER_AS_RAW;
    yyjson_read_err err;
    struct buf mended;
    buf_init(&mended, 3 * text.n + 1);
    if (!utf8_valid(text) || str_find_str(text, STR("\\u")) < text.n) {
        mend_unicode(text, &mended);
        text = buf_str(&mended);
    }
    yyjson_doc *doc =
        text.n ? yyjson_read_opts((char *)(uintptr_t)text.p, text.n, flags, NULL, &err) : NULL;
    if (text.n == 0)
        fail(why, ERR_INVALID, "EOF");
    else if (!doc && err.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        die_of_memory(text.n);
    else if (!doc)
        fail(why, ERR_INVALID, "byte %zu: %s", err.pos, err.msg);
    buf_release(&mended);
    return (struct json_doc *)doc;
}

void json_doc_free(struct json_doc *d)
{
    yyjson_doc_free(yy_doc(d));
}

const struct json *json_root(const struct json_doc *d)
{
    return json_of(yyjson_doc_get_root(yy_doc(d)));
}

enum json_kind json_kind_of(const struct json *v)
{
    switch (yyjson_get_type(val_of(v))) {
    case YYJSON_TYPE_BOOL:
        return JSON_BOOL;
    case YYJSON_TYPE_RAW:
    case YYJSON_TYPE_NUM:
        return JSON_NUMBER;
    case YYJSON_TYPE_STR:
        return JSON_STRING;
    case YYJSON_TYPE_ARR:
        return JSON_ARRAY;
    case YYJSON_TYPE_OBJ:
        return JSON_OBJECT;
    default:
        return JSON_NULL;
    }
}

const struct json *json_get(const struct json *object, str key)
{
    return json_of(yyjson_obj_getn(val_of(object), key.p ? key.p : "", key.n));
}

const struct json *json_at(const struct json *array, size_t index)
{
    return json_of(yyjson_arr_get(val_of(array), index));
}

size_t json_len(const struct json *v)
{
    return yyjson_is_ctn(val_of(v)) ? unsafe_yyjson_get_len(val_of(v)) : 0;
}

/* The length of the first step of a path, escapes included. */
static size_t step_length(str path)
{
    size_t n = 0;
    while (n < path.n && path.p[n] != '.')
        n += path.p[n] == '\\' && n + 1 < path.n ? 2 : 1;
    return n;
}

/* Compares a key with a step that holds backslashes. */
static bool step_equals(str step, str key)
{
    size_t k = 0;
    for (size_t i = 0; i < step.n; i++) {
        if (step.p[i] == '\\' && i + 1 < step.n)
            i++;
        if (k == key.n || key.p[k++] != step.p[i])
            return false;
    }
    return k == key.n;
}

static const struct json *walk_step(const struct json *v, str step)
{
    enum json_kind kind = json_kind_of(v);
    uint64_t index;
    if (kind == JSON_ARRAY)
        return str_to_u64(step, &index) ? json_at(v, index) : NULL;
    if (kind != JSON_OBJECT)
        return NULL;
    if (str_find(step, '\\') == step.n)
        return json_get(v, step);
    struct json_iter it = {0};
    while (json_next(v, &it))
        if (step_equals(step, it.key))
            return it.value;
    return NULL;
}

const struct json *json_path(const struct json *v, str path)
{
    while (v && path.n > 0) {
        size_t n = step_length(path);
        v = walk_step(v, str_slice(path, 0, n));
        /* "a." asks for the member "" of a: only the end of the text ends the path. */
        if (n + 1 == path.n)
            return walk_step(v, STR(""));
        path = str_slice(path, n + 1, path.n);
    }
    return v;
}

str json_str(const struct json *v)
{
    if (!yyjson_is_str(val_of(v)))
        return STR_NONE;
    return str_of(unsafe_yyjson_get_str(val_of(v)), unsafe_yyjson_get_len(val_of(v)));
}

bool json_bool(const struct json *v)
{
    return yyjson_get_bool(val_of(v));
}

bool json_i64(const struct json *v, int64_t *out)
{
    yyjson_val *val = val_of(v);
    if (yyjson_is_sint(val))
        *out = yyjson_get_sint(val);
    else if (yyjson_is_uint(val) && yyjson_get_uint(val) <= INT64_MAX)
        *out = (int64_t)yyjson_get_uint(val);
    else
        return false;
    return true;
}

static str raw_of(yyjson_val *val)
{
    return str_of(yyjson_get_raw(val), yyjson_get_len(val));
}

bool json_f64(const struct json *v, double *out)
{
    yyjson_val *val = val_of(v);
    if (yyjson_is_raw(val)) {
        char text[NUMBER_TEXT_MAX];
        str raw = raw_of(val);
        if (raw.n >= sizeof(text))
            return false;
        memcpy(text, raw.p, raw.n);
        text[raw.n] = '\0';
        double value = strtod(text, NULL);
        if (!isfinite(value))
            return false;
        *out = value;
        return true;
    }
    if (!yyjson_is_num(val))
        return false;
    *out = yyjson_get_num(val);
    return true;
}

bool json_next(const struct json *container, struct json_iter *it)
{
    yyjson_val *val = val_of(container);
    bool object = yyjson_is_obj(val);
    /* state[0]: the next key or item; state[1]: how many are left; state[2]: set when begun. */
    if (!it->state[2]) {
        it->state[2] = it->state;
        it->state[1] = (void *)(uintptr_t)json_len(container);
        it->state[0] = json_len(container) ? unsafe_yyjson_get_first(val) : NULL;
    }
    uintptr_t left = (uintptr_t)it->state[1];
    if (left == 0)
        return false;
    yyjson_val *at = it->state[0];
    it->key = object ? json_str(json_of(at)) : STR_NONE;
    if (object)
        at++;
    it->value = json_of(at);
    it->state[0] = unsafe_yyjson_get_next(at);
    it->state[1] = (void *)(left - 1);
    return true;
}

/* --- text --------------------------------------------------------------------------------------
 */

/* A real stays one: 1.0 is not written as 1. */
static void write_real(struct json_writer *w, double v)
{
    size_t before = w->out->len;
    json_number(w, v);
    str text = str_slice(buf_str(w->out), before, w->out->len);
    if (str_find(text, '.') == text.n && str_find(text, 'e') == text.n)
        buf_str_append(w->out, STR(".0"));
}

static void write_scalar(struct json_writer *w, yyjson_val *val)
{
    if (yyjson_is_str(val))
        json_string(w, json_str(json_of(val)));
    else if (yyjson_is_raw(val))
        json_raw(w, raw_of(val));
    else if (yyjson_is_bool(val))
        json_boolean(w, yyjson_get_bool(val));
    else if (yyjson_is_sint(val))
        json_integer(w, yyjson_get_sint(val));
    else if (yyjson_is_uint(val))
        json_unsigned(w, yyjson_get_uint(val));
    else if (yyjson_is_real(val))
        write_real(w, yyjson_get_real(val));
    else
        json_null(w);
}

/* Each level has a writer of its own, because one writer has 64 levels and the value may stand
 * below some already. The depth is at most JSON_DEPTH_MAX. */
static void write_tree(struct buf *out, const struct json *v)
{
    struct json_writer w;
    json_writer_init(&w, out);
    enum json_kind kind = json_kind_of(v);
    if (kind != JSON_ARRAY && kind != JSON_OBJECT) {
        write_scalar(&w, val_of(v));
        return;
    }
    struct json_iter it = {0};
    json_open(&w, kind == JSON_OBJECT ? '{' : '[');
    while (json_next(v, &it)) {
        if (kind == JSON_OBJECT)
            json_key_str(&w, it.key);
        json_raw(&w, STR(""));
        write_tree(out, it.value);
    }
    json_close(&w, kind == JSON_OBJECT ? '}' : ']');
}

void json_value(struct json_writer *w, const struct json *v)
{
    json_raw(w, STR(""));
    write_tree(w->out, v);
}

str json_text(struct arena *a, const struct json *v)
{
    if (!v)
        return STR_NONE;
    if (json_kind_of(v) == JSON_STRING)
        return json_str(v);
    if (json_kind_of(v) == JSON_NULL)
        return STR("");
    if (json_kind_of(v) == JSON_BOOL)
        return json_bool(v) ? STR("true") : STR("false");
    struct buf out;
    buf_init(&out, a->max - a->used);
    write_tree(&out, v);
    str text = buf_ok(&out) ? arena_str(a, buf_str(&out)) : STR_NONE;
    if (!buf_ok(&out))
        a->failed = true;
    buf_release(&out);
    return text;
}
