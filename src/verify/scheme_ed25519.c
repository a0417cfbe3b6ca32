/* scheme_ed25519.c -- Ed25519 signatures (RFC 8032): the sender holds the private key, the
 * "secret" configured here is its public one. */
#include "base/buf.h"
#include "verify/scheme.h"

#define AROUND_BODY_MAX (64u << 10) /* what the signed text may have beside the body */

static size_t signature_bytes(const struct scheme *s)
{
    UNUSED(s);
    return ED25519_SIGNATURE_BYTES;
}

/* A private key is the 32 bytes of the seed; many write the public key behind it. */
static bool prepare(const struct scheme *s, struct key *k, bool for_signing, struct reason *why)
{
    UNUSED(s);
    size_t n = k->bytes.n;
    if (n != ED25519_KEY_BYTES && !(for_signing && n == 2 * ED25519_KEY_BYTES)) {
        UNUSED(fail(why, ERR_INVALID, "an Ed25519 key has 32 bytes, this one %zu", n));
        return false;
    }
    k->state = for_signing ? ed25519_private(k->bytes.bytes) : ed25519_public(k->bytes.bytes);
    if (!k->state)
        UNUSED(fail(why, ERR_INVALID, "it is no Ed25519 key"));
    return k->state != NULL;
}

static void discard(struct key *k)
{
    ed25519_free(k->state);
}

static void add(void *arg, str part)
{
    buf_str_append(arg, part);
}

/* The algorithm reads the text twice, so it must lie in one piece. */
static bool gather(const struct scheme *s, struct view *w, struct buf *out)
{
    buf_init(out, w->req->body.n + AROUND_BODY_MAX);
    return pieces_feed(&s->signed_text, w, add, out) && buf_ok(out);
}

static bool check(const struct scheme *s, struct key *k, struct view *w, const struct candidates *c,
                  bool *able)
{
    struct buf text;
    bool good = false;
    *able = gather(s, w, &text);
    for (size_t i = 0; *able && !good && i < c->count; i++)
        good = ed25519_verify(k->state, buf_str(&text), c->v[i]);
    buf_release(&text);
    return good;
}

static str sign(const struct scheme *s, struct key *k, struct view *w)
{
    struct buf text;
    uint8_t *out = arena_alloc(w->arena, ED25519_SIGNATURE_BYTES);
    bool able = out && gather(s, w, &text);
    if (able)
        ed25519_sign(k->state, buf_str(&text), out);
    if (out)
        buf_release(&text);
    return able ? str_of((const char *)out, ED25519_SIGNATURE_BYTES) : STR_NONE;
}

const struct scheme_ops scheme_ed25519 = {
    .word = "ed25519",
    .needs_secret = true,
    .signs_text = true,
    .secret_form = "the sender's public key",
    .signature_bytes = signature_bytes,
    .prepare = prepare,
    .discard = discard,
    .check = check,
    .sign = sign,
};
