/* match_index.h -- which of many matches may hold for an event, by one look: most routes of a busy
 * source differ in the value of one field, and all that want another value are ruled out at once.
 *
 * Built once at load over the matches of one source; asked by any thread. Pure. */
#ifndef GAFF_RULE_MATCH_INDEX_H
#define GAFF_RULE_MATCH_INDEX_H

#include "rule/match.h"

/* Fewer matches are evaluated one by one. */
#define MATCH_INDEX_LEAST 16u

struct match_index; /* ends with the arena it was built in */

/* NULL when there is nothing to gain (or no memory): then every match may hold. */
const struct match_index *match_index_new(struct arena *a, const struct match *const *matches,
                                          size_t count);

/* Sets the bit (of 64 a word) of each match that may hold; words holds (count + 63) / 64 zeroes.
 * A match whose bit stays 0 does not hold. */
void match_index_ask(const struct match_index *index, const struct facts *f, uint64_t *words);

/* Why the others do not: `json ref is "x", which they do not want`. */
void match_index_explain(const struct match_index *index, const struct facts *f, struct buf *out);

#endif
