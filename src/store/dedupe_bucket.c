/* dedupe_bucket.c -- see dedupe_bucket.h. */
#include "store/dedupe_bucket.h"

#include "base/log.h"

#define GROUPS BLOOM_FILE_GROUPS /* the buckets that count lie in 17 or 18 of them */

struct bucket {
    uint64_t id;
    int64_t until_ms;     /* no window of its keys reaches beyond */
    struct bloom *filter; /* NULL: in the file, or not loaded yet */
    bool in_file, stays;  /* stays: it could not be written */
};

struct group {
    uint64_t number; /* the id of its buckets through BLOOM_GROUP */
    unsigned count;  /* of its buckets whose filter is in the file */
};

struct buckets {
    struct bucket v[DEDUPE_BUCKETS_MAX + 1];
    size_t count, filed;         /* filed: of them in the file */
    struct group groups[GROUPS]; /* at their number modulo GROUPS */
    const struct bloom_file *file;
    struct bloom *writing; /* of the bucket `writing_id`; given out by buckets_unfiled */
    uint64_t writing_id;
};

struct buckets *buckets_new(void)
{
    return xcalloc(1, sizeof(struct buckets));
}

static void free_filter(struct buckets *s, struct bucket *b)
{
    if (b->filter != s->writing) /* else buckets_filed does it */
        free(b->filter);
    b->filter = NULL;
}

void buckets_free(struct buckets *s)
{
    assert(!s->writing);
    for (size_t i = 0; i < s->count; i++)
        free_filter(s, &s->v[i]);
    free(s);
}

static unsigned place_of(uint64_t id)
{
    return (unsigned)(id / BLOOM_GROUP % GROUPS);
}

/* --- coming and going ------------------------------------------------------------------------- */

static void count_filed(struct buckets *s, struct bucket *b, bool in_file)
{
    unsigned place = place_of(b->id), more = in_file ? 1 : -1u;
    assert(b->in_file != in_file);
    b->in_file = in_file;
    s->groups[place].count += more;
    s->filed += in_file ? 1 : (size_t)-1;
}

static void drop_first(struct buckets *s, size_t count)
{
    for (struct bucket *b = s->v; b < s->v + count; b++) {
        free_filter(s, b);
        if (b->in_file)
            count_filed(s, b, false);
    }
    s->count -= count;
    memmove(s->v, s->v + count, s->count * sizeof(struct bucket));
}

void buckets_close(struct buckets *s, uint64_t id, int64_t until_ms, struct bloom *filter)
{
    if (s->count == ARRAY_LEN(s->v))
        drop_first(s, 1);
    s->v[s->count++] = (struct bucket){.id = id, .until_ms = until_ms, .filter = filter};
}

static struct bucket *find_id(struct buckets *s, uint64_t id)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->v[i].id == id)
            return &s->v[i];
    return NULL;
}

void buckets_load(struct buckets *s, uint64_t id, struct bloom *filter)
{
    struct bucket *b = find_id(s, id);
    if (b && !b->filter && !b->in_file)
        b->filter = filter;
    else
        free(filter);
}

void buckets_drop(struct buckets *s, uint64_t first_kept)
{
    size_t gone = 0;
    while (gone < s->count && s->v[gone].id < first_kept)
        gone++;
    drop_first(s, gone);
}

/* --- to the file ------------------------------------------------------------------------------ */

/* A former version's filters are of other sizes, and ids that leave gaps may want the same place.
 */
static bool fits(const struct buckets *s, const struct bucket *b)
{
    const struct group *g = &s->groups[place_of(b->id)];
    return b->filter && !b->stays && b->filter->bytes == BLOOM_BYTES &&
           (g->count == 0 || g->number == b->id / BLOOM_GROUP);
}

bool buckets_unfiled(struct buckets *s, struct unfiled *out)
{
    assert(!s->writing);
    for (size_t i = s->count; i-- > 0;) {
        struct bucket *b = &s->v[i];
        if (!fits(s, b))
            continue;
        s->writing = b->filter;
        s->writing_id = b->id;
        *out = (struct unfiled){.filter = b->filter,
                                .group = place_of(b->id),
                                .slot = (unsigned)(b->id % BLOOM_GROUP),
                                .first = s->groups[place_of(b->id)].count == 0};
        return true;
    }
    return false;
}

void buckets_filed(struct buckets *s, const struct bloom_file *file)
{
    struct bucket *b = find_id(s, s->writing_id);
    struct bloom *filter = s->writing;
    assert(filter);
    s->writing = NULL;
    if (b && !file) {
        b->stays = true;
        return;
    }
    if (b) {
        s->file = file;
        s->groups[place_of(b->id)].number = b->id / BLOOM_GROUP;
        count_filed(s, b, true);
        b->filter = NULL;
    }
    free(filter);
}

size_t buckets_bytes(const struct buckets *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++)
        n += s->v[i].filter ? s->v[i].filter->bytes : 0;
    return n;
}

/* --- looking ---------------------------------------------------------------------------------- */

/* What the file says of the key; false when nothing in it may have it. Those that follow each other
 * are read at once: mostly all of them. */
static bool find_in_file(const struct buckets *s, const uint64_t key[2], uint8_t found[GROUPS])
{
    unsigned any = 0, from = 0, to;
    for (; from < GROUPS; from = to + 1) {
        for (to = from; to < GROUPS && s->groups[to].count; to++)
            ;
        if (to == from)
            continue;
        bloom_file_find(s->file, from, to - from, key, found + from);
        for (unsigned i = from; i < to; i++)
            any |= found[i];
    }
    return any;
}

static bool may_have(const struct bucket *b, const uint64_t key[2], const uint8_t found[GROUPS])
{
    if (b->in_file)
        return found[place_of(b->id)] >> b->id % BLOOM_GROUP & 1;
    return !b->filter || bloom_may_have(b->filter, key);
}

size_t buckets_find(const struct buckets *s, const uint64_t key[2], int64_t at_ms, uint64_t *ids)
{
    size_t n = 0;
    uint8_t found[GROUPS];
    bool any = find_in_file(s, key, found) || s->filed < s->count;
    for (size_t i = any ? s->count : 0; i-- > 0;) {
        const struct bucket *b = &s->v[i];
        if (b->until_ms >= at_ms && may_have(b, key, found))
            ids[n++] = b->id;
    }
    return n;
}
