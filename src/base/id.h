/* id.h -- ids of events, deliveries and attempts: 63-bit, sortable by time, unique in a store.
 *
 * 42 bits of wall-clock milliseconds since 2020-01-01, 21 bits of sequence. A generator never
 * repeats or goes back, also when the clock does. As text: a prefix and 13 Crockford base-32
 * digits, "evt_0F3K8Z2M7QXTA", so that text order is time order. */
#ifndef GAFF_BASE_ID_H
#define GAFF_BASE_ID_H

#include "base/clock.h"

#include <stdatomic.h>

#define ID_NODES_MAX 64

struct id_source {
    const struct clock *clock;
    _Atomic uint64_t last;
    _Atomic int node; /* -1: alone */
};

/* Ids will be greater than `after` (the greatest in the store; 0 for none). */
void id_source_init(struct id_source *s, const struct clock *clock, uint64_t after);
/* Several generators share a store: each has a node of its own below ID_NODES_MAX, and no two give
 * the same id. Any thread. */
void id_source_share(struct id_source *s, unsigned node);
uint64_t id_next(struct id_source *s); /* any thread */
int64_t id_wall_ms(uint64_t id);       /* when it was made */
uint64_t id_floor(int64_t wall_ms);    /* the smallest id of that millisecond */
/* The greatest id before that millisecond, for who asks for what is greater: id_floor itself may be
 * an event's. 0: none is. */
uint64_t id_before(int64_t wall_ms);

#define ID_TEXT_MAX 24
/* prefix like "evt"; writes "evt_...", returns the slice over out. */
str id_format(const char *prefix, uint64_t id, char out[ID_TEXT_MAX]);
/* Accepts the text with or without the prefix, any letter case; false for another prefix. */
bool id_parse(const char *prefix, str text, uint64_t *id);

#endif
