/* zone.c -- reads a zone file: the list of changes of the offset, and the rule (a POSIX TZ string)
 * for all that come after the last of them. Bytes are not trusted. */
#include "base/zone.h"

#include "base/fs.h"

#define ZONE_BYTES_MAX 65536u
#define HEAD_BYTES 44u
#define DIRECTORY "/usr/share/zoneinfo/"

struct change { /* a rule's "Mm.w.d/time" */
    unsigned month, week, weekday;
    int32_t time_s;
};

struct zone {
    const char *times;          /* big-endian 64-bit, ascending */
    const unsigned char *kinds; /* one each: which offset begins there */
    int32_t *offsets;
    size_t count, offset_count;
    bool has_rule, has_dst;
    int32_t standard_s, dst_s; /* of the rule */
    struct change begin, end;
};

/* --- the calendar (proleptic Gregorian) ------------------------------------------------------- */

int64_t civil_days(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (int64_t)(month + (month > 2 ? -3u : 9u)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

struct civil civil_of(int64_t local_s)
{
    int64_t days = local_s / 86400, rest = local_s % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    struct civil c = {.year = yoe + era * 400,
                      .month = (unsigned)(mp < 10 ? mp + 3 : mp - 9),
                      .day = (unsigned)(doy - (153 * mp + 2) / 5 + 1),
                      .hour = (unsigned)(rest / 3600),
                      .minute = (unsigned)(rest % 3600 / 60),
                      .weekday = (unsigned)(((days + 4) % 7 + 7) % 7)};
    c.year += c.month <= 2;
    return c;
}

/* --- the rule --------------------------------------------------------------------------------- */

static bool take_number(str *s, int32_t most, int32_t *out)
{
    size_t n = 0;
    *out = 0;
    while (n < s->n && n < 5 && s->p[n] >= '0' && s->p[n] <= '9')
        *out = *out * 10 + (s->p[n++] - '0');
    *s = str_slice(*s, n, s->n);
    return n > 0 && *out <= most;
}

static bool take(str *s, char c)
{
    if (!s->n || s->p[0] != c)
        return false;
    *s = str_slice(*s, 1, s->n);
    return true;
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(str *s, int32_t *out)
{
    int32_t h, m = 0, sec = 0;
    bool minus = take(s, '-');
    if (!minus)
        (void)take(s, '+');
    if (!take_number(s, 167, &h) || (take(s, ':') && !take_number(s, 59, &m)) ||
        (take(s, ':') && !take_number(s, 59, &sec)))
        return false;
    *out = (h * 3600 + m * 60 + sec) * (minus ? -1 : 1);
    return true;
}

static bool take_name(str *s)
{
    size_t n = 0;
    if (take(s, '<')) {
        n = str_find(*s, '>');
        bool ok = n < s->n;
        *s = str_slice(*s, n + 1, s->n);
        return ok;
    }
    while (n < s->n && ((s->p[n] >= 'a' && s->p[n] <= 'z') || (s->p[n] >= 'A' && s->p[n] <= 'Z')))
        n++;
    *s = str_slice(*s, n, s->n);
    return n > 0;
}

static bool take_change(str *s, struct change *out)
{
    int32_t month, week, weekday;
    out->time_s = 7200;
    if (!take(s, ',') || !take(s, 'M') || !take_number(s, 12, &month) || !take(s, '.') ||
        !take_number(s, 5, &week) || !take(s, '.') || !take_number(s, 6, &weekday) || month < 1 ||
        week < 1)
        return false;
    out->month = (unsigned)month;
    out->week = (unsigned)week;
    out->weekday = (unsigned)weekday;
    return !take(s, '/') || take_time(s, &out->time_s);
}

/* "CET-1CEST,M3.5.0,M10.5.0/3"; offsets are west of Greenwich there. */
static void read_rule(struct zone *z, str s)
{
    int32_t west;
    if (!take_name(&s) || !take_time(&s, &west))
        return;
    z->standard_s = -west;
    z->dst_s = z->standard_s + 3600;
    z->has_rule = true;
    if (!s.n || !take_name(&s))
        return;
    if (s.n && s.p[0] != ',') {
        if (!take_time(&s, &west))
            return;
        z->dst_s = -west;
    }
    z->has_dst = take_change(&s, &z->begin) && take_change(&s, &z->end) && !s.n;
}

/* Local seconds of the change in that year. */
static int64_t change_at(const struct change *c, int64_t year)
{
    int64_t first = civil_days(year, c->month, 1);
    unsigned weekday = (unsigned)(((first + 4) % 7 + 7) % 7);
    int64_t day = first + (c->weekday + 7 - weekday) % 7 + 7 * ((int64_t)c->week - 1);
    int64_t next = c->month == 12 ? civil_days(year + 1, 1, 1) : civil_days(year, c->month + 1, 1);
    while (day >= next)
        day -= 7;
    return day * 86400 + c->time_s;
}

static int32_t by_rule(const struct zone *z, int64_t utc_s)
{
    if (!z->has_dst)
        return z->standard_s;
    int64_t year = civil_of(utc_s + z->standard_s).year;
    int64_t begin = change_at(&z->begin, year) - z->standard_s;
    int64_t end = change_at(&z->end, year) - z->dst_s;
    bool dst = begin < end ? utc_s >= begin && utc_s < end : utc_s >= begin || utc_s < end;
    return dst ? z->dst_s : z->standard_s;
}

/* --- the file --------------------------------------------------------------------------------- */

static uint64_t big_endian(const char *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | (unsigned char)p[i];
    return v;
}

struct head {
    size_t isut, isstd, leap, time, type, name;
};

static bool read_head(str s, struct head *h)
{
    if (s.n < HEAD_BYTES || !str_starts(s, STR("TZif")) || s.p[4] < '2')
        return false;
    size_t *const v[] = {&h->isut, &h->isstd, &h->leap, &h->time, &h->type, &h->name};
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        *v[i] = (size_t)big_endian(s.p + 20 + 4 * i, 4);
        if (*v[i] > ZONE_BYTES_MAX)
            return false;
    }
    return true;
}

static size_t body_bytes(const struct head *h, size_t width)
{
    return h->time * (width + 1) + h->type * 6 + h->name + h->leap * (width + 4) + h->isstd +
           h->isut;
}

static bool read_body(struct zone *z, struct arena *a, str s, const struct head *h)
{
    size_t all = body_bytes(h, 8);
    if (all > s.n || h->type == 0 || h->type > 256)
        return false;
    z->count = h->time;
    z->times = s.p;
    z->kinds = (const unsigned char *)s.p + 8 * h->time;
    z->offset_count = h->type;
    z->offsets = ARENA_ARRAY(a, int32_t, h->type);
    for (size_t i = 0; z->offsets && i < h->type; i++) {
        z->offsets[i] = (int32_t)(uint32_t)big_endian(s.p + 9 * h->time + 6 * i, 4);
        if (z->offsets[i] < -100000 || z->offsets[i] > 100000)
            return false;
    }
    for (size_t i = 0; i < z->count; i++)
        if (z->kinds[i] >= h->type)
            return false;
    str foot = str_slice(s, all, s.n);
    if (take(&foot, '\n'))
        read_rule(z, str_slice(foot, 0, str_find(foot, '\n')));
    return z->offsets != NULL;
}

const struct zone *zone_parse(struct arena *a, str bytes, struct reason *why)
{
    struct zone *z = ARENA_NEW(a, struct zone);
    struct head h;
    str s = arena_str(a, bytes);
    bool ok = z && s.p && read_head(s, &h) && body_bytes(&h, 4) <= s.n - HEAD_BYTES;
    if (ok) {
        s = str_slice(s, HEAD_BYTES + body_bytes(&h, 4), s.n);
        ok = read_head(s, &h) && read_body(z, a, str_slice(s, HEAD_BYTES, s.n), &h);
    }
    if (!ok)
        (void)fail(why, ERR_INVALID, "that is no zone file of version 2 or later");
    return ok ? z : NULL;
}

const struct zone *zone_load(struct arena *a, str name, struct reason *why)
{
    if (str_eq(name, STR("UTC"))) {
        struct zone *utc = ARENA_NEW(a, struct zone);
        if (utc)
            utc->has_rule = true;
        return utc;
    }
    bool ok = name.n > 0 && name.n < 64 && name.p[0] != '/';
    for (size_t i = 0; ok && i < name.n; i++) {
        char c = name.p[i];
        ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             memchr("_+-/", c, 4) != NULL;
    }
    str bytes;
    struct reason inner = {.text = ""};
    char *path = ok ? arena_cstr(a, arena_printf(a, DIRECTORY STR_FMT, STR_ARG(name))) : NULL;
    if (path && fs_read(a, path, ZONE_BYTES_MAX, &bytes, &inner) == ERR_OK)
        return zone_parse(a, bytes, why);
    (void)fail(why, ERR_NOT_FOUND,
               "no time zone \"" STR_FMT "\" in " DIRECTORY
               "; write it as Europe/Berlin or UTC, and "
               "see that tzdata is installed",
               STR_ARG(str_slice(name, 0, 60)));
    return NULL;
}

int32_t zone_offset_s(const struct zone *z, int64_t utc_s)
{
    size_t low = 0, high = z->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if ((int64_t)big_endian(z->times + 8 * mid, 8) <= utc_s)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == z->count && z->has_rule)
        return by_rule(z, utc_s);
    if (low == 0)
        return z->offset_count ? z->offsets[0] : 0;
    return z->offsets[z->kinds[low - 1]];
}
