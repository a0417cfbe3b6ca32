/* The journal: what was acknowledged comes back, torn tails are cut, damage is refused, and a
 * failing disk is survived. The faults come through struct journal_io, the same door that the
 * real calls go through. */
#include "unit.h"

#include "base/rand.h"
#include "store/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD 4096

/* --- a disk that fails when told to ------------------------------------------------------------
 */

static struct {
    int pwrite_errno, sync_errno, allocate_errno; /* 0: works */
    int after;                                    /* calls that still work */
    bool written_before_failing;                  /* the bytes of a failing write get there */
    size_t at_most;                               /* bytes one pwrite takes; 0: all */
} disk;

static bool fails(int e)
{
    if (!e || disk.after-- > 0)
        return false;
    errno = e;
    return true;
}

static ssize_t test_pwrite(int fd, const void *p, size_t n, off_t at)
{
    if (fails(disk.pwrite_errno)) {
        if (disk.written_before_failing)
            EXPECT(pwrite(fd, p, n, at) == (ssize_t)n);
        errno = disk.pwrite_errno;
        return -1;
    }
    return pwrite(fd, p, disk.at_most && disk.at_most < n ? disk.at_most : n, at);
}

static int test_fdatasync(int fd)
{
    UNUSED(fd);
    return fails(disk.sync_errno) ? -1 : 0;
}

static int test_allocate(int fd, off_t bytes)
{
    if (fails(disk.allocate_errno))
        return -1;
    return journal_io_real.allocate(fd, bytes);
}

static const struct journal_io test_io = {test_pwrite, test_fdatasync, test_allocate};

/* --- a journal under test ----------------------------------------------------------------------
 */

struct seen {
    size_t count;
    uint64_t lsn[4096];
    uint32_t sum[4096]; /* the first bytes of the payload */
    uint64_t end;
};

struct bench {
    struct journal *j;
    struct clock_fake clock;
    struct seen seen; /* by the last open */
    struct reason why;
    uint64_t from;
    size_t segment_bytes; /* 0: the smallest */
};

static void note(const struct journal_record *r, void *arg)
{
    struct seen *s = arg;
    EXPECT(s->count < ARRAY_LEN(s->lsn));
    EXPECT(s->end == 0 || s->end == r->lsn);
    EXPECT(r->kind == 7);
    s->lsn[s->count] = r->lsn;
    uint32_t sum = 0;
    memcpy(&sum, r->payload.p, r->payload.n < 4 ? r->payload.n : 4);
    s->sum[s->count++] = sum;
    s->end = r->end_lsn;
}

static bool try_open(struct bench *b)
{
    mkdir(unit_path("j"), 0700);
    memset(&b->seen, 0, sizeof(b->seen));
    struct journal_options o = {.dir = unit_path("j"),
                                .store_id = 42,
                                .from_lsn = b->from ? b->from : JOURNAL_FIRST_LSN,
                                .segment_bytes =
                                    b->segment_bytes ? b->segment_bytes : JOURNAL_SEGMENT_BYTES_MIN,
                                .io = &test_io,
                                .clock = &b->clock.base};
    b->j = journal_open(&o, note, &b->seen, &b->why);
    return b->j != NULL;
}

static void open_journal(struct bench *b)
{
    clock_fake_init(&b->clock, 1700000000000);
    if (!try_open(b))
        FAIL("%s", b->why.text);
}

static enum err try_append(struct bench *b, uint32_t number, size_t n, bool reserve)
{
    uint64_t lsn;
    char *p = journal_room(b->j, n, &lsn);
    EXPECT(lsn == journal_end(b->j) + JOURNAL_RECORD_HEAD);
    memset(p, (int)(number & 0xff), n);
    memcpy(p, &number, n < 4 ? n : 4);
    return journal_append(b->j, 7, n, reserve, &b->why);
}

static void append(struct bench *b, uint32_t number, size_t n)
{
    EXPECT_OK(try_append(b, number, n, false), b->why);
}

static void reopen(struct bench *b)
{
    journal_close(b->j);
    if (!try_open(b))
        FAIL("%s", b->why.text);
}

