/* action_rabbitmq.c -- each event to a RabbitMQ exchange over AMQP 0-9-1, by librabbitmq.
 *
 *   rabbitmq:
 *     server: 127.0.0.1:5672
 *     user: gaff
 *     password: "${env:RABBITMQ_PASSWORD}"
 *     vhost: /
 *     exchange: hooks                 # "": straight to the queue named by routing_key
 *     routing_key: "{{ source }}.{{ event_type }}"
 *     message: "{{ body }}"
 *
 * Messages are persistent and mandatory, and the channel confirms: delivered when the broker has
 * acknowledged it; one that no queue takes is tried again. message_id is the event's id. */
#include "base/dynlib.h"
#include "action/bus.h"
#include "action/kinds.h"
#include "http/tls_client.h"

#ifdef SONAME_RABBITMQ
#if __has_include(<rabbitmq-c/amqp.h>) /* since 0.14; the old names warn there */
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/ssl_socket.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#endif
#include <sys/time.h>

#define CALLS(X)                                                                                   \
    X(amqp_new_connection)                                                                         \
    X(amqp_destroy_connection)                                                                     \
    X(amqp_tcp_socket_new)                                                                         \
    X(amqp_ssl_socket_new)                                                                         \
    X(amqp_ssl_socket_get_context)                                                                 \
    X(amqp_ssl_socket_set_verify_hostname)                                                         \
    X(amqp_socket_open_noblock)                                                                    \
    X(amqp_set_handshake_timeout)                                                                  \
    X(amqp_set_rpc_timeout)                                                                        \
    X(amqp_login)                                                                                  \
    X(amqp_channel_open)                                                                           \
    X(amqp_confirm_select)                                                                         \
    X(amqp_get_rpc_reply)                                                                          \
    X(amqp_basic_publish)                                                                          \
    X(amqp_simple_wait_frame_noblock)                                                              \
    X(amqp_read_message)                                                                           \
    X(amqp_destroy_message)                                                                        \
    X(amqp_maybe_release_buffers)                                                                  \
    X(amqp_error_string2)
static struct {
    CALLS(DYNLIB_POINTER)
} mq;
#define CALL(name) {#name, &mq.name},
static const struct dynlib_call calls[] = {CALLS(CALL)};
#define SONAME DYNLIB_SONAME(SONAME_RABBITMQ)
#else
static const struct dynlib_call calls[] = {{NULL, NULL}};
#define SONAME NULL
#endif

static struct dynlib library = {SONAME, "librabbitmq (librabbitmq-dev)", calls, ARRAY_LEN(calls),
                                false};

struct rabbitmq_config {
    struct bus_config bus;
    const char *vhost;
};

#ifdef SONAME_RABBITMQ

#define CHANNEL 1
#define FRAME_MAX 131072

struct client {
    amqp_connection_state_t c;
    uint64_t published; /* delivery tags on the channel so far */
};

