/* yaml11.c -- libyaml's events to a typed tree, with the types of yaml.v2 for Go: what a plain
 * scalar is, how numbers are written back, in which order merges and members override. Bounded by
 * nodes, depth and bytes. */
#include "base/yaml11.h"

#include "base/buf.h"
#include "base/codec.h"
#include "base/map.h"

#include <errno.h>
#include <math.h>
#include <yaml.h>

#define SHOWN_BYTES_MAX 60
#define NUMBER_BYTES_MAX 400
#define MENDED_ESCAPES_MAX 1000u

struct anchor {
    struct yaml11 *node;
    bool complete;
};

struct reader {
    yaml_parser_t parser;
    struct arena *arena;
    struct map anchors; /* name to struct anchor, in the arena */
    str file;
    unsigned nodes, depth, flow; /* flow: open flow collections */
    struct reason *why;
};

static struct yaml11 *refuse(struct reader *r, yaml_mark_t at, const char *sentence)
{
    char file[256];
    struct buf shown = buf_over(file, sizeof(file));
    text_escape(&shown, r->file, SHOWN_BYTES_MAX);
    fail(r->why, ERR_INVALID, "%s:%zu:%zu: %s", buf_cstr(&shown), at.line + 1, at.column + 1,
         sentence);
    return NULL;
}

static struct yaml11 *new_node(struct reader *r, yaml_mark_t at, enum yaml11_kind kind)
{
    if (++r->nodes > YAML11_NODES_MAX)
        return refuse(r, at, "more than 200000 values once aliases are followed");
    struct yaml11 *n = ARENA_NEW(r->arena, struct yaml11);
    if (!n)
        return refuse(r, at, "the file needs too much memory");
    n->kind = kind;
    n->text = STR("");
    n->line = (unsigned)at.line + 1;
    n->column = (unsigned)at.column + 1;
    return n;
}

/* --- scalars --------------------------------------------------------------------------------- */

static bool is_one_of(str s, const char *const *words)
{
    for (; *words; words++)
        if (str_eq(s, str_from_cstr(*words)))
            return true;
    return false;
}

static str without_underscores(struct arena *a, str s)
{
    char *p = arena_alloc(a, s.n + 1);
    size_t n = 0;
    if (!p)
        return STR("");
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '_')
            p[n++] = s.p[i];
    p[n] = '\0';
    return str_of(p, n);
}

