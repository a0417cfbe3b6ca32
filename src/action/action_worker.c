/* action_worker.c -- events to long-lived processes as JSON lines: the speed of no fork.
 *
 *   worker:
 *     command: [./worker.py]   # and env, cwd, user, ...: see command.h; no references
 *     processes: 1             # started when first needed
 *     window: 64               # events in the hands of one process
 *     timeout: 30s             # for each event, waiting included
 *     json: false              # true: a JSON body stands parsed under "data"
 *     restart: 100ms           # pause after it ended early; doubles up to 30s
 *
 * To the process, a line for each event:
 *   {"id":7,"delivery_id":"dlv_...","event_id":"evt_...","attempt":1,"source":"...","type":"...",
 *    "received":"2026-11-23T20:24:11.042Z","headers":{"content-type":"..."},"body":"..."}
 * ("body_base64" when the body is no UTF-8). From it, in any order:
 *   {"id":7,"ok":true} or {"id":7,"ok":false,"retry":false,"error":"why"}, both with "output":"..."
 *
 * A flight is in `by_start` until its done was called, and in `waiting` or in one process's
 * table. Every entry from outside is between enter and leave: a done may free the action, which
 * then goes when the last entry is left and the last process has ended. */
#include "base/id.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "action/command.h"
#include "action/event_text.h"
#include "action/kinds.h"
#include "action/worker_answer.h"
#include "action/worker_child.h"

#define PROCESSES_MAX 64
#define WINDOW_MAX 4096
#define UNSENT_ENOUGH (1u << 20) /* more bytes than this wait: no more lines for that process */
#define RESTART_MAX_MS 30000
#define STEADY_NS (10ll * 1000000000) /* lived longer: the next pause is the short one again */

struct worker_config {
    struct action_config base;
    struct command command;
    int64_t processes, window, restart_ms;
    bool json;
};

struct process {
    struct child child;
    struct worker *worker;
    struct idmap flights; /* by id */
    struct loop_timer pause;
    int64_t pause_ms, started_ns, answered_ns;
    bool pausing;
};

struct worker {
    struct action action;
    const struct worker_config *config; /* not to be used once `closing` */
    struct loop *loop;
    struct arena arena; /* argv, env, name */
    const char *const *argv, *const *env;
    const char *name, *cwd;
    struct process *processes;
    size_t count;
    struct list waiting, by_start;
    struct loop_timer deadline;
    struct loop_hook hook;
    uint64_t next_id;
    int inside;
    bool closing, pumping, dirty;
};

struct flight { /* in the task's arena */
    struct list link, by_start;
    struct task *task;
    struct process *process; /* NULL: waiting */
    uint64_t id;
    int64_t started_ns, sent_ns;
};

static void pump(struct worker *w);

/* --- configuration -------------------------------------------------------------------------- */

static struct action_config *worker_read(struct arena *a, const struct yaml *node,
                                         struct problems *p)
{
    static const char *const known[] = {COMMAND_KEYS, "processes", "window", "timeout",
                                        "json",       "restart",   NULL};
    struct worker_config *c = ARENA_NEW(a, struct worker_config);
    if (!c || !read_keys(p, node, known))
        return NULL;
    size_t before = p->errors;
    int64_t timeout_ms = 30000;
    c->processes = 1;
    c->window = 64;
    c->restart_ms = 100;
    bool ok = command_read(&c->command, a, node, false, p);
    (void)read_int(p, yaml_get(node, STR("processes")), 1, PROCESSES_MAX, &c->processes);
    (void)read_int(p, yaml_get(node, STR("window")), 1, WINDOW_MAX, &c->window);
    (void)read_duration(p, yaml_get(node, STR("timeout")), 1, 86400000, &timeout_ms);
    (void)read_duration(p, yaml_get(node, STR("restart")), 1, RESTART_MAX_MS, &c->restart_ms);
    (void)read_bool(p, yaml_get(node, STR("json")), &c->json);
    c->base = (struct action_config){.kind = &action_worker,
                                     .timeout_ms = timeout_ms,
                                     .default_concurrency = (int)(c->processes * c->window),
                                     .runs_command = true,
                                     .data = c};
    return ok && p->errors == before ? &c->base : NULL;
}

/* --- life ----------------------------------------------------------------------------------- */

static int64_t now_ns(const struct worker *w)
{
    return clock_mono_ns(loop_clock(w->loop));
}

static void destroy(struct worker *w)
{
    for (size_t i = 0; i < w->count; i++) {
        child_release(&w->processes[i].child);
        idmap_release(&w->processes[i].flights);
    }
    free(w->processes);
    arena_release(&w->arena);
    free(w);
}

static void enter(struct worker *w)
{
    w->inside++;
}

