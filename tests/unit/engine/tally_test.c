/* tally_test.c -- counting in steps: what one step leaves in the document the next goes on from,
 * and what is no more is passed over. */
#include "engine/tally.h"

#include "engine/app_message.h"
#include "engine/follow.h"
#include "engine/objects.h"
#include "stage.h"

#define ORG "org_of_the_test"
#define MANY 4100 /* more than the pages of one step */

static void make(struct stage *s, const char *kind, const char *parent, const char *id,
                 const char *doc)
{
    struct reason why = {0};
    struct object o = {.kind = str_from_cstr(kind),
                       .id = str_from_cstr(id),
                       .parent = str_from_cstr(parent),
                       .doc = str_from_cstr(doc)};
    EXPECT_OK(object_put(s->core, &o, OBJECT_ABSENT, &why), why);
    follow_committed(s->core, &o);
}

/* Messages with deliveries to a destination that is no more: they are counted, and never tried. */
static void send(struct stage *s, const char *application, int count, size_t destinations)
{
    struct reason why = {0};
    for (int i = 0; i < count; i++) {
        struct new_delivery d[2] = {0};
        struct commit_ticket *t = xcalloc(1, sizeof(*t));
        struct new_event e = {.event = {.id = id_next(&s->core->ids),
                                        .received_ms = stage_clock_now(&s->clock),
                                        .source = str_from_cstr(application),
                                        .type = STR("a"),
                                        .method = STR("POST"),
                                        .target = STR("/"),
                                        .head = STR(""),
                                        .body = STR("{}"),
                                        .flags = EVENT_LISTED},
                              .deliveries = d,
                              .delivery_count = destinations};
        for (size_t n = 0; n < destinations; n++)
            d[n] = (struct new_delivery){.id = id_next(&s->core->ids),
                                         .destination = STR("gone"),
                                         .route = STR("endpoint"),
                                         .listed = true,
                                         .next_ms = INT64_MAX};
        commit_ticket_init(t, NULL, NULL);
        commit_ticket_add_event(t, &e);
        EXPECT_OK(committer_commit(s->core->committer, t, &why), why);
        free(t);
    }
}

/* Step by step, through the document each time; how many steps there were. */
static int run(struct stage *s, const char *task, const char *members, struct arena *a, str *rows)
{
    struct reason why = {0};
    str text = arena_printf(a, "{\"task\":\"%s\"%s}", task, members);
    bool done = false;
    int steps = 0;
    while (!done) {
        struct tally t;
        struct buf b;
        struct json_writer w;
        struct json_doc *doc = json_parse(text, &why);
        EXPECT(doc && tally_read(&t, str_from_cstr(task), STR(ORG), json_root(doc)));
        EXPECT_OK(tally_step(&t, s->reader, a, &done, &why), why);
        buf_init(&b, OBJECT_DOC_MAX);
        json_writer_init(&w, &b);
        json_open(&w, '{');
        json_pair_int(&w, "since", t.since_ms);
        json_pair_int(&w, "until", t.until_ms);
        json_pair_int(&w, "cursor", t.cursor);
        json_pair_int(&w, "moved", t.counted);
        if (t.applications) {
            json_key(&w, "applications");
            json_value(&w, t.applications);
        }
        tally_write(&t, &w);
        json_close(&w, '}');
        text = arena_str(a, buf_str(&b));
        buf_release(&b);
        tally_release(&t);
        json_doc_free(doc);
        steps++;
    }
    struct json_doc *doc = json_parse(text, &why);
    *rows = json_text(a, json_get(json_root(doc), STR("rows")));
    *rows = arena_str(a, *rows);
    json_doc_free(doc);
    return steps;
}

static void stage_up(struct stage *s)
{
    stage_init(s);
    stage_start(s, STAGE_SOURCE "destinations:\n  one: { handler: { index: 0 } }\n"
                                "routes:\n  - { from: app, to: [one] }\n");
}

