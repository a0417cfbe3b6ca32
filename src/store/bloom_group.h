/* bloom_group.h -- the filters of eight buckets that follow each other, looked at as one.
 *
 * Each bit of a filter has a byte here, and each bucket a bit of it: a key then asks for one page
 * every eight buckets. One filter after the other would be a page, and a wait for memory, for each.
 * 655,360 bytes. Not thread-safe. */
#ifndef GAFF_STORE_BLOOM_GROUP_H
#define GAFF_STORE_BLOOM_GROUP_H

#include "store/dedupe.h"

#define BLOOM_GROUP 8u

struct bloom_group;
struct bloom_group *bloom_group_new(void); /* holds nothing */
void bloom_group_free(struct bloom_group *g);
/* slot: below BLOOM_GROUP, and still empty. The filter has BLOOM_BYTES. */
void bloom_group_put(struct bloom_group *g, unsigned slot, const struct bloom *b);
/* Asks the processor for what bloom_group_find will look at. */
void bloom_group_prefetch(const struct bloom_group *g, const uint64_t key[2]);
/* A bit for each slot whose filter may have the key. */
unsigned bloom_group_find(const struct bloom_group *g, const uint64_t key[2]);

#endif