static void leave(struct worker *w)
{
    if (--w->inside > 0 || !w->closing)
        return;
    for (size_t i = 0; i < w->count; i++)
        if (w->processes[i].child.state != CHILD_IDLE)
            return;
    destroy(w);
}

static void worker_free(struct action *action)
{
    struct worker *w = CONTAINER_OF(action, struct worker, action);
    assert(list_is_empty(&w->by_start));
    enter(w);
    w->closing = true;
    w->config = NULL;
    loop_timer_stop(&w->deadline);
    loop_hook_remove(w->loop, &w->hook);
    for (size_t i = 0; i < w->count; i++) {
        loop_timer_stop(&w->processes[i].pause);
        child_stop(&w->processes[i].child);
    }
    leave(w);
}

/* --- the end of a flight -------------------------------------------------------------------- */

static void finish(struct worker *w, struct flight *f, struct outcome *o)
{
    list_remove(&f->link);
    list_remove(&f->by_start);
    if (f->process)
        (void)idmap_remove(&f->process->flights, f->id);
    o->request = str_from_cstr(w->name);
    f->task->impl = NULL;
    f->task->done(f->task, o);
}

static void finish_short(struct worker *w, struct flight *f, enum attempt_result result,
                         const char *class, str summary)
{
    struct outcome o = {.result = result, .error_class = class, .summary = summary};
    finish(w, f, &o);
}

/* Ends every flight of the process (of those that wait, when NULL). Those that start meanwhile
 * are not touched: they are behind the mark. */
static void finish_all(struct worker *w, const struct process *of, const char *class, str summary)
{
    uint64_t mark = w->next_id;
    bool found = true;
    while (found) { /* a done may change the list: begin again after each */
        found = false;
        LIST_EACH(&w->by_start, node)
        {
            struct flight *f = CONTAINER_OF(node, struct flight, by_start);
            if (f->id > mark)
                break;
            if (f->process != of)
                continue;
            finish_short(w, f, ATTEMPT_RETRY, class, summary);
            found = true;
            break;
        }
    }
}

/* --- deadlines ------------------------------------------------------------------------------ */

static void arm_deadline(struct worker *w);

/* True when the process has said nothing at all since it got the event: it hangs. */
static bool is_stuck(const struct flight *f)
{
    return f->process && f->process->answered_ns < f->sent_ns;
}

static void on_deadline(struct loop_timer *t)
{
    struct worker *w = CONTAINER_OF(t, struct worker, deadline);
    int64_t latest = now_ns(w) - w->config->base.timeout_ms * 1000000;
    enter(w);
    while (!w->closing && !list_is_empty(&w->by_start)) {
        struct flight *f = CONTAINER_OF(w->by_start.next, struct flight, by_start);
        if (f->started_ns > latest)
            break;
        str text = f->process ? STR("the worker did not answer in time")
                              : STR("no worker was free to take the event in time");
        if (is_stuck(f) && f->process->child.state == CHILD_RUNNING) {
            log_event(LOG_WARN, "a worker that does not answer is restarted",
                      LOG_F("worker", str_from_cstr(w->name)));
            child_stop(&f->process->child);
        }
        finish_short(w, f, ATTEMPT_RETRY, "timeout", text);
    }
    if (!w->closing) {
        arm_deadline(w);
        pump(w);
    }
    leave(w);
}

static void arm_deadline(struct worker *w)
{
    if (list_is_empty(&w->by_start) || w->deadline.impl)
        return;
    const struct flight *f = CONTAINER_OF(w->by_start.next, struct flight, by_start);
    int64_t left_ns = f->started_ns + w->config->base.timeout_ms * 1000000 - now_ns(w);
    loop_timer_start(w->loop, &w->deadline, left_ns > 0 ? left_ns / 1000000 + 1 : 0, on_deadline);
}

/* --- answers -------------------------------------------------------------------------------- */

static void complain(const struct worker *w, const char *what, str line)
{
    uint64_t held = 0;
    if (log_rate("worker answer", &held))
        log_event(LOG_WARN, what, LOG_F("worker", str_from_cstr(w->name)),
                  LOG_F("line", str_slice(line, 0, 200)), LOG_I("held_back", held));
}

static void on_line(struct child *c, str line)
{
    struct process *proc = CONTAINER_OF(c, struct process, child);
    struct worker *w = proc->worker;
    struct worker_answer answer;
    if (w->closing)
        return;
    struct json_doc *doc = json_parse(line, NULL);
    if (!worker_answer_read(json_root(doc), &answer)) {
        complain(w, "a worker wrote a line that is no answer", line);
        json_doc_free(doc);
        return;
    }
    proc->answered_ns = now_ns(w);
    struct flight *f = (struct flight *)idmap_get(&proc->flights, answer.id);
    enter(w);
    if (f) {
        struct outcome o;
        char took[CLOCK_TEXT_MAX];
        str after = clock_duration_format((now_ns(w) - f->started_ns) / 1000000, took);
        worker_answer_outcome(&answer, after, f->task->arena, &o);
        finish(w, f, &o);
    } else {
        complain(w, "a worker answered for an event that it does not hold any more", line);
    }
    json_doc_free(doc);
    w->dirty = true; /* there is room in its window */
    leave(w);
}

