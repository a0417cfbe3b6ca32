/* lent.c -- rows in slots that are used again, a map from id to slot, and counts by destination.
 *
 * The file is a head and pairs of id and next_ms up to one of id 0. Claims are appended; what was
 * settled stays until the file is full, and is then written anew from what is lent. Its room is
 * taken when it is made, so that a full disk does not stop deliveries. */
#include "store/lent.h"

#include "base/log.h"
#include "base/map.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#define MAGIC 0x6c656e7467616666u
#define FILE_BYTES (1u << 20)
#define AT_ONCE 256u

struct entry { /* as it stands in the file, which never leaves the machine; id 0: the end */
    uint64_t id;
    int64_t next_ms;
};
#define ENTRIES_MIN (FILE_BYTES / sizeof(struct entry) - 2) /* without the head and the end */

struct lent {
    pthread_mutex_t lock;
    struct lent_row *rows;
    size_t *unused; /* slots of rows */
    size_t unused_count, used, cap;
    struct idmap by_id;          /* slot + 1 */
    struct idmap by_destination; /* count */
    int fd;
    bool is_mine;   /* the file tells of this process, not of the former one */
    size_t written; /* entries of it */
    uint64_t store_id;
    struct lent_row *former;
    size_t former_count;
};

/* --- in memory -------------------------------------------------------------------------------- */

static void count_by_destination(struct lent *l, int64_t destination, int n)
{
    uintptr_t now = (uintptr_t)idmap_get(&l->by_destination, (uint64_t)destination);
    now += (uintptr_t)n;
    if (now)
        idmap_put(&l->by_destination, (uint64_t)destination, (void *)now);
    else
        idmap_remove(&l->by_destination, (uint64_t)destination);
}

static size_t take_slot(struct lent *l)
{
    if (l->unused_count)
        return l->unused[--l->unused_count];
    if (l->used == l->cap) {
        l->cap = l->cap ? l->cap * 2 : AT_ONCE;
        l->rows = xrealloc(l->rows, l->cap * sizeof(*l->rows));
        l->unused = xrealloc(l->unused, l->cap * sizeof(*l->unused));
    }
    return l->used++;
}

static void put(struct lent *l, const struct lent_row *row)
{
    pthread_mutex_lock(&l->lock);
    if (!idmap_get(&l->by_id, row->id)) {
        size_t slot = take_slot(l);
        l->rows[slot] = *row;
        idmap_put(&l->by_id, row->id, (void *)(uintptr_t)(slot + 1));
        count_by_destination(l, row->destination, 1);
    }
    pthread_mutex_unlock(&l->lock);
}

void lent_again(struct lent *l, const struct lent_row *row)
{
    put(l, row);
}

bool lent_take_back(struct lent *l, uint64_t id, struct lent_row *out)
{
    pthread_mutex_lock(&l->lock);
    size_t place = (size_t)(uintptr_t)idmap_remove(&l->by_id, id);
    if (place) {
        *out = l->rows[place - 1];
        l->unused[l->unused_count++] = place - 1;
        count_by_destination(l, out->destination, -1);
    }
    pthread_mutex_unlock(&l->lock);
    return place != 0;
}

bool lent_has(struct lent *l, uint64_t id)
{
    pthread_mutex_lock(&l->lock);
    bool is = l->by_id.count && idmap_get(&l->by_id, id) != NULL;
    pthread_mutex_unlock(&l->lock);
    return is;
}

size_t lent_count(struct lent *l)
{
    pthread_mutex_lock(&l->lock);
    size_t n = l->by_id.count;
    pthread_mutex_unlock(&l->lock);
    return n;
}

size_t lent_count_of(struct lent *l, int64_t destination)
{
    pthread_mutex_lock(&l->lock);
    size_t n = (size_t)(uintptr_t)idmap_get(&l->by_destination, (uint64_t)destination);
    pthread_mutex_unlock(&l->lock);
    return n;
}

size_t lent_count_between(struct lent *l, int64_t destination, uint64_t after, uint64_t before,
                          size_t *tried)
{
    uint64_t id;
    size_t n = 0;
    *tried = 0;
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; idmap_next(&l->by_id, &i, &id);) {
        const struct lent_row *r = &l->rows[(size_t)(uintptr_t)idmap_get(&l->by_id, id) - 1];
        if (r->destination != destination || id <= after || id >= before)
            continue;
        n++;
        *tried += r->was_tried;
    }
    pthread_mutex_unlock(&l->lock);
    return n;
}

size_t lent_ids(struct lent *l, uint64_t *out, size_t max)
{
    uint64_t id;
    size_t n = 0;
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; n < max && idmap_next(&l->by_id, &i, &id); n++)
        out[n] = id;
    n = l->by_id.count;
    pthread_mutex_unlock(&l->lock);
    return n;
}

/* --- in the file ------------------------------------------------------------------------------ */

