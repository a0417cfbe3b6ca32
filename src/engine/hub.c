/* hub.c -- the way in, and the thread. The front loop judges a request, commits its job with
 * whatever else that loop's committer has, and answers; the hub's thread does the job. */
#include "engine/hub.h"

#include "base/log.h"
#include "engine/hub_errand.h"
#include "engine/subscription.h"
#include "http/server.h"

#define CALLS_IN_FLIGHT_MAX 16
#define UNDER_WAY_MAX 4096 /* jobs in memory; beyond it: 503 */
#define RETRY_AFTER_S 10

/* --- requests, on a front loop -----------------------------------------------------------------
 */

struct request {
    struct commit_ticket ticket;
    struct object_set set;
    struct object_change change;
    struct hub *hub;
    struct http_exchange *x;
};

static void answer(struct hub *h, struct http_exchange *x, int status, const char *text)
{
    char line[REASON_TEXT_MAX + 2];
    struct http_field fields[] = {{STR("Content-Type"), STR("text/plain; charset=utf-8")},
                                  {STR("X-Content-Type-Options"), STR("nosniff")},
                                  {STR("Allow"), STR("POST")}};
    size_t count = 2;
    char seconds[16];
    int n = snprintf(line, sizeof(line), "%s\n", text);
    if (status == 405)
        count++;
    if (status == 401)
        fields[count++] = (struct http_field){STR("WWW-Authenticate"), STR("Bearer")};
    if (status == 503) {
        int digits = snprintf(seconds, sizeof(seconds), "%d", RETRY_AFTER_S);
        fields[count++] = (struct http_field){STR("Retry-After"), str_of(seconds, (size_t)digits)};
    }
    enum hub_answer kind = status == 202   ? HUB_ANSWER_ACCEPTED
                           : status == 503 ? HUB_ANSWER_BUSY
                                           : HUB_ANSWER_REFUSED;
    atomic_fetch_add(&h->core->hub_counts.requests[kind], 1);
    http_reply(x, status, fields, count, str_of(line, (size_t)n));
}

static void request_committed(struct commit_ticket *t)
{
    struct request *r = CONTAINER_OF(t, struct request, ticket);
    bool stored = t->err == ERR_OK && r->set.err == ERR_OK;
    if (stored)
        hub_told(r->hub, &r->change.object);
    answer(r->hub, r->x, stored ? 202 : 503,
           stored ? "Accepted" : "The request could not be stored; send it again.");
    free(r);
}

/* The limit is for subscriptions, not for renewing them. */
static bool is_full(struct hub *h, const struct config *c, const struct hub_job *j, struct arena *a)
{
    struct application app;
    if (j->mode != HUB_SUBSCRIBE || !hub_application(h, a, &app) ||
        (int64_t)app.endpoints < c->hub.subscriptions_max)
        return false;
    struct endpoint *known = directory_find_endpoint(h->core->directory, app.id,
                                                     subscription_uid(j->topic, j->callback, a));
    endpoint_unref(known);
    return known == NULL;
}

void hub_handle(struct hub *h, const struct config *c, struct http_exchange *x, struct loop *loop)
{
    struct reason why = {.text = ""};
    struct hub_job job;
    if (!str_eq(x->req.method, STR("POST"))) {
        answer(h, x, 405, "This is a WebSub hub: it takes POST.");
        return;
    }
    int status = hub_request_read(c, &x->req, &job, &why);
    if (status != 202) {
        answer(h, x, status, why.text);
        return;
    }
    if (!atomic_load(&h->runs) || atomic_load(&h->under_way) >= UNDER_WAY_MAX) {
        answer(h, x, 503, "The hub has too much to do; ask again later.");
        return;
    }
    if (is_full(h, c, &job, x->arena)) {
        answer(h, x, 503, "The hub has as many subscriptions as it takes.");
        return;
    }
    struct request *r = xcalloc(1, sizeof(*r));
    r->hub = h;
    r->x = x;
    r->set = (struct object_set){.changes = &r->change, .count = 1};
    if (!hub_job_change(h, &job, x->arena, &r->change)) {
        free(r);
        answer(h, x, 503, "There is no memory for the request.");
        return;
    }
    commit_ticket_init(&r->ticket, loop, request_committed);
    commit_ticket_add_set(&r->ticket, &r->set);
    committer_submit(h->core->committer, &r->ticket, true);
}

bool hub_job_change(const struct hub *h, const struct hub_job *j, struct arena *a,
                    struct object_change *out)
{
    int64_t now_ms = clock_wall_ms(h->core->clock);
    *out = (struct object_change){.op = OBJECT_PUT,
                                  .object = {.kind = STR(HUB_JOB_KIND),
                                             .id = hub_job_id(j, a),
                                             .parent = STR(""),
                                             .name = STR(""),
                                             .created_ms = now_ms,
                                             .updated_ms = now_ms,
                                             .doc = hub_job_doc(j, a)},
                                  .expect = OBJECT_ANY};
    return out->object.id.p && out->object.doc.p;
}

