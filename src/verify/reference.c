/* reference.c -- reads references and templates of provider files, and looks them up.
 *
 * Names are resolved to kinds at load, so that judging a request compares no names but those of
 * header fields. A lookup tells "absent" from "there twice": which of two values counts must
 * never be a guess. */
#include "verify/reference.h"

#include "base/codec.h"
#include "http/form.h"
#include "http/structured.h"

enum arg_rule { NO_ARG, NEEDS_ARG, MAY_ARG };
static const struct {
    str name;
    enum arg_rule arg;
} kinds[REF_KINDS] = {
    [REF_BODY] = {{"body", 4}, NO_ARG},
    [REF_TS] = {{"ts", 2}, NO_ARG},
    [REF_ID] = {{"id", 2}, NO_ARG},
    [REF_URL] = {{"url", 3}, NO_ARG},
    [REF_METHOD] = {{"method", 6}, NO_ARG},
    [REF_PATH] = {{"path", 4}, NO_ARG},
    [REF_SECRET] = {{"secret", 6}, NO_ARG},
    [REF_HEADER] = {{"header", 6}, NEEDS_ARG},
    [REF_QUERY] = {{"query", 5}, NEEDS_ARG},
    [REF_FORM] = {{"form", 4}, NEEDS_ARG},
    [REF_FIELD] = {{"field", 5}, NEEDS_ARG},
    [REF_TARGET] = {{"target", 6}, NO_ARG},
    [REF_QUERY_STRING] = {{"query-string", 12}, NO_ARG},
    [REF_URL_PORT] = {{"url-port", 8}, NO_ARG},
    [REF_FORM_PAIRS] = {{"form-pairs", 10}, NO_ARG},
    [REF_FORM_QUERY] = {{"form-query", 10}, MAY_ARG},
    [REF_JSON_QUERY] = {{"json-query", 10}, MAY_ARG},
    [REF_JSON_LIST] = {{"json-list", 9}, MAY_ARG},
    [REF_SIGNED_HEADERS] = {{"signed-headers", 14}, NEEDS_ARG},
    [REF_FIELD_HEADERS] = {{"field-headers", 13}, NEEDS_ARG},
    [REF_JSON_LEAVES] = {{"json-leaves", 11}, MAY_ARG},
    [REF_SORTED_QUERY] = {{"sorted-query", 12}, NEEDS_ARG},
    [REF_FORM_PHP] = {{"form-php", 8}, MAY_ARG},
    [REF_PLIVO] = {{"plivo", 5}, NO_ARG},
    [REF_JOSE_HEADERS] = {{"jose-headers", 12}, NEEDS_ARG},
    [REF_JOSE] = {{"jose", 4}, NEEDS_ARG},
    [REF_RAW] = {{"raw", 3}, NEEDS_ARG},
    [REF_FORM_JSON] = {{"form-json", 9}, NEEDS_ARG},
    [REF_JSON] = {{".", 1}, MAY_ARG},
    [REF_ITEM] = {{"item", 4}, NEEDS_ARG},
    [REF_CLAIM] = {{"claim", 5}, NEEDS_ARG},
    [REF_TEXT] = {{"text", 4}, NO_ARG},
};

static enum ref_kind kind_of(str name)
{
    for (size_t i = 0; i < REF_KINDS; i++)
        if (str_eq(name, kinds[i].name))
            return (enum ref_kind)i;
    return REF_KINDS;
}

struct known {
    unsigned allowed;
    str unknown; /* the last name that was refused */
};

static bool is_known(str name, bool is_filter, void *arg)
{
    struct known *k = arg;
    enum ref_kind kind = kind_of(name);
    if (is_filter ? filter_is_known(name) : kind < REF_KINDS && (k->allowed & REF_BIT(kind)))
        return true;
    k->unknown = name;
    return false;
}

/* Reports why a reference or template was refused, with what is known there. */
static void refuse(const struct yaml *node, const struct known *k, const struct reason *why,
                   struct problems *p)
{
    if (!k->unknown.p) {
        problem_at(p, node, "%s", why->text);
        return;
    }
    struct nearest near;
    nearest_init(&near, k->unknown);
    struct buf list;
    buf_init(&list, 256);
    for (size_t i = 0; i < REF_KINDS; i++) {
        if (!(k->allowed & REF_BIT(i)))
            continue;
        nearest_offer(&near, kinds[i].name);
        buf_printf(&list, "%s" STR_FMT "%s", list.len ? ", " : "", STR_ARG(kinds[i].name),
                   i == REF_JSON               ? "json.path"
                   : kinds[i].arg == NEEDS_ARG ? ":NAME"
                                               : "");
    }
    str best = nearest_word(&near);
    problem_at(p, node, "%s; known here: %s%s" STR_FMT "%s", why->text, buf_cstr(&list),
               best.p ? " (did you mean \"" : "", STR_ARG(best), best.p ? "\"?)" : "");
    buf_release(&list);
}

