/* verifier.h -- a source's verifier from inside: the compiled file, the prepared keys. Made by
 * verifier.c, read by verify.c and greet.c. Internal to verify/. */
#ifndef GAFF_VERIFY_VERIFIER_H
#define GAFF_VERIFY_VERIFIER_H

#include "verify/scheme.h"

#define VERIFIER_MAGIC 0x76657266u

struct verifier {
    unsigned magic;
    const struct provider *provider;
    const struct recipe *recipe; /* the provider's, or with the source's options in own */
    struct arena own;
    struct key *keys; /* [alternative * slots + secret or pinned key] */
    size_t slots;     /* of an alternative */
    size_t secret_count;
    str *secret_ids; /* NULL: none has a name */
    str *refusals;   /* the text of a mismatch, by alternative: a forger costs no formatting */
    const struct net *allow_from; /* the source's if it has any, else the provider's */
    size_t allow_count;
    str public_url;                   /* without a '/' at its end */
    bool may_learn;                   /* no secret yet */
    int64_t tolerance_ms;             /* 0: the scheme's */
    const struct key_source *sources; /* of keys at URLs; NULL: none can be had */
};

#endif
