/* unit.h -- what a unit test may say.
 *
 * A test is any `void test_<file>_<says_what>(void)` in a file X_test.c under tests/unit: it is
 * found by its symbol. Each runs in a process of its own, in an empty directory that is removed
 * afterwards, for at most UNIT_SECONDS_MAX; its output is shown only when it fails. The first
 * expectation that does not hold ends the test, also from another thread. */
#ifndef GAFF_TESTS_UNIT_H
#define GAFF_TESTS_UNIT_H

#include "base/err.h"
#include "base/str.h"

#define UNIT_SECONDS_MAX 60

struct unit_test {
    const char *name;
    void (*fn)(void);
};

/* Made by scripts/gen-unit-table, sorted by name. */
extern const struct unit_test unit_tests[];
extern const size_t unit_test_count;

#define EXPECT(cond)                                                                               \
    do {                                                                                           \
        if (!(cond))                                                                               \
            unit_fail(__FILE__, __LINE__, "%s", #cond);                                            \
    } while (0)

/* Any integers that fit into 64 bits. */
#define EXPECT_EQ_INT(a, b)                                                                        \
    unit_equal_int(__FILE__, __LINE__, #a " == " #b, (long long)(a), (long long)(b))
#define EXPECT_EQ_UINT(a, b)                                                                       \
    unit_equal_uint(__FILE__, __LINE__, #a " == " #b, (unsigned long long)(a),                     \
                    (unsigned long long)(b))

/* A slice against a literal (which may hold NUL bytes), or against another slice. STR_NONE equals
 * STR_NONE alone. */
#define EXPECT_STR(a, literal) unit_equal_str(__FILE__, __LINE__, #a, (a), STR(literal))
#define EXPECT_EQ_STR(a, b) unit_equal_str(__FILE__, __LINE__, #a, (a), (b))
#define EXPECT_NONE(a) unit_equal_str(__FILE__, __LINE__, #a, (a), STR_NONE)
#define EXPECT_CSTR(a, literal)                                                                    \
    unit_equal_str(__FILE__, __LINE__, #a, str_from_cstr(a), str_from_cstr(literal))

/* The text (a C string) holds the part. */
#define EXPECT_HAS(text, part) unit_has(__FILE__, __LINE__, #text, (text), (part))

/* The call returned ERR_OK; otherwise `why`, a struct reason, says what came instead. */
#define EXPECT_OK(call, why)                                                                       \
    do {                                                                                           \
        enum err unit_err_ = (call);                                                               \
        if (unit_err_ != ERR_OK)                                                                   \
            unit_fail(__FILE__, __LINE__, "%s: %s: %s", #call, err_name(unit_err_), (why).text);   \
    } while (0)

#define FAIL(...) unit_fail(__FILE__, __LINE__, __VA_ARGS__)
/* Ends the test as skipped: its reason is printed and counted. */
#define SKIP(...) unit_skip(__VA_ARGS__)

_Noreturn void unit_fail(const char *file, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);
_Noreturn void unit_skip(const char *fmt, ...) PRINTF_LIKE(1, 2);
void unit_equal_int(const char *file, int line, const char *text, long long a, long long b);
void unit_equal_uint(const char *file, int line, const char *text, unsigned long long a,
                     unsigned long long b);
void unit_equal_str(const char *file, int line, const char *text, str a, str b);
void unit_has(const char *file, int line, const char *text, const char *whole, const char *part);

/* The absolute path of `name` in the test's own directory, which is also the working directory;
 * unit_path("") is that directory. Static storage, good for the next three calls. */
const char *unit_path(const char *name);
/* The absolute path of a file of the source tree ("presets/providers/github.yaml"). */
const char *unit_source_path(const char *relative);

/* True when fn(arg), run in a process of its own, ends by abort(): a failed assert or die(). */
bool unit_aborts(void (*fn)(void *arg), void *arg);
/* What fn(arg) writes to stderr, into out (NUL-terminated, cut at size). */
void unit_capture_stderr(void (*fn)(void *arg), void *arg, char *out, size_t size);

#endif
