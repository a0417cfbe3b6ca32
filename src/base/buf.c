/* buf.c -- the growing byte buffer, and the little-endian records written to and read from it.
 *
 * Invariants: len <= cap <= max; the memory holds cap + 1 bytes, so that a NUL always fits; once
 * `failed` is set nothing more is appended, so that what is there is an unbroken beginning. */
#include "base/buf.h"

#include "base/log.h"

#define CAP_MIN 64
#define SMALL_BYTES_MAX 65536u

void buf_init(struct buf *b, size_t max)
{
    assert(max < SIZE_MAX);
    *b = (struct buf){.max = max};
}

void buf_release(struct buf *b)
{
    free(b->p);
    *b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

static bool grow(struct buf *b, size_t n)
{
    if (b->failed || n > b->max - b->len) {
        b->failed = true;
        return false;
    }
    if (b->p && n <= b->cap - b->len)
        return true;
    size_t cap = b->cap < CAP_MIN ? CAP_MIN : b->cap;
    while (cap < b->len + n)
        cap = cap <= b->max / 2 ? cap * 2 : b->max;
    if (cap > b->max)
        cap = b->max;
    char *p = realloc(b->p, cap + 1);
    if (!p && cap <= SMALL_BYTES_MAX)
        die_of_memory(cap);
    if (!p) {
        b->failed = true;
        return false;
    }
    b->p = p;
    b->cap = cap;
    return true;
}

const char *buf_cstr(struct buf *b)
{
    if (b->failed || !b->p)
        return "";
    b->p[b->len] = '\0';
    return b->p;
}

void buf_append(struct buf *b, const void *p, size_t n)
{
    if (n == 0 || !grow(b, n))
        return;
    memcpy(b->p + b->len, p, n);
    b->len += n;
}

void buf_str_append(struct buf *b, str s)
{
    buf_append(b, s.p, s.n);
}

void buf_char(struct buf *b, char c)
{
    if (!grow(b, 1))
        return;
    b->p[b->len++] = c;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    buf_vprintf(b, fmt, args);
    va_end(args);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    size_t room = b->p ? b->cap - b->len + 1 : 0;
    int n = vsnprintf(room ? b->p + b->len : NULL, room, fmt, args);
    assert(n >= 0);
    if (grow(b, (size_t)n)) {
        if ((size_t)n >= room)
            vsnprintf(b->p + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

void buf_decimal(struct buf *b, uint64_t v)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    buf_append(b, digits + at, sizeof(digits) - at);
}

char *buf_reserve(struct buf *b, size_t n)
{
    return grow(b, n) ? b->p + b->len : NULL;
}

void buf_grew(struct buf *b, size_t n)
{
    assert(!b->failed && n <= b->cap - b->len);
    b->len += n;
}

void buf_consume(struct buf *b, size_t n)
{
    assert(n <= b->len);
    if (n == 0)
        return;
    memmove(b->p, b->p + n, b->len - n);
    b->len -= n;
}

static void append_number(struct buf *b, uint64_t v, size_t bytes)
{
    unsigned char little[8];
    for (size_t i = 0; i < bytes; i++)
        little[i] = (unsigned char)(v >> (8 * i));
    buf_append(b, little, bytes);
}

void buf_u8(struct buf *b, uint8_t v)
{
    append_number(b, v, 1);
}

void buf_u16(struct buf *b, uint16_t v)
{
    append_number(b, v, 2);
}

void buf_u32(struct buf *b, uint32_t v)
{
    append_number(b, v, 4);
}

void buf_u64(struct buf *b, uint64_t v)
{
    append_number(b, v, 8);
}

void buf_blob(struct buf *b, str s)
{
    if (s.n > UINT32_MAX) {
        b->failed = true;
        return;
    }
    buf_u32(b, (uint32_t)s.n);
    buf_str_append(b, s);
}

static const char *read_bytes(struct cursor *c, size_t n)
{
    if (c->failed || n > (size_t)(c->end - c->p)) {
        c->failed = true;
        return NULL;
    }
    const char *p = c->p;
    c->p += n;
    return p;
}

static uint64_t read_number(struct cursor *c, size_t bytes)
{
    const char *p = bytes && c->p ? read_bytes(c, bytes) : NULL;
    uint64_t v = 0;
    if (!p) {
        c->failed = true;
        return 0;
    }
    for (size_t i = 0; i < bytes; i++)
        v |= (uint64_t)(unsigned char)p[i] << (8 * i);
    return v;
}

uint8_t cursor_u8(struct cursor *c)
{
    return (uint8_t)read_number(c, 1);
}

uint16_t cursor_u16(struct cursor *c)
{
    return (uint16_t)read_number(c, 2);
}

uint32_t cursor_u32(struct cursor *c)
{
    return (uint32_t)read_number(c, 4);
}

uint64_t cursor_u64(struct cursor *c)
{
    return read_number(c, 8);
}

str cursor_blob(struct cursor *c)
{
    uint32_t n = cursor_u32(c);
    const char *p = c->failed ? NULL : read_bytes(c, n);
    return p ? str_of(p, n) : STR_NONE;
}
