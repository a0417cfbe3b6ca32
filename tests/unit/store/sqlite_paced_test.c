/* What the store's database is written with: small pieces, and else SQLite's own doing. */
#include "kit.h"

#include "store/store_sqlite_paced.h"

#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef __linux__

static _Atomic size_t pieces, greatest, written_back;

/* The libc's, watched: the program's own comes first. */
int sync_file_range(int fd, off_t from, off_t n, unsigned flags)
{
    pieces++;
    written_back += (size_t)n;
    if ((size_t)n > greatest)
        greatest = (size_t)n;
    return (int)syscall(SYS_sync_file_range, fd, from, n, flags);
}

static void run(sqlite3 *db, const char *sql)
{
    char *said = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &said) != SQLITE_OK)
        FAIL("%s: %s", sql, said);
}

static sqlite3 *open_with(const char *vfs)
{
    sqlite3 *db = NULL;
    EXPECT_EQ_INT(sqlite3_open_v2("a.db", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs),
                  SQLITE_OK);
    run(db, "PRAGMA page_size=4096; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
            "PRAGMA wal_autocheckpoint=0; CREATE TABLE IF NOT EXISTS t (x)");
    return db;
}

static size_t open_descriptors(void)
{
    size_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    EXPECT(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static int first_char(void *to, int columns, char **values, char **names)
{
    UNUSED(columns);
    UNUSED(names);
    *(char *)to = values[0][0];
    return 0;
}

void test_sqlite_paced_leaves_little_for_a_sync(void)
{
    size_t before = open_descriptors();
    sqlite3 *db = open_with(sqlite_paced_vfs());
    pieces = greatest = written_back = 0;
    run(db, "INSERT INTO t VALUES (randomblob(4 << 20))");
    /* A frame of the log: a page and its head of 24 bytes. */
    EXPECT(written_back > (4u << 20) - PACED_BYTES);
    EXPECT(greatest < PACED_BYTES + 4096 + 24);
    written_back = greatest = 0;
    run(db, "PRAGMA wal_checkpoint(PASSIVE)");
    EXPECT(written_back >= 4u << 20);
    EXPECT(greatest < PACED_BYTES + 4096);
    char c = 0;
    EXPECT_EQ_INT(sqlite3_exec(db,
                               "SELECT 'ok'=(SELECT * FROM pragma_integrity_check)"
                               " AND length(x)=4 << 20 FROM t",
                               first_char, &c, NULL),
                  SQLITE_OK);
    EXPECT_EQ_INT(c, '1');
    EXPECT_EQ_INT(sqlite3_close(db), SQLITE_OK);
    EXPECT_EQ_UINT(open_descriptors(), before);
}

void test_sqlite_paced_keeps_locks(void)
{
    sqlite3 *db = open_with(sqlite_paced_vfs()), *other = open_with(NULL);
    run(db, "BEGIN IMMEDIATE; INSERT INTO t VALUES (1)");
    EXPECT_EQ_INT(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_BUSY);
    run(db, "COMMIT");
    run(other, "BEGIN IMMEDIATE; INSERT INTO t VALUES (2); COMMIT");
    EXPECT_EQ_INT(sqlite3_close(other), SQLITE_OK);
    EXPECT_EQ_INT(sqlite3_close(db), SQLITE_OK);
}

void test_sqlite_paced_fails_as_the_systems_own(void)
{
    sqlite3 *db = NULL;
    EXPECT_EQ_INT(
        sqlite3_open_v2("no/such/dir/a.db", &db, SQLITE_OPEN_READWRITE, sqlite_paced_vfs()),
        SQLITE_CANTOPEN);
    sqlite3_close(db);
}

void test_sqlite_paced_is_what_the_store_writes_with(void)
{
    struct kit k;
    kit_open(&k, "sqlite:store");
    pieces = 0;
    kit_put(&k, STR("ci"), true);
    kit_shut(&k);
    EXPECT(pieces > 0);
    kit_reopen(&k, "sqlite:store");
    EXPECT_EQ_UINT(kit_counts(&k).events, 1);
    kit_close(&k);
}

#endif
