/* hook_run.c -- a run is over when the command has exited and its output has ended. What it needs
 * beyond its start (names of files, its id) is copied into an arena of its own. */
#include "compat/hook_run.h"

#include "base/log.h"
#include "action/capture.h"
#include "compat/hook_log.h"

#define OWN_BYTES_MAX (1u << 20)

struct hook_run {
    struct run run;
    struct capture capture;
    struct arena arena;
    str id, hook_id;
    struct hook_command command; /* only its files */
    bool exited, drained;
    int exit_code;
    char error[REASON_TEXT_MAX];
    hook_run_done *done;
    void *arg;
};

static void finish(struct hook_run *r)
{
    struct hook_outcome o = {.ok = !r->error[0],
                             .output = buf_str(&r->capture.out),
                             .output_cut = r->capture.cut,
                             .exit_code = r->exit_code,
                             .error = r->error};
    hook_log_text(r->id, "command output: ", o.output);
    if (o.output_cut)
        hook_log(r->id, "command output was cut at %u bytes", HOOK_OUTPUT_MAX);
    if (!o.ok)
        hook_log(r->id, "error occurred: %s", r->error);
    hook_command_clean(&r->command, r->id);
    hook_log(r->id, "finished handling " STR_FMT, STR_ARG(r->hook_id));
    r->done(&o, r->arg);
    capture_release(&r->capture);
    arena_release(&r->arena);
    free(r);
}

static void on_drained(struct capture *c)
{
    struct hook_run *r = CONTAINER_OF(c, struct hook_run, capture);
    r->drained = true;
    if (r->exited)
        finish(r);
}

static void on_exit_told(struct run *run, const struct run_result *result)
{
    struct hook_run *r = CONTAINER_OF(run, struct hook_run, run);
    r->exited = true;
    r->exit_code = result->exit_code;
    if (!result->started)
        (void)snprintf(r->error, sizeof(r->error), "%s", result->error);
    else if (result->signal)
        (void)snprintf(r->error, sizeof(r->error), "signal: %s", strsignal(result->signal));
    else if (result->exit_code != 0)
        (void)snprintf(r->error, sizeof(r->error), "exit status %d", result->exit_code);
    if (r->drained)
        finish(r);
}

static void keep_files(struct hook_run *r, const struct hook_command *c)
{
    r->command.files = ARENA_ARRAY(&r->arena, const char *, c->file_count + 1);
    for (size_t i = 0; r->command.files && i < c->file_count; i++)
        r->command.files[r->command.file_count++] =
            arena_cstr(&r->arena, str_from_cstr(c->files[i]));
}

/* Nothing was started: told at once. */
static void fail_now(struct hook_run *r, const char *error)
{
    (void)snprintf(r->error, sizeof(r->error), "%s", error);
    r->exit_code = -1;
    finish(r);
}

void hook_run_start(struct loop *l, struct runner *runner, const struct hook *h,
                    const struct hook_request *q, bool outlives, hook_run_done *done, void *arg)
{
    struct hook_command c;
    struct reason why = {0};
    hook_command_build(&c, h, q);
    if (!c.program && !c.argv) { /* it was not found: nothing more is said */
        struct hook_outcome o = {.output = STR(""), .exit_code = -1, .error = c.error};
        done(&o, arg);
        return;
    }
    struct hook_run *r = xcalloc(1, sizeof(*r));
    arena_init(&r->arena, OWN_BYTES_MAX);
    r->id = arena_str(&r->arena, q->id);
    r->hook_id = arena_str(&r->arena, h->id);
    r->done = done;
    r->arg = arg;
    keep_files(r, &c);
    if (!c.program) {
        fail_now(r, c.error);
        return;
    }
    if (capture_start(&r->capture, l, HOOK_OUTPUT_MAX, on_drained, &why) != ERR_OK) {
        fail_now(r, why.text);
        return;
    }
    struct run_spec spec = {.program = c.program,
                            .argv = c.argv,
                            .env = c.env,
                            .cwd = c.cwd,
                            .stdin_fd = -1,
                            .stdout_fd = r->capture.write_end,
                            .stderr_fd = r->capture.write_end,
                            .outlives = outlives};
    r->run.done = on_exit_told;
    runner_start(runner, &spec, &r->run);
    capture_handed_over(&r->capture);
}