static size_t file_count(void)
{
    size_t n = 0;
    DIR *d = opendir(unit_path("j"));
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void read_file(const char *name, char *out, size_t n)
{
    int fd = open(name, O_RDONLY);
    EXPECT(fd >= 0 && pread(fd, out, n, 0) == (ssize_t)n);
    close(fd);
}

static void write_file(const char *name, const char *p, size_t n, off_t at)
{
    int fd = open(name, O_WRONLY);
    EXPECT(fd >= 0 && pwrite(fd, p, n, at) == (ssize_t)n);
    close(fd);
}

/* --- what is written comes back -----------------------------------------------------------------
 */

void test_journal_keeps_records_in_order(void)
{
    struct bench b = {0};
    open_journal(&b);
    EXPECT_EQ_UINT(journal_end(b.j), JOURNAL_FIRST_LSN);
    for (uint32_t i = 0; i < 1000; i++)
        append(&b, i, i * 3 % 4000 + 4);
    uint64_t end = journal_end(b.j);
    reopen(&b);
    EXPECT_EQ_UINT(b.seen.count, 1000);
    EXPECT_EQ_UINT(b.seen.end, end);
    EXPECT_EQ_UINT(journal_end(b.j), end);
    for (uint32_t i = 0; i < 1000; i++)
        EXPECT_EQ_UINT(b.seen.sum[i], i);
    /* From the middle on, and from the end. */
    b.from = b.seen.lsn[600];
    reopen(&b);
    EXPECT_EQ_UINT(b.seen.count, 400);
    b.from = end;
    reopen(&b);
    EXPECT_EQ_UINT(b.seen.count, 0);
    EXPECT_EQ_UINT(journal_end(b.j), end);
    journal_close(b.j);
}

/* Reads from the first record on; how many there were. They are numbered from 0. */
static uint32_t read_through(struct bench *b, struct buf *out)
{
    uint64_t at = JOURNAL_FIRST_LSN;
    uint32_t next = 0;
    while (at < journal_end(b->j)) {
        buf_clear(out);
        EXPECT_OK(journal_read(b->j, at, 10000, out, &b->why), b->why);
        str rest = buf_str(out);
        struct journal_record r;
        EXPECT(rest.n > 0);
        while (journal_next(&rest, &r)) {
            EXPECT_EQ_UINT(r.lsn, at);
            EXPECT(r.payload.n < 4 || memcmp(r.payload.p, &next, 4) == 0);
            at = r.end_lsn;
            next++;
        }
        EXPECT_EQ_UINT(rest.n, 0);
    }
    return next;
}

void test_journal_reads_what_it_appended(void)
{
    struct bench b = {0};
    open_journal(&b);
    for (uint32_t i = 0; i < 700; i++)
        append(&b, i, 900);
    append(&b, 700, 3u << 20); /* greater than a segment */
    append(&b, 701, 0);
    struct buf out;
    buf_init(&out, 8u << 20);
    EXPECT_EQ_UINT(read_through(&b, &out), 702);
    reopen(&b);
    EXPECT_EQ_UINT(b.seen.count, 702);
    /* As many again: by then the first ones are no longer in memory. */
    for (uint32_t i = 702; i < 12000; i++)
        append(&b, i, 900);
    EXPECT_EQ_UINT(read_through(&b, &out), 12000);
    uint64_t at = journal_end(b.j);
    buf_clear(&out);
    EXPECT_OK(journal_read(b.j, at, 10000, &out, &b.why), b.why);
    EXPECT_EQ_UINT(out.len, 0);
    buf_release(&out);
    journal_close(b.j);
}

void test_journal_reads_from_memory_without_the_file(void)
{
    struct bench b = {0};
    char path[PATH_MAX];
    static const char junk[8192] = "junk";
    open_journal(&b);
    for (uint32_t i = 0; i < 20; i++)
        append(&b, i, 900);
    snprintf(path, sizeof(path), "%s/00000000.gj", unit_path("j"));
    write_file(path, junk, sizeof(junk), 4096);
    struct buf out;
    buf_init(&out, 1u << 20);
    EXPECT_EQ_UINT(read_through(&b, &out), 20);
    /* The page that both share is written whole again by the next record, from memory. */
    append(&b, 20, 4096);
    EXPECT_EQ_UINT(read_through(&b, &out), 21);
    buf_release(&out);
    journal_close(b.j);
}

/* A record that would have begun a segment is given up: a smaller one still goes into the old. */
void test_journal_goes_on_in_a_segment_after_a_record_that_found_no_room(void)
{
    struct bench b = {0};
    open_journal(&b);
    uint32_t count = 0;
    for (; journal_end(b.j) + 20000 < JOURNAL_FIRST_LSN + JOURNAL_SEGMENT_BYTES_MIN; count++)
        append(&b, count, 900);
    disk.allocate_errno = ENOSPC;
    for (size_t n = 30000; n < 3u << 20; n *= 3)
        EXPECT(try_append(&b, 0, n, false) == ERR_FULL);
    clock_fake_advance(&b.clock, 10000);
    EXPECT(try_append(&b, 0, 40000, false) == ERR_FULL);
    clock_fake_advance(&b.clock, 10000);
    append(&b, count++, 900);
    append(&b, count++, 900);
    struct buf out;
    buf_init(&out, 1u << 20);
    EXPECT_EQ_UINT(read_through(&b, &out), count);
    buf_release(&out);
    disk.allocate_errno = 0;
    reopen(&b);
    EXPECT_EQ_UINT(b.seen.count, count);
    journal_close(b.j);
}

void test_journal_peek_gives_what_is_still_there(void)
{
    struct bench b = {0};
    open_journal(&b);
    append(&b, 0xabcdef, 100);
    uint32_t got = 0;
    uint64_t at = JOURNAL_FIRST_LSN + JOURNAL_RECORD_HEAD;
    EXPECT_EQ_UINT(journal_peek(b.j, at, &got, 4), 4);
    EXPECT_EQ_UINT(got, 0xabcdef);
    EXPECT_EQ_UINT(journal_peek(b.j, 5, &got, 4), 0);
    for (uint32_t i = 0; i < 400; i++)
        append(&b, i, 900);
    EXPECT_EQ_UINT(journal_peek(b.j, at, &got, 4), 4);
    journal_release(b.j, journal_end(b.j));
    /* Its file may be reused now; it is gone when the memory is needed as well. */
    EXPECT_EQ_UINT(journal_peek(b.j, at, &got, 4), 4);
    for (uint32_t i = 0; i < 4000; i++)
        append(&b, i, 900);
    journal_release(b.j, journal_end(b.j));
    EXPECT_EQ_UINT(journal_peek(b.j, at, &got, 4), 0);
    journal_close(b.j);
}

void test_journal_reuses_released_files(void)
{
    struct bench b = {0};
    open_journal(&b);
    for (uint32_t i = 0; i < 20000; i++) {
        append(&b, i, 900);
        if (i % 100 == 0) {
            journal_prepare(b.j);
            journal_release(b.j, journal_end(b.j));
        }
    }
    EXPECT(file_count() <= 6);
    EXPECT(journal_bytes(b.j) <= 6 * JOURNAL_SEGMENT_BYTES_MIN);
    uint64_t end = journal_end(b.j);
    b.from = end - 924 * 50;
    b.from -= (b.from - JOURNAL_FIRST_LSN) % 928;
    reopen(&b);
    EXPECT_EQ_UINT(journal_end(b.j), end);
    EXPECT_EQ_UINT(b.seen.sum[b.seen.count - 1], 19999);
    /* And again, with the files of the former life. */
    for (uint32_t i = 0; i < 1000; i++)
        append(&b, i, 900);
    EXPECT(file_count() <= 10);
    journal_close(b.j);
}

void test_journal_takes_short_writes(void)
{
    struct bench b = {0};
    open_journal(&b);
    disk.at_most = 100;
    for (uint32_t i = 0; i < 20; i++)
        append(&b, i, 1000);
    reopen(&b);
    EXPECT_EQ_UINT(b.seen.count, 20);
    journal_close(b.j);
}

/* --- torn tails and damage -----------------------------------------------------------------------
 */

/* Three records in the first file; returns where the last one starts and ends in it. */
static void three_records(struct bench *b, size_t *last, size_t *end)
{
    open_journal(b);
    append(b, 1, 300);
    append(b, 2, 300);
    *last = HEAD + (size_t)(journal_end(b->j) - JOURNAL_FIRST_LSN);
    append(b, 3, 300);
    *end = HEAD + (size_t)(journal_end(b->j) - JOURNAL_FIRST_LSN);
    journal_close(b->j);
}

static void remove_others(void)
{
    char name[64];
    for (int i = 1; i < 50; i++) {
        snprintf(name, sizeof(name), "j/%08d.gj", i);
        unlink(unit_path(name));
    }
}

void test_journal_cuts_a_torn_tail_at_every_byte(void)
{
    struct bench b = {0};
    size_t last, end;
    three_records(&b, &last, &end);
    const char *name = unit_path("j/00000000.gj");
    char path[512], whole[8192], torn[8192];
    snprintf(path, sizeof(path), "%s", name);
    read_file(path, whole, sizeof(whole));
    for (size_t cut = last; cut <= end; cut++)
        for (int junk = 0; junk < 2; junk++) {
            memcpy(torn, whole, sizeof(torn));
            memset(torn + cut, junk ? 0xa5 : 0, sizeof(torn) - cut);
            write_file(path, torn, sizeof(torn), 0);
            if (!try_open(&b))
                FAIL("cut at %zu: %s", cut, b.why.text);
            bool is_whole = memcmp(torn + last, whole + last, end - last) == 0;
            EXPECT_EQ_UINT(b.seen.count, is_whole ? 3 : 2);
            journal_close(b.j);
            remove_others();
        }
}

void test_journal_refuses_damage_before_the_tail_at_every_byte(void)
{
    struct bench b = {0};
    size_t last, end;
    three_records(&b, &last, &end);
    char path[512], whole[8192];
    snprintf(path, sizeof(path), "%s", unit_path("j/00000000.gj"));
    read_file(path, whole, sizeof(whole));
    for (size_t at = HEAD; at < last; at++) {
        char byte = (char)(whole[at] ^ 0x10);
        write_file(path, &byte, 1, (off_t)at);
        if (try_open(&b))
            FAIL("byte %zu is damaged and %zu records were given", at, b.seen.count);
        EXPECT_HAS(b.why.text, "damaged");
        EXPECT_HAS(b.why.text, "00000000.gj");
        write_file(path, &whole[at], 1, (off_t)at);
        remove_others();
    }
    EXPECT(try_open(&b));
    EXPECT_EQ_UINT(b.seen.count, 3);
    journal_close(b.j);
}

void test_journal_refuses_a_damaged_head_with_records(void)
{
    struct bench b = {0};
    size_t last, end;
    three_records(&b, &last, &end);
    write_file(unit_path("j/00000000.gj"), "X", 1, 20);
    EXPECT(!try_open(&b));
    EXPECT_HAS(b.why.text, "head");
}

/* Damage is looked for up to the mark: it covers all that was acknowledged, with records of any
 * size, and what lies behind it is not read. Without a good mark all is. */
void test_journal_looks_for_damage_up_to_the_mark(void)
{
    struct bench b = {.segment_bytes = 8u << 20};
    static const char zeros[3u << 20];
    static const char *const name = "j/00000000.gj";
    const off_t mark_at = (8 << 20) - 4096;
    char early[4096];
    int fd;
    open_journal(&b);
    append(&b, 1, 300);
    EXPECT((fd = open(unit_path(name), O_RDWR)) >= 0);
    EXPECT(pread(fd, early, sizeof(early), mark_at) == sizeof(early));
    off_t second = HEAD + (off_t)(journal_end(b.j) - JOURNAL_FIRST_LSN);
    append(&b, 2, 2500000); /* farther than one step of the mark */
    for (uint32_t i = 3; i < 8; i++)
        append(&b, i, 900000);
    EXPECT_EQ_UINT(file_count(), 1);
    journal_close(b.j);
    /* All but the first one and the last two are gone. */
    EXPECT(pwrite(fd, zeros, sizeof(zeros), second) == sizeof(zeros));
    EXPECT(!try_open(&b));
    EXPECT_HAS(b.why.text, "damaged");
    EXPECT(pwrite(fd, zeros, sizeof(early), mark_at) == sizeof(early));
    EXPECT(!try_open(&b));
    EXPECT_HAS(b.why.text, "damaged");
    EXPECT(pwrite(fd, early, sizeof(early), mark_at) == sizeof(early));
    EXPECT(try_open(&b));
    EXPECT_EQ_UINT(b.seen.count, 1);
    journal_close(b.j);
    close(fd);
}

void test_journal_fills_a_marked_segment(void)
{
    struct bench b = {.segment_bytes = 4u << 20};
    struct buf out;
    open_journal(&b);
    for (uint32_t i = 0; i < 3000; i++)
        append(&b, i, i * 7 % 5000 + 4);
    append(&b, 3000, (4u << 20) - 10000); /* fits one that has nothing else */
    append(&b, 3001, (4u << 20) - 5000);  /* does not, with the head and the mark */
    buf_init(&out, 16u << 20);
    EXPECT_EQ_UINT(read_through(&b, &out), 3002);
    buf_release(&out);
    reopen(&b);
    EXPECT_EQ_UINT(b.seen.count, 3002);
    journal_close(b.j);
}

void test_journal_takes_a_torn_birth_for_unborn(void)
{
    struct bench b = {0};
    open_journal(&b);
    append(&b, 1, 300);
    journal_close(b.j);
    write_file(unit_path("j/00000000.gj"), "\0\0\0\0\0\0\0\0", 8, 0);
    EXPECT(try_open(&b));
    EXPECT_EQ_UINT(b.seen.count, 0);
    journal_close(b.j);
}

void test_journal_refuses_a_gap(void)
{
    struct bench b = {0};
    open_journal(&b);
    for (uint32_t i = 0; i < 1000; i++)
        append(&b, i, 900);
    journal_close(b.j);
    char name[64];
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "j/%08d.gj", i);
        char aside[512], path[512];
        snprintf(aside, sizeof(aside), "%s", unit_path("aside"));
        snprintf(path, sizeof(path), "%s", unit_path(name));
        EXPECT(rename(path, aside) == 0);
        EXPECT(!try_open(&b));
        EXPECT(rename(aside, path) == 0);
    }
    EXPECT(try_open(&b));
    EXPECT_EQ_UINT(b.seen.count, 1000);
    journal_close(b.j);
}

