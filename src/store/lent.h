/* lent.h -- deliveries that were claimed and are not settled yet, of a store that writes nothing
 * into its tables for that: in memory, by id, and in a small file that only a start after a crash
 * reads, to tell what was in a process's hands when it ended.
 *
 * The file is written, never synced: a killed process leaves it whole, and after a power cut what
 * is missing there is missing in the history alone. An entry speaks of a delivery only as long as
 * its next_ms is the one it was claimed with; settling and putting off change that.
 *
 * Looking is for any thread; changes come from one thread at a time. */
#ifndef GAFF_STORE_LENT_H
#define GAFF_STORE_LENT_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lent;

struct lent_row {
    uint64_t id, event_id;
    int64_t destination; /* its number */
    int64_t next_ms;
    bool was_tried; /* before it was claimed */
};

/* Reads what a former process left in the file, and makes it when there is none. What was written
 * for another store_id is passed over. NULL on a failure. */
struct lent *lent_open(const char *path, uint64_t store_id, struct reason *why);
void lent_close(struct lent *l); /* accepts NULL */

/* What the former process held, until the first lent_add; only id and next_ms are known. */
const struct lent_row *lent_former(const struct lent *l, size_t *count);

/* On a failure none of them is lent. */
enum err lent_add(struct lent *l, const struct lent_row *v, size_t count,
                  struct reason *why) MUST_USE;
bool lent_has(struct lent *l, uint64_t id);
/* False: it is not lent, *out is left as it was. */
bool lent_take_back(struct lent *l, uint64_t id, struct lent_row *out);
/* After some were given back as they were, without an attempt: the file forgets them. */
void lent_forget_given_back(struct lent *l);
/* What was taken back is lent all the same: its settling was undone. */
void lent_again(struct lent *l, const struct lent_row *row);

size_t lent_count(struct lent *l);
size_t lent_count_of(struct lent *l, int64_t destination);
/* Those of a destination with after < id < before; *tried: how many of them were. */
size_t lent_count_between(struct lent *l, int64_t destination, uint64_t after, uint64_t before,
                          size_t *tried);
/* The ids in no order, at most `max` of them; returns how many there are. */
size_t lent_ids(struct lent *l, uint64_t *out, size_t max);

#endif
