/* Outgoing URLs. libcurl's parser already turns most odd spellings of an address (decimal, hex,
 * octal, short) into four decimal parts; what it leaves as a name although a resolver would read
 * it as an address (percent-encoded, full-width digits, a trailing dot) is recognised here, so
 * that the policy sees the address at load time and not only when the socket is opened. Called by
 * client_policy.c and client_request.c. */
#include "http/url.h"

#include "base/log.h"
#include "http/client_curl.h"

#include <arpa/inet.h>
#include <locale.h>
#include <netinet/in.h>
#include <pthread.h>

#ifndef CURLU_PUNYCODE
#define CURLU_PUNYCODE 0
#endif

static bool host_is_ascii(const char *host)
{
    for (const char *p = host; *p; p++)
        if ((unsigned char)*p >= 0x80)
            return false;
    return true;
}

/* An address in any spelling getaddrinfo would take without asking a name server. */
static bool host_to_address(const char *host, struct address *out)
{
    str s = str_from_cstr(host);
    if (s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
        return address_parse(str_slice(s, 1, s.n - 1), out);
    while (s.n > 0 && s.p[s.n - 1] == '.')
        s.n--;
    if (address_parse(s, out))
        return true;
    char text[256];
    if (s.n == 0 || s.n >= sizeof(text))
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    struct sockaddr_in sa = {.sin_family = AF_INET};
    return inet_aton(text, &sa.sin_addr) != 0 &&
           address_from_sockaddr((const struct sockaddr *)&sa, out);
}

static locale_t utf8_locale;

static void make_utf8_locale(void)
{
    utf8_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* The ASCII form of an international name, or NULL. libcurl reads the name in the charset of the
 * locale, so it gets one of UTF-8 for the time of the call, on this thread alone. */
static char *host_to_ascii(struct Curl_URL *u)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_utf8_locale);
    locale_t former = utf8_locale ? uselocale(utf8_locale) : (locale_t)0;
    char *host = NULL;
    CURLUcode rc = libcurl.url_get(u, CURLUPART_HOST, &host, CURLU_PUNYCODE);
    if (former)
        (void)uselocale(former);
    /* The converted name takes the place of the other: nobody converts it once more. */
    if (rc == CURLUE_OK && host_is_ascii(host) &&
        libcurl.url_set(u, CURLUPART_HOST, host, 0) == CURLUE_OK)
        return host;
    libcurl.free(host);
    return NULL;
}

static enum err lacks(CURLUcode rc, const char *what, struct reason *why)
{
    return rc == CURLUE_OUT_OF_MEMORY ? fail(why, ERR_NOMEM, "no memory for a URL")
                                      : fail(why, ERR_INVALID, "%s", what);
}

static enum err read_host(struct http_url *out, struct reason *why)
{
    char *host = NULL;
    CURLUcode rc = libcurl.url_get(out->handle, CURLUPART_HOST, &host, 0);
    if (rc != CURLUE_OK)
        return lacks(rc, "the URL has no host", why);
    if (!host_is_ascii(host)) {
        libcurl.free(host);
        host = host_to_ascii(out->handle);
        if (!host)
            return fail(why, ERR_INVALID, "the host is no valid international name in UTF-8");
    }
    out->is_literal = host_to_address(host, &out->literal);
    bool is_bad_literal = host[0] == '[' && !out->is_literal;
    libcurl.free(host);
    if (is_bad_literal)
        return fail(why, ERR_INVALID, "the host is no valid IPv6 address");
    return ERR_OK;
}

static enum err read_scheme(struct http_url *out, struct reason *why)
{
    char *scheme = NULL;
    CURLUcode rc = libcurl.url_get(out->handle, CURLUPART_SCHEME, &scheme, 0);
    if (rc != CURLUE_OK)
        return lacks(rc, "the scheme is missing: write http:// or https://", why);
    out->tls = str_eq_nocase(str_from_cstr(scheme), STR("https"));
    bool is_http = out->tls || str_eq_nocase(str_from_cstr(scheme), STR("http"));
    libcurl.free(scheme);
    if (!is_http)
        return fail(why, ERR_INVALID, "the scheme must be http or https");
    return ERR_OK;
}

static enum err read_port(struct http_url *out, struct reason *why)
{
    char *text = NULL;
    uint64_t port = 0;
    CURLUcode rc = libcurl.url_get(out->handle, CURLUPART_PORT, &text, CURLU_DEFAULT_PORT);
    if (rc == CURLUE_OUT_OF_MEMORY)
        return lacks(rc, "", why);
    if (rc == CURLUE_OK)
        if (!str_to_u64(str_from_cstr(text), &port))
            port = 0;
    libcurl.free(text);
    if (port == 0 || port > UINT16_MAX)
        return fail(why, ERR_INVALID, "the port must be between 1 and 65535");
    out->port = (uint16_t)port;
    return ERR_OK;
}

