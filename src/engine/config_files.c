/* config_files.c -- from paths to one tree: gaff.yaml, then conf.d/<name>.yaml beside it in the
 * order of their names, whose sources, destinations and routes are added to the tree. */
#include "engine/config_files.h"

#include "base/fs.h"
#include "engine/config_read.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

char *config_directory(struct arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    str dir = slash ? str_of(path, (size_t)(slash - path)) : STR(".");
    if (slash == path)
        return arena_cstr(a, STR("/"));
    if (path[0] == '/')
        return arena_cstr(a, dir);
    char *here = getcwd(NULL, 0);
    str joined = slash ? arena_printf(a, "%s/" STR_FMT, here ? here : ".", STR_ARG(dir))
                       : str_from_cstr(here ? here : ".");
    char *out = arena_cstr(a, joined);
    free(here);
    return out;
}

char *config_path(struct arena *a, const char *directory, str path)
{
    if (str_starts(path, STR("/")))
        return arena_cstr(a, path);
    if (str_starts(path, STR("./")))
        path = str_slice(path, 2, path.n);
    return arena_cstr(a, arena_printf(a, "%s/" STR_FMT, directory, STR_ARG(path)));
}

void yaml_put(struct yaml *map, struct yaml *member)
{
    struct yaml **at = &map->first;
    while (*at && !str_eq((*at)->key, member->key))
        at = &(*at)->next;
    if (*at)
        member->next = (*at)->next;
    else
        map->count++;
    *at = member;
}

static int is_yaml_file(const struct dirent *e)
{
    str name = str_from_cstr(e->d_name);
    return name.p[0] != '.' && (str_ends(name, STR(".yaml")) || str_ends(name, STR(".yml")));
}

/* Names of the YAML files of a directory, sorted; *count is 0 when there is none. At most
 * CONFIG_FILES_MAX + 1, so that the caller sees when there are too many. */
static char **list_files(struct arena *a, const char *directory, size_t *count)
{
    struct dirent **entries = NULL;
    int n = scandir(directory, &entries, is_yaml_file, alphasort);
    *count = 0;
    if (n < 0)
        return NULL;
    char **names = ARENA_ARRAY(a, char *, (size_t)n + 1);
    for (int i = 0; i < n; i++) {
        if (names && (size_t)i <= CONFIG_FILES_MAX)
            names[(*count)++] = arena_cstr(a, str_from_cstr(entries[i]->d_name));
        free(entries[i]);
    }
    free(entries);
    return names;
}

/* Reads and parses one file; its raw text, which may hold secrets, is wiped. */
static struct yaml *parse_file(struct arena *a, const char *path, const str *given, str shown,
                               struct reason *why)
{
    struct arena raw;
    arena_init(&raw, YAML_BYTES_MAX + 65536);
    str text = given ? *given : STR_NONE;
    struct yaml *tree = NULL;
    if (given || fs_read(&raw, path, YAML_BYTES_MAX, &text, why) == ERR_OK)
        tree = yaml_parse(a, shown, text, why);
    if (!given && text.p)
        secret_wipe((char *)(uintptr_t)text.p, text.n);
    arena_release(&raw);
    return tree;
}

/* "sources" of one file into the tree's: members are appended; twice the same is an error. */
static void merge_map(struct config_reader *r, struct yaml *into, struct yaml *from)
{
    struct map seen = {0};
    struct yaml **tail = &into->first;
    while (*tail) {
        map_put(&seen, (*tail)->key, *tail);
        tail = &(*tail)->next;
    }
    struct yaml *next;
    for (struct yaml *one = from->first; one; one = next) {
        next = one->next;
        const struct yaml *first = map_get(&seen, one->key);
        if (first) {
            problem_at_key(r->problems, one,
                           "\"" STR_FMT "\" is in " STR_FMT " already, at " STR_FMT ":%u:%u",
                           STR_ARG(one->key), STR_ARG(from->key), STR_ARG(first->file),
                           first->key_line, first->key_column);
            continue;
        }
        one->next = NULL;
        *tail = one;
        tail = &one->next;
        into->count++;
    }
    map_release(&seen);
}

static void merge_list(struct yaml *into, struct yaml *from)
{
    struct yaml **tail = &into->first;
    while (*tail)
        tail = &(*tail)->next;
    *tail = from->first;
    into->count += from->count;
}

static void merge_file(struct config_reader *r, struct yaml *tree, struct yaml *file)
{
    static const char *const keys[] = {"sources", "destinations", "routes", NULL};
    if (file->kind == YAML_SCALAR && !file->scalar.n)
        return; /* an empty file */
    read_keys(r->problems, file, keys);
    if (file->kind != YAML_MAP)
        return;
    for (size_t i = 0; keys[i]; i++) {
        struct yaml *from = (struct yaml *)(uintptr_t)yaml_get(file, str_from_cstr(keys[i]));
        struct yaml *into = (struct yaml *)(uintptr_t)yaml_get(tree, str_from_cstr(keys[i]));
        enum yaml_kind kind = i < 2 ? YAML_MAP : YAML_LIST;
        if (!from)
            continue;
        if (from->kind != kind) {
            problem_at(r->problems, from, "\"%s\": expected a %s", keys[i],
                       kind == YAML_MAP ? "mapping of names" : "list");
        } else if (!into) {
            struct yaml *copy = CONFIG_NEW(r, struct yaml);
            *copy = *from;
            copy->next = NULL;
            yaml_put(tree, copy);
        } else if (into->kind == kind) {
            if (kind == YAML_MAP)
                merge_map(r, into, from);
            else
                merge_list(into, from);
        }
    }
}

