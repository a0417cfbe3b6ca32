/* go_template.c -- one pass: text is copied, actions are parsed and evaluated where they stand.
 * In a branch that is not taken they are parsed all the same, so that a mistake there is found. */
#include "compat/go_template.h"

#include "base/codec.h"
#include "base/fs.h"
#include "base/map.h"

#define NESTING_MAX 64u
#define ARGUMENTS_MAX 16u
#define FILE_BYTES_MAX (1u << 20)
#define TEXT_BYTES_MAX (4u << 20)

struct operand { /* what an expression gives */
    enum { OPERAND_NIL, OPERAND_BOOL, OPERAND_INT, OPERAND_STRING } kind;
    bool truth;
    int64_t integer;
    str text;
};

struct branch { /* an open if */
    bool parent_live, taken;
};

struct expansion {
    struct arena *arena;
    str name, whole, rest; /* rest: of the whole; inside an action of the action */
    struct buf *out;
    struct reason *why;
    struct map variables; /* to struct operand, in the arena */
    struct branch branches[NESTING_MAX];
    unsigned depth, parens;
    bool live, failed;
};

static struct operand give_up(struct expansion *x, const char *what, str shown)
{
    size_t line = 1;
    size_t at = (size_t)(x->rest.p - x->whole.p);
    for (size_t i = 0; i < at && i < x->whole.n; i++)
        line += x->whole.p[i] == '\n';
    if (!x->failed)
        fail(x->why, ERR_INVALID, "template: " STR_FMT ":%zu: %s%.*s", STR_ARG(x->name), line, what,
             (int)(shown.n > 60 ? 60 : shown.n), shown.p ? shown.p : "");
    x->failed = true;
    return (struct operand){.kind = OPERAND_NIL};
}

static struct operand string_of(str s)
{
    return (struct operand){.kind = OPERAND_STRING, .text = s};
}

static struct operand bool_of(bool b)
{
    return (struct operand){.kind = OPERAND_BOOL, .truth = b};
}

static bool is_true(const struct operand *v)
{
    switch (v->kind) {
    case OPERAND_BOOL:
        return v->truth;
    case OPERAND_INT:
        return v->integer != 0;
    case OPERAND_STRING:
        return v->text.n > 0;
    case OPERAND_NIL:
        break;
    }
    return false;
}

static str text_of(struct expansion *x, const struct operand *v)
{
    switch (v->kind) {
    case OPERAND_BOOL:
        return v->truth ? STR("true") : STR("false");
    case OPERAND_INT:
        return arena_printf(x->arena, "%lld", (long long)v->integer);
    case OPERAND_STRING:
        return v->text;
    case OPERAND_NIL:
        break;
    }
    return STR("<no value>");
}

/* --- functions ------------------------------------------------------------------------------- */

/* What a builder made, into the arena. */
static struct operand built(struct expansion *x, struct buf *b)
{
    str s = buf_ok(b) ? arena_str(x->arena, buf_str(b)) : STR_NONE;
    buf_release(b);
    return s.p ? string_of(s) : give_up(x, "the result is too long", STR(""));
}

static void escape_js(struct buf *out, str s)
{
    for (size_t i = 0; i < s.n;) {
        unsigned char c = (unsigned char)s.p[i];
        uint32_t point;
        size_t n = utf8_decode(str_slice(s, i, s.n), &point);
        if (c == '\\' || c == '\'' || c == '"')
            buf_printf(out, "\\%c", c);
        else if (c < 0x20 || c == '<' || c == '>' || c == '&' || c == '=')
            buf_printf(out, "\\u%04X", c);
        else if (n == 0 || (n > 1 && text_is_unsafe(point)))
            buf_printf(out, "\\u%04X", n ? (unsigned)point : 0xfffdu);
        else
            buf_append(out, s.p + i, n);
        i += n ? n : 1;
    }
}

static void escape_html(struct buf *out, str s)
{
    for (size_t i = 0; i < s.n; i++) {
        switch (s.p[i]) {
        case '&':
            buf_str_append(out, STR("&amp;"));
            break;
        case '<':
            buf_str_append(out, STR("&lt;"));
            break;
        case '>':
            buf_str_append(out, STR("&gt;"));
            break;
        case '"':
            buf_str_append(out, STR("&#34;"));
            break;
        case '\'':
            buf_str_append(out, STR("&#39;"));
            break;
        case '\0':
            buf_str_append(out, STR("\xef\xbf\xbd"));
            break;
        default:
            buf_char(out, s.p[i]);
        }
    }
}

