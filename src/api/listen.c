/* listen.c -- GET /api/v1/listen: stored events whole, as server-sent events, for who works on them
 * elsewhere (`gaff listen`). The id of each is the event's own, so a client that comes back names
 * the last one it has and misses none.
 *
 * Ids are made before events are committed: one may appear behind another that is greater. So
 * each look begins LISTEN_WINDOW_MS in the past and leaves out what this listener was told already;
 * after a reconnection some come twice, and the client leaves out what it knows. */
#include "api/listen.h"

#include "base/id.h"

#define LOOK_MS 200
#define PAGE 100
#define STEP_BYTES_MAX (256u << 10) /* written in one look; what is left comes with the next */
#define HEARTBEAT_LOOKS 75          /* each 15 s keeps proxies awake */

static void listener_free(struct listener *l)
{
    loop_timer_stop(&l->timer);
    list_remove(&l->link);
    idmap_release(&l->told);
    if (l->gone)
        l->gone(l);
    free(l);
}

static void closed(struct http_exchange *x)
{
    struct listener *l = x->user;
    x->user = NULL;
    if (l)
        listener_free(l);
}

/* False when the client is too slow or the event is gone. */
static bool tell(struct listener *l, uint64_t id, size_t *bytes)
{
    char text[ID_TEXT_MAX];
    struct arena a;
    struct event e;
    struct buf line;
    struct json_writer w;
    struct reason why = {0};
    arena_init(&a, 64u << 20);
    buf_init(&line, 96u << 20);
    bool good = store_load(l->reader, id, 0, &a, &e, &why) == ERR_OK;
    if (good) {
        str shown = id_format("evt", id, text);
        buf_printf(&line, "id: " STR_FMT "\ndata: ", STR_ARG(shown));
        json_writer_init(&w, &line);
        json_open(&w, '{');
        l->view(&w, &e);
        json_close(&w, '}');
        buf_str_append(&line, STR("\n\n"));
        good = buf_ok(&line) && http_stream_write(l->x, buf_str(&line));
        *bytes += line.len;
    }
    buf_release(&line);
    arena_release(&a);
    return good;
}

/* Moves the begin of the next look on, and forgets what lies before it. */
static void move_on(struct listener *l, uint64_t last)
{
    uint64_t late = id_before(clock_wall_ms(l->core->clock) - LISTEN_WINDOW_MS);
    uint64_t to = last < late ? last : late;
    if (to <= l->after)
        return;
    struct idmap kept = {0};
    uint64_t key;
    for (size_t i = 0; idmap_next(&l->told, &i, &key);)
        if (key > to)
            idmap_put(&kept, key, l);
    idmap_release(&l->told);
    l->told = kept;
    l->after = to;
}

/* False when the stream is over. */
static bool look(struct listener *l)
{
    struct event_filter f = {.source = str_from_cstr(l->source), .state = -1, .ascending = true};
    struct arena a;
    struct reason why = {0};
    size_t bytes = 0;
    uint64_t last = l->after;
    bool more = true, good = true;
    f.after = l->after;
    arena_init(&a, 8u << 20);
    while (more && good && bytes < STEP_BYTES_MAX) {
        struct event_list list = {0};
        f.limit = PAGE;
        arena_reset(&a);
        if (store_events(l->reader, &f, &a, &list, &why) != ERR_OK)
            break; /* the store will be asked again */
        for (size_t i = 0; good && i < list.count && bytes < STEP_BYTES_MAX; i++) {
            uint64_t id = list.v[i].event.id;
            if (!idmap_get(&l->told, id))
                good = tell(l, id, &bytes);
            if (good)
                idmap_put(&l->told, id, l);
            last = id;
        }
        f.after = last;
        more = list.next != 0;
    }
    arena_release(&a);
    if (good)
        move_on(l, last);
    return good;
}

