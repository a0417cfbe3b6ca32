/* regex.c -- PCRE2 behind two functions. The compiled pattern is freed with its arena; what a
 * search needs is kept a thread, made at its first search. */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "rule/regex.h"

#include "base/log.h"

#include <pcre2.h>
#include <pthread.h>

/* Work of one search: `(a+)+$` against a text that fails it costs 0.33 ms at this limit. */
#define MATCH_LIMIT 100000u
#define DEPTH_LIMIT 10000u
#define HEAP_LIMIT_KIB 1024u

struct regex {
    pcre2_code *code;
    pcre2_match_context *limits;
};

static void regex_end(void *arg)
{
    struct regex *r = arg;
    pcre2_match_context_free(r->limits);
    pcre2_code_free(r->code);
}

const struct regex *regex_compile(struct arena *a, str pattern, struct reason *why)
{
    int error;
    PCRE2_SIZE offset;
    if (pattern.n > REGEX_PATTERN_MAX) {
        (void)fail(why, ERR_LIMIT, "a regex of %zu bytes; at most %u are allowed", pattern.n,
                   REGEX_PATTERN_MAX);
        return NULL;
    }
    struct regex *r = ARENA_NEW(a, struct regex);
    if (!r) {
        (void)fail(why, ERR_LIMIT, "the configuration is too large");
        return NULL;
    }
    r->code = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.n,
                            PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C |
                                PCRE2_DOLLAR_ENDONLY,
                            &error, &offset, NULL);
    if (!r->code) {
        char text[128];
        (void)pcre2_get_error_message(error, (PCRE2_UCHAR *)text, sizeof(text));
        (void)fail(why, ERR_INVALID, "the regex is wrong at its byte %zu: %s", offset, text);
        return NULL;
    }
    /* Without JIT (a hardened kernel) the interpreter does the same under the same limits. */
    (void)pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE);
    r->limits = pcre2_match_context_create(NULL);
    if (!r->limits || !arena_at_end(a, regex_end, r)) {
        regex_end(r);
        (void)fail(why, ERR_LIMIT, "no memory for a regex");
        return NULL;
    }
    (void)pcre2_set_match_limit(r->limits, MATCH_LIMIT);
    (void)pcre2_set_depth_limit(r->limits, DEPTH_LIMIT);
    (void)pcre2_set_heap_limit(r->limits, HEAP_LIMIT_KIB);
    return r;
}

static pthread_key_t scratch_key;

static void scratch_free(void *arg)
{
    pcre2_match_data_free(arg);
}

static void make_key(void)
{
    if (pthread_key_create(&scratch_key, scratch_free) != 0)
        die("the system has no room for one more thread-specific value");
}

/* This thread's own. */
static pcre2_match_data *scratch(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_key);
    pcre2_match_data *data = pthread_getspecific(scratch_key);
    if (!data) {
        data = pcre2_match_data_create(1, NULL);
        (void)pthread_setspecific(scratch_key, data);
    }
    return data;
}

enum regex_verdict regex_search(const struct regex *r, str subject)
{
    pcre2_match_data *data = scratch();
    if (!data)
        return REGEX_UNDECIDED;
    int n = pcre2_match(r->code, (PCRE2_SPTR)(subject.p ? subject.p : ""), subject.n, 0, 0, data,
                        r->limits);
    return n >= 0 ? REGEX_YES : n == PCRE2_ERROR_NOMATCH ? REGEX_NO : REGEX_UNDECIDED;
}