static void escape_query(struct buf *out, str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == ' ')
            buf_char(out, '+');
        else
            percent_encode(out, str_of(s.p + i, 1));
    }
}

static str environment(struct expansion *x, str name)
{
    const char *key = arena_cstr(x->arena, name);
    const char *value = key ? getenv(key) : NULL;
    return value ? str_from_cstr(value) : STR("");
}

/* The file's bytes without one line end at the end; empty when it cannot be read. */
static str file_text(struct expansion *x, str path)
{
    str text;
    const char *name = arena_cstr(x->arena, path);
    if (!name || fs_read(x->arena, name, FILE_BYTES_MAX, &text, NULL) != ERR_OK)
        return STR("");
    if (str_ends(text, STR("\n")))
        text.n--;
    return text;
}

static str credential(struct expansion *x, str name)
{
    str directory = environment(x, STR("CREDENTIALS_DIRECTORY"));
    str path = arena_printf(x->arena, STR_FMT "/" STR_FMT, STR_ARG(directory), STR_ARG(name));
    const char *cpath = arena_cstr(x->arena, path);
    if (directory.n && str_find(name, '/') == name.n && cpath && fs_exists(cpath))
        return file_text(x, path);
    return environment(x, name);
}

static struct operand escaped(struct expansion *x, const struct operand *v, size_t count,
                              void (*escape)(struct buf *out, str s))
{
    struct buf b;
    buf_init(&b, TEXT_BYTES_MAX);
    for (size_t i = 0; i < count; i++)
        escape(&b, text_of(x, &v[i]));
    return built(x, &b);
}

static struct operand print(struct expansion *x, const struct operand *v, size_t count, bool line)
{
    struct buf b;
    buf_init(&b, TEXT_BYTES_MAX);
    for (size_t i = 0; i < count; i++) {
        bool strings = i > 0 && (v[i].kind == OPERAND_STRING || v[i - 1].kind == OPERAND_STRING);
        if (i > 0 && (line || !strings))
            buf_char(&b, ' ');
        buf_str_append(&b, text_of(x, &v[i]));
    }
    if (line)
        buf_char(&b, '\n');
    return built(x, &b);
}

static struct operand print_formatted(struct expansion *x, const struct operand *v, size_t count)
{
    struct buf b;
    size_t next = 1;
    if (count == 0 || v[0].kind != OPERAND_STRING)
        return give_up(x, "printf needs a format", STR(""));
    buf_init(&b, TEXT_BYTES_MAX);
    str format = v[0].text;
    for (size_t i = 0; i < format.n; i++) {
        char verb = format.p[i] == '%' && i + 1 < format.n ? format.p[++i] : '\0';
        if (verb == '\0' || verb == '%') {
            buf_char(&b, verb ? '%' : format.p[i]);
        } else if (!strchr("svqd", verb) || next == count ||
                   (verb == 'd' && v[next].kind != OPERAND_INT)) {
            buf_release(&b);
            return give_up(x, "printf takes %s, %v, %q, %d and as many values", STR(""));
        } else {
            buf_str_append(&b, verb == 'q' ? STR("\"") : STR(""));
            if (verb == 'q')
                escape_js(&b, text_of(x, &v[next]));
            else
                buf_str_append(&b, text_of(x, &v[next]));
            buf_str_append(&b, verb == 'q' ? STR("\"") : STR(""));
            next++;
        }
    }
    return built(x, &b);
}

/* <0, 0, >0; gives up on kinds that cannot be compared. */
static int compare(struct expansion *x, const struct operand *a, const struct operand *b)
{
    if (a->kind != b->kind || a->kind == OPERAND_NIL) {
        give_up(x, "incompatible types for comparison", STR(""));
        return 0;
    }
    if (a->kind == OPERAND_STRING)
        return str_cmp(a->text, b->text);
    int64_t left = a->kind == OPERAND_BOOL ? a->truth : a->integer;
    int64_t right = b->kind == OPERAND_BOOL ? b->truth : b->integer;
    return left < right ? -1 : left > right;
}

