/* log.h -- structured log lines on stderr: short coloured text on a terminal, logfmt elsewhere,
 * JSON when asked. One write(2) a line, never blocks the caller for long; strings an outsider can
 * set are escaped and capped. Any thread. Secrets have no way in: values are explicit. */
#ifndef GAFF_BASE_LOG_H
#define GAFF_BASE_LOG_H

#include "base/err.h"
#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_AUTO, LOG_TEXT, LOG_LOGFMT, LOG_JSON };

struct log_field {
    const char *key;
    enum { LOG_STR, LOG_INT } kind;
    str s;
    int64_t i;
};
#define LOG_F(key, s) ((struct log_field){(key), LOG_STR, (s), 0})
#define LOG_I(key, i) ((struct log_field){(key), LOG_INT, {NULL, 0}, (int64_t)(i)})

void log_setup(enum log_format format, enum log_level least);
bool log_wants(enum log_level level);
void log_write(enum log_level level, const char *message, const struct log_field *fields,
               size_t count);

/* log_event(LOG_INFO, "listening", LOG_F("address", s), LOG_I("port", 8080)); >= 1 field. */
#define log_event(level, message, ...)                                                             \
    do {                                                                                           \
        if (log_wants(level))                                                                      \
            log_write((level), (message), (const struct log_field[]){__VA_ARGS__},                 \
                      ARRAY_LEN(((const struct log_field[]){__VA_ARGS__})));                       \
    } while (0)
/* printf form for lines without fields. */
void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A line that repeats is written at most once a second for each `key`, with how many were held
 * back: true when it may be written now; *held is the count since the last. */
bool log_rate(const char *key, uint64_t *held);

/* Out of memory or a broken invariant of the system: one line, then abort(). */
_Noreturn void die(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* The system refused memory: a line, and the exit code of its own. No fault of the program, so no
 * abort; what was acknowledged is on disk, and the next start goes on from there. */
#define EXIT_NO_MEMORY 71
_Noreturn void die_of_memory(size_t bytes); /* 0: nobody knows how many */
/* malloc and friends that die instead of returning NULL (daemon policy; the library's public
 * entry points check their own sizes first). */
void *xmalloc(size_t n);
void *xcalloc(size_t count, size_t n);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s);

#endif
