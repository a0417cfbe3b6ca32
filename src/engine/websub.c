/* websub.c -- one small state machine a source: asked, confirmed, to be renewed. */
#include "engine/websub.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/secret.h"

#include <pthread.h>

#define CALL_TIMEOUT_MS 30000
#define CONFIRM_WITHIN_MS 300000 /* a hub may take its time; then it is asked again */
#define BACKOFF_FIRST_MS 5000
#define BACKOFF_MAX_MS 3600000
#define LEASE_MIN_S 2
#define LEASE_MAX_S (366 * 86400)
#define FORM_BYTES_MAX 16384

struct topic {
    struct set *set;
    char *source, *hub, *topic;
    str form; /* the request's body, with the secret */
    int64_t lease_ms, backoff_ms;
    struct loop_timer timer;
    struct loop_msg begun, confirmed;
    struct http_call call;
    bool is_confirmed;  /* since it was asked for */
    bool pending;       /* under the lock: the hub may ask now */
    int64_t granted_ms; /* under the lock: the lease it gave */
};

struct set {
    struct websub *owner;
    struct loop *loop;
    struct loop_thread thread;
    struct http_client *client;
    struct topic *topics;
    size_t count;
};

struct websub {
    const struct clock *clock;
    struct http_client_options options;
    pthread_mutex_t configuring; /* one configuration at a time */
    pthread_mutex_t lock;
    struct set *set; /* NULL: no source subscribes */
};

/* --- asking the hub, on the set's thread -------------------------------------------------------
 */

static void ask(struct loop_timer *timer);

static void ask_later(struct topic *t)
{
    t->backoff_ms = t->backoff_ms ? 2 * t->backoff_ms : BACKOFF_FIRST_MS;
    if (t->backoff_ms > BACKOFF_MAX_MS)
        t->backoff_ms = BACKOFF_MAX_MS;
    loop_timer_start(t->set->loop, &t->timer, t->backoff_ms, ask);
}

static void set_pending(struct topic *t, bool pending)
{
    pthread_mutex_lock(&t->set->owner->lock);
    t->pending = pending;
    pthread_mutex_unlock(&t->set->owner->lock);
}

static void not_confirmed(struct loop_timer *timer)
{
    struct topic *t = CONTAINER_OF(timer, struct topic, timer);
    log_event(LOG_WARN, "a hub did not confirm a subscription; it is asked again",
              LOG_F("source", str_from_cstr(t->source)), LOG_F("hub", str_from_cstr(t->hub)));
    set_pending(t, false);
    ask_later(t);
}

static void on_answer(struct http_call *call, const struct http_answer *answer)
{
    struct topic *t = CONTAINER_OF(call, struct topic, call);
    char status[16];
    if (answer->class == HTTP_CALL_CANCELLED)
        return;
    snprintf(status, sizeof(status), "%d", answer->status);
    if (answer->class == HTTP_CALL_OK && answer->status / 100 == 2) {
        /* A hub may ask before it answers. */
        if (!t->is_confirmed)
            loop_timer_start(t->set->loop, &t->timer, CONFIRM_WITHIN_MS, not_confirmed);
        return;
    }
    log_event(LOG_WARN, "a hub refused a subscription", LOG_F("source", str_from_cstr(t->source)),
              LOG_F("hub", str_from_cstr(t->hub)), LOG_F("status", str_from_cstr(status)),
              LOG_F("reason", answer->class == HTTP_CALL_OK ? str_slice(answer->body, 0, 200)
                                                            : str_from_cstr(answer->error)));
    set_pending(t, false);
    ask_later(t);
}

static void ask(struct loop_timer *timer)
{
    static const struct http_field type = {{"Content-Type", 12},
                                           {"application/x-www-form-urlencoded", 33}};
    struct topic *t = CONTAINER_OF(timer, struct topic, timer);
    /* Before the call: a hub may ask back before it answers. */
    set_pending(t, true);
    t->is_confirmed = false;
    t->call = (struct http_call){.method = STR("POST"),
                                 .url = str_from_cstr(t->hub),
                                 .fields = &type,
                                 .field_count = 1,
                                 .body = t->form,
                                 .policy = OUTBOUND_PRIVATE,
                                 .timeout_ms = CALL_TIMEOUT_MS,
                                 .done = on_answer};
    http_client_start(t->set->client, &t->call);
}

static void begin(struct loop_msg *msg)
{
    ask(&CONTAINER_OF(msg, struct topic, begun)->timer);
}

/* --- the hub's question ------------------------------------------------------------------------
 */

/* A fifth of the lease is left for tries that fail. */
static void on_confirmed(struct loop_msg *msg)
{
    struct topic *t = CONTAINER_OF(msg, struct topic, confirmed);
    char lease[CLOCK_TEXT_MAX];
    pthread_mutex_lock(&t->set->owner->lock);
    int64_t granted_ms = t->granted_ms;
    pthread_mutex_unlock(&t->set->owner->lock);
    t->is_confirmed = true;
    t->backoff_ms = 0;
    log_event(LOG_INFO, "a hub sends a topic", LOG_F("source", str_from_cstr(t->source)),
              LOG_F("hub", str_from_cstr(t->hub)), LOG_F("topic", str_from_cstr(t->topic)),
              LOG_F("lease", clock_duration_format(granted_ms, lease)));
    loop_timer_start(t->set->loop, &t->timer, granted_ms / 5 * 4, ask);
}

