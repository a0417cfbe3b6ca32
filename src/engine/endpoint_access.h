/* endpoint_access.h -- how an endpoint is got into: name and password, access token, certificate of
 * its own, proxy (action/http_access.h). */
#ifndef GAFF_ENGINE_ENDPOINT_ACCESS_H
#define GAFF_ENGINE_ENDPOINT_ACCESS_H

#include "base/json.h"
#include "action/http_access.h"

/* From the endpoint's document; in the arena. The token server and the proxy are under the policy
 * too. False with a reason, and *wrong is the member that it is about. */
bool endpoint_access_read(struct http_access_config *c, struct arena *a, const struct json *doc,
                          enum outbound_policy policy, const char **wrong, struct reason *why);
void endpoint_access_wipe(struct http_access_config *c);

#endif
