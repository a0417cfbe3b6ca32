/* predicate.h -- small conditions over an HTTP answer, for the files that describe services:
 *
 *   status == 200 and json('ok') == true
 *   status in [400, 401, 404] or header('X-Error') != null
 *   first(header('Retry-After'), json('parameters.retry_after'))
 *
 * Operands: numbers, 'text' in single quotes, true, false, null, status, body, header('NAME'),
 * json('dotted.path'), first(a, b, ...), contains(text, part). Operators, from the weakest: or,
 * and, not, then == != < <= > >= in [..]. Values of different kinds are unequal, and neither is
 * less. What is absent is null. Compiled once; evaluation is total: it has no loops, visits each of
 * at most PREDICATE_NODES_MAX nodes at most once, and does no I/O. Pure. */
#ifndef GAFF_RULE_PREDICATE_H
#define GAFF_RULE_PREDICATE_H

#include "base/json.h"
#include "http/message.h"

#define PREDICATE_NODES_MAX 128
#define PREDICATE_DEPTH_MAX 16

struct predicate; /* in the arena it was compiled into */

struct answer_view {
    int status;
    const struct http_fields *fields;
    str body;
    struct json_doc *doc; /* private, as is tried */
    bool tried;
};

/* NULL with a reason that names the place ("at \"sttus ==\": ..."). */
struct predicate *predicate_compile(struct arena *a, str text, struct reason *why);
/* False for a NULL predicate, and for a value that is not true. */
bool predicate_holds(const struct predicate *p, struct answer_view *v);
/* The value as text (numbers in shortest form); STR_NONE for null, true and false. */
str predicate_text(const struct predicate *p, struct answer_view *v, struct arena *a);
void answer_view_release(struct answer_view *v);

#endif
