/* go_function.c -- the functions that a template may call. */
#include "compat/go_expansion.h"

#include "base/codec.h"
#include "base/fs.h"

#define FILE_BYTES_MAX (1u << 20)

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

static str environment(struct go_expansion *x, str name)
{
    const char *key = arena_cstr(x->arena, name);
    const char *value = key ? getenv(key) : NULL;
    return value ? str_from_cstr(value) : STR("");
}

/* The file's bytes without one line end at the end; empty when it cannot be read. */
static str file_text(struct go_expansion *x, str path)
{
    str text;
    const char *name = arena_cstr(x->arena, path);
    if (!name || fs_read(x->arena, name, FILE_BYTES_MAX, &text, NULL) != ERR_OK)
        return STR("");
    if (str_ends(text, STR("\n")))
        text.n--;
    return text;
}

static str credential(struct go_expansion *x, str name)
{
    str directory = environment(x, STR("CREDENTIALS_DIRECTORY"));
    str path = arena_printf(x->arena, STR_FMT "/" STR_FMT, STR_ARG(directory), STR_ARG(name));
    const char *cpath = arena_cstr(x->arena, path);
    if (directory.n && str_find(name, '/') == name.n && cpath && fs_exists(cpath))
        return file_text(x, path);
    return environment(x, name);
}

static struct go_operand escaped(struct go_expansion *x, const struct go_operand *v, size_t count,
                                 void (*escape)(struct buf *out, str s))
{
    struct buf b;
    buf_init(&b, GO_TEXT_BYTES_MAX);
    for (size_t i = 0; i < count; i++)
        escape(&b, go_text(x, &v[i]));
    return go_built(x, &b);
}

static struct go_operand print(struct go_expansion *x, const struct go_operand *v, size_t count,
                               bool line)
{
    struct buf b;
    buf_init(&b, GO_TEXT_BYTES_MAX);
    for (size_t i = 0; i < count; i++) {
        bool strings = i > 0 && (v[i].kind == GO_STRING || v[i - 1].kind == GO_STRING);
        if (i > 0 && (line || !strings))
            buf_char(&b, ' ');
        buf_str_append(&b, go_text(x, &v[i]));
    }
    if (line)
        buf_char(&b, '\n');
    return go_built(x, &b);
}

static struct go_operand print_formatted(struct go_expansion *x, const struct go_operand *v,
                                         size_t count)
{
    struct buf b;
    size_t next = 1;
    if (count == 0 || v[0].kind != GO_STRING)
        return go_give_up(x, "printf needs a format", STR(""));
    buf_init(&b, GO_TEXT_BYTES_MAX);
    str format = v[0].text;
    for (size_t i = 0; i < format.n; i++) {
        char verb = format.p[i] == '%' && i + 1 < format.n ? format.p[++i] : '\0';
        if (verb == '\0' || verb == '%') {
            buf_char(&b, verb ? '%' : format.p[i]);
        } else if (!strchr("svqd", verb) || next == count ||
                   (verb == 'd' && v[next].kind != GO_INT)) {
            buf_release(&b);
            return go_give_up(x, "printf takes %s, %v, %q, %d and as many values", STR(""));
        } else {
            buf_str_append(&b, verb == 'q' ? STR("\"") : STR(""));
            if (verb == 'q')
                escape_js(&b, go_text(x, &v[next]));
            else
                buf_str_append(&b, go_text(x, &v[next]));
            buf_str_append(&b, verb == 'q' ? STR("\"") : STR(""));
            next++;
        }
    }
    return go_built(x, &b);
}

/* <0, 0, >0; gives up on kinds that cannot be compared. */
static int compare(struct go_expansion *x, const struct go_operand *a, const struct go_operand *b)
{
    if (a->kind != b->kind || a->kind == GO_NIL) {
        go_give_up(x, "incompatible types for comparison", STR(""));
        return 0;
    }
    if (a->kind == GO_STRING)
        return str_cmp(a->text, b->text);
    int64_t left = a->kind == GO_BOOL ? a->truth : a->integer;
    int64_t right = b->kind == GO_BOOL ? b->truth : b->integer;
    return left < right ? -1 : left > right;
}

