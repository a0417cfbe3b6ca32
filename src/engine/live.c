/* live.c -- a list of watchers under a lock; each line is copied once for each watcher and posted
 * to its loop. `waiting` bounds what a slow loop may owe. */
#include "engine/live.h"

#include "base/list.h"
#include "base/log.h"

#include <pthread.h>
#include <stdatomic.h>

#define LINES_WAITING_MAX 4096

struct live {
    pthread_mutex_t lock;
    struct list watchers;
    _Atomic int count;
    uint64_t sequence;
};

struct live_watcher {
    struct list link;
    struct live *live;
    struct loop *loop;
    void (*fn)(uint64_t sequence, str json, void *arg);
    void *arg;
    bool gone;           /* on the loop's thread only */
    _Atomic int waiting; /* lines posted and not yet run, plus one while watching */
};

struct line {
    struct loop_msg msg;
    struct live_watcher *watcher;
    uint64_t sequence;
    size_t n;
    char bytes[];
};

struct live *live_new(void)
{
    struct live *l = xcalloc(1, sizeof(*l));
    pthread_mutex_init(&l->lock, NULL);
    list_init(&l->watchers);
    return l;
}

void live_free(struct live *l)
{
    if (!l)
        return;
    assert(list_is_empty(&l->watchers));
    pthread_mutex_destroy(&l->lock);
    free(l);
}

struct live_watcher *live_watch(struct live *l, struct loop *loop,
                                void (*fn)(uint64_t sequence, str json, void *arg), void *arg)
{
    struct live_watcher *w = xcalloc(1, sizeof(*w));
    *w = (struct live_watcher){.live = l, .loop = loop, .fn = fn, .arg = arg};
    atomic_init(&w->waiting, 1);
    pthread_mutex_lock(&l->lock);
    list_push(&l->watchers, &w->link);
    pthread_mutex_unlock(&l->lock);
    atomic_fetch_add(&l->count, 1);
    return w;
}

static void put(struct live_watcher *w)
{
    if (atomic_fetch_sub(&w->waiting, 1) == 1)
        free(w);
}

void live_unwatch(struct live_watcher *w)
{
    atomic_fetch_sub(&w->live->count, 1);
    pthread_mutex_lock(&w->live->lock);
    list_remove(&w->link);
    pthread_mutex_unlock(&w->live->lock);
    w->gone = true;
    put(w);
}

bool live_is_watched(const struct live *l)
{
    return atomic_load_explicit(&l->count, memory_order_relaxed) > 0;
}

static void arrived(struct loop_msg *msg)
{
    struct line *line = CONTAINER_OF(msg, struct line, msg);
    struct live_watcher *w = line->watcher;
    if (!w->gone)
        w->fn(line->sequence, str_of(line->bytes, line->n), w->arg);
    free(line);
    put(w);
}

void live_tell(struct live *l, str json)
{
    if (!live_is_watched(l))
        return;
    pthread_mutex_lock(&l->lock);
    l->sequence++;
    LIST_EACH(&l->watchers, node)
    {
        struct live_watcher *w = CONTAINER_OF(node, struct live_watcher, link);
        if (atomic_load(&w->waiting) > LINES_WAITING_MAX)
            continue;
        struct line *line = xmalloc(sizeof(*line) + json.n);
        line->msg.fn = arrived;
        line->watcher = w;
        line->sequence = l->sequence;
        line->n = json.n;
        memcpy(line->bytes, json.p, json.n);
        atomic_fetch_add(&w->waiting, 1);
        loop_post(w->loop, &line->msg);
    }
    pthread_mutex_unlock(&l->lock);
}
