/* journal_open.c -- opening and recovery: which files are segments, which of them are needed, and
 * where the log ends. Decides between a torn tail (a crash: the last record was never acknowledged)
 * and damage (an acknowledged record is unreadable: refuse, never skip in silence). */
#include "store/journal_segment.h"

#include "base/log.h"
#include "base/rand.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCAN_BYTES (1u << 20)
#define SCAN_BYTES_MAX (1u << 30)

struct found {
    struct segment **v;
    size_t count, cap;
};

static bool file_number(const char *name, uint64_t *out)
{
    str s = str_from_cstr(name);
    return str_ends(s, STR(".gj")) && str_to_u64(str_slice(s, 0, s.n - 3), out);
}

/* Reads the head of one file. A file without a good head (never used, or its head was torn while
 * it was being reused, when nothing in it was acknowledged yet) stays with seq 0. */
static enum err look_at(struct journal *j, uint64_t file, struct segment **out, struct reason *why)
{
    char *path = segment_path(j, file);
    enum err e = ERR_OK;
    struct stat st;
    struct segment *s = xcalloc(1, sizeof(*s));
    s->file = file;
    s->fd = open(path, O_RDWR | O_CLOEXEC);
    char head[SEGMENT_HEAD];
    uint64_t store_id = j->store_id;
    ssize_t n = -1;
    if (s->fd < 0 || fstat(s->fd, &st) != 0 || (n = pread(s->fd, head, sizeof(head), 0)) < 0) {
        e = fail_errno(why, ERR_IO, "can't read the journal segment %s", path);
    } else {
        s->bytes = (uint64_t)st.st_size;
        if (n < (ssize_t)sizeof(head) || !segment_head_read(head, s, &store_id))
            s->seq = 0;
        if (store_id != j->store_id)
            e = fail(why, ERR_CONFLICT,
                     "the journal segment %s belongs to another store; move the journal "
                     "directory away if this database was put here by hand",
                     path);
    }
    free(path);
    if (e != ERR_OK) {
        if (s->fd >= 0)
            close(s->fd);
        free(s);
        return e;
    }
    *out = s;
    return ERR_OK;
}

