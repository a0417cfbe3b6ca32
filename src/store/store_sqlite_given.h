/* store_sqlite_given.h -- arrays of ours that a statement reads as a table, so that one statement
 * does what would be one for each element: most of what a small statement costs SQLite is to begin
 * and to end it. */
#ifndef GAFF_STORE_STORE_SQLITE_GIVEN_H
#define GAFF_STORE_STORE_SQLITE_GIVEN_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

struct given {
    const char *columns; /* "CREATE TABLE x (id, ...)" */
    /* The value of a column, by sqlite3_result_...; what it points to stays until the statement
     * ends. */
    void (*column)(sqlite3_context *to, const void *rows, size_t row, int column);
    const void *rows;
    size_t count;
};

/* Makes it the table `name` of the connection; *g stays while the connection lives, and its rows
 * while a statement reads them. */
bool given_show(sqlite3 *db, const char *name, struct given *g);

#endif
