/* dedupe.c -- the memory side of deduplication: a ring of recent keys with a hash index over it,
 * and the Bloom filters of the closed buckets. What is on disk is told by the applier (see
 * store_sqlite_dedupe.c) through a mutex that the committing thread takes once a batch. */
#include "store/dedupe.h"

#include "base/log.h"
#include "store/bloom_group.h"
#include "store/store.h"

#include <endian.h>
#include <pthread.h>

/* --- SipHash-2-4 with 128 bits of output (Aumasson, Bernstein) ---------------------------------
 */

struct sip {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static void sip_rounds(struct sip *s, int count)
{
    while (count--) {
        s->v0 += s->v1;
        s->v1 = rotate(s->v1, 13) ^ s->v0;
        s->v0 = rotate(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = rotate(s->v1, 17) ^ s->v2;
        s->v2 = rotate(s->v2, 32);
    }
}

static void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_rounds(s, 2);
    s->v0 ^= word;
}

static uint64_t load_u64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return le64toh(v);
}

/* Whole words, then the rest with the length on top: so that no two inputs give one row of words,
 * "ab" + "c" and "a" + "bc" neither. */
static void sip_str(struct sip *s, str text)
{
    size_t at = 0;
    for (; at + 8 <= text.n; at += 8)
        sip_word(s, load_u64(text.p + at));
    uint64_t last = (uint64_t)text.n << 56;
    for (int i = 0; at < text.n; at++, i++)
        last |= (uint64_t)(uint8_t)text.p[at] << (8 * i);
    sip_word(s, last);
    sip_word(s, text.n);
}

void dedupe_ready(const uint64_t key[2], char out[DEDUPE_KEY_BYTES])
{
    const uint64_t v[] = {htole64(key[0]), htole64(key[1])};
    memcpy(out, v, DEDUPE_KEY_BYTES);
}

void dedupe_key(const uint8_t seed[DEDUPE_SEED_BYTES], str source, str id, uint64_t out[2])
{
    if (id.n == DEDUPE_KEY_BYTES && str_eq(source, STR(DEDUPE_READY_SCOPE))) {
        out[0] = load_u64(id.p);
        out[1] = load_u64(id.p + 8);
        return;
    }
    uint64_t k0 = load_u64(seed), k1 = load_u64(seed + 8);
    struct sip s = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du ^ 0xee,
                    k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u};
    sip_str(&s, source);
    sip_str(&s, id);
    s.v2 ^= 0xee;
    sip_rounds(&s, 4);
    out[0] = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
    s.v1 ^= 0xdd;
    sip_rounds(&s, 4);
    out[1] = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t dedupe_fold(const uint8_t body_hash[16])
{
    return load_u64(body_hash) ^ rotate(load_u64(body_hash + 8), 32);
}

void dedupe_unfold(uint64_t fold, uint8_t out[16])
{
    const uint64_t v[] = {htole64(fold), 0};
    memcpy(out, v, 16);
}

void dedupe_entry_write(const struct dedupe_entry *e, char out[DEDUPE_ENTRY_BYTES])
{
    const uint64_t v[] = {htole64(e->key[0]), htole64(e->key[1]), htole64(e->body),
                          htole64(e->event_id), htole64((uint64_t)e->received_ms)};
    memcpy(out, v, DEDUPE_ENTRY_BYTES);
}

void dedupe_entry_read(const char in[DEDUPE_ENTRY_BYTES], struct dedupe_entry *e)
{
    *e = (struct dedupe_entry){{load_u64(in), load_u64(in + 8)},
                               load_u64(in + 16),
                               load_u64(in + 24),
                               (int64_t)load_u64(in + 32)};
}

/* --- Bloom filter ----------------------------------------------------------------------------- */

static struct bloom *bloom_sized(size_t bytes)
{
    struct bloom *b = aligned_alloc(BLOOM_LINE, sizeof(*b) + bytes);
    if (!b)
        die_of_memory(0);
    memset(b->bits, 0, bytes);
    b->bytes = bytes;
    return b;
}

struct bloom *bloom_new(void)
{
    return bloom_sized(BLOOM_BYTES);
}

struct bloom *bloom_of(str bits)
{
    if (bits.n == 0 || bits.n > BLOOM_BYTES || bits.n % BLOOM_LINE)
        return NULL;
    struct bloom *b = bloom_sized(bits.n);
    memcpy(b->bits, bits.p, bits.n);
    return b;
}

void bloom_add(struct bloom *b, const uint64_t key[2])
{
    uint8_t *line = b->bits + bloom_line(b->bytes, key);
    uint64_t h = key[1];
    for (int i = 0; i < BLOOM_PROBES; i++, h >>= 9)
        line[h >> 3 & 63] |= (uint8_t)(1u << (h & 7));
}

