/* scheme_hash.c -- a plain digest over a text that the secret is part of, as older services do
 * it. Weaker than HMAC (length extension), but what they send. */
#include "verify/scheme.h"

static size_t signature_bytes(const struct scheme *s)
{
    return digest_bytes(s->digest);
}

static bool prepare(const struct scheme *s, struct key *k, bool for_signing, struct reason *why)
{
    UNUSED(for_signing);
    UNUSED(why);
    k->state = hasher_new(s->digest);
    return true;
}

static void discard(struct key *k)
{
    hasher_free(k->state);
}

static void add(void *arg, str part)
{
    hasher_add(arg, part);
}

static str compute(const struct scheme *s, struct key *k, struct view *w,
                   uint8_t scratch[DIGEST_BYTES_MAX])
{
    struct hasher *h = k->state;
    hasher_begin(h);
    w->secret = secret_str(&k->bytes);
    if (!pieces_feed(&s->signed_text, w, add, h))
        return STR_NONE;
    hasher_end(h, scratch);
    return str_of((const char *)scratch, digest_bytes(s->digest));
}

const struct scheme_ops scheme_hash = {
    .word = "hash",
    .needs_secret = true,
    .signs_text = true,
    .has_digest = true,
    .signature_bytes = signature_bytes,
    .prepare = prepare,
    .discard = discard,
    .compute = compute,
};
