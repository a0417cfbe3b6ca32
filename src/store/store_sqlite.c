/* store_sqlite.c -- the durable store: a journal that is the truth, and a SQLite database that is
 * kept up to it and answers every question. This file opens, commits and closes.
 *
 *   DIR/gaff.db    the database (with -wal and -shm beside it)
 *   DIR/journal/   the segments
 *   DIR/lock       held for as long as a process has the store open; holds its pid
 *
 * store_commit: duplicates are found, the batch becomes one journal record, one fdatasync; then it
 * returns. The rows follow within some 100 ms. */
#include "store/store_sqlite.h"

#include "base/fs.h"
#include "base/log.h"
#include "store/store_sqlite_arrive.h"
#include "store/store_sqlite_settle.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

#define NFS_MAGIC 0x6969
#define SMB_MAGIC 0x517b
#define CIFS_MAGIC 0xff534d42u
#define SMB2_MAGIC 0xfe534d42u
#define REJECTIONS_A_SECOND 100
#define LAG_PAUSE_NS_MAX 10000000u

/* --- commit ----------------------------------------------------------------------------------- */

/* True when the event is a repeat by its own key; else *fresh are the entries to remember. */
static bool is_repeat(struct sqlite_store *s, struct new_event *n, struct dedupe_entry *fresh,
                      size_t *count)
{
    uint64_t first;
    *count = 0;
    for (size_t i = 0; i < n->key_count; i++) {
        struct dedupe_entry *e = &fresh[*count];
        dedupe_key_entry(s->dedupe_seed, &n->event, &n->keys[i], e);
        enum dedupe_answer answer = dedupe_find(s->dedupe, e, n->keys[i].window_ms, &first);
        ++*count;
        if (answer == DEDUPE_FRESH)
            continue;
        n->duplicate_of = first;
        n->matched = i + 1;
        n->same_hash = answer == DEDUPE_REPEAT;
        return true;
    }
    if (n->dedupe_window_ms <= 0 || n->event.dedupe_key.n == 0)
        return false;
    struct dedupe_entry *e = &fresh[*count];
    dedupe_event_entry(s->dedupe_seed, &n->event, e);
    enum dedupe_answer answer = dedupe_find(s->dedupe, e, n->dedupe_window_ms, &first);
    ++*count;
    if (answer == DEDUPE_REPEAT)
        n->duplicate_of = first;
    else if (answer == DEDUPE_REUSED)
        n->event.flags |= EVENT_ID_REUSED;
    return answer == DEDUPE_REPEAT;
}

/* Marks the duplicates; *added: keys to be forgotten if the commit fails. */
static enum err find_duplicates(struct sqlite_store *s, struct batch *b, size_t *added,
                                size_t *fresh, struct reason *why)
{
    uint64_t lsn = journal_end(s->journal);
    struct dedupe_entry entries[EVENT_KEYS_MAX + 1];
    for (struct new_event *n = b->events; n; n = n->next) {
        size_t count;
        assert(n->key_count <= EVENT_KEYS_MAX);
        n->duplicate_of = 0;
        n->matched = 0;
        n->locator = 0;
        if (!new_event_is_stored(n) || is_repeat(s, n, entries, &count))
            continue;
        for (size_t i = 0; i < count; i++) {
            if (!dedupe_add(s->dedupe, &entries[i], lsn))
                return fail(why, ERR_FULL,
                            "too many events wait to be written to the database; see the log");
            ++*added;
        }
        ++*fresh;
    }
    return ERR_OK;
}

/* The ring of rejected requests is for people: a flood of them must not cost the disk much. */
static size_t rejections_to_write(struct sqlite_store *s, const struct batch *b)
{
    if (b->rejection_count == 0)
        return 0;
    int64_t second = clock_mono_ns(s->clock) / 1000000000;
    if (second != s->rejections_second) {
        s->rejections_second = second;
        s->rejections_written = 0;
    }
    size_t room = REJECTIONS_A_SECOND - s->rejections_written;
    size_t n = b->rejection_count < room ? b->rejection_count : room;
    for (size_t i = 0; i < n; i++)
        if (b->rejections[i].body.n > REJECTION_BODY_MAX)
            b->rejections[i].body.n = REJECTION_BODY_MAX;
    return n;
}