void test_journal_refuses_segments_of_another_store(void)
{
    struct bench b = {0};
    open_journal(&b);
    append(&b, 1, 10);
    journal_close(b.j);
    struct journal_options o = {.dir = unit_path("j"),
                                .store_id = 43,
                                .from_lsn = JOURNAL_FIRST_LSN,
                                .clock = &b.clock.base};
    EXPECT(journal_open(&o, note, &b.seen, &b.why) == NULL);
    EXPECT_EQ_INT(b.why.code, ERR_CONFLICT);
    EXPECT_HAS(b.why.text, "another store");
}

/* --- a failing disk
 * ------------------------------------------------------------------------------- */

static void fail_once(struct bench *b, int write_errno, int sync_errno, bool written,
                      enum err expected)
{
    disk.pwrite_errno = write_errno;
    disk.sync_errno = sync_errno;
    disk.written_before_failing = written;
    disk.after = 0;
    EXPECT_EQ_INT(try_append(b, 666, 500, false), expected);
    EXPECT_EQ_INT(b->why.code, expected);
    memset(&disk, 0, sizeof(disk));
}

/* What a failed write left on disk must not come back once others were acknowledged. */
static void survive(int write_errno, int sync_errno, bool written, enum err expected)
{
    struct bench b = {0};
    open_journal(&b);
    append(&b, 1, 500);
    uint64_t end = journal_end(b.j);
    fail_once(&b, write_errno, sync_errno, written, expected);
    EXPECT_EQ_UINT(journal_end(b.j), end);
    append(&b, 2, 100);
    fail_once(&b, write_errno, sync_errno, written, expected);
    append(&b, 3, 100);
    struct buf out;
    buf_init(&out, 1u << 20);
    uint64_t at = JOURNAL_FIRST_LSN;
    while (at < journal_end(b.j)) {
        size_t before = out.len;
        EXPECT_OK(journal_read(b.j, at, 1u << 18, &out, &b.why), b.why);
        at += out.len - before;
    }
    buf_release(&out);
    reopen(&b);
    EXPECT_EQ_UINT(b.seen.count, 3);
    for (uint32_t i = 0; i < 3; i++)
        EXPECT_EQ_UINT(b.seen.sum[i], i + 1);
    journal_release(b.j, journal_end(b.j));
    append(&b, 4, 100);
    b.from = b.seen.lsn[2];
    reopen(&b);
    EXPECT_EQ_UINT(b.seen.count, 2);
    journal_close(b.j);
}

