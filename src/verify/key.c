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

static bool decode(const struct key_rule *r, str secret, bool is_public, bool for_signing,
                   struct secret *out, struct reason *why)
{
    str needed = for_signing && r->private_prefix.n ? r->private_prefix : r->prefix;
    if (needed.n && !cut_prefix(&secret, needed)) {
        UNUSED(fail(why, ERR_INVALID, "it does not begin with " STR_FMT, STR_ARG(needed)));
        return false;
    }
    cut_prefix(&secret, r->strip);
    /* PEM and JWK tell what they are. */
    if (is_public && (str_find_str(secret, STR("-----BEGIN ")) < secret.n ||
                      str_starts(str_trim(secret), STR("{")))) {
        secret_init(out, secret);
        return true;
    }
    enum encoding encoding = r->encoding;
    if (is_public && encoding == ENCODING_RAW) {
        encoding = ENCODING_BASE64;
        secret = str_trim(secret);
    }
    if (secret.n == 0) {
        UNUSED(fail(why, ERR_INVALID, "it is empty"));
        return false;
    }
    if (encoding == ENCODING_RAW) {
        secret_init(out, secret);
        return true;
    }
    uint8_t bytes[KEY_BYTES_MAX];
    size_t n = 0;
    bool ok = false;
    if (encoding == ENCODING_HEX)
        ok = hex_decode(secret, bytes, sizeof(bytes), &n);
    else if (encoding == ENCODING_BASE64)
        ok = base64_decode(secret, bytes, sizeof(bytes), &n);
    else
        ok = base64url_decode(secret, bytes, sizeof(bytes), &n);
    if (ok && n > 0)
        secret_init(out, str_of((const char *)bytes, n));
    else
        UNUSED(fail(why, ERR_INVALID, "it is not %s", encoding_words[encoding]));
    secret_wipe(bytes, sizeof(bytes));
    return ok && n > 0;
}

static void to_buf(void *arg, str part)
{
    buf_str_append(arg, part);
}

/* The key that the file makes of the secret: text around it, a digest of it. */
static bool form_key(const struct key_rule *r, struct secret *bytes, struct reason *why)
{
    char room[KEY_BYTES_MAX + 1];
    struct buf text = buf_over(room, sizeof(room));
    struct view w = {.secret = secret_str(bytes)};
    bool ok = true;
    if (r->format.count) {
        ok = pieces_feed(&r->format, &w, to_buf, &text) && buf_ok(&text);
        if (ok) {
            secret_release(bytes);
            secret_init(bytes, buf_str(&text));
        } else {
            UNUSED(fail(why, ERR_INVALID, "it is longer than %d bytes", KEY_BYTES_MAX));
        }
    }
    secret_wipe(room, sizeof(room));
    if (ok && r->has_derive) {
        uint8_t digest[DIGEST_BYTES_MAX];
        digest_of(r->derive, secret_str(bytes), digest);
        secret_release(bytes);
        secret_init(bytes, str_of((const char *)digest, digest_bytes(r->derive)));
        secret_wipe(digest, sizeof(digest));
    }
    return ok;
}

bool key_prepare(struct key *k, const struct scheme *s, str secret, bool for_signing,
                 struct reason *why)
{
    k->usable = decode(&s->key, secret, scheme_has_public_key(s), for_signing, &k->bytes, why) &&
                form_key(&s->key, &k->bytes, why) &&
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
