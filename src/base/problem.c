/* problem.c -- the list of what is wrong with a configuration, and the readers that turn a scalar
 * of the YAML tree into a value of the type the schema expects at that place.
 *
 * Every message goes through one door (report), which escapes it for a terminal and cuts it; the
 * list is bounded, the count of errors is not. Used by every reader of configuration. */
#include "base/problem.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"

void problems_release(struct problems *p)
{
    free(p->v);
    *p = (struct problems){0};
}

static struct problem *add(struct problems *p, bool warning)
{
    if (!warning)
        p->errors++;
    if (p->count == PROBLEMS_MAX)
        return NULL;
    if (p->count % 16 == 0)
        p->v = xrealloc(p->v, (p->count + 16) * sizeof(*p->v));
    struct problem *one = &p->v[p->count++];
    *one = (struct problem){.warning = warning};
    return one;
}

/* The written text of a reference that could not be resolved stands where its value should. */
static bool is_unresolved(const struct yaml *node)
{
    return node->kind == YAML_SCALAR && node->first && node->first->scalar.p == node->scalar.p;
}

static void report(struct problems *p, bool warning, const struct yaml *node, bool at_key,
                   const char *fmt, va_list args)
{
    if (node && !at_key && is_unresolved(node))
        return;
    struct problem *one = add(p, warning);
    if (!one)
        return;
    struct buf text;
    buf_init(&text, 4 * sizeof(one->text));
    if (node) {
        one->line = at_key && node->key_line ? node->key_line : node->line;
        one->column = at_key && node->key_line ? node->key_column : node->column;
        text_escape(&text, node->file, 256);
        one->file_bytes = (unsigned)text.len;
        buf_printf(&text, ":%u:%u: ", one->line, one->column);
    }
    if (warning)
        buf_str_append(&text, STR("warning: "));
    char message[sizeof(one->text)];
    int n = vsnprintf(message, sizeof(message), fmt, args);
    assert(n >= 0);
    text_escape(&text, str_from_cstr(message), sizeof(message));
    str whole = str_slice(buf_str(&text), 0, sizeof(one->text) - 1);
    memcpy(one->text, whole.p, whole.n);
    buf_release(&text);
}

void problem_at(struct problems *p, const struct yaml *node, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    report(p, false, node, false, fmt, args);
    va_end(args);
}

void problem_at_key(struct problems *p, const struct yaml *node, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    report(p, false, node, true, fmt, args);
    va_end(args);
}

void problem_warn(struct problems *p, const struct yaml *node, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    report(p, true, node, false, fmt, args);
    va_end(args);
}

static int place_cmp(const struct problem *a, const struct problem *b)
{
    if (!a->line != !b->line)
        return a->line ? -1 : 1;
    int files = str_cmp(str_of(a->text, a->file_bytes), str_of(b->text, b->file_bytes));
    if (files)
        return files;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    return a->column == b->column ? 0 : a->column < b->column ? -1 : 1;
}

/* Insertion sort: stable, and the list is short and nearly sorted. */
void problems_sort(struct problems *p)
{
    for (size_t i = 1; i < p->count; i++) {
        struct problem one = p->v[i];
        size_t at = i;
        while (at && place_cmp(&p->v[at - 1], &one) > 0) {
            p->v[at] = p->v[at - 1];
            at--;
        }
        p->v[at] = one;
    }
}

const char *value_text(const struct yaml *node, char out[VALUE_TEXT_MAX])
{
    str s = node->first && node->kind == YAML_SCALAR ? node->first->scalar : node->scalar;
    bool cut = s.n > 60;
    s = str_slice(s, 0, 60);
    int n = snprintf(out, VALUE_TEXT_MAX, "\"" STR_FMT "%s\"", STR_ARG(s), cut ? "..." : "");
    assert(n > 0 && n < VALUE_TEXT_MAX);
    return out;
}

void nearest_init(struct nearest *n, str wanted)
{
    *n = (struct nearest){.wanted = wanted, .best = STR_NONE, .distance = UINT32_MAX};
}

void nearest_offer(struct nearest *n, str candidate)
{
    unsigned far = str_distance(n->wanted, candidate);
    if (n->wanted.n >= 3 && candidate.n >= 3 &&
        (str_starts(candidate, n->wanted) || str_starts(n->wanted, candidate)) && far > 2)
        far = 2;
    if (far < n->distance) {
        n->distance = far;
        n->best = candidate;
    }
}

str nearest_word(const struct nearest *n)
{
    size_t longer = n->wanted.n > n->best.n ? n->wanted.n : n->best.n;
    size_t allowed = longer / 3;
    if (allowed < 1)
        allowed = 1;
    if (longer >= 4 && allowed < 2)
        allowed = 2;
    if (!n->best.p || n->distance > allowed || n->distance >= longer)
        return STR_NONE;
    return n->best;
}

/* `"timeout": ` for a member of a map, nothing for an item of a list. */
static const char *subject(const struct yaml *node, char out[VALUE_TEXT_MAX])
{
    out[0] = '\0';
    if (node->key.n) {
        str key = str_slice(node->key, 0, 60);
        int n = snprintf(out, VALUE_TEXT_MAX, "\"" STR_FMT "\": ", STR_ARG(key));
        assert(n > 0 && n < VALUE_TEXT_MAX);
    }
    return out;
}

