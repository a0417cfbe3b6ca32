/* embed.h -- the data files that travel inside the binary.
 *
 * The tables are generated at build time by scripts/embed.c and sorted by name (bytewise). A name
 * is the file's path without its root: "providers/github.yaml" and "targets/slack.yaml" (from
 * presets/), "schema/001_first.sql" (from src/store/). Those are texts and packed to a quarter. The
 * program, not the library, has a second table of files as they are: the dashboard's bundle,
 * "web/index.html.gz"; empty in a build without Node.js. */
#ifndef GAFF_BASE_EMBED_H
#define GAFF_BASE_EMBED_H

#include "base/arena.h"

struct packed {
    const char *name;
    uint32_t at; /* its first code in packed_codes */
    uint32_t n;  /* bytes of the text */
};

extern const struct packed packed_files[];
extern const size_t packed_count;
/* Codes of 12 bits, two in three bytes, the low bits first. One below 256 is that byte, each other
 * stands for the two codes of packed_pairs[code - 256]. */
extern const unsigned char packed_codes[];
extern const unsigned short packed_pairs[][2];

/* The text byte for byte, with a NUL after the last one; STR_NONE when the arena is full. */
str packed_text(struct arena *a, const struct packed *file);

struct embedded {
    const char *name;
    const char *bytes; /* the file byte for byte, and a NUL after the last one */
    size_t n;          /* without that NUL */
};

extern const struct embedded web_files[];
extern const size_t web_count;

#endif
