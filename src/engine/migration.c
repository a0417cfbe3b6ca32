/* migration.c -- one thread that has both stores. What it follows lies a second back: by then most
 * deliveries have ended, and an event goes over once. */
#include "engine/migration.h"

#include "base/log.h"

#include <errno.h>
#include <pthread.h>

#define FOLLOW_MS 500
#define BACK_MS 1000

struct migration {
    struct engine_core *core;
    struct store_tap tap;
    struct store *to;
    struct copier *copier;
    char *url;
    pthread_t thread;
    bool runs; /* the thread is to be joined */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop;                  /* guarded by lock, as is the next */
    struct migration_view view; /* what others see */
};

const char *migration_state_word(enum migration_state s)
{
    static const char *const words[] = {
#define X(name, word) word,
        MIGRATION_STATES(X)
#undef X
    };
    return words[s];
}

struct migration *migration_new(struct engine_core *core)
{
    struct migration *m = xcalloc(1, sizeof(*m));
    m->core = core;
    tap_init(&m->tap);
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->wake, NULL);
    return m;
}

static void enter(struct migration *m, enum migration_state state)
{
    pthread_mutex_lock(&m->lock);
    m->view.state = state;
    pthread_mutex_unlock(&m->lock);
}

static bool told(const struct copy_progress *p, void *arg)
{
    struct migration *m = arg;
    pthread_mutex_lock(&m->lock);
    m->view.progress = *p;
    bool go_on = !m->stop;
    pthread_mutex_unlock(&m->lock);
    return go_on;
}

/* --- the thread ------------------------------------------------------------------------------- */

static bool pause_is_over(struct migration *m)
{
    int64_t at_ms = clock_wall_ms(clock_real()) + FOLLOW_MS;
    struct timespec at = {.tv_sec = at_ms / 1000, .tv_nsec = at_ms % 1000 * 1000000};
    pthread_mutex_lock(&m->lock);
    while (!m->stop && pthread_cond_timedwait(&m->wake, &m->lock, &at) != ETIMEDOUT)
        continue;
    bool go_on = !m->stop;
    pthread_mutex_unlock(&m->lock);
    return go_on;
}

static enum err follow(struct migration *m, struct reason *why)
{
    uint64_t left = 0;
    enum err err = copy_alone(m->core->store, why);
    if (err == ERR_OK)
        err = copier_follow(m->copier, clock_wall_ms(m->core->clock) - BACK_MS, &left, why);
    pthread_mutex_lock(&m->lock);
    m->view.left = left;
    pthread_mutex_unlock(&m->lock);
    return err;
}

static enum err compare(struct migration *m, struct reason *why)
{
    enter(m, MIGRATION_COMPARING);
    enum err err = copier_compare(m->copier, why);
    if (err == ERR_OK)
        enter(m, MIGRATION_FOLLOWING);
    return err;
}

static enum err work(struct migration *m, struct reason *why)
{
    struct arena a;
    arena_init(&a, 1u << 16);
    struct config *c = engine_config(m->core->engine);
    enum err err = copier_start(m->copier, store_url_shown(c->store, &a), why);
    config_unref(c);
    arena_release(&a);
    if (err == ERR_OK)
        err = follow(m, why);
    if (err == ERR_OK)
        err = compare(m, why);
    while (err == ERR_OK && pause_is_over(m)) {
        err = follow(m, why);
        if (err == ERR_OK && m->view.left == UINT64_MAX)
            err = compare(m, why);
    }
    return err;
}

