/* secret_book.h -- what is known of each source's secrets beside the configuration: when each was
 * last used, and those that a provider gave in a handshake. Kept in the data directory (mode
 * 0600); secrets themselves only where they were learned, sealed, elsewhere by a fingerprint. Any
 * thread. */
#ifndef GAFF_ENGINE_SECRET_BOOK_H
#define GAFF_ENGINE_SECRET_BOOK_H

#include "base/clock.h"
#include "base/err.h"
#include "base/secret.h"
#include "verify/seal.h"

#include <stdatomic.h>

#define FINGERPRINT_TEXT 16 /* hex digits of SHA-256 of the secret: tells two apart, no more */
#define SECRET_IDLE_WARN_MS (7 * 24 * 3600 * (int64_t)1000)

struct secret_use {
    char source[64], fingerprint[FINGERPRINT_TEXT + 1];
    int64_t since_ms;             /* first seen in a configuration */
    _Atomic int64_t last_used_ms; /* 0: never */
};

struct secret_book;

/* directory: NULL keeps all in memory. What is there already is read. */
struct secret_book *secret_book_new(const struct clock *clock, const char *directory);
void secret_book_free(struct secret_book *b); /* saves; accepts NULL */
/* Learned secrets are sealed on disk from now on; those that are there in clear or under a former
 * key are sealed anew. seal: the store's, it outlives the book; NULL: they are kept in clear.
 * ERR_INVALID, ERR_DENIED with a reason when one cannot be opened. Before any other thread. */
enum err secret_book_seal(struct secret_book *b, const struct seal *seal,
                          struct reason *why) MUST_USE;

/* The cell of one secret, made on first use; it never moves or goes before the book. NULL when
 * there are too many. */
struct secret_use *secret_book_use(struct secret_book *b, str source, str secret);
/* True when it was not used for SECRET_IDLE_WARN_MS: of several secrets of a source, one that can
 * go. */
bool secret_is_idle(const struct secret_use *u, int64_t now_ms);
/* Writes what has changed. */
void secret_book_save(struct secret_book *b);
/* The secret that a provider gave; false when there is none. Release it. */
bool secret_book_learned(struct secret_book *b, str source, struct secret *out);
/* Durable when ERR_OK. ERR_CONFLICT when another one is known already. */
enum err secret_book_learn(struct secret_book *b, str source, str secret,
                           struct reason *why) MUST_USE;
/* ERR_NOT_FOUND when none was learned. */
enum err secret_book_forget(struct secret_book *b, str source, struct reason *why) MUST_USE;

#endif
