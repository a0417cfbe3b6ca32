/* journal.c -- appending, reading and reusing of segments. The commit path is journal_append: a
 * checksum, one pwrite, one fdatasync, no lock while they run. The applier calls journal_read
 * (journal_read.c), journal_release and journal_prepare; recovery is in journal_open.c. */
#include "store/journal.h"

#include "base/log.h"
#include "base/rand.h"
#include "store/crc32c.h"
#include "store/journal_segment.h"
#include "store/record.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define PAGE TAIL_PAGE
#define RESERVE_BYTES (4u << 20)
#define PREPARE_PAUSE_NS INT64_C(1000000000) /* after a failure */

static int allocate_real(int fd, off_t bytes)
{
    int e = posix_fallocate(fd, 0, bytes);
    if (e == 0)
        return 0;
    errno = e;
    return -1;
}

const struct journal_io journal_io_real = {
    .pwrite = pwrite, .fdatasync = fdatasync, .allocate = allocate_real};

static enum err disk_error(void)
{
    return errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO;
}

static void store_u32(char *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, 4);
}

static void store_u64(char *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, 8);
}

/* --- segments --------------------------------------------------------------------------------- */

char *segment_path(const struct journal *j, uint64_t file)
{
    size_t n = strlen(j->dir) + 32;
    char *path = xmalloc(n);
    snprintf(path, n, "%s/%08llu.gj", j->dir, (unsigned long long)file);
    return path;
}

static const char head_magic[8] = {'G', 'A', 'F', 'F', 'J', 'N', 'L', '1'};

void segment_head_write(const struct journal *j, const struct segment *s, char *head)
{
    memset(head, 0, SEGMENT_HEAD);
    memcpy(head, head_magic, 8);
    store_u64(head + 8, j->store_id);
    store_u64(head + 16, s->seq);
    store_u64(head + 24, s->start_lsn);
    store_u32(head + 32, s->salt);
    store_u32(head + 36, crc32c(0, head, 36));
}

bool segment_head_read(const char *head, struct segment *s, uint64_t *store_id)
{
    if (memcmp(head, head_magic, 8) != 0 || load_u32(head + 36) != crc32c(0, head, 36))
        return false;
    *store_id = load_u64(head + 8);
    s->seq = load_u64(head + 16);
    s->start_lsn = load_u64(head + 24);
    s->salt = load_u32(head + 32);
    return s->seq != 0;
}

static const char mark_magic[8] = {'G', 'A', 'F', 'F', 'M', 'A', 'R', 'K'};

void segment_mark_write(const struct segment *s, char *page)
{
    memset(page, 0, PAGE);
    memcpy(page, mark_magic, 8);
    store_u64(page + 8, s->seq);
    store_u64(page + 16, s->mark_lsn);
    store_u32(page + 24, crc32c(s->salt, page, 24));
}

uint64_t segment_mark_read(const struct segment *s, const char *page)
{
    bool good = memcmp(page, mark_magic, 8) == 0 && load_u64(page + 8) == s->seq &&
                load_u32(page + 24) == crc32c(s->salt, page, 24);
    return good ? load_u64(page + 16) : UINT64_MAX;
}

void segment_close(struct segment *s)
{
    if (!s)
        return;
    assert(s->pins == 0);
    close(s->fd);
    free(s);
}

void segment_delete(struct journal *j, struct segment *s)
{
    char *path = segment_path(j, s->file);
    unlink(path);
    free(path);
    segment_close(s);
}

static int sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int rc = fsync(fd);
    close(fd);
    return rc;
}

static int write_all(const struct journal *j, int fd, const char *p, size_t n, uint64_t at)
{
    while (n > 0) {
        ssize_t done = j->io->pwrite(fd, p, n, (off_t)at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            if (done == 0)
                errno = ENOSPC;
            return -1;
        }
        p += done;
        n -= (size_t)done;
        at += (uint64_t)done;
    }
    return 0;
}

static int write_zeros(const struct journal *j, int fd, uint64_t bytes)
{
    /* Not const, though nobody writes it: so it takes no room in the program file. */
    _Alignas(PAGE) static char zeros[1u << 18];
    for (uint64_t at = 0; at < bytes; at += sizeof(zeros)) {
        uint64_t n = bytes - at < sizeof(zeros) ? bytes - at : sizeof(zeros);
        if (write_all(j, fd, zeros, n, at) != 0)
            return -1;
    }
    return 0;
}

