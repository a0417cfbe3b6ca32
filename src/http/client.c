/* The outgoing HTTP client: calls wait in order, at most max_in_flight are on the wire, each on
 * a pooled transfer of its policy's pool. A call is in exactly one of three places (waiting,
 * active, failed), which call->state tells; done runs outside of libcurl's callbacks and never
 * inside http_client_start. Called by actions, notifications and http_fetch on the loop's
 * thread. */
#include "http/client_impl.h"

#include <stdatomic.h>
#include <stdio.h>

#define IN_FLIGHT_DEFAULT 64
/* Idle transfers keep their buffers up to this size. */
#define KEPT_BYTES_MAX 8192

/* A call that could not be started; it ends at the loop's next turn. */
struct failed_call {
    enum http_call_class class;
    char error[256];
};

/* libcurl's CURLOPT_PREREQFUNCTION: the connection, new or kept, is judged once more by its
 * peer before a byte of the request is sent. */
static int on_before_request(void *arg, char *peer, char *local, int port, int local_port)
{
    UNUSED(local);
    UNUSED(local_port);
    struct transfer *t = (struct transfer *)arg;
    const struct http_client *c = t->pool->client;
    t->is_connected = true;
    if (!client_judges_sockets(c))
        return CURL_PREREQFUNC_OK;
    struct address a;
    const char *what = "no internet address";
    if (address_parse(str_from_cstr(peer), &a))
        what = outbound_refuses(&c->rules, t->pool->policy, &a, (uint16_t)port);
    if (!what)
        return CURL_PREREQFUNC_OK;
    t->blocked = what;
    return CURL_PREREQFUNC_ABORT;
}

static void set_callbacks(struct transfer *t)
{
    CURL *e = t->easy;
    (void)libcurl.easy_setopt(e, CURLOPT_PRIVATE, t);
    (void)libcurl.easy_setopt(e, CURLOPT_ERRORBUFFER, t->error);
    (void)libcurl.easy_setopt(e, CURLOPT_HEADERFUNCTION, transfer_on_header);
    (void)libcurl.easy_setopt(e, CURLOPT_HEADERDATA, t);
    (void)libcurl.easy_setopt(e, CURLOPT_WRITEFUNCTION, transfer_on_body);
    (void)libcurl.easy_setopt(e, CURLOPT_WRITEDATA, t);
    (void)libcurl.easy_setopt(e, CURLOPT_PREREQFUNCTION, on_before_request);
    (void)libcurl.easy_setopt(e, CURLOPT_PREREQDATA, t);
    (void)libcurl.easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, client_on_close_socket);
    (void)libcurl.easy_setopt(e, CURLOPT_CLOSESOCKETDATA, t->pool->client);
    const struct fetch_extra *extra = t->pool->client->extra;
    if (extra && extra->unix_socket) { /* no address to judge */
        libcurl_set(e, CURLOPT_UNIX_SOCKET_PATH, extra->unix_socket);
        return;
    }
    (void)libcurl.easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, client_on_open_socket);
    (void)libcurl.easy_setopt(e, CURLOPT_OPENSOCKETDATA, t);
}

