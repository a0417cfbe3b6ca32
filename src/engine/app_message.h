/* app_message.h -- a message: an event whose source is an application. What the API or the program
 * says of it is kept as header lines of the event, so that the store needs no more columns:
 *
 *   Content-Type: application/json
 *   gaff-channels: a,b       gaff-tags: x,y
 *   gaff-deliver-at: ms      gaff-expires: ms   (wall clock; the payload is not shown or sent then)
 *   traceparent: ...         tracestate: ...    (of the request that made it)
 *
 * The event's dedupe_key is the message's eventId; its text id is ksuid "msg_" of the event's. */
#ifndef GAFF_ENGINE_APP_MESSAGE_H
#define GAFF_ENGINE_APP_MESSAGE_H

#include "engine/directory.h"
#include "engine/dispatch.h"

#define MESSAGE_CHANNELS_MAX 5
#define MESSAGE_TAGS_MAX 10
#define MESSAGE_PREFIX "msg_"

struct app_message {
    str application; /* id */
    str event_type, event_id, payload, content_type;
    str channels[MESSAGE_CHANNELS_MAX];
    size_t channel_count;
    str tags[MESSAGE_TAGS_MAX];
    size_t tag_count;
    int64_t deliver_at_ms;       /* 0: now */
    int64_t expires_ms;          /* 0: with the event */
    str only_endpoint;           /* id; empty: all who want it */
    str peer;                    /* who asked */
    str traceparent, tracestate; /* of the request, as they came; empty: none */
    /* The request's idempotency key: a repeat inside the window is answered with the first. */
    str idempotency_scope, idempotency_key;
    uint8_t fingerprint[16]; /* of the request */
    int64_t idempotency_window_ms;
};

struct app_message_plan { /* in an arena; lives until the commit is done */
    struct new_event event;
    struct event_key keys[EVENT_KEYS_MAX];
    struct gate **gates;
    size_t uid_key, idempotency_key; /* 1-based places in keys; 0: none */
    struct allowance *allowance;     /* of the application; NULL: it is gone */
    bool counted;                    /* set by who took one of its messages for it */
};

/* Fills *out; the gates are entered. ERR_LIMIT without memory, then nothing is. */
enum err app_message_plan(struct engine_core *core, const struct app_message *m, struct arena *a,
                          struct app_message_plan *out, struct reason *why) MUST_USE;
/* Adds the deliveries of the endpoints that want it to those that e has; arrays in the arena, one
 * gate a delivery, entered. False without memory, then nothing was entered. */
bool app_message_add(struct engine_core *core, const struct app_message *m, struct arena *a,
                     struct new_event *e, struct gate ***gates);
/* After the commit: lanes get what was stored, or the places are free again. True when stored. */
bool app_message_settle(struct engine_core *core, struct app_message_plan *p, enum err err,
                        struct dispatch_offers *offers);

/* What was kept of a stored message: lists are words with commas between. */
str app_message_channels(const struct event *e);
str app_message_tags(const struct event *e);
int64_t app_message_time(const struct event *e, str field); /* 0 when absent */
bool app_message_is_expired(const struct event *e, int64_t now_ms);

#endif
