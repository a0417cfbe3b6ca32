/* sqlite_file.h -- the database of a store that is closed, as a file: "store/gaff.db". */
#ifndef GAFF_TESTS_UNIT_STORE_SQLITE_FILE_H
#define GAFF_TESTS_UNIT_STORE_SQLITE_FILE_H

#include "unit.h"

#include <sqlite3.h>

static inline void run_sql(const char *sql)
{
    sqlite3 *db;
    char *error = NULL;
    EXPECT(sqlite3_open("store/gaff.db", &db) == SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        FAIL("%s: %s", sql, error);
    sqlite3_close(db);
}

#endif
