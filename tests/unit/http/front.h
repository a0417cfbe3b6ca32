/* front.h -- a server on a loop, its handler, and clients with real sockets, all on one thread:
 * whoever waits turns the loop. The clock is a fake one, so that deadlines pass when told to. */
#ifndef GAFF_TESTS_FRONT_H
#define GAFF_TESTS_FRONT_H

#include "base/clock.h"
#include "base/loop.h"
#include "http/address.h"
#include "http/server.h"
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FRONT_HELD_MAX 64
#define FRONT_WAIT_MS 10000 /* what never comes fails the test after this */

struct front {
    struct loop *loop;
    struct http_server *server;
    struct clock_fake clock;
    struct http_server_options options;
    int handled;                                /* requests the handler got */
    struct http_exchange *held[FRONT_HELD_MAX]; /* by /hold, in order */
    int held_count;
    int closed_streams;
    struct http_exchange *stream; /* by /stream, NULL again when it was closed */
    bool is_drained;
    char *big; /* what /big answers */
    size_t big_n;
    char last_peer[64];
    bool last_tls;
};

static inline void front_stream_closed(struct http_exchange *x)
{
    struct front *f = (struct front *)x->user;
    f->closed_streams++;
    f->stream = NULL;
}

static inline void front_answer_special(struct front *f, struct http_exchange *x)
{
    str path = x->req.path;
    struct http_field bad = {STR("X-Bad"), STR("a\r\nSet-Cookie: b")};
    if (str_eq(path, STR("/hold"))) {
        EXPECT(f->held_count < FRONT_HELD_MAX);
        f->held[f->held_count++] = x;
    } else if (str_eq(path, STR("/stream"))) {
        f->stream = x;
        x->user = f;
        http_stream_begin(x, 200, NULL, 0, front_stream_closed);
    } else if (str_eq(path, STR("/empty"))) {
        http_reply(x, 204, NULL, 0, STR(""));
    } else if (str_eq(path, STR("/bad-field"))) {
        http_reply(x, 200, &bad, 1, STR("never"));
    } else if (str_eq(path, STR("/big"))) {
        http_reply(x, 200, NULL, 0, str_of(f->big, f->big_n));
    } else if (str_eq(path, STR("/busy"))) {
        http_reply_retry(x, 503, "busy", STR("come \"again\""), 7);
    } else {
        http_reply_error(x, 404, "not_found", STR("no such path"));
    }
}

/* "/echo" answers with the body, "/say" with the method, the target and the length of the body. */
static inline void front_handle(struct http_exchange *x, void *arg)
{
    struct front *f = (struct front *)arg;
    f->handled++;
    f->last_tls = x->req.tls;
    snprintf(f->last_peer, sizeof(f->last_peer), STR_FMT, STR_ARG(x->req.peer));
    struct http_field type = {STR("Content-Type"), STR("text/plain")};
    if (str_eq(x->req.path, STR("/echo"))) {
        http_reply(x, 200, &type, 1, x->req.body);
    } else if (str_eq(x->req.path, STR("/say"))) {
        str text = arena_printf(x->arena, STR_FMT " " STR_FMT " %zu", STR_ARG(x->req.method),
                                STR_ARG(x->req.target), x->req.body.n);
        http_reply(x, 200, &type, 1, text);
    } else {
        front_answer_special(f, x);
    }
}

/* A front whose options can be changed before front_start. */
static inline struct front *front_new(void)
{
    struct front *f = (struct front *)calloc(1, sizeof(*f));
    EXPECT(f != NULL);
    clock_fake_init(&f->clock, INT64_C(1764000000000));
    f->loop = loop_new(&f->clock.base);
    f->options = (struct http_server_options){
        .listen = "127.0.0.1:0", .handler = front_handle, .arg = f, .server_name = "gaff"};
    return f;
}

static inline void front_start(struct front *f)
{
    struct reason why = {ERR_OK, ""};
    f->server = http_server_new(f->loop, &f->options, &why);
    if (!f->server)
        FAIL("http_server_new: %s", why.text);
    http_server_start(f->server);
}

static inline struct front *front_started(void)
{
    struct front *f = front_new();
    front_start(f);
    return f;
}