bool websub_confirm(struct websub *s, str source, str topic, int64_t lease_s)
{
    bool wanted = false;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; s->set && i < s->set->count; i++) {
        struct topic *t = &s->set->topics[i];
        if (!t->pending || !str_eq(str_from_cstr(t->source), source) ||
            !str_eq(str_from_cstr(t->topic), topic))
            continue;
        t->pending = false;
        t->granted_ms = lease_s <= 0            ? t->lease_ms
                        : lease_s > LEASE_MAX_S ? LEASE_MAX_S * (int64_t)1000
                        : lease_s < LEASE_MIN_S ? LEASE_MIN_S * (int64_t)1000
                                                : lease_s * 1000;
        loop_post(s->set->loop, &t->confirmed);
        wanted = true;
    }
    pthread_mutex_unlock(&s->lock);
    return wanted;
}

/* --- what the configuration says ---------------------------------------------------------------
 */

static char *copy(str s)
{
    char *out = xcalloc(1, s.n + 1);
    memcpy(out, s.p, s.n);
    return out;
}

static void add_pair(struct buf *form, const char *name, str value)
{
    buf_printf(form, "%s%s=", form->len ? "&" : "", name);
    percent_encode(form, value);
}

static void topic_fill(struct topic *t, const struct source_config *s)
{
    struct buf form;
    char lease[24];
    buf_init(&form, FORM_BYTES_MAX);
    int n = snprintf(lease, sizeof(lease), "%lld", (long long)(s->subscribe.lease_ms / 1000));
    add_pair(&form, "hub.mode", STR("subscribe"));
    add_pair(&form, "hub.topic", s->subscribe.topic);
    add_pair(&form, "hub.callback", s->subscribe.callback);
    add_pair(&form, "hub.lease_seconds", str_of(lease, (size_t)n));
    add_pair(&form, "hub.secret", s->verifier.secrets[0]);
    /* The configuration has seen to the lengths. */
    if (!buf_ok(&form))
        die("a subscription of %zu bytes", form.len);
    t->source = copy(s->name);
    t->hub = copy(s->subscribe.hub);
    t->topic = copy(s->subscribe.topic);
    t->form = str_of(copy(buf_str(&form)), form.len);
    t->lease_ms = s->subscribe.lease_ms;
    t->begun.fn = begin;
    t->confirmed.fn = on_confirmed;
    secret_wipe(form.p, form.len);
    buf_release(&form);
}

static struct set *set_new(struct websub *owner, const struct config *c)
{
    struct set *set = xcalloc(1, sizeof(*set));
    set->owner = owner;
    set->topics = xcalloc(c->source_count + 1, sizeof(*set->topics));
    for (size_t i = 0; i < c->source_count; i++)
        if (c->sources[i]->subscribe.topic.n) {
            set->topics[set->count].set = set;
            topic_fill(&set->topics[set->count++], c->sources[i]);
        }
    return set;
}

static void set_start(struct set *set)
{
    set->loop = loop_new(set->owner->clock);
    set->client = http_client_new(set->loop, &set->owner->options);
    loop_thread_start(&set->thread, set->loop, "gaff-websub");
    for (size_t i = 0; i < set->count; i++)
        loop_post(set->loop, &set->topics[i].begun);
}

static void set_free(struct set *set)
{
    if (!set)
        return;
    if (set->loop) {
        loop_stop(set->loop);
        loop_thread_join(&set->thread);
        http_client_free(set->client);
    }
    for (size_t i = 0; i < set->count; i++) {
        struct topic *t = &set->topics[i];
        loop_timer_stop(&t->timer);
        secret_wipe((char *)(uintptr_t)t->form.p, t->form.n);
        free((char *)(uintptr_t)t->form.p);
        free(t->source);
        free(t->hub);
        free(t->topic);
    }
    loop_free(set->loop);
    free(set->topics);
    free(set);
}

static bool is_same(const struct set *x, const struct set *y)
{
    bool same = x->count == y->count;
    for (size_t i = 0; same && i < x->count; i++)
        same = strcmp(x->topics[i].source, y->topics[i].source) == 0 &&
               strcmp(x->topics[i].hub, y->topics[i].hub) == 0 &&
               str_eq(x->topics[i].form, y->topics[i].form);
    return same;
}

void websub_configure(struct websub *s, const struct config *c)
{
    pthread_mutex_lock(&s->configuring);
    struct set *fresh = set_new(s, c), *old = s->set;
    if (old ? is_same(old, fresh) : fresh->count == 0) {
        pthread_mutex_unlock(&s->configuring);
        set_free(fresh);
        return;
    }
    if (fresh->count == 0) {
        set_free(fresh);
        fresh = NULL;
    } else {
        set_start(fresh);
    }
    pthread_mutex_lock(&s->lock);
    s->set = fresh;
    pthread_mutex_unlock(&s->lock);
    pthread_mutex_unlock(&s->configuring);
    set_free(old);
}

struct websub *websub_new(const struct clock *clock, const struct http_client_options *o)
{
    struct websub *s = xcalloc(1, sizeof(*s));
    s->clock = clock;
    s->options = *o;
    pthread_mutex_init(&s->configuring, NULL);
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

void websub_free(struct websub *s)
{
    if (!s)
        return;
    struct set *set = s->set;
    pthread_mutex_lock(&s->lock);
    s->set = NULL;
    pthread_mutex_unlock(&s->lock);
    set_free(set);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->configuring);
    free(s);
}
