/* filters.c -- what a value can be passed through in a provider file, beside the built-in filters
 * of base/template.h: digests, keyed digests, and the odd spellings that services sign. */
#include "base/codec.h"
#include "base/json_scan.h"
#include "verify/crypto.h"
#include "verify/reference.h"

/* "sha256", or "hmac-sha256" when *keyed. */
static bool digest_filter(str name, enum digest *out, bool *keyed)
{
    *keyed = str_starts(name, STR("hmac-"));
    str word = *keyed ? str_slice(name, 5, name.n) : name;
    for (size_t i = 0; i < DIGESTS; i++)
        if (str_eq(word, str_from_cstr(digest_words[i]))) {
            *out = (enum digest)i;
            return true;
        }
    return false;
}

static str apply_digest(enum digest d, bool keyed, str in, struct view *w)
{
    uint8_t *out = arena_alloc(w->arena, DIGEST_BYTES_MAX);
    if (!out || (keyed && str_is_empty(w->secret)))
        return STR_NONE;
    if (keyed) {
        struct mac *m = mac_new(d, w->secret);
        mac_add(m, in);
        mac_end(m, out);
        mac_free(m);
    } else {
        digest_of(d, in, out);
    }
    return str_of((const char *)out, digest_bytes(d));
}

/* CRC-32 of ISO 3309, in decimal, as PayPal puts the body into its signed text. */
static str filter_crc32(str in, struct arena *a)
{
    static const uint32_t by_nibble[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
                                           0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
                                           0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                           0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < in.n; i++) {
        uint8_t byte = (uint8_t)in.p[i];
        crc = by_nibble[(crc ^ byte) & 15] ^ crc >> 4;
        crc = by_nibble[(crc ^ byte >> 4) & 15] ^ crc >> 4;
    }
    return arena_printf(a, "%u", crc ^ 0xffffffffu);
}

/* Backslash before '\' and ':': Adyen joins fields with colons. */
static str filter_escape_colons(str in, struct arena *a)
{
    char *out = arena_alloc(a, 2 * in.n + 1);
    size_t n = 0;
    for (size_t i = 0; out && i < in.n; i++) {
        if (in.p[i] == '\\' || in.p[i] == ':')
            out[n++] = '\\';
        out[n++] = in.p[i];
    }
    return out ? str_of(out, n) : STR_NONE;
}

static str filter_reverse(str in, struct arena *a)
{
    char *out = arena_alloc(a, in.n + 1);
    for (size_t i = 0; out && i < in.n; i++)
        out[i] = in.p[in.n - 1 - i];
    return out ? str_of(out, in.n) : STR_NONE;
}

static str filter_url_decode(str in, struct arena *a)
{
    return percent_decode(a, in, false);
}

/* HubSpot signs the URL with these, and only these, decoded. */
static str filter_hubspot_url(str in, struct arena *a)
{
    static const char wanted[] = ":/?@!$'()*,;";
    char *out = arena_alloc(a, in.n + 1);
    size_t n = 0;
    for (size_t i = 0; out && i < in.n; i++) {
        uint8_t byte;
        size_t one;
        if (in.p[i] == '%' && i + 2 < in.n &&
            hex_decode(str_slice(in, i + 1, i + 3), &byte, 1, &one) && byte &&
            strchr(wanted, byte)) {
            out[n++] = (char)byte;
            i += 2;
        } else {
            out[n++] = in.p[i];
        }
    }
    return out ? str_of(out, n) : STR_NONE;
}

static str filter_json_compact(str in, struct arena *a)
{
    struct buf b;
    buf_init(&b, in.n + 1);
    json_scan_compact(&b, in);
    str out = buf_ok(&b) ? arena_str(a, buf_str(&b)) : STR_NONE;
    buf_release(&b);
    return out;
}

static str filter_json_sorted(str in, struct arena *a)
{
    struct buf b;
    struct json_doc *d = json_parse(in, NULL);
    buf_init(&b, in.n + 1);
    bool ok = d && json_scan_sorted(&b, a, in) && buf_ok(&b);
    str out = ok ? arena_str(a, buf_str(&b)) : STR_NONE;
    buf_release(&b);
    json_doc_free(d);
    return out;
}

/* A JSON string as JavaScript's JSON.stringify writes it: our own writer escapes more. */
static str filter_json_string(str in, struct arena *a)
{
    struct buf b;
    if (!utf8_valid(in))
        return STR_NONE;
    buf_init(&b, 6 * in.n + 3);
    buf_char(&b, '"');
    for (size_t i = 0; i < in.n; i++) {
        static const char plain[] = "\b\t\n\f\r\"\\", letters[] = "btnfr\"\\";
        char c = in.p[i];
        const char *at = c ? strchr(plain, c) : NULL;
        if (at)
            buf_printf(&b, "\\%c", letters[at - plain]);
        else if ((unsigned char)c < ' ')
            buf_printf(&b, "\\u%04x", (unsigned)c);
        else
            buf_char(&b, c);
    }
    buf_char(&b, '"');
    str out = buf_ok(&b) ? arena_str(a, buf_str(&b)) : STR_NONE;
    buf_release(&b);
    return out;
}

static str filter_paytm_values(str in, struct arena *a)
{
    return gather_form_values(a, in, STR("CHECKSUMHASH"));
}

static const struct {
    const char *name;
    str (*apply)(str in, struct arena *a);
} filters[] = {
    {"crc32", filter_crc32},
    {"escape-colons", filter_escape_colons},
    {"reverse", filter_reverse},
    {"url-decode", filter_url_decode},
    {"hubspot-url", filter_hubspot_url},
    {"json-compact", filter_json_compact},
    {"json-sorted", filter_json_sorted},
    {"json-string", filter_json_string},
    {"paytm-values", filter_paytm_values},
};

/* The one that needs more of the request than the value. */
static const str connect_filter = {"connect-request", 15};

bool filter_is_known(str name)
{
    enum digest d;
    bool keyed;
    for (size_t i = 0; i < ARRAY_LEN(filters); i++)
        if (str_eq(name, str_from_cstr(filters[i].name)))
            return true;
    return str_eq(name, connect_filter) || digest_filter(name, &d, &keyed);
}

str filter_apply(str name, str in, struct view *w)
{
    enum digest d;
    bool keyed;
    for (size_t i = 0; i < ARRAY_LEN(filters); i++)
        if (str_eq(name, str_from_cstr(filters[i].name)))
            return filters[i].apply(in, w->arena);
    if (str_eq(name, connect_filter))
        return w->req ? gather_connect(w->arena, w->req->method, in) : STR_NONE;
    if (digest_filter(name, &d, &keyed))
        return apply_digest(d, keyed, in, w);
    return template_filter_builtin(name, in, w->arena);
}
