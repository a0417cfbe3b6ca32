/* Exchanges and input blocks, pooled by server: the hot path takes and returns, it does not
 * allocate. What lay unused between two sweeps is given back by half, so that a burst is paid for
 * once and forgotten soon. Also the exchanges without a connection, for tests. */
#include "http/connection.h"

#include "base/log.h"

struct block *block_new(uint32_t cap)
{
    struct block *b = xmalloc(sizeof(*b) + cap);
    b->next = NULL;
    b->cap = cap;
    return b;
}

struct block *block_take(struct http_server *s)
{
    struct block *b = s->free_blocks;
    if (!b)
        return block_new(BLOCK_BYTES);
    s->free_blocks = b->next;
    s->free_block_count--;
    if (s->free_block_count < s->free_block_low)
        s->free_block_low = s->free_block_count;
    return b;
}

void block_put(struct http_server *s, struct block *b)
{
    if (!b)
        return;
    if (!s || b->cap != BLOCK_BYTES) {
        free(b);
        return;
    }
    b->next = s->free_blocks;
    s->free_blocks = b;
    s->free_block_count++;
}

struct exchange *exchange_take(struct http_server *s)
{
    struct exchange *e = s->free_exchanges;
    if (e) {
        s->free_exchanges = e->next_free;
        s->free_exchange_count--;
        if (s->free_exchange_count < s->free_exchange_low)
            s->free_exchange_low = s->free_exchange_count;
    } else {
        e = xcalloc(1, sizeof(*e));
        e->fields = xmalloc(sizeof(*e->fields) * (size_t)s->limits.header_count_max);
        arena_init(&e->arena, ARENA_BYTES_MAX);
    }
    e->magic = EXCHANGE_MAGIC;
    e->server = s;
    e->pub.arena = &e->arena;
    parse_init(&e->parse, &s->limits, e->fields);
    e->parse.any_method = s->any_method;
    return e;
}

static void exchange_free(struct exchange *e)
{
    arena_release(&e->arena);
    free(e->fields);
    free(e);
}

void exchange_put(struct exchange *e)
{
    assert(e->magic == EXCHANGE_MAGIC && !e->is_detached);
    struct http_server *s = e->server;
    http_request_release(&e->pub.req);
    block_put(s, e->block);
    buf_release(&e->body);
    e->magic = 0;
    if (!s) {
        exchange_free(e);
        return;
    }
    arena_reset(&e->arena);
    e->pub = (struct http_exchange){0};
    e->connection = NULL;
    e->block = NULL;
    e->body_at = NULL;
    e->body_n = 0;
    e->body_in_buf = e->is_head = e->is_http_1_0 = e->keep_alive = false;
    e->is_with_handler = e->has_replied = e->is_streaming = e->is_chunked = false;
    e->on_close = NULL;
    e->next_free = s->free_exchanges;
    s->free_exchanges = e;
    s->free_exchange_count++;
}

void exchange_call_on_close(struct exchange *e)
{
    void (*on_close)(struct http_exchange *) = e->on_close;
    e->is_streaming = false;
    e->on_close = NULL;
    if (on_close)
        on_close(&e->pub);
}

/* --- orphans -------------------------------------------------------------------------------- */

void orphan_drop(struct exchange *e)
{
    struct http_server *s = e->server;
    loop_timer_stop(&e->close_soon);
    if (s)
        list_remove(&e->node);
    exchange_put(e);
    if (s)
        server_orphan_gone(s);
}

static void on_close_soon(struct loop_timer *t)
{
    struct exchange *e = CONTAINER_OF(t, struct exchange, close_soon);
    CHECK_MAGIC(e, EXCHANGE_MAGIC);
    exchange_call_on_close(e);
    orphan_drop(e);
}

void orphan_close_soon(struct exchange *e)
{
    if (e->server)
        loop_timer_start(e->server->loop, &e->close_soon, 0, on_close_soon);
}

void exchange_orphan(struct exchange *e)
{
    struct connection *c = e->connection;
    e->block = c->block;
    c->block = NULL;
    c->x = NULL;
    e->connection = NULL;
    e->pub.aborted = true;
    list_push(&e->server->orphans, &e->node);
    if (e->is_streaming)
        orphan_close_soon(e);
}

void orphans_release(struct http_server *s)
{
    struct list *node;
    while ((node = list_pop(&s->orphans)) != NULL) {
        struct exchange *e = CONTAINER_OF(node, struct exchange, node);
        loop_timer_stop(&e->close_soon);
        e->server = NULL;
        if (e->is_streaming) {
            exchange_call_on_close(e);
            exchange_put(e);
        }
    }
}

/* --- the pools ------------------------------------------------------------------------------ */

static size_t surplus(size_t low, bool all, size_t count)
{
    return all ? count : (low + 1) / 2;
}

void pools_trim(struct http_server *s, bool all)
{
    for (size_t n = surplus(s->free_block_low, all, s->free_block_count); n > 0; n--) {
        struct block *b = s->free_blocks;
        s->free_blocks = b->next;
        s->free_block_count--;
        free(b);
    }
    for (size_t n = surplus(s->free_exchange_low, all, s->free_exchange_count); n > 0; n--) {
        struct exchange *e = s->free_exchanges;
        s->free_exchanges = e->next_free;
        s->free_exchange_count--;
        exchange_free(e);
    }
    s->free_block_low = s->free_block_count;
    s->free_exchange_low = s->free_exchange_count;
}

/* --- detached ------------------------------------------------------------------------------- */

#define DETACHED_BYTES_MAX (64u << 20)

struct http_exchange *
http_exchange_new_detached(struct arena *a, const struct http_request *req,
                           void (*replied)(int status, str head, str body, void *arg), void *arg)
{
    struct exchange *e = xcalloc(1, sizeof(*e));
    e->magic = EXCHANGE_MAGIC;
    e->is_detached = true;
    e->pub.req = *req;
    e->pub.req.arena = a;
    e->pub.arena = a;
    e->is_head = str_eq(req->method, STR("HEAD"));
    e->replied = replied;
    e->replied_arg = arg;
    buf_init(&e->head, DETACHED_BYTES_MAX);
    buf_init(&e->stream, DETACHED_BYTES_MAX);
    return &e->pub;
}

void http_exchange_free_detached(struct http_exchange *x)
{
    if (!x)
        return;
    struct exchange *e = exchange_of(x);
    assert(e->is_detached);
    if (e->is_streaming) {
        x->aborted = true;
        exchange_call_on_close(e);
    }
    http_request_release(&x->req);
    buf_release(&e->head);
    buf_release(&e->stream);
    e->magic = 0;
    free(e);
}
