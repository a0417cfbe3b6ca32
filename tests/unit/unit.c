/* unit.c -- the runner of the unit tests.
 *
 *     unit-tests [PART...]    runs the tests whose name holds one of the parts; all without any
 *
 * Prints `ok NAME`, `skip NAME: reason` or `FAIL NAME: file:line: expression` for each, and ends
 * with `N passed, N failed, N skipped`. A test's process reports why it failed or was skipped
 * through a pipe; everything else that it prints goes to a file and is shown after a failure. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPORT_MAX 2048
#define EXIT_FAILED 1
#define EXIT_SKIPPED 77
#define OUTPUT_SHOWN_MAX 65536

static char source_top[PATH_MAX];
static char scratch[PATH_MAX / 2]; /* holds a directory and an output file for the running test */
static char test_directory[PATH_MAX / 2 + 8];
static int report_fd = -1;

/* --- in the test's process ---------------------------------------------------------------------
 */

static void report(const char *prefix, const char *fmt, va_list args)
{
    char text[REPORT_MAX];
    int n = snprintf(text, sizeof(text), "%s", prefix);
    assert(n >= 0 && (size_t)n < sizeof(text));
    vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, args);
    ssize_t written = write(report_fd, text, strlen(text));
    UNUSED(written);
}

void unit_fail(const char *file, int line, const char *fmt, ...)
{
    char place[512];
    va_list args;
    snprintf(place, sizeof(place), "%s:%d: ", file, line);
    va_start(args, fmt);
    report(place, fmt, args);
    va_end(args);
    _exit(EXIT_FAILED);
}

void unit_skip(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    report("", fmt, args);
    va_end(args);
    _exit(EXIT_SKIPPED);
}

void unit_equal_int(const char *file, int line, const char *text, long long a, long long b)
{
    if (a != b)
        unit_fail(file, line, "%s (%lld and %lld)", text, a, b);
}

void unit_equal_uint(const char *file, int line, const char *text, unsigned long long a,
                     unsigned long long b)
{
    if (a != b)
        unit_fail(file, line, "%s (%llu and %llu)", text, a, b);
}

/* Bytes of s as a C literal, cut to what fits. */
static const char *printable(str s, char *out, size_t size)
{
    size_t n = 0;
    if (!s.p)
        return "STR_NONE";
    for (size_t i = 0; i < s.n && n + 8 < size; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c >= 0x20 && c < 0x7f)
            out[n++] = (char)c;
        else
            n += (size_t)snprintf(out + n, size - n, "\\x%02x", c);
    }
    out[n] = '\0';
    return out;
}

void unit_equal_str(const char *file, int line, const char *text, str a, str b)
{
    char a_text[700], b_text[700];
    if (!a.p == !b.p && str_eq(a, b))
        return;
    unit_fail(file, line, "%s is \"%s\", expected \"%s\"", text,
              printable(a, a_text, sizeof(a_text)), printable(b, b_text, sizeof(b_text)));
}

void unit_has(const char *file, int line, const char *text, const char *whole, const char *part)
{
    if (!whole || !strstr(whole, part))
        unit_fail(file, line, "%s is \"%s\", expected \"%s\" in it", text, whole ? whole : "NULL",
                  part);
}

static const char *join(const char *directory, const char *name)
{
    static char paths[4][2 * PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % ARRAY_LEN(paths)];
    snprintf(path, sizeof(paths[0]), "%s%s%s", directory, *name ? "/" : "", name);
    return path;
}

const char *unit_path(const char *name)
{
    return join(test_directory, name);
}

const char *unit_source_path(const char *relative)
{
    return join(source_top, relative);
}

static int wait_for(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        assert(errno == EINTR);
    return status;
}

