/* recovery.c -- one job after the other, in steps, so that a cancellation (another version of the
 * object) is met at once and nothing is held while others work.
 *
 * Of several nodes one works, whoever has the duty (duty.h). The others look again and again while
 * there is something to do, for its owner may die. */
#include "engine/recovery.h"

#include "base/log.h"
#include "base/rand.h"
#include "engine/app_message.h"
#include "engine/directory.h"
#include "engine/dispatch.h"
#include "engine/duty.h"
#include "engine/follow.h"
#include "engine/tally.h"

#include <errno.h>
#include <pthread.h>

#define STEP_ROWS 250
#define STEP_ARENA_MAX (64u << 20)
#define RETRY_S 1
#define TASK_LANE ":tasks"

#define NOTES_MAX 1024

struct note {
    char endpoint[64];
    enum endpoint_news news;
};

struct recovery {
    struct engine_core *core;
    struct note notes[NOTES_MAX]; /* guarded by lock, as is the count */
    size_t note_count;
    struct store_reader *reader;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop, look; /* guarded by lock */
    bool runs;
    struct duty duty;
};

struct job { /* a task object, read */
    struct object object;
    struct json_doc *doc;
    const struct json *root;
    str task, endpoint, channel, tag;
    int64_t since_ms, until_ms, cursor, moved;
    const char *status;
    str reason;
    bool tallies;
    struct tally tally; /* then */
};

/* --- the document ----------------------------------------------------------------------------- */

static int64_t number_of(const struct json *doc, const char *name)
{
    int64_t v = 0;
    json_i64(json_get(doc, str_from_cstr(name)), &v);
    return v;
}

static bool job_read(struct job *j, const struct object *o)
{
    *j = (struct job){.object = *o, .doc = json_parse(o->doc, NULL), .status = "running"};
    j->root = json_root(j->doc);
    j->task = json_str(json_get(j->root, STR("task")));
    j->endpoint = json_str(json_get(j->root, STR("endpoint")));
    j->channel = json_str(json_get(j->root, STR("channel")));
    j->tag = json_str(json_get(j->root, STR("tag")));
    j->since_ms = number_of(j->root, "since");
    j->until_ms = number_of(j->root, "until");
    j->cursor = number_of(j->root, "cursor");
    j->moved = number_of(j->root, "moved");
    j->tallies = tally_read(&j->tally, j->task, j->object.parent, j->root);
    return str_eq(json_str(json_get(j->root, STR("status"))), STR("running"));
}

static void write_doc(const struct job *j, struct buf *out)
{
    static const char *const changing[] = {"status", "cursor", "moved", "reason",
                                           "after",  "here",   "rows"};
    struct json_writer w;
    struct json_iter it = {0};
    json_writer_init(&w, out);
    json_open(&w, '{');
    while (json_next(j->root, &it)) {
        bool changes = false;
        for (size_t i = 0; i < ARRAY_LEN(changing); i++)
            changes = changes || str_eq(it.key, str_from_cstr(changing[i]));
        if (changes)
            continue;
        json_key_str(&w, it.key);
        json_value(&w, it.value);
    }
    json_pair(&w, "status", str_from_cstr(j->status));
    json_pair_int(&w, "cursor", j->cursor);
    json_pair_int(&w, "moved", j->moved);
    if (j->reason.n)
        json_pair(&w, "reason", j->reason);
    if (j->tallies)
        tally_write(&j->tally, &w);
    json_close(&w, '}');
}

/* False when somebody else changed it: it was cancelled. */
static bool note_progress(struct recovery *r, struct job *j)
{
    struct buf doc;
    struct reason why;
    buf_init(&doc, 1u << 20);
    write_doc(j, &doc);
    struct object_change c = {.op = OBJECT_PUT, .object = j->object, .expect = j->object.version};
    c.object.doc = buf_str(&doc);
    c.object.updated_ms = clock_wall_ms(r->core->clock);
    struct object_set set = {.changes = &c, .count = 1};
    struct commit_ticket *ticket = xcalloc(1, sizeof(*ticket));
    commit_ticket_init(ticket, NULL, NULL);
    commit_ticket_add_set(ticket, &set);
    enum err err = committer_commit(r->core->committer, ticket, &why);
    free(ticket);
    buf_release(&doc);
    if (err == ERR_OK && set.err == ERR_OK)
        j->object.version = c.object.version;
    return err == ERR_OK && set.err == ERR_OK;
}

/* --- whose they are --------------------------------------------------------------------------- */

/* Before each row: what was begun here must not go on when another node has gone on with it. */
static enum err stay_owner(struct recovery *r, struct reason *why)
{
    return duty_holds(&r->duty) ? ERR_OK : fail(why, ERR_CONFLICT, "this node lost its lease");
}

