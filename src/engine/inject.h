/* inject.h -- a request of our own through the front door: a test event, an edited copy of one that
 * was stored. It is signed as its sender would sign it, with the source's own secret, and then
 * treated like any other. */
#ifndef GAFF_ENGINE_INJECT_H
#define GAFF_ENGINE_INJECT_H

#include "engine/engine.h"

#define INJECT_BODY_MAX (25u << 20)

struct injection {
    str source; /* name */
    str event_type, content_type, body;
    /* Further fields, as those of the stored request; what signs, frames or routes is left out. */
    const struct http_field *fields;
    size_t field_count;
};

/* Everything is copied. done runs on `home`, with the status and the body of the answer, valid
 * during the call. ERR_NOT_FOUND: no such source; ERR_INVALID: its sender's signature can't be made
 * here (only the sender has the key); ERR_LIMIT; then done is not called. */
enum err engine_inject(struct engine *e, const struct injection *in, struct loop *home,
                       void (*done)(int status, str body, void *arg), void *arg,
                       struct reason *why) MUST_USE;

#endif
