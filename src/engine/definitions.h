/* definitions.h -- sources, destinations and routes that were made at run time, by the API or in
 * the dashboard: kept in the store as objects, laid over the configuration file. What a file
 * defines is changed in the file alone; a name can be defined in one place only.
 *
 * A definition is what would stand under its name in gaff.yaml, as JSON. It is written by somebody
 * who came in over the network, so it may not run commands and may not name the daemon's
 * environment or files (`${...}`): those stay with who writes the file. */
#ifndef GAFF_ENGINE_DEFINITIONS_H
#define GAFF_ENGINE_DEFINITIONS_H

#include "base/problem.h"
#include "engine/config.h"
#include "store/store.h"

#define DEFINITIONS_MAX 1000             /* of each kind */
#define DEFINITIONS_BYTES_MAX (8u << 20) /* all of them together */
#define DEFINITIONS_ORIGIN "dashboard"   /* the file name in messages and origins */

enum definition_kind {
    DEFINITION_SOURCE,
    DEFINITION_DESTINATION,
    DEFINITION_ROUTE,
    DEFINITION_KINDS
};
extern const char *const definition_kinds[DEFINITION_KINDS];   /* "sources", ... as in gaff.yaml */
extern const char *const definition_objects[DEFINITION_KINDS]; /* kinds of stored objects */

bool definition_kind_parse(str word, enum definition_kind *out);

/* One change to try out before it is stored. */
struct definition_change {
    enum definition_kind kind;
    str name;
    str doc; /* STR_NONE: it goes away */
};

/* Appends all that is stored, with the change if not NULL, as text for config_load_over. Nothing is
 * appended when there is none. */
enum err definitions_text(struct store_reader *r, const struct definition_change *change,
                          struct buf *out, struct reason *why) MUST_USE;
/* Appends what is at that line and column of such a text: "destinations.out.http.url"; nothing when
 * nothing is. */
void definitions_place(str text, unsigned line, unsigned column, struct buf *out);
/* NULL when a definition may be laid over a file, else a sentence that says what it may not. */
const char *definition_refusal(enum definition_kind kind, const struct json *doc);

#endif
