/* copy_key.c -- the key of the request that made a message goes over as it is kept, hashed: a store
 * does not know what it was. So the target hashes with the source's seed, and finds it for a
 * request that is sent again. What else makes an event known follows from the event. */
#include "store/copy_part.h"

/* The source may let go of what has ended while it is looked at. */
#define ENDS_SOON_MS 60000

static bool is_message_id(const struct copier *c, const struct event *e, const struct kept_key *k)
{
    char scope[256];
    uint64_t key[2];
    if (e->dedupe_key.n == 0 || e->source.n > sizeof(scope) - sizeof(MESSAGE_ID_SCOPE))
        return false;
    int n = snprintf(scope, sizeof(scope), MESSAGE_ID_SCOPE STR_FMT, STR_ARG(e->source));
    dedupe_key(c->from->key_seed, str_of(scope, (size_t)n), e->dedupe_key, key);
    return key[0] == k->key[0] && key[1] == k->key[1];
}

static enum err request_keys(struct copier *c, struct store_reader *r, const struct event *e,
                             struct key_list *out, struct reason *why)
{
    size_t n = 0;
    *out = (struct key_list){0};
    int64_t age_ms = clock_wall_ms(clock_real()) - e->received_ms;
    if (!c->keys_are_told || !(e->flags & EVENT_LISTED) ||
        age_ms >= MESSAGE_REQUEST_WINDOW_MS - ENDS_SOON_MS)
        return ERR_OK;
    enum err err = r->store->ops->keys(r, e->id, e->received_ms, &c->a, out, why);
    for (size_t i = 0; err == ERR_OK && i < out->count; i++)
        if (!is_message_id(c, e, &out->v[i]))
            out->v[n++] = out->v[i];
    out->count = n;
    return err;
}

enum err copied_keys(struct copier *c, struct copied *e, struct reason *why)
{
    struct new_event *x = &e->event;
    struct key_list list;
    enum err err = request_keys(c, c->in, &x->event, &list, why);
    for (size_t i = 0; err == ERR_OK && i < list.count && x->key_count < EVENT_KEYS_MAX; i++) {
        char *key = arena_alloc(&c->a, DEDUPE_KEY_BYTES);
        if (!key)
            return copier_no_memory(why);
        dedupe_ready(list.v[i].key, key);
        struct event_key *k = &e->keys[x->key_count++];
        *k = (struct event_key){.scope = STR(DEDUPE_READY_SCOPE),
                                .key = str_of(key, DEDUPE_KEY_BYTES),
                                .window_ms = MESSAGE_REQUEST_WINDOW_MS};
        memcpy(k->hash, list.v[i].hash, sizeof(k->hash));
    }
    return err;
}

static void mix(struct copy_sum *s, const struct event *e, const struct key_list *list)
{
    uint64_t hash = e->id;
    for (size_t i = 0; i < list->count; i++) {
        const struct kept_key *k = &list->v[i];
        const uint64_t v[] = {k->key[0], k->key[1], dedupe_fold(k->hash)};
        hash = str_hash(str_of((const char *)v, sizeof(v)), hash);
    }
    s->keys += list->count;
    s->hash += list->count ? hash : 0;
}

enum err copied_keys_sum(struct copier *c, const struct event *e, struct copy_sum *in,
                         struct copy_sum *out, struct reason *why)
{
    struct key_list a, b;
    enum err err = request_keys(c, c->in, e, &a, why);
    if (err == ERR_OK)
        err = request_keys(c, c->out, e, &b, why);
    if (err != ERR_OK || e->id <= a.forgotten || e->id <= b.forgotten)
        return err;
    mix(in, e, &a);
    mix(out, e, &b);
    return ERR_OK;
}

enum err copied_seed(struct copier *c, struct reason *why)
{
    const uint8_t *from = c->from->key_seed, *to = c->to->key_seed;
    if (!from || !to || memcmp(from, to, DEDUPE_SEED_BYTES) == 0)
        return ERR_OK;
    if (c->copied_to)
        return fail(why, ERR_CONFLICT,
                    "the store to move to has events of its own: name one that is empty, or that "
                    "was filled from here before");
    enum err err = c->to->ops->take_seed(c->to, from, why);
    c->keys_are_told = err == ERR_OK;
    return err;
}
