/* Trusted proxies. The rule everywhere: what stands furthest right was written by the nearest
 * hop, and only an address that is trusted may speak for the one before it. Called by
 * connection.c, on each request and, for the PROXY protocol, on a connection's first bytes. */
#include "http/proxy.h"

/* The address of an entry like 203.0.113.9, 203.0.113.9:4711, "[2001:db8::1]:4711" or, bare,
 * 2001:db8::1. */
static bool parse_node(str text, struct address *out)
{
    text = str_trim(text);
    if (text.n >= 2 && text.p[0] == '"' && text.p[text.n - 1] == '"')
        text = str_slice(text, 1, text.n - 1);
    str port = STR_NONE;
    if (text.n > 0 && text.p[0] == '[') {
        size_t end = str_find(text, ']');
        if (end == text.n)
            return false;
        port = str_slice(text, end + 1, text.n);
        text = str_slice(text, 1, end);
        if (str_find(text, ':') == text.n)
            return false;
    } else {
        size_t colon = str_find(text, ':');
        str tail = str_slice(text, colon + 1, text.n);
        if (colon < text.n && str_find(tail, ':') == tail.n) {
            port = str_slice(text, colon, text.n);
            text = str_slice(text, 0, colon);
        }
    }
    uint64_t number;
    if (port.p && port.n > 0 &&
        (port.p[0] != ':' || !str_to_u64(str_slice(port, 1, port.n), &number) ||
         number > UINT16_MAX))
        return false;
    return address_parse(text, out);
}

/* Cuts the part behind the last ',' off *rest; *rest becomes STR_NONE with the first part. */
static str cut_last(str *rest)
{
    for (size_t i = rest->n; i > 0; i--) {
        if (rest->p[i - 1] == ',') {
            str last = str_slice(*rest, i, rest->n);
            *rest = str_slice(*rest, 0, i - 1);
            return last;
        }
    }
    str all = *rest;
    *rest = STR_NONE;
    return all;
}

/* The value of for= or proto= in one element of Forwarded. */
static str forwarded_pair(str element, str name)
{
    for (str rest = element; rest.p;) {
        str pair = str_trim(str_cut(&rest, ';'));
        size_t sign = str_find(pair, '=');
        if (sign < pair.n && str_eq_nocase(str_slice(pair, 0, sign), name))
            return str_slice(pair, sign + 1, pair.n);
    }
    return STR_NONE;
}

/* Walks the entries of all fields of that name from the last to the first. *seen tells whether
 * there was one. */
static struct address walk_entries(const struct http_fields *fields, str name, bool is_forwarded,
                                   const struct address *peer, const struct proxy_trust *trust,
                                   bool *seen)
{
    struct address at = *peer;
    int hops = 0;
    for (size_t i = fields->count; i > 0; i--) {
        const struct http_field *f = &fields->v[i - 1];
        if (!str_eq_nocase(f->name, name))
            continue;
        *seen = true;
        for (str rest = f->value; rest.p;) {
            str entry = cut_last(&rest);
            if (is_forwarded)
                entry = forwarded_pair(entry, STR("for"));
            struct address next;
            if (!nets_contain(trust->nets, trust->count, &at) || hops++ == PROXY_HOPS_MAX ||
                !entry.p || !parse_node(entry, &next))
                return at;
            at = next;
        }
    }
    return at;
}

bool proxy_client(const struct http_fields *fields, const struct address *peer,
                  const struct proxy_trust *trust, struct address *client)
{
    if (trust->count == 0 || !nets_contain(trust->nets, trust->count, peer))
        return false;
    bool has_x = false, has_forwarded = false;
    struct address by_x = walk_entries(fields, STR("X-Forwarded-For"), false, peer, trust, &has_x);
    struct address by_forwarded =
        walk_entries(fields, STR("Forwarded"), true, peer, trust, &has_forwarded);
    if (!has_x && !has_forwarded)
        return false;
    if (has_x && has_forwarded && memcmp(&by_x, &by_forwarded, sizeof(by_x)) != 0)
        return false;
    *client = has_x ? by_x : by_forwarded;
    return true;
}

static str last_field(const struct http_fields *fields, str name)
{
    for (size_t i = fields->count; i > 0; i--)
        if (str_eq_nocase(fields->v[i - 1].name, name))
            return fields->v[i - 1].value;
    return STR_NONE;
}

