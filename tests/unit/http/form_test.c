/* Fields of forms, and the parameters of Content-Type and Content-Disposition. */
#include "http/form.h"
#include "http/message.h"
#include "unit.h"

static struct arena arena = {.max = 1 << 20};

static str get(const char *text, const char *name)
{
    return form_urlencoded_get(&arena, str_from_cstr(text), str_from_cstr(name));
}

void test_form_urlencoded_get(void)
{
    EXPECT_STR(get("a=1&b=2", "a"), "1");
    EXPECT_STR(get("a=1&b=2", "b"), "2");
    EXPECT_STR(get("a=1&a=2", "a"), "1");
    EXPECT_STR(get("a", "a"), "");
    EXPECT_STR(get("a=", "a"), "");
    EXPECT_STR(get("&&a=b=c&", "a"), "b=c");
    EXPECT_STR(get("a=x+y%20z%2B", "a"), "x y z+");
    EXPECT_STR(get("%61%62=1", "ab"), "1");
    EXPECT_STR(get("a+b=1", "a b"), "1");
    EXPECT_STR(get("a=%00", "a"), "\0");
    EXPECT_STR(get("payload=%7B%22a%22%3A1%7D", "payload"), "{\"a\":1}");
    EXPECT_STR(get("=1", ""), "1");
    EXPECT_NONE(get("", "a"));
    EXPECT_NONE(get("a=1", "b"));
    EXPECT_NONE(get("ab=1", "a"));
    EXPECT_NONE(get("A=1", "a"));
    EXPECT_NONE(get("a=%zz", "a"));
    EXPECT_NONE(get("a=%4", "a"));
    EXPECT_STR(get("%zz=1&a=2", "a"), "2");
    EXPECT_NONE(form_urlencoded_get(&arena, STR_NONE, STR("a")));
}

void test_form_urlencoded_get_looks_at_so_many_fields(void)
{
    static char text[FORM_FIELDS_MAX * 4 + 16];
    size_t n = 0;
    for (int i = 0; i < FORM_FIELDS_MAX; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "x=1&");
    snprintf(text + n, sizeof(text) - n, "a=1");
    EXPECT_NONE(get(text, "a"));
    EXPECT_STR(get(text + 4, "a"), "1");
}

void test_media_type_and_param(void)
{
    str v = STR("multipart/form-data ; Boundary=\"a;b c\"; x=1");
    EXPECT_STR(media_type(v), "multipart/form-data");
    EXPECT_STR(media_param(v, STR("boundary")), "a;b c");
    EXPECT_STR(media_param(v, STR("X")), "1");
    EXPECT_NONE(media_param(v, STR("y")));
    EXPECT_NONE(media_param(STR("a; b=\"c\\\"d\""), STR("b")));
    EXPECT_NONE(media_param(STR("a; b=\"c"), STR("b")));
    EXPECT_NONE(media_param(STR("a; b"), STR("b")));
    EXPECT_STR(media_param(STR("a;;b=;"), STR("b")), "");
    EXPECT_NONE(media_type(STR_NONE));
    EXPECT_NONE(media_param(STR_NONE, STR("b")));
}

#define PART(name, value) "Content-Disposition: form-data; name=\"" name "\"\r\n\r\n" value

static str part(str body, const char *name)
{
    return form_multipart_get(body, STR("XyZ"), str_from_cstr(name));
}

