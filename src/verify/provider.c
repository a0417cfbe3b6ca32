/* provider.c -- the table of providers: the embedded files, then the user's own, by id.
 *
 * A file is copied into the table's arena and compiled once with its options' initial values; a
 * source that gives options of its own has it compiled again by its verifier. After loading, the
 * table only answers. */
#include "base/embed.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/map.h"
#include "verify/scheme.h"

#include <dirent.h>
#include <errno.h>

#define TABLE_BYTES_MAX (64u << 20)
#define FILE_BYTES_MAX (256u << 10)
#define ID_BYTES_MAX 64

struct provider_table {
    struct arena arena;
    struct map by_id;
    struct provider **v;
    size_t count, cap;
};

static const char *const verified_by_words[] = {"sdk", "vector", "docs", "third-party", NULL};

static bool is_id(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') ||
              s.p[i] == '-' || s.p[i] == '_'))
            return false;
    return s.n > 0 && s.n <= ID_BYTES_MAX;
}

static void read_options(struct provider *p, struct arena *a, const struct yaml *node,
                         struct problems *problems)
{
    static const char *const known[] = {"default", "example", "about", NULL};
    if (!node)
        return;
    if (node->kind != YAML_MAP) {
        problem_at(problems, node, "expected options as { name: { default: ..., about: ... } }");
        return;
    }
    p->options = ARENA_ARRAY(a, struct option, node->count + 1);
    for (const struct yaml *item = node->first; p->options && item; item = item->next) {
        struct option *o = &p->options[p->option_count++];
        const struct yaml *initial = yaml_get(item, STR("default"));
        const struct yaml *example = yaml_get(item, STR("example"));
        str about = STR("");
        o->name = item->key;
        o->required = !initial;
        o->initial = STR("");
        p->needs_options = p->needs_options || o->required;
        if (!read_keys(problems, item, known))
            continue;
        if (!initial == !example)
            problem_at(problems, item,
                       "an option has a \"default\", or an \"example\" if a source "
                       "must give it");
        read_str(problems, initial ? initial : example, &o->initial);
        if (!read_str(problems, yaml_get(item, STR("about")), &about) || !about.n)
            problem_at(problems, item, "\"about\" is missing: what the option is for");
    }
}

/* A source's inline scheme is the content of `verify:` alone; the keys that stand beside `verify`
 * in a file may be in it too. */
static const struct yaml *as_file(struct arena *a, const struct yaml *node)
{
    static const char *const beside[] = {"delivery-id", "event-type", "handshake", "answer",
                                         "allow-from"};
    struct yaml *root = yaml_copy(a, node), *verify = yaml_copy(a, node);
    if (!root || !verify)
        return NULL;
    struct yaml **in_root = &root->first, **in_verify = &verify->first, *next;
    verify->key = STR("verify");
    for (struct yaml *item = verify->first; item; item = next) {
        next = item->next;
        item->next = NULL;
        bool is_beside = false;
        for (size_t i = 0; i < ARRAY_LEN(beside); i++)
            is_beside = is_beside || str_eq(item->key, str_from_cstr(beside[i]));
        struct yaml ***tail = is_beside ? &in_root : &in_verify;
        **tail = item;
        *tail = &item->next;
    }
    *in_verify = NULL;
    *in_root = verify;
    verify->next = NULL;
    return root;
}

static bool read_head(struct provider *p, struct arena *a, bool is_inline,
                      struct problems *problems)
{
    static const char *const known[] = {"id",        "title",  "docs",        "verified-by",
                                        "options",   "verify", "delivery-id", "event-type",
                                        "handshake", "answer", "allow-from",  NULL};
    int by = -1;
    p->id = p->title = p->docs = p->verified_by = STR("");
    if (is_inline) {
        p->title = STR("the sender");
        return true;
    }
    if (!read_keys(problems, p->file, known))
        return false;
    const struct yaml *id = yaml_get(p->file, STR("id")), *title = yaml_get(p->file, STR("title"));
    read_str(problems, id, &p->id);
    read_str(problems, title, &p->title);
    read_str(problems, yaml_get(p->file, STR("docs")), &p->docs);
    if (read_enum(problems, yaml_get(p->file, STR("verified-by")), verified_by_words, &by) &&
        by >= 0)
        p->verified_by = str_from_cstr(verified_by_words[by]);
    if (!is_id(p->id))
        problem_at(problems, id ? id : p->file, "\"id\" must be 1 to %d of a-z, 0-9, - and _",
                   ID_BYTES_MAX);
    const char *cstr = arena_cstr(a, p->id);
    p->id = cstr ? str_from_cstr(cstr) : STR("");
    if (!p->title.n)
        problem_at(problems, p->file, "\"title\" is missing: the service's name for people");
    return true;
}

