/* store_sqlite_given.c -- a virtual table over an array: read from its first element to its last,
 * in whatever join it stands. */
#include "store/store_sqlite_given.h"

#include "base/compiler.h"

#include <stdlib.h>

struct given_table {
    sqlite3_vtab base;
    struct given *g;
};

struct given_cursor {
    sqlite3_vtab_cursor base;
    size_t row;
};

static struct given *given_of(sqlite3_vtab_cursor *c)
{
    return ((struct given_table *)(void *)c->pVtab)->g;
}

static int given_connect(sqlite3 *db, void *arg, int argc, const char *const *argv,
                         sqlite3_vtab **out, char **error)
{
    struct given *g = arg;
    UNUSED(argc);
    UNUSED(argv);
    UNUSED(error);
    int rc = sqlite3_declare_vtab(db, g->columns);
    if (rc != SQLITE_OK)
        return rc;
    struct given_table *t = calloc(1, sizeof(*t));
    if (!t)
        return SQLITE_NOMEM;
    t->g = g;
    *out = &t->base;
    return SQLITE_OK;
}

static int given_disconnect(sqlite3_vtab *t)
{
    free(t);
    return SQLITE_OK;
}

/* There is one way through it. That it is dear makes it the outer loop of every join. */
static int given_best_index(sqlite3_vtab *t, sqlite3_index_info *i)
{
    UNUSED(t);
    i->estimatedCost = 1e6;
    i->estimatedRows = 64;
    return SQLITE_OK;
}

static int given_open(sqlite3_vtab *t, sqlite3_vtab_cursor **out)
{
    UNUSED(t);
    struct given_cursor *c = calloc(1, sizeof(*c));
    if (!c)
        return SQLITE_NOMEM;
    *out = &c->base;
    return SQLITE_OK;
}

static int given_close(sqlite3_vtab_cursor *c)
{
    free(c);
    return SQLITE_OK;
}

static int given_filter(sqlite3_vtab_cursor *c, int number, const char *text, int argc,
                        sqlite3_value **argv)
{
    UNUSED(number);
    UNUSED(text);
    UNUSED(argc);
    UNUSED(argv);
    ((struct given_cursor *)(void *)c)->row = 0;
    return SQLITE_OK;
}

static int given_next(sqlite3_vtab_cursor *c)
{
    ((struct given_cursor *)(void *)c)->row++;
    return SQLITE_OK;
}

static int given_eof(sqlite3_vtab_cursor *c)
{
    return ((struct given_cursor *)(void *)c)->row >= given_of(c)->count;
}

static int given_column(sqlite3_vtab_cursor *c, sqlite3_context *to, int column)
{
    const struct given *g = given_of(c);
    g->column(to, g->rows, ((struct given_cursor *)(void *)c)->row, column);
    return SQLITE_OK;
}

static int given_rowid(sqlite3_vtab_cursor *c, sqlite3_int64 *out)
{
    *out = (sqlite3_int64)((struct given_cursor *)(void *)c)->row;
    return SQLITE_OK;
}

/* Without xCreate: the table is there by its name alone, in no schema. */
static const sqlite3_module given_module = {.xConnect = given_connect,
                                            .xBestIndex = given_best_index,
                                            .xDisconnect = given_disconnect,
                                            .xOpen = given_open,
                                            .xClose = given_close,
                                            .xFilter = given_filter,
                                            .xNext = given_next,
                                            .xEof = given_eof,
                                            .xColumn = given_column,
                                            .xRowid = given_rowid};

bool given_show(sqlite3 *db, const char *name, struct given *g)
{
    return sqlite3_create_module_v2(db, name, &given_module, g, NULL) == SQLITE_OK;
}

int given_run(sqlite3_stmt *q, struct given *g, const void *rows, size_t count)
{
    if (!q)
        return SQLITE_ERROR;
    g->rows = rows;
    g->count = count;
    int rc = sqlite3_step(q);
    sqlite3_reset(q);
    g->count = 0;
    return rc;
}

void give_str(sqlite3_context *to, str s)
{
    sqlite3_result_text64(to, s.p ? s.p : "", s.n, SQLITE_STATIC, SQLITE_UTF8);
}

void give_blob(sqlite3_context *to, str s)
{
    sqlite3_result_blob64(to, s.p ? s.p : "", s.n, SQLITE_STATIC);
}