static uint64_t greatest_id(const struct batch *b)
{
    uint64_t id = 0;
    for (const struct new_event *n = b->events; n; n = n->next) {
        if (n->event.id > id)
            id = n->event.id;
        for (size_t i = 0; i < n->delivery_count; i++)
            if (n->deliveries[i].id > id)
                id = n->deliveries[i].id;
    }
    for (size_t i = 0; i < b->rejection_count; i++)
        if (b->rejections[i].id > id)
            id = b->rejections[i].id;
    return id;
}

static void check_batch(const struct batch *b)
{
    for (const struct settlement *t = b->settlements; t; t = t->next)
        assert(delivery_may_move(DELIVERY_CLAIMED, t->state));
}

/* The database can't follow: senders are slowed down, more the further it is behind, long before
 * they have to be refused for want of room for bytes or for delivery ids. */
static void wait_for_applier(const struct sqlite_store *s, uint64_t lag)
{
    double bytes = (double)lag / (double)LAG_BYTES_MAX;
    double ids = (double)dedupe_recent(s->dedupe) / (double)DEDUPE_RECENT_MAX;
    double behind = bytes > ids ? bytes : ids;
    if (behind <= 0.5 || behind > 1)
        return;
    struct timespec pause = {.tv_nsec = (long)((behind - 0.5) * 2 * LAG_PAUSE_NS_MAX)};
    nanosleep(&pause, NULL);
}

static enum err sqlite_commit(struct store *base, struct batch *b, struct reason *why)
{
    struct sqlite_store *s = sqlite_of(base);
    size_t added = 0, fresh = 0;
    check_batch(b);
    size_t changes = 0;
    enum err e = objects_judge(s, b->sets, &changes, why);
    if (e == ERR_OK)
        e = find_duplicates(s, b, &added, &fresh, why);
    fresh += changes;
    size_t rejections = rejections_to_write(s, b);
    uint32_t rejected = s->rejected_unwritten + (uint32_t)b->rejection_count;
    bool has_news = fresh || b->settlements || rejections;
    uint64_t lag = journal_end(s->journal) - atomic_load(&s->applied_lsn);
    if (fresh)
        wait_for_applier(s, lag);
    if (e == ERR_OK && fresh && lag > LAG_BYTES_MAX)
        e = fail(why, ERR_FULL,
                 "the database is %llu MiB behind the journal; see the log for the cause",
                 (unsigned long long)(LAG_BYTES_MAX >> 20));
    uint64_t lsn = 0;
    if (e == ERR_OK && fresh && atomic_load(&s->is_short))
        e = fail(why, ERR_FULL, "there is no room on the disk of %s", s->dir);
    if (e == ERR_OK && has_news) {
        size_t n = record_bytes(b, rejections);
        if (n > RECORD_BYTES_MAX) {
            e = fail(why, ERR_LIMIT, "a batch of %zu bytes is too great", n);
        } else {
            char *room = journal_room(s->journal, n, &lsn);
            record_write(b, rejections, rejected, lsn, room);
            e = journal_append(s->journal, RECORD_BATCH, n, fresh == 0 && b->settlements != NULL,
                               why);
        }
    }
    objects_judged(s, e == ERR_OK, lsn);
    if (e != ERR_OK) {
        dedupe_undo(s->dedupe, added);
        return e;
    }
    s->rejections_written += (unsigned)rejections;
    s->rejected_unwritten = has_news ? 0 : rejected;
    uint64_t id = greatest_id(b);
    if (id > atomic_load_explicit(&s->max_id, memory_order_relaxed))
        atomic_store(&s->max_id, id);
    if (has_news)
        apply_wake(s);
    return ERR_OK;
}

/* --- closing ---------------------------------------------------------------------------------- */

static void release(struct sqlite_store *s)
{
    chunk_free(s->writer.chunk);
    buf_release(&s->writer.bytes);
    queues_forget(&s->writer);
    buf_release(&s->part_bytes);
    map_release(&s->writer.names);
    map_release(&s->writer.order_cursors);
    free(s->writer.returned);
    objects_release(s);
    db_close(&s->parts);
    db_close(&s->writer.c);
    journal_close(s->journal);
    dedupe_free(s->dedupe);
    recent_free(s->recent);
    lent_close(s->lent);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    pthread_mutex_destroy(&s->ticket_lock);
    pthread_cond_destroy(&s->ticket_turn);
    free(s->dir);
    free(s->path);
    free(s->filters_path);
    free(s);
}

