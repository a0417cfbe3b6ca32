/* map.h -- hash map from str to pointer; open addressing, seeded per process, insertion order
 * kept for iteration. Keys are copied. Not thread-safe. A zeroed struct is an empty map. */
#ifndef GAFF_BASE_MAP_H
#define GAFF_BASE_MAP_H

#include "base/str.h"

struct map_entry {
    str key; /* owned by the map */
    void *value;
};

struct map {
    struct map_entry *entries; /* dense, in insertion order; a removed one has key.p == NULL */
    uint32_t *slots;
    size_t count, used, cap; /* live entries, entries used, slot count */
};

void map_release(struct map *m); /* values are the caller's */
void *map_get(const struct map *m, str key);
/* Inserts or replaces; returns the former value or NULL. Aborts when out of memory. */
void *map_put(struct map *m, str key, void *value);
void *map_remove(struct map *m, str key);

/* for (size_t i = 0; map_next(m, &i, &e);) ... -- safe against removal of the entry at hand. */
bool map_next(const struct map *m, size_t *i, struct map_entry *out);

/* The same for uint64_t keys (ids). */
struct idmap {
    uint64_t *keys;
    void **values;
    uint8_t *states;
    size_t count, used, cap;
};
void idmap_release(struct idmap *m);
void *idmap_get(const struct idmap *m, uint64_t key);
void idmap_put(struct idmap *m, uint64_t key, void *value);
void *idmap_remove(struct idmap *m, uint64_t key);
/* As map_next, in no order; the map may not be changed meanwhile. */
bool idmap_next(const struct idmap *m, size_t *i, uint64_t *key);

#endif
