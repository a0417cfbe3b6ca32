/* re2.h -- patterns in the syntax of RE2 (as Go's regexp reads it) for regex.h. A pattern is
 * checked and rewritten: what RE2 refuses is refused (backreferences, look-around, possessive and
 * nested quantifiers), what the two read differently is written so that PCRE2 means the same (\s,
 * \v, {).
 *
 * What stays different: matching is by backtracking under a limit, not in linear time, and a
 * pattern that meets the limit answers nothing; bytes that are no UTF-8 match nothing, where RE2
 * takes them as U+FFFD. */
#ifndef GAFF_RULE_RE2_H
#define GAFF_RULE_RE2_H

#include "base/buf.h"
#include "base/err.h"

#define RE2_REPEAT_MAX 1000u

/* Appends the pattern as PCRE2 is to read it. False with a reason ("error parsing regexp: missing
 * closing )"). */
bool re2_translate(str pattern, struct buf *out, struct reason *why) MUST_USE;

#endif
