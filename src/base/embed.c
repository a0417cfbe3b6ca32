/* embed.c -- unpacks the texts that travel inside the binary. */
#include "base/embed.h"

static unsigned code_at(size_t i)
{
    const unsigned char *p = packed_codes + i / 2 * 3 + i % 2;
    return i % 2 ? p[0] >> 4 | (unsigned)p[1] << 4 : p[0] | (p[1] & 15u) << 8;
}

/* Writes what a code stands for; returns its end. A pair is made of earlier codes only. */
static char *spell(unsigned code, char *p)
{
    while (code > 255) {
        const unsigned short *pair = packed_pairs[code - 256];
        p = spell(pair[0], p);
        code = pair[1];
    }
    *p = (char)code;
    return p + 1;
}

str packed_text(struct arena *a, const struct packed *file)
{
    char *text = arena_alloc(a, (size_t)file->n + 1);
    if (!text)
        return STR_NONE;
    char *p = text;
    for (size_t at = file->at; p < text + file->n; at++)
        p = spell(code_at(at), p);
    assert(p == text + file->n);
    *p = '\0';
    return str_of(text, file->n);
}
