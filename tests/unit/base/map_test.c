/* The ordered map by text and the map by id, against plain models. */
#include "unit.h"

#include "base/log.h"
#include "base/map.h"
#include "base/rand.h"

static str key_of(unsigned i, char out[16])
{
    int n = snprintf(out, 16, "key-%u", i);
    return str_of(out, (size_t)n);
}

void test_map_a_zeroed_struct_is_empty(void)
{
    struct map m = {0};
    struct map_entry e;
    size_t i = 0;
    EXPECT(map_get(&m, STR("x")) == NULL);
    EXPECT(map_remove(&m, STR("x")) == NULL);
    EXPECT(!map_next(&m, &i, &e));
    map_release(&m);
}

void test_map_put_replaces_and_returns_the_former(void)
{
    struct map m = {0};
    int a, b;
    EXPECT(map_put(&m, STR("k"), &a) == NULL);
    EXPECT(map_put(&m, STR("k"), &b) == &a);
    EXPECT(map_get(&m, STR("k")) == &b);
    EXPECT_EQ_UINT(m.count, 1);
    EXPECT(map_remove(&m, STR("k")) == &b);
    EXPECT(map_get(&m, STR("k")) == NULL);
    EXPECT_EQ_UINT(m.count, 0);
    map_release(&m);
}

void test_map_keys_are_bytes_and_copied(void)
{
    struct map m = {0};
    int a, b, c;
    char text[] = "mine";
    map_put(&m, str_from_cstr(text), &a);
    text[0] = 'M';
    EXPECT(map_get(&m, STR("mine")) == &a);
    EXPECT(map_get(&m, STR("Mine")) == NULL);
    map_put(&m, STR("a\0b"), &b);
    EXPECT(map_get(&m, STR("a\0b")) == &b);
    EXPECT(map_get(&m, STR("a")) == NULL);
    map_put(&m, STR(""), &c);
    EXPECT(map_get(&m, STR("")) == &c);
    EXPECT(map_remove(&m, STR("")) == &c);
    map_release(&m);
}

/* What a removed entry leaves behind is no key, not the empty one either. */
void test_map_the_empty_key_is_not_found_among_removed_ones(void)
{
    struct map m = {0};
    char text[16];
    for (unsigned i = 0; i < 6; i++)
        map_put(&m, key_of(i, text), &m);
    for (unsigned i = 0; i < 5; i++)
        map_remove(&m, key_of(i, text));
    for (unsigned round = 0; round < 100; round++) {
        EXPECT(map_get(&m, STR("")) == NULL);
        EXPECT(map_remove(&m, STR("")) == NULL);
        map_put(&m, key_of(round, text), &m);
        map_remove(&m, key_of(round, text));
        if (round % 8 == 0)
            map_put(&m, key_of(5, text), &m);
    }
    map_release(&m);
}

void test_map_keeps_the_order_of_insertion(void)
{
    struct map m = {0};
    struct map_entry e;
    char text[16];
    for (unsigned i = 0; i < 1000; i++)
        map_put(&m, key_of(i, text), &m);
    for (unsigned i = 0; i < 1000; i += 3)
        map_remove(&m, key_of(i, text));
    map_put(&m, key_of(0, text), &m);
    unsigned expected = 1;
    size_t i = 0;
    for (; map_next(&m, &i, &e); expected += expected % 3 == 2 ? 2 : 1)
        EXPECT_EQ_STR(e.key, key_of(expected < 999 ? expected : 0, text));
    map_release(&m);
}

void test_map_removing_the_entry_at_hand_while_iterating(void)
{
    struct map m = {0};
    struct map_entry e;
    char text[16];
    unsigned seen = 0;
    for (unsigned i = 0; i < 100; i++)
        map_put(&m, key_of(i, text), &m);
    for (size_t i = 0; map_next(&m, &i, &e); seen++)
        EXPECT(map_remove(&m, key_of(seen, text)) == &m);
    EXPECT_EQ_UINT(seen, 100);
    EXPECT_EQ_UINT(m.count, 0);
    map_release(&m);
}

