/* provider_table.c -- the providers by id: Gaff's own files, which are compiled when somebody asks
 * for them (hundreds travel in the binary, a configuration names a handful), and the user's, which
 * are compiled when they are added, so that every mistake in them is told at once. */
#include "base/embed.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/map.h"
#include "verify/scheme.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>

#define TABLE_BYTES_MAX (64u << 20)
#define FILE_BYTES_MAX (256u << 10)
#define ROOT "providers/"
#define SUFFIX ".yaml"

struct provider_table {
    pthread_mutex_t lock; /* around all of it: destinations on several threads ask for signers */
    struct arena arena;
    struct map by_id; /* the compiled ones */
};

/* --- the files in the binary ------------------------------------------------------------------ */

/* The id of the i-th embedded file; STR_NONE when it is no provider file. */
static str embedded_id(size_t i)
{
    str name = str_from_cstr(packed_files[i].name);
    if (!str_starts(name, STR(ROOT)) || !str_ends(name, STR(SUFFIX)))
        return STR_NONE;
    return str_slice(name, sizeof(ROOT) - 1, name.n - (sizeof(SUFFIX) - 1));
}

static const struct packed *embedded_find(str id)
{
    for (size_t i = 0; i < packed_count; i++) {
        str one = embedded_id(i);
        if (one.p && str_eq(one, id))
            return &packed_files[i];
    }
    return NULL;
}

const struct yaml *provider_embedded_file(struct arena *a, str id)
{
    struct reason why;
    const struct packed *f = embedded_find(id);
    if (!f)
        return NULL;
    const struct yaml *file = yaml_parse(a, str_from_cstr(f->name), packed_text(a, f), &why);
    if (!file)
        die("%s", why.text);
    return file;
}

/* A file of ours with a mistake in it is a bug of the build: no configuration can mend it. */
static struct provider *compile_embedded(struct provider_table *t, str id)
{
    struct arena a;
    struct problems problems = {0};
    arena_init(&a, 64 * (size_t)FILE_BYTES_MAX);
    const struct yaml *file = provider_embedded_file(&a, id);
    struct provider *p = file ? provider_compile(&t->arena, file, &problems) : NULL;
    if (file && (!p || !str_eq(p->id, id)))
        die("the provider file of " STR_FMT ": %s", STR_ARG(id),
            problems.count ? problems.v[0].text : "its id is not its name");
    problems_release(&problems);
    arena_release(&a);
    if (!p)
        return NULL;
    p->embedded = true;
    map_put(&t->by_id, p->id, p);
    return p;
}

/* --- the table -------------------------------------------------------------------------------- */

struct provider_table *provider_table_new(void)
{
    struct provider_table *t = xcalloc(1, sizeof(*t));
    pthread_mutex_init(&t->lock, NULL);
    arena_init(&t->arena, TABLE_BYTES_MAX);
    return t;
}

void provider_table_free(struct provider_table *t)
{
    if (!t)
        return;
    map_release(&t->by_id);
    arena_release(&t->arena);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

struct provider *provider_table_add(struct provider_table *t, const struct yaml *file,
                                    struct problems *p)
{
    pthread_mutex_lock(&t->lock);
    struct provider *one = provider_compile(&t->arena, file, p);
    struct provider *former = one && one->id.n ? map_put(&t->by_id, one->id, one) : NULL;
    pthread_mutex_unlock(&t->lock);
    if (former && !former->embedded)
        problem_at(p, yaml_get(one->file, STR("id")),
                   "the provider \"" STR_FMT "\" is in " STR_FMT " already", STR_ARG(one->id),
                   STR_ARG(former->file->file));
    return one;
}

static void add_text(struct provider_table *t, str name, str text, struct problems *p)
{
    struct arena a;
    struct reason why;
    arena_init(&a, 64 * (size_t)FILE_BYTES_MAX);
    const struct yaml *file = yaml_parse(&a, name, text, &why);
    if (file)
        provider_table_add(t, file, p);
    else
        problem_at(p, NULL, "%s", why.text);
    arena_release(&a);
}

static int wanted_file(const struct dirent *e)
{
    str name = str_from_cstr(e->d_name);
    return name.p[0] != '.' && str_ends(name, STR(SUFFIX));
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
            add_text(t, path, text, p);
        else
            problem_at(p, NULL, "%s", file ? why.text : "a file name is too long");
        arena_release(&a);
        free(names[i]);
    }
    free(names);
}

/* Our own id nearest to a wrong one, NUL-terminated in the table's arena; NULL: none is near. */
static const char *nearest_id(struct provider_table *t, str id)
{
    struct nearest near;
    struct map_entry e;
    nearest_init(&near, id);
    for (size_t i = 0; i < packed_count; i++)
        if (embedded_id(i).p)
            nearest_offer(&near, embedded_id(i));
    for (size_t i = 0; map_next(&t->by_id, &i, &e);)
        nearest_offer(&near, e.key);
    str best = nearest_word(&near);
    return best.p ? arena_cstr(&t->arena, best) : NULL;
}

const struct provider *provider_find(struct provider_table *t, str id, const char **nearest)
{
    pthread_mutex_lock(&t->lock);
    const struct provider *found = map_get(&t->by_id, id);
    if (!found)
        found = compile_embedded(t, id);
    if (nearest)
        *nearest = found ? NULL : nearest_id(t, id);
    pthread_mutex_unlock(&t->lock);
    return found;
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const str *)a, *(const str *)b);
}

size_t provider_ids(struct provider_table *t, struct arena *a, str **out)
{
    struct map_entry e;
    size_t count = 0;
    pthread_mutex_lock(&t->lock);
    str *ids = ARENA_ARRAY(a, str, packed_count + t->by_id.count + 1);
    for (size_t i = 0; ids && i < packed_count; i++)
        if (embedded_id(i).p)
            ids[count++] = embedded_id(i);
    for (size_t i = 0; ids && map_next(&t->by_id, &i, &e);)
        if (!embedded_find(e.key))
            ids[count++] = arena_str(a, e.key);
    pthread_mutex_unlock(&t->lock);
    if (count)
        qsort(ids, count, sizeof(*ids), by_text);
    *out = ids;
    return count;
}