bool unit_aborts(void (*fn)(void *arg), void *arg)
{
    pid_t child = fork();
    assert(child >= 0);
    if (child == 0) {
        /* A sanitizer may have its own idea of what follows an abort. */
        signal(SIGABRT, SIG_DFL);
        fn(arg);
        _exit(0);
    }
    int status = wait_for(child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

void unit_capture_stderr(void (*fn)(void *arg), void *arg, char *out, size_t size)
{
    FILE *file = tmpfile();
    assert(file && size > 0);
    int saved = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    fn(arg);
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(file);
    out[fread(out, 1, size - 1, file)] = '\0';
    fclose(file);
}

_Noreturn static void run_in_child(const struct unit_test *test, const char *output)
{
    setpgid(0, 0);
    int fd = open(output, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0 ||
        chdir(test_directory) < 0)
        unit_fail(__FILE__, __LINE__, "the test's own directory: error %d", errno);
    close(fd);
    setvbuf(stdout, NULL, _IONBF, 0);
    alarm(UNIT_SECONDS_MAX);
    test->fn();
    /* Not _exit: leak checkers work at exit. */
    exit(0);
}

/* --- the runner --------------------------------------------------------------------------------
 */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    UNUSED(st);
    UNUSED(kind);
    UNUSED(where);
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static void show_output(const char *path)
{
    char chunk[4096];
    size_t n, left = OUTPUT_SHOWN_MAX;
    FILE *file = fopen(path, "r");
    if (!file)
        return;
    while (left > 0 && (n = fread(chunk, 1, sizeof(chunk) < left ? sizeof(chunk) : left, file))) {
        fwrite(chunk, 1, n, stdout);
        left -= n;
    }
    fclose(file);
}

enum verdict { PASSED, FAILED, SKIPPED, VERDICTS };

static enum verdict judge(const struct unit_test *test, int status, const char *why,
                          const char *output)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        printf("ok %s\n", test->name);
        return PASSED;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED) {
        printf("skip %s: %s\n", test->name, why);
        return SKIPPED;
    }
    if (*why)
        printf("FAIL %s: %s\n", test->name, why);
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        printf("FAIL %s: took more than %d s\n", test->name, UNIT_SECONDS_MAX);
    else if (WIFSIGNALED(status))
        printf("FAIL %s: killed by signal %d\n", test->name, WTERMSIG(status));
    else
        printf("FAIL %s: ended with code %d\n", test->name, WEXITSTATUS(status));
    show_output(output);
    return FAILED;
}

static enum verdict run_test(const struct unit_test *test)
{
    char output[PATH_MAX], why[REPORT_MAX + 1];
    int ends[2];
    snprintf(output, sizeof(output), "%s/output", scratch);
    snprintf(test_directory, sizeof(test_directory), "%s/cwd", scratch);
    if (mkdir(test_directory, 0700) < 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
        printf("FAIL %s: no directory or pipe for it: error %d\n", test->name, errno);
        return FAILED;
    }
    fflush(stdout);
    pid_t child = fork();
    assert(child >= 0);
    if (child == 0) {
        close(ends[0]);
        report_fd = ends[1];
        run_in_child(test, output);
    }
    close(ends[1]);
    int status = wait_for(child);
    /* What the test started and left behind. */
    kill(-child, SIGKILL);
    ssize_t n = read(ends[0], why, sizeof(why) - 1);
    why[n > 0 ? n : 0] = '\0';
    close(ends[0]);
    enum verdict verdict = judge(test, status, why, output);
    remove_tree(test_directory);
    return verdict;
}

static bool is_wanted(const struct unit_test *test, char **parts)
{
    for (char **part = parts; *part; part++)
        if (strstr(test->name, *part))
            return true;
    return !*parts;
}

int main(int argc, char **argv)
{
    unsigned counts[VERDICTS] = {0};
    const char *temporary = getenv("TMPDIR");
    if (argc < 1 || !getcwd(source_top, sizeof(source_top)))
        return 2;
    snprintf(scratch, sizeof(scratch), "%s/gaff-unit-XXXXXX",
             temporary && *temporary == '/' ? temporary : "/tmp");
    if (!mkdtemp(scratch)) {
        perror(scratch);
        return 2;
    }
    for (size_t i = 0; i < unit_test_count; i++)
        if (is_wanted(&unit_tests[i], argv + 1))
            counts[run_test(&unit_tests[i])]++;
    remove_tree(scratch);
    printf("%u passed, %u failed, %u skipped\n", counts[PASSED], counts[FAILED], counts[SKIPPED]);
    if (counts[PASSED] + counts[FAILED] + counts[SKIPPED] == 0) {
        fputs("no test has such a name\n", stderr);
        return 2;
    }
    return counts[FAILED] ? 1 : 0;
}
