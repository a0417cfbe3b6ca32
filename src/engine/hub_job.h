/* hub_job.h -- what the hub has still to do for somebody, as an object in the store: made in the
 * commit that the 202 waits for, gone with the commit of its outcome. */
#ifndef GAFF_ENGINE_HUB_JOB_H
#define GAFF_ENGINE_HUB_JOB_H

#include "base/arena.h"
#include "engine/websub_words.h"

#define HUB_JOB_KIND "hub-job" /* sealed in the store: it holds the subscriber's secret */

enum hub_mode {
    HUB_SUBSCRIBE,   /* ask the callback whether it meant that, then make a subscription */
    HUB_UNSUBSCRIBE, /* the same, then end it */
    HUB_DENY,        /* tell the callback that it is not subscribed, and why */
    HUB_PUBLISH      /* fetch the topic and distribute it */
};
extern const char *const hub_mode_words[]; /* hub.mode; by enum hub_mode, NULL-terminated */

struct hub_job {
    enum hub_mode mode;
    str topic;       /* URL */
    str callback;    /* empty for HUB_PUBLISH */
    str secret;      /* bytes; empty: none */
    str reason;      /* of HUB_DENY */
    int64_t lease_s; /* granted */
    int64_t tries;   /* made without an answer */
};

/* One job a subscription and kind: a newer request for the same takes the place of the older. Of
 * HUB_PUBLISH one a topic. STR_NONE when the arena is full; so below. */
str hub_job_id(const struct hub_job *j, struct arena *a);
str hub_job_doc(const struct hub_job *j, struct arena *a);
/* False for what is none. Slices in the arena. */
bool hub_job_read(str doc, struct arena *a, struct hub_job *out);

#define HUB_KEY_TEXT 64
/* A topic and a callback are one subscription (5.1): its digest in hexadecimal. */
str hub_key(str topic, str callback, char out[HUB_KEY_TEXT]);

#endif
