/* process_metrics.c -- /proc/self/stat (proc_pid_stat(5)), the descriptors and their limit. */
#include "engine/process_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#define STAT_MAX 4096
#define STARTTIME 22 /* the fields' numbers in proc_pid_stat(5) */
#define UTIME 14
#define STIME 15
#define VSIZE 23
#define RSS 24

static void head(struct buf *out, const char *name, const char *kind, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

static void gauge(struct buf *out, const char *name, const char *help, unsigned long long value)
{
    head(out, name, "gauge", help);
    buf_printf(out, "%s %llu\n", name, value);
}

/* The fields after the program's name, which may hold spaces and brackets itself; [3] is field 3.
 */
static bool read_stat(unsigned long long field[RSS + 1])
{
    char text[STAT_MAX];
    FILE *f = fopen("/proc/self/stat", "re");
    size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    if (f)
        (void)fclose(f);
    text[n] = '\0';
    char *rest = strrchr(text, ')');
    if (!rest || strlen(rest) < 4)
        return false;
    rest += 3; /* ") S": field 3 is a letter */
    for (int i = 4; i <= RSS; i++)
        field[i] = strtoull(rest, &rest, 10);
    return true;
}

/* Since 1970, in seconds; 0: not known. */
static double boot_time(void)
{
    char line[256];
    unsigned long long at = 0;
    FILE *f = fopen("/proc/stat", "re");
    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, "btime ", 6) == 0)
            at = strtoull(line + 6, NULL, 10);
    if (f)
        (void)fclose(f);
    return (double)at;
}

static void stat_lines(struct buf *out)
{
    unsigned long long field[RSS + 1] = {0};
    double ticks = (double)sysconf(_SC_CLK_TCK), boot = boot_time();
    if (!read_stat(field))
        return;
    head(out, "process_cpu_seconds_total", "counter", "User and system time spent, in seconds.");
    buf_printf(out, "process_cpu_seconds_total %.2f\n",
               (double)(field[UTIME] + field[STIME]) / ticks);
    if (boot > 0) {
        head(out, "process_start_time_seconds", "gauge", "When the process started.");
        buf_printf(out, "process_start_time_seconds %.2f\n",
                   boot + (double)field[STARTTIME] / ticks);
    }
    gauge(out, "process_virtual_memory_bytes", "Size of the address space.", field[VSIZE]);
    gauge(out, "process_resident_memory_bytes", "Memory that is resident.",
          field[RSS] * (unsigned long long)sysconf(_SC_PAGESIZE));
}

static void descriptor_lines(struct buf *out)
{
    unsigned long long open = 0;
    struct rlimit limit;
    DIR *d = opendir("/proc/self/fd");
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        open += e->d_name[0] != '.';
    (void)closedir(d);
    gauge(out, "process_open_fds", "Open file descriptors.", open - 1); /* but for d's */
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        gauge(out, "process_max_fds", "How many descriptors may be open.",
              (unsigned long long)limit.rlim_cur);
}

void process_metrics_write(const char *version, struct buf *out)
{
    if (version) {
        head(out, "gaff_build_info", "gauge", "Always 1; its label names the version.");
        buf_printf(out, "gaff_build_info{version=\"%s\"} 1\n", version);
    }
    stat_lines(out);
    descriptor_lines(out);
}
