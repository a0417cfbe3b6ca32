/* match.h -- fast declarative conditions, compiled once, evaluated before the commit, explaining
 * themselves. Pure: (facts) -> yes, no, and why.
 *
 *   match:
 *     event: push                  # the provider's event type; a list means any of
 *     json: { ref: refs/heads/main, "repository.name": [gaff, site] }
 *     header: { X-Env: prod }
 *     query: { dry: { exists: false } }
 *     method: POST
 *     not: { json: { "head_commit.message": { glob: "*[skip ci]*" } } }
 *
 * Fields: event, source, method, path, ip (the client's address: networks as 10.0.0.0/8), json,
 * header, query, form (the body's form fields), param (of the source's path, /in/{name}).
 * Everything named must hold; `any:` and `all:` take lists of maps, `not:` a map. A condition's
 * value is a scalar (equals, compared as text), a list (any of), or a map with one of: equals,
 * in, glob, prefix, suffix, regex (see regex.h), exists (true/false), above, below, at_least,
 * at_most (numbers). A missing field
 * satisfies only `exists: false`; inside `not` a missing field does not make it true (three-valued
 * logic: a question about a missing field is neither yes nor no). A field of JSON null is there and
 * reads "null"; objects and lists are there but equal nothing. JSON paths are dotted with `*` for
 * any element ("commits.*.author.name"), see path.h. */
#ifndef GAFF_RULE_MATCH_H
#define GAFF_RULE_MATCH_H

#include "base/buf.h"
#include "base/problem.h"
#include "http/message.h"
#include "http/router.h"

struct match; /* lives in the arena it was compiled into; immutable, any thread */

struct facts {                    /* what a condition may ask */
    struct http_request *request; /* lazily parsed JSON, query and form come from here */
    str event_type;
    str source;
    const struct router_match *place; /* for path parameters; NULL: there are none */
};

/* Reports into p and returns NULL when malformed. A NULL node gives a match that is always true.
 */
const struct match *match_compile(struct arena *a, const struct yaml *node, struct problems *p);

/* Appends to `why` (when not NULL) one short phrase: on no, the first condition that failed with
 * what was found and what was wanted ("json ref is "refs/heads/dev", not "refs/heads/main"");
 * on yes, nothing. Values are cut at 80 bytes and escaped. */
bool match_eval(const struct match *m, const struct facts *f, struct buf *why);

/* True when it holds for every event: no condition at all. */
bool match_is_always(const struct match *m);

/* The conditions as one readable sentence part: `event is "push" and json ref is ...`. */
void match_describe(const struct match *m, struct buf *out);

#endif
