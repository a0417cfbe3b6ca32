/* The min-heap: order, first-in first-out of equals, removal from the middle. */
#include "unit.h"

#include "base/heap.h"
#include "base/rand.h"

static void expect_sound(const struct heap *h)
{
    for (size_t i = 0; i < h->len; i++) {
        EXPECT_EQ_UINT(h->nodes[i]->pos, i + 1);
        EXPECT(i == 0 || h->nodes[(i - 1) / 2]->key <= h->nodes[i]->key);
    }
}

void test_heap_empty(void)
{
    struct heap h = {0};
    struct heap_node outside = {0};
    EXPECT(heap_peek(&h) == NULL);
    EXPECT(heap_pop(&h) == NULL);
    heap_remove(&h, &outside);
    heap_release(&h);
}

void test_heap_equal_keys_leave_in_the_order_they_came(void)
{
    struct heap h = {0};
    struct heap_node nodes[100] = {0};
    for (size_t i = 0; i < 100; i++)
        heap_push(&h, &nodes[i], (int64_t)(i % 3));
    for (size_t key = 0; key < 3; key++)
        for (size_t i = key; i < 100; i += 3)
            EXPECT(heap_pop(&h) == &nodes[i]);
    heap_release(&h);
}

void test_heap_takes_extreme_keys(void)
{
    struct heap h = {0};
    struct heap_node low = {0}, high = {0}, zero = {0};
    heap_push(&h, &high, INT64_MAX);
    heap_push(&h, &zero, 0);
    heap_push(&h, &low, INT64_MIN);
    EXPECT(heap_pop(&h) == &low);
    EXPECT(heap_pop(&h) == &zero);
    EXPECT(heap_pop(&h) == &high);
    heap_release(&h);
}

void test_heap_stays_sound_under_random_use(void)
{
    struct heap h = {0};
    static struct heap_node nodes[300];
    struct rng r;
    size_t inside = 0;
    rng_init(&r, 3);
    for (int step = 0; step < 20000; step++) {
        struct heap_node *node = &nodes[rng_below(&r, ARRAY_LEN(nodes))];
        if (node->pos) {
            heap_remove(&h, node);
            EXPECT_EQ_UINT(node->pos, 0);
            inside--;
        } else {
            heap_push(&h, node, (int64_t)rng_below(&r, 50) - 25);
            inside++;
        }
        EXPECT_EQ_UINT(h.len, inside);
        if (step % 16 == 0)
            expect_sound(&h);
    }
    int64_t last = INT64_MIN;
    for (struct heap_node *node; (node = heap_pop(&h)); last = node->key)
        EXPECT(node->key >= last);
    heap_release(&h);
}

static void push_twice(void *arg)
{
    struct heap h = {0};
    heap_push(&h, arg, 1);
    heap_push(&h, arg, 2);
}

void test_heap_pushing_a_node_twice_is_a_bug(void)
{
    struct heap_node node = {0};
    EXPECT(unit_aborts(push_twice, &node));
}

void test_heap_release_leaves_the_nodes_outside(void)
{
    struct heap h = {0};
    struct heap_node node = {0};
    heap_push(&h, &node, 1);
    heap_release(&h);
    EXPECT_EQ_UINT(node.pos, 0);
    heap_push(&h, &node, 1);
    heap_release(&h);
}
