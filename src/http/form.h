/* form.h -- one field out of a submitted form: application/x-www-form-urlencoded (WHATWG URL
 * section 5) and multipart/form-data (RFC 7578). Bounded, no recursion; nothing in a body is ever
 * taken for the name of a file. */
#ifndef GAFF_HTTP_FORM_H
#define GAFF_HTTP_FORM_H

#include "base/arena.h"

#define FORM_FIELDS_MAX 1000    /* names looked at in a query or an urlencoded body */
#define FORM_PARTS_MAX 200      /* parts looked at in a multipart body */
#define FORM_PART_HEAD_MAX 4096 /* bytes of fields before a part's content */
#define FORM_BOUNDARY_MAX 70    /* RFC 2046 section 5.1.1 */

/* The decoded value of the first field of that name; STR_NONE when there is none or its encoding
 * is broken. The slice lies in text or in the arena. */
str form_urlencoded_get(struct arena *a, str text, str name);

/* The content of the first part of that name; STR_NONE when there is none or the body is
 * malformed before it. The slice lies in body. */
str form_multipart_get(str body, str boundary, str name);

/* The media type without parameters, trimmed: "multipart/form-data; boundary=x" gives
 * "multipart/form-data". */
str media_type(str content_type);
/* The value of a parameter of a field like Content-Type or Content-Disposition, quotes undone
 * (escapes inside them are not: such a value gives STR_NONE); STR_NONE when absent. */
str media_param(str field, str name);

#endif
