/* go_expression.c -- pipelines, parsed and evaluated in one go from where the pass stands. In a
 * branch that is not taken they are parsed all the same, so that a mistake there is found. */
#include "compat/go_expansion.h"

#include "base/codec.h"

/* --- operands -------------------------------------------------------------------------------- */

struct go_operand go_give_up(struct go_expansion *x, const char *what, str shown)
{
    size_t line = 1;
    size_t at = (size_t)(x->rest.p - x->whole.p);
    for (size_t i = 0; i < at && i < x->whole.n; i++)
        line += x->whole.p[i] == '\n';
    if (!x->failed)
        fail(x->why, ERR_INVALID, "template: " STR_FMT ":%zu: %s%.*s", STR_ARG(x->name), line, what,
             (int)(shown.n > 60 ? 60 : shown.n), shown.p ? shown.p : "");
    x->failed = true;
    return (struct go_operand){.kind = GO_NIL};
}

struct go_operand go_string(str s)
{
    return (struct go_operand){.kind = GO_STRING, .text = s};
}

struct go_operand go_bool(bool b)
{
    return (struct go_operand){.kind = GO_BOOL, .truth = b};
}

bool go_is_true(const struct go_operand *v)
{
    switch (v->kind) {
    case GO_BOOL:
        return v->truth;
    case GO_INT:
        return v->integer != 0;
    case GO_STRING:
        return v->text.n > 0;
    case GO_NIL:
        break;
    }
    return false;
}

str go_text(struct go_expansion *x, const struct go_operand *v)
{
    switch (v->kind) {
    case GO_BOOL:
        return v->truth ? STR("true") : STR("false");
    case GO_INT:
        return arena_printf(x->arena, "%lld", (long long)v->integer);
    case GO_STRING:
        return v->text;
    case GO_NIL:
        break;
    }
    return STR("<no value>");
}

struct go_operand go_built(struct go_expansion *x, struct buf *b)
{
    str s = buf_ok(b) ? arena_str(x->arena, buf_str(b)) : STR_NONE;
    buf_release(b);
    return s.p ? go_string(s) : go_give_up(x, "the result is too long", STR(""));
}

/* --- parsing --------------------------------------------------------------------------------- */

void go_skip_blanks(struct go_expansion *x)
{
    while (x->rest.n && strchr(" \t\r\n", x->rest.p[0]) && x->rest.p[0])
        x->rest = str_slice(x->rest, 1, x->rest.n);
}

bool go_take(struct go_expansion *x, char c)
{
    go_skip_blanks(x);
    if (!x->rest.n || x->rest.p[0] != c)
        return false;
    x->rest = str_slice(x->rest, 1, x->rest.n);
    return true;
}

