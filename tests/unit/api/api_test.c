/* api_test.c -- the admin API over real sockets on loopback: who is let in, how mistakes are
 * answered, filters and pages, replay and cancel, the live stream. */
#include "desk.h"

#include <sys/stat.h>

#define CONFIG                                                                                     \
    STAGE_SOURCE "  open: { provider: none }\n  git: { provider: bearer, secret: \"" TOKEN         \
                 "\" }\n"                                                                          \
                 "admin: { listen: \"127.0.0.1:0\" }\n"                                            \
                 "destinations:\n"                                                                 \
                 "  good: { handler: { index: 0 }, retry: { attempts: 1 } }\n"                     \
                 "  bad: { handler: { index: 1 }, retry: { schedule: [1h], jitter: 0 } }\n"        \
                 "routes:\n"                                                                       \
                 "  - { name: to-good, from: app, to: [good] }\n"                                  \
                 "  - { name: to-bad, from: app, match: { json: { bad: true } }, to: [bad] }\n"    \
                 "  - { name: posted, from: open, to: [good], then: stop }\n"

static void desk_open(struct desk *d)
{
    desk_open_with(d, CONFIG);
}

static char *event_path(uint64_t id, const char *rest)
{
    static char path[4][128];
    static int next;
    char text[ID_TEXT_MAX];
    char *out = path[next++ % 4];
    snprintf(out, sizeof(path[0]), "/api/v1/events/" STR_FMT "%s",
             STR_ARG(id_format("evt", id, text)), rest);
    return out;
}

/* --- who is let in --------------------------------------------------------------------------- */

static int status_with(struct desk *d, const char *target, const char *authorization)
{
    char field[256] = "";
    if (authorization)
        snprintf(field, sizeof(field), "Authorization: %s\r\n", authorization);
    ask_with(d, "GET", target, field, "");
    return d->status;
}

void test_api_token_is_asked_for(void)
{
    static const char *const wrong[] = {NULL,
                                        "Bearer",
                                        "Bearer ",
                                        "Bearer wrong",
                                        "Basic " TOKEN,
                                        TOKEN,
                                        "Bearer " TOKEN "0",
                                        "Bearer 1123456789abcdef0123456789abcdef",
                                        "Bearer 0123456789abcdef0123456789abcde"};
    struct desk d;
    desk_open(&d);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        EXPECT_EQ_INT(status_with(&d, "/api/v1/events", wrong[i]), 401);
        expect_error(&d, 401, "unauthorized");
        EXPECT(!strstr(d.body, TOKEN));
        /* Paths are not told to strangers. */
        EXPECT_EQ_INT(status_with(&d, "/no/such/path", wrong[i]), 401);
        EXPECT_EQ_INT(status_with(&d, "/metrics", wrong[i]), 401);
    }
    EXPECT_EQ_INT(status_with(&d, "/api/v1/events", "Bearer " TOKEN), 200);
    EXPECT_EQ_INT(status_with(&d, "/api/v1/events", "bearer " TOKEN), 200);
    EXPECT_EQ_INT(status_with(&d, "/no/such/path", "Bearer " TOKEN), 404);
    EXPECT_EQ_INT(status_with(&d, "/livez", NULL), 200);
    EXPECT_EQ_INT(status_with(&d, "/readyz", NULL), 200);
    desk_close(&d);
}

void test_api_methods_and_paths(void)
{
    struct desk d;
    desk_open(&d);
    get(&d, "/api/v1/nothing");
    expect_error(&d, 404, "not_found");
    ask_with(&d, "DELETE", "/api/v1/events", AUTHORIZED, "");
    EXPECT_EQ_INT(d.status, 405);
    EXPECT_HAS(d.head, "Allow: GET, HEAD");
    ask_with(&d, "GET", "/api/v1/reload", AUTHORIZED, "");
    EXPECT_EQ_INT(d.status, 405);
    EXPECT_HAS(d.head, "Allow: POST");
    ask_with(&d, "HEAD", "/api/v1/events", AUTHORIZED, "");
    EXPECT_EQ_INT(d.status, 200);
    EXPECT_CSTR(d.body, "");
    EXPECT(!strstr(d.head, "Content-Length: 0"));
    ask_with(&d, "OPTIONS", "/api/v1/events", AUTHORIZED, "");
    EXPECT_EQ_INT(d.status, 204);
    desk_close(&d);
}

