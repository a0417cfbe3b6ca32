/* match.c -- deciding: facts in, yes or no out, without I/O and without memory of its own beyond
 * the lazily parsed body. Routes are asked at ingest, before the commit, on the front loops. */
#include "rule/match_tree.h"

#include <inttypes.h>

bool match_number_parse(str s, double *out)
{
    char text[64];
    if (!s.n || s.n >= sizeof(text))
        return false;
    bool digit = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] >= '0' && s.p[i] <= '9')
            digit = true;
        else if (!memchr("+-.eE", s.p[i], 5))
            return false;
    }
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    char *end;
    *out = strtod(text, &end);
    return digit && end == text + s.n;
}

/* "1" for 1, "true" for true, "null" for null; STR_NONE for objects and lists. Valid until the
 * next call. */
static str scalar_text(struct match_scratch *s, const struct json *v)
{
    int64_t i;
    switch (json_kind_of(v)) {
    case JSON_NULL:
        return STR("null");
    case JSON_BOOL:
        return json_bool(v) ? STR("true") : STR("false");
    case JSON_STRING:
        return json_str(v);
    case JSON_NUMBER:
        if (json_i64(v, &i)) {
            int n = snprintf(s->digits, sizeof(s->digits), "%" PRId64, i);
            return str_of(s->digits, (size_t)n);
        }
        arena_reset(&s->arena);
        return json_text(&s->arena, v);
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return STR_NONE;
}

static bool number_passes(const struct match *m, str text)
{
    double n;
    if (!match_number_parse(text, &n))
        return false;
    return m->test == TEST_ABOVE      ? n > m->number
           : m->test == TEST_BELOW    ? n < m->number
           : m->test == TEST_AT_LEAST ? n >= m->number
                                      : n <= m->number;
}

static bool is_wanted(const struct match *m, str text)
{
    struct address at;
    if (m->place == PLACE_IP)
        return address_parse(text, &at) && nets_contain(m->nets, m->wanted_count, &at);
    for (size_t i = 0; i < m->wanted_count; i++)
        if (m->place == PLACE_METHOD ? str_eq_nocase(text, m->wanted[i])
                                     : str_eq(text, m->wanted[i]))
            return true;
    return false;
}

static bool passes(const struct match *m, str text)
{
    switch (m->test) {
    case TEST_EQUALS:
    case TEST_IN:
        return is_wanted(m, text);
    case TEST_GLOB:
        return str_glob(m->wanted[0], text);
    case TEST_PREFIX:
        return str_starts(text, m->wanted[0]);
    case TEST_SUFFIX:
        return str_ends(text, m->wanted[0]);
    case TEST_ABOVE:
    case TEST_BELOW:
    case TEST_AT_LEAST:
    case TEST_AT_MOST:
        return number_passes(m, text);
    case TEST_REGEX:
    case TEST_EXISTS:
        break;
    }
    return false;
}

enum truth match_value_truth(const struct match *m, const struct match_value *v)
{
    if (m->test == TEST_EXISTS)
        return m->exists ? TRUTH_YES : TRUTH_NO;
    if (!v->text.p)
        return TRUTH_NO;
    if (m->test != TEST_REGEX)
        return passes(m, v->text) ? TRUTH_YES : TRUTH_NO;
    enum regex_verdict found = regex_search(m->regex, v->text);
    return found == REGEX_YES ? TRUTH_YES : found == REGEX_NO ? TRUTH_NO : TRUTH_MISSING;
}

struct json_visit {
    struct match_scratch *scratch;
    match_visit *visit;
    void *arg;
    bool seen;
};

static bool visit_json(const struct json *value, void *arg)
{
    struct json_visit *jv = arg;
    jv->seen = true;
    struct match_value v = {scalar_text(jv->scratch, value), value};
    return jv->visit(&v, jv->arg);
}

bool match_values(const struct match *m, const struct facts *f, struct match_scratch *s,
                  match_visit *visit, void *arg)
{
    struct match_value v = {STR_NONE, NULL};
    switch (m->place) {
    case PLACE_JSON: {
        struct json_visit jv = {s, visit, arg, false};
        path_walk(&m->path, http_request_json(f->request), visit_json, &jv);
        return jv.seen;
    }
    case PLACE_EVENT:
        v.text = f->event_type.n ? f->event_type : STR_NONE;
        break;
    case PLACE_SOURCE:
        v.text = f->source;
        break;
    case PLACE_METHOD:
        v.text = f->request->method;
        break;
    case PLACE_HEADER:
        v.text = http_field_get(&f->request->fields, m->name);
        break;
    case PLACE_QUERY:
        v.text = http_request_query(f->request, m->name);
        break;
    case PLACE_FORM:
        v.text = http_request_form(f->request, m->name);
        break;
    case PLACE_PARAM:
        v.text = f->place ? router_param(f->place, m->name) : STR_NONE;
        break;
    case PLACE_PATH:
        v.text = f->request->path;
        break;
    case PLACE_IP:
        v.text = f->request->peer.n ? f->request->peer : STR_NONE;
        break;
    }
    if (!v.text.p)
        return false;
    visit(&v, arg);
    return true;
}

struct test_visit {
    const struct match *match;
    enum truth best;
};

static bool visit_test(const struct match_value *v, void *arg)
{
    struct test_visit *t = arg;
    enum truth truth = match_value_truth(t->match, v);
    if (truth > t->best)
        t->best = truth;
    /* `exists` needs one look only. */
    return truth == TRUTH_YES || t->match->test == TEST_EXISTS;
}

static enum truth field_truth(const struct match *m, const struct facts *f, struct match_scratch *s)
{
    struct test_visit t = {m, TRUTH_NO};
    if (!match_values(m, f, s, visit_test, &t)) {
        if (m->test == TEST_EXISTS)
            return m->exists ? TRUTH_NO : TRUTH_YES;
        return TRUTH_MISSING;
    }
    return t.best;
}

enum truth match_truth(const struct match *m, const struct facts *f, struct match_scratch *s)
{
    if (m->kind == MATCH_FIELD)
        return field_truth(m, f, s);
    if (m->kind == MATCH_NOT) {
        enum truth t = match_truth(m->first, f, s);
        return t == TRUTH_MISSING ? t : t == TRUTH_YES ? TRUTH_NO : TRUTH_YES;
    }
    /* all is the least of its parts, any the greatest: no < missing < yes. */
    bool all = m->kind == MATCH_ALL;
    enum truth end = all ? TRUTH_NO : TRUTH_YES;
    enum truth sum = all ? TRUTH_YES : TRUTH_NO;
    for (const struct match *c = m->first; c && sum != end; c = c->next) {
        enum truth t = match_truth(c, f, s);
        if (all ? t < sum : t > sum)
            sum = t;
    }
    return sum;
}

bool match_eval(const struct match *m, const struct facts *f, struct buf *why)
{
    struct match_scratch s;
    arena_init(&s.arena, 4096);
    bool yes = match_truth(m, f, &s) == TRUTH_YES;
    if (!yes && why)
        match_explain(m, f, &s, why);
    arena_release(&s.arena);
    return yes;
}

bool match_is_always(const struct match *m)
{
    return m->kind == MATCH_ALL && !m->first;
}
