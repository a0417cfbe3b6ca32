/* runner_test.c -- real commands through the real runner process. */
#include "action_rig.h"

#include "base/codec.h"
#include "base/json.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct rig_result result; /* large: not for the stack */

static void run_shell(struct rig *r, const char *script)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    struct run_spec spec = rig_spec(argv);
    rig_run(r, &spec, &result);
}

void test_runner_reports_exit_codes(void)
{
    struct rig r;
    rig_init(&r);
    run_shell(&r, "exit 0");
    EXPECT(result.r.started && !result.r.timed_out);
    EXPECT_EQ_INT(result.r.exit_code, 0);
    EXPECT_EQ_INT(result.r.signal, 0);
    run_shell(&r, "exit 75");
    EXPECT_EQ_INT(result.r.exit_code, 75);
    run_shell(&r, "kill -SEGV $$");
    EXPECT_EQ_INT(result.r.exit_code, -1);
    EXPECT_EQ_INT(result.r.signal, SIGSEGV);
    rig_release(&r);
}

void test_runner_captures_output_and_errors_apart(void)
{
    struct rig r;
    rig_init(&r);
    run_shell(&r, "printf 'a\\000b'; echo oops >&2; exit 3");
    EXPECT_STR(result.r.output, "a\0b");
    EXPECT_STR(result.r.errors, "oops\n");
    EXPECT(!result.r.output_cut && !result.r.errors_cut);
    EXPECT_EQ_INT(result.r.exit_code, 3);
    EXPECT(result.r.duration_us > 0 && result.r.max_rss_kib > 0);
    rig_release(&r);
}

void test_runner_cuts_ten_megabytes_and_does_not_block_the_command(void)
{
    struct rig r;
    rig_init(&r);
    const char *const argv[] = {
        "/bin/sh", "-c", "head -c 10485760 /dev/zero; head -c 100 /dev/zero >&2; exit 4", NULL};
    struct run_spec spec = rig_spec(argv);
    spec.output_max = 1000;
    rig_run(&r, &spec, &result);
    EXPECT_EQ_INT(result.r.exit_code, 4);
    EXPECT_EQ_UINT(result.r.output.n, 1000);
    EXPECT(result.r.output_cut);
    EXPECT_EQ_UINT(result.r.errors.n, 100);
    EXPECT(!result.r.errors_cut);
    spec.output_max = 0;
    rig_run(&r, &spec, &result);
    EXPECT_EQ_UINT(result.r.output.n, 0);
    EXPECT(result.r.output_cut && result.r.errors_cut);
    rig_release(&r);
}

void test_runner_hands_over_five_megabytes_of_input(void)
{
    struct rig r;
    rig_init(&r);
    size_t n = 5u << 20;
    char *input = xmalloc(n);
    memset(input, 'x', n);
    const char *const argv[] = {"/usr/bin/wc", "-c", NULL};
    struct run_spec spec = rig_spec(argv);
    spec.input = str_of(input, n);
    rig_run(&r, &spec, &result);
    EXPECT_STR(result.r.output, "5242880\n");
    const char *const never_reads[] = {"/bin/true", NULL};
    spec.argv = never_reads;
    rig_run(&r, &spec, &result);
    EXPECT_EQ_INT(result.r.exit_code, 0);
    free(input);
    rig_release(&r);
}

void test_runner_refuses_too_large_an_input(void)
{
    struct rig r;
    rig_init(&r);
    const char *const argv[] = {"/bin/true", NULL};
    struct run_spec spec = rig_spec(argv);
    spec.input = str_of("", (32u << 20) + 1);
    rig_run(&r, &spec, &result);
    EXPECT(!result.r.started);
    EXPECT_HAS(result.r.error, "32 MiB");
    rig_release(&r);
}

void test_runner_empty_input_is_end_of_file(void)
{
    struct rig r;
    rig_init(&r);
    run_shell(&r, "cat; echo end");
    EXPECT_STR(result.r.output, "end\n");
    rig_release(&r);
}