static void set_constants(struct transfer *t)
{
    const struct http_client *c = t->pool->client;
    CURL *e = t->easy;
    (void)libcurl.easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    (void)libcurl.easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    if (libcurl.easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK)
        die("libcurl cannot be limited to http and https");
    (void)libcurl.easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    (void)libcurl.easy_setopt(e, CURLOPT_HTTP09_ALLOWED, 0L);
    (void)libcurl.easy_setopt(e, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    (void)libcurl.easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    (void)libcurl.easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    libcurl_set(e, CURLOPT_USERAGENT, c->user_agent);
    if (c->ca_file)
        libcurl_set(e, CURLOPT_CAINFO, c->ca_file);
    /* Unset, the environment's http_proxy and no_proxy would count. */
    libcurl_set(e, CURLOPT_PROXY, c->proxy ? c->proxy : "");
    libcurl_set(e, CURLOPT_NOPROXY, "");
    if (c->proxy) {
        (void)libcurl.easy_setopt(e, CURLOPT_HTTPPROXYTUNNEL, 1L);
        (void)libcurl.easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    }
    /* Or the end of a transfer would wait for a name server that hangs, and the loop with it. */
    (void)libcurl.easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
    if (c->extra)
        (void)libcurl.easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
}

void http_route_init(struct http_route *r)
{
    static _Atomic uint64_t last;
    *r = (struct http_route){.id = atomic_fetch_add(&last, 1) + 1};
}

/* libcurl compares proxy and certificate before it takes a kept connection up again. */
static void set_route(struct transfer *t, const struct http_route *r)
{
    struct curl_blob certificate = {.data = (void *)(uintptr_t)r->certificate.p,
                                    .len = r->certificate.n,
                                    .flags = CURL_BLOB_COPY};
    struct curl_blob key = {
        .data = (void *)(uintptr_t)r->key.p, .len = r->key.n, .flags = CURL_BLOB_COPY};
    if (r->proxy) {
        libcurl_set(t->easy, CURLOPT_PROXY, r->proxy);
        (void)libcurl.easy_setopt(t->easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
        (void)libcurl.easy_setopt(t->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    }
    if (r->authority.n) {
        struct curl_blob authority = {.data = (void *)(uintptr_t)r->authority.p,
                                      .len = r->authority.n,
                                      .flags = CURL_BLOB_COPY};
        libcurl_set(t->easy, CURLOPT_CAINFO_BLOB, &authority);
    }
    if (!r->certificate.n)
        return;
    libcurl_set(t->easy, CURLOPT_SSLCERTTYPE, "PEM");
    libcurl_set(t->easy, CURLOPT_SSLKEYTYPE, "PEM");
    libcurl_set(t->easy, CURLOPT_SSLCERT_BLOB, &certificate);
    libcurl_set(t->easy, CURLOPT_SSLKEY_BLOB, &key);
}

/* Forgets what the easy handle was told. It becomes another: curl_easy_reset tells nobody when it
 * had no memory for all that a new one has (7.88 then reads answers into no bytes at all). */
static void transfer_reset(struct transfer *t)
{
    const struct http_route *r = t->call ? t->call->route : NULL;
    libcurl.easy_cleanup(t->easy); /* NULL is allowed */
    t->easy = libcurl.easy_init();
    if (!t->easy)
        die_of_memory(0);
    http_url_release(&t->url);
    t->method_set = t->once = false;
    t->timeout_ms = 0;
    set_callbacks(t);
    set_constants(t);
    if (r)
        set_route(t, r);
    t->route_id = r ? r->id : 0;
}

static struct transfer *transfer_new(struct http_pool *pool)
{
    struct transfer *t = (struct transfer *)xcalloc(1, sizeof(*t));
    t->pool = pool;
    buf_init(&t->url_text, HTTP_URL_MAX);
    buf_init(&t->method, 64);
    buf_init(&t->lines, REQUEST_HEAD_MAX);
    buf_init(&t->head, HTTP_ANSWER_HEAD_MAX);
    buf_init(&t->body, HTTP_ANSWER_BODY_MAX);
    list_init(&t->link);
    transfer_reset(t);
    return t;
}

static void transfer_free(struct transfer *t)
{
    libcurl.easy_cleanup(t->easy);
    http_url_release(&t->url);
    buf_release(&t->url_text);
    buf_release(&t->method);
    buf_release(&t->lines);
    buf_release(&t->head);
    buf_release(&t->body);
    free(t->nodes);
    free(t->fields);
    free(t);
}

static void trim_buf(struct buf *b)
{
    size_t max = b->max;
    if (b->cap <= KEPT_BYTES_MAX)
        return;
    buf_release(b);
    buf_init(b, max);
}

/* Back to its pool, ready for the next call. */
static void transfer_park(struct transfer *t)
{
    t->call = NULL;
    trim_buf(&t->lines);
    trim_buf(&t->head);
    trim_buf(&t->body);
    list_remove(&t->link);
    list_push_front(&t->pool->idle, &t->link);
}

static struct transfer *transfer_take(struct http_pool *pool)
{
    struct list *node = list_pop(&pool->idle);
    return node ? CONTAINER_OF(node, struct transfer, link) : transfer_new(pool);
}

static void end_call(struct http_client *c, struct http_call *call,
                     const struct http_answer *answer)
{
    bool was_in_done = c->in_done;
    c->in_done = true;
    call->state = CALL_IDLE;
    call->impl = NULL;
    call->done(call, answer);
    c->in_done = was_in_done;
}

/* Ends a call of which nothing was sent, or nothing is known. */
static void end_call_without(struct http_client *c, struct http_call *call,
                             enum http_call_class class, const char *error)
{
    struct http_answer answer = {.class = class, .head = STR(""), .body = STR("")};
    answer.timing = (struct http_timing){-1, -1, -1, -1, -1, 0};
    (void)snprintf(answer.error, sizeof(answer.error), "%.255s", error);
    end_call(c, call, &answer);
}

static void end_failed_call(struct http_client *c, struct http_call *call)
{
    struct failed_call *failed = (struct failed_call *)call->impl;
    list_remove(&call->link);
    end_call_without(c, call, failed->class, failed->error);
    free(failed);
}

static void on_failed_turn(struct loop_timer *timer)
{
    struct http_client *c = CONTAINER_OF(timer, struct http_client, failed_timer);
    struct list batch;
    list_init(&batch);
    list_append_all(&batch, &c->failed);
    while (!list_is_empty(&batch))
        end_failed_call(c, CONTAINER_OF(batch.next, struct http_call, link));
}

static void fail_call(struct http_client *c, struct http_call *call, enum http_call_class class,
                      const char *error)
{
    struct failed_call *failed = (struct failed_call *)xcalloc(1, sizeof(*failed));
    failed->class = class;
    (void)snprintf(failed->error, sizeof(failed->error), "%.255s", error);
    call->impl = failed;
    call->state = CALL_FAILED;
    if (list_is_empty(&c->failed))
        loop_timer_start(c->loop, &c->failed_timer, 0, on_failed_turn);
    list_push(&c->failed, &call->link);
}

static void begin_call(struct http_client *c, struct http_call *call)
{
    struct http_pool *pool = &c->pools[call->policy];
    struct reason why = {.text = ""};
    if (libcurl_load(&why) != ERR_OK) {
        fail_call(c, call, HTTP_CALL_INVALID, why.text);
        return;
    }
    if (!pool->multi)
        pool_open(pool);
    struct transfer *t = transfer_take(pool);
    t->call = call;
    if (t->route_id != (call->route ? call->route->id : 0))
        transfer_reset(t);
    enum http_call_class class = transfer_prepare(t, &why);
    if (class != HTTP_CALL_OK) {
        transfer_park(t);
        fail_call(c, call, class, why.text);
        return;
    }
    t->body.max = call->answer_max ? call->answer_max : HTTP_ANSWER_BODY_MAX;
    transfer_clear_answer(t);
    t->restarted = false;
    call->impl = t;
    call->state = CALL_ACTIVE;
    list_push(&c->active, &t->link);
    c->in_flight++;
    CURLMcode rc = libcurl.multi_add_handle(t->pool->multi, t->easy);
    if (rc == CURLM_OUT_OF_MEMORY)
        die_of_memory(0);
    if (rc != CURLM_OK)
        die("libcurl refused a transfer: %s", libcurl.multi_strerror(rc));
}

/* Starts what waits, as far as there is room. */
static void pump(struct http_client *c)
{
    while (c->in_flight < c->max_in_flight && !c->closing && !list_is_empty(&c->waiting)) {
        struct list *node = list_pop(&c->waiting);
        c->waiting_count--;
        begin_call(c, CONTAINER_OF(node, struct http_call, link));
    }
}

/* Takes the transfer off the wire. The slot is free from here on, its memory is not. */
static struct http_call *transfer_detach(struct transfer *t)
{
    struct http_call *call = t->call;
    (void)libcurl.multi_remove_handle(t->pool->multi, t->easy);
    list_remove(&t->link);
    t->pool->client->in_flight--;
    return call;
}

/* True when the peer closed a kept connection just as it was taken up again. libcurl then tries
 * another by itself, but counts these tries over the life of the easy handle and fails every
 * sixth. */
static bool transfer_was_unlucky(const struct transfer *t, CURLcode rc)
{
    if (rc != CURLE_RECV_ERROR && rc != CURLE_SEND_ERROR && rc != CURLE_GOT_NOTHING)
        return false;
    long connects = 0;
    (void)libcurl.easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects);
    return connects == 0 && t->head_seen == 0 && !t->restarted && !t->pool->client->proxy;
}

/* Starts the call again, with its counters at zero and what is left of its time. False when there
 * is nothing left or it cannot be. */
static bool transfer_restart(struct transfer *t)
{
    curl_off_t spent_us = 0;
    (void)libcurl.easy_getinfo(t->easy, CURLINFO_TOTAL_TIME_T, &spent_us);
    int64_t left_ms = t->call->timeout_ms - spent_us / 1000;
    if (t->call->timeout_ms > 0 && left_ms <= 0)
        return false;
    struct reason why;
    (void)libcurl.multi_remove_handle(t->pool->multi, t->easy);
    transfer_reset(t);
    if (transfer_prepare(t, &why) != HTTP_CALL_OK)
        return false;
    if (t->call->timeout_ms > 0) {
        (void)libcurl.easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)left_ms);
        t->timeout_ms = left_ms;
    }
    transfer_clear_answer(t);
    t->restarted = true;
    return libcurl.multi_add_handle(t->pool->multi, t->easy) == CURLM_OK;
}

