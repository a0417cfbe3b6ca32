/* copy_object.c -- objects follow the order of their changes; the first time, those that only the
 * target has go. A change that the target has already is not made again: versions stay low. */
#include "store/copy_part.h"

#include "base/json.h"

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

/* --- the mark --------------------------------------------------------------------------------- */

enum err copy_mark_set(struct store *s, enum copy_mark mark, str other, struct reason *why)
{
    char room[1024];
    struct buf doc = buf_over(room, sizeof(room));
    struct json_writer w;
    json_writer_init(&w, &doc);
    json_open(&w, '{');
    json_pair(&w, "state", mark == COPY_FILLING ? STR("filling") : STR("moved"));
    json_pair(&w, "other", other);
    json_close(&w, '}');
    int64_t now_ms = clock_wall_ms(clock_real());
    struct object_change change = {.op = mark == COPY_NONE ? OBJECT_DELETE : OBJECT_PUT,
                                   .object = {.kind = STR(COPY_MARK_KIND),
                                              .id = STR("store"),
                                              .parent = STR(""),
                                              .name = STR(""),
                                              .created_ms = now_ms,
                                              .updated_ms = now_ms,
                                              .doc = buf_str(&doc)}};
    struct object_set set = {.changes = &change, .count = 1};
    struct batch b = {.sets = &set};
    if (!buf_ok(&doc))
        return fail(why, ERR_LIMIT, "the other store's name is too long");
    enum err err = store_commit(s, &b, why);
    return err == ERR_OK && set.err != ERR_OK ? fail(why, set.err, "the store can't be marked")
                                              : err;
}

static enum err tell_mark(const struct object *o, struct reason *why)
{
    struct json_doc *doc = json_parse(o->doc, NULL);
    const struct json *root = json_root(doc);
    str other = json_str(json_get(root, STR("other")));
    bool moved = str_eq(json_str(json_get(root, STR("state"))), STR("moved"));
    enum err err =
        moved ? fail(why, ERR_CONFLICT, "this store was moved to " STR_FMT ": name that as `store`",
                     STR_ARG(other))
              : fail(why, ERR_CONFLICT,
                     "this store is being filled from " STR_FMT " and is not whole yet: name that "
                     "as `store`, or end the move with `gaff migrate --from ... --to ...`",
                     STR_ARG(other));
    json_doc_free(doc);
    return err;
}

enum err copy_mark_check(struct store_reader *r, struct reason *why)
{
    struct object_list l;
    struct arena a;
    if (!r->store->ops->objects)
        return ERR_OK;
    arena_init(&a, 4 * OBJECT_DOC_MAX);
    /* A list tells what is there also where the disk is full, on which a start must go on. */
    const struct object_filter f = {.kind = STR(COPY_MARK_KIND), .any_parent = true, .limit = 1};
    enum err err = store_objects(r, &f, &a, &l, why);
    if (err == ERR_OK && l.count > 0)
        err = tell_mark(&l.v[0], why);
    arena_release(&a);
    return err;
}
