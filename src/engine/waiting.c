/* waiting.c -- a map from delivery to waiter under a lock that only those touch who wait or are
 * waited for. What is told travels as a message by the delivery's id: the waiter may have gone when
 * it arrives. */
#include "engine/waiting.h"

#include "base/log.h"
#include "base/map.h"

#include <pthread.h>
#include <stdatomic.h>

struct waiting {
    pthread_mutex_t lock;
    struct idmap waiters; /* by delivery id */
    _Atomic size_t count;
};

struct tell {
    struct loop_msg msg;
    struct waiting *waiting;
    uint64_t delivery_id;
    bool is_output;
    struct waited what; /* its strings lie in bytes */
    size_t n;
    char bytes[];
};

struct waiting *waiting_new(void)
{
    struct waiting *w = xcalloc(1, sizeof(*w));
    pthread_mutex_init(&w->lock, NULL);
    return w;
}

void waiting_free(struct waiting *w)
{
    if (!w)
        return;
    assert(w->waiters.count == 0);
    idmap_release(&w->waiters);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void waiting_add(struct waiting *w, struct waiter *who)
{
    pthread_mutex_lock(&w->lock);
    idmap_put(&w->waiters, who->delivery_id, who);
    atomic_fetch_add(&w->count, 1);
    pthread_mutex_unlock(&w->lock);
}

void waiting_remove(struct waiting *w, struct waiter *who)
{
    pthread_mutex_lock(&w->lock);
    if (idmap_get(&w->waiters, who->delivery_id) == who) {
        (void)idmap_remove(&w->waiters, who->delivery_id);
        atomic_fetch_sub(&w->count, 1);
    }
    pthread_mutex_unlock(&w->lock);
}

bool waiting_is_wanted(struct waiting *w, uint64_t delivery_id, bool output)
{
    if (atomic_load(&w->count) == 0)
        return false;
    pthread_mutex_lock(&w->lock);
    const struct waiter *who = idmap_get(&w->waiters, delivery_id);
    bool wanted = who && (!output || who->wants_output);
    pthread_mutex_unlock(&w->lock);
    return wanted;
}

/* On the waiter's loop, whose thread alone adds and removes it. */
static void arrived(struct loop_msg *msg)
{
    struct tell *t = CONTAINER_OF(msg, struct tell, msg);
    struct waiting *w = t->waiting;
    pthread_mutex_lock(&w->lock);
    struct waiter *who = idmap_get(&w->waiters, t->delivery_id);
    if (who && t->is_output)
        who->unread -= t->n;
    pthread_mutex_unlock(&w->lock);
    if (who && t->is_output) {
        who->output(who, str_of(t->bytes, t->n));
    } else if (who) {
        waiting_remove(w, who);
        who->done(who, &t->what);
    }
    free(t);
}

static struct tell *tell_new(struct waiting *w, uint64_t delivery_id, size_t n)
{
    struct tell *t = xcalloc(1, sizeof(*t) + n);
    t->msg.fn = arrived;
    t->waiting = w;
    t->delivery_id = delivery_id;
    t->n = n;
    return t;
}

/* Posts under the lock, so that the loop is there: its waiter is on the list. */
static void post(struct waiting *w, struct tell *t)
{
    pthread_mutex_lock(&w->lock);
    struct waiter *who = idmap_get(&w->waiters, t->delivery_id);
    bool taken = who && (!t->is_output || who->unread + t->n <= WAITING_UNREAD_MAX);
    if (taken) {
        who->unread += t->is_output ? t->n : 0;
        loop_post(who->loop, &t->msg);
    }
    pthread_mutex_unlock(&w->lock);
    if (!taken)
        free(t);
}

void waiting_tell_output(struct waiting *w, uint64_t delivery_id, str bytes)
{
    struct tell *t = tell_new(w, delivery_id, bytes.n);
    t->is_output = true;
    if (bytes.n)
        memcpy(t->bytes, bytes.p, bytes.n);
    post(w, t);
}

static str put(char **at, str s)
{
    str copy = str_of(*at, s.n);
    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return copy;
}

void waiting_tell_done(struct waiting *w, uint64_t delivery_id, const struct waited *what)
{
    struct tell *t =
        tell_new(w, delivery_id, what->error_class.n + what->summary.n + what->output.n);
    char *at = t->bytes;
    t->what = *what;
    t->what.error_class = put(&at, what->error_class);
    t->what.summary = put(&at, what->summary);
    t->what.output = put(&at, what->output);
    post(w, t);
}
