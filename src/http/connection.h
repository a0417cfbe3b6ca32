/* connection.h -- private to the front door: a server's state, its connections and exchanges, and
 * what server.c, connection.c, exchange.c and reply.c call of one another. All of it belongs to
 * the thread of the server's loop.
 *
 * One request through these files:
 *     server.c      accepts, connection_new
 *     connection.c  reads into a block of the pool, parse.c, calls the handler
 *     reply.c       builds the answer, connection_send, connection_answered
 *     connection_out.c  sends it; then connection.c goes on with the next request, or it closes
 */
#ifndef GAFF_HTTP_CONNECTION_H
#define GAFF_HTTP_CONNECTION_H

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "http/address.h"
#include "http/listen.h"
#include "http/parse.h"
#include "http/proxy.h"
#include "http/server.h"
#include "http/tls.h"

#include <uv.h>

#define BLOCK_BYTES 16384u
#define STREAM_WAITING_BYTES_MAX (1u << 20)
#define LINGER_MS 3000
#define BODY_GRACE_MS 5000
#define ARENA_BYTES_MAX (1u << 20) /* of an exchange, and four times its body */

/* Input of one connection while it has any. Of BLOCK_BYTES, from the pool; larger (and freed
 * after use) when a head does not fit. */
struct block {
    struct block *next;
    uint32_t cap;
    char bytes[];
};

struct connection;

struct exchange {
    struct http_exchange pub; /* first: a struct http_exchange * is one of these */
    uint32_t magic;
    struct http_server *server;    /* NULL when detached, or when the server was freed */
    struct connection *connection; /* NULL when detached, or when the client has gone */
    struct list node;              /* among the server's orphans while connection is NULL */
    struct exchange *next_free;
    struct arena arena;
    struct parse parse;
    struct http_field *fields; /* limits.header_count_max of them */
    struct block *block;       /* holds the request of an orphan */
    struct buf body;           /* a body that does not fit its block */
    char *body_at;             /* a body that does */
    size_t body_n;
    bool body_in_buf;
    bool is_detached, is_head, is_http_1_0, keep_alive;
    bool is_with_handler, has_replied, is_streaming, is_chunked;
    void (*on_close)(struct http_exchange *x);
    struct loop_timer close_soon; /* of an orphan with a stream */
    char peer_text[ADDRESS_TEXT_MAX];
    /* detached only */
    void (*replied)(int status, str head, str body, void *arg);
    void *replied_arg;
    int stream_status;
    struct buf head, stream;
};

enum connection_state {
    CONN_PROXY,     /* the PROXY header is awaited */
    CONN_IDLE,      /* no byte of a next request yet */
    CONN_HEAD,      /* a request's head is incomplete */
    CONN_BODY,      /* its body is */
    CONN_HANDLING,  /* the handler has the exchange */
    CONN_STREAMING, /* a streamed answer is under way */
    CONN_WRITING,   /* answered; a part of the answer waits for the socket */
    CONN_LINGERING, /* shut for writing; what comes is thrown away, so that the answer gets read */
    CONN_CLOSING,   /* uv_close was called */
};

/* Kept small: there may be ten thousand idle ones. */
struct connection {
    uint32_t magic;
    uint8_t state; /* enum connection_state */
    bool is_reading, is_advancing, has_eof, close_after, linger_after, is_counted;
    bool has_asked; /* the first request was there */
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    struct list node;
    struct http_server *server;
    struct exchange *x;  /* of the request in progress */
    struct block *block; /* NULL while nothing is buffered */
    struct tls_session *tls;
    uint32_t start, at, end; /* in block: the request begins, next byte to take, end of input */
    int64_t deadline_ns;     /* mono; what passes depends on state */
    size_t waiting_seen;     /* bytes in the write queue at the last sweep: progress? */
    struct address peer, counted; /* counted: the peer's own, while is_counted */
    char peer_text[ADDRESS_TEXT_MAX];
    uint16_t peer_port; /* of the peer itself; 0 for a unix socket */
};

static_assert(sizeof(struct connection) < 600, "ten thousand idle ones must stay cheap");

struct http_server {
    uint32_t magic;
    struct loop *loop;
    const struct clock *clock;
    struct http_limits limits;
    struct proxy_trust trust;
    struct net *trusted; /* owned, what trust points to */
    bool proxy_protocol;
    http_handler *handler;
    http_body_limit *body_limit;
    http_refusal *refusal;
    bool any_method;
    void *arg;
    char *cert_file, *key_file, *client_ca_file;
    struct tls_policy tls_policy;
    struct tls_context *tls;
    char name_field[80]; /* "Server: gaff\r\n" or "" */

