/* hook.c -- from the typed YAML tree to hooks, by tables of keys: each names a member of the
 * struct and how it is read. A value of the wrong type refuses the whole file, with its place. */
#include "compat/hook.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/yaml11.h"
#include "compat/go_template.h"
#include "rule/re2.h"

#define FILE_ARENA_MAX (256u << 20)
#define PATTERN_BYTES_MAX 65536u

struct reader {
    struct hook_file *file;
    struct reason *why;
    bool failed;
};

enum field_kind {
    FIELD_STRING,
    FIELD_BOOL,
    FIELD_INT,
    FIELD_STRINGS,
    FIELD_ARGUMENT,
    FIELD_ARGUMENTS,
    FIELD_HEADERS,
    FIELD_RULE,  /* a pointer to one, NULL when null */
    FIELD_MATCH, /* into the rule itself */
    FIELD_RULES,
};

struct field {
    const char *key;
    enum field_kind kind;
    size_t at;
};

#define HOOK(key, kind, member)                                                                    \
    {                                                                                              \
        key, kind, offsetof(struct hook, member)                                                   \
    }
static const struct field hook_fields[] = {
    HOOK("id", FIELD_STRING, id),
    HOOK("execute-command", FIELD_STRING, execute_command),
    HOOK("command-working-directory", FIELD_STRING, working_directory),
    HOOK("response-message", FIELD_STRING, response_message),
    HOOK("response-headers", FIELD_HEADERS, response_headers),
    HOOK("success-http-response-code", FIELD_INT, success_code),
    HOOK("include-command-output-in-response", FIELD_BOOL, capture_output),
    HOOK("include-command-output-in-response-on-error", FIELD_BOOL, capture_output_on_error),
    HOOK("trigger-rule", FIELD_RULE, rule),
    HOOK("trigger-rule-mismatch-http-response-code", FIELD_INT, mismatch_code),
    HOOK("trigger-signature-soft-failures", FIELD_BOOL, soft_failures),
    HOOK("incoming-payload-content-type", FIELD_STRING, content_type),
    HOOK("http-methods", FIELD_STRINGS, methods),
    HOOK("parse-parameters-as-json", FIELD_ARGUMENTS, json_parameters),
    HOOK("pass-arguments-to-command", FIELD_ARGUMENTS, arguments),
    HOOK("pass-environment-to-command", FIELD_ARGUMENTS, environment),
    HOOK("pass-file-to-command", FIELD_ARGUMENTS, files),
};
#undef HOOK

#define ARGUMENT(key, kind, member)                                                                \
    {                                                                                              \
        key, kind, offsetof(struct hook_argument, member)                                          \
    }
static const struct field argument_fields[] = {
    ARGUMENT("source", FIELD_STRING, source),
    ARGUMENT("name", FIELD_STRING, name),
    ARGUMENT("envname", FIELD_STRING, envname),
    ARGUMENT("base64decode", FIELD_BOOL, base64decode),
};
#undef ARGUMENT

static const struct field header_fields[] = {
    {"name", FIELD_STRING, offsetof(struct http_field, name)},
    {"value", FIELD_STRING, offsetof(struct http_field, value)},
};

#define MATCH(key, kind, member)                                                                   \
    {                                                                                              \
        key, kind, offsetof(struct hook_rule, member)                                              \
    }
static const struct field match_fields[] = {
    MATCH("type", FIELD_STRING, type),         MATCH("value", FIELD_STRING, value),
    MATCH("regex", FIELD_STRING, regex),       MATCH("secret", FIELD_STRING, secret),
    MATCH("ip-range", FIELD_STRING, ip_range), MATCH("parameter", FIELD_ARGUMENT, parameter),
};
#undef MATCH

static bool refuse(struct reader *r, const struct yaml11 *node, const char *what)
{
    if (!r->failed)
        fail(r->why, ERR_INVALID, STR_FMT ":%u:%u: %s", STR_ARG(r->file->path), node->line,
             node->column, what);
    r->failed = true;
    return false;
}