/* --- steps ------------------------------------------------------------------------------------ */

static void nudge(struct recovery *r, str endpoint)
{
    struct gate *g = registry_find_gate(r->core->registry, endpoint);
    if (!g)
        return;
    atomic_store(&g->circuit_wish, CIRCUIT_WISH_HURRY);
    atomic_store(&g->backlogged, true);
    dispatcher_endpoint_changed(r->core->dispatchers[g->loop], g);
}

static void count_waiting(struct recovery *r, str endpoint, int64_t deliveries)
{
    struct endpoint *e = directory_endpoint(r->core->directory, endpoint);
    if (e)
        allowance_move(e->allowance, deliveries);
    endpoint_unref(e);
}

/* The next dead ones, oldest first; they go back to pending. *done: there are no more. */
static enum err step_recover(struct recovery *r, struct job *j, struct arena *a, bool *done,
                             struct reason *why)
{
    struct delivery_filter f = {.destination = j->endpoint,
                                .state = DELIVERY_DEAD,
                                .listed = true,
                                .since_ms = j->since_ms,
                                .until_ms = j->until_ms,
                                .ascending = true,
                                .after = (uint64_t)j->cursor,
                                .limit = STEP_ROWS};
    struct delivery_list page = {0};
    enum err err = store_deliveries(r->reader, &f, a, &page, why);
    for (size_t i = 0; err == ERR_OK && i < page.count; i++) {
        struct delivery_filter one = {
            .id = page.v[i].id, .event_id = page.v[i].event_id, .state = DELIVERY_DEAD};
        uint64_t moved = 0;
        err = stay_owner(r, why);
        if (err == ERR_OK)
            err = store_move(r->core->store, STORE_REPLAY, &one, clock_wall_ms(r->core->clock),
                             &moved, why);
        if (err != ERR_OK)
            break;
        j->moved += (int64_t)moved;
        count_waiting(r, j->endpoint, (int64_t)moved);
        j->cursor = (int64_t)page.v[i].id;
    }
    if (err == ERR_OK && page.next)
        j->cursor = (int64_t)page.next;
    *done = err == ERR_OK && page.next == 0;
    return err;
}

static bool list_has(str list, str wanted)
{
    while (list.p)
        if (str_eq(str_cut(&list, ','), wanted))
            return true;
    return false;
}

static bool fits(const struct job *j, const struct event *e)
{
    const struct json *types = json_get(j->root, STR("eventTypes"));
    struct json_iter it = {0};
    bool typed = !types || json_kind_of(types) != JSON_ARRAY || json_len(types) == 0;
    while (!typed && json_next(types, &it))
        typed = str_eq(json_str(it.value), e->type);
    return typed && (!j->channel.n || list_has(app_message_channels(e), j->channel)) &&
           (!j->tag.n || list_has(app_message_tags(e), j->tag));
}

/* True when the endpoint was told of it, or is to be. */
static enum err was_told(struct recovery *r, uint64_t event_id, str endpoint, struct arena *a,
                         bool *told, struct reason *why)
{
    struct delivery_filter f = {.event_id = event_id, .state = -1, .limit = 1000};
    *told = false;
    do {
        struct delivery_list page = {0};
        enum err err = store_deliveries(r->reader, &f, a, &page, why);
        if (err != ERR_OK)
            return err;
        for (size_t i = 0; i < page.count && !*told; i++)
            *told = str_eq(page.v[i].destination, endpoint);
        f.before = page.next;
    } while (f.before && !*told);
    return ERR_OK;
}

static bool endpoint_would_take(const struct endpoint *e, const struct event *event, int64_t now_ms,
                                struct arena *a)
{
    str channels[MESSAGE_CHANNELS_MAX], list = app_message_channels(event);
    size_t count = 0;
    while (list.p && list.n && count < ARRAY_LEN(channels))
        channels[count++] = str_cut(&list, ',');
    struct http_request request = {.body = event->body, .arena = a};
    struct facts facts = {.request = &request, .event_type = event->type, .source = event->source};
    const struct message_facts m = {event->type, channels, count, &facts, now_ms};
    bool wants = endpoint_wants(e, &m);
    http_request_release(&request);
    return wants;
}