static inline void front_stop(struct front *f)
{
    http_server_free(f->server);
    loop_free(f->loop);
    free(f->big);
    free(f);
}

static inline void front_turn(struct front *f)
{
    loop_run_once(f->loop, false);
}

/* Turns the loop until the condition holds. */
#define FRONT_UNTIL(f, cond)                                                                       \
    do {                                                                                           \
        int turns_ = 0;                                                                            \
        while (!(cond)) {                                                                          \
            front_turn(f);                                                                         \
            if (turns_++ > FRONT_WAIT_MS)                                                          \
                FAIL("waited too long for %s", #cond);                                             \
            if (turns_ > 100)                                                                      \
                poll(NULL, 0, 1);                                                                  \
        }                                                                                          \
    } while (0)

/* Lets the fake clock run and the server look at it. */
static inline void front_advance(struct front *f, int64_t ms)
{
    for (int64_t step = 250; ms > 0; ms -= step) {
        step = ms < step ? ms : step;
        clock_fake_advance(&f->clock, step);
        front_turn(f);
        front_turn(f);
    }
}

/* --- clients -------------------------------------------------------------------------------- */

static inline int front_dial_port(int port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT(fd >= 0 && connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0);
    EXPECT(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    return fd;
}

static inline int front_dial(struct front *f)
{
    return front_dial_port(http_server_port(f->server));
}

static inline void front_send(struct front *f, int fd, str bytes)
{
    for (int idle = 0; bytes.n > 0;) {
        ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n > 0) {
            bytes = str_slice(bytes, (size_t)n, bytes.n);
            idle = 0;
            continue;
        }
        if (n < 0 && errno != EAGAIN)
            return; /* the server has closed; what it said is still to be read */
        front_turn(f);
        if (idle++ > FRONT_WAIT_MS)
            FAIL("the server does not read");
        if (idle > 100)
            poll(NULL, 0, 1);
    }
}

struct answer {
    char *text; /* NUL-terminated; all that was read */
    size_t n, cap;
    bool has_ended; /* the server closed */
    bool was_reset;
};

static inline bool front_read_some(int fd, struct answer *a)
{
    if (a->n + 65536 >= a->cap) {
        a->cap = a->cap * 2 + 131072;
        a->text = (char *)realloc(a->text, a->cap);
        EXPECT(a->text != NULL);
    }
    ssize_t n = recv(fd, a->text + a->n, 65536, MSG_DONTWAIT);
    if (n > 0)
        a->n += (size_t)n;
    a->has_ended = n == 0 || (n < 0 && errno != EAGAIN);
    a->was_reset = n < 0 && errno == ECONNRESET;
    a->text[a->n] = '\0';
    return n > 0;
}

/* Reads until `until` was seen in what is read now (NULL: until the server closes). */
static inline struct answer front_read(struct front *f, int fd, const char *until)
{
    struct answer a = {NULL, 0, 0, false, false};
    for (int idle = 0;;) {
        bool got = front_read_some(fd, &a);
        if (a.has_ended || (until && memmem(a.text, a.n, until, strlen(until))))
            return a;
        idle = got ? 0 : idle + 1;
        front_turn(f);
        if (idle > FRONT_WAIT_MS)
            FAIL("waited too long for \"%s\"; got \"%s\"", until ? until : "the end", a.text);
        if (idle > 100)
            poll(NULL, 0, 1);
    }
}

static inline size_t front_count(const char *text, const char *part)
{
    size_t n = 0;
    for (; (text = strstr(text, part)) != NULL; text += strlen(part))
        n++;
    return n;
}

/* Sends and expects that the answer holds `part`. */
static inline void front_expect(struct front *f, int fd, str bytes, const char *part)
{
    front_send(f, fd, bytes);
    struct answer a = front_read(f, fd, part);
    EXPECT_HAS(a.text, part);
    free(a.text);
}

/* Expects that the server closes, having said this (NULL: nothing). */
static inline void front_expect_end(struct front *f, int fd, const char *part)
{
    struct answer a = front_read(f, fd, NULL);
    EXPECT(!a.was_reset);
    if (part)
        EXPECT_HAS(a.text, part);
    else
        EXPECT_CSTR(a.text, "");
    free(a.text);
}

#endif