static int by_seq(const void *a, const void *b)
{
    const struct segment *x = *(struct segment *const *)a, *y = *(struct segment *const *)b;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static enum err find_all(struct journal *j, struct found *f, struct reason *why)
{
    DIR *dir = opendir(j->dir);
    if (!dir)
        return fail_errno(why, ERR_IO, "can't read the journal directory %s", j->dir);
    enum err e = ERR_OK;
    struct dirent *d;
    while (e == ERR_OK && (d = readdir(dir)) != NULL) {
        uint64_t file;
        struct segment *s;
        if (!file_number(d->d_name, &file))
            continue;
        e = look_at(j, file, &s, why);
        if (e != ERR_OK)
            break;
        if (f->count == f->cap) {
            f->cap = f->cap ? f->cap * 2 : 16;
            f->v = xrealloc(f->v, f->cap * sizeof(struct segment *));
        }
        f->v[f->count++] = s;
        if (file >= j->next_file)
            j->next_file = file + 1;
        if (s->seq >= j->next_seq)
            j->next_seq = s->seq + 1;
    }
    closedir(dir);
    if (f->count)
        qsort(f->v, f->count, sizeof(struct segment *), by_seq);
    return e;
}

/* --- scanning --------------------------------------------------------------------------------- */

struct scan { /* a window that moves over one file */
    const struct journal *j;
    const struct segment *s;
    struct buf bytes;
    size_t at;    /* of the place looked at, in bytes */
    uint64_t lsn; /* of that place */
};

static size_t there(const struct scan *c)
{
    return c->bytes.len - c->at;
}

static const char *place(const struct scan *c)
{
    return c->bytes.p + c->at;
}

static void move_on(struct scan *c, size_t n)
{
    assert(n <= there(c));
    c->at += n;
    c->lsn += n;
}

/* Has n bytes at the scan's place, if the file holds that many. */
static enum err fill(struct scan *c, size_t n, struct reason *why)
{
    if (there(c) >= n)
        return ERR_OK;
    buf_consume(&c->bytes, c->at);
    c->at = 0;
    while (c->bytes.len < n) {
        uint64_t at = SEGMENT_HEAD + c->lsn - c->s->start_lsn + c->bytes.len;
        size_t want = n - c->bytes.len > SCAN_BYTES ? n - c->bytes.len : SCAN_BYTES;
        char *p = buf_reserve(&c->bytes, want);
        if (!p)
            return fail(why, ERR_LIMIT, "a journal record is too great to be read");
        ssize_t got = pread(c->s->fd, p, want, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno(why, ERR_IO, "can't read the journal segment %s/%08llu.gj", c->j->dir,
                              (unsigned long long)c->s->file);
        if (got == 0)
            return ERR_OK;
        buf_grew(&c->bytes, (size_t)got);
    }
    return ERR_OK;
}

/* *is: a good record is here, and *r is it. An error only when the file can't be read. */
static enum err record_here(struct scan *c, struct journal_record *r, bool *is, struct reason *why)
{
    *is = false;
    enum err e = fill(c, JOURNAL_RECORD_HEAD, why);
    if (e != ERR_OK || there(c) < JOURNAL_RECORD_HEAD)
        return e;
    int good = record_check(place(c), there(c), c->lsn, c->s->salt, r);
    if (good < 0) {
        struct cursor length = cursor_of(str_of(place(c) + 4, 4));
        e = fill(c, JOURNAL_RECORD_HEAD + (size_t)cursor_u32(&length) + 8, why);
        if (e != ERR_OK)
            return e;
        good = record_check(place(c), there(c), c->lsn, c->s->salt, r);
    }
    *is = good == 1;
    return ERR_OK;
}

static uint64_t named_lsn(const char *record)
{
    uint64_t lsn;
    memcpy(&lsn, record + 8, sizeof(lsn));
    return le64toh(lsn);
}

/* Moves on to the next place whose head names that very place, inside what is in memory; at its
 * end otherwise. Looks at each eighth byte up to the mark, at every start: kept tight. */
static void skip_to_named(struct scan *c)
{
    const char *p = place(c), *end = p + there(c) - JOURNAL_RECORD_HEAD;
    uint64_t lsn = c->lsn;
    for (; p <= end && named_lsn(p) != lsn; p += 8)
        lsn += 8;
    move_on(c, (size_t)(lsn - c->lsn));
}

/* Behind it nothing was acknowledged; UINT64_MAX when that is not known. */
static uint64_t read_mark(const struct segment *s)
{
    char page[TAIL_PAGE];
    uint64_t room = segment_room(s);
    bool is = room < s->bytes && pread(s->fd, page, sizeof(page), (off_t)room) == sizeof(page);
    return is ? segment_mark_read(s, page) : UINT64_MAX;
}

/* True when a good record lies behind the bad place: then that place is damage. */
static enum err good_one_behind(const struct journal *j, const struct segment *s, uint64_t lsn,
                                bool *found, struct reason *why)
{
    struct scan c = {.j = j, .s = s, .lsn = lsn};
    buf_init(&c.bytes, SCAN_BYTES_MAX);
    enum err e = fill(&c, JOURNAL_RECORD_HEAD, why);
    uint64_t mark = read_mark(s);
    if (mark < lsn) /* and there is one: it does not speak of this log */
        mark = UINT64_MAX;
    *found = false;
    while (e == ERR_OK && !*found && c.lsn < mark && there(&c) >= JOURNAL_RECORD_HEAD + 8) {
        move_on(&c, 8);
        skip_to_named(&c);
        e = fill(&c, JOURNAL_RECORD_HEAD + 8, why);
        struct journal_record r;
        if (e == ERR_OK && there(&c) >= JOURNAL_RECORD_HEAD && named_lsn(place(&c)) == c.lsn)
            e = record_here(&c, &r, found, why);
    }
    buf_release(&c.bytes);
    return e;
}

/* A file without a good head may have been torn while it was being born: then it holds one record
 * at most. Two that follow each other at the end of the log mean that the head was damaged. */
static enum err check_headless(const struct journal *j, struct segment *s, uint64_t end,
                               struct reason *why)
{
    s->start_lsn = end;
    struct scan c = {.j = j, .s = s, .lsn = end};
    buf_init(&c.bytes, SCAN_BYTES_MAX);
    enum err e = fill(&c, JOURNAL_RECORD_HEAD, why);
    if (e == ERR_OK && there(&c) >= JOURNAL_RECORD_HEAD && named_lsn(place(&c)) == end) {
        struct cursor head = cursor_of(str_of(place(&c) + 4, 4));
        size_t total = JOURNAL_RECORD_HEAD + (((size_t)cursor_u32(&head) + 7) & ~(size_t)7);
        e = fill(&c, total + JOURNAL_RECORD_HEAD, why);
        if (e == ERR_OK && there(&c) >= total + JOURNAL_RECORD_HEAD) {
            move_on(&c, total);
            if (named_lsn(place(&c)) == c.lsn)
                e = fail(why, ERR_IO,
                         "the head of the journal segment %s/%08llu.gj is damaged, and the file "
                         "holds acknowledged events; restore a backup, or move the file away to "
                         "give up what it holds",
                         j->dir, (unsigned long long)s->file);
        }
    }
    buf_release(&c.bytes);
    return e;
}

/* Visits the records of s from *lsn on, up to `until` (UINT64_MAX for the last segment, whose end
 * is what is to be found). */
static enum err scan_segment(const struct journal *j, const struct segment *s, uint64_t *lsn,
                             uint64_t until, journal_visit *visit, void *arg, struct reason *why)
{
    struct scan c = {.j = j, .s = s, .lsn = *lsn};
    buf_init(&c.bytes, SCAN_BYTES_MAX);
    enum err e = ERR_OK;
    while (e == ERR_OK && c.lsn < until) {
        struct journal_record r;
        bool is;
        e = record_here(&c, &r, &is, why);
        if (e != ERR_OK || !is)
            break;
        visit(&r, arg);
        move_on(&c, (size_t)(r.end_lsn - r.lsn));
    }
    buf_release(&c.bytes);
    *lsn = c.lsn;
    bool damaged = until != UINT64_MAX && c.lsn != until;
    if (e == ERR_OK && until == UINT64_MAX)
        e = good_one_behind(j, s, c.lsn, &damaged, why);
    if (e != ERR_OK || !damaged)
        return e;
    return fail(why, ERR_IO,
                "the journal segment %s/%08llu.gj is damaged at byte %llu, with acknowledged "
                "events at and behind that place; restore a backup, or move the file away to "
                "give up what it holds",
                j->dir, (unsigned long long)s->file,
                (unsigned long long)(SEGMENT_HEAD + c.lsn - s->start_lsn));
}

/* --- opening ---------------------------------------------------------------------------------- */

/* What is not needed: whole ones are spares, one small one is the reserve, others are deleted. */
static void keep_spare(struct journal *j, struct segment *s)
{
    if (s->bytes == j->segment_bytes && segment_is_reusable(j, s))
        j->spares[j->spare_count++] = s;
    else if (!j->reserve && s->bytes < j->segment_bytes && s->bytes >= JOURNAL_SEGMENT_BYTES_MIN)
        j->reserve = s;
    else if (segment_is_reusable(j, s))
        j->spares[j->spare_count++] = s;
    else
        segment_delete(j, s);
}

/* Takes what is needed from from_lsn on out of *f. */
static void take_live(struct journal *j, struct found *f, uint64_t from_lsn)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->count; i++) {
        struct segment *s = f->v[i];
        s->end_lsn = i + 1 < f->count ? f->v[i + 1]->start_lsn : UINT64_MAX;
        if (s->seq == 0 || (s->end_lsn != UINT64_MAX && s->end_lsn <= from_lsn))
            f->v[kept++] = s;
        else
            journal_add_live(j, s);
    }
    f->count = kept;
}