void test_journal_survives_a_failed_write(void)
{
    survive(EIO, 0, false, ERR_IO);
}

void test_journal_survives_a_failed_write_that_got_there(void)
{
    survive(EIO, 0, true, ERR_IO);
}

void test_journal_survives_a_failed_sync(void)
{
    survive(0, EIO, false, ERR_IO);
}

void test_journal_survives_a_full_disk(void)
{
    survive(ENOSPC, 0, false, ERR_FULL);
    EXPECT(rename(unit_path("j"), unit_path("old")) == 0);
    survive(0, EDQUOT, false, ERR_FULL);
}

void test_journal_after_a_crash_the_failed_one_may_be_there(void)
{
    struct bench b = {0};
    open_journal(&b);
    append(&b, 1, 500);
    fail_once(&b, 0, EIO, false, ERR_IO);
    reopen(&b);
    EXPECT_EQ_UINT(b.seen.count, 2); /* never acknowledged, whole on disk: allowed */
    append(&b, 3, 100);
    reopen(&b);
    EXPECT_EQ_UINT(b.seen.count, 3);
    EXPECT_EQ_UINT(b.seen.sum[2], 3);
    journal_close(b.j);
}

void test_journal_keeps_a_reserve_for_what_was_accepted(void)
{
    struct bench b = {0};
    open_journal(&b);
    journal_prepare(b.j);
    append(&b, 0, 100);
    disk.allocate_errno = ENOSPC;
    uint32_t n = 1;
    enum err e;
    while ((e = try_append(&b, n, 1000, false)) == ERR_OK)
        n++;
    EXPECT_EQ_INT(e, ERR_FULL);
    EXPECT(n > 200 && n < 600);
    EXPECT_EQ_INT(try_append(&b, n, 1000, false), ERR_FULL);
    EXPECT_OK(try_append(&b, n, 1000, true), b.why);
    while (try_append(&b, n + 1, 1000, true) == ERR_OK)
        n++;
    /* Space comes back: no restart is needed. */
    disk.allocate_errno = 0;
    clock_fake_advance(&b.clock, 10000);
    append(&b, n + 1, 1000);
    reopen(&b);
    EXPECT_EQ_UINT(b.seen.count, n + 2);
    journal_close(b.j);
}