static void expected(struct problems *p, const struct yaml *node, const char *what)
{
    char key[VALUE_TEXT_MAX], value[VALUE_TEXT_MAX];
    const char *found = value;
    if (node->kind == YAML_LIST)
        found = "a list";
    else if (node->kind == YAML_MAP)
        found = "a mapping";
    else if (!node->scalar.n && !node->quoted)
        found = "nothing";
    else
        value_text(node, value);
    problem_at(p, node, "%sexpected %s, found %s", subject(node, key), what, found);
}

/* A scalar that is there: an empty plain one is a value that was forgotten. */
static bool is_scalar(const struct yaml *node)
{
    return node->kind == YAML_SCALAR && (node->quoted || node->scalar.n);
}

bool read_str(struct problems *p, const struct yaml *node, str *out)
{
    if (!node)
        return true;
    if (!is_scalar(node)) {
        expected(p, node,
                 node->kind == YAML_SCALAR ? "a string (write \"\" for the empty one)"
                                           : "a string");
        return false;
    }
    *out = node->scalar;
    return true;
}

bool read_bool(struct problems *p, const struct yaml *node, bool *out)
{
    if (!node)
        return true;
    bool yes = is_scalar(node) && str_eq(node->scalar, STR("true"));
    if (!yes && !(is_scalar(node) && str_eq(node->scalar, STR("false")))) {
        expected(p, node, "true or false");
        return false;
    }
    *out = yes;
    return true;
}

/* "-12", "0", "7"; no leading zero, '+', hex or '_'. */
static bool plain_integer(str s, int64_t *out)
{
    str digits = s.n && s.p[0] == '-' ? str_slice(s, 1, s.n) : s;
    if (!digits.n || (digits.p[0] == '0' && s.n > 1))
        return false;
    return str_to_i64(s, out);
}

bool read_int(struct problems *p, const struct yaml *node, int64_t min, int64_t max, int64_t *out)
{
    if (!node)
        return true;
    int64_t v;
    if (is_scalar(node) && plain_integer(node->scalar, &v) && v >= min && v <= max) {
        *out = v;
        return true;
    }
    char what[96];
    snprintf(what, sizeof(what), "a whole number from %lld to %lld", (long long)min,
             (long long)max);
    expected(p, node, what);
    return false;
}

const char *duration_text(int64_t ms, char out[AMOUNT_TEXT_MAX])
{
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    size_t i = 0;
    while (ms % units[i].ms || (!ms && units[i].ms > 1000))
        i++;
    snprintf(out, AMOUNT_TEXT_MAX, "%lld%s", (long long)(ms / units[i].ms), units[i].unit);
    return out;
}

bool read_duration(struct problems *p, const struct yaml *node, int64_t min_ms, int64_t max_ms,
                   int64_t *out_ms)
{
    if (!node)
        return true;
    int64_t ms = 0;
    bool ok = is_scalar(node) &&
              (str_eq(node->scalar, STR("0")) || clock_duration_parse(node->scalar, &ms));
    if (ok && ms >= min_ms && ms <= max_ms) {
        *out_ms = ms;
        return true;
    }
    char what[128], low[AMOUNT_TEXT_MAX], high[AMOUNT_TEXT_MAX];
    if (ok)
        snprintf(what, sizeof(what), "a duration from %s to %s", duration_text(min_ms, low),
                 duration_text(max_ms, high));
    else
        snprintf(what, sizeof(what), "a duration: a number and one unit (ms s m h d), as 30s");
    expected(p, node, what);
    return false;
}

static bool parse_size(str s, int64_t *out)
{
    static const struct {
        str unit;
        unsigned shift;
    } units[] = {{{"KiB", 3}, 10}, {{"MiB", 3}, 20}, {{"GiB", 3}, 30}, {{"B", 1}, 0}};
    int64_t n;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (!str_ends(s, units[i].unit))
            continue;
        str digits = str_slice(s, 0, s.n - units[i].unit.n);
        if (!plain_integer(digits, &n) || n < 0 || n > INT64_MAX >> units[i].shift)
            return false;
        *out = n << units[i].shift;
        return true;
    }
    return false;
}

const char *size_text(int64_t bytes, char out[AMOUNT_TEXT_MAX])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
    size_t i = 0;
    while (i < 3 && bytes && bytes % 1024 == 0) {
        bytes /= 1024;
        i++;
    }
    snprintf(out, AMOUNT_TEXT_MAX, "%lld%s", (long long)bytes, units[i]);
    return out;
}