/* --- looking --------------------------------------------------------------------------------- */

static void wait_done(struct desk *d, int delivered, int pending)
{
    STAGE_UNTIL(spy_count(DELIVERY_DELIVERED) == delivered &&
                spy_count(DELIVERY_PENDING) == pending && spy_count(DELIVERY_CLAIMED) == 0 &&
                atomic_load(&d->stage.call_count) == delivered + pending);
}

void test_api_event_with_its_story(void)
{
    struct desk d;
    desk_open(&d);
    uint64_t id = stage_emit(&d.stage, "{\"bad\":true,\"text\":\"</script>\"}");
    wait_done(&d, 1, 1);
    const struct json *v = get(&d, event_path(id, ""));
    EXPECT_EQ_INT(d.status, 200);
    EXPECT_HAS(d.head, "Cache-Control: no-store");
    EXPECT_HAS(d.head, "X-Content-Type-Options: nosniff");
    EXPECT_STR(at(v, "source"), "app");
    EXPECT_STR(at(v, "type"), "test");
    EXPECT_STR(at(v, "body"), "{\"bad\":true,\"text\":\"</script>\"}");
    EXPECT(!strstr(d.body, "</script>")); /* harmless inside a page */
    EXPECT_STR(at(v, "trace.0"), "route to-good: matched -> good");
    EXPECT_EQ_INT(json_len(json_path(v, STR("deliveries"))), 2);
    for (int i = 0; i < 2; i++) {
        const struct json *one = json_at(json_path(v, STR("deliveries")), (size_t)i);
        bool good = str_eq(at(one, "destination"), STR("good"));
        EXPECT_EQ_STR(at(one, "state"), good ? STR("delivered") : STR("pending"));
        EXPECT_EQ_INT(json_len(json_path(one, STR("log"))), 1);
        EXPECT_EQ_STR(at(one, "log.0.result"), good ? STR("success") : STR("retry"));
        EXPECT_EQ_INT(at(one, "next").n > 0, !good);
    }
    ask_with(&d, "GET", event_path(id, "/body"), AUTHORIZED, "");
    EXPECT_CSTR(d.body, "{\"bad\":true,\"text\":\"</script>\"}");
    EXPECT_HAS(d.head, "Content-Type: application/octet-stream");
    EXPECT_HAS(d.head, "Content-Disposition: attachment");
    desk_close(&d);
}

void test_api_ids_that_are_none(void)
{
    static const char *const paths[] = {
        "/api/v1/events/evt_0000000000000",     "/api/v1/events/x",
        "/api/v1/events/dlv_0F3K8Z2M7QXTA",     "/api/v1/events/evt_0F3K8Z2M7QXTA/body",
        "/api/v1/deliveries/dlv_0F3K8Z2M7QXTA", "/api/v1/deliveries/evt_0F3K8Z2M7QXTA"};
    struct desk d;
    desk_open(&d);
    stage_emit(&d.stage, "{}");
    wait_done(&d, 1, 0);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        get(&d, paths[i]);
        expect_error(&d, 404, "not_found");
    }
    desk_close(&d);
}

void test_api_pages_show_each_event_once_newest_first(void)
{
    struct desk d;
    uint64_t ids[25];
    int seen = 0;
    char target[256] = "/api/v1/events?limit=7";
    desk_open(&d);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        ids[i] = stage_emit(&d.stage, "{}");
    for (;;) {
        const struct json *v = get(&d, target), *list = json_path(v, STR("events"));
        EXPECT_EQ_INT(d.status, 200);
        EXPECT(json_len(list) <= 7);
        for (size_t i = 0; i < json_len(list); i++, seen++) {
            uint64_t id;
            EXPECT(id_parse("evt", at(json_at(list, i), "id"), &id));
            EXPECT_EQ_UINT(id, ids[ARRAY_LEN(ids) - 1 - (size_t)seen]);
        }
        str next = at(v, "next_cursor");
        if (next.n == 0)
            break;
        snprintf(target, sizeof(target), "/api/v1/events?limit=7&cursor=" STR_FMT, STR_ARG(next));
    }
    EXPECT_EQ_INT(seen, ARRAY_LEN(ids));
    desk_close(&d);
}

static size_t listed(struct desk *d, const char *target, const char *member)
{
    const struct json *v = get(d, target);
    EXPECT_EQ_INT(d->status, 200);
    return json_len(json_path(v, str_from_cstr(member)));
}

