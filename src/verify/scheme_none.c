/* scheme_none.c -- no proof in the request: none (anybody who knows the URL may post), and ip
 * (only its address counts, which verify.c judges for every scheme). And the list of all
 * schemes. */
#include "verify/scheme.h"

const struct scheme_ops scheme_none = {.word = "none"};
const struct scheme_ops scheme_ip = {.word = "ip"};

const struct scheme_ops *const scheme_list[SCHEME_COUNT] = {
#define X(name) &scheme_##name,
    SCHEMES(X)
#undef X
};
