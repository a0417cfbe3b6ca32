/* hub_errand.c -- a job from its first call to its outcome. Whatever comes of it is one commit with
 * the end of the job, under the version the job was read at: a newer request for the same thing
 * makes that fail, and is done instead. */
#include "engine/hub_errand.h"

#include "base/codec.h"
#include "base/ksuid.h"
#include "base/log.h"
#include "base/rand.h"
#include "engine/follow.h"
#include "engine/hub.h"
#include "engine/subscription.h"
#include "http/url.h"

#define CALL_TIMEOUT_MS 30000
#define ERRAND_ARENA_MAX (1u << 20)
#define OUTCOME_ARENA_MAX (64u << 20)
#define STORE_PAUSE_MS 5000
#define CHANGES_MAX 3
#define TOPIC_KIND "hub-topic" /* what was distributed last */

/* Before the second and the third try of what got no answer. */
static const int64_t pauses_ms[] = {10000, 60000};

static void ask(struct loop_timer *timer);

/* --- life --------------------------------------------------------------------------------------
 */

void hub_errand_drop(struct hub_errand *e)
{
    struct hub *h = e->hub;
    map_remove(&h->errands, e->id);
    atomic_fetch_sub(&h->under_way, 1);
    loop_timer_stop(&e->timer);
    if (e->is_calling)
        http_client_cancel(h->client, &e->call);
    secret_wipe((char *)(uintptr_t)e->job.secret.p, e->job.secret.n);
    arena_release(&e->arena);
    free(e);
}

void hub_errand_drop_all(struct hub *h)
{
    struct map_entry e;
    for (size_t i = 0; map_next(&h->errands, &i, &e);)
        hub_errand_drop(e.value);
}

void hub_errand_begin(struct hub *h, const struct object *o)
{
    struct hub_errand *old = map_get(&h->errands, o->id);
    if (old && old->version >= o->version)
        return;
    if (old)
        hub_errand_drop(old);
    struct hub_errand *e = xcalloc(1, sizeof(*e));
    e->hub = h;
    e->version = o->version;
    arena_init(&e->arena, ERRAND_ARENA_MAX);
    e->id = arena_str(&e->arena, o->id);
    map_put(&h->errands, o->id, e);
    atomic_fetch_add(&h->under_way, 1);
    if (!hub_job_read(o->doc, &e->arena, &e->job)) {
        log_event(LOG_ERROR, "a job of the hub cannot be read", LOG_F("job", o->id));
        hub_errand_drop(e);
        return;
    }
    ask(&e->timer);
}

/* What may be shown of a callback: its query may hold what only its owner should know. */
static str shown(str url)
{
    return str_slice(url, 0, str_find(url, '?'));
}

static void tell(const struct hub_errand *e, enum log_level level, const char *what, str reason)
{
    log_event(level, what, LOG_F("topic", e->job.topic), LOG_F("callback", shown(e->job.callback)),
              LOG_F("reason", reason));
}

/* --- the store ---------------------------------------------------------------------------------
 */

bool hub_application(struct hub *h, struct arena *a, struct application *out)
{
    return directory_application(h->core->directory, STR(DEFAULT_ORG), STR(HUB_APPLICATION), a,
                                 out);
}

enum err hub_commit(struct hub *h, struct object_change *changes, size_t count,
                    struct app_message_plan *plan, struct reason *why)
{
    struct object_set set = {.changes = changes, .count = count};
    struct commit_ticket *ticket = xcalloc(1, sizeof(*ticket));
    struct dispatch_offers offers;
    commit_ticket_init(ticket, NULL, NULL);
    commit_ticket_add_set(ticket, &set);
    if (plan) {
        plan->event.only_with = &set;
        commit_ticket_add_event(ticket, &plan->event);
    }
    enum err err = committer_commit(h->core->committer, ticket, why);
    free(ticket);
    if (plan) {
        dispatch_offers_init(&offers, h->core);
        app_message_settle(h->core, plan, err, &offers);
        dispatch_offers_send(&offers);
    }
    if (err == ERR_OK && set.err != ERR_OK)
        err = fail(why, set.err, "what it was judged by was changed meanwhile");
    for (size_t i = 0; err == ERR_OK && i < count; i++) {
        changes[i].object.deleted = changes[i].op == OBJECT_DELETE;
        if (str_eq(changes[i].object.kind, STR(ENDPOINT_KIND)) ||
            str_eq(changes[i].object.kind, STR(APPLICATION_KIND)))
            follow_committed(h->core, &changes[i].object);
    }
    return err;
}

