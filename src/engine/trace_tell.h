/* trace_tell.h -- the spans of a request, an event and an attempt, told when each is over. All do
 * nothing without a collector. */
#ifndef GAFF_ENGINE_TRACE_TELL_H
#define GAFF_ENGINE_TRACE_TELL_H

#include "engine/tracer.h"

/* A request to a source that was answered with `status`. `stored`: its event is in the store now,
 * and published; a refused one never is. */
void trace_tell_request(struct tracer *t, const struct event *e, str route, int status, bool stored,
                        int64_t duration_us);
/* An event that came by another way: from the program itself, the API, a schedule. */
void trace_tell_published(struct tracer *t, const struct event *e, int64_t duration_us);
/* x may be NULL: it was in no trace. */
void trace_tell_attempt(struct tracer *t, const struct attempt_trace *x, const struct event *e,
                        const struct delivery *d, const struct attempt *what);

#endif
