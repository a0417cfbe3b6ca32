/* target.c -- the table of targets: names are known at once, files are read when asked for, so
 * that a configuration pays for what it uses. */
#include "action/target.h"

#include "base/embed.h"
#include "base/fs.h"
#include "base/log.h"

#include <dirent.h>

#define TABLE_BYTES_MAX (64u << 20)
#define FILE_BYTES_MAX (256u << 10)
#define ID_BYTES_MAX 64

struct entry {
    char *id;
    const struct packed *embedded; /* NULL: a file of the user's */
    char *path;
    struct target *target;
    bool tried;
};

struct target_table {
    struct arena arena;
    struct entry *v;
    size_t count, cap;
};

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->id, ((const struct entry *)b)->id);
}

static struct entry *find(const struct target_table *t, str id)
{
    for (size_t i = 0; i < t->count; i++)
        if (str_eq(str_from_cstr(t->v[i].id), id))
            return &t->v[i];
    return NULL;
}

static char *copy(str s)
{
    char *out = (char *)xmalloc(s.n + 1);
    memcpy(out, s.p, s.n);
    out[s.n] = '\0';
    return out;
}

/* "slack.yaml" -> the entry of "slack", made when it is not there. */
static struct entry *put(struct target_table *t, str file_name)
{
    str suffix = STR(".yaml");
    if (!str_ends(file_name, suffix) || file_name.p[0] == '.' ||
        file_name.n > ID_BYTES_MAX + suffix.n)
        return NULL;
    str id = str_slice(file_name, 0, file_name.n - suffix.n);
    struct entry *e = find(t, id);
    if (e)
        return e;
    if (t->count == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->v = (struct entry *)xrealloc(t->v, t->cap * sizeof(*t->v));
    }
    e = &t->v[t->count++];
    *e = (struct entry){.id = copy(id)};
    return e;
}

static void add_directory(struct target_table *t, const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *one;
    while (d && (one = readdir(d)) != NULL) {
        struct entry *e = put(t, str_from_cstr(one->d_name));
        if (!e)
            continue;
        size_t n = strlen(dir) + strlen(one->d_name) + 2;
        free(e->path);
        e->path = (char *)xmalloc(n);
        (void)snprintf(e->path, n, "%s/%s", dir, one->d_name);
        e->embedded = NULL;
    }
    if (d)
        (void)closedir(d);
}

struct target_table *target_table_new(const char *dir)
{
    struct target_table *t = (struct target_table *)xcalloc(1, sizeof(*t));
    str folder = STR("targets/");
    arena_init(&t->arena, TABLE_BYTES_MAX);
    for (size_t i = 0; i < packed_count; i++) {
        str name = str_from_cstr(packed_files[i].name);
        struct entry *e =
            str_starts(name, folder) ? put(t, str_slice(name, folder.n, name.n)) : NULL;
        if (e)
            e->embedded = &packed_files[i];
    }
    if (dir) {
        str path = arena_printf(&t->arena, "%s/targets", dir);
        if (path.p)
            add_directory(t, arena_cstr(&t->arena, path));
    }
    if (t->count)
        qsort(t->v, t->count, sizeof(*t->v), by_id);
    return t;
}

void target_table_free(struct target_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->count; i++) {
        free(t->v[i].id);
        free(t->v[i].path);
    }
    free(t->v);
    arena_release(&t->arena);
    free(t);
}

size_t target_count(const struct target_table *t)
{
    return t->count;
}

const char *target_id_at(const struct target_table *t, size_t index)
{
    assert(index < t->count);
    return t->v[index].id;
}

bool target_exists(const struct target_table *t, str id)
{
    return find(t, id) != NULL;
}

static void read_entry(struct target_table *t, struct entry *e, struct problems *p)
{
    struct reason why;
    str text, name = str_from_cstr(e->embedded ? e->embedded->name : e->path);
    e->tried = true;
    if (e->embedded) {
        text = packed_text(&t->arena, e->embedded);
    } else if (fs_read(&t->arena, e->path, FILE_BYTES_MAX, &text, &why) != ERR_OK) {
        problem_at(p, NULL, "%s", why.text);
        return;
    }
    const struct yaml *file = yaml_parse(&t->arena, name, text, &why);
    if (file)
        e->target = target_read(&t->arena, file, str_from_cstr(e->id), p);
    else
        problem_at(p, NULL, "%s", why.text);
}

const struct target *target_find(struct target_table *t, str id, struct problems *p)
{
    struct entry *e = find(t, id);
    if (e && !e->tried)
        read_entry(t, e, p);
    return e ? e->target : NULL;
}
