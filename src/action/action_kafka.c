/* action_kafka.c -- each event as a record of a Kafka topic, by librdkafka.
 *
 *   kafka:
 *     server: "kafka-1:9092,kafka-2:9092"
 *     topic: hooks
 *     key: "{{ .repository.id }}"      # records of one key keep their order
 *     user: gaff                       # SASL, mechanism PLAIN unless properties say otherwise
 *     password: "${env:KAFKA_PASSWORD}"
 *     properties: { compression.type: zstd }   # further settings of librdkafka
 *     message: "{{ body }}"
 *
 * The producer is idempotent with acks=all: delivered when all replicas in sync have it. Headers:
 * gaff-event-id, gaff-source, gaff-event-type. Every address that the brokers name is judged by
 * the outbound policy before it is dialled. */
#include "base/dynlib.h"
#include "base/log.h"
#include "action/bus.h"
#include "action/kinds.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#ifdef SONAME_RDKAFKA
#include <librdkafka/rdkafka.h>

#define CALLS(X)                                                                                   \
    X(rd_kafka_conf_new)                                                                           \
    X(rd_kafka_conf_destroy)                                                                       \
    X(rd_kafka_conf_set)                                                                           \
    X(rd_kafka_conf_set_opaque)                                                                    \
    X(rd_kafka_conf_set_dr_msg_cb)                                                                 \
    X(rd_kafka_conf_set_connect_cb)                                                                \
    X(rd_kafka_conf_set_error_cb)                                                                  \
    X(rd_kafka_conf_set_log_cb)                                                                    \
    X(rd_kafka_new)                                                                                \
    X(rd_kafka_destroy_flags)                                                                      \
    X(rd_kafka_producev)                                                                           \
    X(rd_kafka_headers_new)                                                                        \
    X(rd_kafka_headers_destroy)                                                                    \
    X(rd_kafka_header_add)                                                                         \
    X(rd_kafka_poll)                                                                               \
    X(rd_kafka_purge)                                                                              \
    X(rd_kafka_fatal_error)                                                                        \
    X(rd_kafka_err2str)
static struct {
    CALLS(DYNLIB_POINTER)
} rk;
#define CALL(name) {#name, &rk.name},
static const struct dynlib_call calls[] = {CALLS(CALL)};
#define SONAME DYNLIB_SONAME(SONAME_RDKAFKA)
#else
static const struct dynlib_call calls[] = {{NULL, NULL}};
#define SONAME NULL
#endif

static struct dynlib library = {SONAME, "librdkafka (librdkafka-dev)", calls, ARRAY_LEN(calls),
                                false};

#define PROPERTIES_MAX 40

struct kafka_config {
    struct bus_config bus;
    const char *names[PROPERTIES_MAX], *values[PROPERTIES_MAX];
    size_t property_count;
};

#ifdef SONAME_RDKAFKA

struct client {
    rd_kafka_t *rk;
    const struct bus_config *config;
    const struct outbound_rules *rules;
    char error[256]; /* the last that the library told of; "" for none */
};

/* librdkafka's threads call this for each address. */
static int on_connect(int fd, const struct sockaddr *sa, int n, const char *id, void *opaque)
{
    const struct client *k = (const struct client *)opaque;
    struct address a;
    UNUSED(id);
    if (!address_from_sockaddr(sa, &a))
        return EAFNOSUPPORT;
    uint16_t port = ntohs(((const struct sockaddr_in *)(const void *)sa)->sin_port);
    if (k->rules && outbound_refuses(k->rules, k->config->policy, &a, port))
        return EACCES;
    return connect(fd, sa, (socklen_t)n) == 0 || errno == EINPROGRESS ? 0 : errno;
}

static void on_error(rd_kafka_t *rd, int err, const char *text, void *opaque)
{
    struct client *k = (struct client *)opaque;
    UNUSED(rd);
    UNUSED(err);
    (void)snprintf(k->error, sizeof(k->error), "%s", text);
}

static void on_log(const rd_kafka_t *rd, int level, const char *facility, const char *text)
{
    uint64_t held;
    UNUSED(rd);
    UNUSED(level);
    if (log_rate("kafka", &held))
        log_event(LOG_DEBUG, "kafka client", LOG_F("facility", str_from_cstr(facility)),
                  LOG_F("said", str_from_cstr(text)));
}

static bool is_permanent(rd_kafka_resp_err_t e)
{
    return e == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || e == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION ||
           e == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || e == RD_KAFKA_RESP_ERR__INVALID_ARG;
}

