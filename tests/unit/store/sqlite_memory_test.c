/* SQLite is refused memory at one of its needs of it, then at a later one, and so on: the process
 * ends with the code that says so, or what was acknowledged is there and the store goes on. */
#include "kit.h"

#include "base/log.h"

#include <limits.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAS_NOT_REFUSED 3
#define ROUNDS 4

#define NEVER (LONG_MIN / 2)

static _Atomic long left; /* until one is refused */
static long in_a_row;     /* how many are */
static sqlite3_mem_methods real;

static bool is_refused(void)
{
    long n = atomic_fetch_sub(&left, 1);
    return n <= 1 && n > 1 - in_a_row;
}

static void *refusing_malloc(int n)
{
    return is_refused() ? NULL : real.xMalloc(n);
}

static void *refusing_realloc(void *p, int n)
{
    return is_refused() ? NULL : real.xRealloc(p, n);
}

static void take_over_memory(void)
{
    EXPECT_EQ_INT(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real), SQLITE_OK);
    sqlite3_mem_methods m = real;
    m.xMalloc = refusing_malloc;
    m.xRealloc = refusing_realloc;
    EXPECT_EQ_INT(sqlite3_config(SQLITE_CONFIG_MALLOC, &m), SQLITE_OK);
}

struct put { /* one event with a delivery of its own */
    uint64_t event, delivery;
    char body[3000];
    bool is_acked, is_held; /* the commit was, the delivery is claimed */
};

static str destination_of(struct kit *k, size_t round)
{
    return arena_printf(&k->a, "to-%zu", round);
}

static void try_round(struct kit *k, size_t round, struct put *p)
{
    struct delivery_list claimed = {0};
    struct claim c = {.destination = destination_of(k, round), .now_ms = kit_now(k), .max = 1};
    struct event e;
    int64_t next_ms;
    memset(p->body, 'a' + (int)round, sizeof(p->body));
    struct new_event *n = kit_event(k, str_of(p->body, sizeof(p->body)));
    p->event = n->event.id;
    p->delivery = kit_delivery(k, n, c.destination)->id;
    p->is_acked = kit_try_commit(k) == ERR_OK;
    p->is_held =
        store_claim(k->s, &c, &k->a, &claimed, &next_ms, &k->why) == ERR_OK && claimed.count == 1;
    if (p->is_held && round % 2)
        (void)kit_try_settle(k, p->delivery, DELIVERY_DELIVERED, 0, 1);
    k->r->store->ops->hold(k->r);
    (void)store_load(k->r, p->event, 0, &k->a, &e, &k->why);
    k->r->store->ops->rest(k->r);
}

static void expect_all(struct kit *k, const struct put *puts)
{
    for (size_t i = 0; i < ROUNDS; i++) {
        struct event e;
        if (!puts[i].is_acked)
            continue;
        EXPECT_OK(store_load(k->r, puts[i].event, 0, &k->a, &e, &k->why), k->why);
        EXPECT_EQ_STR(e.body, str_of(puts[i].body, sizeof(puts[i].body)));
        EXPECT_EQ_STR(kit_find(k, puts[i].delivery).destination, destination_of(k, i));
    }
}

static _Noreturn void work_with_nth_refused(long nth)
{
    struct kit k;
    struct put puts[ROUNDS];
    char url[32]; /* a store of its own */
    (void)snprintf(url, sizeof(url), "sqlite:%ld-%ld", in_a_row, nth);
    atomic_store(&left, NEVER);
    take_over_memory();
    kit_open(&k, url);
    (void)kit_put(&k, STR("before"), false);
    atomic_store(&left, nth);
    for (size_t i = 0; i < ROUNDS; i++)
        try_round(&k, i, &puts[i]);
    bool was_refused = atomic_load(&left) < 1;
    atomic_store(&left, NEVER);
    expect_all(&k, puts);
    for (size_t i = 0; i < ROUNDS; i++)
        if (puts[i].is_acked && !puts[i].is_held)
            EXPECT_EQ_UINT(kit_claim(&k, destination_of(&k, i), 9, false, NULL).count, 1);
    (void)kit_put(&k, STR("after"), false);
    EXPECT_EQ_UINT(kit_claim(&k, STR("after"), 9, false, NULL).count, 1);
    EXPECT_EQ_UINT(kit_claim(&k, STR("before"), 9, false, NULL).count, 1);
    kit_shut(&k);
    kit_reopen(&k, url);
    expect_all(&k, puts);
    kit_close(&k);
    _exit(was_refused ? 0 : WAS_NOT_REFUSED);
}

/* From the first place on, and wider and wider apart: each costs the opening of a store, twice. */
static void with_many_refused(long count, long first)
{
    int code = -1;
    in_a_row = count;
    for (long nth = first; code != WAS_NOT_REFUSED; nth += 1 + nth / 12) {
        int status;
        pid_t child = fork();
        EXPECT(child >= 0);
        if (child == 0)
            work_with_nth_refused(nth);
        EXPECT(waitpid(child, &status, 0) == child);
        code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        if (code != 0 && code != EXIT_NO_MEMORY && code != WAS_NOT_REFUSED)
            FAIL("%ld refused from the %ldth: status %x", count, nth, (unsigned)status);
        EXPECT(nth > first || code != WAS_NOT_REFUSED);
    }
}

void test_sqlite_memory_refused_is_no_loss(void)
{
    with_many_refused(1, 1);
}

/* What it needs to end a transaction that failed is refused, too. */
void test_sqlite_memory_refused_for_a_while_is_no_loss(void)
{
    with_many_refused(6, 1);
}

void test_sqlite_memory_refused_for_a_while_elsewhere_is_no_loss(void)
{
    with_many_refused(6, 16);
}
