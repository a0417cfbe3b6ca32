/* action_postgres.c -- each event as a NOTIFY or a row in PostgreSQL, by libpq.
 *
 *   postgres:
 *     server: 127.0.0.1:5432
 *     database: app
 *     user: gaff
 *     password: "${env:PGPASSWORD}"
 *     channel: hooks                   # NOTIFY hooks with the message (at most 7999 bytes), or:
 *     query: "INSERT INTO hooks (id, body) VALUES ($1, $2) ON CONFLICT DO NOTHING"
 *     values: ["{{ event_id }}", "{{ body }}"]
 *     message: "{{ body }}"            # for channel
 *
 * Delivered when the server has committed it. Values are parameters and never part of the query.
 * With tls: true the certificate and the host's name are checked. */
#include "action/bus.h"
#include "action/kinds.h"
#include "store/store_postgres_lib.h"

#include <poll.h>

#define NOTIFY_BYTES_MAX 7999

struct postgres_config {
    struct bus_config bus;
    const char *database;
    const char *query;
    bool is_notify;
};

struct client {
    struct PGconn *c;
    const struct postgres_config *config;
};

static void postgres_close(void *client)
{
    struct client *k = (struct client *)client;
    if (k->c)
        pq->finish(k->c);
    free(k);
}

/* False when the deadline passed. */
static bool wait_for(struct client *k, short events, int64_t deadline_ns)
{
    struct pollfd one = {.fd = pq->socket(k->c), .events = events};
    int64_t left = bus_left_ms(deadline_ns);
    return one.fd >= 0 && left > 0 && poll(&one, 1, (int)left) > 0;
}

static enum err connection_failed(struct client *k, struct reason *why)
{
    str text = str_trim(str_from_cstr(k->c ? pq->errorMessage(k->c) : "out of memory"));
    return fail(why, ERR_IO, "postgres %s: " STR_FMT, k->config->bus.server,
                STR_ARG(str_slice(text, 0, 300)));
}

static void *postgres_open(const struct bus_server *s, int64_t deadline_ns, bool *permanent,
                           struct reason *why)
{
    const struct bus_config *c = s->config;
    struct client *k = (struct client *)calloc(1, sizeof(*k));
    char port[8];
    const char *keys[12], *values[12];
    size_t n = 0;
    UNUSED(permanent);
    k->config = (const struct postgres_config *)(const void *)c;
    (void)snprintf(port, sizeof(port), "%u", (unsigned)c->port);
#define SET(key, value) (keys[n] = (key), values[n++] = (value))
    SET("host", c->host); /* the certificate is checked against it; hostaddr is dialled */
    SET("hostaddr", s->address);
    SET("port", port);
    SET("dbname", k->config->database);
    SET("application_name", "gaff");
    SET("sslmode", c->tls ? "verify-full" : "prefer");
    SET("client_encoding", "UTF8");
    if (c->user)
        SET("user", c->user);
    if (c->password)
        SET("password", c->password);
    if (c->tls)
        SET("sslrootcert", c->ca_file ? c->ca_file : "/etc/ssl/certs/ca-certificates.crt");
#undef SET
    keys[n] = values[n] = NULL;
    k->c = pq->connectStartParams(keys, values, 0);
    int state =
        k->c && pq->status(k->c) != PQ_CONNECTION_BAD ? PQ_POLLING_WRITING : PQ_POLLING_FAILED;
    while (state == PQ_POLLING_READING || state == PQ_POLLING_WRITING) {
        if (!wait_for(k, state == PQ_POLLING_READING ? POLLIN : POLLOUT, deadline_ns)) {
            (void)fail(why, ERR_TIMEOUT, "postgres %s: no answer in time", c->server);
            postgres_close(k);
            return NULL;
        }
        state = pq->connectPoll(k->c);
    }
    if (state == PQ_POLLING_OK)
        return k;
    (void)connection_failed(k, why);
    postgres_close(k);
    return NULL;
}

static bool flush(struct client *k, int64_t deadline_ns)
{
    int rc;
    while ((rc = pq->flush(k->c)) == 1) {
        if (!wait_for(k, POLLIN | POLLOUT, deadline_ns) || !pq->consumeInput(k->c))
            return false;
    }
    return rc == 0;
}

static void settle_result(struct bus_job *j, const struct PGresult *r)
{
    int status = pq->resultStatus(r);
    if (status == PQ_COMMAND_OK || status == PQ_TUPLES_OK) {
        bus_settle(j, ATTEMPT_SUCCESS, "", "committed");
        return;
    }
    const char *state = pq->resultErrorField(r, PQ_SQLSTATE);
    const char *text = pq->resultErrorField(r, PQ_PRIMARY);
    /* 22, 23: the values; 42: the query or its rights. Waiting changes none of them but rights and
     * tables, which people mend: those are tried again. */
    bool permanent = state && (strncmp(state, "22", 2) == 0 || strncmp(state, "23", 2) == 0);
    bus_settle(j, permanent ? ATTEMPT_PERMANENT : ATTEMPT_RETRY, "refused", "postgres: %s (%s)",
               text ? text : "refused", state ? state : "no code");
}

