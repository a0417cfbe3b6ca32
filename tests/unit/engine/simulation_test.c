/* simulation_test.c -- random life of a whole engine, by seed: events, outcomes, jumps of the
 * clock, configurations that come and go, a store that fails, replays. The spy checks each move on
 * the way; here is what must hold when nothing is left to do: every event's delivery to every
 * destination it was planned for is delivered or dead, attempted at least once, and nothing is
 * held.
 *
 * The threads of the engine run freely, so a seed fixes what is asked of it, not the interleaving.
 */
#include "stage.h"

#include "base/rand.h"

#define DESTINATIONS 4
#define STEPS 250
#define ROUNDS_MAX 3000
#define EVENTS_MAX STEPS

static const char *const names[DESTINATIONS] = {"plain", "queue", "keyed", "back"};
static const char *const settings[DESTINATIONS] = {
    ("handler: { index: 0 }, concurrency: 3, retry: { schedule: [1s, 30s, 10m], jitter: 0.5 }, "
     "circuit: { failures: 2, wait: 3s, max: 1m }"),
    ("handler: { index: 1 }, order: fifo, retry: { schedule: [1s, 1m], jitter: 0.1 }, "
     "circuit: { failures: 1, wait: 20s }"),
    ("handler: { index: 2 }, concurrency: 4, order: fifo, order_by: \"{{ .k }}\", "
     "retry: { schedule: [5s, 5s, 5s] }"),
    "handler: { index: 3 }, concurrency: 2, rate: 50/s, retry: { attempts: 2, first: 1m }",
};

struct simulation {
    struct stage stage;
    struct rng rng, outcomes;
    unsigned present; /* destinations of the configuration, by bit */
    bool two_loops;
    uint64_t events[EVENTS_MAX];
    unsigned planned[EVENTS_MAX];
    size_t event_count;
    unsigned found; /* of the event being checked */
    uint64_t looking_for;
    int step;
};

static void write_config(const struct simulation *m, char *out, size_t size)
{
    struct buf b = buf_over(out, size);
    buf_printf(&b, STAGE_SOURCE "delivery_loops: %d\ndestinations:", m->two_loops ? 2 : 1);
    for (int i = 0; i < DESTINATIONS; i++)
        if (m->present & 1u << i)
            buf_printf(&b, "\n  %s: { %s }", names[i], settings[i]);
    buf_printf(&b, "%s\nroutes:", m->present ? "" : " {}");
    for (int i = 0; i < DESTINATIONS; i++)
        if (m->present & 1u << i)
            buf_printf(&b, "\n  - { from: app, match: { json: { d%d: true } }, to: [%s] }", i,
                       names[i]);
    buf_printf(&b, "%s\n", m->present ? "" : " []");
    EXPECT(buf_ok(&b));
    buf_cstr(&b);
}

/* Called under the lock of calls. */
static void any_outcome(struct stage_handler *h, struct task *t, struct outcome *o)
{
    struct simulation *m = h->arg;
    uint64_t dice = rng_below(&m->outcomes, 100);
    o->result = dice < 55 ? ATTEMPT_SUCCESS : dice < 90 ? ATTEMPT_RETRY : ATTEMPT_PERMANENT;
    if (dice >= 80 && dice < 90)
        o->not_before_ms = t->now_ms + (int64_t)rng_below(&m->outcomes, 100000);
    o->summary = STR("by chance");
}

static void emit(struct simulation *m)
{
    char body[128];
    unsigned wants = (unsigned)rng_below(&m->rng, 1u << DESTINATIONS);
    struct buf b = buf_over(body, sizeof(body));
    buf_printf(&b, "{\"k\":%d", (int)rng_below(&m->rng, 3));
    for (int i = 0; i < DESTINATIONS; i++)
        if (wants & 1u << i)
            buf_printf(&b, ",\"d%d\":true", i);
    buf_char(&b, '}');
    uint64_t id;
    if (stage_try_emit(&m->stage, buf_cstr(&b), &id) != ERR_OK)
        return;
    m->planned[m->event_count] = wants & m->present;
    m->events[m->event_count++] = id;
}

static void reload(struct simulation *m, unsigned present)
{
    char text[4096];
    m->present = present;
    write_config(m, text, sizeof(text));
    stage_reload(&m->stage, text);
}

static void replay(struct simulation *m)
{
    struct delivery_filter f = {.state = DELIVERY_DEAD};
    struct reason why = {0};
    uint64_t moved;
    EXPECT_OK(store_move(m->stage.core->store, STORE_REPLAY, &f, stage_clock_now(&m->stage.clock),
                         &moved, &why),
              why);
    engine_nudge(m->stage.engine);
}

