/* json_write.c -- writing JSON straight into a buf.
 *
 * The writer only minds commas and quoting; brackets and key-value order are the caller's. What
 * would be dangerous in a terminal, a log or an HTML page is written as an escape that a parser
 * turns back into the same text. Reading is in json.c. */
#include "base/json.h"

#include "base/codec.h"

#include <math.h>

#define PLAIN_BYTES_MAX 64u

void json_writer_init(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){.out = out};
}

static uint64_t depth_bit(const struct json_writer *w)
{
    assert(w->depth < 64);
    return UINT64_C(1) << w->depth;
}

/* Before a value or a key: the comma that is due. */
static void begin_item(struct json_writer *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->has_item & depth_bit(w))
        buf_char(w->out, ',');
    w->has_item |= depth_bit(w);
}

void json_open(struct json_writer *w, char bracket)
{
    assert(bracket == '{' || bracket == '[');
    begin_item(w);
    buf_char(w->out, bracket);
    w->depth++;
    w->has_item &= ~depth_bit(w);
}

void json_close(struct json_writer *w, char bracket)
{
    assert((bracket == '}' || bracket == ']') && w->depth > 0 && !w->after_key);
    w->depth--;
    buf_char(w->out, bracket);
}

static bool is_plain_ascii(char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '/';
}

/* The two-character escape of c, or NULL. */
static const char *short_escape(uint32_t c)
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        return NULL;
    }
}

static void append_escaped(struct buf *out, str s)
{
    size_t plain = 0;
    for (size_t i = 0; i < s.n;) {
        if (is_plain_ascii(s.p[i])) {
            i++;
            continue;
        }
        uint32_t c = 0;
        size_t n = utf8_decode(str_slice(s, i, s.n), &c);
        bool closes_tag = c == '/' && i > 0 && s.p[i - 1] == '<';
        if (n && !text_is_unsafe(c) && c != '"' && c != '\\' && !closes_tag) {
            i += n;
            continue;
        }
        buf_append(out, s.p + plain, i - plain);
        const char *two = short_escape(c);
        if (n == 0)
            buf_str_append(out, STR("\xef\xbf\xbd"));
        else if (closes_tag)
            buf_str_append(out, STR("\\/"));
        else if (two)
            buf_append(out, two, 2);
        else
            buf_printf(out, "\\u%04x", c);
        i += n ? n : 1;
        plain = i;
    }
    if (s.n > plain)
        buf_append(out, s.p + plain, s.n - plain);
}

/* Most texts are short and plain: one look at each byte, and one at the buffer. */
static bool append_plain(struct buf *out, str s)
{
    char *p = s.n <= PLAIN_BYTES_MAX ? buf_reserve(out, s.n + 2) : NULL;
    if (!p)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!is_plain_ascii(s.p[i]))
            return false;
        p[i + 1] = s.p[i];
    }
    p[0] = p[s.n + 1] = '"';
    buf_grew(out, s.n + 2);
    return true;
}

static void append_quoted(struct buf *out, str s)
{
    if (append_plain(out, s))
        return;
    buf_char(out, '"');
    append_escaped(out, s);
    buf_char(out, '"');
}

void json_key(struct json_writer *w, const char *key)
{
    json_key_str(w, str_from_cstr(key));
}

void json_key_str(struct json_writer *w, str key)
{
    assert(!w->after_key);
    begin_item(w);
    append_quoted(w->out, key);
    buf_char(w->out, ':');
    w->after_key = true;
}

void json_string(struct json_writer *w, str s)
{
    if (!s.p) {
        json_null(w);
        return;
    }
    begin_item(w);
    append_quoted(w->out, s);
}

void json_integer(struct json_writer *w, int64_t v)
{
    begin_item(w);
    if (v < 0)
        buf_char(w->out, '-');
    buf_decimal(w->out, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void json_unsigned(struct json_writer *w, uint64_t v)
{
    begin_item(w);
    buf_decimal(w->out, v);
}

/* The fewest digits that read back as the same number. */
void json_number(struct json_writer *w, double v)
{
    char text[32] = "null";
    begin_item(w);
    for (int digits = 15; isfinite(v) && digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, v);
        if (!(strtod(text, NULL) < v) && !(strtod(text, NULL) > v))
            break;
    }
    buf_str_append(w->out, str_from_cstr(text));
}

void json_boolean(struct json_writer *w, bool v)
{
    begin_item(w);
    buf_str_append(w->out, v ? STR("true") : STR("false"));
}

void json_null(struct json_writer *w)
{
    begin_item(w);
    buf_str_append(w->out, STR("null"));
}

void json_raw(struct json_writer *w, str json)
{
    begin_item(w);
    buf_str_append(w->out, json);
}

void json_pair(struct json_writer *w, const char *key, str value)
{
    json_key(w, key);
    json_string(w, value);
}

void json_pair_int(struct json_writer *w, const char *key, int64_t value)
{
    json_key(w, key);
    json_integer(w, value);
}

void json_pair_bool(struct json_writer *w, const char *key, bool value)
{
    json_key(w, key);
    json_boolean(w, value);
}