bool bloom_may_have(const struct bloom *b, const uint64_t key[2])
{
    const uint8_t *line = b->bits + bloom_line(b->bytes, key);
    uint64_t h = key[1];
    for (int i = 0; i < BLOOM_PROBES; i++, h >>= 9)
        if (!(line[h >> 3 & 63] >> (h & 7) & 1))
            return false;
    return true;
}

/* --- the tables ------------------------------------------------------------------------------- */

#define CAP_MIN 1024u /* a power of two, as every cap */

struct recent {
    struct dedupe_entry e;
    uint64_t lsn;
};

#define GROUPS 32u /* a power of two; the buckets that count lie in 17 or 18 of them */

struct bucket {
    uint64_t id;
    int64_t until_ms;     /* no window of its keys reaches beyond */
    bool in_group;        /* its filter is in the group of its id */
    struct bloom *filter; /* else here; NULL: not loaded yet */
};

struct group {
    struct bloom_group *filters; /* NULL: none */
    uint64_t number;             /* the id of its buckets through BLOOM_GROUP */
    unsigned count;              /* of its buckets whose filter is in it */
};

struct dedupe {
    dedupe_load_part *load;
    void *arg;
    pthread_mutex_t own; /* guards what follows: the committing thread, and dedupe_trim */
    /* Entries first .. first + count - 1, at index modulo cap. */
    struct recent *ring;
    uint32_t cap, first, count;
    uint32_t *index; /* 2 * cap slots: ring position + 1, 0 free; linear probing */

    pthread_mutex_t lock; /* guards what follows */
    struct bucket buckets[DEDUPE_BUCKETS_MAX + 1];
    size_t bucket_count, grouped; /* grouped: of them in a group */
    struct group groups[GROUPS];  /* at their number modulo GROUPS */
    uint64_t closed_lsn;          /* keys of records before this are on disk */
};

struct dedupe *dedupe_new(dedupe_load_part *load, void *arg)
{
    struct dedupe *d = xcalloc(1, sizeof(*d));
    d->load = load;
    d->arg = arg;
    pthread_mutex_init(&d->own, NULL);
    pthread_mutex_init(&d->lock, NULL);
    return d;
}

void dedupe_free(struct dedupe *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->bucket_count; i++)
        free(d->buckets[i].filter);
    for (size_t i = 0; i < GROUPS; i++)
        bloom_group_free(d->groups[i].filters);
    pthread_mutex_destroy(&d->own);
    pthread_mutex_destroy(&d->lock);
    free(d->ring);
    free(d->index);
    free(d);
}

static uint32_t slot_mask(const struct dedupe *d)
{
    return 2 * d->cap - 1;
}

static uint32_t home_slot(const struct dedupe *d, const struct recent *r)
{
    return (uint32_t)r->e.key[1] & slot_mask(d);
}

static void index_add(struct dedupe *d, uint32_t pos)
{
    uint32_t slot = home_slot(d, &d->ring[pos]);
    while (d->index[slot])
        slot = (slot + 1) & slot_mask(d);
    d->index[slot] = pos + 1;
}

/* Linear probing without tombstones: what follows moves up into the gap if its home allows. */
static void index_remove(struct dedupe *d, uint32_t pos)
{
    uint32_t slot = home_slot(d, &d->ring[pos]);
    while (d->index[slot] != pos + 1) {
        assert(d->index[slot]);
        slot = (slot + 1) & slot_mask(d);
    }
    uint32_t gap = slot;
    for (;;) {
        slot = (slot + 1) & slot_mask(d);
        if (!d->index[slot])
            break;
        uint32_t home = home_slot(d, &d->ring[d->index[slot] - 1]);
        if (((slot - home) & slot_mask(d)) >= ((slot - gap) & slot_mask(d))) {
            d->index[gap] = d->index[slot];
            gap = slot;
        }
    }
    d->index[gap] = 0;
}

static void resize(struct dedupe *d, uint32_t cap)
{
    struct recent *ring = xmalloc(cap * sizeof(*ring));
    for (uint32_t i = 0; i < d->count; i++)
        ring[i] = d->ring[(d->first + i) & (d->cap - 1)];
    free(d->ring);
    free(d->index);
    d->ring = ring;
    d->cap = cap;
    d->first = 0;
    d->index = xcalloc(2 * (size_t)cap, sizeof(uint32_t));
    for (uint32_t i = 0; i < d->count; i++)
        index_add(d, i);
}