enum function {
    FN_GETENV,
    FN_CAT,
    FN_CREDENTIAL,
    FN_JS,
    FN_HTML,
    FN_URLQUERY,
    FN_PRINT,
    FN_PRINTLN,
    FN_PRINTF,
    FN_LEN,
    FN_AND,
    FN_OR,
    FN_NOT,
    FN_EQ,
    FN_NE,
    FN_LT,
    FN_LE,
    FN_GT,
    FN_GE,
    FUNCTIONS,
};

static const struct {
    const char *name;
    unsigned least, most;
} functions[FUNCTIONS] = {
    {"getenv", 1, 1},
    {"cat", 1, 1},
    {"credential", 1, 1},
    {"js", 0, ARGUMENTS_MAX},
    {"html", 0, ARGUMENTS_MAX},
    {"urlquery", 0, ARGUMENTS_MAX},
    {"print", 0, ARGUMENTS_MAX},
    {"println", 0, ARGUMENTS_MAX},
    {"printf", 1, ARGUMENTS_MAX},
    {"len", 1, 1},
    {"and", 1, ARGUMENTS_MAX},
    {"or", 1, ARGUMENTS_MAX},
    {"not", 1, 1},
    {"eq", 2, ARGUMENTS_MAX},
    {"ne", 2, 2},
    {"lt", 2, 2},
    {"le", 2, 2},
    {"gt", 2, 2},
    {"ge", 2, 2},
};

static struct operand call_comparison(struct expansion *x, enum function f, const struct operand *v,
                                      size_t count)
{
    if (f == FN_EQ) {
        bool any = false;
        for (size_t i = 1; i < count; i++)
            any = compare(x, &v[0], &v[i]) == 0 || any;
        return bool_of(any);
    }
    int c = compare(x, &v[0], &v[1]);
    return bool_of(f == FN_NE   ? c != 0
                   : f == FN_LT ? c < 0
                   : f == FN_LE ? c <= 0
                   : f == FN_GT ? c > 0
                                : c >= 0);
}

static struct operand call(struct expansion *x, enum function f, const struct operand *v,
                           size_t count)
{
    if (count < functions[f].least || count > functions[f].most)
        return give_up(x, "wrong number of args for ", str_from_cstr(functions[f].name));
    if (!x->live)
        return (struct operand){.kind = OPERAND_NIL};
    if (f <= FN_CREDENTIAL && v[0].kind != OPERAND_STRING)
        return give_up(x, "a string is wanted by ", str_from_cstr(functions[f].name));
    switch (f) {
    case FN_GETENV:
        return string_of(environment(x, v[0].text));
    case FN_CAT:
        return string_of(file_text(x, v[0].text));
    case FN_CREDENTIAL:
        return string_of(credential(x, v[0].text));
    case FN_JS:
        return escaped(x, v, count, escape_js);
    case FN_HTML:
        return escaped(x, v, count, escape_html);
    case FN_URLQUERY:
        return escaped(x, v, count, escape_query);
    case FN_PRINT:
    case FN_PRINTLN:
        return print(x, v, count, f == FN_PRINTLN);
    case FN_PRINTF:
        return print_formatted(x, v, count);
    case FN_LEN:
        if (v[0].kind != OPERAND_STRING)
            return give_up(x, "len of what has none", STR(""));
        return (struct operand){.kind = OPERAND_INT, .integer = (int64_t)v[0].text.n};
    case FN_AND:
    case FN_OR:
        for (size_t i = 0; i + 1 < count; i++)
            if (is_true(&v[i]) == (f == FN_OR))
                return v[i];
        return v[count - 1];
    case FN_NOT:
        return bool_of(!is_true(&v[0]));
    default:
        return call_comparison(x, f, v, count);
    }
}

/* --- expressions ----------------------------------------------------------------------------- */

static void skip_blanks(struct expansion *x)
{
    while (x->rest.n && strchr(" \t\r\n", x->rest.p[0]) && x->rest.p[0])
        x->rest = str_slice(x->rest, 1, x->rest.n);
}

