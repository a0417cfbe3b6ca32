/* action_mqtt.c -- each event as an MQTT message with QoS 1, by libmosquitto.
 *
 *   mqtt:
 *     server: 127.0.0.1:1883
 *     topic: "hooks/{{ source }}"
 *     retain: false
 *     message: "{{ body }}"
 *
 * Delivered when the broker has sent its PUBACK. */
#include "base/dynlib.h"
#include "base/id.h"
#include "action/bus.h"
#include "action/kinds.h"
#include "http/tls_client.h"

#ifdef SONAME_MOSQUITTO
#include <mosquitto.h>

#define CALLS(X)                                                                                   \
    X(mosquitto_lib_init)                                                                          \
    X(mosquitto_new)                                                                               \
    X(mosquitto_destroy)                                                                           \
    X(mosquitto_username_pw_set)                                                                   \
    X(mosquitto_int_option)                                                                        \
    X(mosquitto_void_option)                                                                       \
    X(mosquitto_connect_callback_set)                                                              \
    X(mosquitto_publish_callback_set)                                                              \
    X(mosquitto_connect)                                                                           \
    X(mosquitto_disconnect)                                                                        \
    X(mosquitto_loop)                                                                              \
    X(mosquitto_publish)                                                                           \
    X(mosquitto_max_inflight_messages_set)                                                         \
    X(mosquitto_pub_topic_check)                                                                   \
    X(mosquitto_connack_string)                                                                    \
    X(mosquitto_strerror)
static struct {
    CALLS(DYNLIB_POINTER)
} mqtt;
#define CALL(name) {#name, &mqtt.name},
static const struct dynlib_call calls[] = {CALLS(CALL)};
#define SONAME DYNLIB_SONAME(SONAME_MOSQUITTO)
#else
static const struct dynlib_call calls[] = {{NULL, NULL}};
#define SONAME NULL
#endif

static struct dynlib library = {SONAME, "libmosquitto (libmosquitto-dev)", calls, ARRAY_LEN(calls),
                                false};

struct mqtt_config {
    struct bus_config bus;
    bool retain;
};

#ifdef SONAME_MOSQUITTO

#define KEEPALIVE_S 3600
#define BATCH_MAX 256

struct client {
    struct mosquitto *m;
    const struct mqtt_config *config;
    int connack; /* -1: not yet */
    struct bus_job **v;
    size_t n;
    int ids[BATCH_MAX]; /* message ids of the batch, by job */
};

static void on_connect(struct mosquitto *m, void *arg, int rc)
{
    UNUSED(m);
    ((struct client *)arg)->connack = rc;
}

static void on_publish(struct mosquitto *m, void *arg, int id)
{
    struct client *k = (struct client *)arg;
    UNUSED(m);
    for (size_t i = 0; i < k->n; i++)
        if (!k->v[i]->settled && k->ids[i] == id)
            bus_settle(k->v[i], ATTEMPT_SUCCESS, "", "acknowledged by the broker");
}

static void mqtt_close(void *client)
{
    struct client *k = (struct client *)client;
    if (k->m) {
        k->n = 0;
        (void)mqtt.mosquitto_disconnect(k->m);
        mqtt.mosquitto_destroy(k->m);
    }
    free(k);
}

/* The address is dialled that was judged; the library would want the certificate to be of that. */
static bool set_tls(struct client *k, const struct bus_config *c, struct reason *why)
{
    struct ssl_ctx_st *tls = tls_client_context_new();
    bool ok = tls_client_expect(tls, c->host, c->ca_file, why) == ERR_OK;
    int rc = MOSQ_ERR_SUCCESS;
    if (ok)
        rc = mqtt.mosquitto_int_option(k->m, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0);
    if (ok && rc == MOSQ_ERR_SUCCESS)
        rc = mqtt.mosquitto_void_option(k->m, MOSQ_OPT_SSL_CTX, tls); /* counts it */
    if (rc != MOSQ_ERR_SUCCESS)
        (void)fail(why, ERR_INVALID, "mqtt %s: %s", c->server, mqtt.mosquitto_strerror(rc));
    tls_client_context_free(tls);
    return ok && rc == MOSQ_ERR_SUCCESS;
}

static int prepare(struct client *k, const struct bus_config *c)
{
    int rc = MOSQ_ERR_SUCCESS;
    mqtt.mosquitto_connect_callback_set(k->m, on_connect);
    mqtt.mosquitto_publish_callback_set(k->m, on_publish);
    (void)mqtt.mosquitto_max_inflight_messages_set(k->m, BATCH_MAX);
    if (c->user)
        rc = mqtt.mosquitto_username_pw_set(k->m, c->user, c->password);
    return rc;
}

