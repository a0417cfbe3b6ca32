/* engine.c -- assembles the engine in start order and takes it apart in the reverse: nothing is
 * accepted before everything behind it runs, and nothing behind stops before the front has. */
#include "engine/engine.h"

#include "engine/directory.h"
#include "engine/dispatch.h"
#include "engine/follow.h"
#include "engine/front.h"
#include "engine/hub.h"
#include "engine/janitor.h"
#include "engine/keyring.h"
#include "engine/migration.h"
#include "engine/pause.h"
#include "engine/recovery.h"
#include "engine/schedule.h"
#include "engine/sealing.h"
#include "engine/secret_book.h"
#include "engine/tracer.h"
#include "engine/websub.h"

#include <pthread.h>
#include <unistd.h>

#define DRAIN_POLL_US 2000
#define CANCEL_GRACE_MS 8000

struct engine {
    struct engine_core core;
    pthread_mutex_t config_lock;
    struct config *config;
    struct front *fronts[FRONT_LOOPS_MAX];
    size_t front_count;
    struct janitor *janitor;
    struct schedule *schedule;
    struct runner_link *runners[DELIVERY_LOOPS_MAX]; /* not yet taken by a delivery loop */
    char addresses[16][256];                         /* as bound, for the loops after the first */
    bool started, drained, stuck;
    const char *version;
    void (*definitions_changed)(void *arg);
    void *definitions_arg;
    uint64_t objects_at; /* the sequence that all loaded at the start is not older than */
};

struct engine_core *engine_core(struct engine *e)
{
    return &e->core;
}

struct config *engine_config(struct engine *e)
{
    pthread_mutex_lock(&e->config_lock);
    struct config *c = config_ref(e->config);
    pthread_mutex_unlock(&e->config_lock);
    return c;
}

/* --- start ----------------------------------------------------------------------------------- */

static bool open_store(struct engine *e, struct reason *why)
{
    struct engine_core *core = &e->core;
    str url = e->config->durability == DURABILITY_NONE ? STR("memory:") : e->config->store;
    const struct store_options options = {.read = e->config->store_read,
                                          .direct = e->config->store_direct,
                                          .node = e->config->node,
                                          .version = str_from_cstr(e->version),
                                          .require_replicated = e->config->require_replicated != 0};
    core->store = store_open_with(url, &options, core->clock, why);
    if (!core->store)
        return false;
    struct store_reader *r = store_reader_open(core->store, why);
    if (!r)
        return false;
    struct store_counts counts = {0};
    enum err err = copy_mark_check(r, why);
    if (err == ERR_OK)
        err = store_counts_get(r, &counts, why);
    store_reader_close(r);
    if (err != ERR_OK)
        return false;
    e->objects_at = counts.object_sequence;
    id_source_init(&core->ids, core->clock, counts.max_id);
    if (core->store->shared)
        id_source_share(&core->ids, core->store->node);
    core->committer = committer_new(core->store, core->clock, &core->metrics);
    core->migration = migration_new(core);
    return true;
}

/* From the store's thread. */
static void store_told(enum store_note note, str destination, void *arg)
{
    struct engine *e = arg;
    struct engine_core *core = &e->core;
    if (note == STORE_OBJECTS) {
        follower_wake(core->follower);
        recovery_wake(core->recovery);
        return;
    }
    if (note == STORE_LOST || str_eq(destination, STR(HUB_LANE)))
        hub_note(core->hub, note);
    if (note == STORE_LOST) {
        id_source_share(&core->ids, core->store->node);
        for (size_t i = 0; i < core->dispatcher_count; i++)
            dispatcher_note(core->dispatchers[i], note, destination);
        return;
    }
    dispatcher_note(core->dispatchers[registry_loop(core->registry, destination)], note,
                    destination);
}

static size_t delivery_loops(const struct config *c)
{
    size_t count = c->delivery_loops > 0 ? (size_t)c->delivery_loops : 1;
    return count > DELIVERY_LOOPS_MAX ? DELIVERY_LOOPS_MAX : count;
}

