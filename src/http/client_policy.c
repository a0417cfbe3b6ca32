/* The outbound policy (security reference 1.2 and 1.4). PUBLIC refuses whatever is not public
 * unicast; PRIVATE is a list of what it allows besides, so that a range nobody thought of stays
 * refused. Cloud metadata services are refused under both, also those outside the link-local
 * range. Our own listeners are refused under both and by no means allowed. Called by client.c at
 * start, at connect and before the request, and by whoever checks a URL at load. */
#include "http/client_policy.h"

#include <ifaddrs.h>

#define V4_NET(a, b, c, d, bits)                                                                   \
    {                                                                                              \
        {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}}, 96 + (bits)                      \
    }
#define V6_HOST(...)                                                                               \
    {                                                                                              \
        {{__VA_ARGS__}}, 128                                                                       \
    }

/* Allowed under OUTBOUND_PRIVATE besides what is public. */
static const struct net private_nets[] = {
    V4_NET(10, 0, 0, 0, 8),
    V4_NET(172, 16, 0, 0, 12),
    V4_NET(192, 168, 0, 0, 16),
    V4_NET(100, 64, 0, 0, 10),
    V4_NET(127, 0, 0, 0, 8),
    V4_NET(198, 18, 0, 0, 15),
    V6_HOST(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
    {{{0xfc}}, 7},
};

/* Metadata services outside 169.254.0.0/16: in IPv6, of Alibaba Cloud, of Azure. */
static const struct net metadata_hosts[] = {
    V6_HOST(0xfd, 0, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54),
    V6_HOST(0xfd, 0x20, 0, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54),
    V4_NET(100, 100, 100, 200, 32),
    V4_NET(168, 63, 129, 16, 32),
};

static bool address_is_unspecified(const struct address *a)
{
    static const uint8_t none[16] = {0};
    static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff};
    return memcmp(a->bytes, none, 16) == 0 || memcmp(a->bytes, mapped, 16) == 0;
}

static bool address_is_loopback(const struct address *a)
{
    return net_contains(&private_nets[4], a) || net_contains(&private_nets[6], a);
}

/* True when a connection to it stays on this machine. */
static bool address_is_local(const struct address *a)
{
    if (address_is_unspecified(a) || address_is_loopback(a))
        return true;
    struct ifaddrs *list = NULL;
    if (getifaddrs(&list) != 0)
        return true; /* when in doubt, refuse */
    bool found = false;
    for (struct ifaddrs *i = list; i && !found; i = i->ifa_next) {
        struct address own;
        found = i->ifa_addr && address_from_sockaddr(i->ifa_addr, &own) &&
                memcmp(own.bytes, a->bytes, 16) == 0;
    }
    freeifaddrs(list);
    return found;
}

void outbound_own_add(struct outbound_own *own, str bound)
{
    size_t n = atomic_load_explicit(&own->count, memory_order_relaxed);
    size_t scheme = str_find_str(bound, STR("://")), colon = 0;
    uint64_t port;
    assert(n < OUTBOUND_OWN_MAX);
    if (scheme < bound.n)
        bound = str_slice(bound, scheme + 3, bound.n);
    for (size_t i = 0; i < bound.n; i++)
        if (bound.p[i] == ':')
            colon = i;
    str host = str_slice(bound, 0, colon);
    if (str_starts(host, STR("[")) && str_ends(host, STR("]")))
        host = str_slice(host, 1, host.n - 1);
    if (!str_to_u64(str_slice(bound, colon + 1, bound.n), &port) || port == 0 ||
        port > UINT16_MAX || !address_parse(host, &own->addresses[n]))
        return;
    own->ports[n] = (uint16_t)port;
    atomic_store_explicit(&own->count, n + 1, memory_order_release);
}

static bool is_own_listener(const struct outbound_own *own, const struct address *a, uint16_t port)
{
    size_t count = own ? atomic_load_explicit(&own->count, memory_order_acquire) : 0;
    for (size_t i = 0; i < count; i++) {
        const struct address *one = &own->addresses[i];
        if (own->ports[i] != port)
            continue;
        if (memcmp(one->bytes, a->bytes, 16) == 0)
            return true;
        if ((address_is_unspecified(one) || address_is_unspecified(a)) && address_is_local(a))
            return true;
    }
    return false;
}

const char *outbound_refuses(const struct outbound_rules *r, enum outbound_policy policy,
                             const struct address *a, uint16_t port)
{
    if (is_own_listener(r->own, a, port))
        return "one of our own listeners";
    if (nets_contain(r->allow, r->allow_count, a))
        return NULL;
    if (nets_contain(metadata_hosts, ARRAY_LEN(metadata_hosts), a))
        return "cloud metadata";
    const char *what = address_not_public(a);
    if (what && policy == OUTBOUND_PRIVATE &&
        nets_contain(private_nets, ARRAY_LEN(private_nets), a))
        return NULL;
    return what;
}

const char *outbound_block_word(enum outbound_block b)
{
    static const char *const words[] = {
#define X(name, word) word,
        OUTBOUND_BLOCKS(X)
#undef X
    };
    return words[b];
}

enum outbound_block outbound_block_of(const char *what)
{
    static const struct {
        const char *words;
        enum outbound_block block;
    } kinds[] = {{"own listeners", OUTBOUND_BLOCK_OWN},
                 {"metadata", OUTBOUND_BLOCK_METADATA},
                 {"loopback", OUTBOUND_BLOCK_LOOPBACK},
                 {"private", OUTBOUND_BLOCK_PRIVATE},
                 {"carrier-grade", OUTBOUND_BLOCK_PRIVATE}};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strstr(what, kinds[i].words))
            return kinds[i].block;
    return OUTBOUND_BLOCK_SPECIAL;
}

enum err outbound_judge_url(const struct outbound_rules *r, enum outbound_policy policy,
                            const struct http_url *u, struct reason *why)
{
    if (policy == OUTBOUND_PUBLIC && u->port < 1024 && u->port != 80 && u->port != 443)
        return fail(why, ERR_DENIED,
                    "port %u not allowed by outbound policy: 80, 443 and 1024 upwards are",
                    (unsigned)u->port);
    if (!u->is_literal)
        return ERR_OK;
    const char *what = outbound_refuses(r, policy, &u->literal, u->port);
    if (!what)
        return ERR_OK;
    char text[ADDRESS_TEXT_MAX];
    str shown = address_format(&u->literal, text);
    return fail(why, ERR_DENIED, OUTBOUND_BLOCKED_TEXT ": " STR_FMT " is %s", STR_ARG(shown), what);
}

enum err http_url_check(str url, enum outbound_policy policy, struct reason *why)
{
    static const struct outbound_rules no_rules = {0};
    struct http_url u;
    enum err rc = http_url_parse(url, &u, why);
    if (rc != ERR_OK)
        return rc;
    rc = outbound_judge_url(&no_rules, policy, &u, why);
    http_url_release(&u);
    return rc;
}