static struct timeval left_of(int64_t deadline_ns)
{
    int64_t ms = bus_left_ms(deadline_ns);
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

static void rabbitmq_close(void *client)
{
    struct client *k = (struct client *)client;
    if (k->c)
        (void)mq.amqp_destroy_connection(k->c); /* the socket closes: the broker needs no more */
    free(k);
}

/* What the server said when it refused, or what went wrong on the way. */
static bool reply_is_good(amqp_rpc_reply_t r, bool *permanent, struct reason *why)
{
    if (r.reply_type == AMQP_RESPONSE_NORMAL)
        return true;
    if (r.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && r.reply.decoded) {
        amqp_bytes_t text = {0, NULL};
        if (r.reply.id == AMQP_CONNECTION_CLOSE_METHOD)
            text = ((amqp_connection_close_t *)r.reply.decoded)->reply_text;
        else if (r.reply.id == AMQP_CHANNEL_CLOSE_METHOD)
            text = ((amqp_channel_close_t *)r.reply.decoded)->reply_text;
        *permanent = text.len >= 14 && memcmp(text.bytes, "ACCESS_REFUSED", 14) == 0;
        (void)fail(why, ERR_DENIED, "rabbitmq: %.*s", (int)text.len, (const char *)text.bytes);
        return false;
    }
    (void)fail(why, ERR_IO, "rabbitmq: %s",
               r.library_error ? mq.amqp_error_string2(r.library_error) : "the login was refused");
    return false;
}

/* The address is dialled that was judged; the library would want the certificate to be of that. */
static bool set_tls(amqp_socket_t *socket, const struct bus_config *c, struct reason *why)
{
    struct ssl_ctx_st *tls = (struct ssl_ctx_st *)mq.amqp_ssl_socket_get_context(socket);
    mq.amqp_ssl_socket_set_verify_hostname(socket, 0);
    return tls_client_expect(tls, c->host, c->ca_file, why) == ERR_OK;
}

static bool dial(struct client *k, const struct bus_server *s, int64_t deadline_ns,
                 struct reason *why)
{
    const struct bus_config *c = s->config;
    struct timeval left = left_of(deadline_ns);
    amqp_socket_t *socket = c->tls ? mq.amqp_ssl_socket_new(k->c) : mq.amqp_tcp_socket_new(k->c);
    if (socket && c->tls && !set_tls(socket, c, why))
        return false;
    (void)mq.amqp_set_handshake_timeout(k->c, &left);
    (void)mq.amqp_set_rpc_timeout(k->c, &left);
    int rc = socket ? mq.amqp_socket_open_noblock(socket, s->address, c->port, &left)
                    : AMQP_STATUS_NO_MEMORY;
    if (rc == AMQP_STATUS_OK)
        return true;
    (void)fail(why, ERR_IO, "rabbitmq %s: %s", c->server, mq.amqp_error_string2(rc));
    return false;
}

static void *rabbitmq_open(const struct bus_server *s, int64_t deadline_ns, bool *permanent,
                           struct reason *why)
{
    const struct rabbitmq_config *c = (const struct rabbitmq_config *)(const void *)s->config;
    struct client *k = (struct client *)calloc(1, sizeof(*k));
    k->c = mq.amqp_new_connection();
    bool ok = k->c && dial(k, s, deadline_ns, why);
    if (ok)
        ok = reply_is_good(mq.amqp_login(k->c, c->vhost, 0, FRAME_MAX, 0, AMQP_SASL_METHOD_PLAIN,
                                         c->bus.user ? c->bus.user : "guest",
                                         c->bus.password ? c->bus.password : "guest"),
                           permanent, why);
    if (ok) {
        (void)mq.amqp_channel_open(k->c, CHANNEL);
        ok = reply_is_good(mq.amqp_get_rpc_reply(k->c), permanent, why);
    }
    if (ok) {
        (void)mq.amqp_confirm_select(k->c, CHANNEL);
        ok = reply_is_good(mq.amqp_get_rpc_reply(k->c), permanent, why);
    }
    if (ok)
        return k;
    rabbitmq_close(k);
    return NULL;
}

static amqp_bytes_t bytes_of(str s)
{
    return (amqp_bytes_t){.len = s.n, .bytes = (void *)(uintptr_t)s.p};
}

static amqp_table_entry_t header(str name, str value)
{
    return (amqp_table_entry_t){
        .key = bytes_of(name),
        .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = bytes_of(value)}};
}

static int publish(struct client *k, const struct bus_job *j)
{
    amqp_table_entry_t trace[2] = {header(STR("traceparent"), j->traceparent),
                                   header(STR("tracestate"), j->tracestate)};
    const amqp_basic_properties_t properties = {
        ._flags = AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG |
                  AMQP_BASIC_TYPE_FLAG | AMQP_BASIC_APP_ID_FLAG | AMQP_BASIC_HEADERS_FLAG,
        .headers = {.num_entries = j->tracestate.n    ? 2
                                   : j->traceparent.n ? 1
                                                      : 0,
                    .entries = trace},
        .delivery_mode = 2,
        .message_id = bytes_of(j->event_id),
        .type = bytes_of(str_slice(j->type, 0, 255)),
        .app_id = bytes_of(STR("gaff"))};
    return mq.amqp_basic_publish(k->c, CHANNEL, bytes_of(j->parts[0]), bytes_of(j->parts[1]), 1, 0,
                                 &properties, bytes_of(j->body));
}

/* Tags of this batch are first + 1 .. first + n. */
static void settle_tags(struct bus_job **v, size_t n, uint64_t first, uint64_t tag, bool multiple,
                        bool acked)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t own = first + 1 + i;
        if (v[i]->settled || (multiple ? own > tag : own != tag))
            continue;
        if (acked)
            bus_settle(v[i], ATTEMPT_SUCCESS, "", "acknowledged by the broker");
        else
            bus_settle(v[i], ATTEMPT_RETRY, "refused", "the broker could not take it (nack)");
    }
}

/* A returned message follows whole; its acknowledgement comes after. */
static bool take_returned(struct client *k, struct bus_job **v, size_t n)
{
    amqp_message_t m;
    amqp_rpc_reply_t r = mq.amqp_read_message(k->c, CHANNEL, &m, 0);
    if (r.reply_type != AMQP_RESPONSE_NORMAL)
        return false;
    str id = str_of((const char *)m.properties.message_id.bytes, m.properties.message_id.len);
    for (size_t i = 0; i < n; i++)
        if (!v[i]->settled && str_eq(v[i]->event_id, id) &&
            str_eq(v[i]->body, str_of((const char *)m.body.bytes, m.body.len)))
            bus_settle(v[i], ATTEMPT_RETRY, "refused",
                       "no queue takes the routing key \"" STR_FMT "\"", STR_ARG(v[i]->parts[1]));
    mq.amqp_destroy_message(&m);
    return true;
}