static void order(struct hub *h, struct hub_order *o)
{
    if (atomic_load(&h->runs) && !atomic_exchange(&o->given, true))
        loop_post(h->loop, &o->msg);
}

void hub_heard(struct hub *h)
{
    order(h, &h->take);
}

struct arrival {
    struct loop_msg msg;
    struct hub *hub;
    struct object object;
    char bytes[];
};

static void arrived(struct loop_msg *msg)
{
    struct arrival *a = CONTAINER_OF(msg, struct arrival, msg);
    hub_errand_begin(a->hub, &a->object);
    free(a);
}

/* What others may have heard of as well is read anew, for it may be done by now. */
void hub_told(struct hub *h, const struct object *job)
{
    if (h->core->store->shared) {
        hub_heard(h);
        return;
    }
    if (!atomic_load(&h->runs))
        return; /* the next start finds it */
    struct arrival *a = xcalloc(1, sizeof(*a) + job->id.n + job->doc.n);
    a->msg.fn = arrived;
    a->hub = h;
    a->object = *job;
    memcpy(a->bytes, job->id.p, job->id.n);
    memcpy(a->bytes + job->id.n, job->doc.p, job->doc.n);
    a->object.id = str_of(a->bytes, job->id.n);
    a->object.doc = str_of(a->bytes + job->id.n, job->doc.n);
    loop_post(h->loop, &a->msg);
}

/* --- the thread --------------------------------------------------------------------------------
 */

static void look_now(struct loop_msg *msg)
{
    struct hub *h = CONTAINER_OF(msg, struct hub, look.msg);
    atomic_store(&h->look.given, false);
    hub_look(h);
}

static void take_now(struct loop_msg *msg)
{
    struct hub *h = CONTAINER_OF(msg, struct hub, take.msg);
    atomic_store(&h->take.given, false);
    hub_take_jobs(h);
}

static void leave_now(struct loop_msg *msg)
{
    struct hub *h = CONTAINER_OF(msg, struct hub, leave.msg);
    atomic_store(&h->leave.given, false);
    hub_leave(h);
}

void hub_note(struct hub *h, enum store_note note)
{
    order(h, note == STORE_WANTED ? &h->leave : &h->look);
}

/* Without a hub in the configuration there may be what one has left behind. */
static bool is_needed(struct hub *h, struct store_reader *reader)
{
    struct config *c = engine_config(h->core->engine);
    struct object_filter f = {.kind = STR(HUB_JOB_KIND), .any_parent = true, .limit = 1};
    struct object_list jobs = {0};
    struct reason ignored;
    struct application app;
    struct arena a;
    arena_init(&a, 1u << 20);
    bool needed = c->hub.is_set || (hub_application(h, &a, &app) && app.endpoints > 0) ||
                  (store_objects(reader, &f, &a, &jobs, &ignored) == ERR_OK && jobs.count > 0);
    arena_release(&a);
    config_unref(c);
    return needed;
}

static void start(struct hub *h)
{
    struct reason why = {.text = ""};
    struct engine_core *core = h->core;
    struct store_reader *reader =
        core->store->ops->objects ? store_reader_open(core->store, &why) : NULL;
    if (!reader)
        log_event(LOG_ERROR, "the hub cannot start", LOG_F("reason", str_from_cstr(why.text)));
    if (!reader || !is_needed(h, reader)) {
        store_reader_close(reader);
        return;
    }
    h->reader = reader;
    struct config *c = engine_config(core->engine);
    struct http_client_options client = {.max_in_flight = CALLS_IN_FLIGHT_MAX,
                                         .allow = c->sending.allow,
                                         .allow_count = c->sending.allow_count,
                                         .own = &core->own,
                                         .counts = &core->outbound};
    h->loop = loop_new(core->clock);
    h->client = http_client_new(h->loop, &client);
    config_unref(c);
    loop_thread_start(&h->thread, h->loop, "gaff-hub");
    atomic_store(&h->runs, true);
}

void hub_configure(struct hub *h)
{
    if (!h->loop)
        start(h);
    order(h, &h->look);
}

struct hub *hub_new(struct engine_core *core)
{
    struct hub *h = xcalloc(1, sizeof(*h));
    h->core = core;
    h->duty = (struct duty){.core = core, .lane = STR(HUB_LANE)};
    h->look.msg.fn = look_now;
    h->take.msg.fn = take_now;
    h->leave.msg.fn = leave_now;
    return h;
}

void hub_stop(struct hub *h)
{
    if (!h || !h->loop)
        return;
    atomic_store(&h->runs, false);
    loop_stop(h->loop);
    loop_thread_join(&h->thread);
    loop_timer_stop(&h->timer);
    hub_errand_drop_all(h);
}

void hub_free(struct hub *h)
{
    if (!h)
        return;
    http_client_free(h->client);
    map_release(&h->errands);
    loop_free(h->loop);
    store_reader_close(h->reader);
    free(h);
}
