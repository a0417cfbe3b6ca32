/* Request targets. Strict where a second reader could see something else (controls, '#', '\\',
 * bytes over 0x7f, broken percent-encoding in the path, user information), lenient in the query,
 * where senders write raw '|', '{' or '"' and no reader frames by it. Called by connection.c once
 * a head is complete. */
#include "http/target.h"

enum {
    IN_PATH = 1, /* pchar and '/' of RFC 3986 section 3.3, but '%' */
    IN_NAME = 2, /* reg-name of section 3.2.2, but '%' */
    IN_HEX = 4,
};

#define WORD (IN_PATH | IN_NAME)
static const uint8_t classes[256] = {
    ['a' ... 'f'] = WORD | IN_HEX,
    ['A' ... 'F'] = WORD | IN_HEX,
    ['0' ... '9'] = WORD | IN_HEX,
    ['g' ... 'z'] = WORD,
    ['G' ... 'Z'] = WORD,
    ['-'] = WORD,
    ['.'] = WORD,
    ['_'] = WORD,
    ['~'] = WORD,
    ['!'] = WORD,
    ['$'] = WORD,
    ['&'] = WORD,
    ['\''] = WORD,
    ['('] = WORD,
    [')'] = WORD,
    ['*'] = WORD,
    ['+'] = WORD,
    [','] = WORD,
    [';'] = WORD,
    ['='] = WORD,
    [':'] = IN_PATH,
    ['@'] = IN_PATH,
    ['/'] = IN_PATH,
};
#undef WORD

static uint8_t class_of(char c)
{
    return classes[(unsigned char)c];
}

/* True when s is made of `class` bytes and whole %XX triplets other than %00. */
static bool is_encoded(str s, uint8_t class)
{
    for (size_t i = 0; i < s.n; i++) {
        if (class_of(s.p[i]) & class)
            continue;
        if (s.p[i] != '%' || s.n - i < 3 || !(class_of(s.p[i + 1]) & IN_HEX) ||
            !(class_of(s.p[i + 2]) & IN_HEX) || (s.p[i + 1] == '0' && s.p[i + 2] == '0'))
            return false;
        i += 2;
    }
    return true;
}

static bool is_visible(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] == 0x7f || s.p[i] == '#') /* char may be signed: 0x80 up too */
            return false;
    return true;
}

static bool is_ipv6_shaped(str s)
{
    size_t colons = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == ':')
            colons++;
        else if (!(class_of(s.p[i]) & IN_HEX) && s.p[i] != '.')
            return false;
    }
    return colons >= 2 && s.n <= 45;
}

bool target_host_valid(str host)
{
    str name, rest;
    if (host.n > 0 && host.p[0] == '[') {
        size_t end = str_find(host, ']');
        if (end == host.n || !is_ipv6_shaped(str_slice(host, 1, end)))
            return false;
        rest = str_slice(host, end + 1, host.n);
    } else {
        size_t colon = str_find(host, ':');
        name = str_slice(host, 0, colon);
        if (name.n == 0 || name.n > 255 || !is_encoded(name, IN_NAME))
            return false;
        rest = str_slice(host, colon, host.n);
    }
    if (rest.n == 0)
        return true;
    if (rest.p[0] != ':' || rest.n > 6)
        return false;
    uint64_t port = 0;
    return rest.n == 1 || (str_to_u64(str_slice(rest, 1, rest.n), &port) && port <= UINT16_MAX);
}

static const char *parse_origin(str text, struct http_target *out)
{
    size_t mark = str_find(text, '?');
    out->path = str_slice(text, 0, mark);
    out->query = mark < text.n ? str_slice(text, mark + 1, text.n) : str_slice(text, mark, mark);
    if (!is_encoded(out->path, IN_PATH))
        return "the path of the request target holds bytes that must be percent-encoded";
    if (!is_visible(out->query))
        return "the query of the request target holds bytes that must be percent-encoded";
    return NULL;
}

static const char *parse_absolute(str method, str text, struct http_target *out)
{
    size_t scheme_n = str_find(text, ':');
    str scheme = str_slice(text, 0, scheme_n);
    str rest = str_slice(text, scheme_n, text.n);
    if (!str_eq_nocase(scheme, STR("http")) && !str_eq_nocase(scheme, STR("https")))
        return "the request target must begin with '/' or be an http or https URL";
    if (!str_starts(rest, STR("://")))
        return "the request target is no valid URL";
    rest = str_slice(rest, 3, rest.n);
    size_t end = 0;
    while (end < rest.n && rest.p[end] != '/' && rest.p[end] != '?')
        end++;
    out->authority = str_slice(rest, 0, end);
    if (!target_host_valid(out->authority))
        return "the host of the request target is not valid";
    rest = str_slice(rest, end, rest.n);
    if (rest.n == 0 && str_eq(method, STR("OPTIONS"))) {
        out->path = STR("*");
        out->query = STR("");
        return NULL;
    }
    const char *wrong = parse_origin(rest, out);
    if (out->path.n == 0)
        out->path = STR("/");
    return wrong;
}

const char *target_parse(str method, str text, struct http_target *out)
{
    *out = (struct http_target){.authority = STR_NONE};
    if (str_eq(method, STR("CONNECT")))
        return "CONNECT is for proxies, and this is none";
    if (text.n == 0)
        return "the request target is empty";
    if (text.p[0] == '/')
        return parse_origin(text, out);
    if (str_eq(text, STR("*"))) {
        out->path = text;
        out->query = STR("");
        return str_eq(method, STR("OPTIONS")) ? NULL : "the target '*' belongs to OPTIONS only";
    }
    return parse_absolute(method, text, out);
}