static struct object_change end_of_job(const struct hub_errand *e)
{
    return (struct object_change){.op = OBJECT_DELETE,
                                  .object = {.kind = STR(HUB_JOB_KIND), .id = e->id},
                                  .expect = e->version};
}

/* After a commit that did not hold. Somebody asked for the same again: that is done now. Else the
 * endpoint was changed, or the store fails: the outcome is tried again by and by. */
static void look_again(struct hub_errand *e, enum err err, const struct reason *why)
{
    struct hub *h = e->hub;
    struct object o;
    struct arena a;
    uint64_t held;
    arena_init(&a, OUTCOME_ARENA_MAX);
    enum err found = store_object(h->reader, STR(HUB_JOB_KIND), e->id, &a, &o, NULL);
    if (found == ERR_NOT_FOUND) {
        hub_errand_drop(e); /* another node did it */
    } else if (found == ERR_OK && o.version != e->version) {
        hub_errand_drop(e);
        hub_errand_begin(h, &o);
    } else {
        if (err != ERR_CONFLICT && log_rate("hub", &held))
            log_event(LOG_WARN, "a job of the hub waits for the store", LOG_F("job", e->id),
                      LOG_F("reason", str_from_cstr(why->text)));
        loop_timer_start(h->loop, &e->timer, STORE_PAUSE_MS, ask);
    }
    arena_release(&a);
}

/* The job ends with these changes; `told` is for the log when they hold. True then, and e is gone.
 */
static bool conclude(struct hub_errand *e, struct object_change *changes, size_t count,
                     struct app_message_plan *plan, const char *told)
{
    struct reason why = {.text = ""};
    changes[count++] = end_of_job(e);
    enum err err = hub_commit(e->hub, changes, count, plan, &why);
    if (err != ERR_OK) {
        look_again(e, err, &why);
        return false;
    }
    atomic_fetch_add(&e->hub->core->hub_counts.jobs[e->job.mode][e->outcome], 1);
    if (told)
        tell(e, LOG_INFO, told, STR("confirmed by its callback"));
    hub_errand_drop(e);
    return true;
}

static void give_up(struct hub_errand *e, enum hub_outcome outcome, str reason)
{
    struct object_change changes[CHANGES_MAX];
    static const char *const told[] = {
        "a subscription was not confirmed", "the end of a subscription was not confirmed",
        "a subscriber could not be told of a denial", "a topic could not be fetched"};
    tell(e, LOG_WARN, told[e->job.mode], reason);
    e->outcome = outcome;
    conclude(e, changes, 0, NULL, NULL);
}

/* Nobody answered. The tries are counted in the store. */
static void try_later(struct hub_errand *e, str reason)
{
    struct reason why = {.text = ""};
    struct object_change change;
    struct arena a;
    if ((size_t)e->job.tries >= ARRAY_LEN(pauses_ms)) {
        give_up(e, HUB_FAILED, reason);
        return;
    }
    int64_t pause_ms = pauses_ms[e->job.tries++];
    arena_init(&a, ERRAND_ARENA_MAX);
    enum err err = ERR_LIMIT;
    if (hub_job_change(e->hub, &e->job, &a, &change)) {
        change.expect = e->version;
        err = hub_commit(e->hub, &change, 1, NULL, &why);
    }
    if (err == ERR_OK) {
        e->version = change.object.version;
        loop_timer_start(e->hub->loop, &e->timer, pause_ms, ask);
    }
    arena_release(&a);
    if (err != ERR_OK)
        look_again(e, err, &why);
}

/* --- outcomes ----------------------------------------------------------------------------------
 */

