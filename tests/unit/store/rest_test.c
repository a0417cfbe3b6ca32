/* A store at rest: what a burst needed is given back, and the store goes on as before. */
#include "kit.h"

#include "store/store_sqlite.h"

#include <time.h>

#define EVENTS 12000u
#define AT_REST_BYTES (1 << 20)

static char body[400];

static void burst(struct kit *k, unsigned first)
{
    char key[32];
    for (unsigned i = first; i < first + EVENTS;) {
        arena_reset(&k->a);
        for (unsigned in = 0; in < KIT_BATCH_MAX && i < first + EVENTS; in++, i++) {
            struct new_event *n = kit_event(k, str_of(body, sizeof(body)));
            snprintf(key, sizeof(key), "key-%u", i);
            n->event.dedupe_key = arena_str(&k->a, str_from_cstr(key));
            n->dedupe_window_ms = 86400000;
            kit_delivery(k, n, STR("ci"));
        }
        kit_commit(k);
    }
}

/* Bytes of pages, records and rows that the thread which follows the journal holds. */
static size_t held(struct sqlite_store *s)
{
    int pages = 0, most = 0;
    writer_lock(s);
    EXPECT(sqlite3_db_status(s->writer.c.db, SQLITE_DBSTATUS_CACHE_USED, &pages, &most, 0) == 0);
    size_t bytes = (size_t)pages + s->writer.bytes.cap;
    if (s->writer.chunk)
        bytes += AT_REST_BYTES;
    writer_unlock(s);
    return bytes;
}

static void until_at_rest(struct sqlite_store *s)
{
    while (atomic_load(&s->applied_lsn) < journal_end(s->journal) || held(s) >= AT_REST_BYTES)
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

void test_rest_gives_back_what_a_burst_needed(void)
{
    struct kit k;
    kit_open(&k, "sqlite:store");
    struct sqlite_store *s = sqlite_of(k.s);
    for (unsigned i = 0; i < 2; i++) {
        burst(&k, i * EVENTS);
        EXPECT_EQ_UINT(kit_counts(&k).events, (i + 1) * EVENTS);
        until_at_rest(s);
    }
    /* Keys of both bursts are still known, those in memory and those on disk. */
    for (unsigned i = 0; i < 2; i++) {
        struct new_event *n = kit_event(&k, str_of(body, sizeof(body)));
        n->event.dedupe_key = i ? STR("key-1") : STR("key-23999");
        n->dedupe_window_ms = 86400000;
        kit_commit(&k);
        EXPECT(n->duplicate_of != 0);
    }
    EXPECT_EQ_UINT(kit_claim(&k, STR("ci"), 9, false, NULL).count, 9);
    kit_close(&k);
}
