/* bloom_group.c -- see bloom_group.h. */
#include "store/bloom_group.h"

#include "base/log.h"

#include <endian.h>

#define LINE_BITS (BLOOM_LINE * 8)

struct bloom_group {
    _Alignas(BLOOM_LINE) uint8_t slots[BLOOM_BYTES * 8];
};

struct bloom_group *bloom_group_new(void)
{
    struct bloom_group *g = aligned_alloc(BLOOM_LINE, sizeof(*g));
    if (!g)
        die_of_memory(sizeof(*g));
    memset(g, 0, sizeof(*g));
    return g;
}

void bloom_group_free(struct bloom_group *g)
{
    free(g);
}

/* Eight bits as the lowest of eight bytes, bit 0 first: a byte in which its own bit is set passes
 * 127 by adding that, and none passes 255. */
static uint64_t spread(uint8_t bits)
{
    uint64_t own = bits * UINT64_C(0x0101010101010101) & UINT64_C(0x8040201008040201);
    return (own + UINT64_C(0x7f7f7f7f7f7f7f7f)) >> 7 & UINT64_C(0x0101010101010101);
}

void bloom_group_put(struct bloom_group *g, unsigned slot, const struct bloom *b)
{
    assert(slot < BLOOM_GROUP && b->bytes == BLOOM_BYTES);
    for (size_t i = 0; i < BLOOM_BYTES; i++) {
        uint64_t eight;
        memcpy(&eight, g->slots + i * 8, 8);
        eight |= htole64(spread(b->bits[i]) << slot);
        memcpy(g->slots + i * 8, &eight, 8);
    }
}

static const uint8_t *line_of(const struct bloom_group *g, const uint64_t key[2])
{
    return g->slots + bloom_line(BLOOM_BYTES, key) * 8;
}

void bloom_group_prefetch(const struct bloom_group *g, const uint64_t key[2])
{
    const uint8_t *line = line_of(g, key);
    uint64_t h = key[1];
    /* The others follow at once where these two leave anything, which is in half of all cases. */
    for (int i = 0; i < 2; i++, h >>= 9)
        __builtin_prefetch(&line[h % LINE_BITS]);
}

unsigned bloom_group_find(const struct bloom_group *g, const uint64_t key[2])
{
    const uint8_t *line = line_of(g, key);
    uint64_t h = key[1];
    unsigned found = (1u << BLOOM_GROUP) - 1;
    for (int i = 0; i < BLOOM_PROBES && found; i++, h >>= 9)
        found &= line[h % LINE_BITS];
    return found;
}