static void deny(struct hub_errand *e, const char *reason)
{
    struct object_change changes[CHANGES_MAX] = {0};
    struct hub_job denial = e->job;
    struct hub *h = e->hub;
    struct reason why = {.text = ""};
    struct arena a;
    denial.mode = HUB_DENY;
    denial.secret = STR("");
    denial.reason = str_from_cstr(reason);
    denial.tries = 0;
    tell(e, LOG_WARN, "a subscription was denied", denial.reason);
    arena_init(&a, ERRAND_ARENA_MAX);
    enum err err = ERR_LIMIT;
    changes[1] = end_of_job(e);
    if (hub_job_change(h, &denial, &a, &changes[0]))
        err = hub_commit(h, changes, 2, NULL, &why);
    if (err == ERR_OK) {
        atomic_fetch_add(&h->core->hub_counts.jobs[e->job.mode][HUB_REFUSED], 1);
        hub_errand_drop(e);
        hub_errand_begin(h, &changes[0].object);
    } else {
        look_again(e, err, &why);
    }
    arena_release(&a);
}

struct found { /* the endpoint of an errand, as it is stored */
    struct application app;
    struct object object;
    bool there;
};

static enum err find(struct hub_errand *e, struct arena *a, struct found *out, struct reason *why)
{
    if (!hub_application(e->hub, a, &out->app))
        return fail(why, ERR_IO, "the hub's application is not there");
    str uid = subscription_uid(e->job.topic, e->job.callback, a);
    enum err err = store_object_named(e->hub->reader, STR(ENDPOINT_KIND), out->app.id, uid, a,
                                      &out->object, why);
    out->there = err == ERR_OK;
    if (err == ERR_NOT_FOUND) {
        char id[KSUID_TEXT_MAX];
        out->object = (struct object){
            .kind = STR(ENDPOINT_KIND),
            .id = arena_str(a, ksuid_format("ep_", id_next(&e->hub->core->ids), id)),
            .parent = out->app.id,
            .name = uid};
        err = ERR_OK;
    }
    return err;
}

/* An endpoint is made with its application unchanged, in one commit: else the application could be
 * deleted after its endpoints were looked through and before this one came, which would then belong
 * to nothing and stay for ever. Who deletes it expects the version that was looked through. */
static enum err hold_application(struct hub_errand *e, const struct found *f, struct arena *a,
                                 struct object_change *out, struct reason *why)
{
    struct object o;
    enum err err = store_object(e->hub->reader, STR(APPLICATION_KIND), f->app.id, a, &o, why);
    *out = (struct object_change){.op = OBJECT_PUT, .object = o, .expect = o.version};
    return err;
}

static void subscribe(struct hub_errand *e, const struct config *c, struct arena *a)
{
    struct reason why = {.text = ""};
    struct found f = {0};
    int64_t now_ms = clock_wall_ms(e->hub->core->clock);
    const struct hub_topic *topic = hub_topic_find(&c->hub, e->job.topic);
    if (!topic) {
        deny(e, "the hub has this topic no more");
        return;
    }
    enum err err = find(e, a, &f, &why);
    if (err != ERR_OK) {
        look_again(e, err, &why);
        return;
    }
    if (!f.there && (int64_t)f.app.endpoints >= c->hub.subscriptions_max) {
        deny(e, "the hub has as many subscriptions as it takes");
        return;
    }
    struct json_doc *old = f.there ? json_parse(f.object.doc, NULL) : NULL;
    struct object_change changes[CHANGES_MAX] = {
        {.op = OBJECT_PUT,
         .object = f.object,
         .expect = f.there ? f.object.version : OBJECT_ABSENT}};
    if (!f.there && (err = hold_application(e, &f, a, &changes[1], &why)) != ERR_OK) {
        look_again(e, err, &why);
        return;
    }
    changes[0].object.doc =
        subscription_doc(json_root(old), &e->job, topic->name, now_ms + e->job.lease_s * 1000, a);
    changes[0].object.updated_ms = now_ms;
    if (!f.there)
        changes[0].object.created_ms = now_ms;
    json_doc_free(old);
    int64_t lease_ms = e->job.lease_s * 1000;
    struct hub *h = e->hub;
    if (conclude(e, changes, f.there ? 1 : 2, NULL,
                 f.there ? "a subscription was renewed" : "a subscription was made") &&
        lease_ms < HUB_LOOK_MS)
        loop_timer_start(h->loop, &h->timer, lease_ms, h->timer.fn);
}

