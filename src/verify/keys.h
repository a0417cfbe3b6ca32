/* keys.h -- public keys that lie at a URL. verify/ does no I/O: it asks whoever runs it for what
 * is at the URL now, and is told to try again while that is being fetched. */
#ifndef GAFF_VERIFY_KEYS_H
#define GAFF_VERIFY_KEYS_H

#include "base/arena.h"

struct key_wish {
    str url;         /* https; its host was compared with those the provider's file allows */
    int64_t ttl_ms;  /* fetched again after this long, while the old document still serves */
    bool not_inside; /* the document at hand lacks the key that is looked for */
    uint64_t known;  /* the version the asker has read already; 0: none */
};

enum key_state {
    KEY_HERE,    /* *version, and *doc unless it is the known one */
    KEY_COMING,  /* being fetched, or soon again: ask later */
    KEY_REFUSED, /* the outbound policy, or the server, says no */
};

struct key_source {
    enum key_state (*get)(void *arg, const struct key_wish *wish, struct arena *a, str *doc,
                          uint64_t *version);
    void *arg;
};

#endif
