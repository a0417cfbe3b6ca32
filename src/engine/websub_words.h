/* websub_words.h -- what both sides of WebSub (W3C Recommendation 2018-01-23) say alike: the form
 * and query parameters, and their bounds. */
#ifndef GAFF_ENGINE_WEBSUB_WORDS_H
#define GAFF_ENGINE_WEBSUB_WORDS_H

#include "base/buf.h"

#define WEBSUB_SECRET_MAX 199 /* hub.secret: "MUST be less than 200 bytes in length" */
#define WEBSUB_URL_MAX 2048   /* of a hub, a topic, a callback */
#define WEBSUB_REASON_MAX 200 /* hub.reason, as it is kept or sent */
#define WEBSUB_CHALLENGE_MAX 8192
#define WEBSUB_FORM_MAX 16384 /* all of a request's parameters */

#define WEBSUB_MODE STR("hub.mode")
#define WEBSUB_TOPIC STR("hub.topic")
#define WEBSUB_CALLBACK STR("hub.callback")
#define WEBSUB_SECRET STR("hub.secret")
#define WEBSUB_LEASE STR("hub.lease_seconds")
#define WEBSUB_CHALLENGE STR("hub.challenge")
#define WEBSUB_REASON STR("hub.reason")
#define WEBSUB_URL STR("hub.url") /* of hub.mode=publish, as hubs take it beside hub.topic */

#define WEBSUB_MODE_SUBSCRIBE STR("subscribe")
#define WEBSUB_MODE_UNSUBSCRIBE STR("unsubscribe")
#define WEBSUB_MODE_DENIED STR("denied")

/* Appends name=value, percent-encoded, behind a & when something other than a ? stands before. */
void websub_pair(struct buf *out, str name, str value);

#endif
