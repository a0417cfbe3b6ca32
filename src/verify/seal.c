/* seal.c -- the key of AES is derived from the operator's text by HMAC, so that any text of enough
 * chance will do; its fingerprint is derived apart and tells nothing of it. */
#include "verify/seal.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/secret.h"
#include "verify/crypto.h"

#include <openssl/evp.h>

#define MAGIC STR("\1gs1")
#define MARK_BYTES 4
#define NONCE_BYTES 12
#define TAG_BYTES 16
#define KEY_BYTES 32
#define HEAD_BYTES (4 + MARK_BYTES + NONCE_BYTES)

struct seal {
    struct {
        uint8_t mark[MARK_BYTES], key[KEY_BYTES];
    } keys[SEAL_KEYS_MAX];
    size_t count;
};

static void derive(str text, str purpose, uint8_t *out, size_t n)
{
    uint8_t whole[DIGEST_BYTES_MAX];
    struct mac *m = mac_new(DIGEST_SHA256, text);
    mac_begin(m);
    mac_add(m, purpose);
    mac_end(m, whole);
    mac_free(m);
    memcpy(out, whole, n);
    secret_wipe(whole, sizeof(whole));
}

static str next_word(str *rest)
{
    while (rest->n && strchr(" \t\r\n", rest->p[0]))
        *rest = str_slice(*rest, 1, rest->n);
    size_t n = 0;
    while (n < rest->n && !strchr(" \t\r\n", rest->p[n]))
        n++;
    str word = str_slice(*rest, 0, n);
    *rest = str_slice(*rest, n, rest->n);
    return word;
}

struct seal *seal_new(str keys, struct reason *why)
{
    struct seal *s = xcalloc(1, sizeof(*s));
    str rest = keys;
    enum err err = ERR_OK;
    for (str word = next_word(&rest); word.n && err == ERR_OK; word = next_word(&rest)) {
        if (word.n < SEAL_KEY_TEXT_MIN || s->count == SEAL_KEYS_MAX) {
            err = fail(why, ERR_INVALID,
                       "the key of secrets must be 1 to %d words of %d characters or more, as "
                       "`openssl rand -base64 32` gives",
                       SEAL_KEYS_MAX, SEAL_KEY_TEXT_MIN);
            continue;
        }
        derive(word, STR("gaff: which key seals"), s->keys[s->count].mark, MARK_BYTES);
        derive(word, STR("gaff: sealing at rest"), s->keys[s->count++].key, KEY_BYTES);
    }
    if (err == ERR_OK && s->count == 0)
        err = fail(why, ERR_INVALID, "the key of secrets is empty");
    if (err == ERR_OK)
        return s;
    seal_free(s);
    return NULL;
}

void seal_free(struct seal *s)
{
    if (!s)
        return;
    secret_wipe(s, sizeof(*s));
    free(s);
}

bool seal_is_sealed(str text)
{
    return text.n >= HEAD_BYTES + TAG_BYTES && str_starts(text, MAGIC);
}

static bool has_mark(str sealed, const uint8_t mark[MARK_BYTES])
{
    return memcmp(sealed.p + MAGIC.n, mark, MARK_BYTES) == 0;
}

bool seal_is_current(const struct seal *s, str text)
{
    return seal_is_sealed(text) && has_mark(text, s->keys[0].mark);
}

/* One pass of the cipher over owner and in. */
static bool run(bool encrypt, const uint8_t key[KEY_BYTES], const char *nonce, str owner, str in,
                char *out, char *tag)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n = 0, end = 0;
    bool good = c && EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, key, (const uint8_t *)nonce,
                                       encrypt) == 1;
    good = good && EVP_CipherUpdate(c, NULL, &n, (const uint8_t *)owner.p, (int)owner.n) == 1;
    good = good && (in.n == 0 ||
                    EVP_CipherUpdate(c, (uint8_t *)out, &n, (const uint8_t *)in.p, (int)in.n) == 1);
    if (good && !encrypt)
        good = EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) == 1;
    good = good && EVP_CipherFinal_ex(c, (uint8_t *)out + in.n, &end) == 1;
    if (good && encrypt)
        good = EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, tag) == 1;
    EVP_CIPHER_CTX_free(c);
    return good;
}

str seal_close(const struct seal *s, str owner, str text, struct arena *a)
{
    size_t n = HEAD_BYTES + text.n + TAG_BYTES;
    char *out = text.n < INT32_MAX ? arena_alloc(a, n) : NULL;
    if (!out)
        return STR_NONE;
    memcpy(out, MAGIC.p, MAGIC.n);
    memcpy(out + MAGIC.n, s->keys[0].mark, MARK_BYTES);
    char *nonce = out + MAGIC.n + MARK_BYTES;
    rand_bytes((uint8_t *)nonce, NONCE_BYTES);
    bool good =
        run(true, s->keys[0].key, nonce, owner, text, out + HEAD_BYTES, out + HEAD_BYTES + text.n);
    return good ? str_of(out, n) : STR_NONE;
}

enum err seal_open(const struct seal *s, str owner, str sealed, struct arena *a, str *out,
                   struct reason *why)
{
    char hex[2 * MARK_BYTES], tag[TAG_BYTES];
    for (size_t i = 0; i < s->count; i++) {
        if (!has_mark(sealed, s->keys[i].mark))
            continue;
        str in = str_slice(sealed, HEAD_BYTES, sealed.n - TAG_BYTES);
        char *text = arena_alloc(a, in.n + 1);
        if (!text)
            return fail(why, ERR_LIMIT, "there is no room for what was sealed");
        memcpy(tag, sealed.p + sealed.n - TAG_BYTES, TAG_BYTES);
        if (!run(false, s->keys[i].key, sealed.p + MAGIC.n + MARK_BYTES, owner, in, text, tag)) {
            secret_wipe(text, in.n);
            return fail(why, ERR_DENIED, "what was sealed was changed since");
        }
        *out = str_of(text, in.n);
        return ERR_OK;
    }
    hex_encode((const uint8_t *)sealed.p + MAGIC.n, MARK_BYTES, hex);
    return fail(why, ERR_DENIED, "it is sealed with another key, the one of fingerprint %.8s", hex);
}
