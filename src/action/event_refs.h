/* event_refs.h -- what {{ }} may name of an event: one table for commands, requests, messages and
 * queues.
 *
 *   .repository.name   a value of the JSON body ("." alone: the whole body as JSON)
 *   header:NAME  query:NAME
 *   event_type  event_id  delivery_id  attempt  source  destination  received  body
 *   traceparent  tracestate   (empty outside a trace)
 */
#ifndef GAFF_ACTION_EVENT_REFS_H
#define GAFF_ACTION_EVENT_REFS_H

#include "base/json.h"
#include "base/template.h"
#include "action/action.h"

/* One attempt's event, its body parsed when first asked for. */
struct event_refs {
    const struct task *task;
    struct json_doc *doc;
    bool tried;
};

#define EVENT_REFS_TEXT                                                                            \
    ".json.path, header:NAME, query:NAME, event_type, event_id, delivery_id, attempt, source, "    \
    "destination, received, traceparent, tracestate"

bool event_ref_is_known(str name);
/* True when the reference is one of them and has a name where it needs one. */
enum err event_ref_check(const struct template_part *ref, struct reason *why) MUST_USE;
/* STR_NONE when absent. In the arena, the event or the parsed body. */
str event_ref_resolve(const struct template_part *ref, struct event_refs *r, struct arena *a);
/* The body as JSON; NULL when it is none. */
const struct json *event_refs_json(struct event_refs *r);
void event_refs_release(struct event_refs *r);

#endif
