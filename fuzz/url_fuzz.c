/* url_fuzz.c -- any text as a URL to be called: what is judged is what is requested, however it is
 * written, and nothing that is not public passes for it. */
#include "http/client.h"
#include "http/client_policy.h"
#include "http/url.h"

#include <stdlib.h>

static void check_host(const struct http_url *u)
{
    char host[HTTP_HOST_MAX + 1];
    http_url_host(u, host);
    assert(strlen(host) <= HTTP_HOST_MAX);
    for (const char *c = host; *c; c++)
        assert((unsigned char)*c > ' ' && *c < 0x7f && !strchr("/?#@\\", *c) &&
               !(*c >= 'A' && *c <= 'Z'));
}

/* The same as it goes over the wire: the same place, and it stays as it is. */
static void check_sent(str text, const struct http_url *u)
{
    struct reason why = {.text = ""};
    struct http_url of_sent;
    char *sent = NULL, *again = NULL;
    char host[HTTP_HOST_MAX + 1], host_of_sent[HTTP_HOST_MAX + 1];
    if (http_url_sent(text, &sent, &why) != ERR_OK) {
        assert(why.text[0]);
        return;
    }
    for (const char *c = sent; *c; c++)
        assert((unsigned char)*c > ' ' && *c != 0x7f && *c != '#');
    /* Not every libcurl folds dots that are percent-encoded. */
    assert(!http_url_has_dot_segments(str_from_cstr(sent)) || strcasestr(sent, "%2e"));
    if (http_url_parse(str_from_cstr(sent), &of_sent, &why) == ERR_OK) {
        http_url_host(u, host);
        http_url_host(&of_sent, host_of_sent);
        assert(u->port == of_sent.port && u->tls == of_sent.tls);
        assert(u->is_literal == of_sent.is_literal);
        assert(http_url_sent(str_from_cstr(sent), &again, &why) == ERR_OK);
        /* One address has many spellings, and libcurl's parser knows some of them. */
        if (u->is_literal)
            assert(memcmp(&u->literal, &of_sent.literal, sizeof(u->literal)) == 0);
        else
            assert(strcmp(host, host_of_sent) == 0 && strcmp(sent, again) == 0);
        free(again);
        http_url_release(&of_sent);
    } else {
        assert(strlen(sent) > HTTP_URL_MAX); /* an international name may grow */
    }
    free(sent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str text = str_of((const char *)data, size);
    struct reason why = {.text = ""};
    struct outbound_rules none = {0};
    struct http_url u;
    (void)http_url_has_dot_segments(text);
    enum err checked = http_url_check(text, OUTBOUND_PUBLIC, &why);
    if (http_url_parse(text, &u, &why) != ERR_OK) {
        assert(why.text[0] && !u.handle && checked != ERR_OK);
        return 0;
    }
    assert(size <= HTTP_URL_MAX && u.port != 0);
    check_host(&u);
    enum err judged = outbound_judge_url(&none, OUTBOUND_PUBLIC, &u, &why);
    assert((judged == ERR_OK) == (checked == ERR_OK));
    assert(judged != ERR_OK || !u.is_literal || !address_not_public(&u.literal));
    check_sent(text, &u);
    http_url_release(&u);
    return 0;
}