/* [-+]?digits?.?digits([eE][-+]digits)?: the sign of the exponent must be there. */
static bool is_float_style(str s)
{
    size_t i = 0, digits = 0;
    if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
        i++;
    while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
        i++, digits++;
    if (i < s.n && s.p[i] == '.') {
        digits = 0;
        for (i++; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
            digits++;
    }
    if (digits == 0)
        return false;
    if (i == s.n)
        return true;
    if (s.p[i] != 'e' && s.p[i] != 'E')
        return false;
    i++;
    if (i == s.n || (s.p[i] != '-' && s.p[i] != '+'))
        return false;
    size_t before = ++i;
    while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
        i++;
    return i == s.n && i > before;
}

/* As Go's ParseInt with base 0: 0x, 0o, 0b and a leading 0 for octal. NUL-terminated. */
static bool parse_int(str s, bool *negative, uint64_t *out)
{
    const char *p = s.p;
    int base = 10;
    *negative = *p == '-';
    if (*p == '-' || *p == '+')
        p++;
    if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X'))
        base = 16, p += 2;
    else if (p[0] == '0' && (p[1] == 'o' || p[1] == 'O'))
        base = 8, p += 2;
    else if (p[0] == '0' && (p[1] == 'b' || p[1] == 'B'))
        base = 2, p += 2;
    else if (p[0] == '0' && p[1])
        base = 8, p += 1;
    if (!((*p >= '0' && *p <= '9') || (base == 16 && ((*p | 32) >= 'a' && (*p | 32) <= 'f'))))
        return false;
    char *end = NULL;
    errno = 0;
    *out = strtoull(p, &end, base);
    return errno == 0 && *end == '\0' && (!*negative || *out <= UINT64_C(1) << 63);
}

/* The shortest text that reads back as the same single-precision value, written as Go's 'g'. */
static str float_text(struct arena *a, double v)
{
    char text[64];
    float f = (float)v; /* may become infinite, as it does there */
    if (isnan(f) || isinf(f))
        return isnan(f) ? STR("NaN") : f > 0 ? STR("+Inf") : STR("-Inf");
    int precision = 1;
    for (; precision < 10; precision++) {
        (void)snprintf(text, sizeof(text), "%.*e", precision - 1, (double)f);
        if (strtof(text, NULL) == f)
            break;
    }
    int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
    if (exponent < -4 || exponent >= 6)
        return arena_str(a, str_from_cstr(text));
    int decimals = precision - 1 - exponent;
    return arena_printf(a, "%.*f", decimals > 0 ? decimals : 0, (double)f);
}

static void become_integer(struct reader *r, struct yaml11 *n, bool negative, uint64_t v)
{
    n->kind = YAML11_INT;
    n->text = arena_printf(r->arena, "%s%llu", negative && v ? "-" : "", (unsigned long long)v);
    n->has_integer = negative || v <= INT64_MAX;
    n->integer = negative ? (int64_t)(0 - v) : (int64_t)v;
}

static void become_float(struct reader *r, struct yaml11 *n, double v)
{
    n->kind = YAML11_FLOAT;
    n->text = float_text(r->arena, v);
    n->has_integer = fabs(v) < 9e15 && floor(v) == v;
    n->integer = n->has_integer ? (int64_t)v : 0;
}

static bool become_number(struct reader *r, struct yaml11 *n, str plain)
{
    bool negative;
    uint64_t v;
    if (plain.n == 0 || plain.n > NUMBER_BYTES_MAX ||
        !memchr("+-.0123456789", plain.p[0], sizeof("+-.0123456789") - 1))
        return false;
    str s = without_underscores(r->arena, plain);
    if (s.n == 0)
        return false;
    if (plain.p[0] != '.' && parse_int(s, &negative, &v)) {
        become_integer(r, n, negative, v);
        return true;
    }
    if (!is_float_style(s))
        return false;
    become_float(r, n, strtod(s.p, NULL));
    return true;
}

static void resolve(struct reader *r, struct yaml11 *n, str plain)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const yes[] = {"y",    "Y",    "yes", "Yes", "YES", "true",
                                      "True", "TRUE", "on",  "On",  "ON",  NULL};
    static const char *const no[] = {"n",     "N",     "no",  "No",  "NO",  "false",
                                     "False", "FALSE", "off", "Off", "OFF", NULL};
    static const char *const not_numbers[] = {".nan", ".NaN", ".NAN", NULL};
    static const char *const infinities[] = {".inf",  ".Inf",  ".INF", "+.inf",
                                             "+.Inf", "+.INF", NULL};
    static const char *const negative_infinities[] = {"-.inf", "-.Inf", "-.INF", NULL};
    n->kind = YAML11_STRING;
    n->text = plain;
    if (is_one_of(plain, nulls)) {
        n->kind = YAML11_NULL;
        n->text = STR("");
    } else if (is_one_of(plain, yes) || is_one_of(plain, no)) {
        n->kind = YAML11_BOOL;
        n->truth = is_one_of(plain, yes);
        n->text = n->truth ? STR("true") : STR("false");
    } else if (is_one_of(plain, not_numbers)) {
        become_float(r, n, (double)NAN);
    } else if (is_one_of(plain, infinities)) {
        become_float(r, n, (double)INFINITY);
    } else if (is_one_of(plain, negative_infinities)) {
        become_float(r, n, -(double)INFINITY);
    } else if (!become_number(r, n, plain)) {
        n->text = plain;
    }
}

static bool tag_is(const yaml_event_t *e, const char *name)
{
    str tag = str_from_cstr((const char *)e->data.scalar.tag);
    static const str prefix = {"tag:yaml.org,2002:", sizeof("tag:yaml.org,2002:") - 1};
    return tag.p && str_starts(tag, prefix) &&
           str_eq(str_slice(tag, prefix.n, tag.n), str_from_cstr(name));
}

static bool has_resolvable_tag(const yaml_event_t *e)
{
    return tag_is(e, "bool") || tag_is(e, "int") || tag_is(e, "float") || tag_is(e, "null") ||
           tag_is(e, "timestamp");
}

static struct yaml11 *read_scalar(struct reader *r, const yaml_event_t *e)
{
    str text =
        arena_str(r->arena, str_of((const char *)e->data.scalar.value, e->data.scalar.length));
    struct yaml11 *n = new_node(r, e->start_mark, YAML11_STRING);
    if (!n || !text.p)
        return NULL;
    n->text = text;
    if (r->flow && e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && str_find(text, ':') < text.n)
        return refuse(r, e->start_mark, "found unexpected ':'");
    if (tag_is(e, "binary")) {
        size_t got = 0, room = text.n;
        uint8_t *bytes = arena_alloc(r->arena, room + 1);
        if (!bytes || !base64_decode(text, bytes, room, &got))
            return refuse(r, e->start_mark, "!!binary contains invalid base64 data");
        n->text = str_of((const char *)bytes, got);
    } else if ((!e->data.scalar.tag && e->data.scalar.plain_implicit) || has_resolvable_tag(e)) {
        resolve(r, n, text);
    }
    return n;
}

/* --- collections ----------------------------------------------------------------------------- */

static struct yaml11 *read_node(struct reader *r, const yaml_event_t *e);

