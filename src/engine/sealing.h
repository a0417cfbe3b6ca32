/* sealing.h -- which key the store's secrets are sealed with, found or made at the start.
 *
 *   secret_key in the configuration (GAFF_SECRET_KEY, "${cred:...}")   any store
 *   secret.key beside an SQLite store, made at first (mode 0600)       without the former
 *   nothing                                                            memory:, PostgreSQL
 *
 * A store that was sealed opens with its key alone: an object of its own is tried first. What is
 * sealed with a former key, or not yet, is sealed anew with the first. */
#ifndef GAFF_ENGINE_SEALING_H
#define GAFF_ENGINE_SEALING_H

#include "engine/engine.h"

#define SEALING_FILE "secret.key"

/* Before anything else is read from the store. ERR_INVALID, ERR_DENIED with what to do. */
enum err sealing_start(struct engine_core *core, const struct config *c,
                       struct reason *why) MUST_USE;
/* Whether an engine with that configuration could open what this one's store holds. */
enum err sealing_check(struct engine_core *core, const struct config *c, struct reason *why);

#endif
