/* pattern.c -- a pattern is a row of places, each with the set of bytes it takes; counts are
 * written out. Matching keeps the set of places that may come next, so it never goes back. */
#include "action/pattern.h"

struct place {
    uint8_t takes[32]; /* a bit a byte */
    bool skippable, repeats;
};

struct pattern {
    struct place *places;
    size_t count;
};

static void add_byte(struct place *p, unsigned c)
{
    p->takes[c / 8] = (uint8_t)(p->takes[c / 8] | 1u << c % 8);
}

static bool takes(const struct place *p, unsigned char c)
{
    return p->takes[c / 8] >> c % 8 & 1;
}

static bool read_class(struct place *out, str *rest)
{
    bool negated = str_starts(*rest, STR("^"));
    size_t i = negated;
    bool closed = false;
    while (i < rest->n && !closed) {
        unsigned char from = (unsigned char)rest->p[i++];
        if (from == ']') {
            closed = true;
            break;
        }
        if (from == '\\' && i < rest->n)
            from = (unsigned char)rest->p[i++];
        unsigned to = from;
        if (i + 1 < rest->n && rest->p[i] == '-' && rest->p[i + 1] != ']') {
            to = (unsigned char)rest->p[i + 1];
            i += 2;
        }
        for (unsigned c = from; c <= to; c++)
            add_byte(out, c);
    }
    for (size_t k = 0; negated && k < sizeof(out->takes); k++)
        out->takes[k] = (uint8_t)~out->takes[k];
    *rest = str_slice(*rest, i, rest->n);
    return closed;
}

static bool read_place(struct place *out, str *rest)
{
    *out = (struct place){0};
    char c = rest->p[0];
    *rest = str_slice(*rest, 1, rest->n);
    if (c == '[')
        return read_class(out, rest);
    if (c == '\\') {
        if (rest->n == 0)
            return false;
        c = rest->p[0];
        *rest = str_slice(*rest, 1, rest->n);
    } else if (c == '.') {
        memset(out->takes, 0xff, sizeof(out->takes));
        return true;
    } else if (strchr("*+?{}()|^$]", c)) {
        return false;
    }
    add_byte(out, (unsigned char)c);
    return true;
}

#define NO_END UINT64_MAX

/* What stands after a place: how often it comes. */
static bool read_count(str *rest, uint64_t *least, uint64_t *most)
{
    *least = *most = 1;
    char c = rest->n ? rest->p[0] : 0;
    if (c == '*' || c == '+' || c == '?') {
        *least = c == '+';
        *most = c == '?' ? 1 : NO_END;
        *rest = str_slice(*rest, 1, rest->n);
        return true;
    }
    if (c != '{')
        return true;
    size_t close = str_find(*rest, '}');
    str inner = str_slice(*rest, 1, close);
    *rest = str_slice(*rest, close + 1, rest->n);
    str first = str_cut(&inner, ',');
    if (!str_to_u64(first, least))
        return false;
    *most = *least;
    if (inner.p && inner.n == 0)
        *most = NO_END;
    else if (inner.p && !str_to_u64(inner, most))
        return false;
    return *most >= *least && *most > 0;
}

static bool put(struct pattern *p, const struct place *one, bool skippable, bool repeats)
{
    if (p->count == PATTERN_PLACES_MAX)
        return false;
    p->places[p->count] = *one;
    p->places[p->count].skippable = skippable;
    p->places[p->count].repeats = repeats;
    p->count++;
    return true;
}

static bool put_counted(struct pattern *p, const struct place *one, uint64_t least, uint64_t most)
{
    bool ok = true;
    if (most == NO_END) {
        for (uint64_t i = 1; ok && i < least; i++)
            ok = put(p, one, false, false);
        return ok && put(p, one, least == 0, true);
    }
    for (uint64_t i = 0; ok && i < most; i++)
        ok = put(p, one, i >= least, false);
    return ok;
}

struct pattern *pattern_compile(struct arena *a, str text, struct reason *why)
{
    struct pattern *p = ARENA_NEW(a, struct pattern);
    struct place *room = ARENA_ARRAY(a, struct place, PATTERN_PLACES_MAX);
    if (!p || !room) {
        (void)fail(why, ERR_LIMIT, "no room for the pattern");
        return NULL;
    }
    p->places = room;
    str rest = text;
    while (rest.n > 0) {
        struct place one;
        uint64_t least, most;
        str at = rest;
        if (!read_place(&one, &rest) || !read_count(&rest, &least, &most)) {
            (void)fail(why, ERR_INVALID,
                       "the pattern is wrong at \"" STR_FMT "\": it knows characters, [a-z], . "
                       "and the counts + * ? {n} {n,m}",
                       STR_ARG(str_slice(at, 0, 20)));
            return NULL;
        }
        if (!put_counted(p, &one, least, most)) {
            (void)fail(why, ERR_LIMIT, "the pattern counts to more than %d", PATTERN_PLACES_MAX);
            return NULL;
        }
    }
    return p;
}

/* Marks a place, and those after it while they may be skipped. count itself is the end. */
static void mark(const struct pattern *p, uint8_t *set, size_t i)
{
    set[i] = 1;
    while (i < p->count && p->places[i].skippable)
        set[++i] = 1;
}

bool pattern_matches(const struct pattern *p, str s)
{
    uint8_t now[PATTERN_PLACES_MAX + 1] = {0}, next[PATTERN_PLACES_MAX + 1];
    mark(p, now, 0);
    for (size_t i = 0; i < s.n; i++) {
        memset(next, 0, p->count + 1);
        for (size_t k = 0; k < p->count; k++) {
            if (!now[k] || !takes(&p->places[k], (unsigned char)s.p[i]))
                continue;
            mark(p, next, k + 1);
            if (p->places[k].repeats)
                mark(p, next, k);
        }
        memcpy(now, next, p->count + 1);
    }
    return now[p->count];
}
