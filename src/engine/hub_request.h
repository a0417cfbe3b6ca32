/* hub_request.h -- what is asked of the hub, judged before anything is done or stored. Pure. */
#ifndef GAFF_ENGINE_HUB_REQUEST_H
#define GAFF_ENGINE_HUB_REQUEST_H

#include "engine/config.h"
#include "engine/hub_job.h"
#include "http/message.h"

/* 202 and *out filled, its slices in the request and its arena; else the status of the refusal and
 * one sentence in *why. What is not of WebSub in the request is passed over (5.1). */
int hub_request_read(const struct config *c, struct http_request *r, struct hub_job *out,
                     struct reason *why) MUST_USE;

/* The topic of that URL; NULL: the hub has none such. */
const struct hub_topic *hub_topic_find(const struct hub_config *h, str url);

#endif
