/* gaff_test.c -- requests without sockets: handed to the front loop as a detached exchange, the
 * caller waits for the reply. */
#include "app/program.h"

#include "verify/sign.h"

#include <pthread.h>
#include <unistd.h>

#define TEST_ARENA_MAX (64u << 20)
#define HEADERS_MAX 64
#define SETTLE_POLL_US 1000
#define SETTLE_ROUNDS 30000

struct trial {
    struct loop_msg msg;
    gaff_app *app;
    struct http_exchange *x;
    struct http_request request;
    struct arena arena;
    struct http_field fields[HEADERS_MAX];
    gaff_reply *reply;
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool finished;
};

static char *copy(str s)
{
    char *out = xmalloc(s.n + 1);
    memcpy(out, s.p, s.n);
    out[s.n] = 0;
    return out;
}

static void replied(int status, str head, str body, void *arg)
{
    struct trial *t = arg;
    pthread_mutex_lock(&t->lock);
    t->reply->status = status;
    t->reply->head = copy(head.p ? head : STR(""));
    t->reply->body = copy(body.p ? body : STR(""));
    t->reply->body_len = body.n;
    t->finished = true;
    pthread_cond_signal(&t->done);
    pthread_mutex_unlock(&t->lock);
}

static void begin(struct loop_msg *msg)
{
    struct trial *t = CONTAINER_OF(msg, struct trial, msg);
    t->x = http_exchange_new_detached(&t->arena, &t->request, replied, t);
    engine_front_handle(t->app->engine, t->x);
}

static void read_headers(struct trial *t, str lines)
{
    while (lines.p && lines.n && t->request.fields.count < HEADERS_MAX) {
        str value = str_trim(str_cut(&lines, '\n'));
        str name = str_cut(&value, ':');
        if (name.n)
            t->fields[t->request.fields.count++] =
                (struct http_field){name, value.p ? str_trim(value) : STR("")};
    }
}

/* As the provider would: with the source's own first secret. */
static void sign(struct trial *t)
{
    const struct config *c = t->app->config;
    for (size_t i = 0; i < c->source_count; i++) {
        const struct source_config *s = c->sources[i];
        struct reason why = {0};
        size_t count = 0;
        struct signature_input in = {.method = t->request.method,
                                     .url = t->request.path,
                                     .id = STR("msg_test"),
                                     .event_type = STR("test"),
                                     .now_ms = t->request.received_ms,
                                     .body = t->request.body};
        if (!str_eq(s->path, t->request.path) || s->verifier.secret_count == 0)
            continue;
        if (sign_request(s->provider, s->verifier.secrets[0], &in, &t->arena, t->fields, &count,
                         &why) == ERR_OK)
            t->request.fields.count = count;
    }
}

static bool read_request_line(struct trial *t, const char *line)
{
    str rest = str_from_cstr(line);
    t->request.method = str_cut(&rest, ' ');
    if (!rest.p || rest.n == 0 || rest.p[0] != '/')
        return false;
    t->request.target = rest;
    t->request.path = str_cut(&rest, '?');
    t->request.query = rest.p ? rest : STR("");
    return true;
}

static void perform(struct trial *t)
{
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->done, NULL);
    t->msg.fn = begin;
    loop_post(engine_front_loop(t->app->engine), &t->msg);
    pthread_mutex_lock(&t->lock);
    while (!t->finished)
        pthread_cond_wait(&t->done, &t->lock);
    pthread_mutex_unlock(&t->lock);
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->done);
}

static gaff_err start_for_test(gaff_app *app)
{
    if (app->started || app->first_error != GAFF_OK)
        return app->first_error;
    app->in_memory_for_tests = true;
    return gaff_start(app);
}

/* The exchange ends on its loop, where its last callbacks run. */
static void end(struct loop_msg *msg)
{
    struct trial *t = CONTAINER_OF(msg, struct trial, msg);
    http_exchange_free_detached(t->x);
    pthread_mutex_lock(&t->lock);
    t->finished = true;
    pthread_cond_signal(&t->done);
    pthread_mutex_unlock(&t->lock);
}

static void finish(struct trial *t)
{
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->done, NULL);
    t->finished = false;
    t->msg.fn = end;
    loop_post(engine_front_loop(t->app->engine), &t->msg);
    pthread_mutex_lock(&t->lock);
    while (!t->finished)
        pthread_cond_wait(&t->done, &t->lock);
    pthread_mutex_unlock(&t->lock);
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->done);
}

gaff_err gaff_test(gaff_app *app, const char *request_line, const char *headers, const char *body,
                   gaff_reply *reply)
{
    *reply = (gaff_reply){0};
    gaff_err err = start_for_test(app);
    if (err != GAFF_OK)
        return err;
    struct trial *t = xcalloc(1, sizeof(*t));
    t->app = app;
    t->reply = reply;
    arena_init(&t->arena, TEST_ARENA_MAX);
    if (!read_request_line(t, request_line ? request_line : "")) {
        arena_release(&t->arena);
        free(t);
        return GAFF_INVALID;
    }
    t->request.host = STR("localhost");
    t->request.peer = STR("127.0.0.1");
    t->request.body = str_from_cstr(body ? body : "");
    t->request.arena = &t->arena;
    t->request.received_ms = clock_wall_ms(clock_real());
    t->request.received_mono_ns = clock_mono_ns(clock_real());
    t->request.fields.v = t->fields;
    if (headers)
        read_headers(t, str_from_cstr(headers));
    else
        sign(t);
    perform(t);
    finish(t);
    arena_release(&t->arena);
    free(t);
    return GAFF_OK;
}

gaff_err gaff_test_settle(gaff_app *app)
{
    struct reason why = {0};
    if (!app->started)
        return GAFF_CONFLICT;
    struct store_reader *r = store_reader_open(engine_core(app->engine)->store, &why);
    gaff_err result = GAFF_IO;
    for (int i = 0; r && i < SETTLE_ROUNDS; i++) {
        struct store_counts c = {0};
        if (store_counts_get(r, &c, &why) != ERR_OK)
            break;
        if (c.by_state[DELIVERY_CLAIMED] == 0 && engine_is_quiet(app->engine)) {
            result = GAFF_OK;
            break;
        }
        usleep(SETTLE_POLL_US);
    }
    store_reader_close(r);
    return result;
}

void gaff_reply_free(gaff_reply *reply)
{
    free(reply->head);
    free(reply->body);
    *reply = (gaff_reply){0};
}
