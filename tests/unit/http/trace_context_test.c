/* trace_context_test.c -- traceparent and tracestate against the examples and the rules of the W3C
 * recommendation. */
#include "http/trace_context.h"

#include "unit.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

void test_trace_context_traceparent_is_read_and_written(void)
{
    struct trace_context c;
    char out[TRACEPARENT_MAX];
    EXPECT(traceparent_parse(STR("00-" TRACE "-" SPAN "-01"), &c));
    EXPECT(c.sampled && c.trace_id[0] == 0x0a && c.span_id[7] == 0x31);
    EXPECT_STR(traceparent_format(&c, out), "00-" TRACE "-" SPAN "-01");
    EXPECT(traceparent_parse(STR("00-" TRACE "-" SPAN "-02"), &c));
    EXPECT(!c.sampled);
    EXPECT_STR(traceparent_format(&c, out), "00-" TRACE "-" SPAN "-00");
}

void test_trace_context_traceparent_of_a_later_version_is_read_by_its_beginning(void)
{
    struct trace_context c;
    EXPECT(traceparent_parse(STR("cc-" TRACE "-" SPAN "-01"), &c));
    EXPECT(traceparent_parse(STR("cc-" TRACE "-" SPAN "-01-what-comes"), &c));
    EXPECT(!traceparent_parse(STR("cc-" TRACE "-" SPAN "-01.what"), &c));
    EXPECT(!traceparent_parse(STR("00-" TRACE "-" SPAN "-01-what"), &c));
    EXPECT(!traceparent_parse(STR("ff-" TRACE "-" SPAN "-01"), &c));
}

void test_trace_context_traceparent_that_is_malformed_is_none(void)
{
    static const char *const bad[] = {
        "",
        "00",
        "00-" TRACE "-" SPAN,
        "00-" TRACE "-" SPAN "-0",
        "00-00000000000000000000000000000000-" SPAN "-01",
        "00-" TRACE "-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01",
        "00-0af7651916cd43dd8448eb211c80319-b7ad6b71692033311-01",
        "00-0af7651916cd43dd8448eb211c80319z-" SPAN "-01",
        "0x-" TRACE "-" SPAN "-01",
        "00_" TRACE "-" SPAN "-01",
    };
    struct trace_context c;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        EXPECT(!traceparent_parse(str_from_cstr(bad[i]), &c));
}

static bool add(const char *field, struct buf *out, size_t *count)
{
    return tracestate_add(out, count, str_from_cstr(field));
}

void test_trace_context_tracestate_members_come_through_in_order(void)
{
    char room[TRACESTATE_MAX + 1];
    struct buf out = buf_over(room, sizeof(room));
    size_t count = 0;
    EXPECT(add("rojo=00f067aa0ba902b7 ,, congo=t61rcWkgMzE", &out, &count));
    EXPECT(add("fw529a3039@dt=FfAZ", &out, &count));
    EXPECT_STR(buf_str(&out), "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE,fw529a3039@dt=FfAZ");
    EXPECT_EQ_INT(count, 3);
}

void test_trace_context_tracestate_that_breaks_the_grammar_is_refused(void)
{
    static const char *const bad[] = {"Rojo=1",  "rojo",  "rojo=",  "=1",
                                      "ro jo=1", "a=b=c", "a=\x01", "a=\xc3\xa9"};
    char room[TRACESTATE_MAX + 1];
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct buf out = buf_over(room, sizeof(room));
        size_t count = 0;
        EXPECT(!add(bad[i], &out, &count));
    }
    struct buf out = buf_over(room, sizeof(room));
    size_t count = 0;
    for (int i = 0; i < TRACESTATE_MEMBERS; i++)
        EXPECT(add("a=1", &out, &count));
    EXPECT(!add("a=1", &out, &count));
}
