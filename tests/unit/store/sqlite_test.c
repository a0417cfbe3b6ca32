/* What only a store on disk can promise: kills, restarts, backups, locks, failing disks. */
#include "kit.h"
#include "sqlite_file.h"

#include "base/rand.h"
#include "store/store_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void reopen(struct kit *k)
{
    kit_shut(k);
    kit_reopen(k, "sqlite:store");
}

/* --- restarts --------------------------------------------------------------------------------- */

static void settle_one_of_three(struct kit *k)
{
    uint64_t done = kit_put(k, STR("ci"), true);
    kit_put(k, STR("ci"), true);
    kit_put(k, STR("ci"), false);
    kit_settle(k, done, DELIVERY_DELIVERED, 0, 1);
}

void test_sqlite_crash_voids_leases_and_keeps_the_rest(void)
{
    in_doomed_process(settle_one_of_three);
    struct kit k;
    kit_open(&k, "sqlite:store");
    struct store_counts c = kit_counts(&k);
    EXPECT_EQ_UINT(c.events, 3);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_DELIVERED], 1);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_PENDING], 2);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_CLAIMED], 0);
    EXPECT_EQ_UINT(kit_claim(&k, STR("ci"), 9, false, NULL).count, 2);
    kit_close(&k);
}

static enum err change_object(struct kit *k, enum object_op op, const char *id, const char *name,
                              uint64_t expect)
{
    struct object_change c = {.op = op,
                              .object = {.kind = STR("endpoint"),
                                         .id = str_from_cstr(id),
                                         .parent = STR("app"),
                                         .name = str_from_cstr(name),
                                         .updated_ms = KIT_START_MS,
                                         .doc = STR("{}")},
                              .expect = expect};
    struct object_set set = {.changes = &c, .count = 1};
    struct batch b = {.sets = &set};
    EXPECT_OK(store_commit(k->s, &b, &k->why), k->why);
    return set.err;
}

static void change_some_objects(struct kit *k)
{
    EXPECT_EQ_INT(change_object(k, OBJECT_PUT, "a", "x", OBJECT_ABSENT), ERR_OK);
    EXPECT_EQ_INT(change_object(k, OBJECT_PUT, "b", "y", OBJECT_ABSENT), ERR_OK);
    EXPECT_EQ_INT(change_object(k, OBJECT_PUT, "a", "z", 1), ERR_OK);
    EXPECT_EQ_INT(change_object(k, OBJECT_DELETE, "b", "", 1), ERR_OK);
}

void test_sqlite_objects_survive_a_crash_and_are_judged_from_the_journal(void)
{
    struct kit k;
    struct object o;
    in_doomed_process(change_some_objects);
    kit_open(&k, "sqlite:store");
    /* Nothing was asked yet: what a new change meets may be in the journal alone. */
    EXPECT_EQ_INT(change_object(&k, OBJECT_PUT, "c", "z", OBJECT_ABSENT), ERR_CONFLICT);
    EXPECT_EQ_INT(change_object(&k, OBJECT_PUT, "c", "y", OBJECT_ABSENT), ERR_OK);
    EXPECT_EQ_INT(change_object(&k, OBJECT_PUT, "a", "x", 2), ERR_OK);
    EXPECT_OK(store_object(k.r, STR("endpoint"), STR("a"), &k.a, &o, &k.why), k.why);
    EXPECT_EQ_UINT(o.version, 3);
    uint64_t last = o.sequence;
    EXPECT_EQ_INT(change_object(&k, OBJECT_DELETE, "a", "", 3), ERR_OK);
    reopen(&k);
    EXPECT_EQ_INT(store_object(k.r, STR("endpoint"), STR("a"), &k.a, &o, &k.why), ERR_NOT_FOUND);
    EXPECT(kit_counts(&k).object_sequence > last);
    EXPECT_EQ_INT(change_object(&k, OBJECT_PUT, "d", "x", OBJECT_ABSENT), ERR_OK);
    kit_close(&k);
}

