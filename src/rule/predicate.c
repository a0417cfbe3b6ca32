/* predicate.c -- recursive descent into a tree of nodes, and one walk to evaluate it. Precedence
 * is the order of the parse_ functions. */
#include "rule/predicate.h"

enum node_kind {
    NODE_LITERAL,
    NODE_STATUS,
    NODE_BODY,
    NODE_HEADER,
    NODE_JSON,
    NODE_FIRST,
    NODE_CONTAINS,
    NODE_OR,
    NODE_AND,
    NODE_NOT,
    NODE_EQ,
    NODE_NE,
    NODE_LT,
    NODE_LE,
    NODE_GT,
    NODE_GE,
    NODE_IN,
};

struct value {
    enum { VALUE_NULL, VALUE_BOOL, VALUE_NUMBER, VALUE_TEXT } kind;
    bool truth;
    double number;
    str text;
    const struct json *json; /* what the number was read from, for its exact digits */
};

struct predicate {
    enum node_kind kind;
    struct value literal;
    str name;                       /* of a header, of a JSON path */
    struct predicate *first, *next; /* operands, in order */
};

/* --- reading --------------------------------------------------------------------------------- */

struct parser {
    struct arena *arena;
    str rest;
    size_t nodes, depth;
    struct reason *why;
};

static void skip_blanks(struct parser *p)
{
    while (p->rest.n > 0 && (p->rest.p[0] == ' ' || p->rest.p[0] == '\n'))
        p->rest = str_slice(p->rest, 1, p->rest.n);
}

static struct predicate *wrong(struct parser *p, const char *what)
{
    (void)fail(p->why, ERR_INVALID, "at \"" STR_FMT "\": %s", STR_ARG(str_slice(p->rest, 0, 30)),
               what);
    return NULL;
}

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static str peek_word(struct parser *p)
{
    skip_blanks(p);
    size_t n = 0;
    while (n < p->rest.n && is_word_char(p->rest.p[n]))
        n++;
    return str_slice(p->rest, 0, n);
}

static bool take(struct parser *p, str token)
{
    skip_blanks(p);
    if (!str_starts(p->rest, token))
        return false;
    p->rest = str_slice(p->rest, token.n, p->rest.n);
    return true;
}

static bool take_word(struct parser *p, str word)
{
    return str_eq(peek_word(p), word) && take(p, word);
}

static struct predicate *node(struct parser *p, enum node_kind kind, struct predicate *first,
                              struct predicate *second)
{
    if (++p->nodes > PREDICATE_NODES_MAX)
        return wrong(p, "the condition is too long");
    struct predicate *n = ARENA_NEW(p->arena, struct predicate);
    if (!n)
        return wrong(p, "no room for the condition");
    n->kind = kind;
    n->first = first;
    if (first)
        first->next = second;
    return n;
}

static struct predicate *literal(struct parser *p, struct value v)
{
    struct predicate *n = node(p, NODE_LITERAL, NULL, NULL);
    if (n)
        n->literal = v;
    return n;
}

static bool parse_text(struct parser *p, str *out)
{
    if (!take(p, STR("'"))) {
        wrong(p, "expected text in single quotes");
        return false;
    }
    size_t end = str_find(p->rest, '\'');
    if (end == p->rest.n) {
        wrong(p, "the closing quote is missing");
        return false;
    }
    *out = arena_str(p->arena, str_slice(p->rest, 0, end));
    p->rest = str_slice(p->rest, end + 1, p->rest.n);
    return out->p != NULL;
}

static struct predicate *parse_or(struct parser *p);

static struct predicate *parse_number(struct parser *p)
{
    size_t n = 0;
    while (n < p->rest.n && (is_word_char(p->rest.p[n]) || strchr("0123456789.-+", p->rest.p[n])))
        n++;
    struct json_doc *doc = json_parse(str_slice(p->rest, 0, n), NULL);
    struct value v = {.kind = VALUE_NUMBER};
    bool ok = json_f64(json_root(doc), &v.number);
    json_doc_free(doc);
    if (!ok)
        return wrong(p, "expected a value: a number, 'text', status, body, header('NAME') or "
                        "json('path')");
    p->rest = str_slice(p->rest, n, p->rest.n);
    return literal(p, v);
}

/* header('X') and json('a.b'). */
static struct predicate *parse_lookup(struct parser *p, enum node_kind kind)
{
    str name;
    if (!take(p, STR("(")))
        return wrong(p, "expected (");
    if (!parse_text(p, &name))
        return NULL;
    if (!take(p, STR(")")))
        return wrong(p, "expected )");
    struct predicate *n = node(p, kind, NULL, NULL);
    if (n)
        n->name = name;
    return n;
}

