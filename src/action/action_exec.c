/* action_exec.c -- a command for each event: argv, never a shell; the payload on stdin; the exit
 * code decides.
 *
 *   exec:
 *     command: [./deploy.sh, --, "{{ .ref }}"]   # and env, cwd, user, ...: see command.h
 *     stdin: body          # body | event (a JSON object with all of it) | none
 *     timeout: 10m         # then TERM to the process group, kill_after later KILL
 *     output_max: 64KiB    # kept of stdout and of stderr
 *     files: { CHANGES: "{{ .commits }}" }  # see command.h
 *     concurrency: 1
 *     success: [0]         # exit codes; those in no list follow on_failure
 *     retry: [75]
 *     dead: [78]
 *     on_failure: retry    # retry | dead: other exit codes, signals, timeouts */
#include "base/id.h"
#include "base/log.h"
#include "action/command.h"
#include "action/event_text.h"
#include "action/kinds.h"
#include "action/runner.h"

#include <inttypes.h>

enum input { INPUT_BODY, INPUT_EVENT, INPUT_NONE };

struct exec_config {
    struct action_config base;
    struct command command;
    enum input input;
    int64_t output_max;
    int on_failure;       /* an enum attempt_result: RETRY or PERMANENT */
    uint8_t results[256]; /* by exit code: an enum attempt_result + 1; 0: on_failure */
};

struct exec {
    struct action action;
    const struct exec_config *config;
    const char *cwd;
    struct runner *runner;
};

struct exec_run { /* one attempt under way; in the task's arena */
    struct run run;
    struct exec *exec;
    struct task *task;
    str request;
    bool cancelled;
};

/* --- configuration -------------------------------------------------------------------------- */

static void read_codes(struct exec_config *c, const struct yaml *node, enum attempt_result result,
                       struct problems *p)
{
    if (!node)
        return;
    if (node->kind != YAML_LIST) {
        problem_at(p, node, "a list of exit codes is expected, like [0, 3]");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(c->results); i++)
        if (c->results[i] == (uint8_t)result + 1)
            c->results[i] = 0;
    for (const struct yaml *one = node->first; one; one = one->next) {
        int64_t code = -1;
        if (!read_int(p, one, 0, 255, &code) || code < 0)
            continue;
        c->results[code] = (uint8_t)((uint8_t)result + 1);
    }
}

static void check_codes_once(const struct yaml *node, struct problems *p)
{
    static const char *const lists[] = {"success", "retry", "dead"};
    bool seen[256] = {false};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        const struct yaml *list = yaml_get(node, str_from_cstr(lists[i]));
        for (const struct yaml *one = list ? list->first : NULL; one; one = one->next) {
            uint64_t code = 0;
            if (!str_to_u64(one->scalar, &code) || code > 255)
                continue;
            if (seen[code])
                problem_at(p, one, "exit code %" PRIu64 " is listed twice", code);
            seen[code] = true;
        }
    }
}

static struct action_config *exec_read(struct arena *a, const struct yaml *node, struct problems *p)
{
    static const char *const known[] = {COMMAND_KEYS,  "stdin",   "timeout", "output_max",
                                        "concurrency", "success", "retry",   "dead",
                                        "on_failure",  "files",   NULL};
    static const char *const inputs[] = {"body", "event", "none", NULL};
    static const char *const policies[] = {"retry", "dead", NULL};
    struct exec_config *c = ARENA_NEW(a, struct exec_config);
    if (!c || !read_keys(p, node, known))
        return NULL;
    size_t before = p->errors;
    int input = INPUT_BODY, policy = 0;
    int64_t timeout_ms = 600000, concurrency = 1;
    c->output_max = RUNNER_OUTPUT_MAX;
    c->results[0] = ATTEMPT_SUCCESS + 1;
    c->results[75] = ATTEMPT_RETRY + 1;     /* EX_TEMPFAIL of sysexits.h */
    c->results[78] = ATTEMPT_PERMANENT + 1; /* EX_CONFIG */
    bool ok = command_read(&c->command, a, node, true, p);
    command_files_read(&c->command, a, yaml_get(node, STR("files")), p);
    (void)read_enum(p, yaml_get(node, STR("stdin")), inputs, &input);
    (void)read_enum(p, yaml_get(node, STR("on_failure")), policies, &policy);
    (void)read_duration(p, yaml_get(node, STR("timeout")), 1, 7 * 86400000ll, &timeout_ms);
    (void)read_size(p, yaml_get(node, STR("output_max")), 0, RUNNER_OUTPUT_MAX, &c->output_max);
    (void)read_int(p, yaml_get(node, STR("concurrency")), 1, 256, &concurrency);
    read_codes(c, yaml_get(node, STR("success")), ATTEMPT_SUCCESS, p);
    read_codes(c, yaml_get(node, STR("retry")), ATTEMPT_RETRY, p);
    read_codes(c, yaml_get(node, STR("dead")), ATTEMPT_PERMANENT, p);
    check_codes_once(node, p);
    c->input = (enum input)input;
    c->on_failure = policy == 0 ? ATTEMPT_RETRY : ATTEMPT_PERMANENT;
    c->base = (struct action_config){.kind = &action_exec,
                                     .timeout_ms = timeout_ms,
                                     .default_concurrency = (int)concurrency,
                                     .runs_command = true,
                                     .data = c};
    return ok && p->errors == before ? &c->base : NULL;
}

