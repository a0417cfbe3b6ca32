/* scheme_public.c -- signatures of a text by a private key that only the sender has: Ed25519 (RFC
 * 8032), RSA with PKCS #1 v1.5 or PSS (RFC 8017), ECDSA (FIPS 186). The "secret" configured here
 * is the sender's public key, or the provider's file says where it lies. */
#include "base/buf.h"
#include "verify/public_keys.h"

#define AROUND_BODY_MAX (64u << 10) /* what the signed text may have beside the body */

static size_t ed25519_bytes(const struct scheme *s)
{
    UNUSED(s);
    return 64;
}

static enum signing signing_of(const struct scheme *s)
{
    if (s->ops == &scheme_rsa)
        return SIGNING_RSA;
    if (s->ops == &scheme_rsa_pss)
        return SIGNING_RSA_PSS;
    if (s->ops == &scheme_ecdsa)
        return s->signature.is_raw_pair ? SIGNING_ECDSA_RAW : SIGNING_ECDSA_DER;
    return SIGNING_ED25519;
}

static bool prepare(const struct scheme *s, struct key *k, bool for_signing, struct reason *why)
{
    struct public_keys *keys = s->key.has_url && !for_signing
                                   ? public_keys_at_url()
                                   : public_keys_new(s, k, for_signing, why);
    k->state = keys;
    return keys != NULL;
}

static void discard(struct key *k)
{
    public_keys_free(k->state);
}

static void add(void *arg, str part)
{
    buf_str_append(arg, part);
}

bool signed_text_gather(const struct scheme *s, struct view *w, struct buf *out)
{
    buf_init(out, w->req->body.n * 2 + AROUND_BODY_MAX);
    if (!pieces_feed(&s->signed_text, w, add, out) || !buf_ok(out))
        return false;
    for (size_t i = 0; i < s->prehash_count; i++) {
        uint8_t digest[DIGEST_BYTES_MAX];
        digest_of(s->prehash[i], buf_str(out), digest);
        buf_clear(out);
        buf_append(out, digest, digest_bytes(s->prehash[i]));
    }
    return true;
}

/* The name of the key that the request gives; STR_NONE when the file knows of none. */
static bool key_name(const struct scheme *s, struct view *w, str *out)
{
    *out = STR_NONE;
    if (!s->key.has_select)
        return true;
    enum presence found = view_get(w, &s->key.select, out);
    if (found == PRESENT && out->n)
        return true;
    w->missing = &s->key.select;
    w->doubled = found == DOUBLED;
    return false;
}

static bool check(const struct scheme *s, struct key *k, struct view *w, const struct candidates *c,
                  bool *able)
{
    struct buf text;
    const struct public_key *keys[PUBLIC_KEYS_MAX];
    str kid;
    bool good = false;
    *able = signed_text_gather(s, w, &text) && key_name(s, w, &kid);
    size_t count = *able ? public_keys_of(k->state, s, w, kid, keys) : 0;
    if (!count && w->missing)
        *able = false;
    for (size_t i = 0; !good && i < count * c->count; i++)
        good = public_key_verify(keys[i % count], signing_of(s), s->digest, buf_str(&text),
                                 c->v[i / count]);
    buf_release(&text);
    return good;
}

static str sign(const struct scheme *s, struct key *k, struct view *w)
{
    struct buf text;
    const struct public_key *keys[PUBLIC_KEYS_MAX];
    uint8_t *out = arena_alloc(w->arena, PUBLIC_SIGNATURE_MAX);
    bool able = signed_text_gather(s, w, &text);
    size_t n = 0;
    if (able && out && public_keys_of(k->state, s, w, STR_NONE, keys) == 1)
        n = public_key_sign(keys[0], signing_of(s), s->digest, buf_str(&text), out);
    buf_release(&text);
    return n ? str_of((const char *)out, n) : STR_NONE;
}

const struct scheme_ops scheme_ed25519 = {
    .word = "ed25519",
    .needs_secret = true,
    .signs_text = true,
    .is_public = true,
    .secret_form = "the sender's public key",
    .signature_bytes = ed25519_bytes,
    .prepare = prepare,
    .discard = discard,
    .check = check,
    .sign = sign,
};

#define DIGESTED(name, text)                                                                       \
    const struct scheme_ops scheme_##name = {                                                      \
        .word = text,                                                                              \
        .needs_secret = true,                                                                      \
        .signs_text = true,                                                                        \
        .has_digest = true,                                                                        \
        .is_public = true,                                                                         \
        .secret_form = "the sender's public key",                                                  \
        .prepare = prepare,                                                                        \
        .discard = discard,                                                                        \
        .check = check,                                                                            \
        .sign = sign,                                                                              \
    }
DIGESTED(rsa, "rsa");
DIGESTED(rsa_pss, "rsa-pss");
DIGESTED(ecdsa, "ecdsa");
