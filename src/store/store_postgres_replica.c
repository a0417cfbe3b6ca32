/* store_postgres_replica.c -- where lists are read: from the replica while it follows, from the
 * database itself otherwise. A replica is a favour: one that is down, slow or far behind costs a
 * log line and nothing else.
 *
 * It follows when it has replayed what the database had written REPLICA_LAG_NS ago, and all that
 * was there when this node started: so never a schema older than ours. */
#include "store/store_postgres.h"

#include "base/log.h"

#define REPLICA_LAG_NS (5 * INT64_C(1000000000))   /* to twice as much */
#define REPLICA_PAUSE_NS (5 * INT64_C(1000000000)) /* after it was found unfit */
#define REPLICA_LOOK_NS INT64_C(1000000000)        /* how often it is asked how far it is */
#define REPLICA_MS 5000                            /* for a query; then the database is asked */

void pg_replica_follow(struct pg_store *s)
{
    struct pg_replica *r = &s->replica;
    int64_t now = pg_now_ns(), at = atomic_load(&s->wal_at);
    if (r->mark == 0)
        atomic_store(&r->must_have, at);
    if (r->mark == 0 || now - r->mark_ns >= REPLICA_LAG_NS) {
        if (r->mark)
            atomic_store(&r->must_have, r->mark);
        r->mark = at;
        r->mark_ns = now;
    }
}

/* Whether it may be asked now. Of those who come while it is unfit one tries, now and then. */
static bool may_try(struct pg_replica *r)
{
    int64_t unfit = atomic_load(&r->unfit_ns), now = pg_now_ns();
    if (atomic_load(&r->must_have) == 0)
        return false;
    return unfit == 0 || (now - unfit >= REPLICA_PAUSE_NS &&
                          atomic_compare_exchange_strong(&r->unfit_ns, &unfit, now));
}

static enum err look_how_far(struct pg_store *s, struct pg_link *l, struct reason *why)
{
    struct pg_replica *r = &s->replica;
    struct PGresult *q = NULL;
    int64_t now = pg_now_ns();
    if (atomic_load(&r->unfit_ns) == 0 && now - atomic_load(&r->looked_ns) < REPLICA_LOOK_NS)
        return ERR_OK;
    enum err e = pg_query(l,
                          "SELECT ((CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()"
                          " ELSE pg_current_wal_lsn() END) - '0/0'::pg_lsn)::bigint",
                          NULL, REPLICA_MS, &q, why);
    if (e == ERR_OK && pg_i64(q, 0, 0) < atomic_load(&r->must_have))
        e = fail(why, ERR_TIMEOUT, "it is behind by %lld bytes of log or more",
                 (long long)(atomic_load(&r->must_have) - pg_i64(q, 0, 0)));
    if (e == ERR_OK)
        atomic_store(&r->looked_ns, now);
    pg_clear(q);
    return e;
}

static enum err ask_replica(struct pg_store *s, const char *sql, const struct pg_args *a,
                            struct PGresult **out, struct reason *why)
{
    struct pg_link *l = pg_take(s, PG_USE_READ, why);
    if (!l)
        return ERR_CLOSED;
    enum err e = look_how_far(s, l, why);
    if (e == ERR_OK)
        e = pg_query(l, sql, a, REPLICA_MS, out, why);
    pg_give(s, PG_USE_READ, l);
    return e;
}

static void note_state(struct pg_replica *r, enum err e, const struct reason *why)
{
    int64_t before = atomic_exchange(&r->unfit_ns, e == ERR_OK ? 0 : pg_now_ns());
    if (e != ERR_OK && !before)
        log_event(LOG_WARN, "the replica is not used; lists are read from the database itself",
                  LOG_F("reason", str_from_cstr(why->text)));
    else if (e == ERR_OK && before)
        log_line(LOG_INFO, "lists are read from the replica again");
}

enum err pg_ask_list(struct store_reader *reader, const char *sql, const struct pg_args *a,
                     struct PGresult **out, struct reason *why)
{
    struct pg_store *s = pg_of(reader->store);
    struct reason unfit = {0};
    if (reader->may_lag && s->read_conninfo && may_try(&s->replica)) {
        enum err e = ask_replica(s, sql, a, out, &unfit);
        note_state(&s->replica, e, &unfit);
        if (e == ERR_OK)
            return ERR_OK;
    }
    return pg_ask(s, PG_USE_OTHER, sql, a, out, why);
}
