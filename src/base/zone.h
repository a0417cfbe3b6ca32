/* zone.h -- local time: the offset of a named zone from UTC at a moment, from the machine's zone
 * files (RFC 9636), and days of the calendar. Pure but for reading the file once. */
#ifndef GAFF_BASE_ZONE_H
#define GAFF_BASE_ZONE_H

#include "base/arena.h"
#include "base/err.h"

struct zone; /* in the arena; immutable */

/* "Europe/Berlin"; "UTC" needs no file. NULL with a reason. */
const struct zone *zone_load(struct arena *a, str name, struct reason *why);
/* The same from a file's bytes, for tests and fuzzers. */
const struct zone *zone_parse(struct arena *a, str bytes, struct reason *why);
/* Seconds to add to UTC (seconds since 1970) for local time. */
int32_t zone_offset_s(const struct zone *z, int64_t utc_s);

struct civil {
    int64_t year;
    unsigned month, day, hour, minute, weekday; /* 1..12, 1..31, 0..23, 0..59, 0 is Sunday */
};
struct civil civil_of(int64_t local_s);
/* Days since 1970-01-01. */
int64_t civil_days(int64_t year, unsigned month, unsigned day);

#endif
