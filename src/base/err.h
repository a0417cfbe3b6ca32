/* err.h -- what a call that can fail returns, and the sentence that goes with it.
 *
 * A failing call returns a code and, where a person will read it, fills a struct reason with one
 * full sentence that says what is wrong and how to mend it. On success the reason is untouched.
 * Bugs abort by assert; conditions return. Errors are logged once, where they are handled. */
#ifndef GAFF_BASE_ERR_H
#define GAFF_BASE_ERR_H

#include "base/compiler.h"

#define ERRORS(X)                                                                                  \
    X(OK, "success")                                                                               \
    X(INVALID, "malformed input")                                                                  \
    X(NOT_FOUND, "no such thing")                                                                  \
    X(DENIED, "refused by policy or failed verification")                                          \
    X(CONFLICT, "the present state does not allow it")                                             \
    X(LIMIT, "a configured limit was reached")                                                     \
    X(TIMEOUT, "a deadline passed")                                                                \
    X(FULL, "no space or no capacity left; try again later")                                       \
    X(IO, "a system call failed")                                                                  \
    X(CLOSED, "shut down or disconnected")                                                         \
    X(NOMEM, "out of memory")

enum err {
#define X(name, text) ERR_##name,
    ERRORS(X)
#undef X
};

#define REASON_TEXT_MAX 512

struct reason {
    enum err code;
    char text[REASON_TEXT_MAX]; /* NUL-terminated UTF-8, never holds a secret */
};

/* "malformed input": the general text of a code; static storage. */
const char *err_text(enum err code);
/* "INVALID": the code's name for logs and JSON; static storage. */
const char *err_name(enum err code);

/* Fills *why (which may be NULL) and returns code, so that `return fail(why, ERR_..., "...")`. */
enum err fail(struct reason *why, enum err code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* As fail(), with ": " and the text of errno appended. */
enum err fail_errno(struct reason *why, enum err code, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
