/* done.c -- the answer of `ack: done`. It is made once: by the outcome, by the deadline, or because
 * the client of a stream has gone; whichever is first takes the wait off every list. */
#include "engine/done.h"

#include "base/log.h"

struct done {
    struct list link;
    struct waiter waiter;
    struct loop_timer deadline;
    struct done_waits *waits;
    struct http_exchange *x;
    struct config *config;
    const struct source_config *source;
    uint64_t event_id;
    bool is_streaming;
};

void done_init(struct done_waits *d, struct engine_core *core, struct loop *loop)
{
    d->core = core;
    d->loop = loop;
    list_init(&d->open);
}

static void forget(struct done *d)
{
    waiting_remove(d->waits->core->waiting, &d->waiter);
    loop_timer_stop(&d->deadline);
    list_remove(&d->link);
    config_unref(d->config);
    free(d);
}

/* --- the answer ------------------------------------------------------------------------------ */

static int status_of(const struct source_config *s, const struct waited *what)
{
    bool exited = str_eq(what->error_class, STR("exit")) || what->result == ATTEMPT_SUCCESS;
    if (exited && s->ack_statuses && what->status >= 0 && what->status < 256 &&
        s->ack_statuses[what->status])
        return s->ack_statuses[what->status];
    if (what->result == ATTEMPT_SUCCESS || what->result == ATTEMPT_SKIPPED)
        return 200;
    return str_eq(what->error_class, STR("timeout")) ? 504 : 500;
}

/* The fields every answer has; `count` of fields, which has room for them. */
static size_t add_fields(const struct done *d, const char *state, char id[ID_TEXT_MAX],
                         struct http_field *fields)
{
    size_t count = 0;
    const struct source_config *s = d->source;
    fields[count++] = (struct http_field){STR("gaff-event-id"), id_format("evt", d->event_id, id)};
    fields[count++] = (struct http_field){STR("gaff-outcome"), str_from_cstr(state)};
    fields[count++] = (struct http_field){STR("X-Content-Type-Options"), STR("nosniff")};
    for (size_t i = 0; i < s->respond_field_count && i < 16; i++)
        fields[count++] = s->respond_fields[i];
    return count;
}

static void answer_json(struct done *d, int status, const char *state, str summary)
{
    char id[ID_TEXT_MAX];
    struct http_field fields[24];
    struct buf body;
    struct json_writer w;
    size_t count = add_fields(d, state, id, fields);
    fields[count++] = (struct http_field){STR("Content-Type"), STR("application/json")};
    buf_init(&body, 65536);
    json_writer_init(&w, &body);
    json_open(&w, '{');
    json_pair(&w, "id", id_format("evt", d->event_id, id));
    json_pair(&w, "state", str_from_cstr(state));
    json_pair(&w, "summary", summary);
    json_close(&w, '}');
    buf_char(&body, '\n');
    struct http_exchange *x = d->x;
    http_reply(x, status, fields, count, buf_str(&body));
    buf_release(&body);
    forget(d);
}

static void answer_output(struct done *d, const struct waited *what)
{
    char id[ID_TEXT_MAX], code[16];
    struct http_field fields[24];
    size_t count = add_fields(d, attempt_result_word(what->result), id, fields);
    int n = snprintf(code, sizeof(code), "%d", what->status);
    fields[count++] = (struct http_field){STR("gaff-exit-code"), str_of(code, (size_t)n)};
    fields[count++] = (struct http_field){STR("Content-Type"), STR("text/plain; charset=utf-8")};
    http_reply(d->x, status_of(d->source, what), fields, count, what->output);
    forget(d);
}

static void on_done(struct waiter *w, const struct waited *what)
{
    struct done *d = CONTAINER_OF(w, struct done, waiter);
    if (d->is_streaming) {
        http_stream_end(d->x); /* and stream_closed */
        return;
    }
    if (what->output.n)
        answer_output(d, what);
    else
        answer_json(d, status_of(d->source, what), attempt_result_word(what->result),
                    what->summary);
}

static void on_deadline(struct loop_timer *t)
{
    struct done *d = CONTAINER_OF(t, struct done, deadline);
    if (d->is_streaming)
        http_stream_end(d->x);
    else
        answer_json(d, 202, "running",
                    STR("stored; the work has not ended yet, and goes on without you"));
}

/* --- output as it comes ----------------------------------------------------------------------- */

static void stream_closed(struct http_exchange *x)
{
    forget(x->user);
}

static void on_output(struct waiter *w, str bytes)
{
    struct done *d = CONTAINER_OF(w, struct done, waiter);
    if (!d->is_streaming) {
        char id[ID_TEXT_MAX];
        struct http_field fields[24];
        size_t count = add_fields(d, "running", id, fields);
        fields[count++] =
            (struct http_field){STR("Content-Type"), STR("text/plain; charset=utf-8")};
        d->is_streaming = true;
        d->x->user = d;
        http_stream_begin(d->x, 200, fields, count, stream_closed);
    }
    if (!http_stream_write(d->x, bytes))
        http_stream_end(d->x); /* it reads too slowly, or has gone */
}

/* --- life ------------------------------------------------------------------------------------- */

void done_wait(struct done_waits *waits, struct http_exchange *x, struct config *c,
               const struct source_config *source, uint64_t event_id, uint64_t delivery_id)
{
    struct done *d = xcalloc(1, sizeof(*d));
    *d = (struct done){.waits = waits,
                       .x = x,
                       .config = config_ref(c),
                       .source = source,
                       .event_id = event_id,
                       .waiter = {.delivery_id = delivery_id,
                                  .loop = waits->loop,
                                  .wants_output = source->ack_stream,
                                  .output = on_output,
                                  .done = on_done}};
    list_push(&waits->open, &d->link);
    waiting_add(waits->core->waiting, &d->waiter);
    loop_timer_start(waits->loop, &d->deadline, source->ack_timeout_ms, on_deadline);
}

void done_release(struct done_waits *waits)
{
    while (!list_is_empty(&waits->open))
        on_deadline(&CONTAINER_OF(waits->open.next, struct done, link)->deadline);
}
