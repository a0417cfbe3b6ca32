/* store_postgres_schema.c -- brings the schema up to date, one node at a time under a lock that
 * ends with its transaction; prepares the days; reads how durable a commit is. Migrations are the
 * embedded files schema/postgres/NNN_*.sql; a step must leave what the version before it calls. */
#include "store/store_postgres.h"

#include "base/embed.h"
#include "base/log.h"

#define MIGRATE_MS 600000
#define DAYS_AHEAD 2
#define SCHEMA_BYTES_MAX (1u << 20)

static const char prepare_sql[] =
    "BEGIN;"
    "SELECT pg_advisory_xact_lock(7205759402);"
    "CREATE SCHEMA IF NOT EXISTS gaff;"
    "CREATE TABLE IF NOT EXISTS gaff.migrations (number int PRIMARY KEY,"
    " applied timestamptz NOT NULL DEFAULT clock_timestamp());"
    "COMMIT;";

static int file_number(const struct packed *file)
{
    str name = str_from_cstr(file->name);
    uint64_t n = 0;
    if (!str_starts(name, STR("schema/postgres/")) || !str_ends(name, STR(".sql")))
        return 0;
    return str_to_u64(str_slice(name, 16, 19), &n) ? (int)n : 0;
}

static enum err read_version(struct pg_link *l, int *have, struct reason *why)
{
    struct PGresult *r = NULL;
    enum err e = pg_query(l, "SELECT coalesce(max(number), 0) FROM gaff.migrations", NULL,
                          PG_QUERY_MS, &r, why);
    if (e == ERR_OK)
        *have = pg_i32(r, 0, 0);
    pg_clear(r);
    return e;
}

/* One transaction: waits for a node that migrates just now, and does nothing after it. */
static enum err apply_file(struct pg_link *l, const struct packed *file, int number,
                           struct reason *why)
{
    struct buf sql;
    struct arena a;
    arena_init(&a, SCHEMA_BYTES_MAX);
    buf_init(&sql, SCHEMA_BYTES_MAX);
    buf_printf(&sql,
               "BEGIN; SELECT pg_advisory_xact_lock(7205759402);"
               "INSERT INTO gaff.migrations (number) VALUES (%d);",
               number);
    buf_str_append(&sql, packed_text(&a, file));
    buf_printf(&sql, ";COMMIT;");
    enum err e = pg_script(l, buf_cstr(&sql), MIGRATE_MS, why);
    buf_release(&sql);
    arena_release(&a);
    if (e == ERR_OK)
        return e;
    int have = 0;
    struct reason ignored;
    if (e == ERR_CLOSED || pg_script(l, "ROLLBACK", PG_QUERY_MS, &ignored) != ERR_OK ||
        read_version(l, &have, &ignored) != ERR_OK || have < number)
        return e;
    return ERR_OK; /* another node did it first */
}

enum err pg_migrate(struct pg_store *s, struct pg_link *l, struct reason *why)
{
    struct PGresult *r = NULL;
    int have = 0, known = 0;
    enum err e = pg_query(l, "SELECT to_regclass('gaff.migrations') IS NOT NULL", NULL, PG_QUERY_MS,
                          &r, why);
    bool there = e == ERR_OK && pg_bool(r, 0, 0);
    pg_clear(r);
    if (e == ERR_OK && !there)
        e = pg_script(l, prepare_sql, PG_QUERY_MS, why);
    if (e == ERR_OK)
        e = read_version(l, &have, why);
    for (size_t i = 0; i < packed_count && e == ERR_OK; i++) {
        int number = file_number(&packed_files[i]);
        if (number == 0)
            continue;
        known = number;
        if (number > have)
            e = apply_file(l, &packed_files[i], number, why);
    }
    if (e != ERR_OK)
        return e;
    if (have > known)
        return fail(why, ERR_CONFLICT,
                    "the database has schema %d and this program knows %d: it was written by a "
                    "newer version; use that",
                    have, known);
    r = NULL;
    e = pg_query(l, "SELECT dedupe_seed FROM gaff.meta", NULL, PG_QUERY_MS, &r, why);
    if (e == ERR_OK && pg_rows(r) == 1 && pg_bytes(r, 0, 0).n == DEDUPE_SEED_BYTES)
        memcpy(s->dedupe_seed, pg_bytes(r, 0, 0).p, DEDUPE_SEED_BYTES);
    else if (e == ERR_OK)
        e = fail(why, ERR_INVALID, "the table gaff.meta is not as it was made");
    pg_clear(r);
    return e;
}

