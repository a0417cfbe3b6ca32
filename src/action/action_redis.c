/* action_redis.c -- each event as an entry of a Redis stream, by hiredis.
 *
 *   redis:
 *     server: 127.0.0.1:6379
 *     stream: "hooks:{{ source }}"
 *     maxlen: 100000      # about so many entries are kept; without it all are
 *     database: 0
 *     wait: 1             # replicas that must have it before it counts as delivered
 *     message: "{{ body }}"
 *
 * The entry's fields: id, source, type, body, traceparent and tracestate of a trace. It is
 * delivered when XADD has answered with the entry's id, and WAIT with enough replicas. A repeated
 * attempt makes a second entry with the same `id`. */
#include "base/dynlib.h"
#include "action/bus.h"
#include "action/kinds.h"

#include <inttypes.h>

#ifdef SONAME_HIREDIS
#include <hiredis/hiredis.h>

#include <sys/time.h>

#define CALLS(X)                                                                                   \
    X(redisConnectWithTimeout)                                                                     \
    X(redisSetTimeout)                                                                             \
    X(redisAppendCommandArgv)                                                                      \
    X(redisGetReply)                                                                               \
    X(freeReplyObject)                                                                             \
    X(redisFree)
static struct {
    CALLS(DYNLIB_POINTER)
} redis;
#define CALL(name) {#name, &redis.name},
static const struct dynlib_call calls[] = {CALLS(CALL)};
#define SONAME DYNLIB_SONAME(SONAME_HIREDIS)
#else
static const struct dynlib_call calls[] = {{NULL, NULL}};
#define SONAME NULL
#endif

static struct dynlib library = {SONAME, "hiredis (libhiredis-dev)", calls, ARRAY_LEN(calls), false};

struct redis_config {
    struct bus_config bus;
    int64_t maxlen, database, wait;
};

#ifdef SONAME_HIREDIS

struct client {
    redisContext *c;
    const struct redis_config *config;
};

