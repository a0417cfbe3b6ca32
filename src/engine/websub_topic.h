/* websub_topic.h -- one topic that a source asks a hub for, or gives up there: a small state
 * machine on the thread of those that are asked for together. For websub.c. */
#ifndef GAFF_ENGINE_WEBSUB_TOPIC_H
#define GAFF_ENGINE_WEBSUB_TOPIC_H

#include "engine/websub.h"

#include <pthread.h>

struct websub_desk { /* where topics are asked for; outlives them */
    const struct clock *clock;
    pthread_mutex_t *lock;
    struct loop *loop;
    struct http_client *client;
};

struct websub_topic {
    const struct websub_desk *desk;
    char *source, *hub, *topic, *callback;
    char *at; /* where the hub has sent us for good; NULL: it is at `hub` */
    str form; /* the request's body, with the secret */
    bool leaving;
    int64_t lease_ms, backoff_ms, renew_ns;
    int tries, redirects;
    struct loop_timer timer;
    struct loop_msg begun, confirmed, denied;
    struct http_call call;
    /* Under the desk's lock: */
    enum websub_state state, before_denial;
    bool pending;       /* the hub may ask now */
    bool denial_posted; /* and not handled yet */
    bool left;          /* nothing more to do for one that leaves */
    int64_t granted_ms; /* the lease it gave */
    char reason[WEBSUB_REASON_MAX + 1];
};

/* The caller frees it. */
char *websub_copy(str s);

/* The names and the form are filled in, and the topic's own from now on. It is asked for when
 * `begun` is posted to the loop. */
void websub_topic_init(struct websub_topic *t, const struct websub_desk *desk);
/* When the loop's thread has ended. */
void websub_topic_release(struct websub_topic *t);
/* There is nothing more to do for one that leaves. Any thread. */
bool websub_topic_has_left(struct websub_topic *t);

/* The caller holds the lock. True when the hub is to be answered yes: to a denial, or to the
 * question whether what it was asked was meant; the lease it grants, or 0. */
bool websub_topic_denied(struct websub_topic *t, str reason);
bool websub_topic_confirmed(struct websub_topic *t, int64_t lease_s);

#endif
