/* sink.c -- a destination for benchmarks: answers every HTTP/1.1 request with one fixed answer, as
 * fast as one thread can. Keep-alive, pipelining, Content-Length and chunked bodies of any size,
 * Expect: 100-continue. Bodies are counted and dropped.
 *
 *   sink [--port N] [--status N] [--count FILE] [--delay-ms N]
 *
 * A delay makes it slow, not busy: each answer waits, however many do.
 *
 * Prints the port it listens on (loopback only) as the first line; --port 0, the default, takes a
 * free one. FILE holds the number of requests answered, in decimal, written four times a second
 * and at the end. Ends on SIGTERM, SIGINT, or when its stdin is a pipe that closes. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 65536
#define READ_MAX 65536
#define COUNT_EVERY_MS 250
#define WAITING_MAX 65536

enum conn_state { IN_HEAD, IN_BODY, IN_CHUNK_SIZE, IN_CHUNK, IN_CHUNK_END, IN_TRAILER };

struct conn {
    int fd;
    enum conn_state state;
    uint64_t left;   /* bytes of the body or chunk still to come */
    size_t line_len; /* of the trailer line at hand */
    size_t owed;     /* bytes of answers not yet sent */
    bool closing;    /* after what is owed */
    size_t len;
    char head[HEAD_MAX];
};

struct waiting { /* its answer is due */
    int64_t due_ms;
    struct conn *conn;
};
static struct waiting waiting[WAITING_MAX]; /* a ring: all wait for as long */
static size_t waiting_first, waiting_count;
static int64_t delay_ms;

