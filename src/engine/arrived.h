/* arrived.h -- a request that was judged, as the event that is stored of it. */
#ifndef GAFF_ENGINE_ARRIVED_H
#define GAFF_ENGINE_ARRIVED_H

#include "engine/config.h"
#include "engine/engine.h"
#include "http/cloudevent.h"
#include "verify/verify.h"

/* Fills e from the request and its verdict; what is new lies in the request's arena. Values of
 * fields that are credentials themselves are not kept. */
void arrived_event(struct engine_core *core, struct event *e, struct http_request *req,
                   const struct source_config *s, const struct verifier *verifier,
                   const struct verdict *v);

/* What a CloudEvent calls itself counts where the provider's file finds nothing: its type, and
 * source and id, which together are unique, as the delivery id. */
void arrived_name(struct verdict *v, struct arena *a, const struct cloudevent *ce);

#endif