static enum err parse_text(str text, struct http_url *out, struct reason *why)
{
    if (text.n == 0)
        return fail(why, ERR_INVALID, "the URL is empty");
    if (text.n > HTTP_URL_MAX)
        return fail(why, ERR_INVALID, "the URL is longer than %d bytes", HTTP_URL_MAX);
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] <= 0x20 || text.p[i] == 0x7f)
            return fail(why, ERR_INVALID, "the URL holds a blank or control byte at offset %zu", i);
    char copy[HTTP_URL_MAX + 1];
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    out->handle = libcurl.url();
    if (!out->handle)
        return fail(why, ERR_NOMEM, "no memory for a URL");
    CURLUcode rc = libcurl.url_set(out->handle, CURLUPART_URL, copy, CURLU_DISALLOW_USER);
    if (rc == CURLUE_OUT_OF_MEMORY)
        return fail(why, ERR_NOMEM, "no memory for a URL");
    if (rc == CURLUE_USER_NOT_ALLOWED)
        return fail(why, ERR_INVALID, "the URL must not hold a user name or password");
    if (rc == CURLUE_UNSUPPORTED_SCHEME)
        return fail(why, ERR_INVALID, "the scheme must be http or https");
    if (rc == CURLUE_BAD_SCHEME)
        return fail(why, ERR_INVALID, "the scheme is missing: write http:// or https://");
    if (rc != CURLUE_OK)
        return fail(why, ERR_INVALID, "the URL is malformed: %s", libcurl.url_strerror(rc));
    return ERR_OK;
}

enum err http_url_parse(str text, struct http_url *out, struct reason *why)
{
    *out = (struct http_url){0};
    enum err rc = libcurl_load(why);
    if (rc == ERR_OK)
        rc = parse_text(text, out, why);
    if (rc == ERR_OK)
        rc = read_scheme(out, why);
    if (rc == ERR_OK)
        rc = read_port(out, why);
    if (rc == ERR_OK)
        rc = read_host(out, why);
    if (rc != ERR_OK)
        http_url_release(out);
    return rc;
}

void http_url_host(const struct http_url *u, char out[HTTP_HOST_MAX + 1])
{
    char *host = NULL;
    out[0] = '\0';
    if (libcurl.url_get(u->handle, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        strlen(host) <= HTTP_HOST_MAX)
        for (size_t i = 0; i == 0 || host[i - 1]; i++)
            out[i] = host[i] >= 'A' && host[i] <= 'Z' ? (char)(host[i] | 0x20) : host[i];
    libcurl.free(host);
}

enum err http_url_sent(str text, char **out, struct reason *why)
{
    struct http_url u;
    char *made = NULL;
    enum err e = http_url_parse(str_slice(text, 0, str_find(text, '#')), &u, why);
    *out = NULL;
    if (e != ERR_OK)
        return e;
    char host[HTTP_HOST_MAX + 1];
    http_url_host(&u, host);
    CURLUcode rc = host[0] ? libcurl.url_set(u.handle, CURLUPART_HOST, host, 0) : CURLUE_OK;
    if (rc == CURLUE_OK)
        rc = libcurl.url_get(u.handle, CURLUPART_URL, &made, 0);
    if (rc == CURLUE_OK) {
        size_t n = strlen(made) + 1;
        *out = xmalloc(n);
        memcpy(*out, made, n);
    } else {
        e = lacks(rc, "the URL cannot be requested", why);
    }
    libcurl.free(made);
    http_url_release(&u);
    return e;
}

/* "." or "%2e" off the front of s. */
static bool take_dot(str *s)
{
    size_t n = str_starts(*s, STR(".")) ? 1 : 0;
    if (n == 0 && s->n >= 3 && str_eq_nocase(str_slice(*s, 0, 3), STR("%2e")))
        n = 3;
    *s = str_slice(*s, n, s->n);
    return n > 0;
}

bool http_url_has_dot_segments(str url)
{
    size_t scheme = str_find_str(url, STR("://"));
    str rest = str_slice(url, scheme < url.n ? scheme + 3 : 0, url.n);
    rest = str_slice(rest, 0, str_find(rest, '#'));
    rest = str_slice(rest, 0, str_find(rest, '?'));
    (void)str_cut(&rest, '/');
    while (rest.p) {
        str segment = str_cut(&rest, '/');
        bool dots = take_dot(&segment);
        (void)(dots && take_dot(&segment));
        if (dots && segment.n == 0)
            return true;
    }
    return false;
}

void http_url_release(struct http_url *u)
{
    if (u->handle)
        libcurl.url_cleanup(u->handle);
    *u = (struct http_url){0};
}
