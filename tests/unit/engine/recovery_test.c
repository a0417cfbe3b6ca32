/* recovery_test.c -- durable jobs on a whole engine: what each moves, counts and leaves alone, in
 * steps; what a cancellation, a restart and a failing commit leave of one. */
#include "engine/recovery.h"

#include "engine/app_message.h"
#include "engine/directory.h"
#include "engine/follow.h"
#include "engine/objects.h"
#include "engine/pause.h"
#include "stage.h"

#define ORG "org_of_the_test"
#define APP "app_1"
#define EP "ep_1"
#define CONFIG                                                                                     \
    STAGE_SOURCE "destinations:\n  one: { handler: { index: 0 } }\n"                               \
                 "routes:\n  - { from: app, to: [one] }\n"
#define STEPS 600 /* more rows than two steps handle */

struct post {
    struct stage stage;
    struct arena a;
    const char *id; /* of the job */
    str status, reason;
    int64_t moved;
};

static void put(struct post *p, const char *kind, const char *parent, const char *id,
                const char *doc)
{
    struct reason why = {0};
    struct object o = {.kind = str_from_cstr(kind),
                       .id = str_from_cstr(id),
                       .parent = str_from_cstr(parent),
                       .doc = str_from_cstr(doc)};
    EXPECT_OK(object_put(p->stage.core, &o, OBJECT_ANY, &why), why);
    follow_committed(p->stage.core, &o);
}

static void up(struct post *p)
{
    memset(p, 0, sizeof(*p));
    arena_init(&p->a, 1u << 28);
    stage_init(&p->stage);
    stage_start(&p->stage, "store: sqlite:store\n" CONFIG);
    put(p, APPLICATION_KIND, ORG, APP, "{}");
    put(p, ENDPOINT_KIND, APP, EP, "{\"url\":\"http://127.0.0.1:9/\"}");
    pause_follow(p->stage.core, STR(EP), true); /* what is planned for it waits */
}

static void down(struct post *p)
{
    stage_release(&p->stage);
    arena_release(&p->a);
}

/* A message of the application, with a delivery to `to` in that state (NULL: with none). */
static uint64_t message(struct post *p, const char *type, const char *to, enum delivery_state state)
{
    struct stage *s = &p->stage;
    struct reason why = {0};
    struct commit_ticket *t = xcalloc(1, sizeof(*t));
    struct new_delivery d = {.id = id_next(&s->core->ids),
                             .destination = str_from_cstr(to ? to : ""),
                             .route = STR("endpoint"),
                             .claimed = state != DELIVERY_PENDING,
                             .listed = true,
                             .next_ms = INT64_MAX};
    struct new_event e = {.event = {.id = id_next(&s->core->ids),
                                    .received_ms = stage_clock_now(&s->clock),
                                    .source = STR(APP),
                                    .type = str_from_cstr(type),
                                    .method = STR("POST"),
                                    .target = STR("/"),
                                    .head = STR(""),
                                    .body = STR("{\"n\":1}"),
                                    .flags = EVENT_LISTED},
                          .deliveries = &d,
                          .delivery_count = to != NULL};
    commit_ticket_init(t, NULL, NULL);
    commit_ticket_add_event(t, &e);
    EXPECT_OK(committer_commit(s->core->committer, t, &why), why);
    free(t);
    if (to && state != DELIVERY_PENDING) {
        struct settlement end = {.delivery_id = d.id,
                                 .event_id = e.event.id,
                                 .state = state,
                                 .settled_ms = stage_clock_now(&s->clock),
                                 .attempts = 1};
        struct batch b = {.settlements = &end, .settlement_count = 1};
        EXPECT_OK(store_commit(s->core->store, &b, &why), why);
    }
    return e.event.id;
}

static size_t count(struct post *p, const char *destination, int state)
{
    struct delivery_filter f = {
        .destination = str_from_cstr(destination), .listed = true, .state = state, .limit = 1000};
    struct delivery_list list = {0};
    struct reason why = {0};
    size_t n = 0;
    do {
        EXPECT_OK(store_deliveries(p->stage.reader, &f, &p->a, &list, &why), why);
        n += list.count;
        f.before = list.next;
    } while (f.before);
    return n;
}

