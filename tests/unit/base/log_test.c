/* Log lines: their three forms, escaping, caps, one write a line. */
#include "unit.h"

#include "base/json.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static char out[65536];

static void two_fields(void *arg)
{
    UNUSED(arg);
    log_event(LOG_INFO, "listening", LOG_F("address", STR("127.0.0.1")), LOG_I("port", 8080));
}

static void nasty_fields(void *arg)
{
    UNUSED(arg);
    log_event(LOG_WARN, "two words",
              LOG_F("a", STR("x\nlevel=error \x1b[2J\"q\"\\ \xe2\x80\xae\xff")),
              LOG_F("b", STR("")), LOG_F("c", STR_NONE), LOG_F("d", STR("k=v")),
              LOG_F("e", STR("\xc3\xa9")), LOG_I("f", INT64_MIN));
}

static size_t count(const char *text, char c)
{
    size_t n = 0;
    for (; *text; text++)
        n += *text == c;
    return n;
}

void test_log_without_setup_is_logfmt_from_info(void)
{
    EXPECT(!log_wants(LOG_DEBUG));
    EXPECT(log_wants(LOG_INFO));
    unit_capture_stderr(two_fields, NULL, out, sizeof(out));
    EXPECT(str_starts(str_from_cstr(out), STR("ts=2")));
    EXPECT_CSTR(out + strlen("ts=2026-11-23T20:24:11.042Z"),
                " level=info msg=listening address=127.0.0.1 port=8080\n");
}

void test_log_auto_into_a_file_is_logfmt(void)
{
    unsetenv("NO_COLOR");
    log_setup(LOG_AUTO, LOG_DEBUG);
    unit_capture_stderr(two_fields, NULL, out, sizeof(out));
    EXPECT_HAS(out, " level=info msg=listening ");
    EXPECT(log_wants(LOG_DEBUG));
}

void test_log_logfmt_escapes_what_an_outsider_sets(void)
{
    log_setup(LOG_LOGFMT, LOG_INFO);
    unit_capture_stderr(nasty_fields, NULL, out, sizeof(out));
    EXPECT_EQ_UINT(count(out, '\n'), 1);
    EXPECT_EQ_UINT(count(out, '\x1b'), 0);
    EXPECT_CSTR(strstr(out, " msg="),
                " msg=\"two words\" a=\"x\\nlevel=error \\u001b[2J\\\"q\\\"\\\\ "
                "\\u202e\xef\xbf\xbd\" b=\"\" c=null d=\"k=v\" e=\xc3\xa9 "
                "f=-9223372036854775808\n");
}

void test_log_json_is_json(void)
{
    log_setup(LOG_JSON, LOG_INFO);
    unit_capture_stderr(nasty_fields, NULL, out, sizeof(out));
    EXPECT_EQ_UINT(count(out, '\n'), 1);
    EXPECT(out[strlen(out) - 1] == '\n');
    struct reason why;
    struct json_doc *d = json_parse(str_from_cstr(out), &why);
    if (!d)
        FAIL("%s: %s", out, why.text);
    const struct json *root = json_root(d);
    EXPECT_STR(json_str(json_get(root, STR("level"))), "warn");
    EXPECT_STR(json_str(json_get(root, STR("msg"))), "two words");
    EXPECT_STR(json_str(json_get(root, STR("a"))),
               "x\nlevel=error \x1b[2J\"q\"\\ \xe2\x80\xae\xef\xbf\xbd");
    int64_t f = 0;
    EXPECT(json_i64(json_get(root, STR("f")), &f) && f == INT64_MIN);
    EXPECT_EQ_UINT(json_str(json_get(root, STR("ts"))).n, 24);
    json_doc_free(d);
}

void test_log_text_is_short(void)
{
    setenv("TZ", "UTC", 1);
    log_setup(LOG_TEXT, LOG_INFO);
    unit_capture_stderr(two_fields, NULL, out, sizeof(out));
    EXPECT_EQ_UINT(strlen(out), strlen("20:24:11 INFO  listening address=127.0.0.1 port=8080\n"));
    EXPECT(out[2] == ':' && out[5] == ':');
    EXPECT_CSTR(out + 8, " INFO  listening address=127.0.0.1 port=8080\n");
}

