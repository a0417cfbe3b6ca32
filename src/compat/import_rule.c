/* import_rule.c -- rules as matches. A proof (signature, address) that the rule asks for in every
 * case becomes the source's; below an `or` or a `not` it has no equivalent. A `not` at the top or
 * in an `or` also held when its field was missing, which is written out. */
#include "compat/import_rule.h"

#include "base/codec.h"
#include "base/json.h"
#include "rule/re2.h"

#define NOTE_BYTES_MAX 1024u
#define NOTE_COLUMNS 84u

/* --- text ------------------------------------------------------------------------------------ */

void import_comment(struct buf *out, str text)
{
    text_escape(out, text, NOTE_BYTES_MAX);
}

static void vnote(struct import *m, struct buf *out, const char *fmt, va_list args)
{
    char text[NOTE_BYTES_MAX];
    (void)vsnprintf(text, sizeof(text), fmt, args);
    struct buf escaped;
    buf_init(&escaped, 4 * NOTE_BYTES_MAX);
    import_comment(&escaped, str_from_cstr(text));
    str rest = buf_str(&escaped);
    bool first = true;
    while (rest.n) { /* broken at a blank */
        size_t n = rest.n;
        for (size_t i = 0; rest.n > NOTE_COLUMNS && i <= NOTE_COLUMNS; i++)
            if (rest.p[i] == ' ')
                n = i;
        buf_printf(out, "    # %s" STR_FMT "\n", first ? "note: " : "  ",
                   STR_ARG(str_slice(rest, 0, n)));
        rest = str_slice(rest, n + 1, rest.n);
        first = false;
    }
    buf_release(&escaped);
    m->done->notes++;
}

void import_note(struct import *m, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vnote(m, m->out, fmt, args);
    va_end(args);
}

void import_note_after(struct import *m, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vnote(m, &m->notes, fmt, args);
    va_end(args);
}

void import_flush_notes(struct import *m)
{
    buf_str_append(m->out, buf_str(&m->notes));
    buf_clear(&m->notes);
}

void import_quote(struct buf *out, str text)
{
    struct json_writer w;
    struct buf escaped;
    buf_init(&escaped, 2 * text.n + 16);
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '$' && i + 1 < text.n && text.p[i + 1] == '{')
            buf_char(&escaped, '$');
        buf_char(&escaped, text.p[i]);
    }
    json_writer_init(&w, out);
    json_string(&w, buf_str(&escaped));
    buf_release(&escaped);
}

void import_template_literal(struct buf *out, str text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (str_starts(str_slice(text, i, text.n), STR("{{"))) {
            buf_str_append(out, STR("{{{{"));
            i++;
        } else {
            buf_char(out, text.p[i]);
        }
    }
}

bool import_can_refer(str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || name.p[i] >= 0x7f || strchr("{}|?\"\\", name.p[i]))
            return false;
    return name.n > 0 && name.p[0] != '.' && name.p[name.n - 1] != '.' &&
           str_find_str(name, STR("..")) == name.n;
}

str import_path(str name)
{
    return str_starts(name, STR("root.")) ? str_slice(name, 5, name.n) : name;
}

bool import_prefix_is_usual(str header)
{
    return str_eq_nocase(header, STR("X-Hub-Signature")) ||
           str_eq_nocase(header, STR("X-Hub-Signature-256"));
}

/* --- taking apart ---------------------------------------------------------------------------- */

static bool is_hmac(const struct hook_rule *r)
{
    return str_starts(r->type, STR("payload-hmac-")) || str_starts(r->type, STR("payload-hash-"));
}

static bool is_proof(const struct hook_rule *r)
{
    return r->kind == HOOK_RULE_MATCH && (is_hmac(r) || str_eq(r->type, STR("ip-whitelist")) ||
                                          str_eq(r->type, STR("scalr-signature")));
}

static bool holds_proof(const struct hook_rule *r)
{
    if (is_proof(r))
        return true;
    for (size_t i = 0; i < r->count; i++)
        if (holds_proof(&r->rules[i]))
            return true;
    return false;
}

static const char *take_proof(struct import_rule *out, const struct hook_rule *r)
{
    if (str_eq(r->type, STR("scalr-signature")))
        return "scalr-signature has no equivalent; keep this hook with gaff webhook";
    if (str_eq(r->type, STR("ip-whitelist"))) {
        if (out->addresses)
            return "it asks for two lists of addresses at once";
        out->addresses = r;
        return NULL;
    }
    if (out->signature)
        return "it asks for two signatures at once";
    if (!str_eq(r->parameter.source, STR("header")) || !r->secret.n)
        return "its signature is in no header, or has no secret";
    out->signature = r;
    return NULL;
}

/* The proofs that every `and` from the top down asks for. */
static const char *take_proofs(struct import_rule *out, const struct hook_rule *r)
{
    if (is_proof(r))
        return take_proof(out, r);
    if (r->kind != HOOK_RULE_AND)
        return holds_proof(r) ? "a signature or an address below `or` or `not` proves nothing in "
                                "the other cases; make one hook for each"
                              : NULL;
    const char *why = NULL;
    for (size_t i = 0; i < r->count && !why; i++)
        why = take_proofs(out, &r->rules[i]);
    return why;
}

const char *import_rule_split(struct import_rule *out, const struct hook *h, struct arena *a)
{
    UNUSED(a);
    *out = (struct import_rule){.whole = h->rule};
    out->is_form = str_find_str(h->content_type, STR("x-www-form-urlencoded")) < h->content_type.n;
    return h->rule ? take_proofs(out, h->rule) : NULL;
}