void test_journal_rests_after_several_failures(void)
{
    struct bench b = {0};
    open_journal(&b);
    append(&b, 1, 100);
    disk.sync_errno = EIO;
    for (int i = 0; i < 10; i++)
        EXPECT_EQ_INT(try_append(&b, 2, 100, false), ERR_IO);
    disk.sync_errno = 0;
    EXPECT_EQ_INT(try_append(&b, 2, 100, false), ERR_IO);
    EXPECT_HAS(b.why.text, "trying again soon");
    clock_fake_advance(&b.clock, 1000);
    append(&b, 2, 100);
    reopen(&b);
    EXPECT_EQ_UINT(b.seen.count, 2);
    journal_close(b.j);
}

/* --- everything at once --------------------------------------------------------------------------
 */

void test_journal_random_faults_lose_nothing(void)
{
    struct bench b = {0};
    static uint64_t starts[4096];
    uint32_t acked = 0, released = 0;
    struct rng r;
    rng_init(&r, 20231123);
    open_journal(&b);
    while (acked < 3000) {
        uint64_t dice = rng_below(&r, 100);
        memset(&disk, 0, sizeof(disk));
        if (dice < 8) {
            disk.pwrite_errno = dice < 3 ? EIO : 0;
            disk.sync_errno = dice >= 3 ? EIO : 0;
            disk.written_before_failing = dice < 2;
        } else if (dice < 10) {
            disk.allocate_errno = ENOSPC;
        } else if (dice < 12) {
            released = (uint32_t)rng_below(&r, acked - released + 1) + released;
            if (released < acked)
                journal_release(b.j, starts[released]);
            journal_prepare(b.j);
        } else if (dice < 13) {
            b.from = released < acked ? starts[released] : journal_end(b.j);
            reopen(&b);
            /* One more may be there: whole on disk, but refused, and nothing came after it. */
            EXPECT(b.seen.count == acked - released || b.seen.count == acked - released + 1);
            for (uint32_t i = 0; i < acked - released; i++)
                EXPECT_EQ_UINT(b.seen.sum[i], released + i);
            if (b.seen.count == acked - released + 1)
                starts[acked++] = b.seen.lsn[b.seen.count - 1];
        }
        uint64_t end = journal_end(b.j);
        if (try_append(&b, acked, (size_t)rng_below(&r, 3000) + 4, false) == ERR_OK)
            starts[acked++] = end;
        else
            EXPECT_EQ_UINT(journal_end(b.j), end);
        clock_fake_advance(&b.clock, (int64_t)rng_below(&r, 600));
    }
    journal_close(b.j);
}
