/* worker_bench.c -- events a second through the worker action to a worker that only says ok, and,
 * for comparison in the same run, commands a second through the exec action (/bin/true). The event
 * is signed-webhook sized: 1 KB of JSON and eleven header fields.
 *
 *   worker_bench ECHO [events [in flight [rounds [body bytes]]]] */
#include "base/clock.h"
#include "base/log.h"
#include "action/kinds.h"
#include "action/runner.h"

#define IN_FLIGHT_MAX 4096
#define ROUNDS_MAX 31

static const char head[] =
    "Host: hooks.example.org\r\nUser-Agent: GitHub-Hookshot/044aadd\r\nAccept: */*\r\n"
    "Content-Type: application/json\r\nContent-Length: 1024\r\nX-GitHub-Delivery: "
    "72d3162e-cc78-11e3-81ab-4c9367dc0958\r\nX-GitHub-Event: push\r\nX-GitHub-Hook-ID: "
    "292430182\r\n"
    "X-GitHub-Hook-Installation-Target-ID: 79929171\r\nX-Hub-Signature-256: "
    "sha256=d57c68ca6f92289e6987922ff26938930f6e66a2d161ef06abdf1859230aa23c\r\n"
    "Accept-Encoding: gzip\r\n";

struct bench {
    struct action *action;
    struct event event;
    long left, open, failed;
};

struct slot {
    struct task task;
    struct delivery delivery;
    struct arena arena;
    struct bench *bench;
};

static struct slot slots[IN_FLIGHT_MAX];

static void start(struct slot *s);

static void on_done(struct task *t, const struct outcome *o)
{
    struct slot *s = CONTAINER_OF(t, struct slot, task);
    s->bench->open--;
    if (o->result != ATTEMPT_SUCCESS)
        s->bench->failed++;
    start(s);
}

static void start(struct slot *s)
{
    if (s->bench->left == 0)
        return;
    s->bench->left--;
    s->bench->open++;
    arena_reset(&s->arena);
    s->delivery.id++;
    s->task = (struct task){
        .event = &s->bench->event, .delivery = &s->delivery, .arena = &s->arena, .done = on_done};
    action_start(s->bench->action, &s->task);
}

static double measure(struct loop *l, struct bench *b, long count, long in_flight)
{
    b->left = count;
    int64_t from = clock_mono_ns(clock_real());
    for (long i = 0; i < in_flight; i++) {
        slots[i].bench = b;
        slots[i].arena.max = 1u << 20;
        start(&slots[i]);
    }
    while (b->open > 0)
        loop_run_once(l, true);
    if (b->failed)
        die("%ld attempts failed", b->failed);
    return (double)count * 1e9 / (double)(clock_mono_ns(clock_real()) - from);
}

static struct action *make(const struct action_kind *kind, struct arena *a,
                           const struct action_context *ctx, const char *yaml)
{
    struct problems p = {0};
    struct reason why = {.text = ""};
    const struct yaml *node = yaml_parse(a, STR("/bench"), str_from_cstr(yaml), &why);
    const struct action_config *c = node ? kind->read(a, node, &p) : NULL;
    struct action *action = c ? kind->create(c, ctx, &why) : NULL;
    if (!action)
        die("%s", p.count ? p.v[0].text : why.text);
    return action;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **args)
{
    long count = argc > 2 ? strtol(args[2], NULL, 10) : 100000;
    long in_flight = argc > 3 ? strtol(args[3], NULL, 10) : 64;
    long rounds = argc > 4 ? strtol(args[4], NULL, 10) : 5;
    long body_bytes = argc > 5 ? strtol(args[5], NULL, 10) : 1024;
    if (argc < 2 || count < 1 || in_flight < 1 || in_flight > IN_FLIGHT_MAX || rounds < 1 ||
        rounds > ROUNDS_MAX || body_bytes < 16 || body_bytes > 1000000) {
        (void)fprintf(stderr, "usage: worker_bench ECHO [events [in flight [rounds [bytes]]]]\n");
        return 2;
    }
    struct reason why;
    struct runner_link *link = runner_launch(&why);
    if (!link)
        die("%s", why.text);
    struct loop *l = loop_new(clock_real());
    struct action_context ctx = {.loop = l, .runner = runner_attach(link, l), .directory = "/"};
    struct arena arena;
    arena_init(&arena, 1u << 20);
    char yaml[512];
    (void)snprintf(yaml, sizeof(yaml), "{command: [\"%s\"], window: %ld}", args[1], in_flight);
    char *body = (char *)xmalloc((size_t)body_bytes);
    memset(body, 'x', (size_t)body_bytes);
    memcpy(body, "{\"ref\":\"", 8);
    memcpy(body + body_bytes - 2, "\"}", 2);
    struct event event = {.id = 1,
                          .received_ms = 1763929451042,
                          .source = STR("github"),
                          .type = STR("push"),
                          .head = STR(head),
                          .target = STR("/in/github"),
                          .body = {body, (size_t)body_bytes}};
    struct bench worker = {.event = event}, exec = {.event = event};
    worker.action = make(&action_worker, &arena, &ctx, yaml);
    exec.action = make(&action_exec, &arena, &ctx, "{command: [\"true\"], concurrency: 4}");
    double lines[ROUNDS_MAX], commands[ROUNDS_MAX];
    (void)measure(l, &worker, count / 10 + 1, in_flight);
    for (long i = 0; i < rounds; i++) {
        lines[i] = measure(l, &worker, count, in_flight);
        commands[i] = measure(l, &exec, count / 250 + 1, 4);
    }
    qsort(lines, (size_t)rounds, sizeof(*lines), by_value);
    qsort(commands, (size_t)rounds, sizeof(*commands), by_value);
    double a = lines[rounds / 2], b = commands[rounds / 2];
    (void)printf("worker_in_flight %ld\nworker_per_s %.0f\nworker_exec_per_s %.0f\n"
                 "worker_ratio %.1f\n",
                 in_flight, a, b, a / b);
    action_free(worker.action);
    action_free(exec.action);
    runner_free(ctx.runner);
    loop_free(l);
    for (long i = 0; i < IN_FLIGHT_MAX; i++)
        arena_release(&slots[i].arena);
    arena_release(&arena);
    free(body);
    return 0;
}