static bool start_dispatchers(struct engine *e, struct reason *why)
{
    size_t count = delivery_loops(e->config);
    for (size_t i = 0; i < count; i++) {
        struct runner_link *runner = e->runners[i];
        e->runners[i] = NULL;
        e->core.dispatchers[i] = dispatcher_new(&e->core, i, runner, why);
        if (!e->core.dispatchers[i])
            return false;
        e->core.dispatcher_count++;
    }
    return true;
}

static bool is_shared_address(const char *address)
{
    str a = str_from_cstr(address);
    return !str_starts(a, STR("unix:")) && !str_starts(a, STR("fd:"));
}

/* After the first loop has bound, the others bind what it got (port 0 included). */
static void learn_addresses(struct engine *e, const char **addresses)
{
    size_t served = 0;
    for (size_t i = 0; i < e->config->listen_count && i < ARRAY_LEN(e->addresses); i++) {
        const char *url = front_url(e->fronts[0], served++);
        str bound = str_from_cstr(url);
        size_t at = str_find_str(bound, STR("://"));
        addresses[i] = NULL;
        if (!is_shared_address(e->config->listen[i].address) || at == bound.n)
            continue;
        snprintf(e->addresses[i], sizeof(e->addresses[i]), "%s", url + at + 3);
        addresses[i] = e->addresses[i];
    }
}

static bool bind_fronts(struct engine *e, const struct engine_options *o, struct reason *why)
{
    const char *addresses[16];
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t count = e->config->front_loops > 0 ? (size_t)e->config->front_loops
                   : cores > 8                ? 8
                   : cores < 1                ? 1
                                              : (size_t)cores;
    if (count > FRONT_LOOPS_MAX)
        count = FRONT_LOOPS_MAX;
    if (e->config->listen_count > ARRAY_LEN(addresses)) {
        fail(why, ERR_LIMIT, "more than %zu listeners", ARRAY_LEN(addresses));
        return false;
    }
    for (size_t i = 0; i < e->config->listen_count; i++)
        addresses[i] = e->config->listen[i].address;
    struct front_options options = {o->fallback, o->fallback_arg, addresses, (int64_t)count};
    for (size_t i = 0; i < count; i++) {
        if (i == 1)
            learn_addresses(e, addresses);
        e->fronts[i] = front_new(&e->core, e->config, &options, why);
        if (!e->fronts[i])
            return false;
        e->front_count++;
    }
    return true;
}

static void learn_own(struct engine *e)
{
    const char *url;
    for (size_t i = 0; (url = front_url(e->fronts[0], i)) != NULL; i++)
        outbound_own_add(&e->core.own, str_from_cstr(url));
}

static struct secret_book *make_secret_book(struct engine *e)
{
    const struct config *c = e->config;
    struct arena a;
    arena_init(&a, 1u << 16);
    const char *directory = NULL;
    if (c->durability == DURABILITY_DISK && str_starts(c->store, STR("sqlite:")))
        directory = arena_cstr(&a, str_slice(c->store, 7, c->store.n));
    else if (c->durability == DURABILITY_DISK && c->directory &&
             !str_starts(c->store, STR("memory:")))
        directory = arena_cstr(&a, arena_printf(&a, "%s/gaff-data", c->directory));
    struct secret_book *b = secret_book_new(e->core.clock, directory);
    arena_release(&a);
    return b;
}

static struct keyring *make_keyring(struct engine *e)
{
    struct arena a;
    arena_init(&a, 1u << 16);
    struct http_client_options client = {
        .allow = e->config->outbound_allow,
        .allow_count = e->config->outbound_allow_count,
        .own = &e->core.own,
        .counts = &e->core.outbound,
        .ca_file =
            e->config->outbound_ca_file.n ? arena_cstr(&a, e->config->outbound_ca_file) : NULL,
    };
    struct keyring *k = keyring_new(e->core.clock, &client);
    arena_release(&a);
    return k;
}

