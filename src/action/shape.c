/* shape.c -- reading a tree of templates, and the two ways to render it. */
#include "action/shape.h"

#include "base/codec.h"

#define TEXT_MAX (1u << 20)
#define DEPTH_MAX 16
#define ENTRIES_MAX 200

struct shape {
    enum { SHAPE_OBJECT, SHAPE_LIST, SHAPE_TEXT, SHAPE_VALUE, SHAPE_CONSTANT } kind;
    str name; /* of a member */
    struct template text;
    str constant;               /* JSON as it is */
    struct shape *first, *next; /* members or items */
    bool has_when;
    struct template when; /* a container that is left out when this has no value */
    str each;             /* the field whose entries come after the members; n == 0: none */
    struct template key;
    struct shape *entry; /* the value or item for each */
};

/* --- reading --------------------------------------------------------------------------------- */

struct reader {
    struct arena *arena;
    const struct shape_names *names;
    struct problems *problems;
    bool in_each; /* {{ key }} and {{ value }} exist */
    size_t depth;
};

static bool is_known(str name, bool is_filter, void *arg)
{
    const struct reader *r = (const struct reader *)arg;
    if (!is_filter && r->in_each && (str_eq(name, STR("key")) || str_eq(name, STR("value"))))
        return true;
    return r->names->known(name, is_filter, r->names->arg);
}

static bool read_template(struct reader *r, const struct yaml *node, struct template *out)
{
    str text = STR("");
    struct reason why;
    if (!read_str(r->problems, node, &text))
        return false;
    if (template_compile(out, r->arena, text, is_known, r, &why) == ERR_OK)
        return true;
    problem_at(r->problems, node, "%s", why.text);
    return false;
}

/* The plain scalars that YAML and JSON have in common; "007" and "1_000" are text. */
static bool is_constant(const struct yaml *node)
{
    if (node->quoted || node->scalar.n == 0)
        return false;
    char c = node->scalar.p[0];
    struct json_doc *doc = c == '"' || c == '{' || c == '[' ? NULL : json_parse(node->scalar, NULL);
    json_doc_free(doc);
    return doc != NULL;
}

static bool keeps_type(const struct template *t)
{
    if (t->count != 1 || t->parts[0].kind != TEMPLATE_REF || t->parts[0].filter_count == 0)
        return false;
    return str_eq(t->parts[0].filters[t->parts[0].filter_count - 1], STR("json_value"));
}

static struct shape *read_node(struct reader *r, const struct yaml *node);

static bool read_scalar(struct reader *r, const struct yaml *node, struct shape *s)
{
    if (is_constant(node)) {
        s->kind = SHAPE_CONSTANT;
        s->constant = node->scalar;
        return true;
    }
    s->kind = SHAPE_TEXT;
    if (!read_template(r, node, &s->text))
        return false;
    if (keeps_type(&s->text))
        s->kind = SHAPE_VALUE;
    return true;
}

static bool read_each(struct reader *r, const struct yaml *node, struct shape *s)
{
    const struct yaml *each = yaml_get(node, STR("$each")), *key = yaml_get(node, STR("$key"));
    const struct yaml *value = yaml_get(node, STR("$value")), *item = yaml_get(node, STR("$item"));
    struct reason why;
    if (!each) {
        if (key || value || item)
            problem_at(r->problems, node, "$key, $value and $item need $each: FIELD beside them");
        return !(key || value || item);
    }
    if (!read_str(r->problems, each, &s->each))
        return false;
    if (!r->names->is_map(s->each, r->names->arg)) {
        problem_at(r->problems, each, "\"" STR_FMT "\" is no field with `map: true`",
                   STR_ARG(s->each));
        return false;
    }
    if (item && (key || value || node->count > 2)) {
        problem_at(r->problems, item, "$item makes a list: nothing but $each may stand beside it");
        return false;
    }
    r->in_each = true;
    s->kind = item ? SHAPE_LIST : SHAPE_OBJECT;
    bool ok =
        key ? read_template(r, key, &s->key)
            : template_compile(&s->key, r->arena, STR("{{ key }}"), NULL, NULL, &why) == ERR_OK;
    if (item || value) {
        s->entry = read_node(r, item ? item : value);
    } else {
        s->entry = ARENA_NEW(r->arena, struct shape);
        ok = ok && s->entry;
        if (s->entry) {
            s->entry->kind = SHAPE_TEXT;
            ok = ok && template_compile(&s->entry->text, r->arena, STR("{{ value }}"), NULL, NULL,
                                        &why) == ERR_OK;
        }
    }
    r->in_each = false;
    return ok && s->entry;
}

