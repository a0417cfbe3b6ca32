/* ingest.h -- from a request at a source to a stored event and its answer: greet, verify, plan,
 * commit, acknowledge. One struct ingest belongs to one front loop. */
#ifndef GAFF_ENGINE_INGEST_H
#define GAFF_ENGINE_INGEST_H

#include "engine/engine.h"

struct ingest;

struct ingest *ingest_new(struct engine_core *core, struct loop *loop);
void ingest_free(struct ingest *in); /* nothing may be pending */

/* The configuration that this loop goes by now; until the next call of this file. */
const struct config *ingest_config(struct ingest *in);

/* The source whose path and method this request names, under the configuration in force. */
struct ingest_place {
    int status;    /* 200: source found; 404, 405, 204 (OPTIONS) */
    str allow;     /* with 405 and 204 */
    size_t source; /* index into the configuration's sources */
};
struct ingest_place ingest_find(struct ingest *in, str method, str path, struct arena *a);
/* The largest body the source at this path takes; 0 when there is none. */
int64_t ingest_body_limit(struct ingest *in, const struct http_request *head);

/* Answers x, now or after the commit that holds the event. */
void ingest_request(struct ingest *in, struct http_exchange *x, size_t source);

#endif
