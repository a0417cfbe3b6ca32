/* cloudevent.h -- CloudEvents 1.0 in HTTP (its HTTP protocol binding and JSON format): whether a
 * request is an event in binary, structured or batched mode, and its attributes.
 *
 * Whatever the mode, the attributes are then found in fields named ce-NAME, as binary mode writes
 * them. A request that says it is an event and lacks one of the required attributes is none. */
#ifndef GAFF_HTTP_CLOUDEVENT_H
#define GAFF_HTTP_CLOUDEVENT_H

#include "http/message.h"

#define CLOUDEVENTS_BATCH_MAX 256 /* events of one request */

enum cloudevent_mode {
    CLOUDEVENT_NONE,
    CLOUDEVENT_BINARY,
    CLOUDEVENT_STRUCTURED,
    CLOUDEVENT_BATCH, /* an array with at least one event, all of them good */
    CLOUDEVENT_TOO_MANY
};

struct cloudevent {
    str id, source, type; /* decoded; in the request or its arena */
};

/* What the request is. BINARY and STRUCTURED fill *out; STRUCTURED puts the attributes of the body
 * in the place of whatever ce- fields came, since the body is what counts. */
enum cloudevent_mode cloudevent_read(struct http_request *req, struct cloudevent *out);

/* The events of a BATCH, each as the request in structured mode that it would have been alone: its
 * body is its bytes as they stand in the array. They share the arena, and each is to be released.
 * False when the arena is full. */
struct cloudevent_item {
    struct http_request request;
    struct cloudevent event;
};
bool cloudevent_split(struct http_request *req, struct cloudevent_item **items, size_t *count);

#endif
