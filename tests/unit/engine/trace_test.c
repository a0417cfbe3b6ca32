/* trace_test.c -- where events and attempts stand in a trace: the same on every node and after a
 * restart, a child of what the sender said, sampled as asked. */
#include "engine/trace.h"

#include "unit.h"

#define PARENT "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"

static const struct trace_sampler all = {.follow = true, .choice = TRACE_ALL};
static struct arena arena = {.max = 1u << 20};

static struct event event_of(const char *head)
{
    return (struct event){.id = 77,
                          .received_ms = 1700000000000,
                          .source = STR("github"),
                          .head = str_from_cstr(head)};
}

static bool same(const uint8_t *a, const uint8_t *b, size_t n)
{
    return memcmp(a, b, n) == 0;
}

void test_trace_goes_on_with_what_the_sender_said(void)
{
    struct event e = event_of("Host: x\r\nTracestate: a=1\r\n" PARENT "tracestate: b=2\r\n");
    struct event_trace t;
    EXPECT(trace_of_event(&all, &e, &arena, &t));
    EXPECT(t.has_sender && t.server.sampled && t.publish.sampled);
    EXPECT(same(t.server.trace_id, t.sender.trace_id, 16));
    EXPECT(!same(t.server.span_id, t.sender.span_id, 8));
    EXPECT(!same(t.server.span_id, t.publish.span_id, 8));
    EXPECT_STR(t.state, "a=1,b=2");
}

void test_trace_without_a_collector_passes_the_context_on_as_it_came(void)
{
    struct event e = event_of(PARENT);
    struct event_trace t;
    EXPECT(trace_of_event(NULL, &e, &arena, &t));
    EXPECT(same(t.publish.span_id, t.sender.span_id, 8));
    e = event_of("Host: x\r\n");
    EXPECT(!trace_of_event(NULL, &e, &arena, &t));
}

void test_trace_that_begins_here_is_found_again(void)
{
    struct event e = event_of("Host: x\r\n"), other = e;
    struct event_trace first, again, another;
    EXPECT(trace_of_event(&all, &e, &arena, &first));
    EXPECT(trace_of_event(&all, &e, &arena, &again));
    EXPECT(!first.has_sender && first.sender.span_id[0] == 0);
    EXPECT(same(first.server.trace_id, again.server.trace_id, 16));
    EXPECT(same(first.publish.span_id, again.publish.span_id, 8));
    other.body_hash[0] = 1;
    EXPECT(trace_of_event(&all, &other, &arena, &another));
    EXPECT(!same(first.server.trace_id, another.server.trace_id, 16));
}

void test_trace_that_is_malformed_or_given_twice_begins_anew(void)
{
    static const char *const heads[] = {"traceparent: 00-zz\r\n", PARENT PARENT,
                                        "traceparent: 00-zz\r\n" PARENT "tracestate: a=1\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        struct event e = event_of(heads[i]);
        struct event_trace t;
        EXPECT(trace_of_event(&all, &e, &arena, &t));
        EXPECT(!t.has_sender);
        EXPECT_STR(t.state, "");
    }
}

void test_trace_state_that_is_malformed_is_left_out(void)
{
    struct event e = event_of(PARENT "tracestate: a=1\r\ntracestate: Not,good\r\n");
    struct event_trace t;
    EXPECT(trace_of_event(&all, &e, &arena, &t));
    EXPECT(t.has_sender);
    EXPECT_STR(t.state, "");
}

void test_trace_links_a_retry_to_the_attempt_before(void)
{
    struct event e = event_of(PARENT);
    struct event_trace t;
    struct attempt_trace first, second;
    EXPECT(trace_of_event(&all, &e, &arena, &t));
    trace_of_attempt(&t, 5, 1, &first);
    trace_of_attempt(&t, 5, 2, &second);
    EXPECT(!first.has_before && second.has_before);
    EXPECT(same(second.before.span_id, first.process.span_id, 8));
    EXPECT(!same(second.process.span_id, first.process.span_id, 8));
    EXPECT(!same(first.client.span_id, first.process.span_id, 8));
}

static bool sampled(struct trace_sampler s, const char *head, uint64_t id)
{
    struct event e = event_of(head);
    struct event_trace t;
    e.id = id;
    EXPECT(trace_of_event(&s, &e, &arena, &t));
    EXPECT(t.server.sampled == t.publish.sampled);
    return t.publish.sampled;
}

void test_trace_is_sampled_as_asked(void)
{
    const char *off = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n";
    const struct trace_sampler none = {false, TRACE_NONE, 0}, ask_none = {true, TRACE_NONE, 0};
    const struct trace_sampler always = {false, TRACE_ALL, 0};
    EXPECT(sampled(all, PARENT, 1) && !sampled(all, off, 1) && sampled(all, "", 1));
    EXPECT(sampled(ask_none, PARENT, 1) && !sampled(ask_none, off, 1));
    EXPECT(!sampled(ask_none, "", 1) && !sampled(none, PARENT, 1));
    EXPECT(sampled(always, off, 1));
}

void test_trace_share_takes_about_that_many(void)
{
    int taken = 0;
    for (uint64_t id = 0; id < 4000; id++)
        taken += sampled((struct trace_sampler){false, TRACE_SHARE, 0.25}, "", id);
    EXPECT(taken > 800 && taken < 1200);
    EXPECT(!sampled((struct trace_sampler){false, TRACE_SHARE, 0}, "", 1));
    EXPECT(sampled((struct trace_sampler){false, TRACE_SHARE, 1}, "", 1));
}