bool read_size(struct problems *p, const struct yaml *node, int64_t min, int64_t max, int64_t *out)
{
    if (!node)
        return true;
    int64_t bytes = 0;
    bool ok =
        is_scalar(node) && (str_eq(node->scalar, STR("0")) || parse_size(node->scalar, &bytes));
    if (ok && bytes >= min && bytes <= max) {
        *out = bytes;
        return true;
    }
    char what[128], low[AMOUNT_TEXT_MAX], high[AMOUNT_TEXT_MAX];
    if (ok)
        snprintf(what, sizeof(what), "a size from %s to %s", size_text(min, low),
                 size_text(max, high));
    else
        snprintf(what, sizeof(what), "a size: a number and a unit (B KiB MiB GiB), as 1MiB");
    expected(p, node, what);
    return false;
}

bool read_rate(struct problems *p, const struct yaml *node, struct rate *out)
{
    static const struct {
        str unit;
        int64_t ms;
    } units[] = {{{"s", 1}, 1000}, {{"m", 1}, 60000}, {{"h", 1}, 3600000}, {{"d", 1}, 86400000}};
    if (!node)
        return true;
    if (is_scalar(node)) {
        str unit = node->scalar;
        str number = str_cut(&unit, '/');
        int64_t n;
        if (unit.p && plain_integer(number, &n) && n > 0 && n <= 1000000000)
            for (size_t i = 0; i < ARRAY_LEN(units); i++)
                if (str_eq(unit, units[i].unit)) {
                    *out = (struct rate){n, units[i].ms};
                    return true;
                }
    }
    expected(p, node, "a rate: a number, '/' and a unit (s m h d), as 100/s");
    return false;
}

bool read_enum(struct problems *p, const struct yaml *node, const char *const *words, int *out)
{
    if (!node)
        return true;
    struct nearest near;
    nearest_init(&near, node->kind == YAML_SCALAR ? node->scalar : STR(""));
    struct buf list;
    buf_init(&list, 320);
    for (int i = 0; words[i]; i++) {
        if (is_scalar(node) && str_eq(node->scalar, str_from_cstr(words[i]))) {
            *out = i;
            buf_release(&list);
            return true;
        }
        nearest_offer(&near, str_from_cstr(words[i]));
        buf_printf(&list, "%s%s", !i ? "" : words[i + 1] ? ", " : " or ", words[i]);
    }
    str best = nearest_word(&near);
    char key[VALUE_TEXT_MAX], value[VALUE_TEXT_MAX];
    if (is_scalar(node) && best.p)
        problem_at(p, node, "%sexpected %s, found %s; did you mean \"" STR_FMT "\"?",
                   subject(node, key), buf_cstr(&list), value_text(node, value), STR_ARG(best));
    else
        expected(p, node, buf_cstr(&list));
    buf_release(&list);
    return false;
}

bool read_str_list(struct problems *p, struct arena *a, const struct yaml *node, str **out,
                   size_t *count)
{
    if (!node)
        return true;
    if (node->kind != YAML_LIST) {
        char key[VALUE_TEXT_MAX], value[VALUE_TEXT_MAX];
        if (is_scalar(node))
            problem_at(p, node, "%sexpected a list, found %s; write it in brackets: [ ... ]",
                       subject(node, key), value_text(node, value));
        else
            expected(p, node, "a list");
        return false;
    }
    str *v = ARENA_ARRAY(a, str, node->count + 1);
    if (!v) {
        problem_at(p, node, "the configuration is too large");
        return false;
    }
    size_t n = 0;
    bool ok = true;
    for (const struct yaml *item = node->first; item; item = item->next)
        if (!read_str(p, item, &v[n]))
            ok = false;
        else
            n++;
    if (!ok)
        return false;
    *out = v;
    *count = n;
    return true;
}

static void unknown_key(struct problems *p, const struct yaml *map, const struct yaml *member,
                        const char *const *known)
{
    struct nearest near;
    nearest_init(&near, member->key);
    struct buf text;
    buf_init(&text, 440);
    str key = str_slice(member->key, 0, 60);
    buf_printf(&text, "unknown key \"" STR_FMT "\"", STR_ARG(key));
    if (map->key.n)
        buf_printf(&text, " in \"" STR_FMT "\"", STR_ARG(str_slice(map->key, 0, 60)));
    for (size_t i = 0; known[i]; i++)
        nearest_offer(&near, str_from_cstr(known[i]));
    str best = nearest_word(&near);
    if (best.p) {
        buf_printf(&text, "; did you mean \"" STR_FMT "\"?", STR_ARG(best));
    } else {
        buf_str_append(&text, STR("; known: "));
        for (size_t i = 0; known[i]; i++)
            buf_printf(&text, "%s%s", i ? ", " : "", known[i]);
    }
    problem_at_key(p, member, STR_FMT, STR_ARG(buf_str(&text)));
    buf_release(&text);
}

bool read_keys(struct problems *p, const struct yaml *map, const char *const *known)
{
    if (!map)
        return true;
    if (map->kind != YAML_MAP) {
        expected(p, map, "a mapping");
        return false;
    }
    bool ok = true;
    for (const struct yaml *member = map->first; member; member = member->next) {
        size_t i = 0;
        while (known[i] && !str_eq(member->key, str_from_cstr(known[i])))
            i++;
        if (!known[i]) {
            unknown_key(p, map, member, known);
            ok = false;
        }
    }
    return ok;
}