static bool read_when(struct reader *r, const struct yaml *node, struct shape *s)
{
    const struct yaml *when = yaml_get(node, STR("$when"));
    if (!when)
        return true;
    s->has_when = read_template(r, when, &s->when);
    if (!s->has_when)
        return false;
    const struct template *t = &s->when;
    bool single = t->count == 1 && t->parts[0].kind == TEMPLATE_REF && t->parts[0].optional;
    if (!single)
        problem_at(r->problems, when, "$when takes one optional reference: \"{{ link? }}\"");
    return single;
}

static bool read_members(struct reader *r, const struct yaml *node, struct shape *s)
{
    s->kind = node->kind == YAML_MAP ? SHAPE_OBJECT : SHAPE_LIST;
    struct shape **tail = &s->first;
    bool ok = true;
    for (const struct yaml *one = node->first; one; one = one->next) {
        if (node->kind == YAML_MAP && str_starts(one->key, STR("$"))) {
            static const char *const words[] = {
                "$each", "$key",  "$value",
                "$item", "$when", "$schema" /* a member that services use */};
            bool found = false;
            for (size_t i = 0; i < ARRAY_LEN(words); i++)
                found = found || str_eq(one->key, str_from_cstr(words[i]));
            if (!found)
                problem_at_key(r->problems, one, "there are $each, $key, $value, $item and $when");
            ok = ok && found;
            if (!str_eq(one->key, STR("$schema")))
                continue;
        }
        *tail = read_node(r, one);
        if (!*tail) {
            ok = false;
            continue;
        }
        (*tail)->name = one->key;
        tail = &(*tail)->next;
    }
    return (node->kind != YAML_MAP || (read_when(r, node, s) && read_each(r, node, s))) && ok;
}

static struct shape *read_node(struct reader *r, const struct yaml *node)
{
    struct shape *s = ARENA_NEW(r->arena, struct shape);
    if (!s || r->depth == DEPTH_MAX) {
        problem_at(r->problems, node, "nested too deeply");
        return NULL;
    }
    r->depth++;
    bool ok = node->kind == YAML_SCALAR ? read_scalar(r, node, s) : read_members(r, node, s);
    r->depth--;
    return ok ? s : NULL;
}

static bool is_container(const struct shape *s)
{
    return s && (s->kind == SHAPE_OBJECT || s->kind == SHAPE_LIST);
}

struct shape *shape_read(struct arena *a, const struct yaml *node, bool flat,
                         const struct shape_names *names, struct problems *p)
{
    struct reader r = {.arena = a, .names = names, .problems = p};
    if (flat && node->kind != YAML_MAP) {
        problem_at(p, node, "expected names and their values, as { name: \"{{ title }}\" }");
        return NULL;
    }
    struct shape *s = read_node(&r, node);
    if (!flat || !s)
        return s;
    bool is_flat = s->kind == SHAPE_OBJECT && !is_container(s->entry);
    for (const struct shape *one = s->first; one; one = one->next)
        is_flat = is_flat && !is_container(one);
    if (!is_flat)
        problem_at(p, node, "a form or query has one level only");
    return is_flat ? s : NULL;
}

/* --- rendering ------------------------------------------------------------------------------- */

struct scope {
    const struct shape_values *values;
    struct arena *arena;
    struct reason *why;
    str key, value; /* within $each; STR_NONE elsewhere */
};

static str resolve(const struct template_part *ref, struct arena *a, void *arg)
{
    const struct scope *s = (const struct scope *)arg;
    if (s->key.p && str_eq(ref->text, STR("key")))
        return s->key;
    if (s->key.p && str_eq(ref->text, STR("value")))
        return s->value;
    return s->values->resolve(ref, a, s->values->arg);
}

static enum err expand(struct scope *s, const struct template *t, str *out, bool *absent)
{
    *absent = false;
    *out = STR("");
    if (t->count == 1 && t->parts[0].kind == TEMPLATE_REF && t->parts[0].optional) {
        str plain = resolve(&t->parts[0], s->arena, s);
        *absent = plain.n == 0;
        if (*absent)
            return ERR_OK;
    }
    struct buf b;
    buf_init(&b, TEXT_MAX);
    enum err e = template_expand(t, &b, s->arena, resolve, NULL, s, s->why);
    if (e == ERR_OK) {
        *out = arena_str(s->arena, buf_str(&b));
        if (!out->p)
            e = fail(s->why, ERR_LIMIT, "the request is too large");
    }
    buf_release(&b);
    return e;
}