void test_sqlite_close_voids_leases_too(void)
{
    struct kit k;
    kit_open(&k, "sqlite:store");
    kit_put(&k, STR("ci"), true);
    kit_put(&k, STR("ci"), false);
    EXPECT_EQ_UINT(kit_claim(&k, STR("ci"), 9, false, NULL).count, 1);
    reopen(&k);
    EXPECT_EQ_UINT(kit_counts(&k).by_state[DELIVERY_PENDING], 2);
    /* Those of this run are not void. */
    kit_put(&k, STR("ci"), true);
    EXPECT_EQ_UINT(kit_claim(&k, STR("ci"), 9, false, NULL).count, 2);
    EXPECT_EQ_UINT(kit_counts(&k).by_state[DELIVERY_CLAIMED], 3);
    kit_close(&k);
}

/* An attempt gets a copy that the claim made; content taken out since is in no copy. */
void test_sqlite_claimed_events_are_at_hand_until_their_content_is_taken_out(void)
{
    struct kit k;
    struct event e;
    kit_open(&k, "sqlite:store");
    kit_put(&k, STR("ci"), false);
    struct delivery_list l = kit_claim(&k, STR("ci"), 9, false, NULL);
    EXPECT_EQ_UINT(l.count, 1);
    store_hold(k.r);
    EXPECT_OK(store_load(k.r, l.v[0].event_id, 0, &k.a, &e, &k.why), k.why);
    EXPECT_EQ_UINT(e.id, l.v[0].event_id);
    EXPECT_STR(e.head, "Host: localhost\r\n");
    EXPECT(e.body.n > 0);
    store_rest(k.r);
    EXPECT_OK(store_expunge(k.s, l.v[0].event_id, 0, &k.why), k.why);
    store_hold(k.r);
    EXPECT_OK(store_load(k.r, l.v[0].event_id, 0, &k.a, &e, &k.why), k.why);
    EXPECT_STR(e.body, "");
    store_rest(k.r);
    kit_close(&k);
}

void test_sqlite_greatest_id_survives_a_crash(void)
{
    in_doomed_process(settle_one_of_three);
    struct kit k;
    kit_open(&k, "sqlite:store");
    struct store_counts c = kit_counts(&k);
    EXPECT(c.max_id > id_floor(KIT_START_MS));
    EXPECT_EQ_UINT(kit_find(&k, c.max_id).id, c.max_id);
    kit_close(&k);
}

static struct new_event *keyed(struct kit *k, uint64_t key, str body)
{
    struct new_event *n = kit_event(k, body);
    static char text[KIT_BATCH_MAX][32];
    int len = snprintf(text[k->count - 1], 32, "delivery-%llu", (unsigned long long)key);
    n->event.dedupe_key = str_of(text[k->count - 1], (size_t)len);
    n->dedupe_window_ms = 86400000;
    return n;
}

static void commit_keys(struct kit *k)
{
    for (uint64_t i = 0; i < 20; i++)
        keyed(k, i, STR("b"));
    kit_commit(k);
}

void test_sqlite_repeats_are_found_after_a_crash_and_a_restart(void)
{
    in_doomed_process(commit_keys);
    struct kit k;
    kit_open(&k, "sqlite:store");
    id_source_init(&k.ids, &k.clock.base, kit_counts(&k).max_id);
    for (int round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < 20; i++) {
            struct new_event *n = keyed(&k, i, STR("b"));
            kit_commit(&k);
            EXPECT(n->duplicate_of != 0);
        }
        struct new_event *n = keyed(&k, 3,
                                    round == 0   ? STR("c")
                                    : round == 1 ? STR("d")
                                                 : STR("e"));
        kit_commit(&k);
        EXPECT_EQ_UINT(n->duplicate_of, 0);
        EXPECT(n->event.flags & EVENT_ID_REUSED);
        reopen(&k);
    }
    EXPECT_EQ_UINT(kit_counts(&k).events, 23);
    kit_close(&k);
}

/* More keys than the open bucket holds: they are on disk, behind filters. */
void test_sqlite_repeats_are_found_in_closed_buckets(void)
{
    struct kit k;
    kit_open(&k, "sqlite:store");
    const uint64_t all = 3 * DEDUPE_BUCKET_KEYS;
    for (uint64_t i = 0; i < all;) {
        for (int j = 0; j < KIT_BATCH_MAX; j++)
            keyed(&k, i++, STR("b"));
        kit_commit(&k);
        clock_fake_advance(&k.clock, 1);
    }
    EXPECT_EQ_UINT(kit_counts(&k).events, all);
    for (int round = 0; round < 2; round++) {
        for (uint64_t i = 0; i < all; i += 997) {
            struct new_event *n = keyed(&k, i, STR("b"));
            kit_commit(&k);
            EXPECT(n->duplicate_of != 0);
            n = keyed(&k, i, STR("other"));
            kit_commit(&k);
            if (round == 0)
                EXPECT(n->event.flags & EVENT_ID_REUSED);
            else
                EXPECT(n->duplicate_of != 0);
        }
        reopen(&k);
    }
    kit_close(&k);
}