/* A list of expressions up to `end`, as operands of n. */
static struct predicate *parse_operands(struct parser *p, struct predicate *n, str end)
{
    struct predicate **tail = &n->first;
    while (*tail)
        tail = &(*tail)->next;
    do {
        *tail = parse_or(p);
        if (!*tail)
            return NULL;
        tail = &(*tail)->next;
    } while (take(p, STR(",")));
    return take(p, end) ? n : wrong(p, "expected , or the closing bracket");
}

static struct predicate *parse_call(struct parser *p, enum node_kind kind)
{
    if (!take(p, STR("(")))
        return wrong(p, "expected (");
    struct predicate *n = node(p, kind, NULL, NULL);
    n = n ? parse_operands(p, n, STR(")")) : NULL;
    if (n && kind == NODE_CONTAINS && (!n->first->next || n->first->next->next))
        return wrong(p, "contains takes a text and the part to look for");
    return n;
}

static struct predicate *parse_operand(struct parser *p)
{
    static const struct {
        str word;
        struct value v;
    } constants[] = {{{"true", 4}, {.kind = VALUE_BOOL, .truth = true}},
                     {{"false", 5}, {.kind = VALUE_BOOL}},
                     {{"null", 4}, {.kind = VALUE_NULL}}};
    struct value v = {.kind = VALUE_TEXT};
    skip_blanks(p);
    if (str_starts(p->rest, STR("'")))
        return parse_text(p, &v.text) ? literal(p, v) : NULL;
    for (size_t i = 0; i < ARRAY_LEN(constants); i++)
        if (take_word(p, constants[i].word))
            return literal(p, constants[i].v);
    if (take_word(p, STR("status")))
        return node(p, NODE_STATUS, NULL, NULL);
    if (take_word(p, STR("body")))
        return node(p, NODE_BODY, NULL, NULL);
    if (take_word(p, STR("header")))
        return parse_lookup(p, NODE_HEADER);
    if (take_word(p, STR("json")))
        return parse_lookup(p, NODE_JSON);
    if (take_word(p, STR("first")))
        return parse_call(p, NODE_FIRST);
    if (take_word(p, STR("contains")))
        return parse_call(p, NODE_CONTAINS);
    if (take(p, STR("("))) {
        struct predicate *inner = parse_or(p);
        if (inner && !take(p, STR(")")))
            return wrong(p, "expected )");
        return inner;
    }
    return parse_number(p);
}

static struct predicate *parse_comparison(struct parser *p)
{
    static const struct {
        str text;
        enum node_kind kind;
    } operators[] = {{{"==", 2}, NODE_EQ}, {{"!=", 2}, NODE_NE}, {{"<=", 2}, NODE_LE},
                     {{">=", 2}, NODE_GE}, {{"<", 1}, NODE_LT},  {{">", 1}, NODE_GT}};
    struct predicate *left = parse_operand(p);
    if (!left)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(operators); i++)
        if (take(p, operators[i].text)) {
            struct predicate *right = parse_operand(p);
            return right ? node(p, operators[i].kind, left, right) : NULL;
        }
    if (take_word(p, STR("in"))) {
        struct predicate *n = node(p, NODE_IN, left, NULL);
        if (n && !take(p, STR("[")))
            return wrong(p, "expected a list: status in [200, 201]");
        return n ? parse_operands(p, n, STR("]")) : NULL;
    }
    return left;
}

static struct predicate *parse_not(struct parser *p)
{
    if (!take_word(p, STR("not")))
        return parse_comparison(p);
    if (++p->depth > PREDICATE_DEPTH_MAX)
        return wrong(p, "nested too deeply");
    struct predicate *inner = parse_not(p);
    p->depth--;
    return inner ? node(p, NODE_NOT, inner, NULL) : NULL;
}

static struct predicate *parse_and(struct parser *p)
{
    struct predicate *left = parse_not(p);
    while (left && take_word(p, STR("and"))) {
        struct predicate *right = parse_not(p);
        left = right ? node(p, NODE_AND, left, right) : NULL;
    }
    return left;
}

static struct predicate *parse_or(struct parser *p)
{
    if (++p->depth > PREDICATE_DEPTH_MAX)
        return wrong(p, "nested too deeply");
    struct predicate *left = parse_and(p);
    while (left && take_word(p, STR("or"))) {
        struct predicate *right = parse_and(p);
        left = right ? node(p, NODE_OR, left, right) : NULL;
    }
    p->depth--;
    return left;
}

struct predicate *predicate_compile(struct arena *a, str text, struct reason *why)
{
    struct parser p = {.arena = a, .rest = text, .why = why};
    struct predicate *n = parse_or(&p);
    skip_blanks(&p);
    if (n && p.rest.n > 0)
        return wrong(&p, "expected and, or, a comparison, or the end");
    return n;
}

/* --- evaluating ------------------------------------------------------------------------------ */

