/* scheme_paytm.c -- Paytm's checksum: SHA-256 in hex of the text, a bar and four salt characters,
 * with the salt behind it, encrypted by AES-128-CBC under the merchant's key.
 *
 * The initial vector is the same for everybody, as Paytm has it: the cipher hides nothing here, it
 * shows that the sender has the key. */
#include "base/rand.h"
#include "verify/scheme.h"

#define SALT_BYTES 4
#define HEX_BYTES 64
#define PLAIN_BYTES (HEX_BYTES + SALT_BYTES)
#define SEALED_BYTES 80 /* with its padding */

static const uint8_t iv[AES128_BYTES] = "@@@@&&&&####$$$$";

static size_t signature_bytes(const struct scheme *s)
{
    UNUSED(s);
    return SEALED_BYTES;
}

static bool prepare(const struct scheme *s, struct key *k, bool for_signing, struct reason *why)
{
    UNUSED(s);
    UNUSED(for_signing);
    if (secret_str(&k->bytes).n == AES128_BYTES)
        return true;
    UNUSED(fail(why, ERR_INVALID, "it does not have 16 characters, as a merchant key has"));
    return false;
}

static void add(void *arg, str part)
{
    hasher_add(arg, part);
}

/* What is to be encrypted for this salt. False when the signed text has no value. */
static bool write_plain(const struct scheme *s, struct view *w, str salt,
                        uint8_t plain[PLAIN_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[DIGEST_BYTES_MAX];
    struct hasher *h = hasher_new(DIGEST_SHA256);
    bool able = pieces_feed(&s->signed_text, w, add, h);
    hasher_add(h, STR("|"));
    hasher_add(h, salt);
    hasher_end(h, digest);
    hasher_free(h);
    for (size_t i = 0; i < HEX_BYTES / 2; i++) {
        plain[2 * i] = (uint8_t)digits[digest[i] >> 4];
        plain[2 * i + 1] = (uint8_t)digits[digest[i] & 15];
    }
    memcpy(plain + HEX_BYTES, salt.p, SALT_BYTES);
    return able;
}

static bool check(const struct scheme *s, struct key *k, struct view *w, const struct candidates *c,
                  bool *able)
{
    const uint8_t *key = (const uint8_t *)secret_str(&k->bytes).p;
    bool fits = false;
    *able = true;
    for (size_t i = 0; i < c->count && *able; i++) {
        uint8_t got[SEALED_BYTES + AES128_BYTES], right[PLAIN_BYTES];
        size_t n;
        if (!aes128_cbc(false, key, iv, c->v[i], got, &n) || n != PLAIN_BYTES)
            continue;
        *able = write_plain(s, w, str_of((const char *)got + HEX_BYTES, SALT_BYTES), right);
        fits |= *able && secret_equal((const char *)got, n, (const char *)right, PLAIN_BYTES);
    }
    return fits;
}

static str sign(const struct scheme *s, struct key *k, struct view *w)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    uint8_t salt[SALT_BYTES], plain[PLAIN_BYTES];
    uint8_t *out = arena_alloc(w->arena, SEALED_BYTES + AES128_BYTES);
    size_t n;
    rand_bytes(salt, sizeof(salt));
    for (size_t i = 0; i < SALT_BYTES; i++)
        salt[i] = (uint8_t)letters[salt[i] % 32];
    if (!out || !write_plain(s, w, str_of((const char *)salt, SALT_BYTES), plain) ||
        !aes128_cbc(true, (const uint8_t *)secret_str(&k->bytes).p, iv,
                    str_of((const char *)plain, PLAIN_BYTES), out, &n))
        return STR_NONE;
    return str_of((const char *)out, n);
}

const struct scheme_ops scheme_paytm = {
    .word = "paytm",
    .needs_secret = true,
    .signs_text = true,
    .secret_form = "the merchant key of 16 characters",
    .signature_bytes = signature_bytes,
    .prepare = prepare,
    .check = check,
    .sign = sign,
};
