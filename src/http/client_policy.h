/* client_policy.h -- which addresses and ports an outgoing call may reach. Pure, but for the
 * machine's own interface addresses, which are asked when one of our listeners is a wildcard. */
#ifndef GAFF_HTTP_CLIENT_POLICY_H
#define GAFF_HTTP_CLIENT_POLICY_H

#include "http/client.h"
#include "http/url.h"

#define OUTBOUND_BLOCKED_TEXT "address not allowed by outbound policy"

struct outbound_rules {
    const struct net *allow; /* allowed whatever the policy says, but for `own` */
    size_t allow_count;
    const struct outbound_own *own; /* NULL: none */
};

/* The rules of a client, for others who dial: they live as long as it. */
const struct outbound_rules *http_client_rules(const struct http_client *c);
/* `what` in the words of outbound_refuses. */
enum outbound_block outbound_block_of(const char *what);
/* NULL when a may be reached under the policy, else what it is, in a few static words. */
const char *outbound_refuses(const struct outbound_rules *r, enum outbound_policy policy,
                             const struct address *a, uint16_t port);
/* The port rule and, for a literal host, the address rule. ERR_DENIED with a reason. */
enum err outbound_judge_url(const struct outbound_rules *r, enum outbound_policy policy,
                            const struct http_url *u, struct reason *why) MUST_USE;

#endif
