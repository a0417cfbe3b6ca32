/* registry_test.c -- gates and counters that outlive a configuration; the one word of a lane's
 * state that crosses threads. */
#include "engine/registry.h"

#include "unit.h"

#include <pthread.h>

#define THREADS 6
#define ROUNDS 20000

void test_registry_same_name_same_gate(void)
{
    struct registry *r = registry_new(3);
    struct gate *a = registry_gate(r, STR("a")), *b = registry_gate(r, STR("b"));
    EXPECT(a != b);
    EXPECT(registry_gate(r, STR("a")) == a);
    EXPECT_CSTR(a->name, "a");
    EXPECT(a->loop < 3 && b->loop < 3);
    EXPECT_EQ_INT(a->room, LANE_WINDOW);
    /* Nobody has looked into the store yet. */
    EXPECT(a->backlogged);
    EXPECT(registry_source(r, STR("a")) == registry_source(r, STR("a")));
    EXPECT_CSTR(registry_source(r, STR("github"))->name, "github");
    registry_free(r);
    registry_free(NULL);
}

static void append_name(struct gate *g, void *arg)
{
    buf_printf(arg, "%s ", g->name);
}

static void append_source(struct source_stats *s, void *arg)
{
    buf_printf(arg, "%s ", s->name);
}

void test_registry_each_comes_in_the_order_of_making(void)
{
    struct registry *r = registry_new(1);
    struct buf names;
    buf_init(&names, 100);
    registry_gate(r, STR("c"));
    registry_gate(r, STR("a"));
    registry_gate(r, STR("b"));
    registry_gate(r, STR("a"));
    registry_source(r, STR("z"));
    registry_source(r, STR("y"));
    registry_each_gate(r, append_name, &names);
    registry_each_source(r, append_source, &names);
    EXPECT_STR(buf_str(&names), "c a b z y ");
    buf_release(&names);
    registry_free(r);
}

void test_registry_gates_spread_over_the_loops(void)
{
    struct registry *r = registry_new(4);
    size_t on[4] = {0};
    for (int i = 0; i < 200; i++) {
        char name[16];
        int n = snprintf(name, sizeof(name), "destination-%d", i);
        on[registry_gate(r, str_of(name, (size_t)n))->loop]++;
    }
    for (int i = 0; i < 4; i++)
        EXPECT(on[i] > 20);
    registry_free(r);
}

/* --- gates ----------------------------------------------------------------------------------- */

void test_registry_backlogged_gate_lets_nobody_in(void)
{
    struct registry *r = registry_new(1);
    struct gate *g = registry_gate(r, STR("a"));
    EXPECT(!gate_enter(g));
    EXPECT_EQ_INT(g->overflowing, 1);
    EXPECT_EQ_INT(g->room, LANE_WINDOW);
    registry_free(r);
}

void test_registry_open_gate_lets_a_window_in_and_then_is_backlogged(void)
{
    struct registry *r = registry_new(1);
    struct gate *g = registry_gate(r, STR("a"));
    atomic_store(&g->backlogged, false);
    for (int i = 0; i < LANE_WINDOW; i++)
        EXPECT(gate_enter(g));
    EXPECT_EQ_INT(g->room, 0);
    EXPECT(!g->backlogged);
    EXPECT(!gate_enter(g));
    EXPECT_EQ_INT(g->room, 0);
    EXPECT(g->backlogged);
    EXPECT_EQ_INT(g->overflowing, 1);
    /* A free place alone does not let a newcomer pass what waits in the store. */
    gate_leave(g);
    EXPECT_EQ_INT(g->room, 1);
    EXPECT(!gate_enter(g));
    EXPECT_EQ_INT(g->overflowing, 2);
    registry_free(r);
}

struct crowd {
    struct gate *gate;
    _Atomic int inside, inside_max, entered, refused;
    _Atomic bool ended;
};

static void *crowd_member(void *arg)
{
    struct crowd *c = arg;
    for (int i = 0; i < ROUNDS; i++) {
        if (!gate_enter(c->gate)) {
            atomic_fetch_add(&c->refused, 1);
            atomic_fetch_sub(&c->gate->overflowing, 1);
            atomic_store(&c->gate->backlogged, false); /* as the lane does when all is fetched */
            continue;
        }
        int inside = atomic_fetch_add(&c->inside, 1) + 1, most = atomic_load(&c->inside_max);
        while (inside > most && !atomic_compare_exchange_weak(&c->inside_max, &most, inside))
            continue;
        atomic_fetch_add(&c->entered, 1);
        atomic_fetch_sub(&c->inside, 1);
        gate_leave(c->gate);
    }
    return NULL;
}

static void *watch_room(void *arg)
{
    struct crowd *c = arg;
    while (!atomic_load(&c->ended)) {
        int room = atomic_load(&c->gate->room);
        EXPECT(room >= 0 && room <= LANE_WINDOW);
    }
    return NULL;
}

void test_registry_room_is_never_negative_under_threads(void)
{
    struct registry *r = registry_new(1);
    struct crowd c = {.gate = registry_gate(r, STR("a"))};
    pthread_t threads[THREADS], watcher;
    atomic_store(&c.gate->backlogged, false);
    atomic_store(&c.gate->room, 2); /* so that most find it full */
    EXPECT(pthread_create(&watcher, NULL, watch_room, &c) == 0);
    for (int i = 0; i < THREADS; i++)
        EXPECT(pthread_create(&threads[i], NULL, crowd_member, &c) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&c.ended, true);
    pthread_join(watcher, NULL);
    EXPECT_EQ_INT(c.gate->room, 2);
    EXPECT_EQ_INT(c.gate->overflowing, 0);
    EXPECT(c.inside_max <= 2);
    EXPECT_EQ_INT(c.entered + c.refused, THREADS * ROUNDS);
    registry_free(r);
}
