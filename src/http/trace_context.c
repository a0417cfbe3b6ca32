/* trace_context.c -- what an outsider may have written there is copied into our own requests, so
 * only the characters that the grammar allows come through. */
#include "http/trace_context.h"

#include "base/codec.h"

#define VERSION_00_LENGTH 55
#define KEY_MAX 256
#define VALUE_MAX 256

/* Lower-case alone: section 3.2.2.3. */
static bool hex_field(str text, uint8_t *out, size_t n)
{
    size_t got = 0;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] >= 'A' && text.p[i] <= 'F')
            return false;
    return hex_decode(text, out, n, &got) && got == n;
}

static bool is_zero(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i])
            return false;
    return true;
}

bool traceparent_parse(str text, struct trace_context *out)
{
    uint8_t version, flags;
    text = str_trim(text);
    if (text.n < VERSION_00_LENGTH || text.p[2] != '-' || text.p[35] != '-' || text.p[52] != '-')
        return false;
    if (!hex_field(str_slice(text, 0, 2), &version, 1) || version == 0xff)
        return false;
    if (text.n > VERSION_00_LENGTH && (version == 0 || text.p[VERSION_00_LENGTH] != '-'))
        return false;
    if (!hex_field(str_slice(text, 3, 35), out->trace_id, sizeof(out->trace_id)) ||
        !hex_field(str_slice(text, 36, 52), out->span_id, sizeof(out->span_id)) ||
        !hex_field(str_slice(text, 53, 55), &flags, 1))
        return false;
    out->sampled = flags & 1;
    return !is_zero(out->trace_id, sizeof(out->trace_id)) &&
           !is_zero(out->span_id, sizeof(out->span_id));
}

str traceparent_format(const struct trace_context *c, char out[TRACEPARENT_MAX])
{
    memcpy(out, "00-", 3);
    hex_encode(c->trace_id, sizeof(c->trace_id), out + 3);
    out[35] = '-';
    hex_encode(c->span_id, sizeof(c->span_id), out + 36);
    memcpy(out + 52, c->sampled ? "-01" : "-00", 4);
    return str_of(out, VERSION_00_LENGTH);
}

static bool is_key(str key)
{
    if (key.n == 0 || key.n > KEY_MAX)
        return false;
    for (size_t i = 0; i < key.n; i++) {
        char c = key.p[i];
        bool first = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!first && (i == 0 || !memchr("_-*/@", c, 5)))
            return false;
    }
    return true;
}

static bool is_value(str value)
{
    if (value.n == 0 || value.n > VALUE_MAX)
        return false;
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] < 0x20 || value.p[i] > 0x7e || value.p[i] == ',' || value.p[i] == '=')
            return false;
    return true;
}

bool tracestate_add(struct buf *out, size_t *count, str field)
{
    while (field.p) {
        str member = str_trim(str_cut(&field, ',')), value = member;
        if (member.n == 0)
            continue;
        str key = str_cut(&value, '=');
        if (++*count > TRACESTATE_MEMBERS || !is_key(key) || !value.p || !is_value(value))
            return false;
        if (out->len)
            buf_char(out, ',');
        buf_str_append(out, member);
    }
    return buf_ok(out);
}
