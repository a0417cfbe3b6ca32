/* process_metrics_test.c -- what is told of this process, which knows it otherwise too. */
#include "engine/process_metrics.h"

#include "base/clock.h"
#include "unit.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

static double told(const char *text, const char *name)
{
    char line[128];
    (void)snprintf(line, sizeof(line), "\n%s ", name);
    const char *at = strstr(text, line);
    return at ? strtod(at + strlen(line), NULL) : -1;
}

static double now_told(const char *name)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    process_metrics_write("1.2.3", &out);
    EXPECT(buf_ok(&out));
    double v = told(buf_cstr(&out), name);
    buf_release(&out);
    return v;
}

void test_process_metrics_tell_this_process(void)
{
    struct rusage u;
    struct rlimit limit;
    EXPECT_EQ_INT(getrusage(RUSAGE_SELF, &u), 0);
    double used = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) - 1;
    EXPECT(now_told("process_cpu_seconds_total") >= used);
    EXPECT(now_told("process_resident_memory_bytes") > 65536);
    EXPECT(now_told("process_virtual_memory_bytes") >= now_told("process_resident_memory_bytes"));
    double began = now_told("process_start_time_seconds");
    EXPECT(began > 0 && began <= (double)clock_wall_ms(clock_real()) / 1e3 + 2);
    EXPECT_EQ_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
    EXPECT_EQ_INT((int64_t)now_told("process_max_fds"), (int64_t)limit.rlim_cur);
}

void test_process_metrics_count_descriptors(void)
{
    double before = now_told("process_open_fds");
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    EXPECT(fd >= 0);
    EXPECT_EQ_INT((int64_t)now_told("process_open_fds"), (int64_t)before + 1);
    close(fd);
    EXPECT_EQ_INT((int64_t)now_told("process_open_fds"), (int64_t)before);
}

void test_process_metrics_name_the_build_when_it_is_known(void)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    process_metrics_write(NULL, &out);
    EXPECT(!strstr(buf_cstr(&out), "gaff_build_info"));
    buf_clear(&out);
    process_metrics_write("1.2.3", &out);
    EXPECT(strstr(buf_cstr(&out), "\ngaff_build_info{version=\"1.2.3\"} 1\n"));
    buf_release(&out);
}
