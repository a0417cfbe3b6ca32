/* watch.c -- the configuration watch: events of the kernel wake a look, and so does a timer; a
 * look compares the state of every involved file (cheap), and only a difference leads to reading
 * them (content). Invariant: `seen` and `content` are those of the last look and the last call.
 * Used by the daemon on its main loop. */
#include "engine/watch.h"

#include "base/buf.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/secret.h"
#include "engine/config_files.h"

#include <sys/stat.h>
#include <uv.h>

#define MAGIC 0x57415443u
#define ARENA_BYTES_MAX (64u << 20)
#define FILE_BYTES_MAX (4u << 20)
/* Files that never come to rest are read all the same after so many looks. */
#define LOOKS_MAX 10

struct fingerprint {
    uint64_t a, b;
};

/* One directory the kernel reports on; freed when libuv has closed it. */
struct directory {
    uv_fs_event_t event;
    struct config_watch *watch;
    char *path;
    dev_t dev;
    ino_t ino;
    bool armed;
};

enum { DIRECTORY_MAIN, DIRECTORY_CONF_D, DIRECTORY_PRESETS_D, DIRECTORY_COUNT };

struct config_watch {
    unsigned magic;
    struct loop *loop;
    char *path;
    void (*changed)(void *arg);
    void *arg;
    struct arena arena; /* of `files` */
    const char **files;
    size_t file_count;
    struct fingerprint seen, content;
    struct loop_timer poll, still;
    unsigned looks; /* since the first difference; 0: at rest */
    int64_t expected_ms;
    struct directory *directories[DIRECTORY_COUNT];
};

/* --- fingerprints ---------------------------------------------------------------------------- */

static void mix(struct fingerprint *f, const void *p, size_t n)
{
    str s = str_of(p, n);
    f->a = str_hash(s, f->a ^ n);
    f->b = str_hash(s, f->b + UINT64_C(0x9e3779b97f4a7c15));
}

static bool same(struct fingerprint x, struct fingerprint y)
{
    return x.a == y.a && x.b == y.b;
}

/* What stat says of every file: links are followed, so a swapped link is another file. */
static struct fingerprint look_at_files(const struct config_watch *w)
{
    struct fingerprint f = {1, 2};
    for (size_t i = 0; i < w->file_count; i++) {
        struct stat st;
        int64_t facts[9] = {0};
        if (stat(w->files[i], &st) == 0) {
            facts[0] = (int64_t)st.st_dev;
            facts[1] = (int64_t)st.st_ino;
            facts[2] = st.st_size;
            facts[3] = st.st_mtim.tv_sec;
            facts[4] = st.st_mtim.tv_nsec;
            facts[5] = st.st_ctim.tv_sec;
            facts[6] = st.st_ctim.tv_nsec;
            facts[7] = st.st_mode;
            facts[8] = 1;
        }
        mix(&f, facts, sizeof(facts));
    }
    return f;
}

static void mix_file(struct fingerprint *f, const char *path)
{
    struct arena raw;
    str text = STR_NONE;
    struct stat st;
    mix(f, path, strlen(path));
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    arena_init(&raw, FILE_BYTES_MAX + 4096);
    if (fs_read(&raw, path, FILE_BYTES_MAX, &text, NULL) == ERR_OK) {
        mix(f, text.p, text.n);
        secret_wipe((char *)(uintptr_t)text.p, text.n);
    }
    arena_release(&raw);
}

/* Finds out anew which files there are, and reads them. */
static struct fingerprint read_content(struct config_watch *w)
{
    struct fingerprint f = {3, 4};
    arena_release(&w->arena);
    arena_init(&w->arena, ARENA_BYTES_MAX);
    w->file_count = config_files_involved(&w->arena, w->path, &w->files);
    for (size_t i = 0; i < w->file_count; i++)
        mix_file(&f, w->files[i]);
    return f;
}

/* --- looking --------------------------------------------------------------------------------- */

static void arm_directories(struct config_watch *w);

static void call_if_changed(struct config_watch *w)
{
    struct fingerprint content = read_content(w);
    w->seen = look_at_files(w);
    arm_directories(w);
    if (same(content, w->content))
        return;
    w->content = content;
    w->changed(w->arg);
}

static void on_still(struct loop_timer *t)
{
    struct config_watch *w = CONTAINER_OF(t, struct config_watch, still);
    CHECK_MAGIC(w, MAGIC);
    struct fingerprint now = look_at_files(w);
    bool moved = !same(now, w->seen);
    w->seen = now;
    if (!moved && !w->looks)
        return; /* an event about some other file of the directory */
    if (moved && w->looks < LOOKS_MAX) {
        w->looks++;
        loop_timer_start(w->loop, &w->still, CONFIG_WATCH_STILL_MS, on_still);
        return;
    }
    w->looks = 0;
    call_if_changed(w);
}

