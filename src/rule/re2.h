/* re2.h -- patterns in the syntax of RE2 (as Go's regexp reads it), matched by PCRE2 with limits.
 * A pattern is checked and rewritten first: what RE2 refuses is refused (backreferences,
 * look-around, possessive and nested quantifiers), what the two read differently is written so
 * that PCRE2 means the same ($, \s, \v, {).
 *
 * What stays different: matching is by backtracking under a limit, not in linear time, and a
 * pattern that meets the limit fails instead of answering; bytes that are no UTF-8 match nothing,
 * where RE2 takes them as U+FFFD. */
#ifndef GAFF_RULE_RE2_H
#define GAFF_RULE_RE2_H

#include "base/err.h"
#include "base/str.h"

#define RE2_PATTERN_MAX 65536u
#define RE2_REPEAT_MAX 1000u

struct re2; /* compiled; one thread at a time */

/* NULL with a reason ("error parsing regexp: missing closing )"). */
struct re2 *re2_new(str pattern, struct reason *why);
void re2_free(struct re2 *r); /* accepts NULL */
/* True when the pattern matches anywhere in text. False with *why->code != ERR_OK when the limit
 * was met before there was an answer. */
bool re2_search(struct re2 *r, str text, struct reason *why);

#endif