static bool write_at(const struct lent *l, const struct entry *v, size_t count, size_t at)
{
    const char *p = (const char *)v;
    size_t left = count * sizeof(*v);
    off_t to = (off_t)(at * sizeof(*v));
    while (left) {
        ssize_t n = pwrite(l->fd, p, left, to);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        p += n;
        left -= (size_t)n;
        to += n;
    }
    return true;
}

/* Everything that is lent, over what the file held. */
static bool write_anew(struct lent *l)
{
    struct entry *v = calloc(l->by_id.count + 2, sizeof(*v));
    if (!v)
        return false;
    size_t n = 0;
    uint64_t id;
    v[n++] = (struct entry){MAGIC, (int64_t)l->store_id};
    for (size_t i = 0; idmap_next(&l->by_id, &i, &id);) {
        size_t slot = (size_t)(uintptr_t)idmap_get(&l->by_id, id) - 1;
        v[n++] = (struct entry){id, l->rows[slot].next_ms};
    }
    bool good = write_at(l, v, n + 1, 0);
    free(v);
    if (good) {
        l->written = n - 1;
        l->is_mine = true;
    }
    return good;
}

static bool append(struct lent *l, const struct lent_row *rows, size_t count)
{
    struct entry v[AT_ONCE + 1];
    while (count) {
        size_t n = count < AT_ONCE ? count : AT_ONCE;
        for (size_t i = 0; i < n; i++)
            v[i] = (struct entry){rows[i].id, rows[i].next_ms};
        v[n] = (struct entry){0, 0};
        if (!write_at(l, v, n + 1, 1 + l->written))
            return false;
        l->written += n;
        rows += n;
        count -= n;
    }
    return true;
}

/* What could not be written anew tells too much after a crash, and nothing wrong before it. */
void lent_forget_given_back(struct lent *l)
{
    if (l->is_mine)
        (void)write_anew(l);
}

enum err lent_add(struct lent *l, const struct lent_row *v, size_t count, struct reason *why)
{
    bool good = true;
    size_t most = 2 * l->by_id.count > ENTRIES_MIN ? 2 * l->by_id.count : ENTRIES_MIN;
    if (!l->is_mine || l->written + count > most)
        good = write_anew(l);
    if (!good || !append(l, v, count))
        return fail_errno(why, errno == ENOSPC ? ERR_FULL : ERR_IO, "can't note what is claimed");
    free(l->former);
    l->former = NULL;
    l->former_count = 0;
    for (size_t i = 0; i < count; i++)
        put(l, &v[i]);
    return ERR_OK;
}

const struct lent_row *lent_former(const struct lent *l, size_t *count)
{
    *count = l->former_count;
    return l->former;
}

/* The next entries of the file, up to its end; *is_end: there are no more. */
static size_t read_entries(const struct lent *l, struct entry v[AT_ONCE], size_t at, bool *is_end)
{
    ssize_t n = pread(l->fd, v, AT_ONCE * sizeof(*v), (off_t)(at * sizeof(*v)));
    size_t there = n > 0 ? (size_t)n / sizeof(*v) : 0, count = 0;
    while (count < there && v[count].id)
        count++;
    *is_end = count < AT_ONCE;
    return count;
}

static void read_former(struct lent *l)
{
    struct entry v[AT_ONCE];
    size_t at = 0, cap = 0;
    bool is_end = false;
    while (!is_end) {
        size_t count = read_entries(l, v, at, &is_end);
        size_t first = at == 0;
        if (first && (!count || v[0].id != MAGIC || v[0].next_ms != (int64_t)l->store_id))
            return;
        if (l->former_count + count > cap) {
            cap = 2 * cap + AT_ONCE;
            l->former = xrealloc(l->former, cap * sizeof(*l->former));
        }
        for (size_t i = first; i < count; i++)
            l->former[l->former_count++] =
                (struct lent_row){.id = v[i].id, .next_ms = v[i].next_ms};
        at += count;
    }
}

/* --- opening ---------------------------------------------------------------------------------- */

struct lent *lent_open(const char *path, uint64_t store_id, struct reason *why)
{
    struct lent *l = xcalloc(1, sizeof(*l));
    pthread_mutex_init(&l->lock, NULL);
    l->store_id = store_id;
    l->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (l->fd < 0) {
        fail_errno(why, errno == EACCES ? ERR_DENIED : ERR_IO, "can't open %s", path);
        lent_close(l);
        return NULL;
    }
    (void)posix_fallocate(l->fd, 0, FILE_BYTES); /* without: the first write on a full disk fails */
    read_former(l);
    return l;
}

void lent_close(struct lent *l)
{
    if (!l)
        return;
    if (l->fd >= 0)
        close(l->fd);
    idmap_release(&l->by_id);
    idmap_release(&l->by_destination);
    pthread_mutex_destroy(&l->lock);
    free(l->former);
    free(l->rows);
    free(l->unused);
    free(l);
}
