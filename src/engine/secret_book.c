/* secret_book.c -- cells under a lock that are only ever added; the time of last use in them is
 * atomic, so that an accepted request writes one word and takes no lock.
 *
 * DIRECTORY/secret-use has a line a cell: source, fingerprint, since, last use. DIRECTORY/learned
 * has a file a source, with the secret as it was given, sealed and bound to the source's name. */
#include "engine/secret_book.h"

#include "base/codec.h"
#include "base/fs.h"
#include "base/log.h"
#include "verify/crypto.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#define CELLS_MAX 4096
#define LEARNED_MAX 1024
#define LEARNED_BYTES_MAX 4096u
#define FILE_BYTES_MAX (1u << 20)

struct secret_book {
    const struct clock *clock;
    char *directory;
    const struct seal *seal; /* NULL: in clear */
    pthread_mutex_t lock;
    struct secret_use *cells[CELLS_MAX];
    size_t count;
    struct learned {
        char source[64];
        struct secret secret;
    } * learned; /* only when there is no directory */
    size_t learned_count;
    int64_t saved_sum;
};

static void fingerprint_of(str secret, char out[FINGERPRINT_TEXT + 1])
{
    uint8_t digest[DIGEST_BYTES_MAX];
    digest_of(DIGEST_SHA256, secret, digest);
    hex_encode(digest, FINGERPRINT_TEXT / 2, out);
    out[FINGERPRINT_TEXT] = 0;
    secret_wipe(digest, sizeof(digest));
}

static struct secret_use *find(struct secret_book *b, str source, const char *fingerprint)
{
    for (size_t i = 0; i < b->count; i++)
        if (str_eq(str_from_cstr(b->cells[i]->source), source) &&
            strcmp(b->cells[i]->fingerprint, fingerprint) == 0)
            return b->cells[i];
    return NULL;
}

static struct secret_use *add(struct secret_book *b, str source, const char *fingerprint,
                              int64_t since_ms)
{
    if (b->count == CELLS_MAX || source.n >= sizeof(b->cells[0]->source))
        return NULL;
    struct secret_use *u = xcalloc(1, sizeof(*u));
    memcpy(u->source, source.p, source.n);
    snprintf(u->fingerprint, sizeof(u->fingerprint), "%s", fingerprint);
    u->since_ms = since_ms;
    atomic_init(&u->last_used_ms, 0);
    b->cells[b->count++] = u;
    return u;
}

struct secret_use *secret_book_use(struct secret_book *b, str source, str secret)
{
    char fingerprint[FINGERPRINT_TEXT + 1];
    fingerprint_of(secret, fingerprint);
    pthread_mutex_lock(&b->lock);
    struct secret_use *u = find(b, source, fingerprint);
    if (!u)
        u = add(b, source, fingerprint, clock_wall_ms(b->clock));
    pthread_mutex_unlock(&b->lock);
    return u;
}

/* --- the file of uses --------------------------------------------------------------------------
 */

static bool path_of(const struct secret_book *b, const char *file, str name, char out[4096])
{
    int n = snprintf(out, 4096, "%s/%s%s" STR_FMT, b->directory, file, name.n ? "/" : "",
                     STR_ARG(name));
    return n > 0 && n < 4096;
}

static void read_line(struct secret_book *b, str line)
{
    char fingerprint[FINGERPRINT_TEXT + 1];
    str source = str_cut(&line, ' '), print = line.p ? str_cut(&line, ' ') : STR_NONE;
    str since = line.p ? str_cut(&line, ' ') : STR_NONE, used = line;
    int64_t since_ms, used_ms;
    if (print.n != FINGERPRINT_TEXT || !str_to_i64(since, &since_ms) ||
        !str_to_i64(used.p ? used : STR(""), &used_ms))
        return;
    memcpy(fingerprint, print.p, print.n);
    fingerprint[print.n] = 0;
    struct secret_use *u = add(b, source, fingerprint, since_ms);
    if (u)
        atomic_store(&u->last_used_ms, used_ms);
}

static void read_uses(struct secret_book *b)
{
    char path[4096];
    struct arena a;
    struct reason why;
    str text;
    arena_init(&a, 2 * (size_t)FILE_BYTES_MAX);
    if (path_of(b, "secret-use", STR(""), path) &&
        fs_read(&a, path, FILE_BYTES_MAX, &text, &why) == ERR_OK)
        while (text.p)
            read_line(b, str_cut(&text, '\n'));
    arena_release(&a);
}

