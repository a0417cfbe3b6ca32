/* go_template.h -- the part of Go's text/template that hooks.json files use with -template: text
 * around {{ }} actions, pipelines of functions over strings, numbers and booleans, variables, if
 * and else, comments, trimming by {{- and -}}.
 *
 * Functions: getenv, cat, credential, js, html, urlquery, print, println, printf (%s %v %q %d %%),
 * len, and, or, not, eq, ne, lt, le, gt, ge. There is no data: `.` is nil. Anything else is an
 * error that names its line; so are files that grow beyond their maximum. */
#ifndef GAFF_COMPAT_GO_TEMPLATE_H
#define GAFF_COMPAT_GO_TEMPLATE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* Appends the expansion of text (of the file `name`) to out. */
enum err go_template_expand(struct arena *a, str name, str text, struct buf *out,
                            struct reason *why) MUST_USE;

#endif
