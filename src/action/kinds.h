/* kinds.h -- the kinds of action, each in its own file; action.c lists them. */
#ifndef GAFF_ACTION_KINDS_H
#define GAFF_ACTION_KINDS_H

#include "action/action.h"

extern const struct action_kind action_email;   /* a mail, by SMTP */
extern const struct action_kind action_exec;    /* a command for each event */
extern const struct action_kind action_handler; /* a C function of the program itself */
extern const struct action_kind action_http;    /* a request to a URL */
extern const struct action_kind action_kafka;   /* queues: each its own file over bus.h */
extern const struct action_kind action_log;     /* a JSON line to a file or stdout */
extern const struct action_kind action_mqtt;
extern const struct action_kind action_nats;
extern const struct action_kind action_postgres; /* NOTIFY, or a row */
extern const struct action_kind action_rabbitmq;
extern const struct action_kind action_redis;
extern const struct action_kind action_worker; /* a long-lived process that gets events as lines */

#endif