static struct timeval left_of(int64_t deadline_ns)
{
    int64_t ms = bus_left_ms(deadline_ns) + 1;
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

#define WORDS_MAX 20 /* of a command */

static void append(struct client *k, const str *words, int n)
{
    const char *v[WORDS_MAX];
    size_t lengths[WORDS_MAX];
    assert(n <= WORDS_MAX);
    for (int i = 0; i < n; i++) {
        v[i] = words[i].p;
        lengths[i] = words[i].n;
    }
    (void)redis.redisAppendCommandArgv(k->c, n, v, lengths);
}

/* NULL: the connection is lost. */
static redisReply *reply_of(struct client *k, struct reason *why)
{
    void *reply = NULL;
    if (redis.redisGetReply(k->c, &reply) == REDIS_OK && reply)
        return (redisReply *)reply;
    (void)fail(why, ERR_CLOSED, "redis: %s", k->c->errstr[0] ? k->c->errstr : "no answer");
    return NULL;
}

/* A command that answers OK. */
static bool ask(struct client *k, const str *words, int n, bool *permanent, struct reason *why)
{
    append(k, words, n);
    redisReply *r = reply_of(k, why);
    bool ok = r && r->type != REDIS_REPLY_ERROR;
    if (r && !ok) {
        (void)fail(why, ERR_DENIED, "redis: %.*s", (int)r->len, r->str);
        *permanent = str_starts(str_of(r->str, r->len), STR("WRONGPASS")) ||
                     str_starts(str_of(r->str, r->len), STR("NOPERM"));
    }
    if (r)
        redis.freeReplyObject(r);
    return ok;
}

static bool log_in(struct client *k, bool *permanent, struct reason *why)
{
    const struct bus_config *c = &k->config->bus;
    char number[24];
    str words[3] = {STR("AUTH"), STR_NONE, STR_NONE};
    int n = 1;
    if (c->password && c->user)
        words[n++] = str_from_cstr(c->user);
    if (c->password)
        words[n++] = str_from_cstr(c->password);
    if (n > 1 && !ask(k, words, n, permanent, why))
        return false;
    if (k->config->database == 0)
        return true;
    (void)snprintf(number, sizeof(number), "%" PRId64, k->config->database);
    const str select[2] = {STR("SELECT"), str_from_cstr(number)};
    return ask(k, select, 2, permanent, why);
}

static void redis_close(void *client)
{
    struct client *k = (struct client *)client;
    redis.redisFree(k->c);
    free(k);
}

static void *redis_open(const struct bus_server *s, int64_t deadline_ns, bool *permanent,
                        struct reason *why)
{
    struct client *k = (struct client *)calloc(1, sizeof(*k));
    k->config = (const struct redis_config *)(const void *)s->config;
    k->c = redis.redisConnectWithTimeout(s->address, s->config->port, left_of(deadline_ns));
    if (!k->c || k->c->err) {
        (void)fail(why, ERR_IO, "redis %s: %s", s->config->server,
                   k->c ? k->c->errstr : "out of memory");
        if (k->c)
            redis.redisFree(k->c);
        free(k);
        return NULL;
    }
    (void)redis.redisSetTimeout(k->c, left_of(deadline_ns));
    if (log_in(k, permanent, why))
        return k;
    redis_close(k);
    return NULL;
}

static void append_entry(struct client *k, const struct bus_job *j)
{
    str words[WORDS_MAX] = {STR("XADD"), j->parts[0]};
    char number[24];
    int n = 2;
    if (k->config->maxlen > 0) {
        (void)snprintf(number, sizeof(number), "%" PRId64, k->config->maxlen);
        words[n++] = STR("MAXLEN");
        words[n++] = STR("~");
        words[n++] = str_from_cstr(number);
    }
    words[n++] = STR("*");
    const str fields[12] = {STR("id"),          j->event_id,    STR("source"),     j->source,
                            STR("type"),        j->type,        STR("body"),       j->body,
                            STR("traceparent"), j->traceparent, STR("tracestate"), j->tracestate};
    size_t count = j->tracestate.n ? 12 : j->traceparent.n ? 10 : 8;
    for (size_t i = 0; i < count; i++)
        words[n++] = fields[i];
    append(k, words, n);
}

static void settle_entry(struct bus_job *j, const redisReply *r)
{
    str text = str_of(r->str ? r->str : "", r->len);
    if (r->type != REDIS_REPLY_ERROR) {
        bus_settle(j, ATTEMPT_SUCCESS, "", "added as " STR_FMT, STR_ARG(text));
        return;
    }
    bool permanent = str_starts(text, STR("WRONGTYPE")) || str_starts(text, STR("NOPERM"));
    bus_settle(j, permanent ? ATTEMPT_PERMANENT : ATTEMPT_RETRY, "refused", "redis: " STR_FMT,
               STR_ARG(text));
}

/* WAIT speaks of all that this connection has written. */
static bool wait_for_replicas(struct client *k, struct bus_job **v, size_t n, int64_t deadline_ns,
                              struct reason *why)
{
    char count[24], ms[24];
    (void)snprintf(count, sizeof(count), "%" PRId64, k->config->wait);
    (void)snprintf(ms, sizeof(ms), "%" PRId64, bus_left_ms(deadline_ns) / 2 + 1);
    const str words[3] = {STR("WAIT"), str_from_cstr(count), str_from_cstr(ms)};
    append(k, words, 3);
    redisReply *r = reply_of(k, why);
    if (!r)
        return false;
    for (size_t i = 0; i < n; i++)
        if (v[i]->settled && v[i]->result == ATTEMPT_SUCCESS &&
            (r->type != REDIS_REPLY_INTEGER || r->integer < k->config->wait))
            bus_settle(v[i], ATTEMPT_RETRY, "replicas",
                       "%lld of %" PRId64 " replicas have it; it is sent again", r->integer,
                       k->config->wait);
    redis.freeReplyObject(r);
    return true;
}

static bool redis_send(void *client, struct bus_job **v, size_t n, int64_t deadline_ns,
                       struct reason *why)
{
    struct client *k = (struct client *)client;
    (void)redis.redisSetTimeout(k->c, left_of(deadline_ns));
    for (size_t i = 0; i < n; i++)
        append_entry(k, v[i]);
    for (size_t i = 0; i < n; i++) {
        redisReply *r = reply_of(k, why);
        if (!r)
            return false;
        settle_entry(v[i], r);
        redis.freeReplyObject(r);
    }
    return k->config->wait == 0 || wait_for_replicas(k, v, n, deadline_ns, why);
}

static const struct bus_ops ops = {redis_open, redis_send, redis_close, NULL};
#else
static const struct bus_ops ops = {NULL, NULL, NULL, NULL};
#endif

static struct action_config *redis_read(struct arena *a, const struct yaml *node,
                                        struct problems *p)
{
    static const char *const keys[] = {BUS_KEYS, "stream",  "maxlen", "database",
                                       "wait",   "message", NULL};
    struct redis_config *c = ARENA_NEW(a, struct redis_config);
    size_t before = p->errors;
    struct reason why = {.text = ""};
    if (!c || !read_keys(p, node, keys))
        return NULL;
    bus_read_tls(&c->bus, node, p);
    bus_read(&c->bus, a, node, 6379, p);
    bus_read_part(&c->bus, a, node, "stream", NULL, p);
    bus_read_message(&c->bus, a, node, "{{ body }}", p);
    (void)read_int(p, yaml_get(node, STR("maxlen")), 1, INT64_MAX, &c->maxlen);
    (void)read_int(p, yaml_get(node, STR("database")), 0, 1000, &c->database);
    (void)read_int(p, yaml_get(node, STR("wait")), 0, 100, &c->wait);
    if (c->bus.tls)
        problem_at(p, yaml_get(node, STR("tls")),
                   "redis: there is no TLS here; put a TLS tunnel in front of the server");
    if (dynlib_load(&library, &why) != ERR_OK)
        problem_at(p, node, "%s", why.text);
    c->bus.base.kind = &action_redis;
    c->bus.ops = &ops;
    return p->errors == before ? &c->bus.base : NULL;
}

const struct action_kind action_redis = {.name = "redis", .read = redis_read, .create = bus_create};