/* --- the outcome ---------------------------------------------------------------------------- */

static const char *signal_name(int signal)
{
    const char *name = sigabbrev_np(signal);
    return name ? name : "?";
}

/* What is kept of the output, each stream under its name; any byte may be in it. */
static str render_output(struct arena *a, const struct run_result *r)
{
    static const str cut = {"\n[cut here]\n", 12};
    size_t n = 0, room = r->output.n + r->errors.n + 64;
    char *out = (char *)arena_alloc(a, room);
    if (!out || (r->output.n == 0 && r->errors.n == 0))
        return STR("");
    const str parts[] = {r->output.n ? STR("stdout:\n") : STR(""),
                         r->output,
                         r->output_cut ? cut : STR(""),
                         r->output.n && r->errors.n ? STR("\n") : STR(""),
                         r->errors.n ? STR("stderr:\n") : STR(""),
                         r->errors,
                         r->errors_cut ? cut : STR("")};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (parts[i].n > 0)
            memcpy(out + n, parts[i].p, parts[i].n);
        n += parts[i].n;
        assert(n <= room);
    }
    return str_of(out, n);
}

static void judge(const struct exec_config *c, const struct run_result *r, struct arena *a,
                  struct outcome *o)
{
    char took[CLOCK_TEXT_MAX];
    str after = clock_duration_format(r->duration_us / 1000, took);
    o->status = r->exit_code;
    if (!r->started) {
        o->result = ATTEMPT_RETRY;
        o->error_class = "spawn";
        o->status = 0;
        o->summary = arena_str(a, str_from_cstr(r->error));
    } else if (r->timed_out) {
        o->result = (enum attempt_result)c->on_failure;
        o->error_class = "timeout";
        o->summary = arena_printf(a, "ended by its timeout after " STR_FMT "%s", STR_ARG(after),
                                  r->signal == 9 ? " (killed: it ignored TERM)" : "");
    } else if (r->signal) {
        o->result = (enum attempt_result)c->on_failure;
        o->error_class = "signal";
        o->summary = arena_printf(a, "ended by signal %d (%s) after " STR_FMT, r->signal,
                                  signal_name(r->signal), STR_ARG(after));
    } else {
        uint8_t listed = c->results[r->exit_code & 0xff];
        o->result = (enum attempt_result)(listed ? listed - 1 : c->on_failure);
        o->error_class = o->result == ATTEMPT_SUCCESS ? "" : "exit";
        o->summary = arena_printf(a, "exit code %d after " STR_FMT, r->exit_code, STR_ARG(after));
    }
}

static void on_done(struct run *run, const struct run_result *r)
{
    struct exec_run *x = CONTAINER_OF(run, struct exec_run, run);
    struct task *t = x->task;
    struct outcome o = {.error_class = "", .request = x->request};
    judge(x->exec->config, r, t->arena, &o);
    if (x->cancelled && o.result != ATTEMPT_SUCCESS) {
        o.result = ATTEMPT_CANCELLED;
        o.error_class = "cancelled";
        o.summary = STR("ended because gaff is stopping or the attempt was cancelled");
    }
    o.output = r->output;
    o.response = render_output(t->arena, r);
    if (r->started)
        o.timing = arena_printf(t->arena,
                                "{\"run_us\":%" PRId64 ",\"user_us\":%" PRId64
                                ",\"system_us\":%" PRId64 ",\"max_rss_kib\":%" PRId64 "}",
                                r->duration_us, r->user_us, r->system_us, r->max_rss_kib);
    t->impl = NULL;
    t->done(t, &o);
}

