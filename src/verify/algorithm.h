/* algorithm.h -- signature algorithms under the words of a registry (RFC 7518 for JOSE, RFC 9421
 * for messages), and which of them a provider file allows. The file decides; a request's own word
 * for its algorithm is compared at most. Internal to verify/. */
#ifndef GAFF_VERIFY_ALGORITHM_H
#define GAFF_VERIFY_ALGORITHM_H

#include "base/problem.h"
#include "base/yaml.h"
#include "verify/public_key.h"

struct algorithm {
    str word;
    bool keyed; /* an HMAC; how and kind mean nothing then */
    enum signing how;
    enum digest digest;
    enum public_kind kind;
};

struct algorithms {
    const struct algorithm *v;
    size_t count;
    const char *words; /* for people */
    const char *example;
};
extern const struct algorithms jose_algorithms, message_algorithms;

/* Its place; count when there is none. */
size_t algorithm_find(const struct algorithms *of, str word);

/* Reads the list of words that a file allows: *set has a bit for each one's place. A shared secret
 * stands alone: beside it a public key, which everybody knows, would pass for that secret. Mistakes
 * become problems, at `place` when there is no list. */
void algorithms_read(const struct algorithms *of, struct arena *a, const struct yaml *place,
                     const struct yaml *node, unsigned *set, bool *keyed, struct problems *p);

#endif
