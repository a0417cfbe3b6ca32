/* seal.h -- text kept under a key: AES-256-GCM (NIST SP 800-38D) with a random nonce each time,
 * bound to what it belongs to. Several keys may open; the first one seals.
 *
 * A sealed text is bytes: "\1gs1", the first 4 bytes of the key's fingerprint, 12 of the nonce, the
 * ciphertext, 16 of the tag. No JSON begins so. */
#ifndef GAFF_VERIFY_SEAL_H
#define GAFF_VERIFY_SEAL_H

#include "base/arena.h"
#include "base/err.h"

#define SEAL_KEYS_MAX 8
#define SEAL_KEY_TEXT_MIN 32 /* characters of a key, as `openssl rand -base64 32` gives */
#define SEAL_OVERHEAD 36

struct seal; /* immutable: any thread */

/* keys: words between blanks or lines, the one that seals first. NULL with a reason when one is too
 * short or there are too many. */
struct seal *seal_new(str keys, struct reason *why);
void seal_free(struct seal *s); /* wipes; accepts NULL */

bool seal_is_sealed(str text);
/* Sealed with the first key. */
bool seal_is_current(const struct seal *s, str text);
/* owner: what the text belongs to; only with the same it opens again. STR_NONE without memory. */
str seal_close(const struct seal *s, str owner, str text, struct arena *a);
/* ERR_DENIED with a reason when none of the keys is its, or it was changed. */
enum err seal_open(const struct seal *s, str owner, str sealed, struct arena *a, str *out,
                   struct reason *why) MUST_USE;

#endif
