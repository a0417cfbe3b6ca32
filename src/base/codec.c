/* codec.c -- hex, base64, percent-encoding, UTF-8.
 *
 * The decoders of hex and base64 see signatures and keys: a digit's value is computed by
 * arithmetic on all ranges, not looked up by the secret byte. */
#include "base/codec.h"

static const char hex_digits[] = "0123456789abcdef";

void hex_encode(const void *in, size_t n, char *out)
{
    const unsigned char *p = in;
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = hex_digits[p[i] >> 4];
        out[2 * i + 1] = hex_digits[p[i] & 15];
    }
}

/* All ones when low <= c <= high, else zero. */
static unsigned in_range(unsigned c, unsigned low, unsigned high)
{
    return (((c - low) | (high - c)) >> 31) - 1;
}

/* Above 255 when c is no digit. */
static unsigned hex_value(unsigned c)
{
    unsigned plus_one = (in_range(c, '0', '9') & (c - '0' + 1)) |
                        (in_range(c, 'a', 'f') & (c - 'a' + 11)) |
                        (in_range(c, 'A', 'F') & (c - 'A' + 11));
    return plus_one - 1;
}

bool hex_decode(str in, uint8_t *out, size_t out_max, size_t *out_n)
{
    unsigned bad = 0;
    if (in.n % 2 || in.n / 2 > out_max)
        return false;
    for (size_t i = 0; i < in.n; i += 2) {
        unsigned high = hex_value((unsigned char)in.p[i]);
        unsigned low = hex_value((unsigned char)in.p[i + 1]);
        bad |= high | low;
        out[i / 2] = (uint8_t)(high << 4 | (low & 15));
    }
    if (bad > 15)
        return false;
    *out_n = in.n / 2;
    return true;
}

/* --- base64 ------------------------------------------------------------------------------------
 */

/* The digit of a 6-bit value; c62 and c63 tell the two alphabets apart. */
static char base64_digit(unsigned v, char c62, char c63)
{
    unsigned c = (in_range(v, 0, 25) & (v + 'A')) | (in_range(v, 26, 51) & (v - 26 + 'a')) |
                 (in_range(v, 52, 61) & (v - 52 + '0')) |
                 (in_range(v, 62, 62) & (unsigned char)c62) |
                 (in_range(v, 63, 63) & (unsigned char)c63);
    return (char)c;
}

/* Above 255 when c is no digit. */
static unsigned base64_value(unsigned c, char c62, char c63)
{
    unsigned sixty_two = (unsigned char)c62, sixty_three = (unsigned char)c63;
    unsigned plus_one =
        (in_range(c, 'A', 'Z') & (c - 'A' + 1)) | (in_range(c, 'a', 'z') & (c - 'a' + 27)) |
        (in_range(c, '0', '9') & (c - '0' + 53)) | (in_range(c, sixty_two, sixty_two) & 63) |
        (in_range(c, sixty_three, sixty_three) & 64);
    return plus_one - 1;
}

static size_t encode64(const void *in, size_t n, char *out, char c62, char c63)
{
    const unsigned char *p = in;
    size_t len = 0;
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i < 3 ? n - i : 3;
        unsigned group = (unsigned)p[i] << 16;
        if (left > 1)
            group |= (unsigned)p[i + 1] << 8;
        if (left > 2)
            group |= p[i + 2];
        for (size_t d = 0; d <= left; d++)
            out[len++] = base64_digit(group >> (18 - 6 * d) & 63, c62, c63);
    }
    return len;
}

size_t base64_encode(const void *in, size_t n, char *out)
{
    size_t len = encode64(in, n, out, '+', '/');
    while (len % 4)
        out[len++] = '=';
    return len;
}

size_t base64url_encode(const void *in, size_t n, char *out)
{
    return encode64(in, n, out, '-', '_');
}

static bool decode64(str in, uint8_t *out, size_t out_max, size_t *out_n, char c62, char c63)
{
    size_t digits = in.n;
    while (digits > 0 && in.n - digits < 2 && in.p[digits - 1] == '=')
        digits--;
    if ((digits < in.n && in.n % 4) || digits % 4 == 1)
        return false;
    size_t len = digits / 4 * 3 + digits % 4 * 3 / 4;
    if (len > out_max)
        return false;
    unsigned bad = 0, bits = 0, waiting = 0;
    size_t at = 0;
    for (size_t i = 0; i < digits; i++) {
        unsigned v = base64_value((unsigned char)in.p[i], c62, c63);
        bad |= v;
        bits = bits << 6 | (v & 63);
        waiting += 6;
        if (waiting < 8)
            continue;
        waiting -= 8;
        out[at++] = (uint8_t)(bits >> waiting);
        bits &= (1u << waiting) - 1;
    }
    assert(at == len);
    if (bad > 63 || bits != 0)
        return false;
    *out_n = len;
    return true;
}

