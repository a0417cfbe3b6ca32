/* Sockets that libcurl gives up before they are connected: the loop must not go on watching what
 * was closed, nor take the next descriptor of that number for it. */
#include "unit.h"

#include "rig.h"

#include <uv.h>

/* A listener whose queue is full: connecting to it goes on until it is given up. */
static uint16_t port_that_is_silent(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(sa);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT(bind(listener, (struct sockaddr *)&sa, n) == 0 && listen(listener, 0) == 0);
    EXPECT(getsockname(listener, (struct sockaddr *)&sa, &n) == 0);
    for (int i = 0; i < 2; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        EXPECT(fd >= 0);
        (void)connect(fd, (struct sockaddr *)&sa, n);
    }
    return ntohs(sa.sin_port);
}

struct canceller {
    struct loop_timer timer;
    struct rig *rig;
    struct http_call *call;
};

static void cancel_now(struct loop_timer *t)
{
    struct canceller *c = CONTAINER_OF(t, struct canceller, timer);
    http_client_cancel(c->rig->client, c->call);
}

void test_client_sockets_cancelled_in_the_turn_that_connects(void)
{
    struct rig r = rig_start();
    uint16_t port = port_that_is_silent();
    for (int i = 0; i < 3; i++) {
        struct got *g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", port);
        struct canceller c = {.rig = &r, .call = &g->call};
        http_client_start(r.client, &g->call); /* its timer is due before this one */
        loop_timer_start(r.loop, &c.timer, 0, cancel_now);
        rig_wait(&r, g);
        EXPECT_EQ_INT(g->answer.class, HTTP_CALL_CANCELLED);
        loop_run_once(r.loop, false);
    }
    rig_stop(&r);
}

static void count_poll(uv_handle_t *handle, void *arg)
{
    if (handle->type == UV_POLL && uv_is_active(handle))
        ++*(int *)arg;
}

/* How many sockets the loop watches. */
static int watched(struct rig *r)
{
    int count = 0;
    uv_walk((uv_loop_t *)loop_uv(r->loop), count_poll, &count);
    return count;
}

void test_client_sockets_given_up_are_watched_no_more(void)
{
    struct rig r = rig_start();
    struct got *g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", port_that_is_silent());
    g->call.timeout_ms = 100;
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_TIMEOUT);
    EXPECT_EQ_INT(watched(&r), 0);
    /* A handshake that the peer leaves unanswered. */
    struct peer *mute = peer_start(PEER_HANG, "");
    g = got_new(OUTBOUND_PRIVATE, "https://127.0.0.1:%u/", mute->port);
    g->call.timeout_ms = 300;
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_TIMEOUT);
    EXPECT_EQ_INT(watched(&r), 0);
    /* A connection that is kept is watched for its end. */
    struct peer *p = peer_start(PEER_ANSWER, PEER_OK);
    g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", p->port);
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_OK);
    EXPECT_EQ_INT(watched(&r), 1);
    rig_stop(&r);
}
