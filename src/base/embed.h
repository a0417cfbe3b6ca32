/* embed.h -- the data files that travel inside the binary.
 *
 * The table is generated at build time by scripts/embed.c and sorted by name (bytewise). A name
 * is the file's path without its root: "providers/github.yaml" and "targets/slack.yaml" (from
 * presets/), "schema/001_first.sql" (from src/store/). The program, not the library, has a
 * second table: the dashboard's bundle, "web/index.html.gz"; empty in a build without Node.js. */
#ifndef GAFF_BASE_EMBED_H
#define GAFF_BASE_EMBED_H

#include "base/compiler.h"

struct embedded {
    const char *name;
    const char *bytes; /* the file byte for byte, and a NUL after the last one */
    size_t n;          /* without that NUL */
};

extern const struct embedded embedded_files[];
extern const size_t embedded_count;

extern const struct embedded web_files[];
extern const size_t web_count;

#endif