struct engine *engine_new(const struct engine_options *o, struct reason *why)
{
    struct engine *e = xcalloc(1, sizeof(*e));
    e->core.engine = e;
    e->core.clock = o->clock ? o->clock : clock_real();
    e->core.live = live_new();
    e->core.waiting = waiting_new();
    e->core.handlers = o->handlers;
    if (o->traces)
        e->core.tracer = tracer_new(o->traces, e->core.clock, &e->core.metrics, &e->core.own);
    e->version = o->version ? o->version : "";
    e->definitions_changed = o->definitions_changed;
    e->definitions_arg = o->definitions_arg;
    memcpy(e->runners, o->runners, sizeof(e->runners));
    atomic_init(&e->core.generation, 1);
    pthread_mutex_init(&e->config_lock, NULL);
    e->config = config_ref(o->config);
    METRIC_SET(&e->core.metrics, config_loaded_ms, o->config->loaded_ms);
    METRIC_SET(&e->core.metrics, config_last_reload_successful, 1);
    e->core.registry = registry_new(delivery_loops(e->config));
    bool ready = open_store(e, why) && sealing_start(&e->core, e->config, why) == ERR_OK &&
                 pause_restore(&e->core, why) == ERR_OK;
    if (ready) {
        e->core.directory = directory_new(&e->core);
        ready = directory_load(e->core.directory, why) == ERR_OK && bind_fronts(e, o, why);
    }
    if (ready) {
        learn_own(e);
        e->core.keyring = make_keyring(e);
        e->core.secrets = make_secret_book(e);
        ready = secret_book_seal(e->core.secrets, e->core.store->seal, why) == ERR_OK;
        e->core.websub =
            websub_new(e->core.clock, &(struct http_client_options){.max_in_flight = 4,
                                                                    .own = &e->core.own,
                                                                    .counts = &e->core.outbound});
        e->core.hub = hub_new(&e->core);
    }
    if (!ready || !start_dispatchers(e, why)) {
        engine_free(e);
        return NULL;
    }
    if (o->handlers)
        o->handlers->loop = front_loop(e->fronts[0]);
    e->janitor = janitor_new(&e->core);
    e->schedule = schedule_new(&e->core);
    return e;
}

static bool is_endpoint(struct engine *e, str name)
{
    struct endpoint *found = directory_endpoint(e->core.directory, name);
    endpoint_unref(found);
    return found != NULL;
}

static void warn_of_orphans(struct engine *e)
{
    struct reason why = {0};
    struct store_reader *r = store_reader_open(e->core.store, &why);
    struct arena a;
    str *names = NULL;
    size_t count = 0;
    arena_init(&a, 1u << 20);
    if (r && store_pending_destinations(r, &a, &names, &count, &why) == ERR_OK)
        for (size_t i = 0; i < count; i++)
            if (!map_get(&e->config->destinations_by_name, names[i]) && !is_endpoint(e, names[i]))
                log_event(LOG_WARN, "deliveries wait for a destination that is not configured",
                          LOG_F("destination", names[i]));
    arena_release(&a);
    store_reader_close(r);
}

void engine_start(struct engine *e)
{
    e->started = true;
    for (size_t i = 0; i < e->core.dispatcher_count; i++)
        dispatcher_start(e->core.dispatchers[i]);
    for (size_t i = 0; i < e->front_count; i++)
        front_start(e->fronts[i]);
    janitor_start(e->janitor);
    schedule_start(e->schedule);
    websub_configure(e->core.websub, e->config);
    e->core.follower =
        follower_new(&e->core, e->objects_at, e->definitions_changed, e->definitions_arg);
    e->core.recovery = recovery_new(&e->core);
    store_watch(e->core.store, store_told, e);
    hub_configure(e->core.hub);
    warn_of_orphans(e);
}

/* --- while running --------------------------------------------------------------------------- */

