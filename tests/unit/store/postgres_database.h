/* postgres_database.h -- a database of its own for a test, on the server that the test run was
 * given (GAFF_TEST_POSTGRES, set by tests/postgres/cluster.py). Without one the test is skipped. */
#ifndef GAFF_TESTS_UNIT_STORE_POSTGRES_DATABASE_H
#define GAFF_TESTS_UNIT_STORE_POSTGRES_DATABASE_H

#include "store/store_postgres.h"
#include "unit.h"

#include <stdlib.h>
#include <unistd.h>

struct postgres_database {
    struct pg_link link; /* to the server's own database */
    char name[64], url[512];
};

static inline void postgres_database_make(struct postgres_database *db)
{
    const char *server = getenv("GAFF_TEST_POSTGRES");
    struct reason why;
    char sql[256];
    if (!server)
        SKIP("no PostgreSQL server (tests/postgres/cluster.py starts one)");
    if (!pq_load(&why))
        SKIP("%s", why.text);
    memset(db, 0, sizeof(*db));
    EXPECT_OK(pg_link_open(&db->link, server, 10000, &why), why);
    snprintf(db->name, sizeof(db->name), "unit_%d", (int)getpid());
    snprintf(sql, sizeof(sql), "DROP DATABASE IF EXISTS %s WITH (FORCE)", db->name);
    EXPECT_OK(pg_script(&db->link, sql, 30000, &why), why);
    snprintf(sql, sizeof(sql), "CREATE DATABASE %s", db->name);
    EXPECT_OK(pg_script(&db->link, sql, 30000, &why), why);
    const char *path = strrchr(server, '/');
    EXPECT(path != NULL);
    snprintf(db->url, sizeof(db->url), "%.*s/%s", (int)(path - server), server, db->name);
}

static inline void postgres_database_drop(struct postgres_database *db)
{
    struct reason why;
    char sql[256];
    snprintf(sql, sizeof(sql), "DROP DATABASE %s WITH (FORCE)", db->name);
    EXPECT_OK(pg_script(&db->link, sql, 30000, &why), why);
    pg_link_close(&db->link);
}

#endif
