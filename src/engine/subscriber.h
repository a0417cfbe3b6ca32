/* subscriber.h -- the endpoints that a program names in its own code (gaff_subscribe): kept as
 * objects like those made by the API, under one application, and brought into line at each start.
 */
#ifndef GAFF_ENGINE_SUBSCRIBER_H
#define GAFF_ENGINE_SUBSCRIBER_H

#include "engine/directory.h"

#define PROGRAM_APPLICATION "app" /* its uid, in DEFAULT_ORG */

struct subscriber {
    str events; /* a glob over event types */
    str url, secret;
};

/* Makes the program's application have these subscribers and no others of its code: what waits for
 * one that is gone is cancelled. An endpoint is known by its events and URL, so that what waits
 * goes on after a restart; another secret replaces the former at once. *application (OBJECT_ID_MAX
 * bytes) is its id, empty when there never was a subscriber. Before engine_start, or after. */
enum err subscribers_set(struct engine_core *core, const struct subscriber *v, size_t count,
                         char *application, struct reason *why) MUST_USE;

#endif
