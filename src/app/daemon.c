/* daemon.c -- the life of `gaff serve`, in order: runner, configuration, store and listeners,
 * admin listener, ready; then signals and changes of the file; then drain.
 *
 * Signals are blocked in every thread and taken by one that waits for them, which posts to the
 * main loop: no handler runs anything. HUP reloads; TERM drains; a second TERM, or INT, stops fast
 * (all that was acknowledged is on disk); QUIT ends at once; USR2 drains and gives the place to the
 * program that has the name now. */
#include "app/daemon.h"

#include "base/fs.h"
#include "base/trim.h"
#include "api/api.h"
#include "app/handover.h"
#include "app/otel.h"
#include "app/settings.h"
#include "app/systemd.h"
#include "engine/definitions.h"
#include "engine/engine.h"
#include "engine/migration.h"
#include "engine/objects.h"
#include "engine/sealing.h"
#include "engine/watch.h"
#include "gaff.h"
#include "http/listen.h"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#define STATUS_MS 5000
#define STARTED_MS 1000          /* then what only the start needed is given back */
#define FILE_TO_COME "gaff.yaml" /* started without one: taken up when it appears */

struct daemon {
    const char *path;      /* NULL: there is no file */
    char *state_directory; /* NULL: the store is in memory */
    struct runner_link *runners[DELIVERY_LOOPS_MAX];
    struct runner_link *api_runner;
    struct config *config; /* as loaded at the start */
    struct engine *engine;
    struct store_reader *reader; /* of definitions; under reload_lock */
    struct api *api;
    struct loop *loop;
    struct config_watch *watch;
    struct loop_timer status, started;
    pthread_mutex_t reload_lock;
    pthread_t signals;
    struct loop_msg hup, stop, usr2, defined;
    _Atomic bool hup_told, usr2_told, defined_posted; /* a message may be on its way but once */
    uint64_t defined_hash; /* of the definitions in force; under reload_lock */
    _Atomic int stops;     /* how many times it was asked to end */
    _Atomic bool moves;    /* to another store, when it hands over */
    bool fast, published, hands_over;
    bool guides; /* says what to do first */
};

/* --- configuration --------------------------------------------------------------------------- */

static struct config *load_with(str definitions, struct problems *problems, void *arg)
{
    struct daemon *d = arg;
    if (definitions.n)
        return config_load_over(d->path, definitions, DEFINITIONS_ORIGIN, problems);
    return d->path ? config_load(d->path, NULL, problems)
                   : config_load_over(NULL, STR("{}"), DEFINITIONS_ORIGIN, problems);
}

/* The file, and over it what was defined at run time: once the store is open. */
static struct config *load(struct daemon *d, struct buf *out)
{
    struct problems problems = {0};
    struct reason why = {0};
    struct buf definitions;
    struct config *c = NULL;
    if (!d->path && fs_exists(FILE_TO_COME))
        d->path = FILE_TO_COME;
    buf_init(&definitions, DEFINITIONS_BYTES_MAX);
    if (!d->reader || definitions_text(d->reader, NULL, &definitions, &why) == ERR_OK)
        c = load_with(buf_str(&definitions), &problems, d);
    else
        buf_printf(out, "%s\n", why.text);
    if (c && d->reader)
        d->defined_hash = str_hash(buf_str(&definitions), 0);
    buf_release(&definitions);
    for (size_t i = 0; i < problems.count; i++)
        buf_printf(out, "%s\n", problems.v[i].text);
    problems_release(&problems);
    return c;
}

struct expiry_msg {
    struct loop_msg msg;
    struct daemon *daemon;
    int64_t at_ms;
};

static void expiry_told(struct loop_msg *msg)
{
    struct expiry_msg *m = CONTAINER_OF(msg, struct expiry_msg, msg);
    config_watch_expect(m->daemon->watch, m->at_ms);
    free(m);
}

/* The watch belongs to the main loop; a reload may come from the API's thread. */
static void expect_expiry(struct daemon *d, int64_t at_ms)
{
    struct expiry_msg *m = xcalloc(1, sizeof(*m));
    m->msg.fn = expiry_told;
    m->daemon = d;
    m->at_ms = at_ms;
    loop_post(d->loop, &m->msg);
}

