/* match_bench.c -- microseconds to plan one event of 1 KB over 100 routes, the trace for `explain`
 * included: once as routes usually are (they differ in one value), once as the index can't help.
 * Medians of rounds that take turns. The body is parsed anew each time.
 *
 *   match_bench [ROUNDS]
 *
 * Prints `NAME VALUE` lines. */
#include "base/clock.h"
#include "base/log.h"
#include "engine/plan.h"

#define CALLS 5000
#define ROUNDS_MAX 101
#define ROUTES 100

struct subject {
    const char *name;
    const char *match; /* of route %d; NULL: no routes, the cost of parsing alone */
    struct config *config;
    double us[ROUNDS_MAX];
};

static char body[1200];

static void make_body(void)
{
    int n = snprintf(body, sizeof(body),
                     "{\"ref\":\"refs/heads/branch-57\",\"size\":3,\"repository\":{\"id\":42,"
                     "\"full_name\":\"acme/site\"},\"commits\":[");
    for (int i = 0; n < 980; i++)
        n += snprintf(
            body + n, sizeof(body) - (size_t)n,
            "%s{\"id\":\"%08x\",\"message\":\"fix number %d\",\"author\":{\"name\":\"ann\"}}",
            i ? "," : "", i * 7919, i);
    (void)snprintf(body + n, sizeof(body) - (size_t)n, "]}");
}

static void setup(struct subject *s)
{
    struct buf text;
    struct problems p = {0};
    buf_init(&text, 1u << 20);
    buf_printf(&text, "sources:\n  a: { provider: none }\n"
                      "destinations:\n  d: { log: { file: /dev/null } }\nroutes:\n"
                      "  - { name: other, from: a, match: { event: other }, to: [d] }\n");
    for (int i = 0; s->match && i < ROUTES; i++) {
        buf_printf(&text, "  - { name: route-%d, from: a, match: { event: push, ", i);
        for (const char *c = s->match; *c; c++)
            if (*c == '#')
                buf_printf(&text, "%d", i);
            else
                buf_char(&text, *c);
        buf_printf(&text, " }, to: [d] }\n");
    }
    str all = buf_str(&text);
    s->config = config_load("gaff.yaml", &all, &p);
    if (!s->config)
        die("%s: %s", s->name, p.count ? p.v[0].text : "?");
    problems_release(&p);
    buf_release(&text);
}

static void run(struct subject *s, size_t round)
{
    const struct clock *clock = clock_real();
    const struct source_config *source = s->config->sources[0];
    struct http_field fields[] = {{STR("Content-Type"), STR("application/json")}};
    struct arena a;
    struct buf scratch;
    struct plan plan;
    arena_init(&a, 1u << 20);
    buf_init(&scratch, 8192);
    int64_t start = clock_mono_ns(clock);
    for (int i = 0; i < CALLS; i++) {
        struct http_request req = {.method = STR("POST"),
                                   .target = STR("/in/a"),
                                   .path = STR("/in/a"),
                                   .fields = {fields, 1},
                                   .body = str_from_cstr(body),
                                   .arena = &a};
        struct facts facts = {.request = &req, .event_type = STR("push"), .source = source->name};
        plan_make(s->config, source, &facts, &scratch, &plan);
        if (!http_request_json(&req) || plan.count != (s->match ? 1u : 0u))
            die("%s: %zu deliveries", s->name, plan.count);
        http_request_release(&req);
        arena_reset(&a);
    }
    s->us[round] = (double)(clock_mono_ns(clock) - start) / CALLS / 1000;
    arena_release(&a);
    buf_release(&scratch);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static struct subject subjects[] = {
        {.name = "match_parse_1k_us"},
        {.name = "match_100_routes_1k_us", .match = "json: { ref: refs/heads/branch-# }"},
        {.name = "match_100_routes_globs_1k_us",
         .match = "json: { ref: { glob: \"refs/*/branch-#\" } }"},
        {.name = "match_100_routes_regexes_1k_us",
         .match = "json: { ref: { regex: \"^refs/.*/branch-#$\" } }"},
    };
    uint64_t rounds = 11;
    if (argc > 1 &&
        (!str_to_u64(str_from_cstr(argv[1]), &rounds) || !rounds || rounds > ROUNDS_MAX))
        die("usage: match_bench [ROUNDS]");
    make_body();
    for (size_t i = 0; i < ARRAY_LEN(subjects); i++)
        setup(&subjects[i]);
    for (size_t round = 0; round < rounds; round++)
        for (size_t i = 0; i < ARRAY_LEN(subjects); i++)
            run(&subjects[i], round);
    for (size_t i = 0; i < ARRAY_LEN(subjects); i++) {
        qsort(subjects[i].us, rounds, sizeof(double), by_value);
        printf("%s %.2f\n", subjects[i].name, subjects[i].us[rounds / 2]);
        config_unref(subjects[i].config);
    }
    return 0;
}
