/* api.h -- the admin listener: REST under /api/v1, live stream, health and metrics. On a loop and
 * thread of its own, so that looking never slows receiving. What the command line and later the
 * dashboard use, and nothing else does what it does. */
#ifndef GAFF_API_API_H
#define GAFF_API_API_H

#include "base/embed.h"
#include "action/runner.h"
#include "engine/engine.h"

struct api;

struct api_options {
    struct engine *engine;
    const struct config *config; /* listeners and limits */
    const char *version;         /* for documents; NULL: none */
    str jwt_secret;              /* tokens of the sending API are verified with; not empty */
    str token;                   /* bearer token; not empty */
    /* The dashboard's files; none: no page is served. They outlive the API. */
    const struct embedded *assets;
    size_t asset_count;
    /* Taken over, also on failure: jq programs are compiled with it before they are kept. NULL:
     * they are kept unseen. */
    struct runner_link *runner;
    /* Loads the configuration again; fills *problems with all that is wrong. NULL: 501. */
    enum err (*reload)(struct buf *problems, void *arg);
    /* The configuration as it would be with these definitions (engine/definitions.h) in place of
     * those that are stored; NULL with problems. NULL: nothing can be defined at run time. */
    struct config *(*load)(str definitions, struct problems *problems, void *arg);
    /* Ends the move to another store (engine/migration.h): the daemon drains and goes on there.
     * ERR_OK: it is about to. NULL: 501. */
    enum err (*move_over)(struct reason *why, void *arg);
    void *arg;
};

struct api *api_new(const struct api_options *o, struct reason *why);
void api_start(struct api *a);
void api_free(struct api *a); /* ends its thread; accepts NULL */
/* A secret that lets its bearer sign in to the dashboard once, as an admin, within a quarter of an
 * hour: "/#/enter?t=TEXT". Before api_start, or on the API's own thread. */
#define API_TICKET_MAX 48
void api_ticket(struct api *a, char text[API_TICKET_MAX]);
const char *api_url(const struct api *a); /* of the first listener; NULL when there is none */

struct try_result;
struct json_writer;
/* What a step of trying a configuration found, as the answer of POST /api/v1/try. */
void try_result_write(struct json_writer *w, const struct try_result *t);

#endif
