/* pause.c -- a pause is an object named after its destination; the gate has its present state. */
#include "engine/pause.h"

#include "engine/objects.h"

#define PAUSES_MAX 1000

enum err pause_set(struct engine *e, struct store_reader *r, str destination, bool paused,
                   struct reason *why)
{
    struct engine_core *core = engine_core(e);
    struct config *c = engine_config(e);
    bool known = map_get(&c->destinations_by_name, destination) != NULL;
    struct object o = {.kind = STR("pause"), .id = destination, .doc = STR("{}")};
    config_unref(c);
    if (!known)
        return fail(why, ERR_NOT_FOUND, "no destination is named \"" STR_FMT "\"",
                    STR_ARG(destination));
    enum err err = paused ? object_put(core, &o, OBJECT_ANY, why)
                          : object_delete(core, r, STR("pause"), destination, why);
    if (err != ERR_OK && (paused || err != ERR_NOT_FOUND))
        return err;
    atomic_store(&registry_gate(core->registry, destination)->paused, paused);
    engine_nudge(e);
    return ERR_OK;
}

void pause_follow(struct engine_core *core, str destination, bool paused)
{
    atomic_store(&registry_gate(core->registry, destination)->paused, paused);
    if (!paused)
        engine_nudge(core->engine);
}

enum err pause_restore(struct engine_core *core, struct reason *why)
{
    struct arena a;
    struct object_list list = {0};
    struct object_filter f = {.kind = STR("pause"), .any_parent = true, .limit = PAUSES_MAX};
    struct store_reader *r = store_reader_open(core->store, why);
    if (!r)
        return ERR_IO;
    arena_init(&a, 4u << 20);
    enum err err = store_objects(r, &f, &a, &list, why);
    for (size_t i = 0; err == ERR_OK && i < list.count; i++)
        atomic_store(&registry_gate(core->registry, list.v[i].id)->paused, true);
    arena_release(&a);
    store_reader_close(r);
    return err;
}