static bool refuse_kind(struct reader *r, const struct yaml11 *node, const char *key,
                        const char *wanted)
{
    char text[160];
    (void)snprintf(text, sizeof(text), "%s takes %s, not %s", key, wanted,
                   yaml11_kind_text(node->kind));
    return refuse(r, node, text);
}

static bool full(struct reader *r, const struct yaml11 *node)
{
    return refuse(r, node, "the file needs too much memory");
}

/* The member of that name in any letter case: the one whose key is the last in byte order, of
 * equal ones the last in the file, as a struct filled from sorted keys would have it. */
static const struct yaml11 *member(const struct yaml11 *map, const char *key)
{
    const struct yaml11 *best = NULL;
    for (const struct yaml11 *m = map->first; m; m = m->next)
        if (str_eq_nocase(m->key, str_from_cstr(key)) && (!best || str_cmp(m->key, best->key) >= 0))
            best = m;
    return best;
}

static bool read_fields(struct reader *r, const struct yaml11 *map, const char *what,
                        const struct field *fields, size_t count, void *into);
static bool read_rule(struct reader *r, const struct yaml11 *node, struct hook_rule *out);

static bool read_argument(struct reader *r, const struct yaml11 *node, struct hook_argument *a)
{
    a->source = a->name = a->envname = STR("");
    a->line = node->line;
    a->column = node->column;
    return read_fields(r, node, "an argument", argument_fields, ARRAY_LEN(argument_fields), a);
}

static bool read_arguments(struct reader *r, const struct yaml11 *node, struct hook_arguments *out)
{
    size_t i = 0;
    out->count = node->count;
    out->v = ARENA_ARRAY(&r->file->arena, struct hook_argument, node->count + 1);
    if (!out->v)
        return full(r, node);
    for (const struct yaml11 *item = node->first; item; item = item->next)
        if (!read_argument(r, item, &out->v[i++]))
            return false;
    return true;
}

static bool read_headers(struct reader *r, const struct yaml11 *node, struct hook *hook)
{
    size_t i = 0;
    hook->response_header_count = node->count;
    hook->response_headers = ARENA_ARRAY(&r->file->arena, struct http_field, node->count + 1);
    if (!hook->response_headers)
        return full(r, node);
    for (const struct yaml11 *item = node->first; item; item = item->next) {
        struct http_field *f = &hook->response_headers[i++];
        f->name = f->value = STR("");
        if (!read_fields(r, item, "a response header", header_fields, ARRAY_LEN(header_fields), f))
            return false;
    }
    return true;
}

static str upper(struct arena *a, str s)
{
    s = arena_str(a, str_trim(s));
    for (size_t i = 0; s.p && i < s.n; i++)
        if (s.p[i] >= 'a' && s.p[i] <= 'z')
            ((char *)(uintptr_t)s.p)[i] -= 'a' - 'A';
    return s;
}

static bool read_methods(struct reader *r, const struct yaml11 *node, struct hook *hook)
{
    size_t i = 0;
    hook->method_count = node->count;
    hook->methods = ARENA_ARRAY(&r->file->arena, str, node->count + 1);
    if (!hook->methods)
        return full(r, node);
    for (const struct yaml11 *item = node->first; item; item = item->next) {
        if (item->kind == YAML11_LIST || item->kind == YAML11_MAP)
            return refuse_kind(r, item, "http-methods", "strings");
        hook->methods[i++] = upper(&r->file->arena, item->text);
    }
    return true;
}

static bool read_integer(struct reader *r, const struct yaml11 *node, const struct field *f,
                         int64_t *out)
{
    if ((node->kind != YAML11_INT && node->kind != YAML11_FLOAT) || !node->has_integer)
        return refuse_kind(r, node, f->key, "a whole number");
    *out = node->integer;
    return true;
}

static bool read_rule_pointer(struct reader *r, const struct yaml11 *node, struct hook_rule **out)
{
    *out = ARENA_NEW(&r->file->arena, struct hook_rule);
    return *out ? read_rule(r, node, *out) : full(r, node);
}