/* --- processes ------------------------------------------------------------------------------ */

static void on_pause_over(struct loop_timer *t)
{
    struct process *proc = CONTAINER_OF(t, struct process, pause);
    struct worker *w = proc->worker;
    proc->pausing = false;
    enter(w);
    pump(w);
    leave(w);
}

static bool any_running(const struct worker *w)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->processes[i].child.state == CHILD_RUNNING)
            return true;
    return false;
}

static void begin_pause(struct worker *w, struct process *proc)
{
    /* One that answers is at work: what kills it is an event, and the next one should not wait. */
    if (now_ns(w) - proc->started_ns > STEADY_NS || proc->answered_ns > proc->started_ns)
        proc->pause_ms = 0;
    proc->pause_ms = proc->pause_ms ? proc->pause_ms * 2 : w->config->restart_ms;
    if (proc->pause_ms > RESTART_MAX_MS)
        proc->pause_ms = RESTART_MAX_MS;
    proc->pausing = true;
    loop_timer_start(w->loop, &proc->pause, proc->pause_ms, on_pause_over);
}

static void on_ended(struct child *c, bool started, str why)
{
    struct process *proc = CONTAINER_OF(c, struct process, child);
    struct worker *w = proc->worker;
    char text[400];
    enter(w);
    if (!w->closing) {
        log_event(LOG_WARN, started ? "a worker ended" : "a worker could not be started",
                  LOG_F("worker", str_from_cstr(w->name)), LOG_F("why", why),
                  LOG_I("events_in_hand", proc->flights.count));
        begin_pause(w, proc);
        (void)snprintf(text, sizeof(text),
                       started ? "the worker ended with the event in hand (" STR_FMT ")"
                               : "the worker could not be started: " STR_FMT,
                       STR_ARG(why));
        const char *class = started ? "worker" : "spawn";
        finish_all(w, proc, class, str_from_cstr(text));
        if (!w->closing && !started && !any_running(w))
            finish_all(w, NULL, class, str_from_cstr(text));
        if (!w->closing)
            pump(w);
    }
    leave(w);
}

static void on_drained(struct child *c)
{
    struct worker *w = CONTAINER_OF(c, struct process, child)->worker;
    enter(w);
    if (!w->closing)
        pump(w);
    leave(w);
}

static bool start_process(struct worker *w, struct process *proc)
{
    struct reason why = {.text = ""};
    const struct command *c = &w->config->command;
    proc->started_ns = proc->answered_ns = now_ns(w);
    const struct run_spec spec = {.argv = w->argv,
                                  .env = w->env,
                                  .cwd = c->cwd ? c->cwd : w->cwd,
                                  .user = c->user,
                                  .kill_after_ms = c->kill_after_ms,
                                  .limits = c->limits,
                                  .sandbox = c->sandbox};
    if (child_start(&proc->child, &spec, &why))
        return true;
    log_event(LOG_WARN, "a worker could not be started", LOG_F("worker", str_from_cstr(w->name)),
              LOG_F("why", str_from_cstr(why.text)));
    begin_pause(w, proc);
    return false;
}

/* The least busy one with room; one that is not running yet is preferred to a busy one. */
static struct process *choose_process(struct worker *w)
{
    struct process *best = NULL, *idle = NULL;
    for (size_t i = 0; i < w->count; i++) {
        struct process *proc = &w->processes[i];
        if (proc->child.state == CHILD_IDLE && !proc->pausing && !idle)
            idle = proc;
        if (proc->child.state != CHILD_RUNNING ||
            proc->flights.count >= (size_t)w->config->window ||
            child_unsent(&proc->child) > UNSENT_ENOUGH)
            continue;
        if (!best || proc->flights.count < best->flights.count)
            best = proc;
    }
    if (idle && (!best || best->flights.count > 0) && start_process(w, idle))
        return idle;
    return best;
}

/* --- sending -------------------------------------------------------------------------------- */

static bool write_line(const struct worker *w, struct buf *out, const struct flight *f)
{
    const struct task *t = f->task;
    struct json_writer j;
    char text[ID_TEXT_MAX];
    size_t start = out->len;
    json_writer_init(&j, out);
    json_open(&j, '{');
    json_pair_int(&j, "id", (int64_t)f->id);
    json_pair(&j, "delivery_id", id_format("dlv", t->delivery->id, text));
    json_pair(&j, "event_id", id_format("evt", t->event->id, text));
    json_pair_int(&j, "attempt", (int64_t)t->delivery->attempts + 1);
    event_write_origin(&j, t->event);
    event_write_headers(&j, t->event, false);
    event_write_body(&j, t->event, w->config->json);
    json_close(&j, '}');
    buf_char(out, '\n');
    if (buf_ok(out))
        return true;
    out->len = start; /* the lines before it are whole */
    out->failed = false;
    return false;
}

