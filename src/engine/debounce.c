/* debounce.c -- bursts by key, those touched longest ago first: a burst that is over is forgotten
 * when the next event of any key comes by. */
#include "engine/debounce.h"

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"

#include <pthread.h>

struct burst {
    struct list link;
    uint64_t key;
    int64_t first_ms, due_ms;
};

struct debounce {
    pthread_mutex_t lock;
    struct idmap bursts; /* by key */
    struct list oldest;
};

struct debounce *debounce_new(void)
{
    struct debounce *d = xcalloc(1, sizeof(*d));
    pthread_mutex_init(&d->lock, NULL);
    list_init(&d->oldest);
    return d;
}

static void forget(struct debounce *d, struct burst *b)
{
    (void)idmap_remove(&d->bursts, b->key);
    list_remove(&b->link);
    free(b);
}

void debounce_free(struct debounce *d)
{
    if (!d)
        return;
    while (!list_is_empty(&d->oldest))
        forget(d, CONTAINER_OF(d->oldest.next, struct burst, link));
    idmap_release(&d->bursts);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

static void forget_past(struct debounce *d, int64_t now_ms)
{
    while (!list_is_empty(&d->oldest)) {
        struct burst *b = CONTAINER_OF(d->oldest.next, struct burst, link);
        if (b->due_ms > now_ms)
            break;
        forget(d, b);
    }
}

int64_t debounce_due(struct debounce *d, uint64_t key, int64_t now_ms, int64_t wait_ms,
                     int64_t max_ms)
{
    pthread_mutex_lock(&d->lock);
    int64_t due_ms = now_ms;
    forget_past(d, now_ms);
    struct burst *b = idmap_get(&d->bursts, key);
    if (b && b->due_ms <= now_ms)
        b->first_ms = now_ms;
    if (!b && d->bursts.count < DEBOUNCE_KEYS_MAX) {
        b = xcalloc(1, sizeof(*b));
        *b = (struct burst){.key = key, .first_ms = now_ms};
        list_init(&b->link);
        idmap_put(&d->bursts, key, b);
    }
    if (b) {
        int64_t last_ms = b->first_ms + max_ms;
        due_ms = now_ms + wait_ms < last_ms ? now_ms + wait_ms : last_ms;
        b->due_ms = due_ms;
        list_remove(&b->link);
        list_push(&d->oldest, &b->link);
    }
    pthread_mutex_unlock(&d->lock);
    return due_ms;
}