static void begin(struct post *p, const char *id, const char *task, const char *members)
{
    char doc[600];
    snprintf(doc, sizeof(doc),
             "{\"task\":\"%s\",\"status\":\"running\",\"endpoint\":\"" EP "\",\"since\":0,"
             "\"until\":%lld,\"cursor\":0,\"moved\":0%s}",
             task, (long long)stage_clock_now(&p->stage.clock) + 1, members);
    p->id = id;
    put(p, TASK_KIND, APP, id, doc);
    recovery_wake(p->stage.core->recovery);
}

static bool look(struct post *p)
{
    struct object o;
    struct reason why = {0};
    EXPECT_OK(store_object(p->stage.reader, STR(TASK_KIND), str_from_cstr(p->id), &p->a, &o, &why),
              why);
    struct json_doc *doc = json_parse(o.doc, &why);
    const struct json *root = json_root(doc);
    p->status = arena_str(&p->a, json_str(json_get(root, STR("status"))));
    p->reason = arena_str(&p->a, json_str(json_get(root, STR("reason"))));
    p->moved = -1;
    (void)json_i64(json_get(root, STR("moved")), &p->moved);
    json_doc_free(doc);
    return !str_eq(p->status, STR("running"));
}

static void ended(struct post *p, const char *status, int64_t moved)
{
    STAGE_UNTIL(look(p));
    if (!str_eq(p->status, str_from_cstr(status)))
        FAIL("it is " STR_FMT ": " STR_FMT, STR_ARG(p->status), STR_ARG(p->reason));
    EXPECT_EQ_INT(p->moved, moved);
}

void test_recovery_brings_back_the_dead_of_its_endpoint_alone(void)
{
    struct post p;
    up(&p);
    for (int i = 0; i < STEPS; i++)
        message(&p, "t", EP, DELIVERY_DEAD);
    message(&p, "t", "ep_other", DELIVERY_DEAD);
    message(&p, "t", EP, DELIVERY_DELIVERED);
    message(&p, "t", EP, DELIVERY_CANCELLED);
    begin(&p, "task_1", "endpoint.recover", "");
    ended(&p, "finished", STEPS);
    EXPECT_EQ_UINT(count(&p, EP, DELIVERY_DEAD), 0);
    EXPECT_EQ_UINT(count(&p, EP, DELIVERY_PENDING), STEPS);
    EXPECT_EQ_UINT(count(&p, EP, DELIVERY_DELIVERED), 1);
    EXPECT_EQ_UINT(count(&p, EP, DELIVERY_CANCELLED), 1);
    EXPECT_EQ_UINT(count(&p, "ep_other", DELIVERY_DEAD), 1);
    /* Once more finds nothing. */
    begin(&p, "task_2", "endpoint.recover", "");
    ended(&p, "finished", 0);
    down(&p);
}

void test_recovery_replays_what_the_endpoint_was_never_told(void)
{
    struct post p;
    up(&p);
    put(&p, ENDPOINT_KIND, APP, EP, "{\"url\":\"http://127.0.0.1:9/\",\"eventTypes\":[\"t\"]}");
    message(&p, "t", EP, DELIVERY_DELIVERED);
    message(&p, "t", EP, DELIVERY_DEAD);
    message(&p, "t", "ep_other", DELIVERY_DELIVERED);
    message(&p, "t", NULL, DELIVERY_PENDING);
    message(&p, "u", NULL, DELIVERY_PENDING); /* not for it */
    begin(&p, "task_1", "endpoint.replay", "");
    ended(&p, "finished", 2);
    EXPECT_EQ_UINT(count(&p, EP, -1), 4);
    begin(&p, "task_2", "endpoint.replay", "");
    ended(&p, "finished", 0);
    down(&p);
}

void test_recovery_in_bulk_is_of_those_that_fit(void)
{
    struct post p;
    up(&p);
    for (int i = 0; i < 3; i++)
        message(&p, "t", "ep_other", DELIVERY_DELIVERED);
    message(&p, "u", "ep_other", DELIVERY_DELIVERED);
    begin(&p, "task_1", "endpoint.bulk-replay", ",\"eventTypes\":[\"t\"]");
    ended(&p, "finished", 3);
    begin(&p, "task_2", "endpoint.bulk-replay", ",\"eventTypes\":[\"t\"]");
    ended(&p, "finished", 3); /* anew, each time */
    begin(&p, "task_3", "endpoint.bulk-replay", ",\"tag\":\"none\"");
    ended(&p, "finished", 0);
    EXPECT_EQ_UINT(count(&p, EP, -1), 6);
    down(&p);
}

