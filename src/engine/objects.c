/* objects.c -- a set of one change, in a batch with whatever else waits. */
#include "engine/objects.h"

static enum err commit(struct engine_core *core, struct object_change *change, struct reason *why)
{
    struct object_set set = {.changes = change, .count = 1};
    struct commit_ticket *ticket = xcalloc(1, sizeof(*ticket));
    commit_ticket_init(ticket, NULL, NULL);
    commit_ticket_add_set(ticket, &set);
    enum err err = committer_commit(core->committer, ticket, why);
    free(ticket);
    if (err != ERR_OK)
        return err;
    if (set.err == ERR_CONFLICT)
        return fail(why, ERR_CONFLICT, "another one has this name, or changed it meanwhile");
    if (set.err == ERR_NOT_FOUND)
        return fail(why, ERR_NOT_FOUND, "there is nothing with this name");
    return set.err;
}

enum err object_put(struct engine_core *core, struct object *o, uint64_t expect, struct reason *why)
{
    int64_t now = clock_wall_ms(core->clock);
    o->created_ms = o->updated_ms = now;
    if (!o->parent.p)
        o->parent = STR("");
    if (!o->name.p)
        o->name = STR("");
    return object_replace(core, o, expect, why);
}

enum err object_replace(struct engine_core *core, struct object *o, uint64_t expect,
                        struct reason *why)
{
    struct object_change change = {.op = OBJECT_PUT, .object = *o, .expect = expect};
    enum err err = commit(core, &change, why);
    *o = change.object;
    return err;
}

enum err object_delete(struct engine_core *core, struct store_reader *r, str kind, str id,
                       struct reason *why)
{
    struct arena a;
    struct object old;
    arena_init(&a, 2 * OBJECT_DOC_MAX);
    enum err err = store_object(r, kind, id, &a, &old, why);
    arena_release(&a);
    if (err != ERR_OK)
        return err;
    struct object_change change = {
        .op = OBJECT_DELETE, .object = {.kind = kind, .id = id}, .expect = old.version};
    return commit(core, &change, why);
}
