/* re2.c -- from RE2's syntax to PCRE2's, in one pass over the pattern that keeps what is the same
 * and rewrites or refuses what is not. */
#include "rule/re2.h"

#define TRANSLATED_MAX 65536u

/* The pattern on its way: `in` is what is left, `out` what PCRE2 gets. */
struct translation {
    str whole, in;
    struct buf out;
    size_t open;    /* parentheses */
    bool quantable; /* what stands before can be repeated */
    bool quantified;
    struct reason *why;
    bool failed;
};

static bool refuse(struct translation *t, const char *what)
{
    if (!t->failed)
        fail(t->why, ERR_INVALID, "error parsing regexp: %s: `" STR_FMT "`", what,
             STR_ARG(str_slice(t->whole, 0, 200)));
    t->failed = true;
    return false;
}

static char peek(const struct translation *t, size_t at)
{
    return at < t->in.n ? t->in.p[at] : '\0';
}

static void skip(struct translation *t, size_t n)
{
    t->in = str_slice(t->in, n, t->in.n);
}

static void keep(struct translation *t, size_t n)
{
    buf_append(&t->out, t->in.p, n);
    skip(t, n);
}

static void item_done(struct translation *t)
{
    t->quantable = true;
    t->quantified = false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* --- quantifiers ----------------------------------------------------------------------------- */

/* The length of {n}, {n,} or {n,m} at the front; 0: it is a brace like any other character. */
static size_t repeat_length(const struct translation *t, unsigned *most, bool *backward)
{
    unsigned v[2] = {0, 0};
    size_t i = 1, parts = 0;
    bool comma = false;
    for (int part = 0; part < 2; part++) {
        size_t from = i;
        for (; is_digit(peek(t, i)) && v[part] <= RE2_REPEAT_MAX; i++)
            v[part] = v[part] * 10 + (unsigned)(peek(t, i) - '0');
        while (is_digit(peek(t, i)))
            i++;
        if (i > from)
            parts |= (size_t)1 << part;
        if (part == 0 && peek(t, i) == ',') {
            comma = true;
            i++;
        } else {
            break;
        }
    }
    if (!(parts & 1) || peek(t, i) != '}')
        return 0;
    *most = v[1] > v[0] ? v[1] : v[0];
    *backward = comma && (parts & 2) && v[1] < v[0];
    return i + 1;
}

static bool quantifier(struct translation *t, size_t n)
{
    if (!t->quantable)
        return refuse(t, t->quantified ? "invalid nested repetition operator"
                                       : "missing argument to repetition operator");
    keep(t, n);
    if (peek(t, 0) == '?')
        keep(t, 1);
    t->quantable = false;
    t->quantified = true;
    return true;
}

static bool brace(struct translation *t)
{
    unsigned most = 0;
    bool backward = false;
    size_t n = repeat_length(t, &most, &backward);
    if (n == 0) {
        buf_str_append(&t->out, STR("\\{"));
        skip(t, 1);
        item_done(t);
        return true;
    }
    if (most > RE2_REPEAT_MAX || backward)
        return refuse(t, "invalid repeat count");
    return quantifier(t, n);
}

/* --- escapes --------------------------------------------------------------------------------- */

static size_t octal_or_hex_length(const struct translation *t)
{
    char c = peek(t, 1);
    if (c == '0') {
        size_t n = 2;
        while (n < 4 && peek(t, n) >= '0' && peek(t, n) <= '7')
            n++;
        return n;
    }
    if (c >= '1' && c <= '7') /* \123 is octal; a single digit would be a backreference */
        return peek(t, 2) >= '0' && peek(t, 2) <= '7'
                   ? (peek(t, 3) >= '0' && peek(t, 3) <= '7' ? 4 : 3)
                   : 0;
    if (c != 'x')
        return 0;
    if (peek(t, 2) != '{') {
        for (size_t i = 2; i < 4; i++)
            if (!memchr("0123456789abcdefABCDEF", peek(t, i), 22) || !peek(t, i))
                return 0;
        return 4;
    }
    size_t n = 3;
    while (peek(t, n) && memchr("0123456789abcdefABCDEF", peek(t, n), 22))
        n++;
    return n > 3 && peek(t, n) == '}' ? n + 1 : 0;
}

static bool unicode_class(struct translation *t)
{
    if (peek(t, 2) != '{') {
        if (!peek(t, 2))
            return refuse(t, "invalid character class range");
        keep(t, 3);
        return true;
    }
    size_t end = str_find(t->in, '}');
    if (end == t->in.n)
        return refuse(t, "invalid character class range");
    keep(t, end + 1);
    return true;
}

/* An escape inside or outside of a class. */
static bool escape(struct translation *t, bool in_class)
{
    char c = peek(t, 1);
    if (t->in.n < 2)
        return refuse(t, "trailing backslash at end of expression");
    if (c == 'p' || c == 'P')
        return unicode_class(t);
    if (c == 's' || c == 'S') {
        /* RE2's \s has no vertical tab. */
        buf_str_append(&t->out,
                       c == 's' ? (in_class ? STR("\\t\\n\\f\\r\\x20") : STR("[\\t\\n\\f\\r\\x20]"))
                                : (in_class ? STR("\\S\\x0b") : STR("[\\S\\x0b]")));
        skip(t, 2);
        return true;
    }
    if (c == 'v') {
        buf_str_append(&t->out, STR("\\x0b"));
        skip(t, 2);
        return true;
    }
    size_t n = octal_or_hex_length(t);
    if (n > 0) {
        if (c == 'x') {
            keep(t, n);
        } else { /* octal, in a form that is nothing else */
            buf_str_append(&t->out, STR("\\o{"));
            buf_append(&t->out, t->in.p + 1, n - 1);
            buf_char(&t->out, '}');
            skip(t, n);
        }
        return true;
    }
    bool is_word = is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'z');
    if (!is_word && (unsigned char)c < 0x80) { /* punctuation stands for itself */
        keep(t, 2);
        return true;
    }
    const char *known = in_class ? "dDwWafnrt" : "dDwWafnrtbBAz";
    if (!is_word || !strchr(known, c))
        return refuse(t, "invalid escape sequence");
    if (!in_class && strchr("bBAz", c)) {
        keep(t, 2);
        t->quantable = true; /* RE2 repeats empty matches */
        return true;
    }
    keep(t, 2);
    return true;
}

