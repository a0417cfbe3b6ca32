/* json_schema_tree.h -- a schema read whole: its document, the patterns in it, which draft it is
 * of. For the files json_schema*.c. */
#ifndef GAFF_RULE_JSON_SCHEMA_TREE_H
#define GAFF_RULE_JSON_SCHEMA_TREE_H

#include "base/map.h"
#include "rule/json_schema.h"
#include "rule/regex.h"

struct json_schema {
    struct arena arena;
    struct json_doc *doc;
    struct map patterns; /* text -> struct regex */
    bool draft7;
};

/* What a "$ref" of this document leads to; NULL when it leads out of it or nowhere. */
const struct json *json_schema_target(const struct json_schema *s, str ref);

#endif