enum err engine_reload(struct engine *e, struct config *c, struct reason *why)
{
    pthread_mutex_lock(&e->config_lock);
    struct config *old = e->config;
    bool moved = !str_eq(old->store, c->store) || old->listen_count != c->listen_count ||
                 old->durability != c->durability;
    for (size_t i = 0; !moved && i < c->listen_count; i++)
        moved = !str_eq(str_from_cstr(old->listen[i].address), str_from_cstr(c->listen[i].address));
    if (moved)
        snprintf(why->text, sizeof(why->text),
                 "listeners and the store change at the next start only");
    e->config = config_ref(c);
    pthread_mutex_unlock(&e->config_lock);
    config_unref(old);
    struct reason late = {0};
    if (directory_load(e->core.directory, &late) != ERR_OK)
        log_event(LOG_ERROR, "endpoints keep the former settings",
                  LOG_F("reason", str_from_cstr(late.text)));
    METRIC_ADD(&e->core.metrics, reloads, 1);
    METRIC_SET(&e->core.metrics, config_loaded_ms, c->loaded_ms);
    METRIC_SET(&e->core.metrics, config_last_reload_successful, 1);
    atomic_fetch_add_explicit(&e->core.generation, 1, memory_order_release);
    for (size_t i = 0; i < e->core.dispatcher_count; i++)
        dispatcher_reload(e->core.dispatchers[i]);
    for (size_t i = 0; i < e->front_count; i++)
        front_reload_tls(e->fronts[i]);
    websub_configure(e->core.websub, c);
    if (e->started) /* else engine_start does, when all that the hub commits to is there */
        hub_configure(e->core.hub);
    return ERR_OK;
}

void engine_nudge(struct engine *e)
{
    for (size_t i = 0; i < e->core.dispatcher_count; i++)
        dispatcher_nudge(e->core.dispatchers[i]);
}

enum err engine_replay_to(struct engine *e, uint64_t event_id, str destination,
                          uint64_t *delivery_id, struct reason *why)
{
    struct config *c = engine_config(e);
    bool known = map_get(&c->destinations_by_name, destination) != NULL;
    config_unref(c);
    if (!known)
        return fail(why, ERR_NOT_FOUND, "no destination is named \"" STR_FMT "\"",
                    STR_ARG(destination));
    int64_t now_ms = clock_wall_ms(e->core.clock);
    struct new_delivery d = {.id = id_next(&e->core.ids),
                             .destination = destination,
                             .route = STR("replay"),
                             .next_ms = now_ms};
    enum err err = store_add_delivery(e->core.store, event_id, &d, now_ms, why);
    if (err != ERR_OK)
        return err;
    *delivery_id = d.id;
    engine_nudge(e);
    return ERR_OK;
}

const char *engine_url(const struct engine *e, size_t index)
{
    return e->front_count ? front_url(e->fronts[0], index) : NULL;
}

static bool dispatchers_idle(const struct engine *e)
{
    for (size_t i = 0; i < e->core.dispatcher_count; i++)
        if (!dispatcher_is_idle(e->core.dispatchers[i]))
            return false;
    return true;
}

bool engine_is_quiet(const struct engine *e)
{
    return dispatchers_idle(e);
}

struct loop *engine_front_loop(struct engine *e)
{
    return front_loop(e->fronts[0]);
}

void engine_front_handle(struct engine *e, struct http_exchange *x)
{
    front_handle(x, e->fronts[0]);
}

void engine_http_counts(struct engine *e, struct http_server_counts *sum)
{
    for (size_t i = 0; i < e->front_count; i++)
        front_counts(e->fronts[i], sum);
}

const char *engine_durability(const struct engine *e)
{
    int d = atomic_load(&e->core.store->durability);
    return store_durability_word((enum store_durability)d);
}

const char *engine_unready(struct engine *e)
{
    if (atomic_load(&e->core.draining))
        return "draining";
    struct store *s = e->core.store;
    if (s->unreachable)
        return "the database cannot be reached";
    if (e->config->require_replicated && atomic_load(&s->durability) != STORE_REPLICATED)
        return "require_replicated is set, and commits are not replicated";
    if (!METRIC_GET(&e->core.metrics, store_ok))
        return "the last commit to the store failed";
    return NULL;
}

