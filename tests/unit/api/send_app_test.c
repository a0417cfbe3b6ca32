/* send_app_test.c -- deleting an application while somebody makes an endpoint of it. */
#include "desk.h"

#include "engine/endpoint.h"

#define CONFIG                                                                                     \
    STAGE_SOURCE "admin: { listen: \"127.0.0.1:0\" }\n"                                            \
                 "destinations:\n  one: { handler: { index: 0 } }\n"                               \
                 "routes:\n  - { from: app, to: [one] }\n"

static void *delete_application(void *arg)
{
    ask_with(arg, "DELETE", "/api/v1/app/a", AUTHORIZED, "");
    return NULL;
}

/* An endpoint with a change of its application, as the hub makes them. */
static void make_endpoint_elsewhere(struct desk *d, const struct object *app)
{
    struct reason why = {0};
    struct object_change changes[] = {{.op = OBJECT_PUT, .object = *app, .expect = app->version},
                                      {.op = OBJECT_PUT,
                                       .object = {.kind = STR(ENDPOINT_KIND),
                                                  .id = STR("ep_elsewhere"),
                                                  .parent = app->id,
                                                  .name = STR(""),
                                                  .doc = STR("{\"url\":\"http://127.0.0.1:9/\"}")},
                                       .expect = OBJECT_ABSENT}};
    struct object_set set = {.changes = changes, .count = ARRAY_LEN(changes)};
    EXPECT_OK(spy_commit_elsewhere(d->stage.core->store, &set, &why), why);
}

static size_t objects(struct desk *d, const char *kind)
{
    struct object_filter f = {.kind = str_from_cstr(kind), .any_parent = true, .limit = 10};
    struct object_list list = {0};
    struct arena a;
    arena_init(&a, 1u << 20);
    EXPECT(store_objects(d->stage.reader, &f, &a, &list, NULL) == ERR_OK);
    arena_release(&a);
    return list.count;
}

/* What came after its endpoints were looked through stayed when the application had gone. */
void test_send_app_takes_along_an_endpoint_that_comes_meanwhile(void)
{
    struct desk d;
    struct object app;
    struct arena a;
    pthread_t thread;
    desk_open_with(&d, CONFIG);
    arena_init(&a, 1u << 20);
    post(&d, "/api/v1/app", "{\"name\":\"A\",\"uid\":\"a\"}");
    EXPECT_EQ_INT(d.status, 201);
    str id = arena_str(&a, at(json_root(d.doc), "id"));
    post(&d, "/api/v1/app/a/endpoint", "{\"url\":\"https://example.com/\"}");
    EXPECT_EQ_INT(d.status, 201);
    EXPECT_EQ_UINT(objects(&d, ENDPOINT_KIND), 1);
    EXPECT(store_object(d.stage.reader, STR(APPLICATION_KIND), id, &a, &app, NULL) == ERR_OK);
    /* Held where it deletes the one endpoint that it saw. */
    int before = spy_commits_entered();
    spy_hold_commits(true);
    EXPECT(pthread_create(&thread, NULL, delete_application, &d) == 0);
    STAGE_UNTIL(spy_commits_entered() > before);
    make_endpoint_elsewhere(&d, &app);
    spy_hold_commits(false);
    pthread_join(thread, NULL);
    EXPECT_EQ_INT(d.status, 204);
    EXPECT_EQ_UINT(objects(&d, APPLICATION_KIND), 0);
    EXPECT_EQ_UINT(objects(&d, ENDPOINT_KIND), 0);
    arena_release(&a);
    desk_close(&d);
}