static const struct {
    const char *name;
    unsigned least, most;
} functions[GO_FUNCTIONS] = {
    {"getenv", 1, 1},
    {"cat", 1, 1},
    {"credential", 1, 1},
    {"js", 0, GO_ARGUMENTS_MAX},
    {"html", 0, GO_ARGUMENTS_MAX},
    {"urlquery", 0, GO_ARGUMENTS_MAX},
    {"print", 0, GO_ARGUMENTS_MAX},
    {"println", 0, GO_ARGUMENTS_MAX},
    {"printf", 1, GO_ARGUMENTS_MAX},
    {"len", 1, 1},
    {"and", 1, GO_ARGUMENTS_MAX},
    {"or", 1, GO_ARGUMENTS_MAX},
    {"not", 1, 1},
    {"eq", 2, GO_ARGUMENTS_MAX},
    {"ne", 2, 2},
    {"lt", 2, 2},
    {"le", 2, 2},
    {"gt", 2, 2},
    {"ge", 2, 2},
};

bool go_function_named(str word, enum go_function *f)
{
    for (size_t i = 0; i < GO_FUNCTIONS; i++) {
        if (str_eq(word, str_from_cstr(functions[i].name))) {
            *f = (enum go_function)i;
            return true;
        }
    }
    return false;
}

static struct go_operand call_comparison(struct go_expansion *x, enum go_function f,
                                         const struct go_operand *v, size_t count)
{
    if (f == GO_FN_EQ) {
        bool any = false;
        for (size_t i = 1; i < count; i++)
            any = compare(x, &v[0], &v[i]) == 0 || any;
        return go_bool(any);
    }
    int c = compare(x, &v[0], &v[1]);
    return go_bool(f == GO_FN_NE   ? c != 0
                   : f == GO_FN_LT ? c < 0
                   : f == GO_FN_LE ? c <= 0
                   : f == GO_FN_GT ? c > 0
                                   : c >= 0);
}

struct go_operand go_call(struct go_expansion *x, enum go_function f, const struct go_operand *v,
                          size_t count)
{
    if (count < functions[f].least || count > functions[f].most)
        return go_give_up(x, "wrong number of args for ", str_from_cstr(functions[f].name));
    if (!x->live)
        return (struct go_operand){.kind = GO_NIL};
    if (f <= GO_FN_CREDENTIAL && v[0].kind != GO_STRING)
        return go_give_up(x, "a string is wanted by ", str_from_cstr(functions[f].name));
    switch (f) {
    case GO_FN_GETENV:
        return go_string(environment(x, v[0].text));
    case GO_FN_CAT:
        return go_string(file_text(x, v[0].text));
    case GO_FN_CREDENTIAL:
        return go_string(credential(x, v[0].text));
    case GO_FN_JS:
        return escaped(x, v, count, escape_js);
    case GO_FN_HTML:
        return escaped(x, v, count, escape_html);
    case GO_FN_URLQUERY:
        return escaped(x, v, count, escape_query);
    case GO_FN_PRINT:
    case GO_FN_PRINTLN:
        return print(x, v, count, f == GO_FN_PRINTLN);
    case GO_FN_PRINTF:
        return print_formatted(x, v, count);
    case GO_FN_LEN:
        if (v[0].kind != GO_STRING)
            return go_give_up(x, "len of what has none", STR(""));
        return (struct go_operand){.kind = GO_INT, .integer = (int64_t)v[0].text.n};
    case GO_FN_AND:
    case GO_FN_OR:
        for (size_t i = 0; i + 1 < count; i++)
            if (go_is_true(&v[i]) == (f == GO_FN_OR))
                return v[i];
        return v[count - 1];
    case GO_FN_NOT:
        return go_bool(!go_is_true(&v[0]));
    default:
        return call_comparison(x, f, v, count);
    }
}