void secret_book_save(struct secret_book *b)
{
    char path[4096];
    struct buf out;
    struct reason why = {.text = ""};
    int64_t sum = 0;
    if (!b->directory || !path_of(b, "secret-use", STR(""), path))
        return;
    buf_init(&out, FILE_BYTES_MAX);
    pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < b->count; i++) {
        struct secret_use *u = b->cells[i];
        int64_t used_ms = atomic_load(&u->last_used_ms);
        sum += used_ms + (int64_t)i + 1;
        buf_printf(&out, "%s %s %lld %lld\n", u->source, u->fingerprint, (long long)u->since_ms,
                   (long long)used_ms);
    }
    bool changed = sum != b->saved_sum;
    b->saved_sum = sum;
    pthread_mutex_unlock(&b->lock);
    if (changed && buf_ok(&out) &&
        (fs_mkdirs(b->directory, &why) != ERR_OK || /* that of a store in a database is not there */
         fs_write_atomic(path, buf_str(&out), 0600, &why) != ERR_OK))
        log_event(LOG_WARN, "the use of secrets could not be written down",
                  LOG_F("reason", str_from_cstr(why.text)));
    buf_release(&out);
}

bool secret_is_idle(const struct secret_use *u, int64_t now_ms)
{
    int64_t used_ms = atomic_load(&u->last_used_ms);
    return now_ms - (used_ms > u->since_ms ? used_ms : u->since_ms) > SECRET_IDLE_WARN_MS;
}

/* --- learned secrets ---------------------------------------------------------------------------
 */

static struct learned *find_learned(struct secret_book *b, str source)
{
    for (size_t i = 0; i < b->learned_count; i++)
        if (str_eq(str_from_cstr(b->learned[i].source), source))
            return &b->learned[i];
    return NULL;
}

static str owner_of(str source, struct arena *a)
{
    return arena_printf(a, "learned\n" STR_FMT, STR_ARG(source));
}

/* The file of a source as it is, and the secret in it. */
static enum err open_learned(struct secret_book *b, str source, struct arena *a, str *raw,
                             str *secret, struct reason *why)
{
    char path[4096];
    if (!path_of(b, "learned", source, path))
        return fail(why, ERR_LIMIT, "the path of the data directory is too long");
    enum err e = fs_read(a, path, LEARNED_BYTES_MAX, raw, why);
    *secret = e == ERR_OK ? *raw : STR_NONE;
    if (e != ERR_OK || !seal_is_sealed(*raw))
        return e;
    if (!b->seal)
        return fail(why, ERR_INVALID,
                    "the secret that source \"" STR_FMT "\" has learned is sealed: set secret_key "
                    "(GAFF_SECRET_KEY) to its key",
                    STR_ARG(source));
    return seal_open(b->seal, owner_of(source, a), *raw, a, secret, why);
}

static bool read_learned(struct secret_book *b, str source, struct secret *out)
{
    struct arena a;
    struct reason why;
    str raw = STR(""), text = STR("");
    if (!b->directory) {
        struct learned *l = find_learned(b, source);
        if (l)
            secret_init(out, secret_str(&l->secret));
        return l != NULL;
    }
    arena_init(&a, 1u << 16);
    bool found = open_learned(b, source, &a, &raw, &text, &why) == ERR_OK && text.n > 0;
    if (found) {
        secret_init(out, text);
        secret_wipe((char *)(uintptr_t)text.p, text.n);
    }
    arena_release(&a);
    return found;
}

bool secret_book_learned(struct secret_book *b, str source, struct secret *out)
{
    pthread_mutex_lock(&b->lock);
    bool found = read_learned(b, source, out);
    pthread_mutex_unlock(&b->lock);
    return found;
}

static enum err write_file(struct secret_book *b, str source, str secret, struct reason *why)
{
    char path[4096];
    struct arena a;
    arena_init(&a, 1u << 16);
    str kept = b->seal ? seal_close(b->seal, owner_of(source, &a), secret, &a) : secret;
    enum err e = ERR_OK;
    if (!kept.p || kept.n > LEARNED_BYTES_MAX)
        e = fail(why, ERR_LIMIT, "a learned secret is too long");
    else if (!path_of(b, "learned", source, path))
        e = fail(why, ERR_LIMIT, "the path of the data directory is too long");
    else
        e = fs_write_atomic(path, kept, 0600, why);
    arena_release(&a);
    return e;
}

