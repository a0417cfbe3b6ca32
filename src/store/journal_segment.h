/* journal_segment.h -- what journal.c and journal_open.c share: segments and the struct itself. */
#ifndef GAFF_STORE_JOURNAL_SEGMENT_H
#define GAFF_STORE_JOURNAL_SEGMENT_H

#include "store/journal.h"
#include "store/journal_tail.h"

#include <endian.h>
#include <pthread.h>
#include <stdatomic.h>

#define SEGMENT_HEAD 4096u
#define SEGMENT_SPARES_MAX 3u
#define SEGMENT_MARKED_MIN (4u << 20) /* smaller ones are soon read whole and have no mark */
#define SEGMENT_MARK_STEP (1u << 20)

struct segment {
    int fd;
    uint64_t file;  /* the number in its name */
    uint64_t bytes; /* of the file */
    uint64_t seq;   /* 0: never born */
    uint64_t start_lsn;
    uint64_t end_lsn; /* where the next one starts; UINT64_MAX for the one being written */
    uint32_t salt;
    uint64_t mark_lsn; /* of the one being written; 0: it has none */
    unsigned pins;     /* reads under way; guarded by journal.lock */
    bool suspect;      /* a write or sync failed here: to be deleted, not reused */
};

struct journal {
    char *dir;
    uint64_t store_id;
    size_t segment_bytes;
    const struct journal_io *io;
    const struct clock *clock;

    pthread_mutex_t lock;  /* guards the lists below; never held during I/O */
    struct segment **live; /* by sequence; what is needed, and the one being written */
    size_t live_count, live_cap;
    struct segment *spares[SEGMENT_SPARES_MAX];
    size_t spare_count;
    struct segment *reserve; /* allocated, for batches that finish what was accepted */
    uint64_t next_file;

    /* Of the appending thread: */
    struct segment *current; /* NULL: the next append begins a new one */
    bool begins_segment;     /* the record at `room` does */
    uint64_t next_seq;
    _Atomic uint64_t end;          /* written by the appending thread, read by all */
    _Atomic uint64_t current_left; /* bytes, a hint for journal_prepare */
    int write_fd;                  /* of the current segment: past the page cache, if that works */
    struct tail tail;              /* the next record is built there */
    char *room;                    /* in it: where the next record begins */
    unsigned failures;             /* in a row */
    enum err last_error;
    int64_t retry_at_ns;
    int64_t prepare_at_ns; /* of the thread that calls journal_prepare */
};

static inline uint32_t load_u32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return le32toh(v);
}

static inline uint64_t load_u64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return le64toh(v);
}

static inline size_t record_total(size_t payload)
{
    return JOURNAL_RECORD_HEAD + ((payload + 7) & ~(size_t)7);
}

/* Bytes of the file that are for the head and records. */
static inline uint64_t segment_room(const struct segment *s)
{
    return s->bytes < SEGMENT_MARKED_MIN ? s->bytes : s->bytes / TAIL_PAGE * TAIL_PAGE - TAIL_PAGE;
}

/* Creates and allocates a file of at most `bytes` (halved down to `least` when the disk is short),
 * durable under its name. zero: write it too, so that later syncs change no metadata. */
struct segment *segment_create(struct journal *j, uint64_t bytes, uint64_t least, bool zero,
                               struct reason *why);
void segment_close(struct segment *s); /* accepts NULL */
/* Closes it and deletes the file. */
void segment_delete(struct journal *j, struct segment *s);
bool segment_is_reusable(const struct journal *j, const struct segment *s);
void segment_head_write(const struct journal *j, const struct segment *s, char *head);
/* False when these 4096 bytes are no head. */
bool segment_head_read(const char *head, struct segment *s, uint64_t *store_id);
void segment_mark_write(const struct segment *s, char *page);
/* The mark in these 4096 bytes of the segment; UINT64_MAX when they are none of its. */
uint64_t segment_mark_read(const struct segment *s, const char *page);
char *segment_path(const struct journal *j, uint64_t file);  /* to be freed */
void journal_add_live(struct journal *j, struct segment *s); /* takes the lock */

/* The record at the head of p (n bytes are there): 1 good, 0 none, -1 more bytes are needed. */
int record_check(const char *p, size_t n, uint64_t lsn, uint32_t salt, struct journal_record *out);

#endif