enum err shape_expand(const struct template *t, const struct shape_values *v, struct arena *a,
                      str *out, bool *absent, struct reason *why)
{
    struct scope s = {.values = v, .arena = a, .why = why};
    return expand(&s, t, out, absent);
}

/* name: STR_NONE for what is no member of an object. */
static enum err write_node(struct scope *s, const struct shape *n, struct json_writer *w, str name);

static enum err write_entries(struct scope *s, const struct shape *n, struct json_writer *w)
{
    enum err e = ERR_OK;
    for (size_t i = 0; e == ERR_OK && n->each.n > 0 && i < ENTRIES_MAX; i++) {
        if (!s->values->entry(n->each, i, &s->key, &s->value, s->values->arg))
            break;
        str key = STR_NONE;
        bool absent;
        if (n->kind == SHAPE_OBJECT)
            e = expand(s, &n->key, &key, &absent);
        if (e == ERR_OK)
            e = write_node(s, n->entry, w, key);
    }
    s->key = s->value = STR_NONE;
    return e;
}

static enum err write_container(struct scope *s, const struct shape *n, struct json_writer *w)
{
    char open = n->kind == SHAPE_OBJECT ? '{' : '[';
    enum err e = ERR_OK;
    json_open(w, open);
    for (const struct shape *one = n->first; one && e == ERR_OK; one = one->next)
        e = write_node(s, one, w, n->kind == SHAPE_OBJECT ? one->name : STR_NONE);
    if (e == ERR_OK)
        e = write_entries(s, n, w);
    json_close(w, open == '{' ? '}' : ']');
    return e;
}

static enum err write_node(struct scope *s, const struct shape *n, struct json_writer *w, str name)
{
    str text;
    bool absent;
    if (n->kind == SHAPE_TEXT || n->kind == SHAPE_VALUE) {
        enum err e = expand(s, &n->text, &text, &absent);
        if (e != ERR_OK || absent)
            return e;
        if (name.p)
            json_key_str(w, name);
        if (n->kind == SHAPE_VALUE)
            json_raw(w, text);
        else
            json_string(w, text);
        return ERR_OK;
    }
    if (n->has_when) {
        enum err e = expand(s, &n->when, &text, &absent);
        if (e != ERR_OK || absent)
            return e;
    }
    if (name.p)
        json_key_str(w, name);
    if (n->kind != SHAPE_CONSTANT)
        return write_container(s, n, w);
    json_raw(w, n->constant);
    return ERR_OK;
}

enum err shape_write_json(const struct shape *n, const struct shape_values *v, struct buf *out,
                          struct arena *a, struct reason *why)
{
    struct scope s = {.values = v, .arena = a, .why = why};
    struct json_writer w;
    json_writer_init(&w, out);
    enum err e = write_node(&s, n, &w, STR_NONE);
    if (e == ERR_OK && !buf_ok(out))
        e = fail(why, ERR_LIMIT, "the request is longer than %zu bytes", out->max);
    return e;
}

static void write_pair(struct buf *out, str name, str value)
{
    if (out->len > 0)
        buf_char(out, '&');
    percent_encode(out, name);
    buf_char(out, '=');
    percent_encode(out, value);
}

static enum err write_form_entries(struct scope *s, const struct shape *n, struct buf *out)
{
    enum err e = ERR_OK;
    for (size_t i = 0; e == ERR_OK && n->each.n > 0 && i < ENTRIES_MAX; i++) {
        str key, value;
        bool absent = false;
        if (!s->values->entry(n->each, i, &s->key, &s->value, s->values->arg))
            break;
        e = expand(s, &n->key, &key, &absent);
        if (e == ERR_OK)
            e = expand(s, &n->entry->text, &value, &absent);
        if (e == ERR_OK && !absent)
            write_pair(out, key, value);
    }
    s->key = s->value = STR_NONE;
    return e;
}

enum err shape_write_form(const struct shape *n, const struct shape_values *v, struct buf *out,
                          struct arena *a, struct reason *why)
{
    struct scope s = {.values = v, .arena = a, .why = why};
    enum err e = ERR_OK;
    for (const struct shape *one = n->first; one && e == ERR_OK; one = one->next) {
        str value = one->constant;
        bool absent = false;
        if (one->kind != SHAPE_CONSTANT)
            e = expand(&s, &one->text, &value, &absent);
        if (e == ERR_OK && !absent)
            write_pair(out, one->name, value);
    }
    if (e == ERR_OK)
        e = write_form_entries(&s, n, out);
    if (e == ERR_OK && !buf_ok(out))
        e = fail(why, ERR_LIMIT, "the request is longer than %zu bytes", out->max);
    return e;
}
