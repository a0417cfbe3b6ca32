/* router.h -- "METHOD /path/{param}" patterns to values; 404, 405 with Allow, HEAD and OPTIONS
 * for free. Built once, then read by any thread.
 *
 * A literal segment beats a {param}; {rest...} at the end takes all that is left (may be empty).
 * "ANY /path" matches every method. Paths are compared after percent-decoding each segment; "."
 * and ".." segments never match. */
#ifndef GAFF_HTTP_ROUTER_H
#define GAFF_HTTP_ROUTER_H

#include "base/arena.h"
#include "base/err.h"

#define ROUTER_PARAMS_MAX 8

struct router;

struct router_param {
    str name, value; /* decoded */
};

struct router_match {
    void *value; /* NULL unless status == 200 */
    int status;  /* 200, 404, 405; 204 for OPTIONS on a known path */
    bool head;   /* a HEAD request answered by the GET route */
    str allow;   /* "GET, HEAD, OPTIONS" with 405 and 204; in the arena */
    struct router_param params[ROUTER_PARAMS_MAX];
    size_t param_count;
};

struct router *router_new(void);
void router_free(struct router *r); /* not the values */
/* ERR_INVALID for a malformed pattern, ERR_CONFLICT when one of the same shape is there. */
enum err router_add(struct router *r, str pattern, void *value, struct reason *why) MUST_USE;
void router_find(const struct router *r, str method, str path, struct arena *a,
                 struct router_match *out);
str router_param(const struct router_match *m, str name); /* STR_NONE when absent */

#endif
