/* store_sqlite_given.h -- arrays of ours that a statement reads as a table, so that one statement
 * does what would be one for each element: most of what a small statement costs SQLite is to begin
 * and to end it. */
#ifndef GAFF_STORE_STORE_SQLITE_GIVEN_H
#define GAFF_STORE_STORE_SQLITE_GIVEN_H

#include "base/str.h"

#include <sqlite3.h>

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

/* Runs a statement that changes something over these rows; SQLITE_DONE, or how it failed. NULL, a
 * statement that could not be prepared, is SQLITE_ERROR. */
int given_run(sqlite3_stmt *q, struct given *g, const void *rows, size_t count);

/* Values of columns, not copied. */
void give_str(sqlite3_context *to, str s);
void give_blob(sqlite3_context *to, str s);

#endif
