/* sniff.c -- a table of signatures, tried in order. */
#include "compat/sniff.h"

#define LOOKED_AT 512u

struct signature {
    enum { EXACT, MASKED, TAG } kind;
    str bytes;
    str mask; /* of MASKED */
    bool skip_blanks;
    const char *type;
};

#define S(lit)                                                                                     \
    {                                                                                              \
        (lit), sizeof(lit) - 1                                                                     \
    }
#define HTML(lit)                                                                                  \
    {                                                                                              \
        TAG, S(lit), {NULL, 0}, true, "text/html; charset=utf-8"                                   \
    }
#define PLAIN(lit, type)                                                                           \
    {                                                                                              \
        EXACT, S(lit), {NULL, 0}, false, type                                                      \
    }
static const struct signature signatures[] = {
    HTML("<!DOCTYPE HTML"),
    HTML("<HTML"),
    HTML("<HEAD"),
    HTML("<SCRIPT"),
    HTML("<IFRAME"),
    HTML("<H1"),
    HTML("<DIV"),
    HTML("<FONT"),
    HTML("<TABLE"),
    HTML("<A"),
    HTML("<STYLE"),
    HTML("<TITLE"),
    HTML("<B"),
    HTML("<BODY"),
    HTML("<BR"),
    HTML("<P"),
    HTML("<!--"),
    {MASKED, S("<?xml"), S("\xff\xff\xff\xff\xff"), true, "text/xml; charset=utf-8"},
    PLAIN("%PDF-", "application/pdf"),
    PLAIN("%!PS-Adobe-", "application/postscript"),
    {MASKED, S("\xfe\xff\0\0"), S("\xff\xff\0\0"), false, "text/plain; charset=utf-16be"},
    {MASKED, S("\xff\xfe\0\0"), S("\xff\xff\0\0"), false, "text/plain; charset=utf-16le"},
    {MASKED, S("\xef\xbb\xbf\0"), S("\xff\xff\xff\0"), false, "text/plain; charset=utf-8"},
    PLAIN("\0\0\1\0", "image/x-icon"),
    PLAIN("\0\0\2\0", "image/x-icon"),
    PLAIN("BM", "image/bmp"),
    PLAIN("GIF87a", "image/gif"),
    PLAIN("GIF89a", "image/gif"),
    {MASKED, S("RIFF\0\0\0\0WEBPVP"), S("\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff\xff\xff"), false,
     "image/webp"},
    PLAIN("\x89PNG\r\n\x1a\n", "image/png"),
    PLAIN("\xff\xd8\xff", "image/jpeg"),
    {MASKED, S("FORM\0\0\0\0AIFF"), S("\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff"), false,
     "audio/aiff"},
    PLAIN("ID3", "audio/mpeg"),
    PLAIN("OggS\0", "application/ogg"),
    PLAIN("MThd\0\0\0\6", "audio/midi"),
    {MASKED, S("RIFF\0\0\0\0AVI "), S("\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff"), false,
     "video/avi"},
    {MASKED, S("RIFF\0\0\0\0WAVE"), S("\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff"), false,
     "audio/wave"},
    {MASKED, S("\0\0\0\0ftyp"), S("\0\0\0\0\xff\xff\xff\xff"), false, "video/mp4"},
    PLAIN("\x1a\x45\xdf\xa3", "video/webm"),
    {MASKED, S("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0LP"),
     S("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff"), false,
     "application/vnd.ms-fontobject"},
    PLAIN("\0\1\0\0", "font/ttf"),
    PLAIN("OTTO", "font/otf"),
    PLAIN("ttcf", "font/collection"),
    PLAIN("wOFF", "font/woff"),
    PLAIN("wOF2", "font/woff2"),
    PLAIN("\x1f\x8b\x08", "application/x-gzip"),
    PLAIN("PK\x03\x04", "application/zip"),
    PLAIN("Rar!\x1a\x07\0", "application/x-rar-compressed"),
    PLAIN("Rar!\x1a\x07\x01\0", "application/x-rar-compressed"),
    PLAIN("\0asm", "application/wasm"),
};
#undef PLAIN
#undef HTML
#undef S

static bool masked_equal(const struct signature *s, str body)
{
    if (body.n < s->bytes.n)
        return false;
    for (size_t i = 0; i < s->bytes.n; i++)
        if (((unsigned char)body.p[i] & (unsigned char)s->mask.p[i]) !=
            (unsigned char)s->bytes.p[i])
            return false;
    return true;
}

/* A tag in any letter case, with a blank or its end behind it. */
static bool tag_equal(const struct signature *s, str body)
{
    if (body.n < s->bytes.n + 1 || !str_eq_nocase(str_slice(body, 0, s->bytes.n), s->bytes))
        return false;
    return body.p[s->bytes.n] == ' ' || body.p[s->bytes.n] == '>';
}

/* The box of an MP4 file names its brands. */
static bool is_mp4(str body)
{
    if (body.n < 12)
        return false;
    const unsigned char *p = (const unsigned char *)body.p;
    size_t box = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    if (body.n < box || box % 4 != 0)
        return false;
    for (size_t at = 8; at + 3 <= box; at += 4)
        if (at != 12 && memcmp(body.p + at, "mp4", 3) == 0)
            return true;
    return false;
}

static bool matches(const struct signature *s, str body, str trimmed)
{
    str at = s->skip_blanks ? trimmed : body;
    switch (s->kind) {
    case EXACT:
        return str_starts(at, s->bytes);
    case TAG:
        return tag_equal(s, at);
    case MASKED:
        break;
    }
    return masked_equal(s, at) && (strcmp(s->type, "video/mp4") != 0 || is_mp4(body));
}

str content_sniff(str body)
{
    body = str_slice(body, 0, LOOKED_AT);
    str trimmed = body;
    while (trimmed.n && trimmed.p[0] && strchr("\t\n\f\r ", trimmed.p[0]))
        trimmed = str_slice(trimmed, 1, trimmed.n);
    for (size_t i = 0; i < ARRAY_LEN(signatures); i++)
        if (matches(&signatures[i], body, trimmed))
            return str_from_cstr(signatures[i].type);
    for (size_t i = 0; i < trimmed.n; i++) {
        unsigned char c = (unsigned char)trimmed.p[i];
        if (c <= 0x08 || c == 0x0b || (c >= 0x0e && c <= 0x1a) || (c >= 0x1c && c <= 0x1f))
            return STR("application/octet-stream");
    }
    return STR("text/plain; charset=utf-8");
}