bool proxy_is_https(const struct http_fields *fields, const struct address *peer,
                    const struct proxy_trust *trust)
{
    if (trust->count == 0 || !nets_contain(trust->nets, trust->count, peer))
        return false;
    str x = last_field(fields, STR("X-Forwarded-Proto"));
    str forwarded = last_field(fields, STR("Forwarded"));
    str by_forwarded = forwarded.p ? forwarded_pair(cut_last(&forwarded), STR("proto")) : STR_NONE;
    if (x.p && by_forwarded.p && !str_eq_nocase(str_trim(cut_last(&x)), by_forwarded))
        return false;
    x = last_field(fields, STR("X-Forwarded-Proto"));
    str word = x.p ? str_trim(cut_last(&x)) : by_forwarded;
    return word.p && str_eq_nocase(word, STR("https"));
}

/* --- PROXY protocol ------------------------------------------------------------------------- */

#define V1_LINE_MAX 107
static const char v2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";

/* "PROXY TCP4 203.0.113.9 192.0.2.1 4711 443" without its CRLF. */
static enum proxy_result parse_v1_line(str line, struct address *client, bool *has_client)
{
    str rest = line;
    str_cut(&rest, ' ');
    str family = rest.p ? str_cut(&rest, ' ') : STR_NONE;
    if (family.p && str_eq(family, STR("UNKNOWN")))
        return PROXY_DONE;
    bool is_v4 = family.p && str_eq(family, STR("TCP4"));
    if (!is_v4 && !(family.p && str_eq(family, STR("TCP6"))))
        return PROXY_BAD;
    str words[4];
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (!rest.p)
            return PROXY_BAD;
        words[i] = str_cut(&rest, ' ');
    }
    struct address destination;
    uint64_t port;
    bool source_is_v4 = str_find(words[0], ':') == words[0].n;
    if (rest.p || source_is_v4 != is_v4 || !address_parse(words[0], client) ||
        !address_parse(words[1], &destination) || !str_to_u64(words[2], &port) ||
        port > UINT16_MAX || !str_to_u64(words[3], &port) || port > UINT16_MAX)
        return PROXY_BAD;
    *has_client = true;
    return PROXY_DONE;
}

static enum proxy_result parse_v2(str bytes, size_t *taken, struct address *client,
                                  bool *has_client)
{
    if (bytes.n < 16)
        return PROXY_MORE;
    const uint8_t *b = (const uint8_t *)bytes.p;
    size_t length = (size_t)(b[14] << 8 | b[15]);
    if (b[12] >> 4 != 2 || (b[12] & 0xf) > 1 || length + 16 > PROXY_HEADER_MAX)
        return PROXY_BAD;
    if (bytes.n < 16 + length)
        return PROXY_MORE;
    *taken = 16 + length;
    bool is_local = (b[12] & 0xf) == 0;
    uint8_t family = b[13] >> 4;
    if (is_local || family == 0 || family == 3)
        return PROXY_DONE;
    if ((family != 1 && family != 2) || length < (family == 1 ? 12u : 36u))
        return PROXY_BAD;
    *client = (struct address){.bytes = {[10] = 0xff, [11] = 0xff}};
    if (family == 1)
        memcpy(client->bytes + 12, b + 16, 4);
    else
        memcpy(client->bytes, b + 16, 16);
    *has_client = true;
    return PROXY_DONE;
}

enum proxy_result proxy_header_parse(str bytes, size_t *taken, struct address *client,
                                     bool *has_client)
{
    static const char v1[] = "PROXY ";
    *has_client = false;
    size_t n = bytes.n < sizeof(v2_signature) ? bytes.n : sizeof(v2_signature);
    if (memcmp(bytes.p, v2_signature, n) == 0)
        return n < sizeof(v2_signature) ? PROXY_MORE : parse_v2(bytes, taken, client, has_client);
    n = bytes.n < sizeof(v1) - 1 ? bytes.n : sizeof(v1) - 1;
    if (memcmp(bytes.p, v1, n) != 0)
        return PROXY_BAD;
    str look = str_slice(bytes, 0, V1_LINE_MAX);
    size_t end = str_find_str(look, STR("\r\n"));
    if (end == look.n)
        return look.n == V1_LINE_MAX ? PROXY_BAD : PROXY_MORE;
    *taken = end + 2;
    return parse_v1_line(str_slice(look, 0, end), client, has_client);
}
