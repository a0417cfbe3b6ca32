/* stage.c -- see stage.h. One mutex is held over each call into the store and what the
 * model makes of it, so that the two never differ. */
#include "stage.h"

#include "engine/dispatch.h"
#include "engine/plan.h"
#include "http/server.h"

#include <unistd.h>

#define BATCHES_NOTED_MAX 64
#define PAUSE_US 100

void stage_pause(void)
{
    usleep(PAUSE_US);
}

/* --- time ------------------------------------------------------------------------------------ */

static int64_t stage_wall_ms(const struct clock *c)
{
    return atomic_load(&CONTAINER_OF(c, const struct stage_clock, base)->wall_ms);
}

static int64_t stage_mono_ns(const struct clock *c)
{
    return atomic_load(&CONTAINER_OF(c, const struct stage_clock, base)->mono_ns);
}

void stage_clock_init(struct stage_clock *c)
{
    c->base = (struct clock){stage_wall_ms, stage_mono_ns};
    atomic_store(&c->wall_ms, STAGE_START_MS);
    atomic_store(&c->mono_ns, 0);
}

void stage_clock_advance(struct stage_clock *c, int64_t ms)
{
    atomic_fetch_add(&c->wall_ms, ms);
    atomic_fetch_add(&c->mono_ns, ms * 1000000);
}

/* --- the model ------------------------------------------------------------------------------- */

static struct spy {
    const struct store_ops *inner;
    struct store_ops ops;
    struct stage_clock *clock;
    pthread_mutex_t lock; /* over the store's moves and the model */
    struct spy_delivery **v;
    size_t count, cap;
    struct idmap by_id;
    int by_state[DELIVERY_STATE_COUNT], claimed_max;
    _Atomic int commits, entered, claims, fail_after, fail_count, fail_claims;
    _Atomic int fail_err;
    _Atomic bool hold, refuse_events;
    _Atomic int64_t takes_ms;
    _Atomic int batch_events[BATCHES_NOTED_MAX];
    pthread_t commit_thread;
} spy;

static struct spy_delivery *model_find(uint64_t id)
{
    return idmap_get(&spy.by_id, id);
}

static void model_move(struct spy_delivery *d, enum delivery_state to)
{
    if (!delivery_may_move(d->state, to))
        FAIL("delivery %llx to %s moved from %s to %s", (unsigned long long)d->id, d->destination,
             delivery_state_word(d->state), delivery_state_word(to));
    spy.by_state[d->state]--;
    spy.by_state[to]++;
    d->state = to;
    if (spy.by_state[DELIVERY_CLAIMED] > spy.claimed_max)
        spy.claimed_max = spy.by_state[DELIVERY_CLAIMED];
}

static void model_supersede(const struct new_delivery *n)
{
    for (size_t i = 0; i < spy.count; i++) {
        struct spy_delivery *d = spy.v[i];
        if (d->order_key != n->order_key || d->id >= n->id ||
            !str_eq(str_from_cstr(d->destination), n->destination))
            continue;
        if (d->state == DELIVERY_PENDING)
            model_move(d, DELIVERY_CANCELLED);
        d->replaced = d->state == DELIVERY_CLAIMED;
    }
}

static void model_add(uint64_t event_id, const struct new_delivery *n)
{
    struct spy_delivery *d = xcalloc(1, sizeof(*d));
    EXPECT(!model_find(n->id));
    d->id = n->id;
    d->event_id = event_id;
    d->order_key = n->order_key;
    snprintf(d->destination, sizeof(d->destination), STR_FMT, STR_ARG(n->destination));
    d->state = DELIVERY_PENDING;
    spy.by_state[DELIVERY_PENDING]++;
    if (n->claimed)
        model_move(d, DELIVERY_CLAIMED);
    if (n->supersedes && n->order_key)
        model_supersede(n);
    if (spy.count == spy.cap) {
        spy.cap = spy.cap ? spy.cap * 2 : 256;
        spy.v = xrealloc(spy.v, spy.cap * sizeof(*spy.v));
    }
    spy.v[spy.count++] = d;
    idmap_put(&spy.by_id, d->id, d);
}

/* Of a destination in order: nothing older of its key may be open, but for what a newer one took
 * the place of before it was attempted: its end may still be on the way to the store. */
