/* registry.c -- two maps under one lock that is taken only when a configuration is loaded or
 * metrics are read, never for an event. */
#include "engine/registry.h"

#include "base/log.h"
#include "base/map.h"

#include <pthread.h>

struct registry {
    pthread_mutex_t lock;
    struct map gates, sources;
    size_t delivery_loops;
};

struct registry *registry_new(size_t delivery_loops)
{
    assert(delivery_loops > 0);
    struct registry *r = xcalloc(1, sizeof(*r));
    pthread_mutex_init(&r->lock, NULL);
    r->delivery_loops = delivery_loops;
    return r;
}

static void free_values(struct map *m)
{
    struct map_entry e;
    for (size_t i = 0; map_next(m, &i, &e);)
        free(e.value);
    map_release(m);
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    struct map_entry e;
    for (size_t i = 0; map_next(&r->gates, &i, &e);)
        debounce_free(((struct gate *)e.value)->debounce);
    free_values(&r->gates);
    free_values(&r->sources);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static void copy_name(char out[64], str name)
{
    size_t n = name.n < 63 ? name.n : 63;
    memcpy(out, name.p, n);
    out[n] = 0;
}

size_t registry_loop(const struct registry *r, str destination)
{
    return str_hash(destination, 0) % r->delivery_loops;
}

/* The lock is held. */
static struct gate *add_gate(struct registry *r, str name, bool waiting)
{
    struct gate *g = xcalloc(1, sizeof(*g));
    copy_name(g->name, name);
    g->loop = registry_loop(r, name);
    atomic_init(&g->room, LANE_WINDOW);
    atomic_init(&g->backlogged, waiting);
    g->debounce = debounce_new();
    map_put(&r->gates, name, g);
    return g;
}

struct gate *registry_gate(struct registry *r, str destination)
{
    pthread_mutex_lock(&r->lock);
    struct gate *g = map_get(&r->gates, destination);
    /* Until the lane has looked into the store nobody knows what waits there. */
    if (!g)
        g = add_gate(r, destination, true);
    pthread_mutex_unlock(&r->lock);
    return g;
}

struct gate *registry_endpoint_gate(struct registry *r, str id, bool waiting)
{
    pthread_mutex_lock(&r->lock);
    struct gate *g = map_get(&r->gates, id);
    if (!g)
        g = add_gate(r, id, waiting);
    g->is_endpoint = true;
    pthread_mutex_unlock(&r->lock);
    return g;
}

struct gate *registry_find_gate(struct registry *r, str name)
{
    pthread_mutex_lock(&r->lock);
    struct gate *g = map_get(&r->gates, name);
    pthread_mutex_unlock(&r->lock);
    return g;
}

struct source_stats *registry_source(struct registry *r, str source)
{
    pthread_mutex_lock(&r->lock);
    struct source_stats *s = map_get(&r->sources, source);
    if (!s) {
        s = xcalloc(1, sizeof(*s));
        copy_name(s->name, source);
        map_put(&r->sources, source, s);
    }
    pthread_mutex_unlock(&r->lock);
    return s;
}

void registry_each_gate(struct registry *r, void (*fn)(struct gate *g, void *arg), void *arg)
{
    struct map_entry e;
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; map_next(&r->gates, &i, &e);)
        fn(e.value, arg);
    pthread_mutex_unlock(&r->lock);
}

void registry_each_source(struct registry *r, void (*fn)(struct source_stats *s, void *arg),
                          void *arg)
{
    struct map_entry e;
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; map_next(&r->sources, &i, &e);)
        fn(e.value, arg);
    pthread_mutex_unlock(&r->lock);
}

int64_t source_stats_refused(const struct source_stats *s)
{
    int64_t sum = 0;
    for (size_t i = 0; i < VERDICT_COUNT; i++)
        sum += atomic_load_explicit(&s->refused[i], memory_order_relaxed);
    return sum;
}

bool gate_enter(struct gate *g)
{
    bool closed = atomic_load(&g->backlogged) || atomic_load(&g->paused);
    int room = closed ? 0 : atomic_load(&g->room);
    while (room > 0)
        if (atomic_compare_exchange_weak(&g->room, &room, room - 1))
            return true;
    gate_pass_by(g);
    return false;
}

void gate_pass_by(struct gate *g)
{
    /* Order matters: the lane clears `backlogged` only while nothing overflows. */
    atomic_fetch_add(&g->overflowing, 1);
    atomic_store(&g->backlogged, true);
}

void gate_leave(struct gate *g)
{
    atomic_fetch_add(&g->room, 1);
}
