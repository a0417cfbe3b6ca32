/* desk.h -- an engine on a fake clock with its admin API on a real socket, and a client that asks
 * it. Everything static here is small enough to be a copy in each file. */
#ifndef GAFF_TESTS_DESK_H
#define GAFF_TESTS_DESK_H

#include "api/api.h"

#include "engine/stage.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define TOKEN "0123456789abcdef0123456789abcdef"
#define AUTHORIZED "Authorization: Bearer " TOKEN "\r\n"
#define JWT_SECRET "a secret of tests"
#define ANSWER_MAX (1u << 20)

struct desk {
    struct stage stage;
    struct api *api;
    struct config *config;
    int port;
    /* The last answer. */
    int status;
    char head[8192];
    char *body;
    struct json_doc *doc;
};

static enum err (*reload_hook)(struct buf *problems, void *arg);

static inline void desk_open_with(struct desk *d, const char *text)
{
    struct reason why = {0};
    uint64_t port;
    memset(d, 0, sizeof(*d));
    stage_init(&d->stage);
    d->stage.handlers[1].answers[0] = ATTEMPT_RETRY;
    d->stage.handlers[1].answer_count = 1;
    stage_start(&d->stage, text);
    d->config = engine_config(d->stage.engine);
    struct api_options o = {.engine = d->stage.engine,
                            .config = d->config,
                            .token = STR(TOKEN),
                            .jwt_secret = STR(JWT_SECRET),
                            .reload = reload_hook};
    d->api = api_new(&o, &why);
    if (!d->api)
        FAIL("%s", why.text);
    api_start(d->api);
    str url = str_from_cstr(api_url(d->api));
    EXPECT(str_starts(url, STR("http://127.0.0.1:")));
    EXPECT(str_to_u64(str_slice(url, 17, url.n), &port));
    d->port = (int)port;
}

static inline void desk_close(struct desk *d)
{
    json_doc_free(d->doc);
    free(d->body);
    api_free(d->api);
    config_unref(d->config);
    stage_release(&d->stage);
}

/* --- a client -------------------------------------------------------------------------------- */

static inline int dial(struct desk *d)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)d->port)};
    struct timeval limit = {.tv_sec = 20};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT(fd >= 0 && connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0);
    EXPECT(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
    return fd;
}

static inline void send_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        EXPECT(sent > 0);
        p += sent;
        n -= (size_t)sent;
    }
}

/* Into d->status, head, body, and doc when it is JSON. */
static inline void take_answer(struct desk *d, const char *text, size_t n)
{
    const char *end = memmem(text, n, "\r\n\r\n", 4);
    uint64_t status;
    EXPECT(end && n > 12 && str_to_u64(str_of(text + 9, 3), &status));
    d->status = (int)status;
    snprintf(d->head, sizeof(d->head), "%.*s", (int)(end + 2 - text), text);
    json_doc_free(d->doc);
    free(d->body);
    d->body = strndup(end + 4, n - (size_t)(end + 4 - text));
    d->doc = json_parse(str_from_cstr(d->body), NULL);
}

static inline void ask_with(struct desk *d, const char *method, const char *target,
                            const char *fields, const char *body)
{
    char head[2048];
    char *text = xmalloc(ANSWER_MAX);
    size_t n = 0;
    ssize_t got;
    int fd = dial(d);
    snprintf(head, sizeof(head),
             "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %zu\r\n"
             "%s\r\n",
             method, target, strlen(body), fields);
    send_all(fd, head, strlen(head));
    send_all(fd, body, strlen(body));
    while ((got = recv(fd, text + n, ANSWER_MAX - n, 0)) > 0)
        n += (size_t)got;
    EXPECT(got == 0);
    close(fd);
    take_answer(d, text, n);
    free(text);
}

static inline const struct json *get(struct desk *d, const char *target)
{
    ask_with(d, "GET", target, AUTHORIZED, "");
    return json_root(d->doc);
}

static inline const struct json *post(struct desk *d, const char *target, const char *body)
{
    ask_with(d, "POST", target, AUTHORIZED "Content-Type: application/json\r\n", body);
    return json_root(d->doc);
}

static inline str at(const struct json *v, const char *path)
{
    return json_str(json_path(v, str_from_cstr(path)));
}

static inline int64_t number(const struct json *v, const char *path)
{
    int64_t n = -1;
    EXPECT(json_i64(json_path(v, str_from_cstr(path)), &n));
    return n;
}

static inline void expect_error(struct desk *d, int status, const char *code)
{
    EXPECT_EQ_INT(d->status, status);
    EXPECT_HAS(d->head, "Content-Type: application/json");
    EXPECT_EQ_STR(at(json_root(d->doc), "error.code"), str_from_cstr(code));
    EXPECT(at(json_root(d->doc), "error.message").n > 10);
}

#endif
