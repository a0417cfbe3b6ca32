/* match_explain.c -- saying why: what was found and what was wanted, for the event's trace, and
 * the conditions in words, for people who read the configuration. Never on the way of a match
 * that says yes. */
#include "rule/match_tree.h"

#include "base/codec.h"

#define VALUE_BYTES_MAX 80
/* A value of that many bytes, each escaped as \\x.. at the worst, in quotes. */
#define VALUE_ROOM (6 * VALUE_BYTES_MAX + 64)
#define ALTERNATIVES_MAX 4
#define VALUES_SHOWN_MAX 8

static void append_quoted(struct buf *out, str s)
{
    buf_char(out, '"');
    text_escape(out, s, VALUE_BYTES_MAX);
    buf_char(out, '"');
}

static void append_subject(struct buf *out, const struct match *m)
{
    static const char *const words[] = {"event", "source", "method", "json", "header",
                                        "query", "form",   "param",  "path", "ip"};
    buf_str_append(out, str_from_cstr(words[m->place]));
    if (m->name.n) {
        buf_char(out, ' ');
        text_escape(out, m->name, VALUE_BYTES_MAX);
    }
}

static void append_list(struct buf *out, const struct match *m)
{
    for (size_t i = 0; i < m->wanted_count && i < VALUES_SHOWN_MAX; i++) {
        if (i)
            buf_str_append(out, STR(", "));
        append_quoted(out, m->wanted[i]);
    }
    if (m->wanted_count > VALUES_SHOWN_MAX)
        buf_printf(out, " and %zu more", m->wanted_count - VALUES_SHOWN_MAX);
}

static void append_wanted(struct buf *out, const struct match *m)
{
    if (m->test >= TEST_ABOVE)
        text_escape(out, m->wanted[0], VALUE_BYTES_MAX);
    else
        append_list(out, m);
}

/* `is "main"`, `matches glob "v*"`: what the condition asks for. */
static void append_test(struct buf *out, const struct match *m)
{
    static const char *const verbs[] = {
        [TEST_EQUALS] = "is ",
        [TEST_IN] = "is one of ",
        [TEST_GLOB] = "matches glob ",
        [TEST_PREFIX] = "begins with ",
        [TEST_SUFFIX] = "ends with ",
        [TEST_REGEX] = "matches regex ",
        [TEST_EXISTS] = "",
        [TEST_ABOVE] = "is above ",
        [TEST_BELOW] = "is below ",
        [TEST_AT_LEAST] = "is at least ",
        [TEST_AT_MOST] = "is at most ",
    };
    if (m->test == TEST_EXISTS) {
        buf_str_append(out, m->exists ? STR("exists") : STR("is missing"));
        return;
    }
    buf_str_append(out, str_from_cstr(verbs[m->test]));
    append_wanted(out, m);
}

struct found {
    struct buf *out;
    const struct match *passing; /* only values that pass this; NULL: all */
    size_t count;
};

/* Writes the first value, counts the rest. */
static bool visit_found(const struct match_value *v, void *arg)
{
    struct found *f = arg;
    if (f->passing && match_value_truth(f->passing, v) != TRUTH_YES)
        return false;
    if (f->count++ == 0) {
        if (v->text.p)
            append_quoted(f->out, v->text);
        else
            buf_str_append(f->out,
                           json_kind_of(v->json) == JSON_ARRAY ? STR("a list") : STR("an object"));
    }
    return false;
}

static size_t append_found(struct buf *out, const struct match *m, const struct match *passing,
                           const struct facts *f, struct match_scratch *s)
{
    struct found found = {out, passing, 0};
    match_values(m, f, s, visit_found, &found);
    return found.count;
}

static void explain_missing(const struct match *m, const struct facts *f, struct buf *why)
{
    append_subject(why, m);
    buf_str_append(why, STR(" is missing"));
    if (m->place == PLACE_JSON && !http_request_json(f->request))
        buf_str_append(why, STR(" (the body is no JSON)"));
}