static enum err reload(struct buf *out, void *arg)
{
    struct daemon *d = arg;
    struct reason why = {0};
    pthread_mutex_lock(&d->reload_lock);
    struct config *c = load(d, out);
    if (c) {
        log_setup(c->log_format, c->log_level);
        engine_reload(d->engine, c, &why);
        expect_expiry(d, c->expires_ms);
        if (why.text[0])
            buf_printf(out, "warning: %s\n", why.text);
        config_unref(c);
    } else {
        METRIC_ADD(&engine_core(d->engine)->metrics, reload_errors, 1);
        METRIC_SET(&engine_core(d->engine)->metrics, config_last_reload_successful, 0);
    }
    pthread_mutex_unlock(&d->reload_lock);
    return c ? ERR_OK : ERR_INVALID;
}

static void log_problems(enum log_level level, const struct buf *text)
{
    str rest = buf_str(text);
    while (rest.p && rest.n) {
        str line = str_cut(&rest, '\n');
        bool warns = str_find_str(line, STR(": warning: ")) < line.n;
        if (line.n)
            log_event(warns ? LOG_WARN : level, "configuration", LOG_F("problem", line));
    }
}

static str shown_path(const struct daemon *d)
{
    return d->path ? str_from_cstr(d->path) : STR("none");
}

static void reload_and_log(struct daemon *d)
{
    struct buf problems;
    buf_init(&problems, 1u << 20);
    systemd_notify("RELOADING=1");
    if (reload(&problems, d) == ERR_OK) {
        log_problems(LOG_WARN, &problems);
        log_event(LOG_INFO, "configuration reloaded", LOG_F("file", shown_path(d)));
    } else {
        log_problems(LOG_ERROR, &problems);
        log_event(LOG_ERROR, "configuration refused; the old one stays in force",
                  LOG_F("file", shown_path(d)));
    }
    systemd_notify("READY=1");
    buf_release(&problems);
}

static void file_changed(void *arg)
{
    reload_and_log(arg);
}

/* --- signals --------------------------------------------------------------------------------- */

/* What another node defined. One's own changes come by here too, in force already. */
static void on_defined(struct loop_msg *msg)
{
    struct daemon *d = CONTAINER_OF(msg, struct daemon, defined);
    struct buf text;
    struct reason why;
    atomic_store(&d->defined_posted, false);
    buf_init(&text, DEFINITIONS_BYTES_MAX);
    pthread_mutex_lock(&d->reload_lock);
    bool changed = definitions_text(d->reader, NULL, &text, &why) != ERR_OK ||
                   str_hash(buf_str(&text), 0) != d->defined_hash;
    pthread_mutex_unlock(&d->reload_lock);
    buf_release(&text);
    if (changed)
        reload_and_log(d);
}

static void definitions_changed(void *arg)
{
    struct daemon *d = arg;
    if (!atomic_exchange(&d->defined_posted, true))
        loop_post(d->loop, &d->defined);
}

static void on_hup(struct loop_msg *msg)
{
    struct daemon *d = CONTAINER_OF(msg, struct daemon, hup);
    atomic_store(&d->hup_told, false);
    reload_and_log(d);
}

static void on_stop(struct loop_msg *msg)
{
    loop_stop(CONTAINER_OF(msg, struct daemon, stop)->loop);
}

/* What could not start after us must not end us. */
static void on_usr2(struct loop_msg *msg)
{
    struct daemon *d = CONTAINER_OF(msg, struct daemon, usr2);
    struct reason why = {0};
    atomic_store(&d->usr2_told, false);
    if (handover_try(d->path, &why) != ERR_OK) {
        log_event(LOG_ERROR, "not handed over; this program goes on",
                  LOG_F("reason", str_from_cstr(why.text)));
        atomic_store(&d->moves, false);
        return;
    }
    d->hands_over = true;
    loop_stop(d->loop);
}

/* The program that takes over reads the configuration: it must name the new store, and its key. */
static enum err move_over(struct reason *why, void *arg)
{
    struct daemon *d = arg;
    struct engine_core *core = engine_core(d->engine);
    struct buf problems;
    buf_init(&problems, 1u << 20);
    pthread_mutex_lock(&d->reload_lock);
    struct config *c = load(d, &problems);
    pthread_mutex_unlock(&d->reload_lock);
    enum err err = c ? migration_may_end(core->migration, c->store, why)
                     : fail(why, ERR_CONFLICT, "%s", buf_cstr(&problems));
    if (err == ERR_OK)
        err = sealing_check(core, c, why);
    config_unref(c);
    buf_release(&problems);
    if (err == ERR_OK) {
        atomic_store(&d->moves, true);
        if (!atomic_exchange(&d->usr2_told, true))
            loop_post(d->loop, &d->usr2);
    }
    return err;
}

