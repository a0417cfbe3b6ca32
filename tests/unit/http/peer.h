/* peer.h -- a small real HTTP peer on threads, for tests of what calls out: it reads whole
 * requests, remembers the last one, and does what it is told with them. */
#ifndef GAFF_TESTS_PEER_H
#define GAFF_TESTS_PEER_H

#include "base/compiler.h"
#include "base/loop.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum peer_mode {
    PEER_ANSWER, /* the raw answer for each request, keep-alive */
    PEER_CLOSE,  /* the raw answer (which may be empty), then close */
    PEER_RESET,  /* RST after the request was read */
    PEER_ONCE,   /* the raw answer for the first request of a connection, then as PEER_RESET */
    PEER_HANG,   /* reads the request and says nothing */
    PEER_FLOOD,  /* the raw answer, then bytes without end */
};

struct peer {
    int listener;
    uint16_t port;
    int delay_ms;
    void (*on_request)(struct peer *p); /* NULL, or before it is answered, on the peer's thread */
    atomic_int connections, requests, open, open_max;
    pthread_mutex_t lock; /* over what follows */
    enum peer_mode mode;
    const char *answer;
    char answer_text[512]; /* of peer_set */
    char last[262144];     /* the last request: head and body as received */
    size_t last_len, last_head_len;
};

struct peer_conn {
    struct peer *peer;
    int fd;
};

#define PEER_OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Peer: yes\r\n\r\nok"

static inline size_t peer_content_length(const char *head, size_t n)
{
    static const char name[] = "content-length:";
    for (size_t i = 0; i + sizeof(name) < n; i++)
        if (strncasecmp(head + i, name, sizeof(name) - 1) == 0)
            return (size_t)strtoul(head + i + sizeof(name) - 1, NULL, 10);
    return 0;
}

/* Reads one request into peer->last; false when the connection ended. */
static inline bool peer_read(struct peer *p, int fd)
{
    static _Thread_local char bytes[sizeof(p->last)];
    size_t n = 0, whole = 0, head = 0;
    while (whole == 0 || n < whole) {
        ssize_t got = n < sizeof(bytes) ? recv(fd, bytes + n, sizeof(bytes) - n, 0) : -1;
        if (got <= 0)
            return false;
        n += (size_t)got;
        const char *end = (const char *)memmem(bytes, n, "\r\n\r\n", 4);
        if (end && whole == 0) {
            head = (size_t)(end - bytes) + 4;
            whole = head + peer_content_length(bytes, head);
        }
    }
    pthread_mutex_lock(&p->lock);
    memcpy(p->last, bytes, n);
    p->last_len = n;
    p->last_head_len = head;
    pthread_mutex_unlock(&p->lock);
    return true;
}

static inline void peer_send(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        bytes += sent;
        n -= (size_t)sent;
    }
}

static inline void peer_wait_for_close(int fd)
{
    char byte;
    while (recv(fd, &byte, 1, 0) > 0)
        continue;
}

/* The reaction to a connection's nth request; true when the connection goes on. */
static inline bool peer_do(enum peer_mode mode, const char *answer, int fd, int nth)
{
    if (mode == PEER_RESET || (mode == PEER_ONCE && nth > 1)) {
        struct linger now = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        return false;
    }
    if (mode == PEER_HANG) {
        peer_wait_for_close(fd);
        return false;
    }
    peer_send(fd, answer, strlen(answer));
    while (mode == PEER_FLOOD) {
        static const char junk[4096] = {'x'};
        if (send(fd, junk, sizeof(junk), MSG_NOSIGNAL) <= 0)
            return false;
    }
    return mode == PEER_ANSWER || mode == PEER_ONCE;
}

static inline bool peer_react(struct peer *p, int fd, int nth)
{
    if (p->on_request)
        p->on_request(p);
    if (p->delay_ms > 0)
        (void)poll(NULL, 0, p->delay_ms);
    pthread_mutex_lock(&p->lock);
    enum peer_mode mode = p->mode;
    char *answer = strdup(p->answer);
    pthread_mutex_unlock(&p->lock);
    if (!answer)
        abort();
    bool goes_on = peer_do(mode, answer, fd, nth);
    free(answer);
    return goes_on;
}