static void model_check_order(const struct spy_delivery *d)
{
    for (size_t i = 0; i < spy.count; i++) {
        const struct spy_delivery *o = spy.v[i];
        if (o->id < d->id && o->order_key == d->order_key && !o->moved_by_hand &&
            (o->attempting || !o->replaced) &&
            (o->state == DELIVERY_PENDING || o->state == DELIVERY_CLAIMED) &&
            strcmp(o->destination, d->destination) == 0)
            FAIL("delivery %llx was attempted while %llx of the same key is %s",
                 (unsigned long long)d->id, (unsigned long long)o->id,
                 delivery_state_word(o->state));
    }
}

static void model_attempt(uint64_t id, bool in_order)
{
    pthread_mutex_lock(&spy.lock);
    struct spy_delivery *d = model_find(id);
    EXPECT(d);
    if (d->state != DELIVERY_CLAIMED)
        FAIL("a %s delivery was attempted", delivery_state_word(d->state));
    EXPECT(!d->attempting); /* never two attempts of one delivery at once */
    d->attempting = true;
    d->attempts++;
    if (in_order && !d->moved_by_hand)
        model_check_order(d);
    pthread_mutex_unlock(&spy.lock);
}

/* --- the spy's calls ------------------------------------------------------------------------- */

static void note_commit(const struct batch *b)
{
    pthread_mutex_lock(&spy.lock);
    spy.commit_thread = pthread_self();
    pthread_mutex_unlock(&spy.lock);
    int at = atomic_fetch_add(&spy.entered, 1);
    if (at < BATCHES_NOTED_MAX)
        atomic_store(&spy.batch_events[at], (int)b->event_count);
    while (atomic_load(&spy.hold))
        stage_pause();
    if (atomic_load(&spy.takes_ms))
        stage_clock_advance(spy.clock, atomic_load(&spy.takes_ms));
}

static bool is_told_to_fail(void)
{
    if (atomic_load(&spy.fail_count) == 0)
        return false;
    if (atomic_fetch_sub(&spy.fail_after, 1) > 0)
        return false;
    atomic_store(&spy.fail_after, 0);
    atomic_fetch_sub(&spy.fail_count, 1);
    return true;
}

static void follow_commit(const struct batch *b)
{
    for (const struct new_event *e = b->events; e; e = e->next)
        for (size_t i = 0; !e->duplicate_of && i < e->delivery_count; i++)
            model_add(e->event.id, &e->deliveries[i]);
    for (const struct settlement *t = b->settlements; t; t = t->next) {
        struct spy_delivery *d = model_find(t->delivery_id);
        EXPECT(d);
        EXPECT_EQ_UINT(d->event_id, t->event_id);
        if (d->state != DELIVERY_CLAIMED)
            FAIL("a %s delivery was settled", delivery_state_word(d->state));
        d->attempting = false;
        model_move(d, t->state);
    }
}

static enum err spy_commit(struct store *s, struct batch *b, struct reason *why)
{
    note_commit(b);
    enum err err = ERR_OK;
    if (is_told_to_fail())
        err = fail(why, (enum err)atomic_load(&spy.fail_err), "the store was told to fail");
    else if (atomic_load(&spy.refuse_events) && b->event_count)
        err = fail(why, ERR_FULL, "the store was told to be full");
    if (err == ERR_OK) {
        pthread_mutex_lock(&spy.lock);
        err = spy.inner->commit(s, b, why);
        if (err == ERR_OK)
            follow_commit(b);
        pthread_mutex_unlock(&spy.lock);
    }
    atomic_fetch_add(&spy.commits, 1);
    return err;
}

static enum err spy_claim(struct store *s, const struct claim *c, struct arena *a,
                          struct delivery_list *out, int64_t *next_due_ms, struct reason *why)
{
    size_t before = out->count;
    atomic_fetch_add(&spy.claims, 1);
    if (atomic_load(&spy.fail_claims) > 0) {
        atomic_fetch_sub(&spy.fail_claims, 1);
        return fail(why, ERR_IO, "the store was told to fail");
    }
    pthread_mutex_lock(&spy.lock);
    enum err err = spy.inner->claim(s, c, a, out, next_due_ms, why);
    for (size_t i = before; err == ERR_OK && i < out->count; i++) {
        EXPECT(out->v[i].next_ms <= c->now_ms);
        EXPECT(model_find(out->v[i].id));
        model_move(model_find(out->v[i].id), DELIVERY_CLAIMED);
    }
    pthread_mutex_unlock(&spy.lock);
    return err;
}

