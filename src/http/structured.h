/* structured.h -- structured field values (RFC 9651): dictionaries and lists of numbers, strings,
 * tokens, bytes and inner lists with parameters; read strictly, written in their one canonical
 * form.
 *
 * Stricter than the RFC in one point: a key or parameter that is there twice is refused instead of
 * the last one counting, because two readers could take two different ones. Display strings are not
 * read. Pure; everything lives in the arena or points into the input. */
#ifndef GAFF_HTTP_STRUCTURED_H
#define GAFF_HTTP_STRUCTURED_H

#include "base/arena.h"
#include "base/buf.h"

#define SF_MEMBERS_MAX 32 /* of a dictionary or list */
#define SF_ITEMS_MAX 64   /* of an inner list */
#define SF_PARAMS_MAX 16  /* of an item or inner list */

enum sf_kind {
    SF_INTEGER,
    SF_DECIMAL,
    SF_DATE,
    SF_STRING,
    SF_TOKEN,
    SF_BYTES,
    SF_BOOLEAN,
    SF_INNER_LIST
};

struct sf_param {
    str key;
    enum sf_kind kind;
    str text;        /* a number's digits, a string unescaped, bytes decoded; "1" or "0" */
    int64_t integer; /* of SF_INTEGER and SF_DATE */
};

/* An item or, of kind SF_INNER_LIST, several of them in parentheses. */
struct sf_item {
    struct sf_param bare; /* without a key */
    struct sf_item *items;
    size_t item_count;
    struct sf_param *params;
    size_t param_count;
};

struct sf_member {
    str key; /* of a dictionary */
    struct sf_item item;
};

/* NULL, or what is wrong in a few words (static). An empty text is a dictionary or list of none.
 * *doubled is set when it is a key that is there twice. */
const char *sf_dictionary(struct arena *a, str text, struct sf_member **out, size_t *count,
                          bool *doubled);
const char *sf_list(struct arena *a, str text, struct sf_member **out, size_t *count);
const char *sf_one_item(struct arena *a, str text, struct sf_item *out);

/* The member of that key; NULL when there is none. */
const struct sf_item *sf_get(const struct sf_member *members, size_t count, str key);
const struct sf_param *sf_param_get(const struct sf_item *item, str key);

/* An item with its parameters; a string in quotes; a whole dictionary or list. */
void sf_write_item(struct buf *out, const struct sf_item *item);
void sf_write_string(struct buf *out, str text);
void sf_write_bytes(struct buf *out, str bytes); /* :BASE64: */
void sf_write_members(struct buf *out, const struct sf_member *members, size_t count);
/* False for what a string cannot hold: anything but printable ASCII. */
bool sf_string_holds(str text);

#endif
