/* allowance.c -- the pace is one number that loops move on without a lock (the generic cell rate
 * algorithm); quotas are asked once a message, under one. */
#include "engine/allowance.h"

#include "base/log.h"

#include <pthread.h>
#include <stdatomic.h>

#define BURST_SHARE 10 /* of a second's worth, as for a destination's own rate */

struct allowance {
    _Atomic int refs;
    _Atomic int64_t rate, next_ns; /* next_ns: when the attempts let through would be used up */
    pthread_mutex_t lock;          /* over what follows */
    struct allowance_limits limits;
    int64_t period, period_ms; /* its number, by this length */
    int64_t messages;          /* in it; `known` since they were counted in the store */
    int64_t open;              /* of them are not settled yet */
    int64_t known_ms;
    bool known, shared;
    int64_t pending, counted_ms;
    bool counted;
};

static int64_t number(const struct json *doc, const char *name)
{
    int64_t v = 0;
    json_i64(json_get(doc, str_from_cstr(name)), &v);
    return v > 0 ? v : 0;
}

struct allowance_limits allowance_limits_read(const struct json *doc)
{
    int64_t period_s = number(doc, "messageLimitPeriod");
    return (struct allowance_limits){.rate = number(doc, "throttleRate"),
                                     .messages = number(doc, "messageLimit"),
                                     .period_ms = (period_s ? period_s : ALLOWANCE_PERIOD_S) * 1000,
                                     .pending = number(doc, "pendingLimit")};
}

struct allowance *allowance_new(bool shared)
{
    struct allowance *a = xcalloc(1, sizeof(*a));
    a->shared = shared;
    atomic_init(&a->refs, 1);
    pthread_mutex_init(&a->lock, NULL);
    return a;
}

struct allowance *allowance_ref(struct allowance *a)
{
    atomic_fetch_add(&a->refs, 1);
    return a;
}

void allowance_unref(struct allowance *a)
{
    if (!a || atomic_fetch_sub(&a->refs, 1) != 1)
        return;
    pthread_mutex_destroy(&a->lock);
    free(a);
}

void allowance_set(struct allowance *a, const struct allowance_limits *l)
{
    pthread_mutex_lock(&a->lock);
    a->limits = *l;
    a->known = a->known && l->messages; /* a period without a limit may pass unseen */
    pthread_mutex_unlock(&a->lock);
    atomic_store(&a->rate, l->rate);
}

int64_t allowance_pace(struct allowance *a, int64_t now_ns)
{
    int64_t rate = atomic_load_explicit(&a->rate, memory_order_relaxed);
    if (rate == 0)
        return 0;
    int64_t each_ns = 1000000000 / rate;
    int64_t burst = rate / BURST_SHARE > 1 ? rate / BURST_SHARE : 1;
    int64_t ahead_ns = (burst - 1) * each_ns;
    int64_t next = atomic_load(&a->next_ns);
    for (;;) {
        int64_t from = next > now_ns ? next : now_ns;
        if (from - now_ns > ahead_ns)
            return (from - now_ns - ahead_ns) / 1000000 + 1;
        if (atomic_compare_exchange_weak(&a->next_ns, &next, from + each_ns))
            return 0;
    }
}

/* True when the messages of the period at hand are known. The lock is held. */
static bool know_period(struct allowance *a, int64_t now_ms, struct allowance_ask *ask)
{
    const struct allowance_limits *l = &a->limits;
    int64_t period = now_ms / l->period_ms;
    if (period != a->period || l->period_ms != a->period_ms) {
        /* Of one that begins while we count there is nothing in the store yet. */
        a->known = a->known && l->period_ms == a->period_ms;
        a->period = period;
        a->period_ms = l->period_ms;
        a->messages = a->open = 0;
    }
    if (a->known && !(a->shared && now_ms - a->known_ms >= ALLOWANCE_RECOUNT_MS))
        return true;
    ask->messages = true;
    ask->since_ms = period * l->period_ms;
    ask->most = l->messages;
    return false;
}

/* The lock is held. */
static enum allowance_verdict judge(struct allowance *a, int64_t now_ms, int64_t *retry_s,
                                    struct allowance_ask *ask)
{
    const struct allowance_limits *l = &a->limits;
    if (l->messages) {
        *retry_s = ((now_ms / l->period_ms + 1) * l->period_ms - now_ms + 999) / 1000;
        if (!know_period(a, now_ms, ask) || a->messages >= l->messages)
            return ALLOWANCE_MESSAGES;
    }
    if (!l->pending)
        return ALLOWANCE_OK;
    *retry_s = 1;
    ask->pending =
        !a->counted || (a->pending >= l->pending && now_ms - a->counted_ms >= ALLOWANCE_RECOUNT_MS);
    return !a->counted || a->pending >= l->pending ? ALLOWANCE_PENDING : ALLOWANCE_OK;
}

enum allowance_verdict allowance_take(struct allowance *a, int64_t now_ms, int64_t *retry_s,
                                      struct allowance_ask *ask)
{
    *ask = (struct allowance_ask){0};
    pthread_mutex_lock(&a->lock);
    enum allowance_verdict v = judge(a, now_ms, retry_s, ask);
    a->messages += v == ALLOWANCE_OK;
    a->open += v == ALLOWANCE_OK;
    pthread_mutex_unlock(&a->lock);
    return v;
}

void allowance_settle(struct allowance *a, bool stored)
{
    pthread_mutex_lock(&a->lock);
    a->open -= a->open > 0;
    a->messages -= !stored && a->messages > 0;
    pthread_mutex_unlock(&a->lock);
}

void allowance_count_messages(struct allowance *a, int64_t since_ms, int64_t messages,
                              int64_t now_ms)
{
    pthread_mutex_lock(&a->lock);
    if (since_ms == a->period * a->period_ms) {
        a->messages = messages + a->open;
        a->known = true;
        a->known_ms = now_ms;
    }
    pthread_mutex_unlock(&a->lock);
}

void allowance_count(struct allowance *a, int64_t pending, int64_t now_ms)
{
    pthread_mutex_lock(&a->lock);
    a->pending = pending;
    a->counted = true;
    a->counted_ms = now_ms;
    pthread_mutex_unlock(&a->lock);
}

void allowance_move(struct allowance *a, int64_t deliveries)
{
    pthread_mutex_lock(&a->lock);
    a->pending += deliveries;
    if (a->pending < 0)
        a->pending = 0; /* of before the count */
    pthread_mutex_unlock(&a->lock);
}

int64_t allowance_pending_limit(struct allowance *a)
{
    pthread_mutex_lock(&a->lock);
    int64_t limit = a->limits.pending;
    pthread_mutex_unlock(&a->lock);
    return limit;
}
