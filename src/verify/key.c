/* key.c -- a secret as an operator pastes it, to the bytes a scheme computes with.
 *
 * What cannot be right (empty, not of the format, a trailing newline in a credential) is refused
 * when the configuration is read: a request must never meet a verifier without a key. */
#include "base/codec.h"
#include "verify/scheme.h"

static bool cut_prefix(str *secret, str prefix)
{
    if (!prefix.n || !str_starts(*secret, prefix))
        return false;
    *secret = str_slice(*secret, prefix.n, secret->n);
    return true;
}

static bool decode(const struct key_rule *r, str secret, bool for_signing, struct secret *out,
                   struct reason *why)
{
    str needed = for_signing && r->private_prefix.n ? r->private_prefix : r->prefix;
    if (needed.n && !cut_prefix(&secret, needed)) {
        UNUSED(fail(why, ERR_INVALID, "it does not begin with " STR_FMT, STR_ARG(needed)));
        return false;
    }
    cut_prefix(&secret, r->strip);
    if (secret.n == 0) {
        UNUSED(fail(why, ERR_INVALID, "it is empty"));
        return false;
    }
    if (r->encoding == ENCODING_RAW) {
        secret_init(out, secret);
        return true;
    }
    uint8_t bytes[KEY_BYTES_MAX];
    size_t n = 0;
    bool ok = false;
    if (r->encoding == ENCODING_HEX)
        ok = hex_decode(secret, bytes, sizeof(bytes), &n);
    else if (r->encoding == ENCODING_BASE64)
        ok = base64_decode(secret, bytes, sizeof(bytes), &n);
    else
        ok = base64url_decode(secret, bytes, sizeof(bytes), &n);
    if (ok && n > 0)
        secret_init(out, str_of((const char *)bytes, n));
    else
        UNUSED(fail(why, ERR_INVALID, "it is not %s", encoding_words[r->encoding]));
    secret_wipe(bytes, sizeof(bytes));
    return ok && n > 0;
}

bool key_prepare(struct key *k, const struct scheme *s, str secret, bool for_signing,
                 struct reason *why)
{
    k->usable = decode(&s->key, secret, for_signing, &k->bytes, why) &&
                (!s->ops->prepare || s->ops->prepare(s, k, for_signing, why));
    return k->usable;
}

void key_release(const struct scheme *s, struct key *k)
{
    if (s->ops->discard && k->state)
        s->ops->discard(k);
    secret_release(&k->bytes);
    *k = (struct key){0};
}
