/* dedupe.h -- has this delivery id been seen before? Answered before the acknowledgement, at a
 * cost that does not grow with the store.
 *
 * A key is a 128-bit keyed hash (SipHash-2-4) of source and delivery id. Keys live in buckets of
 * some DEDUPE_BUCKET_KEYS events each. Those that were not yet applied to the database are in an
 * exact table in memory. Those of the open bucket are on disk in runs, in the order they came, and
 * memory has 32 bits of each key and its run. Closed buckets are on disk, sorted, with a Bloom
 * filter of 20 bits a key in a file (bloom_file.h): a fresh key asks the disk about one time in
 * 2500 a bucket. So memory does not grow with the number of ids. The last DEDUPE_BUCKETS_MAX
 * buckets count (four million ids); older ids are forgotten even inside the window.
 *
 * Threads: find, add and undo belong to the thread that commits; the bucket calls may come from
 * any other. */
#ifndef GAFF_STORE_DEDUPE_H
#define GAFF_STORE_DEDUPE_H

#include "base/str.h"

#define DEDUPE_BUCKET_KEYS 32768u
#define DEDUPE_BUCKETS_MAX 128u
#define DEDUPE_PARTS 512u /* a closed bucket's keys are stored in parts, by their top bits */
#define DEDUPE_RUN_KEYS 512u
#define DEDUPE_RECENT_MAX (1u << 18) /* some 15 MB */
#define DEDUPE_SEED_BYTES 16u
#define DEDUPE_ENTRY_BYTES 40u /* on disk: the members of the struct, little-endian */

struct dedupe_entry {
    uint64_t key[2];
    uint64_t body; /* folded body hash */
    uint64_t event_id;
    int64_t received_ms;
};

/* Under this scope, which no source has, an id is a key that is hashed already, with the same seed:
 * as dedupe_ready writes it. */
#define DEDUPE_READY_SCOPE "\1ready\1"
#define DEDUPE_KEY_BYTES 16u
void dedupe_ready(const uint64_t key[2], char out[DEDUPE_KEY_BYTES]);
void dedupe_key(const uint8_t seed[DEDUPE_SEED_BYTES], str source, str id, uint64_t out[2]);
uint64_t dedupe_fold(const uint8_t body_hash[16]);
/* A hash of which the fold is this: for a key of which no more is known. */
void dedupe_unfold(uint64_t fold, uint8_t out[16]);
void dedupe_entry_write(const struct dedupe_entry *e, char out[DEDUPE_ENTRY_BYTES]);
void dedupe_entry_read(const char in[DEDUPE_ENTRY_BYTES], struct dedupe_entry *e);
static inline unsigned dedupe_part(const uint64_t key[2])
{
    return (unsigned)(key[0] >> 55);
}

/* A blocked Bloom filter: one cache line a key. Ended by free(). */
#define BLOOM_BYTES (DEDUPE_BUCKET_KEYS / 8 * 20)
#define BLOOM_LINE 64u
#define BLOOM_PROBES 6 /* nine bits of the second half of the key for each */
struct bloom {
    size_t bytes; /* BLOOM_BYTES, or what a former version gave it */
    _Alignas(BLOOM_LINE) uint8_t bits[];
};
struct bloom *bloom_new(void);
struct bloom *bloom_of(str bits); /* as it was stored; NULL when it is none */
void bloom_add(struct bloom *b, const uint64_t key[2]);
bool bloom_may_have(const struct bloom *b, const uint64_t key[2]);
/* The first byte of a key's line in a filter of so many bytes. */
static inline size_t bloom_line(size_t bytes, const uint64_t key[2])
{
    uint64_t lines = bytes / BLOOM_LINE;
    return (size_t)((key[0] & 0xffffffffu) * lines >> 32) * BLOOM_LINE;
}

/* The entries of one part of a closed bucket as stored; STR_NONE when there are none. With
 * DEDUPE_RUNS for the bucket those of that run of the open one, or, with 0, of all its runs. Valid
 * until the next call. Called by the committing thread. */
#define DEDUPE_RUNS UINT64_MAX
typedef str dedupe_load_part(void *arg, uint64_t bucket, unsigned part);

struct dedupe;
struct dedupe *dedupe_new(dedupe_load_part *load, void *arg);
void dedupe_free(struct dedupe *d); /* accepts NULL */

enum dedupe_answer { DEDUPE_FRESH, DEDUPE_REPEAT, DEDUPE_REUSED };
/* Looks for e->key among what was received less than window_ms before e. REPEAT: *first is the
 * id of the event with the same body; REUSED: the key is known, but with other bodies only. */
enum dedupe_answer dedupe_find(struct dedupe *d, const struct dedupe_entry *e, int64_t window_ms,
                               uint64_t *first);
/* The entries of an event's own key and of one of its further keys. */
struct event;
struct event_key;
void dedupe_event_entry(const uint8_t seed[DEDUPE_SEED_BYTES], const struct event *e,
                        struct dedupe_entry *out);
void dedupe_key_entry(const uint8_t seed[DEDUPE_SEED_BYTES], const struct event *e,
                      const struct event_key *k, struct dedupe_entry *out);
/* Remembers a key whose record starts at lsn. False when too many are waiting to be applied. */
bool dedupe_add(struct dedupe *d, const struct dedupe_entry *e, uint64_t lsn);
/* How many are remembered in memory, of DEDUPE_RECENT_MAX. */
size_t dedupe_recent(const struct dedupe *d);
/* Gives back the memory that a burst needed. By the thread that puts filters away. */
void dedupe_trim(struct dedupe *d);
/* Forgets the last `count` that were added (their commit failed). */
void dedupe_undo(struct dedupe *d, size_t count);

/* Forgets all keys of records before end_lsn; for a store without buckets. */
void dedupe_forget(struct dedupe *d, uint64_t end_lsn);
/* These entries are in that run (from 1 on) of the open bucket, or will be when the transaction
 * under way is committed. */
void dedupe_run_grew(struct dedupe *d, uint64_t bucket, uint32_t run, str entries);
/* A bucket was closed on disk: what was told of its runs is in its parts. filter: taken over, or
 * NULL when it is not loaded yet: then every key asks the disk. */
void dedupe_bucket_closed(struct dedupe *d, uint64_t bucket, int64_t until_ms,
                          struct bloom *filter);
/* All keys of records before end_lsn are committed: in closed buckets, or in runs that were told.
 */
void dedupe_written(struct dedupe *d, uint64_t end_lsn);
/* The filter of a bucket that was announced without; taken over. */
void dedupe_bucket_loaded(struct dedupe *d, uint64_t bucket, struct bloom *filter);
/* Buckets before this one are gone. */
void dedupe_bucket_dropped(struct dedupe *d, uint64_t first_kept);
/* Writes filters of closed buckets to a file made at that path when it is first needed (it has no
 * name from then on), and gives their memory back; where it can't be written they stay. One thread
 * at a time. */
void dedupe_put_away(struct dedupe *d, const char *path);
/* All that is in memory for it. */
size_t dedupe_bytes(struct dedupe *d);

#endif