static bool next_event(struct reader *r, yaml_event_t *e)
{
    if (yaml_parser_parse(&r->parser, e))
        return true;
    refuse(r, r->parser.problem_mark, r->parser.problem ? r->parser.problem : "this is no YAML");
    return false;
}

/* A copy of a subtree: a node can have one place only. */
static struct yaml11 *copy(struct reader *r, yaml_mark_t at, const struct yaml11 *from)
{
    struct yaml11 *n = new_node(r, at, from->kind);
    if (!n)
        return NULL;
    struct yaml11 **tail = &n->first;
    unsigned line = n->line, column = n->column;
    *n = *from;
    n->line = line;
    n->column = column;
    n->first = n->next = NULL;
    for (const struct yaml11 *child = from->first; child; child = child->next) {
        *tail = copy(r, at, child);
        if (!*tail)
            return NULL;
        tail = &(*tail)->next;
    }
    return n;
}

static struct yaml11 *read_alias(struct reader *r, const yaml_event_t *e)
{
    const struct anchor *a =
        map_get(&r->anchors, str_from_cstr((const char *)e->data.alias.anchor));
    if (!a)
        return refuse(r, e->start_mark, "an alias for an anchor that is not there");
    if (!a->complete)
        return refuse(r, e->start_mark, "an anchor's value contains itself");
    return copy(r, e->start_mark, a->node);
}

static struct anchor *declare_anchor(struct reader *r, const yaml_char_t *name)
{
    struct anchor *a = name ? ARENA_NEW(r->arena, struct anchor) : NULL;
    if (a)
        map_put(&r->anchors, str_from_cstr((const char *)name), a);
    return a;
}

static bool read_list(struct reader *r, struct yaml11 *list)
{
    struct yaml11 **tail = &list->first;
    for (;;) {
        yaml_event_t e;
        if (!next_event(r, &e))
            return false;
        bool over = e.type == YAML_SEQUENCE_END_EVENT;
        struct yaml11 *item = over ? NULL : read_node(r, &e);
        yaml_event_delete(&e);
        if (over)
            return true;
        if (!item)
            return false;
        *tail = item;
        tail = &item->next;
        list->count++;
    }
}

static struct yaml11 **append_members(struct reader *r, struct yaml11 *map, struct yaml11 **tail,
                                      yaml_mark_t at, const struct yaml11 *from)
{
    for (const struct yaml11 *m = from->first; m; m = m->next) {
        *tail = copy(r, at, m);
        if (!*tail)
            return NULL;
        tail = &(*tail)->next;
        map->count++;
    }
    return tail;
}

/* The members of a map, or of the maps of a list: of those the first wins, so it comes last. */
static struct yaml11 **merge(struct reader *r, struct yaml11 *map, struct yaml11 **tail,
                             yaml_mark_t at, const struct yaml11 *value)
{
    static const char wrong[] = "map merge requires map or sequence of maps as the value";
    if (value->kind == YAML11_MAP)
        return append_members(r, map, tail, at, value);
    if (value->kind != YAML11_LIST) {
        refuse(r, at, wrong);
        return NULL;
    }
    for (size_t i = value->count; i-- > 0 && tail;) {
        const struct yaml11 *item = value->first;
        for (size_t k = 0; k < i; k++)
            item = item->next;
        if (item->kind != YAML11_MAP) {
            refuse(r, at, wrong);
            return NULL;
        }
        tail = append_members(r, map, tail, at, item);
    }
    return tail;
}

/* One member. NULL on failure or, with *over, at the end of the map. */
static struct yaml11 **read_member(struct reader *r, struct yaml11 *map, struct yaml11 **tail,
                                   bool *over)
{
    yaml_event_t e;
    if (!next_event(r, &e))
        return NULL;
    *over = e.type == YAML_MAPPING_END_EVENT;
    bool is_merge = e.type == YAML_SCALAR_EVENT && e.data.scalar.plain_implicit &&
                    e.data.scalar.length == 2 && memcmp(e.data.scalar.value, "<<", 2) == 0;
    yaml_mark_t at = e.start_mark;
    struct yaml11 *key = *over ? NULL : read_node(r, &e);
    yaml_event_delete(&e);
    if (!key || *over)
        return NULL;
    if (key->kind == YAML11_LIST || key->kind == YAML11_MAP || key->kind == YAML11_NULL) {
        refuse(r, at, "a list, a map or null cannot be a key here");
        return NULL;
    }
    if (!next_event(r, &e))
        return NULL;
    struct yaml11 *value = read_node(r, &e);
    yaml_event_delete(&e);
    if (!value)
        return NULL;
    if (is_merge)
        return merge(r, map, tail, at, value);
    value->key = key->text;
    *tail = value;
    map->count++;
    return &value->next;
}

