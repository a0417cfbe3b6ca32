/* journal.c -- appending, reading and reusing of segments. The commit path is journal_append: a
 * checksum, one pwrite, one fdatasync, no lock while they run. The applier calls journal_read,
 * journal_release and journal_prepare; recovery is in journal_open.c. */
#include "store/journal.h"

#include "base/log.h"
#include "base/rand.h"
#include "store/crc32c.h"
#include "store/journal_segment.h"
#include "store/record.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define PAGE 4096u
#define ROOM_KEEP_MAX (8u << 20) /* a greater buffer is given back after use */
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

static uint32_t load_u32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return le32toh(v);
}

static uint64_t load_u64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return le64toh(v);
}

static size_t record_total(size_t payload)
{
    return JOURNAL_RECORD_HEAD + ((payload + 7) & ~(size_t)7);
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
    static const char zeros[1u << 18];
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

char *journal_room(struct journal *j, size_t n, uint64_t *lsn)
{
    assert(n <= RECORD_BYTES_MAX);
    size_t need = SEGMENT_HEAD + record_total(n) + PAGE;
    if (need > j->room_cap || (j->room_cap > ROOM_KEEP_MAX && need < ROOM_KEEP_MAX / 4)) {
        free(j->room);
        j->room_cap = need < (1u << 18) ? 1u << 18 : need + need / 4;
        j->room = xmalloc(j->room_cap);
    }
    *lsn = journal_end(j) + JOURNAL_RECORD_HEAD;
    return j->room + SEGMENT_HEAD + JOURNAL_RECORD_HEAD;
}

static struct segment *take_ready(struct journal *j, uint64_t need, bool spend_reserve)
{
    struct segment *s = NULL;
    pthread_mutex_lock(&j->lock);
    for (size_t i = j->spare_count; i-- > 0 && !s;)
        if (j->spares[i]->bytes >= need) {
            s = j->spares[i];
            j->spares[i] = j->spares[--j->spare_count];
        }
    if (!s && spend_reserve && j->reserve && j->reserve->bytes >= need) {
        s = j->reserve;
        j->reserve = NULL;
    }
    pthread_mutex_unlock(&j->lock);
    return s;
}

/* A segment for the next record; born only when its head is written together with that. */
static struct segment *next_segment(struct journal *j, uint64_t need, bool spend_reserve,
                                    struct reason *why)
{
    struct segment *s = take_ready(j, need, false);
    if (!s) {
        uint64_t bytes =
            need > j->segment_bytes ? (need + PAGE - 1) / PAGE * PAGE : j->segment_bytes;
        uint64_t least = need > JOURNAL_SEGMENT_BYTES_MIN ? need : JOURNAL_SEGMENT_BYTES_MIN;
        s = segment_create(j, bytes, least, false, why);
    }
    if (!s && spend_reserve)
        s = take_ready(j, need, true);
    if (!s)
        return NULL;
    s->seq = j->next_seq++;
    s->start_lsn = journal_end(j);
    s->end_lsn = UINT64_MAX;
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

/* Writes from `at` to the end of the page behind the record: a page that is overwritten whole is
 * not read from disk first, and what a former life left behind the record is gone. */
static int write_record(struct journal *j, struct segment *s, size_t total, bool fresh)
{
    char *from = j->room + (fresh ? 0 : SEGMENT_HEAD);
    uint64_t at = fresh ? 0 : SEGMENT_HEAD + journal_end(j) - s->start_lsn;
    uint64_t end = at + total + (fresh ? SEGMENT_HEAD : 0);
    uint64_t page_end = (end + PAGE - 1) / PAGE * PAGE;
    if (page_end > s->bytes)
        page_end = s->bytes;
    memset(j->room + SEGMENT_HEAD + total, 0, page_end - end);
    if (write_all(j, s->fd, from, page_end - at, at) != 0)
        return -1;
    return j->io->fdatasync(s->fd);
}

/* The kernel may have dropped what a failed sync could not write: nothing more is written there,
 * and what it holds beyond the present end counts no more once the next segment starts here. */
static void abandon(struct journal *j, struct segment *s, bool fresh)
{
    s->suspect = true;
    j->current = NULL;
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
    bool fresh = !s || SEGMENT_HEAD + (lsn - s->start_lsn) + total > s->bytes;
    if (fresh) {
        struct reason r = {ERR_IO, ""};
        s = next_segment(j, SEGMENT_HEAD + total, spend_reserve, &r);
        if (!s)
            return hold_back(j, fail(why, r.code, "%s", r.text));
        segment_head_write(j, s, j->room);
    }
    seal_record(j->room + SEGMENT_HEAD, kind, n, lsn, s->salt);
    if (write_record(j, s, total, fresh) != 0) {
        enum err e = disk_error();
        fail_errno(why, e, "can't write the journal in %s", j->dir);
        abandon(j, s, fresh);
        return hold_back(j, e);
    }
    if (fresh) {
        journal_add_live(j, s);
        j->current = s;
    }
    j->failures = 0;
    j->retry_at_ns = 0;
    atomic_store_explicit(&j->current_left, s->bytes - SEGMENT_HEAD - (lsn + total - s->start_lsn),
                          memory_order_relaxed);
    atomic_store(&j->end, lsn + total);
    return ERR_OK;
}

/* --- reading ---------------------------------------------------------------------------------- */

int record_check(const char *p, size_t n, uint64_t lsn, uint32_t salt, struct journal_record *out)
{
    if (n < JOURNAL_RECORD_HEAD)
        return -1;
    uint32_t payload = load_u32(p + 4);
    if (load_u64(p + 8) != lsn || payload > RECORD_BYTES_MAX || load_u32(p + 20) != 0)
        return 0;
    size_t total = record_total(payload);
    if (n < total)
        return -1;
    if (load_u32(p) != crc32c(salt, p + 4, total - 4))
        return 0;
    *out = (struct journal_record){.lsn = lsn,
                                   .end_lsn = lsn + total,
                                   .kind = load_u32(p + 16),
                                   .payload = str_of(p + JOURNAL_RECORD_HEAD, payload)};
    return 1;
}

bool journal_next(str *rest, struct journal_record *out)
{
    if (rest->n < JOURNAL_RECORD_HEAD)
        return false;
    uint32_t payload = load_u32(rest->p + 4);
    size_t total = record_total(payload);
    if (payload > RECORD_BYTES_MAX || rest->n < total)
        return false;
    uint64_t lsn = load_u64(rest->p + 8);
    *out = (struct journal_record){.lsn = lsn,
                                   .end_lsn = lsn + total,
                                   .kind = load_u32(rest->p + 16),
                                   .payload = str_of(rest->p + JOURNAL_RECORD_HEAD, payload)};
    *rest = str_slice(*rest, total, rest->n);
    return true;
}

/* The live segment that holds lsn, kept from being reused until unpin, and where it ends now. */
static struct segment *pin(struct journal *j, uint64_t lsn, uint64_t *end_lsn)
{
    struct segment *found = NULL;
    pthread_mutex_lock(&j->lock);
    for (size_t i = j->live_count; i-- > 0 && !found;)
        if (j->live[i]->start_lsn <= lsn && lsn < j->live[i]->end_lsn)
            found = j->live[i];
    if (found) {
        found->pins++;
        *end_lsn = found->end_lsn;
    }
    pthread_mutex_unlock(&j->lock);
    return found;
}

static void unpin(struct journal *j, struct segment *s)
{
    pthread_mutex_lock(&j->lock);
    s->pins--;
    pthread_mutex_unlock(&j->lock);
}

static bool read_all(int fd, char *p, size_t n, uint64_t at)
{
    while (n > 0) {
        ssize_t done = pread(fd, p, n, (off_t)at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        p += done;
        n -= (size_t)done;
        at += (uint64_t)done;
    }
    return true;
}

size_t journal_peek(struct journal *j, uint64_t lsn, void *out, size_t n)
{
    uint64_t end_lsn;
    struct segment *s = pin(j, lsn, &end_lsn);
    if (!s)
        return 0;
    uint64_t at = SEGMENT_HEAD + lsn - s->start_lsn;
    if (at >= s->bytes)
        n = 0;
    else if (n > s->bytes - at)
        n = (size_t)(s->bytes - at);
    if (!read_all(s->fd, out, n, at))
        n = 0;
    unpin(j, s);
    return n;
}

/* The bytes of whole, good records at the head of p; *need: of the record that did not fit. */
static size_t whole_records(const char *p, size_t n, uint64_t lsn, uint32_t salt, size_t *need)
{
    size_t at = 0;
    struct journal_record r;
    *need = 0;
    while (at < n && record_check(p + at, n - at, lsn + at, salt, &r) == 1)
        at = (size_t)(r.end_lsn - lsn);
    if (at == 0 && n >= JOURNAL_RECORD_HEAD && load_u64(p + 8) == lsn)
        *need = record_total(load_u32(p + 4));
    return at;
}

static enum err read_segment(const struct journal *j, const struct segment *s, uint64_t lsn,
                             uint64_t there, size_t want, struct buf *out, struct reason *why)
{
    size_t n = there < want ? (size_t)there : want;
    for (;;) {
        char *p = buf_reserve(out, n);
        if (!p)
            return fail(why, ERR_LIMIT, "a journal record is greater than the buffer for it");
        if (!read_all(s->fd, p, n, SEGMENT_HEAD + lsn - s->start_lsn))
            return fail_errno(why, ERR_IO, "can't read the journal in %s", j->dir);
        size_t need, whole = whole_records(p, n, lsn, s->salt, &need);
        if (whole > 0) {
            buf_grew(out, whole);
            return ERR_OK;
        }
        if (need <= n || need > there)
            return fail(why, ERR_IO,
                        "the journal segment %s/%08llu.gj is damaged at byte %llu; what was "
                        "stored there can't be read",
                        j->dir, (unsigned long long)s->file,
                        (unsigned long long)(SEGMENT_HEAD + lsn - s->start_lsn));
        n = need;
    }
}

enum err journal_read(struct journal *j, uint64_t lsn, size_t want, struct buf *out,
                      struct reason *why)
{
    uint64_t end = journal_end(j);
    assert(lsn <= end);
    if (lsn == end)
        return ERR_OK;
    uint64_t limit;
    struct segment *s = pin(j, lsn, &limit);
    if (!s)
        return fail(why, ERR_IO, "the journal in %s has no segment for position %llu", j->dir,
                    (unsigned long long)lsn);
    enum err e = read_segment(j, s, lsn, (limit < end ? limit : end) - lsn, want, out, why);
    unpin(j, s);
    return e;
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
