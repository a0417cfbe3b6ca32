/* password.h -- passwords as Argon2id (RFC 9106): slow to guess, one string to keep. */
#ifndef GAFF_API_PASSWORD_H
#define GAFF_API_PASSWORD_H

#include "base/err.h"
#include "base/str.h"

#define PASSWORD_BYTES_MIN 12
#define PASSWORD_BYTES_MAX 256
#define PASSWORD_HASH_MAX 160

/* Writes "$argon2id$v=19$..." and a NUL. ERR_INVALID for a password that is too short or too long,
 * with a sentence that says so. Takes some 30 ms and 19 MiB. */
enum err password_hash(str password, char out[PASSWORD_HASH_MAX], struct reason *why) MUST_USE;
/* As long for a wrong password as for the right one. hash is NUL-terminated; an empty one fits
 * nothing, but costs the same: so that nobody learns which names exist. */
bool password_fits(const char *hash, str password);

#endif