/* One member, which is not null. */
static bool read_field(struct reader *r, const struct yaml11 *node, const struct field *f,
                       void *into)
{
    void *at = (char *)into + f->at;
    bool is_list = node->kind == YAML11_LIST;
    switch (f->kind) {
    case FIELD_STRING:
        if (is_list || node->kind == YAML11_MAP)
            return refuse_kind(r, node, f->key, "a string");
        *(str *)at = node->text;
        return true;
    case FIELD_BOOL:
        if (node->kind != YAML11_BOOL)
            return refuse_kind(r, node, f->key, "true or false");
        *(bool *)at = node->truth;
        return true;
    case FIELD_INT:
        return read_integer(r, node, f, at);
    case FIELD_STRINGS:
        return is_list ? read_methods(r, node, into) : refuse_kind(r, node, f->key, "a list");
    case FIELD_HEADERS:
        return is_list ? read_headers(r, node, into) : refuse_kind(r, node, f->key, "a list");
    case FIELD_ARGUMENT:
        return read_argument(r, node, at);
    case FIELD_ARGUMENTS:
        return is_list ? read_arguments(r, node, at) : refuse_kind(r, node, f->key, "a list");
    case FIELD_RULE:
        return read_rule_pointer(r, node, at);
    case FIELD_MATCH:
    case FIELD_RULES:
        break;
    }
    return refuse(r, node, "this cannot be read here");
}

static bool read_fields(struct reader *r, const struct yaml11 *map, const char *what,
                        const struct field *fields, size_t count, void *into)
{
    if (map->kind == YAML11_NULL)
        return true;
    if (map->kind != YAML11_MAP)
        return refuse_kind(r, map, what, "a map");
    for (size_t i = 0; i < count; i++) {
        const struct yaml11 *m = member(map, fields[i].key);
        if (m && m->kind != YAML11_NULL && !read_field(r, m, &fields[i], into))
            return false;
    }
    return true;
}

/* --- rules ----------------------------------------------------------------------------------- */

static bool compile_regex(struct reader *r, const struct yaml11 *node, struct hook_rule *rule)
{
    struct reason why = {0};
    struct buf pattern;
    if (!str_eq(rule->type, STR("regex")))
        return true;
    buf_init(&pattern, PATTERN_BYTES_MAX);
    if (re2_translate(rule->regex, &pattern, &why))
        rule->compiled = regex_compile(&r->file->arena, buf_str(&pattern), &why);
    buf_release(&pattern);
    if (rule->compiled)
        return true;
    rule->bad_regex = arena_cstr(&r->file->arena, str_from_cstr(why.text));
    return rule->bad_regex ? true : full(r, node);
}

static bool read_match(struct reader *r, const struct yaml11 *node, struct hook_rule *rule)
{
    rule->kind = HOOK_RULE_MATCH;
    rule->type = rule->value = rule->regex = rule->secret = rule->ip_range = STR("");
    rule->parameter.source = rule->parameter.name = rule->parameter.envname = STR("");
    return read_fields(r, node, "match", match_fields, ARRAY_LEN(match_fields), rule) &&
           compile_regex(r, node, rule);
}

static bool read_rules(struct reader *r, const struct yaml11 *node, struct hook_rule *rule,
                       enum hook_rule_kind kind)
{
    size_t i = 0;
    rule->kind = kind;
    rule->count = node->count;
    rule->rules = ARENA_ARRAY(&r->file->arena, struct hook_rule, node->count + 1);
    if (!rule->rules)
        return full(r, node);
    for (const struct yaml11 *item = node->first; item; item = item->next)
        if (!read_rule(r, item, &rule->rules[i++]))
            return false;
    return true;
}

/* The member, unless it is absent or null. */
static const struct yaml11 *present(const struct yaml11 *map, const char *key)
{
    const struct yaml11 *m = member(map, key);
    return m && m->kind != YAML11_NULL ? m : NULL;
}

/* All members are read, so that a wrong type refuses the file wherever it stands; the first of
 * and, or, not, match counts. */
