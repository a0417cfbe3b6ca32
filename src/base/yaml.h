/* yaml.h -- a thin cover over libyaml's events: a tree of scalars, lists and maps with places.
 *
 * No type is ever guessed: a scalar is bytes until the reader of the tree says what it expects.
 * Refused with a place: anchors, aliases, tags, merge keys, duplicate keys, several documents,
 * invalid UTF-8, more than YAML_NODES_MAX nodes, YAML_DEPTH_MAX levels or YAML_BYTES_MAX bytes.
 * JSON files go through the same reader. */
#ifndef GAFF_BASE_YAML_H
#define GAFF_BASE_YAML_H

#include "base/arena.h"
#include "base/err.h"

#define YAML_BYTES_MAX (4u << 20)
#define YAML_NODES_MAX 200000u
#define YAML_DEPTH_MAX 32u

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml {
    enum yaml_kind kind;
    str scalar;  /* of YAML_SCALAR */
    bool quoted; /* the scalar was quoted or a block: "" is a value, a plain empty one is missing */
    str key;     /* when this is a member of a map */
    str file;    /* as given to yaml_parse */
    unsigned line, column;         /* of the value; 1-based */
    unsigned key_line, key_column; /* of the key, for members of a map */
    struct yaml *first, *next;     /* children in order, siblings */
    size_t count;                  /* children */
};

/* Parses text (named `file` in messages) into the arena. NULL with *why = "file:line:col: ..." */
struct yaml *yaml_parse(struct arena *a, str file, str text, struct reason *why);
/* The member of a map, or NULL; accepts NULL and other kinds. */
const struct yaml *yaml_get(const struct yaml *map, str key);

#endif
