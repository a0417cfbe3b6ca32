/* The memory side of deduplication against a plain model, with buckets closed behind it. */
#include "unit.h"

#include "base/buf.h"
#include "base/rand.h"
#include "store/bloom_file.h"

#include <sys/stat.h>

static const uint8_t seed[DEDUPE_SEED_BYTES] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                8, 9, 10, 11, 12, 13, 14, 15};

static struct dedupe_entry entry(uint64_t key, uint64_t body, uint64_t id, int64_t at_ms)
{
    struct dedupe_entry e = {.body = body, .event_id = id, .received_ms = at_ms};
    dedupe_key(seed, STR("s"), str_of((char *)&key, sizeof(key)), e.key);
    return e;
}

void test_dedupe_keys_tell_source_and_id_apart(void)
{
    static const struct {
        const char *source, *id;
    } all[] = {{"a", "bc"}, {"ab", "c"},  {"abc", ""},        {"", "abc"},
               {"a", "b"},  {"a", "bcd"}, {"12345678", "12"}, {"1234567", "812"}};
    uint64_t keys[ARRAY_LEN(all)][2];
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        dedupe_key(seed, str_from_cstr(all[i].source), str_from_cstr(all[i].id), keys[i]);
        for (size_t j = 0; j < i; j++)
            EXPECT(keys[i][0] != keys[j][0] && keys[i][1] != keys[j][1]);
    }
    uint64_t other[2];
    uint8_t seed2[DEDUPE_SEED_BYTES] = {1};
    dedupe_key(seed2, STR("a"), STR("bc"), other);
    EXPECT(other[0] != keys[0][0] && other[1] != keys[0][1]);
}

void test_dedupe_filter_finds_all_and_errs_seldom(void)
{
    struct bloom *b = bloom_new();
    for (uint64_t i = 0; i < DEDUPE_BUCKET_KEYS; i++)
        bloom_add(b, entry(i, 0, 0, 0).key);
    size_t wrong = 0;
    for (uint64_t i = 0; i < DEDUPE_BUCKET_KEYS; i++)
        EXPECT(bloom_may_have(b, entry(i, 0, 0, 0).key));
    for (uint64_t i = 0; i < 100000; i++)
        wrong += bloom_may_have(b, entry(i + (1u << 30), 0, 0, 0).key);
    EXPECT(wrong < 100);
    free(b);
}

void test_dedupe_filter_of_another_size_is_read_as_it_was_written(void)
{
    static const char zeros[BLOOM_BYTES + 64];
    EXPECT(bloom_of(STR("")) == NULL);
    EXPECT(bloom_of(str_of(zeros, 65)) == NULL);
    EXPECT(bloom_of(str_of(zeros, BLOOM_BYTES + 64)) == NULL);
    struct bloom *b = bloom_of(str_of(zeros, DEDUPE_BUCKET_KEYS / 8 * 12));
    for (uint64_t i = 0; i < DEDUPE_BUCKET_KEYS; i++)
        bloom_add(b, entry(i, 0, 0, 0).key);
    struct bloom *again = bloom_of(str_of((char *)b->bits, b->bytes));
    size_t wrong = 0;
    for (uint64_t i = 0; i < DEDUPE_BUCKET_KEYS; i++)
        EXPECT(bloom_may_have(again, entry(i, 0, 0, 0).key));
    for (uint64_t i = 0; i < 100000; i++)
        wrong += bloom_may_have(again, entry(i + (1u << 30), 0, 0, 0).key);
    EXPECT(wrong < 1200);
    free(b);
    free(again);
}

/* Of several groups each slot says what its own filter says, though they
 * came in any order and one group took the place of another. */
void test_dedupe_a_file_of_filters_answers_as_each_of_them(void)
{
    enum { FILTERS = 24, KEYS = 500 };
    static const unsigned groups[] = {2, 3, 31};
    static struct bloom *filters[FILTERS];
    struct reason why;
    struct bloom_file *f = bloom_file_new("filters", &why);
    struct stat st;
    EXPECT(f && stat("filters", &st) != 0);
    struct bloom *other = bloom_new();
    for (uint64_t i = 0; i < DEDUPE_BUCKET_KEYS; i++)
        bloom_add(other, entry(i, 0, 0, 0).key);
    EXPECT_OK(bloom_file_put(f, 3, 5, true, other, &why), why);
    free(other);
    for (unsigned n = 0; n < FILTERS; n++) {
        unsigned i = n * 7 % FILTERS;
        filters[i] = bloom_new();
        for (uint64_t k = 0; k < KEYS * (i + 1); k++)
            bloom_add(filters[i], entry(k * FILTERS + i, 0, 0, 0).key);
        bool first = true;
        for (unsigned j = 0; j < BLOOM_GROUP; j++)
            first &= i / 8 * 8 + j == i || !filters[i / 8 * 8 + j];
        EXPECT_OK(bloom_file_put(f, groups[i / 8], i % 8, first, filters[i], &why), why);
    }
    for (uint64_t k = 0; k < KEYS * FILTERS; k++) {
        struct dedupe_entry e = entry(k, 0, 0, 0);
        uint8_t found[BLOOM_FILE_GROUPS];
        bloom_file_find(f, 0, 4, e.key, found);
        bloom_file_find(f, 30, 2, e.key, found + 30);
        for (unsigned i = 0; i < FILTERS; i++)
            EXPECT_EQ_INT(found[groups[i / 8]] >> i % 8 & 1, bloom_may_have(filters[i], e.key));
        EXPECT(found[groups[k % FILTERS / 8]] >> k % 8 & 1);
        EXPECT_EQ_UINT(found[0], 0); /* nothing was put there */
    }
    for (unsigned i = 0; i < FILTERS; i++)
        free(filters[i]);
    bloom_file_free(f);
}

