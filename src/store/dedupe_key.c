/* dedupe_key.c -- how a delivery id becomes a key, and what is remembered with it. */
#include "store/dedupe.h"
#include "store/store.h"

#include <endian.h>

/* --- SipHash-2-4 with 128 bits of output (Aumasson, Bernstein) ---------------------------------
 */

struct sip {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static void sip_rounds(struct sip *s, int count)
{
    while (count--) {
        s->v0 += s->v1;
        s->v1 = rotate(s->v1, 13) ^ s->v0;
        s->v0 = rotate(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = rotate(s->v1, 17) ^ s->v2;
        s->v2 = rotate(s->v2, 32);
    }
}

static void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_rounds(s, 2);
    s->v0 ^= word;
}

static uint64_t load_u64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return le64toh(v);
}

/* Whole words, then the rest with the length on top: so that no two inputs give one row of words,
 * "ab" + "c" and "a" + "bc" neither. */
static void sip_str(struct sip *s, str text)
{
    size_t at = 0;
    for (; at + 8 <= text.n; at += 8)
        sip_word(s, load_u64(text.p + at));
    uint64_t last = (uint64_t)text.n << 56;
    for (int i = 0; at < text.n; at++, i++)
        last |= (uint64_t)(uint8_t)text.p[at] << (8 * i);
    sip_word(s, last);
    sip_word(s, text.n);
}

void dedupe_ready(const uint64_t key[2], char out[DEDUPE_KEY_BYTES])
{
    const uint64_t v[] = {htole64(key[0]), htole64(key[1])};
    memcpy(out, v, DEDUPE_KEY_BYTES);
}

void dedupe_key(const uint8_t seed[DEDUPE_SEED_BYTES], str source, str id, uint64_t out[2])
{
    if (id.n == DEDUPE_KEY_BYTES && str_eq(source, STR(DEDUPE_READY_SCOPE))) {
        out[0] = load_u64(id.p);
        out[1] = load_u64(id.p + 8);
        return;
    }
    uint64_t k0 = load_u64(seed), k1 = load_u64(seed + 8);
    struct sip s = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du ^ 0xee,
                    k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u};
    sip_str(&s, source);
    sip_str(&s, id);
    s.v2 ^= 0xee;
    sip_rounds(&s, 4);
    out[0] = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
    s.v1 ^= 0xdd;
    sip_rounds(&s, 4);
    out[1] = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t dedupe_fold(const uint8_t body_hash[16])
{
    return load_u64(body_hash) ^ rotate(load_u64(body_hash + 8), 32);
}

void dedupe_unfold(uint64_t fold, uint8_t out[16])
{
    const uint64_t v[] = {htole64(fold), 0};
    memcpy(out, v, 16);
}

void dedupe_entry_write(const struct dedupe_entry *e, char out[DEDUPE_ENTRY_BYTES])
{
    const uint64_t v[] = {htole64(e->key[0]), htole64(e->key[1]), htole64(e->body),
                          htole64(e->event_id), htole64((uint64_t)e->received_ms)};
    memcpy(out, v, DEDUPE_ENTRY_BYTES);
}

void dedupe_entry_read(const char in[DEDUPE_ENTRY_BYTES], struct dedupe_entry *e)
{
    *e = (struct dedupe_entry){{load_u64(in), load_u64(in + 8)},
                               load_u64(in + 16),
                               load_u64(in + 24),
                               (int64_t)load_u64(in + 32)};
}

void dedupe_event_entry(const uint8_t seed[DEDUPE_SEED_BYTES], const struct event *e,
                        struct dedupe_entry *out)
{
    *out = (struct dedupe_entry){
        .body = dedupe_fold(e->body_hash), .event_id = e->id, .received_ms = e->received_ms};
    dedupe_key(seed, e->source, e->dedupe_key, out->key);
}

void dedupe_key_entry(const uint8_t seed[DEDUPE_SEED_BYTES], const struct event *e,
                      const struct event_key *k, struct dedupe_entry *out)
{
    *out = (struct dedupe_entry){
        .body = dedupe_fold(k->hash), .event_id = e->id, .received_ms = e->received_ms};
    dedupe_key(seed, k->scope, k->key, out->key);
}
