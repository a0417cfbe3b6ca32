/* pattern.h -- what the value of a field may look like: a sequence of characters and classes with
 * counts, matched from end to end in linear time.
 *
 *   [A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+      xoxb-[0-9A-Za-z-]+      [0-9a-f]{32}
 *
 * Known: a literal character, `\` before one that is not meant specially, `.` for any, [a-z] and
 * [^a-z], and after each of them + * ? {n} {n,} {n,m}. No groups and no alternatives. */
#ifndef GAFF_ACTION_PATTERN_H
#define GAFF_ACTION_PATTERN_H

#include "base/arena.h"
#include "base/err.h"

#define PATTERN_PLACES_MAX 512 /* a count {n} takes n of them */

struct pattern; /* in the arena it was compiled into */

struct pattern *pattern_compile(struct arena *a, str text, struct reason *why);
bool pattern_matches(const struct pattern *p, str s);

#endif
