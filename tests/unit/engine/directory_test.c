/* directory_test.c -- applications and endpoints in memory: found by id and by uid, in the order of
 * their ids, told of each change, and the same after everything is read anew. */
#include "engine/directory.h"

#include "engine/follow.h"
#include "engine/objects.h"
#include "stage.h"

#define ORG "org_of_the_test"
#define URL "\"url\":\"https://example.com/\""
#define MANY 1203 /* more than two pages of a reading */

static void put(struct stage *s, const char *kind, const char *parent, const char *id,
                const char *uid, const char *doc)
{
    struct reason why = {0};
    struct object o = {.kind = str_from_cstr(kind),
                       .id = str_from_cstr(id),
                       .parent = str_from_cstr(parent),
                       .name = str_from_cstr(uid),
                       .doc = str_from_cstr(doc)};
    EXPECT_OK(object_put(s->core, &o, OBJECT_ANY, &why), why);
    follow_committed(s->core, &o);
}

static void drop(struct stage *s, const char *kind, const char *id)
{
    struct reason why = {0};
    struct object o = {.kind = str_from_cstr(kind), .id = str_from_cstr(id), .deleted = true};
    EXPECT_OK(object_delete(s->core, s->reader, o.kind, o.id, &why), why);
    follow_committed(s->core, &o);
}

static void up(struct stage *s, struct arena *a)
{
    arena_init(a, 1u << 26);
    stage_init(s);
    stage_start(s, STAGE_SOURCE "destinations:\n  one: { handler: { index: 0 } }\n"
                                "routes:\n  - { from: app, to: [one] }\n");
}

static void down(struct stage *s, struct arena *a)
{
    stage_release(s);
    arena_release(a);
}

/* The id of what goes by that name, or "". */
static str app_id(struct stage *s, const char *org, const char *name, struct arena *a)
{
    struct application app;
    return directory_application(s->core->directory, str_from_cstr(org), str_from_cstr(name), a,
                                 &app)
               ? app.id
               : STR("");
}

static bool has_endpoint(struct stage *s, const char *app, const char *name, const char *id)
{
    struct endpoint *e =
        directory_find_endpoint(s->core->directory, str_from_cstr(app), str_from_cstr(name));
    bool found = e && str_eq(e->id, str_from_cstr(id));
    endpoint_unref(e);
    return found;
}

void test_directory_finds_applications_within_their_organisation(void)
{
    struct stage s;
    struct arena a;
    struct application app;
    up(&s, &a);
    put(&s, APPLICATION_KIND, ORG, "app_1", "acme", "{\"name\":\"Acme\"}");
    put(&s, APPLICATION_KIND, "org_other", "app_2", "acme", "{}");
    put(&s, APPLICATION_KIND, ORG, "app_3", "", "{}");
    EXPECT_STR(app_id(&s, ORG, "acme", &a), "app_1");
    EXPECT_STR(app_id(&s, "org_other", "acme", &a), "app_2");
    EXPECT_STR(app_id(&s, ORG, "app_1", &a), "app_1");
    EXPECT_STR(app_id(&s, ORG, "app_2", &a), ""); /* by its id neither */
    EXPECT_STR(app_id(&s, ORG, "", &a), "");      /* no uid is no name */
    EXPECT_STR(app_id(&s, "", "acme", &a), "");
    EXPECT(directory_application_by_id(s.core->directory, STR("app_1"), &a, &app));
    EXPECT_STR(app.name, "Acme");
    EXPECT_STR(app.uid, "acme");
    EXPECT_EQ_UINT(app.endpoints, 0);
    down(&s, &a);
}

