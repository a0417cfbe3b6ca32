/* journal_read.c -- reading what is durable: from memory while it is new, from its segment after
 * that. A segment that is being read is pinned, so that it is not reused meanwhile. */
#include "store/crc32c.h"
#include "store/journal_segment.h"
#include "store/record.h"

#include <errno.h>
#include <unistd.h>

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
    str fresh;
    struct tail_piece *piece = tail_pin(&j->tail, lsn, journal_end(j), &fresh);
    if (piece) {
        n = n < fresh.n ? n : fresh.n;
        memcpy(out, fresh.p, n);
        tail_unpin(&j->tail, piece);
        return n;
    }
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

/* Whole records of the tail, about `want` bytes of them; false when they are not in memory. */
static bool read_tail(struct journal *j, uint64_t lsn, uint64_t end, size_t want, struct buf *out)
{
    str there;
    struct tail_piece *piece = tail_pin(&j->tail, lsn, end, &there);
    if (!piece)
        return false;
    str rest = there;
    struct journal_record r;
    while (journal_next(&rest, &r) && there.n - rest.n < want)
        ;
    buf_append(out, there.p, there.n - rest.n);
    tail_unpin(&j->tail, piece);
    return buf_ok(out);
}

enum err journal_read(struct journal *j, uint64_t lsn, size_t want, struct buf *out,
                      struct reason *why)
{
    uint64_t end = journal_end(j);
    assert(lsn <= end);
    if (lsn == end || read_tail(j, lsn, end, want, out))
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