static str label_of(struct arena *a, const struct ref *r)
{
    switch (r->kind) {
    case REF_HEADER:
        return r->arg;
    case REF_QUERY:
        return arena_printf(a, "query parameter " STR_FMT, STR_ARG(r->arg));
    case REF_FORM:
        return arena_printf(a, "form field " STR_FMT, STR_ARG(r->arg));
    case REF_FIELD:
        return arena_printf(a, "field " STR_FMT " of the signature header", STR_ARG(r->arg));
    case REF_JSON:
        return arena_printf(a, "JSON field ." STR_FMT, STR_ARG(r->arg));
    case REF_ITEM:
        return arena_printf(a, "JSON field ." STR_FMT " of an item", STR_ARG(r->arg));
    case REF_CLAIM:
        return arena_printf(a, "the claim " STR_FMT, STR_ARG(r->arg));
    default:
        if (r->arg.n)
            return arena_printf(a, STR_FMT ":" STR_FMT, STR_ARG(kinds[r->kind].name),
                                STR_ARG(r->arg));
        return kinds[r->kind].name;
    }
}

/* False with a problem when the part has an argument too many or too few. */
static bool ref_from_part(struct ref *out, struct arena *a, const struct template_part *part,
                          const struct yaml *node, struct problems *p)
{
    out->kind = kind_of(part->text);
    out->arg = arena_str(a, part->arg.p ? part->arg : STR(""));
    bool has = part->arg.p != NULL;
    if (kinds[out->kind].arg == NEEDS_ARG && !has) {
        problem_at(p, node, "\"" STR_FMT "\" needs a name: \"" STR_FMT ":NAME\"",
                   STR_ARG(part->text), STR_ARG(part->text));
        return false;
    }
    if (kinds[out->kind].arg == NO_ARG && has) {
        problem_at(p, node, "\"" STR_FMT "\" takes nothing after a colon", STR_ARG(part->text));
        return false;
    }
    out->label = label_of(a, out);
    return true;
}

bool ref_compile(struct ref *out, struct arena *a, const struct yaml *node, unsigned allowed,
                 struct problems *p)
{
    str text = STR_NONE;
    if (!node || !read_str(p, node, &text))
        return false;
    struct reason why;
    struct template_part part;
    struct known known = {.allowed = allowed};
    if (str_starts(text, STR("{{"))) {
        problem_at(p, node, "one reference is written here without braces: \"header:NAME\"");
        return false;
    }
    if (template_parse_ref(&part, text, &why) != ERR_OK) {
        problem_at(p, node, "%s", why.text);
        return false;
    }
    if (part.optional || part.filter_count) {
        problem_at(p, node, "a reference here takes no \"?\" and no filters");
        return false;
    }
    if (!is_known(part.text, false, &known)) {
        UNUSED(fail(&why, ERR_INVALID, "unknown reference \"" STR_FMT "\"", STR_ARG(part.text)));
        refuse(node, &known, &why, p);
        return false;
    }
    return ref_from_part(out, a, &part, node, p);
}

static bool piece_compile(struct piece *out, struct arena *a, const struct template_part *part,
                          const struct yaml *node, struct problems *p)
{
    if (part->kind == TEMPLATE_TEXT) {
        out->text = part->text;
        return true;
    }
    static_assert(ARRAY_LEN(out->filters) == ARRAY_LEN(part->filters), "room for all filters");
    out->is_ref = true;
    out->optional = part->optional;
    out->filter_count = part->filter_count;
    memcpy(out->filters, part->filters, sizeof(out->filters));
    return ref_from_part(&out->ref, a, part, node, p);
}

bool pieces_compile(struct pieces *out, struct arena *a, const struct yaml *node, unsigned allowed,
                    struct problems *p)
{
    *out = (struct pieces){0};
    str text = STR_NONE;
    if (!node || !read_str(p, node, &text))
        return false;
    struct template t;
    struct reason why;
    struct known known = {.allowed = allowed};
    if (template_compile(&t, a, text, is_known, &known, &why) != ERR_OK) {
        refuse(node, &known, &why, p);
        return false;
    }
    out->v = ARENA_ARRAY(a, struct piece, t.count + 1);
    out->source = arena_str(a, text);
    if (!out->v)
        return false;
    for (; out->count < t.count; out->count++) {
        struct piece *piece = &out->v[out->count];
        if (!piece_compile(piece, a, &t.parts[out->count], node, p))
            return false;
        if (piece->is_ref)
            out->mentions |= REF_BIT(piece->ref.kind);
    }
    return true;
}

/* Names of one length mostly differ in the last byte, whatever its case; those that are the same
 * are mostly written the same. */
