/* secret.h -- bytes that must not leak: constant-time compare, wiped on release, no way to print.
 */
#ifndef GAFF_BASE_SECRET_H
#define GAFF_BASE_SECRET_H

#include "base/str.h"

struct secret {
    uint8_t *bytes; /* owned */
    size_t n;
};

/* Copies; aborts when out of memory. */
void secret_init(struct secret *s, str bytes);
void secret_release(struct secret *s);               /* wipes; accepts a zeroed struct */
static inline str secret_str(const struct secret *s) /* for the verifier only */
{
    return (str){(const char *)s->bytes, s->n};
}

/* Time depends on the lengths only. Unequal lengths are unequal. */
bool secret_equal(const void *a, size_t a_n, const void *b, size_t b_n);
void secret_wipe(void *p, size_t n);

#endif
