/* dedupe.c -- the memory side of deduplication: a ring of the keys that only the journal has, with
 * a hash index over it; fingerprints of those in the runs of the open bucket; and the closed
 * buckets (dedupe_bucket.c). What is on disk is told by the applier (see store_sqlite_dedupe.c)
 * through a mutex that the committing thread takes once a key. */
#include "store/dedupe.h"

#include "base/log.h"
#include "store/dedupe_bucket.h"

#include <pthread.h>

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

#define SLOTS_MIN (2 * DEDUPE_BUCKET_KEYS)
#define RUNS_ASKED_MAX 16u /* beyond them all are asked at once */

/* The keys in the runs of one bucket, open or just being closed: a part of each, and its run. */
struct slot {
    uint32_t print, run; /* run 0: free */
};

struct open_keys {
    uint64_t bucket;
    struct slot *v; /* NULL: none; linear probing */
    uint32_t cap, count;
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
    struct buckets *buckets;
    struct open_keys open[2]; /* at the bucket's lowest bit: one opens before the other is closed */
    uint64_t disk_lsn;        /* keys of records before this are on disk */
    struct bloom_file *file;  /* of the thread that puts filters away, and trims */
};

struct dedupe *dedupe_new(dedupe_load_part *load, void *arg)
{
    struct dedupe *d = xcalloc(1, sizeof(*d));
    d->load = load;
    d->arg = arg;
    d->buckets = buckets_new();
    pthread_mutex_init(&d->own, NULL);
    pthread_mutex_init(&d->lock, NULL);
    return d;
}