/* False: the connection or channel is gone. */
static bool take_frame(struct client *k, const amqp_frame_t *f, struct bus_job **v, size_t n,
                       uint64_t first, struct reason *why)
{
    if (f->frame_type != AMQP_FRAME_METHOD)
        return true;
    if (f->payload.method.id == AMQP_BASIC_ACK_METHOD) {
        const amqp_basic_ack_t *m = (const amqp_basic_ack_t *)f->payload.method.decoded;
        settle_tags(v, n, first, m->delivery_tag, m->multiple, true);
    } else if (f->payload.method.id == AMQP_BASIC_NACK_METHOD) {
        const amqp_basic_nack_t *m = (const amqp_basic_nack_t *)f->payload.method.decoded;
        settle_tags(v, n, first, m->delivery_tag, m->multiple, false);
    } else if (f->payload.method.id == AMQP_BASIC_RETURN_METHOD) {
        return take_returned(k, v, n);
    } else if (f->payload.method.id == AMQP_CHANNEL_CLOSE_METHOD) {
        const amqp_channel_close_t *m = (const amqp_channel_close_t *)f->payload.method.decoded;
        (void)fail(why, ERR_DENIED, "rabbitmq: %.*s", (int)m->reply_text.len,
                   (const char *)m->reply_text.bytes);
        /* 404: no such exchange; 403: not allowed. All that is unsettled went the same way. */
        for (size_t i = 0; i < n && (m->reply_code == 404 || m->reply_code == 403); i++)
            if (!v[i]->settled)
                bus_settle(v[i], ATTEMPT_RETRY, "refused", "%s", why->text);
        return false;
    } else if (f->payload.method.id == AMQP_CONNECTION_CLOSE_METHOD) {
        (void)fail(why, ERR_CLOSED, "rabbitmq: the broker closed the connection");
        return false;
    }
    return true;
}

static bool all_settled(struct bus_job **v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!v[i]->settled)
            return false;
    return true;
}

static bool rabbitmq_send(void *client, struct bus_job **v, size_t n, int64_t deadline_ns,
                          struct reason *why)
{
    struct client *k = (struct client *)client;
    uint64_t first = k->published;
    for (size_t i = 0; i < n; i++, k->published++) {
        int rc = publish(k, v[i]);
        if (rc != AMQP_STATUS_OK) {
            (void)fail(why, ERR_CLOSED, "rabbitmq: %s", mq.amqp_error_string2(rc));
            return false;
        }
    }
    while (!all_settled(v, n)) {
        amqp_frame_t f;
        struct timeval left = left_of(deadline_ns);
        mq.amqp_maybe_release_buffers(k->c);
        int rc = mq.amqp_simple_wait_frame_noblock(k->c, &f, &left);
        if (rc == AMQP_STATUS_TIMEOUT) {
            (void)fail(why, ERR_TIMEOUT, "rabbitmq: no acknowledgement came in time");
            return false; /* late ones would be taken for those of the next batch */
        }
        if (rc != AMQP_STATUS_OK) {
            (void)fail(why, ERR_CLOSED, "rabbitmq: %s", mq.amqp_error_string2(rc));
            return false;
        }
        if (!take_frame(k, &f, v, n, first, why))
            return false;
    }
    return true;
}

static const struct bus_ops ops = {rabbitmq_open, rabbitmq_send, rabbitmq_close, NULL};
#else
static const struct bus_ops ops = {NULL, NULL, NULL, NULL};
#endif

static struct action_config *rabbitmq_read(struct arena *a, const struct yaml *node,
                                           struct problems *p)
{
    static const char *const keys[] = {BUS_KEYS,      "vhost",   "exchange",
                                       "routing_key", "message", NULL};
    struct rabbitmq_config *c = ARENA_NEW(a, struct rabbitmq_config);
    size_t before = p->errors;
    str vhost = STR("/");
    struct reason why = {.text = ""};
    if (!c || !read_keys(p, node, keys))
        return NULL;
    bus_read_tls(&c->bus, node, p);
    bus_read(&c->bus, a, node, c->bus.tls ? 5671 : 5672, p);
    bus_read_part(&c->bus, a, node, "exchange", "", p);
    bus_read_part(&c->bus, a, node, "routing_key", NULL, p);
    bus_read_message(&c->bus, a, node, "{{ body }}", p);
    (void)read_str(p, yaml_get(node, STR("vhost")), &vhost);
    c->vhost = arena_cstr(a, vhost);
    if (dynlib_load(&library, &why) != ERR_OK)
        problem_at(p, node, "%s", why.text);
    c->bus.base.kind = &action_rabbitmq;
    c->bus.ops = &ops;
    return p->errors == before ? &c->bus.base : NULL;
}

const struct action_kind action_rabbitmq = {
    .name = "rabbitmq", .read = rabbitmq_read, .create = bus_create};
