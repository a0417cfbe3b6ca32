/* store_postgres_totals.c -- what is asked of the store as a whole: counts, destinations with
 * something to do, nodes. All of the database itself, as a start is built on it. */
#include "store/store_postgres.h"

#include "base/id.h"

static str copy(struct arena *a, str s)
{
    return arena_str(a, s);
}

/* --- counts ----------------------------------------------------------------------------------- */

static const char counts_sql[] =
    "SELECT sum(events)::bigint, sum(rejected)::bigint, sum(pending)::bigint,"
    " sum(claimed)::bigint, sum(delivered)::bigint, sum(dead)::bigint, sum(skipped)::bigint,"
    " sum(cancelled)::bigint,"
    " greatest((SELECT max(id) FROM gaff.events), (SELECT max(id) FROM gaff.deliveries),"
    "  (SELECT max(id) FROM gaff.queue), (SELECT max(id) FROM gaff.rejections)),"
    " (SELECT created_ms FROM gaff.queue ORDER BY id LIMIT 1),"
    " (SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c"
    "  WHERE c.relnamespace = 'gaff'::regnamespace AND c.relkind = 'r'),"
    " (SELECT count(*) FROM gaff.objects),"
    " greatest((SELECT max(sequence) FROM gaff.objects),"
    "  (SELECT max(sequence) FROM gaff.objects_gone))"
    " FROM gaff.counters";

enum err pg_count_listed(struct store_reader *base, str source, int64_t since_ms, int64_t most,
                         int64_t *count, struct reason *why)
{
    static const char sql[] = "SELECT count(*) FROM (SELECT 1 FROM gaff.events"
                              " WHERE (flags & 4) <> 0 AND source = $1 AND id >= $2 LIMIT $3) e";
    struct pg_args a;
    struct PGresult *r = NULL;
    pg_args_init(&a);
    pg_add_text(&a, source);
    pg_add_i64(&a, (int64_t)id_floor(since_ms));
    pg_add_i64(&a, most);
    enum err e = pg_ask(pg_of(base->store), PG_USE_OTHER, sql, &a, &r, why);
    *count = e == ERR_OK ? pg_i64(r, 0, 0) : 0;
    pg_clear(r);
    pg_args_release(&a);
    return e;
}

/* What has ended without success is an index of its own, what waits or is claimed a table of its
 * own; what is delivered is the rest. */
static const char deliveries_sql[] =
#define SPAN " listed AND destination = $1 AND id > $2 AND id < $3"
    "SELECT q.pending, q.retried, q.claimed, e.n - u.n, u.dead, u.skipped, u.cancelled FROM"
    " (SELECT count(*) FILTER (WHERE state = 0) AS pending,"
    "   count(*) FILTER (WHERE state = 0 AND attempts > 0) AS retried,"
    "   count(*) FILTER (WHERE state = 1) AS claimed FROM gaff.queue WHERE" SPAN ") q,"
    " (SELECT count(*) AS n FROM gaff.deliveries WHERE" SPAN ") e,"
    " (SELECT count(*) AS n, count(*) FILTER (WHERE state = 3) AS dead,"
    "   count(*) FILTER (WHERE state = 4) AS skipped,"
    "   count(*) FILTER (WHERE state = 5) AS cancelled"
    "   FROM gaff.deliveries WHERE state <> 2 AND" SPAN ") u";
#undef SPAN

/* What lies between two ids of a destination, by a statement with $1, $2 and $3. */
static enum err ask_between(struct store_reader *base, const char *sql, str destination,
                            uint64_t after, uint64_t before, struct PGresult **r,
                            struct reason *why)
{
    struct pg_args a;
    pg_args_init(&a);
    pg_add_text(&a, destination);
    pg_add_i64(&a, (int64_t)after);
    pg_add_i64(&a, before ? (int64_t)before : INT64_MAX);
    enum err e = pg_ask(pg_of(base->store), PG_USE_OTHER, sql, &a, r, why);
    pg_args_release(&a);
    return e;
}

