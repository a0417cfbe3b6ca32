/* listen.h -- a stream of stored events, as server-sent events, on any loop: of the API's listener
 * (listen.c), and of a channel at the public ones (channel.c). */
#ifndef GAFF_API_LISTEN_H
#define GAFF_API_LISTEN_H

#include "api/call.h"

#define LISTEN_WINDOW_MS 10000 /* see listen.c */

struct listener {
    struct list link; /* in api.listeners, or alone */
    struct http_exchange *x;
    struct engine_core *core;
    struct store_reader *reader;
    struct loop *loop; /* of the exchange */
    char source[64];   /* empty: all */
    uint64_t after;    /* everything up to here was told */
    struct idmap told; /* of what lies behind it */
    struct loop_timer timer;
    unsigned looks;
    uint64_t generation; /* for the owner */
    /* Writes the members of an event into the object that is its data. */
    void (*view)(struct json_writer *w, const struct event *e);
    str heartbeat;
    bool (*is_over)(struct listener *l); /* the stream ends now; NULL: never */
    void (*gone)(struct listener *l);    /* it is freed after this; NULL */
};

/* Answers 200 and streams, from behind the event `last` on (0: from now). l is on the heap, all
 * but after, told, timer, looks set; it is freed when the stream ends. */
void listener_begin(struct listener *l, uint64_t last);

#endif
