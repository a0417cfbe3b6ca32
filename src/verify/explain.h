/* explain.h -- what was compared, and which of the usual causes fits, for a request that was
 * judged. Never a secret, and never the signature that would have been right. Costs several checks:
 * for people, not for every request. */
#ifndef GAFF_VERIFY_EXPLAIN_H
#define GAFF_VERIFY_EXPLAIN_H

#include "verify/verify.h"

#define EXPLAIN_CAUSE_MAX 256
#define EXPLAIN_TEXT_MAX 512 /* of the signed text that is shown */

/* A sentence on why a request was refused, found by trying what proxies and people usually do to
 * one; "" when nothing fits better than the verdict itself. */
void verifier_cause(struct verifier *v, struct http_request *req, int64_t now_ms,
                    const struct verdict *verdict, char out[EXPLAIN_CAUSE_MAX]);

/* The verdict's sentence and the cause behind it, in the request's arena: what is stored with a
 * refusal. STR_NONE when the arena is full. */
str verifier_reason(struct verifier *v, struct http_request *req, int64_t now_ms,
                    const struct verdict *verdict);

/* Lines of what each way of signing compared: where the signature was looked for, the signed text
 * (its beginning, secrets taken out), the timestamp and how far it is off, the keys tried. */
void verifier_explain(struct verifier *v, struct http_request *req, int64_t now_ms,
                      struct buf *out);

#endif