static enum err spy_unclaim(struct store *s, const uint64_t *ids, size_t count, struct reason *why)
{
    pthread_mutex_lock(&spy.lock);
    enum err err = spy.inner->unclaim(s, ids, count, why);
    for (size_t i = 0; err == ERR_OK && i < count; i++) {
        struct spy_delivery *d = model_find(ids[i]);
        EXPECT(d && d->state == DELIVERY_CLAIMED && !d->attempting);
        model_move(d, DELIVERY_PENDING);
    }
    pthread_mutex_unlock(&spy.lock);
    return err;
}

/* Walks all deliveries of the store. */
static void each_stored(struct store_reader *r,
                        void (*fn)(struct spy_delivery *d, const struct delivery *is))
{
    struct delivery_filter f = {.state = -1, .limit = 1000};
    struct arena a;
    struct reason why = {0};
    arena_init(&a, 64u << 20);
    do {
        struct delivery_list list = {0};
        arena_reset(&a);
        EXPECT_OK(spy.inner->deliveries(r, &f, &a, &list, &why), why);
        for (size_t i = 0; i < list.count; i++) {
            EXPECT(model_find(list.v[i].id));
            fn(model_find(list.v[i].id), &list.v[i]);
        }
        f.before = list.next;
    } while (f.before);
    arena_release(&a);
}

static void follow_hand(struct spy_delivery *d, const struct delivery *is)
{
    if (d->state == is->state)
        return;
    EXPECT(d->state != DELIVERY_CLAIMED); /* no hand takes what is under way */
    d->moved_by_hand = true;
    model_move(d, is->state);
}

static enum err spy_move(struct store *s, enum store_move move, const struct delivery_filter *f,
                         int64_t now_ms, uint64_t *moved, struct reason *why)
{
    pthread_mutex_lock(&spy.lock);
    enum err err = spy.inner->move(s, move, f, now_ms, moved, why);
    struct store_reader *r = spy.inner->reader_open(s, why);
    each_stored(r, follow_hand);
    spy.inner->reader_close(r);
    pthread_mutex_unlock(&spy.lock);
    return err;
}

static enum err spy_add_delivery(struct store *s, uint64_t event_id, const struct new_delivery *d,
                                 int64_t now_ms, struct reason *why)
{
    pthread_mutex_lock(&spy.lock);
    enum err err = spy.inner->add_delivery(s, event_id, d, now_ms, why);
    if (err == ERR_OK) {
        model_add(event_id, d);
        model_find(d->id)->moved_by_hand = true;
    }
    pthread_mutex_unlock(&spy.lock);
    return err;
}

/* --- the spy's switches ---------------------------------------------------------------------- */

void spy_install(struct store *s, struct stage_clock *clock)
{
    if (!spy.clock)
        pthread_mutex_init(&spy.lock, NULL);
    spy.clock = clock;
    spy.inner = s->ops;
    spy.ops = *s->ops;
    spy.ops.commit = spy_commit;
    spy.ops.claim = spy_claim;
    spy.ops.unclaim = spy_unclaim;
    spy.ops.move = spy_move;
    spy.ops.add_delivery = spy_add_delivery;
    s->ops = &spy.ops;
}

static void spy_release(void)
{
    for (size_t i = 0; i < spy.count; i++)
        free(spy.v[i]);
    free(spy.v);
    idmap_release(&spy.by_id);
    pthread_mutex_destroy(&spy.lock);
    memset(&spy, 0, sizeof(spy));
}

int spy_commits(void)
{
    return atomic_load(&spy.commits);
}

int spy_commits_entered(void)
{
    return atomic_load(&spy.entered);
}

int spy_batch_events(int commit)
{
    EXPECT(commit < BATCHES_NOTED_MAX);
    return atomic_load(&spy.batch_events[commit]);
}

pthread_t spy_commit_thread(void)
{
    pthread_mutex_lock(&spy.lock);
    pthread_t thread = spy.commit_thread;
    pthread_mutex_unlock(&spy.lock);
    return thread;
}

enum err spy_commit_elsewhere(struct store *s, struct object_set *set, struct reason *why)
{
    struct batch b = {.sets = set};
    enum err err = spy.inner->commit(s, &b, why);
    return err == ERR_OK ? set->err : err;
}

void spy_hold_commits(bool hold)
{
    atomic_store(&spy.hold, hold);
}

void spy_commits_take(int64_t ms)
{
    atomic_store(&spy.takes_ms, ms);
}

void spy_refuse_events(bool refuse)
{
    atomic_store(&spy.refuse_events, refuse);
}

