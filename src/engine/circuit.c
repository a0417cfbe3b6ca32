/* circuit.c -- three states. Attempts that were under way when it opened may still end: their
 * success proves as much as a probe's, their failure says nothing new. */
#include "engine/circuit.h"

#include <assert.h>

const char *circuit_state_word(enum circuit_state s)
{
    static const char *const words[] = {"closed", "open", "half-open"};
    return words[s];
}

int64_t circuit_wait(struct circuit *c, const struct circuit_policy *p, int64_t now_ms)
{
    if (p->failures == 0) {
        *c = (struct circuit){0};
        return 0;
    }
    if (c->state == CIRCUIT_OPEN) {
        if (now_ms < c->until_ms)
            return c->until_ms - now_ms;
        c->state = CIRCUIT_HALF_OPEN;
        c->probe = 0;
    }
    return c->state == CIRCUIT_HALF_OPEN && c->probe ? -1 : 0;
}

void circuit_started(struct circuit *c, uint64_t delivery)
{
    assert(c->state != CIRCUIT_OPEN);
    if (c->state == CIRCUIT_HALF_OPEN)
        c->probe = delivery;
}

static void open(struct circuit *c, int64_t wait_ms, int64_t now_ms)
{
    c->state = CIRCUIT_OPEN;
    c->wait_ms = wait_ms;
    c->until_ms = now_ms + wait_ms;
    c->probe = 0;
}

bool circuit_ended(struct circuit *c, const struct circuit_policy *p, uint64_t delivery,
                   enum circuit_verdict v, int64_t now_ms)
{
    bool was_probe = c->state == CIRCUIT_HALF_OPEN && c->probe == delivery;
    if (was_probe)
        c->probe = 0;
    if (v == CIRCUIT_ANSWERED)
        *c = (struct circuit){0};
    if (v != CIRCUIT_FAILED || p->failures == 0)
        return false;
    if (c->state == CIRCUIT_CLOSED) {
        if (++c->failures < p->failures)
            return false;
        open(c, p->wait_ms, now_ms);
        return true;
    }
    if (!was_probe)
        return false;
    open(c, c->wait_ms >= p->max_ms / 2 ? p->max_ms : c->wait_ms * 2, now_ms);
    return true;
}

void circuit_hurry(struct circuit *c)
{
    if (c->state == CIRCUIT_OPEN)
        c->until_ms = INT64_MIN;
}