void test_api_filters_select(void)
{
    struct desk d;
    char text[ID_TEXT_MAX], target[256];
    desk_open(&d);
    stage_emit(&d.stage, "{\"n\":1}");
    stage_clock_advance(&d.stage.clock, 3600000);
    uint64_t id = stage_emit(&d.stage, "{\"bad\":true,\"word\":\"needle\"}");
    wait_done(&d, 2, 1);
    EXPECT_EQ_INT(listed(&d, "/api/v1/events", "events"), 2);
    EXPECT_EQ_INT(listed(&d, "/api/v1/events?source=app&type=test", "events"), 2);
    EXPECT_EQ_INT(listed(&d, "/api/v1/events?source=open", "events"), 0);
    EXPECT_EQ_INT(listed(&d, "/api/v1/events?text=needle", "events"), 1);
    EXPECT_EQ_INT(listed(&d, "/api/v1/events?since=30m", "events"), 1);
    EXPECT_EQ_INT(listed(&d, "/api/v1/events?until=30m", "events"), 1);
    EXPECT_EQ_INT(listed(&d, "/api/v1/events?since=2h", "events"), 2);
    EXPECT_EQ_INT(listed(&d, "/api/v1/events?state=pending", "events"), 1);
    EXPECT_EQ_INT(listed(&d, "/api/v1/events?destination=bad", "events"), 1);
    EXPECT_EQ_INT(listed(&d, "/api/v1/deliveries", "deliveries"), 3);
    EXPECT_EQ_INT(listed(&d, "/api/v1/deliveries?state=delivered", "deliveries"), 2);
    EXPECT_EQ_INT(listed(&d, "/api/v1/deliveries?destination=bad&state=delivered", "deliveries"),
                  0);
    snprintf(target, sizeof(target), "/api/v1/deliveries?event_id=" STR_FMT,
             STR_ARG(id_format("evt", id, text)));
    EXPECT_EQ_INT(listed(&d, target, "deliveries"), 2);
    desk_close(&d);
}

void test_api_filters_that_are_wrong_say_what(void)
{
    static const struct {
        const char *target, *word;
    } table[] = {
        {"/api/v1/events?limit=0", "limit must be"},
        {"/api/v1/events?limit=501", "limit must be"},
        {"/api/v1/events?limit=-1", "limit must be"},
        {"/api/v1/events?limit=ten", "limit must be"},
        {"/api/v1/events?state=gone", "state must be"},
        {"/api/v1/events?since=yesterday", "since must be"},
        {"/api/v1/events?until=9", "until must be"},
        {"/api/v1/events?cursor=abc", "cursor must be"},
        {"/api/v1/deliveries?cursor=%ff", "cursor must be"},
        {"/api/v1/deliveries?event_id=nonsense", "event_id must"},
        {"/api/v1/rejections?limit=9999", "limit must be"},
    };
    struct desk d;
    desk_open(&d);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        get(&d, table[i].target);
        expect_error(&d, 400, "bad_parameter");
        EXPECT_HAS(d.body, table[i].word);
    }
    desk_close(&d);
}

void test_api_overviews(void)
{
    struct desk d;
    desk_open(&d);
    stage_emit(&d.stage, "{\"bad\":true}");
    wait_done(&d, 1, 1);
    const struct json *v = get(&d, "/api/v1/status");
    EXPECT_STR(at(v, "state"), "ready");
    EXPECT_STR(at(v, "store"), "memory");
    EXPECT_EQ_INT(number(v, "events"), 1);
    EXPECT_EQ_INT(number(v, "deliveries.delivered"), 1);
    EXPECT_EQ_INT(number(v, "deliveries.pending"), 1);
    v = get(&d, "/api/v1/destinations");
    EXPECT_EQ_INT(json_len(json_path(v, STR("destinations"))), 2);
    EXPECT_STR(at(v, "destinations.0.kind"), "handler");
    EXPECT_EQ_INT(number(v, "destinations.1.failed"), 1);
    EXPECT_EQ_INT(number(v, "destinations.1.attempts_max"), 2);
    v = get(&d, "/api/v1/routes");
    EXPECT_EQ_INT(json_len(json_path(v, STR("routes"))), 3);
    EXPECT_STR(at(v, "routes.1.to.0"), "bad");
    EXPECT(json_bool(json_path(v, STR("routes.2.stop"))));
    v = get(&d, "/api/v1/sources");
    EXPECT_EQ_INT(json_len(json_path(v, STR("sources"))), 3);
    EXPECT_STR(at(v, "sources.1.path"), "/in/open");
    EXPECT(!json_bool(json_path(v, STR("sources.1.verified"))));
    EXPECT(json_bool(json_path(v, STR("sources.2.verified"))));
    EXPECT(!strstr(d.body, TOKEN));
    desk_close(&d);
}

