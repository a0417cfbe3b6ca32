/* front.h -- one front loop: a server for each public listener, and the way from a request to its
 * source or to the application's own routes. */
#ifndef GAFF_ENGINE_FRONT_H
#define GAFF_ENGINE_FRONT_H

#include "engine/engine.h"

struct front_options {
    http_handler *fallback;
    void *fallback_arg;
    /* The address to bind for each listener; port 0 is resolved by the first loop and the others
     * are given its outcome; NULL: not served by this loop (unix sockets, passed descriptors). */
    const char *const *addresses;
    int64_t loops; /* how many front loops there are */
};

/* Binds; NULL with a reason. */
struct front *front_new(struct engine_core *core, const struct config *c,
                        const struct front_options *o, struct reason *why);
void front_start(struct front *f); /* its thread */
/* Any thread: stop accepting; *idle becomes true when the last exchange has ended. */
void front_drain(struct front *f);
bool front_is_idle(const struct front *f);
/* Any thread: certificates are read again. */
void front_reload_tls(struct front *f);
void front_stop(struct front *f); /* ends and joins the thread */
void front_free(struct front *f);

const char *front_url(const struct front *f, size_t listener);
int front_port(const struct front *f, size_t listener);
void front_counts(const struct front *f, struct http_server_counts *sum);
/* The loop, and the way in for requests without a socket (gaff_test). */
struct loop *front_loop(struct front *f);
void front_handle(struct http_exchange *x, void *front);

#endif
