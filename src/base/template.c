/* template.c -- the one template notation: a text is cut once into literal parts and references,
 * and expanded by asking a resolver for each reference.
 *
 * Parsing keeps slices of one copy of the text in the caller's arena; expansion keeps no state,
 * so one compiled template serves all threads. What a reference means is the resolver's. */
#include "base/template.h"

#include "base/codec.h"
#include "base/json.h"

#define OPEN STR("{{")
#define CLOSE STR("}}")

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_name(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_name_char(s.p[i]))
            return false;
    return s.n > 0;
}

/* Cuts the reference itself off *rest: up to a blank or '|' that no backslash precedes. */
static str cut_word(str *rest)
{
    size_t i = 0;
    while (i < rest->n && !is_blank(rest->p[i]) && rest->p[i] != '|')
        i += rest->p[i] == '\\' && i + 1 < rest->n ? 2 : 1;
    str word = str_slice(*rest, 0, i);
    *rest = str_trim(str_slice(*rest, i, rest->n));
    return word;
}

static enum err parse_filters(struct template_part *out, str rest, str inner, struct reason *why)
{
    while (rest.n > 0) {
        if (rest.p[0] != '|')
            return fail(why, ERR_INVALID, "unexpected \"" STR_FMT "\" in {{ " STR_FMT " }}",
                        STR_ARG(rest), STR_ARG(inner));
        rest = str_trim(str_slice(rest, 1, rest.n));
        str name = cut_word(&rest);
        if (!is_name(str_slice(name, 0, str_find(name, ':'))))
            return fail(why, ERR_INVALID, "a filter's name is missing after | in {{ " STR_FMT " }}",
                        STR_ARG(inner));
        if (out->filter_count == ARRAY_LEN(out->filters))
            return fail(why, ERR_INVALID, "more than %zu filters in {{ " STR_FMT " }}",
                        ARRAY_LEN(out->filters), STR_ARG(inner));
        out->filters[out->filter_count++] = name;
    }
    return ERR_OK;
}

enum err template_parse_ref(struct template_part *out, str inner, struct reason *why)
{
    *out = (struct template_part){.kind = TEMPLATE_REF};
    str rest = inner = str_trim(inner);
    str word = cut_word(&rest);
    if (word.n > 1 && word.p[word.n - 1] == '?' && word.p[word.n - 2] != '\\') {
        out->optional = true;
        word.n--;
    }
    if (word.n == 0)
        return fail(why, ERR_INVALID, "an empty reference {{ }}; write {{{{ for a literal {{");
    if (word.p[0] == '.') {
        out->text = STR(".");
        out->arg = word.n > 1 ? str_slice(word, 1, word.n) : STR_NONE;
    } else {
        size_t colon = str_find(word, ':');
        out->text = str_slice(word, 0, colon);
        if (!is_name(out->text))
            return fail(why, ERR_INVALID,
                        "{{ " STR_FMT " }} is no reference: write a name, name:ARGUMENT, or a JSON "
                        "path that begins with a dot",
                        STR_ARG(inner));
        if (colon + 1 == word.n)
            return fail(why, ERR_INVALID, "{{ " STR_FMT " }} lacks what comes after the colon",
                        STR_ARG(inner));
        if (colon < word.n)
            out->arg = str_slice(word, colon + 1, word.n);
    }
    return parse_filters(out, rest, inner, why);
}

static enum err check_known(const struct template_part *part, template_known *known, void *arg,
                            struct reason *why)
{
    if (known && !known(part->text, false, arg))
        return fail(why, ERR_INVALID, "unknown reference {{ " STR_FMT " }}", STR_ARG(part->text));
    for (size_t i = 0; i < part->filter_count; i++) {
        str name = part->filters[i];
        if (!template_filter_is_builtin(name) && !(known && known(name, true, arg)))
            return fail(why, ERR_INVALID, "unknown filter \"" STR_FMT "\"", STR_ARG(name));
    }
    return ERR_OK;
}