/* \Q...\E is literal text, to the end when \E is missing. */
static void quoted(struct translation *t)
{
    skip(t, 2);
    size_t end = str_find_str(t->in, STR("\\E"));
    for (size_t i = 0; i < end; i++) {
        unsigned char c = (unsigned char)t->in.p[i];
        bool plain = c >= 0x80 || is_digit((char)c) || ((c | 32) >= 'a' && (c | 32) <= 'z');
        if (!plain)
            buf_char(&t->out, '\\');
        buf_char(&t->out, (char)c);
    }
    skip(t, end < t->in.n ? end + 2 : end);
    if (end > 0)
        item_done(t);
}

/* --- classes --------------------------------------------------------------------------------- */

static bool posix_class(struct translation *t)
{
    static const char *const names[] = {"alnum", "alpha", "ascii", "blank", "cntrl",
                                        "digit", "graph", "lower", "print", "punct",
                                        "space", "upper", "word",  "xdigit"};
    size_t end = str_find_str(t->in, STR(":]"));
    if (end == t->in.n)
        return false;
    str name = str_slice(t->in, peek(t, 2) == '^' ? 3 : 2, end);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eq(name, str_from_cstr(names[i]))) {
            keep(t, end + 2);
            return true;
        }
    }
    return refuse(t, "invalid character class range");
}

