/* cron.h -- cron expressions: five fields (minute, hour, day of month, month, day of week) with
 * lists, ranges, steps and English names, or @hourly, @daily, @weekly, @monthly, @yearly. Days
 * match when either field of days does, if both are given. Pure.
 *
 * In a zone with summer time a moment that is skipped comes right after the gap, and one that comes
 * twice happens the first time only (unless every hour is asked for). */
#ifndef GAFF_BASE_CRON_H
#define GAFF_BASE_CRON_H

#include "base/zone.h"

struct cron {
    uint64_t minutes;
    uint32_t hours, days, months;
    uint8_t weekdays;
    bool any_hour, any_day, any_weekday;
};

enum err cron_parse(str text, struct cron *out, struct reason *why) MUST_USE;
/* The first moment after that (milliseconds since 1970, a whole minute); 0 when there is none
 * within eight years (February 30th). */
int64_t cron_next(const struct cron *c, const struct zone *z, int64_t after_ms);

#endif
