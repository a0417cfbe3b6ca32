/* bus.h -- what the queues and email share: a server, templates for what is sent, and a thread of
 * the destination's own on which its blocking client lives. Attempts go there in batches and come
 * back to the loop as outcomes; an attempt succeeds only after the server's acknowledgement.
 *
 *   redis:
 *     server: 127.0.0.1:6379
 *     user: gaff                       # where the server wants one
 *     password: "${env:REDIS_PASSWORD}"
 *     tls: true
 *     ca_file: /etc/ssl/redis-ca.pem   # else the system's
 *     policy: private                  # private | public: where the name may lead
 *     ...                              # what the kind needs besides
 */
#ifndef GAFF_ACTION_BUS_H
#define GAFF_ACTION_BUS_H

#include "base/list.h"
#include "action/event_refs.h"
#include "http/client_policy.h"

#define BUS_PARTS_MAX 12
#define BUS_KEYS "server", "user", "password", "tls", "ca_file", "policy"

struct bus_config { /* first member of a kind's own configuration */
    struct action_config base;
    const struct bus_ops *ops;
    const char *server; /* as written, for people */
    const char *host;   /* "" for kinds that resolve by themselves */
    uint16_t port;
    const char *user, *password, *ca_file; /* NULL: not given */
    bool tls;
    enum outbound_policy policy;
    struct template parts[BUS_PARTS_MAX]; /* stream, subject, key, ...; the kind's own order */
    size_t part_count;
    struct template message;
};

struct bus_server { /* where a client connects to */
    const struct bus_config *config;
    char address[ADDRESS_TEXT_MAX]; /* judged; dial this, verify certificates against host */
    const struct outbound_rules *rules;
};

struct bus_job { /* one attempt on the bus's thread */
    struct list link;
    struct loop_msg msg;
    const struct bus_config *config;
    struct loop *loop; /* where it comes back to */
    struct task *task;
    str parts[BUS_PARTS_MAX]; /* expanded */
    str body;
    str event_id, source, type;  /* for headers and deduplication */
    str traceparent, tracestate; /* for headers; empty: no trace */
    int64_t deadline_ns;
    /* The outcome; a job that a send left unsettled failed with the connection. */
    bool settled;
    enum attempt_result result;
    const char *error_class;
    char summary[REASON_TEXT_MAX];
};

struct bus_ops { /* on the bus's thread */
    /* A connected client, or NULL with a reason; by the deadline. *permanent may be set. */
    void *(*open)(const struct bus_server *s, int64_t deadline_ns, bool *permanent,
                  struct reason *why);
    /* Sends them all and waits for their acknowledgements; settles each. False: the connection is
     * lost, with a reason; what is unsettled is tried once more on a new one if it was old. */
    bool (*send)(void *client, struct bus_job **v, size_t n, int64_t deadline_ns,
                 struct reason *why);
    void (*close)(void *client);
    /* Optional, on the loop's thread: fills body and parts in the place of the templates. */
    enum err (*fill)(struct bus_job *j, struct event_refs *refs, struct reason *why);
};

static inline int64_t bus_left_ms(int64_t deadline_ns)
{
    int64_t left = (deadline_ns - clock_mono_ns(clock_real())) / 1000000;
    return left > 0 ? left : 0;
}
void bus_settle(struct bus_job *j, enum attempt_result result, const char *error_class,
                const char *fmt, ...) PRINTF_LIKE(4, 5);

/* --- configuration: bus_read.c ------------------------------------------------------------- */

/* Reads BUS_KEYS but for tls into c. port: the default; 0: the kind resolves server by itself,
 * which may be a list. */
void bus_read(struct bus_config *c, struct arena *a, const struct yaml *node, uint16_t port,
              struct problems *p);
/* Reads tls; before bus_read, as the default port depends on it. */
void bus_read_tls(struct bus_config *c, const struct yaml *node, struct problems *p);
/* Adds the template `key` as the next part; `otherwise` is the default, NULL: required. */
void bus_read_part(struct bus_config *c, struct arena *a, const struct yaml *node, const char *key,
                   const char *otherwise, struct problems *p);
/* `message`, the body unless told otherwise. */
void bus_read_message(struct bus_config *c, struct arena *a, const struct yaml *node,
                      const char *otherwise, struct problems *p);
/* A template with references into the event. */
bool bus_template(struct arena *a, const struct yaml *node, struct template *out,
                  struct problems *p);

/* --- the action ----------------------------------------------------------------------------- */

struct action *bus_create(const struct action_config *c, const struct action_context *ctx,
                          struct reason *why);

#endif
