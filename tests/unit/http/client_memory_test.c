/* libcurl is refused memory at its first need of it, then at its second, and so on: the process
 * ends with the code that says so or every call ends, and the client works as before. */
#include "unit.h"

#include "base/log.h"
#include "http/client_curl.h"

#include "rig.h"

#include <dlfcn.h>
#include <sys/wait.h>

#define WAS_NOT_REFUSED 3

static _Atomic long left; /* until one is refused */
static uint16_t proxy;

static bool is_refused(void)
{
    return atomic_fetch_sub(&left, 1) == 1;
}

static void *refusing_malloc(size_t n)
{
    return is_refused() ? NULL : malloc(n);
}

static void *refusing_realloc(void *p, size_t n)
{
    return is_refused() ? NULL : realloc(p, n);
}

static void *refusing_calloc(size_t count, size_t n)
{
    return is_refused() ? NULL : calloc(count, n);
}

static char *refusing_strdup(const char *s)
{
    return is_refused() ? NULL : strdup(s);
}

/* libcurl keeps the allocator of who initialises it first. */
static void take_over_memory(void)
{
    struct reason why;
    void *lib = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        SKIP("no libcurl.so.4");
    __typeof__(&curl_global_init_mem) init;
    void *found = dlsym(lib, "curl_global_init_mem");
    EXPECT(found);
    memcpy(&init, &found, sizeof(found));
    EXPECT_EQ_INT(init(CURL_GLOBAL_DEFAULT, refusing_malloc, free, refusing_realloc,
                       refusing_strdup, refusing_calloc),
                  CURLE_OK);
    EXPECT_OK(libcurl_load(&why), why);
}

/* The port of a peer in a process of its own, which ends with this one: those that are forked here
 * may start threads only when there were none. */
static uint16_t serve(enum peer_mode mode, const char *answer)
{
    int told[2], kept[2];
    uint16_t port;
    EXPECT(pipe(told) == 0 && pipe(kept) == 0);
    pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        char byte;
        (void)close(kept[1]);
        port = peer_start(mode, answer)->port;
        bool is_told = write(told[1], &port, sizeof(port)) == sizeof(port);
        while (is_told && read(kept[0], &byte, 1) > 0)
            continue;
        _exit(0);
    }
    (void)close(kept[0]);
    (void)close(told[1]);
    EXPECT(read(told[0], &port, sizeof(port)) == sizeof(port));
    return port;
}

static struct got *start(struct rig *r, uint16_t port)
{
    struct got *g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/x", port);
    g->call.timeout_ms = 400;
    http_client_start(r->client, &g->call);
    return g;
}

/* Two calls at once, one when they are on their way, then one over a connection that was kept. */
static void direct_calls(struct rig *r, uint16_t port)
{
    struct got *one = start(r, port), *two = start(r, port);
    loop_run_once(r->loop, false);
    struct got *three = start(r, port);
    rig_wait(r, one);
    rig_wait(r, two);
    rig_wait(r, three);
    rig_wait(r, start(r, port));
}

/* By way of a proxy that serves nobody: nothing may pass it by. */
static void proxied_call(struct rig *r, uint16_t port)
{
    char url[64];
    struct http_route route;
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", proxy);
    http_route_init(&route);
    route.proxy = url;
    struct got *g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/x", port);
    g->call.timeout_ms = 400;
    g->call.route = &route;
    EXPECT(rig_run(r, g) != HTTP_CALL_OK);
}

static _Noreturn void call_with_nth_refused(void (*calls)(struct rig *r, uint16_t port),
                                            uint16_t port, long nth)
{
    struct rig r = rig_start();
    atomic_store(&left, nth);
    calls(&r, port);
    bool was_refused = atomic_load(&left) < 1;
    atomic_store(&left, 0);
    struct got *last = start(&r, port);
    rig_wait(&r, last);
    if (last->answer.class != HTTP_CALL_OK)
        FAIL("after the %ldth: %d, %s", nth, last->answer.class, last->answer.error);
    EXPECT_CSTR(last->body, "ok");
    rig_stop(&r);
    _exit(was_refused ? 0 : WAS_NOT_REFUSED);
}

static void with_each_refused(void (*calls)(struct rig *r, uint16_t port), uint16_t port)
{
    int code = -1;
    for (long nth = 1; code != WAS_NOT_REFUSED; nth++) {
        int status;
        pid_t child = fork();
        EXPECT(child >= 0);
        if (child == 0)
            call_with_nth_refused(calls, port, nth);
        EXPECT(waitpid(child, &status, 0) == child);
        code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        if (code != 0 && code != EXIT_NO_MEMORY && code != WAS_NOT_REFUSED)
            FAIL("the %ldth refused: status %x", nth, (unsigned)status);
        EXPECT(nth > 1 || code != WAS_NOT_REFUSED);
    }
}

void test_client_memory_refused_to_libcurl_is_no_crash(void)
{
    take_over_memory();
    with_each_refused(direct_calls, serve(PEER_ANSWER, PEER_OK));
}

void test_client_memory_refused_to_libcurl_passes_no_proxy_by(void)
{
    take_over_memory();
    proxy = serve(PEER_CLOSE, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    with_each_refused(proxied_call, serve(PEER_ANSWER, PEER_OK));
}