/* Each batch has a key of any batch before it, while the applier moves keys from memory to the open
 * bucket, and from there to closed ones. */
void test_sqlite_repeats_are_found_wherever_they_are_just_then(void)
{
    struct kit k;
    struct rng r;
    rng_init(&r, 11);
    kit_open(&k, "sqlite:store");
    uint64_t next = 0, repeats = 0;
    while (next < 3 * DEDUPE_BUCKET_KEYS) {
        struct new_event *n = next ? keyed(&k, rng_below(&r, next), STR("b")) : NULL;
        int room = 1 + (int)rng_below(&r, KIT_BATCH_MAX - 1);
        while (room--)
            keyed(&k, next++, STR("b"));
        kit_commit(&k);
        EXPECT(!n || n->duplicate_of != 0);
        repeats += n != NULL;
        if (rng_below(&r, 200) == 0)
            reopen(&k);
    }
    EXPECT(repeats > 100);
    EXPECT_EQ_UINT(kit_counts(&k).events, next);
    kit_close(&k);
}

static void copy_file(const char *from, const char *to)
{
    char block[1 << 16];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ssize_t n;
    EXPECT(in >= 0 && out >= 0);
    while ((n = read(in, block, sizeof(block))) > 0)
        EXPECT(write(out, block, (size_t)n) == n);
    close(in);
    close(out);
}

static void settle_after_a_snapshot(struct kit *k)
{
    kit_put(k, STR("ci"), false);
    kit_put(k, STR("ci"), false);
    EXPECT_EQ_UINT(kit_counts(k).by_state[DELIVERY_PENDING], 2);
    copy_file("store/gaff.db", "gaff.db");
    copy_file("store/gaff.db-wal", "gaff.db-wal");
    struct delivery_list l = kit_claim(k, STR("ci"), 2, false, NULL);
    EXPECT_EQ_UINT(l.count, 2);
    kit_settle(k, l.v[0].id, DELIVERY_DELIVERED, 0, 1);
}

/* A power cut may take the lease, which is not synced; what was settled under it counts. */
void test_sqlite_settled_counts_when_a_power_cut_took_its_lease(void)
{
    struct kit k;
    in_doomed_process(settle_after_a_snapshot);
    EXPECT(rename("gaff.db", "store/gaff.db") == 0);
    EXPECT(rename("gaff.db-wal", "store/gaff.db-wal") == 0);
    EXPECT(unlink("store/gaff.db-shm") == 0);
    kit_open(&k, "sqlite:store");
    struct store_counts c = kit_counts(&k);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_DELIVERED], 1);
    EXPECT_EQ_UINT(c.by_state[DELIVERY_PENDING], 1);
    /* In this run the rule is as strict as ever. */
    uint64_t id = kit_claim(&k, STR("ci"), 2, false, NULL).v[0].id;
    EXPECT_OK(store_unclaim(k.s, &id, 1, &k.why), k.why);
    kit_settle(&k, id, DELIVERY_DELIVERED, 0, 1);
    EXPECT_EQ_INT(kit_find(&k, id).state, DELIVERY_PENDING);
    kit_close(&k);
}

/* The journal is given back although leases, which do not sync, apply what there is. */
void test_sqlite_journal_stays_small_under_claims(void)
{
    struct kit k;
    kit_open(&k, "sqlite:store");
    static char body[20000];
    for (int i = 0; i < 400; i++) {
        for (int j = 0; j < 40; j++)
            kit_delivery(&k, kit_event(&k, str_of(body, sizeof(body))), STR("ci"));
        kit_commit(&k);
        kit_claim(&k, STR("ci"), 1, false, NULL);
        arena_reset(&k.a);
    }
    struct stat st;
    uint64_t n = 0;
    for (int i = 0; i < 40; i++) {
        char name[64];
        snprintf(name, sizeof(name), "store/journal/%08d.gj", i);
        n += stat(name, &st) == 0;
    }
    EXPECT(n <= 10); /* 320 MB went through */
    kit_close(&k);
}