static void add_recent(struct dedupe *d, const struct dedupe_entry *e, uint64_t lsn)
{
    if (d->count == d->cap)
        resize(d, d->cap ? d->cap * 2 : CAP_MIN);
    uint32_t pos = (d->first + d->count) & (d->cap - 1);
    d->ring[pos] = (struct recent){*e, lsn};
    d->count++;
    index_add(d, pos);
}

bool dedupe_add(struct dedupe *d, const struct dedupe_entry *e, uint64_t lsn)
{
    pthread_mutex_lock(&d->own);
    bool fits = d->count < DEDUPE_RECENT_MAX;
    if (fits)
        add_recent(d, e, lsn);
    pthread_mutex_unlock(&d->own);
    return fits;
}

size_t dedupe_recent(const struct dedupe *d)
{
    return d->count;
}

void dedupe_undo(struct dedupe *d, size_t count)
{
    pthread_mutex_lock(&d->own);
    assert(count <= d->count);
    while (count--) {
        d->count--;
        index_remove(d, (d->first + d->count) & (d->cap - 1));
    }
    pthread_mutex_unlock(&d->own);
}

static void forget_closed(struct dedupe *d)
{
    while (d->count > 0 && d->ring[d->first].lsn < d->closed_lsn) {
        index_remove(d, d->first);
        d->first = (d->first + 1) & (d->cap - 1);
        d->count--;
    }
}

void dedupe_trim(struct dedupe *d)
{
    pthread_mutex_lock(&d->own);
    pthread_mutex_lock(&d->lock);
    forget_closed(d);
    pthread_mutex_unlock(&d->lock);
    uint32_t cap = CAP_MIN;
    while (cap < d->count)
        cap *= 2;
    if (cap < d->cap)
        resize(d, cap);
    pthread_mutex_unlock(&d->own);
}

/* --- looking ---------------------------------------------------------------------------------- */

struct look {
    const struct dedupe_entry *e;
    int64_t window_ms;
    enum dedupe_answer answer;
    uint64_t first;
};

static void consider(struct look *l, const struct dedupe_entry *seen)
{
    if (seen->key[0] != l->e->key[0] || seen->key[1] != l->e->key[1])
        return;
    if (l->e->received_ms - seen->received_ms >= l->window_ms)
        return;
    bool same = seen->body == l->e->body;
    if (l->answer == DEDUPE_REPEAT && (!same || seen->event_id > l->first))
        return;
    l->answer = same ? DEDUPE_REPEAT : DEDUPE_REUSED;
    l->first = seen->event_id;
}

static void look_recent(struct dedupe *d, struct look *l)
{
    if (d->count == 0)
        return;
    uint32_t slot = (uint32_t)l->e->key[1] & slot_mask(d);
    for (; d->index[slot]; slot = (slot + 1) & slot_mask(d))
        consider(l, &d->ring[d->index[slot] - 1].e);
}

static void look_bucket(struct dedupe *d, struct look *l, uint64_t bucket)
{
    str part = d->load(d->arg, bucket, dedupe_part(l->e->key));
    struct dedupe_entry seen;
    for (size_t at = 0; at + DEDUPE_ENTRY_BYTES <= part.n; at += DEDUPE_ENTRY_BYTES) {
        dedupe_entry_read(part.p + at, &seen);
        consider(l, &seen);
    }
}

/* What each group says of the key; false when none may have it. */
static bool find_in_groups(const struct dedupe *d, const uint64_t key[2], uint8_t found[GROUPS])
{
    unsigned any = 0;
    for (size_t i = 0; i < GROUPS; i++)
        if (d->groups[i].filters)
            bloom_group_prefetch(d->groups[i].filters, key);
    for (size_t i = 0; i < GROUPS; i++) {
        found[i] = 0;
        if (d->groups[i].filters)
            found[i] = (uint8_t)bloom_group_find(d->groups[i].filters, key);
        any |= found[i];
    }
    return any;
}

static bool may_have(const struct bucket *b, const uint64_t key[2], const uint8_t found[GROUPS])
{
    if (b->in_group)
        return found[b->id / BLOOM_GROUP % GROUPS] >> b->id % BLOOM_GROUP & 1;
    return !b->filter || bloom_may_have(b->filter, key);
}

/* Fills `ids` with the buckets that may hold the key, newest first. */
static size_t candidates(struct dedupe *d, const struct dedupe_entry *e, uint64_t *ids)
{
    size_t n = 0;
    uint8_t found[GROUPS];
    pthread_mutex_lock(&d->lock);
    forget_closed(d);
    bool any = find_in_groups(d, e->key, found) || d->grouped < d->bucket_count;
    for (size_t i = any ? d->bucket_count : 0; i-- > 0;) {
        const struct bucket *b = &d->buckets[i];
        if (b->until_ms >= e->received_ms && may_have(b, e->key, found))
            ids[n++] = b->id;
    }
    pthread_mutex_unlock(&d->lock);
    return n;
}