static void sqlite_close(struct store *base)
{
    struct sqlite_store *s = sqlite_of(base);
    struct reason why;
    apply_stop(s);
    writer_lock(s);
    if (apply_until(s, journal_end(s->journal), &why) != ERR_OK)
        log_event(LOG_WARN, "closed with the database behind; the next start catches up",
                  LOG_F("error", str_from_cstr(why.text)));
    writer_checkpoint(s, 0);
    writer_unlock(s);
    release(s);
}

static const struct store_ops sqlite_ops = {
    .name = "sqlite",
    .commit = sqlite_commit,
    .claim = sqlite_claim,
    .unclaim = sqlite_unclaim,
    .load = sqlite_load,
    .hold = sqlite_hold,
    .rest = sqlite_rest,
    .events = sqlite_events,
    .deliveries = sqlite_deliveries,
    .attempts = sqlite_attempts,
    .attempt_log = sqlite_attempt_log,
    .object = sqlite_object,
    .objects = sqlite_objects,
    .object_changes = sqlite_object_changes,
    .rejections = sqlite_rejections,
    .counts = sqlite_counts,
    .queues = sqlite_queues,
    .count_listed = sqlite_count_listed,
    .count_deliveries = sqlite_count_deliveries,
    .count_attempts = sqlite_count_attempts,
    .keys = sqlite_keys,
    .take_seed = sqlite_take_seed,
    .pending_destinations = sqlite_pending_destinations,
    .move = sqlite_move,
    .add_delivery = sqlite_add_delivery,
    .add_attempts = sqlite_add_attempts,
    .restore = sqlite_restore,
    .expunge = sqlite_expunge,
    .purge = sqlite_purge,
    .backup = sqlite_backup,
    .reader_open = sqlite_reader_open,
    .reader_close = sqlite_reader_close,
    .close = sqlite_close,
};

/* --- opening ---------------------------------------------------------------------------------- */

static char *join(const char *dir, const char *name)
{
    size_t n = strlen(dir) + strlen(name) + 2;
    char *path = xmalloc(n);
    snprintf(path, n, "%s/%s", dir, name);
    return path;
}

static enum err check_place(const char *dir, struct reason *why)
{
    struct statfs fs;
    if (statfs(dir, &fs) != 0)
        return fail_errno(why, ERR_IO, "can't use %s for the store", dir);
    unsigned long type = (unsigned long)fs.f_type & 0xffffffffu;
    if (type == NFS_MAGIC || type == SMB_MAGIC || type == CIFS_MAGIC || type == SMB2_MAGIC)
        return fail(why, ERR_INVALID,
                    "%s is on a network file system, where file locks and syncs do not keep what "
                    "they promise; put the store on a local disk",
                    dir);
    return ERR_OK;
}

static enum err take_lock(struct sqlite_store *s, struct reason *why)
{
    char *path = join(s->dir, "lock");
    char pid[32] = "";
    enum err e = ERR_OK;
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0) {
        e = fail_errno(why, errno == EACCES ? ERR_DENIED : ERR_IO, "can't open %s", path);
    } else if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        ssize_t n = pread(s->lock_fd, pid, sizeof(pid) - 1, 0);
        e = fail(why, ERR_CONFLICT,
                 "the store %s is in use by the process %.*s; stop that one first", s->dir,
                 n > 0 ? (int)strcspn(pid, "\n") : 1, n > 0 ? pid : "?");
    } else {
        int n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
        if (ftruncate(s->lock_fd, 0) != 0 || pwrite(s->lock_fd, pid, (size_t)n, 0) != n)
            pid[0] = '\0'; /* the lock holds all the same; only the message will lack the number */
    }
    free(path);
    return e;
}

static void note_keys(struct sqlite_store *s, struct record_event *e, uint64_t lsn)
{
    struct dedupe_entry k;
    struct event_key further;
    if (e->dedupe_window_ms > 0 && e->event.dedupe_key.n) {
        dedupe_event_entry(s->dedupe_seed, &e->event, &k);
        dedupe_add(s->dedupe, &k, lsn);
    }
    while (record_next_key(e, &further)) {
        dedupe_key_entry(s->dedupe_seed, &e->event, &further, &k);
        dedupe_add(s->dedupe, &k, lsn);
    }
}

