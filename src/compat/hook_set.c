/* hook_set.c -- which ids are there, and what a reload may change. */
#include "compat/hook_set.h"

#include "compat/hook_log.h"

static bool is_elsewhere(const struct hook_set *s, str id, size_t but)
{
    for (size_t i = 0; i < s->count; i++)
        if (i != but && s->files[i] && hook_file_find(s->files[i], id))
            return true;
    return false;
}

static struct hook_file *load(const struct hook_set *s, size_t i)
{
    struct reason why = {0};
    struct hook_file *f = hook_file_load(s->paths[i], s->as_template, &why);
    if (!f)
        hook_log(STR(""), "couldn't load hooks from file! %s", why.text);
    else
        hook_log(STR(""), "found %zu hook(s) in file", f->count);
    return f;
}

static void say_duplicate(str id)
{
    hook_log(STR(""), "error: hook with the id " STR_FMT " has already been loaded!", STR_ARG(id));
    hook_log(STR(""), "please check your hooks file for duplicate hooks ids!");
}

bool hook_set_load(struct hook_set *s)
{
    for (size_t i = 0; i < s->count; i++) {
        hook_log(STR(""), "attempting to load hooks from %s", s->paths[i]);
        s->files[i] = load(s, i);
        for (size_t k = 0; s->files[i] && k < s->files[i]->count; k++) {
            str id = s->files[i]->hooks[k].id;
            if (is_elsewhere(s, id, i)) {
                say_duplicate(id);
                return false;
            }
            hook_log(STR(""), "\tloaded: " STR_FMT, STR_ARG(id));
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (!s->files[i])
            continue;
        s->paths[kept] = s->paths[i];
        s->files[kept++] = s->files[i];
    }
    s->count = kept;
    return true;
}

/* The first hook of f whose id is taken: by an earlier one of f, or in another file. */
static const struct hook *first_duplicate(const struct hook_set *s, const struct hook_file *f,
                                          size_t file)
{
    for (size_t i = 0; i < f->count; i++)
        if (hook_file_find(f, f->hooks[i].id) != &f->hooks[i] ||
            is_elsewhere(s, f->hooks[i].id, file))
            return &f->hooks[i];
    return NULL;
}

void hook_set_reload(struct hook_set *s, size_t file)
{
    hook_log(STR(""), "attempting to reload hooks from %s", s->paths[file]);
    struct hook_file *f = load(s, file);
    if (!f)
        return;
    const struct hook *twice = first_duplicate(s, f, file);
    if (twice) {
        say_duplicate(twice->id);
        hook_log(STR(""), "reverting hooks back to the previous configuration");
        hook_file_unref(f);
        return;
    }
    for (size_t i = 0; i < f->count; i++)
        hook_log(STR(""), "\tloaded: " STR_FMT, STR_ARG(f->hooks[i].id));
    hook_file_unref(s->files[file]);
    s->files[file] = f;
}

void hook_set_remove(struct hook_set *s, size_t file)
{
    struct hook_file *f = s->files[file];
    for (size_t i = 0; f && i < f->count; i++)
        hook_log(STR(""), "\tremoving: " STR_FMT, STR_ARG(f->hooks[i].id));
    hook_log(STR(""), "removed %zu hook(s) that were loaded from file %s", f ? f->count : 0,
             s->paths[file]);
    hook_file_unref(f);
    s->files[file] = NULL;
}

size_t hook_set_size(const struct hook_set *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++)
        n += s->files[i] ? s->files[i]->count : 0;
    return n;
}

void hook_set_release(struct hook_set *s)
{
    for (size_t i = 0; i < s->count; i++)
        hook_file_unref(s->files[i]);
    s->count = 0;
}

const struct hook *hook_set_find(const struct hook_set *s, str id, struct hook_file **file)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct hook *h = s->files[i] ? hook_file_find(s->files[i], id) : NULL;
        if (h) {
            *file = s->files[i];
            return h;
        }
    }
    return NULL;
}