static void watched_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGQUIT);
    sigaddset(set, SIGUSR2);
}

static void *signals_main(void *arg)
{
    struct daemon *d = arg;
    sigset_t set;
    int signal_number;
    watched_signals(&set);
    for (;;) {
        if (sigwait(&set, &signal_number) != 0)
            continue;
        if (signal_number == SIGHUP) {
            if (!atomic_exchange(&d->hup_told, true))
                loop_post(d->loop, &d->hup);
            continue;
        }
        if (signal_number == SIGUSR2) {
            if (!atomic_exchange(&d->usr2_told, true))
                loop_post(d->loop, &d->usr2);
            continue;
        }
        if (signal_number == SIGQUIT)
            _exit(EXIT_CLEAN);
        int before = atomic_fetch_add(&d->stops, 1);
        if (before > 0)
            _exit(EXIT_CLEAN);
        d->fast = signal_number == SIGINT;
        loop_post(d->loop, &d->stop);
    }
}

/* --- start ----------------------------------------------------------------------------------- */

/* Sockets that systemd opened for us take the place of the first address of their kind. */
static void adopt_socket(struct listen_config *l, size_t count, const char *name)
{
    char address[32];
    int fd = systemd_listen_fd(name);
    if (fd < 0 || count == 0)
        return;
    snprintf(address, sizeof(address), "fd:%d", fd);
    l->address = xstrdup(address); /* for the life of the process */
}

static int exit_code_of(const struct reason *why)
{
    switch (why->code) {
    case ERR_CONFLICT:
        return EXIT_LOCKED;
    case ERR_DENIED:
        return EXIT_PERMISSION;
    case ERR_FULL:
    case ERR_IO:
        return EXIT_STATE;
    case ERR_INVALID:
        return EXIT_CONFIG;
    default:
        return EXIT_STORE;
    }
}

/* The runners' processes must exist before any thread or secret does, so only the number of
 * delivery loops is read of the file at this point. */
static bool launch_runners(struct daemon *d, struct reason *why)
{
    size_t count = settings_delivery_loops(d->path);
    for (size_t i = 0; i < count && i < DELIVERY_LOOPS_MAX; i++) {
        d->runners[i] = runner_launch(why);
        if (!d->runners[i])
            return false;
    }
    d->api_runner = runner_launch(why);
    return d->api_runner != NULL;
}

static bool start_api(struct daemon *d, struct reason *why)
{
    char token[SETTINGS_TOKEN_MAX];
    struct secret jwt = {0};
    if (!settings_admin_token(d->config, d->state_directory, token, why) ||
        !settings_jwt_secret(d->config, d->state_directory, &jwt, why))
        return false;
    struct api_options o = {.engine = d->engine,
                            .config = d->config,
                            .token = str_from_cstr(token),
                            .jwt_secret = secret_str(&jwt),
                            .version = GAFF_VERSION,
                            .assets = web_files,
                            .asset_count = web_count,
                            .runner = d->api_runner,
                            .reload = reload,
                            .load = load_with,
                            .move_over = move_over,
                            .arg = d};
    d->api_runner = NULL;
    d->api = api_new(&o, why);
    secret_wipe(token, sizeof(token));
    secret_release(&jwt);
    if (!d->api)
        return false;
    /* A full disk must not keep the daemon from delivering: clients can be told by hand. */
    struct reason unwritten = {0};
    d->published = settings_publish_url(d->state_directory, api_url(d->api), &unwritten);
    if (!d->published)
        log_event(LOG_WARN, "the command line will not find the API by itself; give it --api",
                  LOG_F("reason", str_from_cstr(unwritten.text)));
    return true;
}

