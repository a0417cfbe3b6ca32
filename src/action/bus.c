/* bus.c -- the thread of one destination. Jobs wait in a list under a lock; the thread takes all
 * of them, connects when it has no client, sends, and posts each back to its loop.
 *
 * The address that a name resolves to is judged by the outbound policy and then dialled as it is,
 * so that a name can't lead elsewhere a moment later. */
#include "action/bus.h"

#include "base/id.h"
#include "base/log.h"

#include <netdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/socket.h>

#define BATCH_MAX 256
#define PART_MAX 65536u
#define STACK_BYTES (512u << 10)

struct bus {
    struct action action;
    const struct bus_config *config;
    const struct outbound_rules *rules;
    struct loop *loop;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct list queue; /* under lock, as is stop */
    bool stop;
    void *client; /* the thread's */
    bool fresh;   /* it was opened for this batch */
};

void bus_settle(struct bus_job *j, enum attempt_result result, const char *error_class,
                const char *fmt, ...)
{
    va_list args;
    j->settled = true;
    j->result = result;
    j->error_class = error_class;
    va_start(args, fmt);
    (void)vsnprintf(j->summary, sizeof(j->summary), fmt, args);
    va_end(args);
}

/* --- the thread ------------------------------------------------------------------------------ */

/* The nth address of the name that the policy allows. */
static bool resolve(struct bus *b, size_t nth, struct bus_server *s, bool *permanent,
                    struct reason *why)
{
    const struct bus_config *c = b->config;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    const char *refused = "no internet address";
    int rc = getaddrinfo(c->host, NULL, &hints, &list);
    if (rc != 0) {
        (void)fail(why, ERR_NOT_FOUND, "%s can't be resolved: %s", c->host, gai_strerror(rc));
        return false;
    }
    bool found = false, any = false;
    for (const struct addrinfo *one = list; one && !found; one = one->ai_next) {
        struct address a;
        if (!address_from_sockaddr(one->ai_addr, &a))
            continue;
        refused = b->rules ? outbound_refuses(b->rules, c->policy, &a, c->port) : NULL;
        any = any || !refused;
        found = !refused && nth-- == 0;
        if (found)
            (void)address_format(&a, s->address);
    }
    freeaddrinfo(list);
    if (!any) {
        *permanent = true;
        (void)fail(why, ERR_DENIED, OUTBOUND_BLOCKED_TEXT ": %s is %s", c->host, refused);
    }
    return found;
}

static void settle_rest(struct bus_job **v, size_t n, enum attempt_result result,
                        const char *error_class, const char *text)
{
    for (size_t i = 0; i < n; i++)
        if (!v[i]->settled)
            bus_settle(v[i], result, error_class, "%s", text);
}

/* By one address of the name after the other: a server may listen on the second alone. */
static void *open_client(struct bus *b, struct bus_server *s, int64_t deadline_ns, bool *permanent,
                         struct reason *why)
{
    const struct bus_ops *ops = b->config->ops;
    if (b->config->host[0] == '\0')
        return ops->open(s, deadline_ns, permanent, why);
    void *client = NULL;
    for (size_t i = 0; !client && !*permanent && resolve(b, i, s, permanent, why); i++)
        client = ops->open(s, deadline_ns, permanent, why);
    return client;
}

static bool connect_client(struct bus *b, struct bus_job **v, size_t n)
{
    struct bus_server s = {.config = b->config, .rules = b->rules};
    struct reason why = {.text = ""};
    bool permanent = false;
    b->fresh = true;
    b->client = open_client(b, &s, v[0]->deadline_ns, &permanent, &why);
    if (b->client)
        return true;
    settle_rest(v, n, permanent ? ATTEMPT_PERMANENT : ATTEMPT_RETRY,
                permanent ? "refused" : "connect", why.text);
    return false;
}

static void drop_client(struct bus *b)
{
    if (b->client)
        b->config->ops->close(b->client);
    b->client = NULL;
}

