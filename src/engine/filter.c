/* filter.c -- the steps of one attempt's programs, one after the other in the jq process. Fails
 * closed: what can't be decided is not delivered. */
#include "engine/filter.h"

#include "action/event_text.h"
#include "action/jq_worker.h"

#define STEPS_MAX 4

struct step {
    bool is_where;
    str program;
    const char *owner; /* "route", "destination" */
};

struct filter {
    struct jq_run run;
    struct flight *flight;
    struct step steps[STEPS_MAX];
    size_t count, at;
    struct buf input;
    void (*done)(struct flight *f, const struct outcome *o);
};

static void add_step(struct filter *x, bool is_where, str program, const char *owner)
{
    if (program.p)
        x->steps[x->count++] = (struct step){is_where, program, owner};
}

/* True when the plan noted that this route filters: its line in the event's trace says so. */
static bool was_filtered(const struct flight *f)
{
    char line[128];
    int n = snprintf(line, sizeof(line), "route " STR_FMT ": matched" ROUTE_FILTERED,
                     STR_ARG(f->delivery.route));
    str wanted = str_of(line, (size_t)n);
    return n > 0 && (size_t)n < sizeof(line) &&
           str_find_str(f->event.trace, wanted) < f->event.trace.n;
}

struct filter *filter_new(struct flight *f, struct outcome *o, bool *failed)
{
    const struct destination_config *d = f->by->destination;
    const struct config *c = f->by->config;
    const struct route_config *route = c ? map_get(&c->routes_by_name, f->delivery.route) : NULL;
    *failed = false;
    if (!route && was_filtered(f)) {
        *o = (struct outcome){.result = ATTEMPT_RETRY,
                              .error_class = "filter",
                              .summary = STR("the route that filters this delivery is not in the "
                                             "configuration any more; replay the event to the "
                                             "destination to deliver it without")};
        *failed = true;
        return NULL;
    }
    bool filters =
        d->where.p || d->transform.p || (route && (route->where.p || route->transform.p));
    if (!filters)
        return NULL;
    struct filter *x = f->lane->ctx->jq ? ARENA_NEW(&f->arena, struct filter) : NULL;
    if (!x) {
        *o = (struct outcome){.result = ATTEMPT_RETRY,
                              .error_class = "filter",
                              .summary = STR("jq programs can't be run: this process was started "
                                             "without a runner")};
        *failed = true;
        return NULL;
    }
    x->flight = f;
    if (route) {
        add_step(x, true, route->where, "route");
        add_step(x, false, route->transform, "route");
    }
    add_step(x, true, d->where, "destination");
    add_step(x, false, d->transform, "destination");
    return x;
}

/* The event as the programs see it, on one line. */
static bool write_input(struct filter *x)
{
    const struct event *e = &x->flight->event;
    struct json_writer w;
    char text[ID_TEXT_MAX];
    buf_init(&x->input, event_text_max(e) + 65536);
    json_writer_init(&w, &x->input);
    json_open(&w, '{');
    json_pair(&w, "event_id", id_format("evt", e->id, text));
    json_pair(&w, "delivery_id", id_format("dlv", x->flight->delivery.id, text));
    json_pair_int(&w, "attempt", (int64_t)x->flight->delivery.attempts + 1);
    json_pair(&w, "method", e->method);
    json_pair(&w, "target", e->target);
    event_write_origin(&w, e);
    event_write_headers(&w, e, true);
    event_write_body(&w, e, true);
    json_close(&w, '}');
    return buf_ok(&x->input);
}

/* The same fields but those that described the old body. */
static str new_head(struct flight *f, bool is_json)
{
    struct buf b;
    str rest = f->event.head, name, value;
    buf_init(&b, f->event.head.n + 256);
    buf_printf(&b, "Content-Type: %s\r\n",
               is_json ? "application/json" : "text/plain; charset=utf-8");
    while (event_next_field(&rest, &name, &value))
        if (!str_eq_nocase(name, STR("Content-Type")) &&
            !str_eq_nocase(name, STR("Content-Length")))
            buf_printf(&b, STR_FMT ": " STR_FMT "\r\n", STR_ARG(name), STR_ARG(value));
    str head = arena_str(&f->arena, buf_str(&b));
    buf_release(&b);
    return head.p ? head : STR("");
}

static void end(struct filter *x, const struct outcome *o)
{
    buf_release(&x->input);
    x->flight->filter = NULL;
    x->done(x->flight, o);
}

static void fail_step(struct filter *x, str why)
{
    const struct step *s = &x->steps[x->at];
    struct outcome o = {.result = ATTEMPT_RETRY,
                        .error_class = "filter",
                        .summary = arena_printf(&x->flight->arena, "%s of the %s: " STR_FMT,
                                                s->is_where ? "where" : "transform", s->owner,
                                                STR_ARG(str_slice(why, 0, 300)))};
    end(x, &o);
}

static void skip(struct filter *x, const char *gave, str value)
{
    const struct step *s = &x->steps[x->at];
    struct outcome o = {.result = ATTEMPT_SKIPPED,
                        .error_class = "filter",
                        .summary = arena_printf(&x->flight->arena, "%s of the %s gave %s" STR_FMT,
                                                s->is_where ? "where" : "transform", s->owner, gave,
                                                STR_ARG(value))};
    end(x, &o);
}

static void next_step(struct filter *x);

static void on_answer(struct jq_run *run, enum jq_answer answer, str result)
{
    struct filter *x = CONTAINER_OF(run, struct filter, run);
    struct flight *f = x->flight;
    bool is_where = x->steps[x->at].is_where;
    if (answer == JQ_ANSWER_ERROR) {
        fail_step(x, result);
        return;
    }
    if (answer == JQ_ANSWER_NOTHING) {
        skip(x, "nothing", STR(""));
        return;
    }
    if (is_where && answer == JQ_ANSWER_FALSE) {
        skip(x, "", result); /* false or null */
        return;
    }
    if (!is_where) {
        str body = arena_str(&f->arena, result);
        if (!body.p) {
            fail_step(x, STR("the result does not fit the memory of an attempt"));
            return;
        }
        f->event.body = body;
        f->event.head = new_head(f, answer != JQ_ANSWER_TEXT);
    }
    buf_release(&x->input);
    x->at++;
    next_step(x);
}

static void next_step(struct filter *x)
{
    if (x->at == x->count) {
        end(x, NULL);
        return;
    }
    if (!write_input(x)) {
        fail_step(x, STR("the event is too large for a program"));
        return;
    }
    x->run.program = x->steps[x->at].program;
    x->run.event = buf_str(&x->input);
    x->run.done = on_answer;
    jq_worker_start(x->flight->lane->ctx->jq, &x->run);
}

void filter_start(struct filter *x, void (*done)(struct flight *f, const struct outcome *o))
{
    x->done = done;
    x->flight->filter = x;
    next_step(x);
}

void filter_forget(struct filter *x)
{
    jq_worker_forget(x->flight->lane->ctx->jq, &x->run);
    buf_release(&x->input);
    x->flight->filter = NULL;
}
