/* operational_test.c -- who hears of what happens to endpoints, and what of it. */
#include "engine/operational.h"
#include "stage.h"

#define CONFIG                                                                                     \
    "sources:\n  app: { path: /-app, provider: bearer, secret: a-secret-of-the-test }\n"           \
    "destinations:\n  one: { handler: { index: 0 } }\nroutes:\n  - { from: app, to: [one] }\n"
#define ORG "org_23rb8YdGqMT0qIzpgGwdXfHirMu"
#define OTHER_ORG "org_2rqNjpZDL2e1BRwFsStMRnUjmQL"
#define APP "app_2rqNjpZDL2e1BRwFsStMRnUjmQ1"
#define STRANGER "app_2rqNjpZDL2e1BRwFsStMRnUjmQ2"
#define LISTENERS "app_2rqNjpZDL2e1BRwFsStMRnUjmQ3"
#define SECRETS "\"secrets\":[{\"key\":\"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3\"}]"

static void put(struct stage *s, const char *kind, const char *id, const char *parent,
                const char *name, const char *doc)
{
    const struct object o = {.kind = str_from_cstr(kind),
                             .id = str_from_cstr(id),
                             .parent = str_from_cstr(parent),
                             .name = str_from_cstr(name),
                             .doc = str_from_cstr(doc),
                             .version = 1};
    directory_apply(s->core->directory, &o);
}

static void world_start(struct stage *s)
{
    stage_init(s);
    stage_start(s, CONFIG);
    put(s, APPLICATION_KIND, APP, ORG, "acme", "{\"name\":\"Acme\"}");
    put(s, APPLICATION_KIND, STRANGER, OTHER_ORG, "", "{\"name\":\"Other\"}");
}

static void add_listener(struct stage *s, const char *id, const char *more)
{
    char doc[400];
    put(s, APPLICATION_KIND, LISTENERS, MANAGEMENT_ORG, ORG, "{\"name\":\"operational\"}");
    (void)snprintf(doc, sizeof(doc), "{\"url\":\"http://127.0.0.1:9/\",%s%s}", more, SECRETS);
    put(s, ENDPOINT_KIND, id, LISTENERS, id, doc);
}

/* The deliveries that are planned, -1 when nothing is; the places they took are free again. */
static int plan(struct stage *s, const char *app, const char *type, const char *uid,
                const char *more, char *body, size_t room)
{
    struct arena a;
    struct app_message_plan out;
    struct dispatch_offers offers;
    int count = -1;
    arena_init(&a, 1u << 20);
    if (operational_plan(s->core, str_from_cstr(app), type, STR("ep_1"), str_from_cstr(uid),
                         str_from_cstr(more), &a, &out)) {
        const struct event *e = &out.event.event;
        count = (int)out.event.delivery_count;
        EXPECT_EQ_STR(e->type, str_from_cstr(type));
        EXPECT_STR(e->source, LISTENERS);
        (void)snprintf(body, room, STR_FMT, STR_ARG(e->body));
        dispatch_offers_init(&offers, s->core);
        (void)app_message_settle(s->core, &out, ERR_IO, &offers);
        dispatch_offers_send(&offers);
    }
    arena_release(&a);
    return count;
}

void test_operational_tells_nobody_when_nobody_listens(void)
{
    struct stage s;
    char body[2048];
    world_start(&s);
    EXPECT_EQ_INT(plan(&s, APP, "endpoint.created", "", "", body, sizeof(body)), -1);
    /* An application for listeners without one of them. */
    put(&s, APPLICATION_KIND, LISTENERS, MANAGEMENT_ORG, ORG, "{\"name\":\"operational\"}");
    EXPECT_EQ_INT(plan(&s, APP, "endpoint.created", "", "", body, sizeof(body)), -1);
    EXPECT_EQ_INT(plan(&s, "app_unknown", "endpoint.created", "", "", body, sizeof(body)), -1);
    stage_release(&s);
}

void test_operational_tells_the_organisation_and_no_other(void)
{
    struct stage s;
    char body[2048];
    world_start(&s);
    add_listener(&s, "ep_a", "");
    add_listener(&s, "ep_b", "\"eventTypes\":[\"endpoint.deleted\"],");
    add_listener(&s, "ep_c", "\"disabled\":true,");
    EXPECT_EQ_INT(plan(&s, APP, "endpoint.created", "mine", "", body, sizeof(body)), 1);
    EXPECT_STR(str_from_cstr(body),
               "{\"type\":\"endpoint.created\",\"data\":{\"appId\":\"" APP "\",\"appUid\":\"acme\","
               "\"endpointId\":\"ep_1\",\"endpointUid\":\"mine\"}}");
    EXPECT_EQ_INT(plan(&s, APP, "endpoint.deleted", "", "", body, sizeof(body)), 2);
    EXPECT_EQ_INT(plan(&s, STRANGER, "endpoint.created", "", "", body, sizeof(body)), -1);
    /* What happens to the listeners' own endpoints would never end. */
    EXPECT_EQ_INT(plan(&s, LISTENERS, "endpoint.created", "", "", body, sizeof(body)), -1);
    stage_release(&s);
}

void test_operational_writes_what_is_unset_as_null_and_more_behind_it(void)
{
    struct stage s;
    char body[2048];
    world_start(&s);
    put(&s, APPLICATION_KIND, APP, ORG, "", "{\"name\":\"Acme\"}");
    add_listener(&s, "ep_a", "");
    EXPECT_EQ_INT(
        plan(&s, APP, "endpoint.disabled", "", ",\"trigger\":\"automatic\"", body, sizeof(body)),
        1);
    EXPECT_STR(str_from_cstr(body),
               "{\"type\":\"endpoint.disabled\",\"data\":{\"appId\":\"" APP "\",\"appUid\":null,"
               "\"endpointId\":\"ep_1\",\"endpointUid\":null,\"trigger\":\"automatic\"}}");
    stage_release(&s);
}

void test_operational_types_are_known_by_their_whole_name(void)
{
    for (size_t i = 0; operational_types[i]; i++)
        EXPECT(operational_type_exists(str_from_cstr(operational_types[i])));
    EXPECT(!operational_type_exists(STR("endpoint")));
    EXPECT(!operational_type_exists(STR("endpoint.created.x")));
    EXPECT(!operational_type_exists(STR("")));
}