static bool take(struct expansion *x, char c)
{
    skip_blanks(x);
    if (!x->rest.n || x->rest.p[0] != c)
        return false;
    x->rest = str_slice(x->rest, 1, x->rest.n);
    return true;
}

static bool is_word_char(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

static str take_word(struct expansion *x)
{
    size_t n = 0;
    while (n < x->rest.n && is_word_char(x->rest.p[n]))
        n++;
    str word = str_slice(x->rest, 0, n);
    x->rest = str_slice(x->rest, n, x->rest.n);
    return word;
}

static struct operand quoted(struct expansion *x)
{
    static const char from[] = "abfnrtv\\\"'", to[] = "\a\b\f\n\r\t\v\\\"'";
    struct buf b;
    buf_init(&b, TEXT_BYTES_MAX);
    size_t i = 1;
    for (; i < x->rest.n && x->rest.p[i] != '"' && x->rest.p[i] != '\n'; i++) {
        char c = x->rest.p[i];
        if (c == '\\' && ++i < x->rest.n) {
            const char *known = memchr(from, x->rest.p[i], sizeof(from) - 1);
            if (!known) {
                buf_release(&b);
                return give_up(x, "unknown escape in a string: ", str_slice(x->rest, i - 1, i + 1));
            }
            c = to[known - from];
        }
        buf_char(&b, c);
    }
    if (i >= x->rest.n || x->rest.p[i] != '"') {
        buf_release(&b);
        return give_up(x, "unterminated quoted string", STR(""));
    }
    x->rest = str_slice(x->rest, i + 1, x->rest.n);
    return built(x, &b);
}

/* 'a' is a number: the character's code. */
static struct operand character(struct expansion *x)
{
    uint32_t c;
    size_t n = utf8_decode(str_slice(x->rest, 1, x->rest.n), &c);
    if (n == 0 || c == '\\' || x->rest.n < n + 2 || x->rest.p[n + 1] != '\'')
        return give_up(x, "malformed character constant", STR(""));
    x->rest = str_slice(x->rest, n + 2, x->rest.n);
    return (struct operand){.kind = OPERAND_INT, .integer = c};
}

static struct operand raw_quoted(struct expansion *x)
{
    str inner = str_slice(x->rest, 1, x->rest.n);
    size_t end = str_find(inner, '`');
    if (end == inner.n)
        return give_up(x, "unterminated raw quoted string", STR(""));
    x->rest = str_slice(inner, end + 1, inner.n);
    return string_of(str_slice(inner, 0, end));
}

static struct operand number(struct expansion *x)
{
    bool negative = x->rest.p[0] == '-';
    if (negative || x->rest.p[0] == '+')
        x->rest = str_slice(x->rest, 1, x->rest.n);
    str digits = take_word(x);
    int64_t v;
    if (!str_to_i64(digits, &v) || (x->rest.n && x->rest.p[0] == '.'))
        return give_up(x, "only whole decimal numbers can be used: ", digits);
    return (struct operand){.kind = OPERAND_INT, .integer = negative ? -v : v};
}

static struct operand variable(struct expansion *x)
{
    x->rest = str_slice(x->rest, 1, x->rest.n);
    str name = take_word(x);
    const struct operand *v = map_get(&x->variables, name);
    if (!name.n) /* $ alone is the data */
        return (struct operand){.kind = OPERAND_NIL};
    return v ? *v : give_up(x, "undefined variable $", name);
}

static struct operand pipeline(struct expansion *x);

static bool function_named(str word, enum function *f)
{
    for (size_t i = 0; i < FUNCTIONS; i++) {
        if (str_eq(word, str_from_cstr(functions[i].name))) {
            *f = (enum function)i;
            return true;
        }
    }
    return false;
}

static struct operand parenthesised(struct expansion *x)
{
    if (++x->parens > NESTING_MAX)
        return give_up(x, "parentheses are nested too deeply", STR(""));
    x->rest = str_slice(x->rest, 1, x->rest.n);
    struct operand v = pipeline(x);
    x->parens--;
    return take(x, ')') || x->failed ? v : give_up(x, "unclosed left paren", STR(""));
}

static struct operand word_operand(struct expansion *x)
{
    enum function f;
    str word = take_word(x);
    if (str_eq(word, STR("true")) || str_eq(word, STR("false")))
        return bool_of(word.p[0] == 't');
    if (str_eq(word, STR("nil")))
        return (struct operand){.kind = OPERAND_NIL};
    if (function_named(word, &f))
        return call(x, f, NULL, 0);
    return give_up(x, "function not defined or not supported here: ", word);
}

/* One operand; the caller has seen that something stands there. */
static struct operand operand(struct expansion *x)
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
        (void)take_word(x); /* a field of nothing is nothing */
        return (struct operand){.kind = OPERAND_NIL};
    }
    if (is_word_char(c))
        return word_operand(x);
    return give_up(x, "unexpected ", str_slice(x->rest, 0, 1));
}

