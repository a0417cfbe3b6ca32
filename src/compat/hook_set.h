/* hook_set.h -- the hooks of all files given on the command line, each file replaced by itself
 * when it is loaded again. One thread. */
#ifndef GAFF_COMPAT_HOOK_SET_H
#define GAFF_COMPAT_HOOK_SET_H

#include "compat/hook.h"

#define HOOK_FILES_MAX 256u

struct hook_set {
    const char *paths[HOOK_FILES_MAX];
    struct hook_file *files[HOOK_FILES_MAX]; /* NULL: did not load, or was removed */
    size_t count;
    bool as_template;
};

/* Loads every path; logs what happens. Files that do not load are left out for good. False when
 * an id stands in two files: the program must not start. */
bool hook_set_load(struct hook_set *s);
/* Loads one file again; the old hooks stay when it is wrong or holds an id twice. */
void hook_set_reload(struct hook_set *s, size_t file);
/* The file is gone: so are its hooks. */
void hook_set_remove(struct hook_set *s, size_t file);
size_t hook_set_size(const struct hook_set *s); /* hooks in all */
void hook_set_release(struct hook_set *s);
/* The hook and, for as long as the caller wants it, a reference to its file. */
const struct hook *hook_set_find(const struct hook_set *s, str id, struct hook_file **file);

#endif