void test_map_agrees_with_a_plain_array(void)
{
    enum { KEYS = 200 };
    static void *model[KEYS];
    struct map m = {0};
    struct rng r;
    char text[16];
    rng_init(&r, 1);
    for (unsigned step = 0; step < 100000; step++) {
        unsigned k = (unsigned)rng_below(&r, KEYS);
        void *value = rng_below(&r, 2) ? &model[rng_below(&r, KEYS)] : NULL;
        if (value)
            EXPECT(map_put(&m, key_of(k, text), value) == model[k]);
        else
            EXPECT(map_remove(&m, key_of(k, text)) == model[k]);
        model[k] = value;
        k = (unsigned)rng_below(&r, KEYS);
        EXPECT(map_get(&m, key_of(k, text)) == model[k]);
    }
    size_t live = 0;
    for (unsigned k = 0; k < KEYS; k++)
        live += model[k] != NULL;
    EXPECT_EQ_UINT(m.count, live);
    map_release(&m);
}

/* Removed entries must not pile up: the slots stay in proportion to what lives. */
void test_map_does_not_grow_by_coming_and_going(void)
{
    struct map m = {0};
    struct idmap ids = {0};
    char text[16];
    for (unsigned i = 0; i < 100000; i++) {
        map_put(&m, key_of(i, text), &m);
        idmap_put(&ids, i, &m);
        if (i >= 10) {
            map_remove(&m, key_of(i - 10, text));
            idmap_remove(&ids, i - 10);
        }
    }
    EXPECT_EQ_UINT(m.count, 10);
    EXPECT_EQ_UINT(ids.count, 10);
    EXPECT(m.cap <= 64);
    EXPECT(ids.cap <= 64);
    map_release(&m);
    idmap_release(&ids);
}

void test_idmap_agrees_with_a_plain_array(void)
{
    enum { KEYS = 300 };
    static void *model[KEYS];
    struct idmap m = {0};
    struct rng r;
    rng_init(&r, 2);
    EXPECT(idmap_get(&m, 0) == NULL);
    EXPECT(idmap_remove(&m, 0) == NULL);
    for (unsigned step = 0; step < 200000; step++) {
        size_t k = (size_t)rng_below(&r, KEYS);
        /* Also the extreme keys, 0 and those with the top bits set. */
        uint64_t key = k % 2 ? k : 0 - (uint64_t)k;
        if (rng_below(&r, 2)) {
            model[k] = &model[rng_below(&r, KEYS)];
            idmap_put(&m, key, model[k]);
        } else {
            EXPECT(idmap_remove(&m, key) == model[k]);
            model[k] = NULL;
        }
        EXPECT(idmap_get(&m, key) == model[k]);
        k = (size_t)rng_below(&r, KEYS);
        EXPECT(idmap_get(&m, k % 2 ? k : 0 - (uint64_t)k) == model[k]);
    }
    idmap_release(&m);
}

void test_idmap_holds_many(void)
{
    struct idmap m = {0};
    static char values[100000];
    for (uint64_t i = 0; i < ARRAY_LEN(values); i++)
        idmap_put(&m, i << 21, &values[i]);
    EXPECT_EQ_UINT(m.count, ARRAY_LEN(values));
    for (uint64_t i = 0; i < ARRAY_LEN(values); i++)
        EXPECT(idmap_get(&m, i << 21) == &values[i]);
    EXPECT(idmap_get(&m, 1) == NULL);
    idmap_release(&m);
}

void test_idmap_walks_over_what_is_there(void)
{
    struct idmap m = {0};
    uint64_t key, sum = 0;
    size_t n = 0;
    for (uint64_t i = 1; i <= 100; i++)
        idmap_put(&m, i * 7, &m);
    for (uint64_t i = 1; i <= 50; i++)
        idmap_remove(&m, i * 7);
    for (size_t i = 0; idmap_next(&m, &i, &key); n++)
        sum += key;
    EXPECT_EQ_UINT(n, 50);
    EXPECT_EQ_UINT(sum, 7 * (51 + 100) * 50 / 2);
    idmap_release(&m);
}