void test_recovery_of_an_endpoint_that_is_gone_fails_and_says_so(void)
{
    struct post p;
    struct reason why = {0};
    up(&p);
    message(&p, "t", "ep_other", DELIVERY_DELIVERED);
    EXPECT_OK(object_delete(p.stage.core, p.stage.reader, STR(ENDPOINT_KIND), STR(EP), &why), why);
    follow_committed(p.stage.core,
                     &(struct object){.kind = STR(ENDPOINT_KIND), .id = STR(EP), .deleted = true});
    begin(&p, "task_1", "endpoint.bulk-replay", "");
    ended(&p, "failed", 0);
    EXPECT_STR(p.reason, "the endpoint is gone");
    down(&p);
}

void test_recovery_takes_payloads_out_once(void)
{
    struct post p;
    struct event e;
    struct reason why = {0};
    up(&p);
    uint64_t id = message(&p, "t", NULL, DELIVERY_PENDING);
    message(&p, "t", NULL, DELIVERY_PENDING);
    begin(&p, "task_1", "application.purge_content", "");
    ended(&p, "finished", 2);
    EXPECT_OK(store_load(p.stage.reader, id, 0, &p.a, &e, &why), why);
    EXPECT_EQ_UINT(e.body.n, 0);
    begin(&p, "task_2", "application.purge_content", "");
    ended(&p, "finished", 0);
    down(&p);
}

/* A job that ended, in whichever way, is never taken up again. */
void test_recovery_leaves_alone_what_has_ended(void)
{
    struct post p;
    up(&p);
    message(&p, "t", EP, DELIVERY_DEAD);
    put(&p, TASK_KIND, APP, "task_1",
        "{\"task\":\"endpoint.recover\",\"status\":\"failed\",\"reason\":\"cancelled\","
        "\"endpoint\":\"" EP "\",\"since\":0,\"until\":9000000000000,\"cursor\":0,\"moved\":0}");
    put(&p, TASK_KIND, APP, "task_2", "no document at all");
    message(&p, "t", "ep_other", DELIVERY_DEAD);
    /* Behind both, in the order in which they are looked at. */
    begin(&p, "task_3", "endpoint.bulk-replay", ",\"eventTypes\":[\"none\"]");
    ended(&p, "finished", 0);
    EXPECT_EQ_UINT(count(&p, EP, DELIVERY_DEAD), 1);
    p.id = "task_1";
    EXPECT(look(&p));
    EXPECT_STR(p.status, "failed");
    EXPECT_STR(p.reason, "cancelled");
    down(&p);
}

/* From where it noted that it was: what lies before is not done again. */
void test_recovery_goes_on_where_it_was_at_the_next_start(void)
{
    struct post p;
    char members[64];
    up(&p);
    for (int i = 0; i < 3; i++)
        message(&p, "t", EP, DELIVERY_DEAD);
    struct delivery_filter f = {.destination = STR(EP),
                                .listed = true,
                                .state = DELIVERY_DEAD,
                                .ascending = true,
                                .limit = 9};
    struct delivery_list list = {0};
    struct reason why = {0};
    EXPECT_OK(store_deliveries(p.stage.reader, &f, &p.a, &list, &why), why);
    EXPECT_EQ_UINT(list.count, 3);
    /* As a process leaves it that is killed after its first step. */
    snprintf(members, sizeof(members), "%llu", (unsigned long long)list.v[0].id);
    char doc[400];
    snprintf(doc, sizeof(doc),
             "{\"task\":\"endpoint.recover\",\"status\":\"running\",\"endpoint\":\"" EP
             "\",\"since\":0,\"until\":9000000000000,\"cursor\":%s,\"moved\":40}",
             members);
    struct object o = {
        .kind = STR(TASK_KIND), .id = STR("task_1"), .parent = STR(APP), .doc = str_from_cstr(doc)};
    EXPECT_OK(object_put(p.stage.core, &o, OBJECT_ABSENT, &why), why); /* and nobody hears of it */
    stage_stop(&p.stage);
    stage_start(&p.stage, "store: sqlite:store\n" CONFIG);
    p.id = "task_1";
    ended(&p, "finished", 42);
    /* The others are tried again by now, whatever comes of it. */
    f.id = list.v[0].id;
    EXPECT_OK(store_deliveries(p.stage.reader, &f, &p.a, &list, &why), why);
    EXPECT_EQ_UINT(list.count, 1);
    down(&p);
}
