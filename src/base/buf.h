/* buf.h -- a growing byte buffer born with its maximum.
 *
 * Appending beyond `max` (or without memory for a large one; for want of a small one the program
 * ends, as in arena.h) sets `failed` and drops the bytes: append freely,
 * check buf_ok once at the end. p is NULL while nothing was appended; the bytes are not
 * NUL-terminated unless buf_cstr was called. Not thread-safe. */
#ifndef GAFF_BASE_BUF_H
#define GAFF_BASE_BUF_H

#include "base/str.h"

#include <stdarg.h>

struct buf {
    char *p;
    size_t len, cap, max;
    bool failed;
};

void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b);
void buf_clear(struct buf *b); /* empties and clears `failed`, keeps the memory */
/* A buf over the caller's array of size bytes: never grows, must not be released. */
static inline struct buf buf_over(char *array, size_t size)
{
    assert(size > 0);
    return (struct buf){array, 0, size - 1, size - 1, false};
}
static inline bool buf_ok(const struct buf *b)
{
    return !b->failed;
}
static inline str buf_str(const struct buf *b)
{
    return (str){b->p ? b->p : "", b->len};
}
/* NUL-terminates (not counted in len) and returns the text; "" when empty or failed. */
const char *buf_cstr(struct buf *b);

void buf_append(struct buf *b, const void *p, size_t n);
void buf_str_append(struct buf *b, str s);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list args);
/* v in decimal digits: as "%llu" would, at a fraction of its cost. */
void buf_decimal(struct buf *b, uint64_t v);

/* Room for at least n more bytes at the returned pointer, or NULL (then `failed`); follow with
 * buf_grew. */
char *buf_reserve(struct buf *b, size_t n);
void buf_grew(struct buf *b, size_t n);
/* Drops the first n bytes. */
void buf_consume(struct buf *b, size_t n);

/* Fixed-width little-endian and varint-free binary records (store/record.c). */
void buf_u8(struct buf *b, uint8_t v);
void buf_u16(struct buf *b, uint16_t v);
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
/* u32 length, then the bytes. */
void buf_blob(struct buf *b, str s);

/* A cursor that reads what the functions above wrote; sticky error like buf. */
struct cursor {
    const char *p, *end;
    bool failed;
};
static inline struct cursor cursor_of(str s)
{
    return (struct cursor){s.p, s.p + s.n, false};
}
uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16(struct cursor *c);
uint32_t cursor_u32(struct cursor *c);
uint64_t cursor_u64(struct cursor *c);
str cursor_blob(struct cursor *c); /* points into the source */

#endif
