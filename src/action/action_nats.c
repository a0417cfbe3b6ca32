/* action_nats.c -- each event into a NATS JetStream stream, by libnats.
 *
 *   nats:
 *     server: 127.0.0.1:4222
 *     subject: "hooks.{{ source }}"   # of a stream that exists
 *     token: "${env:NATS_TOKEN}"      # or user and password
 *     message: "{{ body }}"
 *
 * Delivered when the stream has acknowledged it. The header Nats-Msg-Id is the event's id, so that
 * a repeated attempt is recognised within the stream's duplicate window. */
#include "base/dynlib.h"
#include "action/bus.h"
#include "action/kinds.h"

#ifdef SONAME_NATS
#include <nats/nats.h>

#define CALLS(X)                                                                                   \
    X(natsOptions_Create)                                                                          \
    X(natsOptions_Destroy)                                                                         \
    X(natsOptions_SetURL)                                                                          \
    X(natsOptions_SetTimeout)                                                                      \
    X(natsOptions_SetAllowReconnect)                                                               \
    X(natsOptions_SetUserInfo)                                                                     \
    X(natsOptions_SetToken)                                                                        \
    X(natsOptions_SetSecure)                                                                       \
    X(natsOptions_SetExpectedHostname)                                                             \
    X(natsOptions_LoadCATrustedCertificates)                                                       \
    X(natsConnection_Connect)                                                                      \
    X(natsConnection_JetStream)                                                                    \
    X(natsConnection_IsClosed)                                                                     \
    X(natsConnection_Destroy)                                                                      \
    X(natsMsg_Create)                                                                              \
    X(natsMsgHeader_Set)                                                                           \
    X(natsMsg_Destroy)                                                                             \
    X(jsPubOptions_Init)                                                                           \
    X(js_PublishMsg)                                                                               \
    X(jsPubAck_Destroy)                                                                            \
    X(jsCtx_Destroy)                                                                               \
    X(natsStatus_GetText)                                                                          \
    X(nats_GetLastError)
static struct {
    CALLS(DYNLIB_POINTER)
} nats;
#define CALL(name) {#name, &nats.name},
static const struct dynlib_call calls[] = {CALLS(CALL)};
#define SONAME DYNLIB_SONAME(SONAME_NATS)
#else
static const struct dynlib_call calls[] = {{NULL, NULL}};
#define SONAME NULL
#endif

static struct dynlib library = {SONAME, "libnats (libnats-dev)", calls, ARRAY_LEN(calls), false};

#define TRACE_FIELD_MAX 1024 /* a tracestate has 512 bytes */

struct nats_config {
    struct bus_config bus;
    const char *token; /* NULL: none */
};

#ifdef SONAME_NATS

struct client {
    natsConnection *connection;
    jsCtx *js;
};

static const char *last_error(natsStatus s)
{
    natsStatus ignored;
    const char *text = nats.nats_GetLastError(&ignored);
    return text && text[0] ? text : nats.natsStatus_GetText(s);
}

static natsStatus set_options(natsOptions *o, const struct bus_server *s, int64_t deadline_ns)
{
    const struct nats_config *c = (const struct nats_config *)(const void *)s->config;
    char url[ADDRESS_TEXT_MAX + 32];
    bool v6 = strchr(s->address, ':') != NULL;
    (void)snprintf(url, sizeof(url), "nats://%s%s%s:%u", v6 ? "[" : "", s->address, v6 ? "]" : "",
                   (unsigned)c->bus.port);
    natsStatus rc = nats.natsOptions_SetURL(o, url);
    if (rc == NATS_OK)
        rc = nats.natsOptions_SetTimeout(o, bus_left_ms(deadline_ns) + 1);
    if (rc == NATS_OK)
        rc = nats.natsOptions_SetAllowReconnect(o, false);
    if (rc == NATS_OK && c->bus.user)
        rc = nats.natsOptions_SetUserInfo(o, c->bus.user, c->bus.password ? c->bus.password : "");
    if (rc == NATS_OK && c->token)
        rc = nats.natsOptions_SetToken(o, c->token);
    if (rc == NATS_OK && c->bus.tls)
        rc = nats.natsOptions_SetSecure(o, true);
    if (rc == NATS_OK && c->bus.tls)
        rc = nats.natsOptions_SetExpectedHostname(o, c->bus.host);
    if (rc == NATS_OK && c->bus.ca_file)
        rc = nats.natsOptions_LoadCATrustedCertificates(o, c->bus.ca_file);
    return rc;
}

static void nats_client_close(void *client)
{
    struct client *k = (struct client *)client;
    nats.jsCtx_Destroy(k->js);
    nats.natsConnection_Destroy(k->connection);
    free(k);
}