static bool same_name(str a, str b)
{
    return a.n == b.n && a.n > 0 && ((a.p[a.n - 1] ^ b.p[b.n - 1]) & 0x5f) == 0 &&
           (memcmp(a.p, b.p, a.n) == 0 || str_eq_nocase(a, b));
}

enum presence header_get(const struct http_fields *f, str name, str *out)
{
    enum presence found = ABSENT;
    for (size_t i = 0; i < f->count; i++) {
        if (!same_name(f->v[i].name, name))
            continue;
        if (found == PRESENT)
            return DOUBLED;
        *out = f->v[i].value;
        found = PRESENT;
    }
    return found;
}

enum presence pair_get(struct arena *a, str text, str name, str *out)
{
    enum presence found = ABSENT;
    while (text.p) {
        str value = str_cut(&text, '&');
        str key = percent_decode(a, str_cut(&value, '='), true);
        if (!key.p || !str_eq(key, name))
            continue;
        if (found == PRESENT)
            return DOUBLED;
        *out = value.p ? percent_decode(a, value, true) : STR("");
        if (!out->p)
            return ABSENT;
        found = PRESENT;
    }
    return found;
}

static enum presence find_form(struct view *w, str name, str *out)
{
    *out = http_request_form(w->req, name);
    if (!out->p)
        return ABSENT;
    str type = media_type(http_field_get(&w->req->fields, STR("Content-Type")));
    if (str_eq_nocase(type, STR("application/x-www-form-urlencoded")))
        return pair_get(w->arena, w->req->body, name, out);
    return PRESENT;
}

/* The member of an object, or the element of an array; a parser of the receiver's may take the
 * other of two members with one name than ours would. */
static enum presence json_child(const struct json *at, str name, const struct json **out)
{
    struct json_iter it = {0};
    enum presence found = ABSENT;
    uint64_t index;
    if (json_kind_of(at) == JSON_ARRAY) {
        *out = str_to_u64(name, &index) ? json_at(at, (size_t)index) : NULL;
        return *out ? PRESENT : ABSENT;
    }
    if (json_kind_of(at) != JSON_OBJECT)
        return ABSENT;
    while (json_next(at, &it)) {
        if (it.key.n != name.n || !str_eq(it.key, name))
            continue;
        if (found == PRESENT)
            return DOUBLED;
        *out = it.value;
        found = PRESENT;
    }
    return found;
}

enum presence json_walk(struct arena *a, const struct json *root, str path, const struct json **out)
{
    *out = root;
    if (!root)
        return ABSENT;
    while (path.n) {
        size_t n = 0;
        bool escaped = false;
        for (; n < path.n && path.p[n] != '.'; n++)
            if (path.p[n] == '\\' && n + 1 < path.n) {
                escaped = true;
                n++;
            }
        str part = str_slice(path, 0, n);
        path = str_slice(path, n + 1, path.n);
        if (escaped) {
            char *plain = arena_alloc(a, part.n);
            size_t m = 0;
            for (size_t i = 0; plain && i < part.n; i++) {
                i += part.p[i] == '\\' && i + 1 < part.n;
                plain[m++] = part.p[i];
            }
            part = str_of(plain, m);
        }
        enum presence found = part.p ? json_child(*out, part, out) : ABSENT;
        if (found != PRESENT)
            return found;
    }
    return PRESENT;
}

/* Scalars only: what null, a list or an object would mean as text is nobody's to guess. */
enum presence json_lookup(struct arena *a, const struct json *root, str path, str *out)
{
    const struct json *v;
    enum presence found = json_walk(a, root, path, &v);
    if (found != PRESENT)
        return found;
    enum json_kind kind = json_kind_of(v);
    if (kind != JSON_STRING && kind != JSON_NUMBER && kind != JSON_BOOL)
        return ABSENT;
    *out = json_text(a, v);
    return out->p ? PRESENT : ABSENT;
}

/* https://example.org gets :443: some services sign the port always. */
static str with_port(struct arena *a, str base)
{
    size_t host = str_find_str(base, STR("://"));
    str rest = str_slice(base, host + 3, base.n);
    size_t bracket = str_find(rest, ']');
    str after = bracket < rest.n ? str_slice(rest, bracket, rest.n) : rest;
    if (str_find(after, ':') < after.n)
        return base;
    return arena_printf(a, STR_FMT ":%s", STR_ARG(base),
                        str_starts(base, STR("https:")) ? "443" : "80");
}

static enum presence find_url(struct view *w, bool port, str *out)
{
    str base = w->public_url;
    if (str_is_empty(base)) {
        if (str_is_empty(w->req->host))
            return ABSENT;
        base = arena_printf(w->arena, "%s://" STR_FMT, w->req->tls ? "https" : "http",
                            STR_ARG(w->req->host));
    }
    if (port)
        base = with_port(w->arena, base);
    *out = arena_printf(w->arena, STR_FMT STR_FMT, STR_ARG(base), STR_ARG(w->req->target));
    return out->p ? PRESENT : ABSENT;
}