static void *mqtt_open(const struct bus_server *s, int64_t deadline_ns, bool *permanent,
                       struct reason *why)
{
    const struct bus_config *c = s->config;
    struct client *k = (struct client *)calloc(1, sizeof(*k));
    (void)mqtt.mosquitto_lib_init();
    k->config = (const struct mqtt_config *)(const void *)c;
    k->connack = -1;
    k->m = mqtt.mosquitto_new(NULL, true, k);
    if (k->m && c->tls && !set_tls(k, c, why)) {
        mqtt_close(k);
        return NULL;
    }
    int rc = k->m ? prepare(k, c) : MOSQ_ERR_NOMEM;
    if (rc == MOSQ_ERR_SUCCESS)
        rc = mqtt.mosquitto_connect(k->m, s->address, c->port, KEEPALIVE_S);
    while (rc == MOSQ_ERR_SUCCESS && k->connack < 0 && bus_left_ms(deadline_ns) > 0)
        rc = mqtt.mosquitto_loop(k->m, bus_left_ms(deadline_ns) < 100 ? 1 : 100, 1);
    if (k->connack == 0)
        return k;
    *permanent = k->connack == 4 || k->connack == 5; /* bad credentials, not authorised */
    (void)fail(why, ERR_IO, "mqtt %s: %s", c->server,
               k->connack > 0           ? mqtt.mosquitto_connack_string(k->connack)
               : rc != MOSQ_ERR_SUCCESS ? mqtt.mosquitto_strerror(rc)
                                        : "the broker did not answer in time");
    mqtt_close(k);
    return NULL;
}

static int publish(struct client *k, size_t i)
{
    struct bus_job *j = k->v[i];
    char topic[1024];
    (void)snprintf(topic, sizeof(topic), STR_FMT, STR_ARG(j->parts[0]));
    k->ids[i] = 0;
    if (j->parts[0].n == 0 || j->parts[0].n >= sizeof(topic) ||
        mqtt.mosquitto_pub_topic_check(topic) != MOSQ_ERR_SUCCESS) {
        bus_settle(j, ATTEMPT_PERMANENT, "invalid", "\"%s\" is no MQTT topic", topic);
        return MOSQ_ERR_SUCCESS;
    }
    int rc = mqtt.mosquitto_publish(k->m, &k->ids[i], topic, (int)j->body.n, j->body.p, 1,
                                    k->config->retain);
    if (rc == MOSQ_ERR_PAYLOAD_SIZE || rc == MOSQ_ERR_OVERSIZE_PACKET) {
        bus_settle(j, ATTEMPT_PERMANENT, "invalid", "mqtt: %s", mqtt.mosquitto_strerror(rc));
        return MOSQ_ERR_SUCCESS;
    }
    return rc;
}

static bool is_done(const struct client *k)
{
    for (size_t i = 0; i < k->n; i++)
        if (!k->v[i]->settled)
            return false;
    return true;
}

static bool mqtt_send(void *client, struct bus_job **v, size_t n, int64_t deadline_ns,
                      struct reason *why)
{
    struct client *k = (struct client *)client;
    int rc = MOSQ_ERR_SUCCESS;
    assert(n <= BATCH_MAX);
    k->v = v;
    k->n = n;
    for (size_t i = 0; i < n && rc == MOSQ_ERR_SUCCESS; i++)
        rc = publish(k, i);
    while (rc == MOSQ_ERR_SUCCESS && !is_done(k) && bus_left_ms(deadline_ns) > 0)
        rc = mqtt.mosquitto_loop(k->m, bus_left_ms(deadline_ns) < 100 ? 1 : 100, 1);
    k->n = 0;
    k->v = NULL;
    for (size_t i = 0; i < n && rc == MOSQ_ERR_SUCCESS; i++)
        if (!v[i]->settled)
            rc = MOSQ_ERR_CONN_LOST; /* late: a new connection forgets what is on its way */
    if (rc == MOSQ_ERR_SUCCESS)
        return true;
    (void)fail(why, ERR_CLOSED, "mqtt: %s", mqtt.mosquitto_strerror(rc));
    return false;
}

static const struct bus_ops ops = {mqtt_open, mqtt_send, mqtt_close, NULL};
#else
static const struct bus_ops ops = {NULL, NULL, NULL, NULL};
#endif

static struct action_config *mqtt_read(struct arena *a, const struct yaml *node, struct problems *p)
{
    static const char *const keys[] = {BUS_KEYS, "topic", "retain", "message", NULL};
    struct mqtt_config *c = ARENA_NEW(a, struct mqtt_config);
    size_t before = p->errors;
    struct reason why = {.text = ""};
    if (!c || !read_keys(p, node, keys))
        return NULL;
    bus_read_tls(&c->bus, node, p);
    bus_read(&c->bus, a, node, c->bus.tls ? 8883 : 1883, p);
    bus_read_part(&c->bus, a, node, "topic", NULL, p);
    bus_read_message(&c->bus, a, node, "{{ body }}", p);
    (void)read_bool(p, yaml_get(node, STR("retain")), &c->retain);
    if (dynlib_load(&library, &why) != ERR_OK)
        problem_at(p, node, "%s", why.text);
    c->bus.base.kind = &action_mqtt;
    c->bus.ops = &ops;
    return p->errors == before ? &c->bus.base : NULL;
}

const struct action_kind action_mqtt = {.name = "mqtt", .read = mqtt_read, .create = bus_create};