static bool at_end_of_command(struct expansion *x)
{
    skip_blanks(x);
    return !x->rest.n || x->rest.p[0] == '|' || x->rest.p[0] == ')';
}

/* A function with its arguments, or one operand. piped: the value before the `|`, NULL: none. */
static struct operand command(struct expansion *x, const struct operand *piped)
{
    struct operand args[ARGUMENTS_MAX + 1];
    size_t count = 0;
    enum function f;
    if (at_end_of_command(x))
        return give_up(x, "missing value for command", STR(""));
    str before = x->rest;
    if (!is_word_char(x->rest.p[0]) || !function_named(take_word(x), &f)) {
        x->rest = before;
        struct operand v = operand(x);
        if (piped && !x->failed)
            return give_up(x, "what is piped into must be a function", STR(""));
        return at_end_of_command(x) || x->failed
                   ? v
                   : give_up(x, "can't give argument to non-function", STR(""));
    }
    while (!at_end_of_command(x) && !x->failed) {
        if (count == ARGUMENTS_MAX)
            return give_up(x, "too many arguments", STR(""));
        args[count++] = operand(x);
    }
    if (piped)
        args[count++] = *piped;
    return x->failed ? (struct operand){.kind = OPERAND_NIL} : call(x, f, args, count);
}

static struct operand pipeline(struct expansion *x)
{
    struct operand v = command(x, NULL);
    while (!x->failed && take(x, '|'))
        v = command(x, &v);
    return v;
}

/* --- actions --------------------------------------------------------------------------------- */

static bool is_over(struct expansion *x)
{
    skip_blanks(x);
    if (x->rest.n && !x->failed)
        give_up(x, "unexpected ", str_slice(x->rest, 0, 20));
    return !x->failed;
}

static void declare(struct expansion *x, str name)
{
    struct operand v = pipeline(x);
    struct operand *kept = ARENA_NEW(x->arena, struct operand);
    if (!kept || !is_over(x))
        return;
    *kept = v;
    if (x->live)
        map_put(&x->variables, name, kept);
    else if (!map_get(&x->variables, name))
        map_put(&x->variables, name, kept); /* so that the dead branch can be checked */
}

/* `$name :=` or `$name =` at the front. */
static bool is_declaration(struct expansion *x, str *name)
{
    str before = x->rest;
    if (take(x, '$')) {
        *name = take_word(x);
        bool fresh = take(x, ':');
        if (name->n && take(x, '=')) {
            if (!fresh && !map_get(&x->variables, *name))
                give_up(x, "undefined variable $", *name);
            return true;
        }
    }
    x->rest = before;
    return false;
}

static void open_if(struct expansion *x)
{
    if (x->depth == NESTING_MAX) {
        give_up(x, "if is nested too deeply", STR(""));
        return;
    }
    struct operand v = pipeline(x);
    struct branch *b = &x->branches[x->depth++];
    *b = (struct branch){.parent_live = x->live, .taken = is_true(&v)};
    x->live = x->live && b->taken;
    (void)is_over(x);
}

static void turn_else(struct expansion *x)
{
    if (x->depth == 0) {
        give_up(x, "unexpected {{else}}", STR(""));
        return;
    }
    struct branch *b = &x->branches[x->depth - 1];
    skip_blanks(x);
    x->live = b->parent_live && !b->taken;
    if (!x->rest.n) {
        b->taken = true;
        return;
    }
    str word = take_word(x);
    if (!str_eq(word, STR("if"))) {
        give_up(x, "unexpected after else: ", word);
        return;
    }
    struct operand v = pipeline(x);
    bool now = is_true(&v);
    x->live = x->live && now;
    b->taken = b->taken || now;
    (void)is_over(x);
}