void test_runner_gives_a_clean_environment(void)
{
    struct rig r;
    EXPECT(setenv("GAFF_TEST_SECRET", "hunter2", 1) == 0);
    rig_init(&r);
    const char *const argv[] = {"/usr/bin/env", NULL};
    struct run_spec spec = rig_spec(argv);
    const char *const env[] = {"ONE=1", "TWO=two words", NULL};
    spec.env = env;
    rig_run(&r, &spec, &result);
    EXPECT_STR(result.r.output, "ONE=1\nTWO=two words\n");
    rig_release(&r);
}

void test_runner_wipes_its_own_environment_and_arguments(void)
{
    struct rig r;
    char path[64], bytes[4096];
    rig_init(&r);
    run_shell(&r, "exit 0"); /* it is up */
    for (int i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof(path), "/proc/%d/%s", runner_pid(r.runner),
                       i == 0 ? "environ" : "cmdline");
        int fd = open(path, O_RDONLY);
        if (fd < 0 && errno == EACCES)
            SKIP("the runner can't be looked into by this user");
        EXPECT(fd >= 0);
        ssize_t n = read(fd, bytes, sizeof(bytes));
        EXPECT(n >= 0);
        (void)close(fd);
        for (ssize_t at = i == 0 ? 0 : (ssize_t)strlen("gaff-runner"); at < n; at++)
            EXPECT_EQ_INT(bytes[at], 0);
        if (i == 1)
            EXPECT(n > 0 && strncmp(bytes, "gaff-runner", (size_t)n) == 0);
    }
    rig_release(&r);
}

void test_runner_commands_inherit_no_descriptors(void)
{
    struct rig r;
    int leak = open("/dev/null", O_RDONLY); /* not close-on-exec */
    EXPECT(leak > 2 && fcntl(leak, F_DUPFD, 100) >= 100);
    rig_init(&r);
    EXPECT(fcntl(leak, F_DUPFD, 200) >= 200);
    run_shell(&r, "ls /proc/$$/fd");
    /* What the shell itself opens while it waits for ls is above 9. */
    EXPECT_STR(str_slice(result.r.output, 0, 6), "0\n1\n2\n");
    EXPECT(str_find_str(result.r.output, STR("100")) == result.r.output.n);
    EXPECT(str_find_str(result.r.output, STR("200")) == result.r.output.n);
    const char *const argv[] = {"/bin/ls", "/proc/self/fd", NULL};
    struct run_spec spec = rig_spec(argv);
    rig_run(&r, &spec, &result);
    EXPECT_STR(result.r.output, "0\n1\n2\n3\n"); /* 3: the directory that ls reads */
    rig_release(&r);
}

void test_runner_holds_only_its_own_descriptors(void)
{
    struct rig r;
    char path[64];
    int leak = open("/dev/zero", O_RDONLY);
    EXPECT(leak > 2);
    rig_init(&r);
    run_shell(&r, "exit 0");
    (void)snprintf(path, sizeof(path), "/proc/%d/fd", runner_pid(r.runner));
    DIR *d = opendir(path);
    if (!d)
        SKIP("the runner can't be looked into by this user");
    size_t count = 0;
    while (readdir(d))
        count++;
    (void)closedir(d);
    EXPECT_EQ_UINT(count - 2, 6); /* 0, 1, 2, socket, epoll, null */
    rig_release(&r);
}

void test_runner_sets_group_umask_limits_and_privileges(void)
{
    struct rig r;
    rig_init(&r);
    run_shell(&r, "umask; ulimit -c; grep -e NoNewPrivs -e SigBlk -e SigIgn /proc/self/status; "
                  "set -- $(cat /proc/$$/stat); [ $1 = $5 ] && [ $7 = 0 ] && echo $6");
    EXPECT_STR(result.r.errors, "");
    EXPECT_HAS(result.output, "0077\n0\n");
    EXPECT_HAS(result.output, "NoNewPrivs:\t1\n");
    EXPECT_HAS(result.output, "SigBlk:\t0000000000000000\n");
    EXPECT_HAS(result.output, "SigIgn:\t");
    /* But for 32 and 33, the libc's own, which it ignores in what it spawns itself. */
    unsigned long long ignored = strtoull(strstr(result.output, "SigIgn:\t") + 8, NULL, 16);
    EXPECT_EQ_UINT(ignored & ~0x180000000ull, 0);
    char session[32]; /* of the runner, without a terminal */
    (void)snprintf(session, sizeof(session), "\n%d\n", runner_pid(r.runner));
    EXPECT(str_ends(result.r.output, str_from_cstr(session)));
    rig_release(&r);
}