static char answer[512];
static size_t answer_len;
static uint64_t answered;
static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static void fail(const char *what)
{
    fprintf(stderr, "sink: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Sends what is owed; answers are all alike, so the position follows from the number of bytes.
 * False when the connection is lost. */
static bool conn_send(struct conn *c)
{
    while (c->owed > 0) {
        size_t from = (answer_len - c->owed % answer_len) % answer_len;
        ssize_t n = send(c->fd, answer + from, answer_len - from, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        c->owed -= (size_t)n;
    }
    return true;
}

static void conn_answer(struct conn *c)
{
    c->owed += answer_len;
    c->state = IN_HEAD;
    answered++;
}

/* The value of a header field in the head, or NULL; *n is its length. */
static const char *head_field(const char *head, size_t len, const char *name, size_t *n)
{
    size_t name_len = strlen(name);
    const char *p = head, *end = head + len;
    while (p < end) {
        const char *eol = (const char *)memchr(p, '\n', (size_t)(end - p));
        if (!eol)
            return NULL;
        if ((size_t)(eol - p) > name_len && p[name_len] == ':' &&
            strncasecmp(p, name, name_len) == 0) {
            const char *v = p + name_len + 1;
            while (v < eol && (*v == ' ' || *v == '\t'))
                v++;
            while (eol > v && (eol[-1] == '\r' || eol[-1] == ' '))
                eol--;
            *n = (size_t)(eol - v);
            return v;
        }
        p = eol + 1;
    }
    return NULL;
}

/* Reads the head's framing; false when it is beyond us. */
static bool conn_take_head(struct conn *c, const char *head, size_t len)
{
    size_t n;
    const char *v = head_field(head, len, "Connection", &n);
    c->closing = v && n == 5 && strncasecmp(v, "close", 5) == 0;
    v = head_field(head, len, "Expect", &n);
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (v && c->owed == 0 && send(c->fd, go_on, sizeof(go_on) - 1, MSG_NOSIGNAL) < 0)
        return false;
    v = head_field(head, len, "Transfer-Encoding", &n);
    if (v) {
        c->state = IN_CHUNK_SIZE;
        c->left = 0;
        return n == 7 && strncasecmp(v, "chunked", 7) == 0;
    }
    v = head_field(head, len, "Content-Length", &n);
    c->left = 0;
    for (size_t i = 0; v && i < n; i++) {
        if (v[i] < '0' || v[i] > '9' || c->left > UINT64_MAX / 10 - 10)
            return false;
        c->left = c->left * 10 + (uint64_t)(v[i] - '0');
    }
    if (c->left == 0)
        conn_answer(c);
    else
        c->state = IN_BODY;
    return true;
}

/* One byte of chunked framing; false when it is malformed. */
static bool conn_take_framing(struct conn *c, char byte)
{
    if (c->state == IN_CHUNK_END) {
        if (byte == '\n')
            c->state = IN_CHUNK_SIZE;
        return byte == '\r' || byte == '\n';
    }
    if (c->state == IN_TRAILER) {
        if (byte == '\n' && c->line_len == 0)
            conn_answer(c);
        c->line_len = byte == '\n' ? 0 : c->line_len + (byte != '\r');
        return true;
    }
    if (byte == '\r')
        return true;
    if (byte == '\n') {
        c->state = c->left > 0 ? IN_CHUNK : IN_TRAILER;
        c->line_len = 0;
        return true;
    }
    int digit = byte >= '0' && byte <= '9'   ? byte - '0'
                : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
                : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                             : -1;
    if (digit < 0 || c->left > UINT64_MAX / 16 - 16)
        return false;
    c->left = c->left * 16 + (uint64_t)digit;
    return true;
}

/* Takes bytes of a body; returns how many, or 0 when they are malformed. */
static size_t conn_take_body(struct conn *c, const char *p, size_t n)
{
    if (c->state != IN_BODY && c->state != IN_CHUNK)
        return conn_take_framing(c, *p) ? 1 : 0;
    size_t used = n < c->left ? n : (size_t)c->left;
    c->left -= used;
    if (c->left > 0)
        return used;
    if (c->state == IN_CHUNK)
        c->state = IN_CHUNK_END;
    else
        conn_answer(c);
    return used;
}

/* Takes bytes of a head, keeping what is incomplete; returns how many, or 0 for a bad head. */
static size_t conn_take_head_bytes(struct conn *c, const char *p, size_t n)
{
    size_t before = c->len;
    size_t used = n < HEAD_MAX - c->len ? n : HEAD_MAX - c->len;
    memcpy(c->head + c->len, p, used);
    c->len += used;
    size_t from = before > 3 ? before - 3 : 0;
    const char *end = (const char *)memmem(c->head + from, c->len - from, "\r\n\r\n", 4);
    if (!end)
        return c->len < HEAD_MAX ? used : 0;
    size_t head_len = (size_t)(end - c->head) + 4;
    c->len = 0;
    return conn_take_head(c, c->head, head_len) ? head_len - before : 0;
}

/* False when the connection is over. */
static bool conn_read(struct conn *c)
{
    static char bytes[READ_MAX];
    ssize_t got = recv(c->fd, bytes, sizeof(bytes), 0);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    if (got == 0)
        return false;
    for (size_t at = 0; at < (size_t)got;) {
        size_t n = (size_t)got - at;
        size_t used = c->state == IN_HEAD ? conn_take_head_bytes(c, bytes + at, n)
                                          : conn_take_body(c, bytes + at, n);
        if (used == 0)
            return false;
        at += used;
    }
    return true;
}

static int listen_on(unsigned port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(sa);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)&sa, len) != 0 || listen(fd, 4096) != 0 ||
        getsockname(fd, (struct sockaddr *)&sa, &len) != 0)
        fail("listen");
    printf("%u\n", (unsigned)ntohs(sa.sin_port));
    fflush(stdout);
    return fd;
}

static void accept_all(int epoll, int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        struct conn *c = (struct conn *)malloc(sizeof(*c));
        if (!c) {
            close(fd);
            return;
        }
        memset(c, 0, offsetof(struct conn, head));
        c->fd = fd;
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) != 0)
            fail("epoll_ctl");
    }
}

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Puts it aside until its answer is due. */
static bool conn_rest(int epoll, struct conn *c)
{
    if (delay_ms == 0 || c->owed == 0 || waiting_count == WAITING_MAX)
        return false;
    waiting[(waiting_first + waiting_count++) % WAITING_MAX] =
        (struct waiting){now_ms() + delay_ms, c};
    return epoll_ctl(epoll, EPOLL_CTL_DEL, c->fd, NULL) == 0;
}

