/* event_type.h -- an event type whose messages are checked against its schema. Built from its
 * object in the store, immutable, counted. Types that are not checked have none. */
#ifndef GAFF_ENGINE_EVENT_TYPE_H
#define GAFF_ENGINE_EVENT_TYPE_H

#include "rule/json_schema.h"
#include "store/store.h"

#define EVENT_TYPE_KIND "event-type"

struct event_type {
    _Atomic int refs;
    struct json_schema *schema; /* NULL: what is stored can't be applied, so nothing fits it */
};

/* The schema that holds: the last of the document's `schemas`; NULL when there is none. */
const struct json *event_type_schema(const struct json *doc);
/* ERR_OK when the document's messages are not checked, or by a schema that can be applied; else
 * ERR_INVALID with the reason. */
enum err event_type_judge(const struct json *doc, struct reason *why) MUST_USE;
/* NULL when its messages are not checked. */
struct event_type *event_type_new(const struct object *o);
struct event_type *event_type_ref(struct event_type *t);
void event_type_unref(struct event_type *t); /* accepts NULL */

#endif
