/* hub_errand.h -- one job of the hub's while it is done: the call that is made for it and what
 * comes of the answer. For hub.c and hub_errand.c; all of it on the hub's thread. */
#ifndef GAFF_ENGINE_HUB_ERRAND_H
#define GAFF_ENGINE_HUB_ERRAND_H

#include "engine/app_message.h"
#include "engine/duty.h"
#include "engine/hub_request.h"
#include "http/client.h"

#define HUB_CHALLENGE_TEXT 48
#define HUB_LOOK_MS 15000 /* from round to round, unless a lease ends before */

struct hub_order { /* of other threads; once however often it is given before it is followed */
    struct loop_msg msg;
    _Atomic bool given;
};

struct hub {
    struct engine_core *core;
    struct loop *loop; /* NULL: not started */
    struct loop_thread thread;
    struct loop_timer timer;
    struct hub_order look, take, leave;
    struct duty duty;
    struct http_client *client;
    struct store_reader *reader;
    struct map errands; /* by id */
    _Atomic size_t under_way;
    _Atomic bool runs;
};

struct hub_errand {
    struct hub *hub;
    struct arena arena; /* of what follows */
    struct hub_job job;
    str id, url, challenge;
    uint64_t version; /* of the object */
    struct loop_timer timer;
    struct http_call call;
    bool is_calling;
    enum hub_outcome outcome; /* when it is concluded */
};

/* Begins a job, in the place of an older version of it that is under way. */
void hub_errand_begin(struct hub *h, const struct object *o);
/* Ends it here; the object is left as it is. */
void hub_errand_drop(struct hub_errand *e);
void hub_errand_drop_all(struct hub *h);

/* Commits changes that hold together, with a message that is stored only with them; plan may be
 * NULL. The directory is told. ERR_CONFLICT and ERR_NOT_FOUND: something changed meanwhile. */
enum err hub_commit(struct hub *h, struct object_change *changes, size_t count,
                    struct app_message_plan *plan, struct reason *why) MUST_USE;
/* The hub's application; false when there is none (yet). */
bool hub_application(struct hub *h, struct arena *a, struct application *out);
/* What waits for an endpoint that is gone ends. */
void hub_cancel_waiting(struct hub *h, str endpoint);
/* The round: takes the duty where it is nobody's, begins the jobs that are not under way, ends
 * leases and subscriptions to topics that are no more. */
void hub_look(struct hub *h);
/* Begins the jobs that are not under way, where the duty is here. */
void hub_take_jobs(struct hub *h);
/* Another node should have the duty: lets it go, unless somebody is being asked. */
void hub_leave(struct hub *h);

#endif