void test_dedupe_undo_forgets_what_was_added(void)
{
    struct dedupe *d = dedupe_new(NULL, NULL);
    uint64_t first;
    struct dedupe_entry a = entry(1, 1, 10, 0), b = entry(2, 1, 11, 0), c = entry(1, 1, 12, 5);
    EXPECT(dedupe_add(d, &a, 100));
    EXPECT(dedupe_add(d, &b, 100));
    dedupe_undo(d, 1);
    EXPECT_EQ_INT(dedupe_find(d, &b, 1000, &first), DEDUPE_FRESH);
    EXPECT_EQ_INT(dedupe_find(d, &c, 1000, &first), DEDUPE_REPEAT);
    EXPECT_EQ_UINT(first, 10);
    EXPECT_EQ_INT(dedupe_find(d, &c, 5, &first), DEDUPE_FRESH);
    dedupe_free(d);
}

/* Closed buckets as a list of entries; a part is filtered out of it. That of bucket 0 is the open
 * one, of which each run is as many entries as come before `count`. */
#define RUN 50u
struct closed {
    struct dedupe_entry *v;
    size_t count;
    struct buf out;
    size_t asked;
};

static str load(void *arg, uint64_t bucket, unsigned part)
{
    struct closed *all = arg;
    struct closed *c = bucket == DEDUPE_RUNS ? &all[0] : &all[bucket];
    buf_clear(&c->out);
    all[0].asked++;
    for (size_t i = 0; i < c->count; i++)
        if (bucket == DEDUPE_RUNS ? part == 0 || part == i / RUN + 1
                                  : dedupe_part(c->v[i].key) == part) {
            char bytes[DEDUPE_ENTRY_BYTES];
            dedupe_entry_write(&c->v[i], bytes);
            buf_append(&c->out, bytes, sizeof(bytes));
        }
    return buf_str(&c->out);
}

/* As many as count, and more: of those kept the keys are found, of those dropped none. Their ids
 * leave gaps, one so wide that groups would meet, and some filters are of another size or come
 * later. */
void test_dedupe_buckets_come_and_go_in_groups(void)
{
    static struct closed closed[600];
    static const char zeros[BLOOM_LINE];
    struct dedupe *d = dedupe_new(load, closed);
    uint64_t first, ids[300], kept = 100;
    for (uint64_t i = 0; i < ARRAY_LEN(ids); i++) {
        uint64_t id = ids[i] = i + (i >= 50) + (i >= 250) * 256u;
        struct bloom *filter = i % 7 ? bloom_new() : bloom_of(str_of(zeros, sizeof(zeros)));
        closed[id].v = malloc(sizeof(*closed[id].v));
        closed[id].v[0] = entry(i, 1, i + 1, 0);
        closed[id].count = 1;
        buf_init(&closed[id].out, 100);
        bloom_add(filter, closed[id].v[0].key);
        dedupe_bucket_closed(d, id, INT64_MAX, i % 5 ? filter : NULL);
        if (i % 3 == 0)
            dedupe_put_away(d, "filters");
        if (i % 5 == 0)
            dedupe_bucket_loaded(d, id, filter);
    }
    for (int round = 0; round < 2; round++) {
        for (uint64_t i = 0; i < ARRAY_LEN(ids); i++) {
            struct dedupe_entry e = entry(i, 1, 1000, 1);
            bool there = i + DEDUPE_BUCKETS_MAX + 1 >= ARRAY_LEN(ids) && (round == 0 || i >= kept);
            EXPECT_EQ_INT(dedupe_find(d, &e, 50, &first), there ? DEDUPE_REPEAT : DEDUPE_FRESH);
            EXPECT(!there || first == i + 1);
        }
        kept = 240;
        dedupe_bucket_dropped(d, ids[kept]);
        dedupe_put_away(d, "filters");
    }
    dedupe_free(d);
    for (size_t i = 0; i < ARRAY_LEN(closed); i++) {
        free(closed[i].v);
        buf_release(&closed[i].out);
    }
}

