/* options.c -- puts a source's options into a provider file: {{ config:NAME }} becomes what the
 * source says, or the option's initial value.
 *
 * It happens on the tree, before anything of it is compiled, so that every setting can be an
 * option without the compiler knowing. Values come from the operator's own configuration. */
#include "verify/scheme.h"

#define VALUE_BYTES_MAX 4096

struct filling {
    struct arena *arena;
    const struct provider_option *options;
    size_t option_count;
    const struct option_values *given;
    const struct yaml *place;
    struct problems *problems;
    bool failed;
};

static const str *given_value(const struct option_values *given, str name)
{
    for (size_t i = 0; given && i < given->count; i++)
        if (str_eq(given->keys[i], name))
            return &given->values[i];
    return NULL;
}

static str option_value(struct filling *f, const struct yaml *node, str name)
{
    const str *given = given_value(f->given, name);
    if (given)
        return *given;
    for (size_t i = 0; i < f->option_count; i++) {
        if (!str_eq(f->options[i].name, name))
            continue;
        if (!f->options[i].required || !f->given)
            return f->options[i].initial;
        problem_at(f->problems, f->place ? f->place : node,
                   "the option \"" STR_FMT "\" must be given", STR_ARG(name));
        f->failed = true;
        return STR("");
    }
    problem_at(f->problems, node, "\"" STR_FMT "\" is not among the options of this file",
               STR_ARG(name));
    f->failed = true;
    return STR("");
}

/* The name when text, which follows "{{", is a reference to an option; *rest is what follows. */
static bool option_ref(str text, str *name, str *rest)
{
    size_t close = str_find_str(text, STR("}}"));
    str inner = str_trim(str_slice(text, 0, close));
    if (close == text.n || !str_starts(inner, STR("config:")))
        return false;
    *name = str_slice(inner, sizeof("config:") - 1, inner.n);
    *rest = str_slice(text, close + 2, text.n);
    return true;
}

/* The scalar with its options put in; STR_NONE when one of them is empty. */
static str fill_scalar(struct filling *f, const struct yaml *node, bool *changed)
{
    str text = node->scalar, name, rest;
    struct buf out;
    buf_init(&out, VALUE_BYTES_MAX);
    bool empty = false;
    for (;;) {
        size_t open = str_find_str(text, STR("{{"));
        buf_str_append(&out, str_slice(text, 0, open));
        if (open == text.n)
            break;
        text = str_slice(text, open + 2, text.n);
        if (!option_ref(text, &name, &rest)) {
            buf_str_append(&out, STR("{{"));
            continue;
        }
        str value = option_value(f, node, name);
        empty = empty || value.n == 0;
        buf_str_append(&out, value);
        text = rest;
        *changed = true;
    }
    if (!buf_ok(&out)) {
        problem_at(f->problems, node, "longer than %d bytes with its options", VALUE_BYTES_MAX);
        f->failed = true;
    }
    str filled = empty || f->failed ? STR_NONE : arena_str(f->arena, buf_str(&out));
    buf_release(&out);
    return filled;
}

static struct yaml *copy_node(struct arena *a, const struct yaml *node)
{
    struct yaml *out = ARENA_NEW(a, struct yaml);
    if (!out)
        return NULL;
    *out = *node;
    out->scalar = arena_str(a, node->scalar);
    out->key = arena_str(a, node->key);
    out->file = arena_str(a, node->file);
    out->first = out->next = NULL;
    out->count = 0;
    return out;
}

static struct yaml *fill_node(struct filling *f, const struct yaml *node);

static struct yaml *fill_filled_scalar(struct filling *f, const struct yaml *node)
{
    struct yaml *out = copy_node(f->arena, node);
    bool changed = false;
    str filled = out && f->options ? fill_scalar(f, node, &changed) : STR_NONE;
    if (!out || !changed)
        return out;
    if (!filled.p)
        return NULL;
    /* The first child of a scalar is what messages show: the text as it was written. */
    out->first = copy_node(f->arena, node);
    out->scalar = filled;
    out->quoted = true;
    if (f->place) {
        out->file = arena_str(f->arena, f->place->file);
        out->line = out->key_line = f->place->line;
        out->column = out->key_column = f->place->column;
    }
    return out;
}

/* What is lost with a child that counts as not written. A handshake with a condition less would
 * answer more than it was meant to. */
static bool takes_along(const struct yaml *node, const struct yaml *child)
{
    return str_eq(child->key, STR("from")) || str_eq(child->key, STR("when")) ||
           str_eq(node->key, STR("when"));
}

/* A key that mentions an empty option takes its value along, as an empty `from` does. */
static bool fill_key(struct filling *f, struct yaml *out)
{
    struct yaml name = {.kind = YAML_SCALAR,
                        .scalar = out->key,
                        .file = out->file,
                        .line = out->key_line,
                        .column = out->key_column};
    bool changed = false;
    str filled = f->options && out->key.n ? fill_scalar(f, &name, &changed) : STR_NONE;
    if (changed)
        out->key = filled;
    return !changed || filled.p;
}

static struct yaml *fill_node(struct filling *f, const struct yaml *node)
{
    if (node->kind == YAML_SCALAR && !node->first)
        return fill_filled_scalar(f, node);
    struct yaml *out = copy_node(f->arena, node);
    struct yaml **tail = out ? &out->first : NULL;
    for (const struct yaml *child = node->first; out && child; child = child->next) {
        struct yaml *copy = fill_node(f, child);
        if (copy && !fill_key(f, copy))
            copy = NULL;
        if (copy) {
            *tail = copy;
            tail = &copy->next;
            out->count++;
        } else if (node->kind == YAML_MAP && takes_along(node, child)) {
            return NULL;
        }
    }
    return out;
}

/* Options given that the file does not have are the operator's slip. */
static void check_given(struct filling *f)
{
    for (size_t i = 0; f->given && i < f->given->count; i++) {
        struct nearest near;
        nearest_init(&near, f->given->keys[i]);
        bool known = false;
        for (size_t j = 0; j < f->option_count; j++) {
            known = known || str_eq(f->options[j].name, f->given->keys[i]);
            nearest_offer(&near, f->options[j].name);
        }
        if (known)
            continue;
        str best = nearest_word(&near);
        problem_at(f->problems, f->place,
                   "this provider has no option \"" STR_FMT "\"%s" STR_FMT "%s",
                   STR_ARG(f->given->keys[i]), best.p ? "; did you mean \"" : "", STR_ARG(best),
                   best.p ? "\"?" : "");
        f->failed = true;
    }
}

struct yaml *options_apply(struct arena *a, const struct yaml *file,
                           const struct provider_option *options, size_t option_count,
                           const struct option_values *given, const struct yaml *place,
                           struct problems *p)
{
    struct filling f = {.arena = a,
                        .options = options,
                        .option_count = option_count,
                        .given = given,
                        .place = place,
                        .problems = p};
    check_given(&f);
    struct yaml *out = fill_node(&f, file);
    return f.failed ? NULL : out;
}

struct yaml *yaml_copy(struct arena *a, const struct yaml *node)
{
    struct filling f = {.arena = a};
    return fill_node(&f, node);
}
