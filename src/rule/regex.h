/* regex.h -- regular expressions with bounds: the one door to PCRE2.
 *
 * Compiled once at load (JIT where the processor allows it), searched by any thread. A pattern
 * sees bytes as UTF-8 and skips over what is none; `$` is the very end of the text, never a line
 * before it; `\C` and patterns over REGEX_PATTERN_MAX are refused. A search gives up after a
 * bounded amount of work (about a third of a millisecond), whatever the pattern and the subject:
 * the answer is then REGEX_UNDECIDED, which is no yes and no no. */
#ifndef GAFF_RULE_REGEX_H
#define GAFF_RULE_REGEX_H

#include "base/arena.h"
#include "base/err.h"

#define REGEX_PATTERN_MAX 4096u

struct regex; /* ends with the arena it was compiled into; immutable */

/* NULL with a reason that shows where the pattern is wrong. */
const struct regex *regex_compile(struct arena *a, str pattern, struct reason *why);

enum regex_verdict { REGEX_NO, REGEX_YES, REGEX_UNDECIDED };
enum regex_verdict regex_search(const struct regex *r, str subject);

#endif