void test_form_multipart_get(void)
{
    str body = STR("preamble\r\n--XyZ\r\n" PART(
        "a",
        "1") "\r\n--XyZ  \r\n"
             "content-type: text/plain\r\ncontent-disposition: form-data; filename=\"/etc/x\""
             "; name=b\r\n\r\nline\r\n--XyYe\r\n\r\n--XyZ\r\n" PART(
                 "a",
                 "3") "\r\n--XyZ\r\n\r\nno fields\r\n--XyZ\r\n" PART("last",
                                                                     "") "\r\n--XyZ--\r\n"
                                                                         "epilogue\r\n--"
                                                                         "XyZ\r\n" PART(
                                                                             "after",
                                                                             "x") "\r\n--XyZ--");
    EXPECT_STR(part(body, "a"), "1");
    EXPECT_STR(part(body, "b"), "line\r\n--XyYe\r\n");
    EXPECT_STR(part(body, "last"), "");
    EXPECT_NONE(part(body, "after"));
    EXPECT_NONE(part(body, "none"));
    EXPECT_NONE(form_multipart_get(body, STR("Xy"), STR("a")));
    EXPECT_NONE(form_multipart_get(body, STR(""), STR("a")));
    EXPECT_NONE(form_multipart_get(body, STR_NONE, STR("a")));
    EXPECT_STR(part(STR("--XyZ\r\n" PART("a", "at once") "\r\n--XyZ--"), "a"), "at once");
    EXPECT_STR(part(STR("--XyZ\r\n" PART("a", "\0bin\r\n") "\r\n--XyZ--"), "a"), "\0bin\r\n");
}

void test_form_multipart_get_refuses_what_is_malformed(void)
{
    EXPECT_NONE(part(STR(""), "a"));
    EXPECT_NONE(part(STR("--XyZ"), "a"));
    EXPECT_NONE(part(STR("--XyZ\r\n"), "a"));
    EXPECT_NONE(part(STR("--XyZ\n" PART("a", "1") "\r\n--XyZ--"), "a"));
    EXPECT_NONE(part(STR("--XyZ\r\n" PART("a", "not ended")), "a"));
    EXPECT_NONE(part(STR("--XyZ\r\nContent-Disposition: form-data; name=\"a\"\r\n"), "a"));
    EXPECT_NONE(
        part(STR("--XyZ\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\n1\r\n--XyZ--"), "a"));
    static char body[FORM_PART_HEAD_MAX * 2];
    memset(body, 'x', sizeof(body));
    memcpy(body, "--XyZ\r\n", 7);
    memcpy(body + FORM_PART_HEAD_MAX + 100, "\r\n\r\n", 4);
    EXPECT_NONE(part(str_of(body, sizeof(body)), "a"));
}

void test_form_multipart_get_looks_at_so_many_parts(void)
{
    static char body[FORM_PARTS_MAX * 80 + 200];
    size_t n = 0;
    for (int i = 0; i < FORM_PARTS_MAX; i++)
        n += (size_t)snprintf(body + n, sizeof(body) - n, "--XyZ\r\n" PART("x", "1") "\r\n");
    n += (size_t)snprintf(body + n, sizeof(body) - n, "--XyZ\r\n" PART("a", "1") "\r\n--XyZ--");
    EXPECT_NONE(part(str_of(body, n), "a"));
    EXPECT_STR(part(str_of(body, n), "x"), "1");
}

/* CVE-2026-21858 of another product: a JSON body posed as an uploaded file. */
void test_form_cve_2026_21858_the_declared_type_decides(void)
{
    static const char json[] = "{\"files\":{\"a\":{\"filepath\":\"/etc/passwd\"}}}";
    static const char form[] = "--XyZ\r\n" PART("a", "1") "\r\n--XyZ--";
    struct http_field type = {STR("Content-Type"), STR("application/json")};
    struct http_request r = {.fields = {&type, 1}, .body = STR(form), .arena = &arena};
    EXPECT_NONE(http_request_form(&r, STR("a")));
    EXPECT(http_request_json(&r) == NULL);
    http_request_release(&r);
    r.body = STR(json);
    EXPECT_NONE(http_request_form(&r, STR("files")));
    EXPECT(http_request_json(&r) != NULL);
    http_request_release(&r);
    type.value = STR("multipart/form-data; boundary=XyZ");
    EXPECT_NONE(http_request_form(&r, STR("files")));
    EXPECT(http_request_json(&r) == NULL);
    http_request_release(&r);
    type.value = STR("application/x-www-form-urlencoded");
    EXPECT_NONE(http_request_form(&r, STR("files")));
    EXPECT(http_request_json(&r) == NULL);
    http_request_release(&r);
}