static void *nats_client_open(const struct bus_server *s, int64_t deadline_ns, bool *permanent,
                              struct reason *why)
{
    struct client *k = (struct client *)calloc(1, sizeof(*k));
    natsOptions *o = NULL;
    UNUSED(permanent);
    natsStatus rc = nats.natsOptions_Create(&o);
    if (rc == NATS_OK)
        rc = set_options(o, s, deadline_ns);
    if (rc == NATS_OK)
        rc = nats.natsConnection_Connect(&k->connection, o);
    if (rc == NATS_OK)
        rc = nats.natsConnection_JetStream(&k->js, k->connection, NULL);
    nats.natsOptions_Destroy(o);
    if (rc == NATS_OK)
        return k;
    (void)fail(why, ERR_IO, "nats %s: %s", s->config->server, last_error(rc));
    nats_client_close(k);
    return NULL;
}

static natsStatus set_header(natsMsg *msg, const char *name, str value)
{
    char text[TRACE_FIELD_MAX];
    if (!value.n || value.n >= sizeof(text))
        return NATS_OK;
    (void)snprintf(text, sizeof(text), STR_FMT, STR_ARG(value));
    return nats.natsMsgHeader_Set(msg, name, text);
}

static natsStatus publish(struct client *k, const struct bus_job *j, int64_t deadline_ns,
                          jsPubAck **ack)
{
    natsMsg *msg = NULL;
    jsPubOptions o;
    jsErrCode code = 0;
    char subject[1024], id[64];
    (void)snprintf(subject, sizeof(subject), STR_FMT, STR_ARG(j->parts[0]));
    (void)snprintf(id, sizeof(id), STR_FMT, STR_ARG(j->event_id));
    (void)nats.jsPubOptions_Init(&o);
    o.MaxWait = bus_left_ms(deadline_ns) + 1;
    o.MsgId = id;
    natsStatus rc = nats.natsMsg_Create(&msg, subject, NULL, j->body.p, (int)j->body.n);
    if (rc == NATS_OK)
        rc = set_header(msg, "traceparent", j->traceparent);
    if (rc == NATS_OK)
        rc = set_header(msg, "tracestate", j->tracestate);
    if (rc == NATS_OK)
        rc = nats.js_PublishMsg(ack, k->js, msg, &o, &code);
    nats.natsMsg_Destroy(msg);
    return rc;
}

/* A subject with these is a pattern or no subject; the server would close the connection. */
static bool subject_is_valid(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == '*' || s.p[i] == '>')
            return false;
    return s.n > 0 && s.n < 1000;
}

static bool nats_send(void *client, struct bus_job **v, size_t n, int64_t deadline_ns,
                      struct reason *why)
{
    struct client *k = (struct client *)client;
    for (size_t i = 0; i < n; i++) {
        jsPubAck *ack = NULL;
        if (!subject_is_valid(v[i]->parts[0])) {
            bus_settle(v[i], ATTEMPT_PERMANENT, "invalid", "\"" STR_FMT "\" is no NATS subject",
                       STR_ARG(v[i]->parts[0]));
            continue;
        }
        natsStatus rc = publish(k, v[i], deadline_ns, &ack);
        if (rc == NATS_OK) {
            bus_settle(v[i], ATTEMPT_SUCCESS, "", "stream %s, sequence %llu%s", ack->Stream,
                       (unsigned long long)ack->Sequence, ack->Duplicate ? " (was there)" : "");
        } else if (nats.natsConnection_IsClosed(k->connection)) {
            (void)fail(why, ERR_CLOSED, "nats: %s", last_error(rc));
            return false;
        } else if (rc == NATS_NO_RESPONDERS) {
            bus_settle(v[i], ATTEMPT_RETRY, "refused", "no stream takes the subject " STR_FMT,
                       STR_ARG(v[i]->parts[0]));
        } else {
            bus_settle(v[i], ATTEMPT_RETRY, rc == NATS_TIMEOUT ? "timeout" : "refused", "nats: %s",
                       last_error(rc));
        }
        nats.jsPubAck_Destroy(ack);
    }
    return true;
}

static const struct bus_ops ops = {nats_client_open, nats_send, nats_client_close, NULL};
#else
static const struct bus_ops ops = {NULL, NULL, NULL, NULL};
#endif

static struct action_config *nats_read(struct arena *a, const struct yaml *node, struct problems *p)
{
    static const char *const keys[] = {BUS_KEYS, "subject", "token", "message", NULL};
    struct nats_config *c = ARENA_NEW(a, struct nats_config);
    size_t before = p->errors;
    str token = STR_NONE;
    struct reason why = {.text = ""};
    if (!c || !read_keys(p, node, keys))
        return NULL;
    bus_read_tls(&c->bus, node, p);
    bus_read(&c->bus, a, node, 4222, p);
    bus_read_part(&c->bus, a, node, "subject", NULL, p);
    bus_read_message(&c->bus, a, node, "{{ body }}", p);
    if (read_str(p, yaml_get(node, STR("token")), &token) && token.p)
        c->token = arena_cstr(a, token);
    if (dynlib_load(&library, &why) != ERR_OK)
        problem_at(p, node, "%s", why.text);
    c->bus.base.kind = &action_nats;
    c->bus.ops = &ops;
    return p->errors == before ? &c->bus.base : NULL;
}

const struct action_kind action_nats = {.name = "nats", .read = nats_read, .create = bus_create};
