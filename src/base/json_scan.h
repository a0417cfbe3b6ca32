/* json_scan.h -- where the parts of a JSON text stand in it, for signatures over a part exactly as
 * it was written: a parsed and printed value would be other bytes.
 *
 * The text should have been accepted by json_parse before; whatever it is, no byte outside it is
 * read and depth is capped at JSON_DEPTH_MAX. Keys are compared as they are written, escapes
 * undone. */
#ifndef GAFF_BASE_JSON_SCAN_H
#define GAFF_BASE_JSON_SCAN_H

#include "base/arena.h"
#include "base/buf.h"

/* The bytes of the first value in text, without the blanks around it; STR_NONE when none is
 * whole. */
str json_scan_value(str text);

/* Members of an object or elements of an array, in their order:
 * struct json_scan it = json_scan_of(text); while (json_scan_next(&it, &key, &value)) ... */
struct json_scan {
    str rest;
    bool is_object, failed;
    size_t count;
};
struct json_scan json_scan_of(str container);
/* key: the bytes between the quotes as written, STR_NONE in an array; value: its bytes. */
bool json_scan_next(struct json_scan *it, str *key, str *value);

/* The bytes of the value at a dotted path as json.h has them; STR_NONE when there is none, or an
 * object on the way has the member twice: which one counts would be a guess. */
str json_scan_path(struct arena *a, str text, str path);

/* The text of a string value's bytes, escapes undone; other values as they are written. STR_NONE
 * when it is malformed. */
str json_scan_text(struct arena *a, str value);

/* Appends the text without the blanks between its tokens. */
void json_scan_compact(struct buf *out, str text);
/* The same with the members of every object in the byte order of their names. False when it is
 * malformed, too deep, or an object has over JSON_SORT_MAX members. */
#define JSON_SORT_MAX 4096
bool json_scan_sorted(struct buf *out, struct arena *a, str text);

#endif
