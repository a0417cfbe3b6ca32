/* action_rig.c -- see action_rig.h. */
#include "action_rig.h"

#include "base/clock.h"
#include "base/fs.h"

#include <sys/stat.h>
#include <unistd.h>

void rig_init(struct rig *r)
{
    struct reason why = {.text = ""};
    *r = (struct rig){0};
    struct runner_link *link = runner_launch(&why);
    if (!link)
        FAIL("%s", why.text);
    r->loop = loop_new(clock_real());
    r->runner = runner_attach(link, r->loop);
    arena_init(&r->arena, 1u << 20);
    r->context = (struct action_context){
        .loop = r->loop, .runner = r->runner, .directory = strdup(unit_path(""))};
}

void rig_release(struct rig *r)
{
    runner_free(r->runner);
    loop_free(r->loop);
    arena_release(&r->arena);
    problems_release(&r->problems);
    free((void *)(uintptr_t)r->context.directory);
}

const char *rig_script(const char *name, const char *text)
{
    struct reason why = {.text = ""};
    const char *path = unit_path(name);
    EXPECT_OK(fs_write_atomic(path, str_from_cstr(text), 0755, &why), why);
    EXPECT(chmod(path, 0755) == 0);
    return path;
}

static int64_t now_ms(void)
{
    return clock_mono_ns(clock_real()) / 1000000;
}

static void on_tick(struct loop_timer *t)
{
    loop_timer_start(t->loop, t, 10, on_tick);
}

void rig_turn(struct rig *r, int ms)
{
    struct loop_timer tick = {0};
    loop_timer_start(r->loop, &tick, 10, on_tick);
    for (int64_t end = now_ms() + ms; now_ms() < end;)
        loop_run_once(r->loop, true);
    loop_timer_stop(&tick);
}

void rig_wait(struct rig *r, const bool *flag, int seconds)
{
    struct loop_timer tick = {0};
    loop_timer_start(r->loop, &tick, 10, on_tick);
    for (int64_t end = now_ms() + seconds * 1000ll; !*flag;) {
        if (now_ms() > end)
            FAIL("waited %d s in vain", seconds);
        loop_run_once(r->loop, true);
    }
    loop_timer_stop(&tick);
}

/* --- commands ------------------------------------------------------------------------------- */

static str keep(char *room, str s)
{
    memcpy(room, s.p ? s.p : "", s.n);
    room[s.n] = '\0';
    return str_of(room, s.n);
}

static void on_run(struct run *run, const struct run_result *r)
{
    struct rig_result *out = CONTAINER_OF(run, struct rig_result, run);
    EXPECT(!out->done);
    out->r = *r;
    out->r.output = keep(out->output, r->output);
    out->r.errors = keep(out->errors, r->errors);
    out->done = true;
}

struct run_spec rig_spec(const char *const *argv)
{
    static const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
    return (struct run_spec){.argv = argv,
                             .env = env,
                             .input = STR(""),
                             .timeout_ms = 20000,
                             .kill_after_ms = 1000,
                             .output_max = RUNNER_OUTPUT_MAX,
                             .stdin_fd = -1,
                             .stdout_fd = -1,
                             .stderr_fd = -1};
}

void rig_run_start(struct rig *r, const struct run_spec *spec, struct rig_result *out)
{
    out->done = false;
    out->run.done = on_run;
    runner_start(r->runner, spec, &out->run);
    EXPECT(!out->done);
}

void rig_run(struct rig *r, const struct run_spec *spec, struct rig_result *out)
{
    rig_run_start(r, spec, out);
    rig_wait(r, &out->done, 30);
}

/* --- actions -------------------------------------------------------------------------------- */

static const struct action_config *read_config(struct rig *r, const struct action_kind *kind,
                                               const char *yaml)
{
    struct reason why = {.text = ""};
    const struct yaml *node =
        yaml_parse(&r->arena, str_from_cstr(unit_path("gaff.yaml")), str_from_cstr(yaml), &why);
    if (!node)
        FAIL("%s", why.text);
    return kind->read(&r->arena, node, &r->problems);
}

struct action *rig_action(struct rig *r, const struct action_kind *kind, const char *yaml)
{
    struct reason why = {.text = ""};
    problems_release(&r->problems);
    r->problems = (struct problems){0};
    const struct action_config *c = read_config(r, kind, yaml);
    if (!c)
        FAIL("%s", r->problems.count ? r->problems.v[0].text : "refused without a problem");
    EXPECT_EQ_INT(r->problems.errors, 0);
    struct action *a = kind->create(c, &r->context, &why);
    if (!a)
        FAIL("%s", why.text);
    return a;
}

const char *rig_problems(struct rig *r, const struct action_kind *kind, const char *yaml)
{
    static char text[8192];
    size_t n = 0;
    text[0] = '\0';
    problems_release(&r->problems);
    r->problems = (struct problems){0};
    bool refused = !read_config(r, kind, yaml);
    EXPECT(refused == (r->problems.errors > 0));
    for (size_t i = 0; i < r->problems.count && n < sizeof(text) - 600; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\n", r->problems.v[i].text);
    return text;
}

static void on_outcome(struct task *task, const struct outcome *o)
{
    struct rig_task *t = CONTAINER_OF(task, struct rig_task, task);
    t->times++;
    EXPECT_EQ_INT(t->times, 1);
    t->outcome = *o;
    (void)snprintf(t->class, sizeof(t->class), "%s", o->error_class);
    t->outcome.error_class = t->class;
    t->outcome.summary = arena_str(&t->arena, o->summary);
    t->outcome.request = arena_str(&t->arena, o->request);
    t->outcome.response = arena_str(&t->arena, o->response);
    t->outcome.timing = arena_str(&t->arena, o->timing);
    t->done = true;
}

void rig_task_init(struct rig_task *t)
{
    *t = (struct rig_task){0};
    arena_init(&t->arena, 96u << 20);
    t->event = (struct event){
        .id = 12345678901234,
        .received_ms = 1763929451042,
        .source = STR("github"),
        .type = STR("push"),
        .verdict = STR("verified"),
        .method = STR("POST"),
        .target = STR("/in/github?env=prod&name=a%20b&flag"),
        .head = STR("Host: localhost\r\nContent-Type: application/json\r\nX-Env: -rf\r\n"
                    "Authorization: Bearer s3cret\r\nAccept: a\r\naccept: b\r\n"),
        .body = STR("{\"ref\":\"refs/heads/main\",\"n\":3,\"evil\":\"a\\nb\",\n \"dash\":\"-rf\"}"),
    };
    t->delivery = (struct delivery){.id = 98765432109876,
                                    .event_id = t->event.id,
                                    .destination = STR("deploy"),
                                    .route = STR("push-main"),
                                    .attempts = 2};
    t->task = (struct task){.event = &t->event,
                            .delivery = &t->delivery,
                            .arena = &t->arena,
                            .now_ms = t->event.received_ms,
                            .done = on_outcome};
}

void rig_task_release(struct rig_task *t)
{
    arena_release(&t->arena);
}

void rig_attempt(struct rig *r, struct action *a, struct rig_task *t)
{
    t->done = false;
    t->times = 0;
    action_start(a, &t->task);
    rig_wait(r, &t->done, 30);
}
