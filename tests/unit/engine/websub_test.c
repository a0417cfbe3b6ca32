/* websub_test.c -- the subscriber against a real hub's answers, on a fake clock: when it asks, what
 * it says yes to, and what a denial and a reload change. The subscriber's own thread is woken by
 * what a hub tells it. */
#include "engine/websub.h"

#include "../http/peer.h"
#include "config_rig.h"
#include "stage.h"

#define TOPIC "https://blog.example.org/feed"
#define ACCEPTED "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
#define MINUTE_MS INT64_C(60000)

struct subscriber {
    struct stage_clock clock;
    struct peer *hub;
    struct websub *s;
    struct config *config;
};

static struct config *config_of(const struct peer *hub, const char *topic)
{
    char text[1024], subscribe[300] = "";
    if (topic)
        (void)snprintf(subscribe, sizeof(subscribe),
                       "subscribe: { hub: \"http://127.0.0.1:%u/hub\", topic: \"%s\", lease: 10m }",
                       hub->port, topic);
    (void)snprintf(text, sizeof(text),
                   "public_url: https://hooks.example.org\nsources:\n  feed:\n"
                   "    provider: websub\n    secret: \"" SECRET "\"\n    %s\n" DEPLOY
                   "routes:\n  - { from: feed, to: [deploy] }\n",
                   subscribe);
    return load_good(text);
}

static void configure(struct subscriber *u, const char *topic)
{
    struct config *c = config_of(u->hub, topic);
    websub_configure(u->s, c);
    config_unref(c);
}

static void start(struct subscriber *u)
{
    struct http_client_options client = {.max_in_flight = 2};
    *u = (struct subscriber){.hub = peer_start(PEER_ANSWER, ACCEPTED)};
    stage_clock_init(&u->clock);
    u->s = websub_new(&u->clock.base, &client);
    configure(u, TOPIC);
    STAGE_UNTIL(atomic_load(&u->hub->requests) == 1);
}

static bool told(struct subscriber *u, const char *mode, const char *topic, int64_t lease_s)
{
    struct websub_word word = {str_from_cstr(mode), str_from_cstr(topic), STR("no \x01 room"),
                               lease_s};
    return websub_told(u->s, STR("feed"), &word);
}

static bool has(str text, const char *part)
{
    return str_find_str(text, str_from_cstr(part)) < text.n;
}

static bool is(const struct subscriber *u, enum websub_state state)
{
    enum websub_state now;
    char reason[WEBSUB_REASON_MAX + 1];
    return websub_look(u->s, STR("feed"), &now, reason) && now == state;
}

/* Lets time pass in steps until it is asked for the nth time, for `most` at most: then how long
 * that took. A denial that is said again changes nothing and wakes the thread. */
static int64_t asked_after(struct subscriber *u, int64_t step, int64_t most, int n)
{
    int64_t since = stage_clock_now(&u->clock);
    while (stage_clock_now(&u->clock) + step <= since + most &&
           atomic_load(&u->hub->requests) < n) {
        stage_clock_advance(&u->clock, step);
        (void)told(u, "denied", TOPIC, 0);
        for (int i = 0; i < 100 && atomic_load(&u->hub->requests) < n; i++)
            stage_pause();
    }
    STAGE_UNTIL(atomic_load(&u->hub->requests) >= n);
    return stage_clock_now(&u->clock) - since;
}

void test_websub_says_yes_to_what_it_asked_once(void)
{
    struct subscriber u;
    start(&u);
    EXPECT(has(peer_head(u.hub), "POST /hub HTTP/1.1"));
    EXPECT(has(peer_body(u.hub), "hub.mode=subscribe&hub.topic=https%3A%2F%2Fblog.example.org"));
    EXPECT(has(peer_body(u.hub), "&hub.lease_seconds=600&hub.secret=" SECRET));
    EXPECT(is(&u, WEBSUB_ASKED));
    EXPECT(!told(&u, "subscribe", TOPIC "/other", 600));
    EXPECT(!told(&u, "unsubscribe", TOPIC, 600));
    EXPECT(!told(&u, "publish", TOPIC, 600));
    EXPECT(!told(&u, "denied", TOPIC "/other", 0));
    EXPECT(told(&u, "subscribe", TOPIC, 600));
    EXPECT(is(&u, WEBSUB_CONFIRMED));
    EXPECT(!told(&u, "subscribe", TOPIC, 600));
    websub_free(u.s);
}

