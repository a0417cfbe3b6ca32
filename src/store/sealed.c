/* sealed.c -- the place where documents change their form. They are bound to kind and id, so that
 * one can't stand for another. */
#include "store/sealed.h"

#include "store/store.h"

#define BATCH_ARENA_MAX (1u << 30)

/* What was answered to a request holds what was asked for: a new secret. */
const char *const sealed_kinds[] = {
    SEALED_CHECK_KIND,     "endpoint", "hub-job", "idempotency", "defined-source",
    "defined-destination", NULL};

bool sealed_kind(str kind)
{
    for (size_t i = 0; sealed_kinds[i]; i++)
        if (str_eq(kind, str_from_cstr(sealed_kinds[i])))
            return true;
    return false;
}

static str owner_of(const struct object *o, struct arena *a)
{
    return arena_printf(a, STR_FMT "\n" STR_FMT, STR_ARG(o->kind), STR_ARG(o->id));
}

/* A change on its way, and the document that it came with. */
struct kept {
    struct object_change *change;
    str doc;
};

static bool is_to_seal(const struct object_change *c)
{
    return c->op == OBJECT_PUT && sealed_kind(c->object.kind) && c->object.doc.n &&
           !seal_is_sealed(c->object.doc);
}

/* Those of the batch that are to be sealed; out may be NULL for counting. */
static size_t find_changes(struct batch *b, struct kept *out)
{
    size_t n = 0;
    for (struct object_set *set = b->sets; set; set = set->next)
        for (size_t i = 0; i < set->count; i++) {
            if (!is_to_seal(&set->changes[i]))
                continue;
            if (out)
                out[n] = (struct kept){&set->changes[i], set->changes[i].object.doc};
            n++;
        }
    return n;
}

enum err sealed_commit(struct store *s, struct batch *b, struct reason *why)
{
    size_t count = find_changes(b, NULL);
    struct arena a;
    if (count == 0)
        return s->ops->commit(s, b, why);
    arena_init(&a, BATCH_ARENA_MAX);
    struct kept *kept = ARENA_ARRAY(&a, struct kept, count);
    bool good = kept != NULL;
    if (good)
        (void)find_changes(b, kept);
    for (size_t i = 0; good && i < count; i++) {
        struct object *o = &kept[i].change->object;
        o->doc = seal_close(s->seal, owner_of(o, &a), kept[i].doc, &a);
        good = o->doc.p != NULL;
    }
    enum err err =
        good ? s->ops->commit(s, b, why) : fail(why, ERR_NOMEM, "there is no memory for sealing");
    for (size_t i = 0; kept && i < count; i++)
        kept[i].change->object.doc = kept[i].doc;
    arena_release(&a);
    return err;
}

enum err sealed_open(const struct seal *seal, struct object *v, size_t count, struct arena *a,
                     struct reason *why)
{
    struct reason cause = {0};
    for (size_t i = 0; i < count; i++) {
        if (!seal_is_sealed(v[i].doc))
            continue;
        enum err err = seal_open(seal, owner_of(&v[i], a), v[i].doc, a, &v[i].doc, &cause);
        if (err != ERR_OK)
            return fail(why, err, STR_FMT " " STR_FMT ": %s", STR_ARG(v[i].kind), STR_ARG(v[i].id),
                        cause.text);
    }
    return ERR_OK;
}
