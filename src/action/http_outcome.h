/* http_outcome.h -- what an HTTP answer means for a delivery, and what is kept of the exchange. */
#ifndef GAFF_ACTION_HTTP_OUTCOME_H
#define GAFF_ACTION_HTTP_OUTCOME_H

#include "base/buf.h"
#include "action/action.h"
#include "http/client.h"

/* What is configured for single statuses: an enum attempt_result + 1, by status; 0: the rule. */
struct http_verdicts {
    uint8_t by_status[600];
};

#define HTTP_RETRY_AFTER_MAX_MS (24 * INT64_C(3600000))

/* 2xx succeeds; 410 is the end; every other status is tried again, after Retry-After when there
 * is one (at most 24 h ahead). Of what got no answer, all but a refused address and a malformed
 * request is tried again. Fills all of o but request, response and timing; the summary lives in
 * a or in the answer. */
void http_outcome_judge(const struct http_verdicts *v, const struct http_answer *answer,
                        int64_t now_ms, struct arena *a, struct outcome *o);

/* The wall clock that a Retry-After asks to wait for: seconds or an HTTP date; 0 when there is
 * none, it is malformed, or it is past. */
int64_t http_retry_after(str text, int64_t now_ms);

/* "POST https://example.org/a?[hidden] HTTP/1.1", then the fields, one a line, values that carry
 * credentials or signatures hidden. So are the query and path segments that look like a token. */
void http_record_request(struct buf *out, const struct http_call *call);
/* The answer's head, an empty line, its body. Cookies are hidden. */
void http_record_response(struct buf *out, const struct http_answer *answer);
/* A JSON object of microseconds; phases not reached are left out. */
void http_record_timing(struct buf *out, const struct http_answer *answer);

#endif
