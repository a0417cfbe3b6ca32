/* The keyring against a real peer: fetched once for all who ask, kept, fetched again when old or
 * when a key is missing, and bounded when it fails. */
#include "engine/keyring.h"

#include "../http/peer.h"
#include "stage.h"

struct asking {
    struct stage_clock clock;
    struct keyring *k;
    struct peer *peer;
    struct arena arena;
    char url[64];
    str doc;
    uint64_t version;
};

static void asking_init(struct asking *a, bool allowed)
{
    struct net loopback;
    struct http_client_options client = {.allow = &loopback, .allow_count = allowed};
    EXPECT(net_parse(STR("127.0.0.0/8"), &loopback));
    *a = (struct asking){.version = 0};
    stage_clock_init(&a->clock);
    arena_init(&a->arena, 1u << 20);
    a->peer = peer_start(PEER_ANSWER, PEER_OK);
    a->k = keyring_new(&a->clock.base, &client);
    snprintf(a->url, sizeof(a->url), "http://127.0.0.1:%u/keys", a->peer->port);
}

static void asking_release(struct asking *a)
{
    keyring_free(a->k);
    arena_release(&a->arena);
}

static enum key_state ask(struct asking *a, uint64_t known, bool not_inside)
{
    const struct key_source *s = keyring_source(a->k);
    struct key_wish wish = {
        .url = str_from_cstr(a->url), .ttl_ms = 3600000, .known = known, .not_inside = not_inside};
    a->doc = STR_NONE;
    return s->get(s->arg, &wish, &a->arena, &a->doc, &a->version);
}

static uint64_t fetches(struct asking *a)
{
    uint64_t documents, fetched, failed;
    keyring_counts(a->k, &documents, &fetched, &failed);
    return fetched + failed;
}

void test_keyring_fetches_once_and_keeps(void)
{
    struct asking a;
    asking_init(&a, true);
    EXPECT(ask(&a, 0, false) == KEY_COMING);
    EXPECT(ask(&a, 0, false) == KEY_COMING || a.doc.p);
    STAGE_UNTIL(ask(&a, 0, false) == KEY_HERE);
    EXPECT_STR(a.doc, "ok");
    EXPECT(ask(&a, a.version, false) == KEY_HERE && !a.doc.p);
    EXPECT_EQ_INT(atomic_load(&a.peer->requests), 1);
    /* Old: fetched anew while the old one serves; the same bytes are the same version. */
    uint64_t version = a.version;
    stage_clock_advance(&a.clock, 3600001);
    EXPECT(ask(&a, version, false) == KEY_HERE);
    STAGE_UNTIL(fetches(&a) == 2);
    EXPECT(ask(&a, version, false) == KEY_HERE && a.version == version);
    /* A key that the document lacks: not again within a minute. */
    EXPECT(ask(&a, version, true) == KEY_HERE);
    peer_set(a.peer, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew");
    stage_clock_advance(&a.clock, 60001);
    EXPECT(ask(&a, version, true) == KEY_COMING);
    STAGE_UNTIL(ask(&a, 0, false) == KEY_HERE && a.version != version);
    EXPECT_STR(a.doc, "new");
    /* The server is gone: the old one serves a week of its life, and no longer. */
    peer_set(a.peer, "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
    stage_clock_advance(&a.clock, 6 * 3600000);
    EXPECT(ask(&a, a.version, false) == KEY_HERE);
    STAGE_UNTIL(fetches(&a) == 4);
    stage_clock_advance(&a.clock, 2 * 3600000);
    EXPECT(ask(&a, a.version, false) == KEY_COMING);
    asking_release(&a);
}

void test_keyring_is_refused_where_the_policy_or_the_server_says_no(void)
{
    struct asking a;
    asking_init(&a, false);
    EXPECT(ask(&a, 0, false) == KEY_COMING);
    STAGE_UNTIL(ask(&a, 0, false) == KEY_REFUSED); /* loopback is not public */
    EXPECT_EQ_INT(atomic_load(&a.peer->requests), 0);
    EXPECT(ask(&a, 0, false) == KEY_REFUSED);
    EXPECT_EQ_UINT(fetches(&a), 1); /* not again before a while */
    asking_release(&a);
    asking_init(&a, true);
    peer_set(a.peer, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    EXPECT(ask(&a, 0, false) == KEY_COMING);
    STAGE_UNTIL(ask(&a, 0, false) == KEY_REFUSED);
    asking_release(&a);
}

void test_keyring_a_flood_of_urls_is_bounded(void)
{
    struct asking a;
    uint64_t documents, fetched, failed;
    asking_init(&a, true);
    for (int i = 0; i < 500; i++) {
        snprintf(a.url, sizeof(a.url), "http://127.0.0.1:%u/%d", a.peer->port, i);
        EXPECT(ask(&a, 0, false) == KEY_COMING);
    }
    keyring_counts(a.k, &documents, &fetched, &failed);
    EXPECT(documents <= KEYRING_DOCUMENTS_MAX);
    STAGE_UNTIL(fetches(&a) == KEYRING_FETCHES_A_MINUTE);
    EXPECT(atomic_load(&a.peer->requests) <= KEYRING_FETCHES_A_MINUTE);
    asking_release(&a);
}

void test_keyring_visits_a_confirmation(void)
{
    struct asking a;
    asking_init(&a, true);
    EXPECT(keyring_visit(a.k, str_from_cstr(a.url), STR("sns")));
    STAGE_UNTIL(atomic_load(&a.peer->requests) == 1);
    EXPECT(peer_got(a.peer, "GET /keys HTTP/1.1"));
    asking_release(&a);
}
