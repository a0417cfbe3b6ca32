/* Addresses are kept as sixteen bytes, IPv4 as ::ffff:a.b.c.d, so that one comparison serves both
 * families and a mapped address cannot slip past a rule written for IPv4. The table of ranges is
 * the one place that says what is not the public internet; whatever lies outside 2000::/3 and is
 * no mapped IPv4 address is refused as well, so that a range nobody listed is not public. Called
 * by the front door (trusted proxies), the client (outbound policy) and source IP lists. */
#include "http/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static bool is_mapped(const struct address *a)
{
    return memcmp(a->bytes, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

static void set_v4(struct address *out, const void *four)
{
    memcpy(out->bytes, mapped_prefix, sizeof(mapped_prefix));
    memcpy(out->bytes + 12, four, 4);
}

bool address_parse(str text, struct address *out)
{
    char copy[ADDRESS_TEXT_MAX];
    if (text.n == 0 || text.n >= sizeof(copy) || memchr(text.p, '\0', text.n))
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    struct in_addr v4;
    if (inet_pton(AF_INET, copy, &v4) == 1) {
        set_v4(out, &v4);
        return true;
    }
    struct in6_addr v6;
    if (inet_pton(AF_INET6, copy, &v6) != 1)
        return false;
    memcpy(out->bytes, &v6, 16);
    return true;
}

str address_format(const struct address *a, char out[ADDRESS_TEXT_MAX])
{
    const char *text = is_mapped(a) ? inet_ntop(AF_INET, a->bytes + 12, out, ADDRESS_TEXT_MAX)
                                    : inet_ntop(AF_INET6, a->bytes, out, ADDRESS_TEXT_MAX);
    assert(text != NULL);
    return str_from_cstr(text);
}

bool address_from_sockaddr(const struct sockaddr *sa, struct address *out)
{
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof(in));
        set_v4(out, &in.sin_addr);
        return true;
    }
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof(in6));
        memcpy(out->bytes, &in6.sin6_addr, 16);
        return true;
    }
    return false;
}

static bool has_host_bits(const struct net *n)
{
    for (unsigned bit = n->prefix; bit < 128; bit++)
        if (n->base.bytes[bit / 8] & (0x80u >> (bit % 8)))
            return true;
    return false;
}

bool net_parse(str text, struct net *out)
{
    size_t slash = str_find(text, '/');
    str head = str_slice(text, 0, slash);
    struct net n = {.prefix = 128};
    if (!address_parse(head, &n.base))
        return false;
    if (slash < text.n) {
        str digits = str_slice(text, slash + 1, text.n);
        bool is_v4 = str_find(head, ':') == head.n;
        uint64_t bits = 0;
        if (digits.n == 0 || digits.n > 3 || (digits.n > 1 && digits.p[0] == '0') ||
            !str_to_u64(digits, &bits) || bits > (is_v4 ? 32 : 128))
            return false;
        n.prefix = (unsigned)bits + (is_v4 ? 96 : 0);
        if (has_host_bits(&n))
            return false;
    }
    *out = n;
    return true;
}

bool net_contains(const struct net *n, const struct address *a)
{
    unsigned whole = n->prefix / 8, rest = n->prefix % 8;
    if (memcmp(n->base.bytes, a->bytes, whole) != 0)
        return false;
    if (rest == 0)
        return true;
    uint8_t mask = (uint8_t)(0xff00u >> rest);
    return (n->base.bytes[whole] & mask) == (a->bytes[whole] & mask);
}

bool nets_contain(const struct net *v, size_t count, const struct address *a)
{
    for (size_t i = 0; i < count; i++)
        if (net_contains(&v[i], a))
            return true;
    return false;
}

struct special_range {
    uint8_t bytes[8]; /* the first bytes of an IPv6 address, or four of an IPv4 one */
    uint8_t prefix;   /* bits of these */
    const char *what;
};

/* IANA IPv4 and IPv6 special-purpose address registries, and multicast. */
static const struct special_range v4_special[] = {
    {{0}, 8, "this network"},
    {{10}, 8, "private"},
    {{100, 64}, 10, "shared (carrier-grade NAT)"},
    {{127}, 8, "loopback"},
    {{169, 254}, 16, "link-local, cloud metadata"},
    {{172, 16}, 12, "private"},
    {{192, 0, 0}, 24, "protocol assignments"},
    {{192, 0, 2}, 24, "documentation"},
    {{192, 88, 99}, 24, "6to4 relay"},
    {{192, 168}, 16, "private"},
    {{198, 18}, 15, "benchmarking"},
    {{198, 51, 100}, 24, "documentation"},
    {{203, 0, 113}, 24, "documentation"},
    {{224}, 4, "multicast"},
    {{255, 255, 255, 255}, 32, "broadcast"},
    {{240}, 4, "reserved"},
};

/* ::/96 is judged apart: its prefix is longer than what the table holds. */
static const struct special_range v6_special[] = {
    {{0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0}, 64, "NAT64 (hides an IPv4 address)"},
    {{0x00, 0x64, 0xff, 0x9b, 0, 1}, 48, "NAT64 (hides an IPv4 address)"},
    {{0x01, 0x00, 0, 0, 0, 0, 0, 0}, 64, "discard"},
    {{0x20, 0x01, 0x0d, 0xb8}, 32, "documentation"},
    {{0x20, 0x01, 0, 0}, 23, "protocol assignments (Teredo and others)"},
    {{0x20, 0x02}, 16, "6to4 (hides an IPv4 address)"},
    {{0x3f, 0xff, 0}, 20, "documentation"},
    {{0x5f, 0x00}, 16, "segment routing"},
    {{0xfc}, 7, "unique local (private)"},
    {{0xfe, 0x80}, 10, "link-local"},
    {{0xfe, 0xc0}, 10, "site-local"},
    {{0xff}, 8, "multicast"},
    {{0x20}, 3, NULL}, /* global unicast */
    {{0}, 0, "not global unicast"},
};

static const char *find_range(const struct special_range *v, size_t count, const uint8_t *bytes)
{
    for (size_t i = 0; i < count; i++) {
        struct net n = {.prefix = v[i].prefix};
        struct address a = {{0}};
        memcpy(n.base.bytes, v[i].bytes, 8);
        memcpy(a.bytes, bytes, 8);
        if (net_contains(&n, &a))
            return v[i].what;
    }
    return NULL;
}

const char *address_not_public(const struct address *a)
{
    static const uint8_t zeros[15] = {0};
    if (is_mapped(a)) {
        uint8_t four[8] = {0};
        memcpy(four, a->bytes + 12, 4);
        return find_range(v4_special, ARRAY_LEN(v4_special), four);
    }
    if (memcmp(a->bytes, zeros, 15) == 0 && a->bytes[15] <= 1)
        return a->bytes[15] == 0 ? "unspecified" : "loopback";
    if (memcmp(a->bytes, zeros, 12) == 0)
        return "IPv4-compatible (hides an IPv4 address)";
    return find_range(v6_special, ARRAY_LEN(v6_special), a->bytes);
}
