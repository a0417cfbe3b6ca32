/* http_words.c -- templates of a request, checked at load and expanded for one attempt. Pure. */
#include "action/http_words.h"

#include "base/codec.h"

#define URL_BYTES_MAX 8192u
#define FIELD_BYTES_MAX 8192u
#define BODY_BYTES_MAX (32u << 20)

static bool is_known(str name, bool is_filter, void *arg)
{
    UNUSED(arg);
    return !is_filter && event_ref_is_known(name);
}

bool http_word_is_json(str text)
{
    text = str_trim(text);
    return str_starts(text, STR("{")) || str_starts(text, STR("["));
}

static bool has_filter(const struct template_part *part, str name)
{
    for (size_t i = 0; i < part->filter_count; i++)
        if (str_eq(part->filters[i], name))
            return true;
    return false;
}

/* The last filter makes a whole JSON value of it. */
static bool is_quoted(const struct template_part *part)
{
    if (part->filter_count == 0)
        return false;
    str last = part->filters[part->filter_count - 1];
    return str_eq(last, STR("json")) || str_eq(last, STR("json_value"));
}

/* "https://host/" and perhaps more stands before the first reference. */
static bool has_fixed_host(const struct template *t)
{
    if (t->parts[0].kind != TEMPLATE_TEXT)
        return false;
    str text = t->parts[0].text;
    size_t scheme = str_find_str(text, STR("://"));
    if (scheme == text.n)
        return false;
    return str_find(str_slice(text, scheme + 3, text.n), '/') < text.n - scheme - 3;
}

static void check_part(const struct template_part *part, const struct yaml *node,
                       enum http_word kind, struct problems *p)
{
    struct reason why;
    if (event_ref_check(part, &why) != ERR_OK)
        problem_at(p, node, "%s", why.text);
    else if (kind == HTTP_WORD_BODY && http_word_is_json(node->scalar) && !is_quoted(part))
        problem_at(p, node,
                   "{{ " STR_FMT STR_FMT " }} stands in JSON: end it with | json (quotes included) "
                   "or | json_value, so that its value stays a value",
                   STR_ARG(part->text), STR_ARG(part->arg));
}

bool http_word_read(struct template *t, struct arena *a, const struct yaml *node,
                    enum http_word kind, struct problems *p)
{
    struct reason why = {.text = ""};
    size_t before = p->errors;
    *t = (struct template){0};
    if (node->kind != YAML_SCALAR || str_find_str(node->scalar, STR("{{")) == node->scalar.n)
        return true;
    if (template_compile(t, a, node->scalar, is_known, NULL, &why) != ERR_OK) {
        problem_at(p, node, "%s; known here: " EVENT_REFS_TEXT ", body", why.text);
        return false;
    }
    for (size_t i = 0; i < t->count; i++)
        if (t->parts[i].kind == TEMPLATE_REF)
            check_part(&t->parts[i], node, kind, p);
    if (kind == HTTP_WORD_URL && t->count && !template_is_constant(t) && !has_fixed_host(t))
        problem_at(p, node,
                   "an event may not choose the host: write it out up to the '/' after it");
    return p->errors == before;
}

struct expansion {
    struct event_refs *refs;
    enum http_word kind;
};

static str resolve(const struct template_part *ref, struct arena *a, void *arg)
{
    const struct expansion *x = arg;
    str value = event_ref_resolve(ref, x->refs, a);
    if (!value.p || x->kind != HTTP_WORD_URL || has_filter(ref, STR("url")))
        return value;
    return template_filter_builtin(STR("url"), value, a);
}

static bool climbs(str url)
{
    str path = str_slice(url, str_find_str(url, STR("://")) + 3, url.n);
    (void)str_cut(&path, '/');
    path = str_slice(path, 0, str_find(path, '?'));
    while (path.p) {
        str segment = str_cut(&path, '/');
        if (str_eq(segment, STR(".")) || str_eq(segment, STR("..")))
            return true;
    }
    return false;
}

static enum err check(enum http_word kind, const char *what, str text, struct reason *why)
{
    if (kind == HTTP_WORD_URL && climbs(text))
        return fail(why, ERR_DENIED, "a value in the %s would climb its path by '..'", what);
    for (size_t i = 0; kind != HTTP_WORD_BODY && i < text.n; i++)
        if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
            return fail(why, ERR_DENIED,
                        "a value in the %s holds a line break or a control byte, which is refused",
                        what);
    struct json_doc *doc = NULL;
    if (kind == HTTP_WORD_BODY && http_word_is_json(text)) {
        doc = json_parse(text, NULL);
        if (!doc)
            return fail(why, ERR_DENIED, "the body is no JSON with the values of this event");
    }
    json_doc_free(doc);
    return ERR_OK;
}

enum err http_word_expand(const struct template *t, enum http_word kind, const char *what,
                          struct event_refs *refs, struct arena *a, str *out, struct reason *why)
{
    static const size_t most[] = {URL_BYTES_MAX, FIELD_BYTES_MAX, BODY_BYTES_MAX};
    struct expansion x = {refs, kind};
    struct reason inner = {.text = ""};
    struct buf b;
    buf_init(&b, most[kind]);
    enum err e = template_expand(t, &b, a, resolve, NULL, &x, &inner);
    if (e != ERR_OK)
        (void)fail(why, e, "the %s: %s", what, inner.text);
    else
        e = check(kind, what, buf_str(&b), why);
    *out = arena_str(a, buf_str(&b));
    if (e == ERR_OK && (!buf_ok(&b) || !out->p))
        e = fail(why, ERR_LIMIT, "the %s is too long", what);
    buf_release(&b);
    return e;
}
