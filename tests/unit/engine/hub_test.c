/* hub_test.c -- the hub on a fake clock: what a lease is worth from one millisecond to the next,
 * how often a callback that says nothing is asked, and what a job and a subscription are in the
 * store. */
#include "engine/hub.h"

#include "../http/peer.h"
#include "engine/app_message.h"
#include "engine/endpoint_health.h"
#include "engine/follow.h"
#include "engine/hub_errand.h"
#include "engine/objects.h"
#include "engine/subscription.h"
#include "stage.h"

#define TOPIC "https://blog.example.org/feed"
#define DAY_MS INT64_C(86400000)

struct rig {
    struct stage stage;
    struct peer *peer;
    struct arena arena;
    struct application app;
};

static void configure(const struct peer *peer, char out[1024])
{
    (void)snprintf(out, 1024,
                   "public_url: https://hub.example.org\nsending: { policy: private }\n"
                   "hub: { callbacks: [127.0.0.1], publish: anyone,\n"
                   "  topics: { news: \"" TOPIC
                   "\", feed: \"http://127.0.0.1:%u/feed\" } }\n" STAGE_SOURCE
                   "destinations:\n  one: { handler: { index: 0 } }\n"
                   "routes:\n  - { from: app, to: [one] }\n",
                   peer->port);
}

static void rig_start(struct rig *r, enum peer_mode mode, const char *answer)
{
    char text[1024];
    r->peer = peer_start(mode, answer);
    arena_init(&r->arena, 1u << 24);
    configure(r->peer, text);
    stage_init(&r->stage);
    stage_start(&r->stage, text);
    STAGE_UNTIL(directory_application(r->stage.core->directory, STR(DEFAULT_ORG),
                                      STR(HUB_APPLICATION), &r->arena, &r->app));
}

static void rig_stop(struct rig *r)
{
    arena_release(&r->arena);
    stage_release(&r->stage);
}

