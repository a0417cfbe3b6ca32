/* Error classes of rules, signatures, addresses: the cases that are easy to get wrong. */
#include "base/clock.h"
#include "compat/hook_rule.h"
#include "unit.h"

struct rig {
    struct hook_file *file;
    struct hook_request request;
    struct http_field fields[4];
    struct http_request http;
    struct arena arena;
};

static void rig_init(struct rig *r, const char *rule, const char *body)
{
    struct reason why = {0};
    struct buf text;
    buf_init(&text, 65536);
    buf_printf(&text, "- {id: a, trigger-rule: %s}", rule);
    r->file = hook_file_parse(STR("f"), buf_str(&text), false, &why);
    buf_release(&text);
    if (!r->file)
        FAIL("%s", why.text);
    arena_init(&r->arena, 1u << 20);
    r->fields[0] = (struct http_field){STR("Content-Type"), STR("application/json")};
    r->fields[1] = (struct http_field){STR("x-sig"), STR("sha1=00")};
    r->http = (struct http_request){.method = STR("POST"),
                                    .query = STR("q=1&q=2&bad=%zz"),
                                    .peer = STR("127.0.0.1"),
                                    .peer_port = 7,
                                    .body = str_from_cstr(body),
                                    .fields = {r->fields, 2}};
    EXPECT_EQ_INT(hook_request_decode(&r->request, &r->arena, STR(""), &r->http, r->file->hooks),
                  HOOK_DECODED);
}

static struct rule_answer holds(const char *rule, bool soft)
{
    struct rig r = {0};
    struct reason why = {0};
    rig_init(&r, rule, "{\"a\":1,\"n\":null}");
    struct rule_answer a =
        hook_rule_holds(r.file->hooks[0].rule, &r.request, soft, clock_wall_ms(clock_real()), &why);
    hook_file_unref(r.file);
    arena_release(&r.arena);
    return a;
}

#define A "{match: {type: value, value: '1', parameter: {source: payload, name: a}}}"
#define GONE "{match: {type: value, value: '1', parameter: {source: payload, name: zz}}}"
#define BAD_SIGNATURE                                                                              \
    "{match: {type: payload-hmac-sha1, secret: k, parameter: {source: header, name: X-Sig}}}"
#define NO_SOURCE "{match: {type: value, parameter: {source: nowhere, name: a}}}"

static void expect(const char *rule, bool soft, bool yes, enum rule_error error)
{
    struct rule_answer a = holds(rule, soft);
    if (a.yes != yes || a.error != error)
        FAIL("%s: %s, error %d", rule, a.yes ? "yes" : "no", a.error);
}

void test_hook_rule_not_of_a_missing_field_holds_but_not_inside_and(void)
{
    expect("{not: " GONE "}", false, true, RULE_MISSING);
    expect("{or: [{not: " GONE "}]}", false, true, RULE_FINE);
    expect("{and: [{not: " GONE "}]}", false, false, RULE_MISSING);
}

void test_hook_rule_signature_errors_end_or_unless_soft(void)
{
    expect("{or: [" BAD_SIGNATURE ", " A "]}", false, false, RULE_SIGNATURE);
    expect("{or: [" BAD_SIGNATURE ", " A "]}", true, true, RULE_FINE);
    expect("{or: [" NO_SOURCE ", " A "]}", true, false, RULE_OTHER);
    expect("{or: [" A ", " NO_SOURCE "]}", false, true, RULE_FINE);
}

void test_hook_rule_empty_forms(void)
{
    expect("{}", false, false, RULE_FINE);
    expect("{and: []}", false, true, RULE_FINE);
    expect("{or: []}", false, false, RULE_FINE);
}

void test_hook_rule_compares_addresses_without_the_port(void)
{
    expect("{match: {type: ip-whitelist, ip-range: '10.0.0.1 127.0.0.9/8'}}", false, true,
           RULE_FINE);
    expect("{match: {type: ip-whitelist, ip-range: '::1'}}", false, false, RULE_FINE);
    expect("{match: {type: ip-whitelist, ip-range: 'nope'}}", false, false, RULE_OTHER);
}

void test_hook_rule_asks_null_for_a_field(void)
{
    expect("{match: {type: value, value: x, parameter: {source: payload, name: 'n.x'}}}", false,
           false, RULE_OTHER);
    expect("{match: {type: value, value: <nil>, parameter: {source: payload, name: 'n'}}}", false,
           true, RULE_FINE);
}

void test_hook_request_takes_the_first_of_a_query(void)
{
    struct rig r = {0};
    rig_init(&r, "{}", "{}");
    EXPECT_STR(value_get(&r.request.query, STR("q"))->text, "1");
    EXPECT(!value_get(&r.request.query, STR("bad")));
    EXPECT_STR(r.request.remote_address, "127.0.0.1:7");
    EXPECT_STR(header_canonical(&r.arena, STR("x-forwarded-FOR")), "X-Forwarded-For");
    EXPECT_STR(header_canonical(&r.arena, STR("not a token")), "not a token");
    hook_file_unref(r.file);
    arena_release(&r.arena);
}