static void step(struct simulation *m)
{
    uint64_t dice = rng_below(&m->rng, 100);
    if (dice < 60)
        emit(m);
    else if (dice < 68)
        reload(m, (unsigned)rng_below(&m->rng, 1u << DESTINATIONS));
    else if (dice < 82)
        stage_advance(&m->stage,
                      (int64_t)rng_below(&m->rng, UINT64_C(1) << rng_below(&m->rng, 22)) + 1);
    else if (dice < 86)
        spy_fail_commits_after((int)rng_below(&m->rng, 3), 1 + (int)rng_below(&m->rng, 2), ERR_IO);
    else if (dice < 88)
        spy_fail_claims(1);
    else if (dice < 90)
        spy_refuse_events(rng_below(&m->rng, 4) == 0);
    else if (dice < 93)
        replay(m);
    else if (dice < 94)
        engine_nudge(m->stage.engine);
    else
        stage_turn(&m->stage);
}

static bool is_over(void)
{
    return spy_count(DELIVERY_PENDING) == 0 && spy_count(DELIVERY_CLAIMED) == 0;
}

static void come_to_rest(struct simulation *m)
{
    spy_fail_commits_after(0, 0, ERR_OK);
    spy_fail_claims(0);
    spy_refuse_events(false);
    reload(m, (1u << DESTINATIONS) - 1);
    for (int round = 0; !is_over(); round++) {
        if (round == ROUNDS_MAX)
            FAIL("%d deliveries pending and %d claimed do not end", spy_count(DELIVERY_PENDING),
                 spy_count(DELIVERY_CLAIMED));
        stage_advance(&m->stage, 60000);
        stage_pause();
    }
}

static void check_delivery(const struct spy_delivery *d, void *arg)
{
    struct simulation *m = arg;
    if (d->event_id != m->looking_for)
        return;
    EXPECT(d->state == DELIVERY_DELIVERED || d->state == DELIVERY_DEAD);
    EXPECT(d->attempts >= 1 && !d->attempting);
    for (int i = 0; i < DESTINATIONS; i++)
        if (strcmp(d->destination, names[i]) == 0)
            m->found |= 1u << i;
}

static void check_all(struct simulation *m)
{
    for (size_t i = 0; i < m->event_count; i++) {
        m->found = 0;
        m->looking_for = m->events[i];
        spy_each(check_delivery, m);
        EXPECT_EQ_UINT(m->found, m->planned[i]);
    }
    EXPECT_EQ_UINT(stage_counts(&m->stage).events, m->event_count);
    stage_expect_gates_free(&m->stage);
    spy_compare(m->stage.reader);
    EXPECT(spy_claimed_max() <= LANE_WINDOW * DESTINATIONS);
    EXPECT(m->stage.handlers[0].running_max <= 3);
    EXPECT(m->stage.handlers[1].running_max <= 1);
    EXPECT(m->stage.handlers[2].running_max <= 4);
    EXPECT(m->stage.handlers[3].running_max <= 2);
}

static void simulate(uint64_t seed)
{
    static struct simulation m;
    char text[4096];
    fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
    memset(&m, 0, sizeof(m));
    rng_init(&m.rng, seed);
    rng_init(&m.outcomes, seed + 1000000);
    stage_init(&m.stage);
    m.present = (1u << DESTINATIONS) - 1;
    m.two_loops = seed % 2 == 0;
    for (int i = 0; i < DESTINATIONS; i++) {
        m.stage.handlers[i].answer = any_outcome;
        m.stage.handlers[i].arg = &m;
        m.stage.handlers[i].is_in_order = i == 1 || i == 2;
    }
    write_config(&m, text, sizeof(text));
    stage_start(&m.stage, text);
    for (m.step = 0; m.step < STEPS; m.step++)
        step(&m);
    come_to_rest(&m);
    check_all(&m);
    stage_release(&m.stage);
}

static void simulate_range(uint64_t from, uint64_t to)
{
    log_setup(LOG_AUTO, LOG_ERROR + 1);
    for (uint64_t seed = from; seed < to; seed++)
        simulate(seed);
}

void test_simulation_seeds_from_1(void)
{
    simulate_range(1, 51);
}

void test_simulation_seeds_from_51(void)
{
    simulate_range(51, 101);
}

void test_simulation_seeds_from_101(void)
{
    simulate_range(101, 151);
}

void test_simulation_seeds_from_151(void)
{
    simulate_range(151, 201);
}
