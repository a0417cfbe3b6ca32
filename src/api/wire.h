/* wire.h -- the shapes of the sending API's requests and answers as data: one table of fields an
 * object. Requests are validated by it (422 with the exact place of each fault), and OpenAPI is
 * made from it, so that the two cannot drift. */
#ifndef GAFF_API_WIRE_H
#define GAFF_API_WIRE_H

#include "base/buf.h"
#include "base/json.h"

enum wire_type {
    WIRE_STRING,
    WIRE_INTEGER,
    WIRE_BOOLEAN,
    WIRE_TIME,     /* RFC 3339 */
    WIRE_STRINGS,  /* a list of strings */
    WIRE_NUMBERS,  /* a list of numbers */
    WIRE_MAP,      /* of strings to strings */
    WIRE_MAP_NULL, /* of strings to strings or null */
    WIRE_OBJECT,   /* of a schema, or any when there is none */
    WIRE_OBJECTS,  /* a list of them */
    WIRE_ANY
};

enum wire_flags { WIRE_REQUIRED = 1, WIRE_NULLABLE = 2, WIRE_OLD = 4 /* deprecated */ };

/* What a string (or each string of a list) must be besides its length. */
enum wire_check {
    CHECK_NONE,
    CHECK_TEXT,     /* no control characters 0x00-0x08 */
    CHECK_WORD,     /* [a-zA-Z0-9\-_.]+ : uids, event types, channels */
    CHECK_URL,      /* http or https */
    CHECK_SECRET,   /* whsec_... or whsk_... */
    CHECK_METADATA, /* of a map: 4096 bytes in all */
    CHECK_HEADERS,  /* of a map: names and values that may be sent */
    CHECK_ENUM      /* one of `words` */
};

struct wire_field {
    const char *name;
    enum wire_type type;
    unsigned flags;
    int64_t min, max; /* of a string its bytes, of a list its items, else the value; both 0: any */
    enum wire_check check;
    const char *prefix; /* CHECK_WORD: may not begin so */
    const struct wire_schema *of;
    const char *const *words; /* of CHECK_ENUM, NULL-terminated */
    const char *text;         /* for the document */
};

struct wire_schema {
    const char *name, *text;
    const struct wire_field *fields; /* ends with a NULL name */
};

/* The faults of one request: the items of `detail`. */
struct wire_faults {
    struct buf items; /* JSON, comma-separated */
    size_t count;
};
void wire_faults_init(struct wire_faults *f);
void wire_faults_release(struct wire_faults *f);
/* loc: "body\0url\0" as a slice of NUL-separated parts. */
void wire_fault(struct wire_faults *f, str loc, const char *type, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* Checks a body against a schema; members it does not know are passed over. https_only: of
 * CHECK_URL. True when nothing was found. */
bool wire_validate(const struct wire_schema *s, const struct json *body, bool https_only,
                   struct wire_faults *f);
bool wire_is_word(str s);

/* Some header fields are ours or the connection's: NULL when the field may be set, else why not. */
const char *wire_header_refused(str name, str value);
/* The value is not shown again. */
bool wire_header_is_sensitive(str name);

/* The bytes of a member of an object's text, as they stand there; STR_NONE when it has none. The
 * text was parsed before: it is JSON. */
str wire_member_text(str object, str name);

#endif
