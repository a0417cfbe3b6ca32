/* value.h -- decoded payloads, headers and queries as hooks see them: trees of maps, lists and
 * scalars, looked up by dotted names, turned into text and JSON as Go's encoding/json does.
 *
 * Everything lives in the request's arena. Maps are sorted by key and hold each key once. */
#ifndef GAFF_COMPAT_VALUE_H
#define GAFF_COMPAT_VALUE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"

#define VALUE_DEPTH_MAX 1000u

enum value_kind { VALUE_NULL, VALUE_BOOL, VALUE_NUMBER, VALUE_STRING, VALUE_LIST, VALUE_MAP };

struct member;

struct value {
    enum value_kind kind;
    bool truth;
    bool is_nil;            /* a map that is not there: empty, and "null" as text */
    str text;               /* of a string; a number as it was written */
    struct value *items;    /* of a list */
    struct member *members; /* of a map */
    size_t count;
};

struct member {
    str key;
    struct value value;
    size_t order; /* as added */
};

static inline struct value value_string(str s)
{
    return (struct value){.kind = VALUE_STRING, .text = s};
}

/* Builds a map by adding members, later finished. */
struct map_builder {
    struct arena *arena;
    struct member *v;
    size_t count, cap;
};
/* False when the arena is full. */
bool map_builder_add(struct map_builder *b, str key, struct value value);
/* Sorts; of several members with one key the last stays, or with first_wins the first. */
struct value map_builder_finish(struct map_builder *b, bool first_wins);

struct value *value_get(const struct value *map, str key); /* NULL: not there */

/* A JSON value into *out. False when nested deeper than VALUE_DEPTH_MAX or the arena is full. */
bool value_from_json(struct arena *a, const struct json *j, struct value *out);

enum lookup { LOOKUP_FOUND, LOOKUP_MISSING, LOOKUP_IN_NULL, LOOKUP_PANIC };
/* "a.b.0": a key that is the whole of name wins, else its part before the first dot is a key (or,
 * in a list, an unsigned index). LOOKUP_MISSING leaves in *rest what was looked for where it was
 * not; LOOKUP_IN_NULL is a null on the way, which is another error than absence; LOOKUP_PANIC is an
 * index that no list of Go can have. */
enum lookup value_lookup(const struct value *v, str name, const struct value **out, str *rest);

/* Scalars as they are, null as "<nil>", lists and maps as JSON. STR_NONE when the arena is full. */
str value_to_text(struct arena *a, const struct value *v);
/* Compact, keys sorted, <, > and & and line separators escaped, broken UTF-8 as U+FFFD. */
void value_json(struct buf *out, const struct value *v);

#endif
