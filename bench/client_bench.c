/* client_bench.c -- what our HTTP client costs beside libcurl alone: the same POSTs to the same
 * sink by a bare curl_multi_socket_action loop on epoll, by a bare curl_multi_perform loop, and by
 * http/client.h on its libuv loop. Rounds are interleaved; medians are printed, one figure a line.
 *
 *   client_bench URL [--calls N] [--in-flight N] [--body BYTES] [--rounds N]
 *
 * Start `sink` first and give it as http://127.0.0.1:PORT/. */
#include "base/loop.h"
#include "http/client.h"

#include <curl/curl.h>
#include <sys/epoll.h>
#include <unistd.h>

#define ROUNDS_MAX 99

struct plan {
    const char *url;
    long calls, in_flight, body_bytes, rounds;
    char *body;
};

static double now_s(void)
{
    return (double)clock_mono_ns(clock_real()) / 1e9;
}

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "client_bench: %s\n", what);
    exit(1);
}

/* --- libcurl alone ------------------------------------------------------------------------- */

struct bare {
    const struct plan *plan;
    CURLM *multi;
    CURL **easy;
    struct curl_slist *headers;
    int epoll;
    long started, finished, timeout_ms;
};

static size_t drop_bytes(char *bytes, size_t size, size_t count, void *arg)
{
    UNUSED(bytes);
    UNUSED(arg);
    return size * count;
}

static CURL *bare_easy(const struct bare *b)
{
    CURL *e = curl_easy_init();
    check(e != NULL, "curl_easy_init failed");
    curl_easy_setopt(e, CURLOPT_URL, b->plan->url);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)b->plan->body_bytes);
    curl_easy_setopt(e, CURLOPT_POSTFIELDS, b->plan->body);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, b->headers);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, 30000L);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, drop_bytes);
    return e;
}

static int bare_on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    UNUSED(easy);
    struct bare *b = (struct bare *)arg;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(b->epoll, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    struct epoll_event e = {.data.fd = fd};
    e.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    (void)epoll_ctl(b->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e);
    curl_multi_assign(b->multi, fd, b);
    return 0;
}

static int bare_on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    UNUSED(multi);
    ((struct bare *)arg)->timeout_ms = timeout_ms;
    return 0;
}

static void bare_reap(struct bare *b)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(b->multi, &left)) != NULL) {
        CURL *e = m->easy_handle;
        long status = 0;
        check(m->data.result == CURLE_OK, curl_easy_strerror(m->data.result));
        curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &status);
        check(status == 200, "the sink did not answer 200");
        curl_multi_remove_handle(b->multi, e);
        b->finished++;
        if (b->started < b->plan->calls) {
            curl_multi_add_handle(b->multi, e);
            b->started++;
        }
    }
}

static void bare_socket_loop(struct bare *b)
{
    int running;
    while (b->finished < b->plan->calls) {
        struct epoll_event events[256];
        int n = epoll_wait(b->epoll, events, 256, (int)b->timeout_ms);
        for (int i = 0; i < n; i++) {
            int flags = (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR) ? CURL_CSELECT_IN : 0) |
                        (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0);
            curl_multi_socket_action(b->multi, events[i].data.fd, flags, &running);
        }
        if (b->timeout_ms == 0 || n == 0) {
            b->timeout_ms = -1;
            curl_multi_socket_action(b->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        }
        bare_reap(b);
    }
}

static void bare_perform_loop(struct bare *b)
{
    int running;
    while (b->finished < b->plan->calls) {
        curl_multi_perform(b->multi, &running);
        bare_reap(b);
        if (b->finished < b->plan->calls)
            curl_multi_poll(b->multi, NULL, 0, 1000, NULL);
    }
}