/* As many buckets as count, each with as many keys as there are in one: memory has no more of them
 * than of one. Where there can't be a file their filters stay. */
void test_dedupe_memory_does_not_grow_with_the_ids(void)
{
    static const char *const paths[] = {"filters", "nowhere/filters"};
    for (size_t k = 0; k < ARRAY_LEN(paths); k++) {
        struct closed *all = calloc(DEDUPE_BUCKETS_MAX + 2, sizeof(*all));
        struct dedupe *d = dedupe_new(load, all);
        char *run = malloc(DEDUPE_BUCKET_KEYS * DEDUPE_ENTRY_BYTES);
        size_t bytes[2] = {0};
        uint64_t lsn = 0, first;
        for (uint64_t bucket = 1; bucket <= DEDUPE_BUCKETS_MAX + 1; bucket++) {
            struct bloom *filter = bloom_new();
            struct dedupe_entry e;
            buf_init(&all[bucket].out, 100);
            for (size_t i = 0; i < DEDUPE_BUCKET_KEYS; i++) {
                lsn++;
                e = entry(lsn, 1, lsn, 0);
                EXPECT(dedupe_add(d, &e, lsn));
                dedupe_entry_write(&e, run + i * DEDUPE_ENTRY_BYTES);
                bloom_add(filter, e.key);
            }
            dedupe_run_grew(d, bucket, 1, str_of(run, DEDUPE_BUCKET_KEYS * DEDUPE_ENTRY_BYTES));
            dedupe_written(d, lsn + 1);
            dedupe_trim(d);
            bytes[bucket > 1] = dedupe_bytes(d);
            dedupe_bucket_closed(d, bucket, INT64_MAX, filter);
            dedupe_put_away(d, paths[k]);
            EXPECT_EQ_INT(dedupe_find(d, &e, INT64_MAX, &first), DEDUPE_FRESH);
        }
        EXPECT(all[0].asked >= DEDUPE_BUCKETS_MAX + 1); /* the filter said it may be there */
        EXPECT(all[0].asked < DEDUPE_BUCKETS_MAX * 3 / 2);
        EXPECT(bytes[0] < 1u << 20);
        EXPECT_EQ_UINT(bytes[1], bytes[0] + (k ? DEDUPE_BUCKETS_MAX * (size_t)BLOOM_BYTES : 0));
        for (size_t i = 0; i < DEDUPE_BUCKETS_MAX + 2; i++)
            buf_release(&all[i].out);
        dedupe_free(d);
        free(all);
        free(run);
    }
}

/* What the applier does, in the order in which it does it; looked at after each step. */
struct world {
    struct dedupe *d;
    struct closed *all;
    uint64_t bucket; /* the open one */
    struct dedupe_entry *waiting;
    size_t waiting_count;
};

static void tell_runs(struct world *w, uint64_t bucket)
{
    for (size_t i = 0; i < w->waiting_count; i++) {
        char bytes[DEDUPE_ENTRY_BYTES];
        size_t at = w->all[0].count + i;
        dedupe_entry_write(&w->waiting[i], bytes);
        dedupe_run_grew(w->d, bucket, (uint32_t)(at / RUN + 1), str_of(bytes, sizeof(bytes)));
    }
}

static void to_runs(struct world *w)
{
    struct closed *open = &w->all[0];
    memcpy(open->v + open->count, w->waiting, w->waiting_count * sizeof(*open->v));
    open->count += w->waiting_count;
    w->waiting_count = 0;
}

/* In the same transaction what waits comes into the next one. */
static void close_on_disk(struct world *w)
{
    struct closed *open = &w->all[0], *to = &w->all[w->bucket];
    to->v = malloc(open->count * sizeof(*to->v));
    memcpy(to->v, open->v, open->count * sizeof(*to->v));
    to->count = open->count;
    buf_init(&to->out, 1u << 20);
    open->count = 0;
    tell_runs(w, w->bucket + 1);
    to_runs(w);
}

static void tell_closed(struct world *w)
{
    struct bloom *filter = bloom_new();
    for (size_t k = 0; k < w->all[w->bucket].count; k++)
        bloom_add(filter, w->all[w->bucket].v[k].key);
    bool late = w->bucket % 3 == 0; /* the filter comes later */
    dedupe_bucket_closed(w->d, w->bucket, INT64_MAX, late ? NULL : filter);
    if (late)
        dedupe_bucket_loaded(w->d, w->bucket, filter);
    w->bucket++;
}