static enum err plan_again(struct recovery *r, struct job *j, const struct event *e,
                           struct arena *a, struct reason *why)
{
    struct endpoint *to = directory_endpoint(r->core->directory, j->endpoint);
    bool bulk = str_eq(j->task, STR("endpoint.bulk-replay"));
    bool told = false;
    enum err err = ERR_OK;
    if (!to)
        return fail(why, ERR_NOT_FOUND, "the endpoint is gone");
    int64_t now_ms = clock_wall_ms(r->core->clock);
    bool wanted =
        !app_message_is_expired(e, now_ms) && fits(j, e) && endpoint_would_take(to, e, now_ms, a);
    if (wanted && !bulk)
        err = was_told(r, e->id, j->endpoint, a, &told, why);
    if (err == ERR_OK && wanted && !told) {
        const struct new_delivery d = {.id = id_next(&r->core->ids),
                                       .destination = j->endpoint,
                                       .route = STR("endpoint"),
                                       .listed = true,
                                       .next_ms = now_ms};
        err = store_add_delivery(r->core->store, e->id, &d, now_ms, why);
        j->moved += err == ERR_OK;
        allowance_move(to->allowance, err == ERR_OK);
    }
    endpoint_unref(to);
    return err;
}

/* One message of the application: what the job does with it. */
typedef enum err message_step(struct recovery *r, struct job *j, uint64_t event_id, struct arena *a,
                              struct reason *why);

