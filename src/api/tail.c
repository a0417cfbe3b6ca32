/* tail.c -- GET /api/v1/tail: what happens, as server-sent events (WHATWG HTML, section 9.2).
 * Each line of live.h is one event with its sequence as id; a comment each 15 s keeps proxies
 * awake. A client that reads too slowly is dropped and told by a gap in the ids. */
#include "api/call.h"

#define HEARTBEAT_MS 15000

struct tail {
    struct list link;
    struct http_exchange *x;
    struct live_watcher *watcher;
    struct api *api;
};

static void tail_free(struct tail *t)
{
    live_unwatch(t->watcher);
    list_remove(&t->link);
    free(t);
}

static void closed(struct http_exchange *x)
{
    struct tail *t = x->user;
    x->user = NULL;
    if (t)
        tail_free(t);
}

static void told(uint64_t sequence, str json, void *arg)
{
    struct tail *t = arg;
    struct buf event;
    buf_init(&event, json.n + 128);
    buf_printf(&event, "id: %llu\ndata: ", (unsigned long long)sequence);
    buf_str_append(&event, json);
    buf_str_append(&event, STR("\n\n"));
    http_stream_write(t->x, buf_str(&event));
    buf_release(&event);
}

void api_tail(struct api_call *c)
{
    struct http_field fields[] = {{STR("Content-Type"), STR("text/event-stream")},
                                  {STR("Cache-Control"), STR("no-store")}};
    struct tail *t = xcalloc(1, sizeof(*t));
    t->api = c->api;
    t->x = c->x;
    c->x->user = t;
    t->watcher = live_watch(c->api->core->live, c->api->loop, told, t);
    list_push(&c->api->tails, &t->link);
    http_stream_begin(c->x, 200, fields, ARRAY_LEN(fields), closed);
    http_stream_write(c->x, STR(": watching\n\n"));
}

static void beat(struct loop_timer *timer)
{
    struct api *a = CONTAINER_OF(timer, struct api, heartbeat);
    LIST_EACH(&a->tails, node)
    http_stream_write(CONTAINER_OF(node, struct tail, link)->x, STR(": still here\n\n"));
    loop_timer_start(a->loop, &a->heartbeat, HEARTBEAT_MS, beat);
}

void tails_start(struct api *a)
{
    loop_timer_start(a->loop, &a->heartbeat, HEARTBEAT_MS, beat);
}

void tails_close(struct api *a)
{
    loop_timer_stop(&a->heartbeat);
    LIST_EACH(&a->tails, node)
    {
        struct tail *t = CONTAINER_OF(node, struct tail, link);
        t->x->user = NULL;
        tail_free(t);
    }
}
