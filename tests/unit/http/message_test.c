/* What is read out of a request when it is asked for. */
#include "http/message.h"
#include "unit.h"

static struct arena arena = {.max = 1 << 20};

void test_message_fields_are_found_in_any_letter_case(void)
{
    struct http_field v[] = {{STR("X-A"), STR("1")}, {STR("x-a"), STR("2")}, {STR("B"), STR("")}};
    struct http_fields f = {v, 3};
    EXPECT_STR(http_field_get(&f, STR("x-A")), "1");
    EXPECT_STR(http_field_get(&f, STR("b")), "");
    EXPECT_NONE(http_field_get(&f, STR("X-AB")));
    EXPECT_NONE(http_field_get(&f, STR("X-")));
    EXPECT_EQ_UINT(http_field_count(&f, STR("X-A")), 2);
    EXPECT_EQ_UINT(http_field_count(&f, STR("c")), 0);
}

void test_message_json_is_parsed_once(void)
{
    struct http_request r = {.body = STR("{\"a\":[1,2]}"), .arena = &arena};
    const struct json *root = http_request_json(&r);
    EXPECT(root != NULL);
    EXPECT(http_request_json(&r) == root);
    EXPECT_EQ_UINT(json_len(json_path(root, STR("a"))), 2);
    http_request_release(&r);
    r.body = STR("{\"a\":");
    EXPECT(http_request_json(&r) == NULL);
    EXPECT(http_request_json(&r) == NULL);
    http_request_release(&r);
    r.body = STR("");
    EXPECT(http_request_json(&r) == NULL);
    http_request_release(&r);
}

void test_message_query_and_form(void)
{
    struct http_field type = {STR("content-type"),
                              STR("Application/X-WWW-Form-Urlencoded; charset=utf-8")};
    struct http_request r = {.query = STR("a=1%202&b"),
                             .body = STR("payload=%7B%7D"),
                             .fields = {&type, 1},
                             .arena = &arena};
    EXPECT_STR(http_request_query(&r, STR("a")), "1 2");
    EXPECT_STR(http_request_query(&r, STR("b")), "");
    EXPECT_NONE(http_request_query(&r, STR("c")));
    EXPECT_STR(http_request_form(&r, STR("payload")), "{}");
    EXPECT_NONE(http_request_form(&r, STR("a")));
    http_request_release(&r);
}

/* Two declared types can be read two ways: then the body is no form. */
void test_message_form_wants_one_declared_type(void)
{
    struct http_field v[] = {{STR("Content-Type"), STR("application/x-www-form-urlencoded")},
                             {STR("Content-Type"), STR("multipart/form-data; boundary=a")}};
    struct http_request r = {.body = STR("a=1"), .fields = {v, 2}, .arena = &arena};
    EXPECT_NONE(http_request_form(&r, STR("a")));
    r.fields.count = 1;
    EXPECT_STR(http_request_form(&r, STR("a")), "1");
    r.fields.count = 0;
    EXPECT_NONE(http_request_form(&r, STR("a")));
    http_request_release(&r);
}

void test_message_status_text(void)
{
    EXPECT_CSTR(http_status_text(200), "OK");
    EXPECT_CSTR(http_status_text(413), "Content Too Large");
    EXPECT_CSTR(http_status_text(599), "");
    EXPECT_CSTR(http_status_text(0), "");
}
