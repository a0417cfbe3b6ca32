/* yaml11.h -- YAML as the Go programs of its time read it (version 1.1, types guessed), for files
 * written for them: anchors, aliases, merge keys, flow shorthand, yes/no/on/off, octal numbers.
 * Gaff's own configuration is read by yaml.h, which guesses nothing.
 *
 * Only the first document counts. Keys may repeat: whoever looks takes the last. An alias is a
 * copy of what it stands for; copies count, so that a file which multiplies itself ends at
 * YAML11_NODES_MAX. */
#ifndef GAFF_BASE_YAML11_H
#define GAFF_BASE_YAML11_H

#include "base/arena.h"
#include "base/err.h"

#define YAML11_BYTES_MAX (4u << 20)
#define YAML11_NODES_MAX 200000u
#define YAML11_DEPTH_MAX 128u

enum yaml11_kind {
    YAML11_NULL,
    YAML11_BOOL,
    YAML11_INT,
    YAML11_FLOAT,
    YAML11_STRING,
    YAML11_LIST,
    YAML11_MAP,
};

struct yaml11 {
    enum yaml11_kind kind;
    str text; /* of a string; of any other scalar what a string field gets: "true", "16", "1.5" */
    bool truth;
    int64_t integer; /* also of a float without a fraction that fits; else has_integer is false */
    bool has_integer;
    str key; /* of a member of a map */
    unsigned line, column;
    struct yaml11 *first, *next;
    size_t count;
};

/* NULL with *why = "file:line:col: ...". */
struct yaml11 *yaml11_parse(struct arena *a, str file, str text, struct reason *why);
/* The name of a kind for messages: "a string". */
const char *yaml11_kind_text(enum yaml11_kind kind);

#endif
