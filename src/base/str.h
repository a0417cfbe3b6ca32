/* str.h -- a slice: a pointer and a length into bytes that somebody else owns.
 *
 * Slices are passed by value, are not NUL-terminated, and may hold any byte. A missing value is
 * STR_NONE (p == NULL); an empty value has n == 0 and p != NULL. NUL-termination happens at the
 * OS boundary only (arena_cstr). */
#ifndef GAFF_BASE_STR_H
#define GAFF_BASE_STR_H

#include "base/compiler.h"

typedef struct str {
    const char *p;
    size_t n;
} str;

#define STR(lit) ((str){(lit), sizeof(lit) - 1})
#define STR_NONE ((str){NULL, 0})
#define STR_FMT "%.*s"
#define STR_ARG(s) (int)(s).n, (s).p ? (s).p : ""

static inline str str_of(const char *p, size_t n)
{
    return (str){p, n};
}
static inline bool str_is_empty(str s)
{
    return s.n == 0;
}

/* The slice over a C string; STR_NONE for NULL. */
str str_from_cstr(const char *cstr);

/* Byte-wise and ASCII-case-insensitive equality. Never for secrets: see secret.h. */
bool str_eq(str a, str b);
bool str_eq_nocase(str a, str b);
bool str_starts(str s, str prefix);
bool str_ends(str s, str suffix);
/* <0, 0, >0 in byte order. */
int str_cmp(str a, str b);

/* Index of the first `c` (or the first occurrence of needle), or s.n when there is none. */
size_t str_find(str s, char c);
size_t str_find_str(str s, str needle);

/* Clamped: never reaches outside s. */
str str_slice(str s, size_t from, size_t to);
str str_trim(str s); /* spaces, tabs, CR, LF at both ends */

/* Cuts the part before the first `sep` off *rest and returns it; *rest becomes what follows.
 * When there is no `sep`, returns all of *rest and makes it STR_NONE. Loop while (rest.p). */
str str_cut(str *rest, char sep);

/* Decimal digits only: no sign (but '-' for i64), blank, '+', or overflow. */
bool str_to_u64(str s, uint64_t *out);
bool str_to_i64(str s, int64_t *out);

/* FNV-1a style mix good for hash maps that an attacker can't choose the keys of; map.h seeds it. */
uint64_t str_hash(str s, uint64_t seed);

/* 128 bits that tell texts apart: the same on every machine and in every version (it is stored),
 * several times as fast as SHA-256, and no defence against whoever looks for two texts alike. */
void str_fingerprint(str s, uint8_t out[16]);

/* Shell-style glob: '*' any run, '?' any one byte; everything else literal. Linear-time. */
bool str_glob(str pattern, str s);

/* Edit distance for "did you mean"; strings over 64 bytes count as far apart. */
unsigned str_distance(str a, str b);

#endif
