/* model.c -- the words of the enums and the one table of allowed moves. Every store and the
 * engine ask here; nobody keeps a second copy. */
#include "store/model.h"

#include "base/id.h"

static const char *const state_words[DELIVERY_STATE_COUNT] = {
#define X(name, word) [DELIVERY_##name] = (word),
    DELIVERY_STATES(X)
#undef X
};

static const char *const result_words[] = {
#define X(name, word) [ATTEMPT_##name] = (word),
    ATTEMPT_RESULTS(X)
#undef X
};

#define BIT(state) (1u << DELIVERY_##state)
#define FINAL (BIT(DELIVERED) | BIT(DEAD) | BIT(SKIPPED) | BIT(CANCELLED))

/* A claimed one goes back to pending for a retry, when it is given back, and when the process
 * that held it is gone. A final one comes back only by a replay. */
static const unsigned moves[DELIVERY_STATE_COUNT] = {
    [DELIVERY_PENDING] = BIT(CLAIMED) | BIT(CANCELLED),
    [DELIVERY_CLAIMED] = BIT(PENDING) | FINAL,
    [DELIVERY_DELIVERED] = BIT(PENDING),
    [DELIVERY_DEAD] = BIT(PENDING),
    [DELIVERY_SKIPPED] = BIT(PENDING),
    [DELIVERY_CANCELLED] = BIT(PENDING),
};

const char *delivery_state_word(enum delivery_state s)
{
    assert((unsigned)s < DELIVERY_STATE_COUNT);
    return state_words[s];
}

bool delivery_state_parse(str word, enum delivery_state *out)
{
    for (int i = 0; i < DELIVERY_STATE_COUNT; i++)
        if (str_eq(word, str_from_cstr(state_words[i]))) {
            *out = (enum delivery_state)i;
            return true;
        }
    return false;
}

bool delivery_may_move(enum delivery_state from, enum delivery_state to)
{
    assert((unsigned)from < DELIVERY_STATE_COUNT && (unsigned)to < DELIVERY_STATE_COUNT);
    return (moves[from] >> to & 1u) != 0;
}

const char *attempt_result_word(enum attempt_result r)
{
    assert((size_t)r < ARRAY_LEN(result_words));
    return result_words[r];
}

str superseded_text(uint64_t by, char out[SUPERSEDED_TEXT_MAX])
{
    char id[ID_TEXT_MAX];
    int n = snprintf(out, SUPERSEDED_TEXT_MAX, "superseded by " STR_FMT,
                     STR_ARG(id_format("dlv", by, id)));
    return str_of(out, (size_t)n);
}
