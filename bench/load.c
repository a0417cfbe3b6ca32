/* load.c -- a closed-loop HTTP load generator: one thread, epoll, keep-alive, one request in
 * flight a connection. Costs about 5 us a request, so that the server is what is measured.
 *
 *   load --port 8080 --path /in/github --connections 64 --seconds 5 --body FILE \
 *        --header 'X-Hub-Signature-256: sha256=...' --unique X-GitHub-Delivery
 *
 * --unique NAME adds a header whose value differs in each request. --rate N paces to N requests a
 * second in all; each is then timed from the moment at which it was due, so that one that found no
 * free connection counts the time for which it waited. --idle N opens N further connections that
 * send nothing. Prints one line: rate=... p50_us=... p99_us=... max_us=... ok=... failed=... */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX 8192
#define BUCKETS 2000000 /* one a microsecond */

struct connection {
    int fd;
    size_t sent, got;
    int64_t started_ns;
    int busy;
    char answer[ANSWER_MAX];
};

struct options {
    const char *path, *unique, *body_file, *host;
    const char *headers[16];
    int header_count, port, connections, idle;
    double seconds, rate, warmup;
};

static struct options opt = {
    .path = "/", .host = "127.0.0.1", .connections = 64, .seconds = 5, .warmup = 0.5};
static char *request;
static size_t request_size, unique_at;
static uint64_t counter;
static uint32_t *latency;
static uint64_t ok_count, failed_count, max_us;
static int measuring;

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void fatal(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static char *read_body(size_t *n)
{
    FILE *f = opt.body_file ? fopen(opt.body_file, "rb") : NULL;
    char *body = malloc(64u << 20);
    if (opt.body_file && !f)
        fatal(opt.body_file);
    *n = f ? fread(body, 1, 64u << 20, f) : 0;
    if (f)
        fclose(f);
    return body;
}

static void build_request(void)
{
    size_t n, size;
    char *body = read_body(&n);
    request = malloc(n + 65536);
    size = (size_t)sprintf(request,
                           "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                           "application/json\r\nContent-Length: %zu\r\n",
                           opt.path, n);
    for (int i = 0; i < opt.header_count; i++)
        size += (size_t)sprintf(request + size, "%s\r\n", opt.headers[i]);
    if (opt.unique) {
        size += (size_t)sprintf(request + size, "%s: ", opt.unique);
        unique_at = size;
        size += (size_t)sprintf(request + size, "%08x-%016llx\r\n",
                                (unsigned)getpid() ^ (unsigned)now_ns(), 0ULL);
    }
    size += (size_t)sprintf(request + size, "\r\n");
    memcpy(request + size, body, n);
    request_size = size + n;
    free(body);
}

static void make_unique(void)
{
    static const char hex[] = "0123456789abcdef";
    uint64_t v = ++counter;
    for (int i = 24; unique_at && i >= 9; i--, v >>= 4)
        request[unique_at + (size_t)i] = hex[v & 15];
}

static int dial(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, opt.host, &a.sin_addr);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0)
        fatal("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd;
}

/* A request larger than the socket's buffer goes on when it can be written again. */
static void send_some(struct connection *c)
{
    while (c->sent < request_size) {
        ssize_t n = send(c->fd, request + c->sent, request_size - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            fatal("send");
        c->sent += (size_t)n;
    }
}

static void begin(struct connection *c, int64_t started_ns)
{
    make_unique();
    c->sent = c->got = 0;
    c->busy = 1;
    c->started_ns = started_ns;
    send_some(c);
}

/* The whole answer's size, or 0 while its head is not whole. */
static size_t answer_size(const struct connection *c)
{
    const char *end = memmem(c->answer, c->got, "\r\n\r\n", 4);
    if (!end)
        return 0;
    size_t head = (size_t)(end - c->answer) + 4, body = 0;
    for (const char *p = c->answer; p < end; p++)
        if (strncasecmp(p, "\r\ncontent-length:", 17) == 0)
            body = (size_t)atol(p + 17);
    return head + body;
}

static void count(struct connection *c)
{
    int good = c->got > 12 && c->answer[9] == '2';
    uint64_t us = (uint64_t)(now_ns() - c->started_ns) / 1000;
    if (!measuring)
        return;
    good ? ok_count++ : failed_count++;
    if (us > max_us)
        max_us = us;
    latency[us < BUCKETS ? us : BUCKETS - 1]++;
}

/* 1 when an answer was completed. */
static int receive(struct connection *c)
{
    ssize_t n = recv(c->fd, c->answer + c->got, ANSWER_MAX - c->got, 0);
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0) {
        fprintf(stderr, "load: the server closed a connection\n");
        exit(1);
    }
    c->got += (size_t)n;
    size_t size = answer_size(c);
    if (size == 0 || c->got < size)
        return 0;
    count(c);
    c->busy = 0;
    return 1;
}

