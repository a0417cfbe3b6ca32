/* go_path.h -- paths as Go's path and net/url packages treat them. */
#ifndef GAFF_COMPAT_GO_PATH_H
#define GAFF_COMPAT_GO_PATH_H

#include "base/arena.h"
#include "base/buf.h"

/* Without "//", "." and "..", as far as text alone can tell; "." for nothing. */
str path_clean(struct arena *a, str path);
/* directory/name, cleaned. */
str path_join(struct arena *a, str directory, str name);
/* Appends the path with everything escaped that a URL's path must not hold. */
void path_escape(struct buf *out, str path);

#endif
