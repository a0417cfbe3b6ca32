/* allowance.h -- what one application may do with all its endpoints together: attempts a second,
 * messages a period, deliveries that wait. Counted; any thread.
 *
 * Counts are of this process: a period that was begun before a start begins anew, and what waits
 * is counted from the store when it is first asked for. */
#ifndef GAFF_ENGINE_ALLOWANCE_H
#define GAFF_ENGINE_ALLOWANCE_H

#include "base/json.h"

struct allowance;

struct allowance_limits { /* 0: no limit */
    int64_t rate;         /* attempts a second */
    int64_t messages, period_ms;
    int64_t pending; /* deliveries that wait; more may come of the message that reaches it */
};
#define ALLOWANCE_PERIOD_S 86400
#define ALLOWANCE_RECOUNT_MS 10000 /* between two counts while nothing more is let in */

/* Members throttleRate, messageLimit, messageLimitPeriod (seconds), pendingLimit. */
struct allowance_limits allowance_limits_read(const struct json *application);

struct allowance *allowance_new(void);
struct allowance *allowance_ref(struct allowance *a);
void allowance_unref(struct allowance *a); /* accepts NULL */
/* What was counted stays. */
void allowance_set(struct allowance *a, const struct allowance_limits *l);

/* 0: one attempt may start, and was counted; else how many ms later to ask again. */
int64_t allowance_pace(struct allowance *a, int64_t now_ns);

enum allowance_verdict { ALLOWANCE_OK, ALLOWANCE_MESSAGES, ALLOWANCE_PENDING };
/* Counts one message. Refused: *retry_s says when to try again. *recount: what waits should be
 * counted in the store and told by allowance_count, then asked again. */
enum allowance_verdict allowance_take(struct allowance *a, int64_t now_ms, int64_t *retry_s,
                                      bool *recount);
void allowance_untake(struct allowance *a); /* it was not stored */
void allowance_count(struct allowance *a, int64_t pending, int64_t now_ms);
/* Deliveries came to wait (above 0), or ended (below). */
void allowance_move(struct allowance *a, int64_t deliveries);
int64_t allowance_pending_limit(struct allowance *a);

#endif
