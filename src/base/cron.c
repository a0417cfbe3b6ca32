/* cron.c -- fields as sets of bits; the next moment by walking minutes of UTC in strides that never
 * pass a change of the zone's offset unseen. */
#include "base/cron.h"

#define YEARS_MAX 8
#define GAP_MINUTES_MAX 180

struct field {
    const char *name;
    unsigned least, most;
    const char *const *words; /* for least, least + 1, ... */
};

static const char *const months[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL",
                                     "AUG", "SEP", "OCT", "NOV", "DEC", NULL};
static const char *const weekdays[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", NULL};
static const struct field fields[] = {{"minute", 0, 59, NULL},
                                      {"hour", 0, 23, NULL},
                                      {"day of month", 1, 31, NULL},
                                      {"month", 1, 12, months},
                                      {"day of week", 0, 7, weekdays}};

static bool read_value(const struct field *f, str s, unsigned *out)
{
    uint64_t n;
    for (unsigned i = 0; f->words && f->words[i]; i++)
        if (str_eq_nocase(s, str_from_cstr(f->words[i]))) {
            *out = f->least + i;
            return true;
        }
    if (s.n > 2 || !str_to_u64(s, &n) || n < f->least || n > f->most)
        return false;
    *out = (unsigned)n;
    return true;
}

/* One of a list: `*`, `7`, `1-5`, each perhaps with a step `/2`. */
static bool read_part(const struct field *f, str part, uint64_t *set)
{
    uint64_t step = 1;
    unsigned from = f->least, to = f->most;
    str range = str_cut(&part, '/');
    bool stepped = part.p != NULL;
    if (stepped && (!str_to_u64(part, &step) || step < 1 || step > f->most))
        return false;
    if (!str_eq(range, STR("*"))) {
        str first = str_cut(&range, '-');
        if (!read_value(f, first, &from))
            return false;
        if (!range.p)
            to = stepped ? f->most : from;
        else if (!read_value(f, range, &to) || to < from)
            return false;
    }
    for (unsigned v = from; v <= to; v += (unsigned)step)
        *set |= UINT64_C(1) << v;
    return true;
}

static enum err read_field(const struct field *f, str text, uint64_t *set, struct reason *why)
{
    str rest = text;
    *set = 0;
    while (rest.p) {
        str part = str_cut(&rest, ',');
        if (!read_part(f, part, set))
            return fail(why, ERR_INVALID,
                        "\"" STR_FMT
                        "\" is no %s of a cron expression: it takes %u to %u, as *, 5, "
                        "1-5, */15 or 1,3",
                        STR_ARG(str_slice(text, 0, 40)), f->name, f->least, f->most);
    }
    return ERR_OK;
}

static str expand_word(str text)
{
    static const struct {
        str word, text;
    } words[] = {{{"@hourly", 7}, {"0 * * * *", 9}},   {{"@daily", 6}, {"0 0 * * *", 9}},
                 {{"@midnight", 9}, {"0 0 * * *", 9}}, {{"@weekly", 7}, {"0 0 * * 0", 9}},
                 {{"@monthly", 8}, {"0 0 1 * *", 9}},  {{"@yearly", 7}, {"0 0 1 1 *", 9}},
                 {{"@annually", 9}, {"0 0 1 1 *", 9}}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq_nocase(text, words[i].word))
            return words[i].text;
    return text;
}

enum err cron_parse(str text, struct cron *out, struct reason *why)
{
    uint64_t sets[ARRAY_LEN(fields)];
    bool any[ARRAY_LEN(fields)];
    str rest = expand_word(str_trim(text));
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        rest = str_trim(rest);
        size_t end = 0;
        while (end < rest.n && rest.p[end] != ' ' && rest.p[end] != '\t')
            end++;
        str word = str_slice(rest, 0, end);
        if (!word.n)
            return fail(why, ERR_INVALID,
                        "a cron expression has five fields (minute hour day month "
                        "weekday), as 0 3 * * *, or is one of @hourly, @daily, "
                        "@weekly, @monthly, @yearly");
        enum err e = read_field(&fields[i], word, &sets[i], why);
        if (e != ERR_OK)
            return e;
        any[i] = word.p[0] == '*';
        rest = str_slice(rest, end, rest.n);
    }
    if (str_trim(rest).n)
        return fail(why, ERR_INVALID, "a cron expression has five fields, not more");
    *out = (struct cron){.minutes = sets[0],
                         .hours = (uint32_t)sets[1],
                         .days = (uint32_t)sets[2],
                         .months = (uint32_t)sets[3],
                         .weekdays = (uint8_t)((sets[4] | sets[4] >> 7) & 0x7f),
                         .any_hour = any[1],
                         .any_day = any[2],
                         .any_weekday = any[4]};
    return ERR_OK;
}

static bool day_matches(const struct cron *c, const struct civil *t)
{
    bool day = c->days >> t->day & 1, weekday = c->weekdays >> t->weekday & 1;
    if (!(c->months >> t->month & 1))
        return false;
    return c->any_day || c->any_weekday ? day && weekday : day || weekday;
}

static bool matches(const struct cron *c, const struct civil *t)
{
    return day_matches(c, t) && (c->hours >> t->hour & 1) && (c->minutes >> t->minute & 1);
}

/* The clock was put back and showed this time before. */
static bool is_repeat(const struct zone *z, int64_t utc_s, int32_t offset)
{
    int32_t before = zone_offset_s(z, utc_s - GAP_MINUTES_MAX * 60);
    if (before <= offset)
        return false;
    int64_t then = utc_s + offset - before;
    return zone_offset_s(z, then) == before;
}

/* The clock was put forward just now, and a wanted time lies in what it left out. */
static bool is_after_gap(const struct cron *c, const struct zone *z, int64_t utc_s, int32_t offset)
{
    int32_t before = zone_offset_s(z, utc_s - 60);
    int64_t skipped = ((int64_t)offset - before) / 60;
    for (int64_t i = 0; i < skipped && i < GAP_MINUTES_MAX; i++) {
        struct civil t = civil_of(utc_s + before + 60 * i);
        if (matches(c, &t))
            return true;
    }
    return false;
}

/* How far the next moment is away at the least, in minutes. */
static int64_t stride(const struct cron *c, const struct civil *t)
{
    if (!day_matches(c, t))
        return 1440 - (int64_t)(t->hour * 60 + t->minute);
    if (!(c->hours >> t->hour & 1))
        return 60 - (int64_t)t->minute;
    return 1;
}

int64_t cron_next(const struct cron *c, const struct zone *z, int64_t after_ms)
{
    int64_t minute = after_ms / 60000 + 1;
    int64_t end = minute + YEARS_MAX * 366 * 1440;
    while (minute < end) {
        int32_t offset = zone_offset_s(z, minute * 60);
        struct civil t = civil_of(minute * 60 + offset);
        if (matches(c, &t) ? c->any_hour || !is_repeat(z, minute * 60, offset)
                           : !c->any_hour && is_after_gap(c, z, minute * 60, offset))
            return minute * 60000;
        int64_t step = stride(c, &t);
        while (step > 1 && zone_offset_s(z, (minute + step) * 60) != offset)
            step /= 2;
        minute += step;
    }
    return 0;
}
