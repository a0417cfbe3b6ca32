/* trace_fuzz.c -- traceparent and tracestate of strangers: what is taken is written again as a
 * valid one that means the same. Input: lines, the first a traceparent, the others fields of
 * tracestate. */
#include "http/trace_context.h"

static void check_parent(str text)
{
    struct trace_context c, again;
    char room[TRACEPARENT_MAX];
    if (!traceparent_parse(text, &c))
        return;
    static const uint8_t none[16];
    assert(memcmp(c.trace_id, none, 16) != 0 && memcmp(c.span_id, none, 8) != 0);
    str shown = traceparent_format(&c, room);
    assert(shown.n == 55 && str_starts(shown, STR("00-")));
    assert(traceparent_parse(shown, &again));
    assert(memcmp(c.trace_id, again.trace_id, 16) == 0);
    assert(memcmp(c.span_id, again.span_id, 8) == 0 && c.sampled == again.sampled);
    assert(str_eq(str_slice(str_trim(text), 3, 52), str_slice(shown, 3, 52)));
}

static void check_state(str lines)
{
    struct buf out, again;
    size_t count = 0, count_again = 0;
    bool good = true;
    buf_init(&out, TRACESTATE_MAX);
    buf_init(&again, TRACESTATE_MAX);
    while (good && lines.p)
        good = tracestate_add(&out, &count, str_cut(&lines, '\n'));
    if (good && buf_ok(&out)) {
        str text = buf_str(&out);
        assert(count <= TRACESTATE_MEMBERS && text.n <= TRACESTATE_MAX);
        for (size_t i = 0; i < text.n; i++)
            assert(text.p[i] >= ' ' && text.p[i] <= '~');
        assert(tracestate_add(&again, &count_again, text) && count == count_again);
        assert(str_eq(buf_str(&again), text));
    }
    buf_release(&out);
    buf_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str rest = str_of((const char *)data, size);
    check_parent(str_cut(&rest, '\n'));
    if (rest.p)
        check_state(rest);
    return 0;
}
