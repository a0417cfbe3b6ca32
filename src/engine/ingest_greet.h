/* ingest_greet.h -- requests that are no events: a provider's handshake, and a hub's question about
 * a topic. On the front loop of the exchange. */
#ifndef GAFF_ENGINE_INGEST_GREET_H
#define GAFF_ENGINE_INGEST_GREET_H

#include "engine/engine.h"

/* Answers the handshake; a secret that came with it is on disk first. */
void ingest_greet(struct engine_core *core, struct http_exchange *x, const struct source_config *s,
                  const struct greeting *g);

/* A hub that asks or tells something about a topic. It may only be told yes to what it was asked
 * for; any other question is answered as the source's provider has it. True: it is answered. */
bool ingest_answer_hub(struct engine_core *core, struct http_exchange *x,
                       const struct source_config *s);

#endif
