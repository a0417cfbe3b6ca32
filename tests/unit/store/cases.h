/* cases.h -- a case of the conformance suite is written once and becomes one test a store; a new
 * store is one more line in CASE. */
#ifndef GAFF_TESTS_UNIT_STORE_CASES_H
#define GAFF_TESTS_UNIT_STORE_CASES_H

#include "kit.h"

static void run(const char *url, void (*body)(struct kit *k))
{
    struct kit k;
    kit_open(&k, url);
    body(&k);
    kit_close(&k);
}

#define CASE(what)                                                                                 \
    static void case_##what(struct kit *k);                                                        \
    void test_conformance_memory_##what(void);                                                     \
    void test_conformance_sqlite_##what(void);                                                     \
    void test_conformance_memory_##what(void)                                                      \
    {                                                                                              \
        run("memory:", case_##what);                                                               \
    }                                                                                              \
    void test_conformance_sqlite_##what(void)                                                      \
    {                                                                                              \
        run("sqlite:store", case_##what);                                                          \
    }                                                                                              \
    static void case_##what(struct kit *k)

#endif
