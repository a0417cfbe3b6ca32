/* heap.h -- binary min-heap of intrusive nodes: push, pop and remove from the middle in
 * O(log n). Equal keys leave in the order they came. Nodes are the caller's memory. */
#ifndef GAFF_BASE_HEAP_H
#define GAFF_BASE_HEAP_H

#include "base/compiler.h"

struct heap_node {
    int64_t key;
    uint64_t seq; /* set by heap_push: makes equal keys first-in first-out */
    size_t pos;   /* 1-based index while inside; 0 outside */
};

struct heap {
    struct heap_node **nodes;
    size_t len, cap;
    uint64_t next_seq;
};

void heap_release(struct heap *h); /* not the nodes */
void heap_push(struct heap *h, struct heap_node *node, int64_t key);
struct heap_node *heap_peek(const struct heap *h); /* NULL when empty */
struct heap_node *heap_pop(struct heap *h);
void heap_remove(struct heap *h, struct heap_node *node); /* no-op when outside */

#endif
