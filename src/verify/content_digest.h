/* content_digest.h -- Content-Digest (RFC 9530): the digest of a body as it is transferred, which
 * lets a signature of header fields cover the body too. Only sha-256 and sha-512 count; the others
 * of the registry prove nothing and are passed over, as the RFC wants. Pure. */
#ifndef GAFF_VERIFY_CONTENT_DIGEST_H
#define GAFF_VERIFY_CONTENT_DIGEST_H

#include "http/message.h"

enum digest_state {
    DIGEST_MATCHES,
    DIGEST_DIFFERS,   /* one of them is not the body's: all that are known must be */
    DIGEST_MISSING,   /* no field, or none of its digests is sha-256 or sha-512 */
    DIGEST_MALFORMED, /* it is no dictionary of bytes, or names a digest twice */
};

/* The lines of the field, joined as one list would be, against the body. */
enum digest_state content_digest_check(struct arena *a, const struct http_fields *fields, str body);
/* "sha-256=:BASE64:", in the arena; STR_NONE when that is full. */
str content_digest_make(struct arena *a, str body);

/* All lines of that name in their order, joined with ", " (RFC 9110 section 5.2); false when there
 * is none. *out is STR_NONE when the arena is full. */
bool field_lines_join(struct arena *a, const struct http_fields *fields, str name, str *out);

#endif