void spy_fail_commits_after(int after, int count, enum err err)
{
    atomic_store(&spy.fail_err, (int)err);
    atomic_store(&spy.fail_after, after);
    atomic_store(&spy.fail_count, count);
}

void spy_fail_claims(int count)
{
    atomic_store(&spy.fail_claims, count);
}

int spy_claims(void)
{
    return atomic_load(&spy.claims);
}

int spy_claimed_max(void)
{
    pthread_mutex_lock(&spy.lock);
    int most = spy.claimed_max;
    pthread_mutex_unlock(&spy.lock);
    return most;
}

void spy_each(void (*fn)(const struct spy_delivery *d, void *arg), void *arg)
{
    pthread_mutex_lock(&spy.lock);
    for (size_t i = 0; i < spy.count; i++)
        fn(spy.v[i], arg);
    pthread_mutex_unlock(&spy.lock);
}

int spy_count(enum delivery_state state)
{
    pthread_mutex_lock(&spy.lock);
    int n = spy.by_state[state];
    pthread_mutex_unlock(&spy.lock);
    return n;
}

static void compare_one(struct spy_delivery *d, const struct delivery *is)
{
    EXPECT_EQ_INT(d->state, is->state);
    EXPECT_EQ_UINT(d->event_id, is->event_id);
    EXPECT_EQ_STR(is->destination, str_from_cstr(d->destination));
}

void spy_compare(struct store_reader *r)
{
    struct store_counts c = {0};
    struct reason why = {0};
    pthread_mutex_lock(&spy.lock);
    EXPECT_OK(spy.inner->counts(r, &c, &why), why);
    for (int s = 0; s < DELIVERY_STATE_COUNT; s++)
        EXPECT_EQ_INT(c.by_state[s], spy.by_state[s]);
    each_stored(r, compare_one);
    pthread_mutex_unlock(&spy.lock);
}

void spy_forget_claims(void)
{
    pthread_mutex_lock(&spy.lock);
    for (size_t i = 0; i < spy.count; i++)
        if (spy.v[i]->state == DELIVERY_CLAIMED) {
            spy.v[i]->attempting = false;
            model_move(spy.v[i], DELIVERY_PENDING);
        }
    pthread_mutex_unlock(&spy.lock);
}

/* --- destinations ---------------------------------------------------------------------------- */

static int64_t number_of(str body)
{
    int64_t n = -1;
    struct json_doc *doc = json_parse(body, NULL);
    if (doc)
        json_i64(json_get(json_root(doc), STR("n")), &n);
    json_doc_free(doc);
    return n;
}

static void note_call(struct stage *r, const struct task *t)
{
    int at = atomic_load(&r->call_count);
    EXPECT(at < STAGE_CALLS_MAX);
    r->calls[at] = (struct stage_call){.delivery_id = t->delivery->id,
                                       .event_id = t->delivery->event_id,
                                       .attempt = t->delivery->attempts + 1,
                                       .at_ms = stage_clock_now(&r->clock),
                                       .n = number_of(t->event->body)};
    atomic_store(&r->call_count, at + 1);
}

static void answer_by_attempt(struct stage_handler *h, struct task *t, struct outcome *o)
{
    size_t attempt = t->delivery->attempts;
    if (attempt >= h->answer_count)
        attempt = h->answer_count ? h->answer_count - 1 : 0;
    o->result = h->answers[attempt];
    o->not_before_ms = h->not_before_ms;
    o->summary = STR("as told");
}

static void called(struct task *t, struct outcome *o, void *arg)
{
    struct stage_handler *h = arg;
    struct stage *r = h->stage;
    int running = atomic_fetch_add(&h->running, 1) + 1, most = atomic_load(&h->running_max);
    while (running > most && !atomic_compare_exchange_weak(&h->running_max, &most, running))
        continue;
    model_attempt(t->delivery->id, h->is_in_order);
    pthread_mutex_lock(&r->lock);
    note_call(r, t);
    if (h->answer)
        h->answer(h, t, o);
    else
        answer_by_attempt(h, t, o);
    pthread_mutex_unlock(&r->lock);
    while (atomic_load(&h->hold))
        stage_pause();
    atomic_fetch_sub(&h->running, 1);
    atomic_fetch_add(&h->count, 1);
}

struct stage_call stage_call(struct stage *r, int index)
{
    EXPECT(index < atomic_load(&r->call_count));
    pthread_mutex_lock(&r->lock);
    struct stage_call c = r->calls[index];
    pthread_mutex_unlock(&r->lock);
    return c;
}

/* --- the engine ------------------------------------------------------------------------------ */

