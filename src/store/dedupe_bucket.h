/* dedupe_bucket.h -- the closed buckets of delivery ids, and where the filter of each one is.
 *
 * A filter is in memory until whoever asks buckets_unfiled has written it to the file, and for as
 * long as it can't be written. So what is in memory does not grow with the ids that are known.
 *
 * Not thread-safe: under dedupe.c's lock. */
#ifndef GAFF_STORE_DEDUPE_BUCKET_H
#define GAFF_STORE_DEDUPE_BUCKET_H

#include "store/bloom_file.h"

struct buckets;
struct buckets *buckets_new(void);
void buckets_free(struct buckets *s);

/* As those of dedupe.h. */
void buckets_close(struct buckets *s, uint64_t id, int64_t until_ms, struct bloom *filter);
void buckets_load(struct buckets *s, uint64_t id, struct bloom *filter);
void buckets_drop(struct buckets *s, uint64_t first_kept);

/* Fills `ids` (DEDUPE_BUCKETS_MAX + 1 of them) with the buckets that may hold the key and have a
 * window that reaches at_ms, newest first. */
size_t buckets_find(const struct buckets *s, const uint64_t key[2], int64_t at_ms, uint64_t *ids);

/* A filter that is to be written to the file. It stays until buckets_filed is told how that went:
 * one at a time. */
struct unfiled {
    const struct bloom *filter;
    unsigned group, slot;
    bool first; /* of its group */
};
bool buckets_unfiled(struct buckets *s, struct unfiled *out);
/* file: it is in there, as are all that were written before; NULL: it could not be, and stays. */
void buckets_filed(struct buckets *s, const struct bloom_file *file);
/* Bytes of filters in memory. */
size_t buckets_bytes(const struct buckets *s);

#endif
