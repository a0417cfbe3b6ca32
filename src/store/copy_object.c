/* copy_object.c -- objects follow the order of their changes; the first time, those that only the
 * target has go. A change that the target has already is not made again: versions stay low. */
#include "store/copy_part.h"

#define PAGE 100

static bool is_same(const struct object *a, const struct object *b)
{
    return str_eq(a->parent, b->parent) && str_eq(a->name, b->name) && str_eq(a->doc, b->doc) &&
           a->expires_ms == b->expires_ms;
}

static enum err put_objects(struct copier *c, struct object_change *v, size_t count,
                            struct reason *why)
{
    struct object_set set = {.changes = v, .count = count};
    struct batch b = {.sets = &set};
    enum err err = count ? store_commit(c->to, &b, why) : ERR_OK;
    if (err == ERR_OK && set.err != ERR_OK)
        err = fail(why, set.err, "the object " STR_FMT " is at odds with one of the target",
                   STR_ARG(v[set.failed].object.id));
    c->p.objects += err == ERR_OK ? count : 0;
    return err;
}

/* Whether the target needs this change; its own mark is nobody's. */
static enum err is_needed(struct copier *c, const struct object *o, bool *needed,
                          struct reason *why)
{
    struct object there;
    *needed = false;
    if (str_eq(o->kind, STR(COPY_MARK_KIND)))
        return ERR_OK;
    enum err err = store_object(c->out, o->kind, o->id, &c->a, &there, why);
    if (err == ERR_NOT_FOUND)
        *needed = !o->deleted;
    else if (err == ERR_OK)
        *needed = o->deleted || !is_same(o, &there);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err copy_changes(struct copier *c, struct reason *why)
{
    struct object_list list = {.more = true};
    enum err err = ERR_OK;
    while (err == ERR_OK && list.more) {
        size_t n = 0;
        arena_reset(&c->a);
        err = store_object_changes(c->in, c->objects_at, PAGE, &c->a, &list, why);
        struct object_change *v =
            err == ERR_OK ? ARENA_ARRAY(&c->a, struct object_change, list.count + 1) : NULL;
        if (err == ERR_OK && !v)
            err = copier_no_memory(why);
        for (size_t i = 0; err == ERR_OK && i < list.count; i++) {
            bool needed;
            err = is_needed(c, &list.v[i], &needed, why);
            if (err == ERR_OK && needed)
                v[n++] = (struct object_change){
                    .op = list.v[i].deleted ? OBJECT_DELETE : OBJECT_PUT, .object = list.v[i]};
        }
        if (err == ERR_OK)
            err = put_objects(c, v, n, why);
        if (err == ERR_OK && list.count)
            c->objects_at = list.v[list.count - 1].sequence;
        if (err == ERR_OK)
            err = copier_tell(c, why);
    }
    return err;
}

/* Deletions are remembered for a time only. */
static enum err delete_others(struct copier *c, struct reason *why)
{
    struct object_list list = {.more = true};
    uint64_t after = 0;
    enum err err = ERR_OK;
    while (err == ERR_OK && list.more) {
        size_t n = 0;
        arena_reset(&c->a);
        err = store_object_changes(c->out, after, PAGE, &c->a, &list, why);
        struct object_change *v =
            err == ERR_OK ? ARENA_ARRAY(&c->a, struct object_change, list.count + 1) : NULL;
        if (err == ERR_OK && !v)
            err = copier_no_memory(why);
        for (size_t i = 0; err == ERR_OK && i < list.count; i++) {
            struct object *o = &list.v[i], there;
            after = o->sequence;
            if (o->deleted || str_eq(o->kind, STR(COPY_MARK_KIND)))
                continue;
            err = store_object(c->in, o->kind, o->id, &c->a, &there, why);
            if (err == ERR_NOT_FOUND)
                v[n++] = (struct object_change){.op = OBJECT_DELETE, .object = *o};
            err = err == ERR_NOT_FOUND ? ERR_OK : err;
        }
        if (err == ERR_OK)
            err = put_objects(c, v, n, why);
    }
    return err;
}

enum err copier_objects(struct copier *c, struct reason *why)
{
    enum err err = c->objects_known ? ERR_OK : delete_others(c, why);
    if (err == ERR_OK)
        err = copy_changes(c, why);
    c->objects_known = c->objects_known || err == ERR_OK;
    return err;
}