/* --- kill -9 ---------------------------------------------------------------------------------- */

struct ack { /* through a pipe: survives the writer */
    uint64_t event, settled;
};

static void run_until_killed(int pipe_fd)
{
    struct kit k;
    kit_open(&k, "sqlite:store");
    id_source_init(&k.ids, &k.clock.base, kit_counts(&k).max_id);
    uint64_t to_settle = 0;
    static char body[3000];
    for (;;) {
        struct new_event *n = kit_event(&k, str_of(body, sizeof(body)));
        struct new_delivery *d = kit_delivery(&k, n, STR("ci"));
        d->claimed = true;
        uint64_t delivery = d->id;
        struct settlement t = {.delivery_id = to_settle,
                               .state = DELIVERY_DELIVERED,
                               .attempts = 1,
                               .attempt = {.number = 1}};
        struct batch b = {.events = k.events,
                          .event_count = 1,
                          .settlements = to_settle ? &t : NULL,
                          .settlement_count = to_settle != 0};
        k.count = 0;
        EXPECT_OK(store_commit(k.s, &b, &k.why), k.why);
        struct ack a = {n->event.id, to_settle};
        EXPECT(write(pipe_fd, &a, sizeof(a)) == sizeof(a));
        to_settle = delivery;
    }
}

static void expect_acked(struct kit *k, const struct ack *acks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct event e;
        EXPECT_OK(store_load(k->r, acks[i].event, 0, &k->a, &e, &k->why), k->why);
        EXPECT_EQ_UINT(e.body.n, 3000);
        if (acks[i].settled) {
            EXPECT_EQ_INT(kit_find(k, acks[i].settled).state, DELIVERY_DELIVERED);
            struct attempt_list l;
            EXPECT_OK(store_attempts(k->r, acks[i].settled, &k->a, &l, &k->why), k->why);
            EXPECT_EQ_UINT(l.count, 1);
        }
        arena_reset(&k->a);
    }
}

static void killing_rounds(int rounds, int verify_every)
{
    static struct ack acks[200000];
    size_t count = 0, verified = 0;
    struct rng r;
    rng_init(&r, 99);
    for (int i = 1; i <= rounds; i++) {
        int fd[2];
        EXPECT(pipe(fd) == 0);
        pid_t pid = fork();
        if (pid == 0) {
            close(fd[0]);
            run_until_killed(fd[1]);
        }
        close(fd[1]);
        /* One in four dies while it opens, recovers or makes its files; the others at work. */
        if (i % 4 && read(fd[0], &acks[count], sizeof(acks[0])) == sizeof(acks[0]))
            count++;
        usleep((useconds_t)rng_below(&r, i % 4 ? 12000 : 40000));
        kill(pid, SIGKILL);
        int status;
        EXPECT(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
        EXPECT(WTERMSIG(status) == SIGKILL);
        ssize_t n;
        while ((n = read(fd[0], &acks[count], sizeof(acks[0]))) == sizeof(acks[0]))
            EXPECT(++count < ARRAY_LEN(acks));
        close(fd[0]);
        if (i % verify_every)
            continue;
        struct kit k;
        kit_open(&k, "sqlite:store");
        struct store_counts c = kit_counts(&k);
        EXPECT(c.events >= count && c.events <= count + (uint64_t)i);
        EXPECT_EQ_UINT(c.by_state[DELIVERY_CLAIMED], 0);
        EXPECT_EQ_UINT(c.by_state[DELIVERY_PENDING] + c.by_state[DELIVERY_DELIVERED], c.events);
        expect_acked(&k, acks + verified, count - verified);
        verified = count;
        kit_close(&k);
    }
    EXPECT(count > (size_t)rounds);
}

void test_sqlite_kill_9_loses_nothing(void)
{
    killing_rounds(200, 7);
}

/* --- one process, one version, one place --------------------------------------------------------
 */

void test_sqlite_second_opener_is_told_who_holds_it(void)
{
    struct kit k;
    struct reason why;
    char pid[32];
    kit_open(&k, "sqlite:store");
    EXPECT(store_open(STR("sqlite:store"), &k.clock.base, &why) == NULL);
    EXPECT_EQ_INT(why.code, ERR_CONFLICT);
    snprintf(pid, sizeof(pid), "process %ld;", (long)getpid());
    EXPECT_HAS(why.text, pid);
    kit_close(&k);
    kit_open(&k, "sqlite:store");
    kit_close(&k);
}

static int schema_number(void)
{
    sqlite3 *db;
    sqlite3_stmt *q;
    EXPECT(sqlite3_open("store/gaff.db", &db) == SQLITE_OK);
    EXPECT(sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &q, NULL) == SQLITE_OK);
    EXPECT(sqlite3_step(q) == SQLITE_ROW);
    int number = sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    sqlite3_close(db);
    return number;
}