static int make_file(struct journal *j, struct segment *s, uint64_t least, bool zero)
{
    while (j->io->allocate(s->fd, (off_t)s->bytes) != 0) {
        if (disk_error() != ERR_FULL || s->bytes / 2 < least)
            return -1;
        s->bytes /= 2;
    }
    if (ftruncate(s->fd, (off_t)s->bytes) != 0)
        return -1;
    if (zero && write_zeros(j, s->fd, s->bytes) != 0)
        return -1;
    if (j->io->fdatasync(s->fd) != 0)
        return -1;
    return sync_dir(j->dir);
}

struct segment *segment_create(struct journal *j, uint64_t bytes, uint64_t least, bool zero,
                               struct reason *why)
{
    struct segment *s = xcalloc(1, sizeof(*s));
    pthread_mutex_lock(&j->lock);
    s->file = j->next_file++;
    pthread_mutex_unlock(&j->lock);
    s->bytes = bytes;
    s->end_lsn = UINT64_MAX;
    char *path = segment_path(j, s->file);
    s->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (s->fd < 0) {
        fail_errno(why, disk_error(), "can't create the journal segment %s", path);
        free(s);
        s = NULL;
    } else if (make_file(j, s, least, zero) != 0) {
        fail_errno(why, disk_error(), "can't allocate %llu bytes for the journal segment %s",
                   (unsigned long long)s->bytes, path);
        segment_delete(j, s);
        s = NULL;
    }
    free(path);
    return s;
}

void journal_add_live(struct journal *j, struct segment *s)
{
    pthread_mutex_lock(&j->lock);
    if (j->live_count == j->live_cap) {
        j->live_cap = j->live_cap ? j->live_cap * 2 : 16;
        j->live = xrealloc(j->live, j->live_cap * sizeof(struct segment *));
    }
    if (j->live_count > 0 && j->live[j->live_count - 1]->end_lsn > s->start_lsn)
        j->live[j->live_count - 1]->end_lsn = s->start_lsn;
    j->live[j->live_count++] = s;
    pthread_mutex_unlock(&j->lock);
}

/* --- appending -------------------------------------------------------------------------------- */

uint64_t journal_end(const struct journal *j)
{
    return atomic_load(&j->end);
}

static uint64_t file_at(const struct segment *s, uint64_t lsn)
{
    return SEGMENT_HEAD + lsn - s->start_lsn;
}

char *journal_room(struct journal *j, size_t n, uint64_t *lsn)
{
    assert(n <= RECORD_BYTES_MAX);
    uint64_t end = journal_end(j);
    size_t total = record_total(n);
    const struct segment *s = j->current;
    j->begins_segment = !s || file_at(s, end) + total > segment_room(s);
    j->room = tail_room(&j->tail, end, j->begins_segment ? SEGMENT_HEAD : file_at(s, end), total,
                        j->begins_segment);
    *lsn = end + JOURNAL_RECORD_HEAD;
    return j->room + JOURNAL_RECORD_HEAD;
}

static struct segment *take_ready(struct journal *j, uint64_t need, bool spend_reserve)
{
    struct segment *s = NULL;
    pthread_mutex_lock(&j->lock);
    for (size_t i = j->spare_count; i-- > 0 && !s;)
        if (segment_room(j->spares[i]) >= need) {
            s = j->spares[i];
            j->spares[i] = j->spares[--j->spare_count];
        }
    if (!s && spend_reserve && j->reserve && segment_room(j->reserve) >= need) {
        s = j->reserve;
        j->reserve = NULL;
    }
    pthread_mutex_unlock(&j->lock);
    return s;
}

/* Past the page cache: the record is copied once less, and is not in the cache of what others
 * read. Not every file system can (tmpfs of old); then as usual. */
static void open_for_writing(struct journal *j, const struct segment *s)
{
    char *path = segment_path(j, s->file);
    if (j->write_fd >= 0)
        close(j->write_fd);
    j->write_fd = open(path, O_WRONLY | O_DIRECT | O_CLOEXEC);
    free(path);
}

/* A segment for the next record; born only when its head is written together with that. */
static struct segment *next_segment(struct journal *j, uint64_t need, bool spend_reserve,
                                    struct reason *why)
{
    struct segment *s = take_ready(j, need, false);
    if (!s) {
        uint64_t whole = (need + PAGE - 1) / PAGE * PAGE + PAGE; /* and its mark */
        uint64_t bytes = whole > j->segment_bytes ? whole : j->segment_bytes;
        uint64_t least = whole > JOURNAL_SEGMENT_BYTES_MIN ? whole : JOURNAL_SEGMENT_BYTES_MIN;
        s = segment_create(j, bytes, least, false, why);
    }
    if (!s && spend_reserve)
        s = take_ready(j, need, true);
    if (!s)
        return NULL;
    open_for_writing(j, s);
    s->seq = j->next_seq++;
    s->start_lsn = journal_end(j);
    s->end_lsn = UINT64_MAX;
    s->mark_lsn = 0;
    rand_bytes(&s->salt, sizeof(s->salt));
    return s;
}

