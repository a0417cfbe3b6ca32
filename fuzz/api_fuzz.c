/* api_fuzz.c -- any target and body to what the admin API reads from a store: filters, pages,
 * times, ids. It is answered once, in JSON, and a store in memory and one in a file answer the
 * same. A next_cursor is taken, and leads on. Input: the target on a line; the rest is a POST's
 * body. */
#include "api/call.h"
#include "api/send.h"

#include "base/id.h"
#include "base/log.h"
#include "http/target.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#define NOW INT64_C(1764500000000)
#define EVENTS 12

struct side { /* the API over one of two stores */
    struct engine_core core;
    struct api api;
};
static struct side sides[2];
static struct clock_fake clock_at_now;
static struct router *router;

static void fill(struct store *s)
{
    static const char *const sources[] = {"app", "git", "a b"}, *const types[] = {"", "push",
                                                                                  "p%_"};
    struct new_event events[EVENTS] = {0};
    struct new_delivery to[EVENTS][2];
    struct settlement outcomes[EVENTS] = {0};
    struct rejection refused[3] = {0};
    struct reason why = {.text = ""};
    memset(to, 0, sizeof(to));
    for (uint64_t i = 0; i < EVENTS; i++) {
        int64_t at_ms = NOW - (int64_t)(EVENTS - i) * 600000;
        uint64_t id = id_floor(at_ms);
        events[i].event = (struct event){.id = id,
                                         .received_ms = at_ms,
                                         .source = str_from_cstr(sources[i % 3]),
                                         .type = str_from_cstr(types[i / 3 % 3]),
                                         .method = STR("POST"),
                                         .target = STR("/in/app?x=1"),
                                         .head = STR("X-A: 1\r\n"),
                                         .body = i % 2 ? STR("{\"n\":1}") : STR("\xff%_'\"")};
        for (uint64_t k = 0; k < 2; k++)
            to[i][k] = (struct new_delivery){.id = id + 1 + k,
                                             .destination = k ? STR("good") : STR("bad"),
                                             .claimed = k == 0,
                                             .route = STR("r"),
                                             .next_ms = NOW};
        events[i].deliveries = to[i];
        events[i].delivery_count = 2;
        events[i].next = i + 1 < EVENTS ? &events[i + 1] : NULL;
        outcomes[i] = (struct settlement){
            .delivery_id = id + 1,
            .event_id = id,
            .state = i % 2 ? DELIVERY_DEAD : DELIVERY_DELIVERED,
            .settled_ms = NOW,
            .attempts = 1,
            .reason = STR("it's so"),
            .attempt = {.delivery_id = id + 1, .number = 1, .summary = STR("HTTP 500")},
            .next = i + 1 < EVENTS ? &outcomes[i + 1] : NULL};
    }
    for (uint64_t i = 0; i < ARRAY_LEN(refused); i++)
        refused[i] =
            (struct rejection){.id = id_floor(NOW) + i, .received_ms = NOW, .source = STR("git")};
    struct batch b = {.events = events, .event_count = EVENTS};
    enum err e = store_commit(s, &b, &why);
    struct batch later = {.settlements = outcomes,
                          .settlement_count = EVENTS,
                          .rejections = refused,
                          .rejection_count = ARRAY_LEN(refused)};
    if (e != ERR_OK || store_commit(s, &later, &why) != ERR_OK)
        die("%s", why.text);
}

/* What all lists of the sending API read. */
static void read_page(struct api_call *c)
{
    struct send_call s = {.c = c, .a = c->x->arena};
    struct send_page p;
    uint64_t cursor;
    str types[8];
    size_t count = send_query_list(&s, "type", types, ARRAY_LEN(types));
    assert(count <= ARRAY_LEN(types));
    if (!send_page_read_newest(&s, "msg", &p, &cursor))
        return;
    assert(p.limit >= 1 && p.limit <= SEND_LIMIT_MAX && (p.iterator.n == 0 || cursor <= INT64_MAX));
    buf_str_append(&c->body, STR("{}"));
    api_send(c, 200);
}

static char folder[] = "/tmp/gaff-api-fuzz-XXXXXX";

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
    UNUSED(st);
    UNUSED(type);
    UNUSED(f);
    return remove(path);
}

