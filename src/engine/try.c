/* try.c -- each stored event is made a request again and planned twice; what differs is told.
 * Signatures are not checked anew, and `where:` and `transform:` are not run. */
#include "engine/try.h"

#include "action/event_text.h"
#include "engine/plan.h"
#include "http/router.h"

#define FIELDS_MAX 512
#define EVENT_ARENA_MAX (96u << 20)
#define CHANGES_MAX 4096u

struct trial {
    const struct config *now, *next;
    struct router *now_router, *next_router; /* of sources with parameters in their paths */
    struct arena *arena;
    struct try_result *out;
    struct map changes; /* name -> index + 1 */
    struct arena event; /* of the event at hand */
    struct buf scratch;
};

static struct router *params_router(const struct config *c)
{
    struct router *router = router_new();
    char pattern[2048];
    for (size_t i = 0; c && i < c->source_count; i++) {
        struct source_config *s = c->sources[i];
        (void)snprintf(pattern, sizeof(pattern), "ANY " STR_FMT, STR_ARG(s->path));
        if (s->has_params)
            (void)!router_add(router, str_from_cstr(pattern), s, NULL);
    }
    return router;
}

static void make_request(struct http_request *r, const struct event *e, struct arena *a)
{
    size_t cut = str_find(e->target, '?');
    str head = e->head, name, value;
    *r = (struct http_request){.method = e->method,
                               .target = e->target,
                               .path = str_slice(e->target, 0, cut),
                               .query = str_slice(e->target, cut + 1, e->target.n),
                               .body = e->body,
                               .peer = e->peer,
                               .received_ms = e->received_ms,
                               .arena = a};
    r->fields.v = ARENA_ARRAY(a, struct http_field, FIELDS_MAX);
    while (r->fields.v && r->fields.count < FIELDS_MAX && event_next_field(&head, &name, &value))
        r->fields.v[r->fields.count++] = (struct http_field){name, value};
}

/* The names of the plan's destinations, in the arena of the result. */
static str *plan_under(struct trial *t, const struct config *c, struct router *router,
                       const struct event *e, size_t *count, str *trace)
{
    struct http_request request;
    struct router_match place = {0};
    struct plan plan = {.trace = STR("the configuration has no such source\n")};
    const struct source_config *s = map_get(&c->sources_by_name, e->source);
    make_request(&request, e, &t->event);
    if (s) {
        struct facts facts = {.request = &request, .event_type = e->type, .source = s->name};
        if (s->has_params) {
            router_find(router, e->method, request.path, &t->event, &place);
            facts.place = place.value == s ? &place : NULL;
        }
        plan_make(c, s, &facts, &t->scratch, &plan);
    }
    http_request_release(&request);
    str *names = ARENA_ARRAY(&t->event, str, plan.count + 1);
    *count = names ? plan.count : 0;
    for (size_t i = 0; i < *count; i++)
        names[i] = plan.items[i].to->name;
    *trace = plan.trace;
    return names;
}

/* "route NAME: matched -> a, b (already by an earlier route); stop" */
static str *planned_then(struct trial *t, const struct event *e, size_t *count)
{
    str *names = ARENA_ARRAY(&t->event, str, PLAN_DELIVERIES_MAX);
    str trace = e->trace;
    *count = 0;
    while (names && trace.p && trace.n) {
        str line = str_cut(&trace, '\n');
        size_t arrow = str_find_str(line, STR(" -> "));
        if (str_find_str(line, STR(": matched")) > arrow || arrow == line.n)
            continue;
        str rest = str_slice(line, arrow + 4, line.n);
        rest = str_slice(rest, 0, str_find(rest, ';'));
        while (rest.p && *count < PLAN_DELIVERIES_MAX) {
            str name = str_trim(str_cut(&rest, ','));
            if (name.n && str_find(name, ' ') == name.n)
                names[(*count)++] = name;
        }
    }
    return names;
}

static bool has(const str *names, size_t count, str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(names[i], name))
            return true;
    return false;
}

static struct try_change *change_of(struct trial *t, str name)
{
    size_t index = (size_t)(uintptr_t)map_get(&t->changes, name);
    if (!index && t->out->change_count < CHANGES_MAX) {
        index = ++t->out->change_count;
        t->out->changes[index - 1].name = arena_str(t->arena, name);
        map_put(&t->changes, name, (void *)(uintptr_t)index);
    }
    return index ? &t->out->changes[index - 1] : NULL;
}