void test_runner_enters_the_working_directory(void)
{
    struct rig r;
    rig_init(&r);
    const char *const argv[] = {"/bin/pwd", NULL};
    struct run_spec spec = rig_spec(argv);
    spec.cwd = "/usr";
    rig_run(&r, &spec, &result);
    EXPECT_STR(result.r.output, "/usr\n");
    spec.cwd = "/nowhere/at/all";
    rig_run(&r, &spec, &result);
    EXPECT(!result.r.started);
    EXPECT_HAS(result.r.error, "cannot enter the working directory /nowhere/at/all: No such file");
    rig_release(&r);
}

void test_runner_says_why_a_command_did_not_start(void)
{
    struct rig r;
    rig_init(&r);
    const struct {
        const char *path, *text, *says;
    } cases[] = {
        {unit_path("absent"), NULL, "No such file or directory"},
        {unit_path("no-interpreter"), "#!/nowhere/sh\n", "the interpreter in its first line"},
        {unit_path("no-line"), "echo hello\n", "#!/bin/sh"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char path[4096];
        (void)snprintf(path, sizeof(path), "%s", cases[i].path);
        if (cases[i].text)
            (void)rig_script(strrchr(path, '/') + 1, cases[i].text);
        const char *const argv[] = {path, NULL};
        struct run_spec spec = rig_spec(argv);
        rig_run(&r, &spec, &result);
        EXPECT(!result.r.started);
        EXPECT_HAS(result.r.error, "cannot execute ");
        EXPECT_HAS(result.r.error, cases[i].says);
    }
    const char *plain = rig_script("plain", "#!/bin/sh\n");
    EXPECT(chmod(plain, 0644) == 0);
    const char *const argv[] = {plain, NULL};
    struct run_spec spec = rig_spec(argv);
    rig_run(&r, &spec, &result);
    EXPECT_HAS(result.r.error, "chmod +x");
    rig_release(&r);
}

void test_runner_ends_a_command_at_its_deadline(void)
{
    struct rig r;
    rig_init(&r);
    const char *const argv[] = {"/bin/sh", "-c", "echo begun; sleep 50 & wait", NULL};
    struct run_spec spec = rig_spec(argv);
    spec.timeout_ms = 200;
    rig_run(&r, &spec, &result);
    EXPECT(result.r.started && result.r.timed_out);
    EXPECT_EQ_INT(result.r.signal, SIGTERM);
    EXPECT_STR(result.r.output, "begun\n");
    rig_release(&r);
}

void test_runner_kills_a_command_that_ignores_term(void)
{
    struct rig r;
    rig_init(&r);
    const char *const argv[] = {"/bin/sh", "-c",
                                "trap '' TERM; echo deaf; while :; do sleep 0.05; done", NULL};
    struct run_spec spec = rig_spec(argv);
    spec.timeout_ms = 200;
    spec.kill_after_ms = 300;
    rig_run(&r, &spec, &result);
    EXPECT(result.r.timed_out);
    EXPECT_EQ_INT(result.r.signal, SIGKILL);
    EXPECT(result.r.duration_us >= 500000);
    EXPECT_STR(result.r.output, "deaf\n");
    rig_release(&r);
}

void test_runner_waits_for_the_group_to_clean_up_after_term(void)
{
    struct rig r;
    rig_init(&r);
    /* The leader dies of TERM at once; its child holds the pipe and needs a moment. */
    const char *const argv[] = {"/bin/sh", "-c",
                                "sh -c 'trap \"sleep 0.5; echo tidy; exit\" TERM; echo up; "
                                "while :; do sleep 0.05; done' & sleep 30",
                                NULL};
    struct run_spec spec = rig_spec(argv);
    spec.timeout_ms = 500;
    spec.kill_after_ms = 5000;
    rig_run(&r, &spec, &result);
    EXPECT(result.r.timed_out);
    EXPECT_STR(result.r.output, "up\ntidy\n");
    rig_release(&r);
}

static bool is_alive(const char *pid_file)
{
    char text[64] = "";
    int fd = open(pid_file, O_RDONLY);
    EXPECT(fd >= 0);
    EXPECT(read(fd, text, sizeof(text) - 1) > 0);
    (void)close(fd);
    pid_t pid = (pid_t)strtol(text, NULL, 10);
    EXPECT(pid > 1);
    char path[64], state[512] = "";
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, state, sizeof(state) - 1);
    if (fd >= 0)
        (void)close(fd);
    return n > 0 && !strstr(state, ") Z ");
}