static void merge_directory(struct config_reader *r, struct yaml *tree)
{
    struct arena *a = r->arena;
    size_t count;
    const char *directory = config_path(a, r->config->directory, STR("conf.d"));
    char **names = list_files(a, directory, &count);
    const char *slash = strrchr(r->config->path, '/');
    int prefix = slash ? (int)(slash - r->config->path) + 1 : 0;
    if (count > CONFIG_FILES_MAX)
        problem_at(r->problems, NULL, "%s has more than %u files", directory, CONFIG_FILES_MAX);
    for (size_t i = 0; i < count && r->problems->errors < PROBLEMS_MAX; i++) {
        if (a->used > CONFIG_ARENA_MAX / 2) {
            problem_at(r->problems, NULL, "the files of %s are too large together", directory);
            return;
        }
        str shown = arena_printf(a, "%.*sconf.d/%s", prefix, r->config->path, names[i]);
        struct reason why = {0};
        struct yaml *file =
            parse_file(a, config_path(a, directory, str_from_cstr(names[i])), NULL, shown, &why);
        if (!file)
            problem_at(r->problems, NULL, "%s", why.text);
        else
            merge_file(r, tree, file);
    }
}

struct yaml *config_files_read(struct config_reader *r, const str *text)
{
    struct reason why = {0};
    str shown = str_from_cstr(r->config->path);
    struct yaml *tree = parse_file(r->arena, r->config->path, text, shown, &why);
    if (!tree) {
        problem_at(r->problems, NULL, "%s", why.text);
        return NULL;
    }
    if (tree->kind == YAML_SCALAR && !tree->scalar.n && !tree->quoted) {
        /* An empty file asks for every default. */
        tree->kind = YAML_MAP;
    }
    if (tree->kind != YAML_MAP) {
        problem_at(r->problems, tree, "expected a mapping of settings, as listen: 127.0.0.1:8080");
        return NULL;
    }
    merge_directory(r, tree);
    return tree;
}

void config_files_lay_over(struct config_reader *r, struct yaml *tree, str text, const char *origin)
{
    struct reason why = {0};
    struct yaml objects = {.kind = YAML_MAP}, *next;
    struct yaml *over = parse_file(r->arena, "", &text, str_from_cstr(origin), &why);
    if (!over || over->kind != YAML_MAP) {
        problem_at(r->problems, over, "%s", over ? "expected a mapping" : why.text);
        return;
    }
    for (struct yaml *one = over->first; one; one = next) {
        next = one->next;
        one->next = NULL;
        bool is_object = str_eq(one->key, STR("sources")) || str_eq(one->key, STR("routes")) ||
                         str_eq(one->key, STR("destinations"));
        yaml_put(is_object ? &objects : tree, one);
    }
    merge_file(r, tree, &objects);
}

/* --- which files a configuration is made of -------------------------------------------------- */

#define INVOLVED_TREE_MAX (128u << 20)

struct involved {
    struct arena *arena;
    const char *directory;
    const char **paths;
    size_t count;
};

static void add_path(const char *path, void *arg)
{
    struct involved *in = arg;
    if (in->count < INVOLVED_FILES_MAX && path)
        in->paths[in->count++] = path;
}

static void add_directory(struct involved *in, const char *directory)
{
    size_t count;
    char **names = list_files(in->arena, directory, &count);
    add_path(directory, in);
    for (size_t i = 0; i < count; i++)
        add_path(config_path(in->arena, directory, str_from_cstr(names[i])), in);
}

static void add_references(struct involved *in, const struct yaml *node)
{
    bool tls = str_eq(node->key, STR("tls"));
    if (node->kind == YAML_SCALAR)
        config_refs_files(in->arena, in->directory, node->scalar, add_path, in);
    else
        for (const struct yaml *one = node->first; one; one = one->next) {
            if (tls && one->kind == YAML_SCALAR)
                add_path(config_path(in->arena, in->directory, one->scalar), in);
            add_references(in, one);
        }
}

/* What one YAML file names; also its `presets`, when it has any. */
static void add_named_files(struct involved *in, const char *path, char **presets)
{
    struct arena a;
    struct reason why;
    arena_init(&a, INVOLVED_TREE_MAX);
    const struct yaml *tree = parse_file(&a, path, NULL, STR("gaff.yaml"), &why);
    if (tree)
        add_references(in, tree);
    const struct yaml *node = yaml_get(tree, STR("presets"));
    if (presets && node && node->kind == YAML_SCALAR && node->scalar.n)
        *presets = config_path(in->arena, in->directory, node->scalar);
    arena_release(&a);
}

size_t config_files_involved(struct arena *a, const char *path, const char ***out)
{
    struct involved in = {a, config_directory(a, path), NULL, 0};
    char *presets = config_path(a, in.directory, STR("presets.d"));
    in.paths = ARENA_ARRAY(a, const char *, INVOLVED_FILES_MAX);
    add_directory(&in, config_path(a, in.directory, STR("conf.d")));
    size_t yaml_files = in.count;
    add_path(arena_cstr(a, str_from_cstr(path)), &in);
    add_named_files(&in, path, &presets);
    /* The first is the directory itself. */
    for (size_t i = 1; i < yaml_files; i++)
        add_named_files(&in, in.paths[i], NULL);
    add_directory(&in, presets);
    *out = in.paths;
    return in.count;
}

const char *config_presets_directory(struct arena *a, const char *path)
{
    struct involved in = {a, config_directory(a, path),
                          ARENA_ARRAY(a, const char *, INVOLVED_FILES_MAX), 0};
    char *presets = config_path(a, in.directory, STR("presets.d"));
    add_named_files(&in, path, &presets);
    return presets;
}