static void transfer_finish(struct transfer *t, CURLcode rc)
{
    struct http_client *c = t->pool->client;
    struct http_answer answer;
    if (transfer_was_unlucky(t, rc) && transfer_restart(t))
        return;
    transfer_fill_answer(t, rc, &answer);
    struct http_call *call = transfer_detach(t);
    end_call(c, call, &answer);
    transfer_park(t);
    pump(c);
}

void pool_reap(struct http_pool *p)
{
    CURLMsg *msg;
    int left;
    while ((msg = libcurl.multi_info_read(p->multi, &left)) != NULL) {
        if (msg->msg != CURLMSG_DONE)
            continue;
        CURLcode rc = msg->data.result; /* msg dies with the removal of its handle */
        char *private = NULL;
        (void)libcurl.easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
        struct transfer *t = (struct transfer *)(void *)private;
        assert(t && t->call);
        transfer_finish(t, rc);
    }
}

void http_client_start(struct http_client *c, struct http_call *call)
{
    assert(call->done && !c->closing);
    assert((unsigned)call->policy < POLICY_COUNT);
    list_init(&call->link);
    call->impl = NULL;
    if (c->in_flight < c->max_in_flight && list_is_empty(&c->waiting)) {
        begin_call(c, call);
        return;
    }
    call->state = CALL_WAITING;
    list_push(&c->waiting, &call->link);
    c->waiting_count++;
}