void test_runner_does_not_wait_for_a_grandchild_that_holds_the_pipe(void)
{
    struct rig r;
    rig_init(&r);
    run_shell(&r, "sleep 60 & echo $! > pid; echo left; exit 5");
    EXPECT_EQ_INT(result.r.exit_code, 5);
    EXPECT_STR(result.r.output, "left\n");
    rig_turn(&r, 100);
    EXPECT(!is_alive("pid"));
    rig_release(&r);
}

void test_runner_lets_a_grandchild_be_that_lets_go_of_the_pipes(void)
{
    struct rig r;
    rig_init(&r);
    run_shell(&r, "sleep 3 > /dev/null 2>&1 & echo $! > pid");
    EXPECT_EQ_INT(result.r.exit_code, 0);
    EXPECT(is_alive("pid"));
    rig_release(&r);
}

void test_runner_stops_reading_what_escaped_the_group(void)
{
    struct rig r;
    rig_init(&r);
    run_shell(&r, "setsid sleep 3 & exit 6");
    EXPECT_EQ_INT(result.r.exit_code, 6);
    rig_release(&r);
}

void test_runner_cancels(void)
{
    struct rig r;
    rig_init(&r);
    const char *const argv[] = {"/bin/sleep", "50", NULL};
    struct run_spec spec = rig_spec(argv);
    rig_run_start(&r, &spec, &result);
    runner_cancel(r.runner, &result.run);
    rig_wait(&r, &result.done, 10);
    EXPECT(result.r.started && !result.r.timed_out);
    EXPECT_EQ_INT(result.r.signal, SIGTERM);
    rig_release(&r);
}

void test_runner_becomes_another_user(void)
{
    if (geteuid() != 0)
        SKIP("only root can become another user");
    const struct passwd *pw = getpwnam("nobody");
    if (!pw)
        SKIP("no user nobody here");
    struct rig r;
    rig_init(&r);
    char expected[64];
    (void)snprintf(expected, sizeof(expected), "%u\n%u\nhello\n", pw->pw_uid, pw->pw_gid);
    const char *const argv[] = {"/bin/sh", "-c",
                                "id -u; id -G; cat /dev/stdin; ls /root/. 2>/dev/null", NULL};
    struct run_spec spec = rig_spec(argv);
    spec.user = "nobody";
    spec.cwd = "/";
    spec.input = STR("hello\n");
    rig_run(&r, &spec, &result);
    EXPECT_EQ_STR(result.r.output, str_from_cstr(expected));
    spec.user = "no-such-user-here";
    rig_run(&r, &spec, &result);
    EXPECT(!result.r.started);
    EXPECT_HAS(result.r.error, "there is no user no-such-user-here");
    rig_release(&r);
}

void test_runner_that_is_killed_fails_what_runs_and_what_comes(void)
{
    struct rig r;
    static struct rig_result two;
    rig_init(&r);
    const char *const argv[] = {"/bin/sh", "-c", "echo $$ > pid; exec sleep 50", NULL};
    struct run_spec spec = rig_spec(argv);
    rig_run_start(&r, &spec, &result);
    rig_run_start(&r, &spec, &two);
    rig_turn(&r, 500);
    EXPECT(is_alive("pid"));
    EXPECT(kill(runner_pid(r.runner), SIGKILL) == 0);
    rig_wait(&r, &result.done, 5);
    rig_wait(&r, &two.done, 5);
    EXPECT(!result.r.started && !two.r.started);
    EXPECT_CSTR(result.r.error, "the runner process ended");
    rig_turn(&r, 100);
    EXPECT(!is_alive("pid")); /* the command went with it */
    rig_run(&r, &spec, &result);
    EXPECT(!result.r.started);
    EXPECT_CSTR(result.r.error, "the runner process ended");
    runner_cancel(r.runner, &result.run);
    rig_release(&r);
}

