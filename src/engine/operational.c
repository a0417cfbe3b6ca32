/* operational.c -- who listens, and what is told. What happens to the listeners' own endpoints is
 * told to nobody. */
#include "engine/operational.h"

const char *const operational_types[] = {
    "endpoint.created",          "endpoint.updated",          "endpoint.deleted",
    "endpoint.enabled",          "endpoint.disabled",         "message.attempt.failing",
    "message.attempt.exhausted", "message.attempt.recovered", NULL};

bool operational_type_exists(str name)
{
    for (size_t i = 0; operational_types[i]; i++)
        if (str_eq(name, str_from_cstr(operational_types[i])))
            return true;
    return false;
}

bool operational_plan(struct engine_core *core, str application, const char *type, str endpoint,
                      str endpoint_uid, str more, struct arena *a, struct app_message_plan *out)
{
    struct application of, to;
    struct buf b;
    struct json_writer w;
    if (!directory_application_by_id(core->directory, application, a, &of) ||
        str_eq(of.org, STR(MANAGEMENT_ORG)) ||
        !directory_application(core->directory, STR(MANAGEMENT_ORG), of.org, a, &to) ||
        to.endpoints == 0)
        return false;
    buf_init(&b, more.n + 8192);
    json_writer_init(&w, &b);
    json_open(&w, '{');
    json_pair(&w, "type", str_from_cstr(type));
    json_key(&w, "data");
    json_open(&w, '{');
    json_pair(&w, "appId", of.id);
    json_pair(&w, "appUid", of.uid.n ? of.uid : STR_NONE);
    json_pair(&w, "endpointId", endpoint);
    json_pair(&w, "endpointUid", endpoint_uid.n ? endpoint_uid : STR_NONE);
    buf_str_append(&b, more);
    json_close(&w, '}');
    json_close(&w, '}');
    const struct app_message m = {.application = to.id,
                                  .event_type = str_from_cstr(type),
                                  .payload = buf_ok(&b) ? arena_str(a, buf_str(&b)) : STR_NONE};
    buf_release(&b);
    return m.payload.p && app_message_plan(core, &m, a, out, NULL) == ERR_OK;
}
