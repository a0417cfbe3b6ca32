/* message_base.h -- the signature base of RFC 9421: which parts of a request an HTTP message
 * signature covers, and the text that they make. Used alike to verify and to sign. Pure.
 * Internal to verify/. */
#ifndef GAFF_VERIFY_MESSAGE_BASE_H
#define GAFF_VERIFY_MESSAGE_BASE_H

#include "http/structured.h"
#include "verify/reference.h"

#define MESSAGE_BASE_MAX (64u << 10) /* bytes of a signature base */

/* Appends the base for the inner list of a Signature-Input member, parameters and all. ERR_INVALID
 * with the reason: a component that the request does not have, that is no component of a request,
 * that is listed twice, or that this implementation cannot write (trailers). */
enum err message_base_write(struct buf *out, struct view *w, const struct sf_item *input,
                            struct reason *why);

/* The canonical text of a component as a person writes it: `@method`, `content-type`,
 * `@query-param;name="id"` to `"@method"` and so on, in the arena; STR_NONE when it is none. */
str message_component(struct arena *a, str text);
/* True when the list covers this component (canonical), perhaps in another of its spellings. */
bool message_covers(const struct sf_item *input, str component);
/* What covers the whole URL (unless the query is not there and need not be covered). */
bool message_covers_url(struct view *w, const struct sf_item *input);

#endif