static void on_output(struct run *run, bool errors, str bytes)
{
    struct task *t = CONTAINER_OF(run, struct exec_run, run)->task;
    if (t->output)
        t->output(t, errors, bytes);
}

/* --- the attempt ---------------------------------------------------------------------------- */

static void finish(struct task *t, enum attempt_result result, const char *class, str summary,
                   str request)
{
    struct outcome o = {
        .result = result, .error_class = class, .summary = summary, .request = request};
    t->done(t, &o);
}

/* The whole event as one JSON object; false when it is too large. */
static bool write_event(struct buf *out, const struct task *t)
{
    struct json_writer w;
    char text[ID_TEXT_MAX];
    json_writer_init(&w, out);
    json_open(&w, '{');
    json_pair(&w, "event_id", id_format("evt", t->event->id, text));
    json_pair(&w, "delivery_id", id_format("dlv", t->delivery->id, text));
    json_pair_int(&w, "attempt", (int64_t)t->delivery->attempts + 1);
    event_write_origin(&w, t->event);
    event_write_headers(&w, t->event, false);
    event_write_body(&w, t->event, false);
    json_close(&w, '}');
    buf_char(out, '\n');
    return buf_ok(out);
}

static void exec_start(struct action *action, struct task *t)
{
    struct exec *x = CONTAINER_OF(action, struct exec, action);
    const struct exec_config *c = x->config;
    struct reason why = {.text = ""};
    const char *const *argv, *const *env;
    str files[RUNNER_FILES_MAX];
    enum err e = command_build(&c->command, t, t->arena, &argv, &env, &why);
    if (e == ERR_OK)
        e = command_files_build(&c->command, t, t->arena, files, &why);
    if (e != ERR_OK) {
        finish(t, ATTEMPT_PERMANENT, "refused", str_from_cstr(why.text), STR_NONE);
        return;
    }
    struct exec_run *run = ARENA_NEW(t->arena, struct exec_run);
    struct buf event;
    buf_init(&event, 32u << 20);
    if (!run || (c->input == INPUT_EVENT && !write_event(&event, t))) {
        buf_release(&event);
        finish(t, ATTEMPT_PERMANENT, "refused", STR("the event is too large for this command"),
               command_show(&c->command, argv, t->arena));
        return;
    }
    run->run.done = on_done;
    run->run.output = t->output ? on_output : NULL;
    run->exec = x;
    run->task = t;
    run->request = command_show(&c->command, argv, t->arena);
    t->impl = run;
    struct run_spec spec = {.argv = argv,
                            .env = env,
                            .cwd = c->command.cwd ? c->command.cwd : x->cwd,
                            .user = c->command.user,
                            .input = c->input == INPUT_BODY    ? t->event->body
                                     : c->input == INPUT_EVENT ? buf_str(&event)
                                                               : STR_NONE,
                            .timeout_ms = c->base.timeout_ms,
                            .kill_after_ms = c->command.kill_after_ms,
                            .output_max = (size_t)c->output_max,
                            .stdin_fd = -1,
                            .stdout_fd = -1,
                            .stderr_fd = -1,
                            .limits = c->command.limits,
                            .sandbox = c->command.sandbox,
                            .files = files,
                            .file_count = c->command.file_count};
    runner_start(x->runner, &spec, &run->run);
    buf_release(&event);
}

static void exec_cancel(struct action *action, struct task *t)
{
    struct exec *x = CONTAINER_OF(action, struct exec, action);
    struct exec_run *run = (struct exec_run *)t->impl;
    if (!run || run->cancelled)
        return;
    run->cancelled = true;
    runner_cancel(x->runner, &run->run);
}

static void exec_free(struct action *action)
{
    free(CONTAINER_OF(action, struct exec, action));
}

static const struct action_ops exec_ops = {
    .kind = "exec", .start = exec_start, .cancel = exec_cancel, .free = exec_free};

static struct action *exec_create(const struct action_config *c, const struct action_context *ctx,
                                  struct reason *why)
{
    if (!ctx->runner) {
        (void)fail(why, ERR_CONFLICT,
                   "commands can't be run: this process was started without a runner");
        return NULL;
    }
    struct exec *x = (struct exec *)xcalloc(1, sizeof(*x));
    x->action.ops = &exec_ops;
    x->config = (const struct exec_config *)c->data;
    x->cwd = ctx->directory;
    x->runner = ctx->runner;
    return &x->action;
}

const struct action_kind action_exec = {.name = "exec", .read = exec_read, .create = exec_create};
