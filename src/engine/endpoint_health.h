/* endpoint_health.h -- what attempts tell of an endpoint for good: it wants no more (410), it has
 * failed for days, it is well again. Noted in its document, so that a restart changes nothing;
 * whoever listens to the organisation's operational events hears of a disabling. */
#ifndef GAFF_ENGINE_ENDPOINT_HEALTH_H
#define GAFF_ENGINE_ENDPOINT_HEALTH_H

#include "engine/engine.h"

enum endpoint_news { ENDPOINT_GONE, ENDPOINT_EXHAUSTED, ENDPOINT_WELL };

/* Blocks for a commit; not for a loop. An endpoint that is gone or disabled already is left. */
void endpoint_note(struct engine_core *core, struct store_reader *r, str id,
                   enum endpoint_news news);

#endif
