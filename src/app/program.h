/* program.h -- what the files of the public library share. gaff.h is the contract. */
#ifndef GAFF_APP_PROGRAM_H
#define GAFF_APP_PROGRAM_H

#include "engine/subscriber.h"
#include "gaff.h"
#include "http/router.h"

#define PROGRAM_REPLY_MAX (64u << 20)
#define PROGRAM_REPLY_FIELDS_MAX 24
#define PROGRAM_ALLOC_MAX (16u << 20)

struct webhook { /* one gaff_webhook */
    gaff_app *app;
    gaff_handler *fn;
    void *arg;
    char *name, *pattern, *provider;
    struct verifier *verifier; /* of synchronous ones */
    bool synchronous;
};

struct route { /* one gaff_route, or a synchronous webhook */
    gaff_handler *fn;
    void *arg;
    struct webhook *webhook; /* NULL: a plain route */
};

struct program_subscriber { /* one gaff_subscribe, as it was written */
    char *events, *url, *secret;
};

struct gaff_app {
    char *config_file; /* NULL: none */
    char *listen, *store;
    struct buf sources, destinations, routes; /* YAML made from the calls */
    struct router *router;
    struct route **route_list;
    size_t route_count;
    struct webhook **webhooks;
    size_t webhook_count, subscriber_count;
    struct program_subscriber *subscribers;
    char application[OBJECT_ID_MAX]; /* id of the subscribers' application; empty: none */
    struct handler_table handlers;
    gaff_err first_error;
    char error[REASON_TEXT_MAX];
    struct config *config;
    struct engine *engine;
    _Atomic bool stopping;
    int stop_pipe[2];
    bool in_memory_for_tests, started;
};

struct gaff_req {
    gaff_app *app;
    struct http_request *request;
    const struct router_match *match; /* NULL for stored events */
    const struct event *event;        /* NULL for routes */
    str event_type, event_id;
    int attempt;
    struct arena *arena;
    struct arena extra; /* of gaff_alloc */
    struct buf body;    /* of the reply */
    str content_type;
    struct http_field fields[PROGRAM_REPLY_FIELDS_MAX];
    size_t field_count;
};

/* Remembers the first failure and returns code. */
gaff_err program_fail(gaff_app *app, gaff_err code, const char *fmt, ...) PRINTF_LIKE(3, 4);
gaff_err program_err(enum err err);
static inline gaff_str program_str(str s)
{
    return (gaff_str){s.p, s.n};
}
static inline str program_slice(gaff_str s)
{
    return (str){s.ptr, s.len};
}

void request_init(gaff_req *req, gaff_app *app, struct http_request *request, struct arena *arena);
void request_release(gaff_req *req);
/* The front's way in for requests of no source: the application's own routes. */
void program_route(struct http_exchange *x, void *app);
/* The handler_entry.call of a stored webhook. */
void program_handle(struct task *t, struct outcome *o, void *webhook);

#endif
