/* websub_topic.c -- asking a hub for one topic: redirects, pauses, renewal, denials. */
#include "engine/websub_topic.h"

#include "base/log.h"
#include "base/secret.h"
#include "http/url.h"

#define CALL_TIMEOUT_MS 30000
#define CONFIRM_WITHIN_MS 300000 /* a hub may take its time; then it is asked again */
#define BACKOFF_FIRST_MS 5000
#define BACKOFF_MAX_MS 3600000
#define DENIED_PAUSE_MS 21600000 /* a hub that said no is asked again, but seldom */
#define LEAVE_TRIES_MAX 5        /* then the lease runs out by itself */
#define REDIRECTS_MAX 3
#define LEASE_MIN_S 2
#define LEASE_MAX_S (366 * 86400)

char *websub_copy(str s)
{
    char *out = xcalloc(1, s.n + 1);
    memcpy(out, s.p, s.n);
    return out;
}

/* --- asking the hub ----------------------------------------------------------------------------
 */

static void ask(struct loop_timer *timer);

static enum websub_state state_of(struct websub_topic *t)
{
    pthread_mutex_lock(t->desk->lock);
    enum websub_state state = t->state;
    pthread_mutex_unlock(t->desk->lock);
    return state;
}

static void set_state(struct websub_topic *t, enum websub_state state, bool pending)
{
    pthread_mutex_lock(t->desk->lock);
    t->state = state;
    t->pending = pending;
    pthread_mutex_unlock(t->desk->lock);
}

static void leave(struct websub_topic *t)
{
    loop_timer_stop(&t->timer);
    pthread_mutex_lock(t->desk->lock);
    t->left = true;
    t->pending = false;
    pthread_mutex_unlock(t->desk->lock);
}

static void ask_later(struct websub_topic *t)
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
    loop_timer_start(t->desk->loop, &t->timer, t->backoff_ms, ask);
}

static void not_confirmed(struct loop_timer *timer)
{
    struct websub_topic *t = CONTAINER_OF(timer, struct websub_topic, timer);
    log_event(LOG_WARN, "a hub did not ask back; it is asked again",
              LOG_F("source", str_from_cstr(t->source)), LOG_F("hub", str_from_cstr(t->hub)));
    ask_later(t);
}

static const char *address_of(const struct websub_topic *t)
{
    return t->at ? t->at : t->hub;
}

/* Where the hub sends us is an outsider's word: a private address only when it is the hub's own,
 * and never from TLS to none, for the secret goes there. */
static enum err redirect_policy(const struct websub_topic *t, str to, enum outbound_policy *policy)
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

static bool follow(struct websub_topic *t, const struct http_answer *answer)
{
    str to = http_field_get(&answer->fields, STR("Location"));
    enum outbound_policy policy;
    if ((answer->status != 307 && answer->status != 308) || t->redirects >= REDIRECTS_MAX ||
        !to.n || to.n > WEBSUB_URL_MAX || redirect_policy(t, to, &policy) != ERR_OK)
        return false;
    t->redirects++;
    free(t->at);
    t->at = websub_copy(to);
    t->call.url = str_from_cstr(t->at);
    t->call.policy = policy;
    http_client_start(t->desk->client, &t->call);
    return true;
}