static void seal_record(char *record, uint32_t kind, size_t n, uint64_t lsn, uint32_t salt)
{
    store_u32(record + 4, (uint32_t)n);
    store_u64(record + 8, lsn);
    store_u32(record + 16, kind);
    store_u32(record + 20, 0);
    size_t total = record_total(n);
    memset(record + JOURNAL_RECORD_HEAD + n, 0, total - JOURNAL_RECORD_HEAD - n);
    store_u32(record, crc32c(salt, record + 4, total - 4));
}

static int write_pages(struct journal *j, const struct segment *s, const char *p, size_t n,
                       uint64_t at)
{
    int rc = -1;
    errno = EINVAL;
    if (j->write_fd >= 0)
        rc = write_all(j, j->write_fd, p, n, at);
    if (rc != 0 && errno == EINVAL) {
        /* No direct writes here, or not of this size. */
        if (j->write_fd >= 0)
            close(j->write_fd);
        j->write_fd = -1;
        rc = write_all(j, s->fd, p, n, at);
    }
    return rc;
}

/* Before a record that ends behind the mark: the same sync makes both durable. */
static int move_mark(struct journal *j, struct segment *s, uint64_t end_lsn)
{
    _Alignas(PAGE) char page[PAGE];
    uint64_t room = segment_room(s);
    if (room == s->bytes || end_lsn <= s->mark_lsn)
        return 0;
    uint64_t last = s->start_lsn + room - SEGMENT_HEAD;
    s->mark_lsn = end_lsn + SEGMENT_MARK_STEP < last ? end_lsn + SEGMENT_MARK_STEP : last;
    segment_mark_write(s, page);
    return write_pages(j, s, page, PAGE, room);
}

/* Writes whole pages: what lies before the record in its page once more, and zeros behind it, so
 * that what a former life left there is gone. */
static int write_record(struct journal *j, struct segment *s, size_t total)
{
    uint64_t at = file_at(s, journal_end(j)), end = at + total;
    uint64_t from = j->begins_segment ? 0 : at / PAGE * PAGE;
    uint64_t page_end = (end + PAGE - 1) / PAGE * PAGE;
    if (page_end > s->bytes)
        page_end = s->bytes;
    memset(j->room + total, 0, page_end - end);
    if (move_mark(j, s, journal_end(j) + total) != 0 ||
        write_pages(j, s, j->room - (at - from), page_end - from, from) != 0)
        return -1;
    return j->io->fdatasync(s->fd);
}

/* The kernel may have dropped what a failed sync could not write: nothing more is written there,
 * and what it holds beyond the present end counts no more once the next segment starts here. */
static void abandon(struct journal *j, struct segment *s, bool fresh)
{
    s->suspect = true;
    j->current = NULL;
    tail_end(&j->tail, journal_end(j));
    if (fresh) {
        segment_delete(j, s);
    } else {
        pthread_mutex_lock(&j->lock);
        s->end_lsn = journal_end(j);
        pthread_mutex_unlock(&j->lock);
    }
}

static enum err hold_back(struct journal *j, enum err e)
{
    static const unsigned free_tries = 3;
    j->last_error = e;
    if (++j->failures > free_tries) {
        unsigned steps = j->failures - free_tries < 6 ? j->failures - free_tries : 6;
        j->retry_at_ns = clock_mono_ns(j->clock) + (INT64_C(8000000) << steps);
    }
    return e;
}

enum err journal_append(struct journal *j, uint32_t kind, size_t n, bool spend_reserve,
                        struct reason *why)
{
    if (j->retry_at_ns && clock_mono_ns(j->clock) < j->retry_at_ns)
        return fail(why, j->last_error, "the journal in %s could not be written; trying again soon",
                    j->dir);
    size_t total = record_total(n);
    uint64_t lsn = journal_end(j);
    struct segment *s = j->current;
    bool fresh = j->begins_segment;
    assert(fresh || (s && file_at(s, lsn) + total <= segment_room(s)));
    if (fresh) {
        struct reason r = {ERR_IO, ""};
        s = next_segment(j, SEGMENT_HEAD + total, spend_reserve, &r);
        if (!s)
            return hold_back(j, fail(why, r.code, "%s", r.text));
        segment_head_write(j, s, j->room - SEGMENT_HEAD);
    }
    seal_record(j->room, kind, n, lsn, s->salt);
    if (write_record(j, s, total) != 0) {
        enum err e = disk_error();
        fail_errno(why, e, "can't write the journal in %s", j->dir);
        abandon(j, s, fresh);
        return hold_back(j, e);
    }
    tail_written(&j->tail, j->room, file_at(s, lsn), total);
    if (fresh) {
        journal_add_live(j, s);
        j->current = s;
    }
    j->failures = 0;
    j->retry_at_ns = 0;
    atomic_store_explicit(&j->current_left, segment_room(s) - file_at(s, lsn + total),
                          memory_order_relaxed);
    atomic_store(&j->end, lsn + total);
    return ERR_OK;
}

