/* The harness itself: a test that cannot fail proves nothing. */
#include "unit.h"

#include <sys/wait.h>
#include <unistd.h>

/* How a process ends that runs fn as a test's body. */
static int ending(void (*fn)(void))
{
    int status;
    pid_t child = fork();
    assert(child >= 0);
    if (child == 0) {
        fn();
        _exit(0);
    }
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void expect_holds(void)
{
    EXPECT(1 + 1 == 2);
    EXPECT_EQ_INT(-1, -1);
    EXPECT_EQ_UINT(UINT64_MAX, UINT64_MAX);
    EXPECT_STR(STR("a\0b"), "a\0b");
    EXPECT_NONE(STR_NONE);
    EXPECT_CSTR("a", "a");
    EXPECT_HAS("abc", "b");
}

static void expect_false(void)
{
    EXPECT(1 + 1 == 3);
}

static void expect_other_int(void)
{
    EXPECT_EQ_INT(-1, 1);
}

static void expect_other_uint(void)
{
    EXPECT_EQ_UINT(UINT64_MAX, UINT64_MAX - 1);
}

static void expect_other_bytes(void)
{
    EXPECT_STR(STR("a\0b"), "a\0c");
}

static void expect_something(void)
{
    EXPECT_STR(STR_NONE, "");
}

static void expect_nothing(void)
{
    EXPECT_NONE(STR(""));
}

static void expect_part(void)
{
    EXPECT_HAS("abc", "bd");
}

static void expect_ok(void)
{
    struct reason why;
    EXPECT_OK(fail(&why, ERR_IO, "the disk is gone"), why);
}

static void skip(void)
{
    SKIP("not here");
}

void test_unit_expectations_fail_when_they_should(void)
{
    static void (*const wrong[])(void) = {
        expect_false,     expect_other_int, expect_other_uint, expect_other_bytes,
        expect_something, expect_nothing,   expect_part,       expect_ok,
    };
    EXPECT_EQ_INT(ending(expect_holds), 0);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        if (ending(wrong[i]) != 1)
            FAIL("the expectation number %zu passed", i);
    EXPECT_EQ_INT(ending(skip), 77);
}

static void do_nothing(void *arg)
{
    UNUSED(arg);
}

static void do_abort(void *arg)
{
    UNUSED(arg);
    abort();
}

static void say_hello(void *arg)
{
    (void)fputs(arg, stderr);
}

void test_unit_aborts_and_capture(void)
{
    char out[8], hello[] = "hello, world";
    EXPECT(unit_aborts(do_abort, NULL));
    EXPECT(!unit_aborts(do_nothing, NULL));
    unit_capture_stderr(say_hello, hello, out, sizeof(out));
    EXPECT_CSTR(out, "hello, ");
}

void test_unit_runs_in_an_empty_directory_of_its_own(void)
{
    char cwd[4096];
    EXPECT(getcwd(cwd, sizeof(cwd)) != NULL);
    EXPECT_CSTR(unit_path(""), cwd);
    EXPECT(rmdir(unit_path("")) == 0);
    EXPECT(access(unit_source_path("src/base/str.h"), R_OK) == 0);
}