static void settle_error(struct client *k, struct bus_job *j, rd_kafka_resp_err_t e)
{
    bool late = e == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT || e == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
                e == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
    bus_settle(j, is_permanent(e) ? ATTEMPT_PERMANENT : ATTEMPT_RETRY, late ? "timeout" : "refused",
               "kafka: %s%s%s", late ? "no acknowledgement came in time" : rk.rd_kafka_err2str(e),
               k->error[0] ? "; " : "", k->error);
}

/* Runs inside rd_kafka_poll, on the bus's thread. */
static void on_report(rd_kafka_t *rd, const rd_kafka_message_t *m, void *opaque)
{
    struct bus_job *j = (struct bus_job *)m->_private;
    UNUSED(rd);
    if (m->err)
        settle_error((struct client *)opaque, j, m->err);
    else
        bus_settle(j, ATTEMPT_SUCCESS, "", "partition %d, offset %lld", (int)m->partition,
                   (long long)m->offset);
}

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value, struct reason *why)
{
    char error[256];
    if (rk.rd_kafka_conf_set(conf, name, value, error, sizeof(error)) == RD_KAFKA_CONF_OK)
        return true;
    (void)fail(why, ERR_INVALID, "kafka: %s", error);
    return false;
}

static bool set_security(rd_kafka_conf_t *conf, const struct bus_config *c, struct reason *why)
{
    bool sasl = c->user || c->password;
    const char *protocol = c->tls ? (sasl ? "sasl_ssl" : "ssl") : sasl ? "sasl_plaintext" : NULL;
    bool ok = !protocol || set(conf, "security.protocol", protocol, why);
    ok = ok && (!sasl || set(conf, "sasl.mechanisms", "PLAIN", why));
    ok = ok && (!c->user || set(conf, "sasl.username", c->user, why));
    ok = ok && (!c->password || set(conf, "sasl.password", c->password, why));
    return ok && (!c->tls || !c->ca_file || set(conf, "ssl.ca.location", c->ca_file, why));
}

static bool set_all(rd_kafka_conf_t *conf, const struct kafka_config *c, struct reason *why)
{
    char ms[24];
    (void)snprintf(ms, sizeof(ms), "%lld", (long long)c->bus.base.timeout_ms);
    bool ok = set(conf, "bootstrap.servers", c->bus.server, why) &&
              set_security(conf, &c->bus, why) && set(conf, "client.id", "gaff", why) &&
              set(conf, "message.timeout.ms", ms, why) && set(conf, "linger.ms", "0", why);
    for (size_t i = 0; ok && i < c->property_count; i++)
        ok = set(conf, c->names[i], c->values[i], why);
    /* Last, so that nothing takes it back. */
    return ok && set(conf, "acks", "all", why) && set(conf, "enable.idempotence", "true", why);
}

static void *kafka_open(const struct bus_server *s, int64_t deadline_ns, bool *permanent,
                        struct reason *why)
{
    const struct kafka_config *c = (const struct kafka_config *)(const void *)s->config;
    struct client *k = (struct client *)calloc(1, sizeof(*k));
    char error[256];
    rd_kafka_conf_t *conf = rk.rd_kafka_conf_new();
    UNUSED(deadline_ns); /* connecting goes on in the background; send waits */
    k->config = &c->bus;
    k->rules = s->rules;
    if (set_all(conf, c, why)) {
        rk.rd_kafka_conf_set_opaque(conf, k);
        rk.rd_kafka_conf_set_dr_msg_cb(conf, on_report);
        rk.rd_kafka_conf_set_connect_cb(conf, on_connect);
        rk.rd_kafka_conf_set_error_cb(conf, on_error);
        rk.rd_kafka_conf_set_log_cb(conf, on_log);
        k->rk = rk.rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
        if (k->rk)
            return k;
        (void)fail(why, ERR_INVALID, "kafka: %s", error);
    }
    *permanent = true;
    rk.rd_kafka_conf_destroy(conf);
    free(k);
    return NULL;
}

static void kafka_close(void *client)
{
    struct client *k = (struct client *)client;
    rk.rd_kafka_destroy_flags(k->rk, 0);
    free(k);
}