void test_sqlite_newer_schema_is_refused(void)
{
    char back[64];
    struct kit k;
    struct reason why;
    kit_open(&k, "sqlite:store");
    kit_put(&k, STR("ci"), false);
    kit_close(&k);
    snprintf(back, sizeof(back), "PRAGMA user_version=%d", schema_number());
    run_sql("PRAGMA user_version=999");
    EXPECT(store_open(STR("sqlite:store"), &k.clock.base, &why) == NULL);
    EXPECT_EQ_INT(why.code, ERR_CONFLICT);
    EXPECT_HAS(why.text, "newer version");
    run_sql(back);
    kit_open(&k, "sqlite:store");
    EXPECT_EQ_UINT(kit_counts(&k).events, 1);
    kit_close(&k);
}

void test_sqlite_urls_that_are_none_are_refused(void)
{
    struct reason why;
    const char *urls[] = {"", "sqlite:", "postgres", "memory:x", "memory:0", "/var/lib/gaff"};
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        EXPECT(store_open(str_from_cstr(urls[i]), clock_real(), &why) == NULL);
        EXPECT_EQ_INT(why.code, ERR_INVALID);
    }
    int fd = open("file", O_CREAT | O_WRONLY, 0600);
    close(fd);
    EXPECT(store_open(STR("sqlite:file"), clock_real(), &why) == NULL);
}

void test_sqlite_files_are_for_their_owner_only(void)
{
    struct kit k;
    struct stat st;
    umask(0);
    kit_open(&k, "sqlite:store");
    kit_put(&k, STR("ci"), false);
    const char *names[] = {"store",      "store/gaff.db", "store/gaff.db-wal",
                           "store/lock", "store/journal", "store/journal/00000000.gj"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (stat(names[i], &st) != 0)
            FAIL("%s is not there", names[i]);
        if (st.st_mode & 077)
            FAIL("%s has mode %o", names[i], st.st_mode);
    }
    kit_close(&k);
}

/* --- backup ----------------------------------------------------------------------------------- */

static void note_progress(uint64_t done, uint64_t all, void *arg)
{
    uint64_t *last = arg;
    EXPECT(done <= all && all > 0);
    *last = done;
}

static void fill(struct kit *k, int batches)
{
    static char body[2000];
    for (int i = 0; i < batches; i++) {
        for (int j = 0; j < 50; j++)
            kit_delivery(k, kit_event(k, str_of(body, sizeof(body))), STR("ci"));
        kit_commit(k);
    }
}

void test_sqlite_backup_opens_as_a_store(void)
{
    struct kit k;
    uint64_t done = 0;
    kit_open(&k, "sqlite:store");
    fill(&k, 40);
    keyed(&k, 1, STR("b"));
    kit_commit(&k);
    EXPECT_OK(store_backup(k.s, "copy.db", note_progress, &done, &k.why), k.why);
    EXPECT(done > 100);
    EXPECT(access("copy.db.part", F_OK) != 0);
    fill(&k, 1);
    EXPECT_EQ_INT(store_backup(k.s, "store/gaff.db", NULL, NULL, &k.why), ERR_INVALID);
    EXPECT_EQ_INT(store_backup(k.s, "no/such/dir/x", NULL, NULL, &k.why), ERR_IO);
    EXPECT_OK(store_backup(k.s, "copy2.db", NULL, NULL, &k.why), k.why);
    EXPECT_OK(store_backup(k.s, "copy2.db", NULL, NULL, &k.why), k.why);
    kit_shut(&k);

    EXPECT(mkdir("other", 0700) == 0 && rename("copy.db", "other/gaff.db") == 0);
    for (int i = 0; i < 2; i++) {
        kit_reopen(&k, "sqlite:other");
        EXPECT_EQ_UINT(kit_counts(&k).events, 2001 + (uint64_t)i);
        struct new_event *n = keyed(&k, 1, STR("b"));
        kit_event(&k, STR("new"));
        kit_commit(&k);
        EXPECT(n->duplicate_of != 0);
        kit_shut(&k);
    }
    kit_reopen(&k, "sqlite:store");
    EXPECT_EQ_UINT(kit_counts(&k).events, 2051);
    kit_close(&k);
}