static void cancel_call(struct http_client *c, struct http_call *call)
{
    const char *text = http_call_class_text(HTTP_CALL_CANCELLED);
    if (call->state == CALL_ACTIVE) {
        struct transfer *t = (struct transfer *)call->impl;
        (void)transfer_detach(t);
        transfer_park(t);
    } else if (call->state == CALL_WAITING) {
        list_remove(&call->link);
        c->waiting_count--;
    } else {
        assert(call->state == CALL_FAILED);
        list_remove(&call->link);
        free(call->impl);
    }
    end_call_without(c, call, HTTP_CALL_CANCELLED, text);
}

void http_client_cancel(struct http_client *c, struct http_call *call)
{
    cancel_call(c, call);
    pump(c);
}

const struct outbound_rules *http_client_rules(const struct http_client *c)
{
    return &c->rules;
}

size_t http_client_in_flight(const struct http_client *c)
{
    return c->in_flight;
}

size_t http_client_waiting(const struct http_client *c)
{
    return c->waiting_count;
}

static void *copy_bytes(const void *p, size_t n)
{
    void *copy = xmalloc(n > 0 ? n : 1);
    if (n > 0)
        memcpy(copy, p, n);
    return copy;
}

/* A name behind a SOCKS5 proxy is the proxy's to resolve and judge, never ours to resolve and
 * pass on unjudged. */
