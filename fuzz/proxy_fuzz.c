/* proxy_fuzz.c -- who the client is behind proxies: the PROXY protocol's first bytes, the fields
 * that proxies add, and addresses and networks by themselves.
 *
 * Input: parts that end with a NUL byte: X-Forwarded-For, Forwarded, X-Forwarded-Proto, a second
 * line of X-Forwarded-For, an address or network; then the bytes of a PROXY header. */
#include "http/proxy.h"

static void check_header(str bytes)
{
    struct address client, again;
    size_t taken = 0, n = 0;
    bool named = false, named_again = false;
    enum proxy_result r = proxy_header_parse(bytes, &taken, &client, &named);
    assert(r != PROXY_MORE || bytes.n <= PROXY_HEADER_MAX);
    if (r == PROXY_DONE) {
        assert(taken > 0 && taken <= bytes.n && taken <= PROXY_HEADER_MAX);
        /* What follows is the connection's own and changes nothing. */
        assert(proxy_header_parse(str_slice(bytes, 0, taken), &n, &again, &named_again) == r);
        assert(n == taken && named == named_again);
        assert(!named || memcmp(&client, &again, sizeof(client)) == 0);
    }
    /* However the bytes come: less of a good header asks for more, and what is bad stays bad. */
    size_t end = r == PROXY_DONE ? taken : bytes.n;
    for (size_t i = 0; i < end; i += 1 + i / 64) {
        enum proxy_result part = proxy_header_parse(str_slice(bytes, 0, i), &n, &again, &named);
        assert(part == PROXY_MORE || (part == PROXY_BAD && r == PROXY_BAD));
    }
}

static void check_address(str text)
{
    struct address a, again;
    struct net net;
    char room[ADDRESS_TEXT_MAX];
    if (net_parse(text, &net)) {
        assert(net.prefix <= 128 && net_contains(&net, &net.base));
        assert(nets_contain(&net, 1, &net.base));
    }
    if (!address_parse(text, &a))
        return;
    str shown = address_format(&a, room);
    assert(address_parse(shown, &again) && memcmp(&a, &again, sizeof(a)) == 0);
    assert(net_parse(shown, &net) && net.prefix == 128 && net_contains(&net, &a));
    const char *what = address_not_public(&a);
    assert(!what || what[0]);
}

static void check_fields(struct http_fields *fields)
{
    struct net everyone, other;
    struct address peer, client, untouched;
    char room[ADDRESS_TEXT_MAX];
    memset(&untouched, 0xa5, sizeof(untouched));
    assert(net_parse(STR("::/0"), &everyone) && net_parse(STR("192.0.2.0/24"), &other));
    assert(address_parse(STR("203.0.113.9"), &peer));
    /* From whom nobody trusts nothing is believed. */
    const struct proxy_trust some = {&other, 1}, all = {&everyone, 1}, peer_alone = {&other, 1};
    client = untouched;
    assert(!proxy_client(fields, &peer, &some, &client) && !proxy_is_https(fields, &peer, &some));
    assert(memcmp(&client, &untouched, sizeof(client)) == 0);
    if (proxy_client(fields, &peer, &all, &client)) {
        struct address again;
        assert(address_parse(address_format(&client, room), &again));
        assert(memcmp(&again, &client, sizeof(again)) == 0);
    } else {
        assert(memcmp(&client, &untouched, sizeof(client)) == 0);
    }
    /* With one trusted hop the client is none of the trusted, unless no other was named. */
    assert(address_parse(STR("192.0.2.7"), &peer));
    (void)proxy_client(fields, &peer, &peer_alone, &client);
    (void)proxy_is_https(fields, &peer, &peer_alone);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"X-Forwarded-For", "Forwarded", "X-Forwarded-Proto",
                                        "x-forwarded-for"};
    struct http_field v[ARRAY_LEN(names)];
    struct http_fields fields = {v, 0};
    str rest = str_of((const char *)data, size);
    for (size_t i = 0; i < ARRAY_LEN(names) && rest.p; i++) {
        str value = str_trim(str_cut(&rest, '\0'));
        if (value.n)
            v[fields.count++] = (struct http_field){str_from_cstr(names[i]), value};
    }
    check_fields(&fields);
    if (rest.p)
        check_address(str_cut(&rest, '\0'));
    if (rest.p)
        check_header(rest);
    return 0;
}
