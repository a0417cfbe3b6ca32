/* sqlite_plan_test.c -- what is asked often goes by indexes: plans as SQLite tells them, and how
 * much is read. */
#include "kit.h"
#include "sqlite_file.h"

#include "store/store_sqlite.h"

/* Some step of its plan begins so. */
static bool plan_has(sqlite3 *db, const char *sql, const char *words)
{
    sqlite3_stmt *q;
    char plan[512];
    snprintf(plan, sizeof(plan), "EXPLAIN QUERY PLAN %s", sql);
    EXPECT(sqlite3_prepare_v2(db, plan, -1, &q, NULL) == SQLITE_OK);
    bool found = false;
    while (sqlite3_step(q) == SQLITE_ROW)
        found =
            found || strncmp((const char *)sqlite3_column_text(q, 3), words, strlen(words)) == 0;
    sqlite3_finalize(q);
    return found;
}

static bool uses_scan(sqlite3 *db, const char *sql)
{
    return plan_has(db, sql, "SCAN");
}

/* What runs at every claim, start and settle must not walk over a table. */
void test_sqlite_hot_statements_use_an_index(void)
{
    struct kit k;
    kit_open(&k, "sqlite:store");
    kit_close(&k);
    sqlite3 *db;
    EXPECT(sqlite3_open("store/gaff.db", &db) == SQLITE_OK);
    EXPECT(!uses_scan(db, "UPDATE deliveries SET state=0 WHERE state=1 AND state<>2"));
    EXPECT(!uses_scan(db, "SELECT id FROM deliveries INDEXED BY deliveries_due WHERE state=0 AND"
                          " destination=1 AND next_ms<=2 ORDER BY next_ms, id LIMIT 3"));
    EXPECT(!uses_scan(db, "DELETE FROM dedupe_part WHERE id < 5"));
    EXPECT(uses_scan(db, "SELECT * FROM deliveries WHERE reason=''"));
    sqlite3_close(db);
}

/* Attempts of an endpoint are counted without a look at one of them, and those that failed are
 * found without the others, in their order. */
void test_sqlite_attempts_of_an_endpoint_go_by_their_indexes(void)
{
#define OF_ENDPOINT "destination=1 AND id<>0 AND id>2 AND id<9"
    struct kit k;
    kit_open(&k, "sqlite:store");
    kit_close(&k);
    sqlite3 *db;
    EXPECT(sqlite3_open("store/gaff.db", &db) == SQLITE_OK);
    static const char covered[] = "SEARCH attempts USING COVERING INDEX attempts_";
    EXPECT(plan_has(db,
                    "SELECT count(*) FROM attempts INDEXED BY attempts_of_destination"
                    " WHERE " OF_ENDPOINT,
                    covered));
    EXPECT(plan_has(db,
                    "SELECT count(*) FROM attempts INDEXED BY attempts_failed"
                    " WHERE " OF_ENDPOINT " AND result IN (1, 2, 5)",
                    covered));
    EXPECT(plan_has(db,
                    "SELECT count(*) FROM attempts INDEXED BY attempts_ended"
                    " WHERE " OF_ENDPOINT " AND result IN (3, 4)",
                    covered));
    const char *list = "SELECT summary FROM attempts INDEXED BY attempts_failed"
                       " WHERE " OF_ENDPOINT " AND result IN (1, 2, 5) ORDER BY id DESC";
    EXPECT(plan_has(db, list, "SEARCH attempts USING INDEX attempts_failed"));
    EXPECT(!plan_has(db, list, "USE TEMP B-TREE"));
    static const char *const walks[] = {
        "attempts_of_destination WHERE " OF_ENDPOINT,
        "attempts_failed WHERE " OF_ENDPOINT " AND result IN (1, 2, 5)",
        "attempts_ended WHERE " OF_ENDPOINT " AND result IN (3, 4)"};
    for (size_t i = 0; i < 2 * ARRAY_LEN(walks); i++) {
        char sql[200];
        snprintf(sql, sizeof(sql), "SELECT id, delivery_id, number FROM attempts INDEXED BY %s%s",
                 walks[i / 2], i % 2 ? " ORDER BY id" : " ORDER BY id DESC");
        EXPECT(plan_has(db, sql, covered));
        EXPECT(!plan_has(db, sql, "USE TEMP B-TREE"));
    }
    sqlite3_close(db);
#undef OF_ENDPOINT
}

/* The few attempts that succeeded among very many that did not: by ids alone, ten times as many at
 * a call as rows would be. */