static struct provider *compile(struct arena *a, const struct yaml *file, struct problems *problems)
{
    size_t errors = problems->errors;
    struct provider *p = ARENA_NEW(a, struct provider);
    bool is_inline = file->kind == YAML_MAP && !yaml_get(file, STR("verify")) &&
                     (yaml_get(file, STR("scheme")) || yaml_get(file, STR("any")));
    if (p)
        p->file = is_inline ? as_file(a, file) : yaml_copy(a, file);
    if (!p || !p->file) {
        problem_at(problems, file, "the provider files are too large");
        return NULL;
    }
    if (!read_head(p, a, is_inline, problems))
        return NULL;
    read_options(p, a, yaml_get(p->file, STR("options")), problems);
    if (problems->errors == errors) {
        const struct yaml *filled = p->file;
        if (p->option_count)
            filled = options_apply(a, filled, p->options, p->option_count, NULL, NULL, problems);
        p->recipe = filled ? recipe_compile(a, filled, problems) : NULL;
    }
    return problems->errors == errors ? p : NULL;
}

static void put(struct provider_table *t, struct provider *p, struct problems *problems)
{
    struct provider *former = map_put(&t->by_id, p->id, p);
    if (former && !former->embedded) {
        problem_at(problems, yaml_get(p->file, STR("id")),
                   "the provider \"" STR_FMT "\" is in " STR_FMT " already", STR_ARG(p->id),
                   STR_ARG(former->file->file));
        return;
    }
    for (size_t i = 0; former && i < t->count; i++)
        if (t->v[i] == former) {
            t->v[i] = p;
            return;
        }
    if (t->count == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 32;
        t->v = xrealloc(t->v, t->cap * sizeof(*t->v));
    }
    t->v[t->count++] = p;
}

struct provider *provider_table_add(struct provider_table *t, const struct yaml *file,
                                    struct problems *p)
{
    struct provider *one = compile(&t->arena, file, p);
    if (one && one->id.n)
        put(t, one, p);
    return one;
}

static struct provider *add_text(struct provider_table *t, str name, str text, struct problems *p)
{
    struct arena a;
    struct reason why;
    arena_init(&a, 64 * (size_t)FILE_BYTES_MAX);
    struct provider *one = NULL;
    const struct yaml *file = yaml_parse(&a, name, text, &why);
    if (file)
        one = provider_table_add(t, file, p);
    else
        problem_at(p, NULL, "%s", why.text);
    arena_release(&a);
    return one;
}

struct provider_table *provider_table_new(struct problems *p)
{
    struct provider_table *t = xcalloc(1, sizeof(*t));
    arena_init(&t->arena, TABLE_BYTES_MAX);
    for (size_t i = 0; i < embedded_count; i++) {
        const struct embedded *f = &embedded_files[i];
        str name = str_from_cstr(f->name);
        if (!str_starts(name, STR("providers/")))
            continue;
        struct provider *one = add_text(t, name, str_of(f->bytes, f->n), p);
        if (one)
            one->embedded = true;
    }
    return t;
}

static int wanted_file(const struct dirent *e)
{
    str name = str_from_cstr(e->d_name);
    return name.p[0] != '.' && str_ends(name, STR(".yaml"));
}

void provider_table_add_dir(struct provider_table *t, const char *dir, struct problems *p)
{
    struct dirent **names = NULL;
    int count = scandir(dir, &names, wanted_file, alphasort);
    if (count < 0) {
        problem_at(p, NULL, "%s: cannot be listed: %s", dir, strerror(errno));
        return;
    }
    for (int i = 0; i < count; i++) {
        struct arena a;
        struct reason why;
        str text, path;
        arena_init(&a, 4 * (size_t)FILE_BYTES_MAX);
        path = arena_printf(&a, "%s/%s", dir, names[i]->d_name);
        char *file = path.p ? arena_cstr(&a, path) : NULL;
        if (file && fs_read(&a, file, FILE_BYTES_MAX, &text, &why) == ERR_OK)
            UNUSED(add_text(t, path, text, p));
        else
            problem_at(p, NULL, "%s", file ? why.text : "a file name is too long");
        arena_release(&a);
        free(names[i]);
    }
    free(names);
}

void provider_table_free(struct provider_table *t)
{
    if (!t)
        return;
    map_release(&t->by_id);
    arena_release(&t->arena);
    free(t->v);
    free(t);
}

const struct provider *provider_find(const struct provider_table *t, str id, const char **nearest)
{
    const struct provider *found = map_get(&t->by_id, id);
    if (nearest)
        *nearest = NULL;
    if (found || !nearest)
        return found;
    struct nearest near;
    nearest_init(&near, id);
    for (size_t i = 0; i < t->count; i++)
        nearest_offer(&near, t->v[i]->id);
    str best = nearest_word(&near);
    *nearest = best.p; /* NUL-terminated by read_head */
    return NULL;
}

size_t provider_count(const struct provider_table *t)
{
    return t->count;
}

const struct provider *provider_at(const struct provider_table *t, size_t index)
{
    assert(index < t->count);
    return t->v[index];
}

str provider_id(const struct provider *p)
{
    return p->id;
}

str provider_title(const struct provider *p)
{
    return p->title;
}

bool provider_needs_secret(const struct provider *p)
{
    return recipe_needs_secret(p->recipe);
}

bool provider_authenticates(const struct provider *p)
{
    return provider_needs_secret(p) || p->recipe->allow_count > 0;
}
