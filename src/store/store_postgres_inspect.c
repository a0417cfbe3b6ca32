/* store_postgres_inspect.c -- what a person should know of a database that holds a store: settings,
 * indexes, bloat, replication, nodes. Read only; nothing is joined or changed. */
#include "store/store_postgres.h"

#include <stdlib.h>

static const char inspect_sql[] =
    "SELECT true, 'PostgreSQL ' || current_setting('server_version')"
    " UNION ALL SELECT current_setting('fsync') = 'on', 'fsync is ' || current_setting('fsync')"
    " UNION ALL SELECT current_setting('full_page_writes') = 'on',"
    " 'full_page_writes is ' || current_setting('full_page_writes')"
    " UNION ALL SELECT current_setting('synchronous_commit') <> 'off',"
    " 'synchronous_commit is ' || current_setting('synchronous_commit')"
    " UNION ALL SELECT current_setting('synchronous_standby_names') = '' OR EXISTS"
    "  (SELECT 1 FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')),"
    " CASE WHEN current_setting('synchronous_standby_names') = ''"
    "  THEN 'commits are on this server alone (synchronous_standby_names is empty)'"
    "  ELSE 'synchronous standbys connected: ' || (SELECT count(*) FROM pg_stat_replication"
    "   WHERE sync_state IN ('sync', 'quorum')) END"
    " UNION ALL SELECT max(write_lag) IS NULL OR max(write_lag) < interval '10 s',"
    " 'standbys: ' || count(*) || ', lag at most ' || coalesce(max(write_lag)::text, 'none')"
    " FROM pg_stat_replication "
    " UNION ALL SELECT count(*) = 0, 'replication slots that hold more than 1 GB of log: '"
    " || count(*) FROM pg_replication_slots WHERE NOT active AND NOT pg_is_in_recovery()"
    " AND pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_lsn() END,"
    "  restart_lsn) > 1073741824 "
    " UNION ALL SELECT current_setting('autovacuum') = 'on',"
    " 'autovacuum is ' || current_setting('autovacuum')"
    " UNION ALL SELECT current_setting('max_connections')::int >= 20,"
    " 'max_connections is ' || current_setting('max_connections') || '; a node uses up to 12'"
    " UNION ALL SELECT coalesce(max(clock_timestamp() - xact_start) < interval '10 min', true),"
    " 'oldest transaction: ' || coalesce(max(clock_timestamp() - xact_start)::text, 'none')"
    " FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";

static const char store_sql[] =
    "SELECT count(*) = 0, 'indexes that are not valid: ' || count(*) FROM pg_index i"
    " JOIN pg_class c ON c.oid = i.indexrelid WHERE NOT i.indisvalid"
    " AND c.relnamespace = 'gaff'::regnamespace "
    " UNION ALL SELECT n_dead_tup < 100000 + 5 * n_live_tup,"
    " 'queue: ' || n_live_tup || ' rows, ' || n_dead_tup || ' dead, '"
    " || pg_size_pretty(pg_total_relation_size(relid)) || ', last vacuum '"
    " || coalesce(last_autovacuum::text, 'never') FROM pg_stat_user_tables"
    " WHERE schemaname = 'gaff' AND relname = 'queue' "
    " UNION ALL SELECT count(*) = 0, 'events beyond the prepared days: ' || count(*)"
    " FROM gaff.events_default "
    " UNION ALL SELECT to_regclass('gaff.events_' || to_char(current_date + 1, 'YYYYMMDD'))"
    " IS NOT NULL, 'the partition of tomorrow is ' || CASE WHEN to_regclass('gaff.events_'"
    " || to_char(current_date + 1, 'YYYYMMDD')) IS NULL THEN 'missing' ELSE 'ready' END "
    " UNION ALL SELECT true, 'schema ' || max(number) FROM gaff.migrations "
    " UNION ALL SELECT until > clock_timestamp(), 'node ' || name || ', last heard '"
    " || (clock_timestamp() - seen)::text || ' ago, clock off by ' || skew_ms || ' ms'"
    " FROM gaff.nodes";

static enum err tell_rows(struct pg_link *l, const char *sql, store_tell_fn *tell, void *arg,
                          struct reason *why)
{
    struct PGresult *r = NULL;
    enum err e = pg_query(l, sql, NULL, PG_QUERY_MS, &r, why);
    for (int i = 0; e == ERR_OK && i < pg_rows(r); i++)
        tell(pg_is_null(r, i, 0) || pg_bool(r, i, 0), pg_bytes(r, i, 1), arg);
    pg_clear(r);
    return e;
}

enum err store_postgres_inspect(str url, store_tell_fn *tell, void *arg, struct reason *why)
{
    struct pg_link l = {0};
    struct PGresult *r = NULL;
    if (!pq_load(why))
        return ERR_NOT_FOUND;
    char *conninfo = pg_conninfo(url);
    enum err e = pg_link_open(&l, conninfo, 5000, why);
    free(conninfo);
    if (e == ERR_OK)
        e = tell_rows(&l, inspect_sql, tell, arg, why);
    if (e == ERR_OK)
        e = pg_query(&l, "SELECT to_regclass('gaff.migrations') IS NOT NULL", NULL, PG_QUERY_MS, &r,
                     why);
    if (e == ERR_OK && pg_bool(r, 0, 0))
        e = tell_rows(&l, store_sql, tell, arg, why);
    else if (e == ERR_OK)
        tell(true, STR("no store there yet; the first start makes it"), arg);
    pg_clear(r);
    pg_link_close(&l);
    return e;
}
