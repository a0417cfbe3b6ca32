/* websub.c -- one small state machine a source: asked, confirmed, to be renewed. */
#include "engine/websub.h"

#include "base/log.h"
#include "base/secret.h"
#include "http/url.h"

#include <pthread.h>

#define CALL_TIMEOUT_MS 30000
#define CONFIRM_WITHIN_MS 300000 /* a hub may take its time; then it is asked again */
#define BACKOFF_FIRST_MS 5000
#define BACKOFF_MAX_MS 3600000
#define DENIED_PAUSE_MS 21600000 /* a hub that said no is asked again, but seldom */
#define LEAVE_TRIES_MAX 5        /* then the lease runs out by itself */
#define REDIRECTS_MAX 3
#define LEASE_MIN_S 2
#define LEASE_MAX_S (366 * 86400)

struct topic {
    struct set *set;
    char *source, *hub, *topic, *callback;
    char *at; /* where the hub has sent us for good; NULL: it is at `hub` */
    str form; /* the request's body, with the secret */
    bool leaving;
    int64_t lease_ms, backoff_ms, renew_ns;
    int tries, redirects;
    struct loop_timer timer;
    struct loop_msg begun, confirmed, denied;
    struct http_call call;
    /* Under the owner's lock: */
    enum websub_state state, before_denial;
    bool pending;       /* the hub may ask now */
    bool denial_posted; /* and not handled yet */
    bool left;          /* nothing more to do for one that leaves */
    int64_t granted_ms; /* the lease it gave */
    char reason[WEBSUB_REASON_MAX + 1];
};