void test_directory_a_uid_that_was_left_is_free_and_one_that_was_taken_is_found(void)
{
    struct stage s;
    struct arena a;
    up(&s, &a);
    put(&s, APPLICATION_KIND, ORG, "app_1", "old", "{}");
    put(&s, APPLICATION_KIND, ORG, "app_1", "new", "{}");
    EXPECT_STR(app_id(&s, ORG, "old", &a), "");
    EXPECT_STR(app_id(&s, ORG, "new", &a), "app_1");
    put(&s, APPLICATION_KIND, ORG, "app_2", "old", "{}");
    EXPECT_STR(app_id(&s, ORG, "old", &a), "app_2");
    drop(&s, APPLICATION_KIND, "app_2");
    EXPECT_STR(app_id(&s, ORG, "old", &a), "");
    EXPECT_STR(app_id(&s, ORG, "app_2", &a), "");
    EXPECT_STR(app_id(&s, ORG, "new", &a), "app_1");
    drop(&s, APPLICATION_KIND, "app_1");
    EXPECT(directory_allowance(s.core->directory, STR("app_1")) == NULL);
    down(&s, &a);
}

void test_directory_endpoints_belong_to_their_application(void)
{
    struct stage s;
    struct arena a;
    up(&s, &a);
    put(&s, APPLICATION_KIND, ORG, "app_1", "", "{}");
    put(&s, APPLICATION_KIND, ORG, "app_2", "", "{}");
    put(&s, ENDPOINT_KIND, "app_1", "ep_1", "mine", "{" URL "}");
    put(&s, ENDPOINT_KIND, "app_2", "ep_2", "mine", "{" URL "}");
    EXPECT(has_endpoint(&s, "app_1", "ep_1", "ep_1") && has_endpoint(&s, "app_1", "mine", "ep_1"));
    EXPECT(has_endpoint(&s, "app_2", "mine", "ep_2"));
    EXPECT(directory_find_endpoint(s.core->directory, STR("app_1"), STR("ep_2")) == NULL);
    EXPECT(directory_find_endpoint(s.core->directory, STR("app_1"), STR("")) == NULL);
    EXPECT(directory_find_endpoint(s.core->directory, STR("app_9"), STR("ep_1")) == NULL);
    EXPECT_EQ_UINT(directory_count(s.core->directory), 2);
    /* What is held outlives its end. */
    struct endpoint *e = directory_endpoint(s.core->directory, STR("ep_1"));
    EXPECT(e && e->gate && e->allowance);
    drop(&s, APPLICATION_KIND, "app_1"); /* and its endpoints with it */
    EXPECT(directory_endpoint(s.core->directory, STR("ep_1")) == NULL);
    EXPECT_EQ_UINT(directory_count(s.core->directory), 1);
    EXPECT_STR(e->webhook.url, "https://example.com/");
    endpoint_unref(e);
    /* One of an application that is no more is passed over, as is one that can't be read. */
    put(&s, ENDPOINT_KIND, "app_1", "ep_1", "", "{" URL "}");
    put(&s, ENDPOINT_KIND, "app_2", "ep_2", "", "{\"url\":\"\"}");
    EXPECT_EQ_UINT(directory_count(s.core->directory), 0);
    down(&s, &a);
}

void test_directory_plans_for_those_that_want_it_in_the_order_of_their_ids(void)
{
    static const struct {
        const char *id, *members;
    } all[] = {{"ep_d", ""},
               {"ep_b", ",\"eventTypes\":[\"a\"]"},
               {"ep_c", ",\"disabled\":true"},
               {"ep_a", ",\"eventTypes\":[\"b\"]"},
               {"ep_e", ",\"channels\":[\"x\"]"}};
    struct stage s;
    struct arena a;
    struct planned_endpoint *to;
    size_t count;
    up(&s, &a);
    put(&s, APPLICATION_KIND, ORG, "app_1", "", "{}");
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        char doc[200];
        snprintf(doc, sizeof(doc), "{" URL "%s}", all[i].members);
        put(&s, ENDPOINT_KIND, "app_1", all[i].id, "", doc);
    }
    const struct message_facts m = {.event_type = STR("a"), .now_ms = 1};
    EXPECT(directory_plan(s.core->directory, STR("app_1"), &m, &a, &to, &count));
    EXPECT_EQ_UINT(count, 2);
    EXPECT_CSTR(to[0].gate->name, "ep_b");
    EXPECT_CSTR(to[1].gate->name, "ep_d");
    /* A change takes the place of what was. */
    put(&s, ENDPOINT_KIND, "app_1", "ep_b", "", "{" URL ",\"disabled\":true}");
    put(&s, ENDPOINT_KIND, "app_1", "ep_c", "", "{" URL "}");
    drop(&s, ENDPOINT_KIND, "ep_d");
    EXPECT(directory_plan(s.core->directory, STR("app_1"), &m, &a, &to, &count));
    EXPECT_EQ_UINT(count, 1);
    EXPECT_CSTR(to[0].gate->name, "ep_c");
    EXPECT(directory_plan(s.core->directory, STR("app_9"), &m, &a, &to, &count));
    EXPECT_EQ_UINT(count, 0);
    /* Without memory nothing is planned, rather than for a part of them. */
    struct arena tiny;
    struct endpoint **held;
    arena_init(&tiny, 16);
    EXPECT(!directory_plan(s.core->directory, STR("app_1"), &m, &tiny, &to, &count));
    EXPECT_EQ_UINT(count, 0);
    EXPECT(!directory_endpoints(s.core->directory, STR("app_1"), &tiny, &held, &count));
    EXPECT_EQ_UINT(count, 0);
    struct application app;
    EXPECT(!directory_application_by_id(s.core->directory, STR("app_1"), &tiny, &app));
    arena_release(&tiny);
    down(&s, &a);
}

