/* match_index.c -- the field that tells most matches apart, and a map from its values to the
 * matches that want them. A match takes part when it is a conjunction in which that field must
 * equal one of some values: without that value (or without the field) it cannot hold. */
#include "rule/match_index.h"

#include "base/log.h"
#include "base/map.h"
#include "rule/match_tree.h"

struct wanting { /* the matches that want one value */
    size_t *v;
    size_t count, cap;
};

struct match_index {
    const struct match *field; /* one condition on the field: says where its value is */
    struct map wanting;        /* value -> struct wanting */
    uint64_t *others;          /* bits of the matches that do not ask for the field */
    size_t count;
};

/* A condition that may be indexed: equality with text, on a field that has one value. */
static bool is_indexable(const struct match *m)
{
    return m->kind == MATCH_FIELD && (m->test == TEST_EQUALS || m->test == TEST_IN) &&
           m->place != PLACE_METHOD && m->place != PLACE_IP &&
           (m->place != PLACE_JSON || !m->path.many);
}

static bool is_same_field(const struct match *a, const struct match *b)
{
    if (a->place != b->place)
        return false;
    return a->place == PLACE_HEADER ? str_eq_nocase(a->name, b->name) : str_eq(a->name, b->name);
}

/* The condition on that field (any field when NULL: the nth) that m as a whole depends on. */
static const struct match *find_condition(const struct match *m, const struct match *field,
                                          size_t *nth)
{
    if (m->kind == MATCH_FIELD) {
        if (!is_indexable(m) || (field && !is_same_field(m, field)))
            return NULL;
        return !nth || (*nth)-- == 0 ? m : NULL;
    }
    bool single = m->kind == MATCH_ANY && m->first && !m->first->next;
    if (m->kind != MATCH_ALL && !single)
        return NULL;
    for (const struct match *c = m->first; c; c = c->next) {
        const struct match *found = find_condition(c, field, nth);
        if (found)
            return found;
    }
    return NULL;
}

/* How many matches a look at the field rules out, at the least, whatever its value. */
static size_t gain_of(const struct match *field, const struct match *const *matches, size_t count)
{
    struct map seen = {0};
    size_t asking = 0, most = 0;
    for (size_t i = 0; i < count; i++) {
        const struct match *m = find_condition(matches[i], field, NULL);
        if (!m)
            continue;
        asking++;
        for (size_t w = 0; w < m->wanted_count; w++) {
            size_t n = (size_t)(uintptr_t)map_get(&seen, m->wanted[w]) + 1;
            map_put(&seen, m->wanted[w], (void *)(uintptr_t)n);
            most = n > most ? n : most;
        }
    }
    map_release(&seen);
    return asking - (most < asking ? most : asking);
}

/* The fields that the first few matches ask for are looked at: a source's routes are alike. */
static const struct match *choose_field(const struct match *const *matches, size_t count)
{
    const struct match *best = NULL;
    size_t best_gain = count / 4;
    for (size_t i = 0; i < count && i < 8; i++)
        for (size_t n = 0; n < 8; n++) {
            size_t nth = n;
            const struct match *field = find_condition(matches[i], NULL, &nth);
            size_t gain = field ? gain_of(field, matches, count) : 0;
            if (gain > best_gain) {
                best_gain = gain;
                best = field;
            }
        }
    return best;
}

static void index_end(void *arg)
{
    struct match_index *index = arg;
    struct map_entry e;
    for (size_t i = 0; map_next(&index->wanting, &i, &e);) {
        free(((struct wanting *)e.value)->v);
        free(e.value);
    }
    map_release(&index->wanting);
}

static void add_wanting(struct match_index *index, str value, size_t match)
{
    struct wanting *w = map_get(&index->wanting, value);
    if (!w) {
        w = xcalloc(1, sizeof(*w));
        map_put(&index->wanting, value, w);
    }
    if (w->count == w->cap) {
        w->cap = w->cap ? 2 * w->cap : 4;
        w->v = xrealloc(w->v, w->cap * sizeof(*w->v));
    }
    w->v[w->count++] = match;
}

const struct match_index *match_index_new(struct arena *a, const struct match *const *matches,
                                          size_t count)
{
    if (count < MATCH_INDEX_LEAST)
        return NULL;
    const struct match *field = choose_field(matches, count);
    struct match_index *index = field ? ARENA_NEW(a, struct match_index) : NULL;
    if (!index)
        return NULL;
    index->field = field;
    index->count = count;
    index->others = ARENA_ARRAY(a, uint64_t, (count + 63) / 64);
    if (!index->others || !arena_at_end(a, index_end, index))
        return NULL;
    for (size_t i = 0; i < count; i++) {
        const struct match *m = find_condition(matches[i], field, NULL);
        if (!m)
            index->others[i / 64] |= UINT64_C(1) << (i % 64);
        for (size_t w = 0; m && w < m->wanted_count; w++)
            add_wanting(index, m->wanted[w], i);
    }
    return index;
}

struct ask {
    const struct match_index *index;
    uint64_t *words;
};

static bool visit_value(const struct match_value *v, void *arg)
{
    struct ask *ask = arg;
    const struct wanting *w = v->text.p ? map_get(&ask->index->wanting, v->text) : NULL;
    for (size_t i = 0; w && i < w->count; i++)
        ask->words[w->v[i] / 64] |= UINT64_C(1) << (w->v[i] % 64);
    return true;
}

void match_index_ask(const struct match_index *index, const struct facts *f, uint64_t *words)
{
    struct match_scratch s;
    struct ask ask = {index, words};
    memcpy(words, index->others, (index->count + 63) / 64 * sizeof(*words));
    arena_init(&s.arena, 4096);
    (void)match_values(index->field, f, &s, visit_value, &ask);
    arena_release(&s.arena);
}

void match_index_explain(const struct match_index *index, const struct facts *f, struct buf *out)
{
    struct match_scratch s;
    arena_init(&s.arena, 4096);
    match_explain_value(index->field, f, &s, out);
    arena_release(&s.arena);
    buf_str_append(out, STR(", which they do not want"));
}
