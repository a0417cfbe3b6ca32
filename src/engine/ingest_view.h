/* ingest_view.h -- one loop's view of one configuration: where its sources are reached and by what
 * each is verified. Verifiers hold keyed contexts and are not shared, so each front loop makes its
 * own view of each configuration, and keeps it until its last pending request is answered. */
#ifndef GAFF_ENGINE_INGEST_VIEW_H
#define GAFF_ENGINE_INGEST_VIEW_H

#include "engine/engine.h"
#include "http/router.h"

struct ingest_view {
    int refs; /* the ingest's own, and one a pending request; this loop's thread only */
    uint64_t generation;
    struct config *config;
    struct router *router;
    struct verifier **verifiers;
    struct source_stats **stats;
    struct secret_use **uses; /* VERIFY_SECRETS_MAX a source */
    struct gate **gates;      /* by destination index */
};

/* Of the configuration in force, with one reference. */
struct ingest_view *ingest_view_new(struct engine_core *core);
void ingest_view_put(struct ingest_view *v); /* NULL is fine */

/* Whether events come to the source by this method, beside handshakes. */
bool ingest_takes_method(const struct source_config *s, str method);

#endif
