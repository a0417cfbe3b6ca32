/* go_template.c -- one pass: text is copied, actions are obeyed where they stand. */
#include "compat/go_template.h"

#include "compat/go_expansion.h"

/* --- actions --------------------------------------------------------------------------------- */

static bool is_over(struct go_expansion *x)
{
    go_skip_blanks(x);
    if (x->rest.n && !x->failed)
        go_give_up(x, "unexpected ", str_slice(x->rest, 0, 20));
    return !x->failed;
}

static void declare(struct go_expansion *x, str name)
{
    struct go_operand v = go_pipeline(x);
    struct go_operand *kept = ARENA_NEW(x->arena, struct go_operand);
    if (!kept || !is_over(x))
        return;
    *kept = v;
    if (x->live)
        map_put(&x->variables, name, kept);
    else if (!map_get(&x->variables, name))
        map_put(&x->variables, name, kept); /* so that the dead branch can be checked */
}

/* `$name :=` or `$name =` at the front. */
static bool is_declaration(struct go_expansion *x, str *name)
{
    str before = x->rest;
    if (go_take(x, '$')) {
        *name = go_take_word(x);
        bool fresh = go_take(x, ':');
        if (name->n && go_take(x, '=')) {
            if (!fresh && !map_get(&x->variables, *name))
                go_give_up(x, "undefined variable $", *name);
            return true;
        }
    }
    x->rest = before;
    return false;
}

static void open_if(struct go_expansion *x)
{
    if (x->depth == GO_NESTING_MAX) {
        go_give_up(x, "if is nested too deeply", STR(""));
        return;
    }
    struct go_operand v = go_pipeline(x);
    struct go_branch *b = &x->branches[x->depth++];
    *b = (struct go_branch){.parent_live = x->live, .taken = go_is_true(&v)};
    x->live = x->live && b->taken;
    (void)is_over(x);
}

static void turn_else(struct go_expansion *x)
{
    if (x->depth == 0) {
        go_give_up(x, "unexpected {{else}}", STR(""));
        return;
    }
    struct go_branch *b = &x->branches[x->depth - 1];
    go_skip_blanks(x);
    x->live = b->parent_live && !b->taken;
    if (!x->rest.n) {
        b->taken = true;
        return;
    }
    str word = go_take_word(x);
    if (!str_eq(word, STR("if"))) {
        go_give_up(x, "unexpected after else: ", word);
        return;
    }
    struct go_operand v = go_pipeline(x);
    bool now = go_is_true(&v);
    x->live = x->live && now;
    b->taken = b->taken || now;
    (void)is_over(x);
}

static void action(struct go_expansion *x)
{
    go_skip_blanks(x);
    str before = x->rest, name;
    str word = go_take_word(x);
    if (str_eq(word, STR("if"))) {
        open_if(x);
    } else if (str_eq(word, STR("else"))) {
        turn_else(x);
    } else if (str_eq(word, STR("end"))) {
        if (x->depth == 0)
            go_give_up(x, "unexpected {{end}}", STR(""));
        else
            x->live = x->branches[--x->depth].parent_live;
        (void)is_over(x);
    } else {
        x->rest = before;
        if (is_declaration(x, &name)) {
            declare(x, name);
        } else {
            struct go_operand v = go_pipeline(x);
            if (is_over(x) && x->live)
                buf_str_append(x->out, go_text(x, &v));
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

static void one_action(struct go_expansion *x, str *rest, bool *trim_next)
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
        go_give_up(x, "unclosed action", STR(""));
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
    struct go_expansion x = {
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
        go_give_up(&x, "unexpected EOF: an if has no end", STR(""));
    if (!buf_ok(out))
        go_give_up(&x, "the expanded file is larger than 4 MiB", STR(""));
    map_release(&x.variables);
    return x.failed ? ERR_INVALID : ERR_OK;
}