static enum err replay_one(struct recovery *r, struct job *j, uint64_t event_id, struct arena *a,
                           struct reason *why)
{
    struct event e;
    enum err err = store_load(r->reader, event_id, 0, a, &e, why);
    if (err == ERR_OK)
        return plan_again(r, j, &e, a, why);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err purge_one(struct recovery *r, struct job *j, uint64_t event_id, struct arena *a,
                          struct reason *why)
{
    UNUSED(a);
    enum err err = store_expunge(r->core->store, event_id, 0, why);
    j->moved += err == ERR_OK;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* A page of what the job found when it began, what came later stays; a message that retention took
 * meanwhile is passed over. */
static enum err step_messages(struct recovery *r, struct job *j, struct arena *a, bool *done,
                              struct reason *why)
{
    bool purges = str_eq(j->task, STR("application.purge_content"));
    message_step *take = purges ? purge_one : replay_one;
    struct event_filter f = {.source = j->object.parent,
                             .listed = true,
                             .state = -1,
                             .since_ms = j->since_ms,
                             .until_ms = j->until_ms,
                             .ascending = true,
                             .after = (uint64_t)j->cursor,
                             .limit = STEP_ROWS};
    struct event_list page = {0};
    enum err err = store_events(r->reader, &f, a, &page, why);
    for (size_t i = 0; err == ERR_OK && i < page.count; i++) {
        const struct event *e = &page.v[i].event;
        err = stay_owner(r, why);
        if (err == ERR_OK && (!purges || !(e->flags & EVENT_EXPUNGED)))
            err = take(r, j, e->id, a, why);
        if (err == ERR_OK)
            j->cursor = (int64_t)e->id;
    }
    if (err == ERR_OK && page.next)
        j->cursor = (int64_t)page.next;
    *done = err == ERR_OK && page.next == 0;
    return err;
}

static enum err step_tally(struct recovery *r, struct job *j, struct arena *a, bool *done,
                           struct reason *why)
{
    enum err err = tally_step(&j->tally, r->reader, a, done, why);
    j->cursor = j->tally.cursor;
    j->moved = j->tally.counted;
    return err;
}

static enum err step(struct recovery *r, struct job *j, struct arena *a, bool *done,
                     struct reason *why)
{
    if (j->tallies)
        return step_tally(r, j, a, done, why);
    return str_eq(j->task, STR("endpoint.recover")) ? step_recover(r, j, a, done, why)
                                                    : step_messages(r, j, a, done, why);
}

static bool take_note(struct recovery *r, struct note *out)
{
    pthread_mutex_lock(&r->lock);
    bool found = r->note_count > 0;
    if (found)
        *out = r->notes[--r->note_count];
    pthread_mutex_unlock(&r->lock);
    return found;
}

static void work_off_notes(struct recovery *r)
{
    struct note n;
    while (take_note(r, &n))
        endpoint_note(r->core, r->reader, str_from_cstr(n.endpoint), n.news);
}

void recovery_note(struct recovery *r, str endpoint, enum endpoint_news news)
{
    if (!r || endpoint.n >= sizeof(r->notes[0].endpoint))
        return;
    pthread_mutex_lock(&r->lock);
    bool known = r->note_count == NOTES_MAX;
    for (size_t i = 0; !known && i < r->note_count; i++)
        known = r->notes[i].news == news && str_eq(str_from_cstr(r->notes[i].endpoint), endpoint);
    if (!known) {
        struct note *n = &r->notes[r->note_count++];
        *n = (struct note){.news = news};
        memcpy(n->endpoint, endpoint.p, endpoint.n);
        pthread_cond_signal(&r->wake);
    }
    pthread_mutex_unlock(&r->lock);
}

static bool is_stopping(struct recovery *r)
{
    pthread_mutex_lock(&r->lock);
    bool stop = r->stop;
    pthread_mutex_unlock(&r->lock);
    return stop;
}

/* False: it is to be gone on with, by this node or another. */
static bool run(struct recovery *r, struct job *j)
{
    struct arena a;
    bool done = false, waits = false;
    arena_init(&a, STEP_ARENA_MAX);
    while (!done && !is_stopping(r)) {
        struct reason why = {0};
        arena_reset(&a);
        enum err err = step(r, j, &a, &done, &why);
        if (done)
            j->status = "finished";
        if (err == ERR_NOT_FOUND || err == ERR_LIMIT || err == ERR_INVALID) {
            j->status = "failed";
            j->reason = arena_str(&a, str_from_cstr(why.text));
            done = true;
        } else if (err != ERR_OK) {
            log_event(LOG_WARN, "a recovery waits for the store", LOG_F("task", j->object.id),
                      LOG_F("reason", str_from_cstr(why.text)));
            waits = true;
            break;
        }
        work_off_notes(r);
        if (!note_progress(r, j))
            break;
        nudge(r, j->endpoint);
    }
    arena_release(&a);
    return !waits;
}

/* --- the thread ------------------------------------------------------------------------------- */

/* As it was listed it may be what another node did before; and of what that was asked to do this
 * one must have heard. */
static bool work_on(struct recovery *r, struct job *j)
{
    struct object now;
    struct reason why;
    struct arena a;
    if (!duty_take(&r->duty))
        return false;
    arena_init(&a, 4 * OBJECT_DOC_MAX);
    enum err err = store_object(r->reader, STR(TASK_KIND), j->object.id, &a, &now, &why);
    bool all = err == ERR_NOT_FOUND;
    if (err == ERR_OK && now.version == j->object.version) {
        follow_committed(r->core, &now);
        all = run(r, j);
    }
    arena_release(&a);
    return all;
}

/* False: something is left that does not wake this node when its time comes. */
static bool look(struct recovery *r)
{
    struct object_filter f = {.kind = STR(TASK_KIND), .any_parent = true, .limit = 100};
    struct object_list page = {.more = true};
    struct reason why;
    struct arena a;
    char after[OBJECT_ID_MAX];
    bool all = true;
    arena_init(&a, 256u << 20);
    while (page.more && !is_stopping(r)) {
        arena_reset(&a);
        if (store_objects(r->reader, &f, &a, &page, &why) != ERR_OK) {
            all = false;
            break;
        }
        for (size_t i = 0; i < page.count; i++) {
            struct job j;
            if (job_read(&j, &page.v[i]))
                all = work_on(r, &j) && all;
            tally_release(&j.tally);
            json_doc_free(j.doc);
        }
        if (page.count) {
            str last = page.v[page.count - 1].id;
            memcpy(after, last.p, last.n);
            f.after = str_of(after, last.n);
        }
    }
    arena_release(&a);
    duty_leave(&r->duty); /* else it stays this node's, which looks at all jobs */
    return all;
}

static void *thread_main(void *arg)
{
    struct recovery *r = arg;
    bool waits = false;
    pthread_setname_np(pthread_self(), "gaff-recover");
    for (;;) {
        struct timespec until = {.tv_sec = clock_wall_ms(clock_real()) / 1000 + RETRY_S};
        pthread_mutex_lock(&r->lock);
        while (!r->look && !r->stop && r->note_count == 0)
            if (!waits)
                pthread_cond_wait(&r->wake, &r->lock);
            else if (pthread_cond_timedwait(&r->wake, &r->lock, &until) == ETIMEDOUT)
                r->look = true;
        bool jobs = r->look;
        r->look = false;
        bool stop = r->stop;
        pthread_mutex_unlock(&r->lock);
        if (stop)
            return NULL;
        work_off_notes(r);
        if (jobs)
            waits = !look(r);
    }
}

struct recovery *recovery_new(struct engine_core *core)
{
    struct recovery *r = xcalloc(1, sizeof(*r));
    struct reason why = {0};
    r->core = core;
    r->duty = (struct duty){.core = core, .lane = STR(TASK_LANE)};
    r->look = true;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->wake, NULL);
    r->reader = core->store->ops->objects ? store_reader_open(core->store, &why) : NULL;
    r->runs = r->reader && pthread_create(&r->thread, NULL, thread_main, r) == 0;
    return r;
}

void recovery_wake(struct recovery *r)
{
    pthread_mutex_lock(&r->lock);
    r->look = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
}

void recovery_free(struct recovery *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
    if (r->runs)
        pthread_join(r->thread, NULL);
    store_reader_close(r->reader);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->wake);
    free(r);
}
