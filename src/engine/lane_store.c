/* lane_store.c -- what a lane asks of the store: deliveries that are due, claimed up to its window,
 * and those it can't keep, given back. */
#include "engine/lane.h"

#include "base/log.h"

#define LOAD_RETRY_MS 1000
#define DUE_WAIT_MAX_MS INT64_C(31536000000) /* a year */

struct lane_claim {
    struct loop_work work;
    struct lane *lane;
    struct claim want;
    struct arena arena;
    struct delivery_list found;
    int64_t next_due_ms;
    bool alone; /* nothing of the lane was in memory when it was asked */
    unsigned lost;
    enum err err;
    struct reason why;
};

void lane_make_ready(struct lane *l, const struct delivery *d)
{
    struct flight *f = flight_new(l, d);
    list_push(&l->ready, &f->link);
    l->ready_count++;
}

static void give_back(struct lane *l, uint64_t *ids, size_t count)
{
    struct reason why = {0};
    if (count && store_unclaim(l->ctx->core->store, ids, count, &why) != ERR_OK)
        log_event(LOG_WARN, "claimed deliveries stay leased until the next start",
                  LOG_F("destination", str_from_cstr(l->gate->name)),
                  LOG_F("reason", str_from_cstr(why.text)));
    for (size_t i = 0; i < count; i++)
        gate_leave(l->gate);
}

void lane_give_back_ready(struct lane *l, uint64_t order_key)
{
    uint64_t ids[LANE_WINDOW_MAX * 2];
    size_t count = 0;
    LIST_EACH(&l->ready, node)
    {
        struct flight *f = CONTAINER_OF(node, struct flight, link);
        if (order_key && f->delivery.order_key != order_key)
            continue;
        ids[count++] = f->delivery.id;
        l->ready_count--;
        flight_free(f);
        if (count == ARRAY_LEN(ids)) {
            give_back(l, ids, count);
            count = 0;
        }
    }
    give_back(l, ids, count);
}

void lane_give_back_overtaken(struct lane *l)
{
    uint64_t ids[LANE_WINDOW_MAX * 2];
    size_t count = 0;
    struct list *node;
    while (count < ARRAY_LEN(ids) && (node = list_pop(&l->overtaken)) != NULL) {
        struct flight *f = CONTAINER_OF(node, struct flight, link);
        ids[count++] = f->delivery.id;
        flight_free(f);
    }
    give_back(l, ids, count);
    if (count)
        l->look_again = true;
}

void lane_drop_ready(struct lane *l)
{
    struct list *node;
    while ((node = list_pop(&l->ready)) != NULL || (node = list_pop(&l->overtaken)) != NULL) {
        flight_free(CONTAINER_OF(node, struct flight, link));
        gate_leave(l->gate);
    }
    l->ready_count = 0;
}

/* --- the store ------------------------------------------------------------------------------- */

static void due_fired(struct loop_timer *t)
{
    struct lane *l = CONTAINER_OF(t, struct lane, due);
    l->due_ms = INT64_MAX;
    atomic_store(&l->gate->backlogged, true);
    lane_look(l);
}

void lane_arm_due(struct lane *l, int64_t due_ms)
{
    if (due_ms >= l->due_ms)
        return;
    /* In this order: time that passes between the two makes it early, and it looks again, not late.
     */
    int64_t now_ns = clock_mono_ns(l->ctx->core->clock);
    int64_t wait = due_ms - clock_wall_ms(l->ctx->core->clock);
    if (wait < 0)
        wait = 0;
    if (wait > DUE_WAIT_MAX_MS) /* then it looks again, too */
        wait = DUE_WAIT_MAX_MS;
    l->due_ms = due_ms;
    loop_timer_start_at(l->ctx->loop, &l->due, now_ns + wait * 1000000, due_fired);
}

static void claim_work(struct loop_work *w)
{
    struct lane_claim *c = CONTAINER_OF(w, struct lane_claim, work);
    c->err = store_claim(c->lane->ctx->core->store, &c->want, &c->arena, &c->found, &c->next_due_ms,
                         &c->why);
}

