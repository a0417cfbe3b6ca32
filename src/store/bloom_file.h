/* bloom_file.h -- the filters of closed buckets, in a file instead of memory.
 *
 * Those of eight buckets that follow each other make a group: each bit of a filter has a byte, and
 * each bucket a bit of it, so that a key asks for one page every eight buckets. The file is mapped:
 * what is asked for is resident while there is work, as the page cache's, and given up in silence.
 * Nothing in it is of use to another process or the next start (the database has the filters too):
 * it has no name and is never synced. 20 MiB at most; where nothing was put it has holes.
 *
 * Threads: one puts, while any number find among what was put before. */
#ifndef GAFF_STORE_BLOOM_FILE_H
#define GAFF_STORE_BLOOM_FILE_H

#include "base/err.h"
#include "store/dedupe.h"

#define BLOOM_GROUP 8u        /* filters */
#define BLOOM_FILE_GROUPS 32u /* there is place for */

struct bloom_file;
/* Made at that path, whatever was there, and without a name from then on. */
struct bloom_file *bloom_file_new(const char *path, struct reason *why);
void bloom_file_free(struct bloom_file *f); /* accepts NULL */
/* A filter of BLOOM_BYTES into a group; first: what the group holds is forgotten. After a failure
 * only this filter is void. */
enum err bloom_file_put(struct bloom_file *f, unsigned group, unsigned slot, bool first,
                        const struct bloom *b, struct reason *why) MUST_USE;
/* Gives up what is resident of it, until it is asked for again. */
void bloom_file_rest(struct bloom_file *f);
/* Of the groups from `group` on, as many as `count`: a bit for each slot whose filter may have the
 * key. Void for slots that nothing was put into. */
void bloom_file_find(const struct bloom_file *f, unsigned group, unsigned count,
                     const uint64_t key[2], uint8_t *found);

#endif
