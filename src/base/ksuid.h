/* ksuid.h -- the ids of the sending side on the wire: a prefix and a KSUID with milliseconds, 27
 * base-62 digits over 20 bytes: seconds since 1400000000 (4, big-endian), milliseconds / 4 (1),
 * and 15 bytes that hold the id of id.h (8) and a digest of it (7). So each of our ids has one such
 * text and each such text at most one of our ids, text order is time order, and nothing needs to
 * be looked up. Only what was written here is read back: any other text names nothing. */
#ifndef GAFF_BASE_KSUID_H
#define GAFF_BASE_KSUID_H

#include "base/id.h"

#define KSUID_DIGITS 27
#define KSUID_TEXT_MAX 48

/* prefix like "msg_"; writes "msg_..." and a NUL, returns the slice over out. */
str ksuid_format(const char *prefix, uint64_t id, char out[KSUID_TEXT_MAX]);
/* False for another prefix, a malformed text, and a KSUID that is none of ours. */
bool ksuid_parse(const char *prefix, str text, uint64_t *id);
/* True when text has the prefix and the form, whoever made it. */
bool ksuid_is_form(const char *prefix, str text);

#endif