static void action(struct expansion *x)
{
    skip_blanks(x);
    str before = x->rest, name;
    str word = take_word(x);
    if (str_eq(word, STR("if"))) {
        open_if(x);
    } else if (str_eq(word, STR("else"))) {
        turn_else(x);
    } else if (str_eq(word, STR("end"))) {
        if (x->depth == 0)
            give_up(x, "unexpected {{end}}", STR(""));
        else
            x->live = x->branches[--x->depth].parent_live;
        (void)is_over(x);
    } else {
        x->rest = before;
        if (is_declaration(x, &name)) {
            declare(x, name);
        } else {
            struct operand v = pipeline(x);
            if (is_over(x) && x->live)
                buf_str_append(x->out, text_of(x, &v));
        }
    }
}

/* --- the text -------------------------------------------------------------------------------- */

/* Where the action at the front of s (after its braces) ends: at its right braces outside of
 * quotes; s.n when it does not. */
static size_t action_end(str s)
{
    char quote = '\0';
    for (size_t i = 0; i + 1 < s.n; i++) {
        char c = s.p[i];
        if (quote == '"' && c == '\\') {
            i++;
        } else if (quote) {
            if (c == quote)
                quote = '\0';
        } else if (c == '"' || c == '`') {
            quote = c;
        } else if (c == '}' && s.p[i + 1] == '}') {
            return i;
        }
    }
    return s.n;
}

static size_t comment_end(str s)
{
    size_t end = str_find_str(s, STR("*/"));
    return end == s.n ? s.n : end + action_end(str_slice(s, end, s.n));
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void one_action(struct expansion *x, str *rest, bool *trim_next)
{
    size_t end = action_end(*rest);
    str inner = str_slice(*rest, 0, end);
    str trimmed = str_trim(inner);
    bool is_comment = str_starts(trimmed, STR("/*")) || str_starts(inner, STR("- /*"));
    if (is_comment) {
        end = comment_end(*rest);
        inner = str_slice(*rest, 0, end);
    }
    if (end == rest->n) {
        x->rest = *rest;
        give_up(x, "unclosed action", STR(""));
        return;
    }
    *rest = str_slice(*rest, end + 2, rest->n);
    *trim_next = inner.n > 1 && inner.p[inner.n - 1] == '-' && is_blank(inner.p[inner.n - 2]);
    if (*trim_next)
        inner.n--;
    if (inner.n > 1 && inner.p[0] == '-' && is_blank(inner.p[1]))
        inner = str_slice(inner, 1, inner.n);
    x->rest = inner;
    if (!is_comment)
        action(x);
}

enum err go_template_expand(struct arena *a, str name, str text, struct buf *out,
                            struct reason *why)
{
    struct expansion x = {
        .arena = a, .name = name, .whole = text, .out = out, .why = why, .live = true};
    str rest = text;
    bool trim = false;
    while (rest.n && !x.failed) {
        size_t at = str_find_str(rest, STR("{{"));
        str plain = str_slice(rest, 0, at);
        rest = str_slice(rest, at, rest.n);
        while (trim && plain.n && is_blank(plain.p[0]))
            plain = str_slice(plain, 1, plain.n);
        if (rest.n > 3 && rest.p[2] == '-' && is_blank(rest.p[3]))
            while (plain.n && is_blank(plain.p[plain.n - 1]))
                plain.n--;
        if (x.live)
            buf_str_append(out, plain);
        if (!rest.n)
            break;
        rest = str_slice(rest, 2, rest.n);
        one_action(&x, &rest, &trim);
    }
    x.rest = str_slice(text, text.n, text.n);
    if (x.depth > 0)
        give_up(&x, "unexpected EOF: an if has no end", STR(""));
    if (!buf_ok(out))
        give_up(&x, "the expanded file is larger than 4 MiB", STR(""));
    map_release(&x.variables);
    return x.failed ? ERR_INVALID : ERR_OK;
}
