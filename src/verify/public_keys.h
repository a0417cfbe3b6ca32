/* public_keys.h -- the public key or keys that may have made a signature: the one configured, or
 * those at a URL, parsed once for each version of what is there. Internal to verify/. */
#ifndef GAFF_VERIFY_PUBLIC_KEYS_H
#define GAFF_VERIFY_PUBLIC_KEYS_H

#include "verify/public_key.h"
#include "verify/scheme.h"

#define PUBLIC_KEYS_MAX 8

struct public_keys; /* the state of a struct key */

/* From k->bytes (PEM, JWK, DER, raw Ed25519); NULL with *why. */
struct public_keys *public_keys_new(const struct scheme *s, const struct key *k, bool for_signing,
                                    struct reason *why);
/* For keys that are at s->key.url. */
struct public_keys *public_keys_at_url(void);
void public_keys_free(struct public_keys *keys);

/* The keys that count for a request that names kid (STR_NONE: it names none). 0 when there is
 * none: then the view says why (missing, key_pending or a problem). */
size_t public_keys_of(struct public_keys *keys, const struct scheme *s, struct view *w, str kid,
                      const struct public_key *out[PUBLIC_KEYS_MAX]);

#endif