/* --- stop ------------------------------------------------------------------------------------ */

static bool fronts_idle(const struct engine *e)
{
    for (size_t i = 0; i < e->front_count; i++)
        if (!front_is_idle(e->fronts[i]))
            return false;
    return true;
}

static bool wait_until(struct engine *e, bool (*idle)(const struct engine *e), int64_t deadline_ns)
{
    while (!idle(e)) {
        if (clock_mono_ns(clock_real()) >= deadline_ns)
            return false;
        usleep(DRAIN_POLL_US);
    }
    return true;
}

void engine_drain(struct engine *e, int64_t deadline_ms)
{
    if (!e->started || e->drained)
        return;
    int64_t deadline_ns = clock_mono_ns(clock_real()) + deadline_ms * 1000000;
    atomic_store(&e->core.draining, true);
    for (size_t i = 0; i < e->front_count; i++)
        front_drain(e->fronts[i]);
    wait_until(e, fronts_idle, deadline_ns);
    for (size_t i = 0; i < e->core.dispatcher_count; i++)
        dispatcher_drain(e->core.dispatchers[i]);
    if (!wait_until(e, dispatchers_idle, deadline_ns)) {
        for (size_t i = 0; i < e->core.dispatcher_count; i++)
            dispatcher_cancel(e->core.dispatchers[i]);
        deadline_ns = clock_mono_ns(clock_real()) + (int64_t)CANCEL_GRACE_MS * 1000000;
        e->stuck = !wait_until(e, dispatchers_idle, deadline_ns);
    }
    store_watch(e->core.store, NULL, NULL);
    for (size_t i = 0; i < e->front_count; i++)
        front_stop(e->fronts[i]);
    for (size_t i = 0; i < e->core.dispatcher_count; i++)
        dispatcher_stop(e->core.dispatchers[i]);
    e->drained = true;
}

/* What writes to the store beside the loops. */
static void stop_others(struct engine *e)
{
    schedule_free(e->schedule);
    e->schedule = NULL;
    hub_stop(e->core.hub);
    recovery_free(e->core.recovery);
    e->core.recovery = NULL;
    follower_free(e->core.follower);
    e->core.follower = NULL;
    hub_free(e->core.hub);
    e->core.hub = NULL;
    janitor_free(e->janitor);
    e->janitor = NULL;
}

enum err engine_move_over(struct engine *e, struct reason *why)
{
    assert(e->drained);
    stop_others(e);
    if (e->stuck)
        return fail(why, ERR_TIMEOUT, "attempts are still running");
    return migration_end(e->core.migration, why);
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    engine_drain(e, 0);
    stop_others(e);
    if (e->stuck) {
        /* What still runs points into all this; the process is about to end anyway, and all
         * that was acknowledged is on disk. */
        log_line(LOG_WARN, "stopped with attempts still running; they are due at the next start");
        return;
    }
    for (size_t i = 0; i < DELIVERY_LOOPS_MAX; i++)
        runner_link_free(e->runners[i]);
    for (size_t i = 0; i < e->front_count; i++)
        front_free(e->fronts[i]);
    tracer_free(e->core.tracer);
    keyring_free(e->core.keyring);
    websub_free(e->core.websub);
    secret_book_free(e->core.secrets);
    migration_free(e->core.migration);
    committer_free(e->core.committer);
    for (size_t i = 0; i < e->core.dispatcher_count; i++)
        dispatcher_free(e->core.dispatchers[i]);
    const struct seal *seal = e->core.store ? e->core.store->seal : NULL;
    store_close(e->core.store);
    seal_free((struct seal *)(uintptr_t)seal);
    directory_free(e->core.directory);
    registry_free(e->core.registry);
    waiting_free(e->core.waiting);
    live_free(e->core.live);
    config_unref(e->config);
    pthread_mutex_destroy(&e->config_lock);
    free(e);
}