static bool start_engine(struct daemon *d, struct reason *why)
{
    struct arena a;
    arena_init(&a, OTEL_ARENA_MAX);
    d->defined.fn = on_defined;
    struct engine_options o = {.config = d->config,
                               .version = GAFF_VERSION,
                               .traces = otel_from_environment(&a),
                               .definitions_changed = definitions_changed,
                               .definitions_arg = d};
    memcpy(o.runners, d->runners, sizeof(o.runners));
    memset(d->runners, 0, sizeof(d->runners)); /* taken over, also on failure */
    d->state_directory = settings_state_directory(d->config);
    d->engine = engine_new(&o, why);
    arena_release(&a);
    if (d->engine)
        d->reader = store_reader_open(engine_core(d->engine)->store, why);
    return d->reader != NULL;
}

/* Who starts without any file finds an address that waits; it can be changed and removed like any
 * other that was made at run time. */
static bool make_inbox(struct daemon *d, struct reason *why)
{
    struct store_counts counts = {0};
    struct object o = {.kind = str_from_cstr(definition_objects[DEFINITION_SOURCE]),
                       .id = STR("inbox"),
                       .doc = STR("{\"provider\":\"none\",\"insecure\":true}")};
    enum err err = store_counts_get(d->reader, &counts, why);
    if (err == ERR_OK && counts.events == 0 && counts.objects == 0)
        err = object_put(engine_core(d->engine), &o, OBJECT_ANY, why);
    return err == ERR_OK;
}

/* What was defined at run time is known once the store is open. */
static bool lay_definitions_over(struct daemon *d, struct reason *why)
{
    struct buf problems;
    bool good = d->path || make_inbox(d, why);
    buf_init(&problems, 1u << 20);
    if (good && reload(&problems, d) != ERR_OK)
        /* A file that was edited since may clash with them; the file goes on alone. */
        log_problems(LOG_ERROR, &problems);
    buf_release(&problems);
    return good;
}

static void tick_status(struct loop_timer *t)
{
    struct daemon *d = CONTAINER_OF(t, struct daemon, status);
    char text[160];
    const struct metrics *m = &engine_core(d->engine)->metrics;
    snprintf(text, sizeof(text), "STATUS=%lld events, %lld attempts, %lld dead letters%s",
             (long long)METRIC_GET(m, events_accepted), (long long)METRIC_GET(m, attempts_started),
             (long long)METRIC_GET(m, deliveries_dead),
             METRIC_GET(m, store_ok) ? "\nWATCHDOG=1" : "");
    systemd_notify(text);
    loop_timer_start(d->loop, &d->status, STATUS_MS, tick_status);
}

static void after_start(struct loop_timer *t)
{
    UNUSED(t);
    trim_after_start();
}

static void announce(struct daemon *d, const char *ticket)
{
    const char *url;
    for (size_t i = 0; (url = engine_url(d->engine, i)) != NULL; i++)
        log_event(LOG_INFO, "listening", LOG_F("address", str_from_cstr(url)));
    if (api_url(d->api))
        log_event(LOG_INFO, "admin", LOG_F("address", str_from_cstr(api_url(d->api))));
    struct config *c = engine_config(d->engine);
    log_event(LOG_INFO, "ready", LOG_I("sources", c->source_count),
              LOG_I("destinations", c->destination_count), LOG_I("routes", c->route_count),
              LOG_F("store", str_from_cstr(engine_core(d->engine)->store->ops->name)));
    if (d->guides)
        settings_print_first_steps(c, engine_url(d->engine, 0));
    config_unref(c);
    /* Who starts it by hand, or for the first time without a file, comes in by this link. */
    if (web_count && api_url(d->api) && (!d->path || d->guides))
        fprintf(stderr, "Open the dashboard (once, within 15 minutes):\n\n  %s/#/enter?t=%s\n\n",
                api_url(d->api), ticket);
}

static void run(struct daemon *d)
{
    char ticket[API_TICKET_MAX];
    api_ticket(d->api, ticket);
    engine_start(d->engine);
    api_start(d->api);
    announce(d, ticket);
    secret_wipe(ticket, sizeof(ticket));
    d->hup.fn = on_hup;
    d->stop.fn = on_stop;
    d->usr2.fn = on_usr2;
    if (pthread_create(&d->signals, NULL, signals_main, d) != 0)
        die("cannot start the signal thread");
    systemd_notify("READY=1");
    loop_timer_start(d->loop, &d->status, STATUS_MS, tick_status);
    loop_timer_start(d->loop, &d->started, STARTED_MS, after_start);
    loop_run(d->loop);
    d->hands_over = d->hands_over && !atomic_load(&d->stops);
    if (d->hands_over)
        handover_keep_sockets();
    systemd_notify(d->hands_over ? "RELOADING=1" : "STOPPING=1");
    log_event(LOG_INFO, "draining", LOG_I("at_most_ms", d->fast ? 0 : d->config->drain_timeout_ms));
    engine_drain(d->engine, d->fast ? 0 : d->config->drain_timeout_ms);
}

