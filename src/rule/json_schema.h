/* json_schema.h -- is a JSON value what a schema says? JSON Schema of draft 2020-12 (the default)
 * and draft-07, without what can't be bounded or looked up here.
 *
 * Asserted: type enum const; multipleOf maximum exclusiveMaximum minimum exclusiveMinimum;
 * maxLength minLength pattern; items contains maxItems minItems uniqueItems; properties
 * patternProperties additionalProperties required maxProperties minProperties propertyNames; allOf
 * anyOf oneOf not, if then else; $ref within the document; true and false. Of 2020-12 also
 * prefixItems minContains maxContains dependentRequired dependentSchemas, of draft-07 also lists in
 * items, additionalItems, dependencies.
 *
 * Passed over, as the drafts say: titles, defaults, examples, format, content*, deprecated and the
 * like, x-..., and what OpenAPI adds (discriminator, xml, externalDocs, example, components).
 *
 * Everything else is refused when the schema is read (unevaluatedProperties, anchors, dynamic and
 * remote references, an inner $id, a misspelt keyword): a schema that is accepted is wholly
 * applied. `pattern` is PCRE2 with the bounds of regex.h. */
#ifndef GAFF_RULE_JSON_SCHEMA_H
#define GAFF_RULE_JSON_SCHEMA_H

#include "base/json.h"

#define JSON_SCHEMA_NODES_MAX 20000u
#define JSON_SCHEMA_DEPTH_MAX 64u
#define JSON_SCHEMA_STEPS_MAX 1000000u /* of one check */
#define JSON_SCHEMA_FAULTS_MAX 20

struct json_schema; /* immutable: any thread may check by it */

/* NULL with a sentence that names the place ("#/properties/id: ...") when it can't be applied. */
struct json_schema *json_schema_new(str text, struct reason *why);
void json_schema_free(struct json_schema *s); /* accepts NULL */

/* place: the parts of the value's path, each ended by a NUL: "a\0[0]\0"; empty for the whole. */
typedef void json_schema_fault(str place, const char *text, void *arg);
/* ERR_OK; ERR_INVALID when it is not, after fn (may be NULL) was told why, at most
 * JSON_SCHEMA_FAULTS_MAX times; ERR_LIMIT with a reason when it takes more steps or depth than
 * allowed: neither yes nor no. */
enum err json_schema_check(const struct json_schema *s, const struct json *value,
                           json_schema_fault *fn, void *arg, struct reason *why) MUST_USE;

#endif
