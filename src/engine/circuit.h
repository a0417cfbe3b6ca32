/* circuit.h -- a circuit breaker: a destination that fails again and again is left alone for a
 * while, then asked by one attempt; what it answers opens the way again or closes it for twice as
 * long. Nothing is lost meanwhile and no delivery's schedule is used up: deliveries wait. Pure;
 * belongs to its lane, times are of any one clock. */
#ifndef GAFF_ENGINE_CIRCUIT_H
#define GAFF_ENGINE_CIRCUIT_H

#include "base/compiler.h"

struct circuit_policy {
    int failures;            /* in a row until it opens; 0: never */
    int64_t wait_ms, max_ms; /* the first pause, doubled after each failed probe up to max */
};
#define CIRCUIT_FAILURES 10
#define CIRCUIT_WAIT_MS 5000
#define CIRCUIT_MAX_MS 60000
#define CIRCUIT_USUAL ((struct circuit_policy){CIRCUIT_FAILURES, CIRCUIT_WAIT_MS, CIRCUIT_MAX_MS})

enum circuit_state { CIRCUIT_CLOSED, CIRCUIT_OPEN, CIRCUIT_HALF_OPEN };
const char *circuit_state_word(enum circuit_state s); /* "closed", "open", "half-open" */

enum circuit_verdict {
    CIRCUIT_ANSWERED, /* it is there */
    CIRCUIT_FAILED,
    CIRCUIT_NO_WORD /* says nothing of it: cancelled, skipped, refused for what was sent */
};

struct circuit { /* zeroed: closed */
    enum circuit_state state;
    int failures; /* in a row */
    int64_t wait_ms, until_ms;
    uint64_t probe; /* the delivery that asks; 0: none does */
};

/* 0: an attempt may start; above: not for so many ms; below: not before the probe has ended. */
int64_t circuit_wait(struct circuit *c, const struct circuit_policy *p, int64_t now_ms);
/* The attempt of a delivery (its id, not 0) started, after circuit_wait said 0. */
void circuit_started(struct circuit *c, uint64_t delivery);
/* It ended. True when it opened the circuit, or kept it open. */
bool circuit_ended(struct circuit *c, const struct circuit_policy *p, uint64_t delivery,
                   enum circuit_verdict v, int64_t now_ms);
/* By hand: ask now, instead of later. */
void circuit_hurry(struct circuit *c);

#endif