static size_t unsettled(struct bus_job **v, size_t n)
{
    size_t left = 0;
    for (size_t i = 0; i < n; i++)
        if (!v[i]->settled)
            v[left++] = v[i];
    return left;
}

/* A kept connection may have died while nothing was sent: what it did not acknowledge is sent once
 * more on a new one. */
static void send_batch(struct bus *b, struct bus_job **v, size_t n)
{
    struct bus_job *rest[BATCH_MAX];
    struct reason why = {.text = "the connection broke"};
    b->fresh = false;
    if (!b->client && !connect_client(b, v, n))
        return;
    if (b->config->ops->send(b->client, v, n, v[0]->deadline_ns, &why)) {
        settle_rest(v, n, ATTEMPT_RETRY, "timeout", "no acknowledgement came in time");
        return;
    }
    drop_client(b);
    memcpy(rest, v, n * sizeof(*v));
    size_t left = unsettled(rest, n);
    if (left > 0 && !b->fresh && bus_left_ms(rest[0]->deadline_ns) > 0 &&
        connect_client(b, rest, left) &&
        !b->config->ops->send(b->client, rest, left, rest[0]->deadline_ns, &why))
        drop_client(b);
    settle_rest(v, n, ATTEMPT_RETRY, "reset", why.text);
}

static void came_back(struct loop_msg *msg)
{
    struct bus_job *j = CONTAINER_OF(msg, struct bus_job, msg);
    struct task *t = j->task;
    const struct bus_config *c = j->config;
    struct outcome o = {
        .result = j->result, .error_class = j->error_class, .summary = str_from_cstr(j->summary)};
    o.request = arena_printf(t->arena, "%s %s " STR_FMT ", %zu bytes", c->base.kind->name,
                             c->server, STR_ARG(c->part_count ? j->parts[0] : STR("")), j->body.n);
    t->impl = NULL;
    t->done(t, &o); /* may free the bus */
}

static void *run(void *arg)
{
    struct bus *b = (struct bus *)arg;
    struct bus_job *v[BATCH_MAX];
    (void)pthread_mutex_lock(&b->lock);
    for (;;) {
        size_t n = 0;
        while (list_is_empty(&b->queue) && !b->stop)
            (void)pthread_cond_wait(&b->wake, &b->lock);
        while (n < BATCH_MAX && !list_is_empty(&b->queue))
            v[n++] = CONTAINER_OF(list_pop(&b->queue), struct bus_job, link);
        if (n == 0)
            break;
        (void)pthread_mutex_unlock(&b->lock);
        send_batch(b, v, n);
        for (size_t i = 0; i < n; i++)
            loop_post(v[i]->loop, &v[i]->msg);
        (void)pthread_mutex_lock(&b->lock);
    }
    (void)pthread_mutex_unlock(&b->lock);
    drop_client(b);
    return NULL;
}

/* --- the action ------------------------------------------------------------------------------ */

static str resolve_ref(const struct template_part *ref, struct arena *a, void *arg)
{
    return event_ref_resolve(ref, (struct event_refs *)arg, a);
}

static enum err expand(const struct template *t, struct event_refs *refs, struct arena *a,
                       size_t max, str *out, struct reason *why)
{
    struct buf b;
    /* The usual message is the body as it is: not copied. */
    if (t->count == 1 && t->parts[0].kind == TEMPLATE_REF && t->parts[0].filter_count == 0 &&
        str_eq(t->parts[0].text, STR("body"))) {
        *out = resolve_ref(&t->parts[0], a, refs);
        return ERR_OK;
    }
    buf_init(&b, max);
    enum err e = template_expand(t, &b, a, resolve_ref, NULL, refs, why);
    *out = e == ERR_OK ? arena_str(a, buf_str(&b)) : STR("");
    buf_release(&b);
    return e != ERR_OK || out->p ? e : fail(why, ERR_LIMIT, "the event is too large to be sent");
}