static bool is_word_char(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

str go_take_word(struct go_expansion *x)
{
    size_t n = 0;
    while (n < x->rest.n && is_word_char(x->rest.p[n]))
        n++;
    str word = str_slice(x->rest, 0, n);
    x->rest = str_slice(x->rest, n, x->rest.n);
    return word;
}

static struct go_operand quoted(struct go_expansion *x)
{
    static const char from[] = "abfnrtv\\\"'", to[] = "\a\b\f\n\r\t\v\\\"'";
    struct buf b;
    buf_init(&b, GO_TEXT_BYTES_MAX);
    size_t i = 1;
    for (; i < x->rest.n && x->rest.p[i] != '"' && x->rest.p[i] != '\n'; i++) {
        char c = x->rest.p[i];
        if (c == '\\' && ++i < x->rest.n) {
            const char *known = memchr(from, x->rest.p[i], sizeof(from) - 1);
            if (!known) {
                buf_release(&b);
                return go_give_up(x,
                                  "unknown escape in a string: ", str_slice(x->rest, i - 1, i + 1));
            }
            c = to[known - from];
        }
        buf_char(&b, c);
    }
    if (i >= x->rest.n || x->rest.p[i] != '"') {
        buf_release(&b);
        return go_give_up(x, "unterminated quoted string", STR(""));
    }
    x->rest = str_slice(x->rest, i + 1, x->rest.n);
    return go_built(x, &b);
}

/* 'a' is a number: the character's code. */
static struct go_operand character(struct go_expansion *x)
{
    uint32_t c;
    size_t n = utf8_decode(str_slice(x->rest, 1, x->rest.n), &c);
    if (n == 0 || c == '\\' || x->rest.n < n + 2 || x->rest.p[n + 1] != '\'')
        return go_give_up(x, "malformed character constant", STR(""));
    x->rest = str_slice(x->rest, n + 2, x->rest.n);
    return (struct go_operand){.kind = GO_INT, .integer = c};
}

static struct go_operand raw_quoted(struct go_expansion *x)
{
    str inner = str_slice(x->rest, 1, x->rest.n);
    size_t end = str_find(inner, '`');
    if (end == inner.n)
        return go_give_up(x, "unterminated raw quoted string", STR(""));
    x->rest = str_slice(inner, end + 1, inner.n);
    return go_string(str_slice(inner, 0, end));
}

static struct go_operand number(struct go_expansion *x)
{
    bool negative = x->rest.p[0] == '-';
    if (negative || x->rest.p[0] == '+')
        x->rest = str_slice(x->rest, 1, x->rest.n);
    str digits = go_take_word(x);
    int64_t v;
    if (!str_to_i64(digits, &v) || (x->rest.n && x->rest.p[0] == '.'))
        return go_give_up(x, "only whole decimal numbers can be used: ", digits);
    return (struct go_operand){.kind = GO_INT, .integer = negative ? -v : v};
}

static struct go_operand variable(struct go_expansion *x)
{
    x->rest = str_slice(x->rest, 1, x->rest.n);
    str name = go_take_word(x);
    const struct go_operand *v = map_get(&x->variables, name);
    if (!name.n) /* $ alone is the data */
        return (struct go_operand){.kind = GO_NIL};
    return v ? *v : go_give_up(x, "undefined variable $", name);
}

static struct go_operand parenthesised(struct go_expansion *x)
{
    if (++x->parens > GO_NESTING_MAX)
        return go_give_up(x, "parentheses are nested too deeply", STR(""));
    x->rest = str_slice(x->rest, 1, x->rest.n);
    struct go_operand v = go_pipeline(x);
    x->parens--;
    return go_take(x, ')') || x->failed ? v : go_give_up(x, "unclosed left paren", STR(""));
}

static struct go_operand word_operand(struct go_expansion *x)
{
    enum go_function f;
    str word = go_take_word(x);
    if (str_eq(word, STR("true")) || str_eq(word, STR("false")))
        return go_bool(word.p[0] == 't');
    if (str_eq(word, STR("nil")))
        return (struct go_operand){.kind = GO_NIL};
    if (go_function_named(word, &f))
        return go_call(x, f, NULL, 0);
    return go_give_up(x, "function not defined or not supported here: ", word);
}

/* One operand; the caller has seen that something stands there. */
static struct go_operand operand(struct go_expansion *x)
{
    char c = x->rest.p[0];
    if (c == '"')
        return quoted(x);
    if (c == '`')
        return raw_quoted(x);
    if (c == '\'')
        return character(x);
    if (c == '$')
        return variable(x);
    if (c == '(')
        return parenthesised(x);
    if (c == '-' || c == '+' || (c >= '0' && c <= '9'))
        return number(x);
    if (c == '.') {
        x->rest = str_slice(x->rest, 1, x->rest.n);
        (void)go_take_word(x); /* a field of nothing is nothing */
        return (struct go_operand){.kind = GO_NIL};
    }
    if (is_word_char(c))
        return word_operand(x);
    return go_give_up(x, "unexpected ", str_slice(x->rest, 0, 1));
}

static bool at_end_of_command(struct go_expansion *x)
{
    go_skip_blanks(x);
    return !x->rest.n || x->rest.p[0] == '|' || x->rest.p[0] == ')';
}

/* A function with its arguments, or one operand. piped: the value before the `|`, NULL: none. */
static struct go_operand command(struct go_expansion *x, const struct go_operand *piped)
{
    struct go_operand args[GO_ARGUMENTS_MAX + 1];
    size_t count = 0;
    enum go_function f;
    if (at_end_of_command(x))
        return go_give_up(x, "missing value for command", STR(""));
    str before = x->rest;
    if (!is_word_char(x->rest.p[0]) || !go_function_named(go_take_word(x), &f)) {
        x->rest = before;
        struct go_operand v = operand(x);
        if (piped && !x->failed)
            return go_give_up(x, "what is piped into must be a function", STR(""));
        return at_end_of_command(x) || x->failed
                   ? v
                   : go_give_up(x, "can't give argument to non-function", STR(""));
    }
    while (!at_end_of_command(x) && !x->failed) {
        if (count == GO_ARGUMENTS_MAX)
            return go_give_up(x, "too many arguments", STR(""));
        args[count++] = operand(x);
    }
    if (piped)
        args[count++] = *piped;
    return x->failed ? (struct go_operand){.kind = GO_NIL} : go_call(x, f, args, count);
}

struct go_operand go_pipeline(struct go_expansion *x)
{
    struct go_operand v = command(x, NULL);
    while (!x->failed && go_take(x, '|'))
        v = command(x, &v);
    return v;
}
