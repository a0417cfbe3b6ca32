/* store_memory_object.c -- objects of the memory store: one array sorted by kind and id, a map of
 * the names, and the deletions in the order they came. The store's lock is held by whoever calls
 * memory_object_commit; the queries take it. */
#include "store/store_memory_rows.h"

#include "base/log.h"

/* --- finding ---------------------------------------------------------------------------------- */

static int compare_place(const struct object *o, str kind, str id)
{
    int by_kind = str_cmp(o->kind, kind);
    return by_kind ? by_kind : str_cmp(o->id, id);
}

/* Index of the first one not before (kind, id). */
static size_t place_of(const struct memory_objects *all, str kind, str id)
{
    size_t low = 0, high = all->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (compare_place(all->v[mid], kind, id) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct object *by_id(const struct memory_objects *all, str kind, str id)
{
    size_t at = place_of(all, kind, id);
    return at < all->count && compare_place(all->v[at], kind, id) == 0 ? all->v[at] : NULL;
}

static str name_key(struct buf *b, str kind, str parent, str name)
{
    buf_clear(b);
    buf_str_append(b, kind);
    buf_char(b, '\0');
    buf_str_append(b, parent);
    buf_char(b, '\0');
    buf_str_append(b, name);
    return buf_str(b);
}

static struct object *by_name(struct memory_objects *all, str kind, str parent, str name)
{
    return map_get(&all->names, name_key(&all->key, kind, parent, name));
}

/* --- changing --------------------------------------------------------------------------------- */

static size_t object_bytes(const struct object *o)
{
    return sizeof(*o) + MEMORY_ROW_OVERHEAD + o->kind.n + o->id.n + o->parent.n + o->name.n +
           o->doc.n;
}

static struct object *object_copy(const struct object *from)
{
    struct object *o = xmalloc(object_bytes(from));
    char *p = (char *)(o + 1);
    *o = *from;
    o->kind = memory_put(&p, from->kind);
    o->id = memory_put(&p, from->id);
    o->parent = memory_put(&p, from->parent);
    o->name = memory_put(&p, from->name);
    o->doc = memory_put(&p, from->doc);
    return o;
}

static void append(struct object ***v, size_t *count, size_t *cap, struct object *o)
{
    if (*count == *cap) {
        *cap = *cap ? *cap * 2 : 64;
        *v = xrealloc(*v, *cap * sizeof(**v));
    }
    (*v)[(*count)++] = o;
}

static void forget_name(struct memory_objects *all, const struct object *o)
{
    if (o->name.n)
        map_remove(&all->names, name_key(&all->key, o->kind, o->parent, o->name));
}

static void put(struct memory_store *s, const struct object *o)
{
    struct memory_objects *all = &s->objects;
    size_t at = place_of(all, o->kind, o->id);
    struct object *fresh = object_copy(o);
    s->bytes += object_bytes(fresh);
    if (at < all->count && compare_place(all->v[at], o->kind, o->id) == 0) {
        forget_name(all, all->v[at]);
        s->bytes -= object_bytes(all->v[at]);
        free(all->v[at]);
    } else {
        append(&all->v, &all->count, &all->cap, NULL);
        memmove(all->v + at + 1, all->v + at, (all->count - 1 - at) * sizeof(struct object *));
    }
    all->v[at] = fresh;
    if (fresh->name.n)
        map_put(&all->names, name_key(&all->key, fresh->kind, fresh->parent, fresh->name), fresh);
}

static void drop(struct memory_store *s, size_t at, uint64_t sequence, int64_t now_ms)
{
    struct memory_objects *all = &s->objects;
    struct object *o = all->v[at];
    forget_name(all, o);
    memmove(all->v + at, all->v + at + 1, (all->count - 1 - at) * sizeof(struct object *));
    all->count--;
    s->bytes -= object_bytes(o);
    o->doc = STR("");
    o->deleted = true;
    o->sequence = sequence;
    o->updated_ms = now_ms;
    append(&all->gone, &all->gone_count, &all->gone_cap, o);
}

/* One change checked against what is there, and made. */
static enum err change(struct memory_store *s, struct object_change *c)
{
    struct memory_objects *all = &s->objects;
    struct object *o = &c->object;
    struct object *there = by_id(all, o->kind, o->id);
    if (c->expect == OBJECT_ABSENT && there)
        return ERR_CONFLICT;
    if (c->expect != OBJECT_ANY && c->expect != OBJECT_ABSENT && !there)
        return ERR_NOT_FOUND;
    if (c->expect != OBJECT_ANY && c->expect != OBJECT_ABSENT && there->version != c->expect)
        return ERR_CONFLICT;
    if (c->op == OBJECT_DELETE) {
        if (there)
            drop(s, place_of(all, o->kind, o->id), ++all->sequence, clock_wall_ms(s->clock));
        return ERR_OK;
    }
    struct object *named = o->name.n ? by_name(all, o->kind, o->parent, o->name) : NULL;
    if (named && named != there)
        return ERR_CONFLICT;
    o->created_ms = there ? there->created_ms : o->created_ms;
    o->version = there ? there->version + 1 : 1;
    o->sequence = ++all->sequence;
    put(s, o);
    return ERR_OK;
}

/* What a set did is undone by putting back what was there, in the reverse order. */
static void change_set(struct memory_store *s, struct object_set *set)
{
    struct memory_objects *all = &s->objects;
    struct object **before = xcalloc(set->count + 1, sizeof(*before));
    set->err = ERR_OK;
    size_t i = 0, gone = all->gone_count;
    uint64_t sequence = all->sequence;
    for (; i < set->count && set->err == ERR_OK; i++) {
        const struct object *o = &set->changes[i].object;
        const struct object *there = by_id(all, o->kind, o->id);
        before[i] = there ? object_copy(there) : NULL;
        set->err = change(s, &set->changes[i]);
        set->failed = i;
    }
    while (set->err != ERR_OK && i-- > 0) {
        const struct object *o = &set->changes[i].object;
        size_t at = place_of(all, o->kind, o->id);
        if (before[i])
            put(s, before[i]);
        else if (by_id(all, o->kind, o->id))
            drop(s, at, 0, 0);
    }
    if (set->err != ERR_OK) {
        for (size_t g = gone; g < all->gone_count; g++)
            free(all->gone[g]);
        all->gone_count = gone;
        all->sequence = sequence;
    }
    for (i = 0; i < set->count; i++)
        free(before[i]);
    free(before);
}

void memory_object_commit(struct memory_store *s, struct object_set *sets)
{
    for (struct object_set *set = sets; set; set = set->next)
        change_set(s, set);
}

void memory_object_purge(struct memory_store *s, int64_t now_ms, size_t most)
{
    struct memory_objects *all = &s->objects;
    for (size_t i = all->count; i-- > 0 && most > 0;) {
        if (!all->v[i]->expires_ms || all->v[i]->expires_ms > now_ms)
            continue;
        drop(s, i, ++all->sequence, now_ms);
        most--;
    }
    size_t kept = 0;
    for (size_t i = 0; i < all->gone_count; i++)
        if (all->gone[i]->updated_ms > now_ms - OBJECT_GONE_KEPT_MS)
            all->gone[kept++] = all->gone[i];
        else
            free(all->gone[i]);
    all->gone_count = kept;
}

void memory_object_free(struct memory_store *s)
{
    struct memory_objects *all = &s->objects;
    for (size_t i = 0; i < all->count; i++)
        free(all->v[i]);
    for (size_t i = 0; i < all->gone_count; i++)
        free(all->gone[i]);
    free(all->v);
    free(all->gone);
    map_release(&all->names);
    buf_release(&all->key);
}

/* --- asking ----------------------------------------------------------------------------------- */

static struct object to_arena(const struct object *from, struct arena *a)
{
    struct object o = *from;
    o.kind = arena_str(a, from->kind);
    o.id = arena_str(a, from->id);
    o.parent = arena_str(a, from->parent);
    o.name = arena_str(a, from->name);
    o.doc = arena_str(a, from->doc);
    return o;
}

enum err memory_object(struct store_reader *r, str kind, str id, str parent, str name,
                       struct arena *a, struct object *out, struct reason *why)
{
    struct memory_store *s = memory_of(r->store);
    pthread_mutex_lock(&s->lock);
    const struct object *o =
        id.n ? by_id(&s->objects, kind, id) : by_name(&s->objects, kind, parent, name);
    if (o)
        *out = to_arena(o, a);
    pthread_mutex_unlock(&s->lock);
    if (!o)
        return fail(why, ERR_NOT_FOUND, "there is no such " STR_FMT, STR_ARG(kind));
    return arena_ok(a) ? ERR_OK : out_of_arena(why);
}

enum err memory_objects(struct store_reader *r, const struct object_filter *f, struct arena *a,
                        struct object_list *out, struct reason *why)
{
    struct memory_store *s = memory_of(r->store);
    struct memory_objects *all = &s->objects;
    assert(f->limit <= 1000);
    *out = (struct object_list){.v = ARENA_ARRAY(a, struct object, f->limit + 1)};
    if (!out->v)
        return out_of_arena(why);
    pthread_mutex_lock(&s->lock);
    size_t first = place_of(all, f->kind, STR("")), end = first;
    while (end < all->count && str_eq(all->v[end]->kind, f->kind))
        end++;
    for (size_t n = 0; n < end - first; n++) {
        const struct object *o = all->v[f->descending ? end - 1 - n : first + n];
        int order = f->after.n ? str_cmp(o->id, f->after) : 0;
        bool is_behind = !f->after.n || (f->descending ? order < 0 : order > 0);
        if (!is_behind || (!f->any_parent && !str_eq(o->parent, f->parent)))
            continue;
        if (out->count == f->limit) {
            out->more = true;
            break;
        }
        out->v[out->count++] = to_arena(o, a);
    }
    pthread_mutex_unlock(&s->lock);
    return arena_ok(a) ? ERR_OK : out_of_arena(why);
}

static int compare_sequence(const void *a, const void *b)
{
    uint64_t x = (*(const struct object *const *)a)->sequence;
    uint64_t y = (*(const struct object *const *)b)->sequence;
    return x < y ? -1 : x > y;
}

enum err memory_object_changes(struct store_reader *r, uint64_t after, size_t limit,
                               struct arena *a, struct object_list *out, struct reason *why)
{
    struct memory_store *s = memory_of(r->store);
    struct memory_objects *all = &s->objects;
    assert(limit <= 1000);
    *out = (struct object_list){.v = ARENA_ARRAY(a, struct object, limit + 1)};
    if (!out->v)
        return out_of_arena(why);
    pthread_mutex_lock(&s->lock);
    struct object **found = xcalloc(all->count + all->gone_count + 1, sizeof(*found));
    size_t count = 0;
    for (size_t i = 0; i < all->count; i++)
        if (all->v[i]->sequence > after)
            found[count++] = all->v[i];
    for (size_t i = 0; i < all->gone_count; i++)
        if (all->gone[i]->sequence > after && !by_id(all, all->gone[i]->kind, all->gone[i]->id))
            found[count++] = all->gone[i];
    qsort(found, count, sizeof(*found), compare_sequence);
    out->more = count > limit;
    for (size_t i = 0; i < count && i < limit; i++)
        out->v[out->count++] = to_arena(found[i], a);
    free(found);
    pthread_mutex_unlock(&s->lock);
    return arena_ok(a) ? ERR_OK : out_of_arena(why);
}