static void on_answer(struct http_call *call, const struct http_answer *answer)
{
    struct websub_topic *t = CONTAINER_OF(call, struct websub_topic, call);
    char status[16];
    if (answer->class == HTTP_CALL_CANCELLED ||
        (answer->class == HTTP_CALL_OK && follow(t, answer)))
        return;
    snprintf(status, sizeof(status), "%d", answer->status);
    if (answer->class == HTTP_CALL_OK && answer->status / 100 == 2) {
        /* A hub may ask, or deny, before it answers. */
        if (state_of(t) == WEBSUB_ASKED)
            loop_timer_start(t->desk->loop, &t->timer, CONFIRM_WITHIN_MS, not_confirmed);
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
    struct websub_topic *t = CONTAINER_OF(timer, struct websub_topic, timer);
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
    http_client_start(t->desk->client, &t->call);
}

static void begin(struct loop_msg *msg)
{
    ask(&CONTAINER_OF(msg, struct websub_topic, begun)->timer);
}

/* --- the hub's question ------------------------------------------------------------------------
 */

/* A fifth of the lease is left for tries that fail. */
static void on_confirmed(struct loop_msg *msg)
{
    struct websub_topic *t = CONTAINER_OF(msg, struct websub_topic, confirmed);
    char lease[CLOCK_TEXT_MAX];
    pthread_mutex_lock(t->desk->lock);
    int64_t granted_ms = t->granted_ms;
    pthread_mutex_unlock(t->desk->lock);
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
    t->renew_ns = clock_mono_ns(t->desk->clock) + granted_ms / 5 * 4 * 1000000;
    loop_timer_start_at(t->desk->loop, &t->timer, t->renew_ns, ask);
}

/* Nobody signs a denial, so it may only make the next request later or sooner: the hub's question
 * is answered as before, a lease is renewed when it would be, and saying it again changes nothing.
 */
static void on_denied(struct loop_msg *msg)
{
    struct websub_topic *t = CONTAINER_OF(msg, struct websub_topic, denied);
    int64_t again_ns = clock_mono_ns(t->desk->clock) + DENIED_PAUSE_MS * INT64_C(1000000);
    char reason[WEBSUB_REASON_MAX + 1];
    pthread_mutex_lock(t->desk->lock);
    enum websub_state before = t->before_denial;
    bool stands = t->state == WEBSUB_DENIED; /* the hub may have thought better of it */
    t->denial_posted = false;
    memcpy(reason, t->reason, sizeof(reason));
    pthread_mutex_unlock(t->desk->lock);
    if (before == WEBSUB_DENIED)
        return;
    log_event(LOG_WARN, "a hub denied a subscription", LOG_F("source", str_from_cstr(t->source)),
              LOG_F("hub", str_from_cstr(t->hub)), LOG_F("topic", str_from_cstr(t->topic)),
              LOG_F("reason", str_from_cstr(reason)));
    if (!stands)
        return;
    if (before == WEBSUB_CONFIRMED && t->renew_ns < again_ns)
        again_ns = t->renew_ns;
    loop_timer_start_at(t->desk->loop, &t->timer, again_ns, ask);
}

bool websub_topic_denied(struct websub_topic *t, str reason)
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
    loop_post(t->desk->loop, &t->denied);
    return true;
}

bool websub_topic_confirmed(struct websub_topic *t, int64_t lease_s)
{
    if (!t->pending)
        return false;
    t->pending = false;
    t->state = WEBSUB_CONFIRMED;
    t->granted_ms = lease_s <= 0            ? t->lease_ms
                    : lease_s > LEASE_MAX_S ? LEASE_MAX_S * (int64_t)1000
                    : lease_s < LEASE_MIN_S ? LEASE_MIN_S * (int64_t)1000
                                            : lease_s * 1000;
    loop_post(t->desk->loop, &t->confirmed);
    return true;
}

/* --- life --------------------------------------------------------------------------------------
 */

void websub_topic_init(struct websub_topic *t, const struct websub_desk *desk)
{
    t->desk = desk;
    t->begun.fn = begin;
    t->confirmed.fn = on_confirmed;
    t->denied.fn = on_denied;
}

bool websub_topic_has_left(struct websub_topic *t)
{
    pthread_mutex_lock(t->desk->lock);
    bool left = t->left;
    pthread_mutex_unlock(t->desk->lock);
    return left;
}

void websub_topic_release(struct websub_topic *t)
{
    loop_timer_stop(&t->timer);
    secret_wipe((char *)(uintptr_t)t->form.p, t->form.n);
    free((char *)(uintptr_t)t->form.p);
    free(t->source);
    free(t->hub);
    free(t->topic);
    free(t->callback);
    free(t->at);
}
