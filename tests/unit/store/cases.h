/* cases.h -- a case of the conformance suite is written once and becomes one test a store; a new
 * store is one more line in CASE. */
#ifndef GAFF_TESTS_UNIT_STORE_CASES_H
#define GAFF_TESTS_UNIT_STORE_CASES_H

#include "kit.h"
#include "postgres_database.h"

static void run(const char *url, void (*body)(struct kit *k))
{
    struct kit k;
    kit_open(&k, url);
    body(&k);
    kit_close(&k);
}

static void run_postgres(void (*body)(struct kit *k))
{
    struct postgres_database db;
    postgres_database_make(&db);
    run(db.url, body);
    postgres_database_drop(&db);
}

#define CASE(what)                                                                                 \
    static void case_##what(struct kit *k);                                                        \
    void test_conformance_memory_##what(void);                                                     \
    void test_conformance_sqlite_##what(void);                                                     \
    void test_conformance_postgres_##what(void);                                                   \
    void test_conformance_memory_##what(void)                                                      \
    {                                                                                              \
        run("memory:", case_##what);                                                               \
    }                                                                                              \
    void test_conformance_sqlite_##what(void)                                                      \
    {                                                                                              \
        run("sqlite:store", case_##what);                                                          \
    }                                                                                              \
    void test_conformance_postgres_##what(void)                                                    \
    {                                                                                              \
        run_postgres(case_##what);                                                                 \
    }                                                                                              \
    static void case_##what(struct kit *k)

#endif
