/* masking.h -- secrets of definitions are written and never read back. Where one stands a reader
 * sees a mask: "****" and eight digits of a keyed digest, which tell two secrets apart and nothing
 * else of them. Who sends a definition back with a mask in the place of a secret keeps the one it
 * stands for, wherever in the definition that was; a mask in any other place is refused, since
 * there it would be read back. */
#ifndef GAFF_ENGINE_MASKING_H
#define GAFF_ENGINE_MASKING_H

#include "base/json.h"
#include "action/target.h"

#define MASK_TEXT_MAX 13 /* with its NUL */

struct masking {
    str key; /* of the digest */
    /* Whose fields may be secrets by another name; NULL: none's. */
    const struct target *target;
    bool all; /* nothing is known of the definition: each of its texts counts as a secret */
};

bool mask_is(str text);
/* True when what stands under that key is a secret, by its name or as a field of the target. */
bool mask_is_secret_key(str key, const struct target *t);
/* True of an address with a name or a password before its host. */
bool mask_is_credential(str text);

/* Writes the document with its secrets masked. */
void mask_write(struct json_writer *w, const struct masking *m, const struct json *doc);
/* Writes the document with its masks replaced by the secrets of `old` (NULL: there are none).
 * ERR_INVALID for a mask that stands for none of them or is out of place; the reason begins with
 * where it is: "http.sign.secret: ...". */
enum err mask_undo(struct json_writer *w, const struct masking *m, const struct json *doc,
                   const struct json *old, struct reason *why) MUST_USE;

#endif