/* What the journal holds beyond the database: its keys must be known before the first commit. */
static void note_record(const struct journal_record *j, void *arg)
{
    struct sqlite_store *s = arg;
    struct record r;
    struct record_event e;
    struct new_delivery d;
    uint64_t id = atomic_load(&s->max_id);
    if (j->kind != RECORD_BATCH || !record_read(&r, j->payload))
        return;
    while (record_next_event(&r, &e)) {
        if (e.event.id > id)
            id = e.event.id;
        while (record_next_delivery(&e, &d))
            if (d.id > id)
                id = d.id;
        note_keys(s, &e, j->lsn);
    }
    struct settlement t;
    struct rejection x;
    while (record_next_settlement(&r, &t))
        ;
    while (record_next_rejection(&r, &x))
        if (x.id > id)
            id = x.id;
    atomic_store(&s->max_id, id);
    struct object_change o;
    while (record_next_object(&r, &o))
        objects_note(s, &o, j->lsn);
}

static enum err open_journal(struct sqlite_store *s, const struct journal_io *io,
                             struct reason *why)
{
    char *dir = join(s->dir, "journal");
    enum err e = ERR_OK;
    if (!fs_exists(dir)) {
        e = fs_mkdirs(dir, why);
        if (e == ERR_OK)
            e = fs_sync_parent(dir, why);
    }
    const struct journal_options o = {.dir = dir,
                                      .store_id = s->store_id,
                                      .from_lsn = s->writer.now.applied_lsn,
                                      .io = io,
                                      .clock = s->clock};
    struct reason r = {ERR_IO, ""};
    if (e == ERR_OK) {
        s->journal = journal_open(&o, note_record, s, &r);
        if (!s->journal)
            e = fail(why, r.code, "%s", r.text);
    }
    free(dir);
    if (e != ERR_OK)
        return e;
    uint64_t lsn;
    s->open_lsn = journal_end(s->journal);
    journal_room(s->journal, 0, &lsn);
    return journal_append(s->journal, RECORD_OPEN, 0, true, why);
}

static enum err open_lent(struct sqlite_store *s, struct reason *why)
{
    char *path = join(s->dir, "lent");
    s->lent = lent_open(path, s->store_id, why);
    free(path);
    if (!s->lent)
        return why ? why->code : ERR_IO;
    return db_show_lent(&s->writer.c, s->lent) && arrive_open(s) && settle_open(s) &&
                   sqlite_events_open(s)
               ? ERR_OK
               : db_fail(s->writer.c.db, "open the database", why);
}

static enum err open_all(struct sqlite_store *s, const struct journal_io *io, struct reason *why)
{
    enum err e = fs_mkdirs(s->dir, why);
    if (e == ERR_OK)
        e = check_place(s->dir, why);
    if (e == ERR_OK)
        e = take_lock(s, why);
    if (e == ERR_OK)
        e = db_open_writer(s, why);
    if (e == ERR_OK)
        e = open_lent(s, why);
    if (e == ERR_OK)
        e = keys_open(s, why);
    if (e == ERR_OK)
        e = objects_open(s, why);
    if (e != ERR_OK)
        return e;
    atomic_store(&s->applied_lsn, s->writer.now.applied_lsn);
    atomic_store(&s->synced_lsn, s->writer.now.applied_lsn);
    atomic_store(&s->max_id, s->writer.now.max_id);
    e = open_journal(s, io, why);
    if (e == ERR_OK)
        e = apply_start(s, why);
    return e;
}

struct store *store_sqlite_open(const char *dir, const struct clock *clock,
                                const struct journal_io *io, struct reason *why)
{
    struct sqlite_store *s = xcalloc(1, sizeof(*s));
    s->base.ops = &sqlite_ops;
    s->base.key_seed = s->dedupe_seed;
    s->clock = clock;
    s->dir = xstrdup(dir);
    s->path = join(dir, "gaff.db");
    s->filters_path = join(dir, "filters");
    s->lock_fd = -1;
    pthread_mutex_init(&s->ticket_lock, NULL);
    pthread_cond_init(&s->ticket_turn, NULL);
    buf_init(&s->writer.bytes, RECORD_BYTES_MAX + JOURNAL_SEGMENT_BYTES);
    buf_init(&s->part_bytes, RECORD_BYTES_MAX);
    s->dedupe = dedupe_new(keys_load_part, s);
    s->recent = recent_new(RECENT_BYTES);
    enum err e = open_all(s, io, why);
    if (e == ERR_OK)
        return &s->base;
    release(s);
    /* A full disk: once more with what a former run kept back. */
    return e == ERR_FULL && space_give_up(dir) ? store_sqlite_open(dir, clock, io, why) : NULL;
}
