/* journal_tail.h -- the newest records, kept in memory for those who follow: a record is built
 * here, written from here without another copy (the memory lies as O_DIRECT wants it: a byte's
 * place in its page is the same as in the file), and read back from here by the applier and by
 * attempts at fresh events.
 *
 * Threads: tail_room and tail_end belong to the appending thread; tail_pin and tail_unpin to any.
 * A reader reads only below journal_end, where nobody writes. */
#ifndef GAFF_STORE_JOURNAL_TAIL_H
#define GAFF_STORE_JOURNAL_TAIL_H

#include "base/str.h"

#include <pthread.h>

#define TAIL_PAGE 4096u
#define TAIL_PIECE_BYTES (1u << 20)
#define TAIL_PIECES 8u /* as many are kept; more only while readers hold old ones */

struct tail_piece {
    char *bytes;
    size_t cap;
    size_t at;                 /* where the byte of first_lsn is */
    uint64_t first_lsn, limit; /* of its records; UINT64_MAX while it is the one being written */
    unsigned pins;
};

struct tail {
    pthread_mutex_t lock;
    struct tail_piece **pieces;
    size_t count;
    struct tail_piece *current; /* NULL: the next room is in another piece */
    char page[TAIL_PAGE];       /* what the last page of the segment holds already */
};

void tail_init(struct tail *t);
void tail_release(struct tail *t);

/* Where the record at lsn is to be built, whose first byte will be at file_at in its segment:
 * total bytes, and room to pad the last page. What lies before it in its page is there already.
 * after_head: it is the first of a segment; the page before it is for the segment's head. The
 * record may be given up: the next room is then for another one at the same lsn, here or there. */
char *tail_room(struct tail *t, uint64_t lsn, uint64_t file_at, size_t total, bool after_head);
/* The record of `total` bytes at `record`, whose first byte is at file_at, is in the file. */
void tail_written(struct tail *t, const char *record, uint64_t file_at, size_t total);
/* The record at end_lsn did not come to be: nothing at or behind it is to be found. */
void tail_end(struct tail *t, uint64_t end_lsn);

/* The bytes from lsn up to end (journal_end) or to the end of a piece; NULL: not in memory any
 * more. They stay until tail_unpin. */
struct tail_piece *tail_pin(struct tail *t, uint64_t lsn, uint64_t end, str *out);
void tail_unpin(struct tail *t, struct tail_piece *p);

#endif