/* --- reuse ------------------------------------------------------------------------------------ */

bool segment_is_reusable(const struct journal *j, const struct segment *s)
{
    return !s->suspect && j->spare_count < SEGMENT_SPARES_MAX && s->bytes <= j->segment_bytes &&
           s->bytes >= JOURNAL_SEGMENT_BYTES_MIN;
}

static bool becomes_reserve(const struct journal *j, const struct segment *s)
{
    return !s->suspect && !j->reserve && s->bytes < j->segment_bytes &&
           s->bytes >= JOURNAL_SEGMENT_BYTES_MIN;
}

void journal_release(struct journal *j, uint64_t lsn)
{
    for (;;) {
        struct segment *gone = NULL;
        pthread_mutex_lock(&j->lock);
        /* The last one stays, full or abandoned: it says where the log stands. */
        struct segment *s = j->live_count > 1 ? j->live[0] : NULL;
        bool free_now = s && s->end_lsn <= lsn && s->pins == 0;
        if (free_now) {
            memmove(j->live, j->live + 1, (--j->live_count) * sizeof(struct segment *));
            if (becomes_reserve(j, s))
                j->reserve = s;
            else if (segment_is_reusable(j, s))
                j->spares[j->spare_count++] = s;
            else
                gone = s;
        }
        pthread_mutex_unlock(&j->lock);
        if (gone)
            segment_delete(j, gone);
        if (!free_now)
            return;
    }
}

void journal_prepare(struct journal *j)
{
    /* Not the journal's clock: that one belongs to the appending thread. */
    int64_t now_ns = clock_mono_ns(clock_real());
    if (now_ns < j->prepare_at_ns)
        return;
    pthread_mutex_lock(&j->lock);
    bool want_spare = j->spare_count == 0;
    bool want_reserve = j->reserve == NULL;
    pthread_mutex_unlock(&j->lock);
    uint64_t left = atomic_load_explicit(&j->current_left, memory_order_relaxed);
    want_spare = want_spare && left < j->segment_bytes / 2;
    if (want_reserve) {
        uint64_t bytes = j->segment_bytes < RESERVE_BYTES ? j->segment_bytes : RESERVE_BYTES;
        struct segment *s = segment_create(j, bytes, JOURNAL_SEGMENT_BYTES_MIN, false, NULL);
        if (!s)
            j->prepare_at_ns = now_ns + PREPARE_PAUSE_NS;
        pthread_mutex_lock(&j->lock);
        j->reserve = s;
        pthread_mutex_unlock(&j->lock);
    }
    if (want_spare) {
        struct segment *s = segment_create(j, j->segment_bytes, j->segment_bytes, true, NULL);
        if (!s)
            j->prepare_at_ns = now_ns + PREPARE_PAUSE_NS;
        pthread_mutex_lock(&j->lock);
        if (s && j->spare_count < SEGMENT_SPARES_MAX) {
            j->spares[j->spare_count++] = s;
            s = NULL;
        }
        pthread_mutex_unlock(&j->lock);
        if (s)
            segment_delete(j, s);
    }
}

void journal_shrink(struct journal *j)
{
    struct segment *gone[SEGMENT_SPARES_MAX];
    size_t n;
    pthread_mutex_lock(&j->lock);
    for (n = 0; j->spare_count > 0; n++)
        gone[n] = j->spares[--j->spare_count];
    pthread_mutex_unlock(&j->lock);
    while (n > 0)
        segment_delete(j, gone[--n]);
}

uint64_t journal_bytes(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    uint64_t n = j->reserve ? j->reserve->bytes : 0;
    for (size_t i = 0; i < j->live_count; i++)
        n += j->live[i]->bytes;
    for (size_t i = 0; i < j->spare_count; i++)
        n += j->spares[i]->bytes;
    pthread_mutex_unlock(&j->lock);
    return n;
}