void test_directory_knows_the_types_that_are_checked(void)
{
    struct stage s;
    struct arena a;
    up(&s, &a);
    put(&s, EVENT_TYPE_KIND, ORG, ORG "/checked", "",
        "{\"validate\":true,\"schemas\":{\"1\":{\"type\":\"object\"}}}");
    put(&s, EVENT_TYPE_KIND, ORG, ORG "/free", "", "{}");
    struct event_type *t = directory_event_type(s.core->directory, STR(ORG), STR("checked"));
    EXPECT(t != NULL);
    event_type_unref(t);
    EXPECT(directory_event_type(s.core->directory, STR(ORG), STR("free")) == NULL);
    EXPECT(directory_event_type(s.core->directory, STR("org_other"), STR("checked")) == NULL);
    put(&s, EVENT_TYPE_KIND, ORG, ORG "/checked", "", "{}");
    EXPECT(directory_event_type(s.core->directory, STR(ORG), STR("checked")) == NULL);
    down(&s, &a);
}

/* Over several pages, and what was counted for an application goes on. */
void test_directory_is_the_same_after_everything_is_read_anew(void)
{
    struct stage s;
    struct arena a;
    struct reason why = {0};
    struct endpoint **held;
    size_t count;
    up(&s, &a);
    put(&s, APPLICATION_KIND, ORG, "app_1", "acme", "{}");
    for (int i = 0; i < MANY; i++) {
        char id[32];
        snprintf(id, sizeof(id), "ep_%05d", i * 7919 % MANY);
        put(&s, ENDPOINT_KIND, "app_1", id, id + 3, "{" URL "}");
    }
    struct allowance *before = directory_allowance(s.core->directory, STR("app_1"));
    struct endpoint *was = directory_endpoint(s.core->directory, STR("ep_00007"));
    for (int round = 0; round < 2; round++) {
        EXPECT(directory_endpoints(s.core->directory, STR("app_1"), &a, &held, &count));
        EXPECT_EQ_UINT(count, MANY);
        for (size_t i = 0; i < count; i++) {
            char id[32];
            snprintf(id, sizeof(id), "ep_%05zu", i);
            EXPECT(str_eq(held[i]->id, str_from_cstr(id)));
            endpoint_unref(held[i]);
        }
        EXPECT(has_endpoint(&s, "app_1", "00007", "ep_00007"));
        EXPECT_STR(app_id(&s, ORG, "acme", &a), "app_1");
        EXPECT_OK(directory_load(s.core->directory, &why), why);
    }
    struct allowance *after = directory_allowance(s.core->directory, STR("app_1"));
    struct endpoint *is = directory_endpoint(s.core->directory, STR("ep_00007"));
    EXPECT(after == before && is != was && is->gate == was->gate);
    allowance_unref(before);
    allowance_unref(after);
    endpoint_unref(was);
    endpoint_unref(is);
    down(&s, &a);
}
