/* json.h -- a thin cover over yyjson: parse with caps, look up by path, write.
 *
 * A parsed document lives until json_doc_free. Values point into it. Depth is capped at
 * JSON_DEPTH_MAX. Paths are dotted: "repository.owner.name", "commits.0.id"; a backslash takes
 * the next byte literally ("a\.b"). Array wildcards belong to rule/. */
#ifndef GAFF_BASE_JSON_H
#define GAFF_BASE_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define JSON_DEPTH_MAX 64

struct json_doc; /* opaque: one parsed text */
struct json;     /* opaque: one value inside */

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* NULL with *why filled ("byte 41: unexpected character ...") when text is no JSON (RFC 8259). */
struct json_doc *json_parse(str text, struct reason *why);
/* The first value of text, leniently, for payloads that others made and other programs took: what
 * follows the value is ignored, numbers keep the text they were written with, invalid UTF-8 and
 * lone surrogates become U+FFFD. Depth is not capped: whoever walks the document caps it. */
struct json_doc *json_parse_first(str text, struct reason *why);
void json_doc_free(struct json_doc *d); /* accepts NULL */
const struct json *json_root(const struct json_doc *d);

/* All accept NULL and then answer "absent": NULL, STR_NONE, 0, false. */
enum json_kind json_kind_of(const struct json *v); /* JSON_NULL for NULL too: test v itself */
const struct json *json_path(const struct json *v, str path);
const struct json *json_get(const struct json *object, str key);
const struct json *json_at(const struct json *array, size_t index);
size_t json_len(const struct json *v); /* of arrays and objects */
/* The string's bytes; STR_NONE unless it is a string. */
str json_str(const struct json *v);
bool json_bool(const struct json *v);
bool json_i64(const struct json *v, int64_t *out); /* false unless an integer that fits */
bool json_f64(const struct json *v, double *out);
/* Any scalar as text (strings as they are, numbers as written in shortest form, true, false, "");
 * arrays and objects as compact JSON. Lives in the arena or the document. */
str json_text(struct arena *a, const struct json *v);

struct json_iter {
    const struct json *value;
    str key; /* STR_NONE in arrays */
    void *state[4];
};
/* struct json_iter it = {0}; while (json_next(container, &it)) ... */
bool json_next(const struct json *container, struct json_iter *it);

/* --- writing: straight into a buf; the caller keeps the structure right ------------------------
 * json_key/json_open handle commas: json_open(w,'{'); json_key(w,"id"); json_string(w,s); ... */
struct json_writer {
    struct buf *out;
    unsigned depth;
    uint64_t has_item; /* bit per depth: a comma is due */
    bool after_key;
};
void json_writer_init(struct json_writer *w, struct buf *out);
void json_open(struct json_writer *w, char bracket);  /* '{' or '[' */
void json_close(struct json_writer *w, char bracket); /* '}' or ']' */
void json_key(struct json_writer *w, const char *key);
void json_key_str(struct json_writer *w, str key);
/* Invalid UTF-8 is replaced by U+FFFD; "</" is written as "<\/"; STR_NONE becomes null. */
void json_string(struct json_writer *w, str s);
void json_integer(struct json_writer *w, int64_t v);
void json_unsigned(struct json_writer *w, uint64_t v);
void json_number(struct json_writer *w, double v);
void json_boolean(struct json_writer *w, bool v);
void json_null(struct json_writer *w);
/* Bytes that are JSON already. */
void json_raw(struct json_writer *w, str json);
/* A value of a parsed document, compact. */
void json_value(struct json_writer *w, const struct json *v);
/* Shorthands "key": value. */
void json_pair(struct json_writer *w, const char *key, str value);
void json_pair_int(struct json_writer *w, const char *key, int64_t value);
void json_pair_bool(struct json_writer *w, const char *key, bool value);

#endif
