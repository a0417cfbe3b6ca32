/* recent.c -- a chain of copies, oldest first, and a map over it. A copy is one allocation. */
#include "store/recent.h"

#include "base/log.h"
#include "base/map.h"

#include <pthread.h>

struct kept {
    struct kept *newer;
    size_t bytes;
    struct event event; /* its strings follow the struct */
};

struct recent {
    pthread_mutex_t lock;
    struct idmap by_id;
    struct kept *oldest, *newest;
    size_t bytes, bytes_max;
};

struct recent *recent_new(size_t bytes_max)
{
    struct recent *r = xcalloc(1, sizeof(*r));
    pthread_mutex_init(&r->lock, NULL);
    r->bytes_max = bytes_max;
    return r;
}

static void drop_oldest(struct recent *r)
{
    struct kept *k = r->oldest;
    r->oldest = k->newer;
    if (!r->oldest)
        r->newest = NULL;
    r->bytes -= k->bytes;
    if (idmap_get(&r->by_id, k->event.id) == k)
        idmap_remove(&r->by_id, k->event.id);
    free(k);
}

void recent_free(struct recent *r)
{
    if (!r)
        return;
    while (r->oldest)
        drop_oldest(r);
    idmap_release(&r->by_id);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static str *strings_of(struct event *e, str *out[11])
{
    str *v[] = {&e->source,       &e->provider, &e->type, &e->dedupe_key, &e->verdict, &e->method,
                &e->verdict_text, &e->target,   &e->peer, &e->head,       &e->trace};
    static_assert(ARRAY_LEN(v) == 11, "as many as the caller has room for");
    memcpy(out, v, sizeof(v));
    return &e->body;
}

static size_t string_bytes(struct event *e)
{
    str *v[11];
    size_t n = strings_of(e, v)->n;
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        n += v[i]->n;
    return n;
}

static void move_strings(struct event *e, char *to)
{
    str *v[12];
    v[11] = strings_of(e, v);
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        if (v[i]->n)
            memcpy(to, v[i]->p, v[i]->n);
        v[i]->p = to;
        to += v[i]->n;
    }
}

void recent_put(struct recent *r, const struct event *e)
{
    struct event copy = *e;
    size_t strings = string_bytes(&copy), n = sizeof(struct kept) + strings;
    if (n > r->bytes_max / 8)
        return;
    struct kept *k = xmalloc(n);
    *k = (struct kept){.bytes = n, .event = copy};
    move_strings(&k->event, (char *)(k + 1));
    pthread_mutex_lock(&r->lock);
    while (r->oldest && r->bytes + n > r->bytes_max)
        drop_oldest(r);
    idmap_put(&r->by_id, e->id, k);
    if (r->newest)
        r->newest->newer = k;
    else
        r->oldest = k;
    r->newest = k;
    r->bytes += n;
    pthread_mutex_unlock(&r->lock);
}

bool recent_has(struct recent *r, uint64_t id)
{
    pthread_mutex_lock(&r->lock);
    bool there = idmap_get(&r->by_id, id) != NULL;
    pthread_mutex_unlock(&r->lock);
    return there;
}

void recent_drop(struct recent *r, uint64_t id)
{
    pthread_mutex_lock(&r->lock);
    struct kept *k = idmap_get(&r->by_id, id);
    if (k) {
        idmap_remove(&r->by_id, id);
        memset(k + 1, 0, k->bytes - sizeof(*k));
    }
    pthread_mutex_unlock(&r->lock);
}

bool recent_get(struct recent *r, uint64_t id, struct arena *a, struct event *out)
{
    pthread_mutex_lock(&r->lock);
    struct kept *k = idmap_get(&r->by_id, id);
    char *bytes = k ? arena_alloc(a, k->bytes - sizeof(*k) + 1) : NULL;
    if (bytes) {
        *out = k->event;
        move_strings(out, bytes);
    }
    pthread_mutex_unlock(&r->lock);
    return bytes != NULL;
}