static void unsubscribe(struct hub_errand *e, struct arena *a)
{
    struct reason why = {.text = ""};
    struct found f = {0};
    struct hub *h = e->hub;
    struct object_change changes[CHANGES_MAX];
    enum err err = find(e, a, &f, &why);
    if (err != ERR_OK) {
        look_again(e, err, &why);
        return;
    }
    if (!f.there) {
        conclude(e, changes, 0, NULL, NULL);
        return;
    }
    changes[0] =
        (struct object_change){.op = OBJECT_DELETE, .object = f.object, .expect = f.object.version};
    if (conclude(e, changes, 1, NULL, "a subscription was ended"))
        hub_cancel_waiting(h, f.object.id);
}

/* 5.3: any 2xx with the challenge and nothing else; whatever else was answered is a no. */
static void judge_intent(struct hub_errand *e, const struct http_answer *answer)
{
    char text[120];
    if (answer->status / 100 != 2 || answer->body_truncated ||
        !str_eq(answer->body, e->challenge)) {
        (void)snprintf(text, sizeof(text), "the callback answered HTTP %d%s", answer->status,
                       answer->status / 100 == 2 ? " without the challenge" : "");
        give_up(e, HUB_REFUSED, str_from_cstr(text));
        return;
    }
    struct config *c = engine_config(e->hub->core->engine);
    struct arena a;
    arena_init(&a, OUTCOME_ARENA_MAX);
    if (e->job.mode == HUB_SUBSCRIBE)
        subscribe(e, c, &a);
    else
        unsubscribe(e, &a);
    arena_release(&a);
    config_unref(c);
}

/* --- publishing --------------------------------------------------------------------------------
 */

/* A ping says that there is news; only content that differs from what went out last is news. */
static void distribute(struct hub_errand *e, const struct hub_topic *topic,
                       const struct http_answer *answer, struct arena *a)
{
    struct reason why = {.text = ""};
    struct app_message_plan plan;
    struct application app;
    struct object last;
    struct hub *h = e->hub;
    uint8_t digest[16];
    char hex[32];
    str type = http_field_get(&answer->fields, STR("Content-Type"));
    struct object_change changes[CHANGES_MAX] = {
        {.op = OBJECT_PUT,
         .object = {.kind = STR(TOPIC_KIND), .id = topic->name, .parent = STR(""), .name = STR("")},
         .expect = OBJECT_ANY}};
    str_fingerprint(answer->body, digest);
    hex_encode(digest, sizeof(digest), hex);
    changes[0].object.created_ms = changes[0].object.updated_ms = clock_wall_ms(h->core->clock);
    changes[0].object.doc = arena_printf(a, "{\"content\":\"%.32s\"}", hex);
    if (store_object(h->reader, STR(TOPIC_KIND), topic->name, a, &last, NULL) == ERR_OK &&
        str_eq(last.doc, changes[0].object.doc)) {
        tell(e, LOG_DEBUG, "a topic was fetched", STR("it is what was distributed last"));
        conclude(e, changes + 1, 0, NULL, NULL);
        return;
    }
    if (!hub_application(h, a, &app)) {
        look_again(e, fail(&why, ERR_IO, "the hub's application is not there"), &why);
        return;
    }
    const struct app_message m = {.application = app.id,
                                  .event_type = topic->name,
                                  .payload = answer->body,
                                  .content_type = type.n ? type : STR("application/octet-stream")};
    if (app_message_plan(h->core, &m, a, &plan, &why) != ERR_OK)
        give_up(e, HUB_REFUSED, str_from_cstr(why.text));
    else
        conclude(e, changes, 1, &plan, NULL);
}

static void judge_content(struct hub_errand *e, const struct http_answer *answer)
{
    struct config *c = engine_config(e->hub->core->engine);
    const struct hub_topic *topic = hub_topic_find(&c->hub, e->job.topic);
    struct arena a;
    char text[120];
    arena_init(&a, OUTCOME_ARENA_MAX);
    if (!topic) {
        give_up(e, HUB_REFUSED, STR("the hub has this topic no more"));
    } else if (answer->body_truncated) {
        give_up(e, HUB_REFUSED, STR("the topic is larger than limits.body_size"));
    } else if (answer->status != 200) {
        (void)snprintf(text, sizeof(text), "the topic was answered with HTTP %d", answer->status);
        try_later(e, str_from_cstr(text));
    } else {
        distribute(e, topic, answer, &a);
    }
    arena_release(&a);
    config_unref(c);
}