static size_t count_braces(str text)
{
    size_t n = 0;
    for (size_t i = 0; i + 1 < text.n; i++)
        n += text.p[i] == '{' && text.p[i + 1] == '{';
    return n;
}

static void add_text(struct template *t, str text)
{
    if (text.n > 0)
        t->parts[t->count++] = (struct template_part){.kind = TEMPLATE_TEXT, .text = text};
}

/* Cuts text (which lives as long as t) into t->parts, which has room. */
static enum err cut_parts(struct template *t, str text, template_known *known, void *arg,
                          struct reason *why)
{
    str rest = text;
    while (rest.n > 0) {
        size_t open = str_find_str(rest, OPEN);
        if (open == rest.n)
            break;
        if (str_starts(str_slice(rest, open + 2, rest.n), OPEN)) {
            add_text(t, str_slice(rest, 0, open + 2));
            rest = str_slice(rest, open + 4, rest.n);
            continue;
        }
        str inner = str_slice(rest, open + 2, rest.n);
        size_t close = str_find_str(inner, CLOSE);
        if (close == inner.n)
            return fail(why, ERR_INVALID,
                        "{{ without }} after \"" STR_FMT "\"; write {{{{ for a "
                        "literal {{",
                        STR_ARG(str_slice(inner, 0, 40)));
        add_text(t, str_slice(rest, 0, open));
        struct template_part part;
        enum err e = template_parse_ref(&part, str_slice(inner, 0, close), why);
        if (e == ERR_OK)
            e = check_known(&part, known, arg, why);
        if (e != ERR_OK)
            return e;
        t->parts[t->count++] = part;
        rest = str_slice(inner, close + 2, inner.n);
    }
    add_text(t, rest);
    return ERR_OK;
}

enum err template_compile(struct template *t, struct arena *a, str text, template_known *known,
                          void *arg, struct reason *why)
{
    assert(text.p != NULL);
    *t = (struct template){0};
    if (text.n > TEMPLATE_BYTES_MAX)
        return fail(why, ERR_LIMIT, "a template of %zu bytes; at most %u are allowed", text.n,
                    TEMPLATE_BYTES_MAX);
    str copy = arena_str(a, text);
    t->parts = ARENA_ARRAY(a, struct template_part, 2 * count_braces(text) + 1);
    if (!copy.p || !t->parts)
        return fail(why, ERR_LIMIT, "no room for a template of %zu bytes", text.n);
    return cut_parts(t, copy, known, arg, why);
}

static str filter_case(str in, struct arena *a, char first, char last)
{
    char *out = arena_alloc(a, in.n + 1);
    if (!out)
        return STR_NONE;
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];
        out[i] = c >= first && c <= last ? (char)(c ^ 0x20) : c;
    }
    return str_of(out, in.n);
}

static str filter_lower(str in, str arg, struct arena *a)
{
    UNUSED(arg);
    return filter_case(in, a, 'A', 'Z');
}

static str filter_upper(str in, str arg, struct arena *a)
{
    UNUSED(arg);
    return filter_case(in, a, 'a', 'z');
}

static str filter_hex(str in, str arg, struct arena *a)
{
    UNUSED(arg);
    char *out = arena_alloc(a, 2 * in.n + 1);
    if (!out)
        return STR_NONE;
    hex_encode(in.p, in.n, out);
    return str_of(out, 2 * in.n);
}

static str filter_base64(str in, str arg, struct arena *a)
{
    UNUSED(arg);
    char *out = arena_alloc(a, BASE64_LEN(in.n) + 1);
    return out ? str_of(out, base64_encode(in.p, in.n, out)) : STR_NONE;
}

static str filter_base64url(str in, str arg, struct arena *a)
{
    UNUSED(arg);
    char *out = arena_alloc(a, BASE64_LEN(in.n) + 1);
    return out ? str_of(out, base64url_encode(in.p, in.n, out)) : STR_NONE;
}

