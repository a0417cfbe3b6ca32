/* allowance.h -- what one application may do with all its endpoints together: attempts a second,
 * messages a period, deliveries that wait. Counted; any thread.
 *
 * The pace is of this process. Messages of the period and what waits are counted in the store when
 * they are first asked for; on a store that nodes share, messages again every ALLOWANCE_RECOUNT_MS,
 * for the others accept some too. */
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
#define ALLOWANCE_RECOUNT_MS 10000 /* between two counts of what others change too */

/* Members throttleRate, messageLimit, messageLimitPeriod (seconds), pendingLimit. */
struct allowance_limits allowance_limits_read(const struct json *application);

struct allowance *allowance_new(bool shared); /* others accept its messages too */
struct allowance *allowance_ref(struct allowance *a);
void allowance_unref(struct allowance *a); /* accepts NULL */
/* What was counted stays. */
void allowance_set(struct allowance *a, const struct allowance_limits *l);

/* 0: one attempt may start, and was counted; else how many ms later to ask again. */
int64_t allowance_pace(struct allowance *a, int64_t now_ns);

enum allowance_verdict { ALLOWANCE_OK, ALLOWANCE_MESSAGES, ALLOWANCE_PENDING };
struct allowance_ask { /* what should be counted in the store, and then asked again */
    bool pending;      /* what waits: allowance_count */
    bool messages;     /* those from since_ms on, up to most: allowance_count_messages */
    int64_t since_ms, most;
};
/* Counts one message. Refused: *retry_s says when to try again. */
enum allowance_verdict allowance_take(struct allowance *a, int64_t now_ms, int64_t *retry_s,
                                      struct allowance_ask *ask);
void allowance_settle(struct allowance *a, bool stored); /* what became of one that was counted */
void allowance_count(struct allowance *a, int64_t pending, int64_t now_ms);
void allowance_count_messages(struct allowance *a, int64_t since_ms, int64_t messages,
                              int64_t now_ms);
/* Deliveries came to wait (above 0), or ended (below). */
void allowance_move(struct allowance *a, int64_t deliveries);
int64_t allowance_pending_limit(struct allowance *a);

#endif
