/* ingest_test.c -- requests to sources, without sockets, through a whole engine: what is answered,
 * and what is stored when it was. */
#include "stage.h"

#define TOKEN "0123456789abcdef0123456789abcdef"
#define CONFIG                                                                                     \
    "sources:\n"                                                                                   \
    "  open: { provider: none }\n"                                                                 \
    "  git: { provider: bearer, secret: \"" TOKEN "\" }\n"                                         \
    "  silent: { provider: none, respond: { status: 202, body: taken } }\n"                        \
    "  lossy: { provider: bearer, secret: \"" TOKEN "\", keep_rejected: false }\n"                 \
    "  hub: { provider: github, secret: \"" TOKEN "\" }\n"                                         \
    "destinations:\n  one: { handler: { index: 0 }, retry: { attempts: 1 } }\n"                    \
    "routes:\n"                                                                                    \
    "  - { from: [open, git, silent, lossy, hub], to: [one] }\n"

static const char *const bearer[] = {"Authorization: Bearer " TOKEN,
                                     "Content-Type: application/json", "Cookie: session=1", NULL};
static struct stage_reply reply;

static void load_event(struct stage *s, uint64_t id, struct arena *a, struct event *e)
{
    struct reason why = {0};
    EXPECT_OK(store_load(s->reader, id, 0, a, e, &why), why);
}

static uint64_t only_event(struct stage *s, struct arena *a)
{
    struct event_filter f = {.state = -1, .limit = 10};
    struct event_list list = {0};
    struct reason why = {0};
    EXPECT_OK(store_events(s->reader, &f, a, &list, &why), why);
    EXPECT_EQ_INT(list.count, 1);
    return list.v[0].event.id;
}

void test_ingest_stores_then_answers_with_the_id(void)
{
    struct stage s;
    struct arena a;
    struct event e;
    char id[ID_TEXT_MAX], body[64];
    arena_init(&a, 1u << 20);
    stage_init(&s);
    stage_start(&s, CONFIG);
    stage_request(&s, "POST", "/in/git?x=1", bearer, STR("{\"n\":7}"), &reply);
    EXPECT_EQ_INT(reply.status, 200);
    EXPECT_EQ_UINT(stage_counts(&s).events, 1); /* at the moment of the answer */
    uint64_t stored = only_event(&s, &a);
    snprintf(body, sizeof(body), "{\"id\":\"" STR_FMT "\"}\n",
             STR_ARG(id_format("evt", stored, id)));
    EXPECT_EQ_STR(str_from_cstr(reply.body), str_from_cstr(body));
    EXPECT_HAS(reply.head, "gaff-event-id: evt_");
    load_event(&s, stored, &a, &e);
    EXPECT_STR(e.source, "git");
    EXPECT_STR(e.verdict, "verified");
    EXPECT_STR(e.target, "/in/git?x=1");
    EXPECT_STR(e.peer, "203.0.113.9");
    EXPECT_STR(e.body, "{\"n\":7}");
    EXPECT_STR(e.head, "Authorization: [redacted]\r\nContent-Type: application/json\r\n"
                       "Cookie: [redacted]\r\n");
    EXPECT_STR(e.trace, "route git-1: matched -> one\n");
    STAGE_UNTIL(spy_count(DELIVERY_DELIVERED) == 1);
    EXPECT_EQ_INT(stage_call(&s, 0).n, 7);
    arena_release(&a);
    stage_release(&s);
}

