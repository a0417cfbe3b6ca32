/* clock.c -- the real and the fake clock, and times and durations as text.
 *
 * Dates are computed by arithmetic on days since 1970 in the proleptic Gregorian calendar: no time
 * zone, no locale, no static state. Years outside 0000-9999 have no text form and are clamped. */
#include "base/clock.h"

#include <ctype.h>

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define TEXT_MIN_MS INT64_C(-62167219200000) /* 0000-01-01T00:00:00.000Z */
#define TEXT_MAX_MS INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

static const char *const day_names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                        "Thursday", "Friday", "Saturday"};
static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

static int64_t real_wall_ms(const struct clock *c)
{
    struct timespec t;
    UNUSED(c);
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t real_mono_ns(const struct clock *c)
{
    struct timespec t;
    UNUSED(c);
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

const struct clock *clock_real(void)
{
    static const struct clock real = {real_wall_ms, real_mono_ns};
    return &real;
}

static int64_t fake_wall_ms(const struct clock *c)
{
    return CONTAINER_OF(c, const struct clock_fake, base)->wall_ms;
}

static int64_t fake_mono_ns(const struct clock *c)
{
    return CONTAINER_OF(c, const struct clock_fake, base)->mono_ns;
}

void clock_fake_init(struct clock_fake *f, int64_t wall_ms)
{
    *f = (struct clock_fake){{fake_wall_ms, fake_mono_ns}, wall_ms, 0};
}

void clock_fake_advance(struct clock_fake *f, int64_t ms)
{
    f->wall_ms += ms;
    f->mono_ns += ms * 1000000;
}

struct civil {
    int year, month, day, hour, minute, second, ms;
    int weekday; /* 0 is Sunday */
};

/* Years begin in March here, so that the leap day is the last of its year. */
static int64_t days_from_civil(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static struct civil civil_of(int64_t wall_ms)
{
    if (wall_ms < TEXT_MIN_MS)
        wall_ms = TEXT_MIN_MS;
    if (wall_ms > TEXT_MAX_MS)
        wall_ms = TEXT_MAX_MS;
    int64_t days = (wall_ms - TEXT_MIN_MS) / DAY_MS + TEXT_MIN_MS / DAY_MS;
    int64_t in_day = wall_ms - days * DAY_MS;
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    struct civil c = {
        .day = (int)(day_of_year - (153 * month + 2) / 5 + 1),
        .month = (int)(month < 10 ? month + 3 : month - 9),
        .hour = (int)(in_day / HOUR_MS),
        .minute = (int)(in_day % HOUR_MS / MINUTE_MS),
        .second = (int)(in_day % MINUTE_MS / SECOND_MS),
        .ms = (int)(in_day % SECOND_MS),
        .weekday = (int)(((days + 4) % 7 + 7) % 7),
    };
    c.year = (int)(year_of_era + era * 400 + (c.month <= 2));
    return c;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* False when a field is outside its range; second 60 is a leap second. */
static bool civil_to_ms(const struct civil *c, int64_t *wall_ms)
{
    if (c->month < 1 || c->month > 12 || c->day < 1 || c->day > days_in_month(c->year, c->month) ||
        c->hour > 23 || c->minute > 59 || c->second > 60)
        return false;
    *wall_ms = days_from_civil(c->year, c->month, c->day) * DAY_MS + c->hour * HOUR_MS +
               c->minute * MINUTE_MS + c->second * SECOND_MS + c->ms;
    return true;
}

str clock_format(int64_t wall_ms, char out[CLOCK_TEXT_MAX])
{
    struct civil c = civil_of(wall_ms);
    int n = snprintf(out, CLOCK_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", c.year, c.month,
                     c.day, c.hour, c.minute, c.second, c.ms);
    assert(n > 0 && n < CLOCK_TEXT_MAX);
    return str_of(out, (size_t)n);
}

str clock_http_format(int64_t wall_ms, char out[CLOCK_TEXT_MAX])
{
    struct civil c = civil_of(wall_ms);
    int n = snprintf(out, CLOCK_TEXT_MAX, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
                     day_names[c.weekday], c.day, month_names + (c.month - 1) * 3, c.year, c.hour,
                     c.minute, c.second);
    assert(n > 0 && n < CLOCK_TEXT_MAX);
    return str_of(out, (size_t)n);
}

/* --- reading: each step takes its part off *s, or answers false --------------------------------
 */

static bool take_number(str *s, size_t digits, int *out)
{
    uint64_t value;
    if (s->n < digits || !str_to_u64(str_slice(*s, 0, digits), &value))
        return false;
    *out = (int)value;
    *s = str_slice(*s, digits, s->n);
    return true;
}

static bool take_text(str *s, str text)
{
    if (!str_starts(*s, text))
        return false;
    *s = str_slice(*s, text.n, s->n);
    return true;
}

static bool take_one_of(str *s, const char *chars)
{
    if (s->n == 0 || s->p[0] == '\0' || !strchr(chars, s->p[0]))
        return false;
    *s = str_slice(*s, 1, s->n);
    return true;
}

static bool take_time(str *s, struct civil *c)
{
    return take_number(s, 2, &c->hour) && take_text(s, STR(":")) && take_number(s, 2, &c->minute) &&
           take_text(s, STR(":")) && take_number(s, 2, &c->second);
}

static bool take_fraction(str *s, struct civil *c)
{
    if (!take_text(s, STR(".")))
        return true;
    int digit, weight = 100;
    if (s->n == 0 || !isdigit((unsigned char)s->p[0]))
        return false;
    for (; take_number(s, 1, &digit); weight /= 10)
        c->ms += digit * weight;
    return true;
}

static bool take_zone(str *s, int64_t *offset_ms)
{
    int hours, minutes;
    *offset_ms = 0;
    if (take_one_of(s, "Zz"))
        return true;
    bool west = s->n && s->p[0] == '-';
    if (!take_one_of(s, "+-") || !take_number(s, 2, &hours) || !take_text(s, STR(":")) ||
        !take_number(s, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *offset_ms = (hours * HOUR_MS + minutes * MINUTE_MS) * (west ? -1 : 1);
    return true;
}

bool clock_parse(str text, int64_t *wall_ms)
{
    struct civil c = {0};
    int64_t local_ms, offset_ms;
    bool right = take_number(&text, 4, &c.year) && take_text(&text, STR("-")) &&
                 take_number(&text, 2, &c.month) && take_text(&text, STR("-")) &&
                 take_number(&text, 2, &c.day) && take_one_of(&text, "Tt ") &&
                 take_time(&text, &c) && take_fraction(&text, &c) && take_zone(&text, &offset_ms) &&
                 text.n == 0 && civil_to_ms(&c, &local_ms);
    if (right)
        *wall_ms = local_ms - offset_ms;
    return right;
}

static bool take_month(str *s, int *month)
{
    for (int i = 0; i < 12; i++)
        if (take_text(s, str_of(month_names + 3 * i, 3))) {
            *month = i + 1;
            return true;
        }
    return false;
}

/* Takes the name of a day, short or in full; which one it is says nothing the date does not. */
static bool take_day_name(str *s, bool *full)
{
    for (size_t i = 0; i < ARRAY_LEN(day_names); i++) {
        *full = take_text(s, str_from_cstr(day_names[i]));
        if (*full || take_text(s, str_of(day_names[i], 3)))
            return true;
    }
    return false;
}

/* "06 Nov 1994 08:49:37 GMT" */
static bool take_fixdate(str *s, struct civil *c)
{
    return take_number(s, 2, &c->day) && take_text(s, STR(" ")) && take_month(s, &c->month) &&
           take_text(s, STR(" ")) && take_number(s, 4, &c->year) && take_text(s, STR(" ")) &&
           take_time(s, c) && take_text(s, STR(" GMT"));
}

/* "06-Nov-94 08:49:37 GMT" */
static bool take_rfc850(str *s, struct civil *c)
{
    if (!take_number(s, 2, &c->day) || !take_text(s, STR("-")) || !take_month(s, &c->month) ||
        !take_text(s, STR("-")) || !take_number(s, 2, &c->year) || !take_text(s, STR(" ")) ||
        !take_time(s, c) || !take_text(s, STR(" GMT")))
        return false;
    c->year += c->year < 70 ? 2000 : 1900;
    return true;
}

/* "Nov  6 08:49:37 1994" */
static bool take_asctime(str *s, struct civil *c)
{
    if (!take_month(s, &c->month) || !take_text(s, STR(" ")))
        return false;
    bool day = take_text(s, STR(" ")) ? take_number(s, 1, &c->day) : take_number(s, 2, &c->day);
    return day && take_text(s, STR(" ")) && take_time(s, c) && take_text(s, STR(" ")) &&
           take_number(s, 4, &c->year);
}

bool clock_http_parse(str text, int64_t *wall_ms)
{
    struct civil c = {0};
    bool full, right;
    if (!take_day_name(&text, &full))
        return false;
    if (take_text(&text, STR(", ")))
        right = full ? take_rfc850(&text, &c) : take_fixdate(&text, &c);
    else
        right = !full && take_text(&text, STR(" ")) && take_asctime(&text, &c);
    return right && text.n == 0 && civil_to_ms(&c, wall_ms);
}

static const struct {
    str name;
    int64_t ms;
} units[] = {
    {{"ms", 2}, 1},      {{"s", 1}, SECOND_MS}, {{"m", 1}, MINUTE_MS},
    {{"h", 1}, HOUR_MS}, {{"d", 1}, DAY_MS},
};

bool clock_duration_parse(str text, int64_t *ms)
{
    size_t digits = 0;
    while (digits < text.n && isdigit((unsigned char)text.p[digits]))
        digits++;
    int64_t number, value;
    str unit = str_slice(text, digits, text.n);
    if (!str_to_i64(str_slice(text, 0, digits), &number))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (!str_eq(unit, units[i].name))
            continue;
        if (__builtin_mul_overflow(number, units[i].ms, &value))
            return false;
        *ms = value;
        return true;
    }
    return false;
}

str clock_duration_format(int64_t ms, char out[CLOCK_TEXT_MAX])
{
    uint64_t size = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    size_t at = ARRAY_LEN(units) - 1;
    while (at > 0 && size < (uint64_t)units[at].ms)
        at--;
    uint64_t unit = (uint64_t)units[at].ms;
    uint64_t whole = size / unit, tenths = at > 0 ? size % unit / (unit / 10) : 0;
    int n;
    if (tenths)
        n = snprintf(out, CLOCK_TEXT_MAX, "%s%llu.%llu %s", ms < 0 ? "-" : "",
                     (unsigned long long)whole, (unsigned long long)tenths, units[at].name.p);
    else
        n = snprintf(out, CLOCK_TEXT_MAX, "%s%llu %s", ms < 0 ? "-" : "", (unsigned long long)whole,
                     units[at].name.p);
    assert(n > 0 && n < CLOCK_TEXT_MAX);
    return str_of(out, (size_t)n);
}
