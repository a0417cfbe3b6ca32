/* tracer.h -- spans told to a collector by OTLP over HTTP, in its JSON encoding. Telling costs the
 * teller one short text and a lock; a thread that starts with the first span sends them in
 * batches. The queue is bounded: what finds no room is dropped and counted, and a collector that
 * is away costs the engine nothing. https://opentelemetry.io/docs/specs/otlp/ */
#ifndef GAFF_ENGINE_TRACER_H
#define GAFF_ENGINE_TRACER_H

#include "base/clock.h"
#include "engine/trace.h"
#include "http/client.h"

#define TRACER_FIELDS_MAX 16

struct metrics;

struct tracer_options {
    str url;                                     /* of the collector, whole */
    struct http_field fields[TRACER_FIELDS_MAX]; /* of each request; they may hold secrets */
    size_t field_count;
    str resource; /* JSON: the list of the resource's attributes */
    struct trace_sampler sampler;
    int64_t timeout_ms, delay_ms; /* of a request; between two */
    size_t queue_max, batch_max;  /* spans */
    const char *ca_file;          /* NULL: the system's */
    const char *version;
};

/* The options are copied; own lives as long as the tracer, and may be NULL. */
struct tracer *tracer_new(const struct tracer_options *o, const struct clock *clock,
                          struct metrics *metrics, const struct outbound_own *own);
/* Sends what is queued, for a few seconds at most. Accepts NULL. */
void tracer_free(struct tracer *t);
/* NULL for NULL. */
const struct trace_sampler *tracer_sampler(const struct tracer *t);

enum span_kind { SPAN_SERVER = 2, SPAN_CLIENT = 3, SPAN_PRODUCER = 4, SPAN_CONSUMER = 5 };

#define SPAN_ATTRIBUTES_MAX 12
struct span {
    const struct trace_context *context, *parent; /* a parent of all zero: none */
    const struct trace_context *link;             /* NULL: none */
    str state, name;
    enum span_kind kind;
    int64_t start_ms, duration_us;
    bool failed;
    str failure; /* one sentence */
    size_t count;
    struct {
        const char *key;
        str text; /* STR_NONE: the number */
        int64_t number;
    } attributes[SPAN_ATTRIBUTES_MAX];
};
void span_text(struct span *s, const char *key, str value); /* nothing when it is empty */
void span_number(struct span *s, const char *key, int64_t value);
/* Queued when it is sampled. Any thread. */
void tracer_tell(struct tracer *t, const struct span *s);

#endif
