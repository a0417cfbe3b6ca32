/* exec_bench.c -- commands a second: /bin/true through the runner, against a bare loop of
 * posix_spawn and waitpid. Both keep K commands in flight; rounds are interleaved and the medians
 * are printed: the rate, and, since other load disturbs it less, the CPU time of all processes for
 * one command.
 *
 *   exec_bench [commands [in flight [rounds]]] */
#include "base/clock.h"
#include "base/log.h"
#include "action/runner.h"

#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS_MAX 31
#define IN_FLIGHT_MAX 256

static const char *const argv[] = {"/bin/true", NULL};
static const char *const env[] = {"PATH=/usr/bin:/bin", NULL};

struct bench {
    struct runner *runner;
    long left, open, failed;
};

struct slot {
    struct run run;
    struct bench *bench;
};

static void start(struct slot *s);

static void on_done(struct run *run, const struct run_result *r)
{
    struct slot *s = CONTAINER_OF(run, struct slot, run);
    s->bench->open--;
    if (!r->started || r->exit_code != 0)
        s->bench->failed++;
    start(s);
}

static void start(struct slot *s)
{
    if (s->bench->left == 0)
        return;
    s->bench->left--;
    s->bench->open++;
    s->run.done = on_done;
    const struct run_spec spec = {.argv = argv,
                                  .env = env,
                                  .cwd = "/",
                                  .timeout_ms = 10000,
                                  .kill_after_ms = 1000,
                                  .output_max = RUNNER_OUTPUT_MAX,
                                  .stdin_fd = -1,
                                  .stdout_fd = -1,
                                  .stderr_fd = -1,
                                  .input = STR("{\"ref\":\"refs/heads/main\"}")};
    runner_start(s->bench->runner, &spec, &s->run);
}

static double cpu_us(void)
{
    double us = 0;
    const int whose[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
    for (size_t i = 0; i < ARRAY_LEN(whose); i++) {
        struct rusage u;
        if (getrusage(whose[i], &u) == 0)
            us += (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
                  (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
    }
    return us;
}

struct figures {
    double rate[ROUNDS_MAX], cpu_us[ROUNDS_MAX];
};

/* A runner for each round: its CPU time is known when it is gone. */
static void by_runner(struct figures *out, long round, long count, long in_flight)
{
    static struct slot slots[IN_FLIGHT_MAX];
    struct reason why = {.text = ""};
    double cpu = cpu_us();
    struct runner_link *link = runner_launch(&why);
    if (!link)
        die("%s", why.text);
    struct loop *l = loop_new(clock_real());
    struct bench b = {.runner = runner_attach(link, l), .left = count};
    int64_t from = clock_mono_ns(clock_real());
    for (long i = 0; i < in_flight; i++) {
        slots[i].bench = &b;
        start(&slots[i]);
    }
    while (b.open > 0)
        loop_run_once(l, true);
    if (b.failed)
        die("%ld commands failed", b.failed);
    out->rate[round] = (double)count * 1e9 / (double)(clock_mono_ns(clock_real()) - from);
    runner_free(b.runner);
    loop_free(l);
    out->cpu_us[round] = (cpu_us() - cpu) / (double)count;
}

static void bare(struct figures *out, long round, long count, long in_flight)
{
    double cpu = cpu_us();
    long started = 0, ended = 0;
    int64_t from = clock_mono_ns(clock_real());
    while (ended < count) {
        while (started < count && started - ended < in_flight) {
            pid_t pid;
            if (posix_spawn(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv,
                            (char *const *)(uintptr_t)env) != 0)
                die("posix_spawn failed");
            started++;
        }
        if (waitpid(-1, NULL, 0) > 0)
            ended++;
    }
    out->rate[round] = (double)count * 1e9 / (double)(clock_mono_ns(clock_real()) - from);
    out->cpu_us[round] = (cpu_us() - cpu) / (double)count;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, long n)
{
    qsort(v, (size_t)n, sizeof(*v), by_value);
    return v[n / 2];
}

int main(int argc, char **args)
{
    long count = argc > 1 ? strtol(args[1], NULL, 10) : 1000;
    long in_flight = argc > 2 ? strtol(args[2], NULL, 10) : 4;
    long rounds = argc > 3 ? strtol(args[3], NULL, 10) : 5;
    if (count < 1 || in_flight < 1 || in_flight > IN_FLIGHT_MAX || rounds < 1 ||
        rounds > ROUNDS_MAX) {
        (void)fprintf(stderr, "usage: exec_bench [commands [in flight <= 256 [rounds <= 31]]]\n");
        return 2;
    }
    static struct figures runner, spawn;
    by_runner(&runner, 0, count / 10 + 1, in_flight);
    for (long i = 0; i < rounds; i++) {
        bare(&spawn, i, count, in_flight);
        by_runner(&runner, i, count, in_flight);
    }
    double a = median(runner.rate, rounds), b = median(spawn.rate, rounds);
    (void)printf("exec_in_flight %ld\nexec_runner_per_s %.0f\nexec_posix_spawn_per_s %.0f\n"
                 "exec_ratio %.3f\nexec_runner_cpu_us %.0f\nexec_posix_spawn_cpu_us %.0f\n",
                 in_flight, a, b, a / b, median(runner.cpu_us, rounds),
                 median(spawn.cpu_us, rounds));
    return 0;
}