void test_api_rejections_are_shown_without_their_credential(void)
{
    static const char *const fields[] = {"Authorization: Bearer wrong-and-long-enough", NULL};
    struct desk d;
    static struct stage_reply reply;
    desk_open(&d);
    stage_request(&d.stage, "POST", "/in/git", fields, STR("{\"a\":1}"), &reply);
    EXPECT_EQ_INT(reply.status, 401);
    const struct json *v = get(&d, "/api/v1/rejections");
    EXPECT_EQ_INT(json_len(json_path(v, STR("rejections"))), 1);
    EXPECT_STR(at(v, "rejections.0.source"), "git");
    EXPECT_STR(at(v, "rejections.0.headers.0.value"), "[redacted]");
    EXPECT_STR(at(v, "rejections.0.body"), "{\"a\":1}");
    EXPECT(!strstr(d.body, "wrong-and-long-enough"));
    desk_close(&d);
}

/* --- doing ----------------------------------------------------------------------------------- */

static void delivery_path(struct desk *d, const char *state, const char *rest, char *out,
                          size_t size)
{
    char target[128];
    snprintf(target, sizeof(target), "/api/v1/deliveries?state=%s", state);
    str id = at(get(d, target), "deliveries.0.id");
    EXPECT(id.n > 0);
    snprintf(out, size, "/api/v1/deliveries/" STR_FMT "%s", STR_ARG(id), rest);
}

/* Of an event with two, the other stays as it is. */
static void replay_one(const char *config)
{
    struct desk d;
    char path[128], path_of_dead[128];
    desk_open_with(&d, config);
    d.stage.handlers[1].answers[0] = ATTEMPT_PERMANENT;
    d.stage.handlers[1].answers[1] = ATTEMPT_SUCCESS;
    d.stage.handlers[1].answer_count = 2;
    stage_emit(&d.stage, "{\"bad\":true}");
    STAGE_UNTIL(spy_count(DELIVERY_DEAD) == 1 && spy_count(DELIVERY_DELIVERED) == 1);
    delivery_path(&d, "dead", "", path_of_dead, sizeof(path_of_dead));
    delivery_path(&d, "dead", "/replay", path, sizeof(path));
    EXPECT_EQ_INT(number(post(&d, path, ""), "replayed"), 1);
    EXPECT_EQ_INT(d.status, 202);
    STAGE_UNTIL(spy_count(DELIVERY_DELIVERED) == 2);
    EXPECT_EQ_INT(number(get(&d, path_of_dead), "attempts"), 2);
    EXPECT_EQ_INT(json_len(json_path(json_root(d.doc), STR("log"))), 2);
    EXPECT_EQ_INT(d.stage.call_count, 3);
    desk_close(&d);
}

void test_api_replay_of_one_delivery(void)
{
    replay_one(CONFIG);
}

void test_api_replay_of_one_delivery_on_disk(void)
{
    replay_one("store: \"sqlite:data\"\n" CONFIG);
}

void test_api_cancel_ends_what_waits_and_nothing_else(void)
{
    struct desk d;
    char cancel[128], path[128];
    desk_open(&d);
    stage_emit(&d.stage, "{\"bad\":true}");
    wait_done(&d, 1, 1);
    delivery_path(&d, "delivered", "/cancel", path, sizeof(path));
    post(&d, path, "");
    expect_error(&d, 409, "conflict");
    delivery_path(&d, "pending", "/replay", path, sizeof(path));
    post(&d, path, "");
    expect_error(&d, 409, "conflict"); /* it is on its way by itself */
    delivery_path(&d, "pending", "/cancel", cancel, sizeof(cancel));
    EXPECT_EQ_INT(number(post(&d, cancel, ""), "cancelled"), 1);
    EXPECT_EQ_INT(spy_count(DELIVERY_CANCELLED), 1);
    post(&d, cancel, "");
    expect_error(&d, 409, "conflict");
    stage_advance(&d.stage, 7200000);
    stage_turn(&d.stage);
    EXPECT_EQ_INT(d.stage.call_count, 2);
    desk_close(&d);
}