void stage_init(struct stage *r)
{
    memset(r, 0, sizeof(*r));
    stage_clock_init(&r->clock);
    pthread_mutex_init(&r->lock, NULL);
    r->calls = xcalloc(STAGE_CALLS_MAX, sizeof(*r->calls));
    for (size_t i = 0; i < STAGE_HANDLERS; i++) {
        r->handlers[i].stage = r;
        r->entries[i] =
            (struct handler_entry){.call = called, .arg = &r->handlers[i], .background = i >= 2};
    }
    r->table = (struct handler_table){.v = r->entries, .count = STAGE_HANDLERS};
}

static struct config *load_config(const char *text)
{
    struct problems problems = {0};
    struct buf all;
    buf_init(&all, 1u << 20);
    buf_printf(&all, "front_loops: 1\n%s%s", strstr(text, "store:") ? "" : "store: \"memory:\"\n",
               text);
    str whole = buf_str(&all);
    struct config *c = config_load(unit_path("gaff.yaml"), &whole, &problems);
    if (!c)
        FAIL("%s", problems.count ? problems.v[0].text : "no snapshot");
    c->listen_count = 0;
    problems_release(&problems);
    buf_release(&all);
    return c;
}

/* A destination that nobody has, on each of the delivery loops: see stage_advance. */
static void find_wakers(struct stage *r)
{
    for (size_t loop = 0; loop < r->core->dispatcher_count; loop++) {
        r->wakers[loop] = NULL;
        for (int i = 0; !r->wakers[loop]; i++) {
            char name[32];
            int n = snprintf(name, sizeof(name), "-nobody-%d", i);
            struct gate *g = registry_gate(r->core->registry, str_of(name, (size_t)n));
            if (g->loop == loop)
                r->wakers[loop] = g;
        }
    }
}

void stage_start(struct stage *r, const char *text)
{
    struct reason why = {0};
    struct config *c = load_config(text);
    struct engine_options o = {.config = c, .clock = &r->clock.base, .handlers = &r->table};
    r->engine = engine_new(&o, &why);
    if (!r->engine)
        FAIL("%s", why.text);
    config_unref(c);
    r->core = engine_core(r->engine);
    spy_install(r->core->store, &r->clock);
    r->reader = store_reader_open(r->core->store, &why);
    EXPECT(r->reader);
    find_wakers(r);
    engine_start(r->engine);
}

void stage_reload(struct stage *r, const char *text)
{
    struct reason why = {0};
    struct config *c = load_config(text);
    EXPECT_OK(engine_reload(r->engine, c, &why), why);
    config_unref(c);
}

void stage_stop(struct stage *r)
{
    store_reader_close(r->reader);
    engine_free(r->engine);
    r->engine = NULL;
}

void stage_release(struct stage *r)
{
    if (r->engine)
        stage_stop(r);
    spy_release();
    pthread_mutex_destroy(&r->lock);
    free(r->calls);
}

/* A delivery loop sleeps until its timers are due by the real clock. An offer for a lane of no
 * destination wakes it and changes nothing else. */
static void wake(struct stage *r)
{
    struct dispatch_offers offers;
    dispatch_offers_init(&offers, r->core);
    for (size_t i = 0; i < r->core->dispatcher_count; i++) {
        atomic_fetch_add(&r->wakers[i]->overflowing, 1);
        struct offer o = {.gate = r->wakers[i], .overflow = true};
        dispatch_offer(&offers, &o);
    }
    dispatch_offers_send(&offers);
}

void stage_turn(struct stage *r)
{
    /* A timer fires in the turn after the one that found it due. */
    for (int turn = 0; turn < 3; turn++) {
        wake(r);
        for (size_t i = 0; i < r->core->dispatcher_count; i++)
            STAGE_UNTIL(atomic_load(&r->wakers[i]->overflowing) == 0);
    }
}

void stage_advance(struct stage *r, int64_t ms)
{
    stage_clock_advance(&r->clock, ms);
    stage_turn(r);
}

enum err stage_try_emit(struct stage *r, const char *json, uint64_t *id)
{
    struct reason why = {0};
    return engine_emit(r->engine, STR(""), STR("test"), str_from_cstr(json), id, &why);
}

uint64_t stage_emit(struct stage *r, const char *json)
{
    struct reason why = {0};
    uint64_t id = 0;
    EXPECT_OK(engine_emit(r->engine, STR(""), STR("test"), str_from_cstr(json), &id, &why), why);
    return id;
}

