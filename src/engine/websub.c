/* websub.c -- what the configuration wants to be subscribed to, one set after the other: each has a
 * thread and a client of its own. What becomes of a topic: websub_topic.c. */
#include "engine/websub_topic.h"

#include "base/log.h"
#include "base/secret.h"

struct set {
    struct websub *owner;
    struct websub_desk desk; /* its loop and client belong to the set */
    struct loop_thread thread;
    struct websub_topic *topics; /* those that are wanted, then those that leave */
    size_t count, wanted;
};

struct websub {
    const struct clock *clock;
    struct http_client_options options;
    pthread_mutex_t configuring; /* one configuration at a time */
    pthread_mutex_t lock;
    struct set *set; /* NULL: no source subscribes */
};

/* --- the hub's question ------------------------------------------------------------------------
 */

bool websub_told(struct websub *s, str source, const struct websub_word *word)
{
    bool denies = str_eq(word->mode, WEBSUB_MODE_DENIED);
    bool leaves = str_eq(word->mode, WEBSUB_MODE_UNSUBSCRIBE);
    bool meant = false;
    if (!denies && !leaves && !str_eq(word->mode, WEBSUB_MODE_SUBSCRIBE))
        return false;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; s->set && i < s->set->count; i++) {
        struct websub_topic *t = &s->set->topics[i];
        if (t->leaving != leaves || !str_eq(str_from_cstr(t->source), source) ||
            !str_eq(str_from_cstr(t->topic), word->topic))
            continue;
        meant = (denies ? websub_topic_denied(t, word->reason)
                        : websub_topic_confirmed(t, word->lease_s)) ||
                meant;
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
        const struct websub_topic *t = &s->set->topics[i];
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

static void topic_init(struct set *set, const struct websub_topic *from)
{
    struct websub_topic *t = &set->topics[set->count++];
    *t = *from;
    websub_topic_init(t, &set->desk);
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
    str out = str_of(websub_copy(buf_str(form)), form->len);
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
    topic_init(set, &(struct websub_topic){.source = websub_copy(s->name),
                                           .hub = websub_copy(s->subscribe.hub),
                                           .topic = websub_copy(s->subscribe.topic),
                                           .callback = websub_copy(s->subscribe.callback),
                                           .form = form_take(&form),
                                           .lease_ms = s->subscribe.lease_ms});
}

/* Only where its question can come: the source is still there, at the same URL. */
static bool can_leave(const struct websub_topic *t, const struct config *c)
{
    str callback = str_from_cstr(t->callback);
    const struct source_config *s = map_get(&c->sources_by_name, str_from_cstr(t->source));
    return s && s->subscribe.possible && callback.n == c->public_url.n + s->path.n &&
           str_starts(callback, c->public_url) && str_ends(callback, s->path);
}

static bool is_wanted(const struct set *set, const struct websub_topic *t)
{
    bool wanted = false;
    for (size_t i = 0; i < set->count; i++)
        wanted = wanted || (strcmp(set->topics[i].hub, t->hub) == 0 &&
                            strcmp(set->topics[i].topic, t->topic) == 0 &&
                            strcmp(set->topics[i].callback, t->callback) == 0);
    return wanted;
}

static void add_leaving(struct set *set, const struct websub_topic *from)
{
    struct buf form;
    form_begin(&form, WEBSUB_MODE_UNSUBSCRIBE, str_from_cstr(from->topic),
               str_from_cstr(from->callback));
    topic_init(set, &(struct websub_topic){.source = websub_copy(str_from_cstr(from->source)),
                                           .hub = websub_copy(str_from_cstr(from->hub)),
                                           .topic = websub_copy(str_from_cstr(from->topic)),
                                           .callback = websub_copy(str_from_cstr(from->callback)),
                                           .form = form_take(&form),
                                           .leaving = true});
}

static struct set *set_new(struct websub *owner, const struct config *c, const struct set *old)
{
    struct set *set = xcalloc(1, sizeof(*set));
    set->owner = owner;
    set->desk = (struct websub_desk){.clock = owner->clock, .lock = &owner->lock};
    set->topics = xcalloc(c->source_count + (old ? old->count : 0) + 1, sizeof(*set->topics));
    for (size_t i = 0; i < c->source_count; i++)
        if (c->sources[i]->subscribe.topic.n)
            add_wanted(set, c->sources[i]);
    set->wanted = set->count;
    for (size_t i = 0; old && i < old->count; i++)
        if (!websub_topic_has_left(&old->topics[i]) && can_leave(&old->topics[i], c) &&
            !is_wanted(set, &old->topics[i]))
            add_leaving(set, &old->topics[i]);
    return set;
}

static void set_start(struct set *set, const struct config *c)
{
    struct http_client_options options = set->owner->options;
    char *ca_file = c->outbound_ca_file.n ? websub_copy(c->outbound_ca_file) : NULL;
    options.allow = c->outbound_allow;
    options.allow_count = c->outbound_allow_count;
    options.ca_file = ca_file;
    set->desk.loop = loop_new(set->owner->clock);
    set->desk.client = http_client_new(set->desk.loop, &options);
    free(ca_file);
    loop_thread_start(&set->thread, set->desk.loop, "gaff-websub");
}

static void set_free(struct set *set)
{
    if (!set)
        return;
    if (set->desk.loop) {
        loop_stop(set->desk.loop);
        loop_thread_join(&set->thread);
        http_client_free(set->desk.client);
    }
    for (size_t i = 0; i < set->count; i++)
        websub_topic_release(&set->topics[i]);
    loop_free(set->desk.loop);
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
        loop_post(fresh->desk.loop, &fresh->topics[i].begun);
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