void test_ingest_unverified_is_refused_and_kept_as_evidence(void)
{
    static const char *const wrong[] = {"Authorization: Bearer not-the-token-at-all", NULL};
    struct stage s;
    stage_init(&s);
    stage_start(&s, CONFIG);
    stage_request(&s, "POST", "/in/git", wrong, STR("{}"), &reply);
    EXPECT_EQ_INT(reply.status, 401);
    EXPECT_HAS(reply.body, "{\"error\":{\"code\":\"");
    EXPECT(!strstr(reply.body, TOKEN) && !strstr(reply.body, "not-the-token"));
    EXPECT_EQ_UINT(stage_counts(&s).rejected, 1);
    stage_request(&s, "POST", "/in/lossy", wrong, STR("{}"), &reply);
    EXPECT_EQ_INT(reply.status, 401);
    EXPECT_EQ_UINT(stage_counts(&s).rejected, 1);
    EXPECT_EQ_UINT(stage_counts(&s).events, 0);
    struct source_stats *git = registry_source(s.core->registry, STR("git"));
    EXPECT_EQ_INT(source_stats_refused(git), 1);
    EXPECT_EQ_INT(atomic_load(&git->refused[VERDICT_BAD_CREDENTIALS]), 1);
    EXPECT_EQ_INT(source_stats_refused(registry_source(s.core->registry, STR("lossy"))), 1);
    EXPECT_EQ_INT(s.call_count, 0);
    stage_release(&s);
}

/* A flood of bad signatures may not buy a commit each. */
void test_ingest_keeps_a_bounded_number_of_refusals_a_second(void)
{
    static const char *const wrong[] = {"Authorization: Bearer not-the-token-at-all", NULL};
    struct stage s;
    stage_init(&s);
    stage_start(&s, CONFIG);
    for (int i = 0; i < 80; i++) {
        stage_request(&s, "POST", "/in/git", wrong, STR("{}"), &reply);
        EXPECT_EQ_INT(reply.status, 401);
    }
    EXPECT_EQ_UINT(stage_counts(&s).rejected, 50);
    stage_clock_advance(&s.clock, 1000);
    stage_request(&s, "POST", "/in/git", wrong, STR("{}"), &reply);
    EXPECT_EQ_UINT(stage_counts(&s).rejected, 51);
    stage_release(&s);
}

void test_ingest_places_and_methods(void)
{
    struct stage s;
    stage_init(&s);
    stage_start(&s, CONFIG);
    stage_request(&s, "POST", "/in/nobody", NULL, STR("{}"), &reply);
    EXPECT_EQ_INT(reply.status, 404);
    stage_request(&s, "GET", "/in/open", NULL, STR(""), &reply);
    EXPECT_EQ_INT(reply.status, 405);
    EXPECT_HAS(reply.head, "Allow: POST");
    stage_request(&s, "OPTIONS", "/in/open", NULL, STR(""), &reply);
    EXPECT_EQ_INT(reply.status, 204);
    EXPECT_EQ_UINT(stage_counts(&s).events, 0);
    stage_release(&s);
}

void test_ingest_answers_as_the_source_says(void)
{
    struct stage s;
    stage_init(&s);
    stage_start(&s, CONFIG);
    stage_request(&s, "POST", "/in/silent", NULL, STR("{}"), &reply);
    EXPECT_EQ_INT(reply.status, 202);
    EXPECT_CSTR(reply.body, "taken");
    EXPECT_EQ_UINT(stage_counts(&s).events, 1);
    stage_release(&s);
}

void test_ingest_encoded_bodies_are_refused(void)
{
    static const char *const fields[] = {"Content-Encoding: gzip", NULL};
    struct stage s;
    stage_init(&s);
    stage_start(&s, CONFIG);
    stage_request(&s, "POST", "/in/open", fields, STR("{}"), &reply);
    EXPECT_EQ_INT(reply.status, 415);
    EXPECT_EQ_UINT(stage_counts(&s).events, 0);
    stage_release(&s);
}

