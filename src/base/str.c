/* str.c -- slices: comparing, searching, cutting, numbers, globs, edit distance.
 *
 * Nothing here allocates or writes to the bytes. STR_NONE and an empty slice compare equal; no
 * libc call sees a NULL pointer. Used by every layer. */
#include "base/str.h"

#include <endian.h>
#include <limits.h>

#define DISTANCE_BYTES_MAX 64

str str_from_cstr(const char *cstr)
{
    return cstr ? str_of(cstr, strlen(cstr)) : STR_NONE;
}

static unsigned char lower(char c)
{
    unsigned char u = (unsigned char)c;
    return u >= 'A' && u <= 'Z' ? (unsigned char)(u + ('a' - 'A')) : u;
}

bool str_eq(str a, str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool str_eq_nocase(str a, str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

bool str_starts(str s, str prefix)
{
    return s.n >= prefix.n && str_eq(str_of(s.p, prefix.n), prefix);
}

bool str_ends(str s, str suffix)
{
    return s.n >= suffix.n && str_eq(str_slice(s, s.n - suffix.n, s.n), suffix);
}

int str_cmp(str a, str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;
    if (order)
        return order;
    return a.n == b.n ? 0 : a.n < b.n ? -1 : 1;
}

size_t str_find(str s, char c)
{
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;
    return at ? (size_t)(at - s.p) : s.n;
}

size_t str_find_str(str s, str needle)
{
    if (needle.n == 0)
        return 0;
    const char *at = s.n ? memmem(s.p, s.n, needle.p, needle.n) : NULL;
    return at ? (size_t)(at - s.p) : s.n;
}

str str_slice(str s, size_t from, size_t to)
{
    if (to > s.n)
        to = s.n;
    if (from > to)
        from = to;
    return s.p ? str_of(s.p + from, to - from) : STR_NONE;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

str str_trim(str s)
{
    while (s.n && is_blank(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

str str_cut(str *rest, char sep)
{
    str all = *rest;
    size_t at = str_find(all, sep);
    if (at == all.n) {
        *rest = STR_NONE;
        return all;
    }
    *rest = str_slice(all, at + 1, all.n);
    return str_of(all.p, at);
}

bool str_to_u64(str s, uint64_t *out)
{
    uint64_t value = 0;
    size_t i = 0;
    if (s.n == 0)
        return false;
    for (; i < s.n && i < 19; i++) { /* so many digits fit, whatever they are */
        unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';
        if (digit > 9)
            return false;
        value = value * 10 + digit;
    }
    for (; i < s.n; i++) {
        unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return false;
    }
    *out = value;
    return true;
}

bool str_to_i64(str s, int64_t *out)
{
    bool minus = s.n && s.p[0] == '-';
    uint64_t value;
    if (!str_to_u64(str_slice(s, minus, s.n), &value))
        return false;
    if (value > (uint64_t)INT64_MAX + minus)
        return false;
    *out = minus ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

uint64_t str_hash(str s, uint64_t seed)
{
    const uint64_t prime = 0x100000001b3u;
    uint64_t h = 0xcbf29ce484222325u ^ seed ^ (s.n * 0x9e3779b97f4a7c15u);
    size_t i = 0;
    for (uint64_t word; s.n - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, s.p + i, sizeof(word));
        h = (h ^ word) * prime;
        h ^= h >> 29;
    }
    for (; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * prime;
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdu;
    return h ^ (h >> 33);
}

#define LANES 4u
#define STEP_A 0x9e3779b97f4a7c15u /* odd, so that each step of a lane can be undone */
#define STEP_B 0xd6e8feb86659fd93u

static uint64_t lane_step(uint64_t lane, const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    lane = (lane ^ le64toh(word) * STEP_A) * STEP_B;
    return lane << 29 | lane >> 35;
}

static uint64_t mix(uint64_t h)
{
    h = (h ^ h >> 32) * STEP_B;
    h = (h ^ h >> 29) * STEP_A;
    return h ^ h >> 32;
}

void str_fingerprint(str s, uint8_t out[16])
{
    /* Lanes on their own let the processor work at four words at a time. */
    uint64_t lane[LANES] = {1, 2, 3, 4}, high = s.n, low = ~(uint64_t)s.n;
    char last[8 * LANES] = {0};
    size_t i = 0;
    for (; s.n - i >= sizeof(last); i += sizeof(last))
        for (size_t n = 0; n < LANES; n++)
            lane[n] = lane_step(lane[n], s.p + i + 8 * n);
    if (i < s.n)
        memcpy(last, s.p + i, s.n - i);
    for (size_t n = 0; n < LANES; n++) {
        lane[n] = lane_step(lane[n], last + 8 * n);
        high = mix(high ^ lane[n]);
        low = mix(low + lane[n] * STEP_A);
    }
    uint64_t words[2] = {htole64(high), htole64(low)};
    memcpy(out, words, sizeof(words));
}

static bool part_matches(str part, const char *at)
{
    for (size_t i = 0; i < part.n; i++)
        if (part.p[i] != '?' && part.p[i] != at[i])
            return false;
    return true;
}

/* The first place of part (no '*' inside) in s, or s.n + 1. A part without '?' takes libc's
 * linear search. */
static size_t find_part(str s, str part)
{
    if (part.n > s.n)
        return s.n + 1;
    if (str_find(part, '?') == part.n) {
        size_t at = str_find_str(s, part);
        return at == s.n && part.n ? s.n + 1 : at;
    }
    for (size_t i = 0; i + part.n <= s.n; i++)
        if (part_matches(part, s.p + i))
            return i;
    return s.n + 1;
}

/* The parts between stars are taken from left to right, each at its first place: what an earlier
 * part leaves over is never fewer bytes than with another choice, so nothing is tried twice. */
bool str_glob(str pattern, str s)
{
    size_t star = str_find(pattern, '*');
    if (star == pattern.n)
        return pattern.n == s.n && part_matches(pattern, s.p);
    if (star > s.n || !part_matches(str_slice(pattern, 0, star), s.p))
        return false;
    s = str_slice(s, star, s.n);
    str rest = str_slice(pattern, star + 1, pattern.n);
    for (;;) {
        star = str_find(rest, '*');
        if (star == rest.n)
            return rest.n <= s.n && part_matches(rest, s.p + (s.n - rest.n));
        size_t at = find_part(s, str_slice(rest, 0, star));
        if (at > s.n)
            return false;
        s = str_slice(s, at + star, s.n);
        rest = str_slice(rest, star + 1, rest.n);
    }
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
unsigned str_distance(str a, str b)
{
    unsigned rows[3][DISTANCE_BYTES_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];
    if (a.n > DISTANCE_BYTES_MAX || b.n > DISTANCE_BYTES_MAX)
        return UINT_MAX;
    memset(rows, 0, sizeof(rows));
    for (size_t j = 0; j <= b.n; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= a.n; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.n; j++) {
            unsigned differs = a.p[i - 1] != b.p[j - 1];
            row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + differs);
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        unsigned *spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[b.n];
}
