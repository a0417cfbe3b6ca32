/* destinations.c -- /api/v1/destinations/{name}: held by hand, and let go. */
#include "api/call.h"
#include "engine/pause.h"

static void set(struct api_call *c, bool paused)
{
    struct reason why = {0};
    str name = router_param(&c->match, STR("name"));
    enum err err = pause_set(c->api->options.engine, c->api->reader, name, paused, &why);
    if (err != ERR_OK) {
        api_fail(c, err, &why);
        return;
    }
    json_open(&c->json, '{');
    json_pair(&c->json, "name", name);
    json_pair_bool(&c->json, "paused", paused);
    json_close(&c->json, '}');
    api_send(c, 200);
}

void api_destination_pause(struct api_call *c)
{
    set(c, true);
}

void api_destination_resume(struct api_call *c)
{
    set(c, false);
}
