/* trace.h -- where an event and its attempts stand in a distributed trace (W3C Trace Context).
 * Pure: nothing is stored beside the event. What the request said lies in the event's head; every
 * id of ours is made of that and of the ids of event, delivery and attempt, so each node, and a
 * daemon that was restarted, finds the same.
 *
 *   [sender] -> SERVER the request -> PRODUCER publish -> CONSUMER process (an attempt) -> CLIENT
 *
 * Without a collector (struct tracer is NULL) the sender's context is passed on as it came: spans
 * that nobody can look up would only break its chain. */
#ifndef GAFF_ENGINE_TRACE_H
#define GAFF_ENGINE_TRACE_H

#include "base/arena.h"
#include "http/trace_context.h"
#include "store/model.h"

struct tracer;

/* What of all traces is told. `follow`: a trace that comes from elsewhere is sampled when its
 * sender said so; the rest is for those that begin here. */
enum trace_choice { TRACE_ALL, TRACE_NONE, TRACE_SHARE };
struct trace_sampler {
    bool follow;
    enum trace_choice choice;
    double share; /* of TRACE_SHARE, 0 to 1 */
};

struct event_trace {
    struct trace_context sender; /* span_id all zero: the trace begins here */
    struct trace_context server, publish;
    bool has_sender;
    str state; /* what to pass on as tracestate; in the arena, "" when none */
};
/* False when there is nothing to pass on: no sender's context, and no sampler (NULL). */
bool trace_of_event(const struct trace_sampler *s, const struct event *e, struct arena *a,
                    struct event_trace *out);

struct attempt_trace {
    struct event_trace event;
    struct trace_context process, client;
    struct trace_context before; /* the attempt before this one; for a link */
    bool has_before;
};
void trace_of_attempt(const struct event_trace *e, uint64_t delivery_id, uint32_t number,
                      struct attempt_trace *out);

#endif