static bool read_rule(struct reader *r, const struct yaml11 *node, struct hook_rule *out)
{
    static const struct {
        const char *key;
        enum hook_rule_kind kind;
    } forms[] = {{"and", HOOK_RULE_AND},
                 {"or", HOOK_RULE_OR},
                 {"not", HOOK_RULE_NOT},
                 {"match", HOOK_RULE_MATCH}};
    *out = (struct hook_rule){.line = node->line, .column = node->column};
    if (node->kind == YAML11_NULL)
        return true;
    if (node->kind != YAML11_MAP)
        return refuse_kind(r, node, "a rule", "a map");
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        const struct yaml11 *m = present(node, forms[i].key);
        struct hook_rule read = {.line = node->line, .column = node->column};
        bool ok = true;
        if (!m)
            continue;
        if (forms[i].kind == HOOK_RULE_MATCH) {
            ok = read_match(r, m, &read);
        } else if (forms[i].kind == HOOK_RULE_NOT) {
            read.kind = HOOK_RULE_NOT;
            ok = read_rule_pointer(r, m, &read.rules);
            read.count = read.rules ? 1 : 0;
        } else if (m->kind != YAML11_LIST) {
            ok = refuse_kind(r, m, forms[i].key, "a list");
        } else {
            ok = read_rules(r, m, &read, forms[i].kind);
        }
        if (!ok)
            return false;
        if (out->kind == HOOK_RULE_NONE)
            *out = read;
    }
    return true;
}

/* --- files ----------------------------------------------------------------------------------- */

static bool read_hooks(struct reader *r, const struct yaml11 *root)
{
    struct hook_file *f = r->file;
    size_t i = 0;
    if (root->kind == YAML11_NULL)
        return true;
    if (root->kind != YAML11_LIST)
        return refuse(r, root, "the file must hold a list of hooks");
    f->hooks = ARENA_ARRAY(&f->arena, struct hook, root->count + 1);
    if (!f->hooks)
        return full(r, root);
    for (const struct yaml11 *item = root->first; item; item = item->next) {
        struct hook *h = &f->hooks[i];
        h->id = h->execute_command = h->working_directory = STR("");
        h->response_message = h->content_type = STR("");
        h->line = item->line;
        h->column = item->column;
        h->number = i++;
        f->count = i;
        if (!read_fields(r, item, "a hook", hook_fields, ARRAY_LEN(hook_fields), h))
            return false;
    }
    return true;
}

struct hook_file *hook_file_parse(str path, str text, bool as_template, struct reason *why)
{
    struct hook_file *f = xcalloc(1, sizeof(*f));
    struct reader r = {.file = f, .why = why};
    struct buf expanded;
    f->refs = 1;
    arena_init(&f->arena, FILE_ARENA_MAX);
    buf_init(&expanded, YAML11_BYTES_MAX);
    f->path = arena_str(&f->arena, path);
    bool ok = true;
    if (as_template) {
        ok = go_template_expand(&f->arena, path, text, &expanded, why) == ERR_OK;
        text = buf_str(&expanded);
    }
    const struct yaml11 *root = ok ? yaml11_parse(&f->arena, f->path, text, why) : NULL;
    ok = root && read_hooks(&r, root);
    buf_release(&expanded);
    if (ok)
        return f;
    hook_file_unref(f);
    return NULL;
}

struct hook_file *hook_file_load(const char *path, bool as_template, struct reason *why)
{
    struct arena a;
    str text;
    struct hook_file *f = NULL;
    arena_init(&a, YAML11_BYTES_MAX + 65536);
    if (fs_read(&a, path, YAML11_BYTES_MAX, &text, why) == ERR_OK)
        f = hook_file_parse(str_from_cstr(path), text, as_template, why);
    arena_release(&a);
    return f;
}

struct hook_file *hook_file_ref(struct hook_file *f)
{
    atomic_fetch_add(&f->refs, 1);
    return f;
}

void hook_file_unref(struct hook_file *f)
{
    if (!f || atomic_fetch_sub(&f->refs, 1) > 1)
        return;
    arena_release(&f->arena);
    free(f);
}

const struct hook *hook_file_find(const struct hook_file *f, str id)
{
    for (size_t i = 0; i < f->count; i++)
        if (str_eq(f->hooks[i].id, id))
            return &f->hooks[i];
    return NULL;
}