static bool take_results(struct client *k, struct bus_job *j, int64_t deadline_ns)
{
    struct PGresult *r;
    for (;;) {
        while (pq->isBusy(k->c))
            if (!wait_for(k, POLLIN, deadline_ns) || !pq->consumeInput(k->c))
                return false;
        r = pq->getResult(k->c);
        if (!r)
            return j->settled;
        if (!j->settled && pq->status(k->c) == PQ_CONNECTION_OK)
            settle_result(j, r);
        pq->clear(r);
    }
}

static bool send_one(struct client *k, struct bus_job *j, int64_t deadline_ns)
{
    const struct postgres_config *c = k->config;
    const char *values[BUS_PARTS_MAX + 1];
    size_t n = 0;
    for (size_t i = 0; i < c->bus.part_count; i++)
        values[n++] = arena_cstr(j->task->arena, j->parts[i]);
    if (c->is_notify)
        values[n++] = arena_cstr(j->task->arena, j->body);
    for (size_t i = 0; i < n; i++)
        if (!values[i]) {
            bus_settle(j, ATTEMPT_PERMANENT, "invalid", "the event is too large to be sent");
            return true;
        }
    return pq->sendQueryParams(k->c, c->query, (int)n, NULL, values, NULL, NULL, 0) &&
           flush(k, deadline_ns) && take_results(k, j, deadline_ns);
}

static bool postgres_send(void *client, struct bus_job **v, size_t n, int64_t deadline_ns,
                          struct reason *why)
{
    struct client *k = (struct client *)client;
    for (size_t i = 0; i < n; i++) {
        bool has_nul = v[i]->body.n > 0 && memchr(v[i]->body.p, 0, v[i]->body.n);
        if (k->config->is_notify && (v[i]->body.n > NOTIFY_BYTES_MAX || has_nul)) {
            bus_settle(v[i], ATTEMPT_PERMANENT, "invalid",
                       "NOTIFY takes text of at most %d bytes, not %zu%s; send message: \"{{ "
                       "event_id }}\", or insert a row",
                       NOTIFY_BYTES_MAX, v[i]->body.n, has_nul ? " with a NUL byte" : "");
            continue;
        }
        if (!send_one(k, v[i], deadline_ns)) {
            if (bus_left_ms(deadline_ns) == 0)
                (void)fail(why, ERR_TIMEOUT, "postgres: no answer in time");
            else
                (void)connection_failed(k, why);
            return false;
        }
    }
    return true;
}

static const struct bus_ops ops = {postgres_open, postgres_send, postgres_close, NULL};

static void read_values(struct postgres_config *c, struct arena *a, const struct yaml *node,
                        struct problems *p)
{
    const struct yaml *values = yaml_get(node, STR("values"));
    if (!values)
        return;
    if (values->kind != YAML_LIST || values->count > BUS_PARTS_MAX) {
        problem_at(p, values, "expected a list of at most %d values, for $1, $2, ...",
                   BUS_PARTS_MAX);
        return;
    }
    for (const struct yaml *one = values->first; one; one = one->next)
        if (bus_template(a, one, &c->bus.parts[c->bus.part_count], p))
            c->bus.part_count++;
}

static void read_statement(struct postgres_config *c, struct arena *a, const struct yaml *node,
                           struct problems *p)
{
    const struct yaml *channel = yaml_get(node, STR("channel"));
    const struct yaml *query = yaml_get(node, STR("query"));
    str text = STR("");
    if (!channel == !query) {
        problem_at(p, node, "postgres takes one of channel (NOTIFY) and query (with values)");
        return;
    }
    c->is_notify = channel != NULL;
    if (channel) {
        bus_read_part(&c->bus, a, node, "channel", NULL, p);
        c->query = "SELECT pg_notify($1, $2)";
        if (yaml_get(node, STR("values")))
            problem_at(p, yaml_get(node, STR("values")), "values belong to query");
        bus_read_message(&c->bus, a, node, "{{ body }}", p);
        return;
    }
    if (yaml_get(node, STR("message")))
        problem_at(p, yaml_get(node, STR("message")), "message belongs to channel");
    if (read_str(p, query, &text) && str_find_str(text, STR("{{")) < text.n)
        problem_at(p, query,
                   "a query holds no references: write $1, $2, ... and list them in values");
    c->query = arena_cstr(a, text);
    read_values(c, a, node, p);
}

static struct action_config *postgres_read(struct arena *a, const struct yaml *node,
                                           struct problems *p)
{
    static const char *const keys[] = {BUS_KEYS, "database", "channel", "query",
                                       "values", "message",  NULL};
    struct postgres_config *c = ARENA_NEW(a, struct postgres_config);
    size_t before = p->errors;
    str database = STR("");
    struct reason why = {.text = ""};
    if (!c || !read_keys(p, node, keys))
        return NULL;
    bus_read_tls(&c->bus, node, p);
    bus_read(&c->bus, a, node, 5432, p);
    if (!yaml_get(node, STR("database")))
        problem_at(p, node, "\"database\" is missing");
    (void)read_str(p, yaml_get(node, STR("database")), &database);
    c->database = arena_cstr(a, database);
    read_statement(c, a, node, p);
    if (!pq_load(&why))
        problem_at(p, node, "%s", why.text);
    c->bus.base.kind = &action_postgres;
    c->bus.ops = &ops;
    return p->errors == before ? &c->bus.base : NULL;
}

const struct action_kind action_postgres = {
    .name = "postgres", .read = postgres_read, .create = bus_create};