/* --- asking ------------------------------------------------------------------------------------
 */

static void on_answer(struct http_call *call, const struct http_answer *answer)
{
    struct hub_errand *e = CONTAINER_OF(call, struct hub_errand, call);
    struct object_change changes[CHANGES_MAX];
    e->is_calling = false;
    if (answer->class == HTTP_CALL_CANCELLED)
        return;
    if (answer->class == HTTP_CALL_BLOCKED || answer->class == HTTP_CALL_INVALID)
        give_up(e, HUB_REFUSED, str_from_cstr(answer->error));
    else if (answer->class != HTTP_CALL_OK)
        try_later(e, str_from_cstr(answer->error));
    else if (e->job.mode == HUB_PUBLISH)
        judge_content(e, answer);
    else if (e->job.mode == HUB_DENY)
        conclude(e, changes, 0, NULL, NULL); /* it was told; what it makes of it is its own */
    else
        judge_intent(e, answer);
}

/* The callback's own query stays in front (5.3). */
static str question(struct hub_errand *e)
{
    struct buf url;
    char lease[24];
    const struct hub_job *j = &e->job;
    buf_init(&url, HTTP_URL_MAX);
    buf_str_append(&url, j->callback);
    if (str_find(j->callback, '?') == j->callback.n)
        buf_char(&url, '?');
    websub_pair(&url, WEBSUB_MODE, str_from_cstr(hub_mode_words[j->mode]));
    websub_pair(&url, WEBSUB_TOPIC, j->topic);
    if (j->mode == HUB_DENY)
        websub_pair(&url, WEBSUB_REASON, j->reason);
    else
        websub_pair(&url, WEBSUB_CHALLENGE, e->challenge);
    if (j->mode == HUB_SUBSCRIBE) {
        int n = snprintf(lease, sizeof(lease), "%lld", (long long)j->lease_s);
        websub_pair(&url, WEBSUB_LEASE, str_of(lease, (size_t)n));
    }
    str out = buf_ok(&url) ? arena_str(&e->arena, buf_str(&url)) : STR_NONE;
    buf_release(&url);
    return out;
}

static str make_challenge(struct arena *a)
{
    uint8_t bytes[HUB_CHALLENGE_TEXT / 2];
    char hex[HUB_CHALLENGE_TEXT];
    rand_bytes(bytes, sizeof(bytes));
    hex_encode(bytes, sizeof(bytes), hex);
    return arena_str(a, str_of(hex, sizeof(hex)));
}

/* A challenge is of one question. The topic's URL is the operator's word, a callback an outsider's.
 */
static void ask(struct loop_timer *timer)
{
    struct hub_errand *e = CONTAINER_OF(timer, struct hub_errand, timer);
    if (!duty_holds(&e->hub->duty)) {
        hub_errand_drop(e); /* it is another node's by now, or this one's again at its next round */
        return;
    }
    struct config *c = engine_config(e->hub->core->engine);
    bool fetches = e->job.mode == HUB_PUBLISH;
    e->outcome = HUB_DONE; /* unless the answer says otherwise */
    e->challenge = make_challenge(&e->arena);
    e->url = fetches ? e->job.topic : e->challenge.p ? question(e) : STR_NONE;
    e->call = (struct http_call){.method = STR("GET"),
                                 .url = e->url,
                                 .policy = fetches ? OUTBOUND_PRIVATE
                                                   : (enum outbound_policy)c->sending.policy,
                                 .timeout_ms = CALL_TIMEOUT_MS,
                                 .answer_max = fetches ? (size_t)c->limits.body_bytes_max : 0,
                                 .done = on_answer};
    config_unref(c);
    if (!e->url.p) {
        give_up(e, HUB_REFUSED, STR("the callback is too long to be asked"));
        return;
    }
    e->is_calling = true;
    http_client_start(e->hub->client, &e->call);
}
