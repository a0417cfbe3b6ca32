/* path.h -- dotted JSON paths with wildcards, compiled once: "commits.*.author.name".
 *
 * A part is a member's name, an index into a list, or `*` for every element of a list and every
 * member of an object; a backslash takes the next byte literally ("a\.b", "\*"). Walking costs at
 * most the values the path reaches and recurses PATH_PARTS_MAX deep. Pure. */
#ifndef GAFF_RULE_PATH_H
#define GAFF_RULE_PATH_H

#include "base/arena.h"
#include "base/json.h"

#define PATH_PARTS_MAX 32

struct path_part {
    str name;
    size_t index; /* when name is a number that may index a list, else SIZE_MAX */
    bool any;
};

struct path {
    str text; /* as written */
    struct path_part *parts;
    size_t count;
    bool many; /* has a `*`: may reach several values */
};

/* In the arena. ERR_INVALID for an empty path or part, too many parts, a backslash at the end. */
enum err path_compile(struct path *p, struct arena *a, str text, struct reason *why) MUST_USE;

/* Called for each value reached, in document order; true stops the walk. */
typedef bool path_visit(const struct json *value, void *arg);
/* True when a visit stopped it. root may be NULL. */
bool path_walk(const struct path *p, const struct json *root, path_visit *visit, void *arg);

#endif