void test_api_replay_of_an_event(void)
{
    struct desk d;
    desk_open(&d);
    uint64_t id = stage_emit(&d.stage, "{}");
    wait_done(&d, 1, 0);
    EXPECT_EQ_INT(number(post(&d, event_path(id, "/replay"), ""), "replayed"), 1);
    STAGE_UNTIL(atomic_load(&d.stage.call_count) == 2 && spy_count(DELIVERY_DELIVERED) == 1);
    const struct json *v = post(&d, event_path(id, "/replay"), "{\"destination\":\"bad\"}");
    EXPECT_EQ_INT(d.status, 202);
    EXPECT(str_starts(at(v, "delivery_id"), STR("dlv_")));
    STAGE_UNTIL(atomic_load(&d.stage.call_count) == 3);
    post(&d, event_path(id, "/replay"), "{\"destination\":\"nobody\"}");
    expect_error(&d, 404, "not_found");
    post(&d, event_path(id + 1000, "/replay"), "{\"destination\":\"good\"}");
    expect_error(&d, 404, "not_found");
    desk_close(&d);
}

void test_api_replay_of_many_by_filter(void)
{
    struct desk d;
    desk_open(&d);
    d.stage.handlers[1].answers[0] = ATTEMPT_PERMANENT;
    d.stage.handlers[1].answers[1] = ATTEMPT_SUCCESS;
    d.stage.handlers[1].answer_count = 2;
    for (int i = 0; i < 20; i++)
        stage_emit(&d.stage, "{\"bad\":true}");
    STAGE_UNTIL(spy_count(DELIVERY_DEAD) == 20 && spy_count(DELIVERY_DELIVERED) == 20);
    const struct json *v = post(&d, "/api/v1/deliveries/replay", "{\"dry_run\":true}");
    EXPECT_EQ_INT(d.status, 200);
    EXPECT_EQ_INT(number(v, "replayed"), 20);
    EXPECT_EQ_INT(spy_count(DELIVERY_DEAD), 20);
    v = post(&d, "/api/v1/deliveries/replay", "{\"destination\":\"good\"}");
    EXPECT_EQ_INT(number(v, "replayed"), 0); /* of the dead, unless a state is named */
    v = post(&d, "/api/v1/deliveries/replay", "{\"destination\":\"bad\",\"since\":\"1h\"}");
    EXPECT_EQ_INT(d.status, 202);
    EXPECT_EQ_INT(number(v, "replayed"), 20);
    STAGE_UNTIL(spy_count(DELIVERY_DELIVERED) == 40);
    v = post(&d, "/api/v1/events/replay", "{\"to\":\"good\",\"text\":\"bad\",\"limit\":3}");
    EXPECT_EQ_INT(number(v, "replayed"), 20);
    STAGE_UNTIL(spy_count(DELIVERY_DELIVERED) == 60);
    post(&d, "/api/v1/events/replay", "{}");
    expect_error(&d, 400, "bad_parameter");
    desk_close(&d);
}

void test_api_cancel_of_many_by_filter(void)
{
    struct desk d;
    desk_open(&d);
    for (int i = 0; i < 5; i++)
        stage_emit(&d.stage, "{\"bad\":true}");
    wait_done(&d, 5, 5);
    const struct json *v = post(&d, "/api/v1/deliveries/cancel", "{\"destination\":\"good\"}");
    EXPECT_EQ_INT(number(v, "cancelled"), 0);
    v = post(&d, "/api/v1/deliveries/cancel", "{\"destination\":\"bad\",\"dry_run\":true}");
    EXPECT_EQ_INT(number(v, "cancelled"), 5);
    EXPECT_EQ_INT(spy_count(DELIVERY_PENDING), 5);
    v = post(&d, "/api/v1/deliveries/cancel", "{\"destination\":\"bad\"}");
    EXPECT_EQ_INT(number(v, "cancelled"), 5);
    EXPECT_EQ_INT(spy_count(DELIVERY_CANCELLED), 5);
    desk_close(&d);
}

