/* trace_tell.c -- names and attributes follow the semantic conventions of OpenTelemetry for HTTP
 * and messaging (v1.45). No URL is told: those of chats and deploy hooks are secrets. */
#include "engine/trace_tell.h"

#include "base/id.h"
#include "verify/verify.h"

#define NAME_MAX_BYTES 256
#define STATE_ARENA_MAX 4096

static str cut(str s)
{
    return str_slice(s, 0, 200);
}

static struct span span_begin(const struct trace_context *context,
                              const struct trace_context *parent, enum span_kind kind, str name)
{
    return (struct span){
        .context = context, .parent = parent, .kind = kind, .name = name, .state = STR("")};
}

static void add_message(struct span *s, const struct event *e, const char *operation,
                        char id[ID_TEXT_MAX])
{
    span_text(s, "messaging.system", STR("gaff"));
    span_text(s, "messaging.operation.type", str_from_cstr(operation));
    span_text(s, "messaging.message.id", id_format("evt", e->id, id));
    span_text(s, "gaff.source", e->source);
    span_text(s, "gaff.event.type", e->type);
}

static void tell_publish(struct tracer *t, const struct event *e, const struct event_trace *at,
                         const struct trace_context *parent, int64_t duration_us)
{
    char id[ID_TEXT_MAX], room[NAME_MAX_BYTES];
    struct buf name = buf_over(room, sizeof(room));
    buf_printf(&name, "publish " STR_FMT, STR_ARG(cut(e->source)));
    struct span s = span_begin(&at->publish, parent, SPAN_PRODUCER, buf_str(&name));
    s.state = at->state;
    s.start_ms = e->received_ms;
    s.duration_us = duration_us;
    add_message(&s, e, "send", id);
    tracer_tell(t, &s);
}

static void tell_request(struct tracer *t, const struct event *e, const struct event_trace *at,
                         str route, int status, bool stored, int64_t duration_us)
{
    char id[ID_TEXT_MAX], room[NAME_MAX_BYTES];
    struct buf name = buf_over(room, sizeof(room));
    buf_printf(&name, STR_FMT " " STR_FMT, STR_ARG(e->method), STR_ARG(cut(route)));
    struct span s = span_begin(&at->server, &at->sender, SPAN_SERVER, buf_str(&name));
    s.state = at->state;
    s.start_ms = e->received_ms;
    s.duration_us = duration_us;
    s.failed = status >= 500;
    s.failure = str_eq(e->verdict, str_from_cstr(verdict_word(VERDICT_KEY_PENDING)))
                    ? e->verdict_text
                    : STR("the event could not be stored");
    span_text(&s, "http.request.method", e->method);
    span_text(&s, "http.route", route);
    span_number(&s, "http.response.status_code", status);
    span_text(&s, "client.address", e->peer);
    span_number(&s, "http.request.body.size", (int64_t)e->body.n);
    span_text(&s, "gaff.source", e->source);
    span_text(&s, "gaff.verdict", e->verdict);
    if (stored)
        span_text(&s, "gaff.event.id", id_format("evt", e->id, id));
    tracer_tell(t, &s);
}

void trace_tell_request(struct tracer *t, const struct event *e, str route, int status, bool stored,
                        int64_t duration_us)
{
    struct event_trace at;
    struct arena a;
    if (!t)
        return;
    arena_init(&a, STATE_ARENA_MAX);
    if (trace_of_event(tracer_sampler(t), e, &a, &at) && at.server.sampled) {
        tell_request(t, e, &at, route, status, stored, duration_us);
        if (stored)
            tell_publish(t, e, &at, &at.server, duration_us);
    }
    arena_release(&a);
}

void trace_tell_published(struct tracer *t, const struct event *e, int64_t duration_us)
{
    struct event_trace at;
    struct arena a;
    if (!t)
        return;
    arena_init(&a, STATE_ARENA_MAX);
    if (trace_of_event(tracer_sampler(t), e, &a, &at) && at.publish.sampled)
        tell_publish(t, e, &at, &at.sender, duration_us);
    arena_release(&a);
}

/* "POST https://ci.example.org/hook HTTP/1.1" of the recorded request. */
static void add_client(struct span *s, str request)
{
    str line = str_cut(&request, '\r'), method = str_cut(&line, ' '), url = str_cut(&line, ' ');
    size_t scheme = str_find_str(url, STR("://"));
    s->name = method;
    span_text(s, "http.request.method", method);
    if (scheme == url.n)
        return;
    str host = str_slice(url, scheme + 3, url.n), port;
    host = str_cut(&host, '/');
    host = str_cut(&host, '?');
    port = host;
    if (str_starts(host, STR("["))) {
        host = str_cut(&port, ']');
        host = str_slice(host, 1, host.n);
        (void)str_cut(&port, ':');
    } else {
        host = str_cut(&port, ':');
    }
    uint64_t number = str_starts(url, STR("https")) ? 443 : 80;
    if (port.p && port.n)
        (void)str_to_u64(port, &number);
    span_text(s, "server.address", host);
    span_number(s, "server.port", (int64_t)number);
}

static void add_outcome(struct span *s, const struct attempt *what)
{
    s->start_ms = what->started_ms;
    s->duration_us = what->duration_us;
    s->failed = what->result == ATTEMPT_RETRY || what->result == ATTEMPT_PERMANENT;
    s->failure = what->summary;
    if (s->failed)
        span_text(s, "error.type", what->error_class);
}

void trace_tell_attempt(struct tracer *t, const struct attempt_trace *x, const struct event *e,
                        const struct delivery *d, const struct attempt *what)
{
    char id[ID_TEXT_MAX], delivery_id[ID_TEXT_MAX], room[NAME_MAX_BYTES];
    if (!t || !x || !x->process.sampled)
        return;
    struct buf name = buf_over(room, sizeof(room));
    buf_printf(&name, "process " STR_FMT, STR_ARG(cut(d->route)));
    struct span s = span_begin(&x->process, &x->event.publish, SPAN_CONSUMER, buf_str(&name));
    s.state = x->event.state;
    s.link = x->has_before ? &x->before : NULL;
    add_outcome(&s, what);
    add_message(&s, e, "process", id);
    span_text(&s, "messaging.destination.name", d->destination);
    span_text(&s, "gaff.delivery.id", id_format("dlv", d->id, delivery_id));
    span_number(&s, "gaff.attempt", what->number);
    tracer_tell(t, &s);
    if (!what->timing.n) /* no request was made over HTTP */
        return;
    s = span_begin(&x->client, &x->process, SPAN_CLIENT, STR("HTTP"));
    s.state = x->event.state;
    add_outcome(&s, what);
    add_client(&s, what->request);
    if (what->status)
        span_number(&s, "http.response.status_code", what->status);
    if (what->number > 1)
        span_number(&s, "http.request.resend_count", what->number - 1);
    tracer_tell(t, &s);
}
