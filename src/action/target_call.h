/* target_call.h -- a target's request for one event, and what the answer means. Pure. */
#ifndef GAFF_ACTION_TARGET_CALL_H
#define GAFF_ACTION_TARGET_CALL_H

#include "action/http_outcome.h"
#include "action/target.h"

struct target_entries { /* the value of a field with `map: true` */
    size_t count;
    const str *keys, *values;
};

struct target_values { /* what was configured, expanded for one event */
    const struct target *target;
    const str *fields;                 /* by index, as written; STR_NONE: not given */
    const struct target_entries *maps; /* by index */
    const struct message *message;
    struct event_refs *refs;
    int64_t now_ms;
};

struct target_request {
    str method, url, body;
    struct http_field *fields;
    size_t field_count;
};

/* All in the arena. ERR_NOT_FOUND for a reference without a value, ERR_DENIED for a value or a
 * host that is refused, ERR_LIMIT. The reason names fields, never their values. */
enum err target_render(const struct target_values *v, struct arena *a, struct target_request *out,
                       struct reason *why) MUST_USE;

/* As http_outcome_judge, by the target's own conditions. Of a target that can't be repeated, only
 * what certainly did nothing is tried again: no byte was sent, or `retryable` says so. */
void target_judge(const struct target *t, const struct http_answer *answer, int64_t now_ms,
                  struct arena *a, struct outcome *o);

/* The URL for people: of one that is a secret as a whole its host alone. In the arena. */
str target_shown_url(const struct target *t, str url, struct arena *a);
/* Replaces the values of the secret fields, plain and percent-encoded, by [hidden]. */
void target_redact(const struct target *t, const str *fields, struct buf *text);

#endif
