/* client_impl.h -- what the client's files share: the client, its pools and its transfers. Private
 * to http/client*.c.
 *
 *   http_client --- http_pool (one a policy) --- CURLM: connections, DNS cache
 *        |               '--- idle transfers, kept with their easy handle
 *        '--- active transfers, waiting calls, failed calls, watched sockets
 *
 * A transfer is an easy handle with the memory a call needs; it is reused without reset, so every
 * option set for one call is set, or known to be equal, for the next. */
#ifndef GAFF_HTTP_CLIENT_IMPL_H
#define GAFF_HTTP_CLIENT_IMPL_H

#include "base/buf.h"
#include "base/log.h"
#include "http/client.h"
#include "http/client_curl.h"
#include "http/client_policy.h"
#include "http/url.h"

#define POLICY_COUNT 2
#define REQUEST_HEAD_MAX 65536
#define REQUEST_FIELDS_MAX 200

enum call_state { CALL_IDLE, CALL_WAITING, CALL_ACTIVE, CALL_FAILED };

/* What http_fetch asks for besides. */
struct fetch_extra {
    const char *unix_socket;
    void (*on_bytes)(str bytes, void *arg);
    void *arg;
};

struct http_pool {
    struct http_client *client;
    enum outbound_policy policy;
    CURLM *multi;            /* NULL until the first call */
    struct loop_timer timer; /* libcurl's next deadline */
    int *ready;              /* sockets of which something is to be told to libcurl */
    size_t ready_count, ready_cap;
    bool failing; /* one of them by an error */
    int running;  /* transfers, when libcurl told last */
    struct loop_hook ready_hook;
    struct list idle;
};

struct watch; /* client_io.c */

struct http_client {
    struct loop *loop;
    struct outbound_rules rules; /* owned arrays */
    char *proxy, *ca_file, *user_agent;
    struct http_client_counts *counts; /* NULL: nobody counts */
    const struct fetch_extra *extra;   /* NULL but in http_fetch */
    size_t max_in_flight, in_flight, waiting_count;
    struct http_pool pools[POLICY_COUNT];
    struct list active;  /* transfers */
    struct list waiting; /* calls, in order */
    struct list failed;  /* calls that end at the next turn */
    struct loop_timer failed_timer;
    struct watch **watches; /* by descriptor */
    size_t watch_cap;
    bool in_done, closing;
};

struct transfer {
    struct list link; /* in pool->idle or client->active */
    struct http_pool *pool;
    struct http_call *call; /* NULL while idle */
    CURL *easy;
    /* What the easy handle has been told, so that the next call sets only what differs. */
    struct http_url url;
    struct buf url_text, method;
    bool method_set, sends_body, once;
    uint64_t route_id; /* 0: the usual */
    int64_t timeout_ms;
    /* The request's header lines, NUL-terminated one after the other, and libcurl's list over
     * them; no allocation once they have grown. */
    struct buf lines;
    struct curl_slist *nodes;
    size_t node_cap;
    /* The answer. */
    struct buf head, body;
    struct http_field *fields;
    size_t field_cap, head_seen;
    int status;
    bool head_done, head_too_long, body_truncated;
    bool restarted;      /* see client.c, transfer_restart */
    bool dialled;        /* some address was allowed and tried */
    bool is_connected;   /* TLS and proxy included */
    const char *blocked; /* what the last refused address was; static */
    char error[CURL_ERROR_SIZE];
};

/* client_request.c: fills t's request from t->call; on failure the class and a sentence. */
enum http_call_class transfer_prepare(struct transfer *t, struct reason *why) MUST_USE;

/* client_answer.c. what: NULL when it is the port that is not allowed. */
void client_count_blocked(struct http_client *c, const char *what);
size_t transfer_on_header(char *bytes, size_t size, size_t count, void *arg);
size_t transfer_on_body(char *bytes, size_t size, size_t count, void *arg);
void transfer_clear_answer(struct transfer *t);
void transfer_fill_answer(struct transfer *t, CURLcode rc, struct http_answer *out);

/* client_io.c: joins a pool's CURLM to the loop. */
void pool_open(struct http_pool *p);
void pool_close(struct http_pool *p);
curl_socket_t client_on_open_socket(void *transfer, curlsocktype purpose, struct curl_sockaddr *sa);
int client_on_close_socket(void *client, curl_socket_t fd);
void client_release_watches(struct http_client *c);

/* client.c: takes finished transfers off the pool; called after each socket action. */
void pool_reap(struct http_pool *p);
/* Proxied and unix-socket calls: the socket's address is not the destination's. */
static inline bool client_judges_sockets(const struct http_client *c)
{
    return !c->proxy && !(c->extra && c->extra->unix_socket);
}

#endif