static enum err keep_spares(struct journal *j, struct found *f, struct reason *why)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < f->count && e == ERR_OK; i++)
        if (f->v[i]->seq == 0)
            e = check_headless(j, f->v[i], journal_end(j), why);
    for (size_t i = 0; i < f->count; i++) {
        if (e == ERR_OK)
            keep_spare(j, f->v[i]);
        else
            segment_close(f->v[i]);
    }
    f->count = 0;
    return e;
}

static enum err recover(struct journal *j, uint64_t from_lsn, journal_visit *visit, void *arg,
                        struct reason *why)
{
    uint64_t lsn = from_lsn;
    if (j->live_count > 0 && j->live[0]->start_lsn > from_lsn)
        return fail(why, ERR_IO,
                    "the journal in %s begins at position %llu but the database holds what came "
                    "before %llu only; segments are missing: put them back or restore a backup",
                    j->dir, (unsigned long long)j->live[0]->start_lsn,
                    (unsigned long long)from_lsn);
    for (size_t i = 0; i < j->live_count; i++) {
        struct segment *s = j->live[i];
        uint64_t room = s->bytes > SEGMENT_HEAD ? s->bytes - SEGMENT_HEAD : 0;
        if (s->end_lsn == UINT64_MAX && lsn > s->start_lsn + room)
            break; /* the database is ahead of the whole journal: nothing is missing */
        enum err e = scan_segment(j, s, &lsn, s->end_lsn, visit, arg, why);
        if (e != ERR_OK)
            return e;
    }
    if (j->live_count > 0)
        j->live[j->live_count - 1]->end_lsn = lsn;
    atomic_store(&j->end, lsn);
    return ERR_OK;
}