static enum err write_learned(struct secret_book *b, str source, str secret, struct reason *why)
{
    char path[4096];
    if (!b->directory) {
        if (b->learned_count == LEARNED_MAX || source.n >= sizeof(b->learned->source))
            return fail(why, ERR_LIMIT, "too many learned secrets");
        struct learned *l = &b->learned[b->learned_count++];
        *l = (struct learned){.source = ""};
        memcpy(l->source, source.p, source.n);
        secret_init(&l->secret, secret);
        return ERR_OK;
    }
    if (!path_of(b, "learned", STR(""), path))
        return fail(why, ERR_LIMIT, "the path of the data directory is too long");
    enum err e = fs_mkdirs(path, why);
    if (e == ERR_OK)
        e = fs_sync_parent(path, why);
    return e == ERR_OK ? write_file(b, source, secret, why) : e;
}

/* One that is in clear, or under a former key, is written anew. A full disk keeps nothing new; what
 * is there opens, and that is enough to start. */
static enum err seal_one(struct secret_book *b, str source, size_t *renewed, struct reason *why)
{
    struct arena a;
    struct reason unwritten;
    str raw = STR(""), secret = STR("");
    arena_init(&a, 1u << 16);
    enum err e = open_learned(b, source, &a, &raw, &secret, why);
    if (e == ERR_OK && b->seal && raw.n && !seal_is_current(b->seal, raw)) {
        if (write_file(b, source, secret, &unwritten) == ERR_OK)
            ++*renewed;
        else
            log_event(LOG_WARN, "a learned secret is not sealed anew", LOG_F("source", source),
                      LOG_F("reason", str_from_cstr(unwritten.text)));
    }
    if (secret.n)
        secret_wipe((char *)(uintptr_t)secret.p, secret.n);
    arena_release(&a);
    return e;
}

enum err secret_book_seal(struct secret_book *b, const struct seal *seal, struct reason *why)
{
    char path[4096];
    size_t renewed = 0;
    enum err e = ERR_OK;
    b->seal = seal;
    if (!b->directory || !path_of(b, "learned", STR(""), path))
        return ERR_OK;
    DIR *folder = opendir(path);
    for (struct dirent *f; folder && e == ERR_OK && (f = readdir(folder)) != NULL;)
        if (!strchr(f->d_name, '.')) /* no source's name has one; a file half written does */
            e = seal_one(b, str_from_cstr(f->d_name), &renewed, why);
    if (folder)
        (void)closedir(folder);
    if (renewed)
        log_event(LOG_INFO, "learned secrets are sealed with the first key now",
                  LOG_I("files", renewed));
    return e;
}

enum err secret_book_learn(struct secret_book *b, str source, str secret, struct reason *why)
{
    struct secret known = {0};
    enum err e = ERR_OK;
    pthread_mutex_lock(&b->lock);
    if (!read_learned(b, source, &known))
        e = write_learned(b, source, secret, why);
    else if (!secret_equal((const char *)known.bytes, known.n, secret.p, secret.n))
        e = fail(why, ERR_CONFLICT, "source \"" STR_FMT "\" has learned another secret already",
                 STR_ARG(source));
    secret_release(&known);
    pthread_mutex_unlock(&b->lock);
    return e;
}

enum err secret_book_forget(struct secret_book *b, str source, struct reason *why)
{
    char path[4096];
    enum err e = ERR_OK;
    pthread_mutex_lock(&b->lock);
    struct learned *l = b->directory ? NULL : find_learned(b, source);
    if (l) {
        secret_release(&l->secret);
        *l = b->learned[--b->learned_count];
    } else if (!b->directory || !path_of(b, "learned", source, path) || unlink(path) != 0) {
        e = fail(why, ERR_NOT_FOUND, "source \"" STR_FMT "\" has learned no secret",
                 STR_ARG(source));
    } else {
        e = fs_sync_parent(path, why);
    }
    pthread_mutex_unlock(&b->lock);
    return e;
}

/* --- life cycle --------------------------------------------------------------------------------
 */

struct secret_book *secret_book_new(const struct clock *clock, const char *directory)
{
    struct secret_book *b = xcalloc(1, sizeof(*b));
    b->clock = clock;
    pthread_mutex_init(&b->lock, NULL);
    if (directory) {
        size_t n = strlen(directory) + 1;
        b->directory = xmalloc(n);
        memcpy(b->directory, directory, n);
        read_uses(b);
    } else {
        b->learned = xcalloc(LEARNED_MAX, sizeof(*b->learned));
    }
    return b;
}

void secret_book_free(struct secret_book *b)
{
    if (!b)
        return;
    secret_book_save(b);
    for (size_t i = 0; i < b->count; i++)
        free(b->cells[i]);
    for (size_t i = 0; i < b->learned_count; i++)
        secret_release(&b->learned[i].secret);
    free(b->learned);
    free(b->directory);
    pthread_mutex_destroy(&b->lock);
    free(b);
}