void test_api_bodies_that_are_no_json(void)
{
    static const char *const targets[] = {"/api/v1/deliveries/replay", "/api/v1/deliveries/cancel",
                                          "/api/v1/events/replay"};
    struct desk d;
    desk_open(&d);
    stage_emit(&d.stage, "{\"bad\":true}");
    wait_done(&d, 1, 1);
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        post(&d, targets[i], "{\"destination\":");
        expect_error(&d, 400, "bad_json");
        post(&d, targets[i], "[1]");
        expect_error(&d, 400, "bad_json");
    }
    post(&d, "/api/v1/backup", "{\"path\":\"relative\"}");
    expect_error(&d, 400, "bad_parameter");
    post(&d, "/api/v1/backup", "{\"path\":\"/tmp/never-made\"}");
    EXPECT_EQ_INT(d.status, 400); /* a memory store */
    EXPECT_EQ_INT(spy_count(DELIVERY_PENDING), 1);
    desk_close(&d);
}

/* A body that cannot be read must never act as if it named nothing: that replays the event to all
 * its destinations. */
void test_api_replay_of_an_event_refuses_what_it_cannot_read(void)
{
    struct desk d;
    desk_open(&d);
    uint64_t id = stage_emit(&d.stage, "{}");
    wait_done(&d, 1, 0);
    post(&d, event_path(id, "/replay"), "{\"destination\":\"bad\"");
    expect_error(&d, 400, "bad_json");
    EXPECT_EQ_INT(spy_count(DELIVERY_DELIVERED), 1);
    EXPECT_EQ_INT(d.stage.call_count, 1);
    desk_close(&d);
}

static enum err reload_refused(struct buf *problems, void *arg)
{
    UNUSED(arg);
    buf_str_append(problems, STR("gaff.yaml:3:1: unknown key \"surces\""));
    return ERR_INVALID;
}

static enum err reload_taken(struct buf *problems, void *arg)
{
    UNUSED(arg);
    UNUSED(problems);
    return ERR_OK;
}

void test_api_reload(void)
{
    struct desk d;
    desk_open(&d);
    post(&d, "/api/v1/reload", "");
    expect_error(&d, 501, "no_file");
    desk_close(&d);
    reload_hook = reload_refused;
    desk_open(&d);
    post(&d, "/api/v1/reload", "");
    expect_error(&d, 409, "bad_configuration");
    EXPECT_HAS(d.body, "gaff.yaml:3:1");
    desk_close(&d);
    reload_hook = reload_taken;
    desk_open(&d);
    EXPECT(json_bool(json_path(post(&d, "/api/v1/reload", ""), STR("reloaded"))));
    desk_close(&d);
}

void test_api_backup_is_a_whole_store(void)
{
    struct desk d;
    struct reason why = {0};
    struct store_counts counts = {0};
    char body[512], url[512];
    desk_open_with(&d, "store: \"sqlite:data\"\n" CONFIG);
    stage_emit(&d.stage, "{}");
    wait_done(&d, 1, 0);
    EXPECT(mkdir(unit_path("copy"), 0700) == 0);
    snprintf(body, sizeof(body), "{\"path\":\"%s\"}", unit_path("copy/gaff.db"));
    post(&d, "/api/v1/backup", body);
    if (d.status != 200)
        FAIL("%s", d.body);
    snprintf(url, sizeof(url), "sqlite:%s", unit_path("copy"));
    struct store *s = store_open(str_from_cstr(url), clock_real(), &why);
    if (!s)
        FAIL("%s", why.text);
    struct store_reader *r = store_reader_open(s, &why);
    EXPECT_OK(store_counts_get(r, &counts, &why), why);
    EXPECT_EQ_UINT(counts.events, 1);
    EXPECT_EQ_UINT(counts.by_state[DELIVERY_DELIVERED], 1);
    store_reader_close(r);
    store_close(s);
    desk_close(&d);
}

/* --- health and metrics ---------------------------------------------------------------------- */

void test_api_health(void)
{
    struct desk d;
    uint64_t id;
    desk_open(&d);
    get(&d, "/readyz");
    EXPECT_CSTR(d.body, "ok\ndurability: volatile\n");
    spy_fail_commits_after(0, 1, ERR_IO);
    EXPECT(stage_try_emit(&d.stage, "{}", &id) == ERR_IO);
    get(&d, "/readyz");
    EXPECT_EQ_INT(d.status, 503);
    EXPECT_HAS(d.body, "not ready: ");
    get(&d, "/livez");
    EXPECT_EQ_INT(d.status, 200);
    stage_emit(&d.stage, "{}");
    get(&d, "/readyz");
    EXPECT_EQ_INT(d.status, 200);
    wait_done(&d, 1, 0);
    engine_drain(d.stage.engine, 10000);
    get(&d, "/readyz");
    EXPECT_CSTR(d.body, "not ready: draining\n");
    desk_close(&d);
}