bool base64_decode(str in, uint8_t *out, size_t out_max, size_t *out_n)
{
    return decode64(in, out, out_max, out_n, '+', '/');
}

bool base64url_decode(str in, uint8_t *out, size_t out_max, size_t *out_n)
{
    return decode64(in, out, out_max, out_n, '-', '_');
}

/* --- percent-encoding --------------------------------------------------------------------------
 */

str percent_decode(struct arena *a, str in, bool plus)
{
    bool plain = str_find(in, '%') == in.n && !(plus && str_find(in, '+') < in.n);
    if (plain)
        return in;
    char *out = arena_alloc(a, in.n);
    size_t len = 0, one;
    if (!out)
        return STR_NONE;
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];
        if (c == '%') {
            uint8_t byte = 0;
            if (in.n - i < 3 || !hex_decode(str_slice(in, i + 1, i + 3), &byte, 1, &one))
                return STR_NONE;
            out[len++] = (char)byte;
            i += 2;
        } else {
            out[len++] = plus && c == '+' ? ' ' : c;
        }
    }
    return str_of(out, len);
}

static const char upper[] = "0123456789ABCDEF";

static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void percent_encode(struct buf *out, str in)
{
    for (size_t i = 0; i < in.n; i++) {
        unsigned char c = (unsigned char)in.p[i];
        if (is_unreserved(c)) {
            buf_char(out, (char)c);
        } else {
            char text[3] = {'%', upper[c >> 4], upper[c & 15]};
            buf_append(out, text, sizeof(text));
        }
    }
}

str percent_encode_but(struct arena *a, str in, bool (*is_plain)(unsigned char c))
{
    char *out = arena_alloc(a, in.n * 3 + 1);
    size_t n = 0;
    if (!out)
        return STR_NONE;
    for (size_t i = 0; i < in.n; i++) {
        unsigned char c = (unsigned char)in.p[i];
        if (is_plain(c)) {
            out[n++] = (char)c;
            continue;
        }
        out[n++] = '%';
        out[n++] = upper[c >> 4];
        out[n++] = upper[c & 15];
    }
    return str_of(out, n);
}

/* --- UTF-8 -------------------------------------------------------------------------------------
 */

size_t utf8_decode(str s, uint32_t *code_point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (s.n == 0)
        return 0;
    unsigned char first = (unsigned char)s.p[0];
    if (first < 0x80) {
        *code_point = first;
        return 1;
    }
    size_t n = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || s.n < n)
        return 0;
    uint32_t v = first & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c & 0xc0) != 0x80)
            return 0;
        v = v << 6 | (c & 0x3f);
    }
    if (v < least[n] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
        return 0;
    *code_point = v;
    return n;
}

bool utf8_valid(str s)
{
    const uint64_t high_bits = 0x8080808080808080u;
    for (size_t i = 0; i < s.n;) {
        uint64_t word;
        if (s.n - i >= sizeof(word)) {
            memcpy(&word, s.p + i, sizeof(word));
            if (!(word & high_bits)) {
                i += sizeof(word);
                continue;
            }
        }
        uint32_t code_point;
        size_t n = utf8_decode(str_slice(s, i, s.n), &code_point);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

bool text_is_unsafe(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x61c || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

void text_escape(struct buf *out, str s, size_t max)
{
    size_t i = 0, plain = 0;
    while (i < s.n) {
        uint32_t c = (unsigned char)s.p[i];
        if (c - 0x20 < 0x5f && i < max) { /* printable ASCII: nearly all there is */
            i++;
            continue;
        }
        size_t n = utf8_decode(str_slice(s, i, s.n), &c);
        size_t width = n ? n : 1;
        if (width > max - i)
            break;
        if (n && !text_is_unsafe(c)) {
            i += n;
            continue;
        }
        buf_append(out, s.p + plain, i - plain);
        if (n > 1)
            buf_printf(out, "\\u%04x", c);
        else
            buf_printf(out, "\\x%02x", (unsigned char)s.p[i]);
        i += width;
        plain = i;
    }
    if (i > plain)
        buf_append(out, s.p + plain, i - plain);
    if (i < s.n)
        buf_str_append(out, STR("..."));
}