static void wake(struct config_watch *w)
{
    if (!w->still.impl)
        loop_timer_start(w->loop, &w->still, CONFIG_WATCH_STILL_MS, on_still);
}

static void on_poll(struct loop_timer *t)
{
    struct config_watch *w = CONTAINER_OF(t, struct config_watch, poll);
    CHECK_MAGIC(w, MAGIC);
    arm_directories(w);
    if (!same(look_at_files(w), w->seen))
        wake(w);
    loop_timer_start(w->loop, &w->poll, CONFIG_WATCH_POLL_MS, on_poll);
    if (w->expected_ms && clock_wall_ms(loop_clock(w->loop)) >= w->expected_ms) {
        w->expected_ms = 0;
        w->changed(w->arg);
    }
}

/* --- the kernel's events --------------------------------------------------------------------- */

static void on_directory(uv_fs_event_t *event, const char *name, int events, int status)
{
    struct directory *d = event->data;
    UNUSED(name);
    UNUSED(events);
    UNUSED(status);
    wake(d->watch);
}

static void on_closed(uv_handle_t *handle)
{
    struct directory *d = handle->data;
    free(d->path);
    free(d);
}

static struct directory *new_directory(struct config_watch *w, str path)
{
    struct directory *d = xcalloc(1, sizeof(*d));
    d->watch = w;
    d->path = xmalloc(path.n + 1);
    memcpy(d->path, path.p, path.n);
    d->path[path.n] = '\0';
    uv_fs_event_init(loop_uv(w->loop), &d->event);
    d->event.data = d;
    uv_unref((uv_handle_t *)&d->event);
    return d;
}

/* The kernel watches a directory, not its name: another directory under the name, or one that has
 * come back, is armed again. */
static void arm_directory(struct directory *d)
{
    struct stat st;
    bool there = stat(d->path, &st) == 0 && S_ISDIR(st.st_mode);
    if (d->armed && there && st.st_dev == d->dev && st.st_ino == d->ino)
        return;
    if (d->armed)
        uv_fs_event_stop(&d->event);
    d->armed = there && uv_fs_event_start(&d->event, on_directory, d->path, 0) == 0;
    if (d->armed) {
        d->dev = st.st_dev;
        d->ino = st.st_ino;
    }
}

static void arm_directories(struct config_watch *w)
{
    for (size_t i = 0; i < DIRECTORY_COUNT; i++)
        arm_directory(w->directories[i]);
}

/* --- life ------------------------------------------------------------------------------------ */

struct config_watch *config_watch_new(struct loop *l, const char *path, void (*changed)(void *arg),
                                      void *arg)
{
    static const char *const names[DIRECTORY_COUNT] = {"", "conf.d", "presets.d"};
    struct config_watch *w = xcalloc(1, sizeof(*w));
    w->magic = MAGIC;
    w->loop = l;
    w->path = xstrdup(path);
    w->changed = changed;
    w->arg = arg;
    arena_init(&w->arena, ARENA_BYTES_MAX);
    const char *slash = strrchr(path, '/');
    str prefix = slash ? str_of(path, (size_t)(slash - path) + 1) : STR("./");
    struct buf directory;
    buf_init(&directory, 65536);
    for (size_t i = 0; i < DIRECTORY_COUNT; i++) {
        buf_clear(&directory);
        buf_printf(&directory, STR_FMT "%s", STR_ARG(prefix), names[i]);
        w->directories[i] = new_directory(w, buf_str(&directory));
    }
    buf_release(&directory);
    w->content = read_content(w);
    w->seen = look_at_files(w);
    arm_directories(w);
    loop_timer_start(l, &w->poll, CONFIG_WATCH_POLL_MS, on_poll);
    return w;
}

void config_watch_expect(struct config_watch *w, int64_t wall_ms)
{
    w->expected_ms = wall_ms;
}

void config_watch_free(struct config_watch *w)
{
    if (!w)
        return;
    loop_timer_stop(&w->poll);
    loop_timer_stop(&w->still);
    for (size_t i = 0; i < DIRECTORY_COUNT; i++)
        uv_close((uv_handle_t *)&w->directories[i]->event, on_closed);
    arena_release(&w->arena);
    free(w->path);
    w->magic = 0;
    free(w);
}
