/* Conditions over an HTTP answer: what holds, what is refused, and that nothing makes them stray.
 */
#include "unit.h"

#include "base/buf.h"
#include "rule/predicate.h"

static struct http_field fields[] = {{{"Retry-After", 11}, {"7", 1}}, {{"X-Empty", 7}, {"", 0}}};

static struct answer_view view(int status, const char *body)
{
    static struct http_fields all = {fields, ARRAY_LEN(fields)};
    return (struct answer_view){.status = status, .fields = &all, .body = str_from_cstr(body)};
}

static bool holds(const char *text, int status, const char *body)
{
    struct arena a;
    struct reason why = {.text = ""};
    arena_init(&a, 1u << 16);
    struct predicate *p = predicate_compile(&a, str_from_cstr(text), &why);
    if (!p)
        FAIL("%s: %s", text, why.text);
    struct answer_view v = view(status, body);
    bool out = predicate_holds(p, &v);
    answer_view_release(&v);
    arena_release(&a);
    return out;
}

void test_predicate_compares(void)
{
    EXPECT(holds("status == 200", 200, ""));
    EXPECT(!holds("status == 200", 201, ""));
    EXPECT(holds("status in [200, 201]", 201, ""));
    EXPECT(!holds("status in [200, 201]", 202, ""));
    EXPECT(holds("status >= 200 and status < 300", 204, ""));
    EXPECT(!holds("status >= 200 and status < 300", 300, ""));
    EXPECT(holds("not status == 200", 500, ""));
    EXPECT(holds("status == 1 or status == 2 or status == 3", 3, ""));
    EXPECT(holds("status == 200 and (body == 'ok' or body == 'OK')", 200, "OK"));
    EXPECT(holds("body != 'ok'", 200, "no_text"));
    EXPECT(holds("contains(body, 'rate')", 200, "a rate limit"));
    EXPECT(!holds("contains(body, 'rates')", 200, "a rate limit"));
}

/* `and` binds closer than `or`, `not` closer than both. */
void test_predicate_knows_precedence(void)
{
    EXPECT(holds("status == 200 or status == 500 and body == 'x'", 200, "y"));
    EXPECT(!holds("(status == 200 or status == 500) and body == 'x'", 200, "y"));
    EXPECT(holds("not status == 1 and not status == 2", 3, ""));
    EXPECT(!holds("not (status == 3 and body == '')", 3, ""));
}

void test_predicate_reads_json(void)
{
    EXPECT(holds("json('ok') == true", 200, "{\"ok\":true}"));
    EXPECT(holds("json('ok')", 200, "{\"ok\":true}"));
    EXPECT(!holds("json('ok')", 200, "{\"ok\":\"true\"}"));
    EXPECT(!holds("json('ok') == true", 200, "{\"ok\":\"true\"}"));
    EXPECT(holds("json('errcode') == 0", 200, "{\"errcode\":0}"));
    EXPECT(!holds("json('errcode') == 0", 200, "{\"errcode\":\"0\"}"));
    EXPECT(holds("json('a.b.0') == 'x'", 200, "{\"a\":{\"b\":[\"x\"]}}"));
    EXPECT(holds("json('none') == null", 200, "{\"ok\":true}"));
    EXPECT(holds("json('none') == null", 200, "this is no JSON"));
    EXPECT(!holds("json('none') < 5", 200, "{}"));
    EXPECT(holds("json('list') != null", 200, "{\"list\":[1]}"));
}

void test_predicate_reads_headers(void)
{
    EXPECT(holds("header('retry-after') == '7'", 429, ""));
    EXPECT(!holds("header('Retry-After') == 7", 429, ""));
    EXPECT(holds("header('X-Empty') == ''", 429, ""));
    EXPECT(holds("header('X-None') == null", 429, ""));
}

static void expect_text(const char *text, const char *body, const char *expected)
{
    struct arena a;
    struct reason why = {.text = ""};
    arena_init(&a, 1u << 16);
    struct answer_view v = view(200, body);
    str out = predicate_text(predicate_compile(&a, str_from_cstr(text), &why), &v, &a);
    EXPECT_EQ_STR(out, str_from_cstr(expected));
    answer_view_release(&v);
    arena_release(&a);
}

void test_predicate_gives_values(void)
{
    expect_text("json('id')", "{\"id\":1234567890123456789}", "1234567890123456789");
    expect_text("json('id')", "{\"id\":\"abc\"}", "abc");
    expect_text("json('id')", "{}", NULL);
    expect_text("first(header('X-None'), json('wait'), header('Retry-After'))", "{\"wait\":1.5}",
                "1.5");
    expect_text("first(json('wait'), header('Retry-After'))", "{}", "7");
}

static void expect_refused(const char *text, const char *part)
{
    struct arena a;
    struct reason why = {.text = ""};
    arena_init(&a, 1u << 16);
    EXPECT(predicate_compile(&a, str_from_cstr(text), &why) == NULL);
    EXPECT_HAS(why.text, part);
    arena_release(&a);
}

void test_predicate_refuses_what_it_cannot_read(void)
{
    expect_refused("", "expected a value");
    expect_refused("sttus == 200", "expected a value");
    expect_refused("status = 200", "expected and, or");
    expect_refused("status == ", "expected a value");
    expect_refused("status in 200", "expected a list");
    expect_refused("status in [200", "closing bracket");
    expect_refused("json(ok)", "single quotes");
    expect_refused("json('ok'", "expected )");
    expect_refused("body == 'ok", "closing quote");
    expect_refused("(status == 200", "expected )");
    expect_refused("contains(body)", "contains takes");
    expect_refused("status == 200 body", "expected and, or");
    expect_refused("((((((((((((((((((status))))))))))))))))))", "nested too deeply");
    expect_refused("not not not not not not not not not not not not not not not not not true",
                   "nested too deeply");
}

void test_predicate_is_bounded(void)
{
    struct buf text;
    buf_init(&text, 4096);
    buf_str_append(&text, STR("status == 0"));
    for (int i = 0; i < 100; i++)
        buf_str_append(&text, STR(" or status == 1"));
    expect_refused(buf_cstr(&text), "too long");
    buf_release(&text);
}
