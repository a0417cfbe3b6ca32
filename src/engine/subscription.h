/* subscription.h -- a subscription of the hub's: an endpoint of the application HUB_APPLICATION,
 * with a lease. What holds for endpoints holds for it; what is WebSub's is its document. */
#ifndef GAFF_ENGINE_SUBSCRIPTION_H
#define GAFF_ENGINE_SUBSCRIPTION_H

#include "base/json.h"
#include "engine/hub_job.h"

#define HUB_APPLICATION "websub" /* its uid, in DEFAULT_ORG */

/* The endpoint's uid. */
str subscription_uid(str topic, str callback, struct arena *a);
/* Its document after the callback has confirmed j: over the former one, or NULL. What was set by
 * hand stays, also when it was switched off by hand; what failures brought about is gone. `name` is
 * the topic's. STR_NONE when the arena is full. */
str subscription_doc(const struct json *old, const struct hub_job *j, str name, int64_t until_ms,
                     struct arena *a);
/* The job that tells the subscriber of an endpoint that is being deleted. False when it is no
 * subscription, or its lease has ended: then there is nothing to tell. */
bool subscription_denial(str endpoint_doc, int64_t now_ms, const char *reason, struct arena *a,
                         struct hub_job *out);

#endif