void test_websub_a_denial_is_shown_and_asked_again_after_a_long_pause(void)
{
    struct subscriber u;
    enum websub_state state;
    char reason[WEBSUB_REASON_MAX + 1];
    start(&u);
    EXPECT(told(&u, "denied", TOPIC, 0));
    EXPECT(websub_look(u.s, STR("feed"), &state, reason) && state == WEBSUB_DENIED);
    EXPECT_CSTR(reason, "no ? room");
    EXPECT_CSTR(websub_state_word(state), "denied");
    EXPECT(asked_after(&u, 30 * MINUTE_MS, 48 * 60 * MINUTE_MS, 2) >= 6 * 60 * MINUTE_MS);
    websub_free(u.s);
}

void test_websub_a_denial_stops_neither_the_answer_nor_the_renewal(void)
{
    struct subscriber u;
    start(&u);
    EXPECT(told(&u, "denied", TOPIC, 0));
    EXPECT(told(&u, "subscribe", TOPIC, 600)); /* nobody has signed the denial */
    EXPECT(is(&u, WEBSUB_CONFIRMED));
    EXPECT(told(&u, "denied", TOPIC, 0));
    /* Four fifths of the lease, and well before the pause after a denial. */
    EXPECT(asked_after(&u, 4 * MINUTE_MS, 5 * 60 * MINUTE_MS, 2) >= 8 * MINUTE_MS);
    EXPECT(told(&u, "subscribe", TOPIC, 600));
    websub_free(u.s);
}

void test_websub_a_topic_that_is_taken_out_is_given_up(void)
{
    struct subscriber u;
    start(&u);
    EXPECT(told(&u, "subscribe", TOPIC, 600));
    configure(&u, NULL);
    STAGE_UNTIL(atomic_load(&u.hub->requests) == 2);
    EXPECT(has(peer_body(u.hub), "hub.mode=unsubscribe&hub.topic=https%3A%2F%2Fblog.example.org"));
    EXPECT(!has(peer_body(u.hub), "hub.secret"));
    EXPECT(!is(&u, WEBSUB_ASKED));
    EXPECT(!told(&u, "subscribe", TOPIC, 600));
    EXPECT(!told(&u, "unsubscribe", TOPIC "/other", 0));
    EXPECT(told(&u, "unsubscribe", TOPIC, 0));
    EXPECT(!told(&u, "unsubscribe", TOPIC, 0));
    /* And wanted again. */
    configure(&u, TOPIC);
    STAGE_UNTIL(atomic_load(&u.hub->requests) == 3);
    EXPECT(told(&u, "subscribe", TOPIC, 600));
    websub_free(u.s);
}

void test_websub_another_topic_takes_the_place_of_the_former(void)
{
    struct subscriber u;
    start(&u);
    configure(&u, TOPIC "/new");
    STAGE_UNTIL(atomic_load(&u.hub->requests) == 3);
    STAGE_UNTIL(told(&u, "unsubscribe", TOPIC, 0));
    STAGE_UNTIL(told(&u, "subscribe", TOPIC "/new", 600));
    EXPECT(!told(&u, "subscribe", TOPIC, 600));
    websub_free(u.s);
}

void test_websub_a_hub_that_has_moved_is_followed(void)
{
    struct subscriber u;
    struct peer *there = peer_start(PEER_ANSWER, ACCEPTED);
    start(&u);
    EXPECT(told(&u, "subscribe", TOPIC, 600));
    /* To itself elsewhere: a few times only. */
    peer_set(u.hub,
             "HTTP/1.1 308 Moved\r\nLocation: http://127.0.0.1:%u/new\r\n"
             "Content-Length: 0\r\n\r\n",
             u.hub->port);
    configure(&u, TOPIC "/a");
    STAGE_UNTIL(atomic_load(&u.hub->requests) >= 1 + 2 * (1 + 3));
    EXPECT(has(peer_head(u.hub), "POST /new HTTP/1.1"));
    /* An outsider's word leads to no private address. */
    peer_set(u.hub,
             "HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:%u/\r\n"
             "Content-Length: 0\r\n\r\n",
             there->port);
    int before = atomic_load(&u.hub->requests);
    configure(&u, TOPIC "/b");
    STAGE_UNTIL(atomic_load(&u.hub->requests) >= before + 2);
    STAGE_UNTIL(!told(&u, "denied", TOPIC "/b", 0)); /* it has given up for now */
    websub_free(u.s);
    EXPECT_EQ_INT(atomic_load(&there->requests), 0);
}