static rd_kafka_headers_t *headers_of(const struct bus_job *j)
{
    const struct {
        const char *name;
        str value;
    } all[] = {{"gaff-event-id", j->event_id},
               {"gaff-source", j->source},
               {"gaff-event-type", j->type},
               {"traceparent", j->traceparent},
               {"tracestate", j->tracestate}};
    rd_kafka_headers_t *out = rk.rd_kafka_headers_new(ARRAY_LEN(all));
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (i < 3 || all[i].value.n) /* of a trace only when it is in one */
            (void)rk.rd_kafka_header_add(out, all[i].name, -1, all[i].value.p,
                                         (ssize_t)all[i].value.n);
    return out;
}

static rd_kafka_resp_err_t produce(struct client *k, struct bus_job *j, const char *topic)
{
    rd_kafka_headers_t *headers = headers_of(j);
    rd_kafka_resp_err_t rc = rk.rd_kafka_producev(
        k->rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY(j->parts[1].n ? j->parts[1].p : NULL, j->parts[1].n),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)j->body.p, j->body.n), RD_KAFKA_V_HEADERS(headers),
        RD_KAFKA_V_OPAQUE(j), RD_KAFKA_V_END);
    if (rc != RD_KAFKA_RESP_ERR_NO_ERROR) /* else they are the library's */
        rk.rd_kafka_headers_destroy(headers);
    return rc;
}

static size_t count_unsettled(struct bus_job **v, size_t n)
{
    size_t left = 0;
    for (size_t i = 0; i < n; i++)
        left += !v[i]->settled;
    return left;
}

static bool kafka_send(void *client, struct bus_job **v, size_t n, int64_t deadline_ns,
                       struct reason *why)
{
    struct client *k = (struct client *)client;
    char text[256];
    k->error[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        char topic[250];
        (void)snprintf(topic, sizeof(topic), STR_FMT, STR_ARG(v[i]->parts[0]));
        rd_kafka_resp_err_t e = produce(k, v[i], topic);
        if (e)
            settle_error(k, v[i], e);
    }
    while (count_unsettled(v, n) > 0 && bus_left_ms(deadline_ns) > 0)
        (void)rk.rd_kafka_poll(k->rk, bus_left_ms(deadline_ns) < 100 ? 1 : 100);
    /* What is late is taken back, so that no report comes for a job that is gone. */
    while (count_unsettled(v, n) > 0) {
        (void)rk.rd_kafka_purge(k->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        (void)rk.rd_kafka_poll(k->rk, 100);
    }
    if (!rk.rd_kafka_fatal_error(k->rk, text, sizeof(text)))
        return true;
    (void)fail(why, ERR_CLOSED, "kafka: %s", text);
    return false;
}

static const struct bus_ops ops = {kafka_open, kafka_send, kafka_close, NULL};
#else
static const struct bus_ops ops = {NULL, NULL, NULL, NULL};
#endif

static void read_properties(struct kafka_config *c, struct arena *a, const struct yaml *node,
                            struct problems *p)
{
    if (!node)
        return;
    if (node->kind != YAML_MAP || node->count > PROPERTIES_MAX) {
        problem_at(p, node, "expected at most %d settings of librdkafka", PROPERTIES_MAX);
        return;
    }
    for (const struct yaml *one = node->first; one; one = one->next) {
        str value = STR("");
        if (!read_str(p, one, &value))
            continue;
        c->names[c->property_count] = arena_cstr(a, one->key);
        c->values[c->property_count++] = arena_cstr(a, value);
    }
}

static struct action_config *kafka_read(struct arena *a, const struct yaml *node,
                                        struct problems *p)
{
    static const char *const keys[] = {BUS_KEYS, "topic", "key", "properties", "message", NULL};
    struct kafka_config *c = ARENA_NEW(a, struct kafka_config);
    size_t before = p->errors;
    struct reason why = {.text = ""};
    if (!c || !read_keys(p, node, keys))
        return NULL;
    bus_read_tls(&c->bus, node, p);
    bus_read(&c->bus, a, node, 0, p);
    bus_read_part(&c->bus, a, node, "topic", NULL, p);
    bus_read_part(&c->bus, a, node, "key", "{{ event_id }}", p);
    bus_read_message(&c->bus, a, node, "{{ body }}", p);
    read_properties(c, a, yaml_get(node, STR("properties")), p);
    if (dynlib_load(&library, &why) != ERR_OK)
        problem_at(p, node, "%s", why.text);
    c->bus.base.kind = &action_kafka;
    c->bus.ops = &ops;
    return p->errors == before ? &c->bus.base : NULL;
}

const struct action_kind action_kafka = {.name = "kafka", .read = kafka_read, .create = bus_create};
