/* rand.h -- random bytes: from the system for keys and ids, seedable for jitter and simulation. */
#ifndef GAFF_BASE_RAND_H
#define GAFF_BASE_RAND_H

#include "base/compiler.h"

/* Cryptographic; aborts when the system has none to give. */
void rand_bytes(void *out, size_t n);

/* A small fast generator (xoshiro256**); seed 0 takes a random seed. Not for secrets. */
struct rng {
    uint64_t s[4];
};
void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
/* Uniform in [0, bound); bound > 0. */
uint64_t rng_below(struct rng *r, uint64_t bound);

#endif