/* Runs fn with a terminal as stderr and gives what it shows. */
static void on_terminal(void (*fn)(void *))
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
        SKIP("no pseudo-terminal can be had here");
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    EXPECT(slave >= 0);
    int saved = dup(STDERR_FILENO);
    dup2(slave, STDERR_FILENO);
    log_setup(LOG_AUTO, LOG_INFO);
    fn(NULL);
    dup2(saved, STDERR_FILENO);
    ssize_t n = read(master, out, sizeof(out) - 1);
    EXPECT(n > 0);
    out[n] = '\0';
    close(saved);
    close(slave);
    close(master);
}

void test_log_on_a_terminal_is_coloured_text(void)
{
    unsetenv("NO_COLOR");
    setenv("TERM", "xterm", 1);
    on_terminal(two_fields);
    EXPECT_HAS(out, "\x1b[32mINFO \x1b[0m listening address=127.0.0.1 port=8080");
    EXPECT(out[0] == '\x1b');
}

void test_log_on_a_terminal_obeys_no_color_and_dumb(void)
{
    setenv("NO_COLOR", "1", 1);
    setenv("TERM", "xterm", 1);
    on_terminal(nasty_fields);
    EXPECT_EQ_UINT(count(out, '\x1b'), 0);
    EXPECT_HAS(out, " WARN  two words a=");
    unsetenv("NO_COLOR");
    setenv("TERM", "dumb", 1);
    on_terminal(two_fields);
    EXPECT_EQ_UINT(count(out, '\x1b'), 0);
}

static void all_levels(void *arg)
{
    UNUSED(arg);
    log_line(LOG_DEBUG, "debug %d", 1);
    log_line(LOG_INFO, "info %d", 2);
    log_line(LOG_WARN, "warn %d", 3);
    log_line(LOG_ERROR, "error %d", 4);
}

void test_log_levels_below_the_least_are_silent(void)
{
    log_setup(LOG_LOGFMT, LOG_WARN);
    unit_capture_stderr(all_levels, NULL, out, sizeof(out));
    EXPECT_EQ_UINT(count(out, '\n'), 2);
    EXPECT_HAS(out, "level=warn msg=\"warn 3\"\n");
    EXPECT_HAS(out, "level=error msg=\"error 4\"\n");
    log_setup(LOG_LOGFMT, LOG_DEBUG);
    unit_capture_stderr(all_levels, NULL, out, sizeof(out));
    EXPECT_EQ_UINT(count(out, '\n'), 4);
}

static void huge(void *arg)
{
    static char text[20000];
    struct log_field fields[40];
    memset(text, *(const char *)arg, sizeof(text) - 1);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        fields[i] = LOG_F("key", str_of(text, sizeof(text) - 1));
    log_write(LOG_INFO, text, fields, ARRAY_LEN(fields));
}

void test_log_a_line_is_capped_and_still_whole(void)
{
    static const char *const bytes[] = {"a", "\x01", "\"", "\xff", " "};
    static const enum log_format formats[] = {LOG_TEXT, LOG_LOGFMT, LOG_JSON};
    for (size_t i = 0; i < ARRAY_LEN(bytes); i++)
        for (size_t k = 0; k < ARRAY_LEN(formats); k++) {
            log_setup(formats[k], LOG_INFO);
            unit_capture_stderr(huge, (void *)(uintptr_t)bytes[i], out, sizeof(out));
            size_t n = strlen(out);
            EXPECT(n > 500 && n <= 4096);
            EXPECT(out[n - 1] == '\n' && count(out, '\n') == 1);
            EXPECT_HAS(out, "cut");
            struct json_doc *d =
                formats[k] == LOG_JSON ? json_parse(str_from_cstr(out), NULL) : NULL;
            EXPECT(formats[k] != LOG_JSON || json_bool(json_get(json_root(d), STR("cut"))));
            json_doc_free(d);
        }
}

static void long_value(void *arg)
{
    log_event(LOG_INFO, "m", LOG_F("v", str_from_cstr(arg)), LOG_I("after", 1));
}