static void on_timer(struct loop_timer *t)
{
    struct listener *l = CONTAINER_OF(t, struct listener, timer);
    if (++l->looks % HEARTBEAT_LOOKS == 0)
        http_stream_write(l->x, l->heartbeat);
    if ((l->is_over && l->is_over(l)) || !look(l)) {
        http_stream_end(l->x); /* it comes back and names the last one it has */
        return;
    }
    loop_timer_start(l->loop, &l->timer, LOOK_MS, on_timer);
}

void listener_begin(struct listener *l, uint64_t last)
{
    struct http_field fields[] = {{STR("Content-Type"), STR("text/event-stream")},
                                  {STR("Cache-Control"), STR("no-store")},
                                  {STR("X-Content-Type-Options"), STR("nosniff")}};
    uint64_t now = id_before(clock_wall_ms(l->core->clock));
    char text[ID_TEXT_MAX];
    l->after = last ? id_before(id_wall_ms(last) - LISTEN_WINDOW_MS) : now;
    l->x->user = l;
    http_stream_begin(l->x, 200, fields, ARRAY_LEN(fields), closed);
    http_stream_write(l->x, arena_printf(l->x->arena, "event: ready\nid: " STR_FMT "\ndata: {}\n\n",
                                         STR_ARG(id_format("evt", last ? last : now, text))));
    loop_timer_start(l->loop, &l->timer, 0, on_timer);
}

void api_listen(struct api_call *c)
{
    str source = http_request_query(&c->x->req, STR("source"));
    str text = http_request_query(&c->x->req, STR("after"));
    uint64_t last = 0;
    if (!text.p || text.n == 0)
        text = http_field_get(&c->x->req.fields, STR("Last-Event-ID"));
    if (text.p && text.n && !id_parse("evt", text, &last)) {
        api_bad(c, "bad_parameter", "after must be the id of an event");
        return;
    }
    struct listener *l = xcalloc(1, sizeof(*l));
    l->x = c->x;
    l->core = c->api->core;
    l->reader = c->api->reader;
    l->loop = c->api->loop;
    l->view = view_event_detail;
    l->heartbeat = STR(": still here\n\n");
    snprintf(l->source, sizeof(l->source), STR_FMT, STR_ARG(source.p ? source : STR("")));
    list_push(&c->api->listeners, &l->link);
    listener_begin(l, last);
}

void listeners_close(struct api *a)
{
    LIST_EACH(&a->listeners, node)
    {
        struct listener *l = CONTAINER_OF(node, struct listener, link);
        l->x->user = NULL;
        listener_free(l);
    }
}

/* What a listener's own target said: told to those who watch, kept nowhere. */
void api_listen_answer(struct api_call *c)
{
    uint64_t id;
    struct buf line;
    struct json_writer w;
    char text[ID_TEXT_MAX], when[CLOCK_TEXT_MAX];
    if (!api_id(c, "id", "evt", &id) || !api_body(c))
        return;
    const struct json *body = http_request_json(&c->x->req);
    int64_t status = 0, us = 0;
    json_i64(json_get(body, STR("status")), &status);
    json_i64(json_get(body, STR("duration_us")), &us);
    buf_init(&line, 8192);
    json_writer_init(&w, &line);
    json_open(&w, '{');
    json_pair(&w, "kind", STR("forwarded"));
    json_pair(&w, "time", clock_format(clock_wall_ms(c->api->core->clock), when));
    json_pair(&w, "event_id", id_format("evt", id, text));
    json_pair(&w, "by", str_from_cstr(c->caller));
    json_pair_int(&w, "status", status);
    json_pair_int(&w, "duration_us", us);
    json_pair(&w, "summary", str_slice(json_str(json_get(body, STR("summary"))), 0, 200));
    json_close(&w, '}');
    if (buf_ok(&line))
        live_tell(c->api->core->live, buf_str(&line));
    buf_release(&line);
    json_open(&c->json, '{');
    json_pair_bool(&c->json, "told", true);
    json_close(&c->json, '}');
    api_send(c, 202);
}
