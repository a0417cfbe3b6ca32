/* hook_server.h -- requests to hooks, in the order and with the answers of the program whose
 * files are read: route, find, method, decode, rule, run, answer. One loop. */
#ifndef GAFF_COMPAT_HOOK_SERVER_H
#define GAFF_COMPAT_HOOK_SERVER_H

#include "action/runner.h"
#include "compat/hook_set.h"
#include "http/server.h"

#define HOOK_BODY_MAX_DEFAULT (INT64_C(64) << 20)

struct hook_request;

struct hook_server {
    struct hook_set *set;
    struct loop *loop;
    struct runner *runner;
    const char *url_prefix;
    str *methods; /* allowed when a hook names none; count 0: all */
    size_t method_count;
    const struct http_field *headers; /* of every hook's answer */
    size_t header_count;
    bool use_request_id, debug;
    size_t request_id_max; /* 0: no limit */
    /* Takes over a triggered hook whose answer does not wait for its command, and answers x; NULL:
     * the command is run from here. */
    void (*store)(struct http_exchange *x, const struct hook *h, const struct hook_request *q,
                  void *arg);
    void *store_arg;
    size_t running; /* commands, for whoever wants to know */
};

/* http_handler and http_refusal with a struct hook_server as arg. */
void hook_server_handle(struct http_exchange *x, void *server);
void hook_server_refuse(struct http_exchange *x, int status, const char *text, void *server);

/* True for a status that Go's net/http has a text for. */
bool status_is_known(int64_t status);
/* The fields and the body of a success that does not wait: for those who answer later. In a. */
struct hook_answer {
    int status;
    struct http_field *fields;
    size_t field_count;
    str body;
};
void hook_server_success(const struct hook_server *s, const struct hook *h, struct arena *a,
                         struct hook_answer *out);

#endif