static uint64_t percentile(double p)
{
    uint64_t all = ok_count + failed_count, seen = 0;
    for (uint64_t i = 0; i < BUCKETS; i++) {
        seen += latency[i];
        if (seen && (double)seen >= p * (double)all)
            return i;
    }
    return 0;
}

/* Starts what is due, in turn on the connections that are free; *due_ns is when the next one is.
 * 1 when none is free: only an answer helps. */
static int begin_due(struct connection *c, double *due_ns, double interval_ns)
{
    static int next;
    int tries = 0;
    for (; tries < opt.connections && (double)now_ns() >= *due_ns; tries++) {
        if (!c[next].busy) {
            begin(&c[next], (int64_t)*due_ns);
            *due_ns += interval_ns;
            tries = -1;
        }
        next = (next + 1) % opt.connections;
    }
    return tries == opt.connections;
}

/* For answers, or until then: a generator that spins takes a core from the server. */
static int wait_until(double due_ns, int epoll, struct epoll_event *events, int n)
{
    int64_t left_ns = (int64_t)due_ns - now_ns();
    if (left_ns < 0)
        left_ns = 0;
    struct timespec left = {left_ns / 1000000000, left_ns % 1000000000};
    return epoll_pwait2(epoll, events, n, &left, NULL);
}

static void run(struct connection *c, int epoll)
{
    struct epoll_event events[256];
    int64_t start = now_ns(), measure = start + (int64_t)(opt.warmup * 1e9);
    int64_t end = measure + (int64_t)(opt.seconds * 1e9), now;
    double interval_ns = opt.rate > 0 ? 1e9 / opt.rate : 0, due_ns = (double)start;
    for (int i = 0; i < opt.connections && opt.rate <= 0; i++)
        begin(&c[i], start);
    while ((now = now_ns()) < end) {
        measuring = now >= measure;
        int only_answers = opt.rate <= 0 || begin_due(c, &due_ns, interval_ns);
        int n = only_answers ? epoll_wait(epoll, events, 256, 100)
                             : wait_until(due_ns, epoll, events, 256);
        for (int i = 0; i < n; i++) {
            struct connection *one = events[i].data.ptr;
            if (one->busy && one->sent < request_size)
                send_some(one);
            if ((events[i].events & EPOLLIN) && receive(one) && opt.rate <= 0)
                begin(one, now_ns());
        }
    }
}

static void read_options(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *k = argv[i], *v = argv[i + 1];
        if (!strcmp(k, "--port"))
            opt.port = atoi(v);
        else if (!strcmp(k, "--path"))
            opt.path = v;
        else if (!strcmp(k, "--connections"))
            opt.connections = atoi(v);
        else if (!strcmp(k, "--seconds"))
            opt.seconds = atof(v);
        else if (!strcmp(k, "--warmup"))
            opt.warmup = atof(v);
        else if (!strcmp(k, "--rate"))
            opt.rate = atof(v);
        else if (!strcmp(k, "--idle"))
            opt.idle = atoi(v);
        else if (!strcmp(k, "--body"))
            opt.body_file = v;
        else if (!strcmp(k, "--unique"))
            opt.unique = v;
        else if (!strcmp(k, "--header") && opt.header_count < 16)
            opt.headers[opt.header_count++] = v;
        else {
            fprintf(stderr, "load: unknown option %s\n", k);
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    prctl(PR_SET_TIMERSLACK, 1UL); /* nanoseconds, of 50,000 */
    build_request();
    latency = calloc(BUCKETS, sizeof(*latency));
    int epoll = epoll_create1(0);
    for (int i = 0; i < opt.idle; i++)
        dial();
    struct connection *c = calloc((size_t)opt.connections, sizeof(*c));
    for (int i = 0; i < opt.connections; i++) {
        struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = &c[i]};
        c[i].fd = dial();
        epoll_ctl(epoll, EPOLL_CTL_ADD, c[i].fd, &e);
    }
    run(c, epoll);
    printf("rate=%.0f p50_us=%llu p99_us=%llu max_us=%llu ok=%llu failed=%llu\n",
           (double)(ok_count + failed_count) / opt.seconds, (unsigned long long)percentile(0.5),
           (unsigned long long)percentile(0.99), (unsigned long long)max_us,
           (unsigned long long)ok_count, (unsigned long long)failed_count);
    return failed_count ? 3 : 0;
}