static void end(void)
{
    for (size_t i = 0; i < ARRAY_LEN(sides); i++) {
        store_reader_close(sides[i].api.reader);
        store_close(sides[i].core.store);
    }
    router_free(router);
    (void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char *const paths[] = {"GET /api/v1/events",           "GET /api/v1/events/{id}",
                                        "GET /api/v1/events/{id}/body", "GET /api/v1/deliveries",
                                        "GET /api/v1/deliveries/{id}",  "GET /api/v1/rejections",
                                        "GET /api/v1/dead/groups",      "POST /api/v1/events",
                                        "POST /api/v1/deliveries",      "GET /page"};
    static api_handler *const handlers[] = {api_events_list,     api_event_get,
                                            api_event_body,      api_deliveries_list,
                                            api_delivery_get,    api_rejections_list,
                                            api_dead_groups,     api_events_list,
                                            api_deliveries_list, read_page};
    static struct api_route routes[ARRAY_LEN(paths)];
    struct reason why = {.text = ""};
    char urls[2][64] = {"memory:"};
    UNUSED(argc);
    UNUSED(argv);
    if (!mkdtemp(folder))
        die("no folder");
    (void)snprintf(urls[1], sizeof(urls[1]), "sqlite:%s", folder);
    clock_fake_init(&clock_at_now, NOW);
    router = router_new();
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        routes[i] = (struct api_route){paths[i], handlers[i], ROLE_VIEWER};
        if (router_add(router, str_from_cstr(paths[i]), &routes[i], &why) != ERR_OK)
            die("%s", why.text);
    }
    for (size_t i = 0; i < ARRAY_LEN(sides); i++) {
        struct side *s = &sides[i];
        s->core.clock = &clock_at_now.base;
        s->core.store = store_open(str_from_cstr(urls[i]), clock_real(), &why);
        s->api.core = &s->core;
        s->api.reader = s->core.store ? store_reader_open(s->core.store, &why) : NULL;
        if (!s->api.reader)
            die("%s", why.text);
        fill(s->core.store);
    }
    return atexit(end);
}

struct answer {
    int calls, status;
    struct buf body;
};

static void on_reply(int status, str head, str body, void *arg)
{
    struct answer *a = (struct answer *)arg;
    UNUSED(head);
    a->calls++;
    a->status = status;
    buf_str_append(&a->body, body);
}

/* False when it is no request, or for no path of ours. */
static bool ask(struct side *s, str target, str body, struct answer *out)
{
    struct http_target t;
    struct arena a;
    str method = body.n ? STR("POST") : STR("GET");
    if (target_parse(method, target, &t) != NULL)
        return false;
    arena_init(&a, 64u << 20);
    struct http_request req = {.method = method,
                               .target = target,
                               .path = t.path,
                               .query = t.query,
                               .body = body,
                               .arena = &a};
    struct api_call c = {.api = &s->api, .role = ROLE_VIEWER};
    out->calls = 0;
    buf_init(&out->body, 64u << 20);
    c.x = http_exchange_new_detached(&a, &req, on_reply, out);
    router_find(router, method, t.path, &a, &c.match);
    bool is = c.match.status == 200;
    if (is) {
        buf_init(&c.body, 64u << 20);
        json_writer_init(&c.json, &c.body);
        ((const struct api_route *)c.match.value)->fn(&c);
        buf_release(&c.body);
        assert(out->calls == 1);
    }
    http_exchange_free_detached(c.x);
    arena_release(&a);
    return is;
}

/* All but the cursor: a store may find out later that there is nothing more. */
static str rows_of(const struct answer *a)
{
    static const char cursor[] = "\"next_cursor\":";
    str all = buf_str(&a->body);
    const char *at = (const char *)memmem(all.p, all.n, cursor, sizeof(cursor) - 1);
    return at ? str_of(all.p, (size_t)(at - all.p)) : all;
}

/* The page after this one begins behind it. */
static void follow(struct side *s, str path, const struct json *page)
{
    char target[256];
    str cursor = json_str(json_get(page, STR("next_cursor")));
    struct answer next;
    if (!cursor.n || path.n > 100)
        return;
    (void)snprintf(target, sizeof(target), STR_FMT "?limit=1&cursor=" STR_FMT, STR_ARG(path),
                   STR_ARG(cursor));
    bool is = ask(s, str_from_cstr(target), STR(""), &next);
    assert(is && next.status == 200);
    struct json_doc *doc = json_parse(buf_str(&next.body), NULL);
    str after = json_str(json_get(json_root(doc), STR("next_cursor")));
    assert(doc && str_cmp(after, cursor) < 0);
    json_doc_free(doc);
    buf_release(&next.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str body = str_of((const char *)data, size), target = str_cut(&body, '\n'), path = target;
    struct answer answers[2] = {0};
    body = body.p ? body : STR("");
    path = str_cut(&path, '?');
    if (target.n > 8000 || body.n > 65536)
        return 0;
    bool is = ask(&sides[0], target, body, &answers[0]);
    bool too = ask(&sides[1], target, body, &answers[1]);
    assert(is == too);
    if (is) {
        int status = answers[0].status;
        assert(status == 200 || status == 400 || status == 404 || status == 422);
        assert(status == answers[1].status);
        assert(str_eq(rows_of(&answers[0]), rows_of(&answers[1])));
        struct json_doc *doc = json_parse(buf_str(&answers[0].body), NULL);
        assert(doc || str_ends(path, STR("/body")));
        if (status == 200 && !body.n)
            follow(&sides[1], path, json_root(doc));
        json_doc_free(doc);
    }
    buf_release(&answers[0].body);
    buf_release(&answers[1].body);
    return 0;
}
