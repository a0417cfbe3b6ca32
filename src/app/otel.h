/* otel.h -- where traces go, from the environment that OpenTelemetry has for it
 * (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/). */
#ifndef GAFF_APP_OTEL_H
#define GAFF_APP_OTEL_H

#include "engine/tracer.h"

#define OTEL_ARENA_MAX 65536

/* In the arena; NULL when no collector is named, or traces are switched off. What is wrong in a
 * variable is logged, never its value, and the default stands in. */
const struct tracer_options *otel_from_environment(struct arena *a);

#endif
