/* Outgoing URLs as they are requested: what a signature of the URL must be over. */
#include "unit.h"

#include "http/url.h"

void test_url_sent_is_what_libcurl_requests(void)
{
    static const struct {
        const char *text, *sent;
    } cases[] = {
        {"http://example.org", "http://example.org/"},
        {"HTTPS://Example.ORG/Hook?A=b%20C#part", "https://example.org/Hook?A=b%20C"},
        {"http://example.org?x=1", "http://example.org/?x=1"},
        {"http://example.org/a/../b/./c", "http://example.org/b/c"},
        {"http://b\xc3\xbc\x63her.example/", "http://xn--bcher-kva.example/"},
        {"http://[::1]:8080/x", "http://[::1]:8080/x"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct reason why = {.text = ""};
        char *sent = NULL;
        EXPECT_OK(http_url_sent(str_from_cstr(cases[i].text), &sent, &why), why);
        EXPECT_EQ_STR(str_from_cstr(sent), str_from_cstr(cases[i].sent));
        free(sent);
    }
}

void test_url_sent_refuses_what_is_not_requested(void)
{
    struct reason why;
    char *sent = NULL;
    EXPECT_EQ_INT(http_url_sent(STR("ftp://example.org/"), &sent, &why), ERR_INVALID);
    EXPECT_EQ_INT(http_url_sent(STR("http://user:pass@example.org/"), &sent, &why), ERR_INVALID);
    EXPECT(sent == NULL);
}