/* Nothing is acknowledged that is not stored, whatever the source would have said. */
void test_ingest_failing_store_answers_503_and_keeps_nothing(void)
{
    struct stage s;
    stage_init(&s);
    stage_start(&s, CONFIG);
    STAGE_UNTIL(!atomic_load(&stage_gate(&s, "one")->backlogged));
    spy_fail_commits_after(0, 2, ERR_IO);
    stage_request(&s, "POST", "/in/open", NULL, STR("{}"), &reply);
    EXPECT_EQ_INT(reply.status, 503);
    EXPECT_HAS(reply.head, "Retry-After: 5");
    EXPECT(!strstr(reply.body, "told to fail")); /* the reason is for the log */
    stage_request(&s, "POST", "/in/silent", NULL, STR("{}"), &reply);
    EXPECT_EQ_INT(reply.status, 503);
    EXPECT_EQ_UINT(stage_counts(&s).events, 0);
    EXPECT_EQ_INT(METRIC_GET(&s.core->metrics, events_refused), 2);
    stage_expect_gates_free(&s);
    stage_request(&s, "POST", "/in/open", NULL, STR("{}"), &reply);
    EXPECT_EQ_INT(reply.status, 200);
    STAGE_UNTIL(spy_count(DELIVERY_DELIVERED) == 1);
    EXPECT_EQ_INT(s.call_count, 1);
    stage_release(&s);
}

/* The same delivery again is answered alike and not done again; the same id with another body is
 * another event, with a flag. */
void test_ingest_repeats(void)
{
    struct stage s;
    const char *fields[] = {"X-GitHub-Delivery: 72d3162e-cc78-11e3-81ab-4c9367dc0958",
                            "X-GitHub-Event: push", NULL, NULL};
    static const char text[] = "sources:\n  hub: { provider: github, secret: \"It's a Secret to "
                               "Everybody\" }\n"
                               "destinations:\n  one: { handler: { index: 0 } }\n"
                               "routes:\n  - { from: hub, to: [one] }\n";
    /* The vector of the provider's documentation. */
    fields[2] = "X-Hub-Signature-256: "
                "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    static struct stage_reply again;
    stage_init(&s);
    stage_start(&s, text);
    stage_request(&s, "POST", "/in/hub", fields, STR("Hello, World!"), &reply);
    EXPECT_EQ_INT(reply.status, 200);
    stage_request(&s, "POST", "/in/hub", fields, STR("Hello, World!"), &again);
    EXPECT_EQ_INT(again.status, 200);
    EXPECT_HAS(again.body, "\"duplicate\":true");
    EXPECT(strncmp(again.body, reply.body, 20) == 0); /* the first one's id */
    EXPECT_EQ_UINT(stage_counts(&s).events, 1);
    EXPECT_EQ_INT(METRIC_GET(&s.core->metrics, events_duplicate), 1);
    STAGE_UNTIL(spy_count(DELIVERY_DELIVERED) == 1);
    stage_expect_gates_free(&s);
    /* After the window it is new. */
    stage_clock_advance(&s.clock, INT64_C(86400000) + 1);
    stage_request(&s, "POST", "/in/hub", fields, STR("Hello, World!"), &again);
    EXPECT(!strstr(again.body, "duplicate"));
    EXPECT_EQ_UINT(stage_counts(&s).events, 2);
    STAGE_UNTIL(spy_count(DELIVERY_DELIVERED) == 2);
    stage_release(&s);
}

void test_ingest_follows_a_reload_at_once(void)
{
    struct stage s;
    stage_init(&s);
    stage_start(&s, CONFIG);
    stage_request(&s, "POST", "/in/open", NULL, STR("{}"), &reply);
    EXPECT_EQ_INT(reply.status, 200);
    stage_reload(&s, "sources:\n  moved: { provider: none }\n");
    stage_request(&s, "POST", "/in/open", NULL, STR("{}"), &reply);
    EXPECT_EQ_INT(reply.status, 404);
    stage_request(&s, "POST", "/in/moved", NULL, STR("{}"), &reply);
    EXPECT_EQ_INT(reply.status, 200);
    STAGE_UNTIL(spy_count(DELIVERY_DELIVERED) + spy_count(DELIVERY_PENDING) == 1);
    stage_release(&s);
}

void test_ingest_durability_none_answers_without_a_route(void)
{
    struct stage s;
    stage_init(&s);
    stage_start(&s, "durability: none\nsources:\n  open: { provider: none }\n");
    stage_request(&s, "POST", "/in/open", NULL, STR("{}"), &reply);
    EXPECT_EQ_INT(reply.status, 200);
    EXPECT_EQ_INT(spy_commits(), 0);
    stage_release(&s);
}