/* The first file of an empty journal is made here, so that the first commit does not wait. */
static enum err first_segment(struct journal *j, struct reason *why)
{
    if (j->spare_count > 0)
        return ERR_OK;
    struct reason r = {ERR_IO, ""};
    struct segment *s = segment_create(j, j->segment_bytes, JOURNAL_SEGMENT_BYTES_MIN, false, &r);
    if (s)
        j->spares[j->spare_count++] = s;
    else if (r.code != ERR_FULL) /* when full: what is stored can still be read */
        return fail(why, r.code, "%s", r.text);
    return ERR_OK;
}

struct journal *journal_open(const struct journal_options *o, journal_visit *visit, void *arg,
                             struct reason *why)
{
    struct journal *j = xcalloc(1, sizeof(*j));
    j->dir = xstrdup(o->dir);
    j->store_id = o->store_id;
    j->segment_bytes = o->segment_bytes ? o->segment_bytes : JOURNAL_SEGMENT_BYTES;
    j->io = o->io ? o->io : &journal_io_real;
    j->clock = o->clock;
    j->next_seq = 1;
    j->write_fd = -1;
    tail_init(&j->tail);
    pthread_mutex_init(&j->lock, NULL);
    atomic_store(&j->end, o->from_lsn);
    struct found f = {0};
    enum err e = find_all(j, &f, why);
    if (e == ERR_OK) {
        take_live(j, &f, o->from_lsn);
        e = recover(j, o->from_lsn, visit, arg, why);
    }
    if (e == ERR_OK)
        e = keep_spares(j, &f, why);
    if (e == ERR_OK)
        e = first_segment(j, why);
    for (size_t i = 0; i < f.count; i++)
        segment_close(f.v[i]);
    free(f.v);
    if (e != ERR_OK) {
        journal_close(j);
        return NULL;
    }
    return j;
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    for (size_t i = 0; i < j->live_count; i++)
        segment_close(j->live[i]);
    for (size_t i = 0; i < j->spare_count; i++)
        segment_close(j->spares[i]);
    segment_close(j->reserve);
    free(j->live);
    tail_release(&j->tail);
    if (j->write_fd >= 0)
        close(j->write_fd);
    free(j->dir);
    pthread_mutex_destroy(&j->lock);
    free(j);
}