enum err pg_prepare_days(struct pg_store *s, struct pg_link *l, int first, int last,
                         struct reason *why)
{
    pthread_mutex_lock(&s->days_lock);
    bool ready = s->day_first <= first && last <= s->day_last;
    pthread_mutex_unlock(&s->days_lock);
    if (ready)
        return ERR_OK;
    struct pg_args a;
    pg_args_init(&a);
    pg_add_i32(&a, first);
    pg_add_i32(&a, last + DAYS_AHEAD);
    enum err e = pg_query(l, "SELECT gaff.prepare_days($1, $2)", &a, PG_QUERY_MS, NULL, why);
    pg_args_release(&a);
    if (e != ERR_OK)
        return e;
    pthread_mutex_lock(&s->days_lock);
    /* One run of days is remembered: what lies apart from it is asked for again, which is cheap. */
    bool apart = s->day_first > s->day_last || last + DAYS_AHEAD + 1 < s->day_first ||
                 first > s->day_last + 1;
    if (apart || first < s->day_first)
        s->day_first = first;
    if (apart || last + DAYS_AHEAD > s->day_last)
        s->day_last = last + DAYS_AHEAD;
    pthread_mutex_unlock(&s->days_lock);
    return ERR_OK;
}

enum err pg_read_health(struct pg_store *s, struct pg_link *l, struct reason *why)
{
    struct PGresult *r = NULL;
    enum err e = pg_query(
        l,
        "SELECT current_setting('fsync') = 'on' AND current_setting('synchronous_commit') <> 'off',"
        " current_setting('synchronous_standby_names') <> '' AND"
        " current_setting('synchronous_commit') IN ('on', 'remote_apply'),"
        " CASE WHEN pg_is_in_recovery() THEN 0 ELSE"
        " ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END,"
        " pg_is_in_recovery(), CASE WHEN pg_is_in_recovery() THEN 0 ELSE"
        " (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint END",
        NULL, PG_QUERY_MS, &r, why);
    if (e != ERR_OK)
        return e;
    bool local = pg_bool(r, 0, 0), replicated = pg_bool(r, 0, 1), standby = pg_bool(r, 0, 3);
    int timeline = pg_i32(r, 0, 2), before = atomic_exchange(&s->timeline, timeline);
    atomic_store(&s->wal_at, pg_i64(r, 0, 4));
    pg_clear(r);
    if (standby)
        return fail(why, ERR_CLOSED,
                    "PostgreSQL: this server is a standby; name the primary, or "
                    "all hosts and target_session_attrs=read-write");
    int now = replicated ? STORE_REPLICATED : local ? STORE_LOCAL : STORE_VOLATILE;
    int was = atomic_exchange(&s->base.durability, now);
    if (was != now || (before && before != timeline))
        log_event(
            now == STORE_VOLATILE || (s->require_replicated && now != STORE_REPLICATED) ? LOG_WARN
                                                                                        : LOG_INFO,
            "durability of the database",
            LOG_F("durability", str_from_cstr(store_durability_word((enum store_durability)now))),
            LOG_I("timeline", timeline));
    if (before && before != timeline)
        log_event(LOG_WARN, "the database was failed over", LOG_I("timeline", timeline),
                  LOG_I("before", before));
    return ERR_OK;
}
