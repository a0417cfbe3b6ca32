/* journal.h -- the durable truth: an endless log of records in pre-allocated segment files.
 *
 * A record is durable when journal_append returned ERR_OK: one pwrite (past the page cache where
 * the file system can) and one fdatasync. The newest records stay in memory (journal_tail.h) for
 * those who read them soon. Its LSN
 * is its byte position in the endless log; positions grow by 8 at least and never repeat.
 *
 * A segment file is a head of 4096 bytes (magic, version, store id, sequence number, start LSN,
 * salt, checksum), then records one behind the other. A record is crc32c, length, LSN, kind, and
 * the payload padded to 8 bytes; the checksum is seeded with the salt of its segment, so that what
 * a file held in a former life never counts. Files are reused: those wholly below the released LSN
 * are overwritten, which costs neither allocation nor metadata. The last page of a segment of 4 MiB
 * or more is its mark: a position behind which no record of this life of the file was acknowledged.
 * It is synced together with the first record that needs it and moves on in steps of 1 MiB.
 *
 * Recovery reads from the last released LSN to the first record whose LSN or checksum does not
 * fit. Records at or beyond the start LSN of the following segment are void: a segment in which a
 * write or a sync failed is abandoned, never synced again, and the next one starts at the same
 * LSN. At most one record is unsynced at any time, so a bad record with a good one after it in
 * its segment is damage and not a torn tail: then the journal refuses to open. That one is looked
 * for up to the mark, or in the whole segment when there is no good mark.
 *
 * Threads: journal_append and journal_room by one at a time; journal_release and journal_prepare
 * by one at a time; reading by any. */
#ifndef GAFF_STORE_JOURNAL_H
#define GAFF_STORE_JOURNAL_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

#include <sys/types.h>

#define JOURNAL_FIRST_LSN 4096u
#define JOURNAL_SEGMENT_BYTES (16u << 20)
#define JOURNAL_SEGMENT_BYTES_MIN (256u << 10)
#define JOURNAL_RECORD_HEAD 24u

struct journal;

struct journal_io { /* the calls that can fail for want of a sound disk */
    ssize_t (*pwrite)(int fd, const void *p, size_t n, off_t at);
    int (*fdatasync)(int fd);
    int (*allocate)(int fd, off_t bytes); /* 0, or -1 with errno */
};
extern const struct journal_io journal_io_real;

struct journal_options {
    const char *dir;             /* exists; belongs to the journal alone */
    uint64_t store_id;           /* a segment of another store is refused */
    uint64_t from_lsn;           /* what lies below is needed no more */
    size_t segment_bytes;        /* of new files; 0: JOURNAL_SEGMENT_BYTES */
    const struct journal_io *io; /* NULL: the real one */
    const struct clock *clock;
};

struct journal_record {
    uint64_t lsn;     /* of the record */
    uint64_t end_lsn; /* of the next one */
    uint32_t kind;
    str payload; /* its LSN is lsn + JOURNAL_RECORD_HEAD */
};
typedef void journal_visit(const struct journal_record *r, void *arg);

/* Opens and recovers; visit sees every record from from_lsn on, in order. NULL with *why: damage,
 * a gap, a foreign segment, no space for the first one. */
struct journal *journal_open(const struct journal_options *o, journal_visit *visit, void *arg,
                             struct reason *why) MUST_USE;
void journal_close(struct journal *j); /* accepts NULL */

/* Where the payload of the next record is to be written: room for n bytes, valid until
 * journal_append. *lsn: the LSN that its first byte will have. */
char *journal_room(struct journal *j, size_t n, uint64_t *lsn);
/* Makes the n bytes at journal_room durable as one record. spend_reserve: may use the space that
 * is kept back for finishing what was accepted. ERR_FULL, ERR_IO: nothing was added; the next
 * call begins anew in a fresh segment. */
enum err journal_append(struct journal *j, uint32_t kind, size_t n, bool spend_reserve,
                        struct reason *why) MUST_USE;
uint64_t journal_end(const struct journal *j); /* the LSN behind the last durable record */

/* Appends whole records from lsn on (a record boundary) to out, about `want` bytes and at least
 * one record; they follow each other without gap. Verified. Nothing when lsn is the end. */
enum err journal_read(struct journal *j, uint64_t lsn, size_t want, struct buf *out,
                      struct reason *why) MUST_USE;
/* Splits what journal_read gave: the record at the head of *rest, which is cut off. */
bool journal_next(str *rest, struct journal_record *out);
/* Up to n bytes at any LSN; how many: 0 when they are gone, fewer than n at the end of a segment
 * or of what is in memory (never inside of a record). */
size_t journal_peek(struct journal *j, uint64_t lsn, void *out, size_t n);

/* What lies below lsn is needed no more: its files may be reused. */
void journal_release(struct journal *j, uint64_t lsn);
/* Makes the next segment and the reserve ready, so that journal_append never waits for that. */
void journal_prepare(struct journal *j);
/* Gives up the segments that are ready for later: the disk is full. Any thread. */
void journal_shrink(struct journal *j);
uint64_t journal_bytes(struct journal *j); /* on disk */

#endif
