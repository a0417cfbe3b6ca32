/* rig.h -- a loop, a client on it, and calls that keep their answers, for the client's tests. */
#ifndef GAFF_TESTS_RIG_H
#define GAFF_TESTS_RIG_H

#include "http/client.h"
#include "peer.h"

#include <stdio.h>

struct rig {
    struct loop *loop;
    struct http_client *client;
};

struct got { /* one call and what came of it; lives until the test's process ends */
    struct http_call call;
    struct got *next; /* of all */
    char url[512];
    int done;
    int order;                 /* which it was among all that were done */
    struct http_answer answer; /* slices are not valid any more: see the copies */
    char head[HTTP_ANSWER_HEAD_MAX + 1], body[HTTP_ANSWER_BODY_MAX + 1];
};

static inline struct rig rig_with(const struct http_client_options *o)
{
    struct rig r = {.loop = loop_new(clock_real())};
    r.client = http_client_new(r.loop, o);
    return r;
}

static inline struct rig rig_start(void)
{
    struct http_client_options o = {0};
    return rig_with(&o);
}

static inline void rig_stop(struct rig *r)
{
    http_client_free(r->client);
    loop_free(r->loop);
}

static inline void got_done(struct http_call *call, const struct http_answer *a)
{
    static int order;
    struct got *g = CONTAINER_OF(call, struct got, call);
    g->done++;
    g->order = ++order;
    g->answer = *a;
    memcpy(g->head, a->head.p, a->head.n);
    g->head[a->head.n] = '\0';
    memcpy(g->body, a->body.p, a->body.n);
    g->body[a->body.n] = '\0';
}

/* A POST of "hello" under a policy, with a deadline of 5 s. */
static inline struct got *got_new(enum outbound_policy policy, const char *fmt, ...)
    PRINTF_LIKE(2, 3);
static inline struct got *got_new(enum outbound_policy policy, const char *fmt, ...)
{
    struct got *g = (struct got *)calloc(1, sizeof(*g));
    static struct got *all;
    if (!g)
        abort();
    g->next = all;
    all = g;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(g->url, sizeof(g->url), fmt, args);
    va_end(args);
    g->call = (struct http_call){.method = STR("POST"),
                                 .url = str_from_cstr(g->url),
                                 .body = STR("hello"),
                                 .policy = policy,
                                 .timeout_ms = 5000,
                                 .done = got_done};
    return g;
}

static inline void rig_wait(struct rig *r, const struct got *g)
{
    while (!g->done)
        loop_run_once(r->loop, true);
}

static inline enum http_call_class rig_run(struct rig *r, struct got *g)
{
    g->done = 0;
    http_client_start(r->client, &g->call);
    rig_wait(r, g);
    return g->answer.class;
}

#endif
