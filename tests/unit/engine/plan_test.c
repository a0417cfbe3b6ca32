/* plan_test.c -- which deliveries come of an event, and how the plan explains itself. */
#include "engine/plan.h"

#include "unit.h"

#define HEAD                                                                                       \
    "sources:\n  a: { provider: none }\n  b: { provider: none }\n"                                 \
    "destinations:\n"                                                                              \
    "  one: { log: { file: x } }\n"                                                                \
    "  two: { log: { file: x } }\n"                                                                \
    "  per-repo: { log: { file: x }, order: fifo, order_by: \"{{ .repo.id }}\" }\n"                \
    "  queue: { log: { file: x }, order: fifo }\n"

static struct config *load(const char *text)
{
    struct problems problems = {0};
    str s = str_from_cstr(text);
    struct config *c = config_load("gaff.yaml", &s, &problems);
    if (!c)
        FAIL("%s", problems.count ? problems.v[0].text : "no snapshot");
    problems_release(&problems);
    return c;
}

struct planned {
    struct config *config;
    struct arena arena;
    struct buf scratch;
    struct plan plan;
};

static void plan_event(struct planned *p, const char *source, const char *type, const char *body)
{
    struct http_field fields[] = {{STR("Content-Type"), STR("application/json")},
                                  {STR("X-Tenant"), STR("t1")}};
    struct http_request req = {.method = STR("POST"),
                               .target = STR("/in/a?env=prod"),
                               .path = STR("/in/a"),
                               .query = STR("env=prod"),
                               .fields = {fields, 2},
                               .body = str_from_cstr(body),
                               .arena = &p->arena};
    const struct source_config *s = map_get(&p->config->sources_by_name, str_from_cstr(source));
    struct facts facts = {.request = &req, .event_type = str_from_cstr(type), .source = s->name};
    plan_make(p->config, s, &facts, &p->scratch, &p->plan);
    http_request_release(&req);
}

static void plan_with(struct planned *p, const char *text)
{
    memset(p, 0, sizeof(*p));
    p->config = load(text);
    arena_init(&p->arena, 1u << 20);
    buf_init(&p->scratch, 4096);
}

static void plan_end(struct planned *p)
{
    config_unref(p->config);
    arena_release(&p->arena);
    buf_release(&p->scratch);
}

void test_plan_takes_the_routes_of_its_source_that_match(void)
{
    struct planned p;
    plan_with(&p, HEAD "routes:\n"
                       "  - { name: push, from: a, match: { event: push }, to: [one] }\n"
                       "  - { name: other, from: b, to: [queue] }\n"
                       "  - { name: main, from: a, match: { json: { ref: main } }, to: [two] }\n");
    plan_event(&p, "a", "push", "{\"ref\":\"main\"}");
    EXPECT_EQ_INT(p.plan.count, 2);
    EXPECT_STR(p.plan.items[0].to->name, "one");
    EXPECT_STR(p.plan.items[0].route->name, "push");
    EXPECT_STR(p.plan.items[1].to->name, "two");
    EXPECT_EQ_UINT(p.plan.items[1].order_key, 0);
    EXPECT_STR(p.plan.trace, "route push: matched -> one\nroute main: matched -> two\n");
    plan_event(&p, "a", "push", "{\"ref\":\"dev\"}");
    EXPECT_EQ_INT(p.plan.count, 1);
    EXPECT_STR(p.plan.trace, "route push: matched -> one\n"
                             "route main: no: json ref is \"dev\", not \"main\"\n");
    plan_event(&p, "a", "ping", "no json");
    EXPECT_EQ_INT(p.plan.count, 0);
    EXPECT(str_starts(p.plan.trace, STR("route push: no: event is \"ping\", not \"push\"\n")));
    plan_end(&p);
}

void test_plan_stops_where_a_route_says_so(void)
{
    struct planned p;
    plan_with(&p,
              HEAD "routes:\n"
                   "  - { name: first, from: a, match: { event: push }, to: [one], then: stop }\n"
                   "  - { name: rest, from: a, to: [two] }\n");
    plan_event(&p, "a", "push", "{}");
    EXPECT_EQ_INT(p.plan.count, 1);
    EXPECT_STR(p.plan.trace, "route first: matched -> one; stop\n");
    plan_event(&p, "a", "ping", "{}");
    EXPECT_EQ_INT(p.plan.count, 1);
    EXPECT_STR(p.plan.items[0].to->name, "two");
    plan_end(&p);
}

void test_plan_gives_a_destination_one_delivery_from_the_first_route(void)
{
    struct planned p;
    plan_with(&p, HEAD "routes:\n"
                       "  - { name: first, from: a, to: [one] }\n"
                       "  - { name: second, from: a, to: [two, one] }\n");
    plan_event(&p, "a", "push", "{}");
    EXPECT_EQ_INT(p.plan.count, 2);
    EXPECT_STR(p.plan.items[0].route->name, "first");
    EXPECT_STR(p.plan.items[1].to->name, "two");
    EXPECT_STR(p.plan.trace, "route first: matched -> one\n"
                             "route second: matched -> two, one (already by an earlier route)\n");
    plan_end(&p);
}

void test_plan_source_without_routes_says_so(void)
{
    struct planned p;
    plan_with(&p, HEAD "routes:\n  - { from: a, to: [one] }\n");
    plan_event(&p, "b", "push", "{}");
    EXPECT_EQ_INT(p.plan.count, 0);
    EXPECT_STR(p.plan.trace, "no route starts from this source\n");
    plan_end(&p);
}

