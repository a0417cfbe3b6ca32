/* trace.c -- ids by fingerprint: a trace that begins here is named by all that makes its event what
 * it is, a span by its parent, what it is of, and its number. */
#include "engine/trace.h"

#include "base/codec.h"
#include "action/event_text.h"

#define TEXT_MAX 256

static void fingerprint(const char *text, uint8_t *out, size_t n)
{
    uint8_t whole[16];
    str_fingerprint(str_from_cstr(text), whole);
    memcpy(out, whole, n);
    out[n - 1] |= whole[0] == 0; /* all zero names nothing */
}

/* Two daemons that got the same request at the same millisecond are not told apart by less. */
static void begin_trace(const struct event *e, struct trace_context *out)
{
    uint8_t head[16], source[16];
    char text[TEXT_MAX], hex[3][33];
    str_fingerprint(e->head.p ? e->head : STR(""), head);
    str_fingerprint(e->source.p ? e->source : STR(""), source);
    const uint8_t *const parts[] = {head, source, e->body_hash};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        hex_encode(parts[i], 16, hex[i]);
        hex[i][32] = 0;
    }
    snprintf(text, sizeof(text), "trace %llu %lld %s %s %s", (unsigned long long)e->id,
             (long long)e->received_ms, hex[0], hex[1], hex[2]);
    fingerprint(text, out->trace_id, sizeof(out->trace_id));
}

static void make_span(const struct trace_context *parent, const char *what, uint64_t of,
                      uint32_t number, struct trace_context *out)
{
    char text[TEXT_MAX], trace[33], span[17];
    hex_encode(parent->trace_id, 16, trace);
    hex_encode(parent->span_id, 8, span);
    trace[32] = span[16] = 0;
    snprintf(text, sizeof(text), "%s %s %s %llu %u", what, trace, span, (unsigned long long)of,
             number);
    *out = *parent;
    fingerprint(text, out->span_id, sizeof(out->span_id));
}

/* The first field that is a traceparent, and all members of tracestate; two traceparents are as
 * good as none (section 3.2). */
static bool read_sender(const struct event *e, struct arena *a, struct event_trace *out)
{
    char room[TRACESTATE_MAX + 1];
    struct buf state = buf_over(room, sizeof(room));
    str head = e->head, name, value;
    size_t members = 0, parents = 0;
    bool good = true;
    out->state = STR("");
    while (event_next_field(&head, &name, &value)) {
        if (name.n != STR("traceparent").n && name.n != STR("tracestate").n)
            continue;
        if (str_eq_nocase(name, STR("traceparent")))
            out->has_sender = ++parents == 1 && traceparent_parse(value, &out->sender);
        else if (str_eq_nocase(name, STR("tracestate")))
            good = good && tracestate_add(&state, &members, value);
    }
    if (!out->has_sender)
        out->sender = (struct trace_context){.sampled = false};
    else if (good && state.len)
        out->state = arena_str(a, buf_str(&state));
    if (!out->state.p)
        out->state = STR("");
    return out->has_sender;
}

/* The lowest bits of the id against the share, as other tracers of one trace decide it. */
static bool is_within(const struct trace_context *c, double share)
{
    uint64_t n = 0;
    for (size_t i = 8; i < 16; i++)
        n = n << 8 | c->trace_id[i];
    return share >= 1 || (double)(n >> 11) < share * (double)(1ull << 53);
}

static bool is_sampled(const struct trace_sampler *s, const struct event_trace *t)
{
    if (s->follow && t->has_sender)
        return t->sender.sampled;
    return s->choice == TRACE_ALL || (s->choice == TRACE_SHARE && is_within(&t->sender, s->share));
}

bool trace_of_event(const struct trace_sampler *s, const struct event *e, struct arena *a,
                    struct event_trace *out)
{
    *out = (struct event_trace){.has_sender = false};
    if (!read_sender(e, a, out)) {
        if (!s)
            return false;
        begin_trace(e, &out->sender);
    }
    if (!s) {
        out->server = out->publish = out->sender;
        return true;
    }
    struct trace_context from = out->sender;
    from.sampled = is_sampled(s, out);
    make_span(&from, "server", e->id, 0, &out->server);
    make_span(&from, "publish", e->id, 0, &out->publish);
    return true;
}

void trace_of_attempt(const struct event_trace *e, uint64_t delivery_id, uint32_t number,
                      struct attempt_trace *out)
{
    *out = (struct attempt_trace){.event = *e, .has_before = number > 1};
    make_span(&e->publish, "process", delivery_id, number, &out->process);
    make_span(&out->process, "client", delivery_id, number, &out->client);
    if (out->has_before)
        make_span(&e->publish, "process", delivery_id, number - 1, &out->before);
}