static void *thread_main(void *arg)
{
    struct migration *m = arg;
    struct reason why = {0};
    pthread_setname_np(pthread_self(), "gaff-migrate");
    enum err err = work(m, &why);
    /* A database that was away: from the start, which is not far. */
    while (err == ERR_IO && pause_is_over(m)) {
        log_event(LOG_WARN, "the move to another store begins again",
                  LOG_F("to", str_from_cstr(m->view.to)), LOG_F("reason", str_from_cstr(why.text)));
        enter(m, MIGRATION_COPYING);
        err = work(m, &why);
    }
    pthread_mutex_lock(&m->lock);
    if (err != ERR_OK && !m->stop) {
        m->view.state = MIGRATION_FAILED;
        snprintf(m->view.reason, sizeof(m->view.reason), "%s", why.text);
        log_event(LOG_ERROR, "the move to another store failed; begun again it goes on",
                  LOG_F("to", str_from_cstr(m->view.to)), LOG_F("reason", str_from_cstr(why.text)));
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

/* --- begin and end ---------------------------------------------------------------------------- */

static void join(struct migration *m)
{
    pthread_mutex_lock(&m->lock);
    m->stop = true;
    pthread_cond_signal(&m->wake);
    pthread_mutex_unlock(&m->lock);
    if (m->runs)
        pthread_join(m->thread, NULL);
    m->runs = false;
}

static void let_go(struct migration *m)
{
    atomic_store(&m->tap.limit, 0);
    copier_free(m->copier);
    m->copier = NULL;
    if (m->to)
        m->to->seal = NULL; /* it is the engine's */
    store_close(m->to);
    m->to = NULL;
    if (m->url)
        secret_wipe(m->url, strlen(m->url));
    free(m->url);
    m->url = NULL;
}

void migration_free(struct migration *m)
{
    if (!m)
        return;
    join(m);
    let_go(m);
    tap_release(&m->tap);
    pthread_mutex_destroy(&m->lock);
    pthread_cond_destroy(&m->wake);
    free(m);
}

static enum err open_target(struct migration *m, str url, struct reason *why)
{
    const struct store_options options = {.node = STR("migration")};
    if (!str_starts(url, STR("sqlite:")) && !str_starts(url, STR("postgres")))
        return fail(why, ERR_INVALID,
                    "name a store to move to: sqlite:DIRECTORY or postgres://...");
    m->to = store_open_with(url, &options, clock_real(), why);
    if (!m->to)
        return why->code == ERR_OK ? ERR_IO : why->code;
    m->to->seal = m->core->store->seal;
    m->copier = copier_new(m->core->store, m->to, &m->tap, told, m, why);
    return m->copier ? ERR_OK : ERR_IO;
}

static enum err begin(struct migration *m, str url, struct reason *why)
{
    struct arena a;
    struct migration_view now;
    migration_look(m, &now);
    if (now.state != MIGRATION_IDLE && now.state != MIGRATION_FAILED)
        return fail(why, ERR_CONFLICT, "a move to %s is under way", now.to);
    enum err err = copy_alone(m->core->store, why);
    if (err != ERR_OK)
        return err;
    join(m);
    let_go(m);
    atomic_store_explicit(&m->core->store->tap, &m->tap, memory_order_release);
    err = open_target(m, url, why);
    if (err != ERR_OK)
        return err;
    arena_init(&a, 1u << 16);
    m->view = (struct migration_view){.state = MIGRATION_COPYING};
    snprintf(m->view.to, sizeof(m->view.to), STR_FMT, STR_ARG(store_url_shown(url, &a)));
    arena_release(&a);
    m->url = xmalloc(url.n + 1);
    memcpy(m->url, url.p, url.n);
    m->url[url.n] = 0;
    m->stop = false;
    m->runs = pthread_create(&m->thread, NULL, thread_main, m) == 0;
    return m->runs ? ERR_OK : fail(why, ERR_IO, "cannot start a thread");
}

enum err migration_begin(struct migration *m, str url, struct reason *why)
{
    enum err err = begin(m, url, why);
    if (err != ERR_OK && !m->runs)
        let_go(m);
    return err;
}

void migration_stop(struct migration *m)
{
    join(m);
    let_go(m);
    m->view = (struct migration_view){.state = MIGRATION_IDLE};
}

void migration_look(struct migration *m, struct migration_view *out)
{
    pthread_mutex_lock(&m->lock);
    *out = m->view;
    pthread_mutex_unlock(&m->lock);
}

enum err migration_may_end(struct migration *m, str url, struct reason *why)
{
    struct migration_view v;
    migration_look(m, &v);
    if (v.state != MIGRATION_FOLLOWING)
        return fail(why, ERR_CONFLICT, "the move is %s; wait until it is following",
                    migration_state_word(v.state));
    if (!str_eq(url, str_from_cstr(m->url)))
        return fail(why, ERR_CONFLICT,
                    "the configuration does not name the store that was moved to: put it into "
                    "`store` first, as it was named here");
    return ERR_OK;
}

/* A node that joined since is not marked out: it goes on with this store, and so do we. */
static enum err mark_moved(struct migration *m, struct reason *why)
{
    struct store *s = m->core->store;
    struct reason ignored;
    enum err err = copy_mark_set(s, COPY_MOVED, str_from_cstr(m->view.to), why);
    if (err != ERR_OK)
        return err;
    err = copy_alone(s, why);
    if (err != ERR_OK)
        (void)copy_mark_set(s, COPY_NONE, STR(""), &ignored);
    return err;
}

enum err migration_end(struct migration *m, struct reason *why)
{
    join(m);
    m->stop = false;
    enum err err = m->view.state == MIGRATION_FOLLOWING
                       ? copy_alone(m->core->store, why)
                       : fail(why, ERR_CONFLICT, "it failed: %s", m->view.reason);
    if (err == ERR_OK)
        err = copier_end(m->copier, why);
    if (err == ERR_OK)
        err = mark_moved(m, why);
    if (err == ERR_OK)
        err = copy_mark_set(m->to, COPY_NONE, STR(""), why);
    if (err == ERR_OK)
        log_event(LOG_INFO, "moved to another store", LOG_F("to", str_from_cstr(m->view.to)),
                  LOG_I("events", copier_progress(m->copier)->events_all));
    return err;
}
