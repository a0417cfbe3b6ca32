/* action_handler.c -- a delivery to a C function of the program that embeds the library. Functions
 * run one at a time on the program's loop, or beside it when they said they may block; the
 * outcome comes back to the delivery loop by message. */
#include "base/log.h"
#include "action/kinds.h"

#define HANDLER_INDEX_MAX 9999

struct handler_action {
    struct action base;
    const struct handler_entry *entry;
    struct loop *delivery_loop, *handler_loop;
};

struct call {
    struct handler_action *action;
    struct task *task;
    struct outcome outcome;
    struct loop_msg msg;
    struct loop_work work;
};

static void finish(struct call *c)
{
    struct task *task = c->task;
    struct outcome o = c->outcome;
    task->impl = NULL;
    free(c);
    task->done(task, &o);
}

static void run(struct call *c)
{
    c->outcome = (struct outcome){.result = ATTEMPT_RETRY, .error_class = "handler"};
    c->action->entry->call(c->task, &c->outcome, c->action->entry->arg);
}

static void came_back(struct loop_msg *msg)
{
    finish(CONTAINER_OF(msg, struct call, msg));
}

static void run_on_loop(struct loop_msg *msg)
{
    struct call *c = CONTAINER_OF(msg, struct call, msg);
    const struct handler_entry *entry = c->action->entry;
    if (entry->start) {
        entry->start(c->task, entry->arg);
        return;
    }
    run(c);
    c->msg.fn = came_back;
    loop_post(c->action->delivery_loop, &c->msg);
}

void handler_finish(struct task *t, const struct outcome *o)
{
    struct call *c = t->impl;
    c->outcome = *o;
    c->msg.fn = came_back;
    loop_post(c->action->delivery_loop, &c->msg);
}

static void run_beside(struct loop_work *w)
{
    run(CONTAINER_OF(w, struct call, work));
}

static void ran_beside(struct loop_work *w)
{
    finish(CONTAINER_OF(w, struct call, work));
}

static void start(struct action *a, struct task *t)
{
    struct handler_action *h = CONTAINER_OF(a, struct handler_action, base);
    struct call *c = xcalloc(1, sizeof(*c));
    c->action = h;
    c->task = t;
    t->impl = c;
    if (h->entry->background) {
        c->work.work = run_beside;
        c->work.done = ran_beside;
        loop_work_start(h->delivery_loop, &c->work);
    } else {
        c->msg.fn = run_on_loop;
        loop_post(h->handler_loop, &c->msg);
    }
}

/* A function that runs cannot be ended from outside; it reports when it returns. */
static void cancel(struct action *a, struct task *t)
{
    UNUSED(a);
    UNUSED(t);
}

static void release(struct action *a)
{
    free(CONTAINER_OF(a, struct handler_action, base));
}

static const struct action_ops handler_ops = {"handler", start, cancel, release};

static struct action_config *read_config(struct arena *a, const struct yaml *node,
                                         struct problems *p)
{
    static const char *const keys[] = {"index", "concurrency", NULL};
    int64_t index = -1, concurrency = 1;
    read_keys(p, node, keys);
    read_int(p, yaml_get(node, STR("index")), 0, HANDLER_INDEX_MAX, &index);
    read_int(p, yaml_get(node, STR("concurrency")), 1, 64, &concurrency);
    if (index < 0)
        problem_at(p, node, "handler destinations are made by programs that use libgaff");
    struct action_config *c = ARENA_NEW(a, struct action_config);
    int64_t *data = ARENA_NEW(a, int64_t);
    if (!c || !data)
        return NULL;
    *data = index;
    c->kind = &action_handler;
    c->timeout_ms = 30000;
    c->default_concurrency = (int)concurrency;
    c->data = data;
    return c;
}

static struct action *create(const struct action_config *c, const struct action_context *ctx,
                             struct reason *why)
{
    size_t index = (size_t) * (const int64_t *)c->data;
    if (!ctx->handlers || index >= ctx->handlers->count) {
        fail(why, ERR_NOT_FOUND, "this program has no handler number %zu", index);
        return NULL;
    }
    struct handler_action *h = xcalloc(1, sizeof(*h));
    h->base.ops = &handler_ops;
    h->entry = &ctx->handlers->v[index];
    h->delivery_loop = ctx->loop;
    h->handler_loop = ctx->handlers->loop;
    return &h->base;
}

const struct action_kind action_handler = {"handler", read_config, create};