void test_dedupe_agrees_with_a_model(void)
{
    enum { KEYS = 3000, ROUNDS = 40000, BUCKETS = 20 };
    static struct closed closed[BUCKETS + 1];
    static struct {
        uint64_t id[2]; /* of the body 0 and 1; 0: never */
    } model[KEYS];
    struct world w = {.d = dedupe_new(load, closed), .all = closed, .bucket = 1};
    struct rng r;
    rng_init(&r, 3);
    w.waiting = malloc(ROUNDS * sizeof(*w.waiting));
    closed[0].v = malloc(ROUNDS * sizeof(*w.waiting));
    buf_init(&closed[0].out, 1u << 24);
    uint64_t closing = 0, written = 0; /* closing: steps until it is told */
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        uint64_t key = rng_below(&r, KEYS), body = rng_below(&r, 2), first = 0;
        struct dedupe_entry e = entry(key, body, i, (int64_t)i);
        if (closing && --closing == 0) {
            tell_closed(&w);
            dedupe_written(w.d, written);
        } else if (!closing && rng_below(&r, 20) == 0) {
            tell_runs(&w, w.bucket);
            if (rng_below(&r, 4)) { /* else the transaction failed */
                to_runs(&w);
                dedupe_written(w.d, i);
            }
        } else if (!closing && closed[0].count >= 300 && w.bucket < BUCKETS) {
            close_on_disk(&w);
            closing = 1 + rng_below(&r, 20);
            written = i;
        }
        if (rng_below(&r, 100) == 0)
            dedupe_put_away(w.d, "filters");
        enum dedupe_answer got = dedupe_find(w.d, &e, INT64_MAX, &first);
        if (model[key].id[body]) {
            EXPECT_EQ_INT(got, DEDUPE_REPEAT);
            EXPECT_EQ_UINT(first, model[key].id[body]);
            continue;
        }
        EXPECT_EQ_INT(got, model[key].id[!body] ? DEDUPE_REUSED : DEDUPE_FRESH);
        EXPECT(dedupe_add(w.d, &e, i));
        if (rng_below(&r, 10) == 0) { /* as if the commit had failed */
            dedupe_undo(w.d, 1);
            continue;
        }
        model[key].id[body] = i;
        w.waiting[w.waiting_count++] = e;
    }
    EXPECT(w.bucket > 10);
    EXPECT(closed[0].asked > 1000);
    dedupe_free(w.d);
}

/* One id with ever other bodies: it is in more runs than are asked one by one. */
void test_dedupe_finds_an_id_that_is_in_every_run(void)
{
    enum { BODIES = 2000 };
    static struct closed closed[2];
    static struct dedupe_entry all[BODIES], waiting[BODIES];
    struct world w = {
        .d = dedupe_new(load, closed), .all = closed, .bucket = 1, .waiting = waiting};
    closed[0].v = all;
    buf_init(&closed[0].out, 1u << 20);
    buf_init(&closed[1].out, 100);
    uint64_t first;
    for (uint64_t i = 1; i <= BODIES; i++) {
        struct dedupe_entry e = entry(7, i, i, 0);
        EXPECT_EQ_INT(dedupe_find(w.d, &e, 1, &first), i == 1 ? DEDUPE_FRESH : DEDUPE_REUSED);
        EXPECT(dedupe_add(w.d, &e, i));
        waiting[w.waiting_count++] = e;
        tell_runs(&w, w.bucket);
        to_runs(&w);
        dedupe_written(w.d, i + 1);
        e = entry(7, i / 2 + 1, BODIES + i, 0);
        EXPECT_EQ_INT(dedupe_find(w.d, &e, 1, &first), DEDUPE_REPEAT);
        EXPECT_EQ_UINT(first, i / 2 + 1);
    }
    dedupe_free(w.d);
}

void test_dedupe_buckets_out_of_the_window_are_not_asked(void)
{
    static struct closed closed[3];
    struct dedupe *d = dedupe_new(load, closed);
    uint64_t first;
    buf_init(&closed[1].out, 100);
    dedupe_bucket_closed(d, 1, 1000, NULL);
    struct dedupe_entry e = entry(1, 1, 1, 1001);
    EXPECT_EQ_INT(dedupe_find(d, &e, 50, &first), DEDUPE_FRESH);
    EXPECT_EQ_UINT(closed[0].asked, 0);
    e.received_ms = 1000;
    EXPECT_EQ_INT(dedupe_find(d, &e, 50, &first), DEDUPE_FRESH);
    EXPECT_EQ_UINT(closed[0].asked, 1);
    dedupe_bucket_dropped(d, 2);
    EXPECT_EQ_INT(dedupe_find(d, &e, 50, &first), DEDUPE_FRESH);
    EXPECT_EQ_UINT(closed[0].asked, 1);
    dedupe_free(d);
}