static bool class(struct translation *t)
{
    keep(t, 1);
    if (peek(t, 0) == '^')
        keep(t, 1);
    bool first = true;
    while (t->in.n > 0 && (peek(t, 0) != ']' || first)) {
        bool ok = true;
        if (peek(t, 0) == '[' && peek(t, 1) == ':' && str_find_str(t->in, STR(":]")) < t->in.n) {
            ok = posix_class(t);
        } else if (peek(t, 0) == '\\') {
            bool is_class = peek(t, 1) && strchr("dDwWsSpP", peek(t, 1));
            ok = escape(t, true);
            if (is_class && peek(t, 0) == '-') /* no range begins with a class */
                buf_char(&t->out, '\\');
        } else if (peek(t, 0) == '[' || (first && peek(t, 0) == ']')) {
            buf_char(&t->out, '\\');
            keep(t, 1);
        } else {
            keep(t, 1);
        }
        if (!ok)
            return false;
        first = false;
    }
    if (t->in.n == 0)
        return refuse(t, "missing closing ]");
    keep(t, 1);
    item_done(t);
    return true;
}

/* --- groups ---------------------------------------------------------------------------------- */

static bool is_name_char(char c)
{
    return c == '_' || is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

static bool group_name(struct translation *t, size_t from)
{
    size_t n = from;
    while (is_name_char(peek(t, n)))
        n++;
    if (n == from || peek(t, n) != '>')
        return refuse(t, "invalid named capture");
    /* Names are of no use here and PCRE2 is stricter about them. */
    skip(t, n + 1);
    buf_char(&t->out, '(');
    return true;
}

/* (?flags) and (?flags:...) */
static bool group_flags(struct translation *t, bool *is_group)
{
    size_t n = 2, flags = 0;
    bool minus = false;
    for (;; n++) {
        char c = peek(t, n);
        if (c == '-' && !minus && (minus = true, flags = 0, true))
            continue;
        if (c && strchr("imsU", c)) {
            flags++;
            continue;
        }
        break;
    }
    *is_group = peek(t, n) == ':';
    if ((peek(t, n) != ')' && !*is_group) || (minus && flags == 0) || (n == 2 && !*is_group))
        return refuse(t, "invalid or unsupported Perl syntax");
    keep(t, n + 1);
    return true;
}

static bool open_group(struct translation *t)
{
    bool is_group = true, ok = true;
    if (peek(t, 1) != '?') {
        if (peek(t, 1) == '*') /* PCRE2 would see a verb */
            return refuse(t, "missing argument to repetition operator");
        keep(t, 1);
    } else if (peek(t, 2) == 'P' && peek(t, 3) == '<') {
        ok = group_name(t, 4);
    } else {
        ok = group_flags(t, &is_group);
    }
    t->open += is_group;
    t->quantable = t->quantified = false;
    return ok;
}

/* --- the whole ------------------------------------------------------------------------------- */

static bool translate_item(struct translation *t)
{
    switch (peek(t, 0)) {
    case '(':
        return open_group(t);
    case ')':
        if (t->open == 0)
            return refuse(t, "unexpected )");
        t->open--;
        keep(t, 1);
        item_done(t);
        return true;
    case '[':
        return class(t);
    case '*':
    case '+':
    case '?':
        return quantifier(t, 1);
    case '{':
        return brace(t);
    case '|':
        keep(t, 1);
        t->quantable = t->quantified = false;
        return true;
    case '\\':
        if (peek(t, 1) == 'Q') {
            quoted(t);
            return true;
        }
        if (!escape(t, false))
            return false;
        item_done(t);
        return true;
    case '#':
    case ' ': /* there is no x flag in either, but it costs nothing to be sure */
    default:
        keep(t, 1);
        item_done(t);
        return true;
    }
}

static bool translate(struct translation *t)
{
    while (t->in.n > 0)
        if (!translate_item(t))
            return false;
    if (t->open > 0)
        return refuse(t, "missing closing )");
    return buf_ok(&t->out);
}

bool re2_translate(str pattern, struct buf *out, struct reason *why)
{
    struct translation t = {.whole = pattern, .in = pattern, .why = why};
    buf_init(&t.out, TRANSLATED_MAX);
    bool ok = translate(&t);
    if (!ok && !t.failed)
        fail(why, ERR_LIMIT, "error parsing regexp: the pattern is too long");
    buf_str_append(out, buf_str(&t.out));
    buf_release(&t.out);
    return ok;
}
