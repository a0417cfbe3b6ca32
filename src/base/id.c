/* id.c -- the id generator and the ids' text form.
 *
 * The generator is one atomic word: the greatest id given so far. The next is the present
 * millisecond's first id or that word plus one, whichever is greater, so a clock that stands still
 * or goes back only makes ids denser. */
#include "base/id.h"

#define EPOCH_MS INT64_C(1577836800000) /* 2020-01-01T00:00:00Z */
#define SEQUENCE_BITS 21
#define MILLIS_MAX ((INT64_C(1) << 42) - 1)
#define DIGITS 13

static const char digit_chars[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void id_source_init(struct id_source *s, const struct clock *clock, uint64_t after)
{
    s->clock = clock;
    atomic_init(&s->last, after);
    atomic_init(&s->node, -1);
}

void id_source_share(struct id_source *s, unsigned node)
{
    assert(node < ID_NODES_MAX);
    atomic_store(&s->node, (int)node);
}

/* The least id from `from` on that is of this node: its number is in the last bits. */
static uint64_t of_node(uint64_t from, int node)
{
    if (node < 0)
        return from;
    uint64_t id = (from & ~(uint64_t)(ID_NODES_MAX - 1)) | (uint64_t)node;
    return id >= from ? id : id + ID_NODES_MAX;
}

uint64_t id_floor(int64_t wall_ms)
{
    if (wall_ms < EPOCH_MS)
        return 0;
    int64_t ms = wall_ms - EPOCH_MS;
    return (uint64_t)(ms > MILLIS_MAX ? MILLIS_MAX : ms) << SEQUENCE_BITS;
}

uint64_t id_before(int64_t wall_ms)
{
    uint64_t floor = id_floor(wall_ms);
    return floor ? floor - 1 : 0;
}

uint64_t id_next(struct id_source *s)
{
    uint64_t floor = id_floor(clock_wall_ms(s->clock));
    uint64_t last = atomic_load_explicit(&s->last, memory_order_relaxed);
    uint64_t next;
    do {
        next = of_node(floor > last ? floor : last + 1, atomic_load(&s->node));
        assert(next <= INT64_MAX);
    } while (!atomic_compare_exchange_weak(&s->last, &last, next));
    return next;
}

int64_t id_wall_ms(uint64_t id)
{
    return (int64_t)(id >> SEQUENCE_BITS) + EPOCH_MS;
}

str id_format(const char *prefix, uint64_t id, char out[ID_TEXT_MAX])
{
    size_t n = strlen(prefix);
    assert(n + 1 + DIGITS < ID_TEXT_MAX && id <= INT64_MAX);
    memcpy(out, prefix, n);
    out[n++] = '_';
    for (size_t i = 0; i < DIGITS; i++)
        out[n++] = digit_chars[id >> (5 * (DIGITS - 1 - i)) & 31];
    out[n] = '\0';
    return str_of(out, n);
}

/* 32 for no digit. Crockford reads I and L as 1, and O as 0. */
static unsigned digit_value(char c)
{
    if (c >= 'a' && c <= 'z')
        c = (char)(c - 'a' + 'A');
    if (c == 'I' || c == 'L')
        return 1;
    if (c == 'O')
        return 0;
    const char *at = c ? strchr(digit_chars, c) : NULL;
    return at ? (unsigned)(at - digit_chars) : 32;
}

bool id_parse(const char *prefix, str text, uint64_t *id)
{
    size_t under = str_find(text, '_');
    if (under < text.n) {
        if (!str_eq_nocase(str_slice(text, 0, under), str_from_cstr(prefix)))
            return false;
        text = str_slice(text, under + 1, text.n);
    }
    if (text.n != DIGITS)
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < DIGITS; i++) {
        unsigned digit = digit_value(text.p[i]);
        /* The first digit holds only the top 3 of 63 bits. */
        if (digit > (i == 0 ? 7u : 31u))
            return false;
        value = value << 5 | digit;
    }
    *id = value;
    return true;
}
