/* heap.c -- the binary min-heap of intrusive nodes.
 *
 * Invariants: nodes[i]->pos == i + 1; no node is before its parent. Used by timers and by the
 * scheduler. */
#include "base/heap.h"

#include "base/log.h"

void heap_release(struct heap *h)
{
    for (size_t i = 0; i < h->len; i++)
        h->nodes[i]->pos = 0;
    free(h->nodes);
    *h = (struct heap){0};
}

static bool is_before(const struct heap_node *a, const struct heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->seq < b->seq;
}

static void place(struct heap *h, size_t at, struct heap_node *node)
{
    h->nodes[at] = node;
    node->pos = at + 1;
}

static void sift_up(struct heap *h, size_t at, struct heap_node *node)
{
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (!is_before(node, h->nodes[parent]))
            break;
        place(h, at, h->nodes[parent]);
        at = parent;
    }
    place(h, at, node);
}

static void sift_down(struct heap *h, size_t at, struct heap_node *node)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= h->len)
            break;
        if (child + 1 < h->len && is_before(h->nodes[child + 1], h->nodes[child]))
            child++;
        if (!is_before(h->nodes[child], node))
            break;
        place(h, at, h->nodes[child]);
        at = child;
    }
    place(h, at, node);
}

void heap_push(struct heap *h, struct heap_node *node, int64_t key)
{
    assert(node->pos == 0);
    if (h->len == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 16;
        h->nodes = xrealloc(h->nodes, h->cap * sizeof(*h->nodes));
    }
    node->key = key;
    node->seq = h->next_seq++;
    sift_up(h, h->len++, node);
}

struct heap_node *heap_peek(const struct heap *h)
{
    return h->len ? h->nodes[0] : NULL;
}

struct heap_node *heap_pop(struct heap *h)
{
    struct heap_node *node = heap_peek(h);
    if (node)
        heap_remove(h, node);
    return node;
}

void heap_remove(struct heap *h, struct heap_node *node)
{
    if (node->pos == 0)
        return;
    size_t at = node->pos - 1;
    assert(at < h->len && h->nodes[at] == node);
    struct heap_node *last = h->nodes[--h->len];
    node->pos = 0;
    if (last == node)
        return;
    if (at > 0 && is_before(last, h->nodes[(at - 1) / 2]))
        sift_up(h, at, last);
    else
        sift_down(h, at, last);
}
