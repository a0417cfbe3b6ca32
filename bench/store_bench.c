/* store_bench.c -- how fast the SQLite store commits and applies, beside the machine's own limit:
 * write and fdatasync of the same bytes with the same batching into a file that is allocated and
 * written already.
 *
 *   store_bench [DIR [EVENTS]]
 *
 * For each batch size: events a second in store_commit, its p50, p99 and greatest time, and the
 * rate at which the database followed (until nothing lags). Two loads: events without deliveries,
 * and events each with one delivery that is claimed at commit and settled by a later batch. */
#include "store/store.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/rand.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define BODY_BYTES 1024
#define BATCH_MAX 256

struct load {
    const char *name;
    bool deliver, dedupe;
};

static const struct load loads[] = {
    {"stored", false, false},
    {"stored, id checked", false, true},
    {"stored, delivered", true, true},
};

struct timing {
    double *ms;
    size_t count;
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double at(struct timing *t, double share)
{
    return t->count ? t->ms[(size_t)((double)(t->count - 1) * share)] : 0;
}

static double now_s(void)
{
    return (double)clock_mono_ns(clock_real()) / 1e9;
}

static double cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void machine_limit(const char *dir, size_t batch, size_t commits)
{
    char path[4096];
    static char block[BATCH_MAX * (BODY_BYTES + 512)];
    size_t bytes = batch * (BODY_BYTES + 300);
    size_t room = 16u << 20, end = 0;
    snprintf(path, sizeof(path), "%s/limit", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (size_t n = 0; n < room; n += sizeof(block))
        if (pwrite(fd, block, sizeof(block), (off_t)n) < 0)
            die("write failed");
    fsync(fd);
    struct timing t = {xcalloc(commits, sizeof(double)), 0};
    double start = now_s();
    for (size_t i = 0; i < commits; i++) {
        double from = now_s();
        end = end + bytes > room ? 0 : end;
        if (pwrite(fd, block, bytes, (off_t)end) < 0 || fdatasync(fd) != 0)
            die("write failed");
        end += bytes;
        t.ms[t.count++] = (now_s() - from) * 1e3;
    }
    double took = now_s() - start;
    qsort(t.ms, t.count, sizeof(double), by_value);
    printf("%-20s %5zu %10.0f/s  p50 %6.2f  p99 %6.2f  max %7.2f ms\n", "machine's limit", batch,
           (double)(batch * commits) / took, at(&t, 0.5), at(&t, 0.99), at(&t, 1));
    free(t.ms);
    close(fd);
    unlink(path);
}

struct run {
    struct store *s;
    struct store_reader *r;
    struct id_source ids;
    struct new_event events[BATCH_MAX];
    struct new_delivery deliveries[BATCH_MAX];
    struct settlement settlements[BATCH_MAX];
    char keys[BATCH_MAX][40];
    char body[BODY_BYTES];
    struct rng rng;
    size_t to_settle;
};

static void fill_event(struct run *r, const struct load *l, size_t i, size_t batch)
{
    struct new_event *n = &r->events[i];
    int64_t now_ms = clock_wall_ms(clock_real());
    *n = (struct new_event){
        .next = i + 1 < batch ? &r->events[i + 1] : NULL,
        .event = {.id = id_next(&r->ids),
                  .received_ms = now_ms,
                  .source = STR("github"),
                  .provider = STR("github"),
                  .type = STR("push"),
                  .verdict = STR("verified"),
                  .verdict_text = STR("HMAC-SHA256 of the body with key 1 matches"),
                  .method = STR("POST"),
                  .target = STR("/in/github"),
                  .peer = STR("127.0.0.1:41234"),
                  .head = STR("Host: localhost:8080\r\nContent-Type: application/json\r\n"
                              "X-GitHub-Event: push\r\nUser-Agent: GitHub-Hookshot/044aadd\r\n"),
                  .body = str_of(r->body, sizeof(r->body)),
                  .trace = STR("route push-main: matched -> ci\n")}};
    for (int b = 0; b < 16; b++)
        n->event.body_hash[b] = (uint8_t)rng_next(&r->rng);
    if (l->dedupe) {
        int len = snprintf(r->keys[i], sizeof(r->keys[i]), "%016llx-%016llx",
                           (unsigned long long)rng_next(&r->rng), (unsigned long long)n->event.id);
        n->event.dedupe_key = str_of(r->keys[i], (size_t)len);
        n->dedupe_window_ms = 86400000;
    }
    if (l->deliver) {
        r->deliveries[i] = (struct new_delivery){.id = id_next(&r->ids),
                                                 .destination = STR("ci"),
                                                 .route = STR("push-main"),
                                                 .claimed = true,
                                                 .next_ms = now_ms};
        n->deliveries = &r->deliveries[i];
        n->delivery_count = 1;
    }
}

static void fill_settlements(struct run *r, struct batch *b, size_t batch)
{
    int64_t now_ms = clock_wall_ms(clock_real());
    for (size_t i = 0; i < r->to_settle; i++)
        r->settlements[i] = (struct settlement){
            .next = i + 1 < r->to_settle ? &r->settlements[i + 1] : NULL,
            .delivery_id = r->deliveries[i].id,
            .event_id = r->events[i].event.id,
            .state = DELIVERY_DELIVERED,
            .settled_ms = now_ms,
            .attempts = 1,
            .reason = STR("HTTP 200 OK"),
            .attempt = {.number = 1,
                        .started_ms = now_ms,
                        .duration_us = 900,
                        .status = 200,
                        .summary = STR("HTTP 200 OK"),
                        .request = STR("POST /hook HTTP/1.1\r\nHost: 127.0.0.1:9000\r\n"),
                        .response = STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
                        .timing = STR("{\"connect\":40,\"total\":900}")}};
    b->settlements = r->to_settle ? r->settlements : NULL;
    b->settlement_count = r->to_settle;
    UNUSED(batch);
}

static void one_run(const char *dir, const struct load *l, size_t batch, size_t events)
{
    char url[4096];
    struct reason why = {0};
    static struct run r;
    memset(&r, 0, sizeof(r));
    rng_init(&r.rng, 7);
    for (size_t i = 0; i < sizeof(r.body); i++)
        r.body[i] = (char)('a' + rng_below(&r.rng, 26));
    snprintf(url, sizeof(url), "sqlite:%s/run", dir);
    r.s = store_open(str_from_cstr(url), clock_real(), &why);
    if (!r.s)
        die("%s", why.text);
    r.r = store_reader_open(r.s, &why);
    struct store_counts counts;
    if (!r.r || store_counts_get(r.r, &counts, &why) != ERR_OK)
        die("%s", why.text);
    id_source_init(&r.ids, clock_real(), counts.max_id);
    uint64_t before = counts.events;
    size_t commits = events / batch;
    struct timing t = {xcalloc(commits + 1, sizeof(double)), 0};
    double spent = 0, start = now_s(), cpu = cpu_s();
    for (size_t c = 0; c < commits; c++) {
        struct batch b = {.events = r.events, .event_count = batch};
        /* The settlements speak of the events of the batch before. */
        if (l->deliver)
            fill_settlements(&r, &b, batch);
        for (size_t i = 0; i < batch; i++)
            fill_event(&r, l, i, batch);
        double from = now_s();
        if (store_commit(r.s, &b, &why) != ERR_OK)
            die("%s", why.text);
        double took = now_s() - from;
        spent += took;
        t.ms[t.count++] = took * 1e3;
        r.to_settle = l->deliver ? batch : 0;
    }
    if (store_counts_get(r.r, &counts, &why) != ERR_OK)
        die("%s", why.text);
    double all = now_s() - start;
    cpu = cpu_s() - cpu;
    qsort(t.ms, t.count, sizeof(double), by_value);
    double n = (double)(batch * commits);
    printf("%-20s %5zu %10.0f/s  p50 %6.2f  p99 %6.2f  max %7.2f ms   applied %8.0f/s  "
           "cpu %5.2f us/event  stored %llu\n",
           l->name, batch, n / spent, at(&t, 0.5), at(&t, 0.99), at(&t, 1), n / all, cpu / n * 1e6,
           (unsigned long long)counts.events);
    fflush(stdout);
    if (counts.events - before != batch * commits)
        die("events are missing");
    free(t.ms);
    store_reader_close(r.r);
    store_close(r.s);
}

static void remove_run(const char *dir)
{
    char command[4200];
    snprintf(command, sizeof(command), "%s/run", dir);
    pid_t pid = fork();
    if (pid == 0) {
        execlp("rm", "rm", "-rf", command, (char *)NULL);
        _exit(127);
    }
    while (pid > 0 && access(command, F_OK) == 0)
        usleep(1000);
}

int main(int argc, char **argv)
{
    static const size_t batches[] = {1, 16, 64, 256};
    const char *dir = argc > 1 ? argv[1] : ".";
    uint64_t events = 200000;
    if (argc > 2 && !str_to_u64(str_from_cstr(argv[2]), &events))
        die("usage: store_bench [DIR [EVENTS]]");
    log_setup(LOG_AUTO, LOG_WARN);
    for (size_t i = 0; i < ARRAY_LEN(batches); i++) {
        size_t n = batches[i] == 1 ? (size_t)events / 20 : (size_t)events;
        machine_limit(dir, batches[i], n / batches[i]);
        for (size_t l = 0; l < ARRAY_LEN(loads); l++) {
            one_run(dir, &loads[l], batches[i], n);
            remove_run(dir);
        }
    }
    return 0;
}