static bool is_sample(str line)
{
    size_t space = line.n;
    while (space > 0 && line.p[space - 1] != ' ')
        space--;
    str name = str_slice(line, 0, space ? space - 1 : 0), value = str_slice(line, space, line.n);
    size_t open = str_find(name, '{');
    return (str_starts(name, STR("gaff_")) || str_starts(name, STR("process_"))) && value.n > 0 &&
           (open == name.n || str_ends(name, STR("}"))) &&
           strspn(value.p, "0123456789.-+e") >= value.n;
}

void test_api_metrics_are_prometheus_text(void)
{
    struct desk d;
    size_t samples = 0;
    desk_open(&d);
    stage_emit(&d.stage, "{\"bad\":true}");
    wait_done(&d, 1, 1);
    get(&d, "/metrics");
    EXPECT_HAS(d.head, "Content-Type: text/plain; version=0.0.4");
    str text = str_from_cstr(d.body);
    EXPECT(str_ends(text, STR("\n")));
    while (text.p && text.n) {
        str line = str_cut(&text, '\n');
        if (str_starts(line, STR("# ")))
            continue;
        if (!is_sample(line))
            FAIL("no sample: " STR_FMT, STR_ARG(line));
        samples++;
    }
    EXPECT(samples > 60);
    EXPECT_HAS(d.body, "\ngaff_attempts_total{destination=\"good\",outcome=\"success\"} 1\n");
    EXPECT_HAS(d.body, "\ngaff_attempts_total{destination=\"bad\",outcome=\"failure\"} 1\n");
    EXPECT_HAS(d.body, "\ngaff_stored_deliveries{state=\"pending\"} 1\n");
    EXPECT_HAS(d.body, "\ngaff_deliveries_total{destination=\"good\",outcome=\"delivered\"} 1\n");
    EXPECT_HAS(d.body, "\ngaff_queue_depth{destination=\"bad\",state=\"scheduled\"} 1\n");
    EXPECT_HAS(d.body, "\ngaff_queue_depth{destination=\"good\",state=\"scheduled\"} 0\n");
    EXPECT_HAS(d.body, "\ngaff_queue_oldest_age_seconds{destination=\"good\"} 0.000\n");
    EXPECT_HAS(d.body, "\ngaff_dead_letters{destination=\"bad\"} 0\n");
    EXPECT_HAS(d.body, "\ngaff_delivery_latency_seconds_count{destination=\"good\"} 1\n");
    EXPECT_HAS(d.body, "\ngaff_delivery_latency_seconds_count{destination=\"bad\"} 0\n");
    EXPECT_HAS(d.body, "\ngaff_delivery_duration_seconds_count{destination=\"bad\"} 1\n");
    EXPECT_HAS(d.body, "\ngaff_retries_total{destination=\"bad\"} 0\n");
    EXPECT_HAS(d.body, "\ngaff_http_connections{listener=\"admin\",state=\"active\"} 1\n");
    EXPECT_HAS(d.body, "\ngaff_outbound_blocked_total{reason=\"loopback\"} 0\n");
    EXPECT_HAS(d.body, "\ngaff_events_accepted_total 1\n");
    EXPECT_HAS(d.body, "\nprocess_open_fds ");
    ask_with(&d, "GET", "/metrics", AUTHORIZED "Accept: application/openmetrics-text;q=0\r\n", "");
    EXPECT_HAS(d.head, "Content-Type: text/plain; version=0.0.4");
    ask_with(&d, "GET", "/metrics",
             AUTHORIZED "Accept: application/openmetrics-text;version=1.0.0, text/plain;q=0.5"
                        "\r\n",
             "");
    EXPECT_HAS(d.head, "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8");
    EXPECT_HAS(d.body, "# TYPE gaff_events_accepted counter\n");
    EXPECT_HAS(d.body, "\ngaff_events_accepted_total 1\n");
    EXPECT(str_ends(str_from_cstr(d.body), STR("\n# EOF\n")));
    desk_close(&d);
}