void dedupe_free(struct dedupe *d)
{
    if (!d)
        return;
    buckets_free(d->buckets);
    bloom_file_free(d->file);
    free(d->open[0].v);
    free(d->open[1].v);
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

static void forget_written(struct dedupe *d)
{
    while (d->count > 0 && d->ring[d->first].lsn < d->disk_lsn) {
        index_remove(d, d->first);
        d->first = (d->first + 1) & (d->cap - 1);
        d->count--;
    }
}

void dedupe_trim(struct dedupe *d)
{
    pthread_mutex_lock(&d->own);
    pthread_mutex_lock(&d->lock);
    forget_written(d);
    pthread_mutex_unlock(&d->lock);
    if (d->file)
        bloom_file_rest(d->file);
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

static void look_in(struct dedupe *d, struct look *l, uint64_t bucket, unsigned part)
{
    str entries = d->load(d->arg, bucket, part);
    struct dedupe_entry seen;
    for (size_t at = 0; at + DEDUPE_ENTRY_BYTES <= entries.n; at += DEDUPE_ENTRY_BYTES) {
        dedupe_entry_read(entries.p + at, &seen);
        consider(l, &seen);
    }
}

/* What may have the key on disk. */
struct asked {
    uint64_t ids[DEDUPE_BUCKETS_MAX + 3]; /* buckets, newest first */
    size_t count;
    uint32_t runs[RUNS_ASKED_MAX];
    size_t run_count; /* beyond RUNS_ASKED_MAX: all of them */
};

static void find_in_runs(const struct open_keys *o, const uint64_t key[2], struct asked *out)
{
    uint32_t print = (uint32_t)key[1], mask = o->cap - 1;
    size_t before = out->run_count;
    for (uint32_t at = print & mask; o->v && o->v[at].run; at = (at + 1) & mask) {
        if (o->v[at].print != print)
            continue;
        if (out->run_count < RUNS_ASKED_MAX)
            out->runs[out->run_count] = o->v[at].run;
        out->run_count++;
    }
    /* Its runs may have become parts that were not told yet. */
    if (out->run_count > before)
        out->ids[out->count++] = o->bucket;
}

static void candidates(struct dedupe *d, const struct dedupe_entry *e, struct asked *out)
{
    pthread_mutex_lock(&d->lock);
    forget_written(d);
    find_in_runs(&d->open[0], e->key, out);
    find_in_runs(&d->open[1], e->key, out);
    out->count += buckets_find(d->buckets, e->key, e->received_ms, out->ids + out->count);
    pthread_mutex_unlock(&d->lock);
}

static void look_on_disk(struct dedupe *d, struct look *l, const struct asked *a)
{
    if (a->run_count > RUNS_ASKED_MAX)
        look_in(d, l, DEDUPE_RUNS, 0);
    else
        for (size_t i = 0; i < a->run_count && l->answer != DEDUPE_REPEAT; i++)
            look_in(d, l, DEDUPE_RUNS, a->runs[i]);
    for (size_t i = 0; i < a->count && l->answer != DEDUPE_REPEAT; i++)
        look_in(d, l, a->ids[i], dedupe_part(l->e->key));
}

enum dedupe_answer dedupe_find(struct dedupe *d, const struct dedupe_entry *e, int64_t window_ms,
                               uint64_t *first)
{
    struct asked a;
    struct look l = {.e = e, .window_ms = window_ms, .answer = DEDUPE_FRESH};
    a.count = a.run_count = 0;
    pthread_mutex_lock(&d->own);
    candidates(d, e, &a);
    look_recent(d, &l);
    pthread_mutex_unlock(&d->own);
    look_on_disk(d, &l, &a);
    *first = l.first;
    return l.answer;
}

/* --- what is on disk -------------------------------------------------------------------------- */

static bool add_slot(struct open_keys *o, struct slot s)
{
    uint32_t mask = o->cap - 1, at = s.print & mask;
    for (; o->v[at].run; at = (at + 1) & mask)
        if (o->v[at].print == s.print && o->v[at].run == s.run)
            return false;
    o->v[at] = s;
    return true;
}

static void make_slots(struct open_keys *o, uint32_t cap)
{
    struct open_keys former = *o;
    o->v = xcalloc(cap, sizeof(*o->v));
    o->cap = cap;
    for (uint32_t i = 0; i < former.cap; i++)
        if (former.v[i].run)
            add_slot(o, former.v[i]);
    free(former.v);
}

static void forget_open(struct open_keys *o)
{
    free(o->v);
    *o = (struct open_keys){0};
}

void dedupe_run_grew(struct dedupe *d, uint64_t bucket, uint32_t run, str entries)
{
    assert(run > 0);
    pthread_mutex_lock(&d->lock);
    struct open_keys *o = &d->open[bucket & 1];
    if (o->bucket != bucket)
        forget_open(o);
    o->bucket = bucket;
    for (size_t at = 0; at + DEDUPE_ENTRY_BYTES <= entries.n; at += DEDUPE_ENTRY_BYTES) {
        struct dedupe_entry e;
        dedupe_entry_read(entries.p + at, &e);
        if (o->count >= o->cap / 4 * 3)
            make_slots(o, o->cap ? o->cap * 2 : SLOTS_MIN);
        o->count += add_slot(o, (struct slot){(uint32_t)e.key[1], run});
    }
    pthread_mutex_unlock(&d->lock);
}

void dedupe_written(struct dedupe *d, uint64_t end_lsn)
{
    pthread_mutex_lock(&d->lock);
    d->disk_lsn = end_lsn;
    pthread_mutex_unlock(&d->lock);
}

void dedupe_forget(struct dedupe *d, uint64_t end_lsn)
{
    pthread_mutex_lock(&d->own);
    pthread_mutex_lock(&d->lock);
    d->disk_lsn = end_lsn;
    forget_written(d);
    pthread_mutex_unlock(&d->lock);
    pthread_mutex_unlock(&d->own);
}

void dedupe_bucket_closed(struct dedupe *d, uint64_t bucket, int64_t until_ms, struct bloom *filter)
{
    pthread_mutex_lock(&d->lock);
    buckets_close(d->buckets, bucket, until_ms, filter);
    if (d->open[bucket & 1].bucket == bucket)
        forget_open(&d->open[bucket & 1]);
    pthread_mutex_unlock(&d->lock);
}

void dedupe_bucket_loaded(struct dedupe *d, uint64_t bucket, struct bloom *filter)
{
    pthread_mutex_lock(&d->lock);
    buckets_load(d->buckets, bucket, filter);
    pthread_mutex_unlock(&d->lock);
}

void dedupe_bucket_dropped(struct dedupe *d, uint64_t first_kept)
{
    pthread_mutex_lock(&d->lock);
    buckets_drop(d->buckets, first_kept);
    pthread_mutex_unlock(&d->lock);
}

/* --- filters to the file ---------------------------------------------------------------------- */

static bool next_unfiled(struct dedupe *d, struct unfiled *out)
{
    pthread_mutex_lock(&d->lock);
    bool found = buckets_unfiled(d->buckets, out);
    pthread_mutex_unlock(&d->lock);
    return found;
}

void dedupe_put_away(struct dedupe *d, const char *path)
{
    uint64_t held;
    struct unfiled u;
    struct reason why;
    while (next_unfiled(d, &u)) {
        if (!d->file)
            d->file = bloom_file_new(path, &why);
        bool good =
            d->file && bloom_file_put(d->file, u.group, u.slot, u.first, u.filter, &why) == ERR_OK;
        if (!good && log_rate("filters", &held))
            log_event(LOG_WARN, "a filter of delivery ids stays in memory",
                      LOG_F("error", str_from_cstr(why.text)), LOG_I("held", held));
        pthread_mutex_lock(&d->lock);
        buckets_filed(d->buckets, good ? d->file : NULL);
        pthread_mutex_unlock(&d->lock);
    }
}

size_t dedupe_bytes(struct dedupe *d)
{
    pthread_mutex_lock(&d->own);
    pthread_mutex_lock(&d->lock);
    size_t n = d->cap * (sizeof(*d->ring) + 2 * sizeof(*d->index)) + buckets_bytes(d->buckets) +
               ((size_t)d->open[0].cap + d->open[1].cap) * sizeof(struct slot);
    pthread_mutex_unlock(&d->lock);
    pthread_mutex_unlock(&d->own);
    return n;
}