static str from_buf(struct buf *b, struct arena *a)
{
    str out = buf_ok(b) ? arena_str(a, buf_str(b)) : STR_NONE;
    buf_release(b);
    return out;
}

static str filter_json(str in, str arg, struct arena *a)
{
    UNUSED(arg);
    struct buf b;
    buf_init(&b, 6 * in.n + 8);
    struct json_writer w;
    json_writer_init(&w, &b);
    json_string(&w, in);
    return from_buf(&b, a);
}

static str filter_url(str in, str arg, struct arena *a)
{
    UNUSED(arg);
    struct buf b;
    buf_init(&b, 3 * in.n + 8);
    percent_encode(&b, in);
    return from_buf(&b, a);
}

/* Percent-encoded but for the slashes: several segments of a path. */
static str filter_path(str in, str arg, struct arena *a)
{
    struct buf b;
    UNUSED(arg);
    buf_init(&b, 3 * in.n + 8);
    for (str rest = in; rest.p;) {
        percent_encode(&b, str_cut(&rest, '/'));
        if (rest.p)
            buf_char(&b, '/');
    }
    return from_buf(&b, a);
}

/* In single quotes nothing is special to a POSIX shell but the quote itself. */
static str filter_shell(str in, str arg, struct arena *a)
{
    UNUSED(arg);
    char *out = arena_alloc(a, 4 * in.n + 2);
    if (!out || str_find(in, '\0') < in.n)
        return STR_NONE;
    size_t n = 0;
    out[n++] = '\'';
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] == '\'') {
            memcpy(out + n, "'\\''", 4);
            n += 4;
        } else {
            out[n++] = in.p[i];
        }
    }
    out[n++] = '\'';
    return str_of(out, n);
}

/* A value that is JSON goes in as it is, so that numbers and objects keep their type; anything
 * else becomes a string. What the parser has accepted can't break out of its place. */
static str filter_json_value(str in, str arg, struct arena *a)
{
    struct json_doc *doc = json_parse(in, NULL);
    if (!doc)
        return filter_json(in, arg, a);
    struct buf b;
    buf_init(&b, 6 * in.n + 64);
    struct json_writer w;
    json_writer_init(&w, &b);
    json_value(&w, json_root(doc));
    json_doc_free(doc);
    return from_buf(&b, a);
}

/* For text between tags: Slack, Telegram and Matrix read these three alike. */
static str filter_html(str in, str arg, struct arena *a)
{
    UNUSED(arg);
    struct buf b;
    buf_init(&b, 5 * in.n + 8);
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];
        if (c == '&' || c == '<' || c == '>')
            buf_str_append(&b, c == '&' ? STR("&amp;") : c == '<' ? STR("&lt;") : STR("&gt;"));
        else
            buf_char(&b, c);
    }
    return from_buf(&b, a);
}

/* Line breaks and other control bytes become blanks: for titles, subjects and header fields. */
static str filter_line(str in, str arg, struct arena *a)
{
    UNUSED(arg);
    char *out = arena_alloc(a, in.n + 1);
    if (!out)
        return STR_NONE;
    for (size_t i = 0; i < in.n; i++)
        out[i] = (unsigned char)in.p[i] < 0x20 || in.p[i] == 0x7f ? ' ' : in.p[i];
    return str_trim(str_of(out, in.n));
}

/* refs/heads/main and refs/tags/v1 as people and most services write them. */
static str filter_branch(str in, str arg, struct arena *a)
{
    static const str prefixes[] = {{"refs/heads/", 11}, {"refs/tags/", 10}};
    UNUSED(arg);
    UNUSED(a);
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (str_starts(in, prefixes[i]))
            return str_slice(in, prefixes[i].n, in.n);
    return in;
}