/* True when nothing that is due, or must go before newcomers, is left in the store. In order, what
 * is left may be hidden behind a head that is in memory: only a look without one can tell. */
static bool nothing_left(const struct lane *l, const struct lane_claim *c)
{
    if (c->found.count == c->want.max || l->look_again)
        return false;
    if (!c->want.in_order)
        return true;
    /* Others may store for this lane too, and what they stored comes before our newcomers. */
    if (l->ctx->core->store->shared)
        return false;
    return c->alone && c->found.count == 0 && c->next_due_ms == INT64_MAX;
}

static void follow_claim(struct lane *l, const struct lane_claim *c)
{
    if (c->next_due_ms != INT64_MAX)
        lane_arm_due(l, c->next_due_ms);
    if (c->err != ERR_OK)
        return;
    if (nothing_left(l, c)) {
        atomic_store(&l->gate->backlogged, false);
        /* An overflow announced between the claim and the line above must not be forgotten. */
        if (atomic_load(&l->gate->overflowing) > 0)
            atomic_store(&l->gate->backlogged, true);
    } else if (c->found.count == c->want.max) {
        l->look_again = true;
    } else if (c->want.in_order && !c->alone && l->held == 0) {
        l->look_again = true; /* what hid the rest has ended meanwhile */
    }
}

static void claim_done(struct loop_work *w)
{
    struct lane_claim *c = CONTAINER_OF(w, struct lane_claim, work);
    struct lane *l = c->lane;
    l->claim = NULL;
    if (c->err == ERR_OK && c->lost != atomic_load(&l->ctx->core->store->lost)) {
        c->found.count = 0;
        c->next_due_ms = 0;
    } else if (c->err == ERR_CONFLICT && l->ctx->core->store->shared) {
        l->elsewhere = true;
        c->found.count = 0;
        c->next_due_ms = INT64_MAX;
    } else if (c->err != ERR_OK) {
        uint64_t held = 0;
        METRIC_ADD(&l->ctx->core->metrics, claim_errors, 1);
        if (log_rate("claim", &held))
            log_event(LOG_ERROR, "cannot fetch due deliveries",
                      LOG_F("destination", str_from_cstr(l->gate->name)),
                      LOG_F("reason", str_from_cstr(c->why.text)));
        c->found.count = 0;
        c->next_due_ms = clock_wall_ms(l->ctx->core->clock) + LOAD_RETRY_MS;
    }
    for (size_t i = 0; i < c->found.count; i++)
        lane_make_ready(l, &c->found.v[i]);
    atomic_fetch_add(&l->gate->room, (int)(c->want.max - c->found.count));
    follow_claim(l, c);
    arena_release(&c->arena);
    free(c);
    if (l->ctx->draining || !l->destination || l->leaving)
        lane_give_back_ready(l, 0);
    lane_pump(l);
}

void lane_look(struct lane *l)
{
    if (l->ctx->draining || !l->destination || atomic_load(&l->gate->paused))
        return;
    if (l->claim || l->elsewhere || l->leaving) {
        l->look_again = true;
        return;
    }
    int room = atomic_exchange(&l->gate->room, 0); /* front loops take from it meanwhile */
    if (room < l->window / 4) {
        atomic_fetch_add(&l->gate->room, room);
        l->look_again = true; /* asked again when places were freed */
        if (l->held == 0)     /* front loops have them, and may give them back without a word */
            lane_arm_due(l, clock_wall_ms(l->ctx->core->clock) + LOAD_RETRY_MS);
        return;
    }
    struct lane_claim *c = xcalloc(1, sizeof(*c));
    arena_init(&c->arena, 4u << 20);
    c->lane = l;
    c->want = (struct claim){.destination = str_from_cstr(l->gate->name),
                             .now_ms = clock_wall_ms(l->ctx->core->clock),
                             .max = (size_t)room,
                             .in_order = l->destination->in_order};
    c->next_due_ms = INT64_MAX;
    c->alone = l->held == 0;
    c->lost = atomic_load(&l->ctx->core->store->lost);
    c->work.work = claim_work;
    c->work.done = claim_done;
    l->look_again = false;
    l->claim = c;
    loop_work_start(l->ctx->loop, &c->work);
}