/* --- writing --------------------------------------------------------------------------------- */

/* Which question a match asks, as the key of a condition; NULL: there is none. */
static const char *place_of(const struct import_rule *r, const struct hook_argument *a, str *name)
{
    *name = a->name;
    if (str_eq(a->source, STR("payload"))) {
        *name = import_path(a->name);
        return r->is_form ? "form" : "json";
    }
    if (str_eq(a->source, STR("header")))
        return "header";
    if (str_eq(a->source, STR("url")) || str_eq(a->source, STR("query")))
        return "query";
    return NULL;
}

/* A condition that never holds. */
static void write_never(struct import *m, const char *why)
{
    import_note_after(m, "%s: this part never holds, as before", why);
    buf_str_append(m->out, STR("{ source: \"(never)\" }"));
}

static void write_test(struct import *m, const struct hook_rule *r)
{
    struct buf pattern;
    if (str_eq(r->type, STR("value"))) {
        import_quote(m->out, r->value);
        return;
    }
    buf_init(&pattern, 65536);
    buf_str_append(m->out, STR("{ regex: "));
    if (re2_translate(r->regex, &pattern, NULL))
        import_quote(m->out, buf_str(&pattern));
    buf_str_append(m->out, STR(" }"));
    buf_release(&pattern);
}

static void write_match(struct import *m, const struct import_rule *s, const struct hook_rule *r)
{
    str name;
    const char *place = place_of(s, &r->parameter, &name);
    bool is_regex = str_eq(r->type, STR("regex"));
    if (str_eq(r->parameter.source, STR("request")) &&
        str_eq_nocase(r->parameter.name, STR("method"))) {
        buf_str_append(m->out, STR("{ method: "));
        write_test(m, r);
        buf_str_append(m->out, STR(" }"));
        return;
    }
    if (!is_regex && !str_eq(r->type, STR("value"))) {
        write_never(m, "the type of match is unknown");
        return;
    }
    if (is_regex && !r->compiled) {
        write_never(m, "its regular expression is wrong");
        return;
    }
    if (!place || !import_can_refer(name)) {
        write_never(m, "there is no such place to look at");
        return;
    }
    buf_printf(m->out, "{ %s: { ", place);
    import_quote(m->out, name);
    buf_str_append(m->out, STR(": "));
    write_test(m, r);
    buf_str_append(m->out, STR(" } }"));
}

static void write_rule(struct import *m, const struct import_rule *s, const struct hook_rule *r,
                       bool inside_and);

static void write_list(struct import *m, const struct import_rule *s, const struct hook_rule *r,
                       const char *word, bool inside_and)
{
    bool first = true;
    buf_printf(m->out, "{ %s: [", word);
    for (size_t i = 0; i < r->count; i++) {
        if (is_proof(&r->rules[i]))
            continue;
        buf_str_append(m->out, first ? STR("") : STR(", "));
        write_rule(m, s, &r->rules[i], inside_and);
        first = false;
    }
    buf_str_append(m->out, STR("] }"));
}

static void write_not(struct import *m, const struct import_rule *s, const struct hook_rule *r,
                      bool inside_and)
{
    const struct hook_rule *inner = &r->rules[0];
    str name;
    const char *place =
        inner->kind == HOOK_RULE_MATCH ? place_of(s, &inner->parameter, &name) : NULL;
    bool or_missing = !inside_and && place && import_can_refer(name);
    if (!inside_and && !or_missing)
        import_note_after(m, "`not` also held when a field was missing; now it does not");
    buf_str_append(m->out, or_missing ? STR("{ any: [{ not: ") : STR("{ not: "));
    write_rule(m, s, inner, false);
    if (or_missing) {
        buf_printf(m->out, " }, { %s: { ", place);
        import_quote(m->out, name);
        buf_str_append(m->out, STR(": { exists: false } } }] }"));
    } else {
        buf_str_append(m->out, STR(" }"));
    }
}

/* How many parts of a list are left once the proofs have moved to the source. */
static size_t left_of(const struct hook_rule *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->count; i++)
        n += !is_proof(&r->rules[i]);
    return n;
}

static void write_rule(struct import *m, const struct import_rule *s, const struct hook_rule *r,
                       bool inside_and)
{
    switch (r->kind) {
    case HOOK_RULE_AND:
        if (left_of(r))
            write_list(m, s, r, "all", true);
        else
            buf_str_append(m->out, STR("{ not: { source: \"(never)\" } }"));
        break;
    case HOOK_RULE_OR:
        if (left_of(r))
            write_list(m, s, r, "any", false);
        else
            write_never(m, "an `or` of nothing");
        break;
    case HOOK_RULE_NOT:
        write_not(m, s, r, inside_and);
        break;
    case HOOK_RULE_MATCH:
        write_match(m, s, r);
        break;
    case HOOK_RULE_NONE:
        write_never(m, "an empty rule");
        break;
    }
}

void import_rule_write(struct import *m, const struct import_rule *r)
{
    const struct hook_rule *w = r->whole;
    if (!w || is_proof(w) || (w->kind == HOOK_RULE_AND && !left_of(w)))
        return;
    buf_str_append(m->out, STR("    match: "));
    write_rule(m, r, w, false);
    buf_char(m->out, '\n');
    import_flush_notes(m);
}