struct store_counts stage_counts(struct stage *r)
{
    struct store_counts c = {0};
    struct reason why = {0};
    EXPECT_OK(store_counts_get(r->reader, &c, &why), why);
    return c;
}

struct delivery stage_delivery(struct stage *r, uint64_t event_id, const char *destination,
                               struct arena *a)
{
    struct delivery_filter f = {
        .event_id = event_id, .state = -1, .destination = str_from_cstr(destination), .limit = 10};
    struct delivery_list list = {0};
    struct reason why = {0};
    EXPECT_OK(store_deliveries(r->reader, &f, a, &list, &why), why);
    EXPECT_EQ_INT(list.count, 1);
    return list.v[0];
}

struct gate *stage_gate(struct stage *r, const char *destination)
{
    return registry_gate(r->core->registry, str_from_cstr(destination));
}

static void expect_free(const struct gate *g)
{
    int64_t end_ns = clock_mono_ns(clock_real()) + STAGE_WAIT_US * INT64_C(1000);
    while (atomic_load(&g->room) != LANE_WINDOW || atomic_load(&g->overflowing) != 0 ||
           atomic_load(&g->running) != 0) {
        if (clock_mono_ns(clock_real()) > end_ns)
            FAIL("the gate of %s is not free: room %d, overflowing %d, ready %d, running %d",
                 g->name, atomic_load(&g->room), atomic_load(&g->overflowing),
                 atomic_load(&g->ready), atomic_load(&g->running));
        stage_pause();
    }
}

struct gates {
    const struct gate *v[64];
    size_t count;
};

static void add_gate(struct gate *g, void *arg)
{
    struct gates *all = arg;
    EXPECT(all->count < ARRAY_LEN(all->v));
    all->v[all->count++] = g;
}

/* The loops need the registry while this waits. */
void stage_expect_gates_free(struct stage *r)
{
    struct gates all = {.count = 0};
    registry_each_gate(r->core->registry, add_gate, &all);
    for (size_t i = 0; i < all.count; i++)
        expect_free(all.v[i]);
}

/* --- requests -------------------------------------------------------------------------------- */

struct request {
    struct loop_msg msg;
    struct stage *stage;
    struct http_request req;
    struct http_field fields[16];
    struct arena arena;
    struct http_exchange *x;
    struct stage_reply *out;
    _Atomic bool done;
};

static void request_replied(int status, str head, str body, void *arg)
{
    struct request *q = arg;
    q->out->status = status;
    snprintf(q->out->head, sizeof(q->out->head), STR_FMT, STR_ARG(head));
    snprintf(q->out->body, sizeof(q->out->body), STR_FMT, STR_ARG(body));
    atomic_store(&q->done, true);
}

static void request_begin(struct loop_msg *msg)
{
    struct request *q = CONTAINER_OF(msg, struct request, msg);
    q->x = http_exchange_new_detached(&q->arena, &q->req, request_replied, q);
    engine_front_handle(q->stage->engine, q->x);
}

static void request_end(struct loop_msg *msg)
{
    struct request *q = CONTAINER_OF(msg, struct request, msg);
    http_exchange_free_detached(q->x);
    atomic_store(&q->done, true);
}

static void on_front(struct request *q, void (*fn)(struct loop_msg *msg))
{
    atomic_store(&q->done, false);
    q->msg.fn = fn;
    loop_post(engine_front_loop(q->stage->engine), &q->msg);
    STAGE_UNTIL(atomic_load(&q->done));
}

void stage_request(struct stage *r, const char *method, const char *target,
                   const char *const *fields, str body, struct stage_reply *out)
{
    struct request q = {.stage = r, .out = out};
    str rest = str_from_cstr(target);
    str path = str_cut(&rest, '?');
    arena_init(&q.arena, 8u << 20);
    q.req = (struct http_request){.method = str_from_cstr(method),
                                  .target = str_from_cstr(target),
                                  .path = path,
                                  .host = STR("localhost"),
                                  .body = body,
                                  .peer = STR("203.0.113.9"),
                                  .received_ms = stage_clock_now(&r->clock),
                                  .fields = {q.fields, 0}};
    q.req.query = rest.p ? rest : STR("");
    for (; fields && *fields; fields++) {
        str value = str_from_cstr(*fields);
        str name = str_cut(&value, ':');
        q.fields[q.req.fields.count++] = (struct http_field){name, str_trim(value)};
    }
    on_front(&q, request_begin);
    on_front(&q, request_end);
    arena_release(&q.arena);
}
