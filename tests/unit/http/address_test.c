/* Addresses, ranges, and which of them are not the public internet. */
#include "http/address.h"
#include "unit.h"

static struct address parsed(const char *text)
{
    struct address a;
    if (!address_parse(str_from_cstr(text), &a))
        FAIL("\"%s\" was refused", text);
    return a;
}

void test_address_parse_and_format(void)
{
    static const char *const pairs[][2] = {
        {"203.0.113.9", "203.0.113.9"},
        {"0.0.0.0", "0.0.0.0"},
        {"::ffff:203.0.113.9", "203.0.113.9"},
        {"::ffff:cb00:7109", "203.0.113.9"},
        {"2001:DB8::1", "2001:db8::1"},
        {"2001:db8:0:0:0:0:0:1", "2001:db8::1"},
        {"::", "::"},
        {"::1", "::1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        struct address a = parsed(pairs[i][0]);
        char text[ADDRESS_TEXT_MAX];
        EXPECT_EQ_STR(address_format(&a, text), str_from_cstr(pairs[i][1]));
    }
}

void test_address_parse_refuses_other_spellings(void)
{
    static const char *const bad[] = {
        "",           "1",        "1.2.3",        "1.2.3.4.5",  "1.2.3.256",  "01.2.3.4",
        "1.2.3.4 ",   " 1.2.3.4", "0x7f.0.0.1",   "2130706433", "1.2.3.4:80", "[::1]",
        "fe80::1%lo", "::1/128",  ":::1",         "1::2::3",    "12345::",    "localhost",
        "1.2.3.-4",   "1..2.3",   "::ffff:1.2.3",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct address a;
        if (address_parse(str_from_cstr(bad[i]), &a))
            FAIL("\"%s\" was taken", bad[i]);
    }
    struct address a;
    EXPECT(!address_parse(STR("1.2.3.4\0"), &a));
    EXPECT(!address_parse(STR("1.2.3.4\0.5"), &a));
}

void test_net_parse_and_contains(void)
{
    static const struct {
        const char *net, *inside, *outside;
    } cases[] = {
        {"10.0.0.0/8", "10.255.255.255", "11.0.0.0"},
        {"192.168.1.7", "192.168.1.7", "192.168.1.8"},
        {"192.168.1.7/32", "::ffff:192.168.1.7", "192.168.1.6"},
        {"172.16.0.0/12", "172.31.255.255", "172.32.0.0"},
        {"203.0.113.128/25", "203.0.113.129", "203.0.113.127"},
        {"0.0.0.0/0", "255.1.2.3", "2001:db8::1"},
        {"::1", "::1", "::2"},
        {"2001:db8::/32", "2001:db8:ffff::", "2001:db9::"},
        {"2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::"},
        {"fe80::/10", "febf::1", "fec0::1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct net n;
        EXPECT(net_parse(str_from_cstr(cases[i].net), &n));
        struct address inside = parsed(cases[i].inside), outside = parsed(cases[i].outside);
        if (!net_contains(&n, &inside) || net_contains(&n, &outside))
            FAIL("%s: %s, %s", cases[i].net, cases[i].inside, cases[i].outside);
        EXPECT(nets_contain(&n, 1, &inside) && !nets_contain(&n, 0, &inside));
    }
}

void test_net_parse_refuses_malformed_ranges(void)
{
    static const char *const bad[] = {
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/",
        "10.0.0.0/08",
        "/8",
        "10.0.0.0/8/8",
        "::1/129",
        "2001:db8::1/32",
        "10/8",
        "10.0.0.0/ 8",
        "10.0.0.0/+8",
        "",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct net n;
        if (net_parse(str_from_cstr(bad[i]), &n))
            FAIL("\"%s\" was taken", bad[i]);
    }
}

/* First and last addresses of the ranges that are not public. */
static const char *const inside[] = {
    "0.0.0.0",
    "0.255.255.255",
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.0",
    "100.127.255.255",
    "127.0.0.0",
    "127.0.0.1",
    "127.255.255.255",
    "169.254.0.0",
    "169.254.169.254",
    "169.254.255.255",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.0",
    "192.0.0.255",
    "192.0.2.0",
    "192.0.2.255",
    "192.88.99.0",
    "192.88.99.255",
    "192.168.0.0",
    "192.168.255.255",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.0",
    "198.51.100.255",
    "203.0.113.0",
    "203.0.113.255",
    "224.0.0.0",
    "239.255.255.255",
    "240.0.0.0",
    "255.255.255.254",
    "255.255.255.255",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::",
    "::1",
    "::2",
    "::127.0.0.1",
    "::255.255.255.255",
    "64:ff9b::7f00:1",
    "64:ff9b::",
    "64:ff9b:1::1",
    "100::1",
    "100:0:0:1::1",
    "2001::1",
    "2001:1ff:ffff::",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "3fff:fff::1",
    "5f00::1",
    "fc00::1",
    "fdff::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "feff::1",
    "ff02::1",
    "4000::1",
    "e000::1",
    "::ffff:0:127.0.0.1",
};

void test_address_not_public_knows_the_registries(void)
{
    for (size_t i = 0; i < ARRAY_LEN(inside); i++) {
        struct address a = parsed(inside[i]);
        if (!address_not_public(&a))
            FAIL("%s counts as public", inside[i]);
    }
    struct address metadata = parsed("169.254.169.254");
    EXPECT_HAS(address_not_public(&metadata), "metadata");
}

/* What lies beside these ranges. */
void test_address_not_public_lets_their_neighbours_through(void)
{
    static const char *const outside[] = {
        "1.0.0.0",         "9.255.255.255",   "11.0.0.0",
        "100.63.255.255",  "100.128.0.0",     "126.255.255.255",
        "128.0.0.0",       "169.253.255.255", "169.255.0.0",
        "172.15.255.255",  "172.32.0.0",      "192.0.1.0",
        "192.0.3.0",       "192.88.98.255",   "192.88.100.0",
        "192.167.255.255", "192.169.0.0",     "198.17.255.255",
        "198.20.0.0",      "198.51.99.255",   "198.51.101.0",
        "203.0.112.255",   "203.0.114.0",     "223.255.255.255",
        "8.8.8.8",         "2001:200::1",     "2001:4860:4860::8888",
        "2001:db7::1",     "2001:db9::1",     "2003::1",
        "2606:4700::1111", "2a00::1",         "3ffe::1",
    };
    for (size_t i = 0; i < ARRAY_LEN(outside); i++) {
        struct address a = parsed(outside[i]);
        if (address_not_public(&a))
            FAIL("%s counts as %s", outside[i], address_not_public(&a));
    }
}
