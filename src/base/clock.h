/* clock.h -- the only source of time. Everything that decides takes `now` or asks a struct clock,
 * so that the engine runs on a fake clock in tests.
 *
 * wall: milliseconds since 1970-01-01 UTC, for what is stored and shown.
 * mono: nanoseconds of a clock that never jumps, for durations and deadlines. */
#ifndef GAFF_BASE_CLOCK_H
#define GAFF_BASE_CLOCK_H

#include "base/str.h"

struct clock {
    int64_t (*wall_ms)(const struct clock *c);
    int64_t (*mono_ns)(const struct clock *c);
};

const struct clock *clock_real(void);

/* A clock that only moves when told to, by one thread while others read it; the first member makes
 * it usable as struct clock. */
struct clock_fake {
    struct clock base;
    _Atomic int64_t wall_ms, mono_ns;
};
void clock_fake_init(struct clock_fake *f, int64_t wall_ms);
void clock_fake_advance(struct clock_fake *f, int64_t ms);

static inline int64_t clock_wall_ms(const struct clock *c)
{
    return c->wall_ms(c);
}
static inline int64_t clock_mono_ns(const struct clock *c)
{
    return c->mono_ns(c);
}

/* RFC 3339 in UTC with milliseconds: "2026-11-23T20:24:11.042Z". */
#define CLOCK_TEXT_MAX 32
str clock_format(int64_t wall_ms, char out[CLOCK_TEXT_MAX]);
/* Reads RFC 3339 with any zone offset, seconds or fractions; false when malformed. */
bool clock_parse(str text, int64_t *wall_ms);
/* RFC 9110 IMF-fixdate "Sun, 06 Nov 1994 08:49:37 GMT", for Date and Retry-After. */
str clock_http_format(int64_t wall_ms, char out[CLOCK_TEXT_MAX]);
bool clock_http_parse(str text, int64_t *wall_ms);
/* "1m", "250ms", "2h", "3d" (one number, one unit ms s m h d) to milliseconds. */
bool clock_duration_parse(str text, int64_t *ms);
/* "41 ms", "3.2 s", "5 m", "2 h": for people. */
str clock_duration_format(int64_t ms, char out[CLOCK_TEXT_MAX]);

#endif
