/* outgoing.h -- a request that is yet to be sent, as the view that its receiver will have of it:
 * what signing looks values up in. Internal to verify/. */
#ifndef GAFF_VERIFY_OUTGOING_H
#define GAFF_VERIFY_OUTGOING_H

#include "verify/reference.h"

struct outgoing {
    str method, url; /* https://host/path?query; a fragment is not sent and not seen */
    str body;
    struct http_fields fields;
    int64_t now_ms;
};

/* Fills both; they point into what is given and into the arena. Release the request. */
void outgoing_view(const struct outgoing *o, struct arena *a, struct http_request *req,
                   struct view *w);

#endif
