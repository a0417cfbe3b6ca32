/* destinations.c -- /api/v1/destinations/{name}: held by hand, and let go; a circuit closed
 * by hand. */
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

void api_circuit_close(struct api_call *c)
{
    struct engine *e = c->api->options.engine;
    str name = router_param(&c->match, STR("name"));
    struct config *config = engine_config(e);
    bool known = map_get(&config->destinations_by_name, name) != NULL;
    config_unref(config);
    if (!known) {
        struct reason why = {0};
        api_fail(
            c, fail(&why, ERR_NOT_FOUND, "no destination is named \"" STR_FMT "\"", STR_ARG(name)),
            &why);
        return;
    }
    atomic_store(&registry_gate(c->api->core->registry, name)->circuit_wish, CIRCUIT_WISH_CLOSE);
    engine_nudge(e);
    json_open(&c->json, '{');
    json_pair(&c->json, "name", name);
    json_pair(&c->json, "circuit", STR("closed"));
    json_close(&c->json, '}');
    api_send(c, 200);
}
