/* subscriber_test.c -- what a program names in its code against what the store had before. */
#include "engine/subscriber.h"
#include "stage.h"

#define SECRET "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
#define OTHER "whsec_YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjAx"
#define CONFIG                                                                                     \
    "sources:\n  app: { path: /-app, provider: bearer, secret: a-secret-of-the-test }\n"           \
    "destinations:\n  one: { handler: { index: 0 } }\nroutes:\n  - { from: app, to: [one] }\n"

static struct subscriber to(const char *events, const char *url, const char *secret)
{
    return (struct subscriber){str_from_cstr(events), str_from_cstr(url), str_from_cstr(secret)};
}

struct found {
    struct arena arena;
    struct object_list list;
    char application[OBJECT_ID_MAX];
};

/* Sets them, and reads back what is stored. */
static void set(struct stage *s, const struct subscriber *v, size_t count, struct found *f)
{
    struct reason why = {0};
    arena_init(&f->arena, 1u << 22);
    EXPECT_OK(subscribers_set(s->core, v, count, f->application, &why), why);
    struct object_filter all = {
        .kind = STR(ENDPOINT_KIND), .parent = str_from_cstr(f->application), .limit = 10};
    EXPECT_OK(store_objects(s->reader, &all, &f->arena, &f->list, &why), why);
    EXPECT_EQ_INT(directory_count(s->core->directory), f->list.count);
}

void test_subscriber_is_kept_while_it_is_named(void)
{
    struct stage s;
    struct found f;
    stage_init(&s);
    stage_start(&s, CONFIG);
    set(&s, NULL, 0, &f);
    EXPECT_STR(str_from_cstr(f.application), "");
    arena_release(&f.arena);

    struct subscriber v[] = {to("user.*", "http://127.0.0.1:9/a", SECRET),
                             to("*", "http://127.0.0.1:9/b", SECRET)};
    char first[OBJECT_ID_MAX];
    set(&s, v, 2, &f);
    EXPECT_EQ_INT(f.list.count, 2);
    snprintf(first, sizeof(first), STR_FMT, STR_ARG(f.list.v[0].id));
    arena_release(&f.arena);

    set(&s, v, 2, &f); /* another start: nothing is written */
    EXPECT_EQ_INT(f.list.v[0].version, 1);
    arena_release(&f.arena);

    v[0].secret = STR(OTHER);
    set(&s, v, 1, &f);
    EXPECT_EQ_INT(f.list.count, 1);
    EXPECT_EQ_STR(f.list.v[0].id, str_from_cstr(first));
    EXPECT_EQ_INT(f.list.v[0].version, 2);
    arena_release(&f.arena);

    set(&s, NULL, 0, &f);
    EXPECT_EQ_INT(f.list.count, 0);
    arena_release(&f.arena);
    stage_release(&s);
}

void test_subscriber_must_have_a_secret_and_a_url(void)
{
    struct stage s;
    struct reason why = {0};
    char application[OBJECT_ID_MAX];
    stage_init(&s);
    stage_start(&s, CONFIG);
    struct subscriber bad = to("*", "http://127.0.0.1:9/", "plain words");
    EXPECT_EQ_INT(subscribers_set(s.core, &bad, 1, application, &why), ERR_INVALID);
    EXPECT(str_find_str(str_from_cstr(why.text), STR("plain")) == strlen(why.text));
    EXPECT_STR(str_from_cstr(application), "");
    stage_release(&s);
}

/* An event of the program goes to the routes from `app` and to the endpoints that want it, as one.
 */
void test_subscriber_and_route_are_told_by_one_event(void)
{
    struct stage s;
    struct found f;
    struct reason why = {0};
    uint64_t id;
    stage_init(&s);
    stage_start(&s, CONFIG);
    const struct subscriber v[] = {to("user.*", "http://127.0.0.1:9/a", SECRET),
                                   to("order.*", "http://127.0.0.1:9/b", SECRET)};
    set(&s, v, 2, &f);
    EXPECT_OK(engine_emit(s.engine, str_from_cstr(f.application), STR("user.created"),
                          STR("{\"n\":1}"), &id, &why),
              why);
    STAGE_UNTIL(s.call_count == 1);
    struct delivery_list list = {0};
    struct delivery_filter of = {.event_id = id, .state = -1, .limit = 10};
    EXPECT_OK(store_deliveries(s.reader, &of, &f.arena, &list, &why), why);
    EXPECT_EQ_INT(list.count, 2);
    arena_release(&f.arena);
    stage_release(&s);
}