static void leave_unapplied(struct kit *k)
{
    fill(k, 5);
}

/* Put over a store that had crashed: neither its log nor its journal may leak into the copy. */
void test_sqlite_backup_put_in_place_of_a_crashed_store(void)
{
    struct kit k;
    kit_open(&k, "sqlite:store");
    fill(&k, 2);
    EXPECT_OK(store_backup(k.s, "copy.db", NULL, NULL, &k.why), k.why);
    kit_close(&k);
    in_doomed_process(leave_unapplied);
    copy_file("copy.db", "store/gaff.db");
    kit_open(&k, "sqlite:store");
    struct store_counts c = kit_counts(&k);
    EXPECT_EQ_UINT(c.events, 100);
    id_source_init(&k.ids, &k.clock.base, c.max_id);
    EXPECT(access("store/journal.before-restore", F_OK) == 0);
    fill(&k, 1);
    reopen(&k);
    EXPECT_EQ_UINT(kit_counts(&k).events, 150);
    kit_close(&k);
}

/* --- failing disks ------------------------------------------------------------------------------
 */

static _Atomic int sync_errno;

static int failing_fdatasync(int fd)
{
    if (!sync_errno)
        return fdatasync(fd);
    errno = sync_errno;
    return -1;
}

static ssize_t real_pwrite(int fd, const void *p, size_t n, off_t at)
{
    return pwrite(fd, p, n, at);
}

void test_sqlite_failed_sync_acknowledges_nothing_and_heals(void)
{
    struct kit k;
    memset(&k, 0, sizeof(k));
    struct journal_io io = {real_pwrite, failing_fdatasync, journal_io_real.allocate};
    clock_fake_init(&k.clock, KIT_START_MS);
    id_source_init(&k.ids, &k.clock.base, 0);
    arena_init(&k.a, 1u << 20);
    k.s = store_sqlite_open("store", &k.clock.base, &io, &k.why);
    EXPECT(k.s != NULL);
    k.r = store_reader_open(k.s, &k.why);
    kit_put(&k, STR("ci"), true);
    struct new_event *n = keyed(&k, 1, STR("b"));
    sync_errno = EIO;
    EXPECT_EQ_INT(kit_try_commit(&k), ERR_IO);
    sync_errno = ENOSPC;
    keyed(&k, 1, STR("b"));
    EXPECT_EQ_INT(kit_try_commit(&k), ERR_FULL);
    sync_errno = 0;
    /* Nothing was acknowledged, so its repeat is no repeat. */
    n = keyed(&k, 1, STR("b"));
    kit_commit(&k);
    EXPECT_EQ_UINT(n->duplicate_of, 0);
    EXPECT_EQ_UINT(kit_counts(&k).events, 2);
    reopen(&k);
    EXPECT_EQ_UINT(kit_counts(&k).events, 2);
    kit_close(&k);
}

/* The database's files may not grow any more: events are taken by the journal all the same, and
 * the rows follow when there is room again. */