/* At most so many characters; the last is an ellipsis when something was cut. */
static str filter_trunc(str in, str arg, struct arena *a)
{
    uint64_t most = 0, count = 0;
    size_t at = 0, before_last = 0;
    (void)str_to_u64(arg, &most);
    while (at < in.n) {
        uint32_t code_point;
        size_t n = utf8_decode(str_slice(in, at, in.n), &code_point);
        if (count == most)
            return arena_printf(a, STR_FMT "\xe2\x80\xa6", STR_ARG(str_slice(in, 0, before_last)));
        before_last = at;
        count++;
        at += n ? n : 1;
    }
    return in;
}

static const struct {
    const char *name;
    str (*apply)(str in, str arg, struct arena *a);
    bool counts; /* takes a number after a colon */
} filters[] = {
    {"lower", filter_lower, false}, {"upper", filter_upper, false},
    {"hex", filter_hex, false},     {"base64", filter_base64, false},
    {"url", filter_url, false},     {"base64url", filter_base64url, false},
    {"json", filter_json, false},   {"json_value", filter_json_value, false},
    {"path", filter_path, false},   {"branch", filter_branch, false},
    {"shell", filter_shell, false}, {"html", filter_html, false},
    {"line", filter_line, false},   {"trunc", filter_trunc, true},
};

bool template_filter_is_builtin(str filter)
{
    str arg = filter, name = str_cut(&arg, ':');
    uint64_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(filters); i++)
        if (str_eq(name, str_from_cstr(filters[i].name)))
            return filters[i].counts ? arg.p && str_to_u64(arg, &count) && count > 0 : !arg.p;
    return false;
}

str template_filter_builtin(str filter, str in, struct arena *a)
{
    str arg = filter, name = str_cut(&arg, ':');
    for (size_t i = 0; i < ARRAY_LEN(filters); i++)
        if (str_eq(name, str_from_cstr(filters[i].name)))
            return filters[i].apply(in, arg, a);
    return STR_NONE;
}

/* "header:X-Id" or ".repository.name", for messages. */
#define REF_FMT STR_FMT "%s" STR_FMT
#define REF_ARG(part)                                                                              \
    STR_ARG((part)->text), (part)->arg.p && (part)->text.p[0] != '.' ? ":" : "",                   \
        STR_ARG((part)->arg)

static enum err expand_ref(const struct template_part *part, struct buf *out, struct arena *a,
                           template_resolve *resolve, template_filter *filter, void *arg,
                           struct reason *why)
{
    str value = resolve(part, a, arg);
    if (!value.p && !part->optional)
        return fail(why, ERR_NOT_FOUND, "{{ " REF_FMT " }} has no value", REF_ARG(part));
    if (!value.p)
        value = STR("");
    for (size_t i = 0; i < part->filter_count; i++) {
        str name = part->filters[i];
        if (template_filter_is_builtin(name))
            value = template_filter_builtin(name, value, a);
        else
            value = filter ? filter(name, value, a, arg) : STR_NONE;
        if (!value.p)
            return fail(why, arena_ok(a) ? ERR_INVALID : ERR_LIMIT,
                        "the filter \"" STR_FMT "\" cannot take the value of {{ " REF_FMT " }}",
                        STR_ARG(name), REF_ARG(part));
    }
    buf_str_append(out, value);
    return ERR_OK;
}

enum err template_expand(const struct template *t, struct buf *out, struct arena *a,
                         template_resolve *resolve, template_filter *filter, void *arg,
                         struct reason *why)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct template_part *part = &t->parts[i];
        if (part->kind == TEMPLATE_TEXT) {
            buf_str_append(out, part->text);
            continue;
        }
        enum err e = expand_ref(part, out, a, resolve, filter, arg, why);
        if (e != ERR_OK)
            return e;
    }
    if (!buf_ok(out))
        return fail(why, ERR_LIMIT, "the expansion is longer than %zu bytes", out->max);
    return ERR_OK;
}

bool template_is_constant(const struct template *t)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->parts[i].kind == TEMPLATE_REF)
            return false;
    return true;
}

bool template_mentions(const struct template *t, str name)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->parts[i].kind == TEMPLATE_REF && str_eq(t->parts[i].text, name))
            return true;
    return false;
}