static str *keep_names(struct arena *a, const str *names, size_t count)
{
    str *out = ARENA_ARRAY(a, str, count + 1);
    for (size_t i = 0; out && i < count; i++)
        out[i] = arena_str(a, names[i]);
    return out;
}

static void compare(struct trial *t, const struct event *e)
{
    size_t was_count, would_count;
    str trace, ignored;
    const str *was = t->now ? plan_under(t, t->now, t->now_router, e, &was_count, &ignored)
                            : planned_then(t, e, &was_count);
    const str *would = plan_under(t, t->next, t->next_router, e, &would_count, &trace);
    bool same = true;
    for (size_t i = 0; i < was_count; i++)
        if (!has(would, would_count, was[i])) {
            struct try_change *c = change_of(t, was[i]);
            same = false;
            if (c)
                c->less++;
        }
    for (size_t i = 0; i < would_count; i++)
        if (!has(was, was_count, would[i])) {
            struct try_change *c = change_of(t, would[i]);
            same = false;
            if (c)
                c->more++;
        }
    if (same)
        return;
    t->out->changed++;
    if (t->out->difference_count == TRY_DIFFERENCES_MAX)
        return;
    t->out->differences[t->out->difference_count++] = (struct try_difference){
        .event_id = e->id,
        .received_ms = e->received_ms,
        .source = arena_str(t->arena, e->source),
        .type = arena_str(t->arena, e->type),
        .was = keep_names(t->arena, was, was_count),
        .was_count = was_count,
        .would = keep_names(t->arena, would, would_count),
        .would_count = would_count,
        .why = arena_str(t->arena, trace),
    };
}

static enum err try_events(struct trial *t, struct store_reader *r, uint64_t before, size_t limit,
                           struct reason *why)
{
    struct event_filter filter = {.state = -1, .before = before, .limit = limit};
    struct arena listing;
    struct event_list list = {0};
    arena_init(&listing, 16u << 20);
    enum err err = store_events(r, &filter, &listing, &list, why);
    for (size_t i = 0; err == ERR_OK && i < list.count; i++) {
        struct event e = {0};
        enum err loaded = store_load(r, list.v[i].event.id, 0, &t->event, &e, why);
        if (loaded == ERR_OK) {
            t->out->events++;
            compare(t, &e);
        } else if (loaded != ERR_NOT_FOUND) { /* retention took it meanwhile */
            err = loaded;
        }
        arena_reset(&t->event);
    }
    t->out->next = list.next;
    arena_release(&listing);
    return err;
}

enum err try_step(const struct config *now, const struct config *next, struct store_reader *r,
                  uint64_t before, size_t limit, struct arena *a, struct try_result *out,
                  struct reason *why)
{
    struct trial t = {.now = now, .next = next, .arena = a, .out = out};
    *out = (struct try_result){.differences =
                                   ARENA_ARRAY(a, struct try_difference, TRY_DIFFERENCES_MAX),
                               .changes = ARENA_ARRAY(a, struct try_change, CHANGES_MAX)};
    if (!out->differences || !out->changes)
        return fail(why, ERR_LIMIT, "no memory to compare configurations");
    arena_init(&t.event, EVENT_ARENA_MAX);
    buf_init(&t.scratch, 65536);
    t.now_router = params_router(now);
    t.next_router = params_router(next);
    enum err err = try_events(&t, r, before, limit > TRY_STEP_MAX ? TRY_STEP_MAX : limit, why);
    router_free(t.now_router);
    router_free(t.next_router);
    map_release(&t.changes);
    buf_release(&t.scratch);
    arena_release(&t.event);
    return err;
}

enum err try_one(const struct config *c, const struct event *e, struct arena *a, str **names,
                 size_t *count, str *trace, struct reason *why)
{
    struct trial t = {.now = c, .arena = a};
    struct router *router = params_router(c);
    arena_init(&t.event, EVENT_ARENA_MAX);
    buf_init(&t.scratch, 65536);
    str *planned = plan_under(&t, c, router, e, count, trace);
    *names = keep_names(a, planned, *count);
    *trace = arena_str(a, *trace);
    buf_release(&t.scratch);
    arena_release(&t.event);
    router_free(router);
    return *names && arena_ok(a) ? ERR_OK : fail(why, ERR_LIMIT, "the plan is too large");
}