enum dedupe_answer dedupe_find(struct dedupe *d, const struct dedupe_entry *e, int64_t window_ms,
                               uint64_t *first)
{
    uint64_t ids[DEDUPE_BUCKETS_MAX + 1];
    struct look l = {.e = e, .window_ms = window_ms, .answer = DEDUPE_FRESH};
    pthread_mutex_lock(&d->own);
    size_t n = candidates(d, e, ids);
    look_recent(d, &l);
    pthread_mutex_unlock(&d->own);
    for (size_t i = 0; i < n && l.answer != DEDUPE_REPEAT; i++)
        look_bucket(d, &l, ids[i]);
    *first = l.first;
    return l.answer;
}

void dedupe_event_entry(const uint8_t seed[DEDUPE_SEED_BYTES], const struct event *e,
                        struct dedupe_entry *out)
{
    *out = (struct dedupe_entry){
        .body = dedupe_fold(e->body_hash), .event_id = e->id, .received_ms = e->received_ms};
    dedupe_key(seed, e->source, e->dedupe_key, out->key);
}

void dedupe_key_entry(const uint8_t seed[DEDUPE_SEED_BYTES], const struct event *e,
                      const struct event_key *k, struct dedupe_entry *out)
{
    *out = (struct dedupe_entry){
        .body = dedupe_fold(k->hash), .event_id = e->id, .received_ms = e->received_ms};
    dedupe_key(seed, k->scope, k->key, out->key);
}

/* --- buckets ---------------------------------------------------------------------------------- */

static struct group *group_of(struct dedupe *d, const struct bucket *b)
{
    return &d->groups[b->id / BLOOM_GROUP % GROUPS];
}

/* Takes the filter over, NULL for none: into its group, or as it is where that can't be. */
static void give_filter(struct dedupe *d, struct bucket *b, struct bloom *filter)
{
    struct group *g = group_of(d, b);
    uint64_t number = b->id / BLOOM_GROUP;
    if (!filter || filter->bytes != BLOOM_BYTES || (g->filters && g->number != number)) {
        b->filter = filter;
        return;
    }
    if (!g->filters)
        *g = (struct group){.filters = bloom_group_new(), .number = number};
    bloom_group_put(g->filters, (unsigned)(b->id % BLOOM_GROUP), filter);
    free(filter);
    b->in_group = true;
    g->count++;
    d->grouped++;
}

static void drop_first(struct dedupe *d, size_t count)
{
    for (struct bucket *b = d->buckets; b < d->buckets + count; b++) {
        struct group *g = group_of(d, b);
        free(b->filter);
        d->grouped -= b->in_group;
        if (b->in_group && --g->count == 0) {
            bloom_group_free(g->filters);
            *g = (struct group){0};
        }
    }
    d->bucket_count -= count;
    memmove(d->buckets, d->buckets + count, d->bucket_count * sizeof(struct bucket));
}

void dedupe_bucket_closed(struct dedupe *d, uint64_t bucket, uint64_t end_lsn, int64_t until_ms,
                          struct bloom *filter)
{
    pthread_mutex_lock(&d->lock);
    if (d->bucket_count == ARRAY_LEN(d->buckets))
        drop_first(d, 1);
    struct bucket *b = &d->buckets[d->bucket_count++];
    *b = (struct bucket){.id = bucket, .until_ms = until_ms};
    give_filter(d, b, filter);
    d->closed_lsn = end_lsn;
    pthread_mutex_unlock(&d->lock);
}

void dedupe_forget(struct dedupe *d, uint64_t end_lsn)
{
    pthread_mutex_lock(&d->own);
    pthread_mutex_lock(&d->lock);
    d->closed_lsn = end_lsn;
    forget_closed(d);
    pthread_mutex_unlock(&d->lock);
    pthread_mutex_unlock(&d->own);
}

void dedupe_bucket_loaded(struct dedupe *d, uint64_t bucket, struct bloom *filter)
{
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->bucket_count; i++)
        if (d->buckets[i].id == bucket && !d->buckets[i].filter && !d->buckets[i].in_group) {
            give_filter(d, &d->buckets[i], filter);
            filter = NULL;
        }
    pthread_mutex_unlock(&d->lock);
    free(filter);
}

void dedupe_bucket_dropped(struct dedupe *d, uint64_t first_kept)
{
    pthread_mutex_lock(&d->lock);
    size_t gone = 0;
    while (gone < d->bucket_count && d->buckets[gone].id < first_kept)
        gone++;
    drop_first(d, gone);
    pthread_mutex_unlock(&d->lock);
}
