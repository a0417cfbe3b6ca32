/* address.h -- IP addresses and ranges: parsing, membership, and which of them are not the public
 * internet (IANA special-purpose registries; security reference 1.2). Pure. */
#ifndef GAFF_HTTP_ADDRESS_H
#define GAFF_HTTP_ADDRESS_H

#include "base/err.h"
#include "base/str.h"

struct address {
    uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
};

struct net {
    struct address base;
    unsigned prefix; /* of 128 */
};

#define ADDRESS_TEXT_MAX 48

bool address_parse(str text, struct address *out); /* canonicalises v4-mapped; no scope, no port */
str address_format(const struct address *a, char out[ADDRESS_TEXT_MAX]);
/* "10.0.0.0/8", "::1", "192.168.1.7". False when malformed or host bits are set. */
bool net_parse(str text, struct net *out);
bool net_contains(const struct net *n, const struct address *a);
bool nets_contain(const struct net *v, size_t count, const struct address *a);
/* NULL when it is a public unicast address, else what it is: "private", "loopback", "link-local,
 * cloud metadata", ... Static text. */
const char *address_not_public(const struct address *a);

struct sockaddr;
/* From a socket address of AF_INET or AF_INET6; false for others. */
bool address_from_sockaddr(const struct sockaddr *sa, struct address *out);

#endif