static int start(struct daemon *d)
{
    struct reason why = {0};
    struct buf problems;
    if (!launch_runners(d, &why)) {
        log_event(LOG_ERROR, "cannot start", LOG_F("reason", str_from_cstr(why.text)));
        return EXIT_INTERNAL;
    }
    d->loop = loop_new(clock_real());
    d->watch = config_watch_new(d->loop, d->path ? d->path : FILE_TO_COME, file_changed, d);
    buf_init(&problems, 1u << 20);
    d->config = load(d, &problems);
    if (d->config)
        log_setup(d->config->log_format, d->config->log_level);
    log_problems(d->config ? LOG_WARN : LOG_ERROR, &problems);
    buf_release(&problems);
    if (!d->config)
        return EXIT_CONFIG;
    config_watch_expect(d->watch, d->config->expires_ms);
    adopt_socket(d->config->listen, d->config->listen_count, "http");
    adopt_socket(d->config->admin_listen, d->config->admin_listen_count, "admin");
    if (!start_engine(d, &why) || !lay_definitions_over(d, &why) || !start_api(d, &why)) {
        log_event(LOG_ERROR, "cannot start", LOG_F("reason", str_from_cstr(why.text)));
        return exit_code_of(&why);
    }
    listeners_forget();
    return EXIT_CLEAN;
}

/* Where it fails nothing has changed: the next program goes on with the store that this one has. */
static void move_store(struct daemon *d)
{
    struct reason why = {0};
    struct arena a;
    if (engine_move_over(d->engine, &why) == ERR_OK)
        return;
    log_event(LOG_ERROR,
              "not moved; the former store goes on. Name it as `store` again, or end the "
              "move before the next start",
              LOG_F("reason", str_from_cstr(why.text)));
    arena_init(&a, 1u << 16);
    char *store = arena_cstr(&a, d->config->store);
    setenv("GAFF_STORE", store, 1);
    arena_release(&a);
}

/* All is drained and closed. */
static int end(struct daemon *d, int code)
{
    struct reason why = {0};
    if (code != EXIT_CLEAN)
        return code;
    if (!d->hands_over || atomic_load(&d->stops)) {
        log_line(LOG_INFO, "stopped");
        return code;
    }
    log_line(LOG_INFO, "handing over");
    handover_exec(d->path, &why);
    log_event(LOG_ERROR, "cannot hand over", LOG_F("reason", str_from_cstr(why.text)));
    return EXIT_INTERNAL;
}

int daemon_run(const char *config_path, bool first_steps)
{
    static struct daemon d;
    sigset_t set;
    d.path = config_path;
    d.guides = first_steps || isatty(STDERR_FILENO);
    trim_steadily();
    pthread_mutex_init(&d.reload_lock, NULL);
    log_setup(LOG_AUTO, LOG_INFO);
    handover_begin();
    prctl(PR_SET_DUMPABLE, 0); /* a command of the same user must not read our memory */
    watched_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    int code = start(&d);
    if (code == EXIT_CLEAN)
        run(&d);
    for (size_t i = 0; i < DELIVERY_LOOPS_MAX; i++)
        runner_link_free(d.runners[i]);
    runner_link_free(d.api_runner);
    config_watch_free(d.watch);
    api_free(d.api);
    store_reader_close(d.reader);
    if (code == EXIT_CLEAN && atomic_load(&d.moves))
        move_store(&d);
    engine_free(d.engine);
    if (d.published) /* else it is another instance's */
        settings_withdraw_url(d.state_directory);
    free(d.state_directory);
    config_unref(d.config);
    loop_timer_stop(&d.status);
    loop_timer_stop(&d.started);
    loop_free(d.loop);
    return end(&d, code);
}