static int ask(struct rig *r, const char *form)
{
    static const char *const fields[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
    struct stage_reply reply;
    stage_request(&r->stage, "POST", "/hub", fields, str_from_cstr(form), &reply);
    return reply.status;
}

static size_t jobs(struct rig *r)
{
    struct object_filter f = {.kind = STR(HUB_JOB_KIND), .any_parent = true, .limit = 10};
    struct object_list list = {0};
    struct arena a;
    arena_init(&a, 1u << 20);
    EXPECT(store_objects(r->stage.reader, &f, &a, &list, NULL) == ERR_OK);
    arena_release(&a);
    return list.count;
}

/* Time passes, and the hub's thread looks at it. */
static void pass(struct rig *r, int64_t ms)
{
    stage_clock_advance(&r->stage.clock, ms);
    hub_configure(r->stage.core->hub);
}

static void subscription(struct rig *r, int64_t until_ms, const char *more, struct object *out)
{
    struct reason why = {0};
    struct hub_job j = {.mode = HUB_SUBSCRIBE,
                        .topic = STR(TOPIC),
                        .callback = STR("http://127.0.0.1:9/callback"),
                        .secret = STR("s")};
    struct json_doc *old = more ? json_parse(str_from_cstr(more), &why) : NULL;
    *out = (struct object){
        .kind = STR(ENDPOINT_KIND),
        .id = STR("ep_1"),
        .parent = r->app.id,
        .name = subscription_uid(j.topic, j.callback, &r->arena),
        .doc = subscription_doc(json_root(old), &j, STR("news"), until_ms, &r->arena)};
    json_doc_free(old);
    EXPECT_OK(object_put(r->stage.core, out, OBJECT_ABSENT, &why), why);
    follow_committed(r->stage.core, out);
}

static size_t told(struct rig *r)
{
    struct message_facts m = {.event_type = STR("news"),
                              .now_ms = stage_clock_now(&r->stage.clock)};
    struct planned_endpoint *to;
    size_t count;
    EXPECT(directory_plan(r->stage.core->directory, r->app.id, &m, &r->arena, &to, &count));
    return count;
}

void test_hub_a_subscription_is_told_until_its_lease_ends(void)
{
    struct rig r;
    struct object o;
    rig_start(&r, PEER_ANSWER, PEER_OK);
    int64_t until_ms = stage_clock_now(&r.stage.clock) + DAY_MS;
    subscription(&r, until_ms, NULL, &o);
    EXPECT_EQ_INT(told(&r), 1);
    stage_clock_advance(&r.stage.clock, DAY_MS - 1);
    EXPECT_EQ_INT(told(&r), 1);
    stage_clock_advance(&r.stage.clock, 1);
    EXPECT_EQ_INT(told(&r), 0);
    pass(&r, 0);
    STAGE_UNTIL(directory_count(r.stage.core->directory) == 0);
    EXPECT_EQ_INT(jobs(&r), 0); /* who knew how long it was granted is not told */
    rig_stop(&r);
}

void test_hub_a_subscription_that_fails_for_long_stays_and_one_that_is_gone_does_not(void)
{
    struct rig r;
    struct object o;
    rig_start(&r, PEER_ANSWER, PEER_OK);
    subscription(&r, stage_clock_now(&r.stage.clock) + 30 * DAY_MS, NULL, &o);
    for (int day = 0; day < 20; day++) {
        stage_clock_advance(&r.stage.clock, DAY_MS);
        endpoint_note(r.stage.core, r.stage.reader, o.id, ENDPOINT_EXHAUSTED);
    }
    EXPECT_EQ_INT(told(&r), 1);
    endpoint_note(r.stage.core, r.stage.reader, o.id, ENDPOINT_GONE);
    EXPECT_EQ_INT(told(&r), 0);
    rig_stop(&r);
}

void test_hub_a_callback_that_says_nothing_is_asked_three_times(void)
{
    struct rig r;
    char form[300];
    rig_start(&r, PEER_RESET, "");
    (void)snprintf(form, sizeof(form),
                   "hub.mode=subscribe&hub.topic=https%%3A%%2F%%2Fblog.example.org%%2Ffeed"
                   "&hub.callback=http%%3A%%2F%%2F127.0.0.1%%3A%u%%2Fcallback",
                   r.peer->port);
    EXPECT_EQ_INT(ask(&r, form), 202);
    STAGE_UNTIL(atomic_load(&r.peer->requests) == 1);
    STAGE_UNTIL(jobs(&r) == 1);
    for (int n = 2; n <= 3; n++) {
        int64_t since = stage_clock_now(&r.stage.clock), least = n == 2 ? 10000 : 60000;
        while (atomic_load(&r.peer->requests) < n) {
            pass(&r, 1000);
            stage_pause();
        }
        EXPECT(stage_clock_now(&r.stage.clock) - since >= least);
    }
    STAGE_UNTIL(jobs(&r) == 0);
    EXPECT_EQ_INT(directory_count(r.stage.core->directory), 0);
    rig_stop(&r);
}

static struct rig *confirming; /* by the peer's thread: */
static atomic_bool takes_application;

static void confirm(struct peer *p)
{
    static const char name[] = "hub.challenge=";
    const char *from = memmem(p->last, p->last_len, name, sizeof(name) - 1);
    EXPECT(from);
    from += sizeof(name) - 1;
    size_t n = strcspn(from, "& ");
    peer_set(p, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%.*s", n, (int)n, from);
    if (atomic_exchange(&takes_application, false)) {
        struct reason why = {0};
        struct store_reader *r = store_reader_open(confirming->stage.core->store, &why);
        EXPECT(r);
        EXPECT_OK(object_delete(confirming->stage.core, r, STR(APPLICATION_KIND),
                                confirming->app.id, &why),
                  why);
        store_reader_close(r);
    }
}

static void list_endpoints(struct rig *r, struct object_list *out)
{
    struct object_filter f = {.kind = STR(ENDPOINT_KIND), .any_parent = true, .limit = 10};
    EXPECT(store_objects(r->stage.reader, &f, &r->arena, out, NULL) == ERR_OK);
}

/* By another node, of which this one has not heard yet: the subscription was made for nobody, and
 * stayed where none would find it. */
void test_hub_a_subscription_whose_application_goes_meanwhile_is_made_in_the_next(void)
{
    struct rig r;
    struct object o;
    struct object_list list;
    char form[300];
    rig_start(&r, PEER_ANSWER, PEER_OK);
    confirming = &r;
    atomic_store(&takes_application, true);
    r.peer->on_request = confirm;
    (void)snprintf(form, sizeof(form),
                   "hub.mode=subscribe&hub.topic=https%%3A%%2F%%2Fblog.example.org%%2Ffeed"
                   "&hub.callback=http%%3A%%2F%%2F127.0.0.1%%3A%u%%2Fcallback",
                   r.peer->port);
    EXPECT_EQ_INT(ask(&r, form), 202);
    STAGE_UNTIL(atomic_load(&r.peer->requests) == 1 && !atomic_load(&takes_application));
    EXPECT_EQ_INT(jobs(&r), 1);
    list_endpoints(&r, &list);
    EXPECT_EQ_INT(list.count, 0);
    /* Now it hears of it. */
    o = (struct object){.kind = STR(APPLICATION_KIND),
                        .id = r.app.id,
                        .parent = STR(DEFAULT_ORG),
                        .name = STR(HUB_APPLICATION),
                        .deleted = true};
    directory_apply(r.stage.core->directory, &o);
    while (jobs(&r)) {
        pass(&r, 1000);
        stage_pause();
    }
    list_endpoints(&r, &list);
    EXPECT_EQ_INT(list.count, 1);
    EXPECT(!str_eq(list.v[0].parent, r.app.id));
    EXPECT(store_object(r.stage.reader, STR(APPLICATION_KIND), list.v[0].parent, &r.arena, &o,
                        NULL) == ERR_OK);
    EXPECT_EQ_INT(directory_count(r.stage.core->directory), 1);
    rig_stop(&r);
}

void test_hub_a_topic_without_change_is_distributed_once(void)
{
    struct rig r;
    struct object o;
    char form[200];
    rig_start(&r, PEER_ANSWER, PEER_OK);
    subscription(&r, stage_clock_now(&r.stage.clock) + DAY_MS, "{\"eventTypes\":[\"feed\"]}", &o);
    (void)snprintf(form, sizeof(form),
                   "hub.mode=publish&hub.url=http%%3A%%2F%%2F127.0.0.1%%3A%u%%2Ffeed",
                   r.peer->port);
    for (int n = 1; n <= 2; n++) {
        EXPECT_EQ_INT(ask(&r, form), 202);
        STAGE_UNTIL(atomic_load(&r.peer->requests) == n && jobs(&r) == 0);
    }
    struct event_filter f = {.source = r.app.id, .listed = true, .state = -1, .limit = 10};
    struct event_list list = {0};
    EXPECT(store_events(r.stage.reader, &f, &r.arena, &list, NULL) == ERR_OK);
    EXPECT_EQ_INT(list.count, 1);
    EXPECT_STR(list.v[0].event.type, "feed");
    EXPECT_EQ_INT(list.v[0].body_bytes, 2);
    rig_stop(&r);
}

void test_hub_a_confirmation_keeps_what_was_set_by_hand(void)
{
    struct arena a;
    arena_init(&a, 1u << 20);
    struct hub_job j = {.mode = HUB_SUBSCRIBE, .topic = STR(TOPIC), .callback = STR("http://b/")};
    const struct {
        const char *old;
        bool disabled;
    } rows[] = {
        {"{\"disabled\":true}", true},
        {"{\"disabled\":true,\"disabledReason\":\"it answered 410 Gone\",\"failSince\":5}", false},
        {"{\"failSince\":5}", false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct json_doc *old = json_parse(str_from_cstr(rows[i].old), NULL);
        str text = subscription_doc(json_root(old), &j, STR("news"), 7000, &a);
        struct json_doc *doc = json_parse(text, NULL);
        EXPECT(json_bool(json_get(json_root(doc), STR("disabled"))) == rows[i].disabled);
        EXPECT(json_get(json_root(doc), STR("failSince")) == NULL);
        EXPECT(json_get(json_root(doc), STR("disabledReason")) == NULL);
        EXPECT_STR(json_str(json_path(json_root(doc), STR("subscription.topic"))), TOPIC);
        json_doc_free(doc);
        json_doc_free(old);
    }
    arena_release(&a);
}

void test_hub_a_job_is_read_as_it_was_written(void)
{
    char secret[WEBSUB_SECRET_MAX];
    struct arena a;
    struct hub_job j = {.mode = HUB_SUBSCRIBE,
                        .topic = STR(TOPIC),
                        .callback = STR("http://127.0.0.1/a?b=\"c\""),
                        .secret = {secret, sizeof(secret)},
                        .reason = STR(""),
                        .lease_s = 77,
                        .tries = 2},
                   back;
    arena_init(&a, 1u << 20);
    for (size_t i = 0; i < sizeof(secret); i++)
        secret[i] = (char)(i * 7);
    EXPECT(hub_job_read(hub_job_doc(&j, &a), &a, &back));
    EXPECT(back.mode == j.mode && back.lease_s == 77 && back.tries == 2);
    EXPECT_EQ_STR(back.topic, j.topic);
    EXPECT_EQ_STR(back.callback, j.callback);
    EXPECT_EQ_STR(back.secret, j.secret);
    EXPECT_EQ_STR(hub_job_id(&back, &a), hub_job_id(&j, &a));
    back.mode = HUB_UNSUBSCRIBE; /* takes the other's place */
    EXPECT_EQ_STR(hub_job_id(&back, &a), hub_job_id(&j, &a));
    back.callback = STR("http://127.0.0.1/a");
    EXPECT(!str_eq(hub_job_id(&back, &a), hub_job_id(&j, &a)));
    EXPECT(!hub_job_read(STR("{\"mode\":\"subscribe\"}"), &a, &back));
    EXPECT(!hub_job_read(STR("{\"mode\":\"other\",\"topic\":\"a\"}"), &a, &back));
    EXPECT(!hub_job_read(STR("no JSON"), &a, &back));
    arena_release(&a);
}

/* What was defined at run time is laid over the file before the start: a reload. */
void test_hub_begins_with_the_engine_and_not_with_a_reload_before_it(void)
{
    struct problems problems = {0};
    struct reason why = {0};
    str text = STR("store: \"memory:\"\nfront_loops: 1\npublic_url: https://hub.example.org\n"
                   "hub: { callbacks: [\"*\"], topics: { news: \"" TOPIC "\" } }\n");
    struct config *c = config_load(unit_path("gaff.yaml"), &text, &problems);
    EXPECT(c);
    c->listen_count = 0;
    struct engine_options o = {.config = c};
    struct engine *e = engine_new(&o, &why);
    EXPECT(e);
    struct hub *hub = engine_core(e)->hub;
    EXPECT_OK(engine_reload(e, c, &why), why);
    EXPECT(!atomic_load(&hub->runs));
    engine_start(e);
    EXPECT(atomic_load(&hub->runs));
    engine_free(e);
    config_unref(c);
    problems_release(&problems);
}
