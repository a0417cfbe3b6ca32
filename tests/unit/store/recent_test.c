/* Events at hand: whole copies, by id, the oldest gone first, and never more bytes than allowed. */
#include "unit.h"

#include "store/recent.h"

#define BYTES_MAX (16u << 10)

static char padding[4096];

static struct event event_of(uint64_t id, size_t body_bytes)
{
    memset(padding, 'x', sizeof(padding));
    return (struct event){.id = id,
                          .source = STR("github"),
                          .provider = STR("github"),
                          .verdict = STR("verified"),
                          .verdict_text = STR(""),
                          .type = STR("push"),
                          .dedupe_key = STR("key"),
                          .method = STR("POST"),
                          .target = STR("/in/github?x=1"),
                          .peer = STR("127.0.0.1"),
                          .trace = STR(""),
                          .head = STR("A: b\r\n"),
                          .body = str_of(padding, body_bytes)};
}

void test_recent_gives_back_a_whole_copy(void)
{
    struct recent *r = recent_new(BYTES_MAX);
    struct event e = event_of(7, 100), out;
    struct arena a;
    arena_init(&a, 1u << 20);
    recent_put(r, &e);
    memset(padding, 'y', sizeof(padding)); /* the original is gone */
    EXPECT(recent_has(r, 7) && !recent_has(r, 8));
    EXPECT(recent_get(r, 7, &a, &out));
    EXPECT_STR(out.target, "/in/github?x=1");
    EXPECT_STR(out.head, "A: b\r\n");
    EXPECT(out.id == 7 && out.body.n == 100 && out.body.p[0] == 'x' && out.body.p[99] == 'x');
    EXPECT(!recent_get(r, 8, &a, &out));
    recent_free(r);
    EXPECT(out.body.p[99] == 'x'); /* the arena's own */
    arena_release(&a);
}

void test_recent_lets_the_oldest_go(void)
{
    struct recent *r = recent_new(BYTES_MAX);
    for (uint64_t id = 1; id <= 100; id++) {
        struct event e = event_of(id, 1000);
        recent_put(r, &e);
        EXPECT(recent_has(r, id));
    }
    size_t held = 0;
    for (uint64_t id = 1; id <= 100; id++) {
        EXPECT(!held || recent_has(r, id)); /* once one is there, all later ones are */
        held += recent_has(r, id);
    }
    EXPECT(held > 5 && held * 1000 < BYTES_MAX);
    recent_free(r);
}

void test_recent_takes_in_nothing_great(void)
{
    struct recent *r = recent_new(BYTES_MAX);
    struct event small = event_of(1, 10), great = event_of(2, BYTES_MAX / 8);
    recent_put(r, &small);
    recent_put(r, &great);
    EXPECT(recent_has(r, 1) && !recent_has(r, 2));
    recent_free(r);
}

void test_recent_gives_the_later_copy_of_one_id(void)
{
    struct recent *r = recent_new(BYTES_MAX);
    struct arena a;
    struct event e = event_of(1, 10), out;
    arena_init(&a, 1u << 20);
    recent_put(r, &e);
    e.type = STR("later");
    recent_put(r, &e);
    for (uint64_t id = 2; id < 40; id++) { /* both copies leave in their turn */
        EXPECT(!recent_has(r, 1) || recent_get(r, 1, &a, &out));
        if (recent_has(r, 1))
            EXPECT_STR(out.type, "later");
        struct event other = event_of(id, 1000);
        recent_put(r, &other);
    }
    EXPECT(!recent_has(r, 1));
    arena_release(&a);
    recent_free(r);
}

void test_recent_forgets_what_is_dropped(void)
{
    struct recent *r = recent_new(BYTES_MAX);
    struct arena a;
    struct event e = event_of(1, 10), out;
    arena_init(&a, 1u << 20);
    recent_put(r, &e);
    recent_drop(r, 1);
    recent_drop(r, 2);
    EXPECT(!recent_has(r, 1) && !recent_get(r, 1, &a, &out));
    recent_put(r, &e);
    EXPECT(recent_has(r, 1));
    arena_release(&a);
    recent_free(r);
}

void test_recent_says_when_the_arena_is_too_small(void)
{
    struct recent *r = recent_new(BYTES_MAX);
    struct arena a;
    struct event e = event_of(1, 1500), out;
    arena_init(&a, 64);
    recent_put(r, &e);
    EXPECT(!recent_get(r, 1, &a, &out) && !arena_ok(&a));
    arena_release(&a);
    recent_free(r);
}