void test_plan_has_at_most_so_many_deliveries(void)
{
    struct planned p;
    struct buf text;
    buf_init(&text, 1 << 16);
    buf_printf(&text, "sources:\n  a: { provider: none }\ndestinations:\n");
    for (int i = 0; i < PLAN_DELIVERIES_MAX + 2; i++)
        buf_printf(&text, "  d%d: { log: { file: x } }\n", i);
    buf_printf(&text, "routes:\n");
    for (int i = 0; i < PLAN_DELIVERIES_MAX + 2; i++)
        buf_printf(&text, "  - { name: r%d, from: a, to: [d%d] }\n", i, i);
    plan_with(&p, buf_cstr(&text));
    plan_event(&p, "a", "push", "{}");
    EXPECT_EQ_INT(p.plan.count, PLAN_DELIVERIES_MAX);
    EXPECT(str_ends(p.plan.trace,
                    STR("route r65: matched -> d65 (left out: over the limit of deliveries an "
                        "event)\n")));
    plan_end(&p);
    buf_release(&text);
}

/* More routes than the scratch has room for: the plan is whole, its words are cut. */
void test_plan_is_whole_when_its_words_are_cut(void)
{
    struct planned p;
    plan_with(&p, HEAD "routes:\n"
                       "  - { name: first, from: a, match: { event: push }, to: [one] }\n"
                       "  - { name: second, from: a, to: [two] }\n");
    buf_release(&p.scratch);
    buf_init(&p.scratch, 10);
    plan_event(&p, "a", "push", "{}");
    EXPECT_EQ_INT(p.plan.count, 2);
    EXPECT(p.plan.trace.n <= 10);
    plan_end(&p);
}

/* --- order keys ------------------------------------------------------------------------------ */

static uint64_t key_of(struct planned *p, const char *body)
{
    plan_event(p, "a", "push", body);
    EXPECT_EQ_INT(p->plan.count, 1);
    return p->plan.items[0].order_key;
}

void test_plan_order_key_comes_from_the_event(void)
{
    struct planned p;
    plan_with(&p, HEAD "routes:\n  - { from: a, to: [per-repo] }\n");
    uint64_t seven = key_of(&p, "{\"repo\":{\"id\":7}}"),
             eight = key_of(&p, "{\"repo\":{\"id\":8}}");
    EXPECT(seven != 0 && eight != 0 && seven != eight);
    EXPECT_EQ_UINT(key_of(&p, "{\"x\":1,\"repo\":{\"id\":7}}"), seven);
    EXPECT_EQ_UINT(key_of(&p, "{\"repo\":{\"id\":\"7\"}}"), seven);
    /* Those without the field share one key of their own. */
    uint64_t none = key_of(&p, "{}");
    EXPECT(none != 0 && none != seven);
    EXPECT_EQ_UINT(key_of(&p, "not json"), none);
    plan_end(&p);
}

void test_plan_lane_in_order_without_key_has_one(void)
{
    struct planned p;
    plan_with(&p, HEAD "routes:\n  - { from: a, to: [queue] }\n");
    uint64_t key = key_of(&p, "{\"repo\":{\"id\":7}}");
    EXPECT(key != 0);
    EXPECT_EQ_UINT(key_of(&p, "{\"repo\":{\"id\":8}}"), key);
    plan_end(&p);
}

void test_plan_order_key_from_header_query_type_and_source(void)
{
    struct planned p;
    plan_with(&p, "sources:\n  a: { provider: none }\n"
                  "destinations:\n  d:\n    log: { file: x }\n    order: fifo\n"
                  "    order_by: \"{{ header:X-Tenant }}/{{ query:env }}/{{ event_type }}\"\n"
                  "routes:\n  - { from: a, to: [d] }\n");
    uint64_t key = key_of(&p, "{}");
    EXPECT_EQ_UINT(key, str_hash(STR("t1/prod/push"), 1) | 1);
    plan_event(&p, "a", "ping", "{}");
    EXPECT(p.plan.items[0].order_key != key);
    plan_end(&p);
}

void test_plan_of_many_routes_lists_those_ruled_out_together(void)
{
    struct planned p;
    char text[8192];
    int n = snprintf(text, sizeof(text), "%s", HEAD "routes:\n");
    for (int i = 0; i < 40; i++)
        n += snprintf(text + n, sizeof(text) - (size_t)n,
                      "  - { name: r%d, from: a, match: { json: { ref: b%d } }, to: [one] }\n", i,
                      i);
    (void)snprintf(text + n, sizeof(text) - (size_t)n, "  - { name: all, from: a, to: [two] }\n");
    plan_with(&p, text);
    plan_event(&p, "a", "push", "{\"ref\":\"b3\"}");
    EXPECT_EQ_INT(p.plan.count, 2);
    EXPECT(str_starts(p.plan.trace, STR("route r3: matched -> one\nroute all: matched -> two\n"
                                        "routes r0, r1, r2, r4, ")));
    EXPECT(str_ends(p.plan.trace, STR(", r39: no: json ref is \"b3\", which they do not want\n")));
    plan_event(&p, "a", "push", "{}");
    EXPECT_EQ_INT(p.plan.count, 1);
    EXPECT(str_ends(p.plan.trace, STR(", r39: no: json ref is missing, which they do not want\n")));
    plan_end(&p);
}