void test_runner_free_ends_what_runs(void)
{
    struct rig r;
    rig_init(&r);
    const char *const argv[] = {"/bin/sh", "-c", "echo $$ > pid; exec sleep 50", NULL};
    struct run_spec spec = rig_spec(argv);
    rig_run_start(&r, &spec, &result);
    rig_turn(&r, 300);
    EXPECT(is_alive("pid"));
    rig_release(&r);
    EXPECT(result.done && !result.r.started);
    EXPECT(!is_alive("pid"));
}

void test_runner_goes_when_the_daemon_is_killed(void)
{
    int ready[2];
    EXPECT(pipe(ready) == 0);
    pid_t daemon = fork();
    if (daemon == 0) {
        struct rig r;
        rig_init(&r);
        const char *const argv[] = {"/bin/sh", "-c", "echo $$ > pid; exec sleep 50", NULL};
        struct run_spec spec = rig_spec(argv);
        rig_run_start(&r, &spec, &result);
        rig_turn(&r, 500);
        int pid = runner_pid(r.runner);
        EXPECT(write(ready[1], &pid, sizeof(pid)) == sizeof(pid));
        rig_turn(&r, 60000);
        _exit(0);
    }
    int runner = 0, status = 0;
    EXPECT(read(ready[0], &runner, sizeof(runner)) == sizeof(runner));
    EXPECT(kill(runner, 0) == 0 && is_alive("pid"));
    EXPECT(kill(daemon, SIGKILL) == 0);
    EXPECT(waitpid(daemon, &status, 0) == daemon);
    char path[64], state[512];
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", runner);
    bool gone = false;
    for (int i = 0; i < 300 && !gone; i++) {
        int fd = open(path, O_RDONLY);
        ssize_t n = fd < 0 ? 0 : read(fd, state, sizeof(state) - 1);
        if (fd >= 0)
            (void)close(fd);
        state[n > 0 ? n : 0] = '\0';
        gone = n <= 0 || strstr(state, ") Z ") != NULL;
        if (!gone)
            (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    EXPECT(gone);
    EXPECT(!is_alive("pid"));
}

void test_runner_outlives_the_signals_of_a_terminal(void)
{
    struct rig r;
    rig_init(&r);
    run_shell(&r, "exit 0");
    EXPECT(kill(runner_pid(r.runner), SIGINT) == 0);
    EXPECT(kill(runner_pid(r.runner), SIGTERM) == 0);
    run_shell(&r, "exit 9");
    EXPECT_EQ_INT(result.r.exit_code, 9);
    rig_release(&r);
}

#define MANY 1000
#define AT_ONCE 50

struct many {
    struct runner *runner;
    int started, ended, right;
    bool all;
};

struct one {
    struct run run;
    struct many *many;
    int expected;
};

static void start_one(struct one *o);

static void on_one(struct run *run, const struct run_result *r)
{
    struct one *o = CONTAINER_OF(run, struct one, run);
    char text[16];
    (void)snprintf(text, sizeof(text), "%d\n", o->expected);
    o->many->ended++;
    o->many->right +=
        r->started && r->exit_code == o->expected % 100 && str_eq(r->output, str_from_cstr(text));
    o->many->all = o->many->ended == MANY;
    start_one(o);
}

static void start_one(struct one *o)
{
    char script[64];
    if (o->many->started == MANY)
        return;
    o->expected = o->many->started++;
    (void)snprintf(script, sizeof(script), "cat; exit %d", o->expected % 100);
    char input[16];
    (void)snprintf(input, sizeof(input), "%d\n", o->expected);
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    struct run_spec spec = rig_spec(argv);
    spec.input = str_from_cstr(input);
    o->run.done = on_one;
    runner_start(o->many->runner, &spec, &o->run);
}

void test_runner_runs_a_thousand_commands_fifty_at_once(void)
{
    struct rig r;
    static struct one ones[AT_ONCE];
    rig_init(&r);
    struct many many = {.runner = r.runner};
    for (int i = 0; i < AT_ONCE; i++) {
        ones[i].many = &many;
        start_one(&ones[i]);
    }
    rig_wait(&r, &many.all, 50);
    EXPECT_EQ_INT(many.right, MANY);
    /* Nothing of them is left in the runner. */
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/fd", runner_pid(r.runner));
    DIR *d = opendir(path);
    size_t count = 0;
    while (d && readdir(d))
        count++;
    if (d) {
        (void)closedir(d);
        EXPECT_EQ_UINT(count - 2, 6);
    }
    rig_release(&r);
}

void test_runner_hands_over_descriptors(void)
{
    struct rig r;
    int in[2], out[2];
    char text[64] = "";
    EXPECT(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
    rig_init(&r);
    const char *const argv[] = {"/bin/sh", "-c", "read x; echo got $x; echo err >&2", NULL};
    struct run_spec spec = rig_spec(argv);
    spec.timeout_ms = 0;
    spec.stdin_fd = in[0];
    spec.stdout_fd = out[1];
    rig_run_start(&r, &spec, &result);
    EXPECT(close(in[0]) == 0 && close(out[1]) == 0);
    EXPECT(write(in[1], "this\n", 5) == 5);
    rig_wait(&r, &result.done, 10);
    EXPECT_EQ_INT(read(out[0], text, sizeof(text) - 1), 9);
    EXPECT_CSTR(text, "got this\n");
    EXPECT_EQ_INT(read(out[0], text, sizeof(text)), 0);
    EXPECT_STR(result.r.output, "");
    EXPECT_STR(result.r.errors, "err\n");
    rig_release(&r);
}

void test_runner_refuses_what_no_frame_holds(void)
{
    struct rig r;
    rig_init(&r);
    size_t n = 1200000;
    char *big = xmalloc(n);
    memset(big, 'x', n);
    big[n - 1] = '\0';
    const char *const argv[] = {"/bin/true", big, NULL};
    struct run_spec spec = rig_spec(argv);
    rig_run(&r, &spec, &result);
    EXPECT(!result.r.started);
    EXPECT_HAS(result.r.error, "1 MiB");
    big[200000] = '\0'; /* longer than the kernel takes as one argument */
    rig_run(&r, &spec, &result);
    EXPECT(!result.r.started);
    EXPECT_HAS(result.r.error, "too long");
    run_shell(&r, "exit 0");
    EXPECT_EQ_INT(result.r.exit_code, 0);
    free(big);
    rig_release(&r);
}

static bool process_lives(int pid)
{
    return kill(pid, 0) == 0;
}

static int pid_in(const char *path)
{
    char text[32] = "";
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    (void)fclose(f);
    uint64_t pid = 0;
    return str_to_u64(str_trim(str_of(text, n)), &pid) ? (int)pid : 0;
}

void test_runner_leaves_alone_what_outlives_it(void)
{
    struct rig r;
    rig_init(&r);
    const char *const argv[] = {"sh", "-c", "echo $$ > pid.tmp; mv pid.tmp pid; exec sleep 60",
                                NULL};
    struct run_spec spec = rig_spec(argv);
    spec.program = "/bin/sh";
    spec.timeout_ms = 0;
    spec.outlives = true;
    rig_run_start(&r, &spec, &result);
    int pid = 0;
    for (int i = 0; i < 10000 && (pid = pid_in("pid")) == 0; i++)
        rig_turn(&r, 1);
    EXPECT(pid > 1 && process_lives(pid));
    rig_release(&r);
    EXPECT(process_lives(pid));
    EXPECT(kill(pid, SIGKILL) == 0);
}

void test_runner_program_and_its_first_argument_can_differ(void)
{
    struct rig r;
    rig_init(&r);
    const char *const argv[] = {"another-name", "/proc/self/cmdline", NULL};
    struct run_spec spec = rig_spec(argv);
    spec.program = "/bin/cat";
    rig_run(&r, &spec, &result);
    EXPECT_STR(result.r.output, "another-name\0/proc/self/cmdline\0");
    rig_release(&r);
}