void test_log_a_long_value_is_cut_at_a_character(void)
{
    char text[1001];
    for (size_t i = 0; i < 1000; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    memcpy(text, "a", 1);
    memmove(text + 1, text + 2, 998);
    text[999] = '\0';
    log_setup(LOG_LOGFMT, LOG_INFO);
    unit_capture_stderr(long_value, text, out, sizeof(out));
    EXPECT_HAS(out, "\xc3\xa9... after=1\n");
    EXPECT(strlen(out) < 600);
}

enum { WRITERS = 4, LINES_EACH = 500 };

static void *write_lines(void *arg)
{
    char text[300];
    memset(text, *(const char *)arg, sizeof(text));
    for (int i = 0; i < LINES_EACH; i++)
        log_event(LOG_INFO, "line", LOG_F("v", str_of(text, sizeof(text))));
    return NULL;
}

static void write_from_threads(void *arg)
{
    pthread_t threads[WRITERS];
    for (size_t i = 0; i < WRITERS; i++)
        EXPECT(pthread_create(&threads[i], NULL, write_lines, (char *)arg + i) == 0);
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
}

void test_log_lines_of_several_threads_never_mix(void)
{
    static char much[WRITERS * LINES_EACH * 400];
    char letters[WRITERS + 1] = "abcd";
    log_setup(LOG_LOGFMT, LOG_INFO);
    unit_capture_stderr(write_from_threads, letters, much, sizeof(much));
    str rest = str_from_cstr(much);
    size_t lines = 0;
    for (; rest.n; lines++) {
        str line = str_cut(&rest, '\n');
        str value = str_slice(line, line.n - 300, line.n);
        EXPECT(str_starts(line, STR("ts=2")));
        for (size_t i = 0; i < value.n; i++)
            EXPECT(value.p[i] == value.p[0]);
    }
    EXPECT_EQ_UINT(lines, WRITERS * LINES_EACH);
}

void test_log_keeps_errno(void)
{
    log_setup(LOG_LOGFMT, LOG_INFO);
    int saved = dup(STDERR_FILENO);
    close(STDERR_FILENO);
    errno = ENOSPC;
    two_fields(NULL);
    EXPECT_EQ_INT(errno, ENOSPC);
    dup2(saved, STDERR_FILENO);
    close(saved);
}

void test_log_rate_holds_repeats_back(void)
{
    uint64_t held = 99;
    EXPECT(log_rate("one", &held));
    EXPECT_EQ_UINT(held, 0);
    EXPECT(!log_rate("one", &held));
    EXPECT_EQ_UINT(held, 1);
    EXPECT(!log_rate("one", &held));
    EXPECT(log_rate("another", &held));
    EXPECT_EQ_UINT(held, 0);
    /* Waiting is the point here: the second is of the real clock. */
    poll(NULL, 0, 1050);
    EXPECT(log_rate("one", &held));
    EXPECT_EQ_UINT(held, 2);
}

void test_log_rate_survives_many_keys(void)
{
    char key[32];
    uint64_t held;
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof(key), "key-%d", i);
        EXPECT(log_rate(key, &held));
        EXPECT(!log_rate(key, &held));
    }
}

static void call_die(void *arg)
{
    die("the %s is broken", (const char *)arg);
}

static void die_in_child(void *arg)
{
    char word[] = "clock";
    UNUSED(arg);
    EXPECT(unit_aborts(call_die, word));
}

void test_log_die_says_why_and_aborts(void)
{
    log_setup(LOG_LOGFMT, LOG_ERROR);
    unit_capture_stderr(die_in_child, NULL, out, sizeof(out));
    EXPECT_HAS(out, "level=error msg=\"the clock is broken\"\n");
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static void ask_too_much(void *arg)
{
    int status;
    pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        free(xmalloc(SIZE_MAX / 2 - *(const size_t *)arg));
        _exit(0);
    }
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NO_MEMORY);
}

void test_log_out_of_memory_ends_with_a_code_of_its_own(void)
{
    size_t less = 4096;
    log_setup(LOG_LOGFMT, LOG_ERROR);
    unit_capture_stderr(ask_too_much, &less, out, sizeof(out));
    EXPECT_HAS(out, "out of memory: ");
}
#endif

void test_log_xmalloc_of_nothing_is_something(void)
{
    void *p = xmalloc(0), *q = xcalloc(0, 8);
    EXPECT(p && q);
    q = xrealloc(q, 0);
    EXPECT(q != NULL);
    free(p);
    free(q);
    char *s = xstrdup("abc");
    EXPECT_CSTR(s, "abc");
    free(s);
}
