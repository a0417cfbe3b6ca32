/* recent.h -- events at hand: copies of those that a store wrote or claimed last, by id, so that an
 * attempt needs no way to the database. The oldest go when the bytes are used up; what is missing
 * is the database's to tell. Any thread. */
#ifndef GAFF_STORE_RECENT_H
#define GAFF_STORE_RECENT_H

#include "base/arena.h"
#include "store/model.h"

struct recent;

/* bytes_max bounds all that it holds; an event of more than an eighth of it is not taken in. */
struct recent *recent_new(size_t bytes_max);
void recent_free(struct recent *r); /* accepts NULL */
void recent_put(struct recent *r, const struct event *e);
bool recent_has(struct recent *r, uint64_t id);
/* Its content is no longer anybody's: what was held of it is overwritten. */
void recent_drop(struct recent *r, uint64_t id);
/* Copies it into the arena; false: not there. The arena tells whether it had room. */
bool recent_get(struct recent *r, uint64_t id, struct arena *a, struct event *out);

#endif
