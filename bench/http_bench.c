/* http_bench.c -- the front door alone: one loop, a handler that answers 200 with a short body.
 *
 *   http_bench [ADDRESS [CERT KEY]]      (default 127.0.0.1:8099)
 *
 * Load it with any closed-loop generator and compare with `return 200` of another server. With
 * SIGINT or SIGTERM it drains and prints how many requests it served. */
#include "http/server.h"

#include <signal.h>

static struct loop *loop;

static void answer(struct http_exchange *x, void *arg)
{
    UNUSED(arg);
    static const struct http_field fields[] = {{{"Content-Type", 12}, {"text/plain", 10}}};
    http_reply(x, 200, fields, 1, STR("ok\n"));
}

static void on_signal(int number)
{
    UNUSED(number);
    loop_stop(loop);
}

static void on_drained(void *arg)
{
    *(bool *)arg = true;
}

int main(int argc, char **argv)
{
    struct http_server_options options = {
        .listen = argc > 1 ? argv[1] : "127.0.0.1:8099",
        .tls_cert_file = argc > 3 ? argv[2] : NULL,
        .tls_key_file = argc > 3 ? argv[3] : NULL,
        .handler = answer,
        .server_name = "gaff",
    };
    loop = loop_new(clock_real());
    struct reason why;
    struct http_server *server = http_server_new(loop, &options, &why);
    if (!server) {
        fprintf(stderr, "http_bench: %s\n", why.text);
        return 1;
    }
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    http_server_start(server);
    printf("%s\n", http_server_url(server));
    fflush(stdout);
    loop_run(loop);
    bool is_drained = false;
    http_server_drain(server, on_drained, &is_drained);
    while (!is_drained)
        loop_run_once(loop, true);
    printf("requests %llu\n", (unsigned long long)http_server_counts(server)->requests_total);
    http_server_free(server);
    loop_free(loop);
    return 0;
}
