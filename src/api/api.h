/* api.h -- the admin listener: REST under /api/v1, live stream, health and metrics. On a loop and
 * thread of its own, so that looking never slows receiving. What the command line and later the
 * dashboard use, and nothing else does what it does. */
#ifndef GAFF_API_API_H
#define GAFF_API_API_H

#include "base/embed.h"
#include "engine/engine.h"

struct api;

struct api_options {
    struct engine *engine;
    const struct config *config; /* listeners and limits */
    str token;                   /* bearer token; empty: none asked for (tests only) */
    /* The dashboard's files; none: no page is served. They outlive the API. */
    const struct embedded *assets;
    size_t asset_count;
    /* Loads the configuration again; fills *problems with all that is wrong. NULL: 501. */
    enum err (*reload)(struct buf *problems, void *arg);
    void *arg;
};

struct api *api_new(const struct api_options *o, struct reason *why);
void api_start(struct api *a);
void api_free(struct api *a);             /* ends its thread; accepts NULL */
const char *api_url(const struct api *a); /* of the first listener; NULL when there is none */

#endif