static void conn_step(int epoll, struct conn *c)
{
    bool had_to_wait = c->owed > 0;
    bool ok = had_to_wait || conn_read(c);
    if (ok && !had_to_wait && conn_rest(epoll, c))
        return;
    ok = ok && conn_send(c);
    if (!ok || (c->closing && c->owed == 0 && c->state == IN_HEAD)) {
        close(c->fd);
        free(c);
        return;
    }
    if (had_to_wait == (c->owed > 0))
        return;
    struct epoll_event e = {.events = c->owed > 0 ? EPOLLOUT : EPOLLIN, .data.ptr = c};
    if (epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &e) != 0)
        fail("epoll_ctl");
}

static void write_count(const char *path)
{
    static uint64_t written = UINT64_MAX;
    static int fd = -1;
    if (!path || answered == written)
        return;
    if (fd < 0)
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    char text[32];
    int n = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)answered);
    if (fd < 0 || pwrite(fd, text, (size_t)n, 0) != n)
        fail(path);
    written = answered;
}

/* Answers those whose time has come; how long until the next. */
static int wake_conns(int epoll)
{
    while (waiting_count > 0) {
        struct waiting *w = &waiting[waiting_first];
        int64_t left = w->due_ms - now_ms();
        if (left > 0)
            return left < COUNT_EVERY_MS ? (int)left : COUNT_EVERY_MS;
        waiting_first = (waiting_first + 1) % WAITING_MAX;
        waiting_count--;
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = w->conn};
        if (!conn_send(w->conn) || w->conn->closing ||
            epoll_ctl(epoll, EPOLL_CTL_ADD, w->conn->fd, &e) != 0) {
            close(w->conn->fd);
            free(w->conn);
        }
    }
    return COUNT_EVERY_MS;
}

static bool stdin_is_closed(void)
{
    struct pollfd p = {.fd = 0, .events = POLLIN};
    char byte;
    return poll(&p, 1, 0) > 0 && read(0, &byte, 1) <= 0;
}

static void serve(int listener, const char *count_path, bool watch_stdin)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e) != 0)
        fail("epoll");
    int64_t next_ms = now_ms();
    while (!stopping) {
        struct epoll_event events[256];
        int n = epoll_wait(epoll, events, 256, wake_conns(epoll));
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                conn_step(epoll, (struct conn *)events[i].data.ptr);
            else
                accept_all(epoll, listener);
        }
        if (now_ms() < next_ms)
            continue;
        write_count(count_path);
        next_ms = now_ms() + COUNT_EVERY_MS;
        if (watch_stdin && stdin_is_closed())
            stopping = 1;
    }
    write_count(count_path);
    close(epoll);
}

static long number_of(const char *text, long max)
{
    char *end;
    long v = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || v < 0 || v > max) {
        fprintf(stderr, "sink: %s is no number between 0 and %ld\n", text, max);
        exit(2);
    }
    return v;
}

static void build_answer(long status)
{
    const char *body = "Content-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"ok\":true}";
    if (status == 204 || status == 304)
        body = "\r\n";
    answer_len = (size_t)snprintf(answer, sizeof(answer), "HTTP/1.1 %ld Sink\r\n%s", status, body);
}

int main(int argc, char **argv)
{
    long port = 0, status = 200;
    const char *count_path = NULL;
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 < argc && strcmp(argv[i], "--port") == 0)
            port = number_of(argv[i + 1], 65535);
        else if (i + 1 < argc && strcmp(argv[i], "--status") == 0)
            status = number_of(argv[i + 1], 999);
        else if (i + 1 < argc && strcmp(argv[i], "--count") == 0)
            count_path = argv[i + 1];
        else if (i + 1 < argc && strcmp(argv[i], "--delay-ms") == 0)
            delay_ms = number_of(argv[i + 1], 600000);
        else {
            fprintf(stderr, "usage: sink [--port N] [--status N] [--count FILE] [--delay-ms N]\n");
            return 2;
        }
    }
    build_answer(status);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    struct sigaction action = {.sa_handler = on_signal};
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    struct stat in;
    bool watch_stdin = fstat(0, &in) == 0 && (S_ISFIFO(in.st_mode) || S_ISSOCK(in.st_mode));
    int listener = listen_on((unsigned)port);
    serve(listener, count_path, watch_stdin);
    close(listener);
    return 0;
}