enum err pg_count_deliveries(struct store_reader *base, str destination, uint64_t after,
                             uint64_t before, struct delivery_counts *out, struct reason *why)
{
    struct PGresult *r = NULL;
    *out = (struct delivery_counts){0};
    enum err e = ask_between(base, deliveries_sql, destination, after, before, &r, why);
    if (e == ERR_OK) {
        uint64_t *n = out->by_state;
        n[DELIVERY_PENDING] = (uint64_t)pg_i64(r, 0, 0);
        out->retried = (uint64_t)pg_i64(r, 0, 1);
        n[DELIVERY_CLAIMED] = (uint64_t)pg_i64(r, 0, 2);
        n[DELIVERY_DELIVERED] = (uint64_t)pg_i64(r, 0, 3);
        n[DELIVERY_DEAD] = (uint64_t)pg_i64(r, 0, 4);
        n[DELIVERY_SKIPPED] = (uint64_t)pg_i64(r, 0, 5);
        n[DELIVERY_CANCELLED] = (uint64_t)pg_i64(r, 0, 6);
    }
    pg_clear(r);
    return e;
}

enum err pg_count_attempts(struct store_reader *base, str destination, uint64_t after,
                           uint64_t before, struct attempt_counts *out, struct reason *why)
{
#define COUNT                                                                                      \
    "(SELECT count(*) FROM gaff.attempts WHERE destination = $1 AND id <> 0"                       \
    " AND id > $2 AND id < $3"
    struct PGresult *r = NULL;
    *out = (struct attempt_counts){0};
    enum err e = ask_between(base,
                             "SELECT " COUNT "), " COUNT " AND result IN (1, 2, 5)), " COUNT
                             " AND result IN (3, 4))",
                             destination, after, before, &r, why);
    if (e == ERR_OK) { /* of one moment */
        out->failed = (uint64_t)pg_i64(r, 0, 1);
        out->ended = (uint64_t)pg_i64(r, 0, 2);
        out->success = (uint64_t)pg_i64(r, 0, 0) - out->failed - out->ended;
    }
    pg_clear(r);
    return e;
#undef COUNT
}

enum err pg_counts(struct store_reader *base, struct store_counts *out, struct reason *why)
{
    struct PGresult *r = NULL;
    *out = (struct store_counts){0};
    enum err e = pg_ask(pg_of(base->store), PG_USE_OTHER, counts_sql, NULL, &r, why);
    if (e != ERR_OK)
        return e;
    out->events = (uint64_t)pg_i64(r, 0, 0);
    out->rejected = (uint64_t)pg_i64(r, 0, 1);
    for (int state = 0; state < DELIVERY_STATE_COUNT; state++)
        out->by_state[state] = (uint64_t)pg_i64(r, 0, 2 + state);
    out->max_id = (uint64_t)pg_i64(r, 0, 8);
    out->oldest_pending_ms = pg_i64(r, 0, 9);
    out->bytes = (uint64_t)pg_i64(r, 0, 10);
    out->objects = (uint64_t)pg_i64(r, 0, 11);
    out->object_sequence = (uint64_t)pg_i64(r, 0, 12);
    pg_clear(r);
    return ERR_OK;
}

static const char queues_sql[] =
    "SELECT destination, sum(pending)::bigint, sum(claimed)::bigint, sum(dead)::bigint,"
    " min(oldest) FROM ("
    " SELECT destination, count(*) FILTER (WHERE state = 0) AS pending,"
    "  count(*) FILTER (WHERE state = 1) AS claimed, 0 AS dead, min(created_ms) AS oldest"
    "  FROM gaff.queue GROUP BY destination"
    " UNION ALL"
    " SELECT destination, 0, 0, count(*), NULL FROM gaff.deliveries WHERE state = 3"
    "  GROUP BY destination) q GROUP BY destination ORDER BY destination COLLATE \"C\"";

enum err pg_queues(struct store_reader *base, struct arena *a, struct queue_list *out,
                   struct reason *why)
{
    struct PGresult *r = NULL;
    *out = (struct queue_list){0};
    enum err e = pg_ask(pg_of(base->store), PG_USE_OTHER, queues_sql, NULL, &r, why);
    if (e != ERR_OK)
        return e;
    out->v = ARENA_ARRAY(a, struct queue_row, (size_t)pg_rows(r) + 1);
    for (int i = 0; out->v && i < pg_rows(r); i++)
        out->v[out->count++] = (struct queue_row){
            .destination = copy(a, pg_bytes(r, i, 0)),
            .pending = (uint64_t)pg_i64(r, i, 1),
            .claimed = (uint64_t)pg_i64(r, i, 2),
            .dead = (uint64_t)pg_i64(r, i, 3),
            .oldest_ms = pg_i64(r, i, 4),
        };
    pg_clear(r);
    return out->v && arena_ok(a) ? ERR_OK : out_of_arena(why);
}