static struct value of_json(const struct json *v)
{
    struct value out = {.kind = VALUE_NULL, .json = v};
    switch (v ? json_kind_of(v) : JSON_NULL) {
    case JSON_BOOL:
        out.kind = VALUE_BOOL;
        out.truth = json_bool(v);
        break;
    case JSON_NUMBER:
        out.kind = VALUE_NUMBER;
        (void)json_f64(v, &out.number);
        break;
    case JSON_STRING:
        out.kind = VALUE_TEXT;
        out.text = json_str(v);
        break;
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT:
        /* A container is something, though it equals no literal. */
        if (v && json_kind_of(v) != JSON_NULL) {
            out.kind = VALUE_TEXT;
            out.text = STR("[]");
        }
        break;
    }
    return out;
}

static const struct json *view_json(struct answer_view *v)
{
    if (!v->tried)
        v->doc = json_parse(v->body, NULL);
    v->tried = true;
    return json_root(v->doc);
}

void answer_view_release(struct answer_view *v)
{
    json_doc_free(v->doc);
    v->doc = NULL;
}

static bool equal(const struct value *a, const struct value *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case VALUE_NULL:
        return true;
    case VALUE_BOOL:
        return a->truth == b->truth;
    case VALUE_NUMBER:
        return a->number == b->number;
    case VALUE_TEXT:
        return str_eq(a->text, b->text);
    }
    return false;
}

static bool less(const struct value *a, const struct value *b, bool or_equal)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == VALUE_NUMBER)
        return a->number < b->number || (or_equal && a->number == b->number);
    if (a->kind != VALUE_TEXT)
        return false;
    int order = str_cmp(a->text, b->text);
    return order < 0 || (or_equal && order == 0);
}

static struct value eval(const struct predicate *p, struct answer_view *v);

static bool truth(const struct predicate *p, struct answer_view *v)
{
    struct value x = eval(p, v);
    return x.kind == VALUE_BOOL && x.truth;
}

static struct value text_or_null(str s)
{
    return (struct value){.kind = s.p ? VALUE_TEXT : VALUE_NULL, .text = s};
}

static struct value first_of(const struct predicate *p, struct answer_view *v)
{
    struct value x = {.kind = VALUE_NULL};
    for (const struct predicate *one = p->first; one && x.kind == VALUE_NULL; one = one->next)
        x = eval(one, v);
    return x;
}

static bool compare(const struct predicate *p, struct answer_view *v)
{
    struct value a = eval(p->first, v), b = eval(p->first->next, v);
    switch (p->kind) {
    case NODE_EQ:
        return equal(&a, &b);
    case NODE_NE:
        return !equal(&a, &b);
    case NODE_LT:
        return less(&a, &b, false);
    case NODE_LE:
        return less(&a, &b, true);
    case NODE_GT:
        return less(&b, &a, false);
    case NODE_GE:
        return less(&b, &a, true);
    case NODE_CONTAINS:
        return a.kind == VALUE_TEXT && b.kind == VALUE_TEXT &&
               (b.text.n == 0 || str_find_str(a.text, b.text) < a.text.n);
    default:
        return false;
    }
}

static bool is_in(const struct predicate *p, struct answer_view *v)
{
    struct value a = eval(p->first, v);
    for (const struct predicate *one = p->first->next; one; one = one->next) {
        struct value b = eval(one, v);
        if (equal(&a, &b))
            return true;
    }
    return false;
}

static struct value eval(const struct predicate *p, struct answer_view *v)
{
    struct value out = {.kind = VALUE_BOOL};
    switch (p->kind) {
    case NODE_LITERAL:
        return p->literal;
    case NODE_STATUS:
        return (struct value){.kind = VALUE_NUMBER, .number = v->status};
    case NODE_BODY:
        return text_or_null(v->body);
    case NODE_HEADER:
        return text_or_null(v->fields ? http_field_get(v->fields, p->name) : STR_NONE);
    case NODE_JSON:
        return of_json(json_path(view_json(v), p->name));
    case NODE_FIRST:
        return first_of(p, v);
    case NODE_OR:
        out.truth = truth(p->first, v) || truth(p->first->next, v);
        return out;
    case NODE_AND:
        out.truth = truth(p->first, v) && truth(p->first->next, v);
        return out;
    case NODE_NOT:
        out.truth = !truth(p->first, v);
        return out;
    case NODE_IN:
        out.truth = is_in(p, v);
        return out;
    default:
        out.truth = compare(p, v);
        return out;
    }
}

bool predicate_holds(const struct predicate *p, struct answer_view *v)
{
    return p && truth(p, v);
}

str predicate_text(const struct predicate *p, struct answer_view *v, struct arena *a)
{
    if (!p)
        return STR_NONE;
    struct value x = eval(p, v);
    if (x.kind == VALUE_TEXT)
        return arena_str(a, x.text);
    if (x.kind != VALUE_NUMBER)
        return STR_NONE;
    return x.json ? arena_str(a, json_text(a, x.json)) : arena_printf(a, "%.15g", x.number);
}
