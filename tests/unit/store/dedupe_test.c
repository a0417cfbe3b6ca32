/* The memory side of deduplication against a plain model, with buckets closed behind it. */
#include "unit.h"

#include "base/buf.h"
#include "base/rand.h"
#include "store/bloom_group.h"

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

/* Each slot of a group says what its own filter says. */
void test_dedupe_a_group_of_filters_answers_as_each_of_them(void)
{
    enum { KEYS = 4000 };
    struct bloom *filters[BLOOM_GROUP];
    struct bloom_group *g = bloom_group_new();
    EXPECT_EQ_UINT(bloom_group_find(g, entry(1, 0, 0, 0).key), 0);
    for (unsigned slot = 0; slot < BLOOM_GROUP; slot++) {
        filters[slot] = bloom_new();
        for (uint64_t i = 0; i < KEYS * (slot + 1); i++)
            bloom_add(filters[slot], entry(i * BLOOM_GROUP + slot, 0, 0, 0).key);
        bloom_group_put(g, slot, filters[slot]);
    }
    for (uint64_t i = 0; i < KEYS * BLOOM_GROUP * 2; i++) {
        struct dedupe_entry e = entry(i, 0, 0, 0);
        unsigned want = 0;
        for (unsigned slot = 0; slot < BLOOM_GROUP; slot++)
            want |= (unsigned)bloom_may_have(filters[slot], e.key) << slot;
        bloom_group_prefetch(g, e.key);
        EXPECT_EQ_UINT(bloom_group_find(g, e.key), want);
        EXPECT(i >= KEYS * BLOOM_GROUP || want >> (i % BLOOM_GROUP) & 1);
    }
    for (unsigned slot = 0; slot < BLOOM_GROUP; slot++)
        free(filters[slot]);
    bloom_group_free(g);
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

/* Closed buckets as a list of entries; a part is filtered out of it. */
struct closed {
    struct dedupe_entry *v;
    size_t count;
    struct buf out;
    size_t asked;
};

static str load(void *arg, uint64_t bucket, unsigned part)
{
    struct closed *all = arg;
    struct closed *c = &all[bucket];
    buf_clear(&c->out);
    all[0].asked++;
    for (size_t i = 0; i < c->count; i++)
        if (dedupe_part(c->v[i].key) == part) {
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
        dedupe_bucket_closed(d, id, 0, INT64_MAX, i % 5 ? filter : NULL);
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
    }
    dedupe_free(d);
    for (size_t i = 0; i < ARRAY_LEN(closed); i++) {
        free(closed[i].v);
        buf_release(&closed[i].out);
    }
}

void test_dedupe_agrees_with_a_model(void)
{
    enum { KEYS = 3000, ROUNDS = 40000, BUCKETS = 20 };
    static struct closed closed[BUCKETS + 1];
    static struct {
        uint64_t id[2]; /* of the body 0 and 1; 0: never */
    } model[KEYS];
    struct dedupe *d = dedupe_new(load, closed);
    struct rng r;
    rng_init(&r, 3);
    struct dedupe_entry *open = malloc(ROUNDS * sizeof(*open));
    size_t open_count = 0;
    uint64_t bucket = 1;
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        uint64_t key = rng_below(&r, KEYS), body = rng_below(&r, 2), first = 0;
        struct dedupe_entry e = entry(key, body, i, (int64_t)i);
        enum dedupe_answer got = dedupe_find(d, &e, INT64_MAX, &first);
        if (model[key].id[body]) {
            EXPECT_EQ_INT(got, DEDUPE_REPEAT);
            EXPECT_EQ_UINT(first, model[key].id[body]);
            continue;
        }
        EXPECT_EQ_INT(got, model[key].id[!body] ? DEDUPE_REUSED : DEDUPE_FRESH);
        EXPECT(dedupe_add(d, &e, i));
        if (rng_below(&r, 10) == 0) { /* as if the commit had failed */
            dedupe_undo(d, 1);
            continue;
        }
        model[key].id[body] = i;
        open[open_count++] = e;
        if (open_count == 300 && bucket < BUCKETS) {
            struct bloom *filter = bloom_new();
            for (size_t k = 0; k < open_count; k++)
                bloom_add(filter, open[k].key);
            closed[bucket].v = malloc(open_count * sizeof(*open));
            memcpy(closed[bucket].v, open, open_count * sizeof(*open));
            closed[bucket].count = open_count;
            buf_init(&closed[bucket].out, 1u << 20);
            bool late = bucket % 3 == 0; /* the filter comes later */
            dedupe_bucket_closed(d, bucket, i + 1, INT64_MAX, late ? NULL : filter);
            if (late)
                dedupe_bucket_loaded(d, bucket, filter);
            bucket++;
            open_count = 0;
        }
    }
    EXPECT(bucket > 10);
    EXPECT(closed[0].asked > 1000);
    dedupe_free(d);
    free(open);
}

void test_dedupe_buckets_out_of_the_window_are_not_asked(void)
{
    static struct closed closed[3];
    struct dedupe *d = dedupe_new(load, closed);
    uint64_t first;
    buf_init(&closed[1].out, 100);
    dedupe_bucket_closed(d, 1, 1, 1000, NULL);
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
