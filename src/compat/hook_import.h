/* hook_import.h -- hooks.json written as Gaff's own configuration. Each hook becomes a source, a
 * destination and a route; wherever the meaning differs a comment says how, where it applies. */
#ifndef GAFF_COMPAT_HOOK_IMPORT_H
#define GAFF_COMPAT_HOOK_IMPORT_H

#include "base/buf.h"
#include "compat/hook.h"

struct hook_import {
    size_t hooks, notes;
    size_t left_out; /* hooks that have no equivalent: they stand as comments with the reason */
};

/* Appends the document. base: the absolute directory that relative commands start from. */
void hook_import_write(const struct hook_file *f, const char *base, struct buf *out,
                       struct hook_import *done);

#endif
