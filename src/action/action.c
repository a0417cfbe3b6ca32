/* action.c -- the table of kinds: what may stand under a destination's name. */
#include "action/action.h"

#include "action/kinds.h"

const struct action_kind *const action_kinds[] = {
    &action_http,  &action_exec,     &action_worker, &action_log,      &action_handler,
    &action_email, &action_redis,    &action_nats,   &action_rabbitmq, &action_kafka,
    &action_mqtt,  &action_postgres, NULL,
};

const struct action_kind *action_kind_find(str name)
{
    for (size_t i = 0; action_kinds[i]; i++)
        if (str_eq(str_from_cstr(action_kinds[i]->name), name))
            return action_kinds[i];
    return NULL;
}
