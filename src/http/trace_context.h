/* trace_context.h -- W3C Trace Context: the fields traceparent and tracestate, read strictly. Pure.
 * https://www.w3.org/TR/trace-context/ */
#ifndef GAFF_HTTP_TRACE_CONTEXT_H
#define GAFF_HTTP_TRACE_CONTEXT_H

#include "base/buf.h"

#define TRACEPARENT_MAX 56    /* "00-" 32 "-" 16 "-" 2, NUL */
#define TRACESTATE_MAX 512    /* longer ones are dropped, as section 3.3.1.5 lets us */
#define TRACESTATE_MEMBERS 32 /* section 3.3.1.1 */

struct trace_context {
    uint8_t trace_id[16], span_id[8];
    bool sampled;
};

/* False for what section 3.2 calls invalid: then the trace is as if there were none. A version we
 * do not know is read by what version 00 has in common with it. */
bool traceparent_parse(str text, struct trace_context *out);
/* As version 00; returns the slice over out. */
str traceparent_format(const struct trace_context *c, char out[TRACEPARENT_MAX]);

/* Appends the members of one tracestate field to `out`, a buf of TRACESTATE_MAX. False when a
 * member is malformed or there are too many: then the whole is to be dropped. *count: so far. */
bool tracestate_add(struct buf *out, size_t *count, str field);

#endif