void test_sqlite_attempts_that_succeeded_are_found_among_many_that_failed(void)
{
    struct kit k;
    kit_open(&k, "sqlite:store");
    kit_put(&k, STR("ep_1"), false);
    kit_close(&k);
    run_sql("WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 210000)"
            " INSERT INTO attempts SELECT n, 1, CASE WHEN n IN (7, 8, 100000, 209999) THEN 0"
            "  WHEN n % 9 = 0 THEN 4 ELSE 1 END, 0, 0, 200, '', 'n' || n, '', '', '', n, n,"
            "  (SELECT id FROM names WHERE name = 'ep_1') FROM i");
    kit_open(&k, "sqlite:store");
    static const uint64_t those[] = {7, 8, 100000, 209999};
    for (int ascending = 0; ascending < 2; ascending++) {
        struct attempt_filter f = {.destination = STR("ep_1"),
                                   .result = ATTEMPT_SUCCESS,
                                   .ascending = ascending,
                                   .limit = 10};
        struct attempt_log l = {.next = 1};
        size_t found = 0, calls = 0;
        for (; l.next; calls++) {
            EXPECT_OK(store_attempt_log(k.r, &f, &k.a, &l, &k.why), k.why);
            for (size_t i = 0; i < l.count; i++, found++) {
                EXPECT(found < ARRAY_LEN(those));
                EXPECT_EQ_UINT(l.v[i].id, those[ascending ? found : ARRAY_LEN(those) - 1 - found]);
            }
            *(ascending ? &f.after : &f.before) = l.next;
        }
        EXPECT_EQ_UINT(found, ARRAY_LEN(those));
        EXPECT_EQ_UINT(calls, 2); /* each of 200,000 ids at most */
        /* One page is no more than it was asked for, and goes on behind it. */
        f = (struct attempt_filter){.destination = STR("ep_1"),
                                    .result = ATTEMPT_SUCCESS,
                                    .ascending = ascending,
                                    .limit = 1};
        EXPECT_OK(store_attempt_log(k.r, &f, &k.a, &l, &k.why), k.why);
        EXPECT_EQ_UINT(l.count, 1);
        EXPECT_EQ_UINT(l.next, ascending ? 7 : 209999);
        /* What else is asked of them is looked for in their rows. */
        f.status_min = 400;
        f.status_max = 499;
        EXPECT_OK(store_attempt_log(k.r, &f, &k.a, &l, &k.why), k.why);
        EXPECT_EQ_UINT(l.count, 0);
    }
    kit_close(&k);
}

static sqlite3_int64 pages_asked_for(sqlite3 *db)
{
    int hits, misses, most;
    EXPECT(sqlite3_db_status(db, SQLITE_DBSTATUS_CACHE_HIT, &hits, &most, 0) == SQLITE_OK);
    EXPECT(sqlite3_db_status(db, SQLITE_DBSTATUS_CACHE_MISS, &misses, &most, 0) == SQLITE_OK);
    return (sqlite3_int64)hits + misses;
}

/* Whatever an endpoint has, its statistics read some pages of indexes and none of its rows, of
 * which ten are on a page here. */
void test_sqlite_deliveries_of_an_endpoint_are_counted_by_indexes_alone(void)
{
    enum { ALL = 6000 }; /* of which a sixth is pending, dead, skipped and cancelled each */
    struct kit k;
    kit_open(&k, "sqlite:store");
    kit_close(&k);
    run_sql("WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 6000)"
            " INSERT INTO deliveries SELECT n, n, 7, 1, 0,"
            " CASE n % 6 WHEN 1 THEN 2 ELSE n % 6 END, n % 2, 0, n, 0,"
            " printf('%.3000c', 'x'), 1 FROM i");
    sqlite3 *db;
    sqlite3_stmt *q;
    EXPECT(sqlite3_open("store/gaff.db", &db) == SQLITE_OK);
    EXPECT(sqlite3_prepare_v2(db, sqlite_count_deliveries_sql, -1, &q, NULL) == SQLITE_OK);
    sqlite3_bind_int64(q, 1, INT64_MAX);
    sqlite3_bind_int64(q, 2, 0);
    sqlite3_bind_int64(q, 3, 7);
    sqlite3_int64 before = pages_asked_for(db);
    EXPECT(sqlite3_step(q) == SQLITE_ROW);
    EXPECT(pages_asked_for(db) - before < 100);
    static const int told[] = {ALL, ALL / 6, 0, 0, ALL / 6, ALL / 6, ALL / 6};
    for (int i = 0; i < (int)ARRAY_LEN(told); i++)
        EXPECT_EQ_INT(sqlite3_column_int(q, i), told[i]);
    sqlite3_finalize(q);
    /* What it would be if rows were read. */
    before = pages_asked_for(db);
    EXPECT(sqlite3_exec(db,
                        "SELECT sum(attempts) FROM deliveries INDEXED BY deliveries_listed"
                        " WHERE destination=7 AND listed<>0",
                        NULL, NULL, NULL) == SQLITE_OK);
    EXPECT(pages_asked_for(db) - before > ALL / 10);
    EXPECT(!uses_scan(db,
                      "SELECT count(*) FROM deliveries INDEXED BY deliveries_unsent WHERE"
                      " destination=7 AND listed<>0 AND state>2 AND state=3 AND id>1 AND id<9"));
    sqlite3_close(db);
}