/* False when it must go on waiting. */
static bool hand_over(struct worker *w, struct process *proc, struct flight *f)
{
    struct child *c = &proc->child;
    if (!write_line(w, &c->out, f)) {
        if (child_unsent(c) > 0)
            return false;
        finish_short(w, f, ATTEMPT_PERMANENT, "refused",
                     STR("the event is too large for a worker's line of 64 MiB"));
        return true;
    }
    list_remove(&f->link);
    f->process = proc;
    f->sent_ns = now_ns(w);
    idmap_put(&proc->flights, f->id, f);
    w->dirty = true;
    return true;
}

static void pump(struct worker *w)
{
    if (w->pumping)
        return;
    w->pumping = true;
    while (!w->closing && !list_is_empty(&w->waiting)) {
        struct process *proc = choose_process(w);
        struct flight *f = CONTAINER_OF(w->waiting.next, struct flight, link);
        if (!proc || !hand_over(w, proc, f))
            break;
    }
    w->pumping = false;
}

/* All lines of a turn go out in one write for each process. */
static void on_turn_end(struct loop_hook *hook)
{
    struct worker *w = CONTAINER_OF(hook, struct worker, hook);
    if (!w->dirty)
        return;
    w->dirty = false;
    enter(w);
    pump(w);
    for (size_t i = 0; i < w->count && !w->closing; i++)
        child_flush(&w->processes[i].child);
    leave(w);
}

/* --- the action ----------------------------------------------------------------------------- */

static void worker_start(struct action *action, struct task *t)
{
    struct worker *w = CONTAINER_OF(action, struct worker, action);
    assert(!w->closing);
    struct flight *f = ARENA_NEW(t->arena, struct flight);
    if (!f) {
        struct outcome o = {.result = ATTEMPT_RETRY,
                            .error_class = "refused",
                            .summary = STR("no room for the attempt")};
        t->done(t, &o);
        return;
    }
    f->task = t;
    f->id = ++w->next_id;
    f->started_ns = now_ns(w);
    t->impl = f;
    enter(w);
    list_push(&w->waiting, &f->link);
    list_push(&w->by_start, &f->by_start);
    arm_deadline(w);
    pump(w);
    leave(w);
}

static void worker_cancel(struct action *action, struct task *t)
{
    struct worker *w = CONTAINER_OF(action, struct worker, action);
    struct flight *f = (struct flight *)t->impl;
    if (!f)
        return;
    enter(w);
    finish_short(w, f, ATTEMPT_CANCELLED, "cancelled",
                 STR("given up because gaff is stopping or the attempt was cancelled"));
    leave(w);
}

static const struct action_ops worker_ops = {
    .kind = "worker", .start = worker_start, .cancel = worker_cancel, .free = worker_free};

static struct action *worker_create(const struct action_config *config,
                                    const struct action_context *ctx, struct reason *why)
{
    const struct worker_config *c = (const struct worker_config *)config->data;
    if (!ctx->runner) {
        (void)fail(why, ERR_CONFLICT,
                   "workers can't be run: this process was started without a runner");
        return NULL;
    }
    struct worker *w = (struct worker *)xcalloc(1, sizeof(*w));
    w->action.ops = &worker_ops;
    w->config = c;
    w->loop = ctx->loop;
    w->cwd = ctx->directory;
    arena_init(&w->arena, 4u << 20);
    list_init(&w->waiting);
    list_init(&w->by_start);
    if (command_build(&c->command, NULL, &w->arena, &w->argv, &w->env, why) != ERR_OK) {
        destroy(w);
        return NULL;
    }
    w->name = arena_cstr(&w->arena, command_show(&c->command, w->argv, &w->arena));
    if (!w->name)
        w->name = "worker";
    w->count = (size_t)c->processes;
    w->processes = (struct process *)xcalloc(w->count, sizeof(struct process));
    for (size_t i = 0; i < w->count; i++) {
        struct process *proc = &w->processes[i];
        proc->worker = w;
        child_init(&proc->child, ctx->loop, ctx->runner, w->name);
        proc->child.on_line = on_line;
        proc->child.on_ended = on_ended;
        proc->child.on_drained = on_drained;
    }
    w->hook.fn = on_turn_end;
    loop_at_turn_end(ctx->loop, &w->hook);
    return &w->action;
}

const struct action_kind action_worker = {
    .name = "worker", .read = worker_read, .create = worker_create};
