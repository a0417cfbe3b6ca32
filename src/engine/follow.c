/* follow.c -- a cursor over the store's changes of objects, moved by one thread at a time: by the
 * follower's own when another node changed something, by who commits for its own changes. So an
 * older change never overwrites a newer one. */
#include "engine/follow.h"

#include "base/log.h"
#include "engine/directory.h"
#include "engine/hub.h"
#include "engine/pause.h"

#include <errno.h>
#include <pthread.h>

#define PAGE 200
#define PAGE_ARENA_MAX (128u << 20)
#define RETRY_S 1
/* Deletions are remembered for OBJECT_GONE_KEPT_MS: who followed nothing for longer than this reads
 * all anew. */
#define AWAY_NS_MAX (OBJECT_GONE_KEPT_MS / 2 * INT64_C(1000000))

struct follower {
    struct engine_core *core;
    struct store_reader *reader;
    void (*definitions_changed)(void *arg);
    void *arg;
    pthread_mutex_t walk; /* guards the cursor */
    uint64_t cursor;
    int64_t walked_ns;
    pthread_t thread;
    pthread_mutex_t lock; /* guards these two */
    pthread_cond_t wake;
    bool look, stop;
};

static bool is_definition(str kind)
{
    return str_starts(kind, STR("defined-"));
}

static void apply(struct follower *f, const struct object *o, bool *definitions)
{
    if (is_definition(o->kind))
        *definitions = true;
    else if (str_eq(o->kind, STR("pause")))
        pause_follow(f->core, o->id, !o->deleted);
    else if (!str_eq(o->kind, STR(HUB_JOB_KIND)))
        directory_apply(f->core->directory, o);
    else if (!o->deleted)
        hub_heard(f->core->hub);
}

static enum err read_anew(struct follower *f, bool *definitions, struct reason *why)
{
    struct store_counts counts = {0};
    enum err err = store_counts_get(f->reader, &counts, why);
    if (err == ERR_OK)
        err = directory_load(f->core->directory, why);
    if (err == ERR_OK)
        err = pause_restore(f->core, why);
    if (err != ERR_OK)
        return err;
    *definitions = true;
    f->cursor = counts.object_sequence;
    return ERR_OK;
}

static enum err read_changes(struct follower *f, bool *definitions, struct reason *why)
{
    struct arena a;
    struct object_list page = {.more = true};
    enum err err = ERR_OK;
    arena_init(&a, PAGE_ARENA_MAX);
    while (err == ERR_OK && page.more) {
        arena_reset(&a);
        err = store_object_changes(f->reader, f->cursor, PAGE, &a, &page, why);
        for (size_t i = 0; err == ERR_OK && i < page.count; i++) {
            apply(f, &page.v[i], definitions);
            f->cursor = page.v[i].sequence;
        }
    }
    arena_release(&a);
    return err;
}

static enum err catch_up(struct follower *f, struct reason *why)
{
    bool definitions = false;
    pthread_mutex_lock(&f->walk);
    int64_t now = clock_mono_ns(clock_real());
    enum err err = now - f->walked_ns > AWAY_NS_MAX ? read_anew(f, &definitions, why)
                                                    : read_changes(f, &definitions, why);
    if (err == ERR_OK)
        f->walked_ns = now;
    pthread_mutex_unlock(&f->walk);
    if (definitions && f->definitions_changed)
        f->definitions_changed(f->arg);
    return err;
}

/* Waits until woken; false: the end. */
static bool await_wake(struct follower *f, bool failed)
{
    struct timespec until = {.tv_sec = clock_wall_ms(clock_real()) / 1000 + RETRY_S};
    pthread_mutex_lock(&f->lock);
    while (!f->look && !f->stop)
        if (!failed)
            pthread_cond_wait(&f->wake, &f->lock);
        else if (pthread_cond_timedwait(&f->wake, &f->lock, &until) == ETIMEDOUT)
            break;
    f->look = false;
    bool stop = f->stop;
    pthread_mutex_unlock(&f->lock);
    return !stop;
}

static void *thread_main(void *arg)
{
    struct follower *f = arg;
    bool failed = false;
    pthread_setname_np(pthread_self(), "gaff-follow");
    while (await_wake(f, failed)) {
        struct reason why = {0};
        uint64_t held;
        failed = catch_up(f, &why) != ERR_OK;
        if (failed && log_rate("follow", &held))
            log_event(LOG_WARN, "changes made by other nodes can't be read now",
                      LOG_F("reason", str_from_cstr(why.text)));
    }
    return NULL;
}

struct follower *follower_new(struct engine_core *core, uint64_t from,
                              void (*definitions_changed)(void *arg), void *arg)
{
    struct reason why;
    if (!core->store->shared)
        return NULL;
    struct follower *f = xcalloc(1, sizeof(*f));
    f->core = core;
    f->cursor = from;
    f->walked_ns = clock_mono_ns(clock_real());
    f->definitions_changed = definitions_changed;
    f->arg = arg;
    f->look = true;
    pthread_mutex_init(&f->walk, NULL);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->wake, NULL);
    f->reader = store_reader_open(core->store, &why);
    if (!f->reader || pthread_create(&f->thread, NULL, thread_main, f) != 0)
        die("cannot start the thread that follows other nodes");
    return f;
}

void follower_wake(struct follower *f)
{
    pthread_mutex_lock(&f->lock);
    f->look = true;
    pthread_cond_signal(&f->wake);
    pthread_mutex_unlock(&f->lock);
}

void follower_free(struct follower *f)
{
    if (!f)
        return;
    pthread_mutex_lock(&f->lock);
    f->stop = true;
    pthread_cond_signal(&f->wake);
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->thread, NULL);
    store_reader_close(f->reader);
    pthread_mutex_destroy(&f->walk);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->wake);
    free(f);
}

void follow_committed(struct engine_core *core, const struct object *o)
{
    struct reason why;
    /* It is committed: when it can't be read back now it is applied all the same. */
    if (!core->follower || catch_up(core->follower, &why) != ERR_OK)
        directory_apply(core->directory, o);
}