/* --- the live stream ------------------------------------------------------------------------- */

static void read_until(int fd, char *text, size_t size, const char *until)
{
    size_t n = strlen(text);
    while (!strstr(text, until)) {
        ssize_t got = recv(fd, text + n, size - n - 1, 0);
        if (got <= 0)
            FAIL("the stream ended before \"%s\"; it said \"%s\"", until, text);
        n += (size_t)got;
        text[n] = '\0';
    }
}

static int watch_tail(struct desk *d, char *text, size_t size)
{
    static const char ask[] = "GET /api/v1/tail HTTP/1.1\r\nHost: localhost\r\n" AUTHORIZED "\r\n";
    int fd = dial(d);
    text[0] = '\0';
    send_all(fd, ask, sizeof(ask) - 1);
    read_until(fd, text, size, ": watching\n\n");
    return fd;
}

void test_api_tail_tells_what_happens(void)
{
    struct desk d;
    static char one[65536], two[65536];
    char id[ID_TEXT_MAX];
    static struct stage_reply reply;
    desk_open(&d);
    int first = watch_tail(&d, one, sizeof(one)), second = watch_tail(&d, two, sizeof(two));
    EXPECT_HAS(one, "Content-Type: text/event-stream");
    stage_request(&d.stage, "POST", "/in/open", NULL, STR("{}"), &reply);
    EXPECT_EQ_INT(reply.status, 200);
    read_until(first, one, sizeof(one), "\"kind\":\"attempt\"");
    read_until(second, two, sizeof(two), "\"kind\":\"attempt\"");
    EXPECT_HAS(one, "id: 1\ndata: {\"kind\":\"");
    EXPECT_HAS(one, "\"kind\":\"event\"");
    str event_id = id_format("evt", stage_call(&d.stage, 0).event_id, id);
    EXPECT(str_find_str(str_from_cstr(two), event_id) < strlen(two));
    stage_request(&d.stage, "POST", "/in/git", NULL, STR("{}"), &reply);
    read_until(first, one, sizeof(one), "\"kind\":\"rejected\"");
    EXPECT(live_is_watched(d.stage.core->live));
    close(first);
    close(second);
    STAGE_UNTIL(!live_is_watched(d.stage.core->live));
    desk_close(&d);
}

/* Of an event in the very millisecond in which it began, too: its id is the least that it has. */
void test_api_listen_begins_with_its_own_millisecond(void)
{
    static const char ask[] =
        "GET /api/v1/listen HTTP/1.1\r\nHost: localhost\r\n" AUTHORIZED "\r\n";
    static char text[65536];
    char id[ID_TEXT_MAX];
    struct desk d;
    desk_open(&d);
    stage_advance(&d.stage, 1);
    int fd = dial(&d);
    text[0] = '\0';
    send_all(fd, ask, sizeof(ask) - 1);
    read_until(fd, text, sizeof(text), "event: ready\n");
    str event = id_format("evt", stage_emit(&d.stage, "{}"), id);
    stage_advance(&d.stage, 1000);
    read_until(fd, text, sizeof(text), "\"body\"");
    EXPECT(str_find_str(str_from_cstr(text), event) < strlen(text));
    close(fd);
    desk_close(&d);
}

/* The admin server stops while somebody watches. */
void test_api_tail_ends_with_the_server(void)
{
    struct desk d;
    static char text[65536];
    desk_open(&d);
    int fd = watch_tail(&d, text, sizeof(text));
    desk_close(&d);
    while (recv(fd, text, sizeof(text), 0) > 0)
        continue;
    close(fd);
}

/* Somebody who watches and does not read costs a bounded amount of memory and holds up nobody. */
void test_api_tail_of_who_does_not_read_is_bounded(void)
{
    struct desk d;
    static char text[65536];
    desk_open(&d);
    int fd = watch_tail(&d, text, sizeof(text));
    for (int i = 0; i < 10000; i++)
        stage_emit(&d.stage, "{}");
    STAGE_UNTIL(spy_count(DELIVERY_DELIVERED) == 10000);
    get(&d, "/livez");
    EXPECT_EQ_INT(d.status, 200);
    close(fd);
    STAGE_UNTIL(!live_is_watched(d.stage.core->live));
    desk_close(&d);
}
