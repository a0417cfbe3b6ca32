/* hub_look.c -- the hub's round: what nobody does is taken up, what has ended is put away. Planning
 * leaves out a subscription from the moment its lease ends (endpoint_wants); here it goes for good.
 */
#include "engine/hub_errand.h"

#include "base/ksuid.h"
#include "base/log.h"
#include "engine/follow.h"
#include "engine/hub.h"
#include "engine/objects.h"
#include "engine/subscription.h"

#define LOOK_ARENA_MAX (256u << 20)
#define PAGE 200

static void look_by_timer(struct loop_timer *timer)
{
    hub_look(CONTAINER_OF(timer, struct hub, timer));
}

/* Several nodes may make it at once: who loses finds it by the next round. */
static void ensure_application(struct hub *h, struct arena *a)
{
    struct application app;
    struct reason why = {.text = ""};
    char id[KSUID_TEXT_MAX];
    if (hub_application(h, a, &app))
        return;
    struct object o = {.kind = STR(APPLICATION_KIND),
                       .id = ksuid_format("app_", id_next(&h->core->ids), id),
                       .parent = STR(DEFAULT_ORG),
                       .name = STR(HUB_APPLICATION),
                       .doc = STR("{\"name\":\"The WebSub hub\"}")};
    enum err err = object_put(h->core, &o, OBJECT_ABSENT, &why);
    if (err == ERR_OK)
        follow_committed(h->core, &o);
    else if (err != ERR_CONFLICT)
        log_event(LOG_WARN, "the hub's application could not be made",
                  LOG_F("reason", str_from_cstr(why.text)));
}

/* --- jobs --------------------------------------------------------------------------------------
 */

void hub_take_jobs(struct hub *h)
{
    struct object_filter f = {.kind = STR(HUB_JOB_KIND), .any_parent = true, .limit = PAGE};
    struct object_list page = {.more = true};
    struct reason why = {.text = ""};
    struct arena a;
    arena_init(&a, LOOK_ARENA_MAX);
    while (page.more && duty_holds(&h->duty) &&
           store_objects(h->reader, &f, &a, &page, &why) == ERR_OK && page.count) {
        for (size_t i = 0; i < page.count; i++)
            hub_errand_begin(h, &page.v[i]);
        f.after = page.v[page.count - 1].id;
    }
    arena_release(&a);
    if (why.text[0])
        log_event(LOG_WARN, "the hub's jobs cannot be read",
                  LOG_F("reason", str_from_cstr(why.text)));
}

void hub_leave(struct hub *h)
{
    struct map_entry e;
    for (size_t i = 0; map_next(&h->errands, &i, &e);)
        if (((const struct hub_errand *)e.value)->is_calling)
            return; /* it is asked for again */
    hub_errand_drop_all(h);
    duty_leave(&h->duty);
}

/* --- subscriptions -----------------------------------------------------------------------------
 */

void hub_cancel_waiting(struct hub *h, str endpoint)
{
    struct reason why = {.text = ""};
    uint64_t moved;
    struct delivery_filter f = {.destination = endpoint, .state = DELIVERY_PENDING, .listed = true};
    if (store_move(h->core->store, STORE_CANCEL, &f, clock_wall_ms(h->core->clock), &moved, &why) !=
        ERR_OK)
        log_event(LOG_WARN, "what waits for a subscription that has ended is not cancelled",
                  LOG_F("endpoint", endpoint), LOG_F("reason", str_from_cstr(why.text)));
}

/* As it was judged, or another round judges it again. */
static void end_subscription(struct hub *h, const struct endpoint *e, const char *reason,
                             struct arena *a)
{
    struct reason why = {.text = ""};
    struct object o;
    struct hub_job denial;
    struct object_change changes[2] = {0};
    size_t count = 1;
    if (store_object(h->reader, STR(ENDPOINT_KIND), e->id, a, &o, &why) != ERR_OK ||
        o.version != e->version)
        return;
    changes[0] = (struct object_change){.op = OBJECT_DELETE, .object = o, .expect = o.version};
    if (reason && subscription_denial(o.doc, clock_wall_ms(h->core->clock), reason, a, &denial) &&
        hub_job_change(h, &denial, a, &changes[1]))
        count = 2;
    enum err err = hub_commit(h, changes, count, NULL, &why);
    if (err != ERR_OK)
        return;
    atomic_fetch_add(&h->core->hub_counts.leases_ended, reason ? 0 : 1);
    log_event(LOG_INFO, "a subscription has ended", LOG_F("endpoint", e->id),
              LOG_F("topic", e->topic),
              LOG_F("reason", str_from_cstr(reason ? reason : "its lease ran out")));
    hub_cancel_waiting(h, e->id);
    if (count == 2)
        hub_errand_begin(h, &changes[1].object);
}

/* When the next lease ends; in HUB_LOOK_MS at the latest. */
static int64_t end_subscriptions(struct hub *h, const struct hub_config *c, struct arena *a)
{
    struct application app;
    struct endpoint **all;
    size_t count;
    int64_t now_ms = clock_wall_ms(h->core->clock), next_ms = now_ms + HUB_LOOK_MS;
    if (!hub_application(h, a, &app) ||
        !directory_endpoints(h->core->directory, app.id, a, &all, &count))
        return HUB_LOOK_MS;
    for (size_t i = 0; i < count; i++) {
        const struct endpoint *e = all[i];
        if (e->topic.n && now_ms >= e->lease_until_ms)
            end_subscription(h, e, NULL, a);
        else if (e->topic.n && !hub_topic_find(c, e->topic))
            end_subscription(h, e, "the hub has this topic no more", a);
        else if (e->topic.n && e->lease_until_ms < next_ms)
            next_ms = e->lease_until_ms;
        endpoint_unref(all[i]);
    }
    return next_ms - now_ms;
}

void hub_look(struct hub *h)
{
    int64_t wait_ms = HUB_LOOK_MS;
    if (!duty_holds(&h->duty))
        hub_errand_drop_all(h); /* what was begun under a lease that was lost */
    if (duty_take(&h->duty)) {
        struct config *c = engine_config(h->core->engine);
        struct arena a;
        arena_init(&a, LOOK_ARENA_MAX);
        if (c->hub.is_set)
            ensure_application(h, &a);
        hub_take_jobs(h);
        wait_ms = end_subscriptions(h, &c->hub, &a);
        arena_release(&a);
        config_unref(c);
    }
    loop_timer_start(h->loop, &h->timer, wait_ms, look_by_timer);
}