/* From one destination to the next, however many deliveries lie between. */
static const char pending_sql[] =
    "WITH RECURSIVE d (name) AS ("
    " (SELECT destination FROM gaff.queue ORDER BY destination LIMIT 1)"
    " UNION ALL"
    " SELECT (SELECT q.destination FROM gaff.queue q WHERE q.destination > d.name"
    "  ORDER BY q.destination LIMIT 1) FROM d WHERE d.name IS NOT NULL)"
    " SELECT name FROM d WHERE (SELECT true FROM gaff.queue q"
    "  WHERE q.destination = d.name AND q.state = 0 ORDER BY q.next_ms LIMIT 1)";

enum err pg_pending_destinations(struct store_reader *base, struct arena *a, str **out,
                                 size_t *count, struct reason *why)
{
    struct PGresult *r = NULL;
    *count = 0;
    enum err e = pg_ask(pg_of(base->store), PG_USE_OTHER, pending_sql, NULL, &r, why);
    if (e != ERR_OK)
        return e;
    *out = ARENA_ARRAY(a, str, (size_t)pg_rows(r) + 1);
    for (int i = 0; *out && i < pg_rows(r); i++)
        (*out)[(*count)++] = copy(a, pg_bytes(r, i, 0));
    pg_clear(r);
    return *out && arena_ok(a) ? ERR_OK : out_of_arena(why);
}

/* --- nodes ------------------------------------------------------------------------------------ */

static const char nodes_sql[] =
    "SELECT n.name, n.version, n.epoch,"
    " (extract(epoch FROM n.started) * 1000)::bigint, (extract(epoch FROM n.seen) * 1000)::bigint,"
    " n.until > clock_timestamp(), n.skew_ms, coalesce(l.lanes, ''), coalesce(l.n, 0),"
    " coalesce((extract(epoch FROM clock_timestamp()) * 1000)::bigint - l.due, 0)"
    " FROM gaff.nodes n LEFT JOIN LATERAL ("
    "  SELECT left(string_agg(x.destination, ' ' ORDER BY x.destination), 2000) AS lanes,"
    "   count(*) AS n, min((SELECT q.next_ms FROM gaff.queue q WHERE q.destination = x.destination"
    "    ORDER BY q.next_ms LIMIT 1)) AS due"
    "  FROM gaff.lanes x WHERE x.epoch = n.epoch) l ON true ORDER BY n.name, n.epoch";

enum err pg_nodes(struct store_reader *base, struct arena *a, struct node_list *out,
                  struct reason *why)
{
    struct pg_store *s = pg_of(base->store);
    struct PGresult *r = NULL;
    *out = (struct node_list){0};
    enum err e = pg_ask(s, PG_USE_OTHER, nodes_sql, NULL, &r, why);
    if (e != ERR_OK)
        return e;
    out->v = ARENA_ARRAY(a, struct node_row, (size_t)pg_rows(r) + 1);
    for (int i = 0; out->v && i < pg_rows(r); i++) {
        int64_t lag_ms = pg_i64(r, i, 9);
        out->v[out->count++] = (struct node_row){
            .name = copy(a, pg_bytes(r, i, 0)),
            .version = copy(a, pg_bytes(r, i, 1)),
            .epoch = pg_i64(r, i, 2),
            .started_ms = pg_i64(r, i, 3),
            .seen_ms = pg_i64(r, i, 4),
            .alive = pg_bool(r, i, 5),
            .skew_ms = pg_i64(r, i, 6),
            .lanes = copy(a, pg_bytes(r, i, 7)),
            .lane_count = (uint64_t)pg_i64(r, i, 8),
            .lag_ms = lag_ms > 0 ? lag_ms : 0,
            .self = pg_i64(r, i, 2) == atomic_load(&s->epoch),
        };
    }
    pg_clear(r);
    return out->v && arena_ok(a) ? ERR_OK : out_of_arena(why);
}