static inline void *peer_serve(void *arg)
{
    struct peer_conn *c = (struct peer_conn *)arg;
    struct peer *p = c->peer;
    int open = atomic_fetch_add(&p->open, 1) + 1;
    if (open > atomic_load(&p->open_max))
        atomic_store(&p->open_max, open);
    for (int nth = 1; peer_read(p, c->fd); nth++) {
        atomic_fetch_add(&p->requests, 1);
        if (!peer_react(p, c->fd, nth))
            break;
    }
    close(c->fd);
    atomic_fetch_sub(&p->open, 1);
    free(c);
    return NULL;
}

static inline void *peer_accept(void *arg)
{
    struct peer *p = (struct peer *)arg;
    for (;;) {
        int fd = accept(p->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        atomic_fetch_add(&p->connections, 1);
        struct peer_conn *c = (struct peer_conn *)calloc(1, sizeof(*c));
        pthread_t thread;
        if (!c)
            abort();
        *c = (struct peer_conn){p, fd};
        if (pthread_create(&thread, NULL, peer_serve, c) != 0)
            abort();
        pthread_detach(thread);
    }
}

static inline struct peer *peer_listen(const struct sockaddr *sa, socklen_t len,
                                       enum peer_mode mode, const char *answer)
{
    struct peer *p = (struct peer *)calloc(1, sizeof(*p));
    int on = 1;
    if (!p)
        abort();
    p->mode = mode;
    p->answer = answer;
    pthread_mutex_init(&p->lock, NULL);
    p->listener = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(p->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(p->listener, sa, len) != 0 || listen(p->listener, 128) != 0)
        abort();
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in bound;
        socklen_t n = sizeof(bound);
        if (getsockname(p->listener, (struct sockaddr *)&bound, &n) != 0)
            abort();
        p->port = ntohs(bound.sin_port);
    }
    pthread_t thread;
    if (pthread_create(&thread, NULL, peer_accept, p) != 0)
        abort();
    pthread_detach(thread);
    return p;
}

/* Listens on an IPv4 address and port (0: any free one); runs until the process ends. */
static inline struct peer *peer_start_at(const char *ip, uint16_t port, enum peer_mode mode,
                                         const char *answer)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, ip, &sa.sin_addr) != 1)
        abort();
    return peer_listen((const struct sockaddr *)&sa, sizeof(sa), mode, answer);
}

static inline struct peer *peer_start(enum peer_mode mode, const char *answer)
{
    return peer_start_at("127.0.0.1", 0, mode, answer);
}

static inline struct peer *peer_start_unix(const char *path, enum peer_mode mode,
                                           const char *answer)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(sa.sun_path))
        abort();
    memcpy(sa.sun_path, path, strlen(path) + 1);
    return peer_listen((const struct sockaddr *)&sa, sizeof(sa), mode, answer);
}

/* Turns the loop until the peer has counted n requests: its thread does, and wakes no loop. */
static inline void peer_await(struct peer *p, struct loop *l, int n)
{
    while (atomic_load(&p->requests) < n) {
        loop_run_once(l, false);
        (void)usleep(500);
    }
}

/* Another answer from now on; a short one. */
static inline void peer_set(struct peer *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
static inline void peer_set(struct peer *p, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    pthread_mutex_lock(&p->lock);
    (void)vsnprintf(p->answer_text, sizeof(p->answer_text), fmt, args);
    p->answer = p->answer_text;
    pthread_mutex_unlock(&p->lock);
    va_end(args);
}

/* The last request's head and body; valid until the next request. */
static inline str peer_head(struct peer *p)
{
    pthread_mutex_lock(&p->lock); /* after the peer's own writing */
    pthread_mutex_unlock(&p->lock);
    return str_of(p->last, p->last_head_len);
}
static inline str peer_body(struct peer *p)
{
    (void)peer_head(p);
    return str_of(p->last + p->last_head_len, p->last_len - p->last_head_len);
}
/* True when a line of the last head begins so. */
static inline bool peer_got(struct peer *p, const char *line)
{
    str head = peer_head(p);
    size_t n = strlen(line);
    for (size_t i = 0; i + n <= head.n; i++)
        if (memcmp(head.p + i, line, n) == 0 && (i == 0 || head.p[i - 1] == '\n'))
            return true;
    return false;
}

#endif