static char *copy_proxy(const char *proxy)
{
    str s = str_from_cstr(proxy);
    if (s.n == 0)
        return NULL;
    size_t scheme = str_starts(s, STR("socks5://")) ? sizeof("socks5") - 1 : 0;
    char *copy = (char *)xmalloc(s.n + 2);
    (void)snprintf(copy, s.n + 2, "%.*s%s%s", (int)scheme, proxy, scheme ? "h" : "",
                   proxy + scheme);
    return copy;
}

static void copy_rules(struct outbound_rules *out, const struct http_client_options *o)
{
    out->allow = (const struct net *)copy_bytes(o->allow, o->allow_count * sizeof(*o->allow));
    out->allow_count = o->allow_count;
    out->own = o->own;
}

struct http_client *http_client_new(struct loop *l, const struct http_client_options *o)
{
    struct http_client *c = (struct http_client *)xcalloc(1, sizeof(*c));
    c->loop = l;
    c->max_in_flight = o->max_in_flight > 0 ? (size_t)o->max_in_flight : IN_FLIGHT_DEFAULT;
    copy_rules(&c->rules, o);
    c->proxy = copy_proxy(o->proxy);
    c->ca_file = o->ca_file ? xstrdup(o->ca_file) : NULL;
    c->counts = o->counts;
    c->user_agent = xstrdup(o->user_agent ? o->user_agent : "gaff");
    list_init(&c->active);
    list_init(&c->waiting);
    list_init(&c->failed);
    for (int i = 0; i < POLICY_COUNT; i++) {
        c->pools[i].client = c;
        c->pools[i].policy = (enum outbound_policy)i;
        list_init(&c->pools[i].idle);
    }
    return c;
}

static void cancel_all(struct http_client *c)
{
    while (!list_is_empty(&c->active))
        cancel_call(c, CONTAINER_OF(c->active.next, struct transfer, link)->call);
    while (!list_is_empty(&c->waiting))
        cancel_call(c, CONTAINER_OF(c->waiting.next, struct http_call, link));
    while (!list_is_empty(&c->failed))
        end_failed_call(c, CONTAINER_OF(c->failed.next, struct http_call, link));
    loop_timer_stop(&c->failed_timer);
}

void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    assert(!c->in_done);
    c->closing = true;
    cancel_all(c);
    for (int i = 0; i < POLICY_COUNT; i++) {
        struct list *node;
        while ((node = list_pop(&c->pools[i].idle)) != NULL)
            transfer_free(CONTAINER_OF(node, struct transfer, link));
        pool_close(&c->pools[i]);
    }
    client_release_watches(c);
    free((void *)c->rules.allow);
    free(c->proxy);
    free(c->ca_file);
    free(c->user_agent);
    free(c);
}
