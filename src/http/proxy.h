/* proxy.h -- who the client is behind proxies that the operator named: X-Forwarded-For,
 * X-Forwarded-Proto and Forwarded (RFC 7239) of a request, and the PROXY protocol (haproxy's
 * proxy-protocol.txt, versions 1 and 2) before a connection's first byte. Pure. */
#ifndef GAFF_HTTP_PROXY_H
#define GAFF_HTTP_PROXY_H

#include "http/address.h"
#include "http/message.h"

struct proxy_trust {
    const struct net *nets;
    size_t count;
};

#define PROXY_HOPS_MAX 32 /* entries looked at, from the right */

/* The client as the trusted proxies tell it: from the right, each trusted address hands over to
 * the entry before it; an entry that is no address ends the walk. False when nobody trusted said
 * anything, then *client is untouched. When X-Forwarded-For and Forwarded both stand there and
 * differ, neither counts: one of them was passed through from outside. */
bool proxy_client(const struct http_fields *fields, const struct address *peer,
                  const struct proxy_trust *trust, struct address *client);
/* True when the peer is trusted and its last word on the scheme is https. */
bool proxy_is_https(const struct http_fields *fields, const struct address *peer,
                    const struct proxy_trust *trust);

enum proxy_result { PROXY_MORE, PROXY_DONE, PROXY_BAD };

#define PROXY_HEADER_MAX 2048 /* bytes; longer ones are refused */

/* Reads the PROXY header at the beginning of bytes. With PROXY_DONE *taken is its length, and
 * *has_client tells whether it named an address (LOCAL, UNKNOWN and UNIX do not). */
enum proxy_result proxy_header_parse(str bytes, size_t *taken, struct address *client,
                                     bool *has_client);

#endif
