/* webhook_durable.h -- `gaff webhook -durable`: a triggered request becomes a stored event before
 * it is answered, and its command a delivery that is tried again when it fails. The engine, its
 * store and its API are the daemon's own; each hook is a source and a destination in it, so that
 * `gaff events`, `gaff explain`, `gaff replay` and `gaff tail` show them. */
#ifndef GAFF_APP_WEBHOOK_DURABLE_H
#define GAFF_APP_WEBHOOK_DURABLE_H

#include "compat/hook_server.h"

#define WEBHOOK_DURABLE_BODY_MAX (INT64_C(25) << 20) /* the most that is stored of a request */

struct webhook_durable;

/* Opens the store in the directory `data`, starts the engine and the API, and makes hooks store
 * what is triggered. On the loop of hooks, which must be its thread. */
struct webhook_durable *webhook_durable_new(struct hook_server *hooks, const char *data,
                                            const char *admin, struct reason *why);
/* The hooks have changed. */
void webhook_durable_reload(struct webhook_durable *d);
/* The process is about to end; any thread. */
void webhook_durable_end(struct webhook_durable *d);

#endif