static double run_bare(const struct plan *p, bool with_sockets)
{
    struct bare b = {.plan = p, .timeout_ms = -1, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    b.multi = curl_multi_init();
    b.headers = curl_slist_append(NULL, "Content-Type: application/json");
    b.headers = curl_slist_append(b.headers, "webhook-id: evt_0F3K8Z2M7QXTA");
    b.headers = curl_slist_append(b.headers, "Expect:");
    if (with_sockets) {
        curl_multi_setopt(b.multi, CURLMOPT_SOCKETFUNCTION, bare_on_socket);
        curl_multi_setopt(b.multi, CURLMOPT_SOCKETDATA, &b);
        curl_multi_setopt(b.multi, CURLMOPT_TIMERFUNCTION, bare_on_timer);
        curl_multi_setopt(b.multi, CURLMOPT_TIMERDATA, &b);
    }
    b.easy = (CURL **)calloc((size_t)p->in_flight, sizeof(CURL *));
    check(b.easy != NULL, "out of memory");
    double begin = now_s();
    for (long i = 0; i < p->in_flight && b.started < p->calls; i++, b.started++) {
        b.easy[i] = bare_easy(&b);
        curl_multi_add_handle(b.multi, b.easy[i]);
    }
    if (with_sockets)
        bare_socket_loop(&b);
    else
        bare_perform_loop(&b);
    double took = now_s() - begin;
    for (long i = 0; i < p->in_flight; i++)
        curl_easy_cleanup(b.easy[i]);
    curl_multi_cleanup(b.multi);
    curl_slist_free_all(b.headers);
    free(b.easy);
    close(b.epoll);
    return (double)p->calls / took;
}

/* --- our client ----------------------------------------------------------------------------- */

struct ours {
    const struct plan *plan;
    struct loop *loop;
    struct http_client *client;
    long started, finished;
};

struct our_call {
    struct http_call call;
    struct ours *ours;
};

static const struct http_field our_fields[] = {
    {{"Content-Type", 12}, {"application/json", 16}},
    {{"webhook-id", 10}, {"evt_0F3K8Z2M7QXTA", 17}},
};

static void ours_done(struct http_call *call, const struct http_answer *answer)
{
    struct ours *o = CONTAINER_OF(call, struct our_call, call)->ours;
    check(answer->class == HTTP_CALL_OK && answer->status == 200, answer->error);
    if (++o->finished == o->plan->calls)
        loop_stop(o->loop);
    if (o->started < o->plan->calls) {
        o->started++;
        http_client_start(o->client, call);
    }
}

static double run_ours(const struct plan *p)
{
    struct ours o = {.plan = p, .loop = loop_new(clock_real())};
    struct http_client_options options = {.max_in_flight = (int)p->in_flight};
    o.client = http_client_new(o.loop, &options);
    struct our_call *calls = (struct our_call *)calloc((size_t)p->in_flight, sizeof(*calls));
    check(calls != NULL, "out of memory");
    double begin = now_s();
    for (long i = 0; i < p->in_flight && o.started < p->calls; i++, o.started++) {
        calls[i] = (struct our_call){
            .call = {.method = STR("POST"),
                     .url = str_from_cstr(p->url),
                     .fields = our_fields,
                     .field_count = ARRAY_LEN(our_fields),
                     .body = str_of(p->body, (size_t)p->body_bytes),
                     .policy = OUTBOUND_PRIVATE,
                     .timeout_ms = 30000,
                     .done = ours_done},
            .ours = &o,
        };
        http_client_start(o.client, &calls[i].call);
    }
    loop_run(o.loop);
    double took = now_s() - begin;
    http_client_free(o.client);
    loop_free(o.loop);
    free(calls);
    return (double)p->calls / took;
}

/* --- the table ------------------------------------------------------------------------------ */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, long n)
{
    qsort(v, (size_t)n, sizeof(*v), compare_doubles);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static long number_of(const char *text, long max)
{
    char *end;
    long v = strtol(text, &end, 10);
    check(*text != '\0' && *end == '\0' && v > 0 && v <= max, "a number is out of range");
    return v;
}

static void read_arguments(struct plan *p, int argc, char **argv)
{
    for (int i = 2; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--calls") == 0)
            p->calls = number_of(argv[i + 1], 100000000);
        else if (strcmp(argv[i], "--in-flight") == 0)
            p->in_flight = number_of(argv[i + 1], 10000);
        else if (strcmp(argv[i], "--body") == 0)
            p->body_bytes = number_of(argv[i + 1], 1 << 24);
        else if (strcmp(argv[i], "--rounds") == 0)
            p->rounds = number_of(argv[i + 1], ROUNDS_MAX);
        else
            check(false, "unknown option");
    }
}

int main(int argc, char **argv)
{
    static double sockets[ROUNDS_MAX], performs[ROUNDS_MAX], ours[ROUNDS_MAX];
    check(argc >= 2 && argc % 2 == 0,
          "usage: client_bench URL [--calls N] [--in-flight N] [--body BYTES] [--rounds N]");
    struct plan p = {argv[1], 50000, 64, 1024, 5, NULL};
    read_arguments(&p, argc, argv);
    p.body = (char *)malloc((size_t)p.body_bytes);
    check(p.body != NULL, "out of memory");
    memset(p.body, 'x', (size_t)p.body_bytes);
    for (long i = 0; i < p.rounds; i++) {
        sockets[i] = run_bare(&p, true);
        performs[i] = run_bare(&p, false);
        ours[i] = run_ours(&p);
        printf("round %ld: bare socket_action %.0f/s, bare perform %.0f/s, ours %.0f/s\n", i + 1,
               sockets[i], performs[i], ours[i]);
    }
    double a = median(sockets, p.rounds), b = median(performs, p.rounds),
           c = median(ours, p.rounds);
    printf("client_bare_sockets_per_s %.0f\n", a);
    printf("client_bare_perform_per_s %.0f\n", b);
    printf("client_ours_per_s %.0f\n", c);
    printf("client_ours_to_best_bare %.2f\n", c / (a > b ? a : b));
    free(p.body);
    return 0;
}