struct set {
    struct websub *owner;
    struct loop *loop;
    struct loop_thread thread;
    struct http_client *client;
    struct topic *topics; /* those that are wanted, then those that leave */
    size_t count, wanted;
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

static char *copy(str s)
{
    char *out = xcalloc(1, s.n + 1);
    memcpy(out, s.p, s.n);
    return out;
}

static void ask(struct loop_timer *timer);

static enum websub_state state_of(struct topic *t)
{
    pthread_mutex_lock(&t->set->owner->lock);
    enum websub_state state = t->state;
    pthread_mutex_unlock(&t->set->owner->lock);
    return state;
}

static void set_state(struct topic *t, enum websub_state state, bool pending)
{
    pthread_mutex_lock(&t->set->owner->lock);
    t->state = state;
    t->pending = pending;
    pthread_mutex_unlock(&t->set->owner->lock);
}

static void leave(struct topic *t)
{
    loop_timer_stop(&t->timer);
    pthread_mutex_lock(&t->set->owner->lock);
    t->left = true;
    t->pending = false;
    pthread_mutex_unlock(&t->set->owner->lock);
}

static void ask_later(struct topic *t)
{
    set_state(t, WEBSUB_ASKED, false);
    free(t->at);
    t->at = NULL;
    if (t->leaving && ++t->tries >= LEAVE_TRIES_MAX) {
        log_event(LOG_WARN, "a hub does not end a subscription; its lease runs out",
                  LOG_F("source", str_from_cstr(t->source)), LOG_F("hub", str_from_cstr(t->hub)));
        leave(t);
        return;
    }
    t->backoff_ms = t->backoff_ms ? 2 * t->backoff_ms : BACKOFF_FIRST_MS;
    if (t->backoff_ms > BACKOFF_MAX_MS)
        t->backoff_ms = BACKOFF_MAX_MS;
    loop_timer_start(t->set->loop, &t->timer, t->backoff_ms, ask);
}

static void not_confirmed(struct loop_timer *timer)
{
    struct topic *t = CONTAINER_OF(timer, struct topic, timer);
    log_event(LOG_WARN, "a hub did not ask back; it is asked again",
              LOG_F("source", str_from_cstr(t->source)), LOG_F("hub", str_from_cstr(t->hub)));
    ask_later(t);
}

static const char *address_of(const struct topic *t)
{
    return t->at ? t->at : t->hub;
}

/* Where the hub sends us is an outsider's word: a private address only when it is the hub's own,
 * and never from TLS to none, for the secret goes there. */
static enum err redirect_policy(const struct topic *t, str to, enum outbound_policy *policy)
{
    struct http_url from = {0}, there = {0};
    struct reason why;
    char host[HTTP_HOST_MAX + 1], other[HTTP_HOST_MAX + 1];
    enum err e = http_url_parse(str_from_cstr(t->hub), &from, &why);
    if (e == ERR_OK)
        e = http_url_parse(to, &there, &why);
    if (e == ERR_OK) {
        http_url_host(&from, host);
        http_url_host(&there, other);
        *policy = host[0] && strcmp(host, other) == 0 && from.port == there.port ? OUTBOUND_PRIVATE
                                                                                 : OUTBOUND_PUBLIC;
        if (from.tls && !there.tls)
            e = ERR_INVALID;
    }
    http_url_release(&from);
    http_url_release(&there);
    return e == ERR_OK ? http_url_check(to, *policy, &why) : e;
}

static bool follow(struct topic *t, const struct http_answer *answer)
{
    str to = http_field_get(&answer->fields, STR("Location"));
    enum outbound_policy policy;
    if ((answer->status != 307 && answer->status != 308) || t->redirects >= REDIRECTS_MAX ||
        !to.n || to.n > WEBSUB_URL_MAX || redirect_policy(t, to, &policy) != ERR_OK)
        return false;
    t->redirects++;
    free(t->at);
    t->at = copy(to);
    t->call.url = str_from_cstr(t->at);
    t->call.policy = policy;
    http_client_start(t->set->client, &t->call);
    return true;
}

static void on_answer(struct http_call *call, const struct http_answer *answer)
{
    struct topic *t = CONTAINER_OF(call, struct topic, call);
    char status[16];
    if (answer->class == HTTP_CALL_CANCELLED ||
        (answer->class == HTTP_CALL_OK && follow(t, answer)))
        return;
    snprintf(status, sizeof(status), "%d", answer->status);
    if (answer->class == HTTP_CALL_OK && answer->status / 100 == 2) {
        /* A hub may ask, or deny, before it answers. */
        if (state_of(t) == WEBSUB_ASKED)
            loop_timer_start(t->set->loop, &t->timer, CONFIRM_WITHIN_MS, not_confirmed);
        return;
    }
    log_event(LOG_WARN, "a hub refused a subscription", LOG_F("source", str_from_cstr(t->source)),
              LOG_F("hub", str_from_cstr(address_of(t))), LOG_F("status", str_from_cstr(status)),
              LOG_F("reason", answer->class == HTTP_CALL_OK ? str_slice(answer->body, 0, 200)
                                                            : str_from_cstr(answer->error)));
    ask_later(t);
}

static void ask(struct loop_timer *timer)
{
    static const struct http_field type = {{"Content-Type", 12},
                                           {"application/x-www-form-urlencoded", 33}};
    struct topic *t = CONTAINER_OF(timer, struct topic, timer);
    enum outbound_policy policy = OUTBOUND_PRIVATE;
    if (t->at && redirect_policy(t, str_from_cstr(t->at), &policy) != ERR_OK)
        policy = OUTBOUND_PUBLIC;
    /* Before the call: a hub may ask back before it answers. */
    set_state(t, WEBSUB_ASKED, true);
    t->redirects = 0;
    t->call = (struct http_call){.method = STR("POST"),
                                 .url = str_from_cstr(address_of(t)),
                                 .fields = &type,
                                 .field_count = 1,
                                 .body = t->form,
                                 .policy = policy,
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
    t->backoff_ms = 0;
    if (t->leaving) {
        log_event(LOG_INFO, "a hub sends a topic no more",
                  LOG_F("source", str_from_cstr(t->source)), LOG_F("hub", str_from_cstr(t->hub)),
                  LOG_F("topic", str_from_cstr(t->topic)));
        leave(t);
        return;
    }
    log_event(LOG_INFO, "a hub sends a topic", LOG_F("source", str_from_cstr(t->source)),
              LOG_F("hub", str_from_cstr(t->hub)), LOG_F("topic", str_from_cstr(t->topic)),
              LOG_F("lease", clock_duration_format(granted_ms, lease)));
    t->renew_ns = clock_mono_ns(t->set->owner->clock) + granted_ms / 5 * 4 * 1000000;
    loop_timer_start_at(t->set->loop, &t->timer, t->renew_ns, ask);
}

/* Nobody signs a denial, so it may only make the next request later or sooner: the hub's question
 * is answered as before, a lease is renewed when it would be, and saying it again changes nothing.
 */
static void on_denied(struct loop_msg *msg)
{
    struct topic *t = CONTAINER_OF(msg, struct topic, denied);
    struct websub *owner = t->set->owner;
    int64_t again_ns = clock_mono_ns(owner->clock) + DENIED_PAUSE_MS * INT64_C(1000000);
    char reason[WEBSUB_REASON_MAX + 1];
    pthread_mutex_lock(&owner->lock);
    enum websub_state before = t->before_denial;
    bool stands = t->state == WEBSUB_DENIED; /* the hub may have thought better of it */
    t->denial_posted = false;
    memcpy(reason, t->reason, sizeof(reason));
    pthread_mutex_unlock(&owner->lock);
    if (before == WEBSUB_DENIED)
        return;
    log_event(LOG_WARN, "a hub denied a subscription", LOG_F("source", str_from_cstr(t->source)),
              LOG_F("hub", str_from_cstr(t->hub)), LOG_F("topic", str_from_cstr(t->topic)),
              LOG_F("reason", str_from_cstr(reason)));
    if (!stands)
        return;
    if (before == WEBSUB_CONFIRMED && t->renew_ns < again_ns)
        again_ns = t->renew_ns;
    loop_timer_start_at(t->set->loop, &t->timer, again_ns, ask);
}

static bool take_denial(struct topic *t, str reason)
{
    size_t n = reason.n < WEBSUB_REASON_MAX ? reason.n : WEBSUB_REASON_MAX;
    if (t->state == WEBSUB_ASKED && !t->pending)
        return false;
    if (t->denial_posted)
        return true;
    for (size_t i = 0; i < n; i++)
        t->reason[i] = reason.p[i] < ' ' || reason.p[i] > '~' ? '?' : reason.p[i];
    t->reason[n] = '\0';
    t->before_denial = t->state;
    t->state = WEBSUB_DENIED;
    t->denial_posted = true;
    loop_post(t->set->loop, &t->denied);
    return true;
}

static bool take_question(struct topic *t, int64_t lease_s)
{
    if (!t->pending)
        return false;
    t->pending = false;
    t->state = WEBSUB_CONFIRMED;
    t->granted_ms = lease_s <= 0            ? t->lease_ms
                    : lease_s > LEASE_MAX_S ? LEASE_MAX_S * (int64_t)1000
                    : lease_s < LEASE_MIN_S ? LEASE_MIN_S * (int64_t)1000
                                            : lease_s * 1000;
    loop_post(t->set->loop, &t->confirmed);
    return true;
}

bool websub_told(struct websub *s, str source, const struct websub_word *word)
{
    bool denies = str_eq(word->mode, WEBSUB_MODE_DENIED);
    bool leaves = str_eq(word->mode, WEBSUB_MODE_UNSUBSCRIBE);
    bool meant = false;
    if (!denies && !leaves && !str_eq(word->mode, WEBSUB_MODE_SUBSCRIBE))
        return false;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; s->set && i < s->set->count; i++) {
        struct topic *t = &s->set->topics[i];
        if (t->leaving != leaves || !str_eq(str_from_cstr(t->source), source) ||
            !str_eq(str_from_cstr(t->topic), word->topic))
            continue;
        meant = (denies ? take_denial(t, word->reason) : take_question(t, word->lease_s)) || meant;
    }
    pthread_mutex_unlock(&s->lock);
    return meant;
}

const char *websub_state_word(enum websub_state state)
{
    static const char *const words[] = {"asked", "confirmed", "denied"};
    return words[state];
}

bool websub_look(struct websub *s, str source, enum websub_state *state,
                 char reason[WEBSUB_REASON_MAX + 1])
{
    bool found = false;
    reason[0] = '\0';
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; s->set && i < s->set->count && !found; i++) {
        const struct topic *t = &s->set->topics[i];
        found = !t->leaving && str_eq(str_from_cstr(t->source), source);
        if (found)
            *state = t->state;
        if (found && t->state == WEBSUB_DENIED)
            memcpy(reason, t->reason, sizeof(t->reason));
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

/* --- what the configuration says ---------------------------------------------------------------
 */

static void topic_init(struct set *set, const struct topic *from)
{
    struct topic *t = &set->topics[set->count++];
    *t = *from;
    t->set = set;
    t->begun.fn = begin;
    t->confirmed.fn = on_confirmed;
    t->denied.fn = on_denied;
}

/* What both requests say; the caller ends it with form_take. */
static void form_begin(struct buf *form, str mode, str topic, str callback)
{
    buf_init(form, WEBSUB_FORM_MAX);
    websub_pair(form, WEBSUB_MODE, mode);
    websub_pair(form, WEBSUB_TOPIC, topic);
    websub_pair(form, WEBSUB_CALLBACK, callback);
}

static str form_take(struct buf *form)
{
    /* The configuration has seen to the lengths. */
    if (!buf_ok(form))
        die("a subscription of %zu bytes", form->len);
    str out = str_of(copy(buf_str(form)), form->len);
    secret_wipe(form->p, form->len);
    buf_release(form);
    return out;
}

static void add_wanted(struct set *set, const struct source_config *s)
{
    struct buf form;
    char lease[24];
    int n = snprintf(lease, sizeof(lease), "%lld", (long long)(s->subscribe.lease_ms / 1000));
    form_begin(&form, WEBSUB_MODE_SUBSCRIBE, s->subscribe.topic, s->subscribe.callback);
    websub_pair(&form, WEBSUB_LEASE, str_of(lease, (size_t)n));
    websub_pair(&form, WEBSUB_SECRET, s->verifier.secrets[0]);
    topic_init(set, &(struct topic){.source = copy(s->name),
                                    .hub = copy(s->subscribe.hub),
                                    .topic = copy(s->subscribe.topic),
                                    .callback = copy(s->subscribe.callback),
                                    .form = form_take(&form),
                                    .lease_ms = s->subscribe.lease_ms});
}

/* Only where its question can come: the source is still there, at the same URL. */
static bool can_leave(const struct topic *t, const struct config *c)
{
    str callback = str_from_cstr(t->callback);
    const struct source_config *s = map_get(&c->sources_by_name, str_from_cstr(t->source));
    return s && s->subscribe.possible && callback.n == c->public_url.n + s->path.n &&
           str_starts(callback, c->public_url) && str_ends(callback, s->path);
}

static bool is_wanted(const struct set *set, const struct topic *t)
{
    bool wanted = false;
    for (size_t i = 0; i < set->count; i++)
        wanted = wanted || (strcmp(set->topics[i].hub, t->hub) == 0 &&
                            strcmp(set->topics[i].topic, t->topic) == 0 &&
                            strcmp(set->topics[i].callback, t->callback) == 0);
    return wanted;
}

static void add_leaving(struct set *set, const struct topic *from)
{
    struct buf form;
    form_begin(&form, WEBSUB_MODE_UNSUBSCRIBE, str_from_cstr(from->topic),
               str_from_cstr(from->callback));
    topic_init(set, &(struct topic){.source = copy(str_from_cstr(from->source)),
                                    .hub = copy(str_from_cstr(from->hub)),
                                    .topic = copy(str_from_cstr(from->topic)),
                                    .callback = copy(str_from_cstr(from->callback)),
                                    .form = form_take(&form),
                                    .leaving = true});
}

static bool has_left(struct topic *t)
{
    pthread_mutex_lock(&t->set->owner->lock);
    bool left = t->left;
    pthread_mutex_unlock(&t->set->owner->lock);
    return left;
}

static struct set *set_new(struct websub *owner, const struct config *c, const struct set *old)
{
    struct set *set = xcalloc(1, sizeof(*set));
    set->owner = owner;
    set->topics = xcalloc(c->source_count + (old ? old->count : 0) + 1, sizeof(*set->topics));
    for (size_t i = 0; i < c->source_count; i++)
        if (c->sources[i]->subscribe.topic.n)
            add_wanted(set, c->sources[i]);
    set->wanted = set->count;
    for (size_t i = 0; old && i < old->count; i++)
        if (!has_left(&old->topics[i]) && can_leave(&old->topics[i], c) &&
            !is_wanted(set, &old->topics[i]))
            add_leaving(set, &old->topics[i]);
    return set;
}

static void set_start(struct set *set, const struct config *c)
{
    struct http_client_options options = set->owner->options;
    char *ca_file = c->outbound_ca_file.n ? copy(c->outbound_ca_file) : NULL;
    options.allow = c->outbound_allow;
    options.allow_count = c->outbound_allow_count;
    options.ca_file = ca_file;
    set->loop = loop_new(set->owner->clock);
    set->client = http_client_new(set->loop, &options);
    free(ca_file);
    loop_thread_start(&set->thread, set->loop, "gaff-websub");
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
        free(t->callback);
        free(t->at);
    }
    loop_free(set->loop);
    free(set->topics);
    free(set);
}

static bool is_same(const struct set *x, const struct set *y)
{
    bool same = x->wanted == y->wanted;
    for (size_t i = 0; same && i < x->wanted; i++)
        same = strcmp(x->topics[i].source, y->topics[i].source) == 0 &&
               strcmp(x->topics[i].hub, y->topics[i].hub) == 0 &&
               str_eq(x->topics[i].form, y->topics[i].form);
    return same;
}

void websub_configure(struct websub *s, const struct config *c)
{
    pthread_mutex_lock(&s->configuring);
    struct set *fresh = set_new(s, c, s->set), *old = s->set;
    if (old ? is_same(old, fresh) : fresh->count == 0) {
        pthread_mutex_unlock(&s->configuring);
        set_free(fresh);
        return;
    }
    if (fresh->count == 0) {
        set_free(fresh);
        fresh = NULL;
    } else {
        set_start(fresh, c);
    }
    pthread_mutex_lock(&s->lock);
    s->set = fresh;
    pthread_mutex_unlock(&s->lock);
    /* Not before a hub's question finds it. */
    for (size_t i = 0; fresh && i < fresh->count; i++)
        loop_post(fresh->loop, &fresh->topics[i].begun);
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