static bool read_map(struct reader *r, struct yaml11 *map)
{
    struct yaml11 **tail = &map->first;
    bool over = false;
    while (tail && !over)
        tail = read_member(r, map, tail, &over);
    return over;
}

static struct yaml11 *read_collection(struct reader *r, const yaml_event_t *e, bool is_map)
{
    if (++r->depth > YAML11_DEPTH_MAX)
        return refuse(r, e->start_mark, "nested deeper than 128 levels");
    struct yaml11 *n = new_node(r, e->start_mark, is_map ? YAML11_MAP : YAML11_LIST);
    bool is_flow = is_map ? e->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE
                          : e->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
    r->flow += is_flow;
    if (!n || !(is_map ? read_map(r, n) : read_list(r, n)))
        return NULL;
    r->flow -= is_flow;
    r->depth--;
    return n;
}

static struct yaml11 *read_node(struct reader *r, const yaml_event_t *e)
{
    struct anchor *anchor = NULL;
    struct yaml11 *n = NULL;
    switch (e->type) {
    case YAML_ALIAS_EVENT:
        return read_alias(r, e);
    case YAML_SCALAR_EVENT:
        anchor = declare_anchor(r, e->data.scalar.anchor);
        n = read_scalar(r, e);
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = declare_anchor(r, e->data.sequence_start.anchor);
        n = read_collection(r, e, false);
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = declare_anchor(r, e->data.mapping_start.anchor);
        n = read_collection(r, e, true);
        break;
    default:
        return refuse(r, e->start_mark, "a value was expected here");
    }
    if (anchor && n) {
        anchor->node = n;
        anchor->complete = true;
    }
    return n;
}

static struct yaml11 *read_first_document(struct reader *r)
{
    for (;;) {
        yaml_event_t e;
        if (!next_event(r, &e))
            return NULL;
        struct yaml11 *root = NULL;
        bool found = true;
        if (e.type == YAML_STREAM_START_EVENT || e.type == YAML_DOCUMENT_START_EVENT)
            found = false;
        else if (e.type == YAML_STREAM_END_EVENT)
            root = new_node(r, e.start_mark, YAML11_NULL);
        else
            root = read_node(r, &e);
        yaml_event_delete(&e);
        if (found)
            return root;
    }
}

static struct yaml11 *parse(struct reader *r, str text)
{
    if (!yaml_parser_initialize(&r->parser))
        return refuse(r, (yaml_mark_t){0}, "out of memory");
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)text.p, text.n);
    struct yaml11 *root = read_first_document(r);
    map_release(&r->anchors);
    return root;
}

/* The byte at which the character of that index begins. */
static size_t byte_of(str text, size_t index)
{
    size_t at = 0;
    uint32_t c;
    while (index-- > 0 && at < text.n) {
        size_t n = utf8_decode(str_slice(text, at, text.n), &c);
        at += n ? n : 1;
    }
    return at;
}

/* libyaml does not know the escape \' (which Go's js function writes); others took it for '. True
 * when the parser stopped at one and it was replaced. */
static bool mend_escape(const yaml_parser_t *parser, char *text, size_t *n)
{
    static const char unknown[] = "found unknown escape character";
    if (!parser->problem || strcmp(parser->problem, unknown) != 0)
        return false;
    size_t at = byte_of(str_of(text, *n), parser->problem_mark.index);
    if (at + 1 >= *n || text[at] != '\\' || text[at + 1] != '\'')
        return false;
    memmove(text + at, text + at + 1, *n - at - 1);
    --*n;
    return true;
}

struct yaml11 *yaml11_parse(struct arena *a, str file, str text, struct reason *why)
{
    struct reader r = {.arena = a, .file = file, .why = why};
    if (text.n > YAML11_BYTES_MAX)
        return refuse(&r, (yaml_mark_t){0}, "the file is larger than 4 MiB");
    if (str_starts(text, STR("\xef\xbb\xbf")))
        text = str_slice(text, 3, text.n);
    char *copy_of = arena_alloc(a, text.n + 1);
    size_t n = text.n;
    if (!copy_of)
        return refuse(&r, (yaml_mark_t){0}, "the file needs too much memory");
    memcpy(copy_of, text.p ? text.p : "", text.n);
    for (unsigned mended = 0;; mended++) {
        struct yaml11 *root = parse(&r, str_of(copy_of, n));
        bool again = !root && mended < MENDED_ESCAPES_MAX && mend_escape(&r.parser, copy_of, &n);
        yaml_parser_delete(&r.parser);
        if (!again)
            return root;
        r = (struct reader){.arena = a, .file = file, .why = why};
    }
}

const char *yaml11_kind_text(enum yaml11_kind kind)
{
    static const char *const texts[] = {"null",     "a boolean", "a number", "a number",
                                        "a string", "a list",    "a map"};
    return texts[kind];
}
