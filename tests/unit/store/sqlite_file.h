/* sqlite_file.h -- the store in "store" from outside: its database as a file, while it is closed,
 * and a process that dies over it. */
#ifndef GAFF_TESTS_UNIT_STORE_SQLITE_FILE_H
#define GAFF_TESTS_UNIT_STORE_SQLITE_FILE_H

#include "kit.h"

#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

static inline void run_sql(const char *sql)
{
    sqlite3 *db;
    char *error = NULL;
    EXPECT(sqlite3_open("store/gaff.db", &db) == SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        FAIL("%s: %s", sql, error);
    sqlite3_close(db);
}

/* Runs fn in a process that then dies as by a power switch: no close, no flush. */
static inline void in_doomed_process(void (*fn)(struct kit *k))
{
    pid_t pid = fork();
    EXPECT(pid >= 0);
    if (pid == 0) {
        struct kit k;
        kit_open(&k, "sqlite:store");
        fn(&k);
        _exit(0);
    }
    int status;
    EXPECT(waitpid(pid, &status, 0) == pid);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#endif
