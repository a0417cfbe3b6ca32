/* copy_mark.c -- who may work on a store that is moved. A mark tells those who open it later; those
 * who are at work tell by the leases of their nodes. Who opens a store joins its nodes before it
 * looks for a mark, and who moves it looks for nodes after the mark is there: so one of the two
 * sees the other. */
#include "store/copy_part.h"

#include "base/json.h"

#define NODES_ARENA_MAX (1u << 20)

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

enum err copy_alone(struct store *s, struct reason *why)
{
    char room[256];
    struct buf names = buf_over(room, sizeof(room));
    struct node_list list;
    struct arena a;
    size_t others = 0;
    struct store_reader *r = store_reader_open(s, why);
    arena_init(&a, NODES_ARENA_MAX);
    enum err err = r ? store_nodes(r, &a, &list, why) : ERR_IO;
    for (size_t i = 0; err == ERR_OK && i < list.count; i++)
        if (list.v[i].alive && !list.v[i].self)
            buf_printf(&names, "%s" STR_FMT, others++ ? ", " : "", STR_ARG(list.v[i].name));
    if (err == ERR_OK && others)
        err = fail(why, ERR_CONFLICT,
                   others == 1 ? "the node %s works on this store too: stop it first"
                               : "the nodes %s work on this store too: stop them first",
                   buf_ok(&names) ? buf_cstr(&names) : "listed by `gaff nodes`");
    arena_release(&a);
    store_reader_close(r);
    return err;
}