    struct listener listener;
    uv_poll_t poll; /* on listener.fd */
    char url[LISTEN_TEXT_MAX + 16];
    int port;
    int fd_max; /* above it accepting pauses */
    bool is_polling, is_listening, is_sweeping, is_draining, is_freed;
    void (*drained)(void *arg);
    void *drained_arg;
    unsigned handles; /* uv handles not yet closed: poll and connections */

    struct list connections, orphans;
    size_t connection_count;
    struct map addresses; /* 16 bytes of address to the number of connections */
    struct loop_timer sweep, drain_check;
    int64_t sweep_ms;

    struct block *free_blocks;
    struct exchange *free_exchanges;
    size_t free_block_count, free_block_low; /* low: the least since the last sweep */
    size_t free_exchange_count, free_exchange_low;
    char *scratch; /* SCRATCH_BYTES: ciphertext on its way into TLS, what is thrown away */

    struct buf head; /* an answer's head being built */
    int64_t date_s;
    char date_field[48]; /* "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" */
    size_t date_n;
    struct http_server_counts counts;
};
#define SERVER_COUNT(s, name, n)                                                                   \
    atomic_fetch_add_explicit(&(s)->counts.name, (uint64_t)(n), memory_order_relaxed)

static inline int64_t connection_now_ns(const struct connection *c)
{
    return clock_mono_ns(c->server->clock);
}

static inline void connection_set_deadline(struct connection *c, int64_t ms)
{
    c->deadline_ns = connection_now_ns(c) + ms * INT64_C(1000000);
}

#define SERVER_MAGIC 0x48535256u
#define CONNECTION_MAGIC 0x434f4e4eu
#define EXCHANGE_MAGIC 0x45584348u
#define SCRATCH_BYTES 65536u

static inline struct exchange *exchange_of(struct http_exchange *x)
{
    struct exchange *e = (struct exchange *)(void *)x;
    CHECK_MAGIC(e, EXCHANGE_MAGIC);
    return e;
}

/* --- exchange.c: pools ---------------------------------------------------------------------- */

struct block *block_take(struct http_server *s);
struct block *block_new(uint32_t cap);                  /* outside the pool */
void block_put(struct http_server *s, struct block *b); /* s NULL: frees; accepts a NULL block */
struct exchange *exchange_take(struct http_server *s);
void exchange_put(struct exchange *e);           /* releases what it holds */
void exchange_call_on_close(struct exchange *e); /* ends the stream; at most once */

/* An orphan is an exchange whose client has gone before the handler was done with it. It keeps
 * the request's memory until the answer comes (and is thrown away), or, when it streams, until
 * on_close was called from the loop, never from inside a call of the handler. */
void exchange_orphan(struct exchange *e);
void orphan_close_soon(struct exchange *e);
void orphan_drop(struct exchange *e);
/* The server is being freed: its orphans are on their own from now on. */
void orphans_release(struct http_server *s);

/* Frees a part of what the pools did not need since the last call; all: everything. */
void pools_trim(struct http_server *s, bool all);

/* --- connection.c --------------------------------------------------------------------------- */

/* Takes over the descriptor; peer NULL for a unix socket. is_counted: it is among the connections
 * of its address. is_refused: answer 503 and close. */
void connection_new(struct http_server *s, int fd, const struct address *peer, uint16_t peer_port,
                    bool is_counted, bool is_refused);
/* Goes on with what is buffered; from inside itself a no-op. */
void connection_advance(struct connection *c);
void connection_start_reading(struct connection *c);
/* Looks at the deadline. */
void connection_sweep(struct connection *c, int64_t now_ns);

/* --- connection_out.c ----------------------------------------------------------------------- */

/* Sends or queues; false when the connection broke (and is closing). */
bool connection_send(struct connection *c, const uv_buf_t *parts, unsigned count);
/* The answer was given to connection_send whole; e must not be touched any more. */
void connection_answered(struct connection *c);
void connection_close(struct connection *c);
/* Gives the block back; what is in it is forgotten. */
void connection_drop_block(struct connection *c);
/* Sends what TLS has to say beside answers; false when the connection broke. */
bool connection_send_tls_output(struct connection *c);

/* --- server.c ------------------------------------------------------------------------------- */

void server_connection_opened(struct http_server *s, struct connection *c);
void server_connection_gone(struct http_server *s, struct connection *c); /* frees c */
void server_orphan_gone(struct http_server *s);
void server_date_refresh(struct http_server *s);

#endif