static void explain_field(const struct match *m, const struct facts *f, struct match_scratch *s,
                          struct buf *why)
{
    static const char *const refusals[] = {
        [TEST_EQUALS] = ", not ",
        [TEST_IN] = ", not one of ",
        [TEST_GLOB] = ", which does not match glob ",
        [TEST_PREFIX] = ", which does not begin with ",
        [TEST_SUFFIX] = ", which does not end with ",
        [TEST_REGEX] = ", which does not match regex ",
        [TEST_EXISTS] = "",
        [TEST_ABOVE] = ", not above ",
        [TEST_BELOW] = ", not below ",
        [TEST_AT_LEAST] = ", not at least ",
        [TEST_AT_MOST] = ", not at most ",
    };
    char room[VALUE_ROOM];
    struct buf value = buf_over(room, sizeof(room));
    size_t count = append_found(&value, m, NULL, f, s);
    if (!count) {
        explain_missing(m, f, why);
    } else if (m->test == TEST_EXISTS) {
        append_subject(why, m);
        buf_printf(why, " is there (" STR_FMT ") and must not be", STR_ARG(buf_str(&value)));
    } else {
        append_subject(why, m);
        buf_str_append(why, STR(" is "));
        buf_str_append(why, buf_str(&value));
        if (count > 1)
            buf_printf(why, " (the first of %zu)", count);
        bool undecided = m->test == TEST_REGEX && match_truth(m, f, s) == TRUTH_MISSING;
        buf_str_append(why, undecided ? STR(", too much work for regex ")
                                      : str_from_cstr(refusals[m->test]));
        append_wanted(why, m);
    }
}

void match_explain_value(const struct match *field, const struct facts *f, struct match_scratch *s,
                         struct buf *out)
{
    char room[VALUE_ROOM];
    struct buf value = buf_over(room, sizeof(room));
    if (append_found(&value, field, NULL, f, s)) {
        append_subject(out, field);
        buf_str_append(out, STR(" is "));
        buf_str_append(out, buf_str(&value));
    } else {
        explain_missing(field, f, out);
    }
}

/* The first field below m whose absence left m undecided. */
static const struct match *find_missing(const struct match *m, const struct facts *f,
                                        struct match_scratch *s)
{
    if (m->kind == MATCH_FIELD)
        return m;
    for (const struct match *c = m->first; c; c = c->next)
        if (match_truth(c, f, s) == TRUTH_MISSING)
            return find_missing(c, f, s);
    return m->first;
}

/* A group of one is its part. */
static const struct match *unwrap(const struct match *m)
{
    while ((m->kind == MATCH_ALL || m->kind == MATCH_ANY) && m->first && !m->first->next)
        m = m->first;
    return m;
}

static void explain_not(const struct match *m, const struct facts *f, struct match_scratch *s,
                        struct buf *why)
{
    const struct match *inner = unwrap(m->first);
    if (match_truth(inner, f, s) == TRUTH_MISSING) {
        const struct match *missing = find_missing(inner, f, s);
        if (missing->test == TEST_REGEX && append_found(why, missing, NULL, f, s))
            buf_str_append(why, STR(" is too much work for its regex"));
        else
            explain_missing(missing, f, why);
        buf_str_append(why, STR(", which decides nothing inside not"));
        return;
    }
    buf_str_append(why, STR("ruled out by not: "));
    match_describe(inner, why);
    if (inner->kind == MATCH_FIELD && inner->test != TEST_EQUALS && inner->test != TEST_EXISTS) {
        buf_str_append(why, STR(" (it is "));
        append_found(why, inner, inner, f, s);
        buf_char(why, ')');
    }
}

void match_explain(const struct match *m, const struct facts *f, struct match_scratch *s,
                   struct buf *why)
{
    m = unwrap(m);
    size_t told = 0;
    switch (m->kind) {
    case MATCH_FIELD:
        explain_field(m, f, s, why);
        break;
    case MATCH_NOT:
        explain_not(m, f, s, why);
        break;
    case MATCH_ALL:
        for (const struct match *c = m->first; c; c = c->next)
            if (match_truth(c, f, s) != TRUTH_YES) {
                match_explain(c, f, s, why);
                return;
            }
        break;
    case MATCH_ANY:
        buf_str_append(why, STR("no alternative holds: "));
        for (const struct match *c = m->first; c && told < ALTERNATIVES_MAX; c = c->next) {
            if (told++)
                buf_str_append(why, STR("; "));
            match_explain(c, f, s, why);
        }
        break;
    }
}

void match_describe(const struct match *m, struct buf *out)
{
    m = unwrap(m);
    switch (m->kind) {
    case MATCH_FIELD:
        append_subject(out, m);
        buf_char(out, ' ');
        append_test(out, m);
        return;
    case MATCH_NOT:
        buf_str_append(out, STR("not ("));
        match_describe(m->first, out);
        buf_char(out, ')');
        return;
    case MATCH_ALL:
    case MATCH_ANY:
        break;
    }
    if (!m->first)
        buf_str_append(out, STR("everything"));
    for (const struct match *c = m->first; c; c = c->next) {
        const struct match *part = unwrap(c);
        bool group = part->kind == MATCH_ALL || part->kind == MATCH_ANY;
        if (c != m->first)
            buf_str_append(out, m->kind == MATCH_ALL ? STR(" and ") : STR(" or "));
        if (group)
            buf_char(out, '(');
        match_describe(part, out);
        if (group)
            buf_char(out, ')');
    }
}