static enum err fill(struct bus_job *j, const struct bus_config *c, struct reason *why)
{
    struct task *t = j->task;
    struct event_refs refs = {.task = t};
    char id[ID_TEXT_MAX];
    enum err e = ERR_OK;
    j->event_id = arena_str(t->arena, id_format("evt", t->event->id, id));
    j->source = t->event->source.p ? t->event->source : STR("");
    j->type = t->event->type.p ? t->event->type : STR("");
    j->traceparent = t->traceparent.p ? t->traceparent : STR("");
    j->tracestate = t->tracestate.p ? t->tracestate : STR("");
    if (c->ops->fill) {
        e = c->ops->fill(j, &refs, why);
        event_refs_release(&refs);
        return e;
    }
    for (size_t i = 0; e == ERR_OK && i < c->part_count; i++) {
        e = expand(&c->parts[i], &refs, t->arena, PART_MAX, &j->parts[i], why);
        if (e == ERR_OK && memchr(j->parts[i].p, 0, j->parts[i].n))
            e = fail(why, ERR_DENIED, "a value from the event holds a NUL byte");
    }
    if (e == ERR_OK)
        e = expand(&c->message, &refs, t->arena, 64u << 20, &j->body, why);
    event_refs_release(&refs);
    return e;
}

static void bus_start(struct action *action, struct task *t)
{
    struct bus *b = CONTAINER_OF(action, struct bus, action);
    struct bus_job *j = ARENA_NEW(t->arena, struct bus_job);
    struct reason why = {.text = "the event is too large to be sent"};
    if (!j) {
        const struct outcome o = {.result = ATTEMPT_PERMANENT,
                                  .error_class = "invalid",
                                  .summary = STR("the event is too large to be sent")};
        t->done(t, &o);
        return;
    }
    *j = (struct bus_job){.msg.fn = came_back, .config = b->config, .loop = b->loop, .task = t};
    j->deadline_ns = clock_mono_ns(clock_real()) + b->config->base.timeout_ms * 1000000;
    t->impl = j;
    if (fill(j, b->config, &why) != ERR_OK) {
        bus_settle(j, ATTEMPT_PERMANENT, "invalid", "%s", why.text);
        loop_post(b->loop, &j->msg);
        return;
    }
    (void)pthread_mutex_lock(&b->lock);
    list_push(&b->queue, &j->link);
    (void)pthread_cond_signal(&b->wake);
    (void)pthread_mutex_unlock(&b->lock);
}

/* What is on its way ends at its deadline; a client can't be interrupted from outside. */
static void bus_cancel(struct action *action, struct task *t)
{
    UNUSED(action);
    UNUSED(t);
}

static void bus_free(struct action *action)
{
    struct bus *b = CONTAINER_OF(action, struct bus, action);
    (void)pthread_mutex_lock(&b->lock);
    b->stop = true;
    (void)pthread_cond_signal(&b->wake);
    (void)pthread_mutex_unlock(&b->lock);
    (void)pthread_join(b->thread, NULL);
    (void)pthread_mutex_destroy(&b->lock);
    (void)pthread_cond_destroy(&b->wake);
    free(b);
}

static const struct action_ops bus_action_ops = {
    .kind = "bus", .start = bus_start, .cancel = bus_cancel, .free = bus_free};

struct action *bus_create(const struct action_config *c, const struct action_context *ctx,
                          struct reason *why)
{
    struct bus *b = (struct bus *)xcalloc(1, sizeof(*b));
    pthread_attr_t attr;
    b->action.ops = &bus_action_ops;
    b->config = (const struct bus_config *)c->data;
    b->loop = ctx->loop;
    b->rules = ctx->client ? http_client_rules(ctx->client) : NULL;
    list_init(&b->queue);
    (void)pthread_mutex_init(&b->lock, NULL);
    (void)pthread_cond_init(&b->wake, NULL);
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    int rc = pthread_create(&b->thread, &attr, run, b);
    (void)pthread_attr_destroy(&attr);
    if (rc != 0) {
        (void)fail(why, ERR_IO, "no thread can be started for the destination");
        free(b);
        return NULL;
    }
    return &b->action;
}
