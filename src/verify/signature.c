/* signature.c -- reads signatures out of a header's value, and writes one.
 *
 * Signatures are compared decoded, so that two spellings of the same bytes cannot differ and a
 * cut one is not a shorter secret. A sender that rotates keys sends several; all well-formed ones
 * are candidates. */
#include "base/codec.h"
#include "verify/scheme.h"

const char *const encoding_words[] = {"hex",        "base64",          "base64url", "raw",
                                      "base64-hex", "base64-unpadded", NULL};

/* A received signature is no secret, so tables may be used: base/codec.h decodes without them, for
 * secrets, at several times the cost. An entry is the digit's value plus one, or zero. */
static const uint8_t hex_digits[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

static const uint8_t base64_digits[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

/* What is no digit shows in the end: a branch a digit costs more than the digits. */
static bool decode_hex(str in, uint8_t *out, size_t out_max, size_t *n)
{
    unsigned missing = 0;
    if (in.n % 2 || in.n / 2 > out_max)
        return false;
    for (size_t i = 0; i < in.n; i += 2) {
        unsigned high = hex_digits[(uint8_t)in.p[i]] - 1u;
        unsigned low = hex_digits[(uint8_t)in.p[i + 1]] - 1u;
        missing |= high | low;
        out[i / 2] = (uint8_t)(high << 4 | (low & 15));
    }
    *n = in.n / 2;
    return missing < 16;
}

static inline uint32_t base64_group(const char *p, unsigned *missing)
{
    unsigned a = base64_digits[(uint8_t)p[0]] - 1u, b = base64_digits[(uint8_t)p[1]] - 1u;
    unsigned c = base64_digits[(uint8_t)p[2]] - 1u, d = base64_digits[(uint8_t)p[3]] - 1u;
    *missing |= a | b | c | d;
    return a << 18 | b << 12 | c << 6 | d;
}

/* RFC 4648 section 4 with its padding, and zero in the spare bits: one spelling a signature. */
static bool decode_base64(str in, uint8_t *out, size_t out_max, size_t *n)
{
    size_t pad = 0, len = 0;
    unsigned missing = 0;
    while (pad < 2 && pad < in.n && in.p[in.n - 1 - pad] == '=')
        pad++;
    if (in.n == 0 || in.n % 4 || in.n / 4 * 3 - pad > out_max)
        return false;
    size_t whole = pad ? in.n - 4 : in.n;
    for (size_t i = 0; i < whole; i += 4, len += 3) {
        uint32_t bits = base64_group(in.p + i, &missing);
        out[len] = (uint8_t)(bits >> 16);
        out[len + 1] = (uint8_t)(bits >> 8);
        out[len + 2] = (uint8_t)bits;
    }
    if (pad) {
        char last[4] = {in.p[whole], in.p[whole + 1], pad == 1 ? in.p[whole + 2] : 'A', 'A'};
        uint32_t bits = base64_group(last, &missing);
        if (bits & (pad == 1 ? 0xffu : 0xffffu))
            return false;
        out[len++] = (uint8_t)(bits >> 16);
        if (pad == 1)
            out[len++] = (uint8_t)(bits >> 8);
    }
    *n = len;
    return missing < 64;
}

/* Whole groups as ever; of the last one what is there. */
static bool decode_bare(str in, uint8_t *out, size_t out_max, size_t *n)
{
    char last[4] = "====";
    size_t whole = in.n - in.n % 4, more = 0;
    *n = 0;
    if (in.n == 0 || in.n % 4 == 1 || str_find(in, '=') < in.n ||
        (whole && !decode_base64(str_slice(in, 0, whole), out, out_max, n)))
        return false;
    memcpy(last, in.p + whole, in.n - whole);
    if (whole < in.n && !decode_base64(str_of(last, 4), out + *n, out_max - *n, &more))
        return false;
    *n += more;
    return true;
}

static bool decode(enum encoding e, str in, uint8_t *out, size_t out_max, size_t *n)
{
    switch (e) {
    case ENCODING_HEX:
        return decode_hex(in, out, out_max, n);
    case ENCODING_BASE64:
        return decode_base64(in, out, out_max, n);
    case ENCODING_BASE64URL:
        return base64url_decode(in, out, out_max, n);
    case ENCODING_BASE64_HEX:
        return decode_base64(in, out, out_max, n) &&
               decode_hex(str_of((const char *)out, *n), out, out_max, n);
    case ENCODING_BASE64_BARE:
        return decode_bare(in, out, out_max, n);
    case ENCODING_RAW:
        break;
    }
    return false;
}

static void add_one(struct candidates *c, const struct signature_rule *r, str text, size_t bytes)
{
    c->offered++;
    if (c->count == VERIFY_CANDIDATES_MAX)
        return;
    str begin = str_slice(text, 0, r->prefix.n);
    if (r->prefix_nocase ? !str_eq_nocase(begin, r->prefix) : !str_starts(text, r->prefix))
        return;
    text = str_slice(text, r->prefix.n, text.n);
    if (r->prefix_nocase)
        text = str_trim(text);
    if (r->strip.n && str_starts(text, r->strip))
        text = str_slice(text, r->strip.n, text.n);
    if (text.n == 0)
        return;
    if (r->encoding == ENCODING_RAW) {
        c->v[c->count++] = text;
        return;
    }
    size_t room = CANDIDATE_BYTES_MAX - c->used, n = 0;
    uint8_t *out = c->bytes + c->used;
    /* The digits of base64-hex need twice the room on their way. */
    size_t most = r->encoding == ENCODING_BASE64_HEX ? 2 * bytes : bytes;
    if (!decode(r->encoding, text, out, most && most < room ? most : room, &n) ||
        (bytes && n != bytes) || n == 0)
        return;
    c->v[c->count++] = str_of((const char *)out, n);
    c->used += n;
}

static bool cut_picked(const struct signature_rule *r, str *part)
{
    for (size_t i = 0; i < r->pick_count; i++)
        if (field_cut(part, r->pick[i], r->fields.assign))
            return true;
    return false;
}

str signature_unwrap(const struct signature_rule *r, struct arena *a, str value)
{
    uint8_t *bytes = arena_alloc(a, value.n + 1);
    size_t n;
    if (!bytes || !base64_decode(value, bytes, value.n + 1, &n))
        return STR_NONE;
    str text = str_of((const char *)bytes, n), member = STR_NONE;
    if (!r->member.n)
        return text;
    struct json_doc *d = json_parse(text, NULL);
    if (d && json_lookup(a, json_root(d), r->member, &member) == PRESENT)
        member = arena_str(a, member);
    else
        member = STR_NONE;
    json_doc_free(d);
    return member;
}

void candidates_add(struct candidates *c, const struct signature_rule *r, str value, size_t bytes)
{
    if (!r->fields.separator) {
        add_one(c, r, value, bytes);
        return;
    }
    while (value.p) {
        str one = str_trim(str_cut(&value, r->fields.separator));
        if (!r->fields.assign) {
            if (one.n)
                add_one(c, r, one, bytes);
            continue;
        }
        if (cut_picked(r, &one))
            add_one(c, r, one, bytes);
    }
}

static str encode(enum encoding e, str in, struct arena *a)
{
    static const str names[] = {{"hex", 3}, {"base64", 6}, {"base64url", 9}};
    if (e == ENCODING_BASE64_HEX) {
        str hex = template_filter_builtin(names[ENCODING_HEX], in, a);
        return hex.p ? template_filter_builtin(names[ENCODING_BASE64], hex, a) : STR_NONE;
    }
    if (e == ENCODING_BASE64_BARE) {
        str text = template_filter_builtin(names[ENCODING_BASE64], in, a);
        while (str_ends(text, STR("=")))
            text.n--;
        return text;
    }
    return e == ENCODING_RAW ? in : template_filter_builtin(names[e], in, a);
}

str signature_write(const struct signature_rule *r, struct arena *a, str signature, str ts_field,
                    str ts)
{
    str text = encode(r->encoding, signature, a);
    if (!text.p)
        return STR_NONE;
    str head = STR("");
    if (!r->fields.assign) { /* a time among parts without names is the first of them */
        if (ts_field.n)
            head = arena_printf(a, STR_FMT "%c", STR_ARG(ts), r->fields.separator);
        return arena_printf(a, STR_FMT STR_FMT STR_FMT, STR_ARG(head), STR_ARG(r->prefix),
                            STR_ARG(text));
    }
    if (ts_field.n)
        head = arena_printf(a, STR_FMT "%c" STR_FMT "%c", STR_ARG(ts_field), r->fields.assign,
                            STR_ARG(ts), r->fields.separator);
    return arena_printf(a, STR_FMT STR_FMT "%c" STR_FMT STR_FMT, STR_ARG(head), STR_ARG(r->pick[0]),
                        r->fields.assign, STR_ARG(r->prefix), STR_ARG(text));
}
