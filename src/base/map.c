/* map.c -- the hash maps: str to pointer (ordered) and uint64_t to pointer.
 *
 * map: `slots` holds 1 + the index into `entries`; a removed entry keeps its slot until the next
 * rebuild. idmap: plain open addressing with the state of each slot beside it. Both keep at most
 * three quarters of their slots used, and hash with a random seed that is drawn once a process. */
#include "base/map.h"

#include "base/log.h"
#include "base/rand.h"

#include <pthread.h>

#define SLOTS_MIN 8

static uint64_t seed;
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void seed_draw(void)
{
    rand_bytes(&seed, sizeof(seed));
}

static uint64_t process_seed(void)
{
    pthread_once(&seed_once, seed_draw);
    return seed;
}

static size_t room_of(size_t cap)
{
    return cap / 4 * 3;
}

/* The slot of key, or the empty one where it belongs. */
static size_t find_slot(const struct map *m, str key)
{
    size_t mask = m->cap - 1;
    size_t at = (size_t)str_hash(key, process_seed()) & mask;
    for (; m->slots[at]; at = (at + 1) & mask) {
        const struct map_entry *e = &m->entries[m->slots[at] - 1];
        if (e->key.p && str_eq(e->key, key))
            break;
    }
    return at;
}

static struct map_entry *find(const struct map *m, str key)
{
    if (m->count == 0)
        return NULL;
    uint32_t slot = m->slots[find_slot(m, key)];
    return slot ? &m->entries[slot - 1] : NULL;
}

/* Drops the removed entries, and doubles the slots when the live ones need it. */
static void rebuild(struct map *m)
{
    size_t cap = m->cap ? m->cap : SLOTS_MIN;
    if (m->count > room_of(cap) / 2)
        cap *= 2;
    assert(cap <= UINT32_MAX);
    struct map bigger = {.cap = cap, .count = m->count};
    bigger.slots = xcalloc(cap, sizeof(*bigger.slots));
    bigger.entries = xcalloc(room_of(cap), sizeof(*bigger.entries));
    for (size_t i = 0; i < m->used; i++) {
        if (!m->entries[i].key.p)
            continue;
        bigger.entries[bigger.used++] = m->entries[i];
        bigger.slots[find_slot(&bigger, m->entries[i].key)] = (uint32_t)bigger.used;
    }
    assert(bigger.used == bigger.count);
    free(m->entries);
    free(m->slots);
    *m = bigger;
}

static void free_key(struct map_entry *e)
{
    free((void *)(uintptr_t)e->key.p);
    e->key = STR_NONE;
}

void map_release(struct map *m)
{
    for (size_t i = 0; i < m->used; i++)
        free_key(&m->entries[i]);
    free(m->entries);
    free(m->slots);
    *m = (struct map){0};
}

void *map_get(const struct map *m, str key)
{
    const struct map_entry *e = find(m, key);
    return e ? e->value : NULL;
}

void *map_put(struct map *m, str key, void *value)
{
    struct map_entry *e = find(m, key);
    if (e) {
        void *former = e->value;
        e->value = value;
        return former;
    }
    if (m->used == room_of(m->cap))
        rebuild(m);
    char *copy = xmalloc(key.n + 1);
    if (key.n)
        memcpy(copy, key.p, key.n);
    copy[key.n] = '\0';
    m->entries[m->used++] = (struct map_entry){str_of(copy, key.n), value};
    m->slots[find_slot(m, key)] = (uint32_t)m->used;
    m->count++;
    return NULL;
}

void *map_remove(struct map *m, str key)
{
    struct map_entry *e = find(m, key);
    if (!e)
        return NULL;
    void *value = e->value;
    e->value = NULL;
    free_key(e);
    m->count--;
    return value;
}

bool map_next(const struct map *m, size_t *i, struct map_entry *out)
{
    while (*i < m->used) {
        const struct map_entry *e = &m->entries[(*i)++];
        if (e->key.p) {
            *out = *e;
            return true;
        }
    }
    return false;
}

/* --- idmap ------------------------------------------------------------------------------------ */

enum { SLOT_EMPTY, SLOT_LIVE, SLOT_REMOVED };

static uint64_t id_hash(uint64_t key)
{
    uint64_t h = key ^ process_seed();
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
    return h ^ (h >> 31);
}

/* The live slot of key, or the empty one where a search for it ends. */
static size_t id_slot(const struct idmap *m, uint64_t key)
{
    size_t mask = m->cap - 1;
    size_t at = (size_t)id_hash(key) & mask;
    while (m->states[at] != SLOT_EMPTY && !(m->states[at] == SLOT_LIVE && m->keys[at] == key))
        at = (at + 1) & mask;
    return at;
}

static void id_insert(struct idmap *m, size_t at, uint64_t key, void *value)
{
    m->states[at] = SLOT_LIVE;
    m->keys[at] = key;
    m->values[at] = value;
    m->count++;
    m->used++;
}

static void id_rebuild(struct idmap *m)
{
    size_t cap = m->cap ? m->cap : SLOTS_MIN;
    if (m->count > room_of(cap) / 2)
        cap *= 2;
    struct idmap bigger = {.cap = cap};
    bigger.keys = xcalloc(cap, sizeof(*bigger.keys));
    bigger.values = xcalloc(cap, sizeof(*bigger.values));
    bigger.states = xcalloc(cap, sizeof(*bigger.states));
    for (size_t i = 0; i < m->cap; i++)
        if (m->states[i] == SLOT_LIVE)
            id_insert(&bigger, id_slot(&bigger, m->keys[i]), m->keys[i], m->values[i]);
    assert(bigger.count == m->count);
    idmap_release(m);
    *m = bigger;
}

void idmap_release(struct idmap *m)
{
    free(m->keys);
    free(m->values);
    free(m->states);
    *m = (struct idmap){0};
}

void *idmap_get(const struct idmap *m, uint64_t key)
{
    if (m->count == 0)
        return NULL;
    size_t at = id_slot(m, key);
    return m->states[at] == SLOT_LIVE ? m->values[at] : NULL;
}

void idmap_put(struct idmap *m, uint64_t key, void *value)
{
    if (m->used == room_of(m->cap))
        id_rebuild(m);
    size_t at = id_slot(m, key);
    if (m->states[at] == SLOT_LIVE)
        m->values[at] = value;
    else
        id_insert(m, at, key, value);
}

void *idmap_remove(struct idmap *m, uint64_t key)
{
    if (m->count == 0)
        return NULL;
    size_t at = id_slot(m, key);
    if (m->states[at] != SLOT_LIVE)
        return NULL;
    void *value = m->values[at];
    m->values[at] = NULL;
    m->count--;
    /* A slot before an empty one ends no search, so it becomes empty itself. */
    if (m->states[(at + 1) & (m->cap - 1)] == SLOT_EMPTY) {
        m->states[at] = SLOT_EMPTY;
        m->used--;
    } else {
        m->states[at] = SLOT_REMOVED;
    }
    return value;
}

bool idmap_next(const struct idmap *m, size_t *i, uint64_t *key)
{
    while (*i < m->cap && m->states[*i] != SLOT_LIVE)
        ++*i;
    if (*i == m->cap)
        return false;
    *key = m->keys[(*i)++];
    return true;
}
