/* problem.h -- everything that is wrong with a configuration, collected rather than stopping at
 * the first: each with its place, what is wrong, and the fix. */
#ifndef GAFF_BASE_PROBLEM_H
#define GAFF_BASE_PROBLEM_H

#include "base/buf.h"
#include "base/yaml.h"

#define PROBLEMS_MAX 200

struct problem {
    bool warning;                      /* shown, but does not refuse the configuration */
    unsigned file_bytes, line, column; /* place: the file is the beginning of text; 0: no place */
    char text[512]; /* "gaff.yaml:41:7: unknown key ..."; a warning has "warning: " after the
                     * place; safe for a terminal */
};

struct problems {
    struct problem *v; /* owned */
    size_t count;
    size_t errors; /* how many are not warnings; beyond PROBLEMS_MAX they are counted only */
};

void problems_release(struct problems *p);
/* At the value of node (at_key: at its key), or without a place when node is NULL. */
void problem_at(struct problems *p, const struct yaml *node, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void problem_at_key(struct problems *p, const struct yaml *node, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void problem_warn(struct problems *p, const struct yaml *node, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* By file, line and column; those without a place last; stable. */
void problems_sort(struct problems *p);

/* What a message may show of a scalar, in quotes, cut at 60 bytes: the text as it was written. A
 * scalar whose ${...} references were resolved holds the written text in its child `first`, so
 * that what a reference gave (often a secret) reaches no message. When a reference failed both
 * are the same slice; it was reported, and nothing more is reported at such a value. */
#define VALUE_TEXT_MAX 72
const char *value_text(const struct yaml *node, char out[VALUE_TEXT_MAX]);

/* "Did you mean": offer every candidate; nearest_word is the closest one near enough, or
 * STR_NONE. */
struct nearest {
    str wanted, best;
    unsigned distance;
};
void nearest_init(struct nearest *n, str wanted);
void nearest_offer(struct nearest *n, str candidate);
str nearest_word(const struct nearest *n);

/* --- typed readers: the schema decides, nothing is guessed ------------------------------------
 * Each returns false and reports when node is there but is not of the type; true with *out set
 * when it is right. A NULL node leaves *out (the default) and returns true. */
bool read_str(struct problems *p, const struct yaml *node, str *out);
bool read_bool(struct problems *p, const struct yaml *node, bool *out);
bool read_int(struct problems *p, const struct yaml *node, int64_t min, int64_t max, int64_t *out);
bool read_duration(struct problems *p, const struct yaml *node, int64_t min_ms, int64_t max_ms,
                   int64_t *out_ms);
/* number + B KiB MiB GiB */
bool read_size(struct problems *p, const struct yaml *node, int64_t min, int64_t max, int64_t *out);
/* "100/s", "5/m", "1000/h": events and the milliseconds they are for */
struct rate {
    int64_t count, per_ms; /* count == 0: no limit */
};
bool read_rate(struct problems *p, const struct yaml *node, struct rate *out);
/* One of `words` (NULL-terminated); *out is its index. The error lists them and the nearest. */
bool read_enum(struct problems *p, const struct yaml *node, const char *const *words, int *out);
/* A list of strings; one scalar is not silently a list. Slices live as long as node. */
bool read_str_list(struct problems *p, struct arena *a, const struct yaml *node, str **out,
                   size_t *count);

/* As read_duration and read_size read them: "90s", "1536B"; shortest exact form. */
#define AMOUNT_TEXT_MAX 32
const char *duration_text(int64_t ms, char out[AMOUNT_TEXT_MAX]);
const char *size_text(int64_t bytes, char out[AMOUNT_TEXT_MAX]);

/* Reports every key of map that is not in `known` (NULL-terminated), with "did you mean", and a
 * node that is no map. False when anything was reported. */
bool read_keys(struct problems *p, const struct yaml *map, const char *const *known);

#endif