void test_sqlite_full_database_lags_and_catches_up(void)
{
    struct kit k;
    struct rlimit limit;
    kit_open(&k, "sqlite:store");
    signal(SIGXFSZ, SIG_IGN);
    EXPECT(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    struct rlimit small = {17u << 20, limit.rlim_max};
    EXPECT(setrlimit(RLIMIT_FSIZE, &small) == 0);
    fill(&k, 300); /* 30 MB */
    struct store_counts c = kit_counts(&k);
    EXPECT(c.lag > 0);
    EXPECT(c.events < 15000);
    struct event_filter f = {.state = -1, .limit = 5};
    struct event_list l;
    EXPECT_OK(store_events(k.r, &f, &k.a, &l, &k.why), k.why);
    EXPECT_EQ_UINT(l.count, 5);
    /* What is only in the journal yet is not "not found". */
    struct event late;
    uint64_t late_id = kit_event(&k, STR("late"))->event.id;
    kit_commit(&k);
    EXPECT_EQ_INT(store_load(k.r, late_id, 0, &k.a, &late, &k.why), ERR_FULL);
    EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    EXPECT_OK(store_load(k.r, late_id, 0, &k.a, &late, &k.why), k.why);
    c = kit_counts(&k);
    EXPECT_EQ_UINT(c.lag, 0);
    EXPECT_EQ_UINT(c.events, 15001);
    EXPECT_EQ_UINT(kit_claim(&k, STR("ci"), 10, false, NULL).count, 10);
    kit_close(&k);
}

/* What a killed process had claimed was perhaps under way: that is on record. */
void test_sqlite_what_was_in_the_hands_of_a_former_run_is_noted(void)
{
    struct kit k;
    kit_open(&k, "sqlite:store");
    uint64_t held = kit_put(&k, STR("ci"), true), waiting = kit_put(&k, STR("ci"), false);
    kit_close(&k);
    kit_open(&k, "sqlite:store");
    EXPECT_EQ_INT(kit_find(&k, held).state, DELIVERY_PENDING);
    EXPECT_EQ_UINT(kit_find(&k, held).attempts, 0);
    struct attempt_list l;
    EXPECT_OK(store_attempts(k.r, held, &k.a, &l, &k.why), k.why);
    EXPECT_EQ_UINT(l.count, 1);
    EXPECT_EQ_UINT(l.v[0].number, 0);
    EXPECT_EQ_INT(l.v[0].result, ATTEMPT_LOST);
    EXPECT_STR(l.v[0].error_class, "interrupted");
    EXPECT_OK(store_attempts(k.r, waiting, &k.a, &l, &k.why), k.why);
    EXPECT_EQ_UINT(l.count, 0);
    kit_close(&k);
}

/* --- beside the contract ------------------------------------------------------------------------
 */

void test_sqlite_opens_with_a_long_queue(void)
{
    struct kit k;
    kit_open(&k, "sqlite:store");
    for (int i = 0; i < 1000; i++) {
        for (int j = 0; j < 50; j++)
            kit_delivery(&k, kit_event(&k, STR("{}")), STR("ci"));
        kit_commit(&k);
    }
    EXPECT_EQ_UINT(kit_claim(&k, STR("ci"), 500, false, NULL).count, 500);
    kit_shut(&k);
    kit_reopen(&k, "sqlite:store");
    EXPECT_EQ_UINT(kit_counts(&k).by_state[DELIVERY_PENDING], 50000);
    kit_close(&k);
}

/* A start after a crash reads the whole write-ahead log: none is left behind by what has come to
 * rest. Whoever reads meanwhile only puts it off. */
void test_sqlite_empties_its_log_in_silence(void)
{
    struct kit k;
    struct stat st = {0};
    char path[512];
    kit_open(&k, "sqlite:store");
    snprintf(path, sizeof(path), "%s", unit_path("store/gaff.db-wal"));
    fill(&k, 40);
    EXPECT_EQ_UINT(kit_counts(&k).lag, 0);
    EXPECT(stat(path, &st) == 0 && st.st_size > (off_t)WAL_BYTES_IDLE);
    do {
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        EXPECT(stat(path, &st) == 0);
    } while (st.st_size > 0);
    fill(&k, 1);
    EXPECT_EQ_UINT(kit_counts(&k).by_state[DELIVERY_PENDING], kit_counts(&k).events);
    kit_close(&k);
}

/* An event that the applier takes over between a look into the table and the look at how far it
 * has come was told missing. */
void test_sqlite_load_finds_what_was_committed_just_now(void)
{
    struct kit k;
    kit_open(&k, "sqlite:data");
    for (int i = 0; i < 4000; i++) {
        struct event got;
        struct new_event *n = kit_event(&k, STR("{}"));
        uint64_t id = n->event.id;
        kit_commit(&k);
        EXPECT_OK(store_load(k.r, id, 0, &k.a, &got, &k.why), k.why);
        arena_reset(&k.a);
    }
    kit_close(&k);
}