void view_problem(struct view *w, enum problem_kind kind, const char *fmt, ...)
{
    va_list args;
    if (w->problem != PROBLEM_NONE)
        return;
    w->problem = kind;
    va_start(args, fmt);
    UNUSED(vsnprintf(w->problem_text, sizeof(w->problem_text), fmt, args));
    va_end(args);
}

static enum presence present(str value, str *out)
{
    *out = value;
    return value.p ? PRESENT : ABSENT;
}

enum presence field_get(str text, struct field_rule rule, str name, str *out)
{
    assert(rule.separator);
    enum presence found = ABSENT;
    uint64_t left;
    if (!rule.assign) { /* by its place, counted from 0 */
        bool is_number = str_to_u64(name, &left);
        for (; is_number && text.p && left > 0; left--)
            UNUSED(str_cut(&text, rule.separator));
        *out = is_number && text.p ? str_trim(str_cut(&text, rule.separator)) : STR_NONE;
        return out->p ? PRESENT : ABSENT;
    }
    while (text.p) {
        str value = str_trim(str_cut(&text, rule.separator));
        if (!field_cut(&value, name, rule.assign))
            continue;
        if (found == PRESENT)
            return DOUBLED;
        *out = value;
        found = PRESENT;
    }
    return found;
}

enum presence view_get(struct view *w, const struct ref *r, str *out)
{
    switch (r->kind) {
    case REF_BODY:
        return present(w->req->body.p ? w->req->body : STR(""), out);
    case REF_TS:
        return present(w->ts, out);
    case REF_ID:
        return present(w->id, out);
    case REF_URL:
    case REF_URL_PORT:
        return find_url(w, r->kind == REF_URL_PORT, out);
    case REF_METHOD:
        return present(w->req->method, out);
    case REF_PATH:
        return present(w->req->path, out);
    case REF_TARGET:
        return present(w->req->target, out);
    case REF_QUERY_STRING:
        return present(w->req->query, out);
    case REF_SECRET:
        return present(w->secret, out);
    case REF_TEXT:
        return present(w->text, out);
    case REF_HEADER:
        return header_get(&w->req->fields, r->arg, out);
    case REF_QUERY:
        return pair_get(w->arena, w->req->query, r->arg, out);
    case REF_FORM:
        return find_form(w, r->arg, out);
    case REF_FIELD:
        if (w->signed_input) {
            const struct sf_param *param = sf_param_get(w->signed_input, r->arg);
            return param ? present(param->text, out) : ABSENT;
        }
        return w->field_text.p ? field_get(w->field_text, w->fields, r->arg, out) : ABSENT;
    case REF_JSON:
        return json_lookup(w->arena, http_request_json(w->req), r->arg, out);
    case REF_ITEM:
        return json_lookup(w->arena, w->item, r->arg, out);
    case REF_JOSE:
        return json_lookup(w->arena, w->jose, r->arg, out);
    case REF_CLAIM:
        return json_lookup(w->arena, w->claims, r->arg, out);
    default:
        return gather_get(w, r, out);
    }
}

static bool piece_value(const struct piece *piece, struct view *w, str *out)
{
    enum presence found = view_get(w, &piece->ref, out);
    if (found == ABSENT && piece->optional) {
        *out = STR("");
        found = PRESENT;
    }
    for (size_t i = 0; found == PRESENT && i < piece->filter_count; i++) {
        *out = filter_apply(piece->filters[i], *out, w);
        if (!out->p)
            found = ABSENT;
    }
    if (found == PRESENT)
        return true;
    w->missing = &piece->ref;
    w->doubled = found == DOUBLED;
    return false;
}

bool pieces_feed(const struct pieces *t, struct view *w, piece_sink *sink, void *arg)
{
    for (size_t i = 0; i < t->count; i++) {
        str value = t->v[i].text;
        if (t->v[i].is_ref && !piece_value(&t->v[i], w, &value))
            return false;
        sink(arg, value);
    }
    return true;
}

static void to_buf(void *arg, str part)
{
    buf_str_append(arg, part);
}

str pieces_text(const struct pieces *t, struct view *w, size_t max)
{
    str out = STR_NONE;
    if (t->count == 1 && t->v[0].is_ref)
        return piece_value(&t->v[0], w, &out) && out.n <= max ? out : STR_NONE;
    struct buf b;
    buf_init(&b, max);
    if (pieces_feed(t, w, to_buf, &b) && buf_ok(&b))
        out = arena_str(w->arena, buf_str(&b));
    buf_release(&b);
    return out;
}