void test_tally_goes_on_where_a_step_ended(void)
{
    struct stage s;
    struct arena a;
    str rows;
    char range[200];
    arena_init(&a, 1u << 28);
    stage_up(&s);
    make(&s, APPLICATION_KIND, ORG, "app_1", "{}");
    make(&s, APPLICATION_KIND, ORG, "app_2", "{}");
    make(&s, APPLICATION_KIND, "org_of_others", "app_3", "{}");
    int64_t since = stage_clock_now(&s.clock);
    send(&s, "app_1", MANY, 2);
    send(&s, "app_2", 3, 1);
    send(&s, "app_3", 1, 1);
    (void)snprintf(range, sizeof(range), ",\"since\":%lld,\"until\":%lld", (long long)since,
                   (long long)since + 1000);
    EXPECT(run(&s, TALLY_USAGE, range, &a, &rows) > 1);
    EXPECT_STR(rows, "[{\"appId\":\"app_1\",\"appUid\":null,\"messageDestinations\":8200},"
                     "{\"appId\":\"app_2\",\"appUid\":null,\"messageDestinations\":3}]");
    (void)snprintf(range, sizeof(range), ",\"since\":0,\"until\":%lld", (long long)since);
    (void)run(&s, TALLY_USAGE, range, &a, &rows);
    EXPECT_STR(rows, "[{\"appId\":\"app_1\",\"appUid\":null,\"messageDestinations\":0},"
                     "{\"appId\":\"app_2\",\"appUid\":null,\"messageDestinations\":0}]");
    (void)snprintf(range, sizeof(range),
                   ",\"since\":%lld,\"until\":%lld,\"applications\":[\"app_2\",\"app_0\"]",
                   (long long)since, (long long)since + 1000);
    (void)run(&s, TALLY_USAGE, range, &a, &rows);
    EXPECT_STR(rows, "[{\"appId\":\"app_2\",\"appUid\":null,\"messageDestinations\":3}]");
    stage_release(&s);
    arena_release(&a);
}

void test_tally_lists_what_endpoints_ask_for(void)
{
    struct stage s;
    struct arena a;
    str rows;
    arena_init(&a, 1u << 26);
    stage_up(&s);
    make(&s, APPLICATION_KIND, ORG, "app_1", "{}");
    make(&s, APPLICATION_KIND, ORG, "app_2", "{}");
    make(&s, ENDPOINT_KIND, "app_1", "ep_1",
         "{\"url\":\"http://b/\",\"eventTypes\":[\"a\",\"b\"]}");
    make(&s, ENDPOINT_KIND, "app_1", "ep_2",
         "{\"url\":\"http://b/\",\"eventTypes\":[\"b\",\"c\"]}");
    make(&s, ENDPOINT_KIND, "app_2", "ep_3", "{\"url\":\"http://b/\"}");
    (void)run(&s, TALLY_TYPES, "", &a, &rows);
    EXPECT_STR(rows, "[{\"appId\":\"app_1\",\"explicitlySubscribedEventTypes\":"
                     "[\"a\",\"b\",\"c\"],\"hasCatchAllEndpoint\":false},"
                     "{\"appId\":\"app_2\",\"explicitlySubscribedEventTypes\":[],"
                     "\"hasCatchAllEndpoint\":true}]");
    stage_release(&s);
    arena_release(&a);
}

void test_tally_that_finds_more_than_a_document_holds_fails_with_whole_rows(void)
{
    struct stage s;
    struct arena a;
    struct tally t;
    struct reason why = {0};
    char id[32], uid[301];
    bool done = false;
    enum err err = ERR_OK;
    arena_init(&a, 1u << 28);
    stage_up(&s);
    memset(uid, 'u', sizeof(uid) - 1);
    uid[sizeof(uid) - 1] = '\0';
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(id, sizeof(id), "app_%05d", i);
        (void)snprintf(uid + 290, 11, "%010d", i);
        struct object o = {.kind = STR(APPLICATION_KIND),
                           .id = str_from_cstr(id),
                           .parent = STR(ORG),
                           .name = str_from_cstr(uid),
                           .doc = STR("{}")};
        EXPECT_OK(object_put(s.core, &o, OBJECT_ABSENT, &why), why);
    }
    EXPECT(tally_read(&t, STR(TALLY_USAGE), STR(ORG), NULL));
    while (err == ERR_OK && !done)
        err = tally_step(&t, s.reader, &a, &done, &why);
    EXPECT_EQ_INT(err, ERR_LIMIT);
    struct buf b;
    struct json_writer w;
    buf_init(&b, OBJECT_DOC_MAX);
    json_writer_init(&w, &b);
    json_open(&w, '{');
    tally_write(&t, &w);
    json_close(&w, '}');
    struct json_doc *doc = json_parse(buf_str(&b), &why);
    EXPECT(buf_ok(&b) && doc && json_len(json_get(json_root(doc), STR("rows"))) > 2000);
    json_doc_free(doc);
    buf_release(&b);
    tally_release(&t);
    stage_release(&s);
    arena_release(&a);
}
